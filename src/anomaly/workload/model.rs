//! The frozen model that rows are scored with: what each metric should be, given the others and the row before.

use serde::{Deserialize, Serialize};

use super::moments::Moments;
use super::numeric::{asinh, invert};
use super::{METRICS_MAX, RANGE_FLOOR};

/// Knee of the compression of scaled inputs, in deviations. Anything from 3 to 30 ranks the same.
const INPUT_KNEE: f32 = 10.0;
/// Knee of the compression of residuals, in their usual sizes: without one a single wild metric drowns the others.
const RESIDUAL_KNEE: f32 = 5.0;
/// Added to the diagonal of the correlation matrix, so that it can be inverted and nearly equal metrics share their
/// weight. 0.1 to 1 rank nearly the same.
const RIDGE: f64 = 0.5;
/// Least usual size of a residual, in deviations of its metric.
const RESIDUAL_FLOOR: f64 = 0.02;
/// Least scale of an input, for metrics that have never moved.
const SCALE_MIN: f64 = 1e-9;

/// Centre, scale and conditional residuals of the inputs, as last learned.
///
/// With C the correlation matrix of the inputs and `P = (C + ridge I)⁻¹`, the residual of metric i given all other
/// inputs is row i of `diag(P)⁻¹ P z` for scaled inputs z; its usual size is its rms under C.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Model {
    centre: Vec<f64>,
    scale: Vec<f64>,
    /// P without what relates the last row to itself, each pair of inputs once: a row for each input, now and before,
    /// with the metrics up to itself.
    precision: Vec<f32>,
    /// What each metric's row of `P z` is multiplied by: 1 / (`Pᵢᵢ` · usual size of the residual).
    sharpness: Vec<f32>,
}

/// Elements of [`Model::precision`].
fn pairs(metrics: usize) -> usize {
    metrics * (metrics + 1) / 2 + metrics * metrics
}

impl Model {
    /// Before anything is known: each metric is compared with its first value, on a scale of 1.
    pub(super) fn new(metrics: usize, inputs: usize) -> Self {
        let mut precision = vec![0.0; pairs(metrics)];
        for metric in 0..metrics {
            precision[metric * (metric + 3) / 2] = 1.0;
        }
        Self { centre: vec![0.0; inputs], scale: vec![1.0; inputs], precision, sharpness: vec![1.0; metrics] }
    }

    /// Centres an input on its first value.
    pub(super) fn introduce(&mut self, input: usize, value: f64) {
        self.centre[input] = value;
    }

    /// Gives a metric a residual of 0.
    pub(super) fn silence(&mut self, metric: usize) {
        self.sharpness[metric] = 0.0;
    }

    /// The model of what has been learned; `None` if the matrix cannot be inverted.
    pub(super) fn of(learned: &Moments, metrics: usize) -> Option<Self> {
        let inputs = learned.mean.len();
        let scale: Vec<f64> = (0..inputs)
            .map(|i| {
                let variance = f64::from(learned.covariance_row(i)[i]);
                (variance + (RANGE_FLOOR * learned.range(i)).powi(2)).sqrt().max(SCALE_MIN)
            })
            .collect();
        let mut precision = vec![0.0; inputs * inputs];
        for i in 0..inputs {
            for (j, &covariance) in learned.covariance_row(i).iter().enumerate() {
                precision[i * inputs + j] = f64::from(covariance) / (scale[i] * scale[j]);
            }
            precision[i * inputs + i] += RIDGE;
        }
        if !invert(&mut precision, inputs) {
            return None;
        }
        let rows = || precision.chunks_exact(inputs).enumerate();
        let sharpness = rows().take(metrics).map(|(i, row)| {
            let own = 1.0 / row[i];
            let squares: f64 = row.iter().map(|element| (element * own).powi(2)).sum();
            // a C aᵀ for a row a of `diag(P)⁻¹ P`, as C = P⁻¹ - ridge I.
            let variance = (own - RIDGE * squares).max(0.0);
            (own / (variance + RESIDUAL_FLOOR * RESIDUAL_FLOOR).sqrt()) as f32
        });
        let kept = rows().flat_map(|(i, row)| row.iter().take((i + 1).min(metrics)).map(|element| *element as f32));
        let mut packed = Vec::with_capacity(pairs(metrics));
        packed.extend(kept);
        Some(Self { centre: learned.mean.clone(), sharpness: sharpness.collect(), precision: packed, scale })
    }

    /// Residuals of a row in usual sizes, compressed, with sign, into `residuals`. An input that is NaN counts as usual.
    pub(super) fn residuals(&self, inputs: &[f64], learned: &Moments, residuals: &mut [f32]) {
        let mut scaled = [0.0; 2 * METRICS_MAX];
        let scaled = &mut scaled[..inputs.len()];
        let ranges = learned.lo.iter().zip(&learned.hi);
        let centred = inputs.iter().zip(&self.centre).zip(&self.scale);
        for ((out, ((&value, centre), scale)), (lo, hi)) in scaled.iter_mut().zip(centred).zip(ranges) {
            // A metric that has hardly moved yet must not shout when it first does.
            let range = hi.max(value) - lo.min(value);
            let deviation = (value - centre) / scale.max(RANGE_FLOOR * range);
            *out = if value.is_nan() { 0.0 } else { deviation as f32 };
        }
        for z in scaled.iter_mut() {
            *z = INPUT_KNEE * asinh(*z * (1.0 / INPUT_KNEE));
        }
        let mut rest = self.precision.as_slice();
        for (input, z) in scaled.iter().enumerate() {
            let (row, below) = rest.split_at((input + 1).min(residuals.len()));
            if let Some(residual) = residuals.get_mut(input) {
                *residual = row.iter().zip(&*scaled).map(|(element, z)| element * z).sum();
            }
            // What stands left of the diagonal counts for the metrics above as well.
            for (residual, element) in residuals.iter_mut().take(input).zip(row) {
                *residual += element * z;
            }
            rest = below;
        }
        for (residual, sharpness) in residuals.iter_mut().zip(&self.sharpness) {
            *residual = RESIDUAL_KNEE * asinh(*residual * sharpness * (1.0 / RESIDUAL_KNEE));
        }
    }

    /// Whether this could be a model of so many metrics and inputs.
    pub(super) fn is_sound(&self, metrics: usize, inputs: usize) -> bool {
        self.centre.len() == inputs
            && self.scale.len() == inputs
            && self.sharpness.len() == metrics
            && self.precision.len() == pairs(metrics)
            && self.centre.iter().all(|centre| centre.is_finite())
            && self.scale.iter().all(|scale| scale.is_finite() && *scale > 0.0)
            && self.precision.iter().chain(&self.sharpness).all(|number| number.is_finite())
    }

    /// Bytes on the heap.
    pub(super) fn heap_bytes(&self) -> usize {
        (self.centre.capacity() + self.scale.capacity()) * size_of::<f64>()
            + (self.precision.capacity() + self.sharpness.capacity()) * size_of::<f32>()
    }
}
