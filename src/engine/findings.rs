//! Open and closed findings of one tenant's shard.

use std::collections::VecDeque;

use hashbrown::HashMap;
use serde::{Deserialize, Serialize};

use crate::signal::{Finding, FindingStatus, TimestampMs};

/// What a finding is about, by slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) enum Subject {
    Series(u32),
    Workload(u32),
}

/// At most one open finding a subject; a bounded memory of closed ones.
#[derive(Debug, Default)]
pub(super) struct Findings {
    open: HashMap<Subject, Finding>,
    closed: VecDeque<Finding>,
    raised: u64,
}

impl Findings {
    pub(super) fn raise(&mut self, subject: Subject, finding: Finding) {
        self.raised += 1;
        self.open.insert(subject, finding);
    }

    pub(super) fn get_mut(&mut self, subject: Subject) -> Option<&mut Finding> {
        self.open.get_mut(&subject)
    }

    pub(super) fn resolve(&mut self, subject: Subject, at: TimestampMs, keep: usize) {
        let Some(mut finding) = self.open.remove(&subject) else { return };
        finding.status = FindingStatus::Resolved;
        finding.resolved_at = Some(at);
        finding.updated_at = at;
        finding.score = finding.score.min(1.0);
        self.closed.push_back(finding);
        while self.closed.len() > keep {
            self.closed.pop_front();
        }
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Finding> {
        self.open.values().chain(&self.closed)
    }

    pub(super) fn firing(&self) -> usize {
        self.open.len()
    }

    pub(super) fn raised(&self) -> u64 {
        self.raised
    }

    pub(super) fn drain_open(&mut self) -> Vec<(Subject, Finding)> {
        let mut open: Vec<_> = self.open.drain().collect();
        open.sort_by(|a, b| a.1.id.cmp(&b.1.id));
        open
    }

    pub(super) fn closed(&self) -> impl Iterator<Item = &Finding> {
        self.closed.iter()
    }

    pub(super) fn restore_closed(&mut self, finding: Finding) {
        self.closed.push_back(finding);
    }

    pub(super) fn restore_open(&mut self, subject: Subject, finding: Finding) {
        self.open.insert(subject, finding);
    }
}
