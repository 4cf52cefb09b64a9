//! Rows of a workload: gathered from its series, scored jointly.
//!
//! A row holds one value of each metric for one scrape. It is complete when all have come, or when a sample of the next
//! scrape arrives. A workload of many series is represented by at most 40 of them, chosen once they have shown
//! whether they vary.

use super::{
    Scored,
    climate::{Custom, Weighed},
    familiarity::Side,
    findings::{Case, Subject},
    lessons::Shape,
    pace::Pace,
    state::Workload,
    tenant::{Context, Tenant},
};
use crate::{
    anomaly::{
        self, Circumstances, Standing, TailPrior, Transition,
        workload::{Workload as WorkloadDetector, WorkloadParams, WorkloadScore},
    },
    series::{Verdict, resolve},
    signal::{Finding, FindingScope, GroupKey, Kind, Sample, SeriesKey, TimestampMs},
};

/// Metrics that represent a workload.
const MEMBERS_MAX: usize = 40;
/// Series looked at while they are chosen.
const CANDIDATES_MAX: usize = 2_000;
/// Rows after which the representatives are fixed.
const FORMING_ROWS: u32 = 64;
/// Rows in which the joint model takes shape, and rows before a workload is judged: in between the tail of its score is
/// learnt, which the large residuals of an unformed model would spoil.
const MODEL_ROWS: u32 = 200;
const WARM_ROWS: u32 = 300;
/// A finding about a workload needs at least two metrics.
const METRICS_MIN: usize = 2;
/// Size of the residuals, against 1 in ordinary times.
const PRIOR: TailPrior = TailPrior { threshold: 1.5, excess: 0.5 };
/// Usual residuals up to which one row in 1,000 goes.
const BAND_ONE_IN: f32 = 1_000.0;
/// Stands for a series that is gone.
const GONE: u32 = u32::MAX;

/// Evidence of a series that a workload at its threshold is held equal to.
const SERIES_LIKE: f32 = 16.0;
/// What the tail of a workload's score can vouch for on that scale.
const SERIES_LIKE_MAX: f32 = 18.0;

/// What lessons about a workload go by: the labels that name it without its instance.
fn group_of(workload: &Workload) -> GroupKey {
    GroupKey::of(workload.state.labels.iter()).unwrap_or(GroupKey::new(workload.key.0))
}

/// Under which name the disturbances of such workloads are on record.
fn family_of(group: GroupKey) -> String {
    format!("workload {:016x}", group.number())
}

/// Whether a metric says how a workload behaves. Buckets repeat their `_count`; build facts and clocks do not behave.
fn is_telling(metric: &str) -> bool {
    let dull_ends = ["_bucket", "_info", "_created", "_time_seconds", "_timestamp_seconds", "_timestamp"];
    let dull_starts = ["scrape_", "promhttp_", "vigie_"];
    !dull_ends.iter().any(|end| metric.ends_with(end)) && !dull_starts.iter().any(|start| metric.starts_with(start))
}

impl Tenant {
    /// Puts a scored value into the open row of the series' workload.
    pub(super) fn offer_to_workload(
        &mut self,
        slot: u32,
        at: TimestampMs,
        value: f64,
        pace: &Pace,
        context: &mut Context<'_>,
    ) {
        let Some(series) = self.series.get_mut(slot) else { return };
        let place = series.workload;
        let Some(workload) = self.workloads.get_mut(place) else { return };
        if series.member.is_none() {
            let forming = workload.state.rows < FORMING_ROWS && workload.members.len() < CANDIDATES_MAX;
            if !forming || !is_telling(self.interner.text(series.metric)) {
                return;
            }
            series.member = Some(workload.members.len() as u16);
            workload.members.push(slot);
            workload.state.row.push(f64::NAN);
            workload.state.detector = None;
        }
        let Some(member) = series.member.map(usize::from) else { return };
        let half_step = i64::from(pace.cadence.step_ms() / 2);
        let next_row = workload.state.row_at.is_some_and(|row_at| at >= row_at + half_step);
        if next_row || !workload.state.row[member].is_nan() {
            self.judge_row(place, context);
        }
        let Some(workload) = self.workloads.get_mut(place) else { return };
        let state = &mut workload.state;
        let Some(cell) = state.row.get_mut(member) else { return };
        *cell = value;
        state.present += 1;
        state.row_at.get_or_insert(at);
        if usize::from(state.present) == workload.members.len() {
            self.judge_row(place, context);
        }
    }

