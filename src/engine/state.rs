//! What is kept of one series and of one workload.

use serde::{Deserialize, Serialize};

use super::climate::Burden;
use crate::{
    anomaly::{
        Circumstances, Detector, Episode, Records, Seen, StepEstimate, Tail, kinds::Slow,
        workload::Workload as WorkloadDetector,
    },
    ingest::remote_write::NativeHistogram,
    series::{Meaning, Symbol, SymbolSet, Window},
    signal::{GroupKey, Labels, MetricKind, Sample, SeriesKey, TimestampMs, WorkloadKey},
};

/// Events, more or fewer than expected, from which a change of a counter is worth a finding.
const EVENTS_MIN: f32 = 10.0;

/// A series and where it stands in its tenant.
#[derive(Debug)]
pub(super) struct Series {
    pub(super) key: SeriesKey,
    pub(super) labels: SymbolSet,
    pub(super) metric: Symbol,
    pub(super) workload: u32,
    /// Its siblings, where something tells instances apart.
    pub(super) group: Option<GroupKey>,
    /// Number of what the rules say of it.
    pub(super) policy: u16,
    /// Place among the workload's metrics.
    pub(super) member: Option<u16>,
    pub(super) state: SeriesState,
}

/// The part of a series that is learnt and kept across a restart.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct SeriesState {
    pub(super) kind: MetricKind,
    pub(super) meaning: Meaning,
    /// Time of the first sample.
    pub(super) born: TimestampMs,
    /// Whether findings may be raised about it. A bucket of a histogram says nothing that its `_count` and `_sum` do not.
    pub(super) speaks: bool,
    pub(super) step: StepEstimate,
    pub(super) detector: Option<Detector>,
    /// The detector as it was before the disturbance that goes on, if that is remarkable.
    pub(super) spare: Option<Box<Detector>>,
    pub(super) window: Window,
    pub(super) episode: Episode,
    /// What shows over hours and days; only for series that vary.
    pub(super) slow: Option<Box<Slow>>,
    /// The level of the last minutes, by which siblings are compared; NaN before the first value.
    pub(super) level: f64,
    /// Evidence, rising at once and falling slowly.
    pub(super) held: f32,
    /// What the disturbance going on was given.
    pub(super) burden: Burden,
    /// Whether the disturbance that goes on began above what was expected, how far it went to that side, and how much of
    /// it there was: distance times seconds.
    pub(super) above: bool,
    pub(super) reach: f32,
    pub(super) amount: f32,
    /// Whether it began with what its siblings knew.
    pub(super) is_heir: bool,
    /// Whether others were told of that disturbance.
    pub(super) stirred: bool,
    /// Whether it is being worked on: it goes on after that as after a gap.
    pub(super) paused: bool,
    /// Whether it ended by a stale marker or vanished.
    pub(super) closed: bool,
    pub(super) histogram: Option<Box<HistogramState>>,
}

/// What a native histogram series, which has no samples of its own, needs to become scalar series.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct HistogramState {
    /// Time of the last one, the stale marker included, and its count.
    pub(super) last: Sample,
    /// The last one; `None` after a stale marker.
    pub(super) previous: Option<NativeHistogram>,
}

impl SeriesState {
    /// Whether the disturbance that goes on is a handful of events so far: one error after a day without is rare, but
    /// nothing to tell of. Only of what counts in whole numbers can that be said.
    pub(super) fn is_minor(&self) -> bool {
        let is_whole = self.last().is_some_and(|last| last.value.fract() == 0.0);
        self.meaning.is_counter() && is_whole && self.amount < EVENTS_MIN
    }

    /// Newest sample as received, the stale marker included.
    pub(super) fn last(&self) -> Option<Sample> {
        self.window.last().or_else(|| self.histogram.as_ref().map(|histogram| histogram.last))
    }

    /// How new it is, see [`Circumstances::youth`]: a quarter as new if it began with what its siblings knew.
    pub(super) fn youth(&self, at: TimestampMs) -> f32 {
        Circumstances::youth_at(at.saturating_sub(self.born)) * if self.is_heir { 0.25 } else { 1.0 }
    }

