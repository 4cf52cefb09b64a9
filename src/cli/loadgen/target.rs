//! The receiver that is measured, over HTTP.

use std::time::Duration;

use anyhow::{Context as _, bail};
use bytes::Bytes;
use reqwest::{
    Client, StatusCode, Url,
    header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER},
};

use crate::{ingest::remote_write::Protocol, signal::TenantId};

/// An answer that takes longer than this is none; Prometheus waits as long.
const TIMEOUT: Duration = Duration::from_secs(30);
const PATH: &str = "/api/v1/write";
const WRITTEN: HeaderName = HeaderName::from_static("x-prometheus-remote-write-samples-written");
/// Characters of an answer's text that are kept.
const REASON: usize = 200;

/// Where to write, and how.
#[derive(Clone, Debug)]
pub(super) struct Target {
    url: Url,
    protocol: Protocol,
    headers: HeaderMap,
}

/// A connection to the target.
#[derive(Debug)]
pub(super) struct Connection {
    client: Client,
    url: Url,
    protocol: Protocol,
}

/// What became of a request that was sent once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    /// The HTTP status, or `timeout`, or `connection` when there is no answer for another reason.
    pub(super) status: String,
    /// How many of the samples were written.
    pub(super) written: u64,
    pub(super) retry: Retry,
    /// What the target says that went wrong.
    pub(super) reason: Option<String>,
}

/// Whether the same request may succeed later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Retry {
    Never,
    /// After a time of the sender's choice.
    Later,
    /// After the time that the target asks for.
    After(Duration),
}

impl Target {
    /// `url` may hold user and password; without a path it gets that of remote write.
    pub(super) fn new(url: &str, protocol: Protocol, tenant: Option<&TenantId>) -> anyhow::Result<Self> {
        let parsed = Url::parse(url).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        let mut url = parsed.with_context(|| format!("{url:?} is no URL such as http://127.0.0.1:9797{PATH}"))?;
        if url.path() == "/" {
            url.set_path(PATH);
        }
        let mut headers = HeaderMap::from_iter([
            (CONTENT_TYPE, HeaderValue::from_static(protocol.content_type())),
            (CONTENT_ENCODING, HeaderValue::from_static("snappy")),
            (
                HeaderName::from_static("x-prometheus-remote-write-version"),
                HeaderValue::from_static(protocol.version()),
            ),
        ]);
        if let Some(tenant) = tenant {
            let value = HeaderValue::from_str(tenant.as_str()).context("the tenant cannot be a header")?;
            headers.insert(HeaderName::from_static("x-scope-orgid"), value);
        }
        Ok(Self { url, protocol, headers })
    }

    /// The address without user and password.
    pub(super) fn shown(&self) -> String {
        let mut url = self.url.clone();
        // Only an address without a host has no room for them.
        let _ = url.set_username("").and_then(|()| url.set_password(None));
        url.into()
    }

    /// A connection that is opened with its first request and then kept.
    pub(super) fn connect(&self) -> anyhow::Result<Connection> {
        // Another part of the process may have chosen already; then its choice stands.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder()
            .default_headers(self.headers.clone())
            .timeout(TIMEOUT)
            .connect_timeout(Duration::from_secs(10))
            .pool_max_idle_per_host(1)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .user_agent(concat!("vigie-loadgen/", env!("CARGO_PKG_VERSION")))
            .build()
            .context("cannot set up the HTTP client")?;
        Ok(Connection { client, url: self.url.clone(), protocol: self.protocol })
    }

    /// Makes sure, with an empty request, that the target is there and understands the protocol.
    pub(super) async fn check(&self, empty: Bytes) -> anyhow::Result<()> {
        let answer = self.connect()?.write(empty, 0).await;
        let (url, reason) = (self.shown(), answer.reason.as_deref().unwrap_or_default());
        match answer.status.as_str() {
            "connection" | "timeout" => {
                bail!("cannot reach {url}: {reason}; is the target running, and listening there?")
            }
            "404" | "405" => bail!(
                "{url} takes no remote write ({}): the path is mostly {PATH}, and a Prometheus wants \
                 --web.enable-remote-write-receiver",
                answer.status
            ),
            "401" | "403" => bail!(
                "{url} refuses the sender ({}): {reason}; credentials go into the URL, as http://USER:PASSWORD@HOST",
                answer.status
            ),
            "415" => bail!("{url} does not understand this protocol: {reason}; try the other --protocol"),
            _ if answer.retry == Retry::Never && !answer.is_success() => {
                bail!("{url} answers an empty request with {}: {reason}", answer.status)
            }
            _ => Ok(()),
        }
    }
}

