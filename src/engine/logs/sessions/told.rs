//! What is told of the sessions of a source: in the sentence of a finding, and when it is asked for.

use serde::Serialize;

use super::{super::tell::shown, BrokenSession, Found};
use crate::{
    engine::{Shard, TemplateList, logs::Source},
    logs::{TemplateNumber, sessions::Relation},
    signal::{Labels, TenantId, TimestampMs},
};

/// Broken sessions this much older than the newest are not spoken of, in ms.
const LATELY_MS: i64 = 600_000;
/// Relations that are listed.
const LISTED: usize = 50;

/// What is known of the sessions of a source.
#[derive(Clone, Debug, Serialize)]
pub struct SessionsRow {
    /// Service, and namespace where there is one.
    pub source: Labels,
    /// Whether sessions are judged; else they are still learnt.
    pub is_learnt: bool,
    /// When the first line with an id came.
    pub since: TimestampMs,
    /// Sessions that have not ended.
    pub open: usize,
    /// Of so many sessions one is looked at.
    pub one_of: u64,
    /// Sessions that have ended since then, also those that are not judged.
    pub ended: u64,
    /// Of those that were judged, how many broke no relation, and how many did.
    pub whole: u64,
    /// See `whole`.
    pub broken: u64,
    /// What holds in nearly all of them, in words; at most 50.
    pub relations: Vec<String>,
    /// The last ones that were broken, the newest first.
    pub last_broken: Vec<BrokenRow>,
}

/// A session that was broken.
#[derive(Clone, Debug, Serialize)]
pub struct BrokenRow {
    /// What its lines have in common, perhaps cut off.
    pub id: String,
    /// Event time of its last line.
    pub at: TimestampMs,
    /// What it broke, in words.
    pub broken: Vec<String>,
    /// Its first line, perhaps cut off.
    pub line: String,
}

impl Source {
    fn quoted(&self, event: TemplateNumber) -> String {
        format!("\"{}\"", shown(&self.catalogue.text(event)))
    }

    /// What a session has broken, and how.
    fn breach(&self, relation: &Relation<TemplateNumber>) -> String {
        let times = |event: &TemplateNumber, count: u32| format!("{} {count} times", self.quoted(*event));
        match relation {
            Relation::Equal(a, b, of_a, of_b) => format!("usually as often: {}, {}", times(a, *of_a), times(b, *of_b)),
            Relation::Once(event, count) => format!("usually once: {}", times(event, *count)),
            Relation::Rare(event) => format!("hardly ever there: {}", self.quoted(*event)),
        }
    }

    /// What a finding about broken sessions adds to its sentence, and a line of one.
    pub(in crate::engine::logs) fn broken_sessions(&self) -> Option<(String, String)> {
        let broken = &self.sessions.found.as_ref()?.broken;
        let newest = broken.iter().map(|session| session.at).max()?;
        let lately: Vec<&BrokenSession> = broken.iter().filter(|session| session.at > newest - LATELY_MS).collect();
        // What most of them have broken; of equals, what says most in the newest.
        let breaks = |session: &BrokenSession, what: &Relation<_>| session.relations.iter().any(|r| is_same(r, what));
        let candidates = lately.iter().rev().flat_map(|session| session.relations.iter().map(move |r| (*session, r)));
        let count = |relation| lately.iter().filter(|session| breaks(session, relation)).count();
        let mut most: Option<(usize, &BrokenSession, &Relation<_>)> = None;
        for (session, relation) in candidates {
            let many = count(relation);
            if most.is_none_or(|(most, ..)| many > most) {
                most = Some((many, session, relation));
            }
        }
        let (many, session, relation) = most?;
        let (of, id, breach) = (lately.len(), &session.id, self.breach(relation));
        let words = format!(" In {many} of the last {of} broken sessions, such as {id}, {breach}.");
        Some((words, session.line.to_string()))
    }

    pub(super) fn sessions_row(&self) -> Option<SessionsRow> {
        let Found { since, open, relations, tally, broken, .. } = self.sessions.found.as_deref()?;
        let known = relations.iter().flat_map(|relations| relations.iter()).take(LISTED);
        let known = known.map(|(event, other)| match other {
            Some(other) => format!("as often: {}, {}", self.quoted(*event), self.quoted(*other)),
            None => format!("once: {}", self.quoted(*event)),
        });
        let last_broken = broken.iter().rev().map(|session| BrokenRow {
            id: session.id.to_string(),
            at: session.at,
            broken: session.relations.iter().map(|relation| self.breach(relation)).collect(),
            line: session.line.to_string(),
        });
        Some(SessionsRow {
            source: self.named(),
            is_learnt: relations.is_some(),
            since: *since,
            open: open.len(),
            one_of: open.weight(),
            ended: tally.all,
            whole: tally.whole,
            broken: tally.broken,
            relations: known.collect(),
            last_broken: last_broken.collect(),
        })
    }
}

/// Whether two sessions have broken the same, however often their events came.
fn is_same(a: &Relation<TemplateNumber>, b: &Relation<TemplateNumber>) -> bool {
    match (a, b) {
        (Relation::Equal(a, b, ..), Relation::Equal(c, d, ..)) => (a, b) == (c, d),
        (Relation::Once(a, _), Relation::Once(b, _)) | (Relation::Rare(a), Relation::Rare(b)) => a == b,
        _ => false,
    }
}

impl Shard {
    /// What is known of the sessions of a tenant's sources that belong to this shard, in no order.
    #[must_use]
    pub fn log_sessions(&self, id: &TenantId, asked: &TemplateList) -> Vec<SessionsRow> {
        let Some(tenant) = self.tenants.get(id) else { return Vec::new() };
        let sources = tenant.sources.slots.iter().filter(|source| asked.is_of(&source.labels));
        sources.filter_map(Source::sessions_row).collect()
    }
}
