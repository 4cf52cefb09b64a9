//! What refuses one series, and leaves the others.

use super::*;
use crate::ingest::remote_write::{Fault, Tally};

/// A request of a good series, the series in question and another good one.
fn check_v1(labels: &[(&[u8], &[u8])], fault: Fault, told: &str) {
    let bad = labels.iter().fold(message(), |series, (name, value)| series.label(name, value));
    let bad = bad.sample(99_999, 1.0).sample(99_999, 2.0).message(4, message().varint(15, 99_999));
    let good = series(&[("__name__", "up")]);
    let request = decode(Protocol::V1, &request_v1(&[good.clone(), bad, good])).unwrap();
    check(&request, fault, Tally { series: 1, samples: 2, histograms: 1 }, told);
}

fn check_v2(refs: &[u64], fault: Fault, told: &str) {
    let symbols = ["", "__name__", "up", "job", "shop", "\u{e9}"];
    let bad = message().packed(1, refs).sample(99_999, 1.0);
    let good = message().packed(1, &[1, 2]).sample(1000, 1.0);
    let request = decode(Protocol::V2, &request_v2(&symbols, &[good.clone(), bad, good])).unwrap();
    check(&request, fault, Tally { series: 1, samples: 1, histograms: 0 }, told);
}

fn check(request: &WriteRequest, fault: Fault, tally: Tally, told: &str) {
    let rejected = request.rejected();
    assert_eq!(rejected.by_fault().collect::<Vec<_>>(), [(fault, tally)], "{rejected}");
    assert_eq!(rejected.total(), tally);
    assert!(rejected.examples()[0].ends_with(told), "{rejected}");
    assert_eq!(names(request), ["up", "up"]);
    assert_eq!(request.max_timestamp(), Some(1000), "time of refused samples does not count");
    visit(request);
}

