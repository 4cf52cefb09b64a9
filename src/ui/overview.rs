//! `/`: what is wrong now, what was wrong lately, and whether samples arrive.

use axum::{
    extract::{RawQuery, State},
    http::StatusCode,
    response::Response,
};
use maud::{Markup, PreEscaped, html};

use super::{
    page::{Refresh, label_set, moment, page, unavailable},
    plot::ticks::number,
    single::{figure, state},
    trace::Trace,
};
use crate::{
    engine::AnswerNames,
    fleet::{Fleet, Unavailable},
    server::{App, Tenant},
    signal::{Feedback, Finding, FindingStatus, TenantId, TimestampMs},
};

/// Open findings that are drawn; further ones are listed.
const DRAWN: usize = 8;
/// Resolved findings that are listed.
const RESOLVED: usize = 20;
/// Open findings that are listed beyond those drawn.
const LISTED: usize = 100;

const WEEK_MS: i64 = 7 * 86_400_000;

/// What the page shows of a tenant.
struct Overview {
    drawn: Vec<(Finding, Trace)>,
    listed: Vec<Finding>,
    firing: usize,
    resolved: Vec<Finding>,
    series: usize,
    newest: Option<TimestampMs>,
    week: Week,
    /// Windows of planned work that go on.
    planned: usize,
}

/// How the findings of the last week compare with what was asked for.
struct Week {
    bar: f32,
    raised: usize,
    false_alarms: usize,
}

pub(super) async fn show(State(app): State<App>, Tenant(tenant): Tenant, RawQuery(query): RawQuery) -> Response {
    let (names, asking, now) = (app.answer_names(), tenant.clone(), app.now());
    let overview = match app.ask(move |engine| Overview::of(engine, &asking, &names, now)).await {
        Ok(overview) => overview,
        Err(cause) => return unavailable(cause),
    };
    let content = html! {
        @if let Some(progress) = app.backfilling() { p.quiet { "Reading in history: " (progress) "." } }
        (ingest(&overview, app.samples_per_second(&tenant), now))
        @if overview.series == 0 {
            (begin(&app.url(), &tenant))
        } @else {
            (budget(&overview, app.config().anomaly.false_alarms_per_week))
            (findings(&overview, now))
        }
    };
    let title = match overview.firing {
        0 => "all quiet".to_owned(),
        firing => format!("{firing} going on"),
    };
    page(StatusCode::OK, &title, Refresh::of(query.as_deref()), &content)
}

impl Overview {
    /// Asks the engine. Blocks.
    fn of(engine: &Fleet, tenant: &TenantId, names: &AnswerNames, now: TimestampMs) -> Result<Self, Unavailable> {
        let is_open = |finding: &Finding| finding.status == FindingStatus::Firing;
        let findings = engine.findings(tenant)?;
        let stats = engine.stats()?;
        let newest = stats.iter().filter_map(|shard| shard.newest.get(tenant)).max().copied();
        let since = newest.unwrap_or(now) - WEEK_MS;
        let lately: Vec<_> = findings.iter().filter(|finding| finding.raised_at > since).collect();
        let week = Week {
            bar: stats.iter().filter_map(|shard| shard.bars.get(tenant)).copied().fold(0.0, f32::max),
            raised: lately.len(),
            false_alarms: lately.iter().filter(|finding| finding.feedback == Some(Feedback::FalseAlarm)).count(),
        };
        let (mut open, mut resolved): (Vec<_>, Vec<_>) = findings.into_iter().partition(is_open);
        let firing = open.len();
        let mut listed = open.split_off(DRAWN.min(firing));
        listed.truncate(LISTED);
        resolved.truncate(RESOLVED);
        let drawn = open.into_iter().map(|finding| {
            let trace = Trace::of(engine, &finding, names)?;
            Ok((finding, trace))
        });
        let drawn = drawn.collect::<Result<_, _>>()?;
        Ok(Self {
            drawn,
            listed,
            firing,
            resolved,
            series: stats.iter().filter_map(|shard| shard.series.get(tenant)).sum(),
            newest,
            week,
            planned: engine.plans(tenant)?.iter().filter(|work| work.covers(now)).count(),
        })
    }
}

