//! Requests made by hand from the field numbers, and by our own encoder.

mod faults;
mod histograms;
mod hostile;
mod requests;
mod round_trip;

use super::{DecodeError, Limits, Protocol, WriteRequest};
use crate::signal::Labels;

/// A message made by hand, independent of the encoder under test.
#[derive(Clone, Default)]
pub(super) struct Message(pub(super) Vec<u8>);

impl Message {
    pub(super) fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    /// One-byte tag: field numbers below 16.
    fn tag(self, number: u8, wire_type: u8) -> Self {
        assert!(number < 16);
        self.raw(&[number << 3 | wire_type])
    }

    fn bare(mut self, mut value: u64) -> Self {
        loop {
            let more = value > 0x7f;
            self.0.push((value & 0x7f) as u8 | if more { 0x80 } else { 0 });
            value >>= 7;
            if !more {
                return self;
            }
        }
    }

    pub(super) fn varint(self, number: u8, value: u64) -> Self {
        self.tag(number, 0).bare(value)
    }

    pub(super) fn sint(self, number: u8, value: i64) -> Self {
        self.varint(number, zigzag(value))
    }

    pub(super) fn double(self, number: u8, value: f64) -> Self {
        self.tag(number, 1).raw(&value.to_bits().to_le_bytes())
    }

    pub(super) fn bytes(self, number: u8, bytes: impl AsRef<[u8]>) -> Self {
        self.tag(number, 2).bare(bytes.as_ref().len() as u64).raw(bytes.as_ref())
    }

    pub(super) fn message(self, number: u8, message: Self) -> Self {
        self.bytes(number, message.0)
    }

    pub(super) fn packed(self, number: u8, values: &[u64]) -> Self {
        let packed = values.iter().fold(Self::default(), |packed, value| packed.bare(*value));
        self.message(number, packed)
    }

    pub(super) fn sample(self, at: i64, value: f64) -> Self {
        self.message(2, message().double(1, value).varint(2, at as u64))
    }

    /// 1.0: a label of a series.
    pub(super) fn label(self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        self.message(1, message().bytes(1, name).bytes(2, value))
    }
}

pub(super) fn message() -> Message {
    Message::default()
}

pub(super) fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

/// 1.0: a series with these labels and one sample.
pub(super) fn series(labels: &[(&str, &str)]) -> Message {
    labels.iter().fold(message(), |series, (name, value)| series.label(name, value)).sample(1000, 1.5)
}

/// A 1.0 request of these series.
pub(super) fn request_v1(series: &[Message]) -> Vec<u8> {
    series.iter().fold(message(), |request, series| request.message(1, series.clone())).0
}

/// A 2.0 request: a symbol table and series.
pub(super) fn request_v2(symbols: &[&str], series: &[Message]) -> Vec<u8> {
    let request = symbols.iter().fold(message(), |request, symbol| request.bytes(4, symbol));
    series.iter().fold(request, |request, series| request.message(5, series.clone())).0
}

pub(super) fn decode(protocol: Protocol, body: &[u8]) -> Result<WriteRequest, DecodeError> {
    WriteRequest::decode(protocol, body.to_vec(), &Limits::default())
}

/// Label sets of the acceptable series, as the exposition format writes them.
pub(super) fn names(request: &WriteRequest) -> Vec<String> {
    request.series().iter().map(|entry| Labels::from_pairs(request.view(entry).labels()).to_string()).collect()
}

/// Visits everything that can be asked of a request.
pub(super) fn visit(request: &WriteRequest) {
    for entry in request.series() {
        let view = request.view(entry);
        assert_eq!(view.samples().count(), entry.samples as usize);
        let histograms: Vec<_> = view.histograms().filter_map(Result::ok).collect();
        assert_eq!(histograms.len(), entry.histograms as usize);
        for pair in histograms.windows(2) {
            pair[1].since(&pair[0]).map(|grown| [0.0, 0.5, 1.0].map(|q| grown.quantile(q)));
        }
        let labels = Labels::from_pairs(view.labels());
        assert_eq!(crate::signal::Identity::of(&labels), entry.identity);
        assert!(view.kind().as_str().len() > 3);
    }
    request.metadata().count();
    request.rejected().to_string();
}