impl Connection {
    /// Sends a request of so many samples, once.
    pub(super) async fn write(&self, body: Bytes, samples: u64) -> Answer {
        let answer = match self.client.post(self.url.clone()).body(body).send().await {
            Ok(answer) => answer,
            Err(error) => return Answer::none(error),
        };
        let (status, headers) = (answer.status(), answer.headers().clone());
        // The body has to be read for the connection to be used again.
        match answer.text().await {
            Ok(text) => Answer::of(self.protocol, status, &headers, &text, samples),
            Err(error) => Answer::none(error),
        }
    }
}

impl Answer {
    fn none(error: reqwest::Error) -> Self {
        let status = if error.is_timeout() { "timeout" } else { "connection" };
        // The URL may hold a password.
        let reason = format!("{:#}", anyhow::Error::new(error.without_url()));
        Self { status: status.to_owned(), written: 0, retry: Retry::Later, reason: Some(reason) }
    }

    fn of(protocol: Protocol, status: StatusCode, headers: &HeaderMap, text: &str, samples: u64) -> Self {
        let number = |name: HeaderName| headers.get(name)?.to_str().ok()?.trim().parse::<u64>().ok();
        let told = number(WRITTEN);
        let mut answer = Self {
            status: status.as_u16().to_string(),
            written: told.unwrap_or(if status.is_success() { samples } else { 0 }).min(samples),
            retry: Retry::Never,
            reason: None,
        };
        if status.is_success() {
            if protocol == Protocol::V2 && told.is_none() {
                // What does not know 2.0 may take it for a 1.0 request without series.
                answer.status = "415".to_owned();
                answer.written = 0;
                answer.reason =
                    Some("it does not say how many samples it took, as remote write 2.0 demands".to_owned());
            }
            return answer;
        }
        if status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error() {
            let after = number(RETRY_AFTER).map(Duration::from_secs);
            answer.retry = after.map_or(Retry::Later, Retry::After);
        }
        let line = text.trim().lines().next().unwrap_or_default();
        answer.reason = Some(line.chars().take(REASON).collect());
        answer
    }

    fn is_success(&self) -> bool {
        self.status.starts_with('2')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(protocol: Protocol, status: u16, headers: &[(&'static str, &str)]) -> Answer {
        let headers = headers.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()));
        Answer::of(protocol, StatusCode::from_u16(status).unwrap(), &headers.collect(), "why\nmore", 10)
    }

    #[test]
    fn what_was_written_is_what_the_target_says_or_all() {
        const SAYS: (&str, &str) = ("x-prometheus-remote-write-samples-written", "7");
        for (protocol, status, headers, written) in [
            (Protocol::V1, 204, &[][..], 10),
            (Protocol::V1, 400, &[], 0),
            (Protocol::V1, 400, &[SAYS], 7),
            (Protocol::V2, 200, &[SAYS], 7),
            (Protocol::V2, 204, &[], 0),
        ] {
            assert_eq!(answer(protocol, status, headers).written, written, "{protocol:?} {status} {headers:?}");
        }
        assert_eq!(answer(Protocol::V2, 204, &[]).status, "415");
    }

    #[test]
    fn what_may_succeed_later_is_sent_again_when_the_target_says() {
        for (status, header, retry) in [
            (503, Some("5"), Retry::After(Duration::from_secs(5))),
            (429, Some("0"), Retry::After(Duration::ZERO)),
            (429, None, Retry::Later),
            (500, Some("Fri, 31 Dec 1999 23:59:59 GMT"), Retry::Later),
            (400, Some("5"), Retry::Never),
            (204, None, Retry::Never),
        ] {
            let headers: Vec<_> = header.map(|value| ("retry-after", value)).into_iter().collect();
            assert_eq!(answer(Protocol::V1, status, &headers).retry, retry, "{status} {header:?}");
        }
        assert_eq!(answer(Protocol::V1, 400, &[]).reason.as_deref(), Some("why"));
    }

    #[test]
    fn urls_are_completed_and_shown_without_password() {
        let shown = |url| Target::new(url, Protocol::V1, None).map(|target| target.shown());
        assert_eq!(shown("http://127.0.0.1:9797").unwrap(), "http://127.0.0.1:9797/api/v1/write");
        assert_eq!(shown("https://a:b@mimir/api/v1/push").unwrap(), "https://mimir/api/v1/push");
        for wrong in ["127.0.0.1:9797", "ftp://host/", "metrics"] {
            let error = shown(wrong).unwrap_err().to_string();
            assert!(error.contains("such as http://"), "{error}");
        }
    }
}
