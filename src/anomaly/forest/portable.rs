//! The walks down the trees in plain Rust, for every forest and every processor.

use super::FEATURES_MAX;
use super::layout::{Column, Group, LANES, Tree, Trees};

/// Levels at which each of the few nodes is compared with all rows of a group, which is done by vectors, before every row
/// looks up its own node.
const SHARED_LEVELS: u32 = 5;

/// Trees that one row walks down abreast: their loads do not wait for each other.
const ABREAST: usize = 8;

/// Runs `$walk::<SLOTS>` with the number of slots as a constant.
macro_rules! with_slots {
    ($trees:expr, $walk:ident($($argument:expr),*)) => {
        match $trees.slots {
            256 => $walk::<256>($($argument),*),
            512 => $walk::<512>($($argument),*),
            1024 => $walk::<1024>($($argument),*),
            2048 => $walk::<2048>($($argument),*),
            _ => $walk::<4096>($($argument),*),
        }
    };
}

/// Adds the path lengths of each group's rows over all trees, see [`Layout::add_paths`](super::Layout).
pub(super) fn add_paths(trees: &Trees<'_>, columns: &[Column], features: usize, sums: &mut [[u16; LANES]]) {
    with_slots!(trees, walk(trees, columns, features, sums));
}

/// Sum of one row's path lengths over all trees.
pub(super) fn path_sum(trees: &Trees<'_>, codes: &[i8; FEATURES_MAX]) -> u32 {
    with_slots!(trees, walk_one(trees, codes))
}

fn walk<const SLOTS: usize>(trees: &Trees<'_>, columns: &[Column], features: usize, sums: &mut [[u16; LANES]]) {
    for tree in trees.each::<SLOTS>() {
        for (at, sums) in sums.iter_mut().enumerate() {
            let Some(group) = columns[at * features..].first_chunk() else { return };
            descend(tree, group, sums);
        }
    }
}

/// Takes a group of rows down a tree and adds the lengths of their paths.
#[inline]
fn descend<const SLOTS: usize>(tree: Tree<'_, SLOTS>, group: &Group, sums: &mut [u16; LANES]) {
    let mut slots = [1_u8; LANES];
    for level in 0..SHARED_LEVELS {
        let mut right = [0; LANES];
        for slot in 1_u8 << level..2 << level {
            let cut = tree.cuts[usize::from(slot)];
            let column = &group[usize::from(tree.features[usize::from(slot)])];
            for (right, (at, code)) in right.iter_mut().zip(slots.iter().zip(column)) {
                *right |= u8::from(*at == slot) & u8::from(*code > cut);
            }
        }
        for (slot, right) in slots.iter_mut().zip(right) {
            *slot = 2 * *slot + right;
        }
    }
    for (lane, (sum, slot)) in sums.iter_mut().zip(slots).enumerate() {
        let mut slot = usize::from(slot);
        for _ in SHARED_LEVELS..SLOTS.trailing_zeros() {
            let code = group[usize::from(tree.features[slot % SLOTS])][lane];
            slot = 2 * slot + usize::from(code > tree.cuts[slot % SLOTS]);
        }
        *sum += u16::from(tree.paths[slot % SLOTS]);
    }
}

fn walk_one<const SLOTS: usize>(trees: &Trees<'_>, codes: &[i8; FEATURES_MAX]) -> u32 {
    let (features, last_features) = trees.features.as_chunks::<SLOTS>().0.as_chunks::<ABREAST>();
    let (cuts, last_cuts) = trees.cuts.as_chunks().0.as_chunks();
    let (paths, last_paths) = trees.paths.as_chunks().0.as_chunks();
    let most = features.iter().zip(cuts).zip(paths);
    let most = most.map(|((features, cuts), paths)| descend_one(features, cuts, paths, codes));
    let last = last_features.as_chunks::<1>().0.iter().zip(last_cuts.as_chunks().0).zip(last_paths.as_chunks().0);
    let last = last.map(|((features, cuts), paths)| descend_one(features, cuts, paths, codes));
    most.sum::<u32>() + last.sum::<u32>()
}

/// Takes a row down some trees at the same time; returns the sum of the lengths of its paths.
#[inline]
fn descend_one<const SLOTS: usize, const TREES: usize>(
    features: &[[u8; SLOTS]; TREES],
    cuts: &[[i8; SLOTS]; TREES],
    paths: &[[u8; SLOTS]; TREES],
    codes: &[i8; FEATURES_MAX],
) -> u32 {
    let mut slots = [1; TREES];
    for _ in 0..SLOTS.trailing_zeros() {
        for (tree, slot) in slots.iter_mut().enumerate() {
            let at = *slot % SLOTS;
            *slot = 2 * at + usize::from(codes[usize::from(features[tree][at])] > cuts[tree][at]);
        }
    }
    slots.iter().zip(paths).map(|(slot, paths)| u32::from(paths[slot % SLOTS])).sum()
}
