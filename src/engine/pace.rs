//! What follows from the interval of a series, computed once for many.

use hashbrown::HashMap;

use super::Options;
use crate::anomaly::{Cadence, threshold};

/// The tail of a workload's score remembers some 6,000 rows: what is rarer than one of them cannot be told apart.
const RAREST: f32 = 3.76;

/// Constants for one interval between samples.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    pub(super) cadence: Cadence,
    /// Evidence above which a series is abnormal.
    pub(super) series_threshold: f32,
    /// The same for a workload.
    pub(super) workload_threshold: f32,
}

/// The paces in use.
#[derive(Debug, Default)]
pub(super) struct Paces {
    known: HashMap<u32, Pace>,
}

impl Paces {
    /// Intervals are rounded to a tenth of a second, or to 1 ms below one second, so that jitter makes no new pace.
    pub(super) fn of(&mut self, step_ms: u32, options: &Options) -> Pace {
        let step = if step_ms < 1_000 { step_ms.max(1) } else { step_ms.saturating_add(50) / 100 * 100 };
        if self.known.len() > 1_024 {
            self.known.clear();
        }
        *self.known.entry(step).or_insert_with(|| Pace {
            cadence: Cadence::of(step),
            series_threshold: threshold(step, options.false_alarms_per_series_week as f32),
            workload_threshold: threshold(step, options.false_alarms_per_workload_week as f32).min(RAREST),
        })
    }
}
