//! One tenant's part of a shard: its series, workloads and findings, and what a sample does to them.

use std::collections::BTreeMap;

use hashbrown::HashMap;

use super::{
    Options, Refusal, Scored,
    admission::{Bounds, Held},
    climate::{Outlook, Tidings},
    families::{Models, Reservoirs},
    findings::{Findings, Subject},
    keys::{Keys, Mark},
    lessons::Lessons,
    lifecycle::{Sizes, Sweep},
    logs::Sources,
    models::Model,
    pace::Paces,
    policy::{Plans, Policies},
    slots::Slots,
    state::{Series, SeriesState, Workload, WorkloadState},
};
use crate::{
    anomaly::Detector,
    prefetch::prefetch,
    series::{Archive, Index, Interner, Meaning, Symbol, SymbolSet, Verdict, Window, rate, resolve},
    signal::{GroupKey, Identity, Labels, METRIC_NAME, MetricKind, Sample, SeriesKey, TenantId, TimestampMs, is_stale},
};

/// A gap is longer than this many intervals.
const GAP_STEPS: i64 = 3;
/// Values beyond are not scored: their squares would leave the range of f64.
const VALUE_MAX: f64 = 1e150;

/// Declared facts of a metric family.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct FamilyMetadata {
    /// What it measures.
    pub kind: MetricKind,
    /// Help text.
    pub help: String,
    /// Unit, often empty.
    pub unit: String,
}

/// Most metric families of which metadata is kept, per tenant and shard.
const METADATA_MAX: usize = 50_000;

#[derive(Debug)]
pub(super) struct Tenant {
    pub(super) id: TenantId,
    pub(super) interner: Interner,
    pub(super) index: Index,
    pub(super) keys: Keys,
    pub(super) series: Slots<Series>,
    pub(super) workloads: Slots<Workload>,
    pub(super) by_workload: HashMap<crate::signal::WorkloadKey, u32>,
    pub(super) reservoirs: Reservoirs,
    pub(super) forests: HashMap<Symbol, std::sync::Arc<Model>>,
    pub(super) generation: u64,
    pub(super) metadata: BTreeMap<String, FamilyMetadata>,
    pub(super) findings: Findings,
    pub(super) outlook: Outlook,
    pub(super) lessons: Lessons,
    pub(super) plans: Plans,
    pub(super) policies: Policies,
    pub(super) sources: Sources,
    /// Whether the newest samples are about the past: nothing is raised then.
    pub(super) lags: bool,
    /// Series that may be told of, and those of them that are not entirely new, as of the last sweep.
    pub(super) judged: usize,
    pub(super) settled: usize,
    /// Memory as of the last sweep.
    pub(super) sizes: Sizes,
    /// The sweep that goes on.
    pub(super) sweep: Sweep,
    /// Series that were here at the last turn, and what was heard of those everywhere. Not kept across a restart.
    pub(super) told: usize,
    pub(super) held: Held,
    /// Newest event time seen.
    pub(super) newest: TimestampMs,
    pub(super) swept_at: TimestampMs,
}

/// What a sample is judged under.
pub(super) struct Context<'a> {
    pub(super) options: &'a Options,
    pub(super) bounds: Bounds,
    pub(super) paces: &'a mut Paces,
    pub(super) archive: &'a mut Archive,
    /// The receiver's clock.
    pub(super) received: TimestampMs,
    pub(super) sink: &'a mut dyn FnMut(&Scored<'_>),
}

impl Context<'_> {
    /// Whether a sample of this time tells of the present, about which findings may be raised.
    pub(super) fn is_present(&self, at: TimestampMs) -> bool {
        self.received.saturating_sub(at) <= self.options.late_ms
    }
}

