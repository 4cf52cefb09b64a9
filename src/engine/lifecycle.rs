//! Native histograms turned into series, and series that end.

use super::{
    Refusal,
    findings::Subject,
    state::{HistogramState, Workload},
    tenant::{Context, Tenant},
};
use crate::{
    anomaly::{Detector, WARM},
    ingest::remote_write::NativeHistogram,
    series::resolve,
    signal::{Identity, Labels, METRIC_NAME, MetricKind, Sample, TimestampMs, stale_nan},
};

/// Event time between two looks for series that have ended, and between two looks for what has left a window, in ms.
pub(super) const SWEEP_MS: i64 = 60_000;
/// What a native histogram becomes: a counter of observations, and mean and quantiles of those since the last sample.
const DERIVED: [(&str, MetricKind); 5] = [
    (":count", MetricKind::Counter),
    (":mean", MetricKind::Gauge),
    (":p50", MetricKind::Gauge),
    (":p90", MetricKind::Gauge),
    (":p99", MetricKind::Gauge),
];

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
        if let Some(last) = state.last {
            if at < last.at {
                return Err(Refusal::OutOfOrder);
            }
            if at == last.at {
                let known = state.histogram.as_ref().is_some_and(|known| known.previous == histogram);
                return if known || histogram.is_stale() { Ok(()) } else { Err(Refusal::Duplicate) };
            }
        }
        if at > context.received.saturating_add(context.options.ahead_ms) {
            return Err(Refusal::Future);
        }
        let labels = resolve(&self.interner, &series.labels);
        state.last = Some(Sample { at, value: histogram.count });
        if histogram.is_stale() {
            state.histogram = None;
            let ended = Sample { at, value: stale_nan() };
            return self.observe_derived(&labels, [Some(ended); 5], context);
        }
        let recent = state.histogram.as_ref().and_then(|before| histogram.since(&before.previous));
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
        state.histogram = Some(Box::new(HistogramState { previous: histogram }));
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
            let slot = match self.by_key.get(&identity.series) {
                Some(slot) => *slot,
                None if self.series_count() >= context.options.series_per_tenant => return Err(Refusal::SeriesLimit),
                None => self.register(identity, &derived.iter().collect::<Vec<_>>(), *kind, context.options),
            };
            self.observe(slot, sample, None, context)?;
        }
        Ok(())
    }

    /// Looks, once a minute of event time, for series that have vanished or left the window.
    pub(super) fn sweep(&mut self, context: &Context<'_>) {
        if self.newest < self.swept_at.saturating_add(SWEEP_MS) {
            return;
        }
        self.swept_at = self.newest;
        (self.judged, self.settled) = (0, 0);
        let options = context.options;
        let (oldest, vanished) = (options.oldest(self.newest), self.newest.saturating_sub(options.vanish_ms));
        for slot in self.series.numbers() {
            let Some(series) = self.series.get(slot) else { continue };
            let last_at = series.state.last.map_or(TimestampMs::MIN, |last| last.at);
            if last_at < oldest {
                self.remove(slot, options.findings_kept);
            } else if last_at < vanished && !series.state.closed {
                self.close(slot, last_at, options);
            } else if series.state.closed {
                // The others forget what is too old as they go on.
                if series.state.window.reaches_before(oldest)
                    && let Some(series) = self.series.get_mut(slot)
                {
                    series.state.window.forget_before(oldest);
                }
            } else if series.state.speaks {
                let counts = |detector: &Detector| detector.samples() > WARM && detector.varies();
                if series.state.detector.as_deref().is_some_and(counts) {
                    self.judged += 1;
                    self.settled += usize::from(series.state.youth(last_at) < 1.0);
                }
            }
        }
        self.plans.forget(self.newest);
        self.lessons.forget(self.newest);
        for place in self.workloads.numbers() {
            let is_due = |workload: &Workload| {
                let is_silent = workload.state.last_row_at.is_some_and(|at| at < vanished);
                is_silent && workload.state.window.reaches_before(oldest)
            };
            if self.workloads.get(place).is_some_and(is_due)
                && let Some(workload) = self.workloads.get_mut(place)
            {
                workload.state.window.forget_before(oldest);
            }
        }
    }

    fn remove(&mut self, slot: u32, findings_kept: usize) {
        let Some(series) = self.series.remove(slot) else { return };
        self.index.remove(slot, &series.labels);
        self.by_key.remove(&series.key);
        let at = series.state.last.map_or(self.newest, |last| last.at);
        if !series.state.closed {
            self.outlook.tidings.went.extend(series.group);
        }
        self.plans.dismiss(slot);
        self.findings.resolve(Subject::Series(slot), at, findings_kept);
        for kind in super::kinds::OWN {
            self.findings.resolve(Subject::Own(slot, kind), at, findings_kept);
        }
        self.leave_workload(slot, series.workload, at, findings_kept);
    }
}
