//! What all queries together may use, and what is counted of them.

use std::sync::{
    Arc,
    atomic::{AtomicU64, AtomicUsize, Ordering},
};

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::{Registry, Unit},
};
use tokio::sync::Semaphore;

use crate::config;

/// What became of a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Outcome {
    Answered,
    /// It makes no sense, or not for this data.
    Invalid,
    /// It reached one of its own limits.
    TooLarge,
    /// All queries together reached theirs.
    NoMemory,
    NoTurn,
    Timeout,
    Canceled,
    Failed,
}

impl Outcome {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Invalid => "invalid",
            Self::TooLarge => "too_large",
            Self::NoMemory => "no_memory",
            Self::NoTurn => "no_turn",
            Self::Timeout => "timeout",
            Self::Canceled => "canceled",
            Self::Failed => "failed",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Ended {
    outcome: &'static str,
}

/// Turns and memory for queries, and their figures.
#[derive(Debug)]
pub(super) struct Queries {
    pub(super) turns: Arc<Semaphore>,
    /// Bytes there are for all queries, and those taken.
    room: usize,
    taken: AtomicUsize,
    /// The same, as a metric.
    memory: Gauge<u64, AtomicU64>,
    pub(super) running: Gauge,
    pub(super) waiting: Gauge,
    ended: Family<Ended, Counter>,
    series: Counter,
    samples: Counter,
    duration: Histogram,
}

impl Queries {
    pub(super) fn new(config: &config::Query) -> Self {
        Self {
            turns: Arc::new(Semaphore::new(config.max_concurrent)),
            room: config.max_memory.get(),
            taken: AtomicUsize::new(0),
            memory: Gauge::default(),
            running: Gauge::default(),
            waiting: Gauge::default(),
            ended: Family::default(),
            series: Counter::default(),
            samples: Counter::default(),
            // From a millisecond to about two minutes.
            duration: Histogram::new(exponential_buckets(0.001, 2.0, 18)),
        }
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register("queries", "Queries that have ended, by what became of them", self.ended.clone());
        registry.register("queries_running", "Queries being evaluated", self.running.clone());
        registry.register("queries_waiting", "Queries that wait for their turn", self.waiting.clone());
        registry.register("query_series", "Series that queries have touched", self.series.clone());
        registry.register("query_samples", "Samples that queries have read", self.samples.clone());
        let help = "Memory set aside for the queries that run, about";
        registry.register_with_unit("query_memory", help, Unit::Bytes, self.memory.clone());
        let help = "Time from the arrival of a query to its end, its wait included";
        registry.register_with_unit("query_duration", help, Unit::Seconds, self.duration.clone());
    }

    /// Sets aside so many bytes, if there is room for them.
    pub(super) fn reserve(&self, bytes: usize) -> bool {
        let fits = |taken: usize| taken.checked_add(bytes).filter(|wanted| *wanted <= self.room);
        let is_taken = self.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits).is_ok();
        self.show_memory();
        is_taken
    }

    /// Gives them back.
    pub(super) fn free(&self, bytes: usize) {
        self.taken.fetch_sub(bytes, Ordering::Relaxed);
        self.show_memory();
    }

    fn show_memory(&self) {
        self.memory.set(self.taken.load(Ordering::Relaxed) as u64);
    }

    /// Counts a query that has ended.
    pub(super) fn ended(&self, outcome: Outcome, series: usize, samples: usize, seconds: f64) {
        self.ended.get_or_create(&Ended { outcome: outcome.as_str() }).inc();
        self.series.inc_by(series as u64);
        self.samples.inc_by(samples as u64);
        self.duration.observe(seconds);
    }
}

/// Counted in a gauge for as long as it lives.
pub(super) struct Counted(Gauge);

impl Counted {
    pub(super) fn in_gauge(gauge: &Gauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}
