//! Grows one isolation tree on a sample of rows; what a node keeps is the forest's own business.

use std::ops::Range;

use super::depth_limit;
use crate::anomaly::random::Dice;

/// A cut of the rows of one node in two.
#[derive(Clone, Copy, Debug)]
pub(super) struct Split {
    /// The feature that is cut.
    pub(super) feature: u8,
    /// Rows with less go left; greater than `lo`, at most `hi`, finite.
    pub(super) cut: f32,
    /// Smallest value of the feature among the node's rows.
    pub(super) lo: f32,
    /// Largest value of the feature among the node's rows.
    pub(super) hi: f32,
    /// Share of the node's rows that went left, in 255ths.
    pub(super) left: u8,
}

/// A tree as it grows. Slots are numbered breadth first from 1; level 0 is the root.
pub(super) trait Tree {
    /// Puts a cut at `slot`; its children are `2 * slot` and `2 * slot + 1`.
    fn split(&mut self, slot: usize, split: Split);
    /// Ends the branch at `slot`, after `depth` cuts, with `size` rows left together.
    fn leaf(&mut self, slot: usize, depth: u32, size: usize);
}

/// Rows to grow trees on, and the room to do it in.
pub(super) struct Grower<'a> {
    /// Chance of each feature to be cut, relative to the others.
    weights: &'a [f32],
    /// Most cuts on a path.
    limit: u32,
    /// Numbers of all rows; the first of them, after a shuffle, are a tree's sample.
    order: Vec<u32>,
    /// Values of the sample by feature: value of row `r`, feature `f` at `f * sample + r`.
    columns: Vec<f32>,
    /// Rows of the sample so that those of one node stand together.
    rows: Vec<u16>,
    /// Features not yet known to be constant in the node at hand.
    candidates: Vec<u8>,
    dice: Dice,
}

impl<'a> Grower<'a> {
    /// Prepares to grow on `sample` of `rows` rows with a value for each of `weights`; `sample` is at most `rows`, and
    /// at most [`SAMPLE_SIZE_MAX`](super::SAMPLE_SIZE_MAX).
    pub(super) fn new(rows: usize, sample: usize, weights: &'a [f32], seed: u64) -> Self {
        Self {
            weights,
            limit: depth_limit(sample),
            order: (0..rows as u32).collect(),
            columns: vec![0.0; sample * weights.len()],
            rows: vec![0; sample],
            candidates: Vec::with_capacity(weights.len()),
            dice: Dice::new(seed, 0),
        }
    }

    /// Grows one more tree. `value(row, feature)` must be finite or NaN; NaN goes left at every cut of its feature.
    pub(super) fn grow(&mut self, tree: &mut impl Tree, value: impl Fn(usize, usize) -> f32) {
        let sample = self.rows.len();
        for at in 0..sample {
            let chosen = at + self.dice.below((self.order.len() - at) as u32) as usize;
            self.order.swap(at, chosen);
            self.rows[at] = at as u16;
            let row = self.order[at] as usize;
            for feature in 0..self.weights.len() {
                self.columns[feature * sample + at] = value(row, feature);
            }
        }
        self.node(tree, 1, 0, 0..sample);
    }

    fn node(&mut self, tree: &mut impl Tree, slot: usize, depth: u32, rows: Range<usize>) {
        let size = rows.len();
        let chosen = if size < 2 || depth >= self.limit { None } else { self.choose(rows.clone()) };
        let Some((feature, lo, hi)) = chosen else {
            return tree.leaf(slot, depth, size);
        };
        // As a mean of both ends, which cannot overflow, and above `lo`, so that both children get a row.
        let along = self.dice.unit();
        let cut = (lo * (1.0 - along) + hi * along).clamp(lo.next_up(), hi);
        let middle = rows.start + self.partition(rows.clone(), feature, cut);
        let left = ((middle - rows.start) * 255 + size / 2) / size;
        tree.split(slot, Split { feature, cut, lo, hi, left: left as u8 });
        self.node(tree, 2 * slot, depth + 1, rows.start..middle);
        self.node(tree, 2 * slot + 1, depth + 1, middle..rows.end);
    }

    /// Draws the feature to cut, by weight among those that are not constant in `rows`, with its range there.
    fn choose(&mut self, rows: Range<usize>) -> Option<(u8, f32, f32)> {
        self.candidates.clear();
        self.candidates.extend((0..self.weights.len()).map(|feature| feature as u8));
        while !self.candidates.is_empty() {
            let total: f32 = self.candidates.iter().map(|&feature| self.weights[usize::from(feature)]).sum();
            let mut left = self.dice.unit() * total;
            let drawn = self.candidates.iter().position(|&feature| {
                left -= self.weights[usize::from(feature)];
                left < 0.0
            });
            // Rounding may leave a trifle after the last one.
            let feature = self.candidates.swap_remove(drawn.unwrap_or(self.candidates.len() - 1));
            let column = &self.columns[usize::from(feature) * self.rows.len()..];
            let (mut lo, mut hi) = (f32::INFINITY, f32::NEG_INFINITY);
            for &row in &self.rows[rows.clone()] {
                // `min` and `max` pass over NaN.
                lo = lo.min(column[usize::from(row)]);
                hi = hi.max(column[usize::from(row)]);
            }
            if lo < hi {
                return Some((feature, lo, hi));
            }
        }
        None
    }

    /// Brings the rows that go left to the front; returns how many they are.
    fn partition(&mut self, rows: Range<usize>, feature: u8, cut: f32) -> usize {
        let column = &self.columns[usize::from(feature) * self.rows.len()..];
        let rows = &mut self.rows[rows];
        let mut left = 0;
        for at in 0..rows.len() {
            let goes_right = column[usize::from(rows[at])] >= cut;
            rows.swap(left, at);
            left += usize::from(!goes_right);
        }
        left
    }
}
