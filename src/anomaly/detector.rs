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
    novelty::Novelty,
    profile::Profile,
    range::{Range, clip, narrow, round_up},
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
/// Evidence from which a sample may be the first of an incident.
const REMARKABLE: f32 = 5.0;
/// Samples that inherited knowledge counts for.
const INHERITED: u32 = 400;
/// Residuals and differences are limited to this many deviations.
const LIMIT: f64 = 30.0;
/// What is learnt is clipped to this many deviations.
const CLIP: f64 = 4.0;
/// Weight of the newest sample in the smoothed residual: half-life of 6 samples.
const SMOOTH: f32 = 0.109_101_28;
/// Weight of the newest sample in the state score when it falls: half-life of 16 samples.
const RELEASE: f32 = 0.042_396_72;
/// The base follows the mean when it is this many deviations away.
const BASE_NEAR: f64 = 4.0;
/// What lies further from the base is taken to be this far: squares and sums stay finite.
const OFFSET_MAX: f64 = 1e37;
/// Greatest unit of distances between windows.
const UNIT_MAX: f64 = 1e30;
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
    /// The value minus the expected one in deviations of such residuals, at most 30 either way; 0 while too young.
    pub z: f32,
    /// Standard deviation of the values of about a day, in the value's own units.
    pub level_unit: f64,
}

/// State of one series: 208 bytes, and up to 192 more on the heap. Feed it every finite value in order of time.
///
/// Values are kept in f32 relative to `base`, which stays near the mean, so that large values with small changes lose
/// nothing: an error is at most 6e-8 of the range.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Detector {
    base: f64,
    n: u32,
    /// Power of two at or above the usual size of differences, in which profile and windows are kept.
    unit: f32,
    mean: f32,
    /// NaN if the next value does not follow it.
    previous: f32,
    range: Range,
    level: f32,
    residual: f32,
    difference: f32,
    smoothed: f32,
    state: f32,
    seen: Seen,
    tails: [Tail; FEATURES],
    band: f32,
    records: Records,
    profile: Profile,
    novelty: Novelty,
}

impl Detector {
    /// Has what it keeps elsewhere brought near.
    pub fn prefetch(&self) {
        self.profile.prefetch();
        self.novelty.prefetch();
    }

    /// A detector that begins at `value`, which must still be observed.
    #[must_use]
    pub fn new(value: f64) -> Self {
        Self {
            base: value,
            n: 0,
            unit: 0.0,
            mean: 0.0,
            previous: 0.0,
            range: Range::default(),
            level: 0.0,
            residual: 0.0,
            difference: 0.0,
            smoothed: 0.0,
            state: 0.0,
            seen: Seen::default(),
            tails: Default::default(),
            band: f32::NAN,
            records: Records::default(),
            profile: Profile::default(),
            novelty: Novelty::default(),
        }
    }

    /// A detector for a sibling of this one's series that begins at `value`: it knows how the siblings vary, and in what
    /// rhythm, around a level of its own.
    ///
    /// What is known counts for no more than 400 samples, so that what the heir shows by itself soon weighs more.
    #[must_use]
    pub fn heir(&self, value: f64, at: TimestampMs) -> Self {
        let mut heir =
            Self { n: self.n.min(INHERITED), smoothed: 0.0, state: 0.0, records: Records::default(), ..self.clone() };
        let expected = heir.base + f64::from(heir.profile.enter(Cadence::part_of_day(at), heir.unit));
        heir.base += value - expected;
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
        self.base + f64::from(self.mean)
    }

    /// The lowest value of the last weeks.
    #[must_use]
    pub fn lowest(&self) -> f64 {
        self.base + f64::from(self.range.lowest())
    }

    /// Whether the values were ever different.
    #[must_use]
    pub fn varies(&self) -> bool {
        self.range.lowest() < self.range.highest()
    }

    /// Tells that samples are missing before the next one: it does not follow its predecessor.
    pub fn interrupt(&mut self) {
        self.previous = f32::NAN;
        self.smoothed = 0.0;
        self.novelty.interrupt();
    }

