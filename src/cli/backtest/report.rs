//! `report.html`: what was found, in one file that needs nothing else.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::{item::Item, summary::span};
use crate::{
    signal::Finding,
    ui::plot::{
        STYLE,
        ticks::{instant, number},
    },
};

/// Findings told of one item at most.
const FINDINGS_MAX: usize = 20;
/// Lines of the table at most; all of them are in `summary.csv`.
const LINES_MAX: usize = 2_000;

/// The page. `what` says what was replayed; no times of this run are told: two runs give the same page.
pub(super) fn page(what: &str, items: &[Item]) -> String {
    let mut ordered: Vec<&Item> = items.iter().collect();
    ordered.sort_by(|a, b| a.by_weight(b));
    let (drawn, bare): (Vec<&Item>, Vec<&Item>) = ordered.iter().partition(|item| item.svg.is_some());
    let total = |count: fn(&Item) -> usize| items.iter().map(count).sum::<usize>();
    let (events, findings) = (total(|item| item.events), total(|item| item.findings.len()));
    let body = html! {
        header {
            h1 { "Backtest of " (what) }
            p.soft {
                (counted(items.len(), "part")) ", " (counted(total(|item| item.rows), "row")) ", "
                (counted(events, "event")) ", " (counted(findings, "finding")) "."
                " The band is what was expected at the time, the lower line the score: 1 is the threshold."
                " Red is what was found."
            }
        }
        main {
            h3 { "Overview" }
            (overview(&ordered))
            @if !drawn.is_empty() {
                h3 { "In pictures" }
                @for item in &drawn { (section(item)) }
            }
            @if bare.iter().any(|item| !item.findings.is_empty()) {
                h3 { "Without a picture" }
                @for item in bare.iter().filter(|item| !item.findings.is_empty()).take(LINES_MAX / FINDINGS_MAX) {
                    (section(item))
                }
            }
        }
    };
    document(&format!("vigie backtest: {what}"), &[], &body)
}

/// A page in one file that needs nothing else, with styles of its own after those of every report.
pub(super) fn document(title: &str, styles: &[&str], body: &Markup) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) }
                style {
                    (PreEscaped(include_str!("report.css"))) (PreEscaped(STYLE))
                    @for style in styles { (PreEscaped(style)) }
                }
            }
            body { (body) }
        }
    };
    page.into_string()
}

fn overview(items: &[&Item]) -> Markup {
    html! {
        div.wide {
            table {
                thead { tr {
                    th { "Name" } th { "Rows" } th { "Series" } th { "From" } th { "Span" }
                    th { "Events" } th { "Findings" } th { "Peak score" }
                } }
                tbody {
                    @for item in items.iter().take(LINES_MAX) {
                        tr {
                            td { @if item.svg.is_some() { a href={ "#" (anchor(item)) } { (item.name) } } @else { (item.name) } }
                            td { (item.rows) }
                            td { (item.series) }
                            td { (item.span.map(|(from, _)| instant(from)).unwrap_or_default()) }
                            td { (item.span.map(|(from, to)| span(to - from)).unwrap_or_default()) }
                            td.hot[item.events > 0] { (item.events) }
                            td { (item.findings.len()) }
                            td { (number(item.peak)) }
                        }
                    }
                }
            }
        }
        @if items.len() > LINES_MAX { p.soft { "… and " (items.len() - LINES_MAX) " more in summary.csv." } }
    }
}

fn section(item: &Item) -> Markup {
    html! {
        section id=(anchor(item)) {
            h2 { (item.name) }
            div.soft {
                (counted(item.rows, "row")) ", " (item.series) " series, " (counted(item.events, "event"))
                ", peak score " (number(item.peak))
            }
            @if let Some(svg) = &item.svg { (PreEscaped(svg)) }
            @if !item.findings.is_empty() {
                ul { @for finding in item.findings.iter().take(FINDINGS_MAX) { (told(finding)) } }
            }
            @if item.findings.len() > FINDINGS_MAX {
                p.soft { "… and " (item.findings.len() - FINDINGS_MAX) " more in summary.json." }
            }
        }
    }
}

fn told(finding: &Finding) -> Markup {
    let end = finding.resolved_at.unwrap_or(finding.updated_at);
    html! {
        li {
            span.when { (instant(finding.raised_at)) " · " (span(end - finding.since)) }
            (finding.sentence)
        }
    }
}

/// A fragment that no name can break: the name's hash.
fn anchor(item: &Item) -> String {
    format!("i{:016x}", xxhash_rust::xxh3::xxh3_64(item.name.as_bytes()))
}

fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_needs_nothing_else_and_names_stay_text() {
        let item = |name: &str, events| Item {
            name: name.into(),
            rows: 10,
            series: 1,
            span: Some((0, 60_000)),
            events,
            peak: 1.5,
            findings: Vec::new(),
            svg: Some("<svg></svg>".into()),
            seconds: None,
        };
        let page = page("<b>", &[item("a", 0), item("<script>x</script>", 3)]);
        assert!(!page.contains("<script>") && !page.contains("<b>"));
        for outside in ["http://", "https://", "src=", "url(", "@import"] {
            assert!(!page.contains(outside), "{outside}");
        }
        let place = |text: &str| page.find(text).unwrap();
        assert!(place("&lt;script&gt;x") < place(">a<"), "most events first");
    }
}
