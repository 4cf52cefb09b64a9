//! Requests made by hand from the field numbers, and by our own encoder.

mod faults;
mod histograms;
mod hostile;
mod requests;
mod round_trip;

use super::{DecodeError, Limits, Protocol, WriteRequest};
use crate::{
    ingest::message::{Message, message, zigzag},
    signal::Labels,
};

/// What requests hold.
impl Message {
    pub(super) fn sample(self, at: i64, value: f64) -> Self {
        self.message(2, message().double(1, value).varint(2, at as u64))
    }

    /// 1.0: a label of a series.
    pub(super) fn label(self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        self.message(1, message().bytes(1, name).bytes(2, value))
    }
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