    /// Bytes on the heap.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        self.profile.heap_bytes() + self.novelty.heap_bytes()
    }

    /// Judges a finite value, then learns it. `weigh` gives the factor of the forest for the row of rarities; it is
    /// asked only when there is evidence to weigh, with most series one sample in ten or fewer. Where the evidence is
    /// remarkable, `spare` receives the detector as it is before it learns the value, unless one is there already.
    pub fn observe(
        &mut self,
        cadence: &Cadence,
        at: TimestampMs,
        value: f64,
        weigh: impl FnOnce(&[f32; FEATURES]) -> f32,
        spare: &mut Option<Box<Self>>,
    ) -> Judgement {
        let unit = self.follow_scale();
        let expected = f64::from(self.profile.enter(Cadence::part_of_day(at), self.unit));
        let offset = clip(value - self.base, OFFSET_MAX);
        let now = Sample {
            offset,
            deviation: offset - f64::from(self.mean),
            residual: offset - expected,
            difference: if self.previous.is_nan() { 0.0 } else { offset - f64::from(self.previous) },
        };
        let z = if self.n < WARM_RESIDUAL { 0.0 } else { clip(now.residual / unit.residual, LIMIT) as f32 };
        let features = self.features(&unit, &now, z);
        let rarity = self.rarity(&features);
        let capped = |k: usize| rarity[k].min(CAP);
        let sum = capped(RANGE) + capped(RESIDUAL) + capped(SMOOTHED);
        let evidence = if sum > 0.0 { sum * weigh(&rarity) } else { 0.0 };
        let event = self.records.observe(self.n, evidence);
        self.hold_state(capped(RESIDUAL) + capped(DIFFERENCE) + capped(WINDOW));
        let half_width = if self.n < WARM { f64::NAN } else { f64::from(self.band) * unit.residual };

        if evidence >= REMARKABLE && spare.is_none() {
            *spare = Some(Box::new(self.clone()));
        }
        self.learn(cadence, &unit, &now);
        let expected = self.base + expected;
        Judgement { rarity, evidence, event, state: self.state, expected, half_width, z, level_unit: unit.level }
    }

    /// The scales in force; base and unit of what is kept follow them.
    fn follow_scale(&mut self) -> Units {
        let unit = Units::of(self);
        let scale = unit.window as f32;
        let near = f64::from(self.mean.abs()) <= BASE_NEAR * unit.level;
        if near && (0.75 * scale..=3.0 * scale).contains(&self.unit) {
            return unit;
        }
        let base = if near { self.base } else { self.base + f64::from(self.mean) };
        let new = scale.log2().ceil().exp2();
        let (shift, units) = (narrow(base - self.base), (self.unit, new));
        self.mean -= shift;
        self.previous -= shift;
        self.range.rebase(self.base, base);
        self.profile.rebase(shift, units);
        self.novelty.rebase(shift, units);
        (self.base, self.unit) = (base, new);
        Units::of(self)
    }

    fn features(&mut self, unit: &Units, now: &Sample, z: f32) -> [f32; FEATURES] {
        let warm = self.n >= WARM_RESIDUAL;
        self.smoothed += SMOOTH.max(1.0 / (self.n as f32 + 1.0)) * (z - self.smoothed);
        let beyond = (now.offset - unit.high).max(unit.low - now.offset).max(0.0);
        let range = if self.n >= WARM_RANGE { beyond / (0.5 * unit.level + 0.1 * unit.range + unit.tiny) } else { 0.0 };
        [
            narrow(range),
            z.abs(),
            self.smoothed.abs(),
            if warm { (now.difference.abs() / unit.difference).min(LIMIT) as f32 } else { 0.0 },
            self.novelty.observe(self.n, narrow(now.offset), self.unit, unit.window as f32),
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
        self.state = if now > self.state { now } else { self.state + RELEASE * (now - self.state) };
    }

    fn learn(&mut self, cadence: &Cadence, unit: &Units, now: &Sample) {
        let alpha = cadence.slow.max(1.0 / (f64::from(self.n) + 2.0));
        let limit = |sigma: f64| if self.n >= WARM_RESIDUAL { CLIP * sigma } else { f64::INFINITY };
        let deviation = clip(now.deviation, limit(unit.level));
        let residual = clip(now.residual, limit(unit.residual));
        let difference = clip(now.difference, limit(unit.difference));
        let square = |sigma: f32| f64::from(sigma) * f64::from(sigma);
        self.mean += (alpha * deviation) as f32;
        self.level = narrow(((1.0 - alpha) * (square(self.level) + alpha * deviation * deviation)).sqrt());
        let blend = |sigma: f32, x: f64| narrow(((1.0 - alpha) * square(sigma) + alpha * x * x).sqrt());
        self.residual = blend(self.residual, residual);
        self.difference = blend(self.difference, difference);
        let offset = narrow(now.offset);
        self.profile.learn(offset, (cadence.profile_rate * residual) as f32);
        let next_generation = self.n > 0 && self.n.is_multiple_of(cadence.range_generation);
        self.range.learn(round_up(now.offset), next_generation);
        self.previous = offset;
        self.n = self.n.saturating_add(1);
    }
}

