//! OpenTelemetry's protocol, `ExportLogsServiceRequest`, over HTTP (`POST /v1/logs`) in protobuf and JSON; over gRPC it
//! is the protobuf form.
//!
//! What becomes of a request: attributes of its resource that tell one source from another are the labels
//! of the stream. Body, time, severity and trace of a record have their places. Its attributes are attributes, with
//! `otel.scope.name` and `event.name` before them where there are such. A text is taken as it is, bytes as base64, and
//! every other value as JSON, so that a body that is a map reads like a line of JSON.

mod form;
mod json;
mod protobuf;
mod resource;
mod response;
#[cfg(test)]
mod tests;
mod value;

use std::borrow::Cow;

pub use form::Form;
pub use response::{Partial, response, status, status_with_retry};

use super::{
    LogError, LogLimits,
    collect::{Collector, Pair, is_trace_id},
    compression::decompress,
};
use crate::signal::{LogBatch, LogLine, Severity, StreamRef, TimestampNs};

/// Decodes the body of an export and adds its records to `batch`.
///
/// Equal resources are one stream, however often the request has them. Bytes that are not UTF-8 are replaced.
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
    let form = Form::of(content_type)?;
    let body = decompress(content_encoding, body, limits)?;
    let mut collector = Collector::new(limits, batch);
    match form {
        Form::Protobuf => protobuf::walk(&body, &mut collector),
        Form::Json => json::walk(&String::from_utf8_lossy(&body), &mut collector),
    }
}

/// A log record, whichever form it came in. What it does not tell is 0 or empty.
#[derive(Debug, Default)]
struct Record<'a> {
    /// Nanoseconds since the epoch.
    time: u64,
    /// When a collector saw it, for records that do not know their time.
    observed: u64,
    severity_number: u64,
    severity_text: Cow<'a, str>,
    body: Cow<'a, str>,
    attributes: Vec<Pair<'a>>,
    /// In hexadecimal, lower case.
    trace_id: String,
    event_name: Cow<'a, str>,
}

impl Record<'_> {
    /// Adds it to the batch.
    fn record(&self, stream: StreamRef, scope: &str, collector: &mut Collector<'_>) -> Result<(), LogError> {
        let told = [self.time, self.observed].into_iter().filter(|time| *time != 0);
        let line = LogLine {
            at: told.flat_map(TimestampNs::try_from).next(),
            severity: Severity::from_otel(self.severity_number).or_else(|| Severity::from_word(&self.severity_text)),
            trace_id: if is_trace_id(&self.trace_id) { &self.trace_id } else { "" },
            line: &self.body,
        };
        let own = [("otel.scope.name", scope), ("event.name", &self.event_name)];
        let attributes = self.attributes.iter().map(|(name, value)| (&**name, &**value));
        collector.record(stream, &line, own.into_iter().filter(|(_, value)| !value.is_empty()).chain(attributes))
    }
}
