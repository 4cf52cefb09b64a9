//! A spread around the level that is larger or smaller than ever.
//!
//! The spread of 40 samples is the mean size of their successive differences, which neither a season nor a trend nor a
//! single step moves much (von Neumann 1941). Its logarithm is judged against the extremes ever seen, so that
//! bursts, nightly jobs and quiet nights that are known do not count.

use serde::{Deserialize, Serialize};

use super::{
    Change,
    days::{from_log_units, log_units},
};

/// Differences in a block.
const BLOCK: u8 = 40;
/// Blocks in a row beyond the extremes.
const RUN: i8 = 3;
/// Samples that a change of spread has lasted when it is told.
pub(super) const SPREAD_SAMPLES: i64 = BLOCK as i64 * RUN as i64;
/// By how much, in 64ths of a natural logarithm: twice as large, a third as large, …
const MARGIN_UP: i16 = 45;
const MARGIN_DOWN: i16 = 70;
/// … and at least this share of the range between the extremes.
const OF_RANGE: f32 = 0.5;
/// A difference counts at most so many times the usual one.
const CLIP: f32 = 8.0;
/// Share of the usual difference that every block is taken to have, so that one without any has a logarithm.
const FLOOR: f32 = 0.02;
/// In place of the length of a run: it was told, below if negative; less by the blocks in which it was over.
const TOLD: i8 = 100;

/// Spread of the block under way, and the usual and extreme spreads of blocks.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Spread {
    sum: f32,
    /// Running median and extremes of the blocks, in 64ths of a natural logarithm.
    median: i16,
    highest: i16,
    lowest: i16,
    count: u8,
    /// Blocks in a row above the highest, or below the lowest if negative.
    run: i8,
}

/// What the detector of spreads says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wobble {
    pub(super) change: Change,
    /// Mean size of the differences of the last 40 samples.
    pub(super) seen: f32,
    /// The usual.
    pub(super) usual: f32,
    /// Distance from the usual over what it takes.
    pub(super) evidence: f32,
}

impl Default for Spread {
    fn default() -> Self {
        Self { sum: 0.0, median: i16::MIN, highest: i16::MIN, lowest: i16::MAX, count: 0, run: 0 }
    }
}

impl Spread {
    /// The usual size of a difference; 0 while unknown.
    pub(super) fn usual(&self) -> f32 {
        if self.median == i16::MIN { 0.0 } else { from_log_units(self.median) }
    }

    /// Takes the size of a difference. `known`: the series is old enough to be judged. `moved` tells whether its level
    /// has left what it was, given the spread; that is another kind.
    pub(super) fn observe(&mut self, difference: f32, known: bool, moved: impl FnOnce(f32) -> bool) -> Option<Wobble> {
        let usual = self.usual();
        self.sum += if known { difference.min(CLIP * usual) } else { difference };
        self.count += 1;
        if self.count < BLOCK {
            return None;
        }
        let seen = self.sum / f32::from(BLOCK);
        (self.sum, self.count) = (0.0, 0);
        if seen == 0.0 && usual == 0.0 {
            return None;
        }
        self.end_block(seen, usual, known, moved)
    }

    fn end_block(&mut self, seen: f32, usual: f32, known: bool, moved: impl FnOnce(f32) -> bool) -> Option<Wobble> {
        let units = log_units(seen + FLOOR * usual);
        self.median = match self.median {
            i16::MIN => units,
            median => median + (units - median).clamp(-1, 1) * if known { 1 } else { 8 },
        };
        let range = (OF_RANGE * f32::from(self.highest.saturating_sub(self.lowest))) as i16;
        let over = units.saturating_sub(self.highest.saturating_add(range.max(MARGIN_UP)));
        let under = self.lowest.saturating_sub(range.max(MARGIN_DOWN)).saturating_sub(units);
        if self.is_told() {
            return self.go_on(units, seen, usual);
        }
        if !known || (over <= 0 && under <= 0) {
            self.run = 0;
            self.learn(units);
            return None;
        }
        // A block without any difference is a flatline's business; a spread that came with a new level belongs to that.
        if seen == 0.0 || moved(seen) {
            self.run = 0;
            if seen > 0.0 {
                self.learn(units);
            }
            return None;
        }
        self.run = if over > 0 { self.run.max(0) + 1 } else { self.run.min(0) - 1 };
        if self.run.abs() < RUN {
            return None;
        }
        let least = if over > 0 { self.highest + range.max(MARGIN_UP) } else { self.lowest - range.max(MARGIN_DOWN) };
        let evidence = f32::from(units - self.median) / f32::from(least - self.median);
        self.run = if over > 0 { TOLD } else { -TOLD };
        self.learn(units);
        Some(Wobble { change: Change::Raised, seen, usual, evidence })
    }

    fn is_told(&self) -> bool {
        self.run.abs() > TOLD - RUN
    }

    /// What was told is known from now on; it is over when the spread has been nearer to the median than to its new
    /// extreme for three blocks. What stays becomes the median in time.
    fn go_on(&mut self, units: i16, seen: f32, usual: f32) -> Option<Wobble> {
        self.learn(units);
        let side = self.run.signum();
        let from_extreme = if side > 0 { self.highest - units } else { units - self.lowest };
        let is_over = (units - self.median).abs() <= from_extreme;
        self.run = if is_over { self.run - side } else { side * TOLD };
        if self.is_told() {
            return None;
        }
        self.run = 0;
        Some(Wobble { change: Change::Resolved, seen, usual, evidence: 0.0 })
    }

    fn learn(&mut self, units: i16) {
        self.highest = self.highest.max(units);
        self.lowest = self.lowest.min(units);
    }

    /// A day is over: the extremes come nearer by a 64th of a natural logarithm.
    pub(super) fn relax(&mut self) {
        if self.highest > self.median {
            self.highest -= 1;
        }
        if self.lowest < self.median {
            self.lowest += 1;
        }
    }
}
