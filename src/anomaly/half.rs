//! Numbers in 16 bits: half precision, for what is learnt slowly or looked at roughly.

use serde::{Deserialize, Serialize};

/// A finite number in the binary16 format: 11 significant bits, at most ±65,504, steps of 6e-8 near 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Half(u16);

/// 2^112, the ratio of the two formats' smallest exponents, and its inverse.
const UP: f32 = f32::from_bits((127 + 112) << 23);
const DOWN: f32 = f32::from_bits((127 - 112) << 23);
const MAX: f32 = 65_504.0;

impl Half {
    /// The nearest number; beyond the range its end; for NaN any.
    pub(super) fn of(x: f32) -> Self {
        let bits = (x.clamp(-MAX, MAX) * DOWN).to_bits();
        // Half a unit in the last place of 10 fraction bits, where f32 has 23.
        let magnitude = ((bits & 0x7fff_ffff) + 0x0fff + (bits >> 13 & 1)) >> 13;
        Self((bits >> 16 & 0x8000 | magnitude) as u16)
    }

    pub(super) fn get(self) -> f32 {
        let bits = u32::from(self.0);
        f32::from_bits((bits & 0x8000) << 16 | (bits & 0x7fff) << 13) * UP
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back_as_near_as_eleven_bits_allow() {
        for exponent in -14..15 {
            for k in 0..100 {
                let x = 2f32.powi(exponent) * (1.0 + 0.009_7 * k as f32);
                assert!((Half::of(x).get() - x).abs() <= x / 2_048.0, "{x}");
                assert_eq!(Half::of(-x).get(), -Half::of(x).get());
            }
        }
        assert_eq!(Half::of(0.0).get(), 0.0);
        assert_eq!(Half::of(1.0), Half(0x3c00));
        assert_eq!(Half::of(6e-8), Half(1));
    }

    #[test]
    fn every_code_of_a_finite_number_is_its_own() {
        for code in (0..0x7c00).chain(0x8000..0xfc00) {
            assert_eq!(Half::of(Half(code).get()), Half(code));
        }
    }

    #[test]
    fn what_does_not_fit_becomes_the_end_of_the_range() {
        assert_eq!(Half::of(f32::INFINITY).get(), 65_504.0);
        assert_eq!(Half::of(-1e30).get(), -65_504.0);
        assert!(Half::of(f32::NAN).get().is_finite());
    }
}
