//! 32 rows in a register, and nodes looked up by shuffles of 16 bytes: AVX2.

use std::arch::x86_64::*;

use crate::anomaly::forest::cuts::Table;
use crate::anomaly::forest::layout::{Column, Group, LANES, SLOTS_MIN, Tree, Trees};

pub(in crate::anomaly::forest) fn is_available() -> bool {
    is_x86_feature_detected!("avx2")
}

/// Codes values of one feature; see [`code`](crate::anomaly::forest::cuts::code).
pub(in crate::anomaly::forest) fn encode<'a>(
    table: &Table,
    values: &[[f32; LANES]],
    columns: impl Iterator<Item = &'a mut Column>,
) {
    assert!(is_available());
    // SAFETY: the processor has the features of `encode_groups`, as was just asserted.
    unsafe { encode_groups(table, values, columns) }
}

/// Adds path lengths; see [`Layout::add_paths`](crate::anomaly::forest::layout::Layout).
pub(in crate::anomaly::forest) fn add_paths(
    trees: &Trees<'_>,
    columns: &[Column],
    features: usize,
    sums: &mut [[u16; LANES]],
) {
    assert!(is_available());
    // SAFETY: the processor has the features of `walk`, as was just asserted.
    unsafe {
        match features {
            0..=8 => walk::<1>(trees, columns, features, sums),
            9..=16 => walk::<2>(trees, columns, features, sums),
            _ => walk::<4>(trees, columns, features, sums),
        }
    }
}

#[target_feature(enable = "avx2")]
fn encode_groups<'a>(table: &Table, values: &[[f32; LANES]], columns: impl Iterator<Item = &'a mut Column>) {
    let top: [__m256; 4] = std::array::from_fn(|at| _mm256_castsi256_ps(load(&table[8 * at..])));
    for (values, column) in values.iter().zip(columns) {
        for (values, codes) in values.as_chunks::<8>().0.iter().zip(column.as_chunks_mut::<8>().0) {
            *codes = encode_8(table, &top, _mm256_castsi256_ps(load(values)));
        }
    }
}

#[inline]
#[target_feature(enable = "avx2")]
fn encode_8(table: &Table, top: &[__m256; 4], values: __m256) -> [i8; 8] {
    let turn = |thresholds| _mm256_castps_si256(_mm256_cmp_ps::<_CMP_GE_OQ>(values, thresholds));
    let step = |place, right| _mm256_sub_epi32(_mm256_add_epi32(place, place), right);
    let mut place = _mm256_set1_epi32(1);
    let first = turn(_mm256_permutevar8x32_ps(top[0], place));
    place = step(place, first);
    for _ in 1..3 {
        place = step(place, turn(_mm256_permutevar8x32_ps(top[0], place)));
    }
    place = step(place, turn(_mm256_permutevar8x32_ps(top[1], place)));
    let left = _mm256_permutevar8x32_ps(top[2], place);
    let right = _mm256_permutevar8x32_ps(top[3], place);
    place = step(place, turn(_mm256_blendv_ps(left, right, _mm256_castsi256_ps(first))));
    for _ in 5..8 {
        // SAFETY: after `n` steps a place is within `1 << n..2 << n`, and a table has 256.
        let thresholds = unsafe { _mm256_i32gather_ps::<4>(table.as_ptr(), place) };
        place = step(place, turn(thresholds));
    }
    // SAFETY: both are 32 bytes for which every pattern is valid.
    let places: [u32; 8] = unsafe { std::mem::transmute(place) };
    places.map(|place| (place as u8 ^ 0x80).cast_signed())
}

/// At most `8 * PARTS` features are looked at.
#[target_feature(enable = "avx2")]
fn walk<const PARTS: usize>(trees: &Trees<'_>, columns: &[Column], features: usize, sums: &mut [[u16; LANES]]) {
    for tree in trees.each::<SLOTS_MIN>() {
        let tables = Tables::new(&tree);
        for (at, sums) in sums.iter_mut().enumerate() {
            let Some(group) = columns[at * features..].first_chunk() else { return };
            for (half, sums) in sums.as_chunks_mut().0.iter_mut().enumerate() {
                add(sums, descend::<PARTS>(&tree, &tables, group, 32 * half));
            }
        }
    }
}

