//! `/api/v1/log_sessions`: what is known of the sessions in a tenant's logs, and which were broken of late.

use axum::{Json, extract::State};
use serde::Serialize;

use super::{
    app::App,
    clock::rfc3339,
    prometheus::{ApiError, Parameters},
    tenant::Tenant,
};
use crate::engine::{SessionsRow, TemplateList};

/// The sessions of a source as the API shows them.
#[derive(Debug, Serialize)]
pub(super) struct SessionsView {
    service: String,
    namespace: String,
    state: &'static str,
    since: String,
    ended: u64,
    open: usize,
    one_of: u64,
    whole: u64,
    broken: u64,
    relations: Vec<String>,
    last_broken: Vec<BrokenView>,
}

#[derive(Debug, Serialize)]
struct BrokenView {
    id: String,
    at: String,
    broken: Vec<String>,
    line: String,
}

/// Sources that have sessions.
#[derive(Debug, Serialize)]
pub(super) struct ListView {
    items: Vec<SessionsView>,
    total: usize,
}

impl From<SessionsRow> for SessionsView {
    fn from(row: SessionsRow) -> Self {
        let label = |name| row.source.get(name).unwrap_or_default().to_owned();
        let broken = row.last_broken.into_iter().map(|session| BrokenView {
            id: session.id,
            at: rfc3339(session.at),
            broken: session.broken,
            line: session.line,
        });
        Self {
            service: label("service"),
            namespace: label("namespace"),
            state: if row.is_learnt { "learnt" } else { "learning" },
            since: rfc3339(row.since),
            ended: row.ended,
            open: row.open,
            one_of: row.one_of,
            whole: row.whole,
            broken: row.broken,
            relations: row.relations,
            last_broken: broken.collect(),
        }
    }
}

/// The sources of the tenant whose lines have ids of sessions, by name; `service` and `namespace` narrow it down.
pub(super) async fn list(
    State(app): State<App>,
    Tenant(tenant): Tenant,
    parameters: Parameters,
) -> Result<Json<ListView>, ApiError> {
    let asked = TemplateList::of(|name| parameters.get(name));
    let rows = app.ask(move |engine| engine.log_sessions(&tenant, asked)).await?;
    let items: Vec<_> = rows.into_iter().map(SessionsView::from).collect();
    Ok(Json(ListView { total: items.len(), items }))
}
