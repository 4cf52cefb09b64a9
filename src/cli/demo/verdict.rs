//! What was found against what was injected.

use serde::Serialize;

use super::{fault::Incident, shop::calendar::DAY};
use crate::signal::{FindingScope, Labels, TimestampMs};

/// A finding, as far as it is judged here.
#[derive(Clone, Debug, Serialize)]
pub struct Raised {
    /// Identifier under which the daemon shows it.
    pub id: String,
    /// What it is about.
    pub scope: FindingScope,
    /// The series, or the labels that name the workload.
    pub labels: Labels,
    /// When it was raised, event time.
    pub raised_at: TimestampMs,
    /// How far it went; 1 is the threshold.
    pub peak_score: f64,
    /// What it says.
    pub sentence: String,
}

/// A fault and what was found of it.
#[derive(Clone, Debug)]
pub struct Judged {
    /// The fault.
    pub incident: Incident,
    /// The first finding that it explains; of several at one time, the one that went furthest.
    pub first: Option<Raised>,
    /// Number of findings that it explains.
    pub findings: usize,
}

impl Judged {
    /// Time from the fault to its first finding, in milliseconds.
    #[must_use]
    pub fn time_to_detect(&self) -> Option<TimestampMs> {
        self.first.as_ref().map(|first| first.raised_at - self.incident.fault.start)
    }
}

/// All faults and all findings of a run.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// The faults, in order of time.
    pub faults: Vec<Judged>,
    /// Findings that no fault explains, in order of time.
    pub false_alarms: Vec<Raised>,
    /// Start and end of the simulation.
    span: (TimestampMs, TimestampMs),
}

impl Verdict {
    /// Assigns every finding to the fault that explains it, if one does.
    ///
    /// A fault explains a finding about something it affects, raised from its start until
    /// [`GRACE`](super::fault::GRACE) after its end. Nothing else is an excuse: deploys, restarts and the nightly batch
    /// are normal life. A finding about a workload counts as explained when the fault affects any of its series.
    #[must_use]
    pub fn of(incidents: &[Incident], mut findings: Vec<Raised>, span: (TimestampMs, TimestampMs)) -> Self {
        findings.sort_by(|a, b| (a.raised_at, &a.id).cmp(&(b.raised_at, &b.id)));
        let judged = |incident: &Incident| Judged { incident: incident.clone(), first: None, findings: 0 };
        let mut faults: Vec<Judged> = incidents.iter().map(judged).collect();
        let mut false_alarms = Vec::new();
        for finding in findings {
            let explains = |judged: &&mut Judged| {
                let incident = &judged.incident;
                incident.covers(finding.raised_at) && incident.affects(finding.scope, &finding.labels)
            };
            // Of two faults the later one: the earlier had its time.
            let Some(fault) = faults.iter_mut().rev().find(explains) else {
                false_alarms.push(finding);
                continue;
            };
            fault.findings += 1;
            let is_better = fault
                .first
                .as_ref()
                .is_none_or(|first| first.raised_at == finding.raised_at && first.peak_score < finding.peak_score);
            if is_better {
                fault.first = Some(finding);
            }
        }
        Self { faults, false_alarms, span }
    }

    /// Faults of which at least one finding was raised.
    #[must_use]
    pub fn found(&self) -> usize {
        self.faults.iter().filter(|fault| fault.first.is_some()).count()
    }

    /// False alarms on the first day, before the detector has seen the shop's daily rhythm once.
    #[must_use]
    pub fn on_first_day(&self) -> usize {
        self.false_alarms.partition_point(|alarm| alarm.raised_at < self.span.0 + DAY)
    }

