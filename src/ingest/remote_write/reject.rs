//! What was refused inside a request that was otherwise taken, and why.

use std::fmt;

/// Why a series or a histogram is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// 2.0: a label refers to a symbol that the request does not have.
    SymbolRef,
    /// 2.0: label references do not come in pairs.
    OddRefs,
    /// No `__name__`, or an empty one.
    MetricName,
    /// A label without a name.
    EmptyLabelName,
    /// The same label name twice.
    DuplicateLabel,
    /// A name or value is not UTF-8.
    Utf8,
    /// More labels than [`Limits::labels`](super::Limits::labels).
    TooManyLabels,
    /// A name or value longer than [`Limits`](super::Limits) allow.
    LabelTooLong,
    /// 2.0: samples and histograms in one series.
    Mixed,
    /// A native histogram that contradicts itself.
    Histogram,
}

impl Fault {
    /// All faults, in the order of declaration.
    pub const ALL: [Self; 10] = [
        Self::SymbolRef,
        Self::OddRefs,
        Self::MetricName,
        Self::EmptyLabelName,
        Self::DuplicateLabel,
        Self::Utf8,
        Self::TooManyLabels,
        Self::LabelTooLong,
        Self::Mixed,
        Self::Histogram,
    ];

    /// Short name, for a label of vigie's own metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SymbolRef => "symbol_ref",
            Self::OddRefs => "odd_refs",
            Self::MetricName => "metric_name",
            Self::EmptyLabelName => "empty_label_name",
            Self::DuplicateLabel => "duplicate_label",
            Self::Utf8 => "utf8",
            Self::TooManyLabels => "too_many_labels",
            Self::LabelTooLong => "label_too_long",
            Self::Mixed => "mixed",
            Self::Histogram => "histogram",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SymbolRef => "label refers to a symbol out of range",
            Self::OddRefs => "label references are not in pairs",
            Self::MetricName => "missing or empty metric name",
            Self::EmptyLabelName => "empty label name",
            Self::DuplicateLabel => "duplicate label name",
            Self::Utf8 => "label is not valid UTF-8",
            Self::TooManyLabels => "too many labels",
            Self::LabelTooLong => "label name or value too long",
            Self::Mixed => "samples and histograms in one series",
            Self::Histogram => "invalid native histogram",
        })
    }
}

/// A number of things, of each kind that the protocol counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Time series messages.
    pub series: u64,
    /// Float samples.
    pub samples: u64,
    /// Native histograms.
    pub histograms: u64,
}

impl Tally {
    /// Adds `other`.
    pub fn add(&mut self, other: Self) {
        self.series += other.series;
        self.samples += other.samples;
        self.histograms += other.histograms;
    }
}

/// Refusals of one request, counted by fault; the first few in words.
#[derive(Clone, Debug, Default)]
pub struct Rejections {
    tallies: [Tally; Fault::ALL.len()],
    examples: Vec<String>,
}

impl Rejections {
    /// Refusals told in words. Prometheus logs only the beginning of an answer, and one example of each usual mistake
    /// fits there.
    const EXAMPLES_MAX: usize = 5;

    /// Counts a refusal; `describe` is asked for the series' name if it is among the first few.
    pub(super) fn record(&mut self, fault: Fault, refused: Tally, describe: impl FnOnce() -> String) {
        self.tallies[fault as usize].add(refused);
        if self.examples.len() < Self::EXAMPLES_MAX {
            self.examples.push(describe());
        }
    }

    /// Whether nothing was refused.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.examples.is_empty()
    }

    /// Everything refused. A series whose histograms alone are refused is not counted as a series.
    #[must_use]
    pub fn total(&self) -> Tally {
        let mut total = Tally::default();
        for tally in self.tallies {
            total.add(tally);
        }
        total
    }

    /// What was refused for `fault`.
    #[must_use]
    pub fn of(&self, fault: Fault) -> Tally {
        self.tallies[fault as usize]
    }

    /// The faults that occurred, with what was refused for each.
    pub fn by_fault(&self) -> impl Iterator<Item = (Fault, Tally)> + '_ {
        Fault::ALL.into_iter().map(|fault| (fault, self.of(fault))).filter(|(_, tally)| *tally != Tally::default())
    }

    /// The first few refusals in words, each with the series' name as far as it could be read.
    #[must_use]
    pub fn examples(&self) -> &[String] {
        &self.examples
    }
}

impl fmt::Display for Rejections {
    /// For the body of the answer: how many, and the first few reasons.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Tally { series, samples, histograms } = self.total();
        write!(f, "refused {samples} samples and {histograms} histograms ({series} whole series): ")?;
        for (i, example) in self.examples.iter().enumerate() {
            write!(f, "{}{example}", if i == 0 { "" } else { "; " })?;
        }
        let told = self.examples.len() as u64;
        let all: u64 = self.by_fault().map(|(_, tally)| tally.series.max(tally.histograms)).sum();
        if all > told { write!(f, "; and {} more", all - told) } else { Ok(()) }
    }
}
