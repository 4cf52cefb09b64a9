//! The detector of one series: from a value to features, calibrated tails, an event score and a state score.
//!
//! Five features say in which way a value is odd: range novelty `R`, residual against the daily profile `s`, the same
//! smoothed `q`, difference to the value before `d`, and window novelty `w`. Each is turned into `u = -log10 p` by its
//! own [`Tail`]. `R + s + q` make events, `s + d + w` make the state. Everything is O(1) a sample and
//! judged before it is learnt; what is learnt is clipped at four deviations, so that an incident does not teach
//! itself as normal.

use serde::{Deserialize, Serialize};

use super::{
    Cadence, Records, Seen, Tail, TailPrior,
    cadence::{PROFILE_PARTS, weight},
    novelty::Novelty,
};
use crate::signal::TimestampMs;

/// Number of features of a series.
pub const FEATURES: usize = 5;

/// The features, in the order of every array of [`FEATURES`] numbers.
pub const FEATURE_NAMES: [&str; FEATURES] =
    ["range novelty", "residual", "smoothed residual", "difference", "window novelty"];

const RANGE: usize = 0;
const RESIDUAL: usize = 1;
const SMOOTHED: usize = 2;
const DIFFERENCE: usize = 3;
const WINDOW: usize = 4;

/// Thresholds and expected excesses of the tails, in the features' own units.
const PRIORS: [TailPrior; FEATURES] = [
    TailPrior { threshold: 0.02, excess: 0.05 },
    TailPrior { threshold: 2.0, excess: 1.0 },
    TailPrior { threshold: 1.5, excess: 0.7 },
    TailPrior { threshold: 2.0, excess: 1.0 },
    TailPrior { threshold: 0.5, excess: 0.3 },
];

/// Highest contribution of one feature to an event or a state.
pub const CAP: f32 = 5.0;
/// Samples before residuals are taken, the range is trusted, and rarity counts.
const WARM_RESIDUAL: u32 = 30;
const WARM_RANGE: u32 = 50;
/// Samples before a series is judged.
pub const WARM: u32 = 100;
/// Samples before a finding may be raised about a series: cold series stay quiet.
pub const SETTLED: u32 = 300;
/// Samples that inherited knowledge counts for.
const INHERITED: u32 = 400;
/// Residuals and differences are limited to this many deviations.
const LIMIT: f64 = 30.0;
/// What is learnt is clipped to this many deviations.
const CLIP: f64 = 4.0;
/// Half-life of the smoothed residual, in samples.
const SMOOTH_SAMPLES: f64 = 6.0;
/// Half-life with which the state score falls, in samples.
const RELEASE_SAMPLES: f64 = 16.0;
/// The band is left by one sample in so many.
const BAND_ONE_IN: f32 = 1_000.0;

/// What the detector says of one sample.
#[derive(Clone, Copy, Debug)]
pub struct Judgement {
    /// `-log10 p` of each feature, not capped; all 0 while the series is too young to be judged.
    pub rarity: [f32; FEATURES],
    /// Evidence for an event: the capped sum of `R`, `s` and `q`, weighed by the forest.
    pub evidence: f32,
    /// Record score of the evidence; an event where it reaches the threshold, see [`Records::observe`].
    pub event: f32,
    /// The smooth score: capped sum of `s`, `d` and `w`, rising at once, falling with a half-life of 16 samples.
    pub state: f32,
    /// Value expected before this sample was seen: the daily profile, or the slow mean.
    pub expected: f64,
    /// Half the width of the band around it that one sample in 1,000 leaves; NaN while too young.
    pub half_width: f64,
}

/// State of one series. Feed it every finite value in order of time.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Detector {
    n: u32,
    generation: u32,
    /// First value; profile and windows are kept relative to it.
    base: f64,
    mean: f64,
    previous: f64,
    low: f64,
    high: f64,
    low_before: f64,
    high_before: f64,
    var: f64,
    var_residual: f64,
    var_difference: f64,
    smoothed: f32,
    state: f32,
    seen: Seen,
    tails: [Tail; FEATURES],
    band: f32,
    records: Records,
    profile: Vec<f32>,
    novelty: Novelty,
}

impl Detector {
    /// A detector that begins at `value`, which must still be observed.
    #[must_use]
    pub fn new(value: f64) -> Self {
        Self {
            n: 0,
            generation: 0,
            base: value,
            mean: value,
            previous: value,
            low: value,
            high: value,
            low_before: value,
            high_before: value,
            var: 0.0,
            var_residual: 0.0,
            var_difference: 0.0,
            smoothed: 0.0,
            state: 0.0,
            seen: Seen::default(),
            tails: Default::default(),
            band: f32::NAN,
            records: Records::default(),
            profile: Vec::new(),
            novelty: Novelty::default(),
        }
    }

