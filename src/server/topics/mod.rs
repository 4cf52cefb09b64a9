//! `/api/v1/topics`: what the lines of a tenant's logs are about.
//!
//! Topics are derived from templates and kept nowhere else: after a start they are found anew. That is done beside the
//! handlers, source by source, and at once for a small source that is asked for before.

mod kept;

use std::{
    convert::Infallible,
    time::{Duration, Instant},
};

use axum::{Json, extract::State};
use serde::Serialize;

pub(crate) use self::kept::{Told, Topics};
use super::{
    app::{App, NotReady},
    clock::rfc3339,
    prometheus::{ApiError, Parameters},
    tenant::Tenant,
};
use crate::{
    engine::{SourceRow, TemplateList, TemplateRow},
    signal::{Severity, TenantId},
};

/// Time between two looks for sources whose templates have changed.
const LOOK_EVERY: Duration = Duration::from_secs(60);
/// For each second that finding topics takes, others have this many.
const REST: u32 = 9;
/// Topics shown unless more are asked for.
const LIMIT: usize = 1_000;
/// Templates shown of each.
const SHOWN: usize = 10;
/// Templates of a topic whose lines are looked for, those with most lines.
#[cfg(feature = "search")]
const SEARCHED: usize = 1_000;

/// A topic as the API shows it.
#[derive(Debug, Serialize)]
pub(super) struct TopicView {
    id: String,
    service: String,
    namespace: String,
    name: String,
    lines: u64,
    severity: Option<Severity>,
    first_at: String,
    last_at: String,
    /// How many there are.
    templates_total: usize,
    templates: Vec<Part>,
}

/// A template of a topic.
#[derive(Debug, Serialize)]
struct Part {
    id: String,
    template: String,
    lines: u64,
}

/// Topics, and how many there are without `limit`.
#[derive(Debug, Serialize)]
pub(super) struct TopicsView {
    items: Vec<TopicView>,
    total: usize,
}

impl TopicView {
    fn of(topic: &Told, rows: &[TemplateRow]) -> Self {
        let label = |name| topic.source.get(name).unwrap_or_default().to_owned();
        let part = |row: &TemplateRow| Part { id: row.id.clone(), template: row.text.clone(), lines: row.lines };
        Self {
            id: topic.id(),
            service: label("service"),
            namespace: label("namespace"),
            name: topic.name.clone(),
            lines: topic.lines,
            severity: topic.severity,
            first_at: rfc3339(topic.first),
            last_at: rfc3339(topic.last),
            templates_total: topic.rows.len(),
            templates: topic.rows.iter().take(SHOWN).map(|row| part(&rows[*row])).collect(),
        }
    }
}

/// Topics of the tenant, those with most lines first; `service`, `namespace` and `limit` narrow it down.
pub(super) async fn list(
    State(app): State<App>,
    Tenant(tenant): Tenant,
    parameters: Parameters,
) -> Result<Json<TopicsView>, ApiError> {
    let asked = TemplateList::of(|name| parameters.get(name));
    let limit = parameters.limit("limit")?.unwrap_or(LIMIT);
    let (rows, topics) = look(&app, tenant, asked).await?;
    let items = topics.iter().take(limit).map(|topic| TopicView::of(topic, &rows)).collect();
    Ok(Json(TopicsView { items, total: topics.len() }))
}

/// Templates of a tenant, see [`Fleet::templates`](crate::fleet::Fleet::templates), and what they are about.
///
/// # Errors
/// The engine cannot be asked now.
pub(crate) async fn look(
    app: &App,
    tenant: TenantId,
    asked: TemplateList,
) -> Result<(Vec<TemplateRow>, Vec<Told>), NotReady> {
    let (shared, now) = (app.clone(), app.now());
    app.ask(move |engine| {
        let rows = engine.templates(&tenant, asked)?;
        let topics = shared.topics().of(&tenant, &rows, now);
        Ok((rows, topics))
    })
    .await
}

/// The source of the topic with this id, 16 hexadecimal digits, and its templates with most lines: a thousand at most.
///
/// # Errors
/// The tenant has no such topic, or the engine cannot be asked now.
#[cfg(feature = "search")]
pub(super) async fn templates_of(
    app: &App,
    tenant: &TenantId,
    id: &str,
) -> Result<(crate::signal::Labels, Vec<u64>), ApiError> {
    let error = || ApiError::bad_data(format!("invalid parameter \"topic\": {id:?} is none, or not any more"));
    let number = u64::from_str_radix(id, 16).map_err(|_| error())?;
    let mut found = app.topics().find(tenant, number);
    if found.is_none() {
        look(app, tenant.clone(), TemplateList::default()).await?;
        found = app.topics().find(tenant, number);
    }
    let (source, topic) = found.ok_or_else(error)?;
    Ok((source, topic.templates.iter().take(SEARCHED).map(|template| template.0).collect()))
}

/// Finds topics for ever, as templates change.
pub(super) async fn refresh(app: &App) -> Infallible {
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let Ok(sources) = app.ask(|engine| engine.log_sources()).await else { continue };
        app.topics().forget_all_but(&sources);
        for source in sources.into_iter().filter(|source| app.topics().is_due(source, app.now())) {
            let began = Instant::now();
            renew(app, source).await;
            tokio::time::sleep(began.elapsed() * REST).await;
        }
    }
}

/// Finds the topics of a source, on a thread of its own that holds up neither the engine nor its end.
async fn renew(app: &App, row: SourceRow) {
    let SourceRow { tenant, source, size } = row;
    let (whose, asked) = (tenant.clone(), TemplateList::of(|name| Some(source.get(name).unwrap_or_default())));
    let Ok(rows) = app.ask(move |engine| engine.templates(&whose, asked)).await else { return };
    let (shared, now) = (app.clone(), app.now());
    let found = tokio::task::spawn_blocking(move || shared.topics().renew(&tenant, &source, &rows, Some(size), now));
    if let Err(error) = found.await {
        tracing::error!(%error, "looking for the topics of a source ended by a fault");
    }
}

#[cfg(test)]
mod tests;
