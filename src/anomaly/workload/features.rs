//! What the forest sees of a row: the sizes of its residuals, each by itself and all together.

use super::METRICS_MAX;
use crate::anomaly::forest::Code;

/// Features of the forest beside the metrics' sizes: rms, mean, mean of the top three, maximum.
pub(super) const AGGREGATES: usize = 4;

/// What the forest sees of a row.
pub(super) struct Features {
    /// Root mean square of the residuals.
    pub(super) q: f64,
    /// Sizes of the residuals, then the aggregates; what follows is not used.
    pub(super) codes: [Code; METRICS_MAX + AGGREGATES],
}

impl Features {
    /// The features of a row with residuals of these sizes.
    pub(super) fn of(sizes: impl Iterator<Item = f32>) -> Self {
        let mut codes = [Code(0); METRICS_MAX + AGGREGATES];
        let (mut squares, mut sum) = (0.0_f64, 0.0_f64);
        let mut top = [0.0_f32; 3];
        let mut metrics = 0;
        for (code, size) in codes.iter_mut().zip(sizes) {
            metrics += 1;
            *code = Code::of(size);
            squares += f64::from(size) * f64::from(size);
            sum += f64::from(size);
            if size > top[0] {
                top = [size, top[0], top[1]];
            } else if size > top[1] {
                top = [top[0], size, top[1]];
            } else if size > top[2] {
                top[2] = size;
            }
        }
        let q = (squares / metrics as f64).sqrt();
        let mean_of_top = top.iter().sum::<f32>() / 3.0;
        let aggregates = [q as f32, (sum / metrics as f64) as f32, mean_of_top, top[0]];
        for (code, value) in codes[metrics..].iter_mut().zip(aggregates) {
            *code = Code::of(value);
        }
        Self { q, codes }
    }
}
