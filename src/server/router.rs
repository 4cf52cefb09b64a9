//! The routes, as a table of contents.

use axum::{
    Router,
    extract::Request,
    http::StatusCode,
    middleware,
    response::{IntoResponse, Response},
    routing::{delete, get, post},
};
use tower_http::compression::CompressionLayer;

use super::{
    admin, app::App, findings, listeners::grpc, logs, loki, maintenance, models, prometheus, sessions, telemetry,
    templates, topics, write,
};

/// Everything the daemon answers.
pub fn router(app: App) -> Router {
    let readable = Router::new()
        .nest("/api/v1", prometheus::routes())
        .route("/api/v1/findings", get(findings::list))
        .route("/api/v1/findings/{id}", get(findings::one))
        .route("/api/v1/findings/{id}/feedback", post(findings::judge))
        .route("/api/v1/maintenance", get(maintenance::list).post(maintenance::add))
        .route("/api/v1/maintenance/{id}", delete(maintenance::end))
        .route("/api/v1/templates", get(templates::list))
        .route("/api/v1/topics", get(topics::list))
        .route("/api/v1/log_sessions", get(sessions::list))
        .route("/api/v1/models", get(models::list))
        .merge(loki::routes())
        .route("/metrics", get(admin::metrics));
    #[cfg(feature = "ui")]
    let readable = readable.merge(crate::ui::routes().layer(middleware::from_fn(logs::greet)));
    readable
        .layer(CompressionLayer::new())
        .merge(grpc::routes())
        .route("/api/v1/write", post(write::write))
        .merge(logs::routes())
        .route("/-/healthy", get(admin::healthy))
        .route("/-/ready", get(admin::ready))
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(middleware::from_fn_with_state(app.clone(), telemetry::observe))
        .with_state(app)
}

/// What shippers ask before they send to an Elasticsearch has many paths. Unknown ones are answered in plain text, as
/// Prometheus does: an envelope would say that the API is there.
async fn not_found(request: Request) -> Response {
    let known = logs::handshake(request.method(), request.uri().path(), request.headers());
    known.unwrap_or_else(|| (StatusCode::NOT_FOUND, "404 page not found\n").into_response())
}

async fn method_not_allowed() -> (StatusCode, &'static str) {
    (StatusCode::METHOD_NOT_ALLOWED, "405 method not allowed\n")
}
