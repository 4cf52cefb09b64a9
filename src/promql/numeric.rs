//! Sums, quantiles and regression with the care for rounding that Prometheus takes, so that results agree.

use crate::signal::{Sample, TimestampMs};

/// A sum with Neumaier's compensation for rounding.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sum {
    sum: f64,
    c: f64,
}

impl Sum {
    /// Starts at a value.
    pub(super) fn from(first: f64) -> Self {
        Self { sum: first, c: 0.0 }
    }

    /// Adds a value.
    pub(super) fn add(&mut self, value: f64) {
        let total = self.sum + value;
        if total.is_infinite() {
            self.c = 0.0;
        } else if self.sum.abs() >= value.abs() {
            self.c += (self.sum - total) + value;
        } else {
            self.c += (value - total) + self.sum;
        }
        self.sum = total;
    }

    /// The sum so far.
    pub(super) fn total(self) -> f64 {
        if self.sum.is_infinite() { self.sum } else { self.sum + self.c }
    }

    /// Sum and compensation, multiplied.
    fn scaled(self, by: f64) -> Self {
        Self { sum: self.sum * by, c: self.c * by }
    }
}

/// A mean: sum divided by count, or an incremental mean from where the sum would overflow.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mean {
    sum: Sum,
    count: f64,
    is_incremental: bool,
}

impl Mean {
    /// Starts at a value.
    pub(super) fn from(first: f64) -> Self {
        Self { sum: Sum::from(first), count: 1.0, is_incremental: false }
    }

    /// Takes in a value.
    pub(super) fn add(&mut self, value: f64) {
        self.count += 1.0;
        if !self.is_incremental {
            let mut next = self.sum;
            next.add(value);
            if !next.sum.is_infinite() {
                self.sum = next;
                return;
            }
            self.is_incremental = true;
            let earlier = self.count - 1.0;
            self.sum = Sum { sum: self.sum.sum / earlier, c: self.sum.c / earlier };
        }
        self.sum = self.sum.scaled((self.count - 1.0) / self.count);
        self.sum.add(value / self.count);
    }

    /// The mean so far.
    pub(super) fn value(self) -> f64 {
        if self.is_incremental {
            self.sum.sum + self.sum.c
        } else {
            self.sum.sum / self.count + self.sum.c / self.count
        }
    }
}

/// The population variance of at least one value.
pub(super) fn variance(values: impl Iterator<Item = f64>) -> f64 {
    let (mut mean, mut squares, mut n) = (Sum::default(), Sum::default(), 0.0);
    for value in values {
        n += 1.0;
        let delta = value - (mean.sum + mean.c);
        mean.add(delta / n);
        squares.add(delta * (value - (mean.sum + mean.c)));
    }
    (squares.sum + squares.c) / n
}

/// The `q`-quantile, linear between neighbours. Reorders `values`; NaN counts as smallest.
///
/// NaN for no values or a NaN `q`, infinite outside 0 to 1.
pub(super) fn quantile(q: f64, values: &mut [f64]) -> f64 {
    if values.is_empty() || q.is_nan() {
        return f64::NAN;
    }
    if q < 0.0 {
        return f64::NEG_INFINITY;
    }
    if q > 1.0 {
        return f64::INFINITY;
    }
    values.sort_by(|a, b| b.is_nan().cmp(&a.is_nan()).then(a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal)));
    let rank = q * (values.len() - 1) as f64;
    let lower = rank.floor() as usize;
    let upper = (lower + 1).min(values.len() - 1);
    let weight = rank - rank.floor();
    values[lower] * (1.0 - weight) + values[upper] * weight
}

