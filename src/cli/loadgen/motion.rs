//! How values move.
//!
//! A value is a function of series and time; nothing is remembered. A million series hence need no memory, a request
//! can be made by whoever sends it, and the same seed gives the same values.

use crate::signal::TimestampMs;

const DAY_MS: f64 = 86_400_000.0;
/// Traffic swings by this share of its mean over a day.
const SWING: f64 = 0.4;
/// A counter runs ahead by up to this share of what it counts in an interval. With the swing below 1, so that no
/// counter ever runs backwards.
const JITTER: f64 = 0.5;
/// Intervals in which a gauge wanders from one level to the next.
const WANDER: f64 = 40.0;
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// What a series does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Motion {
    /// Grows by about `per_s` a second, in steps of 1 / `steps_per_unit`.
    Count { per_s: f64, steps_per_unit: f64 },
    /// Wanders around `level` by up to about the share `spread` of it, with noise, in steps of 1 / `steps_per_unit`.
    Wander { level: f64, spread: f64, steps_per_unit: f64 },
    /// Stays.
    Still { value: f64 },
}

/// A point in time, with what all series have in common then.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    at: TimestampMs,
    /// -1 at the quietest hour, 1 at the busiest.
    tide: f64,
    /// Seconds of mean traffic up to now.
    traffic_s: f64,
    interval_s: f64,
    /// Intervals since 1970.
    interval: f64,
}

impl Moment {
    /// `interval_ms` is the usual distance of two samples.
    pub(super) fn new(at: TimestampMs, interval_ms: f64) -> Self {
        let interval = at as f64 / interval_ms;
        let tide = (std::f64::consts::TAU * (at as f64 / DAY_MS).fract()).sin();
        Self { at, tide, traffic_s: traffic_s(at), interval_s: interval_ms / 1e3, interval }
    }
}

/// Seconds of mean traffic from 1970 to `at`: the integral of a daily tide.
pub(super) fn traffic_s(at: TimestampMs) -> f64 {
    let angle = std::f64::consts::TAU * (at as f64 / DAY_MS).fract();
    at as f64 / 1e3 - SWING * DAY_MS / 1e3 / std::f64::consts::TAU * angle.cos()
}

impl Motion {
    /// The value at `moment` of the series whose noise is `stream`, and that began to count at `since_s` (as
    /// [`traffic_s`] tells time).
    #[inline]
    pub(super) fn value(self, stream: u64, since_s: f64, moment: &Moment) -> f64 {
        // Series of one metric differ: some are busier than others.
        let size = 0.3 + 1.4 * unit(stream);
        match self {
            Self::Count { per_s, steps_per_unit } => {
                let ahead_s = JITTER * moment.interval_s * smooth(stream, moment.interval);
                let counted = per_s * size * (moment.traffic_s - since_s + ahead_s);
                in_steps(counted, steps_per_unit)
            }
            Self::Wander { level, spread, steps_per_unit } => {
                let wander = 2.0 * smooth(stream, moment.interval / WANDER) - 1.0;
                let noise = 2.0 * unit(scramble(stream ^ moment.at.cast_unsigned())) - 1.0;
                let share = 1.0 + spread * (0.3 * moment.tide + 0.4 * wander + 0.3 * noise);
                in_steps(level * size * share, steps_per_unit)
            }
            Self::Still { value } => value,
        }
    }
}

/// Rounds down to a multiple of 1 / `steps_per_unit`, as what is measured comes in pages, packets or hundredths.
#[inline]
fn in_steps(value: f64, steps_per_unit: f64) -> f64 {
    (value * steps_per_unit).floor() / steps_per_unit
}

/// Noise in [0, 1) that goes straight from one integer `x` to the next.
#[inline]
fn smooth(stream: u64, x: f64) -> f64 {
    let knot = x as u64;
    let at = |knot: u64| unit(scramble(stream.wrapping_add(knot.wrapping_mul(GOLDEN))));
    let (here, there) = (at(knot), at(knot + 1));
    here + (there - here) * x.fract()
}

/// The bits as a number in [0, 1).
#[inline]
pub(super) fn unit(bits: u64) -> f64 {
    (bits >> 11) as f64 / (1_u64 << 53) as f64
}

/// A number that looks like chance, the same for the same `x`: the finaliser of SplitMix64 (Steele, Lea, Flood 2014).
#[inline]
pub(super) fn scramble(x: u64) -> u64 {
    let x = x.wrapping_add(GOLDEN);
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: TimestampMs = 1_770_000_000_000;
    const INTERVAL: f64 = 15_000.0;

    fn values(motion: Motion, stream: u64, step_ms: TimestampMs, steps: i64) -> Vec<f64> {
        let since = traffic_s(START);
        let at = |i| Moment::new(START + i * step_ms, INTERVAL);
        (0..steps).map(|i| motion.value(scramble(stream), since, &at(i))).collect()
    }

    #[test]
    fn counters_never_fall_whatever_the_step_and_grow_at_their_rate() {
        for stream in 0..20 {
            for step_ms in [1, 700, 15_000, 3_600_000] {
                let motion = Motion::Count { per_s: 40.0, steps_per_unit: 1.0 };
                let counted = values(motion, stream, step_ms, 500);
                assert!(counted.is_sorted(), "{stream} {step_ms}");
                assert!(counted[0] >= 0.0 && counted.iter().all(|value| value.fract() == 0.0));
            }
        }
        let week = values(Motion::Count { per_s: 1.0, steps_per_unit: 1.0 }, 1, 86_400_000, 8);
        let rate = (week[7] - week[0]) / (7.0 * 86_400.0);
        assert!((0.3..1.7).contains(&rate), "{rate}");
    }

    #[test]
    fn steps_of_a_counter_differ() {
        let counted = values(Motion::Count { per_s: 40.0, steps_per_unit: 1.0 }, 3, 15_000, 200);
        let steps: Vec<f64> = counted.windows(2).map(|pair| pair[1] - pair[0]).collect();
        let mean = steps.iter().sum::<f64>() / steps.len() as f64;
        let deviation = (steps.iter().map(|step| (step - mean).powi(2)).sum::<f64>() / steps.len() as f64).sqrt();
        assert!((0.05..0.5).contains(&(deviation / mean)), "{mean} {deviation}");
    }

    #[test]
    fn gauges_move_around_their_level() {
        let motion = Motion::Wander { level: 100.0, spread: 0.5, steps_per_unit: 1e3 };
        for stream in 0..20 {
            let size = 0.3 + 1.4 * unit(scramble(stream));
            let shown = values(motion, stream, 15_000, 6 * 1440);
            let mean = shown.iter().sum::<f64>() / shown.len() as f64;
            assert!((0.85..1.15).contains(&(mean / size / 100.0)), "{mean} {size}");
            assert!(shown.iter().all(|value| (0.49..=1.51).contains(&(value / size / 100.0))));
            let moved = shown.windows(2).filter(|pair| pair[0] != pair[1]).count();
            assert!(moved > shown.len() * 9 / 10);
        }
    }
}
