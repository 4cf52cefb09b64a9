//! How many rows walk down the trees abreast, by what the processor can do.

use super::FEATURES_MAX;
use super::cuts::{Table, code};
use super::portable;
#[cfg(target_arch = "x86_64")]
use super::simd::{avx2, avx512};

/// Rows of a group.
pub(super) const LANES: usize = 64;

/// Slots of a tree of the usual depth of 8, the least there are; vector units take no more.
pub(super) const SLOTS_MIN: usize = 256;

/// Codes of a group of rows for one feature.
pub(super) type Column = [i8; LANES];

/// Columns of a group. There are as many as a node can name, so that each has a valid index; what is behind the features
/// of the forest is never used.
pub(super) type Group = [Column; FEATURES_MAX];

/// Trees one after the other, each with `slots` elements in every slice.
#[derive(Clone, Copy, Debug)]
pub(super) struct Trees<'a> {
    pub(super) slots: usize,
    pub(super) features: &'a [u8],
    pub(super) cuts: &'a [i8],
    pub(super) paths: &'a [u8],
}

/// One of them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tree<'a, const SLOTS: usize> {
    pub(super) features: &'a [u8; SLOTS],
    pub(super) cuts: &'a [i8; SLOTS],
    pub(super) paths: &'a [u8; SLOTS],
}

impl<'a> Trees<'a> {
    pub(super) fn each<const SLOTS: usize>(&self) -> impl Iterator<Item = Tree<'a, SLOTS>> {
        let (features, cuts, paths) = (self.features.as_chunks().0, self.cuts.as_chunks().0, self.paths.as_chunks().0);
        features.iter().zip(cuts).zip(paths).map(|((features, cuts), paths)| Tree { features, cuts, paths })
    }
}

/// A way to score many rows. All give the same scores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// Plain Rust, everywhere.
    Portable,
    /// Byte shuffles within 128 bits.
    Avx2,
    /// Byte permutes over 1024 bits (AVX-512 F, BW and VBMI: Intel from Ice Lake, AMD from Zen 4 on).
    Avx512,
}

impl Layout {
    /// Whether this processor can do it.
    #[must_use]
    pub fn is_available(self) -> bool {
        match self {
            Self::Portable => true,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => avx2::is_available(),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => avx512::is_available(),
            #[cfg(not(target_arch = "x86_64"))]
            _ => false,
        }
    }

    /// Those that this processor can do, the fastest last.
    pub fn available() -> impl DoubleEndedIterator<Item = Self> {
        [Self::Portable, Self::Avx2, Self::Avx512].into_iter().filter(|layout| layout.is_available())
    }

    /// The fastest that this processor can do.
    #[must_use]
    pub fn best() -> Self {
        Self::available().next_back().unwrap_or(Self::Portable)
    }

    /// Codes the values of one feature into its column of each group.
    pub(super) fn encode<'a>(
        self,
        table: &Table,
        values: &[[f32; LANES]],
        columns: impl Iterator<Item = &'a mut Column>,
    ) {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 if avx2::is_available() => avx2::encode(table, values, columns),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 if avx512::is_available() => avx512::encode(table, values, columns),
            _ => {
                for (values, column) in values.iter().zip(columns) {
                    for (value, of_value) in values.iter().zip(column) {
                        *of_value = code(table, *value);
                    }
                }
            }
        }
    }

    /// Adds the path lengths of each group's rows over all trees. A group has `features` columns; behind the last group
    /// there must be room for a whole [`Group`].
    pub(super) fn add_paths(self, trees: &Trees<'_>, columns: &[Column], features: usize, sums: &mut [[u16; LANES]]) {
        #[cfg(target_arch = "x86_64")]
        let fits = trees.slots == SLOTS_MIN && features <= 32;
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 if fits && avx2::is_available() => avx2::add_paths(trees, columns, features, sums),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 if fits && avx512::is_available() => avx512::add_paths(trees, columns, features, sums),
            _ => portable::add_paths(trees, columns, features, sums),
        }
    }
}
