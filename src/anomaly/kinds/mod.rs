//! What kind of anomaly it is: named kinds, and the detectors of those that no single sample shows.
//!
//! [`classify`] names an open episode of the sample detector. [`Slow`] watches one series over hours and days,
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

use serde::{Deserialize, Serialize};

/// The kind of an anomaly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A few samples far off, then back, or too short so far to be more.
    Spike,
    /// The series stays on a new level.
    LevelShift,
    /// The series keeps moving one way.
    Trend,
    /// The level is as before, the spread around it is not.
    Variance,
    /// The daily swing is gone.
    LostSeason,
    /// What was always there is gone.
    Absence,
    /// One of several siblings left the others.
    PeerDiffers,
    /// A lively series stands still.
    Flatline,
    /// The metrics of a workload no longer move together.
    Relation,
}

impl Kind {
    /// The kind in words, as in "a level shift in …".
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Spike => "spike",
            Self::LevelShift => "level shift",
            Self::Trend => "trend",
            Self::Variance => "change of spread",
            Self::LostSeason => "lost daily season",
            Self::Absence => "absence",
            Self::PeerDiffers => "peer that differs",
            Self::Flatline => "flatline",
            Self::Relation => "broken relation",
        }
    }
}

/// What became of a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It holds from now on.
    Raised,
    /// It is over, or has become normal.
    Resolved,
}

#[cfg(test)]
mod tests {
    use super::Kind;

    #[test]
    fn names_are_written_in_kebab_case() {
        assert_eq!(serde_json::to_string(&Kind::PeerDiffers).unwrap(), "\"peer-differs\"");
        assert_eq!(serde_json::from_str::<Kind>("\"level-shift\"").unwrap(), Kind::LevelShift);
        assert_eq!(Kind::LevelShift.name(), "level shift");
    }
}
