//! From evidence to episodes: the threshold, and a state machine that does not flap.
//!
//! A finding needs three things: an event (the evidence stands out from everything lately), evidence above a threshold
//! that follows from how often chance may raise one, and a second sample nearly as odd before or after it among three.
//! Nearly, since a value just seen is less rare the second time. The event may come
//! first, at the edge of a disturbance, and the evidence grow while it lasts. It ends when the score has been below half
//! of the threshold for five samples.

use serde::{Deserialize, Serialize};

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
const RELEASE: f32 = 0.042_395_674;

/// A held score after `now`: it rises at once and falls slowly.
#[must_use]
pub fn hold(held: f32, now: f32) -> f32 {
    if now > held { now } else { held + RELEASE * (now - held) }
}

/// Factor of the shared forest in the evidence, from its score of the row of rarities: the square of twice the score,
/// within 0.4 to 1.5. Rows as isolated as any count half as much again, rows like many before count less, 1 stands at the
/// forest's neutral 0.5. (Measured beside other forms: docs/accuracy.md.)
#[must_use]
pub fn forest_weight(score: f32) -> f32 {
    (4.0 * score * score).clamp(0.4, 1.5)
}

/// What else there is to know when evidence is weighed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Circumstances {
    /// How often disturbances of the same metric went about as far lately, whatever the series.
    pub familiar: f32,
    /// How often siblings went about as far to the same side, in the metric's own unit.
    pub habitual: f32,
    /// Other workloads that are disturbed at the same time, and how many usually are.
    pub others: f32,
    /// See `others`.
    pub usual_others: f32,
    /// How new the subject is: 1 until it has shown a whole day, falling to 0 over the second.
    pub youth: f32,
}

impl Circumstances {
    /// What a support by others is worth at most, in powers of ten.
    const SUPPORT_MAX: f32 = 3.0;
    /// What the evidence of something entirely new is lessened by.
    const YOUTH: f32 = 4.0;

    /// Support by others: 1.5 for each doubling of the disturbed workloads beyond the usual number.
    fn support(&self) -> f32 {
        let doublings = ((1.0 + self.others) / (1.0 + self.usual_others)).log2();
        (1.5 * doublings).clamp(0.0, Self::SUPPORT_MAX)
    }

    /// [`Circumstances::youth`] of what has been seen for so long, in ms.
    #[must_use]
    pub fn youth_at(age_ms: i64) -> f32 {
        (2.0 - age_ms as f32 / 86_400_000.0).clamp(0.0, 1.0)
    }

    /// Whether it has not shown a whole day yet.
    #[must_use]
    pub fn is_young(&self) -> bool {
        self.youth >= 1.0
    }

    /// Whether nothing else supports the evidence.
    #[must_use]
    pub fn is_alone(&self) -> bool {
        self.support() < 1.0
    }

