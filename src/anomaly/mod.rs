//! Says how unusual a sample, or the joint behaviour of a workload's metrics, is.
//!
//! [`forest`] holds the isolation forests, [`workload`] the detector that scores all metrics of one workload together.
//! Nothing here reads a clock; all randomness comes from a seed.

pub mod forest;
mod random;
pub mod workload;