impl Tenant {
    pub(super) fn new(id: TenantId) -> Self {
        Self {
            id,
            interner: Interner::default(),
            index: Index::default(),
            keys: Keys::default(),
            series: Slots::default(),
            workloads: Slots::default(),
            by_workload: HashMap::new(),
            reservoirs: Reservoirs::default(),
            forests: HashMap::new(),
            generation: 0,
            metadata: BTreeMap::new(),
            findings: Findings::default(),
            outlook: Outlook::default(),
            lessons: Lessons::default(),
            plans: Plans::default(),
            policies: Policies::default(),
            sources: Sources::default(),
            lags: false,
            judged: 0,
            settled: 0,
            told: 0,
            held: Held::default(),
            sizes: Sizes::default(),
            sweep: Sweep::default(),
            newest: TimestampMs::MIN,
            swept_at: TimestampMs::MIN,
        }
    }

    /// The slot of a series.
    pub(super) fn slot_of(&self, key: SeriesKey) -> Option<u32> {
        self.find(key, self.keys.mark(key))
    }

    fn find(&self, key: SeriesKey, mark: Mark) -> Option<u32> {
        self.keys.get(mark, |slot| self.series.get(slot).is_some_and(|series| series.key == key))
    }

    /// The slots of some series. Has their state brought near, a step of the way to it at a time for all of them.
    pub(super) fn locate(&self, keys: impl Iterator<Item = SeriesKey>) -> Vec<Option<u32>> {
        let marked: Vec<_> = keys.map(|key| (key, self.keys.mark(key))).collect();
        marked.iter().filter_map(|(_, mark)| self.keys.guess(*mark)).for_each(|slot| self.series.prefetch(slot));
        let slots: Vec<_> = marked.into_iter().map(|(key, mark)| self.find(key, mark)).collect();
        let series = slots.iter().flatten().filter_map(|slot| self.series.get(*slot));
        series.clone().filter_map(|series| series.state.slow.as_deref()).for_each(prefetch);
        series.filter_map(|series| series.state.detector.as_ref()).for_each(Detector::prefetch);
        slots
    }

    /// Number of series alive or still in the window.
    pub(super) fn series_count(&self) -> usize {
        self.keys.len()
    }

    pub(super) fn install(&mut self, models: &Models) {
        self.generation = models.generation;
        for ((tenant, metric), forest) in models.forests.iter() {
            if *tenant == self.id {
                let symbol = self.interner.intern(metric);
                self.forests.insert(symbol, forest.clone());
            }
        }
    }

    /// What is to be told at a turn.
    pub(super) fn report(&mut self) -> Tidings {
        let mut tidings = std::mem::take(&mut self.outlook.tidings);
        tidings.newest = self.newest.max(self.sources.clock.now());
        (tidings.series, tidings.settled) = (self.judged, self.settled);
        self.told = self.series_count();
        tidings.held = self.told;
        tidings
    }

    /// Adds a series. `identity` must be that of `labels`.
    pub(super) fn register(
        &mut self,
        identity: Identity,
        labels: &[(&str, &str)],
        kind: MetricKind,
        options: &Options,
    ) -> u32 {
        let symbols: Vec<(Symbol, Symbol)> =
            labels.iter().map(|(n, v)| (self.interner.intern(n), self.interner.intern(v))).collect();
        let symbols = self.interner.label_set(&symbols);
        let metric = labels.iter().find(|(n, _)| *n == METRIC_NAME).map_or("", |(_, v)| v);
        let kind = if kind == MetricKind::Unknown { self.declared_kind(metric) } else { kind };
        let state = SeriesState::new(kind, metric);
        let group = GroupKey::of(labels.iter().copied());
        let texts = resolve(&self.interner, &symbols);
        if let Some(group) = group {
            self.outlook.tidings.moves.come(group, || texts.clone());
        }
        self.adopt(identity, symbols, &texts, state, options)
    }

