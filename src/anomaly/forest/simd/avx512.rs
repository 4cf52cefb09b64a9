//! 64 rows in a register, and trees as registers to look nodes up in: AVX-512 with VBMI.

use std::arch::x86_64::*;

use crate::anomaly::forest::cuts::Table;
use crate::anomaly::forest::layout::{Column, Group, LANES, SLOTS_MIN, Tree, Trees};

pub(in crate::anomaly::forest) fn is_available() -> bool {
    is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512vbmi")
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

#[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
fn encode_groups<'a>(table: &Table, values: &[[f32; LANES]], columns: impl Iterator<Item = &'a mut Column>) {
    let table: [__m512; 16] = std::array::from_fn(|at| _mm512_castsi512_ps(load(&table[16 * at..])));
    for (values, column) in values.iter().zip(columns) {
        for (at, codes) in column.as_chunks_mut().0.iter_mut().enumerate() {
            *codes = encode_16(&table, _mm512_castsi512_ps(load(&values[16 * at..])));
        }
    }
}

/// Every level of the table is looked up by permutes, the lower ones in several parts of 32 thresholds from which the
/// first turns of the way down choose.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
fn encode_16(table: &[__m512; 16], values: __m512) -> [i8; 16] {
    let turn = |thresholds| _mm512_cmp_ps_mask::<_CMP_GE_OQ>(values, thresholds);
    let step = |place, right| {
        let twice = _mm512_add_epi32(place, place);
        _mm512_mask_add_epi32(twice, right, twice, _mm512_set1_epi32(1))
    };
    let pair = |at: usize, place| _mm512_permutex2var_ps(table[at], place, table[at + 1]);

    let mut place = _mm512_set1_epi32(1);
    let first = turn(_mm512_permutexvar_ps(place, table[0]));
    place = step(place, first);
    let second = turn(_mm512_permutexvar_ps(place, table[0]));
    place = step(place, second);
    for _ in 2..4 {
        place = step(place, turn(_mm512_permutexvar_ps(place, table[0])));
    }
    place = step(place, turn(_mm512_permutexvar_ps(place, table[1])));
    place = step(place, turn(pair(2, place)));
    let quarter = |at: usize, place| _mm512_mask_blend_ps(second, pair(at, place), pair(at + 2, place));
    place = step(place, turn(_mm512_mask_blend_ps(first, pair(4, place), pair(6, place))));
    place = step(place, turn(_mm512_mask_blend_ps(first, quarter(8, place), quarter(12, place))));
    let codes = _mm512_cvtepi32_epi8(_mm512_xor_si512(place, _mm512_set1_epi32(0x80)));
    // SAFETY: both are 16 bytes for which every pattern is valid.
    unsafe { std::mem::transmute(codes) }
}

/// At most `8 * PARTS` features are looked at.
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
fn walk<const PARTS: usize>(trees: &Trees<'_>, columns: &[Column], features: usize, sums: &mut [[u16; LANES]]) {
    for tree in trees.each::<SLOTS_MIN>() {
        let tables = Tables { features: load_4(tree.features), cuts: load_4(tree.cuts), paths: load_4(tree.paths) };
        for (at, sums) in sums.iter_mut().enumerate() {
            let Some(group) = columns[at * features..].first_chunk() else { return };
            add(sums, descend::<PARTS>(&tree, &tables, group));
        }
    }
}

/// A tree in registers.
struct Tables {
    features: [__m512i; 4],
    cuts: [__m512i; 4],
    paths: [__m512i; 4],
}

