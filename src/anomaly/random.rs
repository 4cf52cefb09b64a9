//! Seeded random numbers, the same for ever.
//!
//! The generator is PCG; the conversions to ranges are our own, so that a model fitted today is fitted again bit for bit
//! after any library has been upgraded.

use rand_pcg::Pcg32;
use rand_pcg::rand_core::Rng;

/// A stream of random numbers that is a function of its seed, its stream number and its position.
#[derive(Debug)]
pub(super) struct Dice(Pcg32);

impl Dice {
    /// The beginning of stream `stream` of `seed`.
    pub(super) fn new(seed: u64, stream: u64) -> Self {
        Self(Pcg32::new(scramble(seed), stream))
    }

    /// The stream from its draw number `position` on; costs the logarithm of `position`.
    ///
    /// A detector that draws once per row needs to store no generator: the number of the row is its state.
    pub(super) fn at(seed: u64, stream: u64, position: u64) -> Self {
        let mut dice = Self::new(seed, stream);
        dice.0.advance(position);
        dice
    }

    /// Uniform over 0..`bound`, for `bound` > 0. The bias is below `bound` / 2^32.
    pub(super) fn below(&mut self, bound: u32) -> u32 {
        ((u64::from(self.0.next_u32()) * u64::from(bound)) >> 32) as u32
    }

    /// Uniform over the multiples of 2^-24 in 0..1.
    pub(super) fn unit(&mut self) -> f32 {
        (self.0.next_u32() >> 8) as f32 * (1.0 / 16_777_216.0)
    }
}

/// Spreads seeds, so that 1, 2, 3 … start streams that have nothing in common (the finaliser of SplitMix64).
fn scramble(seed: u64) -> u64 {
    let mut bits = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_are_pinned() {
        // The first outputs of pcg32 in its reference implementation's demo, and of SplitMix64 for seed 0.
        let mut dice = Dice(Pcg32::new(42, 54));
        assert_eq!(dice.0.next_u32(), 0xa15c_02b7);
        assert_eq!(dice.below(1000), ((0x7b47_f409_u64 * 1000) >> 32) as u32);
        assert_eq!(dice.unit(), (0xba1d_3330_u32 >> 8) as f32 / 16_777_216.0);
        assert_eq!(scramble(0), 0xe220_a839_7b1d_cdaf);
    }

    #[test]
    fn a_stream_can_be_entered_anywhere() {
        let mut dice = Dice::new(3, 1);
        for position in 0..100 {
            assert_eq!(Dice::at(3, 1, position).0.next_u32(), dice.0.next_u32());
        }
    }

    #[test]
    fn ranges_are_kept_and_filled() {
        let mut dice = Dice::new(1, 1);
        let mut seen = [0_u32; 7];
        for _ in 0..7000 {
            seen[dice.below(7) as usize] += 1;
            assert!((0.0..1.0).contains(&dice.unit()));
        }
        assert!(seen.iter().all(|&n| (850..1150).contains(&n)), "{seen:?}");
    }
}
