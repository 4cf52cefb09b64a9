//! The plain isolation forest, laid out to score many rows at a time.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::grow::{Grower, Split, Tree};
use super::{FEATURES_MAX, ForestError, ForestParams, SAMPLE_SIZE_MAX, credit, depth_limit, normalise, usual_path};

/// Rows that are scored together: one tree after the other walks all of them while it is in the nearest cache.
const BLOCK: usize = 256;

/// Rows that walk down a tree abreast: their loads do not wait for each other. Measured with 8, 16 and 32.
const LANES: usize = 16;

/// Levels at which each of the few nodes is compared with all rows of a group, which is done by vectors, before every row
/// looks up its own node. Worth 15 %; a fourth level costs more than it saves.
const SHARED_LEVELS: u32 = 3;

/// Values of a group of rows that walk abreast, feature by feature. Its size is a constant so that the compiler can see
/// that any feature's `u8` makes a valid index; what is behind the features there are is never touched.
type Group = [f32; FEATURES_MAX * LANES];

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
/// Memory: 12 bytes for each of `trees * 2^⌈log2 sample_size⌉` slots, 300 KiB for 100 trees of 256.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct Forest {
    features: usize,
    trees: usize,
    /// Rows each tree was grown on.
    sample: usize,
    /// For each tree `1 << depth_limit(sample)` nodes by slot; slot 0 is not used.
    nodes: Vec<Node>,
    /// For each tree as many path lengths, by leaf slot less the first.
    paths: Vec<f32>,
}

/// A cut.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Node {
    /// Values from here on go right.
    cut: f32,
    feature: u8,
    /// Share of the sample's rows that went left, in 255ths.
    left: u8,
}

impl Node {
    /// Stands below a leaf that is above the depth limit. Real cuts are finite.
    const NONE: Self = Self { cut: f32::INFINITY, feature: 0, left: 0 };
}

impl Forest {
    /// Grows a forest on `rows`, one after the other, `features` values each. Time: 2 ms for 100 trees of 256.
    ///
    /// # Errors
    ///
    /// If the parameters are out of range or the values are not whole rows. Having no or few rows is not an error.
    pub fn fit(rows: &[f32], features: usize, params: &ForestParams) -> Result<Self, ForestError> {
        params.check()?;
        let count = count_rows(rows.len(), features)?;
        let sample = params.sample_size.min(count);
        let slots = 1 << depth_limit(sample);
        let weights = vec![1.0; features];
        let mut nodes = vec![Node::NONE; params.trees * slots];
        let mut paths = vec![0.0; params.trees * slots];
        let mut grower = Grower::new(count, sample, &weights, params.seed);
        for (nodes, paths) in nodes.chunks_exact_mut(slots).zip(paths.chunks_exact_mut(slots)) {
            grower.grow(&mut Growing { nodes, paths }, |row, feature| {
                rows[row * features + feature].clamp(f32::MIN, f32::MAX)
            });
        }
        Ok(Self { features, trees: params.trees, sample, nodes, paths })
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
        size_of::<Self>() + self.nodes.capacity() * size_of::<Node>() + self.paths.capacity() * size_of::<f32>()
    }

    /// Scores one row; the same number as [`score_batch`](Self::score_batch) gives it.
    ///
    /// # Panics
    ///
    /// If `row` does not have [`features`](Self::features) values.
    #[must_use]
    pub fn score(&self, row: &[f32]) -> f32 {
        assert_eq!(row.len(), self.features, "values in a row");
        let slots = self.slots();
        let mut sum = 0.0;
        for (nodes, paths) in self.nodes.chunks_exact(slots).zip(self.paths.chunks_exact(slots)) {
            let mut slot = 1;
            while slot < slots {
                let node = nodes[slot];
                slot = 2 * slot + usize::from(row[usize::from(node.feature)] >= node.cut);
            }
            sum += paths[slot - slots];
        }
        self.score_of(sum)
    }

    /// Scores `rows`, one after the other, into `out`.
    ///
    /// # Panics
    ///
    /// If `rows` does not have [`features`](Self::features) values for each element of `out`.
    pub fn score_batch(&self, rows: &[f32], out: &mut [f32]) {
        assert_eq!(rows.len(), out.len() * self.features, "values in the rows");
        if out.len() < LANES {
            for (row, score) in rows.chunks_exact(self.features).zip(out) {
                *score = self.score(row);
            }
            return;
        }
        let stride = self.features * LANES;
        // The last group, too, has to be as long as a `Group`.
        let mut tile = vec![0.0; (BLOCK / LANES - 1) * stride + size_of::<Group>() / size_of::<f32>()];
        for (rows, out) in rows.chunks(BLOCK * self.features).zip(out.chunks_mut(BLOCK)) {
            for (rows, group) in rows.chunks(stride).zip(tile.chunks_mut(stride)) {
                for (lane, row) in rows.chunks_exact(self.features).enumerate() {
                    for (feature, &value) in row.iter().enumerate() {
                        group[feature * LANES + lane] = value;
                    }
                }
            }
            let mut sums = [[0.0; LANES]; BLOCK / LANES];
            self.add_paths(&tile, &mut sums[..out.len().div_ceil(LANES)]);
            for (score, sum) in out.iter_mut().zip(sums.as_flattened()) {
                *score = self.score_of(*sum);
            }
        }
    }

