//! Kinds that no single sample shows: what the slow detectors, the siblings and the groups tell becomes findings, and open
//! findings are named.

use super::{
    climate::{Departure, News},
    findings::{Case, Subject},
    groups::Parts,
    options::Options,
    pace::Pace,
    state::SeriesState,
    tenant::Tenant,
};
use crate::{
    anomaly::{
        self,
        kinds::{Change, Kind, Observed, PeerEvent, Slow, SlowEvent, classify},
    },
    series::{Archive, Meaning, rate, resolve},
    signal::{Driver, Finding, FindingScope, GroupKey, METRIC_NAME, Sample, SeriesKey, TimestampMs, is_stale},
};

/// Samples before a disturbance that are looked at to name it, in intervals.
const LOOK_BACK: i64 = 100;
/// Growth after which an episode is named anew.
const RENAME_AFTER: f64 = 1.1;
/// Kinds of which a series may have an open finding of its own, beside the one about its samples.
pub(super) const OWN: [Kind; 7] = [
    Kind::Variance,
    Kind::Flatline,
    Kind::LostSeason,
    Kind::Trend,
    Kind::PeerDiffers,
    Kind::NewTemplate,
    Kind::RareValue,
];

/// What a slow detector or the siblings tell of one series.
struct Tale {
    kind: Kind,
    change: Change,
    since: TimestampMs,
    evidence: f32,
    seen: f64,
    expected: f64,
    per_day: f64,
}

impl From<SlowEvent> for Tale {
    fn from(event: SlowEvent) -> Self {
        let SlowEvent { kind, change, since, evidence, seen, expected, per_day } = event;
        Self { kind, change, since, evidence, seen, expected, per_day }
    }
}

impl SeriesState {
    /// The judged samples in `(after, until]`, as they were scored: of a counter the rates.
    pub(super) fn observed(&self, after: TimestampMs, until: TimestampMs, archive: &Archive) -> Vec<Observed> {
        let is_counter = self.meaning == Meaning::Counter;
        let mut last: Option<Sample> = None;
        let mut observed = Vec::new();
        for point in self.window.stretch(after, until, archive).points() {
            let before = last.replace(point.sample);
            if is_stale(point.sample.value) {
                last = None;
                continue;
            }
            let value = match (is_counter, before) {
                (false, _) => Some(point.sample.value),
                (true, Some(before)) => {
                    Some(rate(before, point.sample, None)).filter(|r| !r.reset).map(|r| r.per_second)
                }
                (true, None) => None,
            };
            let (expected, half_width) = (f64::from(point.verdict.expected), f64::from(point.verdict.half_width));
            observed.extend(value.map(|value| Observed { at: point.sample.at, value, expected, half_width }));
        }
        observed
    }

    /// Follows the level, and what shows over hours and days; gives what the slow detector tells.
    fn follow(&mut self, at: TimestampMs, value: f64, pace: &Pace) -> Vec<SlowEvent> {
        self.level = if self.level.is_nan() { value } else { self.level + pace.level * (value - self.level) };
        if self.slow.is_none() && self.detector.as_ref().is_some_and(|detector| detector.varies()) {
            self.slow = Some(Box::new(Slow::new(at, value)));
        }
        let mut told = Vec::new();
        if let Some(slow) = &mut self.slow {
            slow.observe(at, value, pace.cadence.step_ms(), &mut |event| told.push(event));
        }
        told
    }
}

impl Tenant {
    /// Lets the slow detectors see a judged value.
    pub(super) fn watch_slowly(&mut self, slot: u32, at: TimestampMs, value: f64, pace: &Pace, options: &Options) {
        let Some(series) = self.series.get_mut(slot) else { return };
        for event in series.state.follow(at, value, pace) {
            self.tell_own(slot, at, event.into(), options);
        }
    }

    /// Takes what the comparison with its siblings tells of a series.
    pub(super) fn tell_peer(&mut self, key: SeriesKey, at: TimestampMs, event: &PeerEvent, options: &Options) {
        let Some(slot) = self.slot_of(key) else { return };
        // Of siblings that do nothing the one that does something is not odd, it is busy.
        if event.change == Change::Raised && event.expected == 0.0 {
            return;
        }
        let PeerEvent { change, seen, expected, evidence, .. } = *event;
        let tale = Tale { kind: Kind::PeerDiffers, change, since: at, evidence, seen, expected, per_day: 0.0 };
        self.tell_own(slot, at, tale, options);
    }

