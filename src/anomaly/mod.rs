//! From values to scores: what is normal for a series and for a workload, and how far from it things are.

mod cadence;
mod detector;
mod novelty;
mod record;
mod tail;

pub use cadence::{Cadence, StepEstimate};
pub use detector::{CAP, Detector, FEATURE_NAMES, FEATURES, Judgement, WARM};
pub use record::Records;
pub use tail::{Seen, Tail, TailPrior};
