//! A request to Loki's API: whose it is, and its parameters as Loki reads them.

use std::ops::Range;

use axum::{
    extract::{FromRequest, FromRequestParts, Request},
    http::header::CONTENT_TYPE,
    response::{IntoResponse, Response},
};
use chrono::DateTime;
use serde_json::Value;

use super::ask;
use crate::{
    logql::{self, Expr, Logs, response::CATEGORIZE},
    search::{Order, Query, Searcher},
    server::{
        app::App,
        prometheus::{ApiError, Asked, END_BEFORE_START, Parameters},
        tenant::Tenant,
    },
    signal::{Matcher, TenantId, TimestampMs, TimestampNs},
};

pub(super) const SECOND: i64 = 1_000_000_000;
const MILLISECOND: i64 = 1_000_000;

/// Header in which clients say what encodings they know.
const ENCODING_FLAGS: &str = "X-Loki-Response-Encoding-Flags";

/// How far back a query goes that does not say so.
pub(super) const QUERY_SPAN: i64 = 3_600 * SECOND;
/// How far back a question about labels goes.
pub(super) const LABELS_SPAN: i64 = 6 * 3_600 * SECOND;

/// Results, unless the request says how many.
const RESULTS: usize = 100;
/// Most lines that a request may ask for, Loki's default.
const MOST_LINES: usize = 5_000;
/// Steps that a range is cut into when no step is asked for.
const STEPS: i64 = 250;
/// Seconds that are written with more digits than this are nanoseconds.
const SECONDS_DIGITS: usize = 10;

/// An error as Loki answers it: plain text.
#[derive(Debug)]
pub(super) struct Plain(ApiError);

impl<E: Into<ApiError>> From<E> for Plain {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for Plain {
    fn into_response(self) -> Response {
        (self.0.status(), format!("{}\n", self.0)).into_response()
    }
}

/// An answer in JSON, made where it may take its time.
#[derive(Debug)]
pub(super) struct Body(String);

impl From<Value> for Body {
    fn from(value: Value) -> Self {
        Self(value.to_string())
    }
}

impl IntoResponse for Body {
    fn into_response(self) -> Response {
        ([(CONTENT_TYPE, "application/json")], self.0).into_response()
    }
}

/// What is asked.
#[derive(Debug)]
pub(super) struct Question {
    app: App,
    tenant: TenantId,
    pub(super) parameters: Parameters,
    /// Whether what is known of a line is wanted apart from the labels of its stream.
    pub(super) is_categorized: bool,
}

impl FromRequest<App> for Question {
    type Rejection = Plain;

    async fn from_request(request: Request, app: &App) -> Result<Self, Plain> {
        let (mut parts, body) = request.into_parts();
        let Tenant(tenant) = Tenant::from_request_parts(&mut parts, app).await?;
        let flags = parts.headers.get(ENCODING_FLAGS).and_then(|flags| flags.to_str().ok()).unwrap_or_default();
        let is_categorized = flags.split(',').any(|flag| flag == CATEGORIZE);
        let parameters = Parameters::from_request(Request::from_parts(parts, body), app).await?;
        Ok(Self { app: app.clone(), tenant, parameters, is_categorized })
    }
}

impl Question {
    /// Asks the index. `text` is what the log calls the question.
    pub(super) async fn ask(
        self,
        text: String,
        question: impl FnOnce(&Searcher, &TenantId) -> Result<Value, logql::Error> + Send + 'static,
    ) -> Result<Body, Plain> {
        let timeout = self.parameters.timeout(self.app.config().query.timeout.get())?;
        let asked = Asked { tenant: self.tenant.clone(), text, timeout };
        Ok(ask(&self.app, asked, move |index| question(index, &self.tenant).map(Body::from)).await?)
    }

    /// The text of `query`.
    pub(super) fn text(&self) -> String {
        self.parameters.get("query").unwrap_or_default().to_owned()
    }

    /// `query`.
    pub(super) fn expr(&self) -> Result<Expr, ApiError> {
        logql::parse(self.parameters.get("query").unwrap_or_default())
            .map_err(|error| ApiError::bad_data(error.to_string()))
    }

    /// `query`, where only a selector makes sense. All streams when it is absent.
    pub(super) fn selector(&self) -> Result<Vec<Matcher>, ApiError> {
        self.parameters.get("query").map_or(Ok(Vec::new()), selector)
    }

    /// From `start` until before `end`; `since` before the end, or `span`, where there is no start.
    pub(super) fn span(&self, span: i64) -> Result<Range<TimestampNs>, ApiError> {
        self::span(&self.parameters, self.app.now(), span)
    }

    /// `time`, or now.
    pub(super) fn time(&self) -> Result<TimestampNs, ApiError> {
        Ok(time(&self.parameters, "time")?.unwrap_or_else(|| ns(self.app.now())))
    }