    /// Opens or closes the finding of a kind of its own about a series.
    fn tell_own(&mut self, slot: u32, at: TimestampMs, tale: Tale, options: &Options) {
        let subject = Subject::Own(slot, tale.kind);
        if tale.change == Change::Resolved {
            self.findings.resolve(subject, at, options.findings_kept);
            return;
        }
        let Some(series) = self.series.get(slot) else { return };
        let Some(workload) = self.workloads.get(series.workload) else { return };
        let state = &series.state;
        let policy = self.policies.get(series.policy);
        let is_shape = matches!(tale.kind, Kind::Flatline | Kind::Variance | Kind::LostSeason);
        let is_admitted = if is_shape { !policy.exclude } else { policy.admits(tale.seen, tale.expected) };
        // What the samples already tell of is not told a second time.
        let is_told = is_shape && self.findings.get_mut(Subject::Series(slot)).is_some();
        if !state.speaks || !is_admitted || is_told || self.lags || workload.state.wake.holds(at) {
            return;
        }
        let labels = resolve(&self.interner, &series.labels);
        let (companions, siblings) = self.outlook.company(series.key, workload.key, series.group, tale.since);
        let is_rate = state.meaning.is_counter();
        let text = labels.to_string();
        let key = series.key.0 as u64 ^ (tale.kind as u64 + 2).rotate_left(40);
        let finding = self.blank_finding((FindingScope::Series, tale.kind), labels, key, tale.since, at);
        let sentence = anomaly::series_sentence(&anomaly::SeriesStory {
            series: &text,
            kind: tale.kind,
            seen: tale.seen,
            expected: tale.expected,
            band: (f64::NAN, f64::NAN),
            is_rate,
            since: tale.since,
            per_day: tale.per_day,
            drivers: &[],
            siblings,
            companions: &companions,
        });
        let (sentence, lines) = match self.lines_behind(&finding.labels) {
            Some((words, example)) => (sentence + &words, vec![example]),
            None => (sentence, Vec::new()),
        };
        let score = f64::from(tale.evidence.max(1.0));
        let meaning = format!("{:.1} times what it takes", tale.evidence.max(1.0));
        let finding = Finding {
            is_rate,
            score,
            peak_score: score,
            seen: tale.seen,
            expected: tale.expected,
            lower: f64::NAN,
            upper: f64::NAN,
            drivers: vec![Driver { name: tale.kind.name().to_owned(), share: 1.0, meaning }],
            siblings,
            companions,
            sentence,
            lines,
            ..finding
        };
        let mut case = Case::new(finding, None);
        case.stretch(tale.seen - tale.expected);
        self.findings.raise(subject, case);
    }

    /// Names the open finding about the samples of a series, when its episode has grown since it was last named.
    pub(super) fn name_episode(&mut self, slot: u32, at: TimestampMs, archive: &Archive) {
        let Some(series) = self.series.get(slot) else { return };
        let Some(case) = self.findings.get_mut(Subject::Series(slot)) else { return };
        let since = case.finding.since;
        let is_grown = (at - since) as f64 >= RENAME_AFTER * (case.named_at - since) as f64;
        if case.named_at != 0 && !is_grown {
            return;
        }
        let step = i64::from(series.state.step.interval());
        let observed = series.state.observed(since - LOOK_BACK * step, at, archive);
        let began = observed.partition_point(|o| o.at < since);
        let was = (case.named_at != 0).then_some(case.finding.kind);
        case.finding.kind = classify(was, &observed[..began], &observed[began..]);
        case.named_at = at;
    }

    /// Takes what became of groups of siblings: one finding for all that left together.
    pub(super) fn tell_departures(&mut self, news: &News, options: &Options) {
        for Departure { key, labels, metrics, change, since } in &news.departures {
            let subject = Subject::Group(*key);
            if *change == Change::Resolved {
                self.findings.resolve(subject, *since, options.findings_kept);
                continue;
            }
            let policy = self.policies.number(options, labels);
            if self.lags || self.policies.get(policy).exclude || self.plans.touch(labels, news.now) {
                continue;
            }
            let scope = (FindingScope::Group, Kind::Absence);
            let finding = self.blank_finding(scope, labels.clone(), key.number(), *since, news.now);
            let sentence = anomaly::absence_sentence(&labels.to_string(), *metrics as usize, *since);
            let meaning = format!("{metrics} of its metrics are no longer sent by any instance");
            let driver = Driver { name: Kind::Absence.name().to_owned(), share: 1.0, meaning };
            let none = f64::NAN;
            let finding = Finding {
                score: 1.0,
                peak_score: 1.0,
                seen: none,
                expected: none,
                lower: none,
                upper: none,
                drivers: vec![driver],
                sentence,
                ..finding
            };
            self.findings.raise(subject, Case::new(finding, None));
        }
    }

    /// Levels of the series of groups that are large enough to be compared, of some metrics.
    pub(super) fn levels(&self, parts: Parts) -> Vec<(GroupKey, SeriesKey, f64)> {
        let told = |slot: u32| {
            let series = self.series.get(slot)?;
            let group = series.group.filter(|group| self.outlook.is_comparable(*group))?;
            let state = &series.state;
            let is_fit = state.speaks && !state.closed && !state.paused && state.level.is_finite();
            is_fit.then_some((group, series.key, state.level))
        };
        let name = self.interner.get(METRIC_NAME);
        let metrics = name.into_iter().flat_map(|name| self.index.values(name, None));
        let asked = metrics.filter(|(metric, _)| parts.hold(self.interner.text(*metric)));
        asked.flat_map(|(_, slots)| slots).filter_map(|slot| told(*slot)).collect()
    }
}
