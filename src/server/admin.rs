//! `/-/healthy`, `/-/ready` and `/metrics`: for the ones who look after the daemon.

use axum::{
    extract::State,
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
};

use super::{
    app::{App, Phase},
    limit_metrics,
};

/// Content type of the OpenMetrics text format.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The process answers.
pub(super) async fn healthy() -> &'static str {
    "vigie is healthy.\n"
}

/// Requests are served. Answers 503 while state is restored, while history is read in, and while stopping.
pub(super) async fn ready(State(app): State<App>) -> (StatusCode, String) {
    let text = match app.phase() {
        Phase::Serving => return (StatusCode::OK, "vigie is ready.\n".into()),
        Phase::Starting => "vigie is starting and restores its state.\n".into(),
        Phase::Backfilling => format!("vigie reads in history: {}.\n", app.telemetry().backfill()),
        Phase::Stopping | Phase::Over => "vigie is stopping.\n".into(),
    };
    (StatusCode::SERVICE_UNAVAILABLE, text)
}

/// vigie's own metrics. While the engine cannot be asked, those of the process alone.
pub(super) async fn metrics(State(app): State<App>) -> Response {
    let figures = app.ask(|engine| Ok((engine.stats()?, engine.queues(), engine.kept()))).await.ok();
    let limits = limit_metrics::registry(&app, figures.as_ref().map_or(&[], |(stats, ..)| stats));
    match app.telemetry().render(figures.as_ref(), &limits) {
        Ok(text) => ([(CONTENT_TYPE, OPEN_METRICS)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}
