//! `logproto.PushRequest`.

use super::{Entry, Stream, selector};
use crate::{
    ingest::{
        logs::{
            LogError,
            collect::{Collector, Pair, keep},
        },
        wire::{Malformed, Reader, Span},
    },
    signal::TimestampNs,
};

/// Walks the request and hands each entry to `collector`.
pub(super) fn walk(body: &[u8], collector: &mut Collector<'_>) -> Result<(), LogError> {
    let mut request = Reader::of(body);
    while let Some(field) = request.field()? {
        if field.number == 1 {
            stream(body, field.bytes()?, collector)?;
        }
    }
    Ok(())
}

fn stream(body: &[u8], message: Span, collector: &mut Collector<'_>) -> Result<(), LogError> {
    // Labels may stand behind the entries that they belong to.
    let (mut labels, mut has_entries) = (Span { start: message.start, end: message.start }, false);
    let mut fields = Reader::new(body, message);
    while let Some(field) = fields.field()? {
        match field.number {
            1 => labels = field.bytes()?,
            2 => has_entries = true,
            _ => {}
        }
    }
    if !has_entries {
        return Ok(());
    }
    let text = String::from_utf8_lossy(labels.of(body));
    let fault = |(what, at): selector::Fault| LogError::Malformed { what: what.to_owned(), at: labels.start + at };
    let stream = Stream::begin(&selector::parse(&text).map_err(fault)?, labels.start, collector)?;
    let mut fields = Reader::new(body, message);
    while let Some(field) = fields.field()? {
        if field.number == 2 {
            entry(body, field.bytes()?)?.record(stream, collector)?;
        }
    }
    Ok(())
}

fn entry(body: &[u8], message: Span) -> Result<Entry<'_>, Malformed> {
    let mut entry = Entry::default();
    let mut fields = Reader::new(body, message);
    while let Some(field) = fields.field()? {
        match field.number {
            1 => entry.at = timestamp(body, field.bytes()?)?,
            2 => entry.line = String::from_utf8_lossy(field.bytes()?.of(body)),
            3 => keep(&mut entry.metadata, pair(body, field.bytes()?)?),
            _ => {}
        }
    }
    Ok(entry)
}

/// A `google.protobuf.Timestamp`; `None` beyond the years 1677 to 2262, as is the zero time of Go.
fn timestamp(body: &[u8], message: Span) -> Result<Option<TimestampNs>, Malformed> {
    let (mut seconds, mut nanos) = (0_i64, 0);
    let mut fields = Reader::new(body, message);
    while let Some(field) = fields.field()? {
        match field.number {
            1 => seconds = field.int64()?,
            2 => nanos = field.int64()?,
            _ => {}
        }
    }
    Ok(seconds.checked_mul(1_000_000_000).and_then(|whole| whole.checked_add(nanos)))
}

fn pair(body: &[u8], message: Span) -> Result<Pair<'_>, Malformed> {
    let mut pair = Pair::default();
    let mut fields = Reader::new(body, message);
    while let Some(field) = fields.field()? {
        match field.number {
            1 => pair.0 = String::from_utf8_lossy(field.bytes()?.of(body)),
            2 => pair.1 = String::from_utf8_lossy(field.bytes()?.of(body)),
            _ => {}
        }
    }
    Ok(pair)
}
