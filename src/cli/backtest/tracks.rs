//! What was heard during a replay, kept for the plots and the summary.

use super::replay::Heard;
use crate::{series::Verdict, signal::TimestampMs};

/// Cells kept for plots at most, 24 bytes each: 38 series over half a year of minutes. Beyond, plots are left out.
const CELLS_MAX: usize = 10_000_000;

/// What was heard of one series or workload, by place in the times of the replay.
#[derive(Clone, Debug, Default)]
pub(super) struct Track {
    /// Values as scored; NaN where there was none.
    pub(super) value: Vec<f64>,
    /// What was said of them.
    pub(super) verdict: Vec<Verdict>,
}

impl Track {
    fn new(moments: usize) -> Self {
        Self { value: vec![f64::NAN; moments], verdict: vec![Verdict::NONE; moments] }
    }

    /// Expected value, lower and upper end of the band, and score, each by place.
    pub(super) fn lines(&self) -> [Vec<f64>; 4] {
        let of = |f: fn(&Verdict) -> f32| self.verdict.iter().map(|verdict| f64::from(f(verdict))).collect();
        [of(|v| v.expected), of(|v| v.expected - v.half_width), of(|v| v.expected + v.half_width), of(|v| v.score)]
    }
}

/// All tracks of a replay over known times.
#[derive(Debug)]
pub(super) struct Tracks {
    /// Moments of the replay, ascending.
    pub(super) at: Vec<TimestampMs>,
    /// One per series; empty where there were too many cells to keep.
    pub(super) series: Vec<Track>,
    /// Highest score of each series, 1 is the threshold.
    pub(super) peak: Vec<f64>,
}

impl Tracks {
    pub(super) fn new(at: Vec<TimestampMs>, series: usize) -> Self {
        let fits = series == 1 || at.len().saturating_mul(series) <= CELLS_MAX;
        let kept = if fits { series } else { 0 };
        Self { series: vec![Track::new(at.len()); kept], peak: vec![0.0; series], at }
    }

    /// The place of a moment; scores of a workload come one moment late when a series is missing.
    pub(super) fn place(&self, at: TimestampMs) -> Option<usize> {
        self.at.binary_search(&at).ok()
    }

    /// Takes what was heard of a series.
    pub(super) fn hear(&mut self, heard: &Heard<'_>) {
        let Heard::Series { column, at, value, verdict, .. } = *heard else { return };
        self.peak[column] = self.peak[column].max(f64::from(verdict.score));
        if let (Some(place), Some(track)) = (self.place(at), self.series.get_mut(column)) {
            track.value[place] = value;
            track.verdict[place] = verdict;
        }
    }
}
