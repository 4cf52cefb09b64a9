//! Warnings and hints that travel beside a value, each said once.

use std::collections::BTreeSet;

use super::format::format_value;

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
            let got = format_value(q);
            self.warnings.insert(format!("PromQL warning: quantile value should be between 0 and 1, got {got}"));
        }
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
