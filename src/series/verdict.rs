//! What vigie says of a sample, in the precision in which it is kept.

use serde::{Deserialize, Serialize};

/// Scores below are kept as 0.
const SCORE_MIN: f32 = 1.0 / 32.0;
/// Bits of an f32 that are dropped of a score: what stays is the exponent and 4 bits of mantissa.
const SCORE_DROPPED: u32 = 19;
/// A band that moved less than this share of its width, or changed its width by less, is kept as it was.
const BAND_TOLERANCE: f32 = 1.0 / 16.0;

/// What vigie said of one sample, in the precision in which it is kept.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// Value expected; NaN while the series is too young. For a counter a rate in 1/s.
    pub expected: f32,
    /// Half the width of the band around it; NaN while too young.
    pub half_width: f32,
    /// Anomaly score, 1 is the threshold.
    pub score: f32,
    /// Whether the sample lies in an episode that was raised.
    pub anomalous: bool,
}

impl Verdict {
    /// Nothing is said of the sample.
    pub const NONE: Self = Self { expected: f32::NAN, half_width: f32::NAN, score: 0.0, anomalous: false };

    /// Rounds to the precision that is kept: the width to 1 part in 64, the expected value to a 32nd of the width, the
    /// score to 1 part in 16 or better, away from 1, so that what is above or below the threshold stays there.
    #[must_use]
    pub fn new(expected: f64, half_width: f64, score: f64, anomalous: bool) -> Self {
        let width = round_mantissa(half_width as f32, 6);
        let grain = (width / 32.0).log2().floor().exp2();
        let expected = if grain.is_finite() && grain > 0.0 {
            ((expected / f64::from(grain)).round() * f64::from(grain)) as f32
        } else {
            expected as f32
        };
        Self { expected, half_width: width, score: of_level(level(score as f32)), anomalous }
    }

    /// This one, with the band that was kept last if it is about the same: a band that trembles says nothing, and one that
    /// stays costs no memory.
    #[must_use]
    pub(super) fn steadied(self, last: &Self) -> Self {
        let (moved, grown) = ((self.expected - last.expected).abs(), (self.half_width - last.half_width).abs());
        let tolerated = last.half_width * BAND_TOLERANCE;
        let is_same = (moved <= tolerated && grown <= tolerated) || (self.expected.is_nan() && last.expected.is_nan());
        if is_same { Self { expected: last.expected, half_width: last.half_width, ..self } } else { self }
    }
}

/// Rounds a number to so many bits of mantissa; NaN and infinities stay.
fn round_mantissa(x: f32, bits: u32) -> f32 {
    if !x.is_finite() {
        return x;
    }
    let drop = 23 - bits;
    let rounded = (x.to_bits() + (1 << (drop - 1))) & !((1 << drop) - 1);
    f32::from_bits(rounded)
}

/// The number of a score: 0 below [`SCORE_MIN`], and 16 to a doubling from there, away from the threshold.
pub(super) fn level(score: f32) -> u16 {
    // Also what is no number.
    if score.is_nan() || score < SCORE_MIN {
        return 0;
    }
    let up = if score > 1.0 { (1 << SCORE_DROPPED) - 1 } else { 0 };
    ((score.to_bits() - SCORE_MIN.to_bits() + up) >> SCORE_DROPPED) as u16 + 1
}

/// The least score of a level.
pub(super) fn of_level(level: u16) -> f32 {
    match level.checked_sub(1) {
        Some(steps) => f32::from_bits(SCORE_MIN.to_bits() + (u32::from(steps) << SCORE_DROPPED)),
        None => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_keeps_what_matters() {
        let v = Verdict::new(1_234.567_8, 10.3, 3.333, true);
        assert!((v.expected - 1_234.567_8).abs() < 0.2 && (v.half_width - 10.3).abs() < 0.1);
        assert!((3.333..3.54).contains(&v.score) && v.anomalous);
        assert!(Verdict::new(5.0, f64::NAN, 0.0, false).half_width.is_nan());
        assert_eq!(Verdict::new(5.25, 0.0, 0.0, false).expected, 5.25);
    }

    #[test]
    fn the_threshold_is_not_crossed_by_rounding() {
        let kept = |score: f64| Verdict::new(0.0, 1.0, score, false).score;
        assert_eq!((kept(1.0), kept(0.0), kept(f64::NAN)), (1.0, 0.0, 0.0));
        assert!(kept(0.999_999) < 1.0 && kept(1.000_001) > 1.0);
        assert_eq!(kept(f64::INFINITY), f32::INFINITY);
        for i in 1..4_000 {
            let score = f64::from(i) / 100.0;
            assert!((0.94..1.064).contains(&(f64::from(kept(score)) / score)) || score < 0.04, "{score}");
            assert_eq!(of_level(level(kept(score))), kept(score));
        }
    }

    #[test]
    fn a_band_stays_until_it_has_moved() {
        let last = Verdict::new(100.0, 16.0, 0.0, false);
        let near = Verdict::new(100.9, 15.5, 2.0, true).steadied(&last);
        assert_eq!((near.expected, near.half_width, near.score, near.anomalous), (100.0, 16.0, 2.0, true));
        let moved = Verdict::new(101.5, 16.0, 0.0, false);
        assert_eq!(moved.steadied(&last), moved);
        let constant = Verdict::new(5.0, 0.0, 0.0, false);
        assert_eq!(Verdict::new(6.0, 0.0, 0.0, false).steadied(&constant).expected, 6.0);
        assert_eq!(Verdict::new(6.0, 1.0, 0.0, false).steadied(&Verdict::NONE).expected, 6.0);
        assert!(Verdict::NONE.steadied(&last).expected.is_nan());
    }
}
