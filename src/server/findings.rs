//! `/api/v1/findings`: vigie's own answers as plain JSON, for scripts and for JSON data sources.

use axum::{
    Json,
    extract::{Path, State},
};
use serde::Serialize;

use super::{
    app::App,
    clock::rfc3339,
    prometheus::{ApiError, ErrorType, Parameters},
    tenant::Tenant,
};
use crate::signal::{Driver, Finding, FindingScope, FindingStatus, Kind, Labels};

/// A finding as the API shows it: every field in every row, times in RFC 3339.
#[derive(Debug, Serialize)]
pub(super) struct FindingView {
    id: String,
    scope: FindingScope,
    kind: Kind,
    status: FindingStatus,
    sentence: String,
    /// Where a person sees it drawn; a path of this server when it was not told its external URL.
    url: String,
    metric: String,
    labels: Labels,
    since: String,
    raised_at: String,
    updated_at: String,
    resolved_at: Option<String>,
    score: Option<f64>,
    peak_score: Option<f64>,
    seen: Option<f64>,
    expected: Option<f64>,
    lower: Option<f64>,
    upper: Option<f64>,
    is_rate: bool,
    model: u64,
    drivers: Vec<Driver>,
}

/// A list of findings, and how many there are without `limit`.
#[derive(Debug, Serialize)]
pub(super) struct FindingList {
    items: Vec<FindingView>,
    total: usize,
}

impl FindingView {
    fn new(finding: Finding, app: &App) -> Self {
        let base = app.config().server.external_url.as_deref().unwrap_or_default().trim_end_matches('/');
        // JSON has no NaN and no infinity; what is not a number is shown as absent.
        let number = |value: f64| value.is_finite().then_some(value);
        Self {
            url: format!("{base}/findings/{}", finding.id),
            id: finding.id,
            scope: finding.scope,
            kind: finding.kind,
            status: finding.status,
            sentence: finding.sentence,
            metric: finding.labels.metric().to_owned(),
            labels: finding.labels.without_metric(),
            since: rfc3339(finding.since),
            raised_at: rfc3339(finding.raised_at),
            updated_at: rfc3339(finding.updated_at),
            resolved_at: finding.resolved_at.map(rfc3339),
            score: number(finding.score),
            peak_score: number(finding.peak_score),
            seen: number(finding.seen),
            expected: number(finding.expected),
            lower: number(finding.lower),
            upper: number(finding.upper),
            is_rate: finding.is_rate,
            model: finding.model,
            drivers: finding.drivers,
        }
    }
}

/// All findings of the tenant, firing first, newest first; `status` and `limit` narrow it down.
pub(super) async fn list(
    State(app): State<App>,
    Tenant(tenant): Tenant,
    parameters: Parameters,
) -> Result<Json<FindingList>, ApiError> {
    let status = status(&parameters)?;
    let limit = parameters.limit("limit")?.unwrap_or(usize::MAX);
    let mut findings = app.ask(move |engine| engine.findings(&tenant)).await?;
    findings.retain(|finding| status.is_none_or(|status| finding.status == status));
    let total = findings.len();
    let items = findings.into_iter().take(limit).map(|finding| FindingView::new(finding, &app)).collect();
    Ok(Json(FindingList { items, total }))
}

/// One finding.
pub(super) async fn one(
    State(app): State<App>,
    Tenant(tenant): Tenant,
    Path(id): Path<String>,
) -> Result<Json<FindingView>, ApiError> {
    let findings = app.ask(move |engine| engine.findings(&tenant)).await?;
    let found = findings.into_iter().find(|finding| finding.id == id);
    let found = found.ok_or_else(|| ApiError::new(ErrorType::NotFound, format!("there is no finding {id:?}")))?;
    Ok(Json(FindingView::new(found, &app)))
}

fn status(parameters: &Parameters) -> Result<Option<FindingStatus>, ApiError> {
    match parameters.get("status") {
        None => Ok(None),
        Some("firing") => Ok(Some(FindingStatus::Firing)),
        Some("resolved") => Ok(Some(FindingStatus::Resolved)),
        Some(other) => Err(ApiError::bad_data(format!(
            "invalid parameter \"status\": {other:?} is neither \"firing\" nor \"resolved\""
        ))),
    }
}
