//! The engine: everything that decides, over event time, without clocks, sockets or threads.
//!
//! Metrics are sharded by workload: a series, its neighbours in the workload and their joint detector live in one
//! [`Shard`]. [`Engine`] drives shards one after the other, for replay and tests; [`crate::fleet`] puts each on a thread
//! for the daemon. Both split requests and take turns by the same [`Router`], so that the same input gives the
//! same output.

mod admission;
mod answers;
mod chance;
mod climate;
mod familiarity;
mod families;
mod findings;
mod groups;
mod heirs;
mod joint;
mod judge;
mod keys;
mod kinds;
mod lessons;
mod lifecycle;
mod logs;
mod models;
mod options;
mod pace;
mod policy;
mod report;
mod router;
mod search;
mod shard;
mod slots;
mod snapshot;
mod state;
mod tenant;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::AtomicU64},
};

pub use admission::Census;
pub use answers::Excerpt;
pub use families::{Trainer, Turn, Turned};
pub use logs::{LINES, Routes, SESSIONS, SessionsRow, SourceRow, TEMPLATE_LINES, TemplateList, TemplateRow};
pub use models::{FileError, Model, ModelFile, ModelList, NamedModel, Origin, Prior, PriorBuilder, Quality, Record};
pub use options::{AnswerNames, Options};
pub use policy::{Heed, PLANS_MAX, Told};
pub use report::{Refusal, Scored, SeriesName, WriteReport};
pub use router::Router;
pub(crate) use router::malformed;
pub use search::{Question, Search};
pub use shard::{Shard, ShardStats};
pub use snapshot::{Block, Decoded, Head, Restored, Share, Snapshot};
pub use tenant::FamilyMetadata;

use crate::{
    ingest::remote_write::WriteRequest,
    logs::TemplateId,
    signal::{
        Command, Finding, FindingStatus, Labels, LogBatch, Maintenance, Matcher, Place, Sample, TenantId, TimestampMs,
    },
};

/// All shards on the caller's thread.
#[derive(Debug)]
pub struct Engine {
    shards: Vec<Shard>,
    router: Router,
    trainer: Trainer,
}

impl Engine {
    /// An engine that has seen nothing.
    #[must_use]
    pub fn new(options: Options) -> Self {
        let shards = options.shards.max(1);
        Self {
            trainer: Trainer::new(&options),
            router: Router::new(shards),
            shards: (0..shards).map(|number| Shard::new(number, options.clone())).collect(),
        }
    }

