//! Splits requests over shards and decides when turns are taken.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    Refusal, WriteReport,
    logs::{Home, Route, Routes, tails},
};
use crate::{
    ingest::remote_write::WriteRequest,
    signal::{Command, Identity, LogBatch, TenantId, TimestampMs},
};

/// Event time between turns, in ms: how often shards hear of each other and forests may be renewed.
const TURN_MS: i64 = 15_000;
/// Turns that make up for a jump of the clock at most: the third has everything that was learnt in force.
const TURNS_MAX: i64 = 3;

/// Knows how many shards there are and how far each tenant's clock has come.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Router {
    shards: usize,
    turns: BTreeMap<TenantId, i64>,
    /// See [`Command::Ceiling`]; kept here for all shards.
    ceiling: Option<u64>,
}

impl Router {
    /// A router for so many shards.
    #[must_use]
    pub fn new(shards: usize) -> Self {
        Self { shards: shards.max(1), turns: BTreeMap::new(), ceiling: None }
    }

    pub(super) fn with_shards(self, shards: usize) -> Self {
        Self { shards: shards.max(1), ..self }
    }

    /// Takes note of a command that outlives the shards.
    pub fn hear(&mut self, command: &Command) {
        if let Command::Ceiling(ceiling) = command {
            self.ceiling = *ceiling;
        }
    }

    pub(super) fn ceiling(&self) -> Option<u64> {
        self.ceiling
    }

    /// Turns that every shard must take before a request with this newest time: one or more when it is the first of a new period of its
    /// tenant's event time. A timestamp ahead of the receiver's clock cannot bring turns forward.
    pub fn turns_before(&mut self, tenant: &TenantId, newest: Option<TimestampMs>, received: TimestampMs) -> i64 {
        let Some(newest) = newest else { return 0 };
        let period = newest.min(received).div_euclid(TURN_MS);
        match self.turns.get_mut(tenant) {
            None => {
                self.turns.insert(tenant.clone(), period);
                0
            }
            Some(known) => {
                let turns = (period - *known).clamp(0, TURNS_MAX);
                *known = period.max(*known);
                turns
            }
        }
    }

    /// Places of the request's series, by shard, in order.
    #[must_use]
    pub fn split(&self, request: &WriteRequest) -> Vec<Vec<usize>> {
        let mut places = vec![Vec::new(); self.shards];
        for (place, entry) in request.series().iter().enumerate() {
            places[(entry.identity.workload.0 % self.shards as u64) as usize].push(place);
        }
        places
    }

    /// Where the streams of a batch of log records belong.
    #[must_use]
    pub fn routes(&self, batch: &LogBatch, received: TimestampMs) -> Routes {
        let route = |labels, ends| {
            let home = Home::of(labels);
            let shard = (home.workload.0 % self.shards as u64) as usize;
            Route { shard, home, stream: Identity::of(labels).series, ends }
        };
        let newest = batch.newest().map_or(received, |at| at.div_euclid(1_000_000)).min(received);
        let streams =
            batch.streams().iter().zip(tails::ends(batch)).map(|(labels, ends)| route(labels, ends)).collect();
        Routes { streams, newest }
    }
}

/// The report of what the decoder refused.
pub(crate) fn malformed(request: &WriteRequest) -> WriteReport {
    let mut report = WriteReport::default();
    let total = request.rejected().total();
    if !request.rejected().is_empty() {
        report.refused.insert(Refusal::Malformed, total.samples + total.histograms);
        report.reasons = request.rejected().examples().to_vec();
    }
    report
}
