//! Without the index there are no lines to ask for.

use axum::{Router, http::StatusCode, routing::any};

use super::app::App;

/// The routes that need the index.
pub(super) fn routes() -> Router<App> {
    Router::new().route("/loki/api/v1/{*rest}", any(absent)).route("/api/v1/logs", any(absent))
}

async fn absent() -> (StatusCode, &'static str) {
    (StatusCode::NOT_IMPLEMENTED, "this vigie was built without the feature `search` and keeps no log lines\n")
}
