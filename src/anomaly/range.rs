//! The values seen lately: least and greatest, in f32 relative to the detector's base.

use serde::{Deserialize, Serialize};

/// Least and greatest value of the current generation and the one before, rounded up, so that what was never negative
/// stays so.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(super) struct Range {
    low: f32,
    high: f32,
    low_before: f32,
    high_before: f32,
}

impl Range {
    pub(super) fn lowest(&self) -> f32 {
        self.low.min(self.low_before)
    }

    pub(super) fn highest(&self) -> f32 {
        self.high.max(self.high_before)
    }

    /// Takes a value, see [`round_up`]; with a new generation the one before the last is forgotten.
    pub(super) fn learn(&mut self, value: f32, next_generation: bool) {
        if next_generation {
            *self = Self { low: value, high: value, low_before: self.low, high_before: self.high };
        }
        self.low = self.low.min(value);
        self.high = self.high.max(value);
    }

    /// Follows a base that moved.
    pub(super) fn rebase(&mut self, old: f64, new: f64) {
        for bound in [&mut self.low, &mut self.high, &mut self.low_before, &mut self.high_before] {
            *bound = round_up(old + f64::from(*bound) - new);
        }
    }
}

/// `x` limited to `-limit..=limit`; NaN becomes the lower end.
pub(super) fn clip(x: f64, limit: f64) -> f64 {
    x.max(-limit).min(limit)
}

/// The nearest finite f32.
pub(super) fn narrow(x: f64) -> f32 {
    clip(x, f64::from(f32::MAX)) as f32
}

/// The least finite f32 that is not below.
pub(super) fn round_up(x: f64) -> f32 {
    let near = narrow(x);
    if f64::from(near) < x && near < f32::MAX { near.next_up() } else { near }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_is_forgotten_after_two_generations() {
        let mut range = Range::default();
        range.learn(-3.0, false);
        range.learn(1.0, true);
        assert_eq!((range.lowest(), range.highest()), (-3.0, 1.0));
        range.learn(2.0, true);
        assert_eq!((range.lowest(), range.highest()), (1.0, 2.0));
    }

    #[test]
    fn rounding_never_goes_below() {
        for x in [0.1, -0.1, 1e12 + 1.0, -1e12 - 1.0, 1e-50, 0.0] {
            let up = round_up(x);
            assert!(f64::from(up) >= x && f64::from(up.next_down()) < x, "{x}");
        }
        assert_eq!(round_up(1e300), f32::MAX);
        assert_eq!(round_up(-1e300), f32::MIN);
    }
}
