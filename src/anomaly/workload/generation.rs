//! A model in use, and what it makes of the rows while it is.

use serde::{Deserialize, Serialize};

use super::model::Model;
use super::moments::Moments;

/// Half-life in rows of the mean residuals. A fault that shifts a metric by less than its residuals scatter shows only
/// in their mean.
const SHIFT_HALF_LIFE: f64 = 40.0;
/// Rows in which the residual of an unknown metric falls by half after its first move: the move is news, the new level
/// is not.
const FADE_ROWS: f64 = 20.0;

/// A model with its residuals.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Generation {
    model: Model,
    /// Whether the model knows how a metric moves; if not, it stood still when the model was made, or nearly so.
    known: Vec<bool>,
    /// Residuals of the last row.
    residuals: Vec<f32>,
    /// Recent mean of each residual, with sign.
    shifts: Vec<f32>,
}

impl Generation {
    /// Before anything is known.
    pub(super) fn first(metrics: usize, inputs: usize) -> Self {
        Self {
            model: Model::new(metrics, inputs),
            known: vec![true; metrics],
            residuals: vec![0.0; metrics],
            shifts: vec![0.0; metrics],
        }
    }

    /// The generation after this one, which shares nothing with it but the last row.
    pub(super) fn successor(&self, model: Model, known: Vec<bool>) -> Self {
        Self { model, known, residuals: self.residuals.clone(), shifts: vec![0.0; self.shifts.len()] }
    }

    /// Residuals of the last row, with sign.
    pub(super) fn residuals(&self) -> &[f32] {
        &self.residuals
    }

    /// Sizes of the last row's residuals, those of unknown metrics as 0.
    pub(super) fn known_sizes(&self) -> impl Iterator<Item = f32> {
        self.residuals.iter().zip(&self.known).map(|(u, &is_known)| if is_known { u.abs() } else { 0.0 })
    }

    /// Starts a metric at its first value. If it is late, it has a residual of 0 for as long as the model is in use.
    pub(super) fn introduce(&mut self, metric: usize, value: f64, is_late: bool) {
        let metrics = self.residuals.len();
        for input in [metric, metrics + metric] {
            self.model.introduce(input, value);
        }
        if is_late {
            self.model.silence(metric);
        }
    }

    /// Takes a row; `rows_since_move` counts from each metric's first move. Returns the mean square of the residuals
    /// plus that of their recent means.
    pub(super) fn observe(
        &mut self,
        inputs: &[f64],
        learned: &Moments,
        rows_since_move: impl Iterator<Item = u64>,
    ) -> f64 {
        self.model.residuals(inputs, learned, &mut self.residuals);
        for ((u, &is_known), rows) in self.residuals.iter_mut().zip(&self.known).zip(rows_since_move) {
            if !is_known {
                *u *= 0.5_f64.powf(rows as f64 / FADE_ROWS) as f32;
            }
        }
        let rate = (1.0 - 0.5_f64.powf(1.0 / SHIFT_HALF_LIFE)) as f32;
        let mut squares = 0.0;
        for (shift, &u) in self.shifts.iter_mut().zip(&self.residuals) {
            *shift += rate * (u - *shift);
            squares += f64::from(u) * f64::from(u) + f64::from(*shift) * f64::from(*shift);
        }
        squares / self.residuals.len() as f64
    }

    /// Whether this could be a generation for so many metrics and inputs.
    pub(super) fn is_sound(&self, metrics: usize, inputs: usize) -> bool {
        self.model.is_sound(metrics, inputs)
            && [self.known.len(), self.residuals.len(), self.shifts.len()] == [metrics; 3]
            && self.residuals.iter().chain(&self.shifts).all(|number| number.is_finite())
    }

    /// Bytes on the heap.
    pub(super) fn heap_bytes(&self) -> usize {
        self.model.heap_bytes()
            + self.known.capacity()
            + (self.residuals.capacity() + self.shifts.capacity()) * size_of::<f32>()
    }
}