    /// A detector for a sibling of this one's series that begins at `value`: it knows how the siblings vary, and in what
    /// rhythm, around a level of its own.
    ///
    /// What is known counts for no more than [`INHERITED`] samples, so that what the heir shows by itself soon weighs more.
    #[must_use]
    pub fn heir(&self, value: f64, cadence: &Cadence, at: TimestampMs) -> Self {
        let known = self.profile.get(cadence.part_of_day(at)).map_or(f32::NAN, |part| *part);
        let expected = if known.is_nan() { self.mean } else { self.base + f64::from(known) };
        let offset = value - expected;
        let mut heir = Self {
            n: self.n.min(INHERITED),
            generation: 0,
            base: self.base + offset,
            mean: self.mean + offset,
            low: self.low + offset,
            high: self.high + offset,
            low_before: self.low_before + offset,
            high_before: self.high_before + offset,
            smoothed: 0.0,
            state: 0.0,
            records: Records::default(),
            ..self.clone()
        };
        heir.interrupt();
        heir
    }

    /// Samples observed.
    #[must_use]
    pub fn samples(&self) -> u32 {
        self.n
    }

    /// The slow mean.
    #[must_use]
    pub fn level(&self) -> f64 {
        self.mean
    }

    /// The lowest value of the last weeks.
    #[must_use]
    pub fn lowest(&self) -> f64 {
        self.low.min(self.low_before)
    }

    /// Whether the values were ever different.
    #[must_use]
    pub fn varies(&self) -> bool {
        self.lowest() < self.high.max(self.high_before)
    }

    /// Tells that samples are missing before the next one: it does not follow its predecessor.
    pub fn interrupt(&mut self) {
        self.previous = f64::NAN;
        self.smoothed = 0.0;
        self.novelty.interrupt();
    }

    /// Bytes on the heap.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        self.profile.capacity() * size_of::<f32>() + self.novelty.heap_bytes()
    }

    /// Judges a finite value, then learns it. `weigh` gives the factor of the forest for the row of rarities; it is
    /// asked only when there is evidence to weigh, with most series one sample in ten or fewer.
    pub fn observe(
        &mut self,
        cadence: &Cadence,
        at: TimestampMs,
        value: f64,
        weigh: impl FnOnce(&[f32; FEATURES]) -> f32,
    ) -> Judgement {
        if self.profile.len() != cadence.parts as usize {
            self.profile = vec![f32::NAN; cadence.parts.min(PROFILE_PARTS) as usize];
        }
        let part = cadence.part_of_day(at);
        let known = f64::from(self.profile[part]);
        let expected = if known.is_nan() { self.mean } else { self.base + known };
        let unit = Units::of(self);
        let (residual, deviation) = (value - expected, value - self.mean);
        let difference = if self.previous.is_nan() { 0.0 } else { value - self.previous };

        let features = self.features(&unit, value, residual, difference);
        let rarity = self.rarity(&features);
        let young = self.n < WARM;
        let capped = |k: usize| rarity[k].min(CAP);
        let sum = capped(RANGE) + capped(RESIDUAL) + capped(SMOOTHED);
        let evidence = if sum > 0.0 { sum * weigh(&rarity) } else { 0.0 };
        let event = self.records.observe(self.n, evidence);
        self.hold_state(capped(RESIDUAL) + capped(DIFFERENCE) + capped(WINDOW));
        let half_width = if young { f64::NAN } else { f64::from(self.band) * unit.residual };

        self.learn(cadence, &unit, part, value, deviation, residual, difference);
        Judgement { rarity, evidence, event, state: self.state, expected, half_width }
    }

    fn features(&mut self, unit: &Units, value: f64, residual: f64, difference: f64) -> [f32; FEATURES] {
        let warm = self.n >= WARM_RESIDUAL;
        let z = if warm { (residual / unit.residual).clamp(-LIMIT, LIMIT) } else { 0.0 };
        let alpha = weight(SMOOTH_SAMPLES).max(1.0 / (f64::from(self.n) + 1.0));
        self.smoothed += (alpha * (z - f64::from(self.smoothed))) as f32;
        let beyond = (value - unit.high).max(unit.low - value).max(0.0);
        let range = if self.n >= WARM_RANGE { beyond / (0.5 * unit.level + 0.1 * unit.range + unit.tiny) } else { 0.0 };
        let window_scale = unit.level + 0.01 * self.mean.abs();
        [
            range.min(f64::from(f32::MAX)) as f32,
            z.abs() as f32,
            self.smoothed.abs(),
            if warm { (difference.abs() / unit.difference).min(LIMIT) as f32 } else { 0.0 },
            self.novelty.observe(self.n, (value - self.base) as f32, window_scale as f32),
        ]
    }

    fn rarity(&mut self, features: &[f32; FEATURES]) -> [f32; FEATURES] {
        let mut rarity = [0.0; FEATURES];
        if self.n < WARM_RESIDUAL {
            return rarity;
        }
        self.seen.advance();
        for k in 0..FEATURES {
            let u = self.tails[k].observe(self.seen, features[k], &PRIORS[k]);
            if self.n >= WARM {
                rarity[k] = u;
            }
        }
        if rarity[RESIDUAL] > 0.0 || self.n % 64 == WARM % 64 {
            self.band = self.tails[RESIDUAL].quantile(self.seen, BAND_ONE_IN, &PRIORS[RESIDUAL]);
        }
        rarity
    }

    fn hold_state(&mut self, now: f32) {
        let release = weight(RELEASE_SAMPLES) as f32;
        self.state = if now > self.state { now } else { self.state + release * (now - self.state) };
    }

    #[allow(clippy::too_many_arguments)]
    fn learn(
        &mut self,
        cadence: &Cadence,
        unit: &Units,
        part: usize,
        value: f64,
        deviation: f64,
        residual: f64,
        difference: f64,
    ) {
        let alpha = cadence.slow.max(1.0 / (f64::from(self.n) + 2.0));
        let clip = |x: f64, sigma: f64| {
            if self.n >= WARM_RESIDUAL { x.clamp(-CLIP * sigma, CLIP * sigma) } else { x }
        };
        let (l, r, d) = (clip(deviation, unit.level), clip(residual, unit.residual), clip(difference, unit.difference));
        self.mean += alpha * l;
        self.var = (1.0 - alpha) * (self.var + alpha * l * l);
        self.var_residual = (1.0 - alpha) * self.var_residual + alpha * r * r;
        self.var_difference = (1.0 - alpha) * self.var_difference + alpha * d * d;
        let slot = &mut self.profile[part];
        *slot = if slot.is_nan() { (value - self.base) as f32 } else { *slot + (cadence.profile_rate * r) as f32 };
        let generation = (f64::from(self.n) / cadence.range_generation) as u32;
        if generation != self.generation {
            self.generation = generation;
            (self.low_before, self.high_before) = (self.low, self.high);
            (self.low, self.high) = (value, value);
        }
        self.low = self.low.min(value);
        self.high = self.high.max(value);
        self.previous = value;
        self.n = self.n.saturating_add(1);
    }
}

