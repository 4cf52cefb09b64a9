//! Sessions of a source: whether the lines of a request, a block or a job are those that belong together.
//!
//! Lines with the same id are a session. What holds in nearly all sessions of the source is learnt for some hours; after that
//! each is judged, and learnt too. How many are whole and how many broken is counted by the minute and judged like any other
//! counter: a single broken session is no finding.

mod open;
mod told;

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

pub use told::SessionsRow;

use super::{Count, Source, novelty::LEARNING_MS};
use crate::{
    logs::{
        TemplateNumber,
        sessions::{Broken, Learner, Relation, Relations},
    },
    signal::{LogRecord, METRIC_NAME, TimestampMs},
};
use open::{Open, Session, Step};

/// Counters of the sessions of a source that ended, by `outcome`: `whole` or `broken`.
pub const SESSIONS: &str = "vigie_log_sessions_total";

/// Sessions from which it is known whether a source has any: at least half of so many have two lines of two templates.
const TRIAL: u32 = 200;
/// When it has none, time until that is looked at again, in ms.
const OFF_MS: i64 = 86_400_000;
/// Sessions that are learnt before any is judged, and not for less time than templates are.
const LEARNING_SESSIONS: u64 = 1_000;
/// What was learnt is put in place after so many sessions, or after so many ms.
const RENEW_SESSIONS: u32 = 500;
const RENEW_MS: i64 = 600_000;
/// Sessions that are remembered: when there are so many, they count half.
const REMEMBERED: u64 = 20_000;
/// Broken sessions that are kept, and broken relations of each.
const KEPT: usize = 16;
const KEPT_RELATIONS: usize = 8;

/// What is known of the sessions of a source.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Sessions {
    /// It had none: nothing is looked for before then.
    off_until: Option<TimestampMs>,
    /// Since a line had an id.
    found: Option<Box<Found>>,
}

/// The sessions of a source in which there are some.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Found {
    since: TimestampMs,
    open: Open,
    trial: Trial,
    learner: Learner<TemplateNumber>,
    /// When they were last put in place, and how many sessions were learnt since.
    renewed: TimestampMs,
    fresh: u32,
    /// `None` while they are learnt.
    relations: Option<Relations<TemplateNumber>>,
    tally: Tally,
    /// The last ones that were broken, the newest at the end.
    broken: VecDeque<BrokenSession>,
}

#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Trial {
    ended: u32,
    passed: u32,
}

/// Sessions that have ended.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Tally {
    all: u64,
    whole: u64,
    broken: u64,
}

/// A session that was broken.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct BrokenSession {
    id: Box<str>,
    /// Its last line.
    at: TimestampMs,
    /// Those that say most come first.
    relations: Vec<Relation<TemplateNumber>>,
    line: Box<str>,
}

impl Source {
    /// Takes a line of a template for its session, if it has one.
    #[inline]
    pub(super) fn note_session(&mut self, record: &LogRecord<'_>, at: TimestampMs, event: TemplateNumber) {
        let Self { sessions, seen, .. } = self;
        if sessions.off_until.is_some_and(|until| at < until) {
            return;
        }
        let id = match record.trace_id {
            "" => seen.get_mut(event as usize).and_then(|seen| seen.ids.find(record.line)),
            id => Some(id).filter(|id| id.bytes().any(|byte| byte != b'0')),
        };
        let Some(id) = id else { return };
        let found = sessions.found.get_or_insert_with(|| Box::new(Found::new(at)));
        found.open.take(Step { id, at, event, line: record.line }, found.relations.is_some());
    }

    /// Ends what has ended by the end of a minute; gives the counters, if sessions are judged.
    pub(super) fn end_sessions(&mut self, end: TimestampMs) -> Vec<Count> {
        let Self { sessions, catalogue, labels, .. } = self;
        let Some(found) = &mut sessions.found else { return Vec::new() };
        let before = found.tally;
        found.end_minute(end, |number| catalogue.root(number));
        if found.trial.has_failed() {
            *sessions = Sessions { off_until: Some(end + OFF_MS), found: None };
            return Vec::new();
        }
        if found.relations.is_none() {
            return Vec::new();
        }
        let Tally { whole, broken, .. } = found.tally;
        let outcomes = [("whole", whole, whole - before.whole), ("broken", broken, broken - before.broken)];
        let count = |(outcome, lines, news)| {
            let labels = labels.with(METRIC_NAME, SESSIONS).with("outcome", outcome);
            Count { labels, lines, news }
        };
        outcomes.into_iter().map(count).collect()
    }
}

