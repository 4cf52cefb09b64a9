//! What can be selected: samples as received, and what vigie said of them, as series.

use super::AnswerNames;
use crate::{
    series::{Point, Stretch},
    signal::{Condition, Labels, METRIC_NAME, Matcher, Sample, is_stale, stale_nan},
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

/// What is selected of each series, or of each workload.
#[derive(Clone, Copy, Debug)]
pub(super) enum View {
    /// The samples as received.
    Received,
    /// An answer about series.
    Series { name: &'static str, lane: Lane, is_floored: bool },
    /// An answer about workloads.
    Workload { name: &'static str, lane: Lane },
}

impl View {
    /// All there is, what was received first.
    pub(super) fn all(names: &AnswerNames) -> [Self; 8] {
        let series = |name, lane: Lane| Self::Series { name, lane, is_floored: name == names.lower };
        [
            Self::Received,
            series(names.score, |p| f64::from(p.verdict.score)),
            series(names.anomalous, |p| f64::from(u8::from(p.verdict.anomalous))),
            series(names.expected, |p| f64::from(p.verdict.expected)),
            series(names.lower, |p| f64::from(p.verdict.expected) - f64::from(p.verdict.half_width)),
            series(names.upper, |p| f64::from(p.verdict.expected) + f64::from(p.verdict.half_width)),
            Self::Workload { name: WORKLOAD_SCORE, lane: |p| f64::from(p.verdict.score) },
            Self::Workload { name: WORKLOAD_ANOMALOUS, lane: |p| f64::from(u8::from(p.verdict.anomalous)) },
        ]
    }

    /// The metric's name, of an answer.
    pub(super) fn name(self) -> Option<&'static str> {
        match self {
            Self::Received => None,
            Self::Series { name, .. } | Self::Workload { name, .. } => Some(name),
        }
    }

    /// Whether a selector can ask for this. One that says nothing positive of the name wants samples as they were
    /// received, so that `sum(m{…})` and `{job="x"}` mean what they mean to Prometheus; no matcher at all asks for
    /// everything there is.
    pub(super) fn is_asked(self, matchers: &[Matcher]) -> bool {
        let Some(name) = self.name() else { return true };
        let is_positive =
            |m: &Matcher| m.name == METRIC_NAME && matches!(m.condition, Condition::Equal(_) | Condition::Matches(_));
        let is_asked = matchers.is_empty() || matchers.iter().any(is_positive);
        is_asked && matchers.iter().filter(|m| m.name == METRIC_NAME).all(|m| m.accepts(name))
    }

    /// Where the source has what an answer has under this name: a label, and the one instead where that is absent;
    /// `None` for what an answer has of its own.
    pub(super) fn at_source(self, name: &str) -> Option<(&str, Option<&'static str>)> {
        match (self, name) {
            (Self::Received, _) => Some((name, None)),
            (_, METRIC_NAME) => None,
            (Self::Workload { .. }, _) => Some((name, None)),
            (Self::Series { .. }, METRIC_LABEL) => Some((METRIC_NAME, None)),
            (Self::Series { .. }, EXPORTED_METRIC_LABEL) => Some((METRIC_LABEL, Some(EXPORTED_METRIC_LABEL))),
            (Self::Series { .. }, _) => Some((name, None)),
        }
    }

    /// The labels of what is selected of a source.
    fn labels(self, source: &Labels) -> Labels {
        match self {
            Self::Received => source.clone(),
            Self::Workload { name, .. } => source.with(METRIC_NAME, name),
            Self::Series { name, .. } => {
                let renamed = match source.get(METRIC_LABEL) {
                    Some(taken) => source.with(EXPORTED_METRIC_LABEL, taken),
                    None => source.clone(),
                };
                renamed.with(METRIC_LABEL, source.metric()).with(METRIC_NAME, name)
            }
        }
    }

    /// A point as it is selected: answers end where the source ended and are absent where nothing could be said.
    fn sample(self, point: &Point, floor: f64) -> Option<Sample> {
        let (lane, floor) = match self {
            Self::Received => return Some(point.sample),
            Self::Series { lane, is_floored, .. } => (lane, if is_floored { floor } else { f64::NEG_INFINITY }),
            Self::Workload { lane, .. } => (lane, f64::NEG_INFINITY),
        };
        let at = point.sample.at;
        if is_stale(point.sample.value) {
            return Some(Sample { at, value: stale_nan() });
        }
        let said = !point.verdict.half_width.is_nan();
        said.then(|| Sample { at, value: if lane(point) < floor { floor } else { lane(point) } })
    }
}

impl AnswerNames {
    /// The label of received series whose values are those of this label of answers.
    #[must_use]
    pub fn source_of(label: &str) -> Option<&'static str> {
        match label {
            METRIC_LABEL => Some(METRIC_NAME),
            EXPORTED_METRIC_LABEL => Some(METRIC_LABEL),
            _ => None,
        }
    }

    /// What answers add to the names of labels, or to the values of one.
    #[must_use]
    pub fn terms(&self, label: Option<&str>) -> Vec<&'static str> {
        match label {
            None => vec![METRIC_LABEL],
            Some(METRIC_NAME) => View::all(self).into_iter().filter_map(View::name).collect(),
            Some(_) => Vec::new(),
        }
    }
}

/// One selected series, copied out of its shard with the chunks that hold what is asked for, still compressed: to be read
/// on the thread of whoever asked.
#[derive(Debug)]
pub struct Excerpt {
    pub(super) source: Labels,
    pub(super) view: View,
    /// The least value that makes sense.
    pub(super) floor: f64,
    pub(super) stretch: Stretch,
    /// Whether it was seen to have samples.
    pub(super) is_seen: bool,
}

impl Excerpt {
    /// What identifies it.
    #[must_use]
    pub fn labels(&self) -> Labels {
        self.view.labels(&self.source)
    }

    /// Whether there is anything of what was asked for.
    #[must_use]
    pub fn has_samples(&self) -> bool {
        self.is_seen || self.samples().next().is_some()
    }

    /// What was asked for, in order of time; possibly nothing. Reads files.
    pub fn samples(&self) -> impl Iterator<Item = Sample> + '_ {
        self.stretch.points().filter_map(|point| self.view.sample(&point, self.floor))
    }
}
