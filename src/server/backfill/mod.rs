//! The history that is read in at the start.
//!
//! Samples must reach a series in order of time. So the history comes first, all series side by side in slices of time,
//! and remote write is answered 503 until it is done, which makes senders keep their samples and repeat. What they
//! send again of the history's end is taken for what it is, since the samples are those of the server, with their own
//! times. The engine raises nothing about the past by itself.
//!
//! A backfill that fails is no reason not to serve.

mod server;
mod slice;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, anyhow, bail};
use tokio::sync::mpsc;

use self::{server::ServerFacts, slice::Slice};
use super::{
    app::{App, NotReady},
    clock::rfc3339,
};
use crate::{
    config,
    engine::WriteReport,
    fleet::Request,
    ingest::remote_write::{Encoder, Limits, Protocol, WriteRequest},
    prometheus::{Client, QueryError},
    promql,
    signal::{METRIC_NAME, TenantId, TimestampMs},
};

/// Samples of a slice, about; each takes 24 bytes while it waits.
const SLICE_SAMPLES: usize = 2_000_000;
/// Length of the first slice in ms, from which that of the next ones follows.
const SLICE_FIRST_MS: i64 = 5 * 60_000;
/// Shortest and longest slice in ms.
const SLICE_MS: (i64, i64) = (30_000, 2 * 3_600_000);
/// Shortest time in ms for which one metric is asked of a server that finds more too much.
const PIECE_MS: i64 = 1_000;
/// Requests that are made ready ahead of the one being written.
const AHEAD: usize = 4;
/// Time between two lines of progress in the log.
const TELL_EACH: Duration = Duration::from_secs(5);

/// What is to be read in, and from where.
#[derive(Debug)]
pub(super) struct Backfill {
    client: Client,
    tenant: TenantId,
    /// Of each selector what is between its braces.
    matchers: Vec<String>,
    config: config::Backfill,
}

/// The way into the engine.
struct Writer<'a> {
    app: &'a App,
    backfill: &'a Backfill,
    from: TimestampMs,
    began: Instant,
    /// When the next request may be written.
    due: Instant,
    told: Instant,
    refused: u64,
    reason: Option<String>,
}

impl Backfill {
    /// The backfill that is configured; `None` when there is none.
    ///
    /// # Errors
    /// The URL, the token or a selector cannot be used.
    pub(super) fn new(config: &config::Backfill) -> anyhow::Result<Option<Self>> {
        let Some(url) = &config.prometheus else { return Ok(None) };
        let client = Client::new(url, config.bearer_token.as_deref(), &[]).context("backfill.prometheus")?;
        let matchers = config.selectors.iter().map(|selector| matchers(selector));
        Ok(Some(Self {
            client,
            tenant: TenantId::parse(&config.tenant).context("backfill.tenant")?,
            matchers: matchers.collect::<Result<_, _>>()?,
            config: config.clone(),
        }))
    }

    /// Reads in what is missing. What goes wrong is logged: vigie then goes on with what it has.
    pub(super) async fn run(&self, app: &App) {
        let began = Instant::now();
        let timeout = self.config.timeout;
        let outcome = tokio::time::timeout(timeout.get(), self.read_in(app)).await;
        let outcome = outcome.unwrap_or_else(|_| Err(anyhow!("it took longer than backfill.timeout ({timeout})")));
        let progress = app.telemetry().backfill();
        progress.end(outcome.is_ok());
        let (samples, seconds) = (progress.samples(), began.elapsed().as_secs_f64());
        match outcome {
            Ok(()) => tracing::info!(samples, seconds, "the history is read in"),
            Err(error) => tracing::warn!(
                samples,
                seconds,
                error = format!("{error:#}"),
                "the history is not read in to its end; vigie goes on with what it has and learns from what it is sent. \
                 Set the section backfill right and start with an empty data_dir to try again"
            ),
        }
    }

