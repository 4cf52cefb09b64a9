//! Remote write 1.0: `prometheus.WriteRequest`.

use super::{
    DecodeError, Malformed,
    request::Collector,
    series::{LabelSpan, Load},
};
use crate::ingest::wire::{Reader, Span};

/// Walks the request and hands each series to `collector`.
pub(super) fn walk(body: &[u8], collector: &mut Collector<'_>) -> Result<(), DecodeError> {
    let mut request = Reader::of(body);
    while let Some(field) = request.field()? {
        match field.number {
            1 => series(body, field.bytes()?, collector)?,
            3 => collector.saw_metadata(body, field)?,
            _ => {}
        }
    }
    Ok(())
}

fn series(body: &[u8], message: Span, collector: &mut Collector<'_>) -> Result<(), DecodeError> {
    collector.labels.clear();
    let mut load = Load::default();
    let mut block: Option<Span> = None;
    let mut fields = Reader::new(body, message);
    while let Some(field) = fields.field()? {
        match field.number {
            1 => {
                let span = field.bytes()?;
                block = Some(Span { start: block.map_or(span.start, |block| block.start), end: span.end });
                match plain_label(body, span) {
                    Some(label) => collector.labels.push(body, label, collector.limits),
                    None => odd_label(body, span, collector)?,
                }
            }
            2 => load.sample(body, field)?,
            3 => {
                field.bytes()?;
                load.exemplars += 1;
            }
            4 => load.histogram(body, field, &mut collector.parts)?,
            _ => {}
        }
    }
    let (block, limits) = (block.unwrap_or_default(), collector.limits);
    // The labels' tags and lengths are ASCII in all usual requests, so the block of all labels is one text, checked at
    // once. A length of 128 or more breaks that; then each name and value is checked by itself.
    let block = block.of(body);
    let identity =
        collector.labels.identify(body, block.is_ascii(), limits, |span| std::str::from_utf8(span.of(body)).ok());
    collector.close(message, load, identity, body)
}

/// Adds a label that is not plain. It is apart so that plain ones need not pass through memory, where waiting for them
/// takes longer than reading them.
#[cold]
fn odd_label(body: &[u8], message: Span, collector: &mut Collector<'_>) -> Result<(), Malformed> {
    collector.labels.push(body, label(body, message)?, collector.limits);
    Ok(())
}

/// Where the name and the value of a label lie; an absent one is empty.
pub(super) fn label(body: &[u8], message: Span) -> Result<LabelSpan, Malformed> {
    if let Some(label) = plain_label(body, message) {
        return Ok(label);
    }
    let nothing = Span { start: message.end, end: message.end };
    let mut label = LabelSpan { name: nothing, value: nothing };
    let mut fields = Reader::new(body, message);
    while let Some(field) = fields.field()? {
        match field.number {
            1 => label.name = field.bytes()?,
            2 => label.value = field.bytes()?,
            _ => {}
        }
    }
    Ok(label)
}

/// A label as nearly all are: name, then value, each below 128 bytes, and nothing else. Ten of these are most of a
/// series, so that they are worth a way of their own.
#[inline(always)]
fn plain_label(body: &[u8], message: Span) -> Option<LabelSpan> {
    let bytes = body.get(message.start..message.end)?;
    let [0x0a, name_len @ 0..=0x7f, rest @ ..] = bytes else { return None };
    let name_len = usize::from(*name_len);
    let [0x12, value_len @ 0..=0x7f, value @ ..] = rest.get(name_len..)? else { return None };
    if value.len() != usize::from(*value_len) {
        return None;
    }
    let name = Span { start: message.start + 2, end: message.start + 2 + name_len };
    Some(LabelSpan { name, value: Span { start: name.end + 2, end: message.end } })
}
