//! Isolation forests: how few random cuts set a row apart from the others.
//!
//! A tree cuts a small sample of rows at random places of random features until every row stands alone. Rows that are few
//! and different are alone after few cuts, so the mean depth over many trees, against what is usual for the sample's
//! size, is a score that needs no distance and no distribution (Liu, Ting, Zhou: *Isolation Forest*, ICDM 2008, and
//! *Isolation-Based Anomaly Detection*, TKDD 2012).
//!
//! Two forests share one way of growing trees:
//!
//! - [`Forest`] scores many rows of `f32` at a time, as fast as the processor's vector units can.
//! - [`HullForest`] is a few KiB for one workload, over 8-bit [codes](Code), and keeps growing the score of a row the
//!   further it lies outside what was seen; in the plain forest every row beyond the sample's edge scores the same.
//!
//! Both keep every tree as a complete binary tree in breadth-first order: the children of slot `i` are `2i` and
//! `2i + 1`, a leaf above the depth limit is repeated in all slots below it, and a walk is the same number of steps for
//! every row, without a branch.

mod batch;
mod code;
mod cuts;
mod grow;
mod hull;
mod layout;
mod portable;
#[cfg(target_arch = "x86_64")]
mod simd;
#[cfg(test)]
mod tests;

use thiserror::Error;

pub use batch::Forest;
pub use code::Code;
pub use hull::HullForest;
#[doc(hidden)]
pub use layout::Layout;

/// Most features a row can have: a node keeps its feature in one byte.
pub const FEATURES_MAX: usize = 256;

/// Largest sample of a tree; deeper trees gain nothing and their complete layout doubles with every level.
pub const SAMPLE_SIZE_MAX: usize = 4096;

/// How a forest is grown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ForestParams {
    /// Number of trees, at least 1. The paper's 100 suffices; the score's spread between seeds falls with its root.
    pub trees: usize,
    /// Rows each tree is grown on, drawn without repetition, 1 to [`SAMPLE_SIZE_MAX`]; all rows when there are fewer.
    /// The paper's 256.
    pub sample_size: usize,
    /// Same rows, same parameters, same seed: the same forest, bit for bit.
    pub seed: u64,
}

impl Default for ForestParams {
    fn default() -> Self {
        Self { trees: 100, sample_size: 256, seed: 1 }
    }
}

impl ForestParams {
    fn check(&self) -> Result<(), ForestError> {
        if self.trees == 0 {
            return Err(ForestError::NoTrees);
        }
        if !(1..=SAMPLE_SIZE_MAX).contains(&self.sample_size) {
            return Err(ForestError::SampleSize { got: self.sample_size });
        }
        Ok(())
    }
}

/// Why a forest cannot be grown or restored.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ForestError {
    /// [`ForestParams::trees`] is 0.
    #[error("a forest needs at least one tree")]
    NoTrees,
    /// [`ForestParams::sample_size`] is out of range.
    #[error("sample size {got} is not within 1 to {SAMPLE_SIZE_MAX}")]
    SampleSize {
        /// The size asked for.
        got: usize,
    },
    /// The number of features is out of range.
    #[error("{got} features are not within 1 to {FEATURES_MAX}")]
    Features {
        /// The number asked for.
        got: usize,
    },
    /// The values do not make up whole rows.
    #[error("{values} values are not whole rows of {features} features")]
    Ragged {
        /// Length of the slice.
        values: usize,
        /// Values in a row.
        features: usize,
    },
    /// There is not exactly one weight, finite and not negative, for each feature, with a sum above 0.
    #[error("the weights do not suit the features")]
    Weights,
    /// A stored forest is not one that this code wrote.
    #[error("stored forest is damaged: {0}")]
    Damaged(&'static str),
}

/// Mean depth at which a search in a binary tree of `n` random keys fails, the yardstick of a path's length:
/// `c(n) = 2 H(n-1) - 2 (n-1)/n` with the harmonic number H, 0 for `n` below 2 (paper, equation 1).
///
/// Exact for `n` up to 64; above by `H(k) = ln k + γ + 1/(2k)`, off by less than 1e-4.
#[must_use]
pub fn usual_path(n: usize) -> f64 {
    if n < 2 {
        return 0.0;
    }
    let k = (n - 1) as f64;
    let harmonic = if n <= 64 { (1..n).map(|i| 1.0 / i as f64).sum() } else { k.ln() + EULER_GAMMA + 0.5 / k };
    2.0 * harmonic - 2.0 * k / n as f64
}

/// `2^-x` for `x` of at least 0, within 2e-7 of itself, the same on every processor and without a branch.
#[inline]
fn half_to(x: f32) -> f32 {
    // Added to a number, 1.5 * 2^23 leaves the nearest integer in the low bits.
    let rounded = x.min(126.0) + 12_582_912.0;
    let rest = (rounded - 12_582_912.0 - x.min(126.0)) * std::f32::consts::LN_2;
    // The series of e^rest, highest power first; `rest` is at most ln 2 / 2.
    let series = [1.0 / 5040.0, 1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0];
    let fraction = series.iter().fold(0.0, |sum, term| sum * rest + term);
    let exponent = 127_u32.wrapping_sub(rounded.to_bits()) & 0xff;
    fraction * f32::from_bits(exponent << 23)
}

/// The Euler–Mascheroni constant.
const EULER_GAMMA: f64 = 0.577_215_664_901_532_9;

/// Levels of a tree over `sample` rows: ⌈log2 `sample`⌉, the depth of a perfectly balanced tree, and 1 at least.
fn depth_limit(sample: usize) -> u32 {
    sample.next_power_of_two().trailing_zeros().max(1)
}

/// Part of a path's credit that is given out in a tree where the row came to rest after `depth` cuts.
///
/// It is `1/depth - 1/(limit + 1)`, after Carletti et al., *Interpretable Anomaly Detection with DIFFI* (2019), where it
/// is `1/depth - 1/limit`. The paper's is 0 in every tree for a row in the middle of the crowd, which would leave
/// nothing to share out.
fn credit(depth: u32, limit: u32) -> f32 {
    1.0 / depth as f32 - 1.0 / (limit + 1) as f32
}

/// Gives `weight` times a tree's credit to the features cut on a row's path, each with the part of the sample, in 255ths,
/// that its cut took away from the row.
fn share_out(path: &[(u8, u8)], limit: u32, weight: f32, shares: &mut [f32]) {
    for &(feature, taken_away) in path {
        shares[usize::from(feature)] += weight * credit(path.len() as u32, limit) * (f32::from(taken_away) / 255.0);
    }
}

/// Scales `shares` to a sum of 1; equal shares when nothing was shared out.
fn normalise(shares: &mut [f32]) {
    let total: f32 = shares.iter().sum();
    let equal = 1.0 / shares.len() as f32;
    for share in shares {
        *share = if total > 0.0 { *share / total } else { equal };
    }
}