    async fn read_in(&self, app: &App) -> anyhow::Result<()> {
        let tenant = self.tenant.clone();
        let newest = app
            .ask(move |engine| Ok(engine.stats()?.iter().filter_map(|shard| shard.newest.get(&tenant)).max().copied()));
        let earliest = app.now() - self.config.history.as_millis();
        let from = newest.await?.map_or(earliest, |newest| newest.max(earliest));
        self.check_series(earliest, app.now()).await?;
        let facts = ServerFacts::of(&self.client).await;
        let step = facts.step_ms;
        // What is being scraped now may not be stored yet.
        let end = || app.now() - step;
        let (mut done, mut missing) = (from, end() - from);
        if missing < 2 * step {
            return Ok(());
        }
        tracing::info!(prometheus = self.client.shown(), from = rfc3339(from), "reading in history");
        let mut writer = Writer::new(self, app, from);
        writer.declare().await?;
        let mut length = SLICE_FIRST_MS;
        loop {
            let now = end();
            let until = now.min(done + length);
            let Some(slice) = self.gather(&facts, done, until).await? else {
                length = (until - done) / 2;
                continue;
            };
            let fitting = (until - done) as f64 * SLICE_SAMPLES as f64 / slice.len().max(1) as f64;
            // What comes next may be denser, so that slices grow only slowly.
            length = (fitting as i64).min(2 * (until - done)).clamp(SLICE_MS.0, SLICE_MS.1);
            writer.write(slice, &end).await?;
            done = until;
            // Meanwhile history has grown. What is left in the end the senders have as well.
            let before = std::mem::replace(&mut missing, end() - done);
            if missing < 2 * step || (until == now && missing >= before) {
                break;
            }
            if missing >= before {
                bail!("history grows faster than it is read in; choose less of it, or raise max_samples_per_second");
            }
        }
        writer.warn_of_refused();
        Ok(())
    }

    /// That there is nothing at all is more likely a mistake than the truth.
    async fn check_series(&self, from: TimestampMs, to: TimestampMs) -> anyhow::Result<()> {
        for matchers in &self.matchers {
            if !self.client.metrics(matchers, from, to).await?.is_empty() {
                return Ok(());
            }
        }
        bail!("{} has no series for backfill.selectors since {}", self.client.shown(), rfc3339(from))
    }

    /// All samples in `(after, until]`; `None` when they are far too many for memory.
    async fn gather(
        &self,
        facts: &ServerFacts,
        after: TimestampMs,
        until: TimestampMs,
    ) -> anyhow::Result<Option<Slice>> {
        let mut slice = Slice::default();
        for matchers in &self.matchers {
            for metric in self.client.metrics(matchers, after, until).await? {
                let matchers = format!("{METRIC_NAME}={},{matchers}", quoted(&metric));
                let mut pieces = vec![(after, until)];
                while let Some((after, until)) = pieces.pop() {
                    match self.client.samples(&matchers, after, until).await {
                        Ok(found) => found.into_iter().for_each(|series| slice.add(series, &facts.external_labels)),
                        Err(QueryError::TooMuch(_)) if until - after > PIECE_MS => {
                            let middle = after + (until - after) / 2;
                            pieces.extend([(after, middle), (middle, until)]);
                        }
                        Err(error) => return Err(anyhow::Error::from(error).context(format!("metric {metric:?}"))),
                    }
                }
                if slice.len() > 2 * SLICE_SAMPLES && until - after > SLICE_MS.0 {
                    return Ok(None);
                }
            }
        }
        Ok(Some(slice))
    }
}

impl<'a> Writer<'a> {
    fn new(backfill: &'a Backfill, app: &'a App, from: TimestampMs) -> Self {
        let now = Instant::now();
        Self { app, backfill, from, began: now, due: now, told: now, refused: 0, reason: None }
    }

    /// Tells the engine first what is a counter. A server that does not know is no obstacle: names tell as well.
    async fn declare(&self) -> anyhow::Result<()> {
        let families = self.backfill.client.metadata().await.unwrap_or_default();
        let mut encoder = Encoder::new(Protocol::V1);
        for (family, known) in &families {
            if let Some(metadata) = known.first() {
                encoder.metadata(family, metadata.kind, &metadata.help, &metadata.unit);
            }
        }
        let request = WriteRequest::decode(Protocol::V1, encoder.body(), &Limits::default())?;
        self.send(request, encoder.finish()).await?;
        Ok(())
    }

