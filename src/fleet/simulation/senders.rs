//! Who sends: targets of three tenants, scraped every 15 s. What is sent depends on the target and the time only, and on the
//! faults that a seed has.

use std::{collections::VecDeque, ops::Range, sync::Arc};

use axum::body::Bytes;

use tokio::sync::oneshot;

use super::super::{
    Input, LogRequest, Request,
    taking::{Reply, Takes, take_batch},
};
use crate::{
    ingest::remote_write::{Encoder, Limits, Protocol, WriteRequest, decompress},
    signal::{Labels, LogBatch, LogLine, MetricKind, Sample, TenantId, TimestampMs, stale_nan},
};

pub(super) const START: TimestampMs = 1_700_000_000_000;
pub(super) const STEP: i64 = 15_000;
/// Scrapes after which a pod is followed by another one.
const POD: i64 = 25;

/// A request as it is built, and what it says.
#[derive(Debug)]
pub(super) struct Content {
    pub(super) tenant: TenantId,
    body: Body,
    pub(super) samples: Vec<(Labels, Sample)>,
}

#[derive(Debug)]
enum Body {
    Series { protocol: Protocol, raw: Bytes, body: Arc<WriteRequest> },
    Lines(LogBatch),
}

impl Content {
    /// What the router is given.
    pub(super) fn received(&self, received: TimestampMs, reply: Reply) -> Input {
        let tenant = self.tenant.clone();
        match &self.body {
            Body::Series { protocol, raw, body } => {
                let (protocol, raw, body) = (*protocol, raw.clone(), body.clone());
                Input::Write { request: Request { tenant, protocol, raw, body, received }, reply }
            }
            Body::Lines(batch) => {
                Input::Logs { request: LogRequest::new(tenant, batch.clone(), received).unwrap(), reply }
            }
        }
    }

    /// Has an engine take it.
    pub(super) fn give(&self, received: TimestampMs, engine: &mut impl Takes) {
        take_batch(engine, vec![self.received(received, Reply::new(oneshot::channel().0))], true);
    }
}

/// A target, and what of it is not yet acknowledged.
#[derive(Debug)]
pub(super) struct Sender {
    number: u64,
    pub(super) tenant: TenantId,
    protocol: Protocol,
    /// Scrapes in which it is not itself.
    fault: Range<i64>,
    scraped: Vec<(Labels, Sample)>,
    lines: LogBatch,
    pub(super) waiting: VecDeque<Arc<Content>>,
    pub(super) acknowledged: Vec<Arc<Content>>,
}

impl Sender {
    pub(super) fn new(number: u64, fault: Range<i64>) -> Self {
        let tenant = TenantId::parse(["shop", "bank", "shop", "farm"][number as usize % 4]).unwrap();
        let protocol = if number.is_multiple_of(2) { Protocol::V1 } else { Protocol::V2 };
        let (waiting, acknowledged) = (VecDeque::new(), Vec::new());
        Self { number, tenant, protocol, fault, scraped: Vec::new(), lines: LogBatch::default(), waiting, acknowledged }
    }

    /// Scrapes the target for the n-th time.
    pub(super) fn scrape(&mut self, n: i64) {
        let at = START + n * STEP;
        let name = format!("target-{}", self.number);
        let is_faulty = self.fault.contains(&n);
        let mut show = |labels: Labels, value: f64| self.scraped.push((labels, Sample { at, value }));
        let of = |metric: &str| Labels::from_pairs([("__name__", metric), ("instance", &name), ("job", "shop")]);
        let noise = |stream: u64| noise(n, self.number * 10 + stream);
        let load = 20.0 + 5.0 * noise(0);
        show(of("load"), if is_faulty { 40.0 * load } else { load });
        show(of("memory_bytes"), 1e9 + 1e7 * noise(1));
        // Starts anew now and then, as a process does.
        show(of("requests_total"), (40.0 * ((n + 1_000) % 130) as f64).round());
        let count = (n + 1_000) as f64 * 30.0;
        for (le, share) in [("0.1", 0.8), ("1", 0.97), ("+Inf", 1.0)] {
            show(of("latency_seconds_bucket").with("le", le), (count * share).round());
        }
        show(of("latency_seconds_count"), count);
        show(of("latency_seconds_sum"), 0.1 * count);
        let pod = |n: i64| of("pod_cpu").with("pod", &format!("pod-{}", n.div_euclid(POD)));
        if n.rem_euclid(POD) == 0 {
            show(pod(n - 1), stale_nan());
        }
        show(pod(n), 3.0 + noise(2));
        if self.number == 3 {
            let stream = self.lines.stream(Labels::from_pairs([("service", "farm")]));
            let mut say = |i: i64, line: &str| {
                self.lines.push(stream, &LogLine { at: Some((at + i) * 1_000_000), line, ..LogLine::default() }, []);
            };
            (0..5 + n % 3).for_each(|i| say(i, &format!("INFO request {i} of {} took {} ms", n % 7, i * n)));
            if is_faulty {
                say(20, &format!("ERROR cannot reach {}: refused", ["north", "south", "east", "west"][n as usize % 4]));
            }
        }
    }

    /// Makes a request of what was scraped since the last one.
    pub(super) fn queue(&mut self) {
        if !self.lines.is_empty() {
            let (tenant, body) = (self.tenant.clone(), Body::Lines(std::mem::take(&mut self.lines)));
            self.waiting.push_back(Arc::new(Content { tenant, body, samples: Vec::new() }));
        }
        let samples = std::mem::take(&mut self.scraped);
        if samples.is_empty() {
            return;
        }
        let mut encoder = Encoder::new(self.protocol);
        encoder.metadata("memory_bytes", MetricKind::Gauge, "Memory in use.", "bytes");
        samples.iter().for_each(|(labels, sample)| encoder.series(labels, &[*sample]));
        let (tenant, protocol, raw) = (self.tenant.clone(), self.protocol, Bytes::from(encoder.finish()));
        let limits = Limits::default();
        let body = WriteRequest::decode(protocol, decompress(&raw, &limits).unwrap(), &limits).unwrap();
        let body = Body::Series { protocol, raw, body: Arc::new(body) };
        self.waiting.push_back(Arc::new(Content { tenant, body, samples }));
    }
}

/// Deterministic noise in -0.5..0.5.
fn noise(n: i64, stream: u64) -> f64 {
    let hash = xxhash_rust::xxh3::xxh3_64_with_seed(&n.to_le_bytes(), stream);
    (hash >> 11) as f64 / (1_u64 << 53) as f64 - 0.5
}
