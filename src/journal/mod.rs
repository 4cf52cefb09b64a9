//! What outlives the process: the log of requests, and snapshots of the engine at positions in it.
//!
//! State is a snapshot and the records of the journal from its position on. Both lie in one folder of a [`Disk`], which is
//! the file system, or in tests one that fails in every way a disk can. Nothing here has threads or reads a clock: whoever
//! owns the [`Journal`] decides when to sync.

mod disk;
mod error;
mod log;
mod record;
mod replay;
#[cfg(test)]
pub(crate) mod seeds;
mod segment;
#[cfg(test)]
pub(crate) mod simulated;
#[cfg(test)]
mod simulation;
mod snapshot;
mod snapshots;
mod sync;
#[cfg(test)]
mod tests;

pub use disk::{Disk, DiskFile, Files};
pub use error::{Damage, Error};
pub use log::{Journal, Opened, Options};
pub use record::{Kind, MAX_BODY, Position, Record};
pub use replay::Replayed;
pub(crate) use segment::fill;
pub use snapshot::{GENERATIONS, load, save, snapshots};
pub use snapshots::{DamagedSnapshot, LoadError, Loaded, SaveError, Snapshots};
pub use sync::Unsynced;