    /// The least value that makes sense: 0 for what was never negative.
    pub(super) fn floor(&self) -> f64 {
        let never_negative = self.detector.as_ref().is_some_and(|detector| detector.lowest() >= 0.0);
        if never_negative { 0.0 } else { f64::NEG_INFINITY }
    }

    /// Tells that samples are missing before the next one.
    pub(super) fn interrupt(&mut self) {
        if let Some(detector) = &mut self.detector {
            detector.interrupt();
        }
        if let Some(slow) = &mut self.slow {
            slow.interrupt();
        }
    }

    pub(super) fn new(kind: MetricKind, metric: &str) -> Self {
        Self {
            kind,
            meaning: Meaning::of(kind, metric),
            born: TimestampMs::MAX,
            speaks: !metric.ends_with("_bucket"),
            step: StepEstimate::default(),
            detector: None,
            spare: None,
            window: Window::default(),
            episode: Episode::default(),
            slow: None,
            level: f64::NAN,
            held: 0.0,
            burden: Burden::default(),
            above: false,
            reach: 0.0,
            amount: 0.0,
            is_heir: false,
            stirred: false,
            paused: false,
            closed: false,
            histogram: None,
        }
    }
}

/// A workload: the metrics that are scored jointly.
#[derive(Debug)]
pub(super) struct Workload {
    pub(super) key: WorkloadKey,
    /// Slots of the series it scores, in the order of the row.
    pub(super) members: Vec<u32>,
    /// Series of this workload that are alive, members or not.
    pub(super) alive: u32,
    pub(super) state: WorkloadState,
}

/// The part of a workload that is learnt and kept across a restart.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct WorkloadState {
    pub(super) labels: Labels,
    /// The row being filled; NaN where nothing has come yet.
    pub(super) row: Vec<f64>,
    pub(super) present: u16,
    pub(super) row_at: Option<TimestampMs>,
    /// Rows judged.
    pub(super) rows: u32,
    pub(super) last_row_at: Option<TimestampMs>,
    pub(super) step: StepEstimate,
    pub(super) detector: Option<Box<WorkloadDetector>>,
    pub(super) seen: Seen,
    pub(super) tail: Tail,
    pub(super) records: Records,
    pub(super) episode: Episode,
    pub(super) held: f32,
    pub(super) window: Window,
    /// What the disturbance going on was given.
    pub(super) burden: Burden,
    /// How far it went.
    pub(super) reach: f32,
    /// Time of the last sample that came while a series of it was being worked on: rows around it are not judged.
    pub(super) paused_at: TimestampMs,
    /// The wake of the last restart or gap: what begins in it is not raised.
    pub(super) wake: Wake,
}

/// Time in which the consequences of a restart or a gap show.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Wake {
    from: TimestampMs,
    until: TimestampMs,
}

impl Wake {
    /// Intervals that a wake lasts, and that may pass between its first sign and the restart being noticed.
    const STEPS: i64 = 10;
    const STEPS_BEFORE: i64 = 2;

    /// A restart or gap was noticed at `at`, in a series with a sample each `step` ms.
    pub(super) fn begin(&mut self, at: TimestampMs, step: i64) {
        if at >= self.until {
            self.from = at - Self::STEPS_BEFORE * step;
        }
        self.until = self.until.max(at + Self::STEPS * step);
    }

    pub(super) fn holds(&self, at: TimestampMs) -> bool {
        (self.from..self.until).contains(&at)
    }
}

impl WorkloadState {
    pub(super) fn new(labels: Labels) -> Self {
        Self {
            labels,
            row: Vec::new(),
            present: 0,
            row_at: None,
            rows: 0,
            last_row_at: None,
            step: StepEstimate::default(),
            detector: None,
            seen: Seen::default(),
            tail: Tail::default(),
            records: Records::default(),
            episode: Episode::default(),
            held: 0.0,
            window: Window::default(),
            burden: Burden::default(),
            reach: 0.0,
            paused_at: TimestampMs::MIN,
            wake: Wake { from: TimestampMs::MIN, until: TimestampMs::MIN },
        }
    }
}
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_takes_no_more_than_it_did() {
        assert!(size_of::<Option<Series>>() <= 608, "{}", size_of::<Option<Series>>());
    }
}
