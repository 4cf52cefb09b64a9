//! What a series measures, and the rate of one that counts.

use serde::{Deserialize, Serialize};

use crate::signal::{MetricKind, Sample, TimestampMs};

/// Samples that must never fall before an undeclared series is taken for a counter.
const PROOF: u16 = 64;
/// A counter that resets falls below this share of its last value; a gauge seldom does at once.
const RESET_SHARE: f64 = 0.1;

/// How a series' values are turned into what is scored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Meaning {
    /// Values are scored as they are.
    Gauge,
    /// Values are scored as rates.
    Counter,
    /// Nothing says what it is: scored as it is while its behaviour is watched.
    Undeclared {
        /// Samples that grew or stayed, in a row.
        never_fell: u16,
        /// How many of them grew.
        grew: u16,
    },
}

impl Meaning {
    /// Decides from the declared kind of the family, then from the metric's name.
    #[must_use]
    pub fn of(kind: MetricKind, metric: &str) -> Self {
        let suffix = |wanted: &[&str]| wanted.iter().any(|s| metric.ends_with(s));
        match kind {
            MetricKind::Counter => Self::Counter,
            MetricKind::Histogram | MetricKind::Summary if suffix(&["_bucket", "_sum", "_count"]) => Self::Counter,
            MetricKind::Unknown if suffix(&["_total", "_bucket", "_sum", "_count"]) => Self::Counter,
            MetricKind::Unknown => Self::Undeclared { never_fell: 0, grew: 0 },
            _ => Self::Gauge,
        }
    }

    /// Whether values are scored as rates.
    #[must_use]
    pub fn is_counter(self) -> bool {
        self == Self::Counter
    }

    /// Watches an undeclared series. A series that grew in most of 64 samples and never fell, but for a fall to under
    /// a tenth, counts; one that fell otherwise is a gauge. Returns whether the meaning has just changed.
    pub fn watch(&mut self, previous: f64, value: f64) -> bool {
        let Self::Undeclared { never_fell, grew } = self else { return false };
        if value < previous && value > RESET_SHARE * previous {
            *self = Self::Gauge;
            return false;
        }
        *never_fell += 1;
        *grew += u16::from(value > previous);
        if *never_fell < PROOF {
            return false;
        }
        let counts = *grew >= PROOF / 2;
        if counts {
            *self = Self::Counter;
        } else {
            // A constant proves nothing: go on watching.
            *self = Self::Undeclared { never_fell: 0, grew: 0 };
        }
        counts
    }
}

/// The rate between two samples of a counter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    /// Events per second.
    pub per_second: f64,
    /// Whether the counter began anew in between.
    pub reset: bool,
}

/// Rate of a counter between two samples; a fall is a reset, after which all of `now` has been counted since.
/// `started` is the start timestamp that newer senders give: a start after the earlier sample is a reset too.
#[must_use]
pub fn rate(before: Sample, now: Sample, started: Option<TimestampMs>) -> Rate {
    let reset = now.value < before.value || started.is_some_and(|at| at > before.at);
    let increase = if reset { now.value } else { now.value - before.value };
    let seconds = (now.at - before.at).max(1) as f64 / 1_000.0;
    Rate { per_second: increase / seconds, reset }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_and_names_decide() {
        assert_eq!(Meaning::of(MetricKind::Unknown, "http_requests_total"), Meaning::Counter);
        assert_eq!(Meaning::of(MetricKind::Histogram, "latency_bucket"), Meaning::Counter);
        assert_eq!(Meaning::of(MetricKind::Gauge, "jobs_total"), Meaning::Gauge, "what is declared wins");
        assert_eq!(Meaning::of(MetricKind::Summary, "latency"), Meaning::Gauge, "a quantile");
        assert!(matches!(Meaning::of(MetricKind::Unknown, "node_load1"), Meaning::Undeclared { .. }));
    }

    #[test]
    fn behaviour_decides_the_rest() {
        let watch = |values: &mut dyn Iterator<Item = f64>| {
            let mut meaning = Meaning::of(MetricKind::Unknown, "x");
            let mut before = values.next().unwrap();
            for value in values {
                meaning.watch(before, value);
                before = value;
            }
            meaning
        };
        assert_eq!(watch(&mut (0..80).map(f64::from)), Meaning::Counter);
        assert_eq!(watch(&mut (0..80).map(|i| f64::from(i % 50))), Meaning::Counter, "with a reset to 0");
        assert_eq!(watch(&mut (0..80).map(|i| 10.0 + f64::from(i % 7))), Meaning::Gauge);
        assert!(matches!(watch(&mut (0..200).map(|_| 5.0)), Meaning::Undeclared { .. }), "a constant");
    }

    #[test]
    fn a_fall_or_a_later_start_is_a_reset() {
        let at = |at, value| Sample { at, value };
        assert_eq!(rate(at(0, 10.0), at(10_000, 40.0), None), Rate { per_second: 3.0, reset: false });
        assert_eq!(rate(at(0, 10.0), at(10_000, 5.0), None), Rate { per_second: 0.5, reset: true });
        assert_eq!(rate(at(0, 10.0), at(10_000, 12.0), Some(5_000)), Rate { per_second: 1.2, reset: true });
    }
}
