//! `/maintenance`: planned work, inside which nothing is raised.

use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};
use maud::{Markup, html};
use serde::Deserialize;

use super::page::{Refresh, page};
use crate::{
    server::{ApiError, App, Asked, Posted, Tenant, WindowView, all_windows, cancel, plan},
    signal::TenantId,
};

/// Length of `2026-11-21T02:00`, as a browser gives a time: without seconds and zone.
const MINUTE_LEN: usize = 16;

pub(super) async fn show(State(app): State<App>, Tenant(tenant): Tenant) -> Response {
    answer(&app, &tenant, None, &Asked::default()).await
}

pub(super) async fn add(
    State(app): State<App>,
    Tenant(tenant): Tenant,
    posted: Result<Posted<Asked>, ApiError>,
) -> Response {
    let asked = match posted {
        Ok(Posted { body, .. }) => body,
        Err(error) => return answer(&app, &tenant, Some(&error), &Asked::default()).await,
    };
    // The page asks for UTC.
    let with_zone = |at: String| if at.len() == MINUTE_LEN { at + ":00Z" } else { at };
    let wanted = Asked { from: asked.from.clone().map(with_zone), ..asked.clone() };
    match plan(&app, tenant.clone(), wanted).await {
        Ok(_) => Redirect::to("/maintenance").into_response(),
        Err(error) => answer(&app, &tenant, Some(&error), &asked).await,
    }
}

/// A form without fields.
#[derive(Debug, Deserialize)]
pub(super) struct Nothing {}

pub(super) async fn end(
    State(app): State<App>,
    Tenant(tenant): Tenant,
    Path(id): Path<String>,
    posted: Result<Posted<Nothing>, ApiError>,
) -> Response {
    let ended = match posted {
        Ok(_) => cancel(&app, tenant.clone(), id).await,
        Err(error) => Err(error),
    };
    match ended {
        Ok(()) => Redirect::to("/maintenance").into_response(),
        Err(error) => answer(&app, &tenant, Some(&error), &Asked::default()).await,
    }
}

/// The page, with what went wrong and what was asked for then.
async fn answer(app: &App, tenant: &TenantId, wrong: Option<&ApiError>, asked: &Asked) -> Response {
    let listed = all_windows(app, tenant).await;
    let wrong = wrong.or(listed.as_ref().err());
    let content = html! {
        h1 { "Maintenance" }
        p {
            "Inside these windows nothing is raised about the series they select, and nothing is learnt from them. Times are UTC."
        }
        @if let Some(error) = wrong { p.wrong role="alert" { (error.to_string()) } }
        @if let Ok(windows) = &listed { (table(windows)) }
        h2 { "Plan work" }
        (form(asked))
    };
    let status = wrong.map_or(StatusCode::OK, ApiError::status);
    page(status, "maintenance", Refresh::Never, &content)
}

fn table(windows: &[WindowView]) -> Markup {
    html! {
        @if windows.is_empty() {
            p.quiet { "Nothing is planned." }
        } @else {
            table {
                thead {
                    tr {
                        th scope="col" { "series" } th scope="col" { "why" } th scope="col" { "from" } th scope="col" { "until" }
                        th scope="col" { "every" } th scope="col" { "now" } th scope="col" { "" }
                    }
                }
                tbody { @for window in windows { (row(window)) } }
            }
        }
    }
}

fn row(window: &WindowView) -> Markup {
    html! {
        tr {
            td { code { (window.selector) } }
            td { (window.comment) }
            td { time datetime=(window.from) { (spaced(&window.from)) } }
            td { time datetime=(window.until) { (spaced(&window.until)) } }
            td { @if let Some(every) = window.every { (every) } }
            td { @if window.active { b { "goes on" } } @else { "not now" } }
            td {
                @if window.configured {
                    span.quiet { "in the configuration" }
                } @else {
                    form method="post" action={ "/maintenance/" (window.id) "/end" } { button { "end" } }
                }
            }
        }
    }
}

/// A time as people read it.
fn spaced(at: &str) -> String {
    at.trim_end_matches('Z').replace('T', " ")
}

fn form(asked: &Asked) -> Markup {
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    html! {
        form.plan method="post" action="/maintenance" {
            label for="match" { "series" }
            input id="match" name="match" required placeholder="{job=\"db\"}" value=(asked.selector);
            label for="from" { "from (UTC)" }
            span { input id="from" name="from" type="datetime-local" value=(text(&asked.from)); " now when empty" }
            label for="for" { "for" }
            input id="for" name="for" required placeholder="2h" value=(text(&asked.length));
            label for="every" { "again every" }
            input id="every" name="every" placeholder="once; 1d, 7d …" value=(text(&asked.every));
            label for="comment" { "why" }
            input id="comment" name="comment" maxlength="1000" value=(text(&asked.comment));
            span {}
            span { button { "plan" } }
        }
    }
}
