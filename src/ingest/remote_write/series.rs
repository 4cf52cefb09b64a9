//! What both versions share in judging one time series: its identity, and the count of what it carries.

use super::{
    Fault, Limits, Malformed,
    histogram_wire::{HistogramError, Parts},
    wire::{Field, Reader, Span},
};
use crate::signal::{Identity, IdentityBuilder, METRIC_NAME, TimestampMs};

/// Longest description of a series in an error message, in characters.
const DESCRIPTION_MAX: usize = 200;

/// Where a label's name and value lie, in the body (1.0) or in the symbol text (2.0).
#[derive(Clone, Copy, Debug)]
pub(super) struct LabelSpan {
    pub(super) name: Span,
    pub(super) value: Span,
}

/// The labels of one series while it is judged. Reused from series to series.
#[derive(Debug, Default)]
pub(super) struct LabelScratch {
    spans: Vec<LabelSpan>,
    /// Labels seen, also those beyond the limit, which are not kept.
    seen: usize,
    builder: IdentityBuilder,
}

impl LabelScratch {
    pub(super) fn clear(&mut self) {
        self.spans.clear();
        self.seen = 0;
    }

    #[inline]
    pub(super) fn push(&mut self, label: LabelSpan, limits: &Limits) {
        self.seen += 1;
        if self.seen <= limits.labels {
            self.spans.push(label);
        }
    }

    /// The identity of the labels. `bytes` is what the spans point into; `text` reads a span of it as UTF-8.
    #[inline(always)]
    pub(super) fn identify<'t>(
        &mut self,
        bytes: &'t [u8],
        limits: &Limits,
        text: impl Fn(Span) -> Option<&'t str>,
    ) -> Result<Identity, Fault> {
        if self.seen > limits.labels {
            return Err(Fault::TooManyLabels);
        }
        // Senders sort: nearly always the first attempt succeeds.
        match self.attempt(limits, &text) {
            Err(Unfit::Unsorted) => {}
            Err(Unfit::Fault(fault)) => return Err(fault),
            Ok(identity) => return Ok(identity),
        }
        let read = |span: Span| bytes.get(span.start..span.end).unwrap_or_default();
        self.spans.sort_unstable_by(|a, b| read(a.name).cmp(read(b.name)));
        self.attempt(limits, &text).map_err(|unfit| match unfit {
            Unfit::Unsorted => Fault::DuplicateLabel,
            Unfit::Fault(fault) => fault,
        })
    }

    /// The identity, if each name is above the one before.
    #[inline(always)]
    fn attempt<'t>(&mut self, limits: &Limits, text: &impl Fn(Span) -> Option<&'t str>) -> Result<Identity, Unfit> {
        let mut is_named = false;
        let mut previous = "";
        self.builder.clear();
        for label in &self.spans {
            if label.name.len() > limits.name_bytes || label.value.len() > limits.value_bytes {
                return Err(Unfit::Fault(Fault::LabelTooLong));
            }
            let (Some(name), Some(value)) = (text(label.name), text(label.value)) else {
                return Err(Unfit::Fault(Fault::Utf8));
            };
            if !is_above(name, previous) {
                return Err(if name.is_empty() { Unfit::Fault(Fault::EmptyLabelName) } else { Unfit::Unsorted });
            }
            previous = name;
            if !value.is_empty() {
                is_named |= name == METRIC_NAME;
                self.builder.push(name, value);
            }
        }
        if is_named { Ok(self.builder.finish()) } else { Err(Unfit::Fault(Fault::MetricName)) }
    }

    /// The series as far as it can be read, for an error message.
    pub(super) fn describe(&self, bytes: &[u8]) -> String {
        let read = |span: Span| {
            let found = bytes.get(span.start..span.end).unwrap_or_default();
            String::from_utf8_lossy(&found[..found.len().min(DESCRIPTION_MAX)])
        };
        let mut out = String::new();
        for label in self.spans.iter().filter(|label| read(label.name) == METRIC_NAME).take(1) {
            out.push_str(&read(label.value));
        }
        out.push('{');
        for label in self.spans.iter().filter(|label| read(label.name) != METRIC_NAME) {
            if out.len() > DESCRIPTION_MAX {
                out.push('…');
                break;
            }
            let comma = if out.ends_with('{') { "" } else { "," };
            out.push_str(&format!("{comma}{}={:?}", read(label.name), read(label.value)));
        }
        out.push('}');
        if out.chars().count() > DESCRIPTION_MAX {
            out = out.chars().take(DESCRIPTION_MAX).chain(['…']).collect();
        }
        out
    }
}

/// Why labels have no identity as they stand.
enum Unfit {
    /// A name is not above the one before: out of order, or there twice.
    Unsorted,
    Fault(Fault),
}

/// Whether `name` sorts after `previous`. Neighbours differ within the first few bytes, where a loop is quicker than a
/// call.
#[inline(always)]
fn is_above(name: &str, previous: &str) -> bool {
    let differing = name.bytes().zip(previous.bytes()).find(|(byte, before)| byte != before);
    differing.map_or(name.len() > previous.len(), |(byte, before)| byte > before)
}

/// What a series carries besides its labels.
#[derive(Debug, Default)]
pub(super) struct Load {
    /// Offset of the first sample or histogram.
    pub(super) first: Option<usize>,
    pub(super) samples: u32,
    /// Acceptable histograms.
    pub(super) histograms: u32,
    pub(super) exemplars: u32,
    pub(super) newest: Option<TimestampMs>,
    pub(super) bad_histograms: u32,
    pub(super) bad_histogram: Option<HistogramError>,
}

impl Load {
    /// Takes account of a field that holds a sample.
    #[inline]
    pub(super) fn sample(&mut self, body: &[u8], field: Field) -> Result<(), Malformed> {
        let sample = SampleFields::read(Reader::new(body, field.bytes()?))?;
        self.first.get_or_insert(field.at);
        self.samples += 1;
        self.newest = self.newest.max(Some(sample.at));
        Ok(())
    }

    /// Takes account of a field that holds a histogram.
    pub(super) fn histogram(&mut self, body: &[u8], field: Field, parts: &mut Parts) -> Result<(), Malformed> {
        parts.read(body, field.bytes()?)?;
        self.first.get_or_insert(field.at);
        match parts.check() {
            Ok(()) => {
                self.histograms += 1;
                self.newest = self.newest.max(Some(parts.at()));
            }
            Err(error) => {
                self.bad_histograms += 1;
                self.bad_histogram.get_or_insert(error);
            }
        }
        Ok(())
    }
}

/// A sample message of either version.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct SampleFields {
    pub(super) value: f64,
    pub(super) at: TimestampMs,
    /// Field 3, known to 2.0 only; zero when absent.
    pub(super) start: TimestampMs,
}

impl SampleFields {
    #[inline]
    pub(super) fn read(mut message: Reader<'_>) -> Result<Self, Malformed> {
        let mut sample = Self::default();
        while let Some(field) = message.field()? {
            match field.number {
                1 => sample.value = field.double()?,
                2 => sample.at = field.int64()?,
                3 => sample.start = field.int64()?,
                _ => {}
            }
        }
        Ok(sample)
    }
}
