//! Native histograms: the wire form, quantiles against closed forms, differences.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::{
    ingest::remote_write::{Bucket, Encoder, HistogramError, MAX_BUCKETS, NativeHistogram, ResetHint},
    signal::STALE_NAN_BITS,
};

fn buckets(pairs: &[(i32, f64)]) -> Box<[Bucket]> {
    pairs.iter().map(|&(index, count)| Bucket { index, count }).collect()
}

/// A histogram of both signs, all counts times `scale`.
pub(super) fn exponential(scale: f64) -> NativeHistogram {
    let scaled = |pairs: &[(i32, f64)]| buckets(&pairs.iter().map(|&(i, c)| (i, c * scale)).collect::<Vec<_>>());
    NativeHistogram {
        at: 1000,
        start: Some(500),
        schema: 0,
        count: 20.0 * scale,
        sum: 30.0 * scale,
        zero_threshold: 0.125,
        zero_count: 2.0 * scale,
        reset_hint: ResetHint::Unknown,
        positive: scaled(&[(-1, 2.0), (0, 4.0), (1, 3.0), (5, 5.0)]),
        negative: scaled(&[(0, 1.0), (2, 3.0)]),
        bounds: Arc::default(),
    }
}

/// A histogram with bounds 1, 2 and 5, and observations above all of them.
pub(super) fn custom() -> NativeHistogram {
    NativeHistogram {
        schema: -53,
        count: 10.0,
        zero_threshold: 0.0,
        zero_count: 0.0,
        positive: buckets(&[(0, 4.0), (1, 4.0), (3, 2.0)]),
        negative: Box::default(),
        bounds: Arc::from([1.0, 2.0, 5.0]),
        ..exponential(1.0)
    }
}

/// Positive values only, no zero bucket.
fn positive(schema: i32, pairs: &[(i32, f64)]) -> NativeHistogram {
    NativeHistogram {
        schema,
        count: pairs.iter().map(|(_, count)| count).sum(),
        zero_threshold: 0.0,
        zero_count: 0.0,
        positive: buckets(pairs),
        negative: Box::default(),
        ..exponential(1.0)
    }
}

fn read(histogram: Message) -> Result<NativeHistogram, HistogramError> {
    let series = message().label("__name__", "h").message(4, histogram);
    let request = decode(Protocol::V1, &request_v1(&[series])).unwrap();
    let entry = request.series()[0];
    let read = request.view(&entry).histograms().next().unwrap();
    assert_eq!(u32::from(read.is_ok()), entry.histograms);
    read
}

fn span(offset: i64, length: u64) -> Message {
    message().sint(1, offset).varint(2, length)
}

fn doubles(values: &[f64]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_bits().to_le_bytes()).collect()
}

fn is_close(found: Option<f64>, expected: f64) {
    let found = found.unwrap();
    assert!((found - expected).abs() <= 1e-12 * expected.abs().max(1.0), "{found} is not {expected}");
}

#[test]
fn integers_come_as_deltas() {
    let wire = message()
        .varint(1, 15)
        .double(3, 40.0)
        .sint(4, 2)
        .double(5, 0.5)
        .varint(6, 1)
        .message(8, span(-3, 1))
        .sint(9, 4)
        .message(11, span(2, 2))
        .message(11, span(3, 2))
        .packed(12, &[zigzag(1), zigzag(2), zigzag(-3), zigzag(6)])
        .varint(14, 2)
        .varint(15, 77);
    let histogram = read(wire).unwrap();
    assert_eq!(histogram.positive(), &*buckets(&[(2, 1.0), (3, 3.0), (8, 6.0)]), "an empty bucket is left out");
    assert_eq!(histogram.negative(), &*buckets(&[(-3, 4.0)]));
    assert_eq!((histogram.at, histogram.start, histogram.schema), (77, None, 2));
    assert_eq!((histogram.count, histogram.zero_count, histogram.reset_hint), (15.0, 1.0, ResetHint::NoReset));
    assert_eq!(histogram.mean(), Some(40.0 / 15.0));
}

