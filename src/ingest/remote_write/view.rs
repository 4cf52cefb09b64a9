//! A closer look at what a request holds: labels of a series, its samples, its histograms, its metadata.

use super::{
    HistogramError, Malformed, NativeHistogram, Protocol, SeriesEntry, WriteRequest, histogram_wire::Parts,
    series::SampleFields, v1,
};
use crate::{
    ingest::wire::{Field, Reader, Span},
    signal::{METRIC_NAME, MetricKind, TimestampMs},
};

/// A float sample as it was sent.
#[derive(Clone, Copy, Debug)]
pub struct WireSample {
    /// Event time.
    pub at: TimestampMs,
    /// Value, bit for bit.
    pub value: f64,
    /// When the counter began to count, if the sender knows (2.0 only).
    pub start: Option<TimestampMs>,
}

/// What a sender says of a metric family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FamilyMetadata<'a> {
    /// Name of the family.
    pub family: &'a str,
    /// What it measures.
    pub kind: MetricKind,
    /// Help text, may be empty.
    pub help: &'a str,
    /// Unit, may be empty.
    pub unit: &'a str,
}

/// One acceptable series of a request.
#[derive(Clone, Copy, Debug)]
pub struct SeriesView<'a> {
    request: &'a WriteRequest,
    entry: SeriesEntry,
}

impl<'a> SeriesView<'a> {
    pub(super) fn new(request: &'a WriteRequest, entry: SeriesEntry) -> Self {
        Self { request, entry }
    }

    /// The labels, sorted by name, those with an empty value left out.
    ///
    /// Allocates; meant for series that are seen for the first time.
    #[must_use]
    pub fn labels(self) -> Vec<(&'a str, &'a str)> {
        let mut labels = match self.request.protocol() {
            Protocol::V1 => self.labels_v1(),
            Protocol::V2 => self.labels_v2(),
        };
        labels.retain(|(_, value)| !value.is_empty());
        labels.sort_unstable();
        labels
    }

    /// Samples in order of the request.
    pub fn samples(self) -> impl Iterator<Item = WireSample> + 'a {
        let body = &*self.request.body;
        let with_start = self.request.protocol() == Protocol::V2;
        // `decode` has read all of them already, so that none is lost to an error here.
        Fields::of(body, self.entry.data_span()).filter(|field| field.number == 2).filter_map(move |field| {
            let fields = SampleFields::read(body, field.bytes().ok()?).ok()?;
            let start = (with_start && fields.start != 0).then_some(fields.start);
            Some(WireSample { at: fields.at, value: fields.value, start })
        })
    }

    /// Native histograms in order of the request. A faulty one comes as its error; it is counted in
    /// [`WriteRequest::rejected`] already.
    pub fn histograms(self) -> impl Iterator<Item = Result<NativeHistogram, HistogramError>> + 'a {
        let body = &*self.request.body;
        let number = histogram_field(self.request.protocol());
        let mut parts = Parts::default();
        Fields::of(body, self.entry.data_span()).filter(move |field| field.number == number).filter_map(move |field| {
            parts.read(body, field.bytes().ok()?).ok()?;
            Some(parts.build())
        })
    }

    /// What the series measures as the sender says; [`MetricKind::Unknown`] in 1.0, which sends this apart.
    #[must_use]
    pub fn kind(self) -> MetricKind {
        match self.request.protocol() {
            Protocol::V1 => MetricKind::Unknown,
            Protocol::V2 => MetricKind::from_wire(self.metadata_v2().kind),
        }
    }

    fn labels_v1(self) -> Vec<(&'a str, &'a str)> {
        let body = &*self.request.body;
        let text = |span: Span| body.get(span.start..span.end).and_then(|bytes| std::str::from_utf8(bytes).ok());
        let labels = Fields::of(body, self.entry.span()).filter(|field| field.number == 1);
        labels
            .filter_map(|field| {
                let label = v1::label(body, field.bytes().ok()?).ok()?;
                Some((text(label.name)?, text(label.value)?))
            })
            .collect()
    }

    fn labels_v2(self) -> Vec<(&'a str, &'a str)> {
        let mut labels = Vec::new();
        self.each_label_v2(|name, value| labels.push((name, value)));
        labels
    }

    fn each_label_v2(self, mut visit: impl FnMut(&'a str, &'a str)) {
        let symbols = &self.request.symbols;
        let mut pending = None;
        for field in Fields::of(&self.request.body, self.entry.span()).filter(|field| field.number == 1) {
            // A reference that `decode` accepted resolves, so that no pair gets out of step.
            let pair = |reference| match (pending.take(), symbols.get(reference).unwrap_or_default()) {
                (None, name) => pending = Some(name),
                (Some(name), value) => visit(name, value),
            };
            field.each_varint(&self.request.body, pair).unwrap_or_default();
        }
    }

    fn metadata_v2(self) -> MetadataV2 {
        let body = &*self.request.body;
        let mut metadata = MetadataV2::default();
        for field in Fields::of(body, self.entry.span()).filter(|field| field.number == 5) {
            if let Ok(span) = field.bytes() {
                metadata.merge(body, span).unwrap_or_default();
            }
        }
        metadata
    }

    fn family_metadata(self) -> Option<FamilyMetadata<'a>> {
        let metadata = self.metadata_v2();
        let symbols = &self.request.symbols;
        // Reference 0 is the empty string by definition, whatever the table says.
        let text = |reference| if reference == 0 { Some("") } else { symbols.get(reference) };
        let kind = MetricKind::from_wire(metadata.kind);
        let (help, unit) = (text(metadata.help_ref)?, text(metadata.unit_ref)?);
        if kind == MetricKind::Unknown && help.is_empty() && unit.is_empty() {
            return None;
        }
        let mut metric = "";
        self.each_label_v2(|name, value| {
            if name == METRIC_NAME {
                metric = value;
            }
        });
        Some(FamilyMetadata { family: family_name(metric, kind), kind, help, unit })
    }
}

