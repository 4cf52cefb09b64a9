//! One tenant's part of a shard: its series, workloads and findings, and what a sample does to them.

use std::collections::BTreeMap;

use hashbrown::{HashMap, HashSet};

use super::{
    Options, Refusal, Scored, SeriesName,
    climate::{Episodic, Heirloom, News, Outlook, RECORD, STIR, Stir, Tidings},
    families::{Models, Reservoir},
    findings::{Case, Findings, Subject},
    lessons::{Lessons, Shape},
    models::Model,
    pace::Paces,
    policy::{Plans, Policies, subject_group},
    state::{Series, SeriesState, Workload, WorkloadState},
};
use crate::{
    anomaly::{
        self, Circumstances, Detector, EVENT, FEATURES, Judgement, RELEASE, SETTLED, Standing, Transition, WARM,
    },
    series::{Index, Interner, Meaning, Symbol, SymbolSet, Verdict, Window, rate, resolve},
    signal::{
        Companions, Finding, FindingScope, FindingStatus, GroupKey, Identity, Kind, Labels, METRIC_NAME, MetricKind,
        Sample, SeriesKey, TenantId, TimestampMs, WorkloadKey, is_stale,
    },
};

/// A gap is longer than this many intervals.
const GAP_STEPS: i64 = 3;
/// While a finding is so young, in ms, what else moves is still looked at.
const FRESH_MS: i64 = 600_000;
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
    pub(super) by_key: HashMap<crate::signal::SeriesKey, u32>,
    pub(super) series: Vec<Option<Box<Series>>>,
    pub(super) free: Vec<u32>,
    pub(super) workloads: Vec<Option<Box<Workload>>>,
    pub(super) by_workload: HashMap<crate::signal::WorkloadKey, u32>,
    pub(super) reservoirs: HashMap<Symbol, Reservoir>,
    forests: HashMap<Symbol, std::sync::Arc<Model>>,
    pub(super) generation: u64,
    pub(super) metadata: BTreeMap<String, FamilyMetadata>,
    pub(super) findings: Findings,
    pub(super) outlook: Outlook,
    pub(super) lessons: Lessons,
    pub(super) plans: Plans,
    pub(super) policies: Policies,
    /// Whether the newest samples are about the past: nothing is raised then.
    pub(super) lags: bool,
    /// Series that may be told of, as of the last sweep.
    pub(super) judged: usize,
    /// Newest event time seen.
    pub(super) newest: TimestampMs,
    pub(super) swept_at: TimestampMs,
}

