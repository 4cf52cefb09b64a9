//! `/api/v1/findings`: vigie's own answers as plain JSON, for scripts and for JSON data sources.

use axum::{
    Json,
    extract::{Path, State},
    response::{IntoResponse, Redirect, Response},
};
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{
        Error as _, IntoDeserializer,
        value::{Error as WordError, StrDeserializer},
    },
};

use super::{
    app::App,
    clock::rfc3339,
    posted::Posted,
    prometheus::{ApiError, ErrorType, Parameters},
    tenant::Tenant,
};
use crate::{
    fleet::{Fleet, Unavailable},
    signal::{
        Command, Companion, Companions, Driver, Feedback, Finding, FindingScope, FindingStatus, Kind, Labels, Siblings,
        TenantId,
    },
};

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
    siblings: Option<Siblings>,
    companions: CompanionsView,
    feedback: Option<Feedback>,
    /// Examples of the log lines that it is about.
    lines: Vec<String>,
}

/// What else moved at the same time.
#[derive(Debug, Serialize)]
struct CompanionsView {
    series: u32,
    workloads: u32,
    strongest: Vec<CompanionView>,
}

#[derive(Debug, Serialize)]
struct CompanionView {
    metric: String,
    labels: Labels,
    evidence: Option<f32>,
    since: String,
}

impl From<Companions> for CompanionsView {
    fn from(companions: Companions) -> Self {
        let strongest = companions.strongest.into_iter().map(|Companion { labels, evidence, since }| CompanionView {
            metric: labels.metric().to_owned(),
            labels: labels.without_metric(),
            evidence: evidence.is_finite().then_some(evidence),
            since: rfc3339(since),
        });
        Self { series: companions.series, workloads: companions.workloads, strongest: strongest.collect() }
    }
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
            siblings: finding.siblings,
            companions: finding.companions.into(),
            feedback: finding.feedback,
            lines: finding.lines,
        }
    }
}

/// All findings of the tenant, firing first, newest first; `status`, `kind` and `limit` narrow it down.
pub(super) async fn list(
    State(app): State<App>,
    Tenant(tenant): Tenant,
    parameters: Parameters,
) -> Result<Json<FindingList>, ApiError> {
    let status: Option<FindingStatus> = word(&parameters, "status")?;
    let kind: Option<Kind> = word(&parameters, "kind")?;
    let limit = parameters.limit("limit")?.unwrap_or(usize::MAX);
    let mut findings = app.ask(move |engine| engine.findings(&tenant)).await?;
    findings.retain(|finding| status.is_none_or(|status| finding.status == status));
    findings.retain(|finding| kind.is_none_or(|kind| finding.kind == kind));
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
    let found = found.ok_or_else(|| no_such(&id))?;
    Ok(Json(FindingView::new(found, &app)))
}

/// What a person says of a finding.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Said {
    /// `null`, or nothing in a form, takes back what was said.
    #[serde(deserialize_with = "said")]
    feedback: Option<Feedback>,
}

fn said<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Feedback>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?.filter(|text| !text.is_empty());
    let read = |text: String| {
        let word: StrDeserializer<'_, WordError> = text.as_str().into_deserializer();
        Feedback::deserialize(word).map_err(D::Error::custom)
    };
    text.map(read).transpose()
}

/// Takes what a person says of a finding; answers with the finding as it is now.
pub(super) async fn judge(
    State(app): State<App>,
    Tenant(tenant): Tenant,
    Path(id): Path<String>,
    Posted { body: Said { feedback }, is_form }: Posted<Said>,
) -> Result<Response, ApiError> {
    let (whose, wanted) = (tenant.clone(), id.clone());
    let judged = app.ask(move |engine| tell(engine, &whose, wanted, feedback)).await?;
    let finding = judged.ok_or_else(|| no_such(&id))?;
    tracing::info!(%tenant, finding = finding.id, ?feedback, "a person judged a finding");
    if is_form {
        return Ok(Redirect::to(&format!("/findings/{}", finding.id)).into_response());
    }
    Ok(Json(FindingView::new(finding, &app)).into_response())
}

/// Blocks.
fn tell(
    engine: &Fleet,
    tenant: &TenantId,
    id: String,
    feedback: Option<Feedback>,
) -> Result<Option<Finding>, Unavailable> {
    // A tenant that is told something exists from then on; one without findings is not to be made by asking.
    if !engine.findings(tenant)?.iter().any(|finding| finding.id == id) {
        return Ok(None);
    }
    engine.tell(tenant, &Command::Judge { id, feedback })
}

fn no_such(id: &str) -> ApiError {
    ApiError::new(
        ErrorType::NotFound,
        format!("there is no finding {id:?}; those that are over are forgotten after a while"),
    )
}

/// The kind as the API writes it.
pub(super) fn slug(kind: Kind) -> String {
    serde_json::to_value(kind).ok().and_then(|kind| kind.as_str().map(str::to_owned)).unwrap_or_default()
}

/// A parameter that is one of the words of `T`.
pub(super) fn word<'a, T: Deserialize<'a>>(parameters: &'a Parameters, name: &str) -> Result<Option<T>, ApiError> {
    let Some(text) = parameters.get(name) else { return Ok(None) };
    let word: StrDeserializer<'a, WordError> = text.into_deserializer();
    let error = |error| ApiError::bad_data(format!("invalid parameter \"{name}\": {error}"));
    T::deserialize(word).map(Some).map_err(error)
}
