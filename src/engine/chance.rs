//! How high the bar must stand for chance to stay within the budget.
//!
//! The weights of disturbances that nothing else supports have a tail: their rate above [`BASE`] per series and week, and
//! the weight over which they get rarer by a factor of e. Both are followed, fading, on top of what is assumed at first.
//! A workload counts once in half an hour: when a machine is ill, its fifty series are not fifty chances.

use std::{collections::BTreeMap, ops::RangeInclusive};

use serde::{Deserialize, Serialize};

use super::familiarity::{CLUSTER_MS, HALF_LIFE_MS};
use crate::signal::{TimestampMs, WorkloadKey};

/// Weight above which the tail is recorded.
const BASE: f64 = 11.0;
/// Bounds of the bar: below, chance is found in everything; above, nothing would be found any more.
pub(super) const BAR: RangeInclusive<f32> = 6.0..=20.0;
/// Series-weeks, and disturbances, that what is assumed counts for.
const PRIOR_WEEKS: f64 = 200.0;
const PRIOR_COUNT: f64 = 20.0;
/// What is assumed before a tenant has shown its own: how many pass [`BASE`] per series and week, and the weight over which
/// they get rarer by a factor of e. (The simulated shop has half of this rate once a day has passed: docs/accuracy.md.)
const PRIOR_RATE: f64 = 0.015;
const PRIOR_SCALE: f64 = 1.75;
/// Weight beyond the base that a single one counts for at most, in scales.
const BEYOND_MAX: f64 = 4.0;
const WEEK_MS: f64 = 7.0 * 86_400_000.0;

/// The tail of what chance brings.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Chance {
    /// Disturbances above the base, the sum of their weights beyond it, and the series-weeks in which they came.
    count: f64,
    beyond: f64,
    weeks: f64,
    /// Workloads whose half hour has not passed: when the first disturbance in it was over, and the highest weight.
    open: BTreeMap<WorkloadKey, (TimestampMs, f32)>,
}

impl Chance {
    /// A disturbance that nothing supported was over.
    pub(super) fn take(&mut self, workload: WorkloadKey, at: TimestampMs, weight: f32) {
        if f64::from(weight) <= BASE {
            return;
        }
        let (first, highest) = *self.open.entry(workload).or_insert((at, weight));
        if at > first + CLUSTER_MS {
            self.count(highest);
            self.open.insert(workload, (at, weight));
        } else {
            self.open.insert(workload, (first, weight.max(highest)));
        }
    }

    /// Time passes, in ms until `now`, for so many series.
    pub(super) fn pass(&mut self, now: TimestampMs, passed: i64, series: usize) {
        let fade = (-(passed as f64) / HALF_LIFE_MS).exp2();
        self.count *= fade;
        self.beyond *= fade;
        self.weeks = self.weeks * fade + series as f64 * passed as f64 / WEEK_MS;
        let over: Vec<_> = self.open.extract_if(.., |_, (first, _)| now > *first + CLUSTER_MS).collect();
        over.into_iter().for_each(|(_, (_, highest))| self.count(highest));
    }

    fn count(&mut self, weight: f32) {
        self.beyond += (f64::from(weight) - BASE).min(BEYOND_MAX * self.scale());
        self.count += 1.0;
    }

    fn scale(&self) -> f64 {
        (self.beyond + PRIOR_COUNT * PRIOR_SCALE) / (self.count + PRIOR_COUNT)
    }

    /// The weight that chance is expected to pass `budget` times a week in so many series.
    pub(super) fn bar(&self, series: usize, budget: f64) -> f32 {
        let rate = (self.count + PRIOR_WEEKS * PRIOR_RATE) / (self.weeks + PRIOR_WEEKS);
        let bar = BASE + self.scale() * (rate * series.max(1) as f64 / budget).ln();
        (bar as f32).clamp(*BAR.start(), *BAR.end())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000;

    /// Four weeks of 500 series; every hour so many workloads are disturbed.
    fn lived(workloads: u64, series_each: usize) -> Chance {
        let mut chance = Chance::default();
        for hour in 1..24 * 28 {
            for workload in 0..workloads {
                (0..series_each).for_each(|_| chance.take(WorkloadKey(workload), hour * HOUR, 12.0));
            }
            chance.pass(hour * HOUR, HOUR, 500);
        }
        chance
    }

    #[test]
    fn the_bar_follows_the_budget_the_series_and_what_is_seen() {
        let new = Chance::default();
        assert!(new.bar(500, 0.5) > new.bar(500, 2.0) && new.bar(900, 2.0) > new.bar(500, 2.0));
        let (calm, noisy) = (lived(0, 0), lived(1, 1));
        assert!(calm.bar(500, 2.0) < new.bar(500, 2.0) && new.bar(500, 2.0) < noisy.bar(500, 2.0));
        assert!(noisy.bar(500, 2.0) > 13.0, "it comes to stand above what comes every hour: {}", noisy.bar(500, 2.0));
    }

    #[test]
    fn a_workload_counts_once_however_many_series_it_has() {
        let (one, fifty) = (lived(1, 1), lived(1, 50));
        assert_eq!(one.bar(500, 2.0), fifty.bar(500, 2.0));
        assert!(lived(2, 1).bar(500, 2.0) > one.bar(500, 2.0));
    }
}