/// Lengths of the paths of a group of rows.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
fn descend<const PARTS: usize>(tree: &Tree<'_, SLOTS_MIN>, tables: &Tables, group: &Group) -> __m512i {
    let step = |slot, right| {
        let twice = _mm512_add_epi8(slot, slot);
        _mm512_mask_add_epi8(twice, right, twice, _mm512_set1_epi8(1))
    };
    let Tables { features, cuts, paths } = tables;

    // The columns that the first levels cut are few: the turns so far choose among them.
    let column = |slot: usize| load(&group[usize::from(tree.features[slot])]);
    let cut = |slot| _mm512_permutexvar_epi8(slot, cuts[0]);
    let mut slot = _mm512_set1_epi8(1);
    let first = _mm512_cmpgt_epi8_mask(column(1), cut(slot));
    slot = step(slot, first);
    let second = _mm512_cmpgt_epi8_mask(_mm512_mask_blend_epi8(first, column(2), column(3)), cut(slot));
    slot = step(slot, second);
    let left = _mm512_mask_blend_epi8(second, column(4), column(5));
    let right = _mm512_mask_blend_epi8(second, column(6), column(7));
    let third = _mm512_cmpgt_epi8_mask(_mm512_mask_blend_epi8(first, left, right), cut(slot));
    slot = step(slot, third);
    let eight = pick(|at| column(8 + at), [third, second, first]);
    slot = step(slot, _mm512_cmpgt_epi8_mask(eight, cut(slot)));

    // Below, they choose a node, and its feature chooses among all columns.
    let named = |feature| named::<PARTS>(group, feature);
    for _ in 4..6 {
        let codes = named(_mm512_permutexvar_epi8(slot, features[0]));
        slot = step(slot, _mm512_cmpgt_epi8_mask(codes, cut(slot)));
    }
    let codes = named(_mm512_permutexvar_epi8(slot, features[1]));
    slot = step(slot, _mm512_cmpgt_epi8_mask(codes, _mm512_permutexvar_epi8(slot, cuts[1])));
    let codes = named(_mm512_permutex2var_epi8(features[2], slot, features[3]));
    slot = step(slot, _mm512_cmpgt_epi8_mask(codes, _mm512_permutex2var_epi8(cuts[2], slot, cuts[3])));
    let left = _mm512_permutex2var_epi8(paths[0], slot, paths[1]);
    let right = _mm512_permutex2var_epi8(paths[2], slot, paths[3]);
    _mm512_mask_blend_epi8(first, left, right)
}

/// For each row the code of the feature named.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
fn named<const PARTS: usize>(group: &Group, feature: __m512i) -> __m512i {
    let bit = |bit: u8| _mm512_test_epi8_mask(feature, _mm512_set1_epi8(1_i8 << bit));
    let low = [bit(0), bit(1), bit(2)];
    let part = |part: usize| pick(|at| load(&group[8 * part + at]), low);
    let pair = |at: usize| _mm512_mask_blend_epi8(bit(3), part(at), part(at + 1));
    match PARTS {
        1 => part(0),
        2 => pair(0),
        _ => _mm512_mask_blend_epi8(bit(4), pair(0), pair(2)),
    }
}

/// For each lane one of eight, by the bits of its number, the lowest first.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
fn pick(of: impl Fn(usize) -> __m512i, bits: [__mmask64; 3]) -> __m512i {
    let two = |at: usize| _mm512_mask_blend_epi8(bits[0], of(at), of(at + 1));
    let four = |at: usize| _mm512_mask_blend_epi8(bits[1], two(at), two(at + 2));
    _mm512_mask_blend_epi8(bits[2], four(0), four(4))
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
fn add(sums: &mut [u16; LANES], lengths: __m512i) {
    let halves = [_mm512_castsi512_si256(lengths), _mm512_extracti64x4_epi64::<1>(lengths)];
    for (sums, half) in sums.as_chunks_mut::<32>().0.iter_mut().zip(halves) {
        let sum = _mm512_add_epi16(load(sums), _mm512_cvtepu8_epi16(half));
        // SAFETY: both are 64 bytes for which every pattern is valid.
        *sums = unsafe { std::mem::transmute::<__m512i, [u16; 32]>(sum) };
    }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load_4<T: Copy>(values: &[T; SLOTS_MIN]) -> [__m512i; 4] {
    [load(values), load(&values[64..]), load(&values[128..]), load(&values[192..])]
}

/// The first 64 bytes of `values`, which are bytes or floats.
#[inline]
#[target_feature(enable = "avx512f")]
fn load<T: Copy>(values: &[T]) -> __m512i {
    assert!(size_of_val(values) >= 64);
    // SAFETY: 64 bytes are there, as was just asserted, and every pattern is valid.
    unsafe { _mm512_loadu_si512(values.as_ptr().cast()) }
}
