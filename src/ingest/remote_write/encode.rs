//! Remote write from the sender's side, for vigie's own demo, backtest and load tests.

use std::collections::HashMap;

use super::{Bucket, NativeHistogram, Protocol, ResetHint};
use crate::{
    ingest::wire_write::{push_varint, put_bytes, put_double, put_doubles, put_varint},
    signal::{Labels, MetricKind, Sample},
};

/// Builds request bodies. Reusable: [`finish`](Self::finish) starts over and keeps the buffers.
#[derive(Debug)]
pub struct Encoder {
    protocol: Protocol,
    /// Encoded series, and 1.0's metadata.
    messages: Vec<u8>,
    /// Message under construction.
    message: Vec<u8>,
    /// Message inside the message under construction.
    nested: Vec<u8>,
    /// 2.0: encoded symbols, and where each stands in the table.
    symbols: Vec<u8>,
    references: HashMap<String, u64>,
    /// 2.0: encoded metadata by family, to be put into its series.
    families: HashMap<String, Vec<u8>>,
}

impl Encoder {
    /// An encoder for requests in `protocol`.
    #[must_use]
    pub fn new(protocol: Protocol) -> Self {
        let mut encoder = Self {
            protocol,
            messages: Vec::new(),
            message: Vec::new(),
            nested: Vec::new(),
            symbols: Vec::new(),
            references: HashMap::new(),
            families: HashMap::new(),
        };
        encoder.clear();
        encoder
    }

    /// Adds a series with `samples`, oldest first.
    pub fn series(&mut self, labels: &Labels, samples: &[Sample]) {
        self.begin(labels);
        for sample in samples {
            self.nested.clear();
            put_double(&mut self.nested, 1, sample.value);
            put_varint(&mut self.nested, 2, sample.at.cast_unsigned());
            put_bytes(&mut self.message, 2, &self.nested);
        }
        self.end(labels);
    }

    /// Adds a series with native histograms, oldest first. Counts go out as floats, whatever they came as.
    pub fn histograms(&mut self, labels: &Labels, histograms: &[NativeHistogram]) {
        let number = if self.protocol == Protocol::V1 { 4 } else { 3 };
        self.begin(labels);
        for histogram in histograms {
            self.nested.clear();
            put_histogram(&mut self.nested, histogram);
            put_bytes(&mut self.message, number, &self.nested);
        }
        self.end(labels);
    }

    /// Adds what is known of the metric family `name`.
    ///
    /// 2.0 has metadata in series only: those named `name` that are added later to this request carry it.
    pub fn metadata(&mut self, name: &str, kind: MetricKind, help: &str, unit: &str) {
        self.message.clear();
        put_varint(&mut self.message, 1, wire_kind(kind));
        match self.protocol {
            Protocol::V1 => {
                put_bytes(&mut self.message, 2, name.as_bytes());
                put_bytes(&mut self.message, 4, help.as_bytes());
                put_bytes(&mut self.message, 5, unit.as_bytes());
                put_bytes(&mut self.messages, 3, &self.message);
            }
            Protocol::V2 => {
                let (help, unit) = (self.symbol(help), self.symbol(unit));
                put_varint(&mut self.message, 3, help);
                put_varint(&mut self.message, 4, unit);
                self.families.insert(name.to_owned(), self.message.clone());
            }
        }
    }

    /// The request so far, uncompressed.
    #[must_use]
    pub fn body(&self) -> Vec<u8> {
        [&*self.symbols, &*self.messages].concat()
    }

    /// The request as a snappy block, ready to be sent. The encoder is empty afterwards.
    pub fn finish(&mut self) -> Vec<u8> {
        let body = self.body();
        self.clear();
        let mut block = vec![0; snap::raw::max_compress_len(body.len())];
        // Fails only for a buffer that is too small or a body of 4 GiB, which no receiver takes either.
        let written = snap::raw::Encoder::new().compress(&body, &mut block).unwrap_or_default();
        block.truncate(written);
        block
    }

