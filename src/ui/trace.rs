//! What is drawn of a finding: the samples of its series, the band and the score, along one axis of time.

use crate::{
    engine::{self, AnswerNames},
    fleet::{Fleet, Unavailable},
    series::rate,
    signal::{Finding, FindingScope, Labels, METRIC_NAME, Matcher, Sample, TimestampMs},
    ui::plot::Plot,
};

/// Time shown before and after an episode, at least.
const AROUND_MS: i64 = 15 * 60_000;

/// The score of a workload. It has no band and no value of its own.
const WORKLOAD_SCORE: &str = "vigie_workload_anomaly_score";

/// Label that names the metric an answer is about.
const METRIC_LABEL: &str = "metric";

/// Columns along `times`; NaN where nothing was said.
#[derive(Debug, Default)]
pub(super) struct Trace {
    times: Vec<TimestampMs>,
    value: Vec<f64>,
    expected: Vec<f64>,
    lower: Vec<f64>,
    upper: Vec<f64>,
    score: Vec<f64>,
    episode: (TimestampMs, TimestampMs),
}

impl Trace {
    /// Asks the engine for what is drawn of `finding`. Blocks.
    pub(super) fn of(engine: &Fleet, finding: &Finding, names: &AnswerNames) -> Result<Self, Unavailable> {
        let end = finding.resolved_at.unwrap_or(finding.updated_at);
        let around = AROUND_MS.max(end - finding.since);
        let question = Question { engine, finding, from: finding.since - around, to: end + around };
        let mut trace = match finding.scope {
            FindingScope::Series => question.series(names)?,
            FindingScope::Workload => question.workload()?,
            // Nobody is left to be drawn.
            FindingScope::Group => Self::default(),
        };
        trace.episode = (finding.since, end);
        Ok(trace)
    }

    /// The drawing, as an `<svg>` element; `None` when nothing is kept of the time any more.
    pub(super) fn svg(&self, title: &str, width: u32, height: u32) -> Option<String> {
        let plot = Plot {
            title,
            times: &self.times,
            value: &self.value,
            expected: &self.expected,
            lower: &self.lower,
            upper: &self.upper,
            score: &self.score,
            marks: &[self.episode],
            width,
            height,
        };
        (!self.times.is_empty()).then(|| plot.svg())
    }
}

struct Question<'a> {
    engine: &'a Fleet,
    finding: &'a Finding,
    from: TimestampMs,
    to: TimestampMs,
}

impl Question<'_> {
    fn series(&self, names: &AnswerNames) -> Result<Trace, Unavailable> {
        let labels = &self.finding.labels;
        let samples = self.exactly(labels)?;
        let samples = if self.finding.is_rate { rates(&samples) } else { samples };
        let times: Vec<_> = samples.iter().map(|sample| sample.at).collect();
        let lane = |name| Ok(along(&times, &self.answer(labels, name)?));
        Ok(Trace {
            value: samples.iter().map(|sample| sample.value).collect(),
            expected: lane(names.expected)?,
            lower: lane(names.lower)?,
            upper: lane(names.upper)?,
            score: lane(names.score)?,
            times,
            ..Trace::default()
        })
    }

    fn workload(&self) -> Result<Trace, Unavailable> {
        let scores = self.exactly(&self.finding.labels.with(METRIC_NAME, WORKLOAD_SCORE))?;
        Ok(Trace {
            times: scores.iter().map(|sample| sample.at).collect(),
            score: scores.iter().map(|sample| sample.value).collect(),
            ..Trace::default()
        })
    }

    /// The samples of what vigie answers under `name` about a series.
    fn answer(&self, source: &Labels, name: &str) -> Result<Vec<Sample>, Unavailable> {
        // A label `metric` of the source stands in the answer under another name; the rest tells such series apart
        // well enough for a drawing.
        let wanted = source.with(METRIC_LABEL, source.metric()).with(METRIC_NAME, name);
        self.exactly(&wanted)
    }

    /// The samples of the series with these labels and no others.
    fn exactly(&self, labels: &Labels) -> Result<Vec<Sample>, Unavailable> {
        let matchers: Vec<_> = labels.iter().map(|(name, value)| Matcher::equal(name, value)).collect();
        let tenant = self.finding.tenant.clone();
        let (after, until) = (self.from, self.to);
        let found =
            self.engine.select(&engine::Question { tenant, matchers, after, until, wants_labels_only: false })?;
        Ok(found.into_iter().find(|(found, _)| found == labels).map(|(_, samples)| samples).unwrap_or_default())
    }
}

/// The rates between neighbouring samples of a counter, each at the later one's time.
fn rates(samples: &[Sample]) -> Vec<Sample> {
    samples.windows(2).map(|pair| Sample { at: pair[1].at, value: rate(pair[0], pair[1], None).per_second }).collect()
}

/// The values of `samples` at `times`, NaN where there is none. Both run upwards in time.
fn along(times: &[TimestampMs], samples: &[Sample]) -> Vec<f64> {
    let mut samples = samples.iter().peekable();
    let value_at = |at: &TimestampMs| {
        while samples.next_if(|sample| sample.at < *at).is_some() {}
        samples.next_if(|sample| sample.at == *at).map_or(f64::NAN, |sample| sample.value)
    };
    times.iter().map(value_at).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_aligned_by_time() {
        let samples = [1, 3, 4, 9].map(|at| Sample { at, value: at as f64 * 10.0 });
        let aligned = along(&[0, 1, 2, 4, 10], &samples);
        assert_eq!(aligned.iter().map(|v| v.is_nan()).collect::<Vec<_>>(), [true, false, true, false, true]);
        assert_eq!((aligned[1], aligned[3]), (10.0, 40.0));
    }
}
