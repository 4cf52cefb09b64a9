//! Asking for log lines: Loki's query API, as much of it as Grafana's data source and logcli use, and vigie's own.
//!
//! A request is read by [`question`] and answered in its turn, among all queries and within their limits, by LogQL over
//! the index ([`ask`]). Errors are plain text with a status, as Loki's are; [`found`] is vigie's own and has its envelope.

use axum::{
    Json, Router,
    extract::DefaultBodyLimit,
    http::StatusCode,
    routing::{MethodRouter, get},
};
use serde_json::{Value, json};

mod found;
mod query;
mod question;
mod streams;

#[cfg(feature = "ui")]
pub(crate) use found::{Found, Histogram, Line, UNKNOWN, Wanted, services};

use super::{
    app::App,
    prometheus::{Allowance, ApiError, Asked, in_turn},
};
use crate::{
    logql::Error,
    promql,
    search::{SearchError, Searcher},
};

/// Largest form body.
const MAX_FORM_BYTES: usize = 1 << 20;

/// The routes.
pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/loki/api/v1/query", both(get(query::instant).post(query::instant)))
        .route("/loki/api/v1/query_range", both(get(query::range).post(query::range)))
        .route("/loki/api/v1/labels", both(get(streams::labels).post(streams::labels)))
        .route("/loki/api/v1/label", both(get(streams::labels).post(streams::labels)))
        .route("/loki/api/v1/label/{name}/values", both(get(streams::values).post(streams::values)))
        .route("/loki/api/v1/series", both(get(streams::series).post(streams::series)))
        .route("/loki/api/v1/index/stats", both(get(streams::stats).post(streams::stats)))
        .route("/loki/api/v1/index/volume", both(get(streams::volume).post(streams::volume)))
        .route("/loki/api/v1/index/volume_range", both(get(streams::volume_range).post(streams::volume_range)))
        .route("/loki/api/v1/tail", get(tail))
        .route("/loki/api/v1/status/buildinfo", get(buildinfo))
        .route("/api/v1/logs", get(found::list))
}

/// A route that takes a form body.
fn both(route: MethodRouter<App>) -> MethodRouter<App> {
    route.layer(DefaultBodyLimit::max(MAX_FORM_BYTES))
}

async fn tail() -> (StatusCode, &'static str) {
    (StatusCode::NOT_IMPLEMENTED, "vigie does not follow logs live yet; ask query_range again for what is new\n")
}

/// Who answers; without an envelope, as in Loki.
async fn buildinfo() -> Json<Value> {
    Json(json!({
        "version": env!("CARGO_PKG_VERSION"), "revision": "", "branch": "", "buildUser": "", "buildDate": "", "goVersion": "",
    }))
}

/// Asks the index in turn, on a thread of its own, for as long as somebody waits for the answer.
async fn ask<T: Send + 'static>(
    app: &App,
    asked: Asked,
    question: impl FnOnce(&Searcher) -> Result<T, Error> + Send + 'static,
) -> Result<T, ApiError> {
    let index = app.index()?;
    in_turn(app, asked, move |allowance| {
        let mine = allowance.clone();
        let index = index.while_wanted(move || mine.interrupt().is_none());
        question(&index).map_err(|error| failed(error, allowance))
    })
    .await
}

/// What went wrong, in the words that all queries share.
fn failed(error: Error, allowance: &Allowance) -> promql::Error {
    match error {
        Error::Search(SearchError::Interrupted) => allowance.check().err().unwrap_or(promql::Error::Canceled),
        error if error.is_of_the_query() => promql::Error::BadParameter(error.to_string()),
        error => {
            tracing::error!(%error, "the index over log lines cannot be read");
            promql::Error::Source(error.to_string())
        }
    }
}
