//! `/logs/templates`: the forms that the lines of logs have.

use std::collections::{BTreeMap, HashMap};

use axum::{extract::State, http::StatusCode, response::Response};
use maud::{Markup, PreEscaped, html};

use super::{
    page::{Refresh, link, moment, page, unavailable},
    plot::Spark,
    topics,
};
use crate::{
    engine::{Question, TEMPLATE_LINES, TemplateList, TemplateRow},
    fleet::{Fleet, Unavailable},
    logs::family::Family,
    server::{ApiError, App, NotReady, Parameters, Tenant, Told, look},
    signal::{Condition, FindingStatus, Labels, METRIC_NAME, Matcher, Severity, TenantId, TimestampMs},
};

/// Templates that are shown.
const SHOWN: usize = 200;
/// A template is new for a day, if its first line came when its service had been known for six hours.
const NEW_MS: i64 = 24 * 3_600_000;
const LEARNING_MS: i64 = 6 * 3_600_000;
/// Minutes that are drawn.
const MINUTES: usize = 120;
const MINUTE_MS: i64 = 60_000;

/// What narrows the list down.
struct Wanted {
    list: TemplateList,
    topic: Option<String>,
    severity: Option<Severity>,
    family: Option<Family>,
    text: String,
}

/// A template, and what is to be said of it.
struct Entry {
    row: TemplateRow,
    is_new: bool,
    /// An open finding about it.
    finding: Option<String>,
    /// Lines in each of the last minutes.
    minutes: Vec<u64>,
}

struct Listed {
    entries: Vec<Entry>,
    /// Templates, also those that are not shown, and all of their lines.
    total: usize,
    lines: u64,
    topics: Vec<Told>,
}

pub(super) async fn show(
    State(app): State<App>,
    Tenant(tenant): Tenant,
    parameters: Result<Parameters, ApiError>,
) -> Response {
    let now = app.now();
    let read = parameters.and_then(|parameters| Ok((Wanted::read(&parameters)?, parameters)));
    let (status, content) = match read {
        Ok((wanted, parameters)) => match Listed::of(&app, tenant, wanted).await {
            Ok(listed) => (
                StatusCode::OK,
                html! {
                    (form(&parameters))
                    (topics::table(&listed.topics, &parameters, now))
                    (table(&listed, &parameters, now))
                },
            ),
            Err(cause) => return unavailable(cause),
        },
        Err(error) => {
            let said = html! { (form(&Parameters::default())) p.wrong role="alert" { (error.to_string()) } };
            (error.status(), said)
        }
    };
    let content = html! {
        h1 { "Templates of log lines" }
        p { a href="/logs" { "the lines themselves" } }
        (content)
    };
    page(status, "templates", Refresh::Never, &content)
}

impl Wanted {
    fn read(parameters: &Parameters) -> Result<Self, ApiError> {
        let named = |name| parameters.get(name).map(str::to_owned);
        let severity = |word: &str| {
            let error = || ApiError::bad_data(format!("invalid parameter \"severity\": {word:?} is none"));
            Severity::from_word(word).ok_or_else(error)
        };
        let family = |name: &str| {
            let error = || ApiError::bad_data(format!("invalid parameter \"family\": {name:?} is none"));
            Family::from_name(name).ok_or_else(error)
        };
        Ok(Self {
            list: TemplateList::of(|name| parameters.get(name)),
            topic: named("topic"),
            severity: parameters.get("severity").map(severity).transpose()?,
            family: parameters.get("family").map(family).transpose()?,
            text: named("text").unwrap_or_default(),
        })
    }
}

impl Listed {
    async fn of(app: &App, tenant: TenantId, wanted: Wanted) -> Result<Self, NotReady> {
        let (rows, topics) = look(app, tenant.clone(), wanted.list.clone()).await?;
        let now = app.now();
        app.ask(move |engine| Self::asked(engine, &tenant, wanted, (rows, topics), now)).await
    }

