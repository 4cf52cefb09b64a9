//! Eight bits for the size of a residual.

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

/// The size of a residual on a logarithmic scale: code `c` stands for `exp((c - 72) / 24) - 0.05`.
///
/// Steps are 4 % wide, so that small and huge residuals are kept equally well; below 0.05 they fade into absolute steps of
/// 0.002. The range is 0 to 2,000. Order is kept: a larger value never has a smaller code.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Code(pub u8);

/// Steps per factor of e.
const STEPS: f32 = 24.0;
/// Added before the logarithm is taken.
const OFFSET: f32 = 0.05;
/// Code of 0, `-24 ln 0.05` rounded.
const ZERO: f32 = 72.0;

static VALUES: LazyLock<[f32; 256]> =
    LazyLock::new(|| std::array::from_fn(|code| ((code as f32 - ZERO) / STEPS).exp() - OFFSET));

impl Code {
    /// The code nearest to `value`; the smallest for NaN and what is negative.
    #[must_use]
    pub fn of(value: f32) -> Self {
        // `max` drops NaN; the cast cuts off and saturates.
        Self(((value.max(0.0) + OFFSET).ln() * STEPS + ZERO + 0.5) as u8)
    }

    /// The value the code stands for.
    #[must_use]
    pub fn value(self) -> f32 {
        VALUES[usize::from(self.0)]
    }

    /// The smallest code that stands for `value` or more; the largest of all when there is none.
    pub(super) fn at_least(value: f32) -> Self {
        Self(VALUES.partition_point(|&v| v < value).min(255) as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_near_and_ordered() {
        let mut last = Code(0);
        for step in 0..1900 {
            let value = (step as f32 * 0.0075).exp_m1() * 1e-3;
            let code = Code::of(value);
            assert!(code >= last);
            assert!((code.value() - value).abs() <= 0.022 * (value + OFFSET), "{value} {}", code.value());
            last = code;
        }
        for code in 0..=255 {
            assert_eq!(Code::of(Code(code).value()), Code(code));
            assert_eq!(Code::at_least(Code(code).value()), Code(code));
        }
    }

    #[test]
    fn odd_values_have_codes() {
        for (value, code) in [(f32::NAN, 0), (-1.0, 0), (0.0, 0), (f32::INFINITY, 255), (1e9, 255)] {
            assert_eq!(Code::of(value), Code(code), "{value}");
        }
        assert_eq!(Code::at_least(f32::INFINITY), Code(255));
    }
}
