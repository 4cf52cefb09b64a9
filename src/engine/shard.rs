//! A shard: everything it owns is changed by one thread only.

use std::collections::BTreeMap;

use hashbrown::HashMap;

use super::{
    Census, FamilyMetadata, Options, Scored, WriteReport,
    admission::{Bounds, Held},
    families::{FamilyName, Models, Turn, Turned},
    pace::Paces,
    snapshot::Saving,
    tenant::{Context, Tenant},
};
use crate::{
    ingest::remote_write::{SeriesEntry, WriteRequest},
    logs::Reader,
    series::Archive,
    signal::{Finding, Labels, MetricKind, Sample, TenantId, TimestampMs},
};

/// Series of a request that are looked up, and whose state is asked for, before the first of them is written.
const AHEAD: usize = 24;

/// The state of one shard.
#[derive(Debug)]
pub struct Shard {
    pub(super) options: Options,
    pub(super) tenants: HashMap<TenantId, Tenant>,
    models: Models,
    paces: Paces,
    /// See [`crate::signal::Command::Ceiling`].
    pub(super) ceiling: Option<u64>,
    pub(super) number: usize,
    pub(super) archive: Archive,
    /// What all sources of lines are read with.
    pub(super) reader: Reader,
    /// The snapshot under way.
    pub(super) saving: Option<Saving>,
}

/// Sizes and counts of a shard.
#[derive(Clone, Debug, Default)]
pub struct ShardStats {
    /// Series by tenant.
    pub series: BTreeMap<TenantId, usize>,
    /// Workloads.
    pub workloads: usize,
    /// Findings open now.
    pub findings_firing: usize,
    /// Findings raised since the start.
    pub findings_raised: u64,
    /// Generation of the forests in force.
    pub model_generation: u64,
    /// Bytes of memory by part, about.
    pub bytes: BTreeMap<&'static str, usize>,
    /// Weight from which a finding is raised, by tenant.
    pub bars: BTreeMap<TenantId, f32>,
    /// Newest event time by tenant.
    pub newest: BTreeMap<TenantId, TimestampMs>,
}

impl Shard {
    /// The shard with this number, counted from 0, empty.
    #[must_use]
    pub fn new(number: usize, options: Options) -> Self {
        let (tenants, models, paces) = (HashMap::new(), Models::default(), Paces::default());
        let reader = Reader::new(options.patterns.clone());
        let archive = Archive::new(options.chunks.clone(), options.window_ms);
        Self { options, tenants, models, paces, number, archive, reader, ceiling: None, saving: None }
    }

    pub(super) fn tenant_mut(&mut self, id: &TenantId) -> &mut Tenant {
        self.tenant_and_archive(id).0
    }

    pub(super) fn tenant_and_archive(&mut self, id: &TenantId) -> (&mut Tenant, &mut Archive) {
        if !self.tenants.contains_key(id) {
            let mut tenant = Tenant::new(id.clone());
            tenant.install(&self.models);
            self.options.maintenance.iter().for_each(|work| tenant.plan(work.clone()));
            self.tenants.insert(id.clone(), tenant);
        }
        (self.tenants.get_mut(id).expect("inserted above"), &mut self.archive)
    }

