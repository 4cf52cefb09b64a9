//! Native histograms: what they say of a distribution, and what happened between two of them.
//!
//! Buckets are kept sparse, sorted by index: real histograms fill some tens of the thousands of buckets that a schema
//! has. Formulas follow the native histogram specification of Prometheus; interpolation follows Prometheus 3.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::signal::{TimestampMs, is_stale};

/// Schema number of histograms with explicit bucket bounds.
pub(super) const CUSTOM_SCHEMA: i32 = -53;

/// Relative room for a zero threshold beside a bucket's bound: the sender computes bounds by table, we by `exp2`.
const BOUND_TOLERANCE: f64 = 1e-12;

/// What a sender says of the counter that a histogram is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ResetHint {
    /// Nothing.
    #[default]
    Unknown,
    /// It began anew since the histogram before.
    Reset,
    /// It did not begin anew.
    NoReset,
    /// It is a gauge: it counts nothing up.
    Gauge,
}

/// A bucket that is not empty.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bucket {
    /// Exponential schemas: bucket `i` of schema `n` holds `(2^((i-1)·2^-n), 2^(i·2^-n)]` of the absolute values.
    /// Custom buckets: values above bound `i - 1` up to bound `i`.
    pub index: i32,
    /// Observations in it, above zero.
    pub count: f64,
}

/// A native histogram, of integers or floats, with exponential or custom buckets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NativeHistogram {
    /// Event time.
    pub at: TimestampMs,
    /// When it began to count, if known.
    pub start: Option<TimestampMs>,
    /// Resolution -4…8, each step twice as fine; -53 for custom buckets.
    pub schema: i32,
    /// Observations in all, NaN observations included.
    pub count: f64,
    /// Sum of the observations, bit for bit: the stale marker when the series has ended.
    pub sum: f64,
    /// Absolute values up to this count as zero.
    pub zero_threshold: f64,
    /// Observations that count as zero.
    pub zero_count: f64,
    /// What the sender says of resets.
    pub reset_hint: ResetHint,
    pub(super) positive: Box<[Bucket]>,
    pub(super) negative: Box<[Bucket]>,
    /// Upper bounds of custom buckets, ascending; the last bucket has none. Empty for exponential schemas.
    pub(super) bounds: Arc<[f64]>,
}

/// A place where observations lie.
#[derive(Clone, Copy)]
enum Place {
    Negative(i32),
    Zero,
    Positive(i32),
}

impl NativeHistogram {
    /// Whether this is the stale marker: the series has ended, there is no histogram.
    #[must_use]
    pub fn is_stale(&self) -> bool {
        is_stale(self.sum)
    }

    /// Whether buckets have explicit bounds.
    #[must_use]
    pub fn is_custom(&self) -> bool {
        self.schema == CUSTOM_SCHEMA
    }

    /// Buckets of positive values, or the custom buckets, in ascending order of index.
    #[must_use]
    pub fn positive(&self) -> &[Bucket] {
        &self.positive
    }

    /// Buckets of negative values in ascending order of index, which is descending order of value.
    #[must_use]
    pub fn negative(&self) -> &[Bucket] {
        &self.negative
    }

    /// Upper bounds of custom buckets; empty for exponential schemas.
    #[must_use]
    pub fn bounds(&self) -> &[f64] {
        &self.bounds
    }

    /// Mean of the observations; `None` when there are none or their sum is NaN.
    #[must_use]
    pub fn mean(&self) -> Option<f64> {
        let mean = self.sum / self.count;
        (self.count > 0.0 && !mean.is_nan()).then_some(mean)
    }

