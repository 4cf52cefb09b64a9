//! What vigie found, said so that a person can judge it.

use serde::{Deserialize, Serialize};

use super::{Feedback, Labels, TenantId, TimestampMs};

/// One episode of abnormal behaviour.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Finding {
    /// Unique and growing within a tenant's shard; stable across restarts.
    pub id: String,
    /// Whose series it is about.
    pub tenant: TenantId,
    /// What it is about: a series, a workload or a group of siblings.
    pub scope: FindingScope,
    /// What happened; may become clearer while it goes on.
    pub kind: Kind,
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
    /// How the siblings behave: series that differ only in instance or pod. `None` where there are none.
    pub siblings: Option<Siblings>,
    /// What else left its normal at the same time.
    pub companions: Companions,
    /// What a person said of it.
    pub feedback: Option<Feedback>,
    /// Generation of the isolation forest that took part; 0 when none was trained yet.
    pub model: u64,
    /// All of it in one plain sentence.
    pub sentence: String,
    /// Of a finding about logs: examples of the lines that it is about.
    pub lines: Vec<String>,
}

/// What a finding is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FindingScope {
    /// One series.
    Series,
    /// All metrics of one workload.
    Workload,
    /// Series that differ only in instance or pod.
    Group,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Values left their band for a short time.
    Spike,
    /// Values moved to another level and stayed.
    LevelShift,
    /// Values keep moving one way, over hours or days.
    Trend,
    /// Values scatter much more, or much less, than they used to.
    Variance,
    /// The daily rhythm is gone.
    LostSeason,
    /// No member of a group is left.
    Absence,
    /// One series left the siblings that it used to go with.
    PeerDiffers,
    /// Values that always changed stand still.
    Flatline,
    /// The metrics of a workload no longer move together as they used to.
    Relation,
    /// Lines of a log of a form that was never seen before.
    NewTemplate,
    /// A value in a line of a log that was never there before, where all others are known well.
    RareValue,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 11] = [
        Self::Spike,
        Self::LevelShift,
        Self::Trend,
        Self::Variance,
        Self::LostSeason,
        Self::Absence,
        Self::PeerDiffers,
        Self::Flatline,
        Self::Relation,
        Self::NewTemplate,
        Self::RareValue,
    ];

    /// The kind in words.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Spike => "spike",
            Self::LevelShift => "level shift",
            Self::Trend => "trend",
            Self::Variance => "change of spread",
            Self::LostSeason => "lost daily season",
            Self::Absence => "absence",
            Self::PeerDiffers => "peer that differs",
            Self::Flatline => "flatline",
            Self::Relation => "broken relation",
            Self::NewTemplate => "new log template",
            Self::RareValue => "rare value in a log",
        }
    }
}

/// How the siblings of a series behave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Siblings {
    /// Siblings that are alive.
    pub count: u32,
    /// How many of them left their normal at the same time.
    pub alike: u32,
}

/// What left its normal at the same time as a finding's subject.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Companions {
    /// Number of series.
    pub series: u32,
    /// Number of other workloads that they belong to.
    pub workloads: u32,
    /// The strongest, at most [`Companions::SHOWN`].
    pub strongest: Vec<Companion>,
}

impl Companions {
    /// Most that are told of one by one.
    pub const SHOWN: usize = 8;
}

/// Something else that left its normal at the same time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Companion {
    /// The series.
    pub labels: Labels,
    /// Its evidence, in powers of ten of rarity.
    pub evidence: f32,
    /// When it began.
    pub since: TimestampMs,
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
