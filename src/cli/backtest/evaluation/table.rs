//! The evaluation in lines, for the terminal and for the page.

use std::fmt::Write as _;

use super::{
    Part,
    alarms::Tally,
    results::{Measures, Results},
};
use crate::{
    cli::backtest::summary::{shorten, span},
    ui::plot::ticks::number,
};

/// Lines of parts on the terminal at most; all of them are in `evaluation.json`.
const LINES_MAX: usize = 60;

pub(super) const HEADING: [&str; 12] = [
    "name",
    "windows",
    "VUS-PR",
    "AUC-PR",
    "raised",
    "false",
    "false/week",
    "precision",
    "found",
    "F1",
    "delay",
    "worst",
];

pub(super) type Line = [String; 12];

fn share(share: Option<f64>) -> String {
    share.map_or_else(|| "–".into(), |share| format!("{share:.3}"))
}

fn late(ms: Option<i64>) -> String {
    ms.map_or_else(|| "–".into(), |ms| if ms < 0 { format!("-{}", span(-ms)) } else { span(ms) })
}

fn line(name: &str, [vus_pr, auc_pr]: [Option<f64>; 2], tally: &Tally) -> Line {
    [
        name.into(),
        tally.windows.to_string(),
        share(vus_pr),
        share(auc_pr),
        tally.raised.to_string(),
        tally.false_alarms().to_string(),
        tally.false_per_week().map_or_else(|| "–".into(), number),
        share(tally.precision()),
        tally.found().to_string(),
        share(tally.f1()),
        late(tally.median_delay()),
        late(tally.worst_delay()),
    ]
}

fn mean(name: &str, [vus_pr, auc_pr]: [Option<f64>; 2], measures: Measures) -> Line {
    let blank = String::new;
    let Measures { precision, recall, f1, false_per_week } = measures;
    [
        name.into(),
        blank(),
        share(vus_pr),
        share(auc_pr),
        blank(),
        blank(),
        false_per_week.map_or_else(|| "–".into(), number),
        share(precision),
        recall.map_or_else(|| "–".into(), |recall| format!("{:.0} %", 100.0 * recall)),
        share(f1),
        blank(),
        blank(),
    ]
}

/// A part: its ranking and its findings.
pub(super) fn of_part(part: &Part) -> Line {
    line(&part.name, [part.vus_pr, part.auc_pr], &part.findings)
}

/// All parts together: findings, then events.
pub(super) fn overall(results: &Results) -> Vec<Line> {
    let ranking = [results.vus_pr, results.auc_pr];
    let mut lines = Vec::new();
    if results.parts.len() > 1 {
        let means = [results.mean_vus_pr, results.mean_auc_pr];
        lines.push(mean("mean, findings", means, results.mean_findings));
        lines.push(mean("mean, events", means, results.mean_events));
    }
    lines.push(line("all, findings", ranking, &results.findings));
    lines.push(line("all, events", ranking, &results.events));
    lines
}

/// What was judged by what, in a sentence.
pub(super) fn terms(results: &Results) -> String {
    let mut text = format!("Judged by labels of {}. ", results.source);
    match results.terms.budget {
        Some(budget) => {
            let _ = write!(text, "Of each file the highest scores are taken, {} a week at most", number(budget));
        }
        None => text.push_str("All that was raised at the product's own thresholds counts"),
    }
    match results.terms.tolerance_ms {
        0 => text.push_str("; a hit lies within a labelled window."),
        ms => {
            let _ = write!(text, "; a hit lies within a labelled window or at most {} beside it.", span(ms));
        }
    }
    text
}

/// The table for people.
pub(super) fn text(results: &Results) -> String {
    let mut lines = vec![HEADING.map(str::to_owned)];
    lines.extend(results.parts.iter().take(LINES_MAX).map(|part| {
        let mut line = of_part(part);
        line[0] = shorten(&line[0]);
        line
    }));
    lines.extend(overall(results));
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; 12] = std::array::from_fn(width);
    let mut text = format!("{}\n", terms(results));
    for (number, line) in lines.iter().enumerate() {
        if number == lines.len() - overall(results).len() && results.parts.len() > LINES_MAX {
            let _ = writeln!(text, "… and {} more in evaluation.json", results.parts.len() - LINES_MAX);
        }
        let _ = write!(text, "{:<1$}", line[0], widths[0]);
        for (cell, width) in line.iter().zip(widths).skip(1) {
            let _ = write!(text, "  {cell:>width$}");
        }
        text.push('\n');
    }
    text
}
