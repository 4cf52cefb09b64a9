//! `/api/v1/maintenance`: planned work, inside which nothing is raised and nothing learnt.
//!
//! Windows of the configuration hold for every tenant and are changed there; those of a tenant come and go here. The page
//! works by the same functions.

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use super::{
    app::App,
    clock::rfc3339,
    posted::Posted,
    prometheus::{ApiError, ErrorType},
    tenant::Tenant,
};
use crate::{
    config::{Fault, Period, WINDOWS_MAX as CONFIGURED_MAX, Window, moment},
    engine::PLANS_MAX,
    fleet::{Fleet, Unavailable},
    signal::{Command, Maintenance, TenantId, TimestampMs},
};

/// Windows that a tenant may have of its own. The engine keeps [`PLANS_MAX`] and lets the oldest go beyond that; the rest is
/// for those of the configuration, so that neither displaces the other.
const WINDOWS_MAX: usize = PLANS_MAX - CONFIGURED_MAX;

/// A window as the API shows it.
#[derive(Debug, Serialize)]
pub(crate) struct WindowView {
    pub(crate) id: String,
    #[serde(rename = "match")]
    pub(crate) selector: String,
    pub(crate) from: String,
    pub(crate) until: String,
    pub(crate) every: Option<Period>,
    pub(crate) comment: String,
    /// Whether it goes on now.
    pub(crate) active: bool,
    /// Whether it comes from the configuration and ends only there.
    pub(crate) configured: bool,
}

impl WindowView {
    fn new(work: Maintenance, now: TimestampMs) -> Self {
        Self {
            active: work.covers(now),
            configured: work.id.starts_with(Maintenance::CONFIGURED),
            id: work.id,
            selector: work.selector,
            from: rfc3339(work.from),
            until: rfc3339(work.until),
            every: work.every.map(Period::from_millis),
            comment: work.comment,
        }
    }
}

/// A list of windows.
#[derive(Debug, Serialize)]
pub(super) struct WindowList {
    items: Vec<WindowView>,
    total: usize,
}

/// A window as it is asked for. What is empty counts as absent, as a form leaves it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Asked {
    #[serde(rename = "match")]
    pub(crate) selector: String,
    /// Now when absent.
    pub(crate) from: Option<String>,
    pub(crate) until: Option<String>,
    /// Instead of `until`.
    #[serde(rename = "for")]
    pub(crate) length: Option<String>,
    pub(crate) every: Option<String>,
    pub(crate) comment: Option<String>,
}

impl Asked {
    /// The planned work, named by what it says: asking for the same twice plans it once.
    fn work(self, now: TimestampMs) -> Result<Maintenance, Fault> {
        let given = |text: Option<String>| text.filter(|text| !text.is_empty());
        let period = |key, text: Option<String>| match given(text) {
            None => Ok(None),
            Some(text) => text.parse::<Period>().map(Some).map_err(|error| Fault::new(key, error.to_string())),
        };
        let from = given(self.from).unwrap_or_else(|| rfc3339(now - now.rem_euclid(1_000)));
        let until = match (given(self.until), period("for", self.length)?) {
            (Some(until), None) => until,
            (None, Some(length)) => {
                let until = moment("from", &from)?.checked_add(length.as_millis()).map(rfc3339);
                until
                    .filter(|until| moment("until", until).is_ok())
                    .ok_or_else(|| Fault::new("for", "reaches beyond the calendar"))?
            }
            _ => return Err(Fault::new("until", "or \"for\" must be given, and not both")),
        };
        let (every, comment) = (period("every", self.every)?, self.comment.unwrap_or_default());
        let window = Window { selector: self.selector, from, until, every, comment };
        let mut work = window.work(String::new())?;
        if work.is_over(now) {
            return Err(Fault::new("until", "is in the past already"));
        }
        let says = (&work.selector, work.from, work.until, work.every, &work.comment);
        work.id = format!("{:016x}", xxh3_64(format!("{says:?}").as_bytes()));
        Ok(work)
    }
}

