//! `status/…`: who answers, for clients that adapt to the server.

use std::collections::BTreeMap;

use axum::extract::State;
use serde::Serialize;

use super::{encode::Success, error::ApiError};
use crate::server::{app::App, clock::rfc3339};

/// The build. There must be no `features` member: Grafana would take the source for Mimir.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct BuildInfo {
    version: &'static str,
    revision: &'static str,
    branch: &'static str,
    build_user: &'static str,
    build_date: &'static str,
    go_version: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RuntimeInfo {
    start_time: String,
    server_time: String,
    reload_config_success: bool,
    last_config_time: String,
    corruption_count: u64,
    storage_retention: String,
}

pub(super) async fn buildinfo() -> Result<Success, ApiError> {
    Success::new(&BuildInfo {
        version: env!("CARGO_PKG_VERSION"),
        revision: "",
        branch: "",
        build_user: "",
        build_date: "",
        go_version: "",
    })
}

pub(super) async fn runtimeinfo(State(app): State<App>) -> Result<Success, ApiError> {
    Success::new(&RuntimeInfo {
        start_time: rfc3339(app.started_at()),
        server_time: rfc3339(app.now()),
        reload_config_success: true,
        last_config_time: rfc3339(app.started_at()),
        corruption_count: 0,
        storage_retention: app.config().series.window.to_string(),
    })
}

/// The settings that have a counterpart among Prometheus' flags, under the names of those.
pub(super) async fn flags(State(app): State<App>) -> Result<Success, ApiError> {
    let config = app.config();
    Success::new(&BTreeMap::from([
        ("query.lookback-delta", config.query.lookback.to_string()),
        ("query.max-concurrency", config.query.max_concurrent.to_string()),
        ("query.max-samples", config.query.max_samples.to_string()),
        ("query.timeout", config.query.timeout.to_string()),
        ("storage.tsdb.path", config.data_dir.display().to_string()),
        ("storage.tsdb.retention.time", config.series.window.to_string()),
        ("web.external-url", app.url()),
        ("web.listen-address", app.address().to_string()),
    ]))
}