    /// Evidence, weighed: more where other workloads are disturbed as well, less where the metric often does this, and
    /// less for what has not shown a whole day, in which everything comes for the first time, and all of it together.
    ///
    /// (Measured on the demo's shop: docs/accuracy.md.)
    #[must_use]
    pub fn weigh(&self, evidence: f32) -> f32 {
        if evidence <= 0.0 {
            return 0.0;
        }
        let habit = 3.0 * (1.0 + self.familiar).log10() + 6.0 * (1.0 + self.habitual).log10();
        (evidence + (1.0 - self.youth) * self.support() - habit - Self::YOUTH * self.youth).max(0.0)
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
    /// Evidence of the last three samples and how far they were from what was expected, the newest first.
    last: [(f32, f32); 3],
    /// Highest sustained evidence of the disturbance.
    peak: f32,
    /// Start of the disturbance; meaningful while it lasts.
    since: TimestampMs,
    /// Whether an event was seen since the disturbance began.
    event: bool,
    disturbed: bool,
    calm: u8,
    firing: bool,
    cool: u8,
    /// Whether a finding would have been raised, had it not been held back.
    owed: bool,
}

/// What may be made of an episode after a sample.
#[derive(Clone, Copy, Debug)]
pub struct Standing {
    /// Smooth score; 1 is the threshold.
    pub score: f32,
    /// Sustained evidence, weighed, over what a finding needs; 1 is enough.
    pub ratio: f32,
    /// Whether anything may be raised now: not in the wake of a restart or a gap, and far enough from what was
    /// expected to matter.
    pub may_raise: bool,
    /// Whether it is held back, too small yet or like what was called a false alarm: raised only once it no longer is.
    pub waits: bool,
}

impl Episode {
    /// Takes the next sample: its evidence and its distance from what was expected, in any unit. Returns what of the
    /// evidence is sustained: what came with an event and is confirmed by a second sample among three that is nearly as
    /// odd, or nearly as far off to the same side. (A value just seen is no longer beyond all that was seen.) 0 while
    /// there is none.
    pub fn observe(&mut self, at: TimestampMs, evidence: f32, distance: f32, is_event: bool) -> f32 {
        self.track(at, evidence);
        self.event |= is_event;
        self.last = [(evidence, distance), self.last[0], self.last[1]];
        let sustained = if self.event { self.sustained() } else { 0.0 };
        self.peak = self.peak.max(sustained);
        sustained
    }

    /// The most that any of the last three samples shows and the newest or another confirms.
    fn sustained(&self) -> f32 {
        let [newest, ..] = self.last;
        // What the other says of the one: all of it when it lies as far out, else what its own evidence bears out.
        let confirmed = |one: (f32, f32), other: (f32, f32)| {
            let is_as_far = one.1 * other.1 > 0.0 && other.1.abs() >= CONFIRM * one.1.abs();
            if is_as_far { one.0 } else { one.0.min(other.0 / CONFIRM) }
        };
        let mut most = 0.0_f32;
        for one in 0..3 {
            for other in (0..3).filter(|other| *other != one) {
                let sustained = confirmed(self.last[one], self.last[other]);
                // It must go on: the newest sample has to be one of those that show it.
                let goes_on = newest.0 >= CONFIRM * sustained || confirmed(self.last[one], newest) >= sustained;
                if goes_on {
                    most = most.max(sustained);
                }
            }
        }
        most
    }

    /// Decides whether a finding begins or ends with the sample just observed.
    pub fn decide(&mut self, standing: Standing) -> Transition {
        if self.firing {
            self.cool = if standing.score < COOL { self.cool + 1 } else { 0 };
            if self.cool >= COOL_SAMPLES {
                self.end();
                return Transition::Resolved;
            }
        } else if standing.may_raise && (standing.ratio >= 1.0 || self.owed) {
            self.owed = standing.waits;
            if !standing.waits {
                self.firing = true;
                self.cool = 0;
                return Transition::Raised;
            }
        }
        Transition::None
    }

    fn track(&mut self, at: TimestampMs, evidence: f32) {
        if evidence >= DISTURBED {
            if !self.disturbed {
                (self.since, self.peak) = (at, 0.0);
            }
            self.disturbed = true;
            self.calm = 0;
        } else if self.disturbed {
            self.calm += 1;
            self.disturbed = self.calm < 3;
            self.event &= self.disturbed;
            self.owed &= self.disturbed;
        }
    }

    /// Whether there is evidence, or was a moment ago.
    #[must_use]
    pub fn is_disturbed(&self) -> bool {
        self.disturbed
    }

