//! What outlives the process: today a snapshot of the engine, written when the daemon stops.

mod snapshot;

pub use snapshot::{LoadError, SaveError, load, save};
