//! What has been learned of a workload's inputs: means, covariance, ranges.

use serde::{Deserialize, Serialize};

use super::{METRICS_MAX, RANGE_FLOOR, SETTLE_ROWS, VALUE_MAX};

/// Deviations beyond so many scales are learned as if they were so many, lest one absurd value rule the covariance.
const CLIP: f64 = 30.0;

/// Exponentially weighted moments of the inputs; equal weights in the beginning.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Moments {
    /// Rows learned, the first included.
    rows: u64,
    /// In f64, like the ranges: values may be large and move little.
    pub(super) mean: Vec<f64>,
    /// Smallest value seen; ∞ before the first.
    pub(super) lo: Vec<f64>,
    /// Largest value seen; -∞ before the first.
    pub(super) hi: Vec<f64>,
    /// Lower triangle of the covariance by rows: element (i, j), j ≤ i, at i(i+1)/2 + j.
    covariance: Vec<f32>,
}

impl Moments {
    /// Before any row.
    pub(super) fn new(inputs: usize) -> Self {
        Self {
            rows: 1,
            mean: vec![0.0; inputs],
            lo: vec![f64::INFINITY; inputs],
            hi: vec![f64::NEG_INFINITY; inputs],
            covariance: vec![0.0; inputs * (inputs + 1) / 2],
        }
    }

    /// Starts the moments of an input at its first value.
    pub(super) fn introduce(&mut self, input: usize, value: f64) {
        self.mean[input] = value;
        self.lo[input] = value;
        self.hi[input] = value;
    }

    /// Largest less smallest value seen of an input.
    pub(super) fn range(&self, input: usize) -> f64 {
        (self.hi[input] - self.lo[input]).max(0.0)
    }

    /// Row of the covariance up to and including the diagonal.
    pub(super) fn covariance_row(&self, input: usize) -> &[f32] {
        let start = input * (input + 1) / 2;
        &self.covariance[start..=start + input]
    }

    /// Learns a row; NaN is an input without a value so far.
    pub(super) fn absorb(&mut self, inputs: &[f64], half_life: f64) {
        let mut deltas = [0.0; 2 * METRICS_MAX];
        let deltas = &mut deltas[..inputs.len()];
        self.rows += 1;
        let alpha = (1.0 - 0.5_f64.powf(1.0 / half_life)).max(1.0 / self.rows as f64);
        let is_settled = self.rows > SETTLE_ROWS;
        for (i, &value) in inputs.iter().enumerate() {
            // `min` and `max` pass over NaN.
            self.lo[i] = self.lo[i].min(value);
            self.hi[i] = self.hi[i].max(value);
            let mut delta = if value.is_nan() { 0.0 } else { value - self.mean[i] };
            if is_settled {
                let variance = self.covariance[i * (i + 3) / 2];
                let limit = CLIP * f64::from(variance).sqrt().max(RANGE_FLOOR * self.range(i));
                delta = delta.clamp(-limit, limit);
            }
            self.mean[i] += alpha * delta;
            deltas[i] = delta as f32;
        }
        let (alpha, keep) = (alpha as f32, (1.0 - alpha) as f32);
        let mut rest = self.covariance.as_mut_slice();
        for i in 0..deltas.len() {
            let (row, below) = rest.split_at_mut(i + 1);
            let step = alpha * deltas[i];
            for (element, delta) in row.iter_mut().zip(&*deltas) {
                *element = keep * (*element + step * delta);
            }
            rest = below;
        }
    }

    /// Whether these could be the moments of so many inputs.
    pub(super) fn are_sound(&self, inputs: usize) -> bool {
        // What values of at most `VALUE_MAX` can lead to, so that nothing overflows on the way on.
        let squares_max = (4.0 * VALUE_MAX * VALUE_MAX) as f32;
        [self.mean.len(), self.lo.len(), self.hi.len()] == [inputs; 3]
            && self.covariance.len() == inputs * (inputs + 1) / 2
            && (1..1 << 62).contains(&self.rows)
            && self.mean.iter().all(|mean| mean.abs() <= VALUE_MAX)
            && self.lo.iter().all(|lo| *lo >= -VALUE_MAX)
            && self.hi.iter().all(|hi| *hi <= VALUE_MAX)
            && self.covariance.iter().all(|element| element.abs() <= squares_max)
            && (0..inputs).all(|i| self.covariance[i * (i + 3) / 2] >= 0.0)
    }

    /// Bytes on the heap.
    pub(super) fn heap_bytes(&self) -> usize {
        3 * self.mean.capacity() * size_of::<f64>() + self.covariance.capacity() * size_of::<f32>()
    }
}
