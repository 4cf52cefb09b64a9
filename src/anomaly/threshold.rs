//! From evidence to episodes: the threshold, and a state machine that does not flap.
//!
//! A finding needs three things: an event (the evidence stands out from everything lately), evidence above a threshold
//! that follows from how often chance may raise one, and a second sample nearly as odd before or after it among three.
//! Nearly, since a value just seen is less rare the second time. The event may come
//! first, at the edge of a disturbance, and the evidence grow while it lasts. It ends when the score has been below half
//! of the threshold for five samples.

use serde::{Deserialize, Serialize};

use super::CAP;
use crate::signal::TimestampMs;

/// Record score from which a sample is an event (detection.md, part 1, step 5: best on the development sets).
pub const EVENT: f32 = 8.2;
/// Evidence from which a series counts as disturbed, for the start of an episode.
const DISTURBED: f32 = 1.0;
/// Share of the threshold that confirms a sample above it.
const CONFIRM: f32 = 0.7;
/// Share of the threshold below which an episode cools down.
const COOL: f32 = 0.5;
/// Cool samples after which it is over.
const COOL_SAMPLES: u8 = 5;
const WEEK_MS: f32 = 7.0 * 86_400_000.0;

/// Rarity, in powers of ten, that chance reaches `per_week` times a week in a series with a sample each `step_ms`:
/// `log10(samples in a week / per_week)`, at least 4.
#[must_use]
pub fn threshold(step_ms: u32, per_week: f32) -> f32 {
    (WEEK_MS / step_ms.max(1) as f32 / per_week.max(1e-6)).log10().max(4.0)
}

/// Weight of the newest evidence in a held score that falls: half-life of 16 samples.
pub const RELEASE: f32 = 0.042_395_674;

/// Factor of the shared forest in the evidence, from its score of the row of rarities: the square of twice the score,
/// within 0.4 to 1.5. Rows as isolated as any count half as much again, rows like many before count less, 1 stands at the
/// forest's neutral 0.5. (Measured beside other forms: docs/accuracy.md.)
#[must_use]
pub fn forest_weight(score: f32) -> f32 {
    (4.0 * score * score).clamp(0.4, 1.5)
}

/// Evidence on which a finding about a series may rest, given the threshold of its score, its age in ms and the number of
/// samples that it was learnt from.
///
/// The rarities in the evidence come from one deviation and are far from independent, so that a finding needs 1.75 times
/// the threshold, but less than three features can give. Before a series has seen a whole day it needs nearly all that
/// they can give: a feature never seen so far out is about `log10(samples) + 1.2` rare.
#[must_use]
pub fn finding_evidence(threshold: f32, age_ms: i64, samples: u32) -> f32 {
    const FACTOR: f32 = 1.75;
    const MAX: f32 = 2.7 * CAP;
    const DAY_MS: i64 = 86_400_000;
    if age_ms < DAY_MS {
        let attainable = ((samples as f32 + 50.0).log10() + 1.2).min(CAP);
        2.9 * attainable
    } else {
        (FACTOR * threshold).min(MAX)
    }
}

/// What a sample did to an episode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transition {
    /// Nothing changed.
    None,
    /// A finding is to be raised.
    Raised,
    /// The open finding is over.
    Resolved,
}

/// Where a series or workload stands.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Episode {
    /// Whether an event was seen since the disturbance began.
    event: bool,
    /// Bit i: the sample i ago had evidence above the threshold, or nearly so.
    high: u8,
    near: u8,
    cool: u8,
    calm: u8,
    firing: bool,
    /// Start of the disturbance; meaningful while it lasts.
    since: TimestampMs,
    disturbed: bool,
}

/// One sample as an episode sees it.
#[derive(Clone, Copy, Debug)]
pub struct Evidence {
    /// Event time.
    pub at: TimestampMs,
    /// Whether the sample is an event.
    pub is_event: bool,
    /// Evidence over what a finding needs; 1 is enough.
    pub ratio: f32,
    /// Smooth score; 1 is the threshold.
    pub score: f32,
    /// Whether anything may be raised now: not in the wake of a restart or a gap, and far enough from what was
    /// expected to matter.
    pub may_raise: bool,
}

