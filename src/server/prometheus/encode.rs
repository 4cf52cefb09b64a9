//! Answers as JSON, written the way Prometheus writes them.
//!
//! Results are written by hand: they are the large answers, their numbers have a form of their own, and nothing in
//! between would read a tree of values.

use std::fmt::Write as _;

use axum::{
    http::header::CONTENT_TYPE,
    response::{IntoResponse, Response},
};
use serde::Serialize;

use super::error::{ApiError, ErrorType};
use crate::{
    promql::{Answer, Value, format_value},
    signal::{Labels, Sample, TimestampMs},
};

/// Said when a `limit` took something away; the text is Prometheus'.
const TRUNCATED: &str = "results truncated due to limit";

/// A successful answer: `data` is JSON already.
#[derive(Clone, Debug)]
pub(super) struct Success {
    data: String,
    warnings: Vec<String>,
    infos: Vec<String>,
}

impl Success {
    /// An answer with nothing to warn about.
    pub(super) fn new(data: &impl Serialize) -> Result<Self, ApiError> {
        let data =
            serde_json::to_string(data).map_err(|error| ApiError::new(ErrorType::Internal, error.to_string()))?;
        Ok(Self { data, warnings: Vec::new(), infos: Vec::new() })
    }

    /// A list of which at most `limit` elements are shown.
    pub(super) fn list<T: Serialize>(mut list: Vec<T>, limit: Option<usize>) -> Result<Self, ApiError> {
        let is_truncated = truncate(&mut list, limit);
        let mut success = Self::new(&list)?;
        success.warn_if(is_truncated);
        Ok(success)
    }

    /// The value of a query evaluated at `at`, of which at most `limit` series are shown.
    pub(super) fn answer(answer: Answer, at: TimestampMs, limit: Option<usize>) -> Self {
        let Answer { mut value, warnings, infos } = answer;
        let is_truncated = match &mut value {
            Value::Vector(series) => truncate(series, limit),
            Value::Matrix(series) => truncate(series, limit),
            Value::Scalar(_) | Value::String(_) => false,
        };
        let mut success = Self { data: result(&value, at), warnings, infos };
        success.warn_if(is_truncated);
        success
    }

    fn warn_if(&mut self, is_truncated: bool) {
        if is_truncated {
            self.warnings.push(TRUNCATED.into());
        }
    }
}

