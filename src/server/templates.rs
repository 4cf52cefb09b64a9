//! `/api/v1/templates`: the forms that the lines of a tenant's logs have, with exact counts.

use axum::{Json, extract::State};
use serde::Serialize;

use super::{
    app::App,
    clock::rfc3339,
    findings::word,
    prometheus::{ApiError, Parameters},
    tenant::Tenant,
};
use crate::{
    engine::{TemplateList, TemplateRow},
    logs::family::Family,
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
}

/// Templates, how many there are without `limit`, and the lines of all of them.
#[derive(Debug, Serialize)]
pub(super) struct TemplatesView {
    items: Vec<TemplateView>,
    total: usize,
    lines: u64,
}

impl From<TemplateRow> for TemplateView {
    fn from(row: TemplateRow) -> Self {
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
        }
    }
}

/// Templates of the tenant, by source, those with most lines first; `service`, `namespace`, `severity`, `family`, `text` (what the
/// template must hold) and `limit` narrow it down.
pub(super) async fn list(
    State(app): State<App>,
    Tenant(tenant): Tenant,
    parameters: Parameters,
) -> Result<Json<TemplatesView>, ApiError> {
    let named = |name| parameters.get(name).map(str::to_owned);
    let asked = TemplateList { service: named("service"), namespace: named("namespace") };
    let severity: Option<Severity> = word(&parameters, "severity")?;
    let family: Option<Family> = word(&parameters, "family")?;
    let text = named("text").unwrap_or_default();
    let limit = parameters.limit("limit")?.unwrap_or(LIMIT);
    let mut rows = app.ask(move |engine| engine.templates(&tenant, asked)).await?;
    rows.retain(|row| severity.is_none_or(|severity| row.severity == Some(severity)) && row.text.contains(&text));
    rows.retain(|row| family.is_none() || row.family() == family);
    let (total, lines) = (rows.len(), rows.iter().map(|row| row.lines).sum());
    let items = rows.into_iter().take(limit).map(TemplateView::from).collect();
    Ok(Json(TemplatesView { items, total, lines }))
}
