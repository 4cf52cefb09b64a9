//! A piece of history: many series over a short time, put into the order in which they would have been sent.

use std::collections::HashMap;

use crate::{
    ingest::remote_write::{DecodeError, Encoder, Limits, Protocol, WriteRequest},
    prometheus::Samples,
    signal::{Labels, Sample, TimestampMs},
};

/// Samples of a request at most.
const REQUEST_SAMPLES: usize = 5_000;
/// Time that a request spans at most, in ms: as live, the engine shall take a turn after each few minutes.
const REQUEST_SPAN_MS: i64 = 60_000;

/// Samples with the places of their series.
#[derive(Debug, Default)]
pub(super) struct Slice {
    labels: Vec<Labels>,
    places: HashMap<Labels, u32>,
    samples: Vec<(TimestampMs, u32, f64)>,
}

/// Some samples of a slice, ready for the engine.
#[derive(Debug)]
pub(super) struct Portion {
    pub(super) request: WriteRequest,
    /// The same as it would have been sent.
    pub(super) raw: Vec<u8>,
    /// Time of the newest sample.
    pub(super) until: TimestampMs,
}

impl Slice {
    /// Adds samples of a series; where it lacks a label of `external`, it gets it, as in remote write.
    pub(super) fn add(&mut self, (labels, samples): Samples, external: &[(String, String)]) {
        if samples.is_empty() {
            return;
        }
        let missing = external.iter().filter(|(name, _)| labels.get(name).is_none());
        let labels = missing.fold(labels.clone(), |all, (name, value)| all.with(name, value));
        let next = self.labels.len() as u32;
        let place = *self.places.entry(labels.clone()).or_insert(next);
        if place == next {
            self.labels.push(labels);
        }
        self.samples.extend(samples.into_iter().map(|(at, value)| (at, place, value)));
    }

    /// Number of samples.
    pub(super) fn len(&self) -> usize {
        self.samples.len()
    }

    /// Number of series.
    pub(super) fn series(&self) -> usize {
        self.labels.len()
    }

    /// The samples as requests in order of time, those of a scrape side by side. Hands each to `take` until that
    /// says no.
    ///
    /// # Errors
    /// A request cannot be decoded, which no labels from a Prometheus bring about.
    pub(super) fn portions(mut self, mut take: impl FnMut(Portion) -> bool) -> Result<(), DecodeError> {
        self.samples.sort_unstable_by_key(|(at, place, _)| (*at, *place));
        let mut rest = self.samples.as_slice();
        while let Some((first, ..)) = rest.first() {
            let in_span = rest.partition_point(|(at, ..)| *at < first + REQUEST_SPAN_MS);
            let (now, later) = rest.split_at(in_span.min(REQUEST_SAMPLES));
            let mut encoder = Encoder::new(Protocol::V1);
            for (at, place, value) in now {
                encoder.series(&self.labels[*place as usize], &[Sample { at: *at, value: *value }]);
            }
            let request = WriteRequest::decode(Protocol::V1, encoder.body(), &Limits::default())?;
            let until = now.last().map_or(*first, |(at, ..)| *at);
            if !take(Portion { raw: encoder.finish(), request, until }) {
                break;
            }
            rest = later;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_come_in_order_of_time_with_external_labels() {
        let series = |instance| Labels::from_pairs([("__name__", "up"), ("instance", instance)]);
        let external = [("instance", "x"), ("cluster", "north")].map(|(n, v)| (n.to_owned(), v.to_owned()));
        let mut slice = Slice::default();
        for (instance, offset) in [("a", 0), ("b", 7_000)] {
            let samples: Vec<_> = (0..20).map(|i| (offset + i * 15_000, i as f64)).collect();
            for piece in [&samples[10..], &samples[..10], &[]] {
                slice.add((series(instance), piece.to_vec()), &external);
            }
        }
        assert_eq!((slice.len(), slice.series()), (40, 2));
        let (mut times, mut requests) = (Vec::new(), 0);
        slice
            .portions(|portion| {
                requests += 1;
                let before = times.len();
                for entry in portion.request.series() {
                    let view = portion.request.view(entry);
                    let labels = Labels::from_pairs(view.labels());
                    assert_eq!(labels.get("cluster"), Some("north"));
                    assert!(["a", "b"].contains(&labels.get("instance").unwrap()), "its own label wins");
                    times.extend(view.samples().map(|sample| sample.at));
                }
                assert!(times[times.len() - 1] - times[before] < REQUEST_SPAN_MS);
                assert_eq!(portion.until, times[times.len() - 1]);
                true
            })
            .unwrap();
        assert_eq!((times.len(), requests), (40, 5));
        assert!(times.is_sorted(), "{times:?}");
    }
}
