//! The way of a question: sent, tried again while that may help, its answer bounded and read.

use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use reqwest::{
    Method, StatusCode, Url,
    header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER},
};
use serde::{Deserialize, de::DeserializeOwned};

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

/// Why a query has no answer.
#[derive(Debug)]
pub(crate) enum QueryError {
    /// The server would have to load too much for it: ask for a shorter range.
    TooMuch(anyhow::Error),
    /// Anything else.
    Failed(anyhow::Error),
}

impl From<QueryError> for anyhow::Error {
    fn from(error: QueryError) -> Self {
        match error {
            QueryError::TooMuch(error) | QueryError::Failed(error) => error,
        }
    }
}

/// How the server is reached.
#[derive(Debug)]
pub(super) struct Http {
    client: reqwest::Client,
    base: Url,
}

/// A question: a path below `/api/v1`, and what goes with it.
#[derive(Debug)]
pub(super) struct Question<'a> {
    pub(super) path: &'a [&'a str],
    pub(super) parameters: &'a [(&'a str, String)],
    /// As dashboards send queries, since a selector may be longer than a URL; Prometheus takes some questions
    /// by GET only.
    pub(super) by_post: bool,
}

#[derive(Deserialize)]
struct Answer<T> {
    data: Option<T>,
    error: Option<String>,
}

enum Failure {
    /// Asking again may help.
    Passing { error: anyhow::Error, after: Option<Duration> },
    /// It will not.
    Final(QueryError),
}

impl Http {
    /// `url` may hold a user and a password, and a path before `/api/v1`.
    pub(super) fn new(url: &str, bearer: Option<&str>, headers: &[(String, String)]) -> anyhow::Result<Self> {
        let mut base = Url::parse(url).context("not a URL such as http://127.0.0.1:9090")?;
        if !matches!(base.scheme(), "http" | "https") {
            bail!("the scheme is {:?}; use http or https", base.scheme());
        }
        base.set_query(None);
        base.path_segments_mut()
            .map_err(|()| anyhow!("cannot be a base of other URLs"))?
            .pop_if_empty()
            .extend(["api", "v1"]);
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
        let client = reqwest::Client::builder()
            .default_headers(all)
            .timeout(ANSWER_WITHIN)
            .connect_timeout(Duration::from_secs(10))
            .user_agent(concat!("vigie/", env!("CARGO_PKG_VERSION")))
            .build()
            .context("cannot set up the HTTP client")?;
        Ok(Self { client, base })
    }

    /// Asks for the `data` of an answer. Failures of the server are tried again.
    pub(super) async fn ask<T: DeserializeOwned + Send + 'static>(
        &self,
        question: &Question<'_>,
    ) -> Result<T, QueryError> {
        let mut wait = WAIT;
        let mut tries = 1;
        loop {
            let error = match self.ask_once(question).await {
                Ok(data) => return Ok(data),
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

    async fn ask_once<T: DeserializeOwned + Send + 'static>(&self, question: &Question<'_>) -> Result<T, Failure> {
        let failed = |error| Failure::Final(QueryError::Failed(error));
        let passing = |error: reqwest::Error| {
            // The URL may hold a password.
            let error = anyhow::Error::new(error.without_url()).context(format!("cannot reach {}", self.shown()));
            Failure::Passing { error, after: None }
        };
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.extend(question.path);
        }
        let request = match question.by_post {
            true => self.client.request(Method::POST, url).form(question.parameters),
            false => self.client.request(Method::GET, url).query(question.parameters),
        };
        let mut answer = request.send().await.map_err(passing)?;
        let status = answer.status();
        let after =
            answer.headers().get(RETRY_AFTER).and_then(|v| v.to_str().ok()?.parse().ok()).map(Duration::from_secs);
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(passing)? {
            if body.len() + chunk.len() > ANSWER_BYTES_MAX {
                let error = anyhow!("the answer is over {ANSWER_BYTES_MAX} bytes");
                return Err(Failure::Final(QueryError::TooMuch(error)));
            }
            body.extend_from_slice(&chunk);
        }
        if !status.is_success() {
            return Err(self.refused(status, after, &body));
        }
        // Away from the connections: an answer may be large.
        let read = tokio::task::spawn_blocking(move || serde_json::from_slice::<Answer<T>>(&body)).await;
        let read = read.context("reading the answer ended by a fault").map_err(failed)?;
        let read = read.with_context(|| format!("{} answered with what is no Prometheus answer", self.shown()));
        read.and_then(|answer| answer.data.context("the answer holds no data")).map_err(failed)
    }

    fn refused(&self, status: StatusCode, after: Option<Duration>, body: &[u8]) -> Failure {
        let said = serde_json::from_slice::<Answer<serde::de::IgnoredAny>>(body)
            .ok()
            .and_then(|answer| answer.error)
            .unwrap_or_else(|| String::from_utf8_lossy(body).chars().filter(|c| !c.is_control()).take(200).collect());
        let error = anyhow!("{} answered {status}: {said}", self.shown());
        match status {
            StatusCode::UNPROCESSABLE_ENTITY if said.contains("too many samples") => {
                Failure::Final(QueryError::TooMuch(error))
            }
            StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT => Failure::Passing { error, after },
            status if status.is_server_error() => Failure::Passing { error, after },
            _ => Failure::Final(QueryError::Failed(error)),
        }
    }

    /// The server's address, without user and password.
    pub(super) fn shown(&self) -> String {
        let port = self.base.port().map(|port| format!(":{port}")).unwrap_or_default();
        format!("{}://{}{port}", self.base.scheme(), self.base.host_str().unwrap_or_default())
    }
}