    /// Writes a slice; `end` tells where the history ends by now.
    async fn write(&mut self, slice: Slice, end: &impl Fn() -> TimestampMs) -> anyhow::Result<()> {
        let progress = self.app.telemetry().backfill();
        progress.begin(slice.series());
        let (ready, mut portions) = mpsc::channel(AHEAD);
        let making =
            tokio::task::spawn_blocking(move || slice.portions(|portion| ready.blocking_send(portion).is_ok()));
        while let Some(portion) = portions.recv().await {
            let count = portion.request.series().len() as u64;
            tokio::time::sleep_until(self.due.into()).await;
            let took = Duration::from_secs_f64(count as f64 / f64::from(self.backfill.config.max_samples_per_second));
            self.due = self.due.max(Instant::now()) + took;
            let report = self.send(portion.request, portion.raw).await?;
            self.refused += report.rejected();
            self.reason = self.reason.take().or(report.reasons.into_iter().next());
            let done = (portion.until - self.from) as f64 / (end() - self.from) as f64;
            progress.advance(report.samples, done.clamp(0.0, 1.0), self.began.elapsed());
            if self.told.elapsed() > TELL_EACH {
                self.told = Instant::now();
                tracing::info!("reading in history: {progress}");
            }
        }
        making.await.context("making requests ended by a fault")??;
        Ok(())
    }

    async fn send(&self, request: WriteRequest, raw: Vec<u8>) -> Result<WriteReport, NotReady> {
        let (tenant, body) = (self.backfill.tenant.clone(), Arc::new(request));
        let request = Request { tenant, protocol: Protocol::V1, raw: raw.into(), body, received: self.app.now() };
        Ok(self.app.engine()?.write(request).await?)
    }

    fn warn_of_refused(&self) {
        if self.refused > 0 {
            let reason = self.reason.as_deref().unwrap_or_default();
            tracing::warn!(samples = self.refused, reason, "some of the history was refused");
        }
    }
}

/// What stands between the braces of a selector, with the name before them as one more matcher.
fn matchers(selector: &str) -> anyhow::Result<String> {
    let alternatives = promql::parse_selector(selector).with_context(|| format!("backfill.selectors: {selector:?}"))?;
    if alternatives.len() != 1 {
        bail!("backfill.selectors: {selector:?} has an `or`; write two selectors instead");
    }
    let (name, braces) = selector.split_at(selector.find('{').unwrap_or(selector.len()));
    let inside = braces.trim().trim_start_matches('{').trim_end_matches('}').trim();
    Ok(match (name.trim(), inside) {
        ("", inside) => inside.to_owned(),
        (name, "") => format!("{METRIC_NAME}={}", quoted(name)),
        (name, inside) => format!("{METRIC_NAME}={},{inside}", quoted(name)),
    })
}

/// A string as PromQL writes it.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', r"\\").replace('"', "\\\"").replace('\n', r"\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selectors_are_narrowed_to_a_metric() {
        for (selector, inside) in [
            ("up", r#"__name__="up""#),
            (r#" up { job = "a}" } "#, r#"__name__="up",job = "a}""#),
            (r#"{__name__=~"a|b",x!="{"}"#, r#"__name__=~"a|b",x!="{""#),
            ("up{}", r#"__name__="up""#),
        ] {
            assert_eq!(matchers(selector).unwrap(), inside, "{selector}");
            let narrowed = format!("{{__name__={},{inside}}}", quoted(r#"a"\"#));
            assert!(promql::parse_selector(&narrowed).is_ok(), "{narrowed}");
        }
        for bad in ["", "{}", "rate(up[5m])", "up offset 5m", "up{", r#"{a="1" or b="2"}"#] {
            let error = matchers(bad).unwrap_err();
            assert!(format!("{error:#}").contains("backfill.selectors"), "{bad}: {error:#}");
        }
    }
}
