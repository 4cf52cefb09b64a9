//! How a workload detector is set up, and what can be wrong with it.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::METRICS_MAX;
use crate::anomaly::forest::SAMPLE_SIZE_MAX;

/// How a [`Workload`](super::Workload) learns and scores.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct WorkloadParams {
    /// Same rows, same parameters, same seed: the same scores, bit for bit. Only the forest depends on it.
    pub seed: u64,
    /// Trees of the forest; 0 for none, which saves two thirds of the state.
    pub trees: usize,
    /// Rows each tree is grown on.
    pub sample_size: usize,
    /// Half-life of learning in rows, reached when so many have been seen; equal weights before.
    pub half_life_rows: f64,
    /// Rows in which a held peak falls by half.
    pub hold_rows: f64,
    /// Rows between refreshes of the model, once the number of rows no longer doubles sooner.
    pub refresh_rows: u64,
    /// Rows a refresh is postponed at most, and never longer than half of the rows seen.
    pub wait_rows_max: u64,
}

impl Default for WorkloadParams {
    fn default() -> Self {
        Self {
            seed: 1,
            trees: 16,
            sample_size: 128,
            half_life_rows: 10_000.0,
            hold_rows: 10.0,
            refresh_rows: 2_500,
            wait_rows_max: 10_000,
        }
    }
}

impl WorkloadParams {
    pub(super) fn check(&self) -> Result<(), WorkloadError> {
        let is_span = |rows: f64| rows.is_finite() && rows >= 1.0;
        for (is_sound, name) in [
            (self.trees <= 1024, "trees"),
            ((1..=SAMPLE_SIZE_MAX).contains(&self.sample_size), "sample_size"),
            (is_span(self.half_life_rows), "half_life_rows"),
            (is_span(self.hold_rows), "hold_rows"),
            ((1..1 << 40).contains(&self.refresh_rows), "refresh_rows"),
            (self.wait_rows_max < 1 << 40, "wait_rows_max"),
        ] {
            if !is_sound {
                return Err(WorkloadError::Parameter(name));
            }
        }
        Ok(())
    }
}

/// Why a detector cannot be made or restored.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum WorkloadError {
    /// The number of metrics is out of range.
    #[error("{got} metrics are not within 1 to {METRICS_MAX}")]
    Metrics {
        /// The number asked for.
        got: usize,
    },
    /// A half-life, period or size is out of range.
    #[error("{0} is out of range")]
    Parameter(&'static str),
    /// A stored detector is not one that this code wrote.
    #[error("stored workload is damaged: {0}")]
    Damaged(&'static str),
}
