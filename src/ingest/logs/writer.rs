//! Fills a batch: records that have the same labels are of the same stream.

use std::collections::HashMap;

use super::{LogError, LogLimits, names};
use crate::signal::{Labels, LogBatch, LogLine, StreamRef};

/// Writes records to one batch, which is taken to be empty at first, within the limits of a request.
#[derive(Debug)]
pub struct Writer<'b> {
    batch: &'b mut LogBatch,
    limits: &'b LogLimits,
    /// Streams by labels as they were told: nothing is built for those that were seen before.
    told: HashMap<Vec<u8>, StreamRef>,
    streams: HashMap<Labels, StreamRef>,
    key: Vec<u8>,
}

impl<'b> Writer<'b> {
    /// Writes to `batch`.
    #[must_use]
    pub fn new(batch: &'b mut LogBatch, limits: &'b LogLimits) -> Self {
        Self { batch, limits, told: HashMap::new(), streams: HashMap::new(), key: Vec::new() }
    }

    /// Number of records in the batch.
    #[must_use]
    pub fn records(&self) -> usize {
        self.batch.len()
    }

    /// Bytes of text in the batch.
    #[must_use]
    pub fn text_bytes(&self) -> usize {
        self.batch.text_bytes()
    }

    /// Bounds on what is written.
    pub(super) fn limits(&self) -> &'b LogLimits {
        self.limits
    }

    /// Adds a record. Labels that are too long or too many become attributes.
    ///
    /// # Errors
    /// [`LogError::TooMany`] records or streams for one batch.
    pub(super) fn push<'a>(
        &mut self,
        labels: &[(&'a str, &'a str)],
        line: &LogLine<'_>,
        attributes: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<(), LogError> {
        let limits = self.limits;
        if self.batch.len() >= limits.records {
            return Err(LogError::TooMany { what: "records", limit: limits.records });
        }
        let (mut fitting, mut others): (Vec<_>, Vec<_>) =
            labels.iter().copied().partition(|(name, value)| name.len().max(value.len()) <= limits.label_bytes);
        others.extend(fitting.split_off(fitting.len().min(limits.labels)));
        let stream = self.stream(&fitting)?;
        self.batch.push(stream, line, others.into_iter().chain(attributes));
        Ok(())
    }

    fn stream(&mut self, labels: &[(&str, &str)]) -> Result<StreamRef, LogError> {
        self.key.clear();
        for (name, value) in labels {
            // No text holds this byte, so that different labels never look the same.
            for part in [name, value] {
                self.key.extend_from_slice(part.as_bytes());
                self.key.push(0xff);
            }
        }
        if let Some(&stream) = self.told.get(&self.key) {
            return Ok(stream);
        }
        let labels = names::normalise(labels.iter().copied());
        let stream = match self.streams.get(&labels) {
            Some(&stream) => stream,
            None if self.streams.len() >= self.limits.streams => {
                return Err(LogError::TooMany { what: "streams", limit: self.limits.streams });
            }
            None => {
                let stream = self.batch.stream(labels.clone());
                self.streams.insert(labels, stream);
                stream
            }
        };
        self.told.insert(self.key.clone(), stream);
        Ok(stream)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: LogLine<'_> = LogLine { at: None, severity: None, trace_id: "", line: "x" };

    #[test]
    fn the_same_labels_are_one_stream() {
        let limits = LogLimits { streams: 2, ..LogLimits::default() };
        let mut batch = LogBatch::default();
        let mut writer = Writer::new(&mut batch, &limits);
        for labels in [
            [("service", "a"), ("host", "h")],
            [("service", "a"), ("host", "h")],
            [("host", "h"), ("service", "a")],
            [("host", "h2"), ("service", "a")],
        ] {
            writer.push(&labels, &LINE, []).unwrap();
        }
        let third = writer.push(&[("service", "b")], &LINE, []);
        assert_eq!(third, Err(LogError::TooMany { what: "streams", limit: 2 }));
        let hosts: Vec<_> = batch.records().map(|record| record.labels.get("host").unwrap()).collect();
        assert_eq!(hosts, ["h", "h", "h", "h2"]);
        let encoded = serde_json::to_value(&batch).unwrap();
        assert_eq!(encoded["streams"].as_array().unwrap().len(), 2);
    }

    #[test]
    fn labels_that_do_not_fit_are_attributes() {
        let limits = LogLimits { labels: 1, label_bytes: 4, records: 1, ..LogLimits::default() };
        let mut batch = LogBatch::default();
        let mut writer = Writer::new(&mut batch, &limits);
        writer.push(&[("long", "value"), ("host", "h"), ("pod", "p")], &LINE, [("a", "b")]).unwrap();
        let more = writer.push(&[], &LINE, []);
        assert_eq!(more, Err(LogError::TooMany { what: "records", limit: 1 }));
        let record = batch.records().next().unwrap();
        assert_eq!(record.labels.to_string(), r#"{host="h",service="unknown_service"}"#);
        assert_eq!(record.attributes().collect::<Vec<_>>(), [("long", "value"), ("pod", "p"), ("a", "b")]);
    }
}
