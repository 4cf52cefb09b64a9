//! What a request may cost, and why a whole request is refused.

use crate::ingest::wire::Malformed;

/// Bounds on one request and on each series in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Size of the decompressed body in bytes. Never effective above 4 GiB.
    pub body_bytes: usize,
    /// Labels of a series, the metric's name among them.
    pub labels: usize,
    /// Length of a label's name in bytes.
    pub name_bytes: usize,
    /// Length of a label's value in bytes.
    pub value_bytes: usize,
    /// Series of a request, refused ones included.
    pub series: usize,
    /// Samples and histograms of a request, refused ones included.
    pub samples: usize,
    /// Entries in the symbol table of a 2.0 request.
    pub symbols: usize,
}

impl Default for Limits {
    /// Far above what senders do by default: Prometheus sends 2,000 samples a request, vmagent 10,000, and their
    /// bodies stay below 3 MB.
    fn default() -> Self {
        Self {
            body_bytes: 32 << 20,
            labels: 64,
            name_bytes: 1024,
            value_bytes: 4096,
            series: 100_000,
            samples: 1_000_000,
            symbols: 500_000,
        }
    }
}

/// Why a whole request is refused. Sending it again would not help.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The body is, or says it is, larger than the limit once decompressed.
    #[error("decompressed body of {bytes} bytes is over the limit of {limit}")]
    BodyTooLarge {
        /// Size that the body has or declares.
        bytes: u64,
        /// The limit.
        limit: usize,
    },
    /// More elements than the limit allows.
    #[error("request holds more than {limit} {what}; send smaller batches")]
    TooMany {
        /// What there is too much of.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
    /// The body is in snappy's framed format, where remote write asks for the block format.
    #[error("body is in snappy's framed format; remote write asks for the block format")]
    FramedSnappy,
    /// The body is not a snappy block.
    #[error("body is not a valid snappy block: {0}")]
    Snappy(#[source] snap::Error),
    /// The body declares a length that a snappy block of its size cannot reach.
    #[error("body of {compressed} bytes cannot hold the {declared} bytes that its snappy header declares")]
    ImpossibleLength {
        /// Size of the compressed body in bytes.
        compressed: usize,
        /// Size it declares in bytes.
        declared: usize,
    },
    /// The body is not protobuf.
    #[error(transparent)]
    Malformed(#[from] Malformed),
}

impl DecodeError {
    /// Whether the request is too large (HTTP 413) and not wrong (HTTP 400).
    #[must_use]
    pub fn is_too_large(&self) -> bool {
        matches!(self, Self::BodyTooLarge { .. } | Self::TooMany { .. })
    }
}