fn ingest(overview: &Overview, samples_per_second: f64, now: TimestampMs) -> Markup {
    html! {
        dl.figures aria-label="what arrives" {
            (figure("series", &overview.series.to_string()))
            (figure("samples per second", &number(samples_per_second.round())))
            div {
                dt { "newest sample" }
                dd { @match overview.newest { Some(at) => (moment(at, now)), None => "none yet" } }
            }
            (figure("open findings", &overview.firing.to_string()))
        }
    }
}

/// The page of a tenant that has sent nothing yet: how to begin.
fn begin(url: &str, tenant: &TenantId) -> Markup {
    let header = match tenant == &TenantId::default() {
        true => String::new(),
        false => format!("\n    headers:\n      X-Scope-OrgID: \"{tenant}\""),
    };
    html! {
        h1 { "No samples yet" }
        p { "Let Prometheus send what it scrapes: put this into " code { "prometheus.yml" } " and reload it." }
        pre tabindex="0" aria-label="remote write configuration" {
            code { "remote_write:\n  - url: " (url) "/api/v1/write" (header) }
        }
        p {
            "vmagent takes the same address as " code { "-remoteWrite.url" }
            ". A series is judged when a hundred of its samples have been seen, and better with every day."
        }
    }
}

/// What was asked for and what came of it.
fn budget(overview: &Overview, asked: f64) -> Markup {
    let Week { bar, raised, false_alarms } = overview.week;
    html! {
        p.quiet {
            (number(asked)) " findings a week asked for; the bar stands at " (format!("{bar:.1}"))
            "; raised in the last 7 days: " (raised)
            @if false_alarms > 0 { ", of which " (false_alarms) " marked as false alarm" }
            @if overview.planned > 0 {
                "; " a href="/maintenance" { "planned work goes on" } ", nothing is raised about what it covers"
            }
            "."
        }
    }
}

fn findings(overview: &Overview, now: TimestampMs) -> Markup {
    html! {
        @if overview.firing == 0 {
            h1.fine { "Nothing out of the ordinary" }
        } @else {
            h1 { "Going on now" }
            @for (finding, trace) in &overview.drawn { (open(finding, trace, now)) }
            @if !overview.listed.is_empty() {
                h2 { "Also going on" }
                (table(&overview.listed, now))
            }
        }
        @if !overview.resolved.is_empty() {
            h2 { "Lately resolved" }
            (table(&overview.resolved, now))
        }
    }
}

fn open(finding: &Finding, trace: &Trace, now: TimestampMs) -> Markup {
    html! {
        article {
            h3 { a href={ "/findings/" (finding.id) } { (finding.sentence) } }
            p.quiet { (finding.kind.name()) ", " (state(finding, now)) ", score " (number(finding.score)) " of 1" (said(finding)) " " (label_set(&finding.labels)) }
            @if let Some(svg) = trace.svg(&finding.labels.to_string(), 900, 220) {
                figure { (PreEscaped(svg)) }
            }
        }
    }
}

fn table(findings: &[Finding], now: TimestampMs) -> Markup {
    html! {
        table.findings {
            thead { tr { th scope="col" { "what" } th scope="col" { "kind" } th scope="col" { "when" } th scope="col" { "highest score" } } }
            tbody {
                @for finding in findings {
                    tr {
                        td { a href={ "/findings/" (finding.id) } { (finding.sentence) } }
                        td { (finding.kind.name()) (said(finding)) }
                        td { (state(finding, now)) }
                        td.number { (number(finding.peak_score)) }
                    }
                }
            }
        }
    }
}

/// What a person said of it, behind what is said of it anyway.
fn said(finding: &Finding) -> &'static str {
    match finding.feedback {
        None => "",
        Some(Feedback::FalseAlarm) => ", marked as false alarm",
        Some(Feedback::Real) => ", marked as real",
    }
}
