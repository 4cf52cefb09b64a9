//! Parameters of a request, from the URL and from a form body, read as Prometheus reads them.

use std::time::Duration;

use axum::{
    Form,
    extract::{FromRequest, Query, Request},
    http::{Method, header::CONTENT_TYPE},
};
use chrono::DateTime;

use super::error::ApiError;
use crate::{
    promql,
    signal::{Matcher, TimestampMs},
};

/// Points of a series that one range query may ask for.
const MAX_POINTS: i64 = 11_000;

/// Parameters in order: those of the body before those of the URL, so that the body wins where one value is read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Parameters(Vec<(String, String)>);

impl<S: Send + Sync> FromRequest<S> for Parameters {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let Query(in_url) = Query::<Vec<(String, String)>>::try_from_uri(request.uri())
            .map_err(|rejection| ApiError::bad_data(rejection.body_text()))?;
        let content_type = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let has_form = request.method() == Method::POST
            && content_type.is_some_and(|kind| {
                let media_type = kind.split(';').next().unwrap_or_default().trim();
                media_type.eq_ignore_ascii_case("application/x-www-form-urlencoded")
            });
        if !has_form {
            return Ok(Self(in_url));
        }
        let Form(mut all) = Form::<Vec<(String, String)>>::from_request(request, state)
            .await
            .map_err(|rejection| ApiError::bad_data(rejection.body_text()))?;
        all.extend(in_url);
        Ok(Self(all))
    }
}

impl Parameters {
    /// The first value of `name`; an empty one counts as absent, as in Prometheus.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, value)| key == name && !value.is_empty()).map(|(_, value)| value.as_str())
    }

    /// All values of `name`.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// A point in time.
    pub(super) fn time(&self, name: &str) -> Result<Option<TimestampMs>, ApiError> {
        self.parsed(name, "timestamp", parse_time)
    }

    /// A length of time in milliseconds, possibly zero or negative.
    pub(in crate::server) fn duration(&self, name: &str) -> Result<Option<i64>, ApiError> {
        self.parsed(name, "duration", parse_duration)
    }

    /// The number of results asked for; `None` when there is no limit, which 0 means as well.
    pub(in crate::server) fn limit(&self, name: &str) -> Result<Option<usize>, ApiError> {
        let number = |text: &str| text.parse::<usize>().ok();
        Ok(self.parsed(name, "non-negative number", number)?.filter(|limit| *limit > 0))
    }

    /// `match[]`: each selector's matchers.
    pub(super) fn selectors(&self) -> Result<Vec<Vec<Matcher>>, ApiError> {
        let mut selectors = Vec::new();
        for text in self.all("match[]") {
            let parsed = promql::parse_selector(text)
                .map_err(|error| ApiError::bad_data(format!("invalid parameter \"match[]\": {error}")))?;
            selectors.extend(parsed);
        }
        Ok(selectors)
    }

    /// `start` and `end` of a request that may leave them out.
    pub(super) fn span(&self) -> Result<Span, ApiError> {
        let from = self.time("start")?.unwrap_or(TimestampMs::MIN);
        let to = self.time("end")?.unwrap_or(TimestampMs::MAX);
        if to < from { Err(ApiError::bad_data(END_BEFORE_START)) } else { Ok(Span { from, to }) }
    }

    /// `start`, `end` and `step` of a range query.
    pub(super) fn range(&self) -> Result<Range, ApiError> {
        let required = |name| move || ApiError::bad_data(format!("invalid parameter \"{name}\": it is missing"));
        let from = self.time("start")?.ok_or_else(required("start"))?;
        let to = self.time("end")?.ok_or_else(required("end"))?;
        let step = self.duration("step")?.ok_or_else(required("step"))?;
        if to < from {
            return Err(ApiError::bad_data(END_BEFORE_START));
        }
        if step <= 0 {
            return Err(ApiError::bad_data(
                "invalid parameter \"step\": zero or negative query resolution step widths are not accepted. \
                 Try a positive integer",
            ));
        }
        if to.saturating_sub(from) / step > MAX_POINTS {
            return Err(ApiError::bad_data(
                "exceeded maximum resolution of 11,000 points per timeseries. \
                 Try decreasing the query resolution (?step=XX)",
            ));
        }
        Ok(Range { from, to, step })
    }

    /// The `timeout` asked for, at most `limit`.
    pub(in crate::server) fn timeout(&self, limit: Duration) -> Result<Duration, ApiError> {
        let asked = self.duration("timeout")?.map(|ms| Duration::from_millis(ms.max(0).unsigned_abs()));
        Ok(asked.map_or(limit, |asked| asked.min(limit)))
    }

    /// A value that `parse` takes.
    pub(in crate::server) fn parsed<T>(
        &self,
        name: &str,
        what: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<T>, ApiError> {
        let Some(text) = self.get(name) else { return Ok(None) };
        let error =
            || ApiError::bad_data(format!("invalid parameter \"{name}\": cannot parse {text:?} to a valid {what}"));
        parse(text).map(Some).ok_or_else(error)
    }
}

