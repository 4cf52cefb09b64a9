//! Native histograms turned into series, and series that end.

use super::{
    Refusal,
    findings::Subject,
    state::{HistogramState, Series, SeriesState},
    tenant::{Context, Tenant},
};
use crate::{
    anomaly::{Detector, WARM},
    ingest::remote_write::NativeHistogram,
    series::{SymbolSet, resolve},
    signal::{Identity, Labels, METRIC_NAME, MetricKind, Sample, TimestampMs, stale_nan},
};

/// Event time between two looks for series that have ended, in ms.
const SWEEP_MS: i64 = 60_000;
/// Series looked at between two requests while that goes on: some milliseconds' work.
const SWEEP_SERIES: u32 = 4_096;
/// What a native histogram becomes: a counter of observations, and mean and quantiles of those since the last sample.
const DERIVED: [(&str, MetricKind); 5] = [
    (":count", MetricKind::Counter),
    (":mean", MetricKind::Gauge),
    (":p50", MetricKind::Gauge),
    (":p90", MetricKind::Gauge),
    (":p99", MetricKind::Gauge),
];

/// Bytes of memory by what holds them, about.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sizes {
    pub(super) series: usize,
    pub(super) detectors: usize,
    pub(super) workloads: usize,
}

/// A look at all series that goes on: how far it is, and what it has counted. Not kept across a restart, which begins anew.
#[derive(Debug, Default)]
pub(super) struct Sweep {
    next: u32,
    judged: usize,
    settled: usize,
    sizes: Sizes,
}

impl Sizes {
    fn add(&mut self, series: &Series) {
        let SeriesState { detector, spare, slow, .. } = &series.state;
        let spare = spare.as_deref().map_or(0, |spare| size_of_val(spare) + spare.heap_bytes());
        self.detectors +=
            detector.as_ref().map_or(0, Detector::heap_bytes) + spare + slow.as_deref().map_or(0, size_of_val);
        self.series += size_of_val(series) + series.labels.heap_bytes();
    }
}

impl Tenant {
    /// Takes one native histogram of the series in `slot`.
    pub(super) fn observe_histogram(
        &mut self,
        slot: u32,
        histogram: NativeHistogram,
        context: &mut Context<'_>,
    ) -> Result<(), Refusal> {
        let Some(series) = self.series.get_mut(slot) else { return Ok(()) };
        let at = histogram.at;
        let state = &mut series.state;
        if let Some(last) = state.last() {
            if at < last.at {
                return Err(Refusal::OutOfOrder);
            }
            if at == last.at {
                let previous = state.histogram.as_ref().and_then(|known| known.previous.as_ref());
                let known = previous.is_some_and(|known| *known == histogram);
                return if known || histogram.is_stale() { Ok(()) } else { Err(Refusal::Duplicate) };
            }
        }
        if at > context.received.saturating_add(context.options.ahead_ms) {
            return Err(Refusal::Future);
        }
        let labels = resolve(&self.interner, &series.labels);
        let last = Sample { at, value: histogram.count };
        let before = state.histogram.take().and_then(|before| before.previous);
        if histogram.is_stale() {
            state.histogram = Some(Box::new(HistogramState { last, previous: None }));
            let ended = Sample { at, value: stale_nan() };
            return self.observe_derived(&labels, [Some(ended); 5], context);
        }
        let recent = before.as_ref().and_then(|before| histogram.since(before));
        let recent = recent.filter(|recent| recent.count > 0.0);
        let of = |value: Option<f64>| value.filter(|v| !v.is_nan()).map(|value| Sample { at, value });
        let quantile = |q| of(recent.as_ref().and_then(|recent| recent.quantile(q)));
        let values = [
            of(Some(histogram.count)),
            of(recent.as_ref().and_then(NativeHistogram::mean)),
            quantile(0.5),
            quantile(0.9),
            quantile(0.99),
        ];
        state.histogram = Some(Box::new(HistogramState { last, previous: Some(histogram) }));
        self.observe_derived(&labels, values, context)
    }