    /// `step`, in ns.
    pub(super) fn step(&self, span: &Range<TimestampNs>) -> Result<i64, ApiError> {
        let usual = || span.end.saturating_sub(span.start) / STEPS / SECOND * SECOND;
        Ok(length(&self.parameters, "step")?.unwrap_or_else(|| usual().max(SECOND)))
    }

    /// `limit`, of whatever is listed.
    pub(super) fn limit(&self) -> Result<usize, ApiError> {
        Ok(self.parameters.limit("limit")?.unwrap_or(RESULTS))
    }
}

/// `limit`, of lines.
pub(super) fn lines(parameters: &Parameters) -> Result<usize, ApiError> {
    let limit = parameters.limit("limit")?.unwrap_or(RESULTS);
    if limit > MOST_LINES {
        let text = format!("max entries limit per query exceeded, limit > max_entries_limit ({limit} > {MOST_LINES})");
        return Err(ApiError::bad_data(text));
    }
    Ok(limit)
}

/// `direction`.
pub(super) fn order(parameters: &Parameters) -> Result<Order, ApiError> {
    match parameters.get("direction").unwrap_or("backward") {
        word if word.eq_ignore_ascii_case("backward") => Ok(Order::Newest),
        word if word.eq_ignore_ascii_case("forward") => Ok(Order::Oldest),
        other => Err(ApiError::bad_data(format!("invalid direction {other:?}: there are backward and forward"))),
    }
}

/// See [`Question::span`].
pub(super) fn span(parameters: &Parameters, now: TimestampMs, span: i64) -> Result<Range<TimestampNs>, ApiError> {
    let end = time(parameters, "end")?.unwrap_or_else(|| ns(now));
    let start = match time(parameters, "start")? {
        Some(start) => start,
        None => end.saturating_sub(length(parameters, "since")?.unwrap_or(span)),
    };
    if end < start { Err(ApiError::bad_data(END_BEFORE_START)) } else { Ok(start..end) }
}

/// A selector with nothing behind it.
pub(super) fn selector(text: &str) -> Result<Vec<Matcher>, ApiError> {
    match logql::parse(text) {
        Ok(Expr::Logs(logs)) => {
            let Logs { matchers, lines, severities, templates, trace_id, fields, drop } = logs;
            let is_plain = lines.is_empty()
                && severities.is_none()
                && templates.is_none()
                && trace_id.is_none()
                && fields.is_empty()
                && drop.is_empty();
            if is_plain { Ok(matchers) } else { Err(only_selector()) }
        }
        Ok(_) => Err(only_selector()),
        Err(error) => Err(ApiError::bad_data(error.to_string())),
    }
}

fn only_selector() -> ApiError {
    ApiError::bad_data("only a selector such as {service=\"x\"} is possible here")
}

/// The streams of a tenant that pass.
pub(super) fn streams(tenant: &TenantId, span: &Range<TimestampNs>, matchers: Vec<Matcher>) -> Query {
    Query { matchers, ..Query::all(tenant.clone(), span.start, span.end) }
}

fn time(parameters: &Parameters, name: &str) -> Result<Option<TimestampNs>, ApiError> {
    parameters.parsed(name, "timestamp", parse_time)
}

/// A length of time, in ns: seconds, or such as `5m`.
fn length(parameters: &Parameters, name: &str) -> Result<Option<i64>, ApiError> {
    Ok(parameters.duration(name)?.map(|ms| ms.saturating_mul(MILLISECOND)))
}

fn ns(at: TimestampMs) -> TimestampNs {
    at.saturating_mul(MILLISECOND)
}

/// Nanoseconds, seconds (whole ones have at most ten digits) or RFC 3339.
fn parse_time(text: &str) -> Option<TimestampNs> {
    if let Ok(whole) = text.parse::<i64>() {
        return if text.len() <= SECONDS_DIGITS { whole.checked_mul(SECOND) } else { Some(whole) };
    }
    match text.parse::<f64>() {
        // In milliseconds, as in Loki: more digits than that a float does not have.
        Ok(seconds) if seconds.abs() < 9.2e9 => Some(((seconds * 1e3).round() as i64).saturating_mul(MILLISECOND)),
        Ok(_) => None,
        Err(_) => DateTime::parse_from_rfc3339(text).ok()?.timestamp_nanos_opt(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_nanoseconds_seconds_or_dates() {
        for (text, expected) in [
            ("1700000000", Some(1_700_000_000 * SECOND)),
            ("1700000000123456789", Some(1_700_000_000_123_456_789)),
            ("1700000000.5", Some(1_700_000_000 * SECOND + SECOND / 2)),
            ("2023-11-14T22:13:20.000000001Z", Some(1_700_000_000 * SECOND + 1)),
            ("2023-11-14T23:13:20+01:00", Some(1_700_000_000 * SECOND)),
            ("-5", Some(-5 * SECOND)),
            ("9999999999", None),
            ("1e300", None),
            ("NaN", None),
            ("9000-01-01T00:00:00Z", None),
            ("now", None),
        ] {
            assert_eq!(parse_time(text), expected, "{text}");
        }
    }
}