/// A sample relative to the base, and to what was expected of it.
struct Sample {
    offset: f64,
    deviation: f64,
    residual: f64,
    difference: f64,
}

/// Scales in force before the value at hand is learnt; the bounds are relative to the base.
struct Units {
    low: f64,
    high: f64,
    range: f64,
    tiny: f64,
    level: f64,
    residual: f64,
    difference: f64,
    window: f64,
}

impl Units {
    fn of(state: &Detector) -> Self {
        let (low, high) = (f64::from(state.range.lowest()), f64::from(state.range.highest()));
        let mean = (state.base + f64::from(state.mean)).abs();
        let (range, tiny) = (high - low, 1e-9 * (1.0 + mean));
        let level = f64::from(state.level).max(tiny);
        Self {
            low,
            high,
            range,
            tiny,
            level,
            residual: f64::from(state.residual).max(tiny),
            difference: f64::from(state.difference).max(0.03 * range + tiny),
            window: (level + 0.01 * mean).min(UNIT_MAX),
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
            let got = detector.observe(&cadence, row[0] as i64 * 1_000, row[1], |_| 1.0, &mut None);
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
            let got = detector.observe(&cadence, i * 60_000, noise, |_| 1.0, &mut None);
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
            let got = detector.observe(&cadence, i * 15_000, value, |_| 1.0, &mut None);
            assert_eq!(got.event, 0.0, "sample {i}");
        }
    }

    /// Standard normal, near enough.
    fn noise(seed: &mut u64) -> f64 {
        (0..12).fold(-6.0, |sum, _| {
            *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            sum + (*seed >> 11) as f64 / (1_u64 << 53) as f64
        })
    }

    #[test]
    fn constants_are_the_half_lives() {
        let weight = |half_life: f64| 1.0 - 0.5_f64.powf(1.0 / half_life);
        assert!((f64::from(SMOOTH) - weight(6.0)).abs() < 1e-8 && (f64::from(RELEASE) - weight(16.0)).abs() < 1e-8);
    }

    #[test]
    fn small_changes_of_large_values_are_seen_as_well() {
        let cadence = Cadence::of(300_000);
        let (mut plain, mut far, mut seed) = (Detector::new(0.0), Detector::new(0.0), 1);
        for i in 0..30_000_i64 {
            let value = 1e6 * noise(&mut seed);
            let first = if i == 0 { 0.0 } else { 1e12 };
            let a = plain.observe(&cadence, i * 300_000, value, |_| 1.0, &mut None);
            let b = far.observe(&cadence, i * 300_000, first + value, |_| 1.0, &mut None);
            if i > 25_000 {
                assert!((a.z - b.z).abs() < 0.02, "sample {i}: {} {}", a.z, b.z);
                assert!((a.level_unit / b.level_unit - 1.0).abs() < 0.01, "{} {}", a.level_unit, b.level_unit);
            }
        }
    }

