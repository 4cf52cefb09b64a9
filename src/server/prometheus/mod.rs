//! The Prometheus query API, version 1: what Grafana, promtool and alerting tools ask.
//!
//! A request is read by [`parameters`], answered in its turn ([`allowance`]) by the engine or the evaluator, and written by
//! [`encode`] in Prometheus' own form, down to how a number looks. Errors become the envelope in [`error`].

use axum::{
    Router,
    extract::DefaultBodyLimit,
    routing::{MethodRouter, get},
};

mod allowance;
mod encode;
mod error;
mod parameters;
mod query;
mod rules;
mod series;
mod source;
mod status;

#[cfg(feature = "search")]
pub(super) use allowance::{Allowance, Asked, in_turn};
pub(crate) use error::ApiError;
pub(super) use error::ErrorType;
#[cfg(feature = "search")]
pub(super) use parameters::END_BEFORE_START;
pub(crate) use parameters::Parameters;

use super::app::App;

/// Largest form body, as in Prometheus.
const MAX_FORM_BYTES: usize = 10 << 20;

/// The routes below `/api/v1`.
pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/query", both(get(query::instant).post(query::instant)))
        .route("/query_range", both(get(query::range).post(query::range)))
        .route("/query_exemplars", get(query::exemplars).post(query::exemplars))
        .route("/format_query", both(get(query::format).post(query::format)))
        .route("/labels", both(get(series::labels).post(series::labels)))
        .route("/label/{name}/values", get(series::label_values))
        .route("/series", both(get(series::series).post(series::series)))
        .route("/metadata", get(series::metadata))
        .route("/rules", get(rules::rules))
        .route("/alerts", get(rules::alerts))
        .route("/status/buildinfo", get(status::buildinfo))
        .route("/status/runtimeinfo", get(status::runtimeinfo))
        .route("/status/flags", get(status::flags))
}

/// A route that takes a form body.
fn both(route: MethodRouter<App>) -> MethodRouter<App> {
    route.layer(DefaultBodyLimit::max(MAX_FORM_BYTES))
}