/// 16 bytes to look up by a shuffle.
type Part = [u8; 16];

/// A tree to be looked up, see [`look_up`].
struct Tables {
    features: [Part; 16],
    cuts: [Part; 16],
    /// Lengths of the paths that end in a turn to the left, by the last node.
    left: [Part; 8],
    right: [Part; 8],
}

impl Tables {
    #[inline]
    #[target_feature(enable = "avx2")]
    fn new(tree: &Tree<'_, SLOTS_MIN>) -> Self {
        let mut tables = Self { features: [[0; 16]; 16], cuts: [[0; 16]; 16], left: [[0; 16]; 8], right: [[0; 16]; 8] };
        tables.features.as_flattened_mut().copy_from_slice(tree.features);
        for (to, cut) in tables.cuts.as_flattened_mut().iter_mut().zip(tree.cuts) {
            *to = cut.cast_unsigned();
        }
        let sides = tables.left.as_flattened_mut().iter_mut().zip(tables.right.as_flattened_mut());
        for ((left, right), lengths) in sides.zip(tree.paths.as_chunks::<2>().0) {
            [*left, *right] = *lengths;
        }
        for level in [2..4, 4..8, 8..16] {
            chain(&mut tables.features[level.clone()]);
            chain(&mut tables.cuts[level]);
        }
        chain(&mut tables.left);
        chain(&mut tables.right);
        tables
    }
}

/// Makes each part the difference to the one before.
#[inline]
#[target_feature(enable = "avx2")]
fn chain(parts: &mut [Part]) {
    for at in (1..parts.len()).rev() {
        let before = parts[at - 1];
        for (byte, before) in parts[at].iter_mut().zip(before) {
            *byte ^= before;
        }
    }
}

/// Lengths of the paths of 32 rows of a group, from row `from` on.
#[inline]
#[target_feature(enable = "avx2")]
fn descend<const PARTS: usize>(tree: &Tree<'_, SLOTS_MIN>, tables: &Tables, group: &Group, from: usize) -> __m256i {
    let step = |slot, right| _mm256_sub_epi8(_mm256_add_epi8(slot, slot), right);
    let Tables { features, cuts, left, right } = tables;

    // The columns that the first levels cut are few: the turns so far choose among them.
    let column = |slot: usize| load(&group[usize::from(tree.features[slot])][from..]);
    let cut = |slot| look_up(&[cuts[0]], [slot]);
    let mut slot = _mm256_set1_epi8(1);
    let first = _mm256_cmpgt_epi8(column(1), cut(slot));
    slot = step(slot, first);
    let second = _mm256_cmpgt_epi8(_mm256_blendv_epi8(column(2), column(3), first), cut(slot));
    slot = step(slot, second);
    let (low, high) =
        (_mm256_blendv_epi8(column(4), column(5), second), _mm256_blendv_epi8(column(6), column(7), second));
    let third = _mm256_cmpgt_epi8(_mm256_blendv_epi8(low, high, first), cut(slot));
    slot = step(slot, third);
    let eight = pick(|at| column(8 + at), [third, second, first]);
    slot = step(slot, _mm256_cmpgt_epi8(eight, cut(slot)));

    // Below, they choose a node, and its feature chooses among all columns.
    let named = |feature| named::<PARTS>(group, from, feature);
    let turn = |slot, feature, cut| step(slot, _mm256_cmpgt_epi8(named(feature), cut));
    let at = [slot];
    slot = turn(slot, look_up(&[features[1]], at), look_up(&[cuts[1]], at));
    let at = places(slot, 32);
    slot = turn(slot, look_up(level::<2>(features), at), look_up(level(cuts), at));
    let at = places(slot, 64);
    slot = turn(slot, look_up(level::<4>(features), at), look_up(level(cuts), at));
    let at = places(slot, 128);
    let last = _mm256_cmpgt_epi8(named(look_up(level::<8>(features), at)), look_up(level(cuts), at));
    _mm256_blendv_epi8(look_up(left, at), look_up(right, at), last)
}

