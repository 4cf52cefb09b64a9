//! What is asked of the server.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Deserializer, de};

use super::http::{Http, QueryError, Question};
use crate::signal::{Labels, MetricKind, TimestampMs};

/// A server to ask.
#[derive(Debug)]
pub(crate) struct Client(Http);

/// A series with its samples, ascending.
pub(crate) type Samples = (Labels, Vec<(TimestampMs, f64)>);

/// What the server knows of a metric family.
#[derive(Debug, Deserialize)]
pub(crate) struct Metadata {
    #[serde(rename = "type", deserialize_with = "kind")]
    pub(crate) kind: MetricKind,
    #[serde(default)]
    pub(crate) help: String,
    #[serde(default)]
    pub(crate) unit: String,
}

#[derive(Deserialize)]
struct Matrix {
    result: Vec<Series>,
}

#[derive(Deserialize)]
struct Series {
    metric: Labels,
    /// Absent where there are native histograms only.
    #[serde(default)]
    values: Vec<(f64, Number)>,
}

/// A number in quotes; may be `NaN` or `+Inf`.
struct Number(f64);

#[derive(Deserialize)]
struct Configuration {
    yaml: String,
}

impl Client {
    /// `url` may hold a user and a password, and a path before `/api/v1`.
    ///
    /// # Errors
    /// The URL, a header or the token cannot be used.
    pub(crate) fn new(url: &str, bearer: Option<&str>, headers: &[(String, String)]) -> anyhow::Result<Self> {
        Http::new(url, bearer, headers).map(Self)
    }

    /// Evaluates `query` at `from`, `from + step` and so on until `to`.
    pub(crate) async fn range(
        &self,
        query: &str,
        from: TimestampMs,
        to: TimestampMs,
        step: i64,
    ) -> Result<Vec<Samples>, QueryError> {
        let times = [("start", seconds(from)), ("end", seconds(to)), ("step", seconds(step))];
        self.query("query_range", query, times).await
    }

    /// The samples in `(after, until]` of the series that have these matchers, as they were stored, without the markers
    /// of staleness.
    pub(crate) async fn samples(
        &self,
        matchers: &str,
        after: TimestampMs,
        until: TimestampMs,
    ) -> Result<Vec<Samples>, QueryError> {
        let window = format!("{{{matchers}}}[{}ms]", until - after);
        let mut found = self.query("query", &window, [("time", seconds(until))]).await?;
        // Prometheus before version 3 gives the sample at the begin of the window, too.
        found.iter_mut().for_each(|(_, samples)| samples.retain(|(at, _)| *at > after));
        Ok(found)
    }

    async fn query<const N: usize>(
        &self,
        endpoint: &str,
        query: &str,
        times: [(&'static str, String); N],
    ) -> Result<Vec<Samples>, QueryError> {
        let parameters: Vec<_> = times.into_iter().chain([("query", query.to_owned())]).collect();
        let question = Question { path: &[endpoint], parameters: &parameters, by_post: true };
        let matrix: Matrix = self.0.ask(&question).await?;
        let sample = |(at, value): (f64, Number)| ((at * 1_000.0).round() as TimestampMs, value.0);
        let samples = |series: Series| (series.metric, series.values.into_iter().map(sample).collect());
        Ok(matrix.result.into_iter().map(samples).collect())
    }

    /// Names of the metrics that have a series with these matchers in the time.
    pub(crate) async fn metrics(
        &self,
        matchers: &str,
        from: TimestampMs,
        to: TimestampMs,
    ) -> Result<Vec<String>, QueryError> {
        let parameters = [("match[]", format!("{{{matchers}}}")), ("start", seconds(from)), ("end", seconds(to))];
        self.0.ask(&Question { path: &["label", "__name__", "values"], parameters: &parameters, by_post: false }).await
    }

    /// What is known of each metric family; targets may disagree.
    pub(crate) async fn metadata(&self) -> Result<BTreeMap<String, Vec<Metadata>>, QueryError> {
        self.0.ask(&Question { path: &["metadata"], parameters: &[], by_post: false }).await
    }

    /// The server's configuration file, with all defaults filled in.
    pub(crate) async fn configuration(&self) -> Result<String, QueryError> {
        let question = Question { path: &["status", "config"], parameters: &[], by_post: false };
        self.0.ask(&question).await.map(|configuration: Configuration| configuration.yaml)
    }

    /// The server's address, without user and password.
    pub(crate) fn shown(&self) -> String {
        self.0.shown()
    }
}

fn seconds(ms: i64) -> String {
    format!("{}.{:03}", ms.div_euclid(1_000), ms.rem_euclid(1_000))
}

/// A kind that vigie does not know is none.
fn kind<'de, D: Deserializer<'de>>(deserializer: D) -> Result<MetricKind, D::Error> {
    let name = String::deserialize(deserializer)?;
    Ok(serde_json::from_value(name.into()).unwrap_or_default())
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;

        impl de::Visitor<'_> for Text {
            type Value = Number;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number in quotes")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Number, E> {
                text.parse().map(Number).map_err(|_| E::invalid_value(de::Unexpected::Str(text), &self))
            }
        }

        deserializer.deserialize_str(Text)
    }
}
