//! What should be: the requests that are there, fed in their order to an engine that nothing ever happened to.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::super::{
    LogRequest, Request, Unavailable,
    taking::{Reply, Takes},
};
use crate::{
    engine::{Engine, Options, Restored, Scored},
    series::ChunkFiles,
    signal::{Command, Finding, Labels, Sample, TenantId, TimestampMs},
};

/// Names an input: a request by when it was received, which is unique, a command by what it says, which is too.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Id {
    Write(TimestampMs),
    Tell(String),
}

/// An engine that remembers what it was given, and what it said of it.
#[derive(Debug)]
pub(super) struct Recorder {
    pub(super) engine: Engine,
    pub(super) taken: Vec<Id>,
    scores: Vec<(String, TimestampMs, u64, u64)>,
}

impl Recorder {
    /// Goes on from a snapshot that has taken these.
    pub(super) fn new(shards: usize, chunks: Arc<dyn ChunkFiles>, restored: Option<Restored>, taken: Vec<Id>) -> Self {
        let options = Options { shards, chunks, ..Options::default() };
        Self { engine: Engine::restore(&options, restored.unwrap_or_default()), taken, scores: Vec::new() }
    }

    /// What was said of every sample since the last call.
    pub(super) fn scores(&mut self) -> Vec<(String, TimestampMs, u64, u64)> {
        let mut scores = std::mem::take(&mut self.scores);
        scores.sort();
        scores
    }

    /// Every series of a tenant, samples as received and what is said of them, by labels; each value as its bits.
    pub(super) fn series(&self, tenant: &TenantId) -> BTreeMap<Labels, Vec<(TimestampMs, u64)>> {
        let all = self.engine.select(tenant, &[], i64::MIN, i64::MAX).into_iter();
        let bits = |samples: Vec<Sample>| samples.iter().map(|s| (s.at, s.value.to_bits())).collect();
        all.map(|(labels, samples)| (labels, bits(samples))).collect()
    }

    /// What else is known of a tenant, in words.
    pub(super) fn words(&self, tenant: &TenantId) -> Vec<String> {
        let engine = &self.engine;
        let findings = engine.findings(tenant).into_iter().map(|finding| format!("{finding:?}"));
        let plans = engine.plans(tenant).into_iter().map(|plan| format!("{plan:?}"));
        let templates = engine.templates(tenant).into_iter().map(|template| format!("{template:?}"));
        findings.chain(plans).chain(templates).chain([format!("{:?}", engine.metadata(tenant))]).collect()
    }
}

impl Takes for Recorder {
    fn write(&mut self, request: &Request, reply: Option<Reply>) {
        let scores = &mut self.scores;
        let report = self.engine.write(&request.tenant, &request.body, request.received, &mut |scored| {
            scores.push(match scored {
                Scored::Series { name, sample, state, event, .. } => {
                    (name.labels().to_string(), sample.at, u64::from(state.to_bits()), u64::from(event.to_bits()))
                }
                Scored::Workload { labels, at, state, event, .. } => {
                    (labels.to_string(), *at, state.to_bits(), event.to_bits())
                }
            });
        });
        self.taken.push(Id::Write(request.received));
        if let Some(reply) = reply {
            reply.send(Ok(report));
        }
    }

    fn write_logs(&mut self, request: &LogRequest, reply: Option<Reply>) {
        let (report, _) = self.engine.write_logs(&request.tenant, &request.batch, request.received);
        self.taken.push(Id::Write(request.received));
        if let Some(reply) = reply {
            reply.send(Ok(report));
        }
    }

    fn tell(&mut self, tenant: &TenantId, command: &Command) -> Result<Option<Finding>, Unavailable> {
        self.taken.push(Id::Tell(told(tenant, command)));
        Ok(self.engine.tell(tenant, command))
    }
}

pub(super) fn told(tenant: &TenantId, command: &Command) -> String {
    format!("{} {}", tenant.as_str(), serde_json::to_string(command).unwrap())
}

/// What is known of an input; one of which nothing is known must not be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// It was refused, or the crash was meanwhile: it may be there.
    Refused,
    /// So it was, and a later batch was kept: only a power failure may bring it back.
    Superseded,
    /// It was acknowledged: it is there, unless the power failed.
    Acknowledged,
    /// A sync failed, or it came back although it was refused: it may be gone.
    Doubtful,
    /// It is there.
    Synced,
}

/// All inputs in the order of the journal.
#[derive(Debug, Default)]
pub(super) struct History(Vec<(Id, Known)>);

impl History {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// A batch that was kept, or refused.
    pub(super) fn extend(&mut self, batch: Vec<Id>, known: Known) {
        if known != Known::Refused && !batch.is_empty() {
            self.turn(Known::Refused, Known::Superseded, usize::MAX);
        }
        self.0.extend(batch.into_iter().map(|id| (id, known)));
    }

    /// A sync of so many inputs succeeded.
    pub(super) fn synced(&mut self, count: usize) {
        self.turn(Known::Acknowledged, Known::Synced, count);
    }

    /// A sync failed.
    pub(super) fn doubted(&mut self) {
        self.turn(Known::Acknowledged, Known::Doubtful, usize::MAX);
        self.turn(Known::Refused, Known::Doubtful, usize::MAX);
    }

    fn turn(&mut self, from: Known, to: Known, count: usize) {
        self.0.iter_mut().take(count).filter(|(_, known)| *known == from).for_each(|(_, known)| *known = to);
    }

    /// Compares with what a start has found: `taken`, of which so many from a snapshot, after the power failed or not.
    /// Returns what of that was once acknowledged is gone, and goes on with the rest.
    pub(super) fn recover(&mut self, taken: &[Id], in_snapshot: usize, has_power_failed: bool) -> BTreeSet<Id> {
        let (mut gone, mut left) = (BTreeSet::new(), Vec::new());
        for (id, known) in std::mem::take(&mut self.0) {
            if taken.get(left.len()) == Some(&id) {
                let may_be_there = has_power_failed || known != Known::Superseded;
                assert!(may_be_there, "{id:?} was refused, and is there");
                // The journal may have lost what the snapshot holds.
                let is_kept = left.len() >= in_snapshot || !has_power_failed;
                let known = match known {
                    Known::Acknowledged if is_kept => Known::Synced,
                    Known::Synced => Known::Synced,
                    _ => Known::Doubtful,
                };
                left.push((id, known));
                continue;
            }
            let may_be_gone = match known {
                Known::Refused | Known::Superseded | Known::Doubtful => true,
                Known::Acknowledged => has_power_failed,
                Known::Synced => false,
            };
            assert!(may_be_gone, "{id:?} is {known:?}, and is gone or not in its place; power: {has_power_failed}");
            if known == Known::Acknowledged || known == Known::Doubtful {
                gone.insert(id);
            }
        }
        assert_eq!(left.len(), taken.len(), "{:?} was never sent, or not here", &taken[left.len()]);
        self.0 = left;
        gone
    }
}
