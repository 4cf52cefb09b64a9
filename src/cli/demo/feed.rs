//! From the shop to the daemon and back, over HTTP like any other sender.

use std::time::Duration;

use anyhow::{Context, bail, ensure};
use chrono::DateTime;
use reqwest::{
    Client, StatusCode,
    header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, RETRY_AFTER},
};
use serde::Deserialize;
use tokio::sync::mpsc;

use super::{shop::Shop, verdict::Raised};
use crate::{
    ingest::remote_write::{Encoder, Protocol},
    signal::{FindingScope, Labels, METRIC_NAME, Sample, TimestampMs},
};

/// Samples in a request, as many as Prometheus puts there by default.
const SAMPLES_PER_REQUEST: usize = 2_000;
/// Scrapes that are made ready ahead of the one being sent.
const AHEAD: usize = 8;
/// Time after which a daemon that only asks to come back later is given up.
const PATIENCE: Duration = Duration::from_secs(60);

/// A scrape, encoded.
#[derive(Debug)]
pub(super) struct Scrape {
    pub(super) at: TimestampMs,
    requests: Vec<Request>,
}

#[derive(Debug)]
struct Request {
    body: Vec<u8>,
    samples: u64,
}

/// What was sent so far.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sent {
    pub(super) samples: u64,
    pub(super) refused: u64,
}

/// Turns the shop's scrapes into remote write 2.0 requests.
#[derive(Debug)]
pub(super) struct Scraper {
    pub(super) shop: Shop,
    encoder: Encoder,
    /// Families are declared once; the daemon keeps what it was told.
    is_declared: bool,
}

impl Scraper {
    pub(super) fn new(shop: Shop) -> Self {
        Self { shop, encoder: Encoder::new(Protocol::V2), is_declared: false }
    }

    /// Lives on to the next scrape and encodes it.
    pub(super) fn scrape(&mut self) -> Scrape {
        self.shop.tick();
        let at = self.shop.at();
        let samples: Vec<(usize, f64)> = self.shop.samples().collect();
        let requests = samples.chunks(SAMPLES_PER_REQUEST).map(|samples| self.encode(at, samples)).collect();
        self.is_declared |= !samples.is_empty();
        Scrape { at, requests }
    }

    fn encode(&mut self, at: TimestampMs, samples: &[(usize, f64)]) -> Request {
        let series = self.shop.series();
        for (index, value) in samples {
            let series = &series[*index];
            if !self.is_declared {
                let family = series.family;
                self.encoder.metadata(series.labels.metric(), family.kind, family.help, family.unit);
            }
            self.encoder.series(&series.labels, &[Sample { at, value: *value }]);
        }
        Request { body: self.encoder.finish(), samples: samples.len() as u64 }
    }
}

/// Simulates up to `until` on a thread of its own and sends every scrape, counted in `sent`; `progress` is told after
/// each.
///
/// The scrapes go out one after the other: what the daemon sees does not depend on the machine.
pub(super) async fn feed(
    mut scraper: Scraper,
    daemon: &Daemon,
    until: TimestampMs,
    sent: &mut Sent,
    mut progress: impl FnMut(TimestampMs, Sent),
) -> anyhow::Result<Scraper> {
    let (ready, mut scrapes) = mpsc::channel(AHEAD);
    let simulation = tokio::task::spawn_blocking(move || {
        while scraper.shop.at() < until {
            if ready.blocking_send(scraper.scrape()).is_err() {
                break;
            }
        }
        scraper
    });
    while let Some(scrape) = scrapes.recv().await {
        daemon.write(&scrape, sent).await?;
        progress(scrape.at, *sent);
    }
    simulation.await.context("the simulation ended by a fault")
}

/// The daemon, seen from outside.
#[derive(Debug)]
pub(super) struct Daemon {
    client: Client,
    url: String,
}

impl Daemon {
    /// The daemon at `url`, which has no slash at its end.
    pub(super) fn at(url: String) -> anyhow::Result<Self> {
        // Installed already is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder().no_proxy().timeout(Duration::from_secs(30)).build();
        Ok(Self { client: client.context("cannot make an HTTP client")?, url })
    }

