//! Quantiles of classic histograms.

/// Relative difference up to which bucket counts count as equal: they come from sums of rounded rates.
const TOLERANCE: f64 = 1e-12;

/// How many observations were up to a bound.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::promql) struct Bucket {
    pub(in crate::promql) bound: f64,
    pub(in crate::promql) count: f64,
}

/// Reads the `le` label.
pub(in crate::promql) fn parse_bound(text: &str) -> Option<f64> {
    text.parse().ok()
}

/// The `q`-quantile, linear within its bucket, and whether counts that fell with growing bound had to be raised.
///
/// NaN without a bucket up to infinity, with only that one, or without observations. In the last bucket the highest
/// finite bound is the answer; the first bucket begins at 0 if its bound is positive.
pub(in crate::promql) fn bucket_quantile(q: f64, mut buckets: Vec<Bucket>) -> (f64, bool) {
    if q.is_nan() || buckets.is_empty() {
        return (f64::NAN, false);
    }
    if q < 0.0 {
        return (f64::NEG_INFINITY, false);
    }
    if q > 1.0 {
        return (f64::INFINITY, false);
    }
    buckets.sort_by(|a, b| a.bound.partial_cmp(&b.bound).unwrap_or(std::cmp::Ordering::Equal));
    if buckets[buckets.len() - 1].bound != f64::INFINITY {
        return (f64::NAN, false);
    }
    buckets.dedup_by(|later, kept| {
        let is_same = later.bound == kept.bound;
        if is_same {
            kept.count += later.count;
        }
        is_same
    });
    let was_raised = make_monotonic(&mut buckets);
    let [finite @ .., all] = buckets.as_slice() else { return (f64::NAN, false) };
    let Some(highest) = finite.last() else { return (f64::NAN, false) };
    if all.count == 0.0 {
        return (f64::NAN, false);
    }
    let rank = q * all.count;
    // NaN counts compare as "not yet", as in Prometheus.
    let found = finite.partition_point(|bucket| bucket.count < rank || bucket.count.is_nan() || rank.is_nan());
    let value = match finite.get(found) {
        None => highest.bound,
        Some(bucket) if found == 0 && bucket.bound <= 0.0 => bucket.bound,
        Some(bucket) => {
            let below = if found > 0 { finite[found - 1] } else { Bucket { bound: 0.0, count: 0.0 } };
            below.bound + (bucket.bound - below.bound) * ((rank - below.count) / (bucket.count - below.count))
        }
    };
    (value, was_raised)
}

/// Raises counts to that of the bucket before where they are lower, and evens out differences by rounding.
/// Tells whether there was more than rounding.
fn make_monotonic(buckets: &mut [Bucket]) -> bool {
    let mut was_raised = false;
    let mut previous = buckets[0].count;
    for bucket in &mut buckets[1..] {
        let current = bucket.count;
        if current == previous {
            continue;
        }
        if almost_equal(previous, current) {
            bucket.count = previous;
        } else if current < previous {
            bucket.count = previous;
            was_raised = true;
        } else {
            previous = current;
        }
    }
    was_raised
}

fn almost_equal(a: f64, b: f64) -> bool {
    if a.is_nan() && b.is_nan() {
        return true;
    }
    let (sum, difference) = (a.abs() + b.abs(), (a - b).abs());
    if a == 0.0 || b == 0.0 || sum < f64::MIN_POSITIVE {
        return difference < TOLERANCE * f64::MIN_POSITIVE;
    }
    difference / sum.min(f64::MAX) < TOLERANCE
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quantile(q: f64, buckets: &[(f64, f64)]) -> f64 {
        bucket_quantile(q, buckets.iter().map(|&(bound, count)| Bucket { bound, count }).collect()).0
    }

    const INF: f64 = f64::INFINITY;

    #[test]
    fn quantiles_are_linear_within_a_bucket() {
        let buckets = [(INF, 10.0), (1.0, 4.0), (2.0, 8.0)];
        assert_eq!(quantile(0.2, &buckets), 0.5);
        assert_eq!(quantile(0.6, &buckets), 1.5);
        assert_eq!(quantile(0.9, &buckets), 2.0);
        assert_eq!([quantile(-1.0, &buckets), quantile(2.0, &buckets)], [-INF, INF]);
    }

    #[test]
    fn the_lowest_bucket_may_be_negative() {
        assert_eq!(quantile(0.1, &[(-1.0, 5.0), (INF, 5.0)]), -1.0);
        assert_eq!(quantile(0.5, &[(0.0, 0.0), (4.0, 4.0), (INF, 4.0)]), 2.0);
    }

    #[test]
    fn there_must_be_something_to_tell() {
        for buckets in [&[(1.0, 5.0), (2.0, 6.0)][..], &[(INF, 5.0)], &[(1.0, 0.0), (INF, 0.0)], &[]] {
            assert!(quantile(0.5, buckets).is_nan());
        }
    }

    #[test]
    fn counts_are_made_to_grow() {
        let falling = [(1.0, 5.0), (2.0, 3.0), (INF, 10.0)].map(|(bound, count)| Bucket { bound, count });
        assert_eq!(bucket_quantile(0.5, falling.to_vec()), (1.0, true));
        let rounded = [(1.0, 5.0), (2.0, 5.0 - 1e-13), (INF, 10.0)].map(|(bound, count)| Bucket { bound, count });
        assert_eq!(bucket_quantile(0.5, rounded.to_vec()), (1.0, false));
        // Two series with one bound, "1" and "1.0", are one bucket.
        assert_eq!(quantile(0.5, &[(1.0, 2.0), (1.0, 2.0), (INF, 4.0)]), 0.5);
    }
}
