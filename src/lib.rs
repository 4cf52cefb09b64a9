//! vigie, a lookout beside Prometheus: it learns what is normal for every series, says what is wrong and why.
//!
//! The modules in the order of the data's way; `ARCHITECTURE.md` has the map and the laws.

mod prefetch;
pub mod signal;

pub mod config;

pub mod ingest;

pub mod logs;

pub mod series;

pub mod anomaly;

pub mod engine;

pub mod fleet;

pub mod journal;

pub mod promql;

#[cfg(feature = "search")]
pub mod search;

#[cfg(feature = "search")]
pub mod logql;

#[cfg(feature = "client")]
mod prometheus;

pub mod server;

#[cfg(feature = "ui")]
pub mod ui;

pub mod cli;
