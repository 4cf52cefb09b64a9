//! A lively series that stands still.

use serde::{Deserialize, Serialize};

/// A run of unchanged samples counts when it is so many times as long as any before.
const TIMES: u32 = 8;
/// … and has at least so many samples, …
const SAMPLES: u32 = 64;
/// … and lasts at least so long, in ms.
const LASTING_MS: u32 = 3_600_000;
/// Least share of changing samples of a lively series, of 65,536.
const LIVELY: u16 = 6_554;
/// Weight of a new sample in that share: 2^-10.
const SHARE_SHIFT: u32 = 10;
/// In place of a run: it was told, and goes on in `longest`.
const TOLD: u16 = u16::MAX;

/// Runs of unchanged samples.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Flatline {
    run: u16,
    /// Longest runs of this period of 28 days and of the one before.
    longest: u16,
    longest_before: u16,
    share: u16,
}

/// What a sample did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stand {
    Nothing,
    /// It stands still, for so many samples now.
    Still {
        samples: u16,
    },
    /// It moves again after standing still.
    Moves,
}

impl Flatline {
    /// Takes whether the value moved; `known` tells whether the series is old enough to be judged.
    pub(super) fn observe(&mut self, moved: bool, step_ms: u32, known: bool) -> Stand {
        if moved {
            self.share += (u16::MAX - self.share) >> SHARE_SHIFT;
            let told = self.run == TOLD;
            self.end_run();
            return if told { Stand::Moves } else { Stand::Nothing };
        }
        if self.run == TOLD {
            self.longest = self.longest.saturating_add(1);
            return Stand::Nothing;
        }
        self.run = (self.run + 1).min(TOLD - 1);
        let longest = self.longest.max(self.longest_before);
        if self.run <= longest {
            self.share -= self.share >> SHARE_SHIFT;
        }
        let limit = (TIMES * u32::from(longest)).max(SAMPLES).max(LASTING_MS / step_ms.max(1));
        if u32::from(self.run) <= limit || self.share < LIVELY || !known {
            return Stand::Nothing;
        }
        let samples = std::mem::replace(&mut self.run, TOLD);
        self.longest = samples;
        Stand::Still { samples }
    }

    /// The next sample does not follow the last: a run that was not told is over.
    pub(super) fn interrupt(&mut self) {
        if self.run != TOLD {
            self.end_run();
        }
    }

    /// A period of 28 days is over.
    pub(super) fn turn(&mut self) {
        (self.longest_before, self.longest) = (self.longest, 0);
    }

    fn end_run(&mut self) {
        if self.run != TOLD {
            self.longest = self.longest.max(self.run);
        }
        self.run = 0;
    }
}