    /// Estimates the value that the share `q` of the observations does not exceed.
    ///
    /// Inside a bucket, observations are taken as evenly spread: on a logarithmic scale in exponential buckets, linearly
    /// in custom buckets and the zero bucket. A zero bucket beside buckets of one sign only reaches from zero. An open
    /// custom bucket answers with the bound it has.
    ///
    /// `None` when there are no observations, the histogram is stale, `q` is outside 0…1, or the quantile falls among
    /// NaN observations, which are in no bucket.
    ///
    /// Cost: two passes over the filled buckets.
    #[must_use]
    pub fn quantile(&self, q: f64) -> Option<f64> {
        if self.is_stale() || !(0.0..=1.0).contains(&q) || self.count.is_nan() || self.count <= 0.0 {
            return None;
        }
        let in_buckets: f64 = self.places().map(|(_, count)| count).sum();
        let rank = q * self.count;
        // Only NaN observations may be missing from the buckets; otherwise a difference is rounding.
        let rank = if self.sum.is_nan() { rank } else { rank.min(in_buckets) };
        let mut below = 0.0;
        for (place, count) in self.places().filter(|(_, count)| *count > 0.0) {
            if below + count >= rank {
                return self.value_in(place, ((rank - below) / count).clamp(0.0, 1.0));
            }
            below += count;
        }
        None
    }

    /// What was observed since `previous`, an earlier histogram of the same series.
    ///
    /// A finer `previous` is merged down to this schema, and its buckets near zero into a zero bucket that has become
    /// wider. The result is a gauge histogram whose `start` is the time of `previous`.
    ///
    /// `None` when there is no difference to speak of: at a counter reset (the sender says so, or a count fell, or
    /// resolution or the zero bucket became finer, which senders do only when they begin anew), for stale and gauge
    /// histograms, and when bucket layouts cannot be reconciled.
    #[must_use]
    pub fn since(&self, previous: &Self) -> Option<Self> {
        let comparable = !self.is_stale() && !previous.is_stale() && self.bounds == previous.bounds;
        let is_gauge = [self, previous].iter().any(|histogram| histogram.reset_hint == ResetHint::Gauge);
        if !comparable || is_gauge || self.reset_hint == ResetHint::Reset || self.count < previous.count {
            return None;
        }
        let (positive, negative, zero_count) = if self.is_custom() && previous.is_custom() {
            (previous.positive.to_vec(), Vec::new(), 0.0)
        } else {
            previous.reshaped(self.schema, self.zero_threshold)?
        };
        if self.zero_count < zero_count {
            return None;
        }
        Some(Self {
            at: self.at,
            start: Some(previous.at),
            schema: self.schema,
            count: self.count - previous.count,
            sum: self.sum - previous.sum,
            zero_threshold: self.zero_threshold,
            zero_count: self.zero_count - zero_count,
            reset_hint: ResetHint::Gauge,
            positive: difference(&self.positive, &positive)?,
            negative: difference(&self.negative, &negative)?,
            bounds: Arc::clone(&self.bounds),
        })
    }

    /// Positive and negative buckets and the zero count in a schema no finer and a zero bucket no narrower.
    fn reshaped(&self, schema: i32, zero_threshold: f64) -> Option<(Vec<Bucket>, Vec<Bucket>, f64)> {
        if self.is_custom() || schema == CUSTOM_SCHEMA || schema > self.schema || zero_threshold < self.zero_threshold {
            return None;
        }
        let mut zero_count = self.zero_count;
        let mut side = |buckets: &[Bucket]| {
            let first = if zero_threshold > self.zero_threshold {
                let inside = buckets.iter().take_while(|bucket| {
                    exp2_bound(bucket.index, self.schema) <= zero_threshold * (1.0 + BOUND_TOLERANCE)
                });
                inside.map(|bucket| zero_count += bucket.count).count()
            } else {
                0
            };
            let rest = &buckets[first..];
            // The zero bucket must not cut through observations: how many of them it holds cannot be known.
            let cut = rest.first().is_some_and(|bucket| {
                zero_threshold > self.zero_threshold
                    && exp2_lower(bucket.index, self.schema) < zero_threshold * (1.0 - BOUND_TOLERANCE)
            });
            (!cut).then(|| merged_down(rest, (self.schema - schema).unsigned_abs()))
        };
        let (positive, negative) = (side(&self.positive)?, side(&self.negative)?);
        Some((positive, negative, zero_count))
    }

