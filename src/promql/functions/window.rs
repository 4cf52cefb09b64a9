//! Functions of the samples in a range.

use crate::promql::numeric::{Mean, Sum, quantile, regression, variance};
use crate::signal::{Sample, TimestampMs};

/// The samples of one series in one range: after `start`, up to `end`, without stale markers, at least one.
#[derive(Clone, Copy, Debug)]
pub(in crate::promql) struct Window<'a> {
    pub(in crate::promql) samples: &'a [Sample],
    pub(in crate::promql) start: TimestampMs,
    pub(in crate::promql) end: TimestampMs,
    /// The step it is evaluated at; not `end` when there is `offset` or `@`.
    pub(in crate::promql) step: TimestampMs,
}

/// Computes a value from a range, `None` when the range holds too little.
pub(in crate::promql) type WindowFn = fn(&Window<'_>) -> Option<f64>;

/// The function of a name.
pub(super) fn find(name: &str) -> Option<WindowFn> {
    Some(match name {
        "rate" => |w| extrapolated(w, true, w.secs()),
        "increase" => |w| extrapolated(w, true, 1.0),
        "delta" => |w| extrapolated(w, false, 1.0),
        "irate" => |w| newest_difference(w, true),
        "idelta" => |w| newest_difference(w, false),
        "deriv" => |w| (w.samples.len() > 1).then(|| regression(w.samples, w.samples[0].at).0),
        "resets" => |w| Some(w.pairs().filter(|(before, after)| after < before).count() as f64),
        "changes" => |w| {
            let differ = |(a, b): &(f64, f64)| a != b && !(a.is_nan() && b.is_nan());
            Some(w.pairs().filter(differ).count() as f64)
        },
        "avg_over_time" => |w| {
            let mut mean = Mean::from(w.samples[0].value);
            w.values().skip(1).for_each(|value| mean.add(value));
            Some(mean.value())
        },
        "sum_over_time" => |w| {
            let mut sum = Sum::default();
            w.values().for_each(|value| sum.add(value));
            Some(sum.total())
        },
        "min_over_time" => |w| w.values().reduce(|least, v| if v < least || least.is_nan() { v } else { least }),
        "max_over_time" => |w| w.values().reduce(|most, v| if v > most || most.is_nan() { v } else { most }),
        "count_over_time" => |w| Some(w.samples.len() as f64),
        "present_over_time" => |_| Some(1.0),
        "stddev_over_time" => |w| Some(variance(w.values()).sqrt()),
        "stdvar_over_time" => |w| Some(variance(w.values())),
        _ => return None,
    })
}

impl Window<'_> {
    fn secs(&self) -> f64 {
        (self.end - self.start) as f64 / 1000.0
    }

    fn values(&self) -> impl Iterator<Item = f64> {
        self.samples.iter().map(|sample| sample.value)
    }

    fn pairs(&self) -> impl Iterator<Item = (f64, f64)> {
        self.samples.windows(2).map(|pair| (pair[0].value, pair[1].value))
    }
}

/// Difference of last and first sample, extended to the ends of the range and divided by `divisor`.
///
/// An end is reached when its gap is below 1.1 of the samples' average distance; otherwise the series is taken to begin
/// or end half an average distance outside its samples. For a counter every drop counts as a reset to zero, and
/// the extension into the past stops where the counter would have been zero.
fn extrapolated(window: &Window<'_>, is_counter: bool, divisor: f64) -> Option<f64> {
    let [first, .., last] = window.samples else { return None };
    let mut delta = last.value - first.value;
    if is_counter {
        for (before, after) in window.pairs() {
            if after < before {
                delta += before;
            }
        }
    }
    let mut to_start = (first.at - window.start) as f64 / 1000.0;
    let mut to_end = (window.end - last.at) as f64 / 1000.0;
    let sampled = (last.at - first.at) as f64 / 1000.0;
    let average = sampled / (window.samples.len() - 1) as f64;
    let threshold = average * 1.1;
    if to_start >= threshold {
        to_start = average / 2.0;
    }
    if is_counter && delta > 0.0 && first.value >= 0.0 {
        let to_zero = sampled * (first.value / delta);
        if to_zero < to_start {
            to_start = to_zero;
        }
    }
    if to_end >= threshold {
        to_end = average / 2.0;
    }
    // In the order in which Prometheus computes it, so that equal rates have equal bits.
    Some(delta * ((sampled + to_start + to_end) / sampled / divisor))
}

/// Difference of the last two samples; for a counter per second, and after a reset the last value itself.
fn newest_difference(window: &Window<'_>, is_counter: bool) -> Option<f64> {
    let [.., before, last] = window.samples else { return None };
    let was_reset = is_counter && last.value < before.value;
    let difference = if was_reset { last.value } else { last.value - before.value };
    Some(if is_counter { difference / ((last.at - before.at) as f64 / 1000.0) } else { difference })
}

/// The value `ahead_secs` after the step, on the line through the samples.
pub(in crate::promql) fn predict(window: &Window<'_>, ahead_secs: f64) -> Option<f64> {
    if window.samples.len() < 2 {
        return None;
    }
    let (slope, intercept) = regression(window.samples, window.step);
    Some(slope * ahead_secs + intercept)
}

