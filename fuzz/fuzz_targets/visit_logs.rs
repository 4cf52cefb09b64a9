//! Goes through a batch of decoded records, and holds it to its promises.

use vigie::{
    ingest::logs::{LogError, LogLimits},
    signal::LogBatch,
};

/// A decoder of logs with its headers: content type, content encoding, body.
pub type Decode = fn(Option<&str>, Option<&str>, &[u8], &LogLimits, &mut LogBatch) -> Result<(), LogError>;

/// Decodes `body`, and if it is a request, visits all of it.
pub fn decode_and_visit(decode: Decode, content_type: &str, content_encoding: &str, body: &[u8]) {
    let limits = LogLimits { body_bytes: 1 << 20, records: 1_000, streams: 100, ..LogLimits::default() };
    let mut batch = LogBatch::default();
    match decode(Some(content_type), Some(content_encoding), body, &limits, &mut batch) {
        Ok(()) => {}
        Err(refused) => return assert!(refused.to_string().len() < 2_000, "{refused}"),
    }
    assert!(batch.len() <= limits.records);
    assert_eq!(batch.records().count(), batch.len());
    let mut text_bytes = 0;
    for record in batch.records() {
        assert!(record.labels.get("service").is_some_and(|service| !service.is_empty()));
        assert!(record.line.len() <= LogBatch::LINE_BYTES);
        assert!(record.trace_id.len() <= 32);
        assert!(record.trace_id.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')));
        assert!(record.attributes().count() <= LogBatch::ATTRIBUTES);
        text_bytes += record.trace_id.len() + record.line.len();
        text_bytes += record.attributes().map(|(name, value)| name.len() + value.len()).sum::<usize>();
    }
    assert_eq!(text_bytes, batch.text_bytes());
}
