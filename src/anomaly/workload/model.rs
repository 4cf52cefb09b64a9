//! The frozen model that rows are scored with: what each metric should be, given the others and the row before.

use serde::{Deserialize, Serialize};

use super::RANGE_FLOOR;
use super::moments::Moments;
use super::numeric::{asinh, invert};

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
    /// `diag(P)⁻¹ P`, first rows, stored by column: weight of input j in metric i at j · metrics + i.
    weights: Vec<f32>,
    /// 1 / usual size of the residual of each metric.
    sharpness: Vec<f32>,
}

impl Model {
    /// Before anything is known: each metric is compared with its first value, on a scale of 1.
    pub(super) fn new(metrics: usize, inputs: usize) -> Self {
        let mut weights = vec![0.0; metrics * inputs];
        for metric in 0..metrics {
            weights[metric * metrics + metric] = 1.0;
        }
        Self { centre: vec![0.0; inputs], scale: vec![1.0; inputs], weights, sharpness: vec![1.0; metrics] }
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
        let mut model = Self::new(metrics, inputs);
        for i in 0..metrics {
            let row = &precision[i * inputs..(i + 1) * inputs];
            let own = 1.0 / row[i];
            let mut squares = 0.0;
            for (j, &element) in row.iter().enumerate() {
                let weight = element * own;
                model.weights[j * metrics + i] = weight as f32;
                squares += weight * weight;
            }
            // a C aᵀ for a row a of the weights, as C = P⁻¹ - ridge I.
            let variance = (own - RIDGE * squares).max(0.0);
            model.sharpness[i] = (1.0 / (variance + RESIDUAL_FLOOR * RESIDUAL_FLOOR).sqrt()) as f32;
        }
        model.centre.copy_from_slice(&learned.mean);
        model.scale = scale;
        Some(model)
    }

    /// Residuals of a row in usual sizes, compressed, with sign, into `residuals`. An input that is NaN counts as usual.
    /// `scratch` is as long as `inputs`.
    pub(super) fn residuals(&self, inputs: &[f64], learned: &Moments, scratch: &mut [f32], residuals: &mut [f32]) {
        let ranges = learned.lo.iter().zip(&learned.hi);
        let centred = inputs.iter().zip(&self.centre).zip(&self.scale);
        for ((out, ((&value, centre), scale)), (lo, hi)) in scratch.iter_mut().zip(centred).zip(ranges) {
            // A metric that has hardly moved yet must not shout when it first does.
            let range = hi.max(value) - lo.min(value);
            let deviation = (value - centre) / scale.max(RANGE_FLOOR * range);
            *out = if value.is_nan() { 0.0 } else { deviation as f32 };
        }
        for z in scratch.iter_mut() {
            *z = INPUT_KNEE * asinh(*z * (1.0 / INPUT_KNEE));
        }
        residuals.fill(0.0);
        for (z, weights) in scratch.iter().zip(self.weights.chunks_exact(residuals.len())) {
            for (residual, weight) in residuals.iter_mut().zip(weights) {
                *residual += weight * z;
            }
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
            && self.weights.len() == metrics * inputs
            && self.centre.iter().all(|centre| centre.is_finite())
            && self.scale.iter().all(|scale| scale.is_finite() && *scale > 0.0)
            && self.weights.iter().chain(&self.sharpness).all(|number| number.is_finite())
    }

    /// Bytes on the heap.
    pub(super) fn heap_bytes(&self) -> usize {
        (self.centre.capacity() + self.scale.capacity()) * size_of::<f64>()
            + (self.weights.capacity() + self.sharpness.capacity()) * size_of::<f32>()
    }
}