/// What a sample is judged under.
pub(super) struct Context<'a> {
    pub(super) options: &'a Options,
    pub(super) paces: &'a mut Paces,
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
            by_key: HashMap::new(),
            series: Vec::new(),
            free: Vec::new(),
            workloads: Vec::new(),
            by_workload: HashMap::new(),
            reservoirs: HashMap::new(),
            forests: HashMap::new(),
            generation: 0,
            metadata: BTreeMap::new(),
            findings: Findings::default(),
            outlook: Outlook::default(),
            lessons: Lessons::default(),
            plans: Plans::default(),
            policies: Policies::default(),
            lags: false,
            judged: 0,
            newest: TimestampMs::MIN,
            swept_at: TimestampMs::MIN,
        }
    }

    /// Number of series alive or still in the window.
    pub(super) fn series_count(&self) -> usize {
        self.by_key.len()
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

    /// Hands over what siblings of newcomers know, and lets newcomers here take what others handed over.
    pub(super) fn inherit(&mut self, news: &News) {
        for (group, metric) in &news.wanted {
            let heirloom = self.heirloom(*group, metric);
            self.outlook.tidings.heirlooms.extend(heirloom);
        }
        let heirlooms: HashMap<GroupKey, &Heirloom> = news.heirlooms.iter().map(|h| (h.group, h)).collect();
        let asked = news.wanted.iter().chain(&self.outlook.tidings.wanted);
        let asked: HashSet<GroupKey> = asked.map(|(group, _)| *group).collect();
        for (group, key) in std::mem::take(&mut self.outlook.orphans) {
            match heirlooms.get(&group) {
                Some(heirloom) => self.take_over(key, heirloom),
                None if asked.contains(&group) => self.outlook.orphans.push((group, key)),
                // Its siblings have nothing to hand over: it goes its own way.
                None => {}
            }
        }
    }

    /// What the longest known member of a group knows, if it has settled.
    fn heirloom(&self, group: GroupKey, metric: &str) -> Option<Heirloom> {
        let by_name = [crate::signal::Matcher::equal(METRIC_NAME, metric)];
        let slots = self.index.candidates(&self.interner, &by_name).unwrap_or_default();
        let member = |slot: &u32| self.series[*slot as usize].as_deref().filter(|series| series.group == Some(group));
        let settled = slots.iter().filter_map(member).filter_map(|series| {
            let detector = series.state.detector.as_ref().filter(|detector| detector.samples() > SETTLED)?;
            Some((detector.samples(), std::cmp::Reverse(series.key), detector))
        });
        let (_, from, detector) = settled.max_by_key(|(samples, key, _)| (*samples, *key))?;
        Some(Heirloom { group, from: from.0, detector: detector.clone() })
    }

    fn take_over(&mut self, key: SeriesKey, heirloom: &Heirloom) {
        let Some(slot) = self.by_key.get(&key) else { return };
        let Some(series) = self.series[*slot as usize].as_deref_mut() else { return };
        let state = &mut series.state;
        let Some(own) = state.detector.as_mut().filter(|own| own.samples() < WARM) else { return };
        let Some(last) = state.last else { return };
        state.is_heir = true;
        **own = heirloom.detector.heir(own.level(), last.at);
    }

    /// What is to be told at a turn.
    pub(super) fn report(&mut self) -> Tidings {
        let mut tidings = std::mem::take(&mut self.outlook.tidings);
        (tidings.newest, tidings.series) = (self.newest, self.judged);
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
        let symbols: SymbolSet =
            labels.iter().map(|(n, v)| (self.interner.intern(n), self.interner.intern(v))).collect();
        let metric = labels.iter().find(|(n, _)| *n == METRIC_NAME).map_or("", |(_, v)| v);
        let kind = if kind == MetricKind::Unknown { self.declared_kind(metric) } else { kind };
        let state = SeriesState::new(kind, metric);
        let group = GroupKey::of(labels.iter().copied());
        if let Some(group) = group.filter(|group| self.outlook.has_siblings(*group)) {
            self.outlook.orphans.push((group, identity.series));
            self.outlook.tidings.wanted.push((group, metric.into()));
        }
        let labels = Labels::from_pairs(labels.iter().copied());
        self.outlook.tidings.came.extend(group.map(|group| (group, labels)));
        self.adopt(identity, symbols, state, options)
    }

    /// Puts a series, new or restored, into its place.
    pub(super) fn adopt(
        &mut self,
        identity: Identity,
        labels: SymbolSet,
        state: SeriesState,
        options: &Options,
    ) -> u32 {
        let name = self.interner.intern(METRIC_NAME);
        let metric = labels.iter().find(|(n, _)| *n == name).map_or_else(|| self.interner.intern(""), |(_, v)| *v);
        let slot = self.free.pop().unwrap_or_else(|| {
            self.series.push(None);
            (self.series.len() - 1) as u32
        });
        let workload = self.workload_of(identity, &labels);
        self.index.insert(slot, &labels);
        self.by_key.insert(identity.series, slot);
        let texts = resolve(&self.interner, &labels);
        let group = GroupKey::of(texts.iter());
        let policy = self.policies.number(options, &texts);
        self.plans.admit(slot, &texts);
        let series = Series { key: identity.series, labels, metric, workload, group, policy, member: None, state };
        self.series[slot as usize] = Some(Box::new(series));
        slot
    }

    fn workload_of(&mut self, identity: Identity, labels: &SymbolSet) -> u32 {
        let place = *self.by_workload.entry(identity.workload).or_insert_with(|| {
            let place = self.workloads.iter().position(Option::is_none).unwrap_or_else(|| {
                self.workloads.push(None);
                self.workloads.len() - 1
            });
            let labels = Identity::workload_labels(&resolve(&self.interner, labels));
            let state = WorkloadState::new(labels);
            let workload = Workload { key: identity.workload, members: Vec::new(), alive: 0, state };
            self.workloads[place] = Some(Box::new(workload));
            place as u32
        });
        if let Some(workload) = &mut self.workloads[place as usize] {
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
            let Some(series) = &mut self.series[slot as usize] else { continue };
            let meaning = Meaning::of(kind, metric);
            if series.state.kind == kind || matches!(meaning, Meaning::Undeclared { .. }) {
                continue;
            }
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
        let Some(series) = self.series[slot as usize].as_deref_mut() else { return Ok(()) };
        let before = series.state.last;
        if before.is_some_and(|last| sample.at <= last.at) {
            return repeated(&series.state.window, sample);
        }
        if sample.at > context.received.saturating_add(context.options.ahead_ms) {
            return Err(Refusal::Future);
        }
        self.newest = self.newest.max(sample.at);
        series.state.last = Some(sample);
        series.state.born = series.state.born.min(sample.at);
        if is_stale(sample.value) {
            series.state.window.push(sample, Verdict::NONE);
            self.close(slot, sample.at, context.options);
            return Ok(());
        }
        let was_closed = std::mem::take(&mut series.state.closed);
        if was_closed {
            let labels = resolve(&self.interner, &series.labels);
            self.outlook.tidings.came.extend(series.group.map(|group| (group, labels)));
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
            if let Some(series) = self.series[slot as usize].as_deref_mut() {
                series.state.interrupt();
            }
        }
        let is_paused = self.pause(slot, sample.at, i64::from(step), context.options);
        match value.filter(|v| v.is_finite() && v.abs() < VALUE_MAX && !is_paused) {
            Some(value) => self.judge(slot, sample, value, step, context),
            None => {
                if let Some(series) = self.series[slot as usize].as_deref_mut() {
                    series.state.window.push(sample, Verdict::NONE);
                }
            }
        }
        Ok(())
    }

    /// After a restart or a gap nothing is raised about the workload for a while.
    fn hush(&mut self, slot: u32, at: TimestampMs, step: i64) {
        let Some(series) = self.series[slot as usize].as_deref() else { return };
        let Some(workload) = self.workloads[series.workload as usize].as_deref_mut() else { return };
        workload.state.wake.begin(at, step.max(1_000));
    }

    fn judge(&mut self, slot: u32, sample: Sample, value: f64, step: u32, context: &mut Context<'_>) {
        let pace = context.paces.of(if step == 0 { 15_000 } else { step });
        let Some(series) = self.series[slot as usize].as_deref_mut() else { return };
        let Some(workload) = self.workloads[series.workload as usize].as_deref() else { return };
        let (wake, workload) = (workload.state.wake, workload.key);
        let state = &mut series.state;
        let detector = state.detector.get_or_insert_with(|| Box::new(Detector::new(value)));
        let forest = self.forests.get(&series.metric);
        let prior = context.options.prior.as_deref();
        let weigh = |rarity: &[f32; FEATURES]| match forest {
            Some(forest) => anomaly::forest_weight(forest.score(rarity)),
            None => prior.map_or(1.0, |prior| prior.weight(rarity)),
        };
        let judged = detector.observe(&pace.cadence, sample.at, value, weigh, &mut state.spare);
        if judged.evidence > 0.0 {
            let reservoir = self.reservoirs.entry(series.metric).or_default();
            reservoir.offer(series.key, sample.at, context.options.seed, judged.rarity);
        }
        state.held = if judged.evidence > state.held {
            judged.evidence
        } else {
            state.held + RELEASE * (judged.evidence - state.held)
        };
        let score = judged.state.max(state.held) / pace.series_threshold;
        let is_event = judged.event >= EVENT && !wake.holds(sample.at);
        let was_disturbed = state.episode.is_disturbed();
        let sustained = state.episode.observe(sample.at, judged.evidence, judged.z, is_event);
        let metric = self.interner.text(series.metric);
        let youth = Circumstances::youth_at(sample.at - state.born) * if state.is_heir { 0.5 } else { 1.0 };
        let circumstances = self.outlook.circumstances(metric, workload, sustained, youth);
        let weight = circumstances.weigh(sustained);
        // What was inherited makes a score, not a finding: a newcomer warms up first.
        let is_settled = sample.at - state.born > i64::from(SETTLED) * i64::from(pace.cadence.step_ms());
        let speaks = state.speaks
            && is_settled
            && detector.samples() > SETTLED
            && !wake.holds(sample.at)
            && context.is_present(sample.at);
        let mut standing = Standing {
            score,
            ratio: weight / self.outlook.bar,
            may_raise: speaks
                && !wake.holds(state.episode.since())
                && self.policies.get(series.policy).admits(value, judged.expected),
            is_known: false,
        };
        let distance = value - judged.expected;
        if !was_disturbed {
            state.above = distance > 0.0;
        }
        if state.episode.is_disturbed() && standing.may_raise {
            // The way back from where it went is not the other way.
            let reach = if (distance > 0.0) == state.above { distance.abs() } else { 0.0 };
            let shape = Shape { above: state.above, reach, began: state.episode.since(), now: sample.at };
            standing.is_known = self.lessons.covers(subject_group(series.group, series.key), &shape);
        }
        let transition = state.episode.decide(standing);
        if speaks && weight > 0.0 {
            state.weight = state.weight.max(weight);
            state.supported |= !circumstances.is_alone();
            if sustained >= STIR && !std::mem::replace(&mut state.stirred, true) {
                self.outlook.tidings.stir(Stir {
                    at: sample.at,
                    series: series.key,
                    workload,
                    group: series.group,
                    evidence: sustained,
                    labels: resolve(&self.interner, &series.labels),
                });
            }
        }
        if !state.episode.is_disturbed() {
            state.spare = None;
        }
        if was_disturbed && !state.episode.is_disturbed() {
            let (weight, supported) = (std::mem::take(&mut state.weight), std::mem::take(&mut state.supported));
            state.stirred = false;
            if weight > 0.0 && state.episode.peak() >= RECORD {
                let (at, family, evidence) = (sample.at, metric.clone(), state.episode.peak());
                let episode = Episodic { at, series: series.key, family, evidence, weight, alone: !supported };
                self.outlook.tidings.over(episode);
            }
        }
        let verdict = Verdict::new(judged.expected, judged.half_width, f64::from(score), state.episode.is_firing());
        let verdict = if detector.samples() <= WARM { Verdict::NONE } else { verdict };
        state.window.push(sample, verdict);
        let event = if is_event { judged.event } else { 0.0 };
        (context.sink)(&Scored::Series {
            slot,
            name: SeriesName { interner: &self.interner, labels: &series.labels },
            sample,
            value,
            state: judged.state,
            event,
            verdict,
        });
        self.tell_series(slot, sample.at, value, &judged, score, transition, context.options);
        self.watch_slowly(slot, sample.at, value, pace.cadence.step_ms(), context.options);
        self.offer_to_workload(slot, sample.at, value, &pace, context);
    }

    /// Opens, updates or closes the finding about a series.
    #[allow(clippy::too_many_arguments)]
    fn tell_series(
        &mut self,
        slot: u32,
        at: TimestampMs,
        value: f64,
        judged: &Judgement,
        score: f32,
        transition: Transition,
        options: &Options,
    ) {
        let Some(series) = self.series[slot as usize].as_deref_mut() else { return };
        let subject = Subject::Series(slot);
        match transition {
            Transition::Resolved => self.resolve_series(slot, at, options.findings_kept),
            Transition::Raised => {
                let before = series.state.spare.take();
                let labels = resolve(&self.interner, &series.labels);
                let (since, key) = (series.state.episode.since(), series.key.0 as u64);
                let is_rate = series.state.meaning.is_counter();
                let finding = self.blank_finding((FindingScope::Series, Kind::Spike), labels, key, since, at);
                let finding = Finding { is_rate, ..finding };
                self.findings.raise(subject, Case::new(finding, before));
            }
            Transition::None => {}
        }
        self.name_episode(slot, at);
        let Some(series) = self.series[slot as usize].as_deref() else { return };
        let floor = series.state.floor();
        let Some(case) = self.findings.get_mut(subject) else { return };
        case.stretch(value - judged.expected);
        let finding = &mut case.finding;
        finding.updated_at = at;
        finding.score = f64::from(score);
        let is_higher = finding.score > finding.peak_score * 1.05;
        let is_fresh = at - finding.raised_at <= FRESH_MS;
        if is_fresh || is_higher {
            let workload = self.workloads[series.workload as usize].as_deref().map_or(WorkloadKey(0), |w| w.key);
            let company = self.outlook.company(series.key, workload, series.group, finding.since);
            (finding.companions, finding.siblings) = company;
        }
        if is_higher {
            finding.peak_score = finding.score;
            finding.seen = value;
            finding.expected = judged.expected;
            finding.lower = (judged.expected - judged.half_width).max(floor);
            finding.upper = judged.expected + judged.half_width;
            finding.drivers = anomaly::series_drivers(&judged.rarity, value >= judged.expected);
        }
        if is_fresh || is_higher || case.named_at == at {
            let text = finding.labels.to_string();
            finding.sentence = anomaly::series_sentence(&anomaly::SeriesStory {
                series: &text,
                kind: finding.kind,
                seen: finding.seen,
                expected: finding.expected,
                band: (finding.lower, finding.upper),
                is_rate: finding.is_rate,
                since: finding.since,
                per_day: 0.0,
                drivers: &finding.drivers,
                siblings: finding.siblings,
                companions: &finding.companions,
            });
        }
    }

    /// Ends the finding about a series; after a confirmed incident it goes on with what was known before.
    fn resolve_series(&mut self, slot: u32, at: TimestampMs, kept: usize) {
        let before = self.findings.resolve(Subject::Series(slot), at, kept);
        if let (Some(mut before), Some(series)) = (before, self.series[slot as usize].as_deref_mut()) {
            before.interrupt();
            series.state.detector = Some(before);
        }
    }

    /// Whether the series is being worked on. Nothing is judged or learnt then; what comes after is as after a gap.
    fn pause(&mut self, slot: u32, at: TimestampMs, step: i64, options: &Options) -> bool {
        let covered = self.plans.cover(slot, at);
        let Some(series) = self.series[slot as usize].as_deref_mut() else { return covered };
        let was = std::mem::replace(&mut series.state.paused, covered);
        let place = series.workload as usize;
        if covered && let Some(workload) = self.workloads[place].as_deref_mut() {
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
        let Some(series) = self.series[slot as usize].as_deref_mut() else { return };
        if !std::mem::replace(&mut series.state.closed, true) {
            self.outlook.tidings.went.extend(series.group);
        }
        self.end_episode(slot, at, options);
    }

    /// A finding raised at `at` of which nothing is told yet; `key` identifies what it is about.
    pub(super) fn blank_finding(
        &self,
        (scope, kind): (FindingScope, Kind),
        labels: Labels,
        key: u64,
        since: TimestampMs,
        at: TimestampMs,
    ) -> Finding {
        Finding {
            id: format!("{:016x}", key ^ (at as u64).rotate_left(32) ^ (scope as u64)),
            tenant: self.id.clone(),
            scope,
            kind,
            labels,
            status: FindingStatus::Firing,
            since,
            raised_at: at,
            updated_at: at,
            resolved_at: None,
            score: 0.0,
            peak_score: 0.0,
            seen: 0.0,
            expected: 0.0,
            lower: 0.0,
            upper: 0.0,
            is_rate: false,
            drivers: Vec::new(),
            siblings: None,
            companions: Companions::default(),
            feedback: None,
            model: self.generation,
            sentence: String::new(),
        }
    }

    pub(super) fn end_episode(&mut self, slot: u32, at: TimestampMs, options: &Options) {
        if let Some(series) = self.series[slot as usize].as_deref_mut()
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
fn repeated(window: &Window, sample: Sample) -> Result<(), Refusal> {
    match window.points(sample.at.saturating_sub(1), sample.at).next() {
        Some(known) if known.sample.value.to_bits() == sample.value.to_bits() => Ok(()),
        Some(_) => Err(Refusal::Duplicate),
        None => Err(Refusal::OutOfOrder),
    }
}