    /// Puts a series, new or restored, into its place; `texts` are its labels.
    pub(super) fn adopt(
        &mut self,
        identity: Identity,
        labels: SymbolSet,
        texts: &Labels,
        state: SeriesState,
        options: &Options,
    ) -> u32 {
        let name = self.interner.intern(METRIC_NAME);
        let metric = labels.get(name).unwrap_or_else(|| self.interner.intern(""));
        let workload = self.workload_of(identity, texts);
        let group = GroupKey::of(texts.iter());
        let policy = self.policies.number(options, texts);
        let series = Series { key: identity.series, labels, metric, workload, group, policy, member: None, state };
        let slot = self.series.insert(series);
        self.keys.insert(identity.series, slot);
        if let Some(series) = self.series.get(slot) {
            self.index.insert(slot, &series.labels);
        }
        self.plans.admit(slot, texts);
        slot
    }

    fn workload_of(&mut self, identity: Identity, labels: &Labels) -> u32 {
        let place = *self.by_workload.entry(identity.workload).or_insert_with(|| {
            let state = WorkloadState::new(Identity::workload_labels(labels));
            self.workloads.insert(Workload { key: identity.workload, members: Vec::new(), alive: 0, state })
        });
        if let Some(workload) = self.workloads.get_mut(place) {
            workload.alive += 1;
        }
        place
    }

    fn declared_kind(&self, metric: &str) -> MetricKind {
        let known = |name: &str| self.metadata.get(name).map(|m| m.kind);
        let family = ["_bucket", "_sum", "_count", "_total"].iter().find_map(|s| metric.strip_suffix(s));
        known(metric).or_else(|| family.and_then(known)).unwrap_or_default()
    }

    /// Takes what a sender declares of a family.
    pub(super) fn declare(&mut self, family: &str, metadata: FamilyMetadata) {
        let known = self.metadata.get(family);
        if known == Some(&metadata) || (known.is_none() && self.metadata.len() >= METADATA_MAX) {
            return;
        }
        let kind_changed = known.is_none_or(|m| m.kind != metadata.kind);
        self.metadata.insert(family.to_owned(), metadata);
        if kind_changed {
            for suffix in ["", "_bucket", "_sum", "_count", "_total"] {
                self.redeclare(&format!("{family}{suffix}"));
            }
        }
    }

    fn redeclare(&mut self, metric: &str) {
        let kind = self.declared_kind(metric);
        let by_name = [crate::signal::Matcher::equal(METRIC_NAME, metric)];
        for slot in self.index.candidates(&self.interner, &by_name).unwrap_or_default() {
            let meaning = Meaning::of(kind, metric);
            let is_known = self.series.get(slot).is_none_or(|series| series.state.kind == kind);
            if is_known || matches!(meaning, Meaning::Undeclared { .. }) {
                continue;
            }
            let Some(series) = self.series.get_mut(slot) else { continue };
            series.state.kind = kind;
            if series.state.meaning.is_counter() != meaning.is_counter() {
                series.state.detector = None;
            }
            series.state.meaning = meaning;
        }
    }

