//! From series to request bodies, cheaply: the generator shares the machine with what it measures.
//!
//! Labels that are always the same are encoded once, at the start; those of a target once for each request that it is
//! in. What is left per sample is copying, computing the value and compression.

use std::{ops::Range, sync::Arc};

use bytes::Bytes;

use super::{
    population::{Job, Part, Population},
    v1, v2,
    wire::SampleField,
};
use crate::{ingest::remote_write::Protocol, signal::TimestampMs};

/// Makes requests, one after the other. Keeps its buffers.
#[derive(Debug)]
pub struct Encoder {
    population: Arc<Population>,
    message: Message,
    body: Vec<u8>,
    compressor: snap::raw::Encoder,
    block: Vec<u8>,
}

#[derive(Debug)]
enum Message {
    V1(v1::Message),
    V2(v2::Message),
}

impl Encoder {
    /// An encoder for series of `population`.
    #[must_use]
    pub fn new(population: Arc<Population>, protocol: Protocol) -> Self {
        let message = match protocol {
            Protocol::V1 => Message::V1(v1::Message::new(&population)),
            Protocol::V2 => Message::V2(v2::Message::new(&population)),
        };
        let compressor = snap::raw::Encoder::new();
        Self { population, message, body: Vec::new(), compressor, block: Vec::new() }
    }

    /// The request with a sample at `at` of each of the series numbered `range`, as a snappy block.
    pub fn encode(&mut self, range: Range<usize>, at: TimestampMs) -> Bytes {
        self.write(range, at);
        let room = snap::raw::max_compress_len(self.body.len());
        if self.block.len() < room {
            self.block.resize(room, 0);
        }
        // Fails only for a buffer that is too small or a body of 4 GiB, which no receiver takes either.
        let written = self.compressor.compress(&self.body, &mut self.block).unwrap_or_default();
        Bytes::copy_from_slice(&self.block[..written])
    }

    fn write(&mut self, range: Range<usize>, at: TimestampMs) {
        let Self { population, message, body, .. } = self;
        body.clear();
        let moment = population.moment(at);
        let mut sample = SampleField::new(at);
        for Part { job, lines, target } in population.parts(range, at) {
            let values = population.lines(job)[lines.clone()].iter().map(|line| target.value(line, &moment));
            match message {
                Message::V1(message) => message.part(job, lines, &target.values, values, &mut sample, body),
                Message::V2(message) => message.part(job, lines, &target.values, values, &mut sample),
            }
        }
        if let Message::V2(message) = message {
            message.finish(body);
        }
    }
}

/// Something for each kind of target.
pub(super) fn by_job<T>(make: impl FnMut(Job) -> T) -> [T; 3] {
    Job::ALL.map(make)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        ingest::remote_write::{Limits, WriteRequest, decompress},
        signal::{Labels, MetricKind},
    };

    const START: TimestampMs = 1_770_000_000_000;
    const SIZE: usize = 6_000;

    fn population() -> Arc<Population> {
        Arc::new(Population::new(SIZE, 3, START, 15_000.0, 0.5))
    }

    fn decoded(protocol: Protocol, body: &Bytes) -> WriteRequest {
        let limits = Limits::default();
        let request = WriteRequest::decode(protocol, decompress(body, &limits).unwrap(), &limits).unwrap();
        assert!(request.rejected().is_empty(), "{:?}", request.rejected());
        request
    }

    #[test]
    fn a_request_decodes_to_exactly_the_series_asked_for() {
        let population = population();
        for protocol in [Protocol::V1, Protocol::V2] {
            let mut encoder = Encoder::new(population.clone(), protocol);
            for (range, at) in [(0..2_000, START), (1_999..2_000, START + 15_000), (3_217..SIZE, START + 7_200_000)] {
                let request = decoded(protocol, &encoder.encode(range.clone(), at));
                let found: Vec<_> = request.series().iter().map(|entry| request.view(entry)).collect();
                let expected = population.series(range, at);
                assert_eq!(found.len(), expected.len());
                for (view, (labels, value)) in found.into_iter().zip(expected) {
                    let samples: Vec<_> = view.samples().map(|sample| (sample.at, sample.value.to_bits())).collect();
                    assert_eq!(samples, [(at, value.to_bits())], "{labels}");
                    assert_eq!(Labels::from_pairs(view.labels()), labels);
                }
            }
        }
    }

    #[test]
    fn labels_come_sorted_as_receivers_demand() {
        let body = Encoder::new(population(), Protocol::V1).encode(0..SIZE, START);
        let raw = decompress(&body, &Limits::default()).unwrap();
        for series in messages(&raw, 1) {
            let names: Vec<&[u8]> = messages(series, 1).map(|label| messages(label, 1).next().unwrap()).collect();
            assert!(names.is_sorted_by(|a, b| a < b));
        }
    }

    /// The length-delimited fields of a message that have this number; the others are skipped.
    fn messages(bytes: &[u8], number: u8) -> impl Iterator<Item = &[u8]> {
        let mut rest = bytes;
        std::iter::from_fn(move || {
            while let Some((&tag, after)) = rest.split_first() {
                assert_eq!(tag & 7, 2, "only messages and strings");
                let mut len = 0;
                let varint = after.iter().take_while(|byte| **byte >= 0x80).count() + 1;
                for (i, byte) in after[..varint].iter().enumerate() {
                    len |= usize::from(byte & 0x7f) << (7 * i);
                }
                let (value, next) = after[varint..].split_at(len);
                rest = next;
                if tag >> 3 == number {
                    return Some(value);
                }
            }
            None
        })
    }

    #[test]
    fn version_2_tells_what_each_metric_is() {
        let request = decoded(Protocol::V2, &Encoder::new(population(), Protocol::V2).encode(0..SIZE, START));
        let kind = |family: &str| request.metadata().find(|found| found.family == family).map(|found| found.kind);
        assert_eq!(kind("node_cpu_seconds_total"), Some(MetricKind::Counter));
        assert_eq!(kind("container_memory_rss"), Some(MetricKind::Gauge));
        assert_eq!(kind("http_request_duration_seconds"), Some(MetricKind::Histogram));
        assert!(request.metadata().any(|found| found.help == "Number of goroutines."));
    }
}
