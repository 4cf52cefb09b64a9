//! Eight bits for a value, by the cuts it lies above.

use serde::{Deserialize, Serialize};

use super::grow::Split;

/// Places of a feature's table; all but the first are thresholds.
const TABLE: usize = 256;

/// Most thresholds a feature can have.
const THRESHOLDS_MAX: usize = TABLE - 1;

/// In the place of a threshold: no code is greater.
pub(super) const NEVER: i8 = i8::MAX;

/// Thresholds of one feature in breadth-first order: the search for a value is a walk down a complete tree. Place 0 is not
/// used, and behind the thresholds there are it is +∞.
pub(super) type Table = [f32; TABLE];

/// For each feature the thresholds at which its values are cut.
///
/// A value's code is the number of thresholds at or below it, less 128, so that it fits the signed byte that vector units
/// compare. Comparing codes is then the same as comparing values: a value is at or above threshold `t` exactly when its
/// code is greater than `t - 128`. NaN is above none.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Cuts {
    /// [`TABLE`] places for each feature.
    tables: Vec<f32>,
}

impl Cuts {
    /// Chooses the thresholds of `features` features for `splits`. Up to 255 different cuts of a feature are all kept;
    /// more are merged to 255 that have equally many cuts around them.
    pub(super) fn choose<'a>(features: usize, splits: impl Iterator<Item = &'a Split>) -> Self {
        let mut cuts = vec![Vec::new(); features];
        for split in splits {
            cuts[usize::from(split.feature)].push(split.cut);
        }
        let mut tables = vec![f32::INFINITY; features * TABLE];
        for (cuts, table) in cuts.iter_mut().zip(tables.as_chunks_mut::<TABLE>().0) {
            cuts.sort_unstable_by(f32::total_cmp);
            cuts.dedup();
            let kept = cuts.len().min(THRESHOLDS_MAX);
            for threshold in 0..kept {
                table[place(threshold)] = cuts[(2 * threshold + 1) * cuts.len() / (2 * kept)];
            }
        }
        Self { tables }
    }

    /// The threshold next to `cut`, as a value's code has to be greater to be at or above it.
    pub(super) fn nearest(&self, feature: u8, cut: f32) -> i8 {
        let table = &self.tables()[usize::from(feature)];
        // Thresholds at or below the cut; the last of them and the one after it are the candidates.
        let below = usize::from(code(table, cut).cast_unsigned() ^ 0x80);
        let distance = |threshold: usize| (table[place(threshold)] - cut).abs();
        let nearest = match below {
            0 => 0,
            THRESHOLDS_MAX => THRESHOLDS_MAX - 1,
            _ if distance(below - 1) <= distance(below) => below - 1,
            _ => below,
        };
        (nearest as u8 ^ 0x80).cast_signed()
    }

    pub(super) fn tables(&self) -> &[Table] {
        self.tables.as_chunks().0
    }

    pub(super) fn size_bytes(&self) -> usize {
        self.tables.capacity() * size_of::<f32>()
    }

    /// Whether there is a table in order for each of `features`.
    pub(super) fn is_sound(&self, features: usize) -> bool {
        let ordered = |table: &Table| (0..THRESHOLDS_MAX).map(|threshold| table[place(threshold)]).is_sorted();
        self.tables.len() == features * TABLE && self.tables().iter().all(ordered)
    }
}

/// Where the table has a threshold, counted from the smallest. In a complete tree, the more often a place in the order can
/// be halved, the higher it stands.
fn place(threshold: usize) -> usize {
    let order = threshold + 1;
    (TABLE + order) >> (order.trailing_zeros() + 1)
}

/// The code of a value.
#[inline]
pub(super) fn code(table: &Table, value: f32) -> i8 {
    let mut place = 1;
    for _ in 0..TABLE.trailing_zeros() {
        place = 2 * place + usize::from(value >= table[place % TABLE]);
    }
    (place as u8 ^ 0x80).cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choose(cuts: impl Iterator<Item = f32>) -> Cuts {
        let splits: Vec<Split> = cuts.map(|cut| Split { feature: 0, cut, lo: 0.0, hi: 0.0, left: 0 }).collect();
        Cuts::choose(1, splits.iter())
    }

    #[test]
    fn codes_count_the_thresholds() {
        for count in [0, 1, 2, 100, 254, 255] {
            let cuts = choose((0..count).map(|cut| cut as f32));
            assert!(cuts.is_sound(1));
            let code = |value| i32::from(code(&cuts.tables()[0], value)) + 128;
            for cut in 0..count {
                assert_eq!(i32::from(cuts.nearest(0, cut as f32)) + 128, cut);
                assert_eq!((code(cut as f32), code((cut as f32).next_down())), (cut + 1, cut));
            }
            assert_eq!((code(f32::NAN), code(f32::NEG_INFINITY), code(f32::MAX)), (0, 0, count));
        }
    }

    #[test]
    fn many_cuts_are_merged_to_near_ones() {
        let cuts = choose((0..5100).map(|cut| cut as f32));
        for cut in (0..5100).map(|cut| cut as f32) {
            let code = |value| code(&cuts.tables()[0], value);
            let nearest = cuts.nearest(0, cut);
            assert!(code(cut + 10.0) > nearest && code(cut - 11.0) <= nearest, "{cut}");
        }
    }
}
