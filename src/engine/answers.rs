//! What is answered to a selector: samples as received, and what vigie said of them, as series.

use super::{AnswerNames, Shard, tenant::Tenant};
use crate::{
    series::{Point, Window, resolve},
    signal::{Condition, Labels, METRIC_NAME, Matcher, Sample, TenantId, TimestampMs, is_stale, stale_nan},
};

/// Label of an answer that names the metric it is about.
const METRIC_LABEL: &str = "metric";
/// Where a label of that name at the source goes.
const EXPORTED_METRIC_LABEL: &str = "exported_metric";
/// Answers about workloads.
const WORKLOAD_SCORE: &str = "vigie_workload_anomaly_score";
const WORKLOAD_ANOMALOUS: &str = "vigie_workload_anomalous";

/// What an answer takes from a point.
type Lane = fn(&Point) -> f64;

fn lanes(names: &AnswerNames) -> [(&'static str, Lane); 5] {
    [
        (names.score, |p| f64::from(p.verdict.score)),
        (names.anomalous, |p| f64::from(u8::from(p.verdict.anomalous))),
        (names.expected, |p| f64::from(p.verdict.expected)),
        (names.lower, |p| f64::from(p.verdict.expected) - f64::from(p.verdict.half_width)),
        (names.upper, |p| f64::from(p.verdict.expected) + f64::from(p.verdict.half_width)),
    ]
}

impl Shard {
    /// Calls `visit` with the labels and points of every series that satisfies all matchers and has a point with
    /// `after < at ≤ until`. The points of an answer are made on demand.
    fn visit(
        &self,
        id: &TenantId,
        matchers: &[Matcher],
        (after, until): (TimestampMs, TimestampMs),
        visit: &mut dyn FnMut(Labels, &mut dyn Iterator<Item = Sample>),
    ) {
        let Some(tenant) = self.tenants.get(id) else { return };
        let raw = slots(tenant, matchers);
        for slot in raw {
            let Some(series) = tenant.series.get(slot) else { continue };
            let labels = resolve(&tenant.interner, &series.labels);
            if accepts(matchers, &labels) {
                visit(labels, &mut series.state.window.points(after, until).map(|p| p.sample));
            }
        }
        for (name, lane) in lanes(&self.options.names) {
            if !name_passes(matchers, name) {
                continue;
            }
            for slot in slots(tenant, &about_source(matchers)) {
                let Some(series) = tenant.series.get(slot) else { continue };
                let labels = answer_labels(&resolve(&tenant.interner, &series.labels), name);
                if accepts(matchers, &labels) {
                    let floor = if name == self.options.names.lower { series.state.floor() } else { f64::NEG_INFINITY };
                    visit(labels, &mut answers(&series.state.window, after, until, lane).map(|s| raise(s, floor)));
                }
            }
        }
        let workload_lanes: [(&str, Lane); 2] = [
            (WORKLOAD_SCORE, |p| f64::from(p.verdict.score)),
            (WORKLOAD_ANOMALOUS, |p| f64::from(u8::from(p.verdict.anomalous))),
        ];
        for (name, lane) in workload_lanes.into_iter().filter(|(name, _)| name_passes(matchers, name)) {
            for workload in tenant.workloads.iter() {
                let labels = workload.state.labels.with(METRIC_NAME, name);
                if accepts(matchers, &labels) {
                    visit(labels, &mut answers(&workload.state.window, after, until, lane));
                }
            }
        }
    }

    /// Series that satisfy all matchers, with their samples in `(after, until]`; those without samples are left out.
    #[must_use]
    pub fn select(
        &self,
        id: &TenantId,
        matchers: &[Matcher],
        after: TimestampMs,
        until: TimestampMs,
    ) -> Vec<(Labels, Vec<Sample>)> {
        let mut found = Vec::new();
        self.visit(id, matchers, (after, until), &mut |labels, samples| {
            let samples: Vec<Sample> = samples.collect();
            if !samples.is_empty() {
                found.push((labels, samples));
            }
        });
        found
    }

    /// Label sets of the series that satisfy one of the selectors and have a sample in `(after, until]`; no selector
    /// means every series.
    #[must_use]
    pub fn label_sets(
        &self,
        id: &TenantId,
        selectors: &[Vec<Matcher>],
        after: TimestampMs,
        until: TimestampMs,
    ) -> Vec<Labels> {
        let mut found = Vec::new();
        let mut collect = |matchers: &[Matcher]| {
            self.visit(id, matchers, (after, until), &mut |labels, samples| {
                if samples.next().is_some() {
                    found.push(labels);
                }
            });
        };
        if selectors.is_empty() {
            collect(&[]);
        }
        selectors.iter().for_each(|matchers| collect(matchers));
        found
    }
}

fn slots(tenant: &Tenant, matchers: &[Matcher]) -> Vec<u32> {
    let all = || tenant.series.numbers().collect();
    tenant.index.candidates(&tenant.interner, matchers).unwrap_or_else(all)
}

fn accepts(matchers: &[Matcher], labels: &Labels) -> bool {
    matchers.iter().all(|m| m.accepts(labels.get(&m.name).unwrap_or_default()))
}

/// Whether a selector asks for an answer of this name. One that says nothing positive of the name wants samples as they
/// were received, so that `sum(m{…})` and `{job="x"}` mean what they mean to Prometheus; no matcher at all asks for
/// everything there is.
fn name_passes(matchers: &[Matcher], name: &str) -> bool {
    let is_positive =
        |m: &Matcher| m.name == METRIC_NAME && matches!(m.condition, Condition::Equal(_) | Condition::Matches(_));
    let is_asked = matchers.is_empty() || matchers.iter().any(is_positive);
    is_asked && matchers.iter().filter(|m| m.name == METRIC_NAME).all(|m| m.accepts(name))
}

/// The matchers of an answer as far as they can be asked of its source.
fn about_source(matchers: &[Matcher]) -> Vec<Matcher> {
    let of_source = |m: &Matcher| match &*m.name {
        METRIC_NAME | EXPORTED_METRIC_LABEL => None,
        METRIC_LABEL => Some(Matcher { name: METRIC_NAME.to_owned(), condition: m.condition.clone() }),
        _ => Some(m.clone()),
    };
    let mut narrowed: Vec<Matcher> = matchers.iter().filter_map(of_source).collect();
    if narrowed.is_empty() {
        narrowed.push(Matcher { name: METRIC_NAME.to_owned(), condition: Condition::NotEqual(String::new()) });
    }
    narrowed
}

fn answer_labels(source: &Labels, name: &str) -> Labels {
    let renamed = match source.get(METRIC_LABEL) {
        Some(taken) => source.with(EXPORTED_METRIC_LABEL, taken),
        None => source.clone(),
    };
    renamed.with(METRIC_LABEL, source.metric()).with(METRIC_NAME, name)
}

/// Keeps the lower end of a band where values can be. The stale marker passes untouched.
fn raise(sample: Sample, floor: f64) -> Sample {
    if sample.value < floor { Sample { value: floor, ..sample } } else { sample }
}

/// Points as an answer: ended where the source ended, absent where nothing could be said.
fn answers(window: &Window, after: TimestampMs, until: TimestampMs, lane: Lane) -> impl Iterator<Item = Sample> + '_ {
    window.points(after, until).filter_map(move |point| {
        let at = point.sample.at;
        if is_stale(point.sample.value) {
            return Some(Sample { at, value: stale_nan() });
        }
        let said = !point.verdict.half_width.is_nan();
        said.then(|| Sample { at, value: lane(&point) })
    })
}
