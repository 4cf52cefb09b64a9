//! Warnings and hints that travel beside a value, each said once.

use std::collections::BTreeSet;

use super::format::general;
use super::numeric::{go_max, go_min};

/// Most warnings and most hints an answer carries, as in Prometheus' API.
const SHOWN_MAX: usize = 10;

/// What was noticed during an evaluation.
#[derive(Debug, Default)]
pub(super) struct Annotations {
    pub(super) warnings: BTreeSet<String>,
    pub(super) infos: BTreeSet<String>,
}

impl Annotations {
    /// A quantile outside 0 to 1, whose result is infinite or NaN.
    pub(super) fn quantile(&mut self, q: f64) {
        if !(0.0..=1.0).contains(&q) {
            let got = general(q);
            self.warnings.insert(format!("PromQL warning: quantile value should be between 0 and 1, got {got}"));
        }
    }

    /// The same for the quantiles of an aggregation at all steps, of which only the worst are named.
    pub(super) fn quantiles(&mut self, all: &[f64]) {
        if all.iter().any(|q| q.is_nan()) {
            self.quantile(f64::NAN);
        }
        let most = all.iter().copied().reduce(go_max).filter(|most| *most > 1.0);
        let least = all.iter().copied().reduce(go_min).filter(|least| *least < 0.0);
        most.into_iter().chain(least).for_each(|q| self.quantile(q));
    }

    /// Warnings and hints as they are shown.
    pub(super) fn shown(self) -> (Vec<String>, Vec<String>) {
        (shortened(self.warnings, "warning"), shortened(self.infos, "info"))
    }

    /// A series that cannot be a histogram bucket.
    pub(super) fn bad_bucket(&mut self, label: &str, metric: &str) {
        self.warnings.insert(format!(
            "PromQL warning: bucket label \"le\" is missing or has a malformed value of {label:?} for metric name {metric:?}"
        ));
    }

    /// Buckets whose counts fell with growing bound.
    pub(super) fn forced_monotonic(&mut self, metric: &str) {
        self.infos.insert(format!(
            "PromQL info: input to histogram_quantile needed to be fixed for monotonicity (see https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile) for metric name {metric:?}"
        ));
    }

    /// A rate of something that is not named like a counter.
    pub(super) fn not_a_counter(&mut self, metric: &str) {
        let is_counter = ["_total", "_sum", "_count", "_bucket"].iter().any(|end| metric.ends_with(end));
        if !metric.is_empty() && !is_counter {
            self.infos.insert(format!(
                "PromQL info: metric might not be a counter, name does not end in _total/_sum/_count/_bucket: {metric:?}"
            ));
        }
    }
}

fn shortened(notes: BTreeSet<String>, kind: &str) -> Vec<String> {
    let omitted = notes.len().saturating_sub(SHOWN_MAX);
    let mut shown: Vec<String> = notes.into_iter().take(SHOWN_MAX).collect();
    if omitted > 0 {
        shown.push(format!("{omitted} more {kind} annotations omitted"));
    }
    shown
}
