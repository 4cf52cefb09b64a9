//! What vigie found, said so that a person can judge it.

use serde::{Deserialize, Serialize};

use super::{Labels, TenantId, TimestampMs};

/// One episode of abnormal behaviour.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Finding {
    /// Unique and growing within a tenant's shard; stable across restarts.
    pub id: String,
    /// Whose series it is about.
    pub tenant: TenantId,
    /// A single series or a workload.
    pub kind: FindingKind,
    /// The series' labels; for a workload the labels that name it.
    pub labels: Labels,
    /// Whether it is still going on.
    pub status: FindingStatus,
    /// Event time of the first sample that was out of the ordinary.
    pub since: TimestampMs,
    /// Event time at which it was raised.
    pub raised_at: TimestampMs,
    /// Event time of the newest sample judged.
    pub updated_at: TimestampMs,
    /// Event time at which it ended.
    pub resolved_at: Option<TimestampMs>,
    /// Score of the newest sample; 1 is the threshold.
    pub score: f64,
    /// Highest score of the episode.
    pub peak_score: f64,
    /// Value at the peak, as scored: for a counter its rate in 1/s.
    pub seen: f64,
    /// Value expected at the peak.
    pub expected: f64,
    /// Lower end of the band at the peak.
    pub lower: f64,
    /// Upper end of the band at the peak.
    pub upper: f64,
    /// Whether `seen` and the band are rates of a counter.
    pub is_rate: bool,
    /// What drove the score, strongest first.
    pub drivers: Vec<Driver>,
    /// Generation of the isolation forest that took part; 0 when none was trained yet.
    pub model: u64,
    /// All of it in one plain sentence.
    pub sentence: String,
}

/// What a finding is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FindingKind {
    /// One series left its own past.
    Series,
    /// The metrics of one workload stopped moving together as they used to.
    Workload,
}

/// Whether an episode is going on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FindingStatus {
    /// Going on.
    Firing,
    /// Over.
    Resolved,
}

/// One contribution to a score.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Driver {
    /// The feature, or for a workload the metric.
    pub name: String,
    /// Its share of the score, 0 to 1.
    pub share: f64,
    /// What it means, in words.
    pub meaning: String,
}
