//! Loki's push API, `POST /loki/api/v1/push`, as Promtail, Alloy, Fluent Bit and Vector speak it.
//!
//! As Loki itself does: `application/json` is JSON, whatever else is protobuf in a snappy block. Structured metadata
//! becomes attributes, but for what a record has a place of its own for: the trace and the severity.

mod json;
mod protobuf;
mod selector;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use super::{
    LogError, LogLimits,
    collect::{Collector, Pair, is_trace_id},
    compression::{decompress, media_type},
};
use crate::signal::{LogBatch, LogLine, Severity, StreamRef, TimestampNs};

/// Decodes the body of a push and adds its records to `batch`.
///
/// A stream that the request names twice is one; a stream without entries is none. Bytes that are not UTF-8 are replaced.
///
/// # Errors
/// [`LogError`] refuses the request whole; what is in `batch` then is to be thrown away.
pub fn decode(
    content_type: Option<&str>,
    content_encoding: Option<&str>,
    body: &[u8],
    limits: &LogLimits,
    batch: &mut LogBatch,
) -> Result<(), LogError> {
    let mut collector = Collector::new(limits, batch);
    if media_type(content_type).eq_ignore_ascii_case("application/json") {
        let body = decompress(content_encoding, body, limits)?;
        return json::walk(&String::from_utf8_lossy(&body), &mut collector);
    }
    let encoding = content_encoding.unwrap_or_default().trim();
    if !encoding.is_empty() && !encoding.eq_ignore_ascii_case("snappy") {
        let shown: String = encoding.chars().take(100).collect();
        return Err(LogError::Unsupported(format!(
            "content encoding {shown:?} of protobuf is not supported; send snappy"
        )));
    }
    protobuf::walk(&decompress(Some("snappy"), body, limits)?, &mut collector)
}

/// A stream of the batch, and the severity that its labels say all of it has.
#[derive(Clone, Copy, Debug)]
struct Stream {
    stream: StreamRef,
    severity: Option<Severity>,
}

impl Stream {
    /// The stream with these labels, which stand at byte `at`.
    fn begin(labels: &[Pair<'_>], at: usize, collector: &mut Collector<'_>) -> Result<Self, LogError> {
        let severity = severity(labels).map(|(_, severity)| severity);
        Ok(Self { stream: collector.stream(labels, at)?, severity })
    }
}

/// One entry of a stream, whichever form it came in.
#[derive(Debug, Default)]
struct Entry<'a> {
    at: Option<TimestampNs>,
    line: Cow<'a, str>,
    metadata: Vec<Pair<'a>>,
}

impl Entry<'_> {
    /// Adds it to the batch.
    fn record(mut self, stream: Stream, collector: &mut Collector<'_>) -> Result<(), LogError> {
        let trace_id = trace_id(&self.metadata).map(|index| self.metadata.remove(index).1.to_ascii_lowercase());
        let severity = severity(&self.metadata).map(|(index, severity)| {
            self.metadata.remove(index);
            severity
        });
        let line = LogLine {
            at: self.at,
            severity: severity.or(stream.severity),
            trace_id: trace_id.as_deref().unwrap_or_default(),
            line: &self.line,
        };
        collector.record(stream.stream, &line, self.metadata.iter().map(|(name, value)| (&**name, &**value)))
    }
}

/// Which of these pairs names the trace.
fn trace_id(pairs: &[Pair<'_>]) -> Option<usize> {
    let is_name = |name: &str| name == "trace_id" || name.eq_ignore_ascii_case("traceid");
    pairs.iter().position(|(name, value)| is_name(name) && is_trace_id(value))
}

/// Which of these pairs tells the severity, and which it is: what the program said before what others found out.
fn severity(pairs: &[Pair<'_>]) -> Option<(usize, Severity)> {
    ["level", "severity", "detected_level"].iter().find_map(|known| {
        let index = pairs.iter().position(|(name, _)| name == known)?;
        Some((index, Severity::from_word(&pairs[index].1)?))
    })
}