    /// Waits until it takes requests.
    pub(super) async fn ready(&self) -> anyhow::Result<()> {
        let ask = async {
            loop {
                let answer = self.client.get(format!("{}/-/ready", self.url)).send().await;
                if answer.is_ok_and(|answer| answer.status().is_success()) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(PATIENCE, ask).await.context("the daemon does not become ready")
    }

    /// Sends a scrape, again when the daemon says so.
    pub(super) async fn write(&self, scrape: &Scrape, sent: &mut Sent) -> anyhow::Result<()> {
        for request in &scrape.requests {
            let written = tokio::time::timeout(PATIENCE, self.write_one(request));
            let written = written.await.context("the daemon is overloaded and does not recover")??;
            sent.samples += request.samples;
            sent.refused += request.samples.saturating_sub(written);
        }
        Ok(())
    }

    /// Returns the number of samples that were taken.
    async fn write_one(&self, request: &Request) -> anyhow::Result<u64> {
        loop {
            let answer = self
                .client
                .post(format!("{}/api/v1/write", self.url))
                .header(CONTENT_TYPE, "application/x-protobuf;proto=io.prometheus.write.v2.Request")
                .header(CONTENT_ENCODING, "snappy")
                .header("X-Prometheus-Remote-Write-Version", "2.0.0")
                .body(request.body.clone())
                .send()
                .await
                .context("cannot write to the daemon")?;
            match answer.status() {
                status if status.is_success() => return written(answer.headers()),
                StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
                    tokio::time::sleep(retry_after(answer.headers())).await;
                }
                // Taken in part; the text says what was wrong with the rest.
                StatusCode::BAD_REQUEST => {
                    let taken = written(answer.headers())?;
                    let reason = answer.text().await.unwrap_or_default();
                    tracing::warn!(reason, "the daemon refused samples");
                    return Ok(taken);
                }
                status => bail!("the daemon answers {status} to a write"),
            }
        }
    }

    /// All findings that it knows.
    pub(super) async fn findings(&self) -> anyhow::Result<Vec<Raised>> {
        let answer = self.client.get(format!("{}/api/v1/findings", self.url)).send().await;
        let answer = answer.context("cannot ask the daemon for its findings")?;
        let status = answer.status();
        ensure!(status.is_success(), "the daemon answers {status} when asked for its findings");
        let list: FindingList = answer.json().await.context("cannot read the daemon's findings")?;
        list.items.into_iter().map(FindingRow::raised).collect()
    }
}

/// The header of remote write 2.0 that says how many samples were taken.
fn written(headers: &HeaderMap) -> anyhow::Result<u64> {
    let value = headers.get("X-Prometheus-Remote-Write-Samples-Written").and_then(|value| value.to_str().ok());
    value.and_then(|value| value.parse().ok()).context("the daemon does not say how many samples it took")
}

/// How long to wait before the next try: seconds, a second when it is not said.
fn retry_after(headers: &HeaderMap) -> Duration {
    let seconds = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    Duration::from_secs(seconds.unwrap_or(1))
}

#[derive(Debug, Deserialize)]
struct FindingList {
    items: Vec<FindingRow>,
}

/// What is used of a finding as the API shows it.
#[derive(Debug, Deserialize)]
struct FindingRow {
    id: String,
    scope: FindingScope,
    #[serde(default)]
    metric: String,
    labels: Labels,
    raised_at: String,
    peak_score: Option<f64>,
    sentence: String,
}

impl FindingRow {
    fn raised(self) -> anyhow::Result<Raised> {
        let time = DateTime::parse_from_rfc3339(&self.raised_at);
        let time = time.with_context(|| format!("finding {} was raised at {:?}", self.id, self.raised_at))?;
        Ok(Raised {
            id: self.id,
            scope: self.scope,
            labels: self.labels.with(METRIC_NAME, &self.metric),
            raised_at: time.timestamp_millis(),
            peak_score: self.peak_score.unwrap_or_default(),
            sentence: self.sentence,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        cli::demo::shop::calendar::MINUTE,
        ingest::remote_write::{Limits, WriteRequest, decompress},
    };

    #[test]
    fn a_scrape_is_split_into_requests_that_decode_to_it() {
        let mut scraper = Scraper::new(Shop::new(1, 1_770_000_000_000, MINUTE, Vec::new()));
        for _ in 0..3 {
            let scrape = scraper.scrape();
            assert!(scrape.requests.iter().all(|request| request.samples <= SAMPLES_PER_REQUEST as u64));
            let sent: u64 = scrape.requests.iter().map(|request| request.samples).sum();
            assert_eq!(sent, scraper.shop.samples().count() as u64);
            for request in &scrape.requests {
                let limits = Limits::default();
                let raw = decompress(&request.body, &limits).unwrap();
                WriteRequest::decode(Protocol::V2, raw, &limits).unwrap();
            }
        }
    }

    #[test]
    fn the_wait_before_another_try_is_what_the_daemon_says() {
        let headers = |value: Option<&str>| -> HeaderMap {
            value.map(|value| (RETRY_AFTER, value.parse().unwrap())).into_iter().collect()
        };
        for (value, seconds) in [(Some("5"), 5), (Some("soon"), 1), (None, 1)] {
            assert_eq!(retry_after(&headers(value)), Duration::from_secs(seconds));
        }
    }

    #[test]
    fn a_finding_is_read_as_the_api_shows_it() {
        let row = r#"{"id": "a-1", "scope": "series", "status": "firing", "metric": "up", "labels": {"pod": "x"},
            "raised_at": "2026-02-02T02:40:00Z", "peak_score": null, "sentence": "s", "drivers": []}"#;
        let row: FindingRow = serde_json::from_str(row).unwrap();
        let raised = row.raised().unwrap();
        assert_eq!((raised.raised_at, raised.labels.to_string()), (1_770_000_000_000, r#"up{pod="x"}"#.to_owned()));
        let row = FindingRow { raised_at: "yesterday".into(), ..serde_json::from_str(ROW).unwrap() };
        assert!(row.raised().unwrap_err().to_string().contains("yesterday"));
    }

    const ROW: &str = r#"{"id": "a", "scope": "workload", "labels": {}, "raised_at": "", "sentence": ""}"#;
}