#[test]
fn faults_of_v1_labels() {
    check_v1(&[(b"job", b"shop")], Fault::MetricName, r#"missing or empty metric name in {job="shop"}"#);
    check_v1(&[(b"__name__", b""), (b"job", b"a")], Fault::MetricName, r#"in {job="a"}"#);
    check_v1(&[], Fault::MetricName, "in {}");
    check_v1(&[(b"__name__", b"up"), (b"", b"x")], Fault::EmptyLabelName, r#"in up{="x"}"#);
    check_v1(&[(b"__name__", b"up"), (b"a", b"1"), (b"a", b"1")], Fault::DuplicateLabel, r#"up{a="1",a="1"}"#);
    check_v1(&[(b"a", b"1"), (b"__name__", b"up"), (b"a", b"")], Fault::DuplicateLabel, r#"up{a="1",a=""}"#);
    check_v1(&[(b"__name__", b"up"), (b"a", b"\xff")], Fault::Utf8, "up{a=\"\u{fffd}\"}");
    check_v1(&[(b"__name__", b"up"), (b"\xc3", b"\xa9")], Fault::Utf8, "up{\u{fffd}=\"\u{fffd}\"}");
    let long = [b'x'; 5000];
    check_v1(&[(b"__name__", b"up"), (&long[..1025], b"")], Fault::LabelTooLong, "…");
    check_v1(&[(b"__name__", b"up"), (b"a", &long[..4097])], Fault::LabelTooLong, "…");
}

#[test]
fn a_character_cut_by_a_label_boundary_is_no_text() {
    // An unknown field whose tag continues the character that the value leaves open: as one block this is UTF-8.
    let torn = message().bytes(1, "a").raw(&[0x12, 2, b'x', 0xc3]).raw(&[0x82, 0x01, 0]);
    let whole = std::str::from_utf8(&torn.0);
    let bad = message().label("__name__", "up").message(1, torn.clone()).sample(1000, 1.0);
    let request = decode(Protocol::V1, &request_v1(&[bad])).unwrap();
    assert!(whole.is_ok(), "the case is not the one described");
    assert_eq!(request.rejected().of(Fault::Utf8).series, 1);
}

#[test]
fn limits_of_labels_are_inclusive() {
    let with = |count: usize| {
        let labels: Vec<_> = (1..count).map(|i| format!("l{i:03}")).collect();
        let pairs: Vec<_> = [("__name__", "up")].into_iter().chain(labels.iter().map(|l| (&**l, "v"))).collect();
        decode(Protocol::V1, &request_v1(&[series(&pairs)])).unwrap()
    };
    assert_eq!(with(64).series().len(), 1);
    assert_eq!(with(65).rejected().of(Fault::TooManyLabels).series, 1);
    assert_eq!(with(5000).rejected().of(Fault::TooManyLabels).samples, 1);
    let symbols = ["", "__name__", "up"];
    let v2 = message().packed(1, &[1, 2].repeat(65));
    let v2 = decode(Protocol::V2, &request_v2(&symbols, &[v2])).unwrap();
    assert_eq!(v2.rejected().of(Fault::TooManyLabels).series, 1);
}

#[test]
fn faults_of_v2_labels() {
    check_v2(&[1, 2, 3, 6], Fault::SymbolRef, "out of range in up{}");
    check_v2(&[6, 2, 1, 2], Fault::SymbolRef, "out of range in up{}");
    check_v2(&[1, 2, u64::MAX, 3], Fault::SymbolRef, "out of range in up{}");
    // Cut to 32 bits this would be symbol 3.
    check_v2(&[1, 2, (1 << 32) + 3, 4], Fault::SymbolRef, "out of range in up{}");
    check_v2(&[1, 2, 3], Fault::OddRefs, "not in pairs in up{}");
    check_v2(&[], Fault::MetricName, "in {}");
    check_v2(&[1, 0, 3, 4], Fault::MetricName, r#"{job="shop"}"#);
    check_v2(&[0, 4, 1, 2], Fault::EmptyLabelName, r#"up{="shop"}"#);
    check_v2(&[3, 4, 1, 2, 3, 4], Fault::DuplicateLabel, r#"up{job="shop",job="shop"}"#);
}

#[test]
fn a_bad_symbol_refuses_those_that_use_it() {
    let request = message().bytes(4, "").bytes(4, "__name__").bytes(4, "up").bytes(4, b"x\xff").bytes(4, "a");
    let good = message().packed(1, &[1, 2, 4, 2]);
    let bad = message().packed(1, &[1, 2, 4, 3]);
    let request = decode(Protocol::V2, &request.message(5, good).message(5, bad).0).unwrap();
    assert_eq!(names(&request), [r#"up{a="up"}"#]);
    assert_eq!(request.rejected().examples(), [r#"label is not valid UTF-8 in up{a="x"}"#]);
}

#[test]
fn samples_and_histograms_exclude_each_other_in_v2_only() {
    let histogram = message().double(3, f64::from_bits(crate::signal::STALE_NAN_BITS)).varint(15, 7);
    let v1 = series(&[("__name__", "up")]).message(4, histogram.clone());
    let v1 = decode(Protocol::V1, &request_v1(&[v1])).unwrap();
    assert_eq!((v1.series()[0].samples, v1.series()[0].histograms), (1, 1));
    let v2 = message().packed(1, &[1, 2]).sample(1, 1.0).message(3, histogram);
    let v2 = decode(Protocol::V2, &request_v2(&["", "__name__", "up"], &[v2])).unwrap();
    assert_eq!(v2.rejected().of(Fault::Mixed), Tally { series: 1, samples: 1, histograms: 1 });
}

#[test]
fn only_the_bad_histogram_is_refused() {
    let at = |at, count| message().varint(1, count).varint(6, 3).varint(15, at);
    let series = message().label("__name__", "h").message(4, at(1, 3)).message(4, at(9, 4)).message(4, at(2, 3));
    let request = decode(Protocol::V1, &request_v1(&[series])).unwrap();
    let entry = request.series()[0];
    assert_eq!((entry.histograms, request.max_timestamp()), (2, Some(2)));
    let outcomes: Vec<_> = request.view(&entry).histograms().map(|h| h.map(|h| h.at).ok()).collect();
    assert_eq!(outcomes, [Some(1), None, Some(2)]);
    assert_eq!(request.rejected().of(Fault::Histogram), Tally { series: 0, samples: 0, histograms: 1 });
    assert_eq!(
        request.rejected().to_string(),
        "refused 0 samples and 1 histograms (0 whole series): invalid native histogram: \
         histogram count 4 does not agree with 3 observations in its buckets in h{}"
    );
}

#[test]
fn the_first_few_refusals_are_told_and_all_are_counted() {
    let bad: Vec<_> = (0..8).map(|i| series(&[("i", &i.to_string())])).collect();
    let request = decode(Protocol::V1, &request_v1(&bad)).unwrap();
    let told = request.rejected().to_string();
    assert!(told.starts_with("refused 8 samples and 0 histograms (8 whole series): missing"), "{told}");
    assert!(told.contains(r#"{i="4"}; and 3 more"#) && !told.contains(r#"{i="5"}"#), "{told}");
}
