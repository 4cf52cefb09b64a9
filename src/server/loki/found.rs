//! `/api/v1/logs`: lines and their numbers over time, in vigie's own words; the page shows the same.

use std::{collections::BTreeMap, ops::Range};

use axum::{Json, extract::State};
use chrono::{DateTime, SecondsFormat};
use serde::Serialize;

use super::{
    ask,
    question::{QUERY_SPAN, SECOND, lines, order, span},
};
use crate::{
    logql::{self, Expr},
    logs::TemplateId,
    search::{Count, Grouping, Hit, Order, Phrase, Query, Searcher, Windows},
    server::{
        app::App,
        prometheus::{ApiError, Asked, Parameters},
        tenant::Tenant,
        topics,
    },
    signal::{Labels, Matcher, Severity, TenantId, TimestampMs, TimestampNs},
};

/// Lengths of a histogram's bars, in seconds; beyond them whole days.
const BARS_S: [i64; 17] = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200];
const DAY_S: i64 = 86_400;

/// What may be asked for without a query.
const WORDS: [&str; 7] = ["text", "service", "namespace", "severity", "template", "topic", "trace_id"];

/// Ids of templates by which lines are looked for.
const TEMPLATES: usize = 2_000;

/// Most bars.
const MOST_BARS: i64 = 120;

/// The severity of lines without one, as it is asked for and answered.
pub(crate) const UNKNOWN: &str = "unknown";

/// Which lines.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    pub(crate) query: Query,
    pub(crate) limit: usize,
    order: Order,
    /// As the log shows it.
    text: String,
}

/// A line.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Line {
    /// RFC 3339, with nanoseconds.
    pub(crate) at: String,
    pub(crate) labels: Labels,
    pub(crate) severity: Option<Severity>,
    pub(crate) template: String,
    pub(crate) trace_id: Option<String>,
    pub(crate) line: String,
    pub(crate) attributes: BTreeMap<String, String>,
    #[serde(skip)]
    pub(crate) at_ns: TimestampNs,
}

/// How many lines there were over time.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Histogram {
    /// The beginning of the first bar.
    pub(crate) start: String,
    /// Length of a bar.
    pub(crate) step_seconds: i64,
    /// For each severity the lines in each bar.
    pub(crate) counts: BTreeMap<&'static str, Vec<u64>>,
    /// All of them.
    pub(crate) total: u64,
    #[serde(skip)]
    pub(crate) start_ms: TimestampMs,
}

/// What was found.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Found {
    pub(crate) lines: Vec<Line>,
    pub(crate) histogram: Histogram,
    /// Whether there may be more, because the search cost as much as one may.
    pub(crate) partial: bool,
    /// From when on was looked.
    #[serde(skip)]
    pub(crate) start_ns: TimestampNs,
}

/// The lines that are asked for.
pub(super) async fn list(
    State(app): State<App>,
    Tenant(tenant): Tenant,
    parameters: Parameters,
) -> Result<Json<Found>, ApiError> {
    let wanted = Wanted::read(&parameters, tenant, &app).await?;
    wanted.find(&app).await.map(Json)
}

impl Wanted {
    /// Reads `query`, or `text`, `service`, `namespace`, `severity`, `template`, `topic` and `trace_id`; and `start`, `end`, `since`,
    /// `limit` and `direction`, which are as in Loki's API.
    pub(crate) async fn read(parameters: &Parameters, tenant: TenantId, app: &App) -> Result<Self, ApiError> {
        let span = span(parameters, app.now(), QUERY_SPAN)?;
        let all = Query::all(tenant, span.start, span.end);
        let mut query = match parameters.get("query") {
            Some(text) => by_query(text, parameters, all)?,
            None => by_topic(parameters, by_words(parameters, all)?, app).await?,
        };
        query.templates = with_earlier_ids(app, &query).await?;
        let text = ["query"].iter().chain(&WORDS).filter_map(|name| parameters.get(name)).collect::<Vec<_>>().join(" ");
        Ok(Self { query, limit: lines(parameters)?, order: order(parameters)?, text: format!("lines {text}") })
    }

    /// Asks the index.
    pub(crate) async fn find(self, app: &App) -> Result<Found, ApiError> {
        let Self { query, limit, order, text } = self;
        let asked = Asked { tenant: query.tenant.clone(), text, timeout: app.config().query.timeout.get() };
        ask(app, asked, move |index| {
            let found = index.search(&query, limit, order)?;
            let (histogram, is_partial) = Histogram::of(index, &query)?;
            let lines = found.lines.into_iter().map(Line::from).collect();
            Ok(Found { lines, histogram, partial: found.is_partial || is_partial, start_ns: query.from })
        })
        .await
    }
}

/// The services that have lines in a stretch of time.
#[cfg(feature = "ui")]
pub(crate) async fn services(app: &App, tenant: TenantId, span: Range<TimestampNs>) -> Result<Vec<String>, ApiError> {
    let timeout = app.config().query.timeout.get();
    let asked = Asked { tenant: tenant.clone(), text: "values of service".to_owned(), timeout };
    let query = Query::all(tenant, span.start, span.end);
    ask(app, asked, move |index| Ok(index.label_values(&query, "service")?.into_iter().collect())).await
}