/// All windows of a tenant.
pub(super) async fn list(State(app): State<App>, Tenant(tenant): Tenant) -> Result<Json<WindowList>, ApiError> {
    let items = all_windows(&app, &tenant).await?;
    Ok(Json(WindowList { total: items.len(), items }))
}

/// Plans work.
pub(super) async fn add(
    State(app): State<App>,
    Tenant(tenant): Tenant,
    Posted { body, .. }: Posted<Asked>,
) -> Result<(StatusCode, Json<WindowView>), ApiError> {
    Ok((StatusCode::CREATED, Json(plan(&app, tenant, body).await?)))
}

/// Ends planned work.
pub(super) async fn end(
    State(app): State<App>,
    Tenant(tenant): Tenant,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    cancel(&app, tenant, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The windows that hold for a tenant: those of the configuration, then its own in the order of their beginnings.
pub(crate) async fn all_windows(app: &App, tenant: &TenantId) -> Result<Vec<WindowView>, ApiError> {
    let configured =
        app.config().planned().map_err(|problem| ApiError::new(ErrorType::Internal, problem.to_string()))?;
    let tenant = tenant.clone();
    let mut own = app.ask(move |engine| own(engine, &tenant)).await?;
    own.sort_by(|a, b| (a.from, &a.id).cmp(&(b.from, &b.id)));
    let now = app.now();
    Ok(configured.iter().cloned().chain(own).map(|work| WindowView::new(work, now)).collect())
}

/// Plans work for a tenant.
pub(crate) async fn plan(app: &App, tenant: TenantId, asked: Asked) -> Result<WindowView, ApiError> {
    let now = app.now();
    let invalid = |fault: Fault| ApiError::bad_data(format!("invalid \"{}\": {}", fault.key, fault.message));
    let work = asked.work(now).map_err(invalid)?;
    let (whose, shared, planned) = (tenant.clone(), app.clone(), work.clone());
    let has_room = app.ask(move |engine| {
        let _alone = shared.planning();
        let others = own(engine, &whose)?.iter().filter(|other| other.id != planned.id).count();
        if others < WINDOWS_MAX {
            engine.tell(&whose, &Command::Plan(planned))?;
        }
        Ok(others < WINDOWS_MAX)
    });
    if !has_room.await? {
        let text = format!("there are {WINDOWS_MAX} windows already; end one that is no longer needed");
        return Err(ApiError::new(ErrorType::Conflict, text));
    }
    tracing::info!(%tenant, window = work.id, selector = work.selector, "work was planned");
    Ok(WindowView::new(work, now))
}

/// Ends planned work of a tenant.
pub(crate) async fn cancel(app: &App, tenant: TenantId, id: String) -> Result<(), ApiError> {
    let (whose, wanted) = (tenant.clone(), id.clone());
    let is_there = app.ask(move |engine| {
        let is_there = own(engine, &whose)?.iter().any(|work| work.id == wanted);
        if is_there {
            engine.tell(&whose, &Command::Cancel(wanted))?;
        }
        Ok(is_there)
    });
    if is_there.await? {
        tracing::info!(%tenant, window = id, "planned work was ended");
        return Ok(());
    }
    let configured = app.config().planned().unwrap_or_default();
    Err(match configured.iter().any(|work| work.id == id) {
        true => ApiError::new(
            ErrorType::Conflict,
            format!(
                "{id:?} comes from the configuration file; remove it from `maintenance` there and start vigie again"
            ),
        ),
        false => {
            ApiError::new(ErrorType::NotFound, format!("there is no window {id:?}; it may be over or ended already"))
        }
    })
}

/// The windows that a tenant has of its own. Blocks.
fn own(engine: &Fleet, tenant: &TenantId) -> Result<Vec<Maintenance>, Unavailable> {
    let mut plans = engine.plans(tenant)?;
    plans.retain(|work| !work.id.starts_with(Maintenance::CONFIGURED));
    Ok(plans)
}
