//! A daily season that is gone: the quarters of a day are alike, where they never were.

use serde::{Deserialize, Serialize};

use super::{
    Change,
    days::{Quarter, from_log_units, log_units},
};

/// A daily swing below this share of the least ever is no swing.
const LOST: f32 = 0.3;
/// … and above this share it is back.
const BACK: f32 = 0.6;
/// A series has a season when its least swing is so many times the usual change from a day to the next.
const TIMES_USUAL: f32 = 3.0;
/// Quarters after which the least swing is known: two weeks, so that an outage hides no weekend.
const KNOWN: u8 = 56;
/// Quarters of a day in a row without a swing; each looks back over a day.
const RUN: u8 = 2;
/// In place of the length of a run: it was told.
const TOLD: u8 = u8::MAX;

/// The least daily swing ever and the quarters without one.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Season {
    /// In 64ths of a natural logarithm.
    least: i16,
    run: u8,
}

/// What the detector of lost seasons says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Swing {
    pub(super) change: Change,
    /// Highest less lowest quarter of the last day.
    pub(super) seen: f32,
    /// The least that was ever seen in a day.
    pub(super) least: f32,
    /// How far below what it takes; 0 if it is back.
    pub(super) evidence: f32,
}

impl Default for Season {
    fn default() -> Self {
        Self { least: i16::MAX, run: 0 }
    }
}

impl Season {
    /// Takes a complete quarter; `usual` is the usual size of the change from a day to the next.
    pub(super) fn observe(&mut self, quarter: &Quarter, usual: f32) -> Option<Swing> {
        let seen = quarter.swing;
        if seen.is_nan() {
            return None;
        }
        let least = from_log_units(self.least);
        if self.run == TOLD {
            // What stays away for about two weeks is no season any more.
            self.least = self.least.saturating_sub(6).max(log_units(seen));
            if seen > BACK * least {
                self.run = 0;
                return Some(Swing { change: Change::Resolved, seen, least, evidence: 0.0 });
            }
            return None;
        }
        let unknown = quarter.age < KNOWN || self.least == i16::MAX;
        if unknown || seen >= LOST * least || least < TIMES_USUAL * usual {
            self.run = 0;
            let relaxed = self.least.saturating_add(i16::from(quarter.day_ended));
            self.least = relaxed.min(log_units(seen));
            return None;
        }
        self.run += 1;
        if self.run < RUN {
            return None;
        }
        self.run = TOLD;
        let evidence = (LOST * least / seen.max(f32::MIN_POSITIVE)).min(10.0);
        Some(Swing { change: Change::Raised, seen, least, evidence })
    }
}
