//! A decoded request: where its series lie and who they are.

use super::{
    DecodeError, Fault, Limits, Malformed, Protocol, Rejections, SeriesView, Tally,
    histogram_wire::Parts,
    series::{LabelScratch, Load},
    v1,
    v2::{self, Symbols},
    view::{self, FamilyMetadata, MetadataV1},
};
use crate::{
    ingest::wire::{Field, Span},
    prefetch::prefetch,
    signal::{Identity, TimestampMs},
};

/// Bytes of a sample at least.
const SAMPLE: usize = 16;

/// A time series of a request, located and identified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SeriesEntry {
    /// Which series it is. One request may name a series more than once.
    pub identity: Identity,
    /// Offset of the message in the decompressed body, in bytes.
    pub offset: u32,
    /// Length of the message in bytes.
    pub len: u32,
    /// Offset of the first sample or histogram, so that labels need not be walked again.
    pub(super) data: u32,
    /// Number of float samples.
    pub samples: u32,
    /// Number of acceptable native histograms.
    pub histograms: u32,
    /// Number of exemplars, which are not read.
    pub exemplars: u32,
}

impl SeriesEntry {
    /// The message, from its first sample or histogram on.
    pub(super) fn data_span(&self) -> Span {
        Span { start: self.data as usize, end: self.span().end }
    }

    pub(super) fn span(&self) -> Span {
        Span { start: self.offset as usize, end: self.offset as usize + self.len as usize }
    }
}

/// A request whose acceptable series are located, but not built. It owns the decompressed body.
#[derive(Debug)]
pub struct WriteRequest {
    protocol: Protocol,
    pub(super) body: Vec<u8>,
    pub(super) symbols: Symbols,
    series: Vec<SeriesEntry>,
    rejected: Rejections,
    accepted: Tally,
    max_timestamp: Option<TimestampMs>,
    /// Offset of the first metadata message of a 1.0 request.
    pub(super) metadata: Option<usize>,
}

impl WriteRequest {
    /// Decodes a decompressed body.
    ///
    /// Cost: one walk over the bytes; memory in proportion to series, 2.0's symbol text besides. Nothing is allocated
    /// per label or sample.
    ///
    /// # Errors
    /// [`DecodeError`] when the body is not protobuf or goes beyond the request's limits. What is wrong with one series
    /// refuses only that series, see [`rejected`](Self::rejected).
    pub fn decode(protocol: Protocol, body: Vec<u8>, limits: &Limits) -> Result<Self, DecodeError> {
        if body.len() > limits.body_bytes || u32::try_from(body.len()).is_err() {
            let limit = limits.body_bytes.min(u32::MAX as usize);
            return Err(DecodeError::BodyTooLarge { bytes: body.len() as u64, limit });
        }
        let mut collector = Collector::new(limits, body.len());
        let symbols = match protocol {
            Protocol::V1 => {
                v1::walk(&body, &mut collector)?;
                Symbols::default()
            }
            Protocol::V2 => v2::walk(&body, &mut collector)?,
        };
        let Collector { entries: series, rejected, accepted, max_timestamp, metadata, .. } = collector;
        Ok(Self { protocol, body, symbols, series, rejected, accepted, max_timestamp, metadata })
    }

    /// The version it was decoded as.
    #[must_use]
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// The acceptable series, in order of the request.
    #[must_use]
    pub fn series(&self) -> &[SeriesEntry] {
        &self.series
    }

    /// What was refused, and why.
    #[must_use]
    pub fn rejected(&self) -> &Rejections {
        &self.rejected
    }

    /// What the acceptable series hold, refused histograms left out.
    #[must_use]
    pub fn accepted(&self) -> Tally {
        self.accepted
    }

