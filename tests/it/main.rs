//! The finished binary, seen from outside: malformed input, restarts, and the real programs that vigie works with.
//!
//! Every test starts its own processes on loopback, on ports of its own, with a data folder that goes when the test ends.

#![allow(clippy::unwrap_used, reason = "a test ends where something it takes for granted fails")]

mod backfill;
mod bad_input;
mod crash;
mod damage;
mod determinism;
mod limits;
mod loadgen;
mod logs;
mod logs_crash;
mod logs_http;
mod logs_listeners;
mod memory;
mod prometheus;
mod promql;
mod queries;
mod restart;
mod support;
mod wire;