    /// Writes the series of `request` at these places of it, in order. Every sample is scored; `sink` hears of each.
    pub fn write(
        &mut self,
        id: &TenantId,
        request: &WriteRequest,
        places: impl Iterator<Item = usize>,
        received: TimestampMs,
        sink: &mut dyn FnMut(&Scored<'_>),
    ) -> WriteReport {
        let report = self.write_some(id, request, places, received, sink);
        self.end_write(id, request, received, &report);
        report
    }

    /// Writes some of what [`write`](Self::write) writes; [`end_write`](Self::end_write) is to follow.
    pub fn write_some(
        &mut self,
        id: &TenantId,
        request: &WriteRequest,
        places: impl Iterator<Item = usize>,
        received: TimestampMs,
        sink: &mut dyn FnMut(&Scored<'_>),
    ) -> WriteReport {
        let mut report = WriteReport::default();
        let mut places = places.filter_map(|place| request.series().get(place));
        let mut entries: Vec<&SeriesEntry> = Vec::with_capacity(AHEAD);
        self.with_context(id, received, sink, |tenant, context| {
            loop {
                entries.clear();
                entries.extend(places.by_ref().take(AHEAD).inspect(|entry| request.prefetch(entry)));
                if entries.is_empty() {
                    break;
                }
                let slots = tenant.locate(entries.iter().map(|entry| entry.identity.series));
                for (entry, slot) in entries.iter().zip(slots) {
                    write_series(tenant, request, entry, slot, context, &mut report);
                }
            }
        });
        report
    }

    /// What is to be done when a request is written, of which this is the report.
    pub fn end_write(&mut self, id: &TenantId, request: &WriteRequest, received: TimestampMs, report: &WriteReport) {
        if report.refused.keys().any(|why| why.is_limit()) {
            // Time passes also for a tenant of which only new series come: those that have ended must leave to make room.
            let newest = request.max_timestamp().unwrap_or(TimestampMs::MIN).min(received);
            let tenant = self.tenant_mut(id);
            tenant.newest = tenant.newest.max(newest);
        }
        self.settle(id, received);
    }

    /// Looks whether what a tenant sends is of the present, and for series that have ended.
    pub(super) fn settle(&mut self, id: &TenantId, received: TimestampMs) {
        let is_swept = self.with_context(id, received, &mut |_| {}, |tenant, context| {
            tenant.lags = !context.is_present(tenant.newest);
            tenant.sweep(context)
        });
        if is_swept {
            let options = &self.options;
            let oldest = |id: &TenantId| self.tenants.get(id).map(|tenant| options.oldest_kept(tenant.newest));
            self.archive.forget(oldest);
        }
    }

    pub(super) fn with_context<R>(
        &mut self,
        id: &TenantId,
        received: TimestampMs,
        sink: &mut dyn FnMut(&Scored<'_>),
        act: impl FnOnce(&mut Tenant, &mut Context<'_>) -> R,
    ) -> R {
        let mut paces = std::mem::take(&mut self.paces);
        let options = self.options.clone();
        let ceiling = self.ceiling;
        let (tenant, archive) = self.tenant_and_archive(id);
        let bounds = Bounds::new(&options, ceiling, tenant.held);
        let mut context = Context { options: &options, bounds, paces: &mut paces, archive, received, sink };
        let result = act(tenant, &mut context);
        self.paces = paces;
        result
    }

    /// Takes the metadata of a request.
    pub fn declare(&mut self, id: &TenantId, request: &WriteRequest) {
        let tenant = self.tenant_mut(id);
        for family in request.metadata() {
            let declared =
                FamilyMetadata { kind: family.kind, help: family.help.to_owned(), unit: family.unit.to_owned() };
            tenant.declare(family.family, declared);
        }
    }

    /// Puts new forests in force and hands over what the next ones are trained on.
    pub fn turn(&mut self, turn: &Turn) -> Turned {
        let installed = self.models.generation;
        self.models = turn.models.clone();
        let mut turned = Turned::default();
        for tenant in self.tenants.values_mut() {
            if turn.models.generation != installed {
                tenant.install(&turn.models);
            }
            if let Some(news) = turn.news.get(&tenant.id) {
                tenant.outlook.hear(news);
                tenant.held = Held { here: tenant.told, all: news.held };
                tenant.inherit(news);
                if !news.asks_levels.is_empty() {
                    tenant.outlook.tidings.levels = tenant.levels(news.asks_levels);
                }
                for (key, event) in &news.peers {
                    tenant.tell_peer(*key, news.now, event, &self.options);
                }
                // Groups belong to no shard; findings about them are kept in the first.
                if self.number == 0 {
                    tenant.tell_departures(news, &self.options);
                }
            }
            turned.tidings.push((tenant.id.clone(), tenant.report()));
            for (metric, reservoir) in tenant.reservoirs.iter() {
                let family = (tenant.id.clone(), FamilyName::clone(tenant.interner.text(metric)));
                turned.seen.push((family, reservoir.seen()));
            }
            for (id, metric) in turn.collect.iter().filter(|(id, _)| *id == tenant.id) {
                let reservoir = tenant.interner.get(metric).and_then(|symbol| tenant.reservoirs.get(symbol));
                if let Some(reservoir) = reservoir {
                    turned.rows.push(((id.clone(), metric.clone()), reservoir.clone()));
                }
            }
        }
        turned
    }

    /// The end of a training part, see [`super::Engine::end_training`].
    pub fn end_training(&mut self, id: &TenantId) {
        self.tenant_mut(id).end_training();
    }

    /// Findings of a tenant, in no order.
    #[must_use]
    pub fn findings(&self, id: &TenantId) -> Vec<Finding> {
        self.tenants.get(id).map(|tenant| tenant.findings.all().cloned().collect()).unwrap_or_default()
    }

    /// Declared metadata of a tenant's metric families.
    #[must_use]
    pub fn metadata(&self, id: &TenantId) -> BTreeMap<String, FamilyMetadata> {
        self.tenants.get(id).map(|tenant| tenant.metadata.clone()).unwrap_or_default()
    }

    /// Series by tenant, and their ceiling.
    #[must_use]
    pub fn census(&self) -> Census {
        let series = self.tenants.iter().map(|(id, tenant)| (id.clone(), tenant.series_count() as u64)).collect();
        Census { series, ceiling: self.ceiling }
    }

    /// Sizes and counts; those of series are as of the last sweep, so that asking costs as much with many as with few.
    #[must_use]
    pub fn stats(&self) -> ShardStats {
        let mut stats = ShardStats { model_generation: self.models.generation, ..ShardStats::default() };
        let mut add = |part, bytes| *stats.bytes.entry(part).or_default() += bytes;
        add("forests", self.models.heap_bytes());
        add("windows", self.archive.heap_bytes());
        for tenant in self.tenants.values() {
            add("labels", tenant.interner.heap_bytes());
            add("index", tenant.index.heap_bytes() + tenant.keys.heap_bytes());
            add("reservoirs", tenant.reservoirs.iter().map(|(_, rows)| rows.heap_bytes()).sum());
            let sizes = tenant.sizes;
            add("detectors", sizes.detectors);
            add("series", sizes.series);
            add("workloads", sizes.workloads);
        }
        for (id, tenant) in &self.tenants {
            stats.series.insert(id.clone(), tenant.series_count());
            stats.newest.insert(id.clone(), tenant.newest);
            stats.bars.insert(id.clone(), tenant.outlook.bar);
            stats.workloads += tenant.by_workload.len();
            stats.findings_firing += tenant.findings.firing();
            stats.findings_raised += tenant.findings.raised();
        }
        stats
    }

    pub(super) fn kept_models(&self) -> &Models {
        &self.models
    }

    pub(super) fn set_models(&mut self, models: Models) {
        self.models = models;
    }
}

fn write_series(
    tenant: &mut Tenant,
    request: &WriteRequest,
    entry: &SeriesEntry,
    slot: Option<u32>,
    context: &mut Context<'_>,
    report: &mut WriteReport,
) {
    let (view, known) = (request.view(entry), tenant.series_count());
    // The same series may come twice in a request, and be new the first time.
    let slot = match slot.or_else(|| tenant.slot_of(entry.identity.series)) {
        Some(slot) => slot,
        None => {
            // A tenant at its limit may send many of them: nothing is built for what is refused.
            if let Some(refusal) = context.bounds.refusal(tenant.series_count()) {
                let count = u64::from(entry.samples) + u64::from(entry.histograms);
                report.refuse(refusal, count, || named(&view.labels()));
                return;
            }
            let labels = view.labels();
            let kind = view.kind();
            let kind = if entry.histograms > 0 { MetricKind::Histogram } else { kind };
            tenant.register(entry.identity, &labels, kind, context.options)
        }
    };
    let mut refuse = |refusal, at: TimestampMs| {
        report.refuse(refusal, 1, || format!("{} at {at}", named(&view.labels())));
    };
    let (mut samples, mut histograms) = (0, 0);
    for sample in view.samples() {
        match tenant.observe(slot, Sample { at: sample.at, value: sample.value }, sample.start, context) {
            Ok(()) => samples += 1,
            Err(refusal) => refuse(refusal, sample.at),
        }
    }
    // Histograms that contradict themselves are already among what the decoder refused.
    let sent = (entry.histograms > 0).then(|| view.histograms());
    for histogram in sent.into_iter().flatten().flatten() {
        let at = histogram.at;
        match tenant.observe_histogram(slot, histogram, context) {
            Ok(()) => histograms += 1,
            Err(refusal) => refuse(refusal, at),
        }
    }
    report.samples += samples;
    report.histograms += histograms;
    report.exemplars += u64::from(entry.exemplars);
    report.created += tenant.series_count().saturating_sub(known) as u64;
}

fn named(labels: &[(&str, &str)]) -> String {
    Labels::from_pairs(labels.iter().copied()).to_string()
}