#[test]
fn floats_come_as_counts() {
    let wire = message()
        .double(2, 4.0)
        .double(3, 9.0)
        .double(7, 0.5)
        .message(11, span(0, 2))
        .bytes(13, doubles(&[1.5]))
        .double(13, 2.0)
        .raw(&[0x88, 0x01, 5]); // field 17, start
    let histogram = read(wire).unwrap();
    assert_eq!(histogram.positive(), &*buckets(&[(0, 1.5), (1, 2.0)]));
    assert_eq!((histogram.count, histogram.start), (4.0, Some(5)));
}

#[test]
fn a_stale_histogram_needs_nothing_else() {
    let stale = read(message().double(3, f64::from_bits(STALE_NAN_BITS)).varint(15, 7)).unwrap();
    assert!(stale.is_stale());
    assert_eq!((stale.sum.to_bits(), stale.at), (STALE_NAN_BITS, 7));
    assert_eq!((stale.quantile(0.5), stale.mean()), (None, None));
    assert!(exponential(1.0).since(&stale).is_none());
}

#[test]
fn contradictions_are_refused() {
    let check = |wire: Message, expected: &dyn Fn(&HistogramError) -> bool| {
        let refused = read(wire).unwrap_err();
        assert!(expected(&refused), "{refused}");
    };
    for schema in [-5, 9, -52, -54, i64::from(i32::MIN)] {
        check(message().sint(4, schema), &|e| *e == HistogramError::Schema(schema));
    }
    let spans = |spans, buckets| move |e: &HistogramError| *e == HistogramError::Spans { spans, buckets };
    check(message().message(11, span(0, 2)).packed(12, &[2]), &spans(2, 1));
    check(message().packed(12, &[2]), &spans(0, 1));
    check(message().message(8, span(0, u64::from(u32::MAX))), &spans(u64::from(u32::MAX), 0));
    check(message().double(2, 1.0).message(11, span(0, 1)).sint(12, 1), &spans(1, 0));
    let is_offset = |e: &HistogramError| matches!(e, HistogramError::Offset(_));
    check(message().varint(1, 2).message(11, span(5, 1)).message(11, span(-1, 1)).packed(12, &[2, 0]), &is_offset);
    for far in [i64::from(i32::MAX), i64::from(i32::MIN)] {
        check(message().varint(1, 1).message(11, span(far, 1)).sint(12, 1), &is_offset);
    }
    let is_count = |e: &HistogramError| *e == HistogramError::Count;
    check(message().message(11, span(0, 1)).sint(12, -1), &is_count);
    check(message().message(11, span(0, 2)).packed(12, &[zigzag(i64::MAX), zigzag(1)]), &is_count);
    for bad in [-1.0, f64::NAN, f64::INFINITY] {
        check(message().double(2, bad), &is_count);
        check(message().double(2, 1.0).double(7, bad), &is_count);
        check(message().double(2, 1.0).message(11, span(0, 1)).double(13, bad), &is_count);
        check(message().double(5, bad), &|e| matches!(e, HistogramError::ZeroThreshold(_)));
    }
    let is_total = |e: &HistogramError| matches!(e, HistogramError::Total { .. });
    check(message().varint(1, 2).varint(6, 3), &is_total);
    check(message().varint(1, 4).varint(6, 3), &is_total);
    check(message().varint(1, 2).double(3, f64::NAN).varint(6, 3), &is_total);
    check(message().double(2, 2.0).double(7, 2.1), &is_total);
    check(message().varint(1, u64::MAX).varint(6, u64::MAX - 1), &is_total);
    assert!(read(message().varint(1, 4).double(3, f64::NAN).varint(6, 3)).is_ok(), "one NaN observation");
    assert!(read(message().double(2, 2.0).double(7, 2.0 + 1e-9)).is_ok(), "rounding");
}

