//! Log records from whatever shipper sends them: every protocol ends in a [`LogBatch`](crate::signal::LogBatch).
//!
//! Labels get the names that all of vigie uses, so that a service is the same whoever ships its lines: see [`names`].

mod collect;
mod compression;
pub mod elastic;
mod fields;
pub mod forward;
mod json;
pub mod loki;
pub mod names;
pub mod otlp;
#[cfg(test)]
mod seen;
pub mod syslog;
mod time;
mod writer;

pub use compression::decompress;
pub use writer::Writer;

use crate::ingest::wire::Malformed;

/// Bounds on one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLimits {
    /// Size of the decompressed body in bytes.
    pub body_bytes: usize,
    /// Records of a request.
    pub records: usize,
    /// Streams (different label sets) of a request.
    pub streams: usize,
    /// Labels of a stream.
    pub labels: usize,
    /// Length of a label's name or value in bytes.
    pub label_bytes: usize,
}

impl Default for LogLimits {
    /// Far above what shippers send by default: batches of 1 to 5 MB, Elasticsearch's clients up to 10 MB.
    fn default() -> Self {
        Self { body_bytes: 32 << 20, records: 500_000, streams: 50_000, labels: 64, label_bytes: 4_096 }
    }
}

/// Why a whole request is refused. Sending it again would not help.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LogError {
    /// The body is larger than the limit once decompressed.
    #[error("decompressed body is over the limit of {limit} bytes; send smaller batches")]
    BodyTooLarge {
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
    /// The body is not what its content type says.
    #[error("{what} at byte {at}")]
    Malformed {
        /// What is wrong.
        what: String,
        /// Where, in the decompressed body.
        at: usize,
    },
    /// A content encoding or content type that is not known here.
    #[error("{0}")]
    Unsupported(String),
}

impl From<Malformed> for LogError {
    fn from(Malformed { offset, fault }: Malformed) -> Self {
        Self::Malformed { what: format!("malformed protobuf: {fault}"), at: offset }
    }
}

impl LogError {
    /// Whether the request is too large (HTTP 413) and not wrong (HTTP 400).
    #[must_use]
    pub fn is_too_large(&self) -> bool {
        matches!(self, Self::BodyTooLarge { .. } | Self::TooMany { .. })
    }
}
