//! A series that keeps growing or shrinking for days, as a leak does.
//!
//! Each quarter of a day is compared with the same quarter of the day before, so that a daily season cancels out, as in
//! the seasonal Kendall test (Hirsch, Slack and Smith 1982), which also asks for agreement over the seasons. Agreement
//! here is strict: all changes of a run have one sign and nearly one size, and each sets a record of the daily mean, so
//! that weeks and sawtooths once seen do not count. A random walk does not keep its step for days.

use serde::{Deserialize, Serialize};

use super::{
    Change,
    days::{KNOWN, Quarter, from_log_units, log_units},
};

/// Agreeing quarters that make a trend: three days.
const RUN: u8 = 12;
/// The same for a series that has known nothing else: ten days.
const RUN_FROM_BIRTH: u8 = 40;
/// The change in a day must be so many times the usual one.
const TIMES_USUAL: f32 = 3.0;
/// All of the run must be at least this share of the range of the daily mean.
const OF_RANGE: f32 = 0.4;
/// … and of the level, and of that for a series that has known nothing else.
const OF_LEVEL: f64 = 0.05;
const OF_LEVEL_FROM_BIRTH: f64 = 0.33;
/// A change agrees with the run when it is within these multiples of its mean.
const AGREES: std::ops::RangeInclusive<f32> = 0.67..=1.5;
/// Share of its distance to the daily mean by which an old record falls in a quarter of a day.
const FORGET: f32 = 0.002;
/// In place of the length of a run: it was told.
const TOLD: u8 = u8::MAX;

/// The run of changes from day to day that agree.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Trend {
    /// Mean change of the run, per day.
    mean: f32,
    /// Records of the daily mean; the lower is above the higher while there are none.
    low: f32,
    high: f32,
    /// Running median of the size of changes, in 64ths of a natural logarithm.
    usual: i16,
    run: u8,
    /// Whether a sample went against the run: what only ever grows is a clock or a counter in disguise.
    mixed: bool,
}

/// What the detector of trends says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Drift {
    pub(super) change: Change,
    /// Quarters of a day since it began.
    pub(super) quarters: u8,
    /// Change in a day.
    pub(super) per_day: f32,
    /// Size of the change over what it takes.
    pub(super) evidence: f32,
}

impl Default for Trend {
    fn default() -> Self {
        Self { mean: 0.0, low: f32::MAX, high: f32::MIN, usual: i16::MIN, run: 0, mixed: false }
    }
}

impl Trend {
    /// Takes the difference of a sample to the one before it.
    pub(super) fn observe_difference(&mut self, difference: f32) {
        self.mixed |= difference * self.mean < 0.0;
    }

    /// The usual size of the change from a day to the next.
    pub(super) fn usual(&self) -> f32 {
        if self.usual == i16::MIN { 0.0 } else { from_log_units(self.usual) }
    }

    /// Takes a complete quarter; `magnitude` is the size of the daily mean itself.
    pub(super) fn observe(&mut self, quarter: &Quarter, magnitude: f64) -> Option<Drift> {
        let Quarter { change, level, age, .. } = *quarter;
        if change.is_nan() || level.is_nan() {
            return None;
        }
        let record = if change > 0.0 { level > self.high } else { level < self.low };
        self.low = level.min(self.low + FORGET * (level - self.low).max(0.0));
        self.high = level.max(self.high - FORGET * (self.high - level).max(0.0));
        if self.run == TOLD {
            return self.go_on(change);
        }
        if self.run < RUN / 2 {
            self.learn_usual(change.abs(), age);
        }
        self.extend(change, record);
        let rise = self.mean.abs() * f32::from(self.run) / 4.0;
        let of_level = f64::from(rise) / magnitude.max(f64::MIN_POSITIVE);
        let times_usual = self.mean.abs() / self.usual().max(f32::MIN_POSITIVE);
        let new = self.run >= RUN && times_usual >= TIMES_USUAL && of_level >= OF_LEVEL;
        let from_birth = self.run >= RUN_FROM_BIRTH && of_level >= OF_LEVEL_FROM_BIRTH;
        let far = rise >= OF_RANGE * (self.high - self.low);
        if age < KNOWN || !self.mixed || !far || !(new || from_birth) {
            return None;
        }
        let quarters = std::mem::replace(&mut self.run, TOLD);
        // Whoever was born with it shall not end it as usual.
        self.usual = self.usual.min(log_units(self.mean.abs() / TIMES_USUAL));
        let evidence = (times_usual / TIMES_USUAL).max(1.0);
        Some(Drift { change: Change::Raised, quarters, per_day: self.mean, evidence })
    }

    fn extend(&mut self, change: f32, record: bool) {
        if record && self.run > 0 && AGREES.contains(&(change / self.mean)) {
            self.run = (self.run + 1).min(TOLD - 1);
            self.mean += (change - self.mean) / f32::from(self.run);
        } else {
            (self.run, self.mean, self.mixed) = (u8::from(record), change, false);
        }
    }

    /// A trend that was told is over when the mean change of about a day is usual again or has turned.
    fn go_on(&mut self, change: f32) -> Option<Drift> {
        let before = self.mean;
        self.mean += 0.25 * (change - self.mean);
        if self.mean * before > 0.0 && self.mean.abs() > self.usual() {
            return None;
        }
        (self.run, self.mixed) = (0, false);
        Some(Drift { change: Change::Resolved, quarters: 0, per_day: self.mean, evidence: 0.0 })
    }

    fn learn_usual(&mut self, size: f32, age: u8) {
        let size = log_units(size);
        let step = if age < KNOWN { 8 } else { 1 };
        self.usual = if self.usual == i16::MIN { size } else { toward(self.usual, size, step) };
    }
}

/// `from`, moved by at most `step` towards `to`.
fn toward(from: i16, to: i16, step: i16) -> i16 {
    to.clamp(from.saturating_sub(step), from.saturating_add(step))
}
