//! What vigie says about itself at `/metrics`.
//!
//! Counters of the shell live here. What the engine knows is asked for at each scrape and written after them
//! ([`engine_metrics`]), so that the sample path counts without touching anything shared.
//! No label has a value that a sender chooses, but for the few tenants named in [`limit_metrics`](super::limit_metrics).

use std::{fmt, sync::Arc, time::Instant};

use axum::{
    extract::{MatchedPath, Request, State},
    middleware::Next,
    response::Response,
};
use prometheus_client::{
    encoding::{EncodeLabelSet, text},
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
        info::Info,
    },
    registry::{Registry, Unit},
};

use super::{
    app::App,
    engine_metrics,
    listeners::Counters,
    logs::LogMetrics,
    progress::Progress,
    queries::{Counted, Queries},
};
use crate::{
    engine::{ShardStats, WriteReport},
    fleet::{Kept, Queues},
};

/// From half a millisecond to 8 s, each bound twice the one before.
fn latency_buckets() -> Histogram {
    Histogram::new(exponential_buckets(0.0005, 2.0, 15))
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    handler: String,
    code: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Handler {
    handler: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Kind {
    kind: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reason {
    reason: &'static str,
}

/// The counters of this process.
pub struct Telemetry {
    registry: Registry,
    requests: Family<Outcome, Counter>,
    durations: Family<Handler, Histogram, fn() -> Histogram>,
    in_flight: Gauge,
    received_bytes: Counter,
    written: Family<Kind, Counter>,
    rejected: Family<Reason, Counter>,
    write_latency: Histogram,
    listeners: Counters,
    logs: LogMetrics,
    backfill: Progress,
}

impl Telemetry {
    /// Counters at zero.
    #[must_use]
    pub(super) fn new(queries: &Queries) -> Self {
        let mut all = Self {
            registry: Registry::with_prefix("vigie"),
            requests: Family::default(),
            durations: Family::new_with_constructor(latency_buckets),
            in_flight: Gauge::default(),
            received_bytes: Counter::default(),
            written: Family::default(),
            rejected: Family::default(),
            write_latency: latency_buckets(),
            listeners: Counters::default(),
            logs: LogMetrics::default(),
            backfill: Progress::default(),
        };
        let registry = &mut all.registry;
        let build = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "The version that runs", build);
        registry.register("http_requests", "Requests answered", all.requests.clone());
        registry.register_with_unit(
            "http_request_duration",
            "Time from the head of a request to the head of its answer",
            Unit::Seconds,
            all.durations.clone(),
        );
        registry.register("http_requests_in_flight", "Requests being answered", all.in_flight.clone());
        registry.register_with_unit(
            "remote_write_received",
            "Bodies of remote write requests as they arrived, compressed",
            Unit::Bytes,
            all.received_bytes.clone(),
        );
        registry.register("remote_write_written", "Elements written", all.written.clone());
        registry.register("remote_write_rejected", "Samples refused, by reason", all.rejected.clone());
        registry.register_with_unit(
            "remote_write_scored",
            "Time from the head of a remote write request to all its samples being scored",
            Unit::Seconds,
            all.write_latency.clone(),
        );
        all.listeners.register(registry);
        all.logs.register(registry);
        queries.register(registry);
        all.backfill.register(registry);
        all
    }

    /// Counts a body that arrived.
    pub(super) fn received(&self, bytes: usize) {
        self.received_bytes.inc_by(bytes as u64);
    }

    /// Counts what became of a request that arrived at `received`.
    pub(super) fn written(&self, report: &WriteReport, received: Instant) {
        self.write_latency.observe(received.elapsed().as_secs_f64());
        let counts = [("samples", report.samples), ("histograms", report.histograms), ("exemplars", report.exemplars)];
        for (kind, count) in counts {
            self.written.get_or_create(&Kind { kind }).inc_by(count);
        }
        for (refusal, count) in &report.refused {
            self.rejected.get_or_create(&Reason { reason: refusal.as_str() }).inc_by(*count);
        }
    }

    /// What happens to log lines before there is a batch of them.
    pub(super) fn listeners(&self) -> &Counters {
        &self.listeners
    }

    /// What log inputs count.
    pub(super) fn logs(&self) -> &LogMetrics {
        &self.logs
    }

    /// How far the history is read in.
    pub(super) fn backfill(&self) -> &Progress {
        &self.backfill
    }

    /// The page of all metrics, in the OpenMetrics text format; without the engine's when it cannot be asked.
    ///
    /// # Errors
    /// None in practice: writing to a string does not fail.
    pub(super) fn render(
        &self,
        engine: Option<&(Vec<ShardStats>, Queues, Arc<Kept>)>,
        limits: &Registry,
    ) -> Result<String, fmt::Error> {
        let mut page = String::new();
        text::encode_registry(&mut page, &self.registry)?;
        text::encode_registry(&mut page, limits)?;
        if let Some((stats, queues, kept)) = engine {
            text::encode_registry(&mut page, &engine_metrics::registry(stats, queues, kept))?;
        }
        text::encode_eof(&mut page)?;
        Ok(page)
    }
}

impl fmt::Debug for Telemetry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Telemetry").finish_non_exhaustive()
    }
}

/// Counts and times a request under the pattern of its route.
pub(super) async fn observe(
    State(app): State<App>,
    route: Option<MatchedPath>,
    request: Request,
    next: Next,
) -> Response {
    let handler = route.as_ref().map_or("unknown", MatchedPath::as_str).to_owned();
    let telemetry = app.telemetry();
    // Also when its client hangs up.
    let _in_flight = Counted::in_gauge(&telemetry.in_flight);
    let start = Instant::now();
    let response = next.run(request).await;
    let code = response.status().as_u16();
    telemetry.requests.get_or_create(&Outcome { handler: handler.clone(), code }).inc();
    telemetry.durations.get_or_create(&Handler { handler }).observe(start.elapsed().as_secs_f64());
    response
}
