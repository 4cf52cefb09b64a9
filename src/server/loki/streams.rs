//! `labels`, `label/NAME/values`, `series` and `index/…`: what there is to ask about, and how much of it.

use std::collections::BTreeSet;

use axum::extract::Path;
use serde_json::json;

use super::question::{Body, LABELS_SPAN, Plain, QUERY_SPAN, Question, selector, streams};
use crate::{
    logql::{Answer, Data, Expr, Function, Logs, Metric, RangeRequest, response},
    search::{Count, Grouping, Order, SearchError, Windows},
    server::prometheus::ApiError,
    signal::{Labels, TimestampNs},
};

pub(super) async fn labels(question: Question) -> Result<Body, Plain> {
    let (span, matchers) = (question.span(LABELS_SPAN)?, question.selector()?);
    let text = format!("label names {}", question.text());
    question.ask(text, move |index, tenant| Ok(response::names(index.labels(&streams(tenant, &span, matchers))?))).await
}

pub(super) async fn values(Path(name): Path<String>, question: Question) -> Result<Body, Plain> {
    let (span, matchers) = (question.span(LABELS_SPAN)?, question.selector()?);
    let text = format!("values of {name} {}", question.text());
    question
        .ask(text, move |index, tenant| {
            Ok(response::names(index.label_values(&streams(tenant, &span, matchers), &name)?))
        })
        .await
}

/// Streams that one of the selectors in `match[]` means; all when there is none.
pub(super) async fn series(question: Question) -> Result<Body, Plain> {
    let span = question.span(LABELS_SPAN)?;
    let texts: Vec<&str> = ["match[]", "match"].iter().flat_map(|name| question.parameters.all(name)).collect();
    let mut selectors = texts.iter().map(|text| selector(text)).collect::<Result<Vec<_>, ApiError>>()?;
    if selectors.is_empty() {
        selectors.push(Vec::new());
    }
    let text = format!("streams {}", texts.join(" or "));
    question
        .ask(text, move |index, tenant| {
            let mut found: BTreeSet<Labels> = BTreeSet::new();
            for matchers in selectors {
                found.extend(index.series(&streams(tenant, &span, matchers))?);
            }
            Ok(response::series(found))
        })
        .await
}

/// How much there is of some streams. Without an envelope, as in Loki.
pub(super) async fn stats(question: Question) -> Result<Body, Plain> {
    let (span, matchers) = (question.span(QUERY_SPAN)?, question.selector()?);
    let text = format!("statistics of {}", question.text());
    question
        .ask(text, move |index, tenant| {
            let query = streams(tenant, &span, matchers);
            let range = span.end.saturating_sub(span.start).saturating_add(1);
            let windows = Windows { start: span.end, end: span.end, step: 1, range };
            let sum = |count| -> Result<u64, SearchError> {
                let found = index.histogram(&query, &windows, &Grouping::By(Vec::new()), count)?;
                Ok(found.groups.values().flatten().sum())
            };
            Ok(json!({
                "streams": index.series(&query)?.len(), "chunks": index.segments(&query),
                "bytes": sum(Count::Bytes)?, "entries": sum(Count::Lines)?,
            }))
        })
        .await
}

/// Bytes of lines by label, the largest first.
pub(super) async fn volume(question: Question) -> Result<Body, Plain> {
    let (span, limit) = (question.span(QUERY_SPAN)?, question.limit()?);
    let bytes = bytes(&question, span.end.saturating_sub(span.start))?;
    let text = format!("volume of {}", question.text());
    question
        .ask(text, move |index, tenant| Ok(response::answer(&largest(bytes.instant(index, tenant, span.end)?, limit))))
        .await
}

/// The same over time.
pub(super) async fn volume_range(question: Question) -> Result<Body, Plain> {
    let (span, limit) = (question.span(QUERY_SPAN)?, question.limit()?);
    let step = question.step(&span)?;
    let bytes = bytes(&question, step)?;
    let request = RangeRequest {
        start: span.start,
        end: span.end,
        step,
        limit: 0,
        order: Order::default(),
        is_categorized: false,
    };
    let text = format!("volume of {}", question.text());
    question
        .ask(text, move |index, tenant| Ok(response::answer(&largest(bytes.range(index, tenant, &request)?, limit))))
        .await
}

/// Bytes within `range` ns, by `targetLabels`, or by the labels of the selector where there are none; without either by
/// stream.
fn bytes(question: &Question, range: i64) -> Result<Expr, ApiError> {
    if question.parameters.get("aggregateBy").is_some_and(|by| by != "series") {
        return Err(ApiError::bad_data("invalid parameter \"aggregateBy\": only series is supported"));
    }
    let matchers = question.selector()?;
    let mut names: Vec<String> = match question.parameters.get("targetLabels") {
        Some(names) => names.split(',').map(|name| name.trim().to_owned()).collect(),
        None => matchers.iter().map(|matcher| matcher.name.clone()).collect(),
    };
    names.sort_unstable();
    names.dedup();
    let grouping =
        if names.is_empty() { Grouping::Without(vec!["detected_level".to_owned()]) } else { Grouping::By(names) };
    let function = Function { count: Count::Bytes, is_rate: false };
    let logs = Logs { matchers, ..Logs::default() };
    Ok(Expr::Metric(Metric { logs, function, range: range.max(1), grouping, top: None }))
}

/// The series that have any of the labels, largest first, at most so many.
fn largest(mut answer: Answer, limit: usize) -> Answer {
    match &mut answer.data {
        Data::Vector(series) => {
            series.retain(|(labels, ..)| !labels.is_empty());
            series.sort_by(|(.., a), (.., b)| b.total_cmp(a));
            series.truncate(limit);
        }
        Data::Matrix(series) => {
            let sum = |points: &[(TimestampNs, f64)]| -> f64 { points.iter().map(|(_, value)| value).sum() };
            series.retain(|(labels, _)| !labels.is_empty());
            series.sort_by(|(_, a), (_, b)| sum(b).total_cmp(&sum(a)));
            series.truncate(limit);
        }
        Data::Streams(_) | Data::Scalar(..) => {}
    }
    answer
}
