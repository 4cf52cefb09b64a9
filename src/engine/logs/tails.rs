//! The last lines of streams: a stack trace that its shipper sent in two requests goes on where it ended.
//!
//! What is acknowledged is kept as it came, so that the rest stays a record of its own; but it counts for the template of its
//! beginning, and is found by that.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    logs::{
        TemplateNumber,
        traces::{APART_NS, Trace},
    },
    signal::{LogBatch, LogRecord, SeriesKey, Severity, TimestampMs},
};

/// Time between two lines of a trace at most, in ms.
const APART_MS: i64 = APART_NS / 1_000_000;
/// Streams of a source whose last line is remembered.
const STREAMS: usize = 1_024;

/// How a stream ended in the last request that had lines of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Tail {
    template: TemplateNumber,
    severity: Option<Severity>,
    at: TimestampMs,
    trace: Trace,
}

/// Of each stream of a source.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Tails(BTreeMap<SeriesKey, Tail>);

impl Tails {
    /// Template and severity of the trace that a record, the first of its stream in a request, goes on with.
    pub(super) fn resumed(
        &self,
        stream: SeriesKey,
        record: &LogRecord<'_>,
        at: TimestampMs,
    ) -> Option<(TemplateNumber, Option<Severity>)> {
        let tail = self.recent(stream, at)?;
        tail.trace.after(record.line)?;
        Some((tail.template, tail.severity))
    }

    /// How a stream ended, if that is not too long ago for a trace to go on.
    fn recent(&self, stream: SeriesKey, at: TimestampMs) -> Option<&Tail> {
        self.0.get(&stream).filter(|tail| (at - tail.at).abs() <= APART_MS)
    }

    /// Notes the last record of a stream in a request, which is of a template.
    pub(super) fn note(
        &mut self,
        stream: SeriesKey,
        record: &LogRecord<'_>,
        at: TimestampMs,
        (template, severity): (TemplateNumber, Option<Severity>),
    ) {
        let trace = self.recent(stream, at).and_then(|tail| tail.trace.after(record.line));
        if self.0.len() >= STREAMS && !self.0.contains_key(&stream) {
            self.0.retain(|_, tail| at - tail.at <= APART_MS);
        }
        if self.0.len() < STREAMS {
            let trace = trace.unwrap_or_else(|| Trace::of(record.line));
            self.0.insert(stream, Tail { template, severity, at, trace });
        } else {
            self.0.remove(&stream);
        }
    }
}

/// Numbers of the first and the last record of each stream.
pub(in crate::engine) fn ends(batch: &LogBatch) -> Vec<(usize, usize)> {
    let mut ends = vec![(usize::MAX, 0); batch.streams().len()];
    for (number, stream) in batch.stream_numbers().enumerate() {
        if let Some((first, last)) = ends.get_mut(stream) {
            (*first, *last) = (number.min(*first), number);
        }
    }
    ends
}