    fn clear(&mut self) {
        self.messages.clear();
        self.symbols.clear();
        self.references.clear();
        self.families.clear();
        if self.protocol == Protocol::V2 {
            self.symbol("");
        }
    }

    fn begin(&mut self, labels: &Labels) {
        self.message.clear();
        if self.protocol == Protocol::V1 {
            for (name, value) in labels.iter() {
                self.nested.clear();
                put_bytes(&mut self.nested, 1, name.as_bytes());
                put_bytes(&mut self.nested, 2, value.as_bytes());
                put_bytes(&mut self.message, 1, &self.nested);
            }
        } else {
            let mut packed = std::mem::take(&mut self.nested);
            packed.clear();
            for (name, value) in labels.iter() {
                for text in [name, value] {
                    let reference = self.symbol(text);
                    push_varint(&mut packed, reference);
                }
            }
            put_bytes(&mut self.message, 1, &packed);
            self.nested = packed;
        }
    }

    fn end(&mut self, labels: &Labels) {
        if let Some(metadata) = self.families.get(labels.metric()) {
            put_bytes(&mut self.message, 5, metadata);
        }
        let number = if self.protocol == Protocol::V1 { 1 } else { 5 };
        put_bytes(&mut self.messages, number, &self.message);
    }

    /// The reference of `text` in the symbol table, which it enters if it is new.
    fn symbol(&mut self, text: &str) -> u64 {
        if let Some(&known) = self.references.get(text) {
            return known;
        }
        let reference = self.references.len() as u64;
        self.references.insert(text.to_owned(), reference);
        put_bytes(&mut self.symbols, 4, text.as_bytes());
        reference
    }
}

fn wire_kind(kind: MetricKind) -> u64 {
    match kind {
        MetricKind::Unknown => 0,
        MetricKind::Counter => 1,
        MetricKind::Gauge => 2,
        MetricKind::Histogram => 3,
        MetricKind::GaugeHistogram => 4,
        MetricKind::Summary => 5,
        MetricKind::Info => 6,
        MetricKind::StateSet => 7,
    }
}

fn put_histogram(out: &mut Vec<u8>, histogram: &NativeHistogram) {
    put_double(out, 2, histogram.count);
    put_double(out, 3, histogram.sum);
    put_varint(out, 4, zigzag(histogram.schema));
    put_double(out, 5, histogram.zero_threshold);
    put_double(out, 7, histogram.zero_count);
    put_side(out, 8, 10, &histogram.negative);
    put_side(out, 11, 13, &histogram.positive);
    let hint = match histogram.reset_hint {
        ResetHint::Unknown => 0,
        ResetHint::Reset => 1,
        ResetHint::NoReset => 2,
        ResetHint::Gauge => 3,
    };
    put_varint(out, 14, hint);
    put_varint(out, 15, histogram.at.cast_unsigned());
    put_doubles(out, 16, histogram.bounds.iter().copied());
    put_varint(out, 17, histogram.start.unwrap_or_default().cast_unsigned());
}

/// Buckets of one sign: a span for each run of neighbours, then the counts.
fn put_side(out: &mut Vec<u8>, spans: u32, counts: u32, buckets: &[Bucket]) {
    let mut end = 0;
    for run in buckets.chunk_by(|a, b| a.index + 1 == b.index) {
        let mut span = Vec::new();
        put_varint(&mut span, 1, zigzag(run[0].index - end));
        put_varint(&mut span, 2, run.len() as u64);
        put_bytes(out, spans, &span);
        end = run[0].index + run.len() as i32;
    }
    put_doubles(out, counts, buckets.iter().map(|bucket| bucket.count));
}

fn zigzag(value: i32) -> u64 {
    u64::from(((value << 1) ^ (value >> 31)).cast_unsigned())
}