/// Number of a series' field for native histograms.
fn histogram_field(protocol: Protocol) -> u32 {
    match protocol {
        Protocol::V1 => 4,
        Protocol::V2 => 3,
    }
}

/// Name of the family that the metric `name` belongs to: classic histograms and summaries come as several metrics.
fn family_name(name: &str, kind: MetricKind) -> &str {
    let suffixes: &[&str] = match kind {
        MetricKind::Histogram => &["_bucket", "_count", "_sum"],
        MetricKind::GaugeHistogram => &["_bucket", "_gcount", "_gsum", "_count", "_sum"],
        MetricKind::Summary => &["_count", "_sum"],
        _ => &[],
    };
    suffixes.iter().find_map(|suffix| name.strip_suffix(suffix)).filter(|family| !family.is_empty()).unwrap_or(name)
}

/// Metadata of a family in 1.0.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct MetadataV1 {
    kind: u64,
    family: Span,
    help: Span,
    unit: Span,
}

impl MetadataV1 {
    pub(super) fn read(body: &[u8], message: Span) -> Result<Self, Malformed> {
        let mut metadata = Self::default();
        let mut fields = Reader::new(body, message);
        while let Some(field) = fields.field()? {
            match field.number {
                1 => metadata.kind = field.varint()?,
                2 => metadata.family = field.bytes()?,
                4 => metadata.help = field.bytes()?,
                5 => metadata.unit = field.bytes()?,
                _ => {}
            }
        }
        Ok(metadata)
    }
}

/// Metadata of a series in 2.0; help text and unit are symbols.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct MetadataV2 {
    kind: u64,
    help_ref: u64,
    unit_ref: u64,
}

impl MetadataV2 {
    /// Adds the fields of `message`: protobuf merges a message that occurs twice.
    pub(super) fn merge(&mut self, body: &[u8], message: Span) -> Result<(), Malformed> {
        let mut fields = Reader::new(body, message);
        while let Some(field) = fields.field()? {
            match field.number {
                1 => self.kind = field.varint()?,
                3 => self.help_ref = field.varint()?,
                4 => self.unit_ref = field.varint()?,
                _ => {}
            }
        }
        Ok(())
    }
}

/// All metadata of a request, runs of equals once.
pub(super) fn metadata(request: &WriteRequest) -> impl Iterator<Item = FamilyMetadata<'_>> {
    let body = &*request.body;
    let start = request.metadata.unwrap_or(body.len());
    let messages = Fields::of(body, Span { start, end: body.len() })
        .filter(|field| request.protocol() == Protocol::V1 && field.number == 3)
        .filter_map(|field| metadata_v1(body, field.bytes().ok()?));
    let of_series = request
        .series()
        .iter()
        .filter(|_| request.protocol() == Protocol::V2)
        .filter_map(|entry| request.view(entry).family_metadata());
    let mut last = None;
    messages.chain(of_series).filter(move |found| last.replace(*found) != Some(*found))
}

fn metadata_v1(body: &[u8], message: Span) -> Option<FamilyMetadata<'_>> {
    let metadata = MetadataV1::read(body, message).ok()?;
    let text = |span: Span| std::str::from_utf8(body.get(span.start..span.end)?).ok();
    let family = text(metadata.family).filter(|family| !family.is_empty())?;
    let kind = MetricKind::from_wire(metadata.kind);
    Some(FamilyMetadata { family, kind, help: text(metadata.help)?, unit: text(metadata.unit)? })
}

/// Fields of a message that has been walked before.
struct Fields<'a>(Reader<'a>);

impl<'a> Fields<'a> {
    fn of(body: &'a [u8], message: Span) -> Self {
        Self(Reader::new(body, message))
    }
}

impl Iterator for Fields<'_> {
    type Item = Field;

    #[inline]
    fn next(&mut self) -> Option<Field> {
        self.0.field().ok().flatten()
    }
}
