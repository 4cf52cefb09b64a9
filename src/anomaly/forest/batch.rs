//! The plain isolation forest, laid out to score many rows at a time.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::cuts::{Cuts, NEVER, code};
use super::grow::{self, Grower, Split};
use super::layout::{LANES, Layout, SLOTS_MIN, Trees};
use super::{
    FEATURES_MAX, ForestError, ForestParams, SAMPLE_SIZE_MAX, depth_limit, half_to, normalise, portable, share_out,
    usual_path,
};

/// Rows that are scored together: one tree after the other walks all of them while it is in the nearest cache.
const BLOCK: usize = 1024;

/// Groups of a block.
const GROUPS: usize = BLOCK / LANES;

/// Most trees whose path codes add up within 16 bits.
const TREES_AT_ONCE: usize = 256;

/// An isolation forest over rows of `f32` (Liu, Ting, Zhou 2008).
///
/// The score of a row is `2^(-E[h] / c(sample))` in 0..1, with E\[h\] its mean path length over the trees and
/// [`c`](usual_path) the usual one: near 1 for rows that are few and different, 0.5 and below for the crowd.
///
/// - **NaN** counts as a value below every cut, in fitting and in scoring; it never panics. ±∞ is scored as what it is
///   and fitted as the largest finite number.
/// - **Constant features** are never cut. When no row can be told from another (no rows, one row, duplicates only) every
///   row scores 0.5: the forest has nothing to say.
/// - A row beyond the range of the fitted ones scores as the outermost of them; [`HullForest`](super::HullForest) does
///   not have this limit.
///
/// Everything is a byte, so that vector units can look up and compare 32 or 64 rows in one instruction: a feature is cut
/// at no more than 255 places, near ones being merged after growing, and path lengths are kept in 255 steps. The score is
/// a function of integers and the same on every processor.
///
/// Memory: 4 bytes for each of `trees * 2^⌈log2 sample_size⌉` slots, 256 a tree at least, and 1 KiB a feature: 108 KiB for
/// 100 trees of 256 over 8 features.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct Forest {
    features: usize,
    trees: usize,
    /// Rows each tree was grown on.
    sample: usize,
    /// Path length that code 255 stands for; the others in proportion.
    longest: f32,
    cuts: Cuts,
    /// For each tree `slots` nodes by slot; slot 0 is not used. This is the feature that is cut.
    node_features: Vec<u8>,
    /// Greater codes of the feature go right; [`NEVER`] below a leaf.
    node_cuts: Vec<i8>,
    /// Share of the sample's rows that went left, in 255ths.
    node_lefts: Vec<u8>,
    /// For each tree as many codes of path lengths, by leaf slot less the first.
    paths: Vec<u8>,
}

impl Forest {
    /// Grows a forest on `rows`, one after the other, `features` values each. Time: 3 ms for 100 trees of 256.
    ///
    /// # Errors
    ///
    /// If the parameters are out of range or the values are not whole rows. Having no or few rows is not an error.
    pub fn fit(rows: &[f32], features: usize, params: &ForestParams) -> Result<Self, ForestError> {
        params.check()?;
        let count = count_rows(rows.len(), features)?;
        let (trees, sample) = (params.trees, params.sample_size.min(count));
        let slots = slots(sample);
        let weights = vec![1.0; features];
        let mut grower = Grower::new(count, sample, &weights, params.seed);
        let mut lengths = vec![0.0; trees * slots];
        let mut splits = Vec::new();
        for (tree, lengths) in lengths.chunks_exact_mut(slots).enumerate() {
            grower.grow(&mut Growing { first: tree * slots, splits: &mut splits, lengths }, |row, feature| {
                rows[row * features + feature].clamp(f32::MIN, f32::MAX)
            });
        }

        let cuts = Cuts::choose(features, splits.iter().map(|(_, split)| split));
        let (mut node_features, mut node_lefts) = (vec![0; lengths.len()], vec![0; lengths.len()]);
        let mut node_cuts = vec![NEVER; lengths.len()];
        for (at, split) in splits {
            node_features[at] = split.feature;
            node_cuts[at] = cuts.nearest(split.feature, split.cut);
            node_lefts[at] = split.left;
        }
        let longest = lengths.iter().copied().fold(1.0, f32::max);
        let paths = lengths.iter().enumerate().map(|(at, length)| {
            // Rounded up in some trees and down in the others, evenly, so that the mean over the trees is not off.
            let round = ((at / slots) as f32 + 0.5) / trees as f32;
            (length / longest * 255.0 + round) as u8
        });
        let paths = paths.collect();
        Ok(Self { features, trees, sample, longest, cuts, node_features, node_cuts, node_lefts, paths })
    }