/// Slope per second and the value at `origin` of the least-squares line through at least two samples.
pub(super) fn regression(samples: &[Sample], origin: TimestampMs) -> (f64, f64) {
    let (mut sum_x, mut sum_y, mut sum_xy, mut sum_xx) =
        (Sum::default(), Sum::default(), Sum::default(), Sum::default());
    for sample in samples {
        let x = (sample.at - origin) as f64 / 1e3;
        sum_x.add(x);
        sum_y.add(sample.value);
        sum_xy.add(x * sample.value);
        sum_xx.add(x * x);
    }
    let first = samples[0].value;
    if samples.iter().skip(1).all(|sample| sample.value == first) {
        return if first.is_infinite() { (f64::NAN, f64::NAN) } else { (0.0, first) };
    }
    let n = samples.len() as f64;
    let [sum_x, sum_y, sum_xy, sum_xx] = [sum_x, sum_y, sum_xy, sum_xx].map(|s| s.sum + s.c);
    let covariance = sum_xy - sum_x * sum_y / n;
    let variance = sum_xx - sum_x * sum_x / n;
    let slope = covariance / variance;
    (slope, sum_y / n - slope * sum_x / n)
}

/// The larger of two, NaN if either is, infinity before NaN.
pub(super) fn go_max(a: f64, b: f64) -> f64 {
    if a == f64::INFINITY || b == f64::INFINITY {
        f64::INFINITY
    } else if a.is_nan() || b.is_nan() {
        f64::NAN
    } else {
        a.max(b)
    }
}

/// The smaller of two, NaN if either is, infinity before NaN.
pub(super) fn go_min(a: f64, b: f64) -> f64 {
    -go_max(-a, -b)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mean(values: &[f64]) -> f64 {
        let mut mean = Mean::from(values[0]);
        values[1..].iter().for_each(|v| mean.add(*v));
        mean.value()
    }

    #[test]
    fn small_terms_survive_large_ones() {
        let mut sum = Sum::default();
        [1e100, 1.0, -1e100, 1.0].iter().for_each(|v| sum.add(*v));
        assert_eq!(sum.total(), 2.0);
        assert_eq!(mean(&[1e100, 1.0, -1e100, 6.0]), 1.75);
    }

    #[test]
    fn a_mean_outlives_the_overflow_of_its_sum() {
        assert_eq!(mean(&[f64::MAX, f64::MAX]), f64::MAX);
        assert_eq!(mean(&[f64::INFINITY, 1.0]), f64::INFINITY);
        assert!(mean(&[f64::INFINITY, f64::NEG_INFINITY]).is_nan());
    }

    #[test]
    fn quantiles_follow_the_rank() {
        let mut values = [4.0, 1.0, 3.0, 2.0];
        assert_eq!(quantile(0.5, &mut values), 2.5);
        assert_eq!(quantile(1.0, &mut values), 4.0);
        assert_eq!(quantile(0.25, &mut values), 1.75);
        assert_eq!(quantile(-0.1, &mut values), f64::NEG_INFINITY);
        assert_eq!(quantile(1.1, &mut values), f64::INFINITY);
        assert!(quantile(0.5, &mut []).is_nan());
        assert_eq!(quantile(1.0, &mut [f64::NAN, 7.0]), 7.0);
    }

    #[test]
    fn a_line_is_found_again() {
        let line: Vec<Sample> =
            [(0, 10.0), (10_000, 30.0), (30_000, 70.0)].map(|(at, value)| Sample { at, value }).into();
        for (origin, expected) in [(0, 10.0), (30_000, 70.0)] {
            let (slope, intercept) = regression(&line, origin);
            assert!((slope - 2.0).abs() < 1e-12 && (intercept - expected).abs() < 1e-12);
        }
        let flat = [Sample { at: 0, value: 3.0 }, Sample { at: 5, value: 3.0 }];
        assert_eq!(regression(&flat, 0), (0.0, 3.0));
    }

    #[test]
    fn extremes_treat_nan_as_go_does() {
        assert!(go_max(f64::NEG_INFINITY, f64::NAN).is_nan());
        assert_eq!(go_max(f64::INFINITY, f64::NAN), f64::INFINITY);
        assert_eq!(go_min(2.0, 3.0), 2.0);
        assert!(go_min(f64::INFINITY, f64::NAN).is_nan());
    }
}