    /// Adds the path lengths of the tile's rows over all trees; the number of levels is made a constant.
    fn add_paths(&self, tile: &[f32], sums: &mut [[f32; LANES]]) {
        match self.slots() {
            2 => self.walk::<2>(tile, sums),
            4 => self.walk::<4>(tile, sums),
            8 => self.walk::<8>(tile, sums),
            16 => self.walk::<16>(tile, sums),
            32 => self.walk::<32>(tile, sums),
            64 => self.walk::<64>(tile, sums),
            128 => self.walk::<128>(tile, sums),
            256 => self.walk::<256>(tile, sums),
            512 => self.walk::<512>(tile, sums),
            1024 => self.walk::<1024>(tile, sums),
            2048 => self.walk::<2048>(tile, sums),
            _ => self.walk::<SAMPLE_SIZE_MAX>(tile, sums),
        }
    }

    fn walk<const SLOTS: usize>(&self, tile: &[f32], sums: &mut [[f32; LANES]]) {
        let (nodes, _) = self.nodes.as_chunks::<SLOTS>();
        let (paths, _) = self.paths.as_chunks::<SLOTS>();
        for (nodes, paths) in nodes.iter().zip(paths) {
            for (at, sums) in sums.iter_mut().enumerate() {
                let Some(group) = tile[at * self.features * LANES..].first_chunk() else { return };
                descend(nodes, paths, group, sums);
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
        assert_eq!(row.len(), self.features, "values in a row");
        assert_eq!(shares.len(), self.features, "shares");
        shares.fill(0.0);
        let slots = self.slots();
        let limit = slots.trailing_zeros();
        let mut path = Vec::with_capacity(limit as usize);
        for nodes in self.nodes.chunks_exact(slots) {
            path.clear();
            let mut slot = 1;
            while slot < slots && nodes[slot].cut.is_finite() {
                let node = nodes[slot];
                let goes_right = row[usize::from(node.feature)] >= node.cut;
                path.push((node.feature, if goes_right { node.left } else { 255 - node.left }));
                slot = 2 * slot + usize::from(goes_right);
            }
            for &(feature, taken_away) in &path {
                shares[usize::from(feature)] += credit(path.len() as u32, limit) * f32::from(taken_away);
            }
        }
        normalise(shares);
    }

    fn slots(&self) -> usize {
        1 << depth_limit(self.sample)
    }

    /// Whether all parts fit together, so that nothing can panic later.
    fn check(&self) -> Result<(), ForestError> {
        let Self { features, trees, sample, ref nodes, ref paths } = *self;
        count_rows(0, features)?;
        if trees == 0 {
            return Err(ForestError::NoTrees);
        }
        if sample > SAMPLE_SIZE_MAX {
            return Err(ForestError::SampleSize { got: sample });
        }
        let slots = trees.checked_mul(1 << depth_limit(sample));
        if slots != Some(nodes.len()) || slots != Some(paths.len()) {
            return Err(ForestError::Damaged("number of nodes"));
        }
        if nodes.iter().any(|node| usize::from(node.feature) >= features || node.cut.is_nan()) {
            return Err(ForestError::Damaged("node"));
        }
        if !paths.iter().all(|path| path.is_finite() && *path >= 0.0) {
            return Err(ForestError::Damaged("path length"));
        }
        Ok(())
    }

    fn score_of(&self, path_sum: f32) -> f32 {
        let usual = usual_path(self.sample);
        if usual == 0.0 {
            return 0.5;
        }
        (-f64::from(path_sum) / (self.trees as f64 * usual)).exp2() as f32
    }
}

/// Takes a group of rows down a tree and adds the lengths of their paths.
#[inline]
fn descend<const SLOTS: usize>(nodes: &[Node; SLOTS], paths: &[f32; SLOTS], group: &Group, sums: &mut [f32; LANES]) {
    let mut slots = [1_u32; LANES];
    let levels = SLOTS.trailing_zeros();
    for level in 0..levels.min(SHARED_LEVELS) {
        let mut right = [0; LANES];
        for slot in 1 << level..2 << level {
            let node = nodes[slot as usize % SLOTS];
            let (values, _) = group[usize::from(node.feature) * LANES..].split_at(LANES);
            for (right, (at, value)) in right.iter_mut().zip(slots.iter().zip(values)) {
                *right |= u32::from(*at == slot) & u32::from(*value >= node.cut);
            }
        }
        for (slot, right) in slots.iter_mut().zip(right) {
            *slot = 2 * *slot + right;
        }
    }
    for _ in SHARED_LEVELS..levels {
        for (lane, slot) in slots.iter_mut().enumerate() {
            let node = nodes[*slot as usize % SLOTS];
            let value = group[usize::from(node.feature) * LANES + lane];
            *slot = 2 * *slot + u32::from(value >= node.cut);
        }
    }
    for (sum, slot) in sums.iter_mut().zip(slots) {
        *sum += paths[slot as usize % SLOTS];
    }
}

/// One tree's part of the arrays.
struct Growing<'a> {
    nodes: &'a mut [Node],
    paths: &'a mut [f32],
}

impl Tree for Growing<'_> {
    fn split(&mut self, slot: usize, split: Split) {
        self.nodes[slot] = Node { cut: split.cut, feature: split.feature, left: split.left };
    }

    fn leaf(&mut self, slot: usize, depth: u32, size: usize) {
        let slots = self.paths.len();
        let copies = slots >> depth;
        let first = slot * copies - slots;
        self.paths[first..first + copies].fill(depth as f32 + usual_path(size) as f32);
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