    /// Values in a row.
    #[must_use]
    pub fn features(&self) -> usize {
        self.features
    }

    /// Rows each tree was grown on; less than asked for when there were fewer.
    #[must_use]
    pub fn sample_size(&self) -> usize {
        self.sample
    }

    /// Bytes the forest takes.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        size_of::<Self>()
            + self.cuts.size_bytes()
            + self.node_features.capacity()
            + self.node_cuts.capacity()
            + self.node_lefts.capacity()
            + self.paths.capacity()
    }

    /// Scores one row; the same number as [`score_batch`](Self::score_batch) gives it.
    ///
    /// # Panics
    ///
    /// If `row` does not have [`features`](Self::features) values.
    #[must_use]
    pub fn score(&self, row: &[f32]) -> f32 {
        let codes = self.encode(row);
        self.scale()(portable::path_sum(&self.trees(0..self.trees), &codes))
    }

    /// Scores `rows`, one after the other, into `out`.
    ///
    /// # Panics
    ///
    /// If `rows` does not have [`features`](Self::features) values for each element of `out`.
    pub fn score_batch(&self, rows: &[f32], out: &mut [f32]) {
        self.score_batch_by(Layout::best(), rows, out);
    }

    /// [`score_batch`](Self::score_batch) with a given layout, as far as it is available and fits the forest.
    #[doc(hidden)]
    pub fn score_batch_by(&self, layout: Layout, rows: &[f32], out: &mut [f32]) {
        assert_eq!(rows.len(), out.len() * self.features, "values in the rows");
        let (features, scale) = (self.features, self.scale());
        let mut values = [[0.0; LANES]; GROUPS];
        let mut columns = vec![[0; LANES]; (GROUPS - 1) * features + FEATURES_MAX];
        for (rows, out) in rows.chunks(BLOCK * features).zip(out.chunks_mut(BLOCK)) {
            let groups = out.len().div_ceil(LANES);
            for (feature, table) in self.cuts.tables().iter().enumerate() {
                for (value, row) in values.as_flattened_mut().iter_mut().zip(rows.chunks_exact(features)) {
                    *value = row[feature];
                }
                layout.encode(table, &values[..groups], columns.iter_mut().skip(feature).step_by(features));
            }
            let mut sums = [[0_u32; LANES]; GROUPS];
            for first in (0..self.trees).step_by(TREES_AT_ONCE) {
                let trees = self.trees(first..self.trees.min(first + TREES_AT_ONCE));
                let mut part = [[0; LANES]; GROUPS];
                layout.add_paths(&trees, &columns, features, &mut part[..groups]);
                for (sum, part) in sums.as_flattened_mut().iter_mut().zip(part.as_flattened()) {
                    *sum += u32::from(*part);
                }
            }
            for (score, sum) in out.iter_mut().zip(sums.as_flattened()) {
                *score = scale(*sum);
            }
        }
    }

    /// Share of each feature in a row's isolation, into `shares`; they sum to 1.
    ///
    /// In each tree the features cut on the row's path get credit, the more the sooner the row came to rest and the
    /// larger the part of the sample that a cut took away from it (DIFFI's idea, Carletti et al. 2019, with the side the
    /// row went to in the place of the larger side). Equal shares when the forest cuts nothing.
    ///
    /// # Panics
    ///
    /// If `row` or `shares` does not have [`features`](Self::features) values.
    pub fn attribute(&self, row: &[f32], shares: &mut [f32]) {
        assert_eq!(shares.len(), self.features, "shares");
        shares.fill(0.0);
        let codes = self.encode(row);
        let limit = depth_limit(self.sample);
        let mut path = Vec::with_capacity(limit as usize);
        for first in (0..self.paths.len()).step_by(slots(self.sample)) {
            path.clear();
            let mut slot = 1;
            while slot < 1 << limit && self.node_cuts[first + slot] != NEVER {
                let (feature, left) = (self.node_features[first + slot], self.node_lefts[first + slot]);
                let goes_right = codes[usize::from(feature)] > self.node_cuts[first + slot];
                path.push((feature, if goes_right { left } else { 255 - left }));
                slot = 2 * slot + usize::from(goes_right);
            }
            share_out(&path, limit, 1.0, shares);
        }
        normalise(shares);
    }

    /// The codes of a row; what is behind its values is not used.
    fn encode(&self, row: &[f32]) -> [i8; FEATURES_MAX] {
        assert_eq!(row.len(), self.features, "values in a row");
        let mut codes = [0; FEATURES_MAX];
        for (code_of, (table, value)) in codes.iter_mut().zip(self.cuts.tables().iter().zip(row)) {
            *code_of = code(table, *value);
        }
        codes
    }

    fn trees(&self, range: std::ops::Range<usize>) -> Trees<'_> {
        let slots = slots(self.sample);
        let range = range.start * slots..range.end * slots;
        Trees {
            slots,
            features: &self.node_features[range.clone()],
            cuts: &self.node_cuts[range.clone()],
            paths: &self.paths[range],
        }
    }

    /// Whether all parts fit together, so that nothing can panic later.
    fn check(&self) -> Result<(), ForestError> {
        let Self { features, trees, sample, longest, ref cuts, .. } = *self;
        count_rows(0, features)?;
        if trees == 0 {
            return Err(ForestError::NoTrees);
        }
        if sample > SAMPLE_SIZE_MAX {
            return Err(ForestError::SampleSize { got: sample });
        }
        if !cuts.is_sound(features) {
            return Err(ForestError::Damaged("cuts"));
        }
        let slots = trees.checked_mul(slots(sample));
        let lengths = [self.node_features.len(), self.node_cuts.len(), self.node_lefts.len(), self.paths.len()];
        if lengths.iter().any(|length| slots != Some(*length)) {
            return Err(ForestError::Damaged("number of nodes"));
        }
        if self.node_features.iter().any(|feature| usize::from(*feature) >= features) {
            return Err(ForestError::Damaged("node"));
        }
        if !(longest.is_finite() && longest >= 0.0) {
            return Err(ForestError::Damaged("path length"));
        }
        Ok(())
    }

    /// Score by the sum of the codes of the path lengths.
    fn scale(&self) -> impl Fn(u32) -> f32 + use<> {
        let (most, usual) = ((self.trees * 255) as f32, usual_path(self.sample));
        let longest = if usual > 0.0 { (f64::from(self.longest) / usual) as f32 } else { 0.0 };
        // Without a usual path the forest has nothing to say.
        let least = if usual > 0.0 { 0.0 } else { 1.0 };
        move |sum| half_to(least + sum as f32 / most * longest)
    }
}