    /// Asks the engine for what else is to be said of templates. Blocks.
    fn asked(
        engine: &Fleet,
        tenant: &TenantId,
        wanted: Wanted,
        (mut rows, topics): (Vec<TemplateRow>, Vec<Told>),
        now: TimestampMs,
    ) -> Result<Self, Unavailable> {
        let Wanted { topic, severity, family, text, .. } = wanted;
        let mut known_since = BTreeMap::<Labels, TimestampMs>::new();
        for row in &rows {
            let since = known_since.entry(row.source.clone()).or_insert(row.first);
            *since = row.first.min(*since);
        }
        if let Some(id) = topic {
            let mut places: Vec<usize> =
                topics.iter().filter(|topic| topic.id() == id).flat_map(|topic| topic.rows.clone()).collect();
            places.sort_unstable();
            rows = places.into_iter().map(|place| rows[place].clone()).collect();
        }
        rows.retain(|row| severity.is_none_or(|severity| row.severity == Some(severity)) && row.text.contains(&text));
        rows.retain(|row| family.is_none() || row.family() == family);
        let (total, lines) = (rows.len(), rows.iter().map(|row| row.lines).sum());
        let findings: HashMap<_, _> = engine
            .findings(tenant)?
            .into_iter()
            .filter(|finding| finding.status == FindingStatus::Firing && finding.labels.metric() == TEMPLATE_LINES)
            .map(|finding| (key(&finding.labels), finding.id))
            .collect();
        let entry = |row: TemplateRow| {
            let since = known_since.get(&row.source).copied().unwrap_or(row.first);
            Entry {
                is_new: row.first > now - NEW_MS && row.first - since >= LEARNING_MS,
                finding: findings.get(&key(&row.source.with("template", &row.id))).cloned(),
                minutes: vec![0; MINUTES],
                row,
            }
        };
        let mut entries: Vec<_> = rows.into_iter().map(entry).collect();
        // What is equal here stays by source.
        entries.sort_by_key(|entry| (!entry.is_new, entry.finding.is_none(), std::cmp::Reverse(entry.row.lines)));
        entries.truncate(SHOWN);
        draw(engine, tenant, &mut entries, now)?;
        Ok(Self { entries, total, lines, topics })
    }
}

/// By what a template is known among those of a tenant: its id, service and namespace.
fn key(labels: &Labels) -> [String; 3] {
    ["template", "service", "namespace"].map(|name| labels.get(name).unwrap_or_default().to_owned())
}

/// Fills in the lines of the last minutes.
fn draw(engine: &Fleet, tenant: &TenantId, entries: &mut [Entry], now: TimestampMs) -> Result<(), Unavailable> {
    let ids: Vec<_> = entries.iter().map(|entry| entry.row.id.as_str()).collect();
    let Ok(regex) = Matcher::regex(&ids.join("|")) else { return Ok(()) };
    let matchers = vec![
        Matcher::equal(METRIC_NAME, TEMPLATE_LINES),
        Matcher { name: "template".into(), condition: Condition::Matches(regex) },
    ];
    let until = now - now.rem_euclid(MINUTE_MS);
    let after = until - MINUTES as i64 * MINUTE_MS;
    // A minute's lines are what its counter has grown by.
    let before = after - MINUTE_MS;
    let question = Question { tenant: tenant.clone(), matchers, after: before, until, wants_labels_only: false };
    let found: HashMap<_, _> =
        engine.select(&question)?.into_iter().map(|(labels, samples)| (key(&labels), samples)).collect();
    for entry in entries {
        let Some(samples) = found.get(&key(&entry.row.source.with("template", &entry.row.id))) else { continue };
        for pair in samples.windows(2) {
            // A sample stands at the end of its minute.
            let minute = usize::try_from((pair[1].at - after - 1).div_euclid(MINUTE_MS));
            if let Some(lines) = minute.ok().and_then(|minute| entry.minutes.get_mut(minute)) {
                *lines = (pair[1].value - pair[0].value).max(0.0) as u64;
            }
        }
    }
    Ok(())
}