impl Trial {
    fn note(&mut self, session: &Session) {
        if self.ended == TRIAL {
            *self = Self::default();
        }
        self.ended += 1;
        self.passed += u32::from(session.lines > 1 && session.events.len() > 1);
    }

    fn has_failed(self) -> bool {
        self.ended == TRIAL && 2 * self.passed < TRIAL
    }
}

impl Found {
    fn new(at: TimestampMs) -> Self {
        Self {
            since: at,
            open: Open::new(at),
            trial: Trial::default(),
            learner: Learner::default(),
            renewed: at,
            fresh: 0,
            relations: None,
            tally: Tally::default(),
            broken: VecDeque::new(),
        }
    }

    /// Learns from sessions that have ended, and judges them. Stops where the trial has failed.
    fn end_minute(&mut self, end: TimestampMs, root: impl Fn(TemplateNumber) -> TemplateNumber) {
        // Templates may have turned out to be one.
        if self.learner.rename(|event| root(*event)) && self.relations.is_some() {
            self.renew(end);
        }
        let weight = self.open.weight();
        for session in self.open.end(end) {
            self.tally.all += weight;
            if self.relations.is_none() {
                self.trial.note(&session);
                if self.trial.has_failed() {
                    return;
                }
            }
            if session.is_whole {
                self.take(session, weight, &root);
            }
        }
        let is_learnt = self.learner.sessions() >= LEARNING_SESSIONS && end - self.since >= LEARNING_MS;
        let is_due = self.fresh >= RENEW_SESSIONS || self.fresh > 0 && end - self.renewed >= RENEW_MS;
        if is_due && (is_learnt || self.relations.is_some()) {
            self.renew(end);
        }
    }

    fn renew(&mut self, at: TimestampMs) {
        self.relations = Some(self.learner.relations());
        (self.renewed, self.fresh) = (at, 0);
    }

    /// Judges a session that was seen whole and stands for so many, and learns from it.
    fn take(&mut self, session: Session, weight: u64, root: impl Fn(TemplateNumber) -> TemplateNumber) {
        let Session { last, mut events, id, line, .. } = session;
        events.iter_mut().for_each(|(event, _)| *event = root(*event));
        events.sort_unstable();
        events.dedup_by(|next, kept| {
            let is_same = next.0 == kept.0;
            kept.1 += if is_same { next.1 } else { 0 };
            is_same
        });
        match self.relations.as_ref().map(|relations| relations.broken(&events)) {
            Some(broken) if !broken.is_empty() => {
                self.tally.broken += weight;
                if self.broken.len() == KEPT {
                    self.broken.pop_front();
                }
                self.broken.push_back(BrokenSession { id, at: last, relations: telling(broken), line });
            }
            Some(_) => self.tally.whole += weight,
            None => {}
        }
        self.learner.learn(&events);
        self.fresh += 1;
        if self.learner.sessions() >= REMEMBERED {
            self.learner.fade();
        }
    }
}

/// The relations that say most of what is broken: an event that is never there, then one that comes once. When an event is
/// missing, that it usually comes as often as each of the others says no more.
fn telling(mut broken: Vec<Broken<TemplateNumber>>) -> Vec<Relation<TemplateNumber>> {
    let kind = |relation: &Relation<_>| match relation {
        Relation::Rare(_) => 0,
        Relation::Once(..) => 1,
        Relation::Equal(..) => 2,
    };
    broken.sort_by(|a, b| kind(&a.relation).cmp(&kind(&b.relation)).then(b.surprise.total_cmp(&a.surprise)));
    broken.truncate(KEPT_RELATIONS);
    broken.into_iter().map(|broken| broken.relation).collect()
}

#[cfg(test)]
mod tests;
