//! One sample judged: its evidence weighed, and a finding opened, kept up or closed.

use super::{
    Scored, SeriesName,
    climate::{Custom, STIR, Stir, Weighed},
    familiarity::Side,
    families::Reservoir,
    findings::{Case, Subject},
    lessons::Shape,
    policy::subject_group,
    tenant::{Context, Tenant},
};
use crate::{
    anomaly::{self, Detector, EVENT, FEATURES, Judgement, SETTLED, Standing, Transition, WARM},
    series::{Verdict, resolve},
    signal::{Companions, Finding, FindingScope, FindingStatus, Kind, Labels, Sample, TimestampMs, WorkloadKey},
};

/// While a finding is so young, in ms, what else moves is still looked at.
const FRESH_MS: i64 = 600_000;

impl Tenant {
    /// Judges a value of the series in `slot`, keeps what is said of it, and tells what follows.
    pub(super) fn judge(&mut self, slot: u32, sample: Sample, value: f64, step: u32, context: &mut Context<'_>) {
        let pace = context.paces.of(if step == 0 { 15_000 } else { step });
        let Some(series) = self.series.get_mut(slot) else { return };
        let Some(workload) = self.workloads.get(series.workload) else { return };
        let (wake, workload) = (workload.state.wake, workload.key);
        let state = &mut series.state;
        let (is_first, youth) = (state.detector.is_none(), state.youth(sample.at));
        let detector = state.detector.get_or_insert_with(|| Detector::new(value));
        let forest = self.forests.get(&series.metric);
        let prior = context.options.prior.as_deref();
        let weigh = |rarity: &[f32; FEATURES]| match forest {
            Some(forest) => anomaly::forest_weight(forest.score(rarity)),
            None => prior.map_or(1.0, |prior| prior.weight(rarity)),
        };
        let judged = detector.observe(&pace.cadence, sample.at, value, weigh, &mut state.spare);
        let samples = detector.samples();
        if judged.evidence > 0.0 {
            let offer = |rows: &mut Reservoir| rows.offer(series.key, sample.at, context.options.seed, judged.rarity);
            self.reservoirs.offer_to(series.metric, offer);
        }
        state.held = anomaly::hold(state.held, judged.evidence);
        let score = judged.state.max(state.held) / pace.series_threshold;
        let is_event = judged.event >= EVENT && !wake.holds(sample.at);
        let was_disturbed = state.episode.is_disturbed();
        let sustained = state.episode.observe(sample.at, judged.evidence, judged.z, is_event);
        let metric = self.interner.text(series.metric);
        let distance = value - judged.expected;
        if !was_disturbed {
            (state.above, state.reach, state.amount) = (distance > 0.0, 0.0, 0.0);
        }
        // The way back from where it went is not the other way.
        if state.episode.is_disturbed() && (distance > 0.0) == state.above {
            state.reach = state.reach.max(distance.abs() as f32);
            state.amount += (distance.abs() * f64::from(pace.cadence.step_ms()) / 1_000.0) as f32;
        }
        let group = subject_group(series.group, series.key);
        let custom = Custom { workload, family: metric, side: Side { group, above: state.above }, reach: state.reach };
        let weighed = match sustained > 0.0 {
            true => self.outlook.weigh(&custom, sustained, youth),
            false => Weighed::default(),
        };
        // What was inherited makes a score, not a finding: a newcomer warms up first.
        let is_settled = sample.at - state.born > i64::from(SETTLED) * i64::from(pace.cadence.step_ms());
        let speaks =
            state.speaks && is_settled && samples > SETTLED && !wake.holds(sample.at) && context.is_present(sample.at);
        let mut standing = Standing {
            score,
            ratio: weighed.weight / self.outlook.bar,
            may_raise: speaks
                && !wake.holds(state.episode.since())
                && self.policies.get(series.policy).admits(value, judged.expected),
            waits: state.is_minor(),
        };
        if state.episode.is_disturbed() && standing.may_raise {
            let reach = if (distance > 0.0) == state.above { distance.abs() } else { 0.0 };
            let shape = Shape { above: state.above, reach, began: state.episode.since(), now: sample.at };
            standing.waits |= self.lessons.covers(group, &shape);
        }
        let transition = state.episode.decide(standing);
        if speaks && weighed.weight > 0.0 {
            state.burden.bear(weighed);
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
            state.stirred = false;
            let burden = std::mem::take(&mut state.burden);
            self.outlook.tidings.over(sample.at, series.key, &custom, state.episode.peak(), burden);
        }
        let verdict = Verdict::new(judged.expected, judged.half_width, f64::from(score), state.episode.is_firing());
        let verdict = if samples <= WARM { Verdict::NONE } else { verdict };
        let verdict = state.window.push(sample, verdict, &self.id, context.archive);
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
        if is_first {
            self.ask_siblings(slot);
        }
        self.tell_series(slot, sample.at, value, &judged, score, transition, context);
        self.watch_slowly(slot, sample.at, value, &pace, context.options);
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
        context: &Context<'_>,
    ) {
        let Some(series) = self.series.get_mut(slot) else { return };
        let subject = Subject::Series(slot);
        match transition {
            Transition::Resolved => self.resolve_series(slot, at, context.options.findings_kept),
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
        self.name_episode(slot, at, context.archive);
        let Some(series) = self.series.get(slot) else { return };
        let floor = series.state.floor();
        let Some(case) = self.findings.get_mut(subject) else { return };
        case.stretch(value - judged.expected);
        let finding = &mut case.finding;
        finding.updated_at = at;
        finding.score = f64::from(score);
        let is_higher = finding.score > finding.peak_score * 1.05;
        let is_fresh = at - finding.raised_at <= FRESH_MS;
        if is_fresh || is_higher {
            let workload = self.workloads.get(series.workload).map_or(WorkloadKey(0), |w| w.key);
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
            self.quote_lines(subject);
        }
    }

    /// Adds to what was just said of a series of logs which lines it is about.
    fn quote_lines(&mut self, subject: Subject) {
        let labels = self.findings.get_mut(subject).map(|case| case.finding.labels.clone());
        let behind = labels.and_then(|labels| self.lines_behind(&labels));
        if let Some((words, example)) = behind
            && let Some(case) = self.findings.get_mut(subject)
        {
            case.finding.sentence += &words;
            case.finding.lines = vec![example];
        }
    }

    /// Ends the finding about a series; after a confirmed incident it goes on with what was known before.
    pub(super) fn resolve_series(&mut self, slot: u32, at: TimestampMs, kept: usize) {
        let before = self.findings.resolve(Subject::Series(slot), at, kept);
        if let (Some(mut before), Some(series)) = (before, self.series.get_mut(slot)) {
            before.interrupt();
            series.state.detector = Some(*before);
        }
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
            lines: Vec::new(),
        }
    }
}