fn form(asked: &Parameters) -> Markup {
    let text = |name: &str| asked.get(name).unwrap_or_default();
    html! {
        form.plan method="get" action="/logs/templates" role="search" {
            @for name in ["text", "service", "namespace"] {
                label for=(name) { (name) }
                input id=(name) name=(name) value=(text(name));
            }
            @if let Some(topic) = asked.get("topic") {
                label for="topic" { "topic" }
                input id="topic" name="topic" value=(topic);
            }
            label for="severity" { "severity" }
            select id="severity" name="severity" {
                option value="" { "any" }
                @for severity in Severity::ALL.iter().rev().map(|severity| severity.as_str()) {
                    option value=(severity) selected[severity == text("severity")] { (severity) }
                }
            }
            label for="family" { "error" }
            select id="family" name="family" {
                option value="" { "any, or none" }
                @for family in Family::ALL.map(Family::as_str) {
                    option value=(family) selected[family == text("family")] { (family) }
                }
            }
            span {}
            span { button { "look" } }
        }
    }
}

fn table(listed: &Listed, asked: &Parameters, now: TimestampMs) -> Markup {
    let Listed { entries, total, lines, .. } = listed;
    let kept = ["text", "service", "namespace", "topic", "severity", "family"];
    let kept: Vec<_> = kept.iter().filter_map(|name| Some((*name, asked.get(name)?))).collect();
    html! {
        @if entries.is_empty() {
            p.quiet { "No templates." }
        } @else {
            p.quiet {
                (total) " templates, " (lines) " lines"
                @if entries.len() < *total {
                    "; " (entries.len()) " are shown, " (total - entries.len()) " more are not: ask for a service, or a word"
                }
                "."
            }
            table.templates {
                thead { tr { th scope="col" { "lines" } th scope="col" { "template" } th scope="col" { "severity" } th scope="col" { "first, last" } th scope="col" { "last 2 hours" } } }
                tbody { @for entry in entries { (line(entry, now)) } }
            }
            p { a href=(link("/api/v1/templates", &kept)) { "the same as JSON" } }
        }
    }
}

fn line(entry: &Entry, now: TimestampMs) -> Markup {
    let Entry { row, is_new, finding, minutes } = entry;
    let severity = row.severity.map_or("", Severity::as_str);
    let label = |name| row.source.get(name).unwrap_or_default();
    let lines =
        [("service", label("service")), ("namespace", label("namespace")), ("template", &row.id), ("since", "1d")];
    let lines: Vec<_> = lines.into_iter().filter(|(_, value)| !value.is_empty()).collect();
    let title = format!("at most {} lines a minute", minutes.iter().max().copied().unwrap_or_default());
    html! {
        tr {
            td.number { (row.lines) }
            td {
                @if *is_new { b.warn { "new" } " " }
                @if let Some(id) = finding { a.firing href={ "/findings/" (id) } { "unusual" } " " }
                (label("service")) @if !label("namespace").is_empty() { span.quiet { " in " (label("namespace")) } }
                " " a href=(link("/logs", &lines)) { code { (row.id) } }
                details {
                    summary { code { (form_of_lines(&row.text)) } }
                    blockquote { code { (row.example) } }
                    @if !row.parameters.is_empty() {
                        ol { @for parameter in &row.parameters { li { span.hole { "<*>" } " " (parameter) } } }
                    }
                }
            }
            td {
                span class=(severity) { (severity) }
                @if let Some(family) = row.family() { br; span.quiet { (family) } }
            }
            td { (moment(row.first, now)) br; (moment(row.last, now)) }
            td { (PreEscaped(Spark { title: &title, numbers: minutes, height: 24 }.svg())) }
        }
    }
}

/// The text of a template, what differs between lines set back.
fn form_of_lines(text: &str) -> Markup {
    html! {
        @for (i, part) in text.split("<*>").enumerate() {
            @if i > 0 { span.hole { "<*>" } }
            (part)
        }
    }
}
