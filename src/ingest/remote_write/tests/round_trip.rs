//! What our encoder writes, our decoder reads, for any labels and any bits.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::{
    ingest::remote_write::{Encoder, decompress},
    signal::{Identity, MetricKind, Sample},
};

fn labels() -> impl Strategy<Value = Labels> {
    let name = prop_oneof!["[a-zA-Z_][a-z0-9_]{0,12}", "\\PC{1,8}"];
    let value = prop_oneof!["[a-z0-9./:-]{1,20}", "\\PC{0,80}", "[a-z]{128,300}"];
    (prop::collection::btree_map(name, value, 0..12), "\\PC{1,30}").prop_map(
        |(mut pairs, metric): (BTreeMap<_, _>, _)| {
            pairs.insert("__name__".to_owned(), metric);
            Labels::from_pairs(pairs)
        },
    )
}

fn samples() -> impl Strategy<Value = Vec<(i64, u64)>> {
    let bits = prop_oneof![any::<u64>(), any::<f64>().prop_map(f64::to_bits), Just(crate::signal::STALE_NAN_BITS)];
    prop::collection::vec((any::<i64>(), bits), 0..5)
}

fn protocols() -> impl Strategy<Value = Protocol> {
    prop_oneof![Just(Protocol::V1), Just(Protocol::V2)]
}

proptest! {
    #[test]
    fn series_come_back_bit_for_bit(
        protocol in protocols(),
        all in prop::collection::vec((labels(), samples()), 0..8),
    ) {
        let mut encoder = Encoder::new(protocol);
        encoder.series(&Labels::from_pairs([("__name__", "before")]), &[]);
        encoder.finish();
        for (labels, samples) in &all {
            let samples: Vec<_> =
                samples.iter().map(|&(at, bits)| Sample { at, value: f64::from_bits(bits) }).collect();
            encoder.series(labels, &samples);
        }
        let limits = Limits::default();
        let body = encoder.body();
        prop_assert_eq!(&decompress(&encoder.finish(), &limits).unwrap(), &body);
        let request = WriteRequest::decode(protocol, body, &limits).unwrap();
        prop_assert!(request.rejected().is_empty());
        prop_assert_eq!(request.series().len(), all.len());
        for (entry, (labels, samples)) in request.series().iter().zip(&all) {
            let view = request.view(entry);
            prop_assert_eq!(entry.identity, Identity::of(labels));
            prop_assert_eq!(view.labels(), labels.iter().collect::<Vec<_>>());
            let found: Vec<_> = view.samples().map(|s| (s.at, s.value.to_bits())).collect();
            prop_assert_eq!(&found, samples);
        }
        let newest = all.iter().flat_map(|(_, samples)| samples).map(|(at, _)| *at).max();
        prop_assert_eq!(request.max_timestamp(), newest);
    }

    #[test]
    fn no_bytes_panic(protocol in protocols(), body in prop::collection::vec(any::<u8>(), 0..300)) {
        decompress(&body, &Limits::default()).unwrap_or_default();
        if let Ok(request) = decode(protocol, &body) {
            visit(&request);
        }
    }
}

#[test]
fn metadata_comes_back() {
    for protocol in [Protocol::V1, Protocol::V2] {
        let mut encoder = Encoder::new(protocol);
        encoder.metadata("up", MetricKind::Gauge, "Is it up?", "");
        encoder.metadata("build", MetricKind::StateSet, "", "unit");
        for name in ["up", "build", "other"] {
            encoder.series(&Labels::from_pairs([("__name__", name)]), &[Sample { at: 1, value: 1.0 }]);
        }
        let request = decode(protocol, &encoder.body()).unwrap();
        let found: Vec<_> = request.metadata().map(|m| (m.family, m.kind, m.help, m.unit)).collect();
        assert_eq!(found, [("up", MetricKind::Gauge, "Is it up?", ""), ("build", MetricKind::StateSet, "", "unit")]);
    }
}
