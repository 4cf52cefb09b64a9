//! What a person looks at: server-side drawings and pages.
//!
//! Pages are made on the server, whole: no script, no build step, nothing fetched from elsewhere, so that they work on a
//! machine without a network and leave an attacker nothing to inject into. They show what the API at `/api/v1` says
//! and link to it.

#[cfg(feature = "search")]
mod logs;
mod maintenance;
mod overview;
mod page;
mod single;
#[cfg(feature = "search")]
mod templates;
#[cfg(feature = "search")]
mod topics;
mod trace;

pub mod plot;

use axum::{
    Router,
    routing::{get, post},
};

use crate::server::App;

/// The routes of the pages.
pub(crate) fn routes() -> Router<App> {
    let routes = Router::new();
    #[cfg(feature = "search")]
    let routes = routes.route("/logs", get(logs::show)).route("/logs/templates", get(templates::show));
    routes
        .route("/", get(overview::show))
        .route("/findings/{id}", get(single::show))
        .route("/maintenance", get(maintenance::show).post(maintenance::add))
        .route("/maintenance/{id}/end", post(maintenance::end))
}
