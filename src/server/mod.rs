//! The daemon's HTTP surface, and the life of the daemon around it.
//!
//! [`router()`] is the table of contents. Handlers are thin: they read a request, ask the engine or the PromQL evaluator
//! once, and write the answer. Questions that block go to threads of their own ([`App::ask`]), limits are permits
//! and layers. [`Daemon`] binds, restores, serves, and on the way out drains and saves, in this order.

mod admin;
mod app;
mod arrivals;
#[cfg(feature = "client")]
mod backfill;
#[cfg(not(feature = "client"))]
#[path = "no_backfill.rs"]
mod backfill;
mod clock;
mod engine_metrics;
mod findings;
mod intake;
mod lifecycle;
mod limit_metrics;
mod listeners;
mod logs;
#[cfg(feature = "search")]
mod loki;
#[cfg(not(feature = "search"))]
#[path = "no_loki.rs"]
mod loki;
mod maintenance;
mod memory;
mod models;
mod pace;
mod places;
mod posted;
mod progress;
mod prometheus;
mod queries;
mod refusals;
mod router;
mod sessions;
mod telemetry;
mod templates;
mod tenant;
mod topics;
mod write;

pub use app::{App, NotReady, Phase};
pub use clock::{Clock, rfc3339};
pub use lifecycle::{Daemon, StartError, StopError, signal};
pub use listeners::ListenError;
pub(crate) use models::{ModelView, ModelsView};
pub use progress::Progress;
pub use router::router;
pub use telemetry::Telemetry;
#[cfg(feature = "ui")]
pub(crate) use {
    maintenance::{Asked, WindowView, all_windows, cancel, plan},
    posted::Posted,
    prometheus::ApiError,
    tenant::Tenant,
};

#[cfg(all(feature = "search", feature = "ui"))]
pub(crate) use {
    loki::{Found, Histogram, Line, UNKNOWN, Wanted, services},
    prometheus::Parameters,
    topics::{Told, look},
};

#[cfg(test)]
mod tests;