/// The `q`-quantile of the samples.
pub(in crate::promql) fn quantile_over(window: &Window<'_>, q: f64) -> f64 {
    quantile(q, &mut window.values().collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60_000;

    /// Applies a function to samples (in seconds) in the range from 0 to 300 s.
    fn apply(name: &str, samples: &[(i64, f64)]) -> Option<f64> {
        let samples: Vec<Sample> = samples.iter().map(|&(s, value)| Sample { at: s * 1000, value }).collect();
        find(name).unwrap()(&Window { samples: &samples, start: 0, end: 5 * MINUTE, step: 5 * MINUTE })
    }

    #[test]
    fn a_range_that_is_covered_is_extended_to_its_ends() {
        // 60 s apart, 4 intervals of 60: 240 s sampled, 60 s of range before, 0 s after.
        let counter: Vec<_> = (1..=5).map(|i| (i * 60, 100.0 + i as f64 * 60.0)).collect();
        assert_eq!(apply("increase", &counter), Some(300.0));
        assert_eq!(apply("rate", &counter), Some(1.0));
        assert_eq!(apply("delta", &counter), Some(300.0));
        assert_eq!(apply("irate", &counter), Some(1.0));
        assert_eq!(apply("idelta", &counter), Some(60.0));
        assert_eq!(apply("deriv", &counter), Some(1.0));
    }

    #[test]
    fn a_gap_is_bridged_by_half_a_distance() {
        // 30 s apart, from 150 to 210: both gaps are above 33 s, so 15 s are added on each side.
        let some = [(150, 1000.0), (180, 1030.0), (210, 1060.0)];
        assert_eq!(apply("increase", &some), Some(60.0 * 90.0 / 60.0));
    }

    #[test]
    fn a_counter_is_not_extended_below_zero() {
        // Rises by 60 from 10: zero was 10 s before the first sample, nearer than the 60 s to the start.
        let young = [(60, 10.0), (120, 70.0), (180, 130.0), (240, 190.0), (300, 250.0)];
        assert!((apply("increase", &young).unwrap() - 250.0).abs() < 1e-9);
        assert_eq!(apply("delta", &young), Some(300.0));
    }

    #[test]
    fn resets_are_added_back() {
        let reset = [(60, 100.0), (120, 160.0), (180, 20.0), (240, 80.0), (300, 140.0)];
        // 40 + 160 before the drop = 200 over 240 s; zero would have been 120 s back, so all 60 s are added.
        assert_eq!(apply("increase", &reset), Some(200.0 * 300.0 / 240.0));
        assert_eq!(apply("resets", &reset), Some(1.0));
        assert_eq!(apply("irate", &[(270, 50.0), (300, 6.0)]), Some(0.2));
        assert_eq!(apply("idelta", &[(270, 50.0), (300, 6.0)]), Some(-44.0));
    }

    #[test]
    fn one_sample_is_too_little_for_a_difference() {
        for name in ["rate", "increase", "delta", "irate", "idelta", "deriv"] {
            assert_eq!(apply(name, &[(60, 1.0)]), None, "{name}");
        }
        for (name, expected) in [("resets", 0.0), ("changes", 0.0), ("stddev_over_time", 0.0), ("count_over_time", 1.0)]
        {
            assert_eq!(apply(name, &[(60, 1.0)]), Some(expected), "{name}");
        }
    }

    #[test]
    fn summaries_of_a_range() {
        let nan = f64::NAN;
        let values = [(10, 2.0), (20, 4.0), (30, 4.0), (40, 4.0), (50, 5.0), (60, 5.0), (70, 7.0), (80, 9.0)];
        let cases = [
            ("avg_over_time", 5.0),
            ("sum_over_time", 40.0),
            ("min_over_time", 2.0),
            ("max_over_time", 9.0),
            ("count_over_time", 8.0),
            ("stddev_over_time", 2.0),
            ("stdvar_over_time", 4.0),
            ("present_over_time", 1.0),
            ("changes", 4.0),
        ];
        for (name, expected) in cases {
            assert_eq!(apply(name, &values), Some(expected), "{name}");
        }
        let gaps = [(10, nan), (20, 3.0), (30, nan), (40, 1.0), (50, nan), (60, nan)];
        assert_eq!(apply("min_over_time", &gaps), Some(1.0));
        assert_eq!(apply("max_over_time", &gaps), Some(3.0));
        assert!(apply("sum_over_time", &gaps).unwrap().is_nan());
        assert_eq!(apply("changes", &gaps), Some(4.0));
    }

    #[test]
    fn prediction_starts_at_the_step() {
        let samples = [Sample { at: 0, value: 0.0 }, Sample { at: MINUTE, value: 60.0 }];
        let window = Window { samples: &samples, start: -1, end: MINUTE, step: 2 * MINUTE };
        assert_eq!(predict(&window, 30.0), Some(150.0));
        assert_eq!(quantile_over(&window, 0.5), 30.0);
    }
}
