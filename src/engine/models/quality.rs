//! How a forest judges the rows it was grown on.

use serde::{Deserialize, Serialize};

use super::RarityRow;
use crate::anomaly::Forest;

/// Score from which a row counts as isolated; the crowd is at 0.5 and below.
const ISOLATED: f32 = 0.6;

/// Figures of a forest over its own rows, computed once when it is trained.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Quality {
    /// Mean score, within 0..1.
    pub mean_score: f64,
    /// Share of rows that score above 0.6. Well below a tenth where the forest tells few from many.
    pub isolated_share: f64,
    /// Spearman's rank correlation of the score with the sum of the row's rarities, within -1..1: near 1 the forest says
    /// what the sum says already. `None` where all rows score the same.
    pub rank_correlation: Option<f64>,
    /// Mean absolute difference to the scores of the forest it replaced; `None` for the first.
    pub drift: Option<f64>,
}

impl Quality {
    pub(super) fn measure(forest: &Forest, before: Option<&Forest>, rows: &[RarityRow]) -> Self {
        let count = rows.len().max(1) as f64;
        let scored = |forest: &Forest| {
            let mut scores = vec![0.0; rows.len()];
            forest.score_batch(rows.as_flattened(), &mut scores);
            scores
        };
        let scores = scored(forest);
        let sums: Vec<f32> = rows.iter().map(|row| row.iter().sum()).collect();
        let apart = |before: Vec<f32>| {
            let pairs = scores.iter().zip(&before);
            pairs.map(|(now, before)| f64::from((now - before).abs())).sum::<f64>() / count
        };
        Self {
            mean_score: scores.iter().map(|score| f64::from(*score)).sum::<f64>() / count,
            isolated_share: scores.iter().filter(|score| **score > ISOLATED).count() as f64 / count,
            rank_correlation: correlation(&ranks(&scores), &ranks(&sums)),
            drift: before.map(scored).map(apart),
        }
    }
}

/// Ranks from 1; equal values share the mean of theirs.
fn ranks(values: &[f32]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
    let mut ranks = vec![0.0; values.len()];
    let mut below = 0;
    for tied in order.chunk_by(|a, b| values[*a] == values[*b]) {
        let shared = below as f64 + (tied.len() + 1) as f64 / 2.0;
        tied.iter().for_each(|place| ranks[*place] = shared);
        below += tied.len();
    }
    ranks
}

/// Pearson's correlation; `None` where one side does not vary.
fn correlation(a: &[f64], b: &[f64]) -> Option<f64> {
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let (mean_a, mean_b) = (mean(a), mean(b));
    let product = |f: &dyn Fn(f64, f64) -> f64| a.iter().zip(b).map(|(a, b)| f(a - mean_a, b - mean_b)).sum::<f64>();
    let (aa, bb, ab) = (product(&|a, _| a * a), product(&|_, b| b * b), product(&|a, b| a * b));
    (aa > 0.0 && bb > 0.0).then(|| ab / (aa * bb).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::anomaly::{FEATURES, ForestParams};

    #[test]
    fn ranks_are_those_of_the_textbook() {
        assert_eq!(ranks(&[3.0, 1.0, 2.0, 3.0]), [3.5, 1.0, 2.0, 3.5]);
        let spearman = |a: &[f32], b: &[f32]| correlation(&ranks(a), &ranks(b));
        assert_eq!(spearman(&[1.0, 2.0, 9.0], &[-7.0, 0.0, 0.1]), Some(1.0));
        assert_eq!(spearman(&[1.0, 2.0, 3.0, 4.0], &[2.0, 1.0, 4.0, 3.0]), Some(0.6));
        assert_eq!(spearman(&[1.0, 1.0], &[1.0, 2.0]), None);
    }

    #[test]
    fn few_outliers_are_isolated_and_the_drift_is_to_the_forest_before() {
        let row = |i: usize| if i.is_multiple_of(64) { [9.0; FEATURES] } else { [(i % 5) as f32 / 10.0; FEATURES] };
        let rows: Vec<RarityRow> = (0..512).map(row).collect();
        let fit = |seed| {
            let params = ForestParams { trees: 32, sample_size: 256, seed };
            Forest::fit(rows.as_flattened(), FEATURES, &params).unwrap()
        };
        let (first, second) = (fit(1), fit(2));
        let quality = Quality::measure(&second, Some(&first), &rows);
        assert!((quality.isolated_share - 8.0 / 512.0).abs() < 1e-9, "{quality:?}");
        assert!((0.3..0.6).contains(&quality.mean_score), "{quality:?}");
        assert!(quality.rank_correlation.is_some_and(|rank| (-1.0..=1.0).contains(&rank)), "{quality:?}");
        assert!(quality.drift.is_some_and(|drift| (0.0..0.1).contains(&drift)), "{quality:?}");
        assert_eq!(Quality::measure(&first, Some(&first), &rows).drift, Some(0.0));
        assert_eq!(Quality::measure(&first, None, &rows).drift, None);
    }
}