/// LogQL, which says everything itself.
fn by_query(text: &str, parameters: &Parameters, all: Query) -> Result<Query, ApiError> {
    for name in WORDS {
        if parameters.get(name).is_some() {
            return Err(ApiError::bad_data(format!(
                "invalid parameter {name:?}: say it in \"query\", or without that"
            )));
        }
    }
    match logql::parse(text) {
        Ok(Expr::Logs(logs)) => Ok(logs.query(&all.tenant, all.from, all.to)),
        Ok(_) => Err(ApiError::bad_data("invalid parameter \"query\": it asks for numbers, not for lines")),
        Err(error) => Err(ApiError::bad_data(format!("invalid parameter \"query\": {error}"))),
    }
}

fn by_words(parameters: &Parameters, all: Query) -> Result<Query, ApiError> {
    let given = |name: &'static str| parameters.all(name).filter(|value| !value.is_empty()).collect::<Vec<_>>();
    let severity = |word: &str| match (word, Severity::from_word(word)) {
        (UNKNOWN, _) => Ok(None),
        (_, Some(severity)) => Ok(Some(severity)),
        (_, None) => Err(ApiError::bad_data(format!("invalid parameter \"severity\": {word:?} is none"))),
    };
    let template = |id: &str| {
        u64::from_str_radix(id, 16)
            .map_err(|_| ApiError::bad_data("invalid parameter \"template\": expected up to 16 hexadecimal digits"))
    };
    let severities = given("severity").into_iter().map(severity).collect::<Result<Vec<_>, _>>()?;
    let templates = given("template").into_iter().map(template).collect::<Result<Vec<_>, _>>()?;
    Ok(Query {
        matchers: ["service", "namespace"]
            .iter()
            .filter_map(|name| Some(Matcher::equal(name, parameters.get(name)?)))
            .collect(),
        phrases: parameters.get("text").map(Phrase::parse).unwrap_or_default(),
        severities: (!severities.is_empty()).then_some(severities),
        templates: (!templates.is_empty()).then_some(templates),
        trace_id: parameters.get("trace_id").map(str::to_owned),
        ..all
    })
}

/// The templates of a query, and what their lines were called before two of them turned out to be one.
async fn with_earlier_ids(app: &App, query: &Query) -> Result<Option<Vec<u64>>, ApiError> {
    let Some(asked) = &query.templates else { return Ok(None) };
    let (tenant, asked) = (query.tenant.clone(), asked.iter().map(|id| TemplateId(*id)).collect());
    let all = app.ask(move |engine| engine.template_ids(&tenant, asked)).await?;
    Ok(Some(all.into_iter().take(TEMPLATES).map(|id| id.0).collect()))
}

/// Of what a query means the lines of a topic.
async fn by_topic(parameters: &Parameters, mut query: Query, app: &App) -> Result<Query, ApiError> {
    let Some(id) = parameters.get("topic") else { return Ok(query) };
    let (source, mut templates) = topics::templates_of(app, &query.tenant, id).await?;
    if let Some(asked) = &query.templates {
        templates.retain(|template| asked.contains(template));
    }
    query.templates = Some(templates);
    query.matchers.extend(source.iter().map(|(name, value)| Matcher::equal(name, value)));
    Ok(query)
}

impl From<Hit> for Line {
    fn from(hit: Hit) -> Self {
        Self {
            at: DateTime::from_timestamp_nanos(hit.at).to_rfc3339_opts(SecondsFormat::AutoSi, true),
            labels: hit.labels,
            severity: hit.severity,
            template: format!("{:016x}", hit.template),
            trace_id: Some(hit.trace_id).filter(|id| !id.is_empty()),
            line: hit.line,
            attributes: hit.attributes.into_iter().collect(),
            at_ns: hit.at,
        }
    }
}

impl Histogram {
    /// The numbers of all that a query means, and whether some may be missing.
    fn of(index: &Searcher, query: &Query) -> Result<(Self, bool), logql::Error> {
        let step_seconds = step_s(&(query.from..query.to));
        let step = step_seconds * SECOND;
        let start = query.from.div_euclid(step).saturating_mul(step);
        // A window is closed at its end, a bar at its beginning.
        let windows = Windows {
            start: start.saturating_add(step - 1),
            end: query.to.saturating_add(step - 2),
            step,
            range: step,
        };
        let grouping = Grouping::By(vec!["detected_level".to_owned()]);
        let found = index.histogram(query, &windows, &grouping, Count::Lines)?;
        let mut counts: BTreeMap<&'static str, Vec<u64>> = BTreeMap::new();
        for (labels, numbers) in found.groups {
            let severity = labels.get("detected_level").and_then(Severity::from_word);
            let sums =
                counts.entry(severity.map_or(UNKNOWN, Severity::as_str)).or_insert_with(|| vec![0; numbers.len()]);
            sums.iter_mut().zip(numbers).for_each(|(sum, number)| *sum += number);
        }
        let histogram = Self {
            start: DateTime::from_timestamp_nanos(start).to_rfc3339_opts(SecondsFormat::AutoSi, true),
            step_seconds,
            total: counts.values().flatten().sum(),
            counts,
            start_ms: start.div_euclid(1_000_000),
        };
        Ok((histogram, found.is_partial))
    }
}

/// How long a bar is.
fn step_s(span: &Range<TimestampNs>) -> i64 {
    let wanted = span.end.saturating_sub(span.start) / SECOND / MOST_BARS + 1;
    let whole_days = || (wanted + DAY_S - 1) / DAY_S * DAY_S;
    BARS_S.into_iter().find(|step| *step >= wanted).unwrap_or_else(whole_days)
}
