//! What the engine is told before it starts.

use std::sync::Arc;

use super::models::Prior;
use crate::{
    logs::Pattern,
    series::{ChunkFiles, ChunkMemory},
    signal::{Maintenance, Rule, TimestampMs},
};

/// Settings of the engine. The defaults are the shipped configuration.
#[derive(Clone, Debug)]
pub struct Options {
    /// Number of shards, at least 1. Results do not depend on it.
    pub shards: usize,
    /// Length of the window of samples and scores, in ms.
    pub window_ms: i64,
    /// Where the part of it goes that is finished.
    pub chunks: Arc<dyn ChunkFiles>,
    /// How far ahead of the receiver's clock a sample may be, in ms (Prometheus: 10 min).
    pub ahead_ms: i64,
    /// Nothing is raised about a sample that is older by the receiver's clock, in ms: it tells of the past.
    pub late_ms: i64,
    /// Time without samples after which a series counts as vanished, in ms.
    pub vanish_ms: i64,
    /// Most series of one tenant, over all shards.
    pub series_per_tenant: usize,
    /// Findings that chance may raise, per tenant and week.
    pub false_alarms_per_week: f64,
    /// Least deviation from the expected value that is worth a finding, as a share of the expected value.
    pub min_relative_deviation: f64,
    /// What deviations of which series are worth a finding.
    pub rules: Arc<[Rule]>,
    /// Planned work that the configuration names, for every tenant.
    pub maintenance: Arc<[Maintenance]>,
    /// Forms of log lines that the configuration names.
    pub patterns: Arc<[Pattern]>,
    /// Closed findings kept per tenant and shard.
    pub findings_kept: usize,
    /// Names of the series that vigie answers with.
    pub names: AnswerNames,
    /// What is assumed of what has shown nothing yet.
    pub prior: Option<Arc<Prior>>,
    /// Seed of all randomness.
    pub seed: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            shards: 1,
            window_ms: 2 * 3_600_000,
            chunks: Arc::new(ChunkMemory::default()),
            ahead_ms: 600_000,
            late_ms: 600_000,
            vanish_ms: 300_000,
            series_per_tenant: 1_000_000,
            false_alarms_per_week: 2.0,
            min_relative_deviation: 0.1,
            rules: Arc::default(),
            patterns: Arc::default(),
            maintenance: Arc::default(),
            findings_kept: 1_000,
            names: AnswerNames::VIGIE,
            prior: Prior::shipped(),
            seed: 1,
        }
    }
}

impl Options {
    /// The oldest event time that a window reaching until `newest` holds.
    pub(super) fn oldest(&self, newest: TimestampMs) -> TimestampMs {
        newest.saturating_sub(self.window_ms)
    }

    /// The oldest event time of chunks that are kept when a tenant's newest sample is this: some of its series may be
    /// behind by what samples may be ahead and late.
    pub(super) fn oldest_kept(&self, newest: TimestampMs) -> TimestampMs {
        self.oldest(newest).saturating_sub(self.ahead_ms.saturating_add(self.late_ms))
    }
}

/// Metric names of vigie's answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AnswerNames {
    /// Anomaly score; 1 is the threshold.
    pub score: &'static str,
    /// 1 while a finding is open, else 0.
    pub anomalous: &'static str,
    /// Expected value.
    pub expected: &'static str,
    /// Lower end of the band.
    pub lower: &'static str,
    /// Upper end of the band.
    pub upper: &'static str,
}

impl AnswerNames {
    /// vigie's own names.
    pub const VIGIE: Self = Self {
        score: "vigie_anomaly_score",
        anomalous: "vigie_anomalous",
        expected: "vigie_expected",
        lower: "vigie_lower",
        upper: "vigie_upper",
    };

    /// The names that dashboards made for vmanomaly expect.
    pub const VMANOMALY: Self = Self {
        score: "anomaly_score",
        anomalous: "vigie_anomalous",
        expected: "yhat",
        lower: "yhat_lower",
        upper: "yhat_upper",
    };
}