#[test]
fn custom_buckets_have_bounds_and_nothing_else() {
    let wire = |bounds: &[f64], last: i64| {
        let wire = message().varint(1, 3).sint(4, -53).message(11, span(last, 1)).sint(12, 3);
        Message::default().raw(&wire.0).raw(&[0x82, 0x01, (bounds.len() * 8) as u8]).raw(&doubles(bounds))
    };
    let read_back = read(wire(&[1.0, 2.5], 2)).unwrap();
    assert_eq!((read_back.bounds(), read_back.positive()), (&[1.0, 2.5][..], &*buckets(&[(2, 3.0)])));
    let bad = [
        wire(&[1.0, 2.5], 3),
        wire(&[1.0], -1),
        wire(&[1.0, 1.0], 0),
        wire(&[2.0, 1.0], 0),
        wire(&[1.0, f64::INFINITY], 0),
        wire(&[f64::NAN], 0),
        wire(&[1.0], 0).double(5, 0.5),
        wire(&[1.0], 0).message(8, span(0, 0)),
        wire(&[1.0], 0).sint(4, 0),
    ];
    for (nth, wire) in bad.into_iter().enumerate() {
        assert_eq!(read(wire).unwrap_err(), HistogramError::Custom, "case {nth}");
    }
}

#[test]
fn buckets_are_limited() {
    let filled = |count: usize| {
        message().varint(1, 1).message(11, span(0, count as u64)).packed(12, &{
            let mut deltas = vec![0; count];
            deltas[0] = zigzag(1);
            deltas[1] = zigzag(-1);
            deltas
        })
    };
    assert_eq!(read(filled(MAX_BUCKETS)).unwrap().positive().len(), 1);
    assert_eq!(read(filled(MAX_BUCKETS + 1)).unwrap_err(), HistogramError::TooManyBuckets);
}

#[test]
fn quantiles_of_exponential_buckets_go_by_the_logarithm() {
    // Bucket i of schema n spreads over exponents (i-1)·2^-n to i·2^-n.
    let one = positive(0, &[(3, 8.0)]);
    is_close(one.quantile(0.0), 4.0);
    is_close(one.quantile(0.5), 2f64.powf(2.5));
    is_close(one.quantile(1.0), 8.0);
    let fine = positive(3, &[(8, 1.0), (9, 1.0), (17, 2.0)]);
    is_close(fine.quantile(0.25), 2.0);
    is_close(fine.quantile(0.5), 2f64.powf(9.0 / 8.0));
    is_close(fine.quantile(0.75), 2f64.powf(16.5 / 8.0));
    is_close(positive(-4, &[(1, 1.0)]).quantile(0.25), 16.0);
    // Observations spread evenly in the logarithm have the closed form 2^(10 q).
    let spread = positive(2, &(1..=40).map(|i| (i, 3.0)).collect::<Vec<_>>());
    for q in [0.01, 0.5, 0.9, 0.99] {
        is_close(spread.quantile(q), (10.0 * q).exp2());
    }
}

#[test]
fn quantiles_pass_through_zero() {
    // 3 in -4..-2, 1 in -1..-0.5, 2 in -0.125..0.125, then 2 in 0.25..0.5, 4 in 0.5..1, 3 in 1..2, 5 in 16..32.
    let both = exponential(1.0);
    is_close(both.quantile(0.0), -4.0);
    is_close(both.quantile(1.5 / 20.0), -(2f64.powf(1.5)));
    is_close(both.quantile(3.5 / 20.0), -(2f64.powf(-0.5)));
    is_close(both.quantile(5.0 / 20.0), 0.0);
    is_close(both.quantile(5.5 / 20.0), 0.0625);
    is_close(both.quantile(10.0 / 20.0), 2f64.powf(-0.5));
    is_close(both.quantile(1.0), 32.0);
    // Beside positive buckets only, the zero bucket begins at zero; the bucket it cuts ends at its threshold.
    let one_sided = NativeHistogram { zero_count: 2.0, zero_threshold: 0.3, ..positive(0, &[(-1, 2.0)]) };
    let one_sided = NativeHistogram { count: 4.0, ..one_sided };
    is_close(one_sided.quantile(0.25), 0.15);
    is_close(one_sided.quantile(0.75), (0.3f64 * 0.5).sqrt());
    // A bucket inside the zero bucket contradicts it; found by fuzzing as quantiles that descend.
    let inside = NativeHistogram { zero_count: 2.0, zero_threshold: 8.0, ..positive(0, &[(-1, 2.0), (4, 2.0)]) };
    let inside = NativeHistogram { count: 6.0, ..inside };
    is_close(inside.quantile(0.25), 6.0);
    is_close(inside.quantile(0.5), 8.0);
    is_close(inside.quantile(1.0), 16.0);
    let zeros = NativeHistogram { count: 5.0, zero_count: 5.0, ..positive(0, &[]) };
    is_close(zeros.quantile(0.9), 0.0);
}