    /// All places with their counts, in ascending order of value.
    fn places(&self) -> impl Iterator<Item = (Place, f64)> + '_ {
        let negative = self.negative.iter().rev().map(|bucket| (Place::Negative(bucket.index), bucket.count));
        let positive = self.positive.iter().map(|bucket| (Place::Positive(bucket.index), bucket.count));
        negative.chain([(Place::Zero, self.zero_count)]).chain(positive)
    }

    /// The value at `fraction` of the way through a place.
    fn value_in(&self, place: Place, fraction: f64) -> Option<f64> {
        match place {
            Place::Positive(index) if self.is_custom() => self.custom_value(index, fraction),
            Place::Positive(index) => Some(self.exponential_value(index, fraction)),
            Place::Negative(index) => Some(-self.exponential_value(index, 1.0 - fraction)),
            Place::Zero => {
                let (has_negative, has_positive) = (!self.negative.is_empty(), !self.positive.is_empty());
                let low = if has_positive && !has_negative { 0.0 } else { -self.zero_threshold };
                let high = if has_negative && !has_positive { 0.0 } else { self.zero_threshold };
                Some(low + (high - low) * fraction)
            }
        }
    }

    fn exponential_value(&self, index: i32, fraction: f64) -> f64 {
        let width = bucket_width(self.schema);
        // No observation outside the zero bucket is nearer to zero than its threshold: the bucket beside it begins
        // there, and one that lies inside it altogether, a contradiction that receivers do let pass, shrinks to it.
        let nearest = self.zero_threshold.log2();
        let lower = ((f64::from(index) - 1.0) * width).max(nearest);
        let upper = (f64::from(index) * width).max(nearest);
        let value = (lower + (upper - lower) * fraction).exp2().max(self.zero_threshold);
        // The last bucket of finite values ends at 2^1024, which is no finite value; the one above holds infinity.
        if lower < f64::from(f64::MAX_EXP) { value.min(f64::MAX) } else { value }
    }

    fn custom_value(&self, index: i32, fraction: f64) -> Option<f64> {
        let index = usize::try_from(index).ok()?;
        let last = *self.bounds.last()?;
        let Some(&upper) = self.bounds.get(index) else { return Some(last) };
        let lower = match index.checked_sub(1) {
            Some(below) => self.bounds[below],
            None if upper <= 0.0 => return Some(upper),
            None => 0.0,
        };
        // Rounding must not carry a value beyond its bucket.
        Some((lower + (upper - lower) * fraction).max(lower).min(upper))
    }
}

/// Width of a bucket as a power of two.
fn bucket_width(schema: i32) -> f64 {
    f64::from(-schema).exp2()
}

/// Upper bound of a bucket of positive values.
fn exp2_bound(index: i32, schema: i32) -> f64 {
    (f64::from(index) * bucket_width(schema)).exp2()
}

fn exp2_lower(index: i32, schema: i32) -> f64 {
    ((f64::from(index) - 1.0) * bucket_width(schema)).exp2()
}

/// The same observations at a resolution halved `halvings` times.
fn merged_down(buckets: &[Bucket], halvings: u32) -> Vec<Bucket> {
    let mut merged: Vec<Bucket> = Vec::with_capacity(buckets.len());
    for bucket in buckets {
        // Bucket i goes to ceil(i / 2^halvings); 64 bits so that no index overflows.
        let index = (((i64::from(bucket.index) - 1) >> halvings) + 1) as i32;
        match merged.last_mut() {
            Some(last) if last.index == index => last.count += bucket.count,
            _ => merged.push(Bucket { index, count: bucket.count }),
        }
    }
    merged
}

/// `now - before` bucket by bucket; `None` when a bucket has lost observations.
fn difference(now: &[Bucket], before: &[Bucket]) -> Option<Box<[Bucket]>> {
    let mut before = before.iter().peekable();
    let mut grown = Vec::with_capacity(now.len());
    for bucket in now {
        let count = match before.peek() {
            Some(old) if old.index < bucket.index => return None,
            Some(old) if old.index == bucket.index => bucket.count - before.next()?.count,
            _ => bucket.count,
        };
        if count < 0.0 {
            return None;
        }
        if count > 0.0 {
            grown.push(Bucket { index: bucket.index, count });
        }
    }
    before.next().is_none().then(|| grown.into_boxed_slice())
}
