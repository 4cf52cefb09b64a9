//! What follows from the interval of a series, computed once for many.

use hashbrown::HashMap;

use crate::anomaly::{Cadence, threshold};

/// The tail of a workload's score remembers some 6,000 rows: what is rarer than one of them cannot be told apart.
const RAREST: f32 = 3.76;

/// A series is abnormal where chance goes so far once in a thousand weeks, a workload where it does once in ten.
const PER_SERIES_WEEK: f32 = 0.001;
const PER_WORKLOAD_WEEK: f32 = 0.1;

/// Half-life of the level by which siblings are compared, in ms.
const LEVEL_HALF_LIFE_MS: f64 = 300_000.0;

/// Constants for one interval between samples.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    pub(super) cadence: Cadence,
    /// Evidence above which a series is abnormal.
    pub(super) series_threshold: f32,
    /// The same for a workload.
    pub(super) workload_threshold: f32,
    /// Weight of the newest value in the level by which siblings are compared.
    pub(super) level: f64,
}

/// The paces in use.
#[derive(Debug, Default)]
pub(super) struct Paces {
    known: HashMap<u32, Pace>,
}

impl Paces {
    /// Intervals are rounded to a tenth of a second, or to 1 ms below one second, so that jitter makes no new pace.
    pub(super) fn of(&mut self, step_ms: u32) -> Pace {
        let step = if step_ms < 1_000 { step_ms.max(1) } else { step_ms.saturating_add(50) / 100 * 100 };
        if self.known.len() > 1_024 {
            self.known.clear();
        }
        *self.known.entry(step).or_insert_with(|| Pace {
            cadence: Cadence::of(step),
            series_threshold: threshold(step, PER_SERIES_WEEK),
            workload_threshold: threshold(step, PER_WORKLOAD_WEEK).min(RAREST),
            level: 1.0 - (-f64::from(step) / LEVEL_HALF_LIFE_MS).exp2(),
        })
    }
}
