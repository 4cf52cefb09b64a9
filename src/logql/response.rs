//! Answers as Loki's HTTP API writes them.

use serde_json::{Value, json};

use super::{Answer, Data, Line};
use crate::{
    promql::format_value,
    signal::{Labels, TimestampNs},
};

/// The encoding in which what is known of a line stands beside it, apart from the labels of its stream.
pub const CATEGORIZE: &str = "categorize-labels";

/// The body for a query.
#[must_use]
pub fn answer(answer: &Answer) -> Value {
    let (kind, result) = match &answer.data {
        Data::Streams(streams) => {
            let line = |Line { at, line, known }: &Line| match known {
                Some(known) => json!([at.to_string(), line, {"structuredMetadata": known}]),
                None => json!([at.to_string(), line]),
            };
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
    if is_categorized(&answer.data) {
        body["data"]["encodingFlags"] = json!([CATEGORIZE]);
    }
    if answer.is_partial {
        body["warnings"] = json!(["the answer is not complete: the query has looked at as many lines as it may"]);
    }
    body
}

fn is_categorized(data: &Data) -> bool {
    let Data::Streams(streams) = data else { return false };
    streams.iter().flat_map(|stream| &stream.lines).any(|line| line.known.is_some())
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
