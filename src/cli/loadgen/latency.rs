//! How long answers took: a histogram with buckets of nearly the same relative width, after HdrHistogram.

use std::time::Duration;

/// Buckets in which each power of two is cut, so that a value is known to 1/64 of itself.
const PARTS: u64 = 64;
const PART_BITS: u32 = PARTS.trailing_zeros();

/// Counts of durations from a microsecond up; constant memory, nothing is lost at the far end.
#[derive(Clone, Debug, Default)]
pub(super) struct Histogram {
    counts: Vec<u64>,
    total: u64,
    max_us: u64,
}

impl Histogram {
    /// Counts one.
    pub(super) fn record(&mut self, duration: Duration) {
        let us = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        let bucket = bucket(us);
        if self.counts.len() <= bucket {
            self.counts.resize(bucket + 1, 0);
        }
        self.counts[bucket] += 1;
        self.total += 1;
        self.max_us = self.max_us.max(us);
    }

    /// The least duration that at least the share `q` of all does not exceed, to 1/64 above; `None` without any.
    pub(super) fn quantile(&self, q: f64) -> Option<Duration> {
        let rank = ((q * self.total as f64).ceil() as u64).max(1);
        let mut seen = 0;
        let bucket = self.counts.iter().position(|count| {
            seen += count;
            seen >= rank
        })?;
        Some(Duration::from_micros(highest(bucket).min(self.max_us)))
    }

    /// The longest, exactly; `None` without any.
    pub(super) fn max(&self) -> Option<Duration> {
        (self.total > 0).then(|| Duration::from_micros(self.max_us))
    }
}

/// Values below 128 have a bucket of their own; above, each power of two has [`PARTS`].
fn bucket(us: u64) -> usize {
    let shift = us.checked_ilog2().unwrap_or_default().saturating_sub(PART_BITS);
    (u64::from(shift) * PARTS + (us >> shift)) as usize
}

/// The highest value of a bucket.
fn highest(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    let shift = (bucket / PARTS).saturating_sub(1);
    let part = bucket - shift * PARTS;
    (part << shift) | ((1 << shift) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_pcg::{Pcg32, rand_core::Rng as _};

    #[test]
    fn quantiles_are_those_of_the_sorted_values() {
        let mut dice = Pcg32::new(1, 1);
        // From microseconds to hours, evenly over the powers of two.
        let mut values: Vec<u64> = (0..10_007).map(|_| dice.next_u64() >> 30 >> (dice.next_u32() % 34)).collect();
        let mut histogram = Histogram::default();
        for us in &values {
            histogram.record(Duration::from_micros(*us));
        }
        values.sort_unstable();
        for q in [0.0, 0.001, 0.5, 0.9, 0.99, 0.999, 1.0] {
            let rank = ((q * values.len() as f64).ceil() as usize).max(1);
            let exact = values[rank - 1] as f64;
            let told = histogram.quantile(q).unwrap().as_micros() as f64;
            assert!((exact..=exact * (1.0 + 1.0 / 64.0)).contains(&told), "{q}: {told} for {exact}");
        }
        assert_eq!(histogram.max().unwrap().as_micros(), u128::from(*values.last().unwrap()));
    }

    #[test]
    fn buckets_cover_all_values_without_gap() {
        let mut next = 0;
        for index in 0..=bucket(u64::MAX) {
            assert_eq!(bucket(next), index, "{next}");
            assert_eq!(bucket(highest(index)), index);
            next = highest(index).wrapping_add(1);
        }
        assert_eq!(next, 0, "the last bucket ends with the highest value");
    }

    #[test]
    fn without_durations_nothing_is_told() {
        assert_eq!((Histogram::default().quantile(0.5), Histogram::default().max()), (None, None));
    }
}
