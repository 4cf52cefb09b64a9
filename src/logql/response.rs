//! Answers as Loki's HTTP API writes them.

use serde_json::{Value, json};

use super::{Answer, Data};
use crate::{
    promql::format_value,
    signal::{Labels, TimestampNs},
};

/// The body for a query.
#[must_use]
pub fn answer(answer: &Answer) -> Value {
    let (kind, result) = match &answer.data {
        Data::Streams(streams) => {
            let line = |(at, line): &(TimestampNs, String)| json!([at.to_string(), line]);
            let stream = |stream: &super::Stream| json!({"stream": stream.labels, "values": stream.lines.iter().map(line).collect::<Vec<_>>()});
            ("streams", streams.iter().map(stream).collect())
        }
        Data::Matrix(series) => {
            let one = |(labels, points): &(Labels, Vec<(TimestampNs, f64)>)| {
                let points: Vec<Value> = points.iter().map(|(at, value)| point(*at, *value)).collect();
                json!({"metric": labels, "values": points})
            };
            ("matrix", series.iter().map(one).collect())
        }
        Data::Vector(series) => {
            let one = |(labels, at, value): &(Labels, _, _)| json!({"metric": labels, "value": point(*at, *value)});
            ("vector", series.iter().map(one).collect())
        }
        Data::Scalar(at, value) => ("scalar", point(*at, *value)),
    };
    let mut body = json!({"status": "success", "data": {"resultType": kind, "result": result, "stats": {}}});
    if answer.is_partial {
        body["warnings"] = json!(["the answer is not complete: the query has looked at as many lines as it may"]);
    }
    body
}

/// The body for names or values of labels.
#[must_use]
pub fn names(names: impl IntoIterator<Item = String>) -> Value {
    json!({"status": "success", "data": names.into_iter().collect::<Vec<_>>()})
}

/// The body for streams.
#[must_use]
pub fn series(series: impl IntoIterator<Item = Labels>) -> Value {
    json!({"status": "success", "data": series.into_iter().collect::<Vec<_>>()})
}

/// Time in seconds, with milliseconds where there are any, and value.
fn point(at: TimestampNs, value: f64) -> Value {
    let ms = at.div_euclid(1_000_000);
    let seconds = if ms % 1000 == 0 { json!(ms / 1000) } else { json!(ms as f64 / 1000.0) };
    json!([seconds, format_value(value)])
}
