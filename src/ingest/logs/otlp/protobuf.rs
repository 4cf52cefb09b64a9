//! The protobuf form.

use std::{borrow::Cow, fmt::Write};

use base64::{Engine, engine::general_purpose::STANDARD};

use super::{
    Record,
    resource::is_naming,
    value::{check_depth, put_comma, put_double, put_string},
};
use crate::{
    ingest::{
        logs::{
            LogError,
            collect::{Collector, Pair, keep},
        },
        wire::{Field, Malformed, Reader, Span},
    },
    signal::StreamRef,
};

/// Walks the request and hands each record to `collector`.
pub(super) fn walk(body: &[u8], collector: &mut Collector<'_>) -> Result<(), LogError> {
    let mut request = Reader::of(body);
    while let Some(field) = request.field()? {
        if field.number == 1 {
            resource_logs(body, field.bytes()?, collector)?;
        }
    }
    Ok(())
}

fn resource_logs(body: &[u8], message: Span, collector: &mut Collector<'_>) -> Result<(), LogError> {
    // The resource may stand behind the records that it belongs to.
    let (mut labels, mut has_records) = (Vec::new(), false);
    let mut fields = Reader::new(body, message);
    while let Some(field) = fields.field()? {
        match field.number {
            1 => resource(body, field.bytes()?, &mut labels)?,
            2 => has_records |= field.bytes()?.len() > 0,
            _ => {}
        }
    }
    if !has_records {
        return Ok(());
    }
    let stream = collector.stream(&labels, message.start)?;
    let mut fields = Reader::new(body, message);
    while let Some(field) = fields.field()? {
        if field.number == 2 {
            scope_logs(body, field.bytes()?, stream, collector)?;
        }
    }
    Ok(())
}

fn resource<'a>(body: &'a [u8], message: Span, labels: &mut Vec<Pair<'a>>) -> Result<(), LogError> {
    let mut fields = Reader::new(body, message);
    while let Some(field) = fields.field()? {
        if field.number == 1 {
            let (name, value) = key_value(body, field.bytes()?)?;
            if is_naming(&name) {
                keep(labels, (name, text(body, value)?));
            }
        }
    }
    Ok(())
}

fn scope_logs(body: &[u8], message: Span, stream: StreamRef, collector: &mut Collector<'_>) -> Result<(), LogError> {
    let mut scope = Cow::default();
    let mut fields = Reader::new(body, message);
    while let Some(field) = fields.field()? {
        if field.number == 1 {
            scope = scope_name(body, field.bytes()?)?;
        }
    }
    let mut fields = Reader::new(body, message);
    while let Some(field) = fields.field()? {
        if field.number == 2 {
            log_record(body, field.bytes()?)?.record(stream, &scope, collector)?;
        }
    }
    Ok(())
}

fn scope_name(body: &[u8], message: Span) -> Result<Cow<'_, str>, Malformed> {
    let mut name = Cow::default();
    let mut fields = Reader::new(body, message);
    while let Some(field) = fields.field()? {
        if field.number == 1 {
            name = string(body, field)?;
        }
    }
    Ok(name)
}

fn log_record(body: &[u8], message: Span) -> Result<Record<'_>, LogError> {
    let mut record = Record::default();
    let mut fields = Reader::new(body, message);
    while let Some(field) = fields.field()? {
        match field.number {
            1 => record.time = field.fixed64()?,
            2 => record.severity_number = field.varint()?,
            3 => record.severity_text = string(body, field)?,
            5 => record.body = text(body, field.bytes()?)?,
            6 => {
                let (name, value) = key_value(body, field.bytes()?)?;
                keep(&mut record.attributes, (name, text(body, value)?));
            }
            9 => record.trace_id = hexadecimal(field.bytes()?.of(body)),
            11 => record.observed = field.fixed64()?,
            12 => record.event_name = string(body, field)?,
            _ => {}
        }
    }
    Ok(record)
}

fn string(body: &[u8], field: Field) -> Result<Cow<'_, str>, Malformed> {
    Ok(String::from_utf8_lossy(field.bytes()?.of(body)))
}

/// The identifier of a trace, 16 bytes; whatever has another length is none.
fn hexadecimal(id: &[u8]) -> String {
    let id: &[u8; 16] = id.try_into().unwrap_or(&[0; 16]);
    format!("{:032x}", u128::from_be_bytes(*id))
}

/// The name and where the value lies.
fn key_value(body: &[u8], message: Span) -> Result<(Cow<'_, str>, Span), Malformed> {
    let (mut name, mut value) = (Cow::default(), Span { start: message.end, end: message.end });
    let mut fields = Reader::new(body, message);
    while let Some(field) = fields.field()? {
        match field.number {
            1 => name = string(body, field)?,
            2 => value = field.bytes()?,
            _ => {}
        }
    }
    Ok((name, value))
}

/// An `AnyValue` as text: see [`super`].
fn text(body: &[u8], value: Span) -> Result<Cow<'_, str>, LogError> {
    match alternative(body, value)? {
        None => Ok(Cow::default()),
        Some(field) if field.number == 1 => Ok(string(body, field)?),
        Some(field) if field.number == 7 => Ok(STANDARD.encode(field.bytes()?.of(body)).into()),
        Some(_) => {
            let mut out = String::new();
            put_value(&mut out, body, value, 0)?;
            Ok(out.into())
        }
    }
}

/// The alternative that an `AnyValue` is: the last one that is set.
fn alternative(body: &[u8], value: Span) -> Result<Option<Field>, Malformed> {
    let mut last = None;
    let mut fields = Reader::new(body, value);
    while let Some(field) = fields.field()? {
        if (1..=7).contains(&field.number) {
            last = Some(field);
        }
    }
    Ok(last)
}

/// Adds an `AnyValue` as JSON.
fn put_value(out: &mut String, body: &[u8], value: Span, depth: usize) -> Result<(), LogError> {
    let Some(field) = alternative(body, value)? else {
        out.push_str("null");
        return Ok(());
    };
    match field.number {
        1 => put_string(out, &string(body, field)?),
        2 => out.push_str(if field.varint()? == 0 { "false" } else { "true" }),
        3 => {
            // A string takes whatever is written.
            let _ = write!(out, "{}", field.int64()?);
        }
        4 => put_double(out, field.double()?),
        5 => {
            check_depth(depth + 1, value.start)?;
            out.push('[');
            each(body, field.bytes()?, |element| {
                put_comma(out);
                put_value(out, body, element, depth + 1)
            })?;
            out.push(']');
        }
        6 => {
            check_depth(depth + 1, value.start)?;
            out.push('{');
            each(body, field.bytes()?, |element| {
                let (name, value) = key_value(body, element)?;
                put_comma(out);
                put_string(out, &name);
                out.push(':');
                put_value(out, body, value, depth + 1)
            })?;
            out.push('}');
        }
        _ => put_string(out, &STANDARD.encode(field.bytes()?.of(body))),
    }
    Ok(())
}

/// Visits the elements of an `ArrayValue` or a `KeyValueList`.
fn each(body: &[u8], list: Span, mut visit: impl FnMut(Span) -> Result<(), LogError>) -> Result<(), LogError> {
    let mut fields = Reader::new(body, list);
    while let Some(field) = fields.field()? {
        if field.number == 1 {
            visit(field.bytes()?)?;
        }
    }
    Ok(())
}