    /// Highest sustained evidence of the disturbance that goes on or has just ended.
    #[must_use]
    pub fn peak(&self) -> f32 {
        self.peak
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

    /// Evidence of 10 is enough.
    fn feed(episode: &mut Episode, at: TimestampMs, is_event: bool, evidence: f32, score: f32) -> Transition {
        let ratio = episode.observe(at, evidence, 0.0, is_event) / 10.0;
        episode.decide(Standing { score, ratio, may_raise: true, waits: false })
    }

    #[test]
    fn the_threshold_follows_the_interval_and_the_budget() {
        assert!((threshold(15_000, 0.001) - 7.605_7).abs() < 0.01);
        assert!(threshold(1_000, 0.001) > threshold(15_000, 0.001));
        assert!(threshold(15_000, 0.001) > threshold(15_000, 0.01));
    }

    #[test]
    fn evidence_weighs_more_in_company_and_less_out_of_habit() {
        let plain = Circumstances::default();
        assert_eq!((plain.weigh(0.0), plain.weigh(10.0)), (0.0, 10.0));
        let among = |others, usual_others| Circumstances { others, usual_others, ..plain };
        assert!((among(3.0, 0.0).weigh(10.0) - 13.0).abs() < 1e-5 && !among(3.0, 0.0).is_alone());
        assert_eq!(among(300.0, 0.0).weigh(10.0), 13.0, "bounded");
        assert_eq!(among(3.0, 3.0).weigh(10.0), 10.0, "as usual");
        assert_eq!(Circumstances { familiar: 9.0, ..plain }.weigh(10.0), 7.0);
        assert_eq!(Circumstances { habitual: 9.0, ..plain }.weigh(10.0), 4.0);
        assert_eq!(Circumstances { youth: 1.0, ..plain }.weigh(10.0), 6.0);
        assert_eq!(Circumstances { youth: 1.0, ..among(3.0, 0.0) }.weigh(10.0), 6.0, "at first all comes together");
        assert_eq!(forest_weight(0.5), 1.0);
    }

    #[test]
    fn what_looks_like_a_known_false_alarm_is_raised_when_it_outgrows_it() {
        let mut episode = Episode::default();
        let mut feed = |at, evidence, waits| {
            let ratio = episode.observe(at, evidence, 0.0, true) / 10.0;
            episode.decide(Standing { score: 1.5, ratio, may_raise: true, waits })
        };
        assert_eq!([1, 2, 3].map(|at| feed(at, 15.0, true)), [Transition::None; 3]);
        assert_eq!(feed(4, 2.0, true), Transition::None);
        assert_eq!(feed(5, 2.0, false), Transition::Raised, "still disturbed, and now for too long");
    }

    #[test]
    fn one_sample_is_not_enough_two_are_and_the_end_is_sticky() {
        let mut episode = Episode::default();
        assert_eq!(feed(&mut episode, 1, true, 15.0, 1.5), Transition::None);
        assert_eq!(feed(&mut episode, 2, false, 3.0, 1.4), Transition::None);
        assert_eq!(feed(&mut episode, 3, false, 8.0, 1.3), Transition::Raised, "2 of the last 3");
        assert_eq!((episode.since(), episode.peak()), (1, 8.0 / CONFIRM));
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
    fn a_level_that_stays_confirms_the_step_to_it() {
        let mut episode = Episode::default();
        assert_eq!(episode.observe(1, 13.0, 50.0, true), 0.0);
        assert_eq!(episode.observe(2, 3.0, 49.0, false), 13.0, "beyond all that was seen only once, but still there");
        let mut back = Episode::default();
        back.observe(1, 13.0, 50.0, true);
        assert!(back.observe(2, 3.0, -2.0, false) < 5.0);
        assert_eq!(back.observe(3, 0.0, 1.0, false), 0.0);
    }

    #[test]
    fn high_evidence_without_an_event_raises_nothing() {
        let mut episode = Episode::default();
        for at in 0..10 {
            assert_eq!(feed(&mut episode, at, false, 20.0, 2.0), Transition::None);
        }
        let ratio = episode.observe(11, 20.0, 0.0, true) / 10.0;
        assert!(ratio >= 1.0);
        let quiet = Standing { score: 2.0, ratio, may_raise: false, waits: false };
        assert_eq!(episode.decide(quiet), Transition::None);
    }
}
