//! From values to scores: what is normal for a series and for a workload, and how far from it things are.

mod cadence;
mod detector;
mod explain;
pub mod forest;
mod half;
pub mod kinds;
mod novelty;
mod profile;
mod random;
mod range;
mod record;
mod tail;
mod threshold;
pub mod workload;

pub use cadence::{Cadence, StepEstimate};
pub use detector::{CAP, Detector, FEATURE_NAMES, FEATURES, Judgement, SETTLED, WARM};
pub use explain::{
    SeriesStory, absence_sentence, clock, number, series_drivers, series_sentence, workload_drivers, workload_sentence,
};
pub use forest::{Forest, ForestParams};
pub use record::Records;
pub use tail::{Seen, Tail, TailPrior};
pub use threshold::{Circumstances, EVENT, Episode, Standing, Transition, forest_weight, hold, threshold};
