//! Good requests, byte by byte.

use super::*;
use crate::{
    ingest::remote_write::{FamilyMetadata, Fault, Tally},
    signal::{Identity, MetricKind, is_stale},
};

#[test]
fn the_smallest_v1_request_written_out() {
    #[rustfmt::skip]
    let body = [
        0x0a, 0x22, // timeseries
            0x0a, 0x0e, 0x0a, 0x08, b'_', b'_', b'n', b'a', b'm', b'e', b'_', b'_', 0x12, 0x02, b'u', b'p',
            0x12, 0x10, 0x09, 0, 0, 0, 0, 0, 0, 0xf8, 0x3f, // value 1.5
            0x10, 0x80, 0xd0, 0x95, 0xff, 0xbc, 0x31, // 1 700 000 000 000 ms
    ];
    let request = decode(Protocol::V1, &body).unwrap();
    assert_eq!(names(&request), ["up"]);
    let sample = request.view(&request.series()[0]).samples().next().unwrap();
    assert_eq!((sample.at, sample.value, sample.start), (1_700_000_000_000, 1.5, None));
    assert_eq!(request.max_timestamp(), Some(1_700_000_000_000));
}

#[test]
fn a_v2_request_with_all_its_fields() {
    let symbols = ["", "__name__", "http_requests_total", "job", "shop", "Requests served.", "requests"];
    let series = message()
        .packed(1, &[1, 2, 3, 4])
        .message(2, message().double(1, 7.0).varint(2, 5000).varint(3, 4000))
        .message(2, message().double(1, 8.0).varint(2, (-6000i64) as u64))
        .message(4, message().packed(1, &[3, 4]).double(2, 1.0).varint(3, 5000))
        .message(5, message().varint(1, 1).varint(3, 5).varint(4, 6))
        .varint(6, 99);
    let request = decode(Protocol::V2, &request_v2(&symbols, &[series])).unwrap();
    assert!(request.rejected().is_empty());
    assert_eq!(names(&request), [r#"http_requests_total{job="shop"}"#]);
    let entry = request.series()[0];
    assert_eq!((entry.samples, entry.histograms, entry.exemplars), (2, 0, 1));
    let view = request.view(&entry);
    let samples: Vec<_> = view.samples().map(|s| (s.at, s.value, s.start)).collect();
    assert_eq!(samples, [(5000, 7.0, Some(4000)), (-6000, 8.0, None)]);
    assert_eq!((view.kind(), request.max_timestamp()), (MetricKind::Counter, Some(5000)));
    assert_eq!(request.accepted(), Tally { series: 1, samples: 2, histograms: 0 });
    let metadata: Vec<_> = request.metadata().collect();
    let (family, help, unit) = ("http_requests_total", "Requests served.", "requests");
    assert_eq!(metadata, [FamilyMetadata { family, kind: MetricKind::Counter, help, unit }]);
}

#[test]
fn a_label_set_has_one_identity_in_any_order_and_version() {
    let expected = Identity::of(&Labels::from_pairs([("__name__", "up"), ("A", "b"), ("job", "é"), ("pod", "p")]));
    let sorted = series(&[("A", "b"), ("__name__", "up"), ("job", "é"), ("pod", "p")]);
    let shuffled = series(&[("pod", "p"), ("__name__", "up"), ("empty", ""), ("job", "é"), ("A", "b")]);
    let v1 = decode(Protocol::V1, &request_v1(&[sorted, shuffled])).unwrap();
    let symbols = ["", "__name__", "up", "A", "b", "job", "é", "pod", "p"];
    let v2 = [message().packed(1, &[3, 4, 1, 2, 5, 6, 7, 8]), message().packed(1, &[7, 8, 5, 6, 1, 2, 3, 4])];
    let v2 = decode(Protocol::V2, &request_v2(&symbols, &v2)).unwrap();
    let identities: Vec<_> = v1.series().iter().chain(v2.series()).map(|entry| entry.identity).collect();
    assert_eq!(identities, [expected; 4]);
    assert_eq!(v1.view(&v1.series()[1]).labels(), [("A", "b"), ("__name__", "up"), ("job", "é"), ("pod", "p")]);
}

#[test]
fn names_that_begin_alike_are_put_in_order() {
    let names = ["\0", "__name__", "a", "a\0", "container", "container_", "container_id"];
    let expected = Identity::of(&Labels::from_pairs(names.map(|name| (name, "x"))));
    for shift in 0..names.len() {
        for swap in 0..names.len() {
            let mut labels = names.map(|name| (name, "x"));
            labels.rotate_left(shift);
            labels.swap(0, swap);
            let request = decode(Protocol::V1, &request_v1(&[series(&labels)])).unwrap();
            assert_eq!(request.series().first().map(|entry| entry.identity), Some(expected), "{labels:?}");
            labels[0] = labels[1];
            let request = decode(Protocol::V1, &request_v1(&[series(&labels)])).unwrap();
            assert_eq!(request.rejected().of(Fault::DuplicateLabel).series, 1, "{labels:?}");
        }
    }
}

#[test]
fn values_keep_their_bits() {
    let bits = [0x7ff0_0000_0000_0002, 0x7ff8_0000_0000_0001, 0xfff0_0000_0000_0000, 0x8000_0000_0000_0000, 1];
    let series =
        bits.iter().fold(message().label("__name__", "up"), |series, bits| series.sample(0, f64::from_bits(*bits)));
    let request = decode(Protocol::V1, &request_v1(&[series])).unwrap();
    let samples: Vec<_> = request.view(&request.series()[0]).samples().collect();
    assert_eq!(samples.iter().map(|s| s.value.to_bits()).collect::<Vec<_>>(), bits);
    assert!(is_stale(samples[0].value) && !is_stale(samples[1].value));
}

#[test]
fn freedoms_of_protobuf_are_granted() {
    // Unknown fields of every wire type, fields in odd order, repeated scalars, unpacked references, split messages.
    let noise = || message().varint(9, u64::MAX).double(10, 1.0).bytes(11, "x").raw(&[12 << 3 | 5, 1, 2, 3, 4]);
    let v1 = noise()
        .sample(1, 1.0)
        .message(1, noise().bytes(2, "wrong").bytes(2, "up").bytes(1, "job").bytes(1, "__name__"))
        .message(2, noise().varint(2, 5).varint(2, 9).double(1, 2.0).double(1, 3.0))
        .label("zone", "a");
    let v1 = message().raw(&noise().0).message(1, v1).raw(&noise().0).0;
    let v1 = decode(Protocol::V1, &v1).unwrap();
    assert_eq!(names(&v1), [r#"up{zone="a"}"#]);
    let samples: Vec<_> = v1.view(&v1.series()[0]).samples().map(|s| (s.at, s.value)).collect();
    assert_eq!(samples, [(1, 1.0), (9, 3.0)]);

    let series = message()
        .message(5, message().varint(1, 2))
        .varint(1, 1)
        .varint(1, 2)
        .packed(1, &[3])
        .message(5, message().varint(3, 5))
        .varint(1, 4)
        .sample(3, 4.0);
    // Series before symbols.
    let v2 = noise().message(5, series);
    let v2 = ["", "__name__", "up", "job", "shop", "Help."].iter().fold(v2, |v2, symbol| v2.bytes(4, symbol));
    let v2 = decode(Protocol::V2, &v2.0).unwrap();
    assert_eq!(names(&v2), [r#"up{job="shop"}"#]);
    let metadata = v2.metadata().next().unwrap();
    assert_eq!((metadata.kind, metadata.help), (MetricKind::Gauge, "Help."));
}

#[test]
fn metadata_of_v1_comes_without_series() {
    let family = |kind, name: &str| message().varint(1, kind).bytes(2, name).bytes(4, "Help.").bytes(5, "seconds");
    let request = message()
        .message(3, family(3, "latency_seconds"))
        .message(3, family(3, "latency_seconds"))
        .message(3, family(42, "odd"))
        .message(3, family(1, ""))
        .message(3, message().bytes(2, [0xff]));
    let request = decode(Protocol::V1, &request.0).unwrap();
    let found: Vec<_> = request.metadata().map(|m| (m.family, m.kind, m.help, m.unit)).collect();
    let expected = [("latency_seconds", MetricKind::Histogram), ("odd", MetricKind::Unknown)];
    assert_eq!(found, expected.map(|(family, kind)| (family, kind, "Help.", "seconds")));
    assert!(request.series().is_empty() && request.rejected().is_empty() && request.max_timestamp().is_none());
}

#[test]
fn families_of_v2_lose_the_suffix_of_a_part() {
    let symbols = ["", "__name__", "a_bucket", "a_sum", "a_count", "_sum", "a_gsum", "le", "1"];
    let of = |name, kind| message().packed(1, &[1, name]).message(5, message().varint(1, kind));
    let series = [of(2, 3), of(3, 3), of(4, 1), of(4, 5), of(5, 5), of(6, 4), message().packed(1, &[1, 3])];
    let request = decode(Protocol::V2, &request_v2(&symbols, &series)).unwrap();
    let families: Vec<_> = request.metadata().map(|m| (m.family, m.kind.as_str())).collect();
    let expected =
        [("a", "histogram"), ("a_count", "counter"), ("a", "summary"), ("_sum", "summary"), ("a", "gaugehistogram")];
    assert_eq!(families, expected);
}

#[test]
fn long_values_are_text_too() {
    // A length of two bytes makes the label block as a whole no UTF-8.
    let long = "ü".repeat(100);
    let request = decode(Protocol::V1, &request_v1(&[series(&[("__name__", "up"), ("path", &long)])])).unwrap();
    assert_eq!(request.view(&request.series()[0]).labels()[1], ("path", &*long));
}
