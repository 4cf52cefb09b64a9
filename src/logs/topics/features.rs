//! What a template says, as a point: templates about the same are near each other.
//!
//! TF-IDF over words and over pieces of words, so that `connect` and `connection` are alike, brought down to a few dimensions
//! by sparse random signs (Achlioptas, "Database-friendly random projections", 2003). The signs are the bits of each
//! feature's hash, so that there is no dictionary and nothing to learn.

use ndarray::Array2;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::logs::words::{counted, words};

/// Dimensions of a point: what seven bits can tell apart.
pub(super) const DIMENSIONS: usize = 128;
/// Words of a template that are looked at.
const WORDS: usize = 64;
/// Letters of a piece.
const PIECES: std::ops::RangeInclusive<usize> = 3..=5;
/// Length of what all words of a template give together, and of what all pieces do.
const WEIGHTS: [f32; 2] = [1.0, 0.8];
/// What a feature counts that a single template has: it relates it to nothing.
const LONELY: f32 = 0.3;
/// Counters of templates by feature; features that share one count as frequent as all of them.
const COUNTERS: usize = 1 << 18;

/// A row of length 1 for each text; of zeros, where all that a text says is said by all of them.
pub(super) fn points(texts: &[&str]) -> Array2<f32> {
    let mut holders = vec![0_u32; COUNTERS];
    for text in texts {
        for (feature, _) in features(text).into_iter().flatten() {
            holders[counter(feature)] += 1;
        }
    }
    let rarity = |feature| {
        let holders = holders[counter(feature)] as f32;
        let weight = if holders <= 1.0 { LONELY } else { 1.0 };
        weight * ((1.0 + texts.len() as f32) / (1.0 + holders)).ln()
    };
    let mut points = Array2::<f32>::zeros((texts.len(), DIMENSIONS));
    for (text, mut point) in texts.iter().zip(points.rows_mut()) {
        for (features, weight) in features(text).into_iter().zip(WEIGHTS) {
            let weighed = |(feature, times): &(u64, u32)| (1.0 + (*times as f32).ln()) * rarity(*feature);
            let length = features.iter().map(weighed).map(|weight| weight * weight).sum::<f32>().sqrt();
            if length == 0.0 {
                continue;
            }
            for feature in &features {
                for bits in feature.0.to_le_bytes() {
                    let sign = if bits & 1 == 0 { weight } else { -weight };
                    point[usize::from(bits >> 1)] += sign * weighed(feature) / length;
                }
            }
        }
        let length = point.dot(&point).sqrt();
        if length > 0.0 {
            point.mapv_inplace(|x| x / length);
        }
    }
    points
}

fn counter(feature: u64) -> usize {
    feature as usize % COUNTERS
}

/// Words of a text, and pieces of them: hashes in order, with how often they occur.
fn features(text: &str) -> [Vec<(u64, u32)>; 2] {
    let (mut whole, mut pieces) = (Vec::new(), Vec::new());
    for word in words(text).take(WORDS) {
        whole.push(xxh3_64_with_seed(word.as_bytes(), 1));
        let ends: Vec<usize> = word.char_indices().map(|(at, _)| at).chain([word.len()]).collect();
        for letters in PIECES {
            pieces.extend(ends.windows(letters + 1).map(|at| {
                let piece = &word[at[0]..at[letters]];
                xxh3_64_with_seed(piece.as_bytes(), 2)
            }));
        }
    }
    [counted(whole), counted(pieces)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_alike_is_near() {
        let texts = [
            "INFO connection from <*> closed",
            "INFO closing connections of <*>",
            "INFO disk <*> is full",
            "INFO disk <*> has room again",
        ];
        let points = points(&texts);
        let near = |a: usize, b: usize| points.row(a).dot(&points.row(b));
        assert!(near(0, 1) > 0.3 && near(2, 3) > 0.3, "{} {}", near(0, 1), near(2, 3));
        assert!(near(0, 2) < 0.2 && near(1, 3) < 0.2, "{} {}", near(0, 2), near(1, 3));
        assert!(points.rows().into_iter().all(|row| (row.dot(&row) - 1.0).abs() < 1e-5));
    }

    #[test]
    fn what_all_say_says_nothing() {
        assert!(points(&["order stored", "stored <*> order", "<*> order stored"]).iter().all(|x| *x == 0.0));
        assert!(points(&["<*>", "42", "order"]).row(0).iter().all(|x| *x == 0.0));
        assert_eq!(points(&[]).dim(), (0, DIMENSIONS));
    }
}
