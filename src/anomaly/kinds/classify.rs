//! The kind of an episode of the sample detector, from what it has done so far.

use super::Kind;
use crate::signal::TimestampMs;

/// A disturbance shorter than this many samples is a spike.
const FEW: usize = 10;
/// Fewest disturbed samples that show a trend.
const TREND_SAMPLES: usize = 24;
/// Most samples looked at; of more, evenly spaced ones.
const LOOK: usize = 240;
/// Share of the outliers on the less frequent side that makes a spread of them.
const BOTH_SIDES: f64 = 0.25;
/// Share of the samples of a level shift that are on its side.
const ONE_SIDE: f64 = 0.8;

/// A judged sample.
#[derive(Clone, Copy, Debug)]
pub struct Observed {
    /// Event time.
    pub at: TimestampMs,
    /// Value, or rate of a counter.
    pub value: f64,
    /// What was expected, in the same unit.
    pub expected: f64,
    /// Half the width of the band around it; NaN while unknown.
    pub half_width: f64,
}

/// Names an episode. `since` are its samples from the start of the disturbance on, `before` some (about 100) before it,
/// both in order of time; `was` is what this function said of the episode the last time. Work and memory are
/// bounded; worth calling when the episode has grown by a tenth or so, and at its end.
///
/// A [`Kind::Spike`] may become any other kind, none becomes a spike again. Between the others the name changes only
/// when the new one fits clearly.
#[must_use]
pub fn classify(was: Option<Kind>, before: &[Observed], since: &[Observed]) -> Kind {
    let was = was.filter(|kind| *kind != Kind::Spike);
    let unit = unit(before, since);
    let all: Vec<f64> = since.iter().map(|o| (o.value - o.expected) / unit).filter(|u| u.is_finite()).collect();
    let disturbed = all.iter().rposition(|u| u.abs() > 1.0).map_or(0, |last| last + 1);
    if disturbed < FEW {
        return was.unwrap_or(Kind::Spike);
    }
    let stride = disturbed.div_ceil(LOOK);
    let off: Vec<f64> = all[..disturbed].iter().copied().step_by(stride).collect();
    if is_trend(&off, was == Some(Kind::Trend)) {
        return Kind::Trend;
    }
    let center = median(&off);
    let share = |test: &dyn Fn(f64) -> bool| off.iter().filter(|u| test(**u)).count() as f64 / off.len() as f64;
    let (above, below) = (share(&|u| u > 1.0), share(&|u| u < -1.0));
    let slack = if was == Some(Kind::Variance) { 1.5 } else { 1.0 };
    if above.min(below) * slack >= BOTH_SIDES * (above + below) && center.abs() < slack {
        return Kind::Variance;
    }
    if center.abs() > 0.5 && share(&|u| u * center > 0.0) >= ONE_SIDE {
        return Kind::LevelShift;
    }
    was.unwrap_or(Kind::Spike)
}

/// Whether the thirds of the episode climb or fall one after the other, and have come most of the way by doing so.
fn is_trend(off: &[f64], was: bool) -> bool {
    if off.len() < TREND_SAMPLES {
        return false;
    }
    let third = off.len() / 3;
    let parts = [&off[..third], &off[third..2 * third], &off[2 * third..]];
    let [first, second, last] = parts.map(median);
    let noise = parts.map(spread).into_iter().fold(0.0, f64::max);
    let total = last - first;
    let (of_way, steady, errors) = if was { (0.3, 0.15, 8.0) } else { (0.55, 0.25, 15.0) };
    let climbs = |step: f64| step / total >= steady;
    total.abs() > 1.0_f64.max(errors * noise / (third as f64).sqrt())
        && total / last >= of_way
        && climbs(second - first)
        && climbs(last - second)
}

/// Half width of the band at the start of the episode. Where none is known: what it would be for normal noise as it was
/// before, or else half of what the episode is off.
fn unit(before: &[Observed], since: &[Observed]) -> f64 {
    let residuals = |observed: &[Observed]| -> Vec<f64> {
        observed.iter().map(|o| o.value - o.expected).filter(|r| r.is_finite()).collect()
    };
    let widths: Vec<f64> = before.iter().chain(since.first()).map(|o| o.half_width).collect();
    let known: Vec<f64> = widths.into_iter().filter(|w| w.is_finite() && *w > 0.0).collect();
    if !known.is_empty() {
        return median(&known);
    }
    let (noise, off) = (residuals(before), residuals(since));
    let noise = if noise.is_empty() { 0.0 } else { 4.9 * spread(&noise) };
    if noise > 0.0 || off.is_empty() {
        return noise;
    }
    0.5 * median(&off.iter().map(|r| r.abs()).collect::<Vec<_>>())
}

