//! What follows from the interval between a series' samples.

use crate::signal::TimestampMs;

const DAY_MS: i64 = 86_400_000;
/// Parts into which the daily profile divides a day.
pub(super) const PROFILE_PARTS: usize = 24;
/// Share of a deviation that the profile takes over in a day.
const PROFILE_RATE: f64 = 0.3;
/// Least half-life of the slow moments, in samples.
const SLOW_SAMPLES_MIN: f64 = 200.0;
/// Days after which the running minimum and maximum start a new generation.
const RANGE_GENERATION_DAYS: u32 = 28;

/// Constants of the detector for one interval between samples. Cheap to copy; made once for many series.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cadence {
    step_ms: u32,
    /// Weight of a new sample in the slow moments: half-life of a day, at least 200 samples.
    pub(super) slow: f64,
    /// Weight of a new deviation in its part of the profile.
    pub(super) profile_rate: f64,
    /// Samples in a generation of the range.
    pub(super) range_generation: u32,
}

impl Cadence {
    /// The constants for samples `step_ms` apart.
    #[must_use]
    pub fn of(step_ms: u32) -> Self {
        let samples = (DAY_MS / i64::from(step_ms.max(1))).max(1) as u32;
        let day = f64::from(samples);
        Self {
            step_ms,
            slow: weight(day.max(SLOW_SAMPLES_MIN)),
            profile_rate: PROFILE_RATE / (day / PROFILE_PARTS as f64).max(1.0),
            range_generation: RANGE_GENERATION_DAYS * samples,
        }
    }

    /// The interval.
    #[must_use]
    pub fn step_ms(&self) -> u32 {
        self.step_ms
    }

    /// The part of the day in which `at` lies.
    pub(super) fn part_of_day(at: TimestampMs) -> usize {
        (at.rem_euclid(DAY_MS) * PROFILE_PARTS as i64 / DAY_MS) as usize
    }
}

/// Weight of the newest sample in an exponentially weighted mean with this half-life.
fn weight(half_life_samples: f64) -> f64 {
    -(-std::f64::consts::LN_2 / half_life_samples).exp_m1()
}

/// Learns a series' interval: the median of the first eight, then only a lasting change moves it.
#[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize)]
pub struct StepEstimate {
    /// The first intervals, until there are enough of them.
    first: Option<Box<[u32; Self::FIRST]>>,
    seen: u8,
    step_ms: u32,
    /// Consecutive intervals that disagree with `step_ms`.
    strange: u8,
}

impl StepEstimate {
    const FIRST: usize = 8;
    /// Disagreeing intervals in a row after which the sender is taken to have changed its interval.
    const CHANGE_AFTER: u8 = 16;

    /// Longest interval that is believed, in ms: a day.
    const LONGEST: i64 = 86_400_000;

    /// The interval in force, in ms; 15 s while nothing is known.
    #[must_use]
    pub fn interval(&self) -> u32 {
        if self.step_ms == 0 { 15_000 } else { self.step_ms }
    }

    /// Takes the time between a sample and the one before it; returns the interval in force, in ms, at least 1 and at
    /// most a day.
    pub fn observe(&mut self, delta_ms: i64) -> u32 {
        let delta = delta_ms.clamp(1, Self::LONGEST) as u32;
        if (self.seen as usize) < Self::FIRST {
            let first = self.first.get_or_insert_default();
            first[self.seen as usize] = delta;
            self.seen += 1;
            // The order in which they came does not matter.
            let known = &mut first[..self.seen as usize];
            known.sort_unstable();
            self.step_ms = known[known.len() / 2];
            if self.seen as usize == Self::FIRST {
                self.first = None;
            }
            return self.step_ms;
        }
        let alike = delta > self.step_ms / 2 && u64::from(delta) < u64::from(self.step_ms) * 2;
        self.strange = if alike { 0 } else { self.strange.saturating_add(1) };
        if self.strange >= Self::CHANGE_AFTER {
            (self.step_ms, self.strange) = (delta, 0);
        }
        self.step_ms
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constants_follow_the_interval() {
        let minute = Cadence::of(60_000);
        assert_eq!(minute.range_generation, 28 * 1_440);
        assert!((minute.slow - (1.0 - 0.5_f64.powf(1.0 / 1_440.0))).abs() < 1e-12);
        assert_eq!(Cadence::part_of_day(90 * 60_000), 1);
        assert_eq!(Cadence::part_of_day(-1), 23);
    }

    #[test]
    fn a_gap_is_no_change_of_interval_but_a_lasting_change_is() {
        let mut step = StepEstimate::default();
        for delta in [15_000, 15_001, 14_999, 60_000, 15_000, 15_000, 15_000, 15_000] {
            step.observe(delta);
        }
        assert_eq!(step.observe(7_200_000), 15_000);
        assert_eq!(step.observe(15_000), 15_000);
        for _ in 0..15 {
            assert_eq!(step.observe(60_000), 15_000);
        }
        assert_eq!(step.observe(60_000), 60_000);
    }
}
