//! How far the history is read in, for the page, readiness and `/metrics`.

use std::{fmt, sync::atomic::AtomicU64};

use prometheus_client::{
    metrics::{counter::Counter, gauge::Gauge},
    registry::{Registry, Unit},
};

/// Figures of the backfill. Cheap to clone; clones show the same.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    samples: Counter,
    series: Gauge,
    done: Gauge<f64, AtomicU64>,
    left_s: Gauge<f64, AtomicU64>,
}

impl Progress {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register("backfill_samples", "Samples read in from the history", self.samples.clone());
        registry.register("backfill_series", "Series in the piece of history read last", self.series.clone());
        registry.register("backfill_done_ratio", "Share of the history's time that is read in", self.done.clone());
        registry.register_with_unit(
            "backfill_remaining",
            "Time until the history is read in, as far as can be told",
            Unit::Seconds,
            self.left_s.clone(),
        );
    }
}

#[cfg(feature = "client")]
impl Progress {
    /// A piece of history with so many series comes now.
    pub(super) fn begin(&self, series: usize) {
        self.series.set(series as i64);
    }

    /// So many samples more are read in; `done` is the share of the time after them, which took `elapsed`.
    pub(super) fn advance(&self, samples: u64, done: f64, elapsed: std::time::Duration) {
        self.samples.inc_by(samples);
        self.done.set(done);
        self.left_s.set(if done > 0.0 { elapsed.as_secs_f64() * (1.0 - done) / done } else { 0.0 });
    }

    /// It is over, with nothing missing or given up.
    pub(super) fn end(&self, is_complete: bool) {
        self.left_s.set(0.0);
        if is_complete {
            self.done.set(1.0);
        }
    }

    /// Samples read in.
    pub(super) fn samples(&self) -> u64 {
        self.samples.get()
    }
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (samples, series, percent) = (self.samples.get(), self.series.get(), 100.0 * self.done.get());
        write!(f, "{percent:.0} % of the time, {samples} samples of {series} series")?;
        match self.left_s.get() {
            0.0 => Ok(()),
            ..90.0 => write!(f, ", about {:.0} s to go", self.left_s.get()),
            seconds => write!(f, ", about {:.0} min to go", seconds / 60.0),
        }
    }
}