impl IntoResponse for Success {
    fn into_response(self) -> Response {
        let mut body = String::with_capacity(self.data.len() + 64);
        body.push_str(r#"{"status":"success","data":"#);
        body.push_str(&self.data);
        for (name, texts) in [("warnings", &self.warnings), ("infos", &self.infos)] {
            if !texts.is_empty() {
                let _ = write!(body, ",\"{name}\":[");
                separated(&mut body, texts, |out, text| string(out, text));
                body.push(']');
            }
        }
        body.push('}');
        ([(CONTENT_TYPE, "application/json")], body).into_response()
    }
}

fn truncate<T>(list: &mut Vec<T>, limit: Option<usize>) -> bool {
    let is_too_long = limit.is_some_and(|limit| list.len() > limit);
    list.truncate(limit.unwrap_or(usize::MAX));
    is_too_long
}

/// `{"resultType":…,"result":…}`
fn result(value: &Value, at: TimestampMs) -> String {
    let mut out = String::new();
    let kind = match value {
        Value::Scalar(_) => "scalar",
        Value::String(_) => "string",
        Value::Vector(_) => "vector",
        Value::Matrix(_) => "matrix",
    };
    let _ = write!(out, r#"{{"resultType":"{kind}","result":"#);
    match value {
        Value::Scalar(value) => point(&mut out, at, &format_value(*value)),
        Value::String(text) => point(&mut out, at, text),
        Value::Vector(series) => {
            out.push('[');
            separated(&mut out, series, |out, (metric, value)| {
                labels(out, metric);
                out.push_str(r#","value":"#);
                point(out, at, &format_value(*value));
                out.push('}');
            });
            out.push(']');
        }
        Value::Matrix(series) => {
            out.push('[');
            separated(&mut out, series, |out, (metric, samples)| {
                labels(out, metric);
                out.push_str(r#","values":["#);
                separated(out, samples, |out, &Sample { at, value }| point(out, at, &format_value(value)));
                out.push_str("]}");
            });
            out.push(']');
        }
    }
    out.push('}');
    out
}

fn separated<T>(out: &mut String, items: &[T], write: impl Fn(&mut String, &T)) {
    for (i, item) in items.iter().enumerate() {
        if i > 0 {
            out.push(',');
        }
        write(out, item);
    }
}

/// `{"metric":{…}`, still open.
fn labels(out: &mut String, labels: &Labels) {
    out.push_str(r#"{"metric":{"#);
    for (i, (name, value)) in labels.iter().enumerate() {
        if i > 0 {
            out.push(',');
        }
        string(out, name);
        out.push(':');
        string(out, value);
    }
    out.push('}');
}

/// `[seconds,"value"]`
fn point(out: &mut String, at: TimestampMs, value: &str) {
    out.push('[');
    seconds(out, at);
    out.push(',');
    string(out, value);
    out.push(']');
}

/// Seconds, with three decimals unless they are whole.
fn seconds(out: &mut String, at: TimestampMs) {
    let (whole, millis) = (at.unsigned_abs() / 1000, at.unsigned_abs() % 1000);
    let sign = if at < 0 { "-" } else { "" };
    let _ = write!(out, "{sign}{whole}");
    if millis != 0 {
        let _ = write!(out, ".{millis:03}");
    }
}

/// A JSON string.
fn string(out: &mut String, text: &str) {
    out.push('"');
    let mut plain_from = 0;
    for (i, byte) in text.bytes().enumerate() {
        if byte >= 0x20 && byte != b'"' && byte != b'\\' {
            continue;
        }
        out.push_str(&text[plain_from..i]);
        plain_from = i + 1;
        let _ = match byte {
            b'"' | b'\\' => write!(out, "\\{}", byte as char),
            b'\n' => write!(out, "\\n"),
            b'\r' => write!(out, "\\r"),
            b'\t' => write!(out, "\\t"),
            control => write!(out, "\\u{control:04x}"),
        };
    }
    out.push_str(&text[plain_from..]);
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(value: Value, expected: &str) {
        let written = result(&value, 4_000);
        assert_eq!(written, expected);
        serde_json::from_str::<serde_json::Value>(&written).unwrap();
    }

    #[test]
    fn results_are_written_as_prometheus_writes_them() {
        check(Value::Scalar(2.0), r#"{"resultType":"scalar","result":[4,"2"]}"#);
        check(Value::String("a\"b\n".into()), r#"{"resultType":"string","result":[4,"a\"b\n"]}"#);
        check(Value::Vector(vec![]), r#"{"resultType":"vector","result":[]}"#);
        check(
            Value::Vector(vec![
                (Labels::from_pairs([("__name__", "up"), ("job", "a")]), f64::NAN),
                (Labels::default(), f64::NEG_INFINITY),
            ]),
            r#"{"resultType":"vector","result":[{"metric":{"__name__":"up","job":"a"},"value":[4,"NaN"]},{"metric":{},"value":[4,"-Inf"]}]}"#,
        );
        check(
            Value::Matrix(vec![(
                Labels::from_pairs([("a", "\u{1}é")]),
                vec![Sample { at: 1_500, value: 1e21 }, Sample { at: -7, value: 0.1 }],
            )]),
            r#"{"resultType":"matrix","result":[{"metric":{"a":"\u0001é"},"values":[[1.500,"1e+21"],[-0.007,"0.1"]]}]}"#,
        );
    }

    #[test]
    fn strings_survive_the_way_through_json() {
        for text in ["", "plain", "\"", "\\", "a\\\"b", "\u{0}\u{1f}\u{7f}", "ü\n\r\t€"] {
            let mut out = String::new();
            string(&mut out, text);
            assert_eq!(serde_json::from_str::<String>(&out).unwrap(), text);
        }
    }

    #[tokio::test]
    async fn a_limit_that_bites_is_said() {
        let body = |limit| async move {
            let response = Success::list(vec!["a", "b", "c"], limit).unwrap().into_response();
            String::from_utf8(axum::body::to_bytes(response.into_body(), 1000).await.unwrap().to_vec()).unwrap()
        };
        assert_eq!(body(Some(3)).await, r#"{"status":"success","data":["a","b","c"]}"#);
        assert_eq!(
            body(Some(2)).await,
            r#"{"status":"success","data":["a","b"],"warnings":["results truncated due to limit"]}"#
        );
    }
}