    /// Writes a request received at `received`; `sink` hears of every scored sample.
    pub fn write(
        &mut self,
        tenant: &TenantId,
        request: &Arc<WriteRequest>,
        received: TimestampMs,
        sink: &mut dyn FnMut(&Scored<'_>),
    ) -> WriteReport {
        let turns = self.router.turns_before(tenant, request.max_timestamp(), received);
        self.turn(turns);
        let mut report = malformed(request);
        let places = self.router.split(request);
        for (shard, places) in self.shards.iter_mut().zip(places) {
            shard.declare(tenant, request);
            report.merge(shard.write(tenant, request, places.into_iter(), received, sink));
        }
        report
    }

    /// Takes log records received at `received`; gives the template of each.
    pub fn write_logs(
        &mut self,
        tenant: &TenantId,
        batch: &LogBatch,
        received: TimestampMs,
    ) -> (WriteReport, Vec<TemplateId>) {
        let routes = self.router.routes(batch, received);
        let turns = self.router.turns_before(tenant, Some(routes.newest), received);
        self.turn(turns);
        let templates: Vec<AtomicU64> = batch.records().map(|_| AtomicU64::new(0)).collect();
        let mut report = WriteReport::default();
        for shard in &mut self.shards {
            let mut place = (Place::default(), usize::MAX);
            let lines = shard.take_lines(tenant, (batch, &routes), (&mut place.0, place.1), received, &templates);
            report.merge(shard.end_lines(tenant, &routes, received));
            report.lines += lines;
        }
        (report, templates.into_iter().map(|id| TemplateId(id.into_inner())).collect())
    }

    fn turn(&mut self, times: i64) {
        for _ in 0..times {
            let turn = self.trainer.next_turn();
            let answers = self.shards.iter_mut().map(|shard| shard.turn(&turn)).collect();
            self.trainer.absorb(answers);
        }
    }

    /// Takes a command; gives the finding it was about, as it is now.
    pub fn tell(&mut self, tenant: &TenantId, command: &Command) -> Option<Finding> {
        self.router.hear(command);
        let told: Vec<Told> = self.shards.iter_mut().map(|shard| shard.tell(tenant, command)).collect();
        for heed in told.iter().filter_map(|told| told.lesson.as_ref()) {
            self.shards.iter_mut().for_each(|shard| shard.heed(tenant, heed));
        }
        told.into_iter().find_map(|told| told.finding)
    }

    /// Templates of a tenant's logs, by source and text.
    #[must_use]
    pub fn templates(&self, tenant: &TenantId) -> Vec<TemplateRow> {
        let asked = TemplateList::default();
        let mut rows: Vec<_> = self.shards.iter().flat_map(|shard| shard.templates(tenant, &asked)).collect();
        rows.sort_by(|a, b| (&a.source, &a.text, &a.id).cmp(&(&b.source, &b.text, &b.id)));
        rows
    }

    /// What is known of the sessions in a tenant's logs, by source.
    #[must_use]
    pub fn log_sessions(&self, tenant: &TenantId) -> Vec<SessionsRow> {
        let asked = TemplateList::default();
        let mut rows: Vec<_> = self.shards.iter().flat_map(|shard| shard.log_sessions(tenant, &asked)).collect();
        rows.sort_by(|a, b| a.source.cmp(&b.source));
        rows
    }

    /// Planned work of a tenant.
    #[must_use]
    pub fn plans(&self, tenant: &TenantId) -> Vec<Maintenance> {
        self.shards.first().map(|shard| shard.plans(tenant)).unwrap_or_default()
    }

    /// Tells that a training part has ended: joint models are built at once from all that was learnt, learning goes on.
    pub fn end_training(&mut self, tenant: &TenantId) {
        self.shards.iter_mut().for_each(|shard| shard.end_training(tenant));
    }

    /// Series that satisfy all matchers, with their samples in `(after, until]`.
    #[must_use]
    pub fn select(
        &self,
        tenant: &TenantId,
        matchers: &[Matcher],
        after: TimestampMs,
        until: TimestampMs,
    ) -> Vec<(Labels, Vec<Sample>)> {
        let (tenant, matchers) = (tenant.clone(), matchers.to_vec());
        let question = Question { tenant, matchers, after, until, wants_labels_only: false };
        self.shards.iter().flat_map(|shard| shard.select(&question)).collect()
    }

    /// Findings, open ones first, then the newest first.
    #[must_use]
    pub fn findings(&self, tenant: &TenantId) -> Vec<Finding> {
        in_order(self.shards.iter().flat_map(|shard| shard.findings(tenant)).collect())
    }

    /// Declared metadata of a tenant's metric families.
    #[must_use]
    pub fn metadata(&self, tenant: &TenantId) -> BTreeMap<String, FamilyMetadata> {
        self.shards.first().map(|shard| shard.metadata(tenant)).unwrap_or_default()
    }

    /// The whole state.
    ///
    /// # Errors
    /// None in practice: memory is written to.
    pub fn snapshot(&mut self) -> Result<Snapshot, postcard::Error> {
        let (head, mut blocks) = (Head::of(&self.trainer, &self.router), Vec::new());
        for shard in &mut self.shards {
            shard.begin_save()?;
            while shard.is_saving() {
                blocks.extend(shard.save_some(u32::MAX)?);
            }
        }
        Ok(Snapshot { head, blocks })
    }

    /// An engine that goes on where a snapshot was taken; `options` may differ, also in the number of shards.
    #[must_use]
    pub fn restore(options: &Options, restored: Restored) -> Self {
        let (shares, trainer, router) = restored.deal(options);
        Self { shards: shares.into_iter().map(Share::adopt).collect(), trainer, router }
    }
}

/// Open findings first, then the newest first; ties by id, so that the order is the same each time.
#[must_use]
pub fn in_order(mut findings: Vec<Finding>) -> Vec<Finding> {
    findings.sort_by(|a, b| {
        let rank = |f: &Finding| (f.status == FindingStatus::Resolved, std::cmp::Reverse(f.raised_at));
        rank(a).cmp(&rank(b)).then_with(|| a.id.cmp(&b.id))
    });
    findings
}
