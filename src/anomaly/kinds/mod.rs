//! What kind of anomaly it is: named kinds, and the detectors of those that no single sample shows.
//!
//! [`classify()`] names an open episode of the sample detector. [`Slow`] watches one series over hours and days,
//! [`Peers`] a group of siblings, [`Presence`] whether a group is there at all. All are pure state machines over event
//! time. What each kind means, needs and takes: docs/kinds.md.

mod absence;
mod classify;
mod days;
mod flatline;
mod peers;
mod season;
mod slow;
mod spread;
#[cfg(test)]
mod synthetic;
#[cfg(test)]
mod table;
mod trend;

pub use absence::{Absence, Presence, Sender};
pub use classify::{Observed, classify};
pub use peers::{Member, PeerEvent, Peers};
pub use slow::{Slow, SlowEvent};

pub use crate::signal::Kind;

/// What became of a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Change {
    /// It holds from now on.
    Raised,
    /// It is over, or has become normal.
    Resolved,
}
