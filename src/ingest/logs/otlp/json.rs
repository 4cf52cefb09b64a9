//! The JSON form: names in lowerCamelCase, 64-bit integers as strings or numbers, identifiers in hexadecimal.

use std::{borrow::Cow, fmt::Write};

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    Record,
    resource::is_naming,
    value::{check_depth, put_comma, put_double, put_string},
};
use crate::ingest::logs::{
    LogError,
    collect::{Collector, Pair, keep},
    json::{Document, Integer, Text},
};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request<'a> {
    #[serde(borrow)]
    resource_logs: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ResourceLogs<'a> {
    #[serde(borrow)]
    resource: Option<Resource<'a>>,
    #[serde(borrow)]
    scope_logs: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
struct Resource<'a> {
    #[serde(borrow)]
    attributes: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ScopeLogs<'a> {
    #[serde(borrow)]
    scope: Option<Scope<'a>>,
    #[serde(borrow)]
    log_records: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
struct Scope<'a> {
    #[serde(borrow, default)]
    name: Text<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LogRecord<'a> {
    time_unix_nano: Option<Integer>,
    observed_time_unix_nano: Option<Integer>,
    severity_number: Option<Integer>,
    #[serde(borrow, default)]
    severity_text: Text<'a>,
    #[serde(borrow)]
    body: Option<AnyValue<'a>>,
    #[serde(borrow)]
    attributes: Option<&'a RawValue>,
    #[serde(borrow, default)]
    trace_id: Text<'a>,
    #[serde(borrow, default)]
    event_name: Text<'a>,
}

#[derive(Deserialize)]
struct KeyValue<'a> {
    #[serde(borrow, default)]
    key: Text<'a>,
    #[serde(borrow)]
    value: Option<AnyValue<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct AnyValue<'a> {
    #[serde(borrow)]
    string_value: Option<Text<'a>>,
    bool_value: Option<bool>,
    int_value: Option<Integer>,
    /// A number, or in a string what is none.
    #[serde(borrow)]
    double_value: Option<&'a RawValue>,
    #[serde(borrow)]
    array_value: Option<Values<'a>>,
    #[serde(borrow)]
    kvlist_value: Option<Values<'a>>,
    /// In base64.
    #[serde(borrow)]
    bytes_value: Option<Text<'a>>,
}

#[derive(Deserialize)]
struct Values<'a> {
    #[serde(borrow)]
    values: Option<&'a RawValue>,
}

/// Walks the request and hands each record to `collector`.
pub(super) fn walk(body: &str, collector: &mut Collector<'_>) -> Result<(), LogError> {
    let document = Document(body);
    document.each(document.read::<Request<'_>>()?.resource_logs, |ResourceLogs { resource, scope_logs }| {
        let labels = pairs(document, resource.unwrap_or_default().attributes, is_naming)?;
        let mut stream = None;
        document.each(scope_logs, |ScopeLogs { scope, log_records }| {
            let Text(scope) = scope.unwrap_or_default().name;
            document.each(log_records, |record: LogRecord<'_>| {
                let stream = match stream {
                    Some(stream) => stream,
                    None => *stream.insert(collector.stream(&labels, document.at(scope_logs))?),
                };
                record.read(document)?.record(stream, &scope, collector)
            })
        })
    })
}

impl<'a> LogRecord<'a> {
    fn read(self, document: Document<'a>) -> Result<Record<'a>, LogError> {
        let number =
            |integer: Option<Integer>| integer.and_then(|Integer(i)| u64::try_from(i).ok()).unwrap_or_default();
        Ok(Record {
            time: number(self.time_unix_nano),
            observed: number(self.observed_time_unix_nano),
            severity_number: number(self.severity_number),
            severity_text: self.severity_text.0,
            body: text(document, self.body)?,
            attributes: pairs(document, self.attributes, |_| true)?,
            trace_id: self.trace_id.0.to_ascii_lowercase(),
            event_name: self.event_name.0,
        })
    }
}

/// Those of a list of attributes whose names are wanted.
fn pairs<'a>(
    document: Document<'a>,
    attributes: Option<&'a RawValue>,
    is_wanted: impl Fn(&str) -> bool,
) -> Result<Vec<Pair<'a>>, LogError> {
    let mut pairs = Vec::new();
    document.each(attributes, |KeyValue { key: Text(name), value }| {
        if is_wanted(&name) {
            keep(&mut pairs, (name, text(document, value)?));
        }
        Ok(())
    })?;
    Ok(pairs)
}

/// A value as text: see [`super`].
fn text<'a>(document: Document<'a>, value: Option<AnyValue<'a>>) -> Result<Cow<'a, str>, LogError> {
    match value {
        Some(AnyValue { string_value: Some(Text(text)), .. } | AnyValue { bytes_value: Some(Text(text)), .. }) => {
            Ok(text)
        }
        Some(value) if !value.is_empty() => {
            let mut out = String::new();
            value.put(&mut out, document, 0)?;
            Ok(out.into())
        }
        _ => Ok(Cow::default()),
    }
}

impl<'a> AnyValue<'a> {
    fn is_empty(&self) -> bool {
        let scalar = self.bool_value.is_some() || self.int_value.is_some() || self.double_value.is_some();
        let text = self.string_value.is_some() || self.bytes_value.is_some();
        !scalar && !text && self.array_value.is_none() && self.kvlist_value.is_none()
    }

    /// Adds it as JSON.
    fn put(self, out: &mut String, document: Document<'a>, depth: usize) -> Result<(), LogError> {
        match self {
            Self { string_value: Some(Text(text)), .. } | Self { bytes_value: Some(Text(text)), .. } => {
                put_string(out, &text);
            }
            Self { bool_value: Some(flag), .. } => out.push_str(if flag { "true" } else { "false" }),
            Self { int_value: Some(Integer(number)), .. } => {
                // A string takes whatever is written.
                let _ = write!(out, "{number}");
            }
            Self { double_value: Some(number), .. } => {
                let what = "double is no number".to_owned();
                let refused = |_| LogError::Malformed { what, at: document.at(Some(number)) };
                put_double(out, number.get().trim_matches('"').parse().map_err(refused)?);
            }
            Self { array_value: Some(Values { values }), .. } => {
                check_depth(depth + 1, document.at(values))?;
                out.push('[');
                document.each(values, |element: Option<AnyValue<'_>>| {
                    put_comma(out);
                    element.unwrap_or_default().put(out, document, depth + 1)
                })?;
                out.push(']');
            }
            Self { kvlist_value: Some(Values { values }), .. } => {
                check_depth(depth + 1, document.at(values))?;
                out.push('{');
                document.each(values, |KeyValue { key: Text(name), value }| {
                    put_comma(out);
                    put_string(out, &name);
                    out.push(':');
                    value.unwrap_or_default().put(out, document, depth + 1)
                })?;
                out.push('}');
            }
            _ => out.push_str("null"),
        }
        Ok(())
    }
}
