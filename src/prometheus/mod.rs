//! Questions to a Prometheus server, or to anything that answers like one: for the backtest and the backfill.

mod client;
mod http;

pub(crate) use client::{Client, Samples};
pub(crate) use http::QueryError;