    #[test]
    fn what_was_never_negative_stays_so() {
        let cadence = Cadence::of(15_000);
        let (mut detector, mut seed) = (Detector::new(0.3), 2);
        for i in 0..20_000 {
            let value = 1e7 * (i % 5_000) as f64 * (0.1 * noise(&mut seed)).max(0.0);
            detector.observe(&cadence, i * 15_000, value, |_| 1.0, &mut None);
            assert!(detector.lowest() >= 0.0);
        }
        detector.observe(&cadence, 0, -1.0, |_| 1.0, &mut None);
        assert!(detector.lowest() <= -0.99);
    }

    #[test]
    fn no_value_is_too_large() {
        let cadence = Cadence::of(15_000);
        let mut detector = Detector::new(-1e150);
        for i in 0..3_000_i64 {
            let value = if i < 1_000 { 1e150 * (i % 3 - 1) as f64 } else { (i % 7) as f64 };
            let got = detector.observe(&cadence, i * 15_000, value, |_| 1.0, &mut None);
            assert!(got.evidence.is_finite() && got.event.is_finite() && got.state.is_finite() && got.z.is_finite());
            assert!(got.expected.is_finite() && got.level_unit.is_finite() && !got.half_width.is_infinite());
        }
    }

    /// Everything a series can have: season, noise, bursts, steps.
    fn rich(i: i64, seed: &mut u64) -> f64 {
        let burst = if i / 9 % 41 == 0 { 300.0 * noise(seed).abs() } else { 0.0 };
        1e4 + 80.0 * (i as f64 / 917.0).sin() + 10.0 * noise(seed) + burst + 500.0 * (i / 4_000 % 2) as f64
    }

    #[test]
    fn the_state_is_small() {
        let cadence = Cadence::of(15_000);
        let (mut rich_one, mut constant, mut seed) = (Detector::new(1e4), Detector::new(7.0), 3);
        for i in 0..30_000 {
            rich_one.observe(&cadence, i * 15_000, rich(i, &mut seed), |_| 1.0, &mut None);
            constant.observe(&cadence, i * 15_000, 7.0, |_| 1.0, &mut None);
        }
        assert_eq!(size_of::<Detector>(), 208);
        assert_eq!(rich_one.heap_bytes(), 192);
        assert_eq!(constant.heap_bytes(), 12);
    }

    #[test]
    fn a_restored_detector_goes_on_and_a_damaged_one_does_not_panic() {
        let cadence = Cadence::of(15_000);
        let (mut detector, mut seed) = (Detector::new(1e4), 4);
        for i in 0..8_000 {
            detector.observe(&cadence, i * 15_000, rich(i, &mut seed), |_| 1.0, &mut None);
        }
        let bytes = postcard::to_stdvec(&detector).unwrap();
        let mut restored: Detector = postcard::from_bytes(&bytes).unwrap();
        for i in 8_000..12_000 {
            let value = rich(i, &mut seed);
            let [a, b] =
                [&mut detector, &mut restored].map(|d| d.observe(&cadence, i * 15_000, value, |_| 1.0, &mut None));
            assert_eq!(format!("{a:?}"), format!("{b:?}"));
        }
        let mut broken = 0;
        for place in 0..bytes.len() {
            for flip in [0x01, 0x80, 0xff] {
                let mut bytes = bytes.clone();
                bytes[place] ^= flip;
                let Ok(mut detector) = postcard::from_bytes::<Detector>(&bytes) else { continue };
                broken += 1;
                for i in 0..40 {
                    detector.observe(&cadence, i * 200_000, rich(i, &mut seed), |_| 1.0, &mut None);
                }
            }
        }
        assert!(broken > 500, "{broken} were read");
    }
}