    /// Metadata of metric families: 1.0's metadata messages, or what 2.0's acceptable series say of themselves.
    ///
    /// 2.0 names no family: its name is the metric's without the suffix of a histogram's or summary's parts. Runs of
    /// equal metadata come once, but a family may come again later. Metadata without a name or that is not UTF-8 is
    /// left out: it is a comment, no data is lost.
    pub fn metadata(&self) -> impl Iterator<Item = FamilyMetadata<'_>> {
        view::metadata(self)
    }

    /// Looks at a series of this request.
    #[must_use]
    pub fn view(&self, entry: &SeriesEntry) -> SeriesView<'_> {
        SeriesView::new(self, *entry)
    }

    /// Has the first sample of a series brought near: another processor may have decoded the request.
    pub fn prefetch(&self, entry: &SeriesEntry) {
        self.body
            .get(entry.data as usize..)
            .and_then(|data| data.first_chunk::<SAMPLE>())
            .into_iter()
            .for_each(prefetch);
    }

    /// Newest timestamp of all acceptable samples and histograms, `None` when there are none.
    #[must_use]
    pub fn max_timestamp(&self) -> Option<TimestampMs> {
        self.max_timestamp
    }
}

/// Gathers the outcome of a walk and holds the buffers it reuses from series to series.
#[derive(Debug)]
pub(super) struct Collector<'l> {
    pub(super) limits: &'l Limits,
    body_bytes: usize,
    pub(super) labels: LabelScratch,
    pub(super) parts: Parts,
    entries: Vec<SeriesEntry>,
    rejected: Rejections,
    accepted: Tally,
    max_timestamp: Option<TimestampMs>,
    metadata: Option<usize>,
    series_seen: usize,
    samples_seen: usize,
}

impl<'l> Collector<'l> {
    fn new(limits: &'l Limits, body_bytes: usize) -> Self {
        Self {
            limits,
            body_bytes,
            labels: LabelScratch::default(),
            parts: Parts::default(),
            entries: Vec::new(),
            rejected: Rejections::default(),
            accepted: Tally::default(),
            max_timestamp: None,
            metadata: None,
            series_seen: 0,
            samples_seen: 0,
        }
    }

    /// Remembers where metadata begins.
    pub(super) fn saw_metadata(&mut self, body: &[u8], field: Field) -> Result<(), Malformed> {
        MetadataV1::read(body, field.bytes()?)?;
        self.metadata.get_or_insert(field.at);
        Ok(())
    }

    /// Takes or refuses the series in `message`. `text` is what the labels' spans point into.
    pub(super) fn close(
        &mut self,
        message: Span,
        load: Load,
        identity: Result<Identity, Fault>,
        text: &[u8],
    ) -> Result<(), DecodeError> {
        let Limits { series, samples, .. } = *self.limits;
        self.series_seen += 1;
        self.samples_seen += load.samples as usize + load.histograms as usize + load.bad_histograms as usize;
        if self.series_seen > series {
            return Err(DecodeError::TooMany { what: "series", limit: series });
        }
        if self.samples_seen > samples {
            return Err(DecodeError::TooMany { what: "samples", limit: samples });
        }
        let tally = Tally { series: 1, samples: u64::from(load.samples), histograms: u64::from(load.histograms) };
        let bad_histograms = u64::from(load.bad_histograms);
        match identity {
            Ok(identity) => {
                if let Some(error) = load.bad_histogram {
                    let refused = Tally { histograms: bad_histograms, ..Tally::default() };
                    self.rejected.record(Fault::Histogram, refused, || {
                        format!("{}: {error} in {}", Fault::Histogram, self.labels.describe(text))
                    });
                }
                self.accepted.add(tally);
                self.max_timestamp = self.max_timestamp.max(load.newest);
                if self.entries.is_empty() {
                    // The series of a request are alike, so that the first tells about how many there are.
                    let alike = self.body_bytes / message.len().max(1);
                    self.entries.reserve(alike.min(series));
                }
                self.keep(message, &load, identity);
            }
            Err(fault) => {
                let refused = Tally { histograms: tally.histograms + bad_histograms, ..tally };
                self.rejected.record(fault, refused, || format!("{fault} in {}", self.labels.describe(text)));
            }
        }
        Ok(())
    }

    fn keep(&mut self, message: Span, load: &Load, identity: Identity) {
        // The body is at most 4 GiB, so that offsets fit; checked before the walk.
        self.entries.push(SeriesEntry {
            identity,
            offset: message.start as u32,
            len: message.len() as u32,
            data: load.first.unwrap_or(message.end) as u32,
            samples: load.samples,
            histograms: load.histograms,
            exemplars: load.exemplars,
        });
    }
}
