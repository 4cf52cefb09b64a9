//! What became of a request, and what was said of a sample.

use std::collections::BTreeMap;

use crate::{
    series::{Interner, SymbolSet, Verdict, resolve},
    signal::{Labels, Sample, TimestampMs},
};

/// Why a sample was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Refusal {
    /// Older than the newest sample of its series.
    OutOfOrder,
    /// Another value was received for the same time.
    Duplicate,
    /// Too far ahead of the receiver's clock.
    Future,
    /// The tenant has as many series as it may have.
    SeriesLimit,
    /// Memory is short, and the tenant has its share of the series that there is room for.
    MemoryLimit,
    /// The series itself is malformed; the decoder says how.
    Malformed,
}

impl Refusal {
    /// Whether nothing is wrong with the sample: there is no room for its series.
    #[must_use]
    pub fn is_limit(self) -> bool {
        matches!(self, Self::SeriesLimit | Self::MemoryLimit)
    }

    /// A short name, as used for a metric's label.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OutOfOrder => "out_of_order",
            Self::Duplicate => "duplicate",
            Self::Future => "future",
            Self::SeriesLimit => "series_limit",
            Self::MemoryLimit => "memory_limit",
            Self::Malformed => "malformed",
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::OutOfOrder => "out of order sample",
            Self::Duplicate => "duplicate sample for timestamp with another value",
            Self::Future => "timestamp too far in the future",
            Self::SeriesLimit => "series limit of the tenant reached",
            Self::MemoryLimit => "memory is short and the tenant has its share of series",
            Self::Malformed => "malformed series",
        }
    }
}

/// Reasons that are spelled out per request.
const REASONS: usize = 5;

/// What was written of a request and what was not.
#[derive(Clone, Debug, Default)]
pub struct WriteReport {
    /// Float samples written, repeated ones included.
    pub samples: u64,
    /// Native histograms written.
    pub histograms: u64,
    /// Log records taken.
    pub lines: u64,
    /// Exemplars taken note of.
    pub exemplars: u64,
    /// Series that were not known before, those that histograms became included.
    pub created: u64,
    /// Samples and histograms refused, by reason.
    pub refused: BTreeMap<Refusal, u64>,
    /// The first few refusals in words.
    pub reasons: Vec<String>,
}

impl WriteReport {
    /// Notes a refusal.
    pub fn refuse(&mut self, refusal: Refusal, count: u64, detail: impl FnOnce() -> String) {
        *self.refused.entry(refusal).or_default() += count;
        if self.reasons.len() < REASONS {
            self.reasons.push(format!("{}: {}", refusal.words(), detail()));
        }
    }

    /// Samples and histograms refused.
    #[must_use]
    pub fn rejected(&self) -> u64 {
        self.refused.values().sum()
    }

    /// Samples and histograms refused because there is no room for their series.
    #[must_use]
    pub fn without_room(&self) -> u64 {
        self.refused.iter().filter(|(why, _)| why.is_limit()).map(|(_, count)| count).sum()
    }

    /// Adds what another shard wrote of the same request.
    pub fn merge(&mut self, other: Self) {
        self.samples += other.samples;
        self.histograms += other.histograms;
        self.lines += other.lines;
        self.exemplars += other.exemplars;
        self.created += other.created;
        for (refusal, count) in other.refused {
            *self.refused.entry(refusal).or_default() += count;
        }
        let room = REASONS.saturating_sub(self.reasons.len());
        self.reasons.extend(other.reasons.into_iter().take(room));
    }
}

/// The labels of a series, not yet resolved.
#[derive(Clone, Copy, Debug)]
pub struct SeriesName<'a> {
    pub(super) interner: &'a Interner,
    pub(super) labels: &'a SymbolSet,
}

impl SeriesName<'_> {
    /// The label set.
    #[must_use]
    pub fn labels(&self) -> Labels {
        resolve(self.interner, self.labels)
    }
}

/// What was said of one sample, in full precision; handed to whoever listens while the engine writes.
#[derive(Clone, Copy, Debug)]
pub enum Scored<'a> {
    /// A sample of a series.
    Series {
        /// The series: its number within shard and tenant, stable while it lives.
        slot: u32,
        /// Its labels, resolved on demand.
        name: SeriesName<'a>,
        /// The sample as received.
        sample: Sample,
        /// The value scored: for a counter its rate in 1/s.
        value: f64,
        /// The smooth score, in powers of ten of rarity.
        state: f32,
        /// The event score; 0 unless an event is raised.
        event: f32,
        /// What is kept of it for queries.
        verdict: Verdict,
    },
    /// A row of a workload.
    Workload {
        /// The labels that name it.
        labels: &'a Labels,
        /// Time of the row.
        at: TimestampMs,
        /// The smooth score, peak held.
        state: f64,
        /// The event score; 0 unless an event is raised.
        event: f64,
        /// Metric that strays furthest.
        top: Option<&'a str>,
        /// What is kept of it for queries.
        verdict: Verdict,
    },
}