/// Slots of each tree over `sample` rows.
fn slots(sample: usize) -> usize {
    SLOTS_MIN.max(1 << depth_limit(sample))
}

/// Splits of all trees and one tree's part of the path lengths.
struct Growing<'a> {
    /// The tree's slot 0 among the slots of all trees.
    first: usize,
    splits: &'a mut Vec<(usize, Split)>,
    lengths: &'a mut [f32],
}

impl grow::Tree for Growing<'_> {
    fn split(&mut self, slot: usize, split: Split) {
        self.splits.push((self.first + slot, split));
    }

    fn leaf(&mut self, slot: usize, depth: u32, size: usize) {
        let slots = self.lengths.len();
        let copies = slots >> depth;
        let first = slot * copies - slots;
        self.lengths[first..first + copies].fill(depth as f32 + usual_path(size) as f32);
    }
}

/// Whole rows of `features` in so many values.
pub(super) fn count_rows(values: usize, features: usize) -> Result<usize, ForestError> {
    if !(1..=FEATURES_MAX).contains(&features) {
        return Err(ForestError::Features { got: features });
    }
    if !values.is_multiple_of(features) {
        return Err(ForestError::Ragged { values, features });
    }
    Ok(values / features)
}

impl Serialize for Forest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Self::serialize(self, serializer)
    }
}

impl<'de> Deserialize<'de> for Forest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let forest = Self::deserialize(deserializer)?;
        forest.check().map_err(de::Error::custom)?;
        Ok(forest)
    }
}
