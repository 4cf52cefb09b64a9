//! `evaluation.json`: all of it, for programs. Times are RFC 3339, spans are seconds; what is not defined is null.

use serde::Serialize;

use super::{
    Outcome, Part, Told,
    alarms::Tally,
    results::{Measures, Results},
};
use crate::{cli::backtest::time::stamp, signal::TimestampMs};

#[derive(Serialize)]
struct Evaluation<'a> {
    labels: &'a str,
    /// `null`: the product's own thresholds.
    budget_per_week: Option<f64>,
    tolerance_seconds: f64,
    windows_outside: &'a [String],
    mean: Mean,
    pooled: Scores,
    files: Vec<File<'a>>,
}

#[derive(Serialize)]
struct Mean {
    vus_pr: Option<f64>,
    auc_pr: Option<f64>,
    findings: Measures,
    events: Measures,
}

#[derive(Serialize)]
struct Scores {
    vus_pr: Option<f64>,
    auc_pr: Option<f64>,
    findings: Counts,
    events: Counts,
}

#[derive(Serialize)]
struct Counts {
    raised: usize,
    left_out_by_budget: usize,
    hits: usize,
    false_alarms: usize,
    false_per_week: Option<f64>,
    precision: Option<f64>,
    windows: usize,
    found: usize,
    missed: usize,
    recall: Option<f64>,
    f1: Option<f64>,
    delay_median_seconds: Option<f64>,
    delay_worst_seconds: Option<f64>,
}

#[derive(Serialize)]
struct File<'a> {
    name: &'a str,
    from: String,
    to: String,
    rows: usize,
    labelled_rows: usize,
    #[serde(flatten)]
    scores: Scores,
    windows: Vec<Window<'a>>,
    false_findings: Vec<Finding<'a>>,
}

#[derive(Serialize)]
struct Window<'a> {
    start: String,
    end: String,
    name: Option<&'a str>,
    finding: Option<Finding<'a>>,
    finding_delay_seconds: Option<f64>,
    event_at: Option<String>,
    event_delay_seconds: Option<f64>,
}

#[derive(Serialize)]
struct Finding<'a> {
    raised_at: String,
    peak_score: f64,
    sentence: &'a str,
}

fn seconds(ms: i64) -> f64 {
    ms as f64 / 1e3
}

impl From<&Tally> for Counts {
    fn from(tally: &Tally) -> Self {
        Self {
            raised: tally.raised,
            left_out_by_budget: tally.left_out,
            hits: tally.hits,
            false_alarms: tally.false_alarms(),
            false_per_week: tally.false_per_week(),
            precision: tally.precision(),
            windows: tally.windows,
            found: tally.found(),
            missed: tally.windows - tally.found(),
            recall: tally.recall(),
            f1: tally.f1(),
            delay_median_seconds: tally.median_delay().map(seconds),
            delay_worst_seconds: tally.worst_delay().map(seconds),
        }
    }
}

impl<'a> From<&'a Told> for Finding<'a> {
    fn from(told: &'a Told) -> Self {
        Self { raised_at: stamp(told.raised_at), peak_score: told.peak_score, sentence: &told.sentence }
    }
}

impl<'a> From<&'a Outcome> for Window<'a> {
    fn from(outcome: &'a Outcome) -> Self {
        let (start, end) = outcome.labelled.window;
        let delay = |at: TimestampMs| seconds(at - start);
        Self {
            start: stamp(start),
            end: stamp(end),
            name: outcome.labelled.name.as_deref(),
            finding: outcome.finding.as_ref().map(Finding::from),
            finding_delay_seconds: outcome.finding.as_ref().map(|told| delay(told.raised_at)),
            event_at: outcome.event.map(stamp),
            event_delay_seconds: outcome.event.map(delay),
        }
    }
}

impl<'a> From<&'a Part> for File<'a> {
    fn from(part: &'a Part) -> Self {
        Self {
            name: &part.name,
            from: stamp(part.span.0),
            to: stamp(part.span.1),
            rows: part.ranked.labelled.len(),
            labelled_rows: part.ranked.positives(),
            scores: Scores {
                vus_pr: part.vus_pr,
                auc_pr: part.auc_pr,
                findings: (&part.findings).into(),
                events: (&part.events).into(),
            },
            windows: part.windows.iter().map(Window::from).collect(),
            false_findings: part.false_findings.iter().map(Finding::from).collect(),
        }
    }
}

/// The file's content.
pub(super) fn text(results: &Results) -> serde_json::Result<String> {
    let evaluation = Evaluation {
        labels: &results.source,
        budget_per_week: results.terms.budget,
        tolerance_seconds: seconds(results.terms.tolerance_ms),
        windows_outside: &results.outside,
        mean: Mean {
            vus_pr: results.mean_vus_pr,
            auc_pr: results.mean_auc_pr,
            findings: results.mean_findings,
            events: results.mean_events,
        },
        pooled: Scores {
            vus_pr: results.vus_pr,
            auc_pr: results.auc_pr,
            findings: (&results.findings).into(),
            events: (&results.events).into(),
        },
        files: results.parts.iter().map(File::from).collect(),
    };
    Ok(serde_json::to_string_pretty(&evaluation)? + "\n")
}