    /// Takes one sample of the series in `slot`.
    pub(super) fn observe(
        &mut self,
        slot: u32,
        sample: Sample,
        started: Option<TimestampMs>,
        context: &mut Context<'_>,
    ) -> Result<(), Refusal> {
        let Some(series) = self.series.get_mut(slot) else { return Ok(()) };
        let before = series.state.last();
        if before.is_some_and(|last| sample.at <= last.at) {
            return repeated(&series.state.window, sample, context.archive);
        }
        if sample.at > context.received.saturating_add(context.options.ahead_ms) {
            return Err(Refusal::Future);
        }
        self.newest = self.newest.max(sample.at);
        series.state.born = series.state.born.min(sample.at);
        if is_stale(sample.value) {
            series.state.window.push(sample, Verdict::NONE, &self.id, context.archive);
            self.close(slot, sample.at, context.options);
            return Ok(());
        }
        let was_closed = std::mem::take(&mut series.state.closed);
        if was_closed && let Some(group) = series.group {
            self.outlook.tidings.moves.come(group, || resolve(&self.interner, &series.labels));
        }
        let before = before.filter(|last| !is_stale(last.value));
        let delta = before.map(|last| sample.at - last.at);
        let step = delta.map_or(0, |delta| series.state.step.observe(delta));
        let gap = was_closed || delta.is_some_and(|delta| delta > GAP_STEPS * i64::from(step) + i64::from(step) / 2);

        let value = match (series.state.meaning, before) {
            (Meaning::Counter, None) => None,
            (Meaning::Counter, Some(last)) => {
                let rate = rate(last, sample, started);
                if rate.reset {
                    self.hush(slot, sample.at, i64::from(step));
                }
                (!rate.reset && !gap).then_some(rate.per_second)
            }
            (_, Some(last)) => {
                let counts = series.state.meaning.watch(last.value, sample.value);
                if counts {
                    series.state.detector = None;
                }
                (!counts).then_some(sample.value)
            }
            (_, None) => Some(sample.value),
        };
        if gap {
            self.hush(slot, sample.at, i64::from(step));
            if let Some(series) = self.series.get_mut(slot) {
                series.state.interrupt();
            }
        }
        let is_paused = self.pause(slot, sample.at, i64::from(step), context.options);
        match value.filter(|v| v.is_finite() && v.abs() < VALUE_MAX && !is_paused) {
            Some(value) => self.judge(slot, sample, value, step, context),
            None => {
                if let Some(series) = self.series.get_mut(slot) {
                    series.state.window.push(sample, Verdict::NONE, &self.id, context.archive);
                }
            }
        }
        Ok(())
    }

    /// After a restart or a gap nothing is raised about the workload for a while.
    fn hush(&mut self, slot: u32, at: TimestampMs, step: i64) {
        let Some(series) = self.series.get(slot) else { return };
        let Some(workload) = self.workloads.get_mut(series.workload) else { return };
        workload.state.wake.begin(at, step.max(1_000));
    }

    /// Whether the series is being worked on. Nothing is judged or learnt then; what comes after is as after a gap.
    fn pause(&mut self, slot: u32, at: TimestampMs, step: i64, options: &Options) -> bool {
        let covered = self.plans.cover(slot, at);
        let Some(series) = self.series.get_mut(slot) else { return covered };
        let was = std::mem::replace(&mut series.state.paused, covered);
        let place = series.workload;
        if covered && let Some(workload) = self.workloads.get_mut(place) {
            workload.state.paused_at = at;
        }
        match (was, covered) {
            (false, true) => self.end_episode(slot, at, options),
            (true, false) => {
                series.state.interrupt();
                self.hush(slot, at, step);
            }
            _ => {}
        }
        covered
    }

    /// Notes that a series has ended.
    pub(super) fn close(&mut self, slot: u32, at: TimestampMs, options: &Options) {
        let Some(series) = self.series.get_mut(slot) else { return };
        if !std::mem::replace(&mut series.state.closed, true)
            && let Some(group) = series.group
        {
            self.outlook.tidings.moves.go(group);
        }
        self.end_episode(slot, at, options);
    }

    pub(super) fn end_episode(&mut self, slot: u32, at: TimestampMs, options: &Options) {
        if let Some(series) = self.series.get_mut(slot)
            && series.state.episode.end()
        {
            self.resolve_series(slot, at, options.findings_kept);
        }
        for kind in super::kinds::OWN {
            self.findings.resolve(Subject::Own(slot, kind), at, options.findings_kept);
        }
    }
}

/// What became of a sample that is not newer than its series: accepted if it is there already, so that a request may be
/// sent again.
fn repeated(window: &Window, sample: Sample, archive: &Archive) -> Result<(), Refusal> {
    let stretch = window.stretch(sample.at.saturating_sub(1), sample.at, archive);
    let is_same = |known: f64| {
        let is_no_number = |value: f64| value.is_nan() && !is_stale(value);
        known.to_bits() == sample.value.to_bits() || is_no_number(known) && is_no_number(sample.value)
    };
    match stretch.points().next() {
        Some(known) if is_same(known.sample.value) => Ok(()),
        Some(_) => Err(Refusal::Duplicate),
        None => Err(Refusal::OutOfOrder),
    }
}