/// Found by fuzzing: interpolation rounded beyond the bucket, and a higher quantile came out lower.
#[test]
fn rounding_carries_no_quantile_beyond_its_bucket() {
    let histogram = NativeHistogram {
        count: 3.0,
        positive: buckets(&[(0, 0.5), (1, 1.0), (2, 1.0)]),
        bounds: Arc::from([-4.0, 2.000_000_000_027_966_5]),
        ..custom()
    };
    let quantiles: Vec<f64> = (0..=100).filter_map(|q| histogram.quantile(f64::from(q) / 100.0)).collect();
    assert_eq!(quantiles.len(), 101);
    assert!(quantiles.is_sorted(), "{quantiles:?}");
}

#[test]
fn quantiles_of_custom_buckets_go_straight() {
    let custom = custom();
    is_close(custom.quantile(0.2), 0.5);
    is_close(custom.quantile(0.6), 1.5);
    is_close(custom.quantile(0.95), 5.0);
    let below = NativeHistogram { bounds: Arc::from([-2.0, 2.0, 5.0]), ..custom.clone() };
    is_close(below.quantile(0.1), -2.0);
    is_close(below.quantile(0.6), 0.0);
    let unbounded = NativeHistogram { bounds: Arc::default(), positive: buckets(&[(0, 10.0)]), ..custom };
    assert_eq!(unbounded.quantile(0.5), None);
}

#[test]
fn quantiles_that_nobody_knows_are_absent() {
    let histogram = positive(0, &[(3, 8.0)]);
    for q in [-0.1, 1.1, f64::NAN] {
        assert_eq!(histogram.quantile(q), None);
    }
    assert_eq!(positive(0, &[]).quantile(0.5), None);
    // Two of ten observations are NaN.
    let with_nan = NativeHistogram { count: 10.0, sum: f64::NAN, ..histogram.clone() };
    is_close(with_nan.quantile(0.4), 2f64.powf(2.5));
    assert_eq!((with_nan.quantile(0.9), with_nan.mean()), (None, None));
    // Without NaN observations, what is missing from the buckets is rounding.
    is_close(NativeHistogram { count: 8.000_001, ..histogram }.quantile(1.0), 8.0);
    // The bucket that ends at 2^1024, and the one of infinity.
    assert_eq!(positive(0, &[(1024, 1.0)]).quantile(1.0), Some(f64::MAX));
    assert_eq!(positive(0, &[(1025, 1.0)]).quantile(0.5), Some(f64::INFINITY));
}

#[test]
fn a_difference_is_what_came_between() {
    let (first, second) = (exponential(1.0), NativeHistogram { at: 2000, ..exponential(3.0) });
    let grown = second.since(&first).unwrap();
    let expected = NativeHistogram { at: 2000, start: Some(1000), reset_hint: ResetHint::Gauge, ..exponential(2.0) };
    assert_eq!(grown, expected);
    is_close(grown.mean(), 1.5);
    let none = second.since(&second).unwrap();
    assert_eq!((none.count, none.positive().len(), none.quantile(0.5), none.mean()), (0.0, 0, None, None));
    let mut later = custom();
    later.count = 12.0;
    later.positive = buckets(&[(0, 4.0), (1, 4.0), (2, 2.0), (3, 2.0)]);
    is_close(later.since(&custom()).unwrap().quantile(0.5), 3.5);
}

