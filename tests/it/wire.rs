//! Remote write bodies made by hand.
//!
//! The crate has an encoder of its own, but a decoder that is only tested with its own encoder agrees with every mistake
//! they share. What is written here follows the published messages (`prometheus.WriteRequest`,
//! `io.prometheus.write.v2.Request`) and can also write what no encoder would.

use std::time::{SystemTime, UNIX_EPOCH};

/// The version of the remote write protocol, which decides message and headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    V1,
    V2,
}

impl Version {
    pub(crate) const BOTH: [Self; 2] = [Self::V1, Self::V2];

    pub(crate) fn content_type(self) -> &'static str {
        match self {
            Self::V1 => "application/x-protobuf",
            Self::V2 => "application/x-protobuf;proto=io.prometheus.write.v2.Request",
        }
    }

    pub(crate) fn number(self) -> &'static str {
        match self {
            Self::V1 => "0.1.0",
            Self::V2 => "2.0.0",
        }
    }
}

/// A label set with its samples (milliseconds, value).
#[derive(Clone, Debug)]
pub(crate) struct Series {
    pub(crate) labels: Vec<(String, String)>,
    pub(crate) samples: Vec<(i64, f64)>,
}

impl Series {
    pub(crate) fn new(name: &str, labels: &[(&str, &str)], samples: &[(i64, f64)]) -> Self {
        let mut all = vec![("__name__".to_owned(), name.to_owned())];
        all.extend(labels.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())));
        Self { labels: all, samples: samples.to_vec() }
    }

    /// A series whose labels are taken as they are, with or without a name.
    pub(crate) fn with_labels(labels: &[(&str, &str)], samples: &[(i64, f64)]) -> Self {
        let labels = labels.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
        Self { labels, samples: samples.to_vec() }
    }
}

/// A protobuf message under construction.
#[derive(Clone, Debug, Default)]
pub(crate) struct Message(pub(crate) Vec<u8>);

impl Message {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    fn raw_varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push((value as u8) | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    pub(crate) fn varint(mut self, field: u64, value: u64) -> Self {
        self.raw_varint(field << 3);
        self.raw_varint(value);
        self
    }

    pub(crate) fn double(mut self, field: u64, value: f64) -> Self {
        self.raw_varint(field << 3 | 1);
        self.0.extend_from_slice(&value.to_bits().to_le_bytes());
        self
    }

    pub(crate) fn bytes(mut self, field: u64, value: &[u8]) -> Self {
        self.raw_varint(field << 3 | 2);
        self.raw_varint(value.len() as u64);
        self.0.extend_from_slice(value);
        self
    }

    pub(crate) fn packed(self, field: u64, values: &[u32]) -> Self {
        let mut inner = Self::new();
        for &value in values {
            inner.raw_varint(u64::from(value));
        }
        self.bytes(field, &inner.0)
    }

    /// Appends bytes that need not be valid.
    pub(crate) fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }
}

/// A `Sample`, the same in both versions.
pub(crate) fn sample((at, value): (i64, f64)) -> Message {
    Message::new().double(1, value).varint(2, at as u64)
}

/// A `TimeSeries` of version 1.0.
pub(crate) fn series_v1(series: &Series) -> Message {
    let mut message = Message::new();
    for (name, value) in &series.labels {
        let label = Message::new().bytes(1, name.as_bytes()).bytes(2, value.as_bytes());
        message = message.bytes(1, &label.0);
    }
    for &at_value in &series.samples {
        message = message.bytes(2, &sample(at_value).0);
    }
    message
}

/// The symbols of a version 2.0 request; the first is the empty string.
#[derive(Debug)]
pub(crate) struct Symbols(Vec<String>);

impl Symbols {
    pub(crate) fn new() -> Self {
        Self(vec![String::new()])
    }

    pub(crate) fn reference(&mut self, text: &str) -> u32 {
        let known = self.0.iter().position(|symbol| symbol == text);
        let index = known.unwrap_or_else(|| {
            self.0.push(text.to_owned());
            self.0.len() - 1
        });
        u32::try_from(index).unwrap()
    }

    /// Returns the references of a label set: name, value, name, value …
    pub(crate) fn references(&mut self, series: &Series) -> Vec<u32> {
        let texts = series.labels.iter().flat_map(|(name, value)| [name, value]);
        texts.map(|text| self.reference(text)).collect()
    }

    /// A `Request` of version 2.0 with these symbols and the given `TimeSeries`.
    pub(crate) fn request(&self, series: &[Message]) -> Message {
        let symbols = self.0.iter().fold(Message::new(), |message, symbol| message.bytes(4, symbol.as_bytes()));
        series.iter().fold(symbols, |message, series| message.bytes(5, &series.0))
    }
}

/// A `TimeSeries` of version 2.0 with any references.
pub(crate) fn series_v2(references: &[u32], samples: &[(i64, f64)]) -> Message {
    let labels = Message::new().packed(1, references);
    samples.iter().fold(labels, |message, &at_value| message.bytes(2, &sample(at_value).0))
}

/// A whole request, not yet compressed.
pub(crate) fn request(version: Version, series: &[Series]) -> Message {
    match version {
        Version::V1 => series.iter().fold(Message::new(), |message, series| message.bytes(1, &series_v1(series).0)),
        Version::V2 => {
            let mut symbols = Symbols::new();
            let messages: Vec<_> =
                series.iter().map(|series| series_v2(&symbols.references(series), &series.samples)).collect();
            symbols.request(&messages)
        }
    }
}

/// Compresses to the snappy block format.
pub(crate) fn snappy(bytes: &[u8]) -> Vec<u8> {
    snap::raw::Encoder::new().compress_vec(bytes).unwrap()
}

/// Returns the present in milliseconds, as senders stamp their samples.
pub(crate) fn now_ms() -> i64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(since_epoch.as_millis()).unwrap()
}