/// Median of a non-empty list.
fn median(list: &[f64]) -> f64 {
    let mut sorted = list.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

/// Median of the distances to the median.
fn spread(list: &[f64]) -> f64 {
    let center = median(list);
    median(&list.iter().map(|x| (x - center).abs()).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::super::synthetic::{MINUTE, Noise};
    use super::*;

    /// Kinds said while an episode of the given shape grows to `samples` samples; noise of deviation 1, band 3.3.
    fn story(seed: u64, samples: usize, shape: impl Fn(usize, &mut Noise) -> f64) -> Vec<Kind> {
        let mut noise = Noise::new(seed);
        let look = |i: i64, value| Observed { at: i * MINUTE, value, expected: 50.0, half_width: 3.3 };
        let before: Vec<Observed> = (-100..0).map(|i| look(i, 50.0 + noise.normal())).collect();
        let mut since = Vec::new();
        let mut said: Vec<Kind> = Vec::new();
        for i in 0..samples {
            let value = 50.0 + noise.normal() + shape(i, &mut noise);
            since.push(look(i as i64, value));
            let kind = classify(said.last().copied(), &before, &since);
            said.push(kind);
        }
        said
    }

    /// The kinds in order, repetitions left out.
    fn steps(seed: u64, samples: usize, shape: impl Fn(usize, &mut Noise) -> f64) -> Vec<Kind> {
        let mut said = story(seed, samples, shape);
        said.dedup();
        said
    }

    #[test]
    fn each_shape_gets_its_name_and_keeps_it() {
        use Kind::{LevelShift, Spike, Trend, Variance};
        for seed in 0..40 {
            assert_eq!(steps(seed, 100, |i, _| if i < 4 { 20.0 } else { 0.0 }), [Spike], "spike, seed {seed}");
            assert_eq!(steps(seed, 600, |_, _| 20.0), [Spike, LevelShift], "shift, seed {seed}");
            assert_eq!(steps(seed, 600, |_, _| -8.0), [Spike, LevelShift], "small shift down, seed {seed}");
            let wild = steps(seed, 600, |_, noise| 15.0 * noise.normal());
            assert_eq!(wild.last(), Some(&Variance), "spread, seed {seed}: {wild:?}");
            assert!(wild.len() <= 4, "spread, seed {seed}: {wild:?}");
            let leak = steps(seed, 600, |i, _| 4.0 + 0.2 * i as f64);
            assert_eq!(leak.last(), Some(&Trend), "leak, seed {seed}: {leak:?}");
            assert!(leak.len() <= 3, "leak, seed {seed}: {leak:?}");
            let returned = steps(seed, 600, |i, _| if i < 100 { 20.0 } else { 0.0 });
            assert_eq!(returned, [Spike, LevelShift], "a shift that ended was one, seed {seed}");
        }
    }

    #[test]
    fn a_ramp_onto_a_plateau_becomes_a_level_shift_once() {
        for seed in 0..20 {
            let kinds = steps(seed, 1_000, |i, _| 4.0 + 0.3 * i.min(120) as f64);
            assert_eq!(kinds.last(), Some(&Kind::LevelShift), "seed {seed}: {kinds:?}");
            assert!(kinds.len() <= 4, "seed {seed}: {kinds:?}");
        }
    }

    #[test]
    fn spikes_on_one_side_now_and_then_are_no_spread() {
        for seed in 0..20 {
            let kinds = steps(seed, 400, |i, _| if i % 20 < 2 { 30.0 } else { 0.0 });
            assert_eq!(kinds, [Kind::Spike], "seed {seed}");
        }
    }

    #[test]
    fn nothing_known_before_is_no_obstacle() {
        let look = |i: i64| Observed { at: i, value: 5.0, expected: 0.0, half_width: f64::NAN };
        let since: Vec<Observed> = (0..30).map(look).collect();
        assert_eq!(classify(None, &[], &since), Kind::LevelShift);
        assert_eq!(classify(None, &[], &[]), Kind::Spike);
        let broken = Observed { at: 0, value: f64::NAN, expected: 0.0, half_width: 1.0 };
        assert_eq!(classify(None, &[broken; 20], &[broken; 20]), Kind::Spike);
    }
}
