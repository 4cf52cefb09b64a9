//! `/findings/{id}`: one finding with all that led to it.

use axum::{
    extract::{Path, RawQuery, State},
    http::StatusCode,
    response::Response,
};
use maud::{Markup, PreEscaped, html};

use super::{
    page::{Refresh, label_set, link, moment, page, unavailable},
    plot::ticks::number,
    trace::Trace,
};
use crate::{
    server::{App, Tenant},
    signal::{Companions, Feedback, Finding, FindingStatus, Siblings, TimestampMs},
};

/// How far before and after its beginning one looks for the lines of a finding, in ms.
const LINES_AROUND_MS: i64 = 15 * 60_000;

pub(super) async fn show(
    State(app): State<App>,
    Tenant(tenant): Tenant,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Response {
    let names = app.answer_names();
    let wanted = id.clone();
    let asked = app.ask(move |engine| {
        let Some(finding) = engine.findings(&tenant)?.into_iter().find(|finding| finding.id == wanted) else {
            return Ok(None);
        };
        let trace = Trace::of(engine, &finding, &names)?;
        Ok(Some((finding, trace)))
    });
    match asked.await {
        Ok(Some((finding, trace))) => {
            let content = content(&finding, &trace, app.now());
            page(StatusCode::OK, finding.labels.metric(), Refresh::of(query.as_deref()), &content)
        }
        Ok(None) => page(StatusCode::NOT_FOUND, "no such finding", Refresh::Off, &missing(&id)),
        Err(cause) => unavailable(cause),
    }
}

fn missing(id: &str) -> Markup {
    html! {
        h1 { "No such finding" }
        p { "There is no finding " code { (id) } ". Resolved findings are forgotten after a while." }
        p { a href="/" { "All findings" } }
    }
}

fn content(finding: &Finding, trace: &Trace, now: TimestampMs) -> Markup {
    let unit = if finding.is_rate { " /s" } else { "" };
    html! {
        h1 { (finding.sentence) }
        p { (finding.kind.name()) ", " (state(finding, now)) " " (label_set(&finding.labels)) }
        (feedback(finding))
        @if !finding.lines.is_empty() { (lines(finding)) }
        @if let Some(svg) = trace.svg(&finding.labels.to_string(), 960, 360) {
            figure { (PreEscaped(svg)) }
        } @else {
            p.quiet { "Its samples are no longer kept." }
        }
        @if let Some(siblings) = finding.siblings { p { (alike(siblings)) } }
        dl.figures {
            (figure("score", &number(finding.score)))
            (figure("highest score", &number(finding.peak_score)))
            @if finding.seen.is_finite() {
                (figure("seen then", &format!("{}{unit}", number(finding.seen))))
                (figure("expected", &format!("{}{unit}", number(finding.expected))))
                (figure("usual band", &format!("{} to {}{unit}", number(finding.lower), number(finding.upper))))
            }
            (figure("model", &finding.model.to_string()))
        }
        @if !finding.drivers.is_empty() {
            h2 { "What drove the score" }
            table {
                thead { tr { th scope="col" { "feature" } th scope="col" { "share" } th scope="col" { "meaning" } } }
                tbody {
                    @for driver in &finding.drivers {
                        tr {
                            th scope="row" { (driver.name) }
                            td.number { (format!("{:.0} %", driver.share * 100.0)) }
                            td { (driver.meaning) }
                        }
                    }
                }
            }
        }
        @if finding.companions.series > 0 { (companions(&finding.companions, now)) }
        p { a href={ "/api/v1/findings/" (finding.id) } { "This finding as JSON" } }
    }
}

/// Examples of the lines that it is about, and the way to all of them.
fn lines(finding: &Finding) -> Markup {
    let mut asked: Vec<(&str, &str)> = ["service", "namespace", "template"]
        .iter()
        .filter_map(|name| Some((*name, finding.labels.get(name)?)))
        .collect();
    // The series calls "none" what the search calls "unknown".
    let severity = finding.labels.get("severity").map(|severity| if severity == "none" { "unknown" } else { severity });
    asked.extend(severity.map(|severity| ("severity", severity)));
    let nanoseconds = |at: TimestampMs| at.saturating_mul(1_000_000).to_string();
    let start = nanoseconds(finding.since.saturating_sub(LINES_AROUND_MS));
    let end = nanoseconds(finding.since.saturating_add(LINES_AROUND_MS));
    asked.extend([("start", start.as_str()), ("end", end.as_str())]);
    html! {
        @for line in &finding.lines { blockquote { code { (line) } } }
        @if cfg!(feature = "search") { p { a href=(link("/logs", &asked)) { "lines around that time" } } }
    }
}

/// What a person says of the finding, and how to say it.
fn feedback(finding: &Finding) -> Markup {
    let button = |value: &str, text: &str, said: bool| {
        html! { button name="feedback" value=(value) disabled[said] { (text) } }
    };
    html! {
        form.feedback method="post" action={ "/api/v1/findings/" (finding.id) "/feedback" } {
            span {
                @match finding.feedback {
                    None => { "Was it right?" }
                    Some(Feedback::FalseAlarm) => { "Marked as a " b { "false alarm" } ": what looks like it raises nothing any more." }
                    Some(Feedback::Real) => { "Marked as " b { "real" } ": vigie does not take it for normal." }
                }
            }
            (button("false-alarm", "false alarm", finding.feedback == Some(Feedback::FalseAlarm)))
            (button("real", "real", finding.feedback == Some(Feedback::Real)))
            @if finding.feedback.is_some() { (button("", "take back", false)) }
        }
    }
}

/// How the siblings behave, in a sentence.
fn alike(Siblings { count, alike }: Siblings) -> String {
    match (count, alike) {
        (0, _) => "It has no siblings that are alive.".to_owned(),
        (1, 0) => "Its only sibling did not do the same.".to_owned(),
        (1, _) => "Its only sibling did the same.".to_owned(),
        (_, 0) => format!("None of its {count} siblings did the same."),
        _ => format!("{alike} of its {count} siblings did the same."),
    }
}

fn companions(companions: &Companions, now: TimestampMs) -> Markup {
    let plural = |count: u32, one: &str, many: &str| format!("{count} {}", if count == 1 { one } else { many });
    html! {
        h2 { "What else moved at the same time" }
        p {
            (plural(companions.series, "series", "series"))
            @if companions.workloads > 0 { ", also in " (plural(companions.workloads, "other workload", "other workloads")) }
            @if companions.strongest.len() < companions.series as usize { "; the strongest:" } @else { ":" }
        }
        table {
            thead { tr { th scope="col" { "series" } th scope="col" { "evidence" } th scope="col" { "began" } } }
            tbody {
                @for companion in &companions.strongest {
                    tr {
                        td { (label_set(&companion.labels)) }
                        td.number { (number(companion.evidence.into())) }
                        td { (moment(companion.since, now)) }
                    }
                }
            }
        }
    }
}

/// Whether it goes on, and since when.
pub(super) fn state(finding: &Finding, now: TimestampMs) -> Markup {
    html! {
        @match (finding.status, finding.resolved_at) {
            (FindingStatus::Firing, _) => { span.firing { "going on" } " since " (moment(finding.since, now)) }
            (FindingStatus::Resolved, over) => {
                span.fine { "over" } " since " (moment(over.unwrap_or(finding.updated_at), now))
                ", began " (moment(finding.since, now))
            }
        }
    }
}

/// A name and a value, for a list of figures.
pub(super) fn figure(name: &str, value: &str) -> Markup {
    html! { div { dt { (name) } dd { (value) } } }
}
