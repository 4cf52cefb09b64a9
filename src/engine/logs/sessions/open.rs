//! Sessions of a source that have not ended.
//!
//! A session has ended when a minute is over that ends 60 s after its last line. When there are more at once than are kept,
//! only those are looked at whose id has a hash that ends with a zero bit, then with two, and so on: a fair sample, of which
//! each is seen whole. When it has been calm for an hour, the sample grows again.

use hashbrown::HashMap;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use crate::{
    logs::{TemplateNumber, sorted},
    signal::TimestampMs,
};

/// Time without a line after which a session has ended, in ms.
const IDLE_MS: i64 = 60_000;
/// What lasts longer, in ms, or has more lines, is no session of which anything is said.
const LONGEST_MS: i64 = 600_000;
const LINES: u32 = 256;
/// Sessions that are kept at once.
pub(super) const OPEN: usize = 4_096;
/// After so long with less than a quarter of them the sample is doubled, in ms.
const CALM_MS: i64 = 3_600_000;
/// Longest id and line that are kept, in bytes.
const ID_BYTES: usize = 64;
const LINE_BYTES: usize = 300;

/// The open sessions of a source.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Open {
    #[serde(with = "sorted::map")]
    sessions: HashMap<u64, Session>,
    /// Bits that are zero at the end of the hashes that are looked at.
    zeros: u32,
    /// When there were last many, and when the sample last grew.
    busy: TimestampMs,
    grown: TimestampMs,
    /// End of the newest minute that is over.
    over: TimestampMs,
}

/// A session.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Session {
    first: TimestampMs,
    pub(super) last: TimestampMs,
    pub(super) lines: u32,
    /// Whether all of it was seen.
    pub(super) is_whole: bool,
    /// Templates of its lines, with how often they came; they may have become aliases since.
    pub(super) events: Vec<(TemplateNumber, u32)>,
    /// Its id and its first line, perhaps cut off; empty where nobody will ask.
    pub(super) id: Box<str>,
    pub(super) line: Box<str>,
}

/// A line of a session.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step<'a> {
    pub(super) id: &'a str,
    pub(super) at: TimestampMs,
    pub(super) event: TemplateNumber,
    pub(super) line: &'a str,
}

impl Session {
    fn begin(step: Step<'_>, is_whole: bool, is_quoted: bool) -> Self {
        let Step { id, at, line, .. } = step;
        let kept = |text: &str, bytes| match is_quoted {
            true => text[..text.floor_char_boundary(bytes)].into(),
            false => Box::default(),
        };
        let (id, line) = (kept(id, ID_BYTES), kept(line, LINE_BYTES));
        Self { first: at, last: at, lines: 0, is_whole, events: Vec::new(), id, line }
    }

    fn take(&mut self, at: TimestampMs, event: TemplateNumber) {
        (self.first, self.last) = (self.first.min(at), self.last.max(at));
        self.lines = self.lines.saturating_add(1);
        self.is_whole &= self.lines <= LINES && self.last - self.first <= LONGEST_MS;
        if !self.is_whole {
            self.events = Vec::new();
            return;
        }
        match self.events.iter_mut().find(|(known, _)| *known == event) {
            Some((_, count)) => *count += 1,
            None => self.events.push((event, 1)),
        }
    }
}

impl Open {
    pub(super) fn new(at: TimestampMs) -> Self {
        Self { sessions: HashMap::new(), zeros: 0, busy: at, grown: TimestampMs::MIN, over: TimestampMs::MIN }
    }

    pub(super) fn len(&self) -> usize {
        self.sessions.len()
    }

    /// For how many sessions each one stands.
    pub(super) fn weight(&self) -> u64 {
        1 << self.zeros
    }

    /// Takes a line; of a session that it begins id and line are kept if it is quoted.
    pub(super) fn take(&mut self, step: Step<'_>, is_quoted: bool) {
        let hash = xxh3_64(step.id.as_bytes());
        if hash.trailing_zeros() < self.zeros {
            return;
        }
        if let Some(session) = self.sessions.get_mut(&hash) {
            session.take(step.at, step.event);
            return;
        }
        // It may be of a session that has ended.
        if step.at < self.over {
            return;
        }
        while self.sessions.len() >= OPEN {
            self.zeros += 1;
            self.busy = step.at;
            let zeros = self.zeros;
            self.sessions.retain(|hash, _| hash.trailing_zeros() >= zeros);
        }
        if hash.trailing_zeros() >= self.zeros {
            let is_new_to_us = hash.trailing_zeros() == self.zeros && step.at < self.grown.saturating_add(LONGEST_MS);
            let mut session = Session::begin(step, !is_new_to_us, is_quoted);
            session.take(step.at, step.event);
            self.sessions.insert(hash, session);
        }
    }

