//! `/logs`: looking for log lines.

use axum::{extract::State, http::StatusCode, response::Response};
use maud::{Markup, PreEscaped, html};

use super::{
    page::{Refresh, link, page},
    plot::Bars,
};
use crate::{
    server::{ApiError, App, Found, Histogram, Line, Parameters, Tenant, UNKNOWN, Wanted, services},
    signal::Severity,
};

/// How far back one may look, as the form offers it.
const SPANS: [(&str, &str); 6] =
    [("15m", "15 minutes"), ("1h", "hour"), ("6h", "6 hours"), ("1d", "day"), ("7d", "week"), ("30d", "30 days")];
const USUAL_SPAN: &str = "1h";

/// Characters of a line that are shown.
const SHOWN: usize = 4_000;

/// What a link keeps of a question.
const KEPT: [&str; 11] =
    ["text", "service", "namespace", "severity", "template", "topic", "trace_id", "since", "start", "end", "limit"];

/// Services that the form offers to choose from.
const SERVICES: usize = 500;

pub(super) async fn show(
    State(app): State<App>,
    Tenant(tenant): Tenant,
    parameters: Result<Parameters, ApiError>,
) -> Response {
    let (parameters, wanted) = match parameters {
        Ok(parameters) => {
            let wanted = Wanted::read(&parameters, tenant.clone(), &app).await;
            (parameters, wanted)
        }
        Err(error) => (Parameters::default(), Err(error)),
    };
    let (services, found) = match wanted {
        Ok(wanted) => {
            let span = wanted.query.from..wanted.query.to;
            let limit = wanted.limit;
            let services = services(&app, tenant, span).await.unwrap_or_default();
            (services, wanted.find(&app).await.map(|found| (found, limit)))
        }
        Err(error) => (Vec::new(), Err(error)),
    };
    let content = html! {
        h1 { "Logs" }
        p { a href="/logs/templates" { "templates and topics of the lines" } }
        (form(&parameters, &services))
        @match &found {
            Ok((found, limit)) => (answer(found, *limit, &parameters)),
            Err(error) => p.wrong role="alert" { (error.to_string()) },
        }
    };
    let status = found.as_ref().err().map_or(StatusCode::OK, ApiError::status);
    page(status, "logs", Refresh::Never, &content)
}

fn form(asked: &Parameters, services: &[String]) -> Markup {
    let text = |name: &str| asked.get(name).unwrap_or_default();
    let is_chosen = |severity: &str| asked.all("severity").any(|word| word == severity);
    let since = asked.get("since").unwrap_or(USUAL_SPAN);
    html! {
        form.plan method="get" action="/logs" role="search" {
            label for="text" { "words" }
            input id="text" name="text" placeholder="timeout \"connection refused\"" value=(text("text"));
            label for="service" { "service" }
            input id="service" name="service" list="services" value=(text("service"));
            datalist id="services" { @for service in services.iter().take(SERVICES) { option value=(service) {} } }
            label for="namespace" { "namespace" }
            input id="namespace" name="namespace" value=(text("namespace"));
            span id="severities" { "severity" }
            span role="group" aria-labelledby="severities" {
                @for severity in Severity::ALL.iter().rev().map(|severity| severity.as_str()).chain([UNKNOWN]) {
                    label.choice { input type="checkbox" name="severity" value=(severity) checked[is_chosen(severity)]; " " (severity) " " }
                }
            }
            label for="since" { "in the last" }
            select id="since" name="since" {
                @for (value, name) in SPANS { option value=(value) selected[value == since] { (name) } }
            }
            @for name in ["template", "topic", "trace_id"] {
                @if let Some(value) = asked.get(name) {
                    label for=(name) { (name.replace('_', " ")) }
                    input id=(name) name=(name) value=(value);
                }
            }
            span {}
            span { button { "look" } }
        }
    }
}

fn answer(found: &Found, limit: usize, asked: &Parameters) -> Markup {
    let Found { lines, histogram, partial, start_ns } = found;
    html! {
        @if *partial {
            p role="status" { "The search looked at as much as one may; there may be more. Ask for less time, or a service." }
        }
        @if histogram.total == 0 {
            p.quiet { "No lines." }
        } @else {
            (volume(histogram))
        }
        @if let (Some(first), Some(last)) = (lines.first(), lines.last()) {
            table.lines {
                thead { tr { th scope="col" { "when (UTC)" } th scope="col" { "severity" } th scope="col" { "service" } th scope="col" { "line" } th scope="col" { "template" } } }
                tbody { @for line in lines { (row(line, asked)) } }
            }
            p {
                @if lines.len() == limit {
                    // A line of the same time may not have had its place any more.
                    @let end = if first.at_ns == last.at_ns { last.at_ns } else { last.at_ns.saturating_add(1) };
                    a href=(href("/logs", asked, &[("start", &start_ns.to_string()), ("end", &end.to_string())])) { "older lines" }
                    " · "
                }
                a href=(href("/api/v1/logs", asked, &[])) { "the same as JSON" }
            }
        }
    }
}

/// Lines over time, with a legend that says their numbers.
fn volume(histogram: &Histogram) -> Markup {
    let order = Severity::ALL.iter().rev().map(|severity| severity.as_str()).chain([UNKNOWN]);
    let parts: Vec<(&str, &[u64])> =
        order.filter_map(|severity| Some((severity, histogram.counts.get(severity)?.as_slice()))).collect();
    let bars = Bars {
        title: &format!("{} lines", histogram.total),
        start: histogram.start_ms,
        step_ms: histogram.step_seconds * 1000,
        parts: &parts,
        width: 980,
        height: 160,
    };
    html! {
        figure {
            (PreEscaped(bars.svg()))
            figcaption.legend {
                @for (severity, counts) in &parts {
                    span class=(severity) { "■ " (severity) " " (counts.iter().sum::<u64>()) } " "
                }
            }
        }
    }
}

fn row(line: &Line, asked: &Parameters) -> Markup {
    let severity = line.severity.map_or(UNKNOWN, Severity::as_str);
    let cut = line.line.char_indices().nth(SHOWN).map(|(at, _)| at);
    let service = line.labels.get("service").unwrap_or_default();
    html! {
        tr {
            td { time datetime=(line.at) { (line.at.trim_end_matches('Z').replace('T', " ")) } }
            td class=(severity) { @if line.severity.is_some() { (severity) } }
            td { @if !service.is_empty() { a href=(href("/logs", asked, &[("service", service)])) { (service) } } }
            td {
                details {
                    summary { code { (line.line[..cut.unwrap_or(line.line.len())]) @if cut.is_some() { "…" } } }
                    dl {
                        @for (name, value) in line.labels.iter() { dt { (name) } dd { (value) } }
                        @if let Some(trace) = &line.trace_id {
                            dt { "trace" } dd { a href=(href("/logs", asked, &[("trace_id", trace)])) { (trace) } }
                        }
                        @for (name, value) in &line.attributes { dt { (name) } dd { (value) } }
                    }
                }
            }
            td { a href=(href("/logs", asked, &[("template", &line.template)])) { code { (line.template) } } }
        }
    }
}

/// The question with some of it said otherwise, as a link.
fn href(path: &str, asked: &Parameters, otherwise: &[(&str, &str)]) -> String {
    let is_other = |name: &str| otherwise.iter().any(|(other, _)| *other == name);
    let kept =
        KEPT.iter().filter(|name| !is_other(name)).flat_map(|name| asked.all(name).map(move |value| (*name, value)));
    let said: Vec<_> = kept.filter(|(_, value)| !value.is_empty()).chain(otherwise.iter().copied()).collect();
    link(path, &said)
}
