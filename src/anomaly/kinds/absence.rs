//! What was always there is gone: a group of siblings without a member, or a sender that fell silent.
//!
//! Replaced pods are no absence, since the group goes on. Jobs, and what is scaled to nothing at times, are known by the
//! share of the time they are there and by the length of earlier absences. When most groups go at once, their sender
//! is gone, and only that is told.

use serde::{Deserialize, Serialize};

use super::Change;
use crate::signal::TimestampMs;

/// Time for which a group is known before its absence matters, in seconds.
const KNOWN_S: u32 = 86_400;
/// Presence is counted over twice this time, in seconds, older time at half weight.
const HORIZON_S: u32 = 7 * 86_400;
/// An absence counts when it is so many times as long as any before.
const TIMES: u32 = 3;
/// What is gone for longer is not told any more, in seconds.
const STALE_S: u32 = 86_400;

/// A group vanished or is back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Absence {
    /// Whether it vanished or is back.
    pub change: Change,
    /// Event time when it was last there, to the second; the time of the round if it is back.
    pub since: TimestampMs,
}

/// The presence of one group, 24 bytes. Times are in whole seconds since 1970.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Presence {
    round: u32,
    seen: u32,
    /// Time absent that counts: while rounds were held and the sender was there.
    counted: u32,
    present: u32,
    absent: u32,
    /// Longest earlier absence, in minutes.
    longest_min: u16,
    /// Absences told, saturating.
    told: u8,
    is_told: bool,
}

impl Presence {
    /// A group that is there since `at`.
    #[must_use]
    pub fn new(at: TimestampMs) -> Self {
        let now = seconds(at);
        Self { round: now, seen: now, counted: 0, present: 0, absent: 0, longest_min: 0, told: 0, is_told: false }
    }

    /// Whether its absence matters: known for a day and there for 9 tenths of the time.
    #[must_use]
    pub fn is_steady(&self) -> bool {
        let known = self.present.saturating_add(self.absent);
        known >= KNOWN_S && u64::from(self.present) * 10 >= u64::from(known) * 9
    }

    /// Takes a round: how many members are there, and whether their sender is ([`Sender::is_there`]). An absence must
    /// last for `patience_ms`: the vanish time, at least three intervals between samples. Rounds more than half
    /// of that apart mean that nobody looked: this time does not count.
    pub fn observe(
        &mut self,
        at: TimestampMs,
        members: usize,
        sender_is_there: bool,
        patience_ms: i64,
    ) -> Option<Absence> {
        let now = seconds(at);
        let patience = seconds(patience_ms);
        let elapsed = now.saturating_sub(self.round);
        self.round = self.round.max(now);
        let looked = elapsed <= (patience / 2).max(1);
        if members > 0 {
            return self.is_there(at, now, if looked { elapsed } else { 0 });
        }
        if !sender_is_there || !looked {
            return None;
        }
        self.counted = self.counted.saturating_add(elapsed);
        let limit = patience.max(TIMES * 60 * u32::from(self.longest_min));
        let fresh = now.saturating_sub(self.seen) <= STALE_S;
        if self.is_told || self.counted < limit || !fresh || !self.is_steady() {
            return None;
        }
        self.is_told = true;
        Some(Absence { change: Change::Raised, since: i64::from(self.seen) * 1_000 })
    }

    fn is_there(&mut self, at: TimestampMs, now: u32, elapsed: u32) -> Option<Absence> {
        if self.counted > 0 {
            self.come_back();
        } else {
            self.present = self.present.saturating_add(elapsed);
        }
        if self.present.saturating_add(self.absent) > 2 * HORIZON_S {
            self.present /= 2;
            self.absent /= 2;
            self.longest_min /= 2;
        }
        self.seen = now;
        std::mem::take(&mut self.is_told).then_some(Absence { change: Change::Resolved, since: at })
    }

    /// The first absence told is taken for an incident; later ones, and those too short to be told, are normal.
    fn come_back(&mut self) {
        let counted = std::mem::take(&mut self.counted);
        self.absent = self.absent.saturating_add(counted);
        if !self.is_told || self.told > 0 {
            let minutes = counted.div_ceil(60).min(u32::from(u16::MAX)) as u16;
            self.longest_min = self.longest_min.max(minutes);
        }
        self.told = self.told.saturating_add(u8::from(self.is_told));
    }
}

/// Time in which the usual number of groups of a sender falls to that at hand, by a factor e, in seconds.
const SENDER_FALL_S: f32 = 3_600.0;
/// A sender is gone when it has less than this share of its usual groups.
const SENDER_GONE: f32 = 0.5;
/// What a sender still has after this time is its usual, in seconds.
const SENDER_RESETS_S: u32 = 7 * 86_400;