#[test]
fn resets_have_no_difference() {
    let now = exponential(2.0);
    let before = exponential(1.0);
    assert!(now.since(&before).is_some());
    let check = |now: NativeHistogram, before: NativeHistogram| assert!(now.since(&before).is_none());
    check(before.clone(), now.clone());
    check(NativeHistogram { reset_hint: ResetHint::Reset, ..now.clone() }, before.clone());
    check(NativeHistogram { reset_hint: ResetHint::Gauge, ..now.clone() }, before.clone());
    check(now.clone(), NativeHistogram { reset_hint: ResetHint::Gauge, ..before.clone() });
    check(NativeHistogram { zero_count: 1.0, ..now.clone() }, before.clone());
    // One bucket fell, was lost at the end, or between others, though the count grew.
    for lost in
        [&[(-1, 2.0), (0, 3.0), (1, 6.0), (5, 10.0)][..], &[(-1, 9.0), (0, 9.0), (1, 9.0)], &[(0, 9.0), (5, 9.0)]]
    {
        check(NativeHistogram { positive: buckets(lost), ..now.clone() }, before.clone());
    }
    // Finer than before, in resolution or around zero.
    check(NativeHistogram { schema: 1, ..now.clone() }, before.clone());
    check(NativeHistogram { zero_threshold: 0.1, ..now.clone() }, before.clone());
    check(now.clone(), custom());
    check(custom(), before);
    check(custom(), NativeHistogram { bounds: Arc::from([1.0, 2.0, 6.0]), ..custom() });
}

#[test]
fn a_finer_past_is_merged_down() {
    let fine = positive(2, &[(-4, 1.0), (-3, 1.0), (0, 1.0), (1, 1.0), (4, 1.0), (5, 1.0)]);
    // Exponents -1, -0.75, 0, 0.25, 1, 1.25 end up in the buckets that end at -1, 0, 0, 1, 1, 2.
    let coarse = positive(0, &[(-1, 2.0), (0, 2.0), (1, 2.0), (2, 4.0)]);
    assert_eq!(coarse.since(&fine).unwrap().positive(), &*buckets(&[(-1, 1.0), (2, 3.0)]));
}

#[test]
fn a_narrower_zero_bucket_of_the_past_is_widened() {
    let past = positive(1, &[(-3, 1.0), (-2, 2.0), (4, 1.0)]);
    let now = |zero_threshold, zero_count, pairs: &[(i32, f64)]| NativeHistogram {
        zero_threshold,
        zero_count,
        count: 10.0,
        ..positive(1, pairs)
    };
    // 2^-1 is where bucket -2 of schema 1 ends.
    let grown = now(0.5, 5.0, &[(4, 5.0)]).since(&past).unwrap();
    assert_eq!((grown.zero_count, grown.positive()), (2.0, &*buckets(&[(4, 4.0)])));
    assert!(now(0.5, 2.0, &[(4, 8.0)]).since(&past).is_none(), "the zero bucket has lost observations");
    assert!(now(0.45, 5.0, &[(-2, 2.0), (4, 3.0)]).since(&past).is_none(), "cuts through bucket -2");
}

proptest! {
    #[test]
    fn histograms_come_back(
        protocol in prop_oneof![Just(Protocol::V1), Just(Protocol::V2)],
        schema in -4..=8i32,
        indices in prop::collection::btree_set(-300..300i32, 0..40),
        negative in prop::collection::btree_set(-300..300i32, 0..4),
        zero_count in 0..9u32,
        at in any::<i64>(),
    ) {
        let side = |indices: std::collections::BTreeSet<i32>| -> Box<[Bucket]> {
            indices.into_iter().map(|index| Bucket { index, count: f64::from(index.abs() + 1) }).collect()
        };
        let (positive, negative) = (side(indices), side(negative));
        let zero_count = f64::from(zero_count);
        let count = zero_count + positive.iter().chain(&negative).map(|bucket| bucket.count).sum::<f64>();
        let zero_threshold = 0.0;
        let sent =
            NativeHistogram { at, schema, count, zero_threshold, zero_count, positive, negative, ..exponential(1.0) };
        let mut encoder = Encoder::new(protocol);
        let labels = Labels::from_pairs([("__name__", "h")]);
        encoder.histograms(&labels, std::slice::from_ref(&sent));
        let request = decode(protocol, &encoder.body()).unwrap();
        let view = request.view(&request.series()[0]);
        prop_assert_eq!(view.histograms().collect::<Result<Vec<_>, _>>().unwrap(), [sent.clone()]);

        // Quantiles ascend, and nothing happened since the same histogram.
        let quantiles: Vec<_> = (0..=20).filter_map(|i| sent.quantile(f64::from(i) / 20.0)).collect();
        prop_assert!(quantiles.is_sorted(), "{:?}", quantiles);
        prop_assert_eq!(sent.since(&sent).unwrap().count, 0.0);
    }
}