/// The parts of the level that has `PARTS` of them.
#[inline]
fn level<const PARTS: usize>(table: &[Part; 16]) -> &[Part; PARTS] {
    table.as_chunks().0.get(1).unwrap_or(&[[0; 16]; PARTS])
}

/// The place of each slot in each of the parts of its level, which begins at slot `first`; negative in later parts than
/// its own.
#[inline]
#[target_feature(enable = "avx2")]
fn places<const PARTS: usize>(slot: __m256i, first: usize) -> [__m256i; PARTS] {
    let mut places = [slot; PARTS];
    for (part, place) in places.iter_mut().enumerate() {
        *place = _mm256_sub_epi8(slot, _mm256_set1_epi8(((first + 16 * part) as u8).cast_signed()));
    }
    places
}

/// Looks up each lane's byte in a chain of parts. A shuffle gives 0 for a negative place, so that the differences add up to
/// the byte of the right part.
#[inline]
#[target_feature(enable = "avx2")]
fn look_up<const PARTS: usize>(parts: &[Part; PARTS], places: [__m256i; PARTS]) -> __m256i {
    let mut found = _mm256_setzero_si256();
    for (part, place) in parts.iter().zip(places) {
        // SAFETY: a part is 16 bytes for which every pattern is valid.
        let part = _mm256_broadcastsi128_si256(unsafe { _mm_loadu_si128(part.as_ptr().cast()) });
        found = _mm256_xor_si256(found, _mm256_shuffle_epi8(part, place));
    }
    found
}

/// For each row the code of the feature named.
#[inline]
#[target_feature(enable = "avx2")]
fn named<const PARTS: usize>(group: &Group, from: usize, feature: __m256i) -> __m256i {
    // Moves a bit of the feature's number to where `blendv` looks. What comes over from the neighbour stays below.
    let bits = [_mm256_slli_epi16::<7>(feature), _mm256_slli_epi16::<6>(feature), _mm256_slli_epi16::<5>(feature)];
    let part = |part: usize| pick(|at| load(&group[8 * part + at][from..]), bits);
    let pair = |at: usize| _mm256_blendv_epi8(part(at), part(at + 1), _mm256_slli_epi16::<4>(feature));
    match PARTS {
        1 => part(0),
        2 => pair(0),
        _ => _mm256_blendv_epi8(pair(0), pair(2), _mm256_slli_epi16::<3>(feature)),
    }
}

/// For each lane one of eight, by the bits of its number, the lowest first.
#[inline]
#[target_feature(enable = "avx2")]
fn pick(of: impl Fn(usize) -> __m256i, bits: [__m256i; 3]) -> __m256i {
    let two = |at: usize| _mm256_blendv_epi8(of(at), of(at + 1), bits[0]);
    let four = |at: usize| _mm256_blendv_epi8(two(at), two(at + 2), bits[1]);
    _mm256_blendv_epi8(four(0), four(4), bits[2])
}

#[inline]
#[target_feature(enable = "avx2")]
fn add(sums: &mut [u16; 32], lengths: __m256i) {
    let halves = [_mm256_castsi256_si128(lengths), _mm256_extracti128_si256::<1>(lengths)];
    for (sums, half) in sums.as_chunks_mut::<16>().0.iter_mut().zip(halves) {
        let sum = _mm256_add_epi16(load(sums), _mm256_cvtepu8_epi16(half));
        // SAFETY: both are 32 bytes for which every pattern is valid.
        *sums = unsafe { std::mem::transmute::<__m256i, [u16; 16]>(sum) };
    }
}

/// The first 32 bytes of `values`, which are integers or floats.
#[inline]
#[target_feature(enable = "avx2")]
fn load<T: Copy>(values: &[T]) -> __m256i {
    assert!(size_of_val(values) >= 32);
    // SAFETY: 32 bytes are there, as was just asserted, and every pattern is valid.
    unsafe { _mm256_loadu_si256(values.as_ptr().cast()) }
}