    /// Takes out the sessions that have ended by the end of a minute that is over, in the order of their ends.
    pub(super) fn end(&mut self, at: TimestampMs) -> Vec<Session> {
        self.over = self.over.max(at);
        let has_ended = |session: &Session| session.last.saturating_add(IDLE_MS) <= at;
        let mut ended: Vec<_> = self.sessions.extract_if(|_, session| has_ended(session)).collect();
        ended.sort_unstable_by_key(|(hash, session)| (session.last, *hash));
        if self.sessions.len() > OPEN / 4 {
            self.busy = at;
        }
        if self.zeros > 0 && at - self.busy >= CALM_MS {
            (self.zeros, self.busy, self.grown) = (self.zeros - 1, at, at);
        }
        ended.into_iter().map(|(_, session)| session).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60_000;

    fn take(open: &mut Open, id: &str, at: TimestampMs, event: TemplateNumber) {
        open.take(Step { id, at, event, line: "the line" }, true);
    }

    #[test]
    fn a_session_ends_a_minute_after_its_last_line() {
        let mut open = Open::new(0);
        for (at, event) in [(1_000, 7), (2_000, 8), (61_000, 7)] {
            take(&mut open, "a", at, event);
        }
        take(&mut open, "b", 59_000, 9);
        assert!(open.end(MINUTE).is_empty());
        let ended = open.end(2 * MINUTE);
        assert_eq!((ended.len(), &*ended[0].id, &*ended[0].line), (1, "b", "the line"));
        let ended = open.end(3 * MINUTE);
        assert_eq!((ended[0].lines, &ended[0].events[..], ended[0].is_whole), (3, &[(7, 2), (8, 1)][..], true));
        take(&mut open, "a", 62_000, 8);
        assert_eq!(open.len(), 0, "that was late");
    }

    #[test]
    fn what_is_long_is_not_seen_whole() {
        let mut open = Open::new(0);
        (0..=LINES).for_each(|i| take(&mut open, "many", 1_000, i));
        (0..=LINES).for_each(|i| take(&mut open, "more", i64::from(i), 1));
        (0..12).for_each(|i| take(&mut open, "long", i * MINUTE, 1));
        (0..10).for_each(|i| take(&mut open, "short", i * MINUTE, 1));
        let ended = open.end(20 * MINUTE);
        assert_eq!(ended.iter().filter(|session| session.is_whole).map(|s| &*s.id).collect::<Vec<_>>(), ["short"]);
        assert_eq!(ended.len(), 4);
    }

    #[test]
    fn of_very_many_there_is_a_fair_sample() {
        let mut open = Open::new(0);
        for i in 0..100_000 {
            take(&mut open, &format!("id-{i}"), i64::from(i) / 10, 1);
            assert!(open.len() <= OPEN);
        }
        let weight = open.weight();
        let ended = open.end(3 * MINUTE);
        let estimated = ended.len() as u64 * weight;
        assert!((95_000..105_000).contains(&estimated), "{estimated} of 100,000");
        assert!(ended.iter().all(|session| session.is_whole));

        // In the end all are looked at again, but not those that may have begun before.
        let grown = (3..2_000).find(|minute| {
            open.end(minute * MINUTE);
            open.weight() < weight
        });
        let grown = grown.unwrap() * MINUTE;
        (0..200).for_each(|i| take(&mut open, &format!("a-{i}"), grown + 1_000, 1));
        (0..200).for_each(|i| take(&mut open, &format!("b-{i}"), grown + LONGEST_MS, 1));
        let ended = open.end(grown + 2 * LONGEST_MS);
        let whole =
            |name: &str| ended.iter().filter(|s| s.id.starts_with(name)).map(|s| s.is_whole).collect::<Vec<_>>();
        assert!(whole("a").contains(&false) && !whole("b").contains(&false));
        (0..2_000).for_each(|i| drop(open.end(grown + i * MINUTE)));
        assert_eq!(open.weight(), 1);
    }
}
