//! `evaluation.html`: what was missed, what was raised for nothing and what was found, in one file.

use maud::{Markup, PreEscaped, html};

use super::{
    cases::{Case, KINDS, Kind},
    results::Results,
    table::{HEADING, Line, of_part, overall, terms},
};
use crate::{cli::backtest::report::document, ui::plot::LABELLED_STYLE};

/// Lines of the table at most; all of them are in `evaluation.json`.
const LINES_MAX: usize = 2_000;

/// Twelve columns leave names little room.
const TABLE: &str = "body{max-width:1160px}th,td{padding:4px 7px}td:first-child{min-width:17em}";

/// The page. No times of this run are told: two runs give the same page.
pub(super) fn page(what: &str, results: &Results) -> String {
    let body = html! {
        header {
            h1 { "Evaluation of " (what) }
            p.soft {
                (terms(results))
                " Green within dashes is what was labelled; red are findings, as areas, and events, as thin lines."
                " The band is what was expected at the time, the lower line the score: 1 is the threshold."
            }
            @if let Some(note) = results.note() { p { (note) "." } }
        }
        main {
            h3 { "Overview" }
            (overview(results))
            @for kind in KINDS { (group(results, kind)) }
        }
    };
    document(&format!("vigie evaluation: {what}"), &[TABLE, LABELLED_STYLE], &body)
}

fn overview(results: &Results) -> Markup {
    html! {
        div.wide {
            table {
                thead { tr { @for name in HEADING { th { (name) } } } }
                tbody {
                    @for part in results.parts.iter().take(LINES_MAX) { (line(&of_part(part))) }
                    @for together in overall(results) { (line(&together)) }
                }
            }
        }
        @if results.parts.len() > LINES_MAX {
            p.soft { "… and " (results.parts.len() - LINES_MAX) " more in evaluation.json." }
        }
        p.soft {
            "VUS-PR and AUC-PR judge how the score ranks labelled rows, whatever the threshold. "
            "Delays are from the start of a window to its first finding: the median, and the worst. "
            "Lines of a file are about findings; an event is the lower step, a moment at which something new and rare begins."
        }
    }
}

fn line(line: &Line) -> Markup {
    html! { tr { @for cell in line { td { (cell) } } } }
}

fn group(results: &Results, kind: Kind) -> Markup {
    let (title, total) = match kind {
        Kind::Miss => ("Missed", results.findings.windows - results.findings.found()),
        Kind::FalseAlarm => ("False alarms", results.findings.false_alarms()),
        Kind::Hit => ("Found", results.findings.found()),
    };
    let shown = results.cases.of(kind).count();
    html! {
        h3 { (title) " (" (total) ")" }
        @if total == 0 { p.soft { "None." } }
        @for case in results.cases.of(kind) { (section(case)) }
        @if shown < total { p.soft { (total - shown) " more are left out here; evaluation.json has them all." } }
    }
}

fn section(case: &Case) -> Markup {
    html! {
        section {
            h2 { (case.part) }
            div { span.when { (case.heading) } (case.remark) }
            @if let Some(svg) = &case.svg { (PreEscaped(svg)) }
            @if let Some(sentence) = &case.sentence { ul { li { (sentence) } } }
        }
    }
}