impl Episode {
    /// Takes the next sample. `enough` is the evidence that `ratio` 1 stands for.
    pub fn observe(&mut self, evidence: Evidence, enough: f32) -> Transition {
        self.track_start(evidence, enough);
        self.event |= evidence.is_event;
        self.high = (self.high << 1 | u8::from(evidence.ratio >= 1.0)) & 0b111;
        self.near = (self.near << 1 | u8::from(evidence.ratio >= CONFIRM)) & 0b111;
        if self.firing {
            self.cool = if evidence.score < COOL { self.cool + 1 } else { 0 };
            if self.cool >= COOL_SAMPLES {
                self.end();
                return Transition::Resolved;
            }
        } else if evidence.may_raise
            && self.event
            && self.high != 0
            && self.near & 1 == 1
            && self.near.count_ones() >= 2
        {
            self.firing = true;
            self.cool = 0;
            return Transition::Raised;
        }
        Transition::None
    }

    fn track_start(&mut self, evidence: Evidence, enough: f32) {
        if evidence.ratio * enough >= DISTURBED {
            if !self.disturbed {
                self.since = evidence.at;
            }
            self.disturbed = true;
            self.calm = 0;
        } else if self.disturbed {
            self.calm += 1;
            self.disturbed = self.calm < 3;
            self.event &= self.disturbed;
        }
    }

    /// Whether a finding is open.
    #[must_use]
    pub fn is_firing(&self) -> bool {
        self.firing
    }

    /// Event time at which the disturbance began.
    #[must_use]
    pub fn since(&self) -> TimestampMs {
        self.since
    }

    /// Closes the episode: the series has ended. Returns whether a finding was open.
    pub fn end(&mut self) -> bool {
        let was_firing = self.firing;
        *self = Self::default();
        was_firing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feed(episode: &mut Episode, at: TimestampMs, is_event: bool, ratio: f32, score: f32) -> Transition {
        episode.observe(Evidence { at, is_event, ratio, score, may_raise: true }, 7.0)
    }

    #[test]
    fn the_threshold_follows_the_interval_and_the_budget() {
        assert!((threshold(15_000, 0.001) - 7.605_7).abs() < 0.01);
        assert!(threshold(1_000, 0.001) > threshold(15_000, 0.001));
        assert!(threshold(15_000, 0.001) > threshold(15_000, 0.01));
    }

    #[test]
    fn a_finding_needs_more_than_the_score_and_a_young_series_still_more() {
        let (young, old) = (0, 90_000_000);
        assert!(finding_evidence(7.0, old, 10_000) > 7.0);
        assert!(finding_evidence(7.0, young, 10_000) > finding_evidence(7.0, old, 10_000));
        assert!(finding_evidence(7.0, young, 300) < finding_evidence(7.0, young, 3_000));
        assert!(finding_evidence(20.0, old, 10_000) < 3.0 * CAP, "three features can reach it");
        assert!(finding_evidence(20.0, young, 100_000) < 3.0 * CAP);
        assert_eq!(forest_weight(0.5), 1.0);
    }

    #[test]
    fn one_sample_is_not_enough_two_are_and_the_end_is_sticky() {
        let mut episode = Episode::default();
        assert_eq!(feed(&mut episode, 1, true, 1.5, 1.5), Transition::None);
        assert_eq!(feed(&mut episode, 2, false, 0.3, 1.4), Transition::None);
        assert_eq!(feed(&mut episode, 3, false, 0.8, 1.3), Transition::Raised, "2 of the last 3");
        assert_eq!(episode.since(), 1);
        for at in 4..8 {
            assert_eq!(feed(&mut episode, at, false, 0.0, 0.4), Transition::None);
        }
        assert_eq!(feed(&mut episode, 8, false, 0.0, 0.6), Transition::None, "warm again");
        for at in 9..13 {
            assert_eq!(feed(&mut episode, at, false, 0.0, 0.1), Transition::None);
        }
        assert_eq!(feed(&mut episode, 13, false, 0.0, 0.1), Transition::Resolved);
        assert!(!episode.is_firing());
    }

    #[test]
    fn high_evidence_without_an_event_raises_nothing() {
        let mut episode = Episode::default();
        for at in 0..10 {
            assert_eq!(feed(&mut episode, at, false, 2.0, 2.0), Transition::None);
        }
        let quiet = Evidence { at: 11, is_event: true, ratio: 2.0, score: 2.0, may_raise: false };
        assert_eq!(episode.observe(quiet, 7.0), Transition::None);
    }
}