/// Whether one sender still sends.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Sender {
    /// Usual number of steady groups present: rises at once, falls within hours.
    usual: f32,
    round: u32,
    seen: u32,
    counted: u32,
    is_told: bool,
}

impl Sender {
    /// A sender first seen at `at`.
    #[must_use]
    pub fn new(at: TimestampMs) -> Self {
        let now = seconds(at);
        Self { usual: 0.0, round: now, seen: now, counted: 0, is_told: false }
    }

    /// Whether it was there in the last round.
    #[must_use]
    pub fn is_there(&self) -> bool {
        self.round == self.seen
    }

    /// Takes a round, before those of its groups: how many of its steady groups have a member. `patience_ms` as in
    /// [`Presence::observe`].
    pub fn observe(&mut self, at: TimestampMs, groups: usize, patience_ms: i64) -> Option<Absence> {
        let now = seconds(at);
        let patience = seconds(patience_ms);
        let elapsed = now.saturating_sub(self.round);
        self.round = self.round.max(now);
        let groups = groups as f32;
        let reset = now.saturating_sub(self.seen) > SENDER_RESETS_S;
        if groups >= SENDER_GONE * self.usual && groups > 0.0 || self.usual == 0.0 || reset {
            let keep = (-(elapsed as f32) / SENDER_FALL_S).exp();
            self.usual = if reset { groups } else { groups.max(groups + keep * (self.usual - groups)) };
            (self.seen, self.counted) = (self.round, 0);
            return std::mem::take(&mut self.is_told).then_some(Absence { change: Change::Resolved, since: at });
        }
        if elapsed <= (patience / 2).max(1) {
            self.counted = self.counted.saturating_add(elapsed);
        }
        if self.is_told || self.counted < patience {
            return None;
        }
        self.is_told = true;
        Some(Absence { change: Change::Raised, since: i64::from(self.seen) * 1_000 })
    }
}

/// Whole seconds of a time or a period, from 0 on.
fn seconds(ms: i64) -> u32 {
    (ms.max(0) / 1_000).min(i64::from(u32::MAX)) as u32
}

#[cfg(test)]
mod tests {
    use super::super::synthetic::{DAY, HOUR, MINUTE, MONDAY, Noise};
    use super::*;

    const ROUND: i64 = 15_000;
    const PATIENCE: i64 = 5 * MINUTE;

    /// What is told of a group; `members` gives how many there are at a time since the start, or `None` where no round
    /// is held.
    fn watch(days: i64, mut members: impl FnMut(i64) -> Option<usize>) -> Vec<(i64, Absence)> {
        let mut presence = Presence::new(MONDAY);
        let mut told = Vec::new();
        for t in (0..days * DAY).step_by(ROUND as usize) {
            if let Some(members) = members(t) {
                told.extend(presence.observe(MONDAY + t, members, true, PATIENCE).map(|absence| (t, absence)));
            }
        }
        told
    }

    fn raised(told: &[(i64, Absence)]) -> usize {
        told.iter().filter(|(_, absence)| absence.change == Change::Raised).count()
    }

    #[test]
    fn a_steady_group_that_vanishes_is_told_after_the_patience_and_when_it_is_back() {
        let gone = 2 * DAY + HOUR..2 * DAY + 3 * HOUR;
        let told = watch(3, |t| Some(if gone.contains(&t) { 0 } else { 3 }));
        let [(at, vanished), (back, returned)] = told[..] else { panic!("{told:?}") };
        assert_eq!(vanished, Absence { change: Change::Raised, since: MONDAY + gone.start - ROUND });
        assert_eq!(at, gone.start - ROUND + PATIENCE);
        assert_eq!((back, returned.change, returned.since), (gone.end, Change::Resolved, MONDAY + gone.end));
    }

    #[test]
    fn young_groups_and_short_absences_stay_quiet() {
        assert_eq!(watch(2, |t| Some(usize::from(t < 23 * HOUR))), []);
        assert_eq!(watch(5, |t| Some(usize::from(t % DAY > 4 * MINUTE))), []);
    }

    #[test]
    fn replaced_pods_are_no_absence() {
        // Each pod lives for 3 hours; the next begins 2 minutes before the last ends.
        let told = watch(5, |t| Some(1 + usize::from(t % (3 * HOUR) > 3 * HOUR - 2 * MINUTE)));
        assert_eq!(told, []);
    }

