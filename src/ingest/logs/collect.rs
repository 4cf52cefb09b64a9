//! From a decoder into a batch, within the limits of one request.

use std::{borrow::Cow, collections::HashMap};

use super::{LogError, LogLimits, names};
use crate::signal::{Labels, LogBatch, LogLine, StreamRef};

/// Name and value of a label or of an attribute.
pub(super) type Pair<'a> = (Cow<'a, str>, Cow<'a, str>);

/// Most labels of a stream or attributes of a record that are looked at: above what limits let through anyway, so that
/// it bounds memory and nothing else.
const PAIRS: usize = 1_024;

/// Adds a pair while there is room.
pub(super) fn keep<'a>(pairs: &mut Vec<Pair<'a>>, pair: Pair<'a>) {
    if pairs.len() < PAIRS {
        pairs.push(pair);
    }
}

/// Whether a text identifies a trace: up to 32 hexadecimal digits that are not all 0.
pub(super) fn is_trace_id(text: &str) -> bool {
    text.len() <= 32 && text.bytes().all(|b| b.is_ascii_hexdigit()) && text.bytes().any(|b| b != b'0')
}

/// A batch that is being filled from one request.
#[derive(Debug)]
pub(super) struct Collector<'a> {
    limits: &'a LogLimits,
    batch: &'a mut LogBatch,
    streams: HashMap<Labels, StreamRef>,
    records: usize,
}

impl<'a> Collector<'a> {
    pub(super) fn new(limits: &'a LogLimits, batch: &'a mut LogBatch) -> Self {
        Self { limits, batch, streams: HashMap::new(), records: 0 }
    }

    /// The stream that its sender calls so; a request may name it more than once. `at` is where it does, in bytes.
    ///
    /// # Errors
    /// [`LogError`] for too many streams, for too many labels and for long ones.
    pub(super) fn stream(&mut self, sent: &[Pair<'_>], at: usize) -> Result<StreamRef, LogError> {
        let LogLimits { streams, labels: most, label_bytes, .. } = *self.limits;
        if sent.len() > most {
            return Err(LogError::Malformed { what: format!("stream with more than {most} labels"), at });
        }
        if sent.iter().any(|(name, value)| name.len().max(value.len()) > label_bytes) {
            return Err(LogError::Malformed { what: format!("label longer than {label_bytes} bytes"), at });
        }
        let labels = names::normalise(sent.iter().map(|(name, value)| (&**name, &**value)));
        if let Some(stream) = self.streams.get(&labels) {
            return Ok(*stream);
        }
        if self.streams.len() >= streams {
            return Err(LogError::TooMany { what: "streams", limit: streams });
        }
        let stream = self.batch.stream(labels.clone());
        self.streams.insert(labels, stream);
        Ok(stream)
    }

    /// Adds a record to the batch.
    ///
    /// # Errors
    /// [`LogError::TooMany`] when there is no room for it.
    pub(super) fn record<'t>(
        &mut self,
        stream: StreamRef,
        line: &LogLine<'_>,
        attributes: impl IntoIterator<Item = (&'t str, &'t str)>,
    ) -> Result<(), LogError> {
        if self.records >= self.limits.records {
            return Err(LogError::TooMany { what: "records", limit: self.limits.records });
        }
        self.records += 1;
        self.batch.push(stream, line, attributes);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair<'a>(name: &'a str, value: &'a str) -> Pair<'a> {
        (name.into(), value.into())
    }

    #[test]
    fn a_stream_is_one_however_often_it_is_named() {
        let (limits, mut batch) = (LogLimits { streams: 2, ..LogLimits::default() }, LogBatch::default());
        let mut collector = Collector::new(&limits, &mut batch);
        let first = collector.stream(&[pair("app", "a"), pair("pod", "b")], 0).unwrap();
        assert_ne!(collector.stream(&[], 0).unwrap(), first);
        assert_eq!(collector.stream(&[pair("pod", "b"), pair("app", "a")], 0).unwrap(), first);
        let refused = collector.stream(&[pair("app", "c")], 0).unwrap_err();
        assert_eq!(refused, LogError::TooMany { what: "streams", limit: 2 });
    }

    #[test]
    fn labels_and_records_have_limits() {
        let limits = LogLimits { labels: 2, label_bytes: 5, records: 1, ..LogLimits::default() };
        let mut batch = LogBatch::default();
        let mut collector = Collector::new(&limits, &mut batch);
        let refused = collector.stream(&[pair("a", "1"), pair("b", "1"), pair("c", "1")], 7).unwrap_err();
        assert_eq!(refused.to_string(), "stream with more than 2 labels at byte 7");
        let refused = collector.stream(&[pair("app", "longer")], 8).unwrap_err();
        assert_eq!(refused.to_string(), "label longer than 5 bytes at byte 8");
        assert!(!refused.is_too_large());
        let stream = collector.stream(&[pair("app", "fits!")], 0).unwrap();
        collector.record(stream, &LogLine::default(), []).unwrap();
        let refused = collector.record(stream, &LogLine::default(), []).unwrap_err();
        assert_eq!(refused, LogError::TooMany { what: "records", limit: 1 });
        assert_eq!(batch.len(), 1);
    }

    #[test]
    fn identifiers_of_traces() {
        for id in ["0af7651916cd43dd8448eb211c80319c", "1F", "00000000000000000000000000000001"] {
            assert!(is_trace_id(id), "{id}");
        }
        for other in ["", "0", "00000000000000000000000000000000", "0af7651916cd43dd8448eb211c80319c0", "trace-7"] {
            assert!(!is_trace_id(other), "{other}");
        }
    }
}