/// Scales in force before the value at hand is learnt.
struct Units {
    low: f64,
    high: f64,
    range: f64,
    tiny: f64,
    level: f64,
    residual: f64,
    difference: f64,
}

impl Units {
    fn of(state: &Detector) -> Self {
        let (low, high) = (state.low.min(state.low_before), state.high.max(state.high_before));
        let (range, tiny) = (high - low, 1e-9 * (1.0 + state.mean.abs()));
        Self {
            low,
            high,
            range,
            tiny,
            level: state.var.sqrt().max(tiny),
            residual: state.var_residual.sqrt().max(tiny),
            difference: state.var_difference.sqrt().max(0.03 * range + tiny),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The prototype's numbers; see tests/reference/detector.py.
    const REFERENCE: &str = include_str!("../../tests/reference/detector.csv");

    #[test]
    fn scores_equal_the_reference() {
        let cadence = Cadence::of(300_000);
        let mut detector: Option<Detector> = None;
        let (mut events, mut worst_event, mut worst_state) = (0, 0.0_f64, 0.0_f64);
        for line in REFERENCE.lines().skip(2) {
            let row: Vec<f64> = line.split(',').map(|cell| cell.parse().unwrap()).collect();
            let detector = detector.get_or_insert_with(|| Detector::new(row[1]));
            let got = detector.observe(&cadence, row[0] as i64 * 1_000, row[1], |_| 1.0);
            worst_event = worst_event.max((f64::from(got.event) - row[2]).abs() / (1.0 + row[2]));
            worst_state = worst_state.max((f64::from(got.state) - row[3]).abs() / (1.0 + row[3]));
            events += usize::from(row[2] > 0.0);
        }
        assert!(events > 10, "the reference has {events} events");
        assert!(worst_event < 2e-3 && worst_state < 2e-3, "event off by {worst_event}, state by {worst_state}");
    }

    #[test]
    fn the_band_is_left_at_most_about_once_in_a_thousand() {
        let cadence = Cadence::of(60_000);
        let mut detector = Detector::new(0.0);
        let (mut left, mut judged, mut x) = (0, 0, 12_345_u64);
        for i in 0..40_000_i64 {
            let mut noise = 0.0;
            for _ in 0..12 {
                x = x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                noise += (x >> 11) as f64 / (1_u64 << 53) as f64 - 0.5;
            }
            let got = detector.observe(&cadence, i * 60_000, noise, |_| 1.0);
            if i > 5_000 {
                judged += 1;
                left += i32::from((noise - got.expected).abs() > got.half_width);
            }
        }
        let rate = f64::from(left) / f64::from(judged);
        assert!((0.000_02..0.002).contains(&rate), "{rate}");
    }

    #[test]
    fn young_and_constant_series_stay_quiet() {
        let cadence = Cadence::of(15_000);
        let mut detector = Detector::new(7.0);
        for i in 0..5_000 {
            let value = if i < i64::from(WARM) && i % 9 == 0 { 700.0 } else { 7.0 };
            let got = detector.observe(&cadence, i * 15_000, value, |_| 1.0);
            assert_eq!(got.event, 0.0, "sample {i}");
        }
    }
}
