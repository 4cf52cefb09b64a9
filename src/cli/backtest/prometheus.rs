//! Range queries to a Prometheus server, or to anything that answers like one.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context as _, anyhow, bail};
use reqwest::{
    StatusCode, Url,
    header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER},
};
use serde::Deserialize;

use crate::signal::{Labels, TimestampMs};

/// Tries of one request.
const TRIES: u32 = 6;
/// Wait before the second try; doubles each time.
const WAIT: Duration = Duration::from_millis(500);
/// A server that asks for more patience than this is asked again sooner.
const WAIT_MAX: Duration = Duration::from_secs(60);
/// Time for one answer. Prometheus gives up after two minutes unless told otherwise.
const ANSWER_WITHIN: Duration = Duration::from_secs(150);
/// Size of one answer.
const ANSWER_BYTES_MAX: usize = 512 << 20;

/// How the server is reached.
#[derive(Debug)]
pub(super) struct Client {
    http: reqwest::Client,
    endpoint: Url,
}

/// A series with its samples, ascending.
pub(super) type Samples = (Labels, Vec<(TimestampMs, f64)>);

/// Why a query has no answer.
#[derive(Debug)]
pub(super) enum QueryError {
    /// The server would have to load too much for it: ask for a shorter range.
    TooMuch(anyhow::Error),
    /// Anything else.
    Failed(anyhow::Error),
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    data: Option<Data>,
    #[serde(default)]
    error: Option<String>,
}

#[derive(Deserialize)]
struct Data {
    result: Vec<Series>,
}

#[derive(Deserialize)]
struct Series {
    metric: BTreeMap<String, String>,
    /// Absent where there are native histograms only.
    #[serde(default)]
    values: Vec<(f64, String)>,
}

impl Client {
    /// `url` may hold a user and a password, and a path before `/api/v1`.
    pub(super) fn new(url: &str, bearer: Option<&str>, headers: &[(String, String)]) -> anyhow::Result<Self> {
        let mut endpoint = Url::parse(url).context("--prometheus is not a URL such as http://127.0.0.1:9090")?;
        if !matches!(endpoint.scheme(), "http" | "https") {
            bail!("--prometheus has the scheme {:?}; use http or https", endpoint.scheme());
        }
        endpoint.set_query(None);
        endpoint
            .path_segments_mut()
            .map_err(|()| anyhow!("--prometheus cannot be a base of other URLs"))?
            .pop_if_empty()
            .extend(["api", "v1", "query_range"]);
        let mut all = HeaderMap::new();
        for (name, value) in headers {
            let name: HeaderName = name.parse().with_context(|| format!("{name:?} cannot be a header's name"))?;
            let value =
                HeaderValue::from_str(value).with_context(|| format!("the value of header {name} is not allowed"))?;
            all.append(name, value);
        }
        if let Some(token) = bearer {
            let mut value =
                HeaderValue::from_str(&format!("Bearer {token}")).context("the bearer token is not allowed")?;
            value.set_sensitive(true);
            all.insert(AUTHORIZATION, value);
        }
        // Another part of the process may have chosen already; then its choice stands.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder()
            .default_headers(all)
            .timeout(ANSWER_WITHIN)
            .connect_timeout(Duration::from_secs(10))
            .user_agent(concat!("vigie/", env!("CARGO_PKG_VERSION")))
            .build()
            .context("cannot set up the HTTP client")?;
        Ok(Self { http, endpoint })
    }

    /// Evaluates `query` at `from`, `from + step` and so on until `to`. Failures of the server are tried again.
    pub(super) async fn range(
        &self,
        query: &str,
        from: TimestampMs,
        to: TimestampMs,
        step: i64,
    ) -> Result<Vec<Samples>, QueryError> {
        let seconds = |ms: i64| format!("{}.{:03}", ms.div_euclid(1_000), ms.rem_euclid(1_000));
        let form =
            [("query", query.to_owned()), ("start", seconds(from)), ("end", seconds(to)), ("step", seconds(step))];
        let mut wait = WAIT;
        let mut tries = 1;
        loop {
            let error = match self.ask(&form).await {
                Ok(series) => return Ok(series),
                Err(Failure::Final(error)) => return Err(error),
                Err(Failure::Passing { error, after }) => {
                    wait = after.unwrap_or(wait).min(WAIT_MAX);
                    error
                }
            };
            if tries == TRIES {
                return Err(QueryError::Failed(error.context(format!("given up after {TRIES} tries"))));
            }
            tokio::time::sleep(wait).await;
            wait *= 2;
            tries += 1;
        }
    }

    async fn ask(&self, form: &[(&str, String)]) -> Result<Vec<Samples>, Failure> {
        let passing = |error: reqwest::Error| {
            // The URL may hold a password.
            let error = anyhow::Error::new(error.without_url()).context(format!("cannot reach {}", self.shown()));
            Failure::Passing { error, after: None }
        };
        // A POST, as dashboards send it: a selector may be longer than a URL.
        let mut answer = self.http.post(self.endpoint.clone()).form(form).send().await.map_err(passing)?;
        let status = answer.status();
        let after =
            answer.headers().get(RETRY_AFTER).and_then(|v| v.to_str().ok()?.parse().ok()).map(Duration::from_secs);
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(passing)? {
            if body.len() + chunk.len() > ANSWER_BYTES_MAX {
                return Err(Failure::Final(QueryError::TooMuch(anyhow!(
                    "the answer is over {ANSWER_BYTES_MAX} bytes"
                ))));
            }
            body.extend_from_slice(&chunk);
        }
        let parsed = serde_json::from_slice::<Answer>(&body);
        if status.is_success() {
            let parsed = parsed.with_context(|| format!("{} answered with what is no Prometheus answer", self.shown()));
            let data = parsed.and_then(|answer| answer.data.ok_or_else(|| anyhow!("the answer holds no data")));
            return data.and_then(read).map_err(|error| Failure::Final(QueryError::Failed(error)));
        }
        let said = parsed
            .ok()
            .and_then(|answer| answer.error)
            .unwrap_or_else(|| String::from_utf8_lossy(&body).chars().filter(|c| !c.is_control()).take(200).collect());
        let error = anyhow!("{} answered {status}: {said}", self.shown());
        Err(match status {
            StatusCode::UNPROCESSABLE_ENTITY if said.contains("too many samples") => {
                Failure::Final(QueryError::TooMuch(error))
            }
            StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT => Failure::Passing { error, after },
            status if status.is_server_error() => Failure::Passing { error, after },
            _ => Failure::Final(QueryError::Failed(error)),
        })
    }

    /// The server's address, without user and password.
    pub(super) fn shown(&self) -> String {
        let port = self.endpoint.port().map(|port| format!(":{port}")).unwrap_or_default();
        format!("{}://{}{port}", self.endpoint.scheme(), self.endpoint.host_str().unwrap_or_default())
    }
}

enum Failure {
    /// Asking again may help.
    Passing { error: anyhow::Error, after: Option<Duration> },
    /// It will not.
    Final(QueryError),
}

fn read(data: Data) -> anyhow::Result<Vec<Samples>> {
    let series = data.result.into_iter().map(|series| {
        let sample = |(at, value): (f64, String)| {
            let value = value.parse::<f64>().with_context(|| format!("{value:?} is not a sample's value"))?;
            Ok(((at * 1_000.0).round() as TimestampMs, value))
        };
        let samples: anyhow::Result<Vec<_>> = series.values.into_iter().map(sample).collect();
        Ok((Labels::from_pairs(series.metric), samples?))
    });
    series.collect()
}