    #[test]
    fn jobs_and_what_is_scaled_to_nothing_are_known() {
        for seed in 0..20 {
            let mut noise = Noise::new(seed);
            let start = (noise.unit() * DAY as f64) as i64;
            assert_eq!(watch(30, |t| Some(usize::from((t + start) % HOUR < 10 * MINUTE))), [], "an hourly job");
            assert_eq!(watch(30, |t| Some(usize::from((t + start) % DAY > 8 * HOUR))), [], "off at night");
            let weekends = watch(60, |t| Some(usize::from((t / DAY) % 7 < 5)));
            assert_eq!(raised(&weekends), 1, "only the first weekend is a surprise");
            let nightly = watch(60, |t| Some(usize::from(t % DAY > 30 * MINUTE + start / 100)));
            assert!(raised(&nightly) <= 2, "half an hour each night is learnt: {nightly:?}");
        }
    }

    #[test]
    fn an_incident_is_not_learnt_as_normal_at_once() {
        let gone = |t: i64, day: i64, length: i64| (day * DAY..day * DAY + length).contains(&t);
        let told = watch(20, |t| Some(usize::from(!gone(t, 5, 3 * HOUR) && !gone(t, 12, 2 * HOUR))));
        assert_eq!(raised(&told), 2);
        assert_eq!(told[2].0, 12 * DAY - ROUND + PATIENCE, "as fast as the first time");
    }

    #[test]
    fn time_in_which_nobody_looked_does_not_count() {
        // Down for an hour; the group is back 4 minutes after it.
        let away = 2 * DAY..2 * DAY + HOUR;
        let told = watch(3, |t| match t {
            t if away.contains(&t) => None,
            t if (away.end..away.end + 4 * MINUTE).contains(&t) => Some(0),
            _ => Some(1),
        });
        assert_eq!(told, []);
        let gone = watch(3, |t| (!away.contains(&t)).then_some(usize::from(t < away.start)));
        assert_eq!(raised(&gone), 1, "but it is told if it stays away");
        assert_eq!(gone[0].0, away.end + PATIENCE);
    }

    /// Groups of one sender: what is told of the sender, and of all groups.
    fn fleet(days: i64, groups: usize, there: impl Fn(i64, usize) -> bool) -> (Vec<(i64, Absence)>, usize) {
        let mut sender = Sender::new(MONDAY);
        let mut known = vec![Presence::new(MONDAY); groups];
        let (mut told, mut of_groups) = (Vec::new(), 0);
        for t in (0..days * DAY).step_by(MINUTE as usize) {
            let steady = (0..groups).filter(|g| known[*g].is_steady() && there(t, *g)).count();
            told.extend(sender.observe(MONDAY + t, steady, PATIENCE).map(|absence| (t, absence)));
            for (group, presence) in known.iter_mut().enumerate() {
                let members = usize::from(there(t, group));
                let absence = presence.observe(MONDAY + t, members, sender.is_there(), PATIENCE);
                of_groups += usize::from(absence.is_some_and(|a| a.change == Change::Raised));
            }
        }
        (told, of_groups)
    }

    #[test]
    fn a_silent_sender_is_one_event_not_thousands() {
        for kept in [0, 100, 400] {
            let gone = 3 * DAY..3 * DAY + 10 * HOUR;
            let (told, of_groups) = fleet(5, 1_000, |t, group| group < kept || !gone.contains(&t));
            assert_eq!(of_groups, 0, "{kept} kept");
            let [(at, vanished), (back, _)] = told[..] else { panic!("{told:?}") };
            assert_eq!((vanished.change, at, back), (Change::Raised, gone.start - MINUTE + PATIENCE, gone.end));
        }
    }

    #[test]
    fn some_groups_of_a_sender_are_told_one_by_one() {
        let (told, of_groups) = fleet(4, 100, |t, group| t < 3 * DAY || group > 4);
        assert_eq!((told.len(), of_groups), (0, 5));
        let (told, of_groups) = fleet(4, 1, |t, _| t < 3 * DAY);
        assert_eq!((raised(&told), of_groups), (1, 0), "the only group of a sender is its sender");
    }

    #[test]
    fn a_group_that_does_not_come_back_with_its_sender_is_told() {
        let gone = 3 * DAY..3 * DAY + 2 * HOUR;
        let (told, of_groups) = fleet(5, 50, |t, group| !gone.contains(&t) && (group > 0 || t < gone.start));
        assert_eq!((raised(&told), of_groups), (1, 1));
    }

    #[test]
    fn half_of_a_sender_given_up_for_good_makes_no_storm() {
        let (told, of_groups) = fleet(14, 50, |t, group| t < 3 * DAY || group < 20);
        assert_eq!((told.len(), of_groups), (2, 0), "told once, taken for normal after a week");
        let slowly = fleet(10, 50, |t, group| t < 3 * DAY + group as i64 * 2 * HOUR || group > 40);
        assert_eq!((raised(&slowly.0), slowly.1), (0, 41));
    }

    #[test]
    fn the_states_are_small() {
        assert!(size_of::<Presence>() <= 24 && size_of::<Sender>() <= 24);
    }
}
