//! What lines are about, at the top of `/logs/templates`.

use maud::{Markup, html};

use super::page::{link, moment};
use crate::{
    server::{Parameters, Told},
    signal::{Severity, TimestampMs},
};

/// Topics that are shown of all services, before one is asked for.
const SHOWN: usize = 12;

/// The topics of the service that is asked for, or those of all services with most lines.
pub(super) fn table(topics: &[Told], asked: &Parameters, now: TimestampMs) -> Markup {
    let shown = if asked.get("service").is_some() { topics.len() } else { SHOWN };
    html! {
        @if !topics.is_empty() {
            h2 { "Topics" }
            table.topics {
                thead { tr { th scope="col" { "lines" } th scope="col" { "topic" } th scope="col" { "service" } th scope="col" { "templates" } th scope="col" { "severity" } th scope="col" { "last" } } }
                tbody { @for topic in topics.iter().take(shown) { (line(topic, asked, now)) } }
            }
            @if topics.len() > shown {
                p.quiet { (topics.len() - shown) " more topics are not shown: ask for a service." }
            }
            h2 { "Templates" }
        }
    }
}

fn line(topic: &Told, asked: &Parameters, now: TimestampMs) -> Markup {
    let id = topic.id();
    let label = |name| topic.source.get(name).unwrap_or_default();
    let severity = topic.severity.map_or("", Severity::as_str);
    let lines = [("topic", &*id), ("since", "1d")];
    let mut templates = vec![("service", label("service")), ("topic", &*id)];
    if !label("namespace").is_empty() {
        templates.push(("namespace", label("namespace")));
    }
    html! {
        tr {
            td.number { (topic.lines) }
            td {
                a href=(link("/logs", &lines)) { (topic.name) }
                @if asked.get("topic") == Some(&*id) { " " b { "below" } }
            }
            td { (label("service")) @if !label("namespace").is_empty() { span.quiet { " in " (label("namespace")) } } }
            td.number { a href=(link("/logs/templates", &templates)) { (topic.rows.len()) } }
            td class=(severity) { (severity) }
            td { (moment(topic.last, now)) }
        }
    }
}
