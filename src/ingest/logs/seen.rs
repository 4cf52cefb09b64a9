//! Looking into batches, for tests of decoders.

use crate::signal::{LogBatch, Severity, TimestampNs};

/// What is to be read back of a record: time, labels, severity, trace, line, attributes.
pub(super) type Seen = (Option<TimestampNs>, String, Option<Severity>, String, String, Vec<(String, String)>);

/// The records of a batch, in order.
pub(super) fn seen(batch: &LogBatch) -> Vec<Seen> {
    let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    batch
        .records()
        .map(|r| {
            let attributes = r.attributes().map(owned).collect();
            (r.at, r.labels.to_string(), r.severity, r.trace_id.to_owned(), r.line.to_owned(), attributes)
        })
        .collect()
}