pub(in crate::server) const END_BEFORE_START: &str =
    "invalid parameter \"end\": end timestamp must not be before start time";

/// A closed range of time, all of it where the request names none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) from: TimestampMs,
    pub(super) to: TimestampMs,
}

/// When a range query is evaluated: `from`, `from + step`, … up to `to`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) from: TimestampMs,
    pub(super) to: TimestampMs,
    pub(super) step: i64,
}

/// Unix seconds with a fraction, or RFC 3339.
fn parse_time(text: &str) -> Option<TimestampMs> {
    match text.parse::<f64>() {
        Ok(secs) => millis(secs),
        Err(_) => DateTime::parse_from_rfc3339(text).ok().map(|time| time.timestamp_millis()),
    }
}

/// Seconds with a fraction, or PromQL's `1h30m`.
fn parse_duration(text: &str) -> Option<i64> {
    match text.parse::<f64>() {
        Ok(secs) => millis(secs),
        Err(_) => {
            let duration = promql_parser::util::parse_duration(text).ok()?;
            i64::try_from(duration.as_millis()).ok()
        }
    }
}

fn millis(secs: f64) -> Option<i64> {
    let millis = (secs * 1000.0).round();
    // The bound is where an i64 of nanoseconds ends, as in Prometheus; NaN fails it as well.
    (millis.abs() <= 9.223_372_036_854e15).then_some(millis as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameters(pairs: &[(&str, &str)]) -> Parameters {
        Parameters(pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect())
    }

    #[test]
    fn times_are_seconds_or_dates() {
        for (text, expected) in [
            ("4", Some(4_000)),
            ("1795228984.333", Some(1_795_228_984_333)),
            ("-1.5", Some(-1_500)),
            ("1e9", Some(1_000_000_000_000)),
            ("2026-11-21T02:43:04.333Z", Some(1_795_228_984_333)),
            ("2026-11-21T03:43:04+01:00", Some(1_795_228_984_000)),
            ("NaN", None),
            ("Inf", None),
            ("1e300", None),
            ("2026-11-21", None),
            ("now", None),
        ] {
            assert_eq!(parse_time(text), expected, "{text}");
        }
    }

    #[test]
    fn durations_are_seconds_or_units() {
        for (text, expected) in
            [("15", Some(15_000)), ("0.5", Some(500)), ("1h30m", Some(5_400_000)), ("-1", Some(-1_000)), ("x", None)]
        {
            assert_eq!(parse_duration(text), expected, "{text}");
        }
    }

    #[test]
    fn a_range_is_checked() {
        let range = |start, end, step| {
            parameters(&[("start", start), ("end", end), ("step", step)]).range().map_err(|e| e.to_string())
        };
        assert_eq!(range("0", "11000", "1").unwrap(), Range { from: 0, to: 11_000_000, step: 1_000 });
        assert!(range("0", "11001", "1").unwrap_err().contains("11,000 points"));
        assert!(range("2", "1", "1").unwrap_err().contains("end timestamp must not be before start time"));
        assert!(range("0", "1", "0").unwrap_err().contains("zero or negative"));
        assert!(range("0", "1", "").unwrap_err().contains("\"step\""));
        assert!(range("0", "y", "1").unwrap_err().contains(r#"invalid parameter "end": cannot parse "y""#));
        assert!(range("-9e12", "9e12", "1").unwrap_err().contains("11,000 points"));
    }

    #[test]
    fn limits_and_timeouts() {
        assert_eq!(parameters(&[("limit", "3")]).limit("limit").unwrap(), Some(3));
        assert_eq!(parameters(&[("limit", "0")]).limit("limit").unwrap(), None);
        assert!(parameters(&[("limit", "-1")]).limit("limit").is_err());
        let timeout = |text| parameters(&[("timeout", text)]).timeout(Duration::from_secs(60)).unwrap();
        assert_eq!(timeout("5s"), Duration::from_secs(5));
        assert_eq!(timeout("5m"), Duration::from_secs(60));
    }

    #[tokio::test]
    async fn body_and_url_are_merged_and_the_body_wins() {
        let request = Request::post("/?query=url&match[]=a&time=4")
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded; charset=utf-8")
            .body("query=1%2B1&match%5B%5D=b".into())
            .unwrap();
        let merged = Parameters::from_request(request, &()).await.unwrap();
        assert_eq!((merged.get("query"), merged.get("time")), (Some("1+1"), Some("4")));
        assert_eq!(merged.all("match[]").collect::<Vec<_>>(), ["b", "a"]);
    }
}