    /// Scores the open row and starts a new one.
    fn judge_row(&mut self, place: u32, context: &mut Context<'_>) {
        let Some(workload) = self.workloads.get_mut(place) else { return };
        let Some(at) = workload.state.row_at.take() else { return };
        workload.state.present = 0;
        workload.state.rows = workload.state.rows.saturating_add(1);
        let step = workload.state.last_row_at.map_or(0, |last| workload.state.step.observe(at - last));
        workload.state.last_row_at = Some(at);
        if at.saturating_sub(workload.state.paused_at) <= 2 * i64::from(workload.state.step.interval()) {
            workload.state.row.fill(f64::NAN);
            return;
        }
        if workload.members.len() > MEMBERS_MAX {
            workload.state.row.fill(f64::NAN);
            if workload.state.rows >= FORMING_ROWS {
                self.choose_members(place);
            }
            return;
        }
        let state = &mut workload.state;
        if state.detector.is_none() {
            let params = WorkloadParams { seed: context.options.seed, ..WorkloadParams::default() };
            state.detector = WorkloadDetector::new(workload.members.len(), params).ok().map(Box::new);
        }
        let score = state.detector.as_mut().and_then(|detector| detector.observe(&state.row));
        state.row.fill(f64::NAN);
        let pace = context.paces.of(if step == 0 { 15_000 } else { step });
        self.tell_row(place, at, score.unwrap_or_default(), &pace, context);
    }

    fn tell_row(&mut self, place: u32, at: TimestampMs, score: WorkloadScore, pace: &Pace, context: &mut Context<'_>) {
        let Some(workload) = self.workloads.get_mut(place) else { return };
        let (metrics, group) = (workload.members.len(), group_of(workload));
        let state = &mut workload.state;
        let size = (score.q / (score.depth + 0.05).sqrt()) as f32;
        let rarity = if state.rows > MODEL_ROWS {
            state.seen.advance();
            state.tail.observe(state.seen, size, &PRIOR)
        } else {
            0.0
        };
        let warm = state.rows > WARM_ROWS && metrics >= METRICS_MIN;
        let evidence = if warm { rarity } else { 0.0 };
        state.held = anomaly::hold(state.held, evidence);
        let smooth = state.held / pace.workload_threshold;
        let is_event = state.records.observe(state.rows, evidence) > 0.0;
        let was_disturbed = state.episode.is_disturbed();
        // On the scale of a series' evidence, so that one bar keeps both within the budget.
        let scale = SERIES_LIKE / pace.workload_threshold;
        let sustained = state.episode.observe(at, (evidence * scale).min(SERIES_LIKE_MAX), size, is_event);
        let youth = Circumstances::youth_at(i64::from(state.rows) * i64::from(pace.cadence.step_ms()));
        state.reach = if was_disturbed { state.reach.max(size) } else { size };
        let (side, reach) = (Side { group, above: true }, state.reach);
        let weighed = match sustained > 0.0 {
            true => {
                let custom = Custom { workload: workload.key, family: &family_of(group), side, reach };
                self.outlook.weigh(&custom, sustained, youth)
            }
            false => Weighed::default(),
        };
        state.burden.bear(weighed);
        let weight = weighed.weight;
        let may_raise = !state.wake.holds(at) && !state.wake.holds(state.episode.since()) && context.is_present(at);
        let shape = Shape { above: true, reach: f64::from(size), began: state.episode.since(), now: at };
        let waits = may_raise && weight > 0.0 && self.lessons.covers(group, &shape);
        let standing = Standing { score: smooth, ratio: weight / self.outlook.bar, may_raise, waits };
        let transition = state.episode.decide(standing);
        if was_disturbed && !state.episode.is_disturbed() {
            let (series, burden) = (SeriesKey(u128::from(workload.key.0)), std::mem::take(&mut state.burden));
            let custom = Custom { workload: workload.key, family: &family_of(group), side, reach };
            self.outlook.tidings.over(at, series, &custom, state.episode.peak(), burden);
        }
        let verdict = if warm {
            let usual = f64::from(state.tail.quantile(state.seen, BAND_ONE_IN, &PRIOR));
            Verdict::new(usual / 2.0, usual / 2.0, f64::from(smooth), state.episode.is_firing())
        } else {
            Verdict::NONE
        };
        let verdict = state.window.push(Sample { at, value: f64::from(size) }, verdict, &self.id, context.archive);
        let top = state.detector.as_ref().and_then(|d| d.top(1).first().map(|deviation| deviation.metric));
        let top = top.and_then(|member| workload.members.get(member)).and_then(|slot| self.series.get(*slot));
        let top = top.map(|series| &**self.interner.text(series.metric));
        (context.sink)(&Scored::Workload {
            labels: &workload.state.labels,
            at,
            state: score.state,
            event: if transition == Transition::Raised { f64::from(rarity) } else { 0.0 },
            top,
            verdict,
        });
        match transition {
            Transition::Resolved => {
                let _ = self.findings.resolve(Subject::Workload(place), at, context.options.findings_kept);
            }
            Transition::Raised => {
                let (labels, key) = (workload.state.labels.clone(), workload.key.0);
                let since = workload.state.episode.since();
                let finding = self.blank_finding((FindingScope::Workload, Kind::Relation), labels, key, since, at);
                let finding = Finding { expected: 1.0, ..finding };
                self.findings.raise(Subject::Workload(place), Case::new(finding, None));
            }
            Transition::None => {}
        }
        self.update_workload_finding(place, at, f64::from(size), f64::from(smooth));
    }

