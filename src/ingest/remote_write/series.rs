//! What both versions share in judging one time series: its identity, and the count of what it carries.

use super::{
    Fault, Limits, Malformed,
    histogram_wire::{HistogramError, Parts},
};
use crate::{
    ingest::wire::{Field, Reader, Span, short_varint},
    signal::{Identity, IdentityBuilder, METRIC_NAME, TimestampMs},
};

/// All of the metric name's label, see [`beginning`].
const METRIC_NAME_BEGINNING: u64 = u64::from_be_bytes(*b"__name__");

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
    /// Whether all labels so far are as they should be, each name above the one before. Their text is not checked.
    is_regular: bool,
    is_named: bool,
    /// The last name, and the beginning of it, see [`beginning`].
    last: Span,
    last_beginning: u64,
    builder: IdentityBuilder,
}

impl LabelScratch {
    pub(super) fn clear(&mut self) {
        self.spans.clear();
        self.seen = 0;
        (self.is_regular, self.is_named) = (true, false);
        (self.last, self.last_beginning) = (Span::default(), 0);
        self.builder.clear();
    }

    /// Adds a label, which lies in `bytes`.
    #[inline(always)]
    pub(super) fn push(&mut self, bytes: &[u8], label: LabelSpan, limits: &Limits) {
        self.seen += 1;
        if self.seen > limits.labels {
            self.is_regular = false;
            return;
        }
        self.spans.push(label);
        self.is_regular &= label.name.len() <= limits.name_bytes && label.value.len() <= limits.value_bytes;
        if self.is_regular {
            let beginning = beginning(bytes, label.name);
            self.is_regular = beginning > self.last_beginning
                || (beginning == self.last_beginning && label.name.of(bytes) > self.last.of(bytes));
            (self.last, self.last_beginning) = (label.name, beginning);
            if label.value.len() > 0 {
                self.is_named |= beginning == METRIC_NAME_BEGINNING && label.name.len() == METRIC_NAME.len();
                self.builder.push(label.name.ahead(bytes), label.value.ahead(bytes));
            }
        }
    }

    /// The identity of the labels, which lie in `bytes`. `text` reads a span of it as UTF-8; where everything `is_text`, it
    /// need not be asked.
    #[inline(always)]
    pub(super) fn identify<'t>(
        &mut self,
        bytes: &'t [u8],
        is_text: bool,
        limits: &Limits,
        text: impl Fn(Span) -> Option<&'t str>,
    ) -> Result<Identity, Fault> {
        let are_text = |label: &LabelSpan| text(label.name).is_some() && text(label.value).is_some();
        // Senders sort: nearly always this is all.
        if self.is_regular && self.is_named && (is_text || self.spans.iter().all(are_text)) {
            return Ok(self.builder.finish());
        }
        self.judge(bytes, limits, text)
    }

    /// The identity of labels that are unusual, or what is wrong with them.
    #[cold]
    fn judge<'t>(
        &mut self,
        bytes: &'t [u8],
        limits: &Limits,
        text: impl Fn(Span) -> Option<&'t str>,
    ) -> Result<Identity, Fault> {
        if self.seen > limits.labels {
            return Err(Fault::TooManyLabels);
        }
        match self.attempt(bytes, limits, &text) {
            Err(Unfit::Unsorted) => {}
            Err(Unfit::Fault(fault)) => return Err(fault),
            Ok(identity) => return Ok(identity),
        }
        self.spans.sort_unstable_by(|a, b| a.name.of(bytes).cmp(b.name.of(bytes)));
        self.attempt(bytes, limits, &text).map_err(|unfit| match unfit {
            Unfit::Unsorted => Fault::DuplicateLabel,
            Unfit::Fault(fault) => fault,
        })
    }

    /// The identity, if each name is above the one before.
    fn attempt<'t>(
        &mut self,
        bytes: &[u8],
        limits: &Limits,
        text: &impl Fn(Span) -> Option<&'t str>,
    ) -> Result<Identity, Unfit> {
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
            if name <= previous {
                return Err(if name.is_empty() { Unfit::Fault(Fault::EmptyLabelName) } else { Unfit::Unsorted });
            }
            previous = name;
            if !value.is_empty() {
                is_named |= name == METRIC_NAME;
                self.builder.push(label.name.ahead(bytes), label.value.ahead(bytes));
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

/// The first eight bytes of a text as a number of the same order, with 0 behind the end of a shorter text.
#[inline(always)]
fn beginning(bytes: &[u8], text: Span) -> u64 {
    let ahead = bytes.get(text.start..).and_then(|ahead| ahead.first_chunk::<8>());
    match (ahead, text.len()) {
        (Some(ahead), 8..) => u64::from_be_bytes(*ahead),
        (Some(ahead), length) => u64::from_be_bytes(*ahead) & !(u64::MAX >> (8 * length)),
        (None, _) => short_beginning(text.of(bytes)),
    }
}

#[cold]
fn short_beginning(text: &[u8]) -> u64 {
    let mut beginning = [0; 8];
    beginning.iter_mut().zip(text).for_each(|(to, from)| *to = *from);
    u64::from_be_bytes(beginning)
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
        let sample = SampleFields::read(body, field.bytes()?)?;
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
    #[inline(always)]
    pub(super) fn read(body: &[u8], message: Span) -> Result<Self, Malformed> {
        match Self::plain(body, message) {
            Some((value, at)) => Ok(Self { value, at, start: 0 }),
            None => Self::odd(Reader::new(body, message)),
        }
    }

    /// A sample as nearly all are: value, then a time of up to eight bytes, and nothing else.
    #[inline(always)]
    fn plain(body: &[u8], message: Span) -> Option<(f64, TimestampMs)> {
        let (head, rest) = body.get(message.start..)?.split_first_chunk::<10>()?;
        let [0x09, value @ .., 0x10] = head else { return None };
        let (at, length) = short_varint(rest.first_chunk()?)?;
        (message.len() == head.len() + length).then(|| (f64::from_le_bytes(*value), at.cast_signed()))
    }

    #[inline(never)]
    fn odd(mut message: Reader<'_>) -> Result<Self, Malformed> {
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
