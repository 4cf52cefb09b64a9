//! `/api/v1/templates`: the forms that the lines of a tenant's logs have, with exact counts.

use axum::{Json, extract::State};
use serde::Serialize;

use super::{
    app::App,
    clock::rfc3339,
    findings::word,
    prometheus::{ApiError, Parameters},
    tenant::Tenant,
    topics,
};
use crate::{
    engine::{TemplateList, TemplateRow},
    logs::{family::Family, parameters::Summary},
    signal::Severity,
};

/// Templates shown unless more are asked for.
const LIMIT: usize = 1_000;

/// A template as the API shows it.
#[derive(Debug, Serialize)]
pub(super) struct TemplateView {
    id: String,
    service: String,
    namespace: String,
    template: String,
    lines: u64,
    severity: Option<Severity>,
    family: Option<Family>,
    first_at: String,
    last_at: String,
    example: String,
    parameters: Vec<Summary>,
    /// What it is about, unless that is still to be found.
    topic: Option<TopicRef>,
}

/// A topic by its id and name.
#[derive(Clone, Debug, Serialize)]
struct TopicRef {
    id: String,
    name: String,
}

/// Templates, how many there are without `limit`, and the lines of all of them.
#[derive(Debug, Serialize)]
pub(super) struct TemplatesView {
    items: Vec<TemplateView>,
    total: usize,
    lines: u64,
}

impl TemplateView {
    fn of(row: TemplateRow, topic: Option<TopicRef>) -> Self {
        let label = |name| row.source.get(name).unwrap_or_default().to_owned();
        Self {
            family: row.family(),
            service: label("service"),
            namespace: label("namespace"),
            id: row.id,
            template: row.text,
            lines: row.lines,
            severity: row.severity,
            first_at: rfc3339(row.first),
            last_at: rfc3339(row.last),
            example: row.example,
            parameters: row.parameters,
            topic,
        }
    }
}

/// Templates of the tenant, by source, those with most lines first; `service`, `namespace`, `topic`, `severity`, `family`, `text`
/// (what the template must hold) and `limit` narrow it down.
pub(super) async fn list(
    State(app): State<App>,
    Tenant(tenant): Tenant,
    parameters: Parameters,
) -> Result<Json<TemplatesView>, ApiError> {
    let asked = TemplateList::of(|name| parameters.get(name));
    let severity: Option<Severity> = word(&parameters, "severity")?;
    let family: Option<Family> = word(&parameters, "family")?;
    let text = parameters.get("text").unwrap_or_default().to_owned();
    let limit = parameters.limit("limit")?.unwrap_or(LIMIT);
    let (rows, topics) = topics::look(&app, tenant, asked).await?;
    let mut about = vec![None; rows.len()];
    for topic in &topics {
        let named = TopicRef { id: topic.id(), name: topic.name.clone() };
        topic.rows.iter().for_each(|row| about[*row] = Some(named.clone()));
    }
    let topic = parameters.get("topic");
    let is_asked = |(row, about): &(TemplateRow, Option<TopicRef>)| {
        severity.is_none_or(|severity| row.severity == Some(severity))
            && row.text.contains(&text)
            && (family.is_none() || row.family() == family)
            && topic.is_none_or(|id| about.as_ref().is_some_and(|about| about.id == id))
    };
    let rows: Vec<_> = rows.into_iter().zip(about).filter(is_asked).collect();
    let (total, lines) = (rows.len(), rows.iter().map(|(row, _)| row.lines).sum());
    let items = rows.into_iter().take(limit).map(|(row, about)| TemplateView::of(row, about)).collect();
    Ok(Json(TemplatesView { items, total, lines }))
}