    fn observe_derived(
        &mut self,
        labels: &Labels,
        values: [Option<Sample>; 5],
        context: &mut Context<'_>,
    ) -> Result<(), Refusal> {
        for ((suffix, kind), sample) in DERIVED.iter().zip(values) {
            let Some(sample) = sample else { continue };
            let derived = labels.with(METRIC_NAME, &format!("{}{suffix}", labels.metric()));
            let identity = Identity::of(&derived);
            let slot = match (self.slot_of(identity.series), context.bounds.refusal(self.series_count())) {
                (Some(slot), _) => slot,
                (None, Some(refusal)) => return Err(refusal),
                (None, None) => self.register(identity, &derived.iter().collect::<Vec<_>>(), *kind, context.options),
            };
            self.observe(slot, sample, None, context)?;
        }
        Ok(())
    }

    /// Looks, once a minute of event time, for series that have vanished or left the window. A few thousand at a time, so
    /// that samples are not kept waiting. Returns whether it has come to the end.
    pub(super) fn sweep(&mut self, context: &Context<'_>) -> bool {
        if self.sweep.next == 0 {
            if self.newest < self.swept_at.saturating_add(SWEEP_MS) {
                return false;
            }
            self.swept_at = self.newest;
        }
        let options = context.options;
        let (oldest, vanished) = (options.oldest(self.newest), self.newest.saturating_sub(options.vanish_ms));
        let slots = self.series.numbers().end;
        let end = self.sweep.next.saturating_add(SWEEP_SERIES).min(slots);
        let mut gone = Vec::new();
        for slot in std::mem::replace(&mut self.sweep.next, end)..end {
            let Some(series) = self.series.get(slot) else { continue };
            let last_at = series.state.last().map_or(TimestampMs::MIN, |last| last.at);
            self.sweep.sizes.add(series);
            if last_at < oldest {
                gone.extend(self.remove(slot, options.findings_kept));
            } else if last_at < vanished && !series.state.closed {
                self.close(slot, last_at, options);
            } else if series.state.speaks && !series.state.closed {
                let counts = |detector: &Detector| detector.samples() > WARM && detector.varies();
                if series.state.detector.as_ref().is_some_and(counts) {
                    self.sweep.judged += 1;
                    self.sweep.settled += usize::from(series.state.youth(last_at) < 1.0);
                }
            }
        }
        self.index.remove(&gone);
        if end == slots {
            self.end_sweep();
        }
        end == slots
    }

    fn end_sweep(&mut self) {
        self.plans.forget(self.newest);
        self.lessons.forget(self.newest);
        self.interner.forget_unused();
        let Sweep { judged, settled, mut sizes, .. } = std::mem::take(&mut self.sweep);
        for place in self.workloads.numbers() {
            let Some(workload) = self.workloads.get(place) else { continue };
            let detector = workload.state.detector.as_deref();
            sizes.workloads += size_of_val(workload) + detector.map_or(0, |detector| detector.size_bytes());
        }
        (self.judged, self.settled, self.sizes) = (judged, settled, sizes);
    }

    /// Takes a series out of everything but the index, which forgets many at once.
    fn remove(&mut self, slot: u32, findings_kept: usize) -> Option<(u32, SymbolSet)> {
        let series = self.series.remove(slot)?;
        self.keys.remove(series.key, slot);
        let at = series.state.last().map_or(self.newest, |last| last.at);
        if let Some(group) = series.group.filter(|_| !series.state.closed) {
            self.outlook.tidings.moves.go(group);
        }
        self.plans.dismiss(slot);
        self.findings.resolve(Subject::Series(slot), at, findings_kept);
        for kind in super::kinds::OWN {
            self.findings.resolve(Subject::Own(slot, kind), at, findings_kept);
        }
        self.leave_workload(slot, series.workload, at, findings_kept);
        Some((slot, series.labels))
    }
}
