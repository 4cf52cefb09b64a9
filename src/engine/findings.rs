//! Open and closed findings of one tenant's shard, with what is needed to act on what people say of them.

use std::collections::VecDeque;

use hashbrown::HashMap;
use serde::{Deserialize, Serialize};

use crate::{
    anomaly::Detector,
    signal::{Finding, FindingStatus, GroupKey, Kind, TimestampMs},
};

/// What a finding is about, by slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) enum Subject {
    Series(u32),
    Workload(u32),
    /// A kind of its own about a series.
    Own(u32, Kind),
    Group(GroupKey),
}

/// A finding and what goes with it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Case {
    pub(super) finding: Finding,
    /// The detector of the series as it was before the incident: one that is confirmed is not learnt.
    pub(super) before: Option<Box<Detector>>,
    /// Whether it began above what was expected, and the largest distance on that side.
    pub(super) above: bool,
    pub(super) reach: f64,
    /// When its kind was last determined, event time; 0 before.
    pub(super) named_at: TimestampMs,
}

impl Case {
    pub(super) fn new(finding: Finding, before: Option<Box<Detector>>) -> Self {
        Self { finding, before, above: true, reach: 0.0, named_at: 0 }
    }

    /// Takes note of a value `distance` from what was expected.
    pub(super) fn stretch(&mut self, distance: f64) {
        if self.reach == 0.0 {
            self.above = distance > 0.0;
        }
        if (distance > 0.0) == self.above {
            self.reach = self.reach.max(distance.abs());
        }
    }
}

/// At most one open finding a subject; a bounded memory of closed ones.
#[derive(Debug, Default)]
pub(super) struct Findings {
    open: HashMap<Subject, Case>,
    closed: VecDeque<Case>,
    raised: u64,
}

impl Findings {
    pub(super) fn raise(&mut self, subject: Subject, case: Case) {
        self.raised += 1;
        self.open.insert(subject, case);
    }

    pub(super) fn get_mut(&mut self, subject: Subject) -> Option<&mut Case> {
        self.open.get_mut(&subject)
    }

    /// Subjects of open findings of a kind of its own, as far as asked, in a fixed order.
    pub(super) fn open_of(&self, kind: Kind, is_asked: impl Fn(&Finding) -> bool) -> Vec<Subject> {
        let is_of_kind = |subject: &Subject| matches!(subject, Subject::Own(_, own) if *own == kind);
        let open = self.open.iter().filter(|(subject, case)| is_of_kind(subject) && is_asked(&case.finding));
        let mut open: Vec<(&str, Subject)> = open.map(|(subject, case)| (case.finding.id.as_str(), *subject)).collect();
        open.sort_unstable_by_key(|(id, _)| *id);
        open.into_iter().map(|(_, subject)| subject).collect()
    }

    /// The open or closed case of this finding, and its subject while it is open.
    pub(super) fn find_mut(&mut self, id: &str) -> Option<(Option<Subject>, &mut Case)> {
        if let Some((subject, case)) = self.open.iter_mut().find(|(_, case)| case.finding.id == id) {
            return Some((Some(*subject), case));
        }
        self.closed.iter_mut().find(|case| case.finding.id == id).map(|case| (None, case))
    }

    /// Ends the finding about a subject, if one is open; gives the detector to go on with after a confirmed incident.
    pub(super) fn resolve(&mut self, subject: Subject, at: TimestampMs, keep: usize) -> Option<Box<Detector>> {
        let mut case = self.open.remove(&subject)?;
        let finding = &mut case.finding;
        finding.status = FindingStatus::Resolved;
        finding.resolved_at = Some(at);
        finding.updated_at = at;
        finding.score = finding.score.min(1.0);
        let confirmed = finding.feedback == Some(crate::signal::Feedback::Real);
        let before = if confirmed { case.before.take() } else { None };
        self.closed.push_back(case);
        while self.closed.len() > keep {
            self.closed.pop_front();
        }
        before
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Finding> {
        self.open.values().chain(&self.closed).map(|case| &case.finding)
    }

    pub(super) fn firing(&self) -> usize {
        self.open.len()
    }

    pub(super) fn raised(&self) -> u64 {
        self.raised
    }

    /// Everything, for a snapshot: open cases in order of their ids, then the closed ones.
    pub(super) fn parts(&self) -> (Vec<(Subject, &Case)>, &VecDeque<Case>) {
        let mut open: Vec<_> = self.open.iter().map(|(subject, case)| (*subject, case)).collect();
        open.sort_by(|a, b| a.1.finding.id.cmp(&b.1.finding.id));
        (open, &self.closed)
    }

    pub(super) fn restore_closed(&mut self, case: Case) {
        self.closed.push_back(case);
    }

    pub(super) fn restore_open(&mut self, subject: Subject, case: Case) {
        self.open.insert(subject, case);
    }
}
