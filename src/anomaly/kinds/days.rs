//! Quarter-day means of one series: what the comparisons from day to day rest on.

use serde::{Deserialize, Serialize};

use crate::signal::TimestampMs;

/// Length of a quarter of a day, in ms.
pub(super) const QUARTER_MS: i64 = 21_600_000;
/// Quarters after which a series is known, weekend included: 8 days.
pub(super) const KNOWN: u8 = 32;
/// Quarters in 28 days.
const GENERATION: i64 = 112;

/// Means of the last four quarters of a day (UTC) and of the one under way, relative to the first value.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Days {
    base: f32,
    /// The last four complete quarters by their place in the day; NaN where too little was seen.
    means: [f32; 4],
    mean: f32,
    count: u16,
    /// Number of the quarter under way, modulo 256.
    quarter: u8,
    /// Complete quarters seen, saturating.
    age: u8,
}

/// What is known when a quarter of a day is complete. All values are relative to the base.
#[derive(Clone, Copy, Debug)]
pub(super) struct Quarter {
    /// Change against the same quarter of the day before; NaN if unknown.
    pub(super) change: f32,
    /// Mean of the last four quarters; NaN if one is unknown.
    pub(super) level: f32,
    /// Highest less lowest of the last four quarters; NaN if one is unknown.
    pub(super) swing: f32,
    /// Complete quarters seen, saturating.
    pub(super) age: u8,
    /// Whether a day ended too.
    pub(super) day_ended: bool,
    /// Whether a period of 28 days ended too.
    pub(super) generation_ended: bool,
}

impl Days {
    pub(super) fn new(at: TimestampMs, value: f64) -> Self {
        let quarter = at.div_euclid(QUARTER_MS) as u8;
        Self { base: value as f32, means: [f32::NAN; 4], mean: 0.0, count: 0, quarter, age: 0 }
    }

    /// The value relative to the base.
    pub(super) fn relative(&self, value: f64) -> f32 {
        (value - f64::from(self.base)) as f32
    }

    /// A value relative to the base as it is.
    pub(super) fn absolute(&self, relative: f32) -> f64 {
        f64::from(self.base) + f64::from(relative)
    }

    pub(super) fn is_known(&self) -> bool {
        self.age >= KNOWN
    }

    /// Starts to learn anew: what is known is of no use.
    pub(super) fn forget_age(&mut self) {
        self.age = 0;
    }

    /// Whether the mean of the quarter under way is far from all of the last day: by more than half of the day's swing
    /// and by more than three times `unit`.
    pub(super) fn has_moved(&self, unit: f32) -> bool {
        let low = self.means.iter().copied().fold(f32::INFINITY, f32::min);
        let high = self.means.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let slack = 0.5 * (high - low) + 3.0 * unit;
        self.mean > high + slack || self.mean < low - slack
    }

    /// Takes a value, relative to the base; `step_ms` is the usual interval. Returns the quarter that it ended, if any.
    /// A quarter counts when half of its samples were there.
    pub(super) fn observe(&mut self, at: TimestampMs, relative: f32, step_ms: u32) -> Option<Quarter> {
        let number = at.div_euclid(QUARTER_MS);
        let elapsed = (number as u8).wrapping_sub(self.quarter);
        let ended = (elapsed > 0).then(|| self.end(number, elapsed, step_ms));
        self.count = self.count.saturating_add(1);
        self.mean += (relative - self.mean) / f32::from(self.count);
        ended
    }

    fn end(&mut self, number: i64, elapsed: u8, step_ms: u32) -> Quarter {
        let place = usize::from(self.quarter % 4);
        let usual = QUARTER_MS / i64::from(step_ms.max(1));
        let enough = self.count > 0 && i64::from(self.count) * 2 >= usual.min(i64::from(u16::MAX));
        let mean = if enough { self.mean } else { f32::NAN };
        let change = mean - self.means[place];
        self.means[place] = mean;
        let level = self.means.iter().sum::<f32>() / 4.0;
        let least = self.means.iter().copied().fold(f32::INFINITY, f32::min);
        let most = self.means.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let swing = if level.is_nan() { f32::NAN } else { most - least };
        for skipped in 1..elapsed.min(5) {
            self.means[usize::from(self.quarter.wrapping_add(skipped) % 4)] = f32::NAN;
        }
        self.age = self.age.saturating_add(u8::from(enough));
        (self.quarter, self.mean, self.count) = (number as u8, 0.0, 0);
        let before = number - i64::from(elapsed);
        let ended = |quarters: i64| number.div_euclid(quarters) != before.div_euclid(quarters);
        Quarter { change, level, swing, age: self.age, day_ended: ended(4), generation_ended: ended(GENERATION) }
    }
}

/// A positive number as 64ths of its natural logarithm: three significant digits in two bytes.
pub(super) fn log_units(x: f32) -> i16 {
    (x.ln() * 64.0) as i16
}

/// The number of so many 64ths of a natural logarithm.
pub(super) fn from_log_units(units: i16) -> f32 {
    (f32::from(units) / 64.0).exp()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000;

    #[test]
    fn quarters_are_compared_with_those_of_the_day_before() {
        let mut days = Days::new(0, 100.0);
        let mut ended = Vec::new();
        for hour in 0..55 {
            let value = 100.0 + (hour % 24) as f64 + if hour >= 24 { 5.0 } else { 0.0 };
            let relative = days.relative(value);
            ended.extend(days.observe(hour * HOUR, relative, 3_600_000));
        }
        assert_eq!(ended.len(), 9);
        assert!(ended[..4].iter().all(|q| q.change.is_nan()));
        assert!(ended[4..8].iter().all(|q| (q.change - 5.0).abs() < 1e-4));
        assert!((ended[3].swing - 18.0).abs() < 1e-4 && (ended[3].level - 11.5).abs() < 1e-4);
        assert_eq!(ended[8].age, 9);
        assert!((days.absolute(days.mean) - 111.0).abs() < 1e-4);
    }

    #[test]
    fn a_quarter_half_missing_and_a_gap_are_unknown() {
        let mut days = Days::new(0, 0.0);
        for hour in [0, 1, 2, 3, 4, 5, 6, 7] {
            days.observe(hour * HOUR, 1.0, 3_600_000);
        }
        let quarter = days.observe(12 * HOUR, 1.0, 3_600_000).unwrap();
        assert!(quarter.level.is_nan() && quarter.age == 1, "two of six samples");
        for hour in 13..18 {
            days.observe(hour * HOUR, 1.0, 3_600_000);
        }
        assert!(days.observe(26 * HOUR, 1.0, 3_600_000).unwrap().change.is_nan());
        assert!(days.means[3].is_nan(), "18 to 24 h was skipped");
    }

    #[test]
    fn logarithms_keep_three_digits() {
        for x in [1e-30_f32, 0.003, 1.0, 7.7e12] {
            assert!((from_log_units(log_units(x)) / x - 1.0).abs() < 0.017, "{x}");
        }
        assert_eq!(log_units(0.0), i16::MIN);
    }
}