    fn update_workload_finding(&mut self, place: u32, at: TimestampMs, size: f64, score: f64) {
        let Some(case) = self.findings.get_mut(Subject::Workload(place)) else { return };
        case.stretch(size);
        let finding = &mut case.finding;
        let Some(workload) = self.workloads.get(place) else { return };
        finding.updated_at = at;
        finding.score = score;
        if score <= finding.peak_score * 1.05 {
            return;
        }
        finding.peak_score = score;
        finding.seen = size;
        finding.upper = f64::from(workload.state.tail.quantile(workload.state.seen, BAND_ONE_IN, &PRIOR));
        let strays: Vec<(String, f32)> = workload
            .state
            .detector
            .iter()
            .flat_map(|detector| detector.top(5))
            .filter_map(|deviation| {
                let slot = *workload.members.get(deviation.metric)?;
                let series = self.series.get(slot)?;
                let named = resolve(&self.interner, &series.labels);
                let naming = &workload.state.labels;
                Some((named.filtered(|label| naming.get(label).is_none()).to_string(), deviation.size))
            })
            .collect();
        finding.drivers = anomaly::workload_drivers(&strays);
        finding.sentence = anomaly::workload_sentence(
            &finding.labels.to_string(),
            workload.members.len(),
            finding.since,
            &finding.drivers,
        );
    }

    /// Fixes who represents a large workload: series that vary, as many different metrics as possible.
    fn choose_members(&mut self, place: u32) {
        let Some(workload) = self.workloads.get_mut(place) else { return };
        let mut nth_of_metric = hashbrown::HashMap::new();
        let mut ranked: Vec<(u32, usize, u32)> = Vec::new();
        for (order, slot) in workload.members.iter().enumerate() {
            let Some(series) = self.series.get_mut(*slot) else { continue };
            series.member = None;
            if series.state.detector.as_ref().is_some_and(|detector| detector.varies()) {
                let nth: &mut u32 = nth_of_metric.entry(series.metric).or_default();
                ranked.push((*nth, order, *slot));
                *nth += 1;
            }
        }
        ranked.sort_unstable();
        ranked.truncate(MEMBERS_MAX);
        workload.members = ranked.iter().map(|(_, _, slot)| *slot).collect();
        workload.state.row = vec![f64::NAN; workload.members.len()];
        workload.state.detector = None;
        for (member, slot) in workload.members.iter().enumerate() {
            if let Some(series) = self.series.get_mut(*slot) {
                series.member = Some(member as u16);
            }
        }
    }

    /// Takes a removed series out of its workload; the last one takes the workload along.
    pub(super) fn leave_workload(&mut self, slot: u32, place: u32, at: TimestampMs, findings_kept: usize) {
        let Some(workload) = self.workloads.get_mut(place) else { return };
        for member in &mut workload.members {
            if *member == slot {
                *member = GONE;
            }
        }
        workload.alive = workload.alive.saturating_sub(1);
        if workload.alive == 0 {
            self.by_workload.remove(&workload.key);
            self.workloads.remove(place);
            self.findings.resolve(Subject::Workload(place), at, findings_kept);
        }
    }

    /// The end of a training part: models are built from all that was learnt so far.
    pub(super) fn end_training(&mut self) {
        for place in self.workloads.numbers() {
            if let Some(detector) = self.workloads.get_mut(place).and_then(|workload| workload.state.detector.as_mut())
            {
                detector.refresh_now();
            }
        }
    }
}