    /// False alarms per simulated week, the first day left out.
    #[must_use]
    pub fn false_alarms_per_week(&self) -> f64 {
        let later = self.false_alarms.len() - self.on_first_day();
        later as f64 * (7 * DAY) as f64 / (self.span.1 - self.span.0 - DAY).max(1) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::demo::{
        fault::{Fault, FaultKind, GRACE},
        shop::calendar::{HOUR, MINUTE},
    };

    fn incident(kind: FaultKind, start: TimestampMs) -> Incident {
        Incident::of(Fault { kind, start, end: start + HOUR, pick: 1 }, "cart-5d-x", 0)
    }

    fn raised(at: TimestampMs, scope: FindingScope, score: f64, labels: &[(&str, &str)]) -> Raised {
        let labels = Labels::from_pairs(labels.iter().copied());
        let sentence = format!("{labels} at {at}");
        Raised { id: format!("{at}-{score}"), scope, labels, raised_at: at, peak_score: score, sentence }
    }

    fn series(at: TimestampMs, score: f64, metric: &str, pod: &str) -> Raised {
        raised(at, FindingScope::Series, score, &[("__name__", metric), ("pod", pod)])
    }

    const LATENCY: &str = "http_request_duration_seconds_sum";
    /// Three days.
    const SPAN: (TimestampMs, TimestampMs) = (0, 3 * DAY);

    #[test]
    fn findings_go_to_the_fault_that_explains_them() {
        let incidents = [incident(FaultKind::Latency, 10 * HOUR), incident(FaultKind::Leak, 13 * HOUR)];
        let findings = vec![
            series(2 * DAY, 2.0, LATENCY, "payment-a-b"),
            // Too early, too late, elsewhere, another metric: four false alarms.
            series(10 * HOUR - 1, 2.0, LATENCY, "payment-a-b"),
            series(11 * HOUR + GRACE + 1, 2.0, LATENCY, "payment-a-b"),
            series(10 * HOUR + MINUTE, 2.0, LATENCY, "search-a-b"),
            series(10 * HOUR + MINUTE, 2.1, "container_threads", "payment-a-b"),
            // The slow dependency: in payment and in a caller.
            series(10 * HOUR + 2 * MINUTE, 3.0, LATENCY, "payment-a-b"),
            series(10 * HOUR + 2 * MINUTE, 4.0, LATENCY, "frontend-a-b"),
            series(11 * HOUR + GRACE, 9.0, "go_goroutines", "checkout-a-b"),
            // The leak: in the pod that leaks and on its machine, not in its neighbour.
            series(14 * HOUR, 2.0, "go_memstats_heap_alloc_bytes", "cart-5d-x"),
            series(14 * HOUR, 2.2, "go_memstats_heap_alloc_bytes", "cart-5d-y"),
        ];
        let verdict = Verdict::of(&incidents, findings, SPAN);
        assert_eq!((verdict.false_alarms.len(), verdict.on_first_day()), (6, 5));
        assert_eq!(verdict.false_alarms_per_week(), 3.5, "one in the two days after the first");
        assert_eq!(verdict.found(), 2);
        let [latency, leak] = &*verdict.faults else { panic!("two faults") };
        assert_eq!((latency.findings, latency.time_to_detect()), (3, Some(2 * MINUTE)));
        assert!(latency.first.as_ref().unwrap().sentence.contains("frontend"), "the one that went furthest");
        assert_eq!((leak.findings, leak.time_to_detect()), (1, Some(HOUR)));
    }

    #[test]
    fn a_workload_is_explained_by_any_of_its_series() {
        let incidents = [incident(FaultKind::Disk, HOUR)];
        let workload = |labels: &[(&str, &str)]| {
            let finding = raised(HOUR, FindingScope::Workload, 2.0, labels);
            Verdict::of(&incidents, vec![finding], SPAN).found() == 1
        };
        assert!(workload(&[("job", "node-exporter"), ("instance", "node-3:9100")]));
        assert!(workload(&[("namespace", "shop"), ("pod", "postgres-0")]));
        assert!(!workload(&[("job", "node-exporter"), ("instance", "node-1:9100")]));
        assert!(!workload(&[("namespace", "shop"), ("pod", "postgres-1")]));
    }

    #[test]
    fn a_fault_that_nobody_saw_is_not_found() {
        let verdict = Verdict::of(&[incident(FaultKind::Errors, HOUR)], Vec::new(), SPAN);
        assert_eq!((verdict.found(), verdict.faults[0].time_to_detect()), (0, None));
        assert_eq!(verdict.false_alarms_per_week(), 0.0);
    }
}
