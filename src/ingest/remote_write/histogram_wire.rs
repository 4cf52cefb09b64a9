//! Native histograms on the wire: read into reusable parts, checked, then built.
//!
//! Both versions of remote write use the same message (facts of the format: native histogram specification, remote
//! write). Spans are hostile until checked: they may claim any offset and any length.

use std::sync::Arc;

use super::{Bucket, Malformed, NativeHistogram, ResetHint, histogram::CUSTOM_SCHEMA};
use crate::{
    ingest::wire::{Reader, Span, zigzag},
    signal::{TimestampMs, is_stale},
};

/// Most buckets, spans or bounds that a histogram may have, of each sign. Client libraries default to 160 buckets.
pub const MAX_BUCKETS: usize = 4096;

/// Largest bucket index either way. At the finest schema, doubles reach from index -275,000 to 262,145.
const INDEX_MAX: i64 = 1 << 20;

/// How far the buckets of a float histogram may sum up to more than its count, relative to the count: such histograms
/// are computed, and additions in different order round differently.
const FLOAT_SUM_TOLERANCE: f64 = 1e-6;

/// Why a native histogram is refused.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum HistogramError {
    /// A schema other than -4…8 and -53.
    #[error("histogram schema {0} is not supported")]
    Schema(i64),
    /// More than [`MAX_BUCKETS`] buckets, spans or bounds of a sign.
    #[error("histogram has more than {MAX_BUCKETS} buckets")]
    TooManyBuckets,
    /// Spans do not add up to the buckets that follow.
    #[error("histogram spans cover {spans} buckets, but {buckets} are given")]
    Spans {
        /// Sum of the lengths of the spans.
        spans: u64,
        /// Number of deltas or counts.
        buckets: usize,
    },
    /// A span other than the first goes back, or buckets lie where no double does.
    #[error("histogram span offset {0} is out of range")]
    Offset(i32),
    /// A bucket, the zero bucket or the count is negative, infinite or NaN.
    #[error("histogram has a count that is negative or not finite")]
    Count,
    /// Buckets hold more observations than there are, or fewer without NaN observations.
    #[error("histogram count {count} does not agree with {buckets} observations in its buckets")]
    Total {
        /// Observations in all.
        count: f64,
        /// Observations in the buckets, the zero bucket included.
        buckets: f64,
    },
    /// A zero threshold that is negative, infinite or NaN.
    #[error("histogram zero threshold {0} is not a width")]
    ZeroThreshold(f64),
    /// Custom bounds not finite and ascending, or bounds, zero bucket or negative buckets where the schema has none.
    #[error("histogram bounds or buckets do not belong to its schema")]
    Custom,
}

/// A count as it was sent: histograms count integers or floats.
#[derive(Clone, Copy, Debug)]
enum Count {
    Integer(u64),
    Float(f64),
}

impl Default for Count {
    fn default() -> Self {
        Self::Integer(0)
    }
}

impl Count {
    fn value(self) -> f64 {
        match self {
            Self::Integer(count) => count as f64,
            Self::Float(count) => count,
        }
    }
}

/// Buckets of one sign as they were sent.
#[derive(Debug, Default)]
struct Side {
    /// Offset and length.
    spans: Vec<(i32, u32)>,
    deltas: Vec<i64>,
    counts: Vec<f64>,
}

/// Sum over buckets, exact for integers.
#[derive(Clone, Copy, Debug, Default)]
struct Total {
    integer: u128,
    float: f64,
}

impl Side {
    fn clear(&mut self) {
        self.spans.clear();
        self.deltas.clear();
        self.counts.clear();
    }

    /// Visits each bucket with its index and count, in ascending order of index.
    fn each(&self, is_float: bool, mut visit: impl FnMut(Bucket)) -> Result<Total, HistogramError> {
        let buckets = if is_float { self.counts.len() } else { self.deltas.len() };
        let spans = self.spans.iter().map(|span| u64::from(span.1)).sum();
        if spans != buckets as u64 {
            return Err(HistogramError::Spans { spans, buckets });
        }
        let mut total = Total::default();
        let mut next_index = 0i64;
        let mut running = 0i64;
        let mut position = 0;
        for (nth, &(offset, length)) in self.spans.iter().enumerate() {
            next_index += i64::from(offset);
            let end = next_index + i64::from(length);
            if (nth > 0 && offset < 0) || next_index < -INDEX_MAX || end > INDEX_MAX {
                return Err(HistogramError::Offset(offset));
            }
            for index in next_index..end {
                let count = if is_float {
                    self.counts[position]
                } else {
                    running = running.checked_add(self.deltas[position]).ok_or(HistogramError::Count)?;
                    running as f64
                };
                position += 1;
                if !count.is_finite() || count < 0.0 {
                    return Err(HistogramError::Count);
                }
                total.integer += u128::from(running.unsigned_abs());
                total.float += count;
                visit(Bucket { index: index as i32, count });
            }
            next_index = end;
        }
        Ok(total)
    }

    fn build(&self, is_float: bool) -> Result<Box<[Bucket]>, HistogramError> {
        let mut buckets = Vec::new();
        self.each(is_float, |bucket| {
            if bucket.count > 0.0 {
                buckets.push(bucket);
            }
        })?;
        Ok(buckets.into_boxed_slice())
    }
}

/// A histogram message taken apart. Reused from message to message; at most [`MAX_BUCKETS`] of anything is kept.
#[derive(Debug, Default)]
pub(super) struct Parts {
    at: TimestampMs,
    start: TimestampMs,
    count: Count,
    zero_count: Count,
    sum: f64,
    schema: i64,
    zero_threshold: f64,
    reset_hint: u64,
    negative: Side,
    positive: Side,
    bounds: Vec<f64>,
    overfull: bool,
}

impl Parts {
    pub(super) fn at(&self) -> TimestampMs {
        self.at
    }

    /// Reads a message over whatever was read before.
    pub(super) fn read(&mut self, body: &[u8], message: Span) -> Result<(), Malformed> {
        self.clear();
        let Self { negative, positive, bounds, overfull, .. } = self;
        let mut fields = Reader::new(body, message);
        while let Some(field) = fields.field()? {
            match field.number {
                1 => self.count = Count::Integer(field.varint()?),
                2 => self.count = Count::Float(field.double()?),
                3 => self.sum = field.double()?,
                4 => self.schema = zigzag(field.varint()?),
                5 => self.zero_threshold = field.double()?,
                6 => self.zero_count = Count::Integer(field.varint()?),
                7 => self.zero_count = Count::Float(field.double()?),
                8 => push(&mut negative.spans, bucket_span(body, field.bytes()?)?, overfull),
                9 => field.each_varint(body, |delta| push(&mut negative.deltas, zigzag(delta), overfull))?,
                10 => field.each_double(body, |count| push(&mut negative.counts, count, overfull))?,
                11 => push(&mut positive.spans, bucket_span(body, field.bytes()?)?, overfull),
                12 => field.each_varint(body, |delta| push(&mut positive.deltas, zigzag(delta), overfull))?,
                13 => field.each_double(body, |count| push(&mut positive.counts, count, overfull))?,
                14 => self.reset_hint = field.varint()?,
                15 => self.at = field.int64()?,
                16 => field.each_double(body, |bound| push(bounds, bound, overfull))?,
                17 => self.start = field.int64()?,
                _ => {}
            }
        }
        Ok(())
    }

    fn clear(&mut self) {
        let Self { negative, positive, bounds, .. } = self;
        let (mut negative, mut positive, mut bounds) =
            (std::mem::take(negative), std::mem::take(positive), std::mem::take(bounds));
        negative.clear();
        positive.clear();
        bounds.clear();
        *self = Self { negative, positive, bounds, ..Self::default() };
    }

    /// Whether the message is a histogram that does not contradict itself.
    pub(super) fn check(&self) -> Result<(), HistogramError> {
        // A stale marker has no content.
        if is_stale(self.sum) {
            return Ok(());
        }
        if self.overfull {
            return Err(HistogramError::TooManyBuckets);
        }
        let is_custom = self.schema == i64::from(CUSTOM_SCHEMA);
        if !is_custom && !(-4..=8).contains(&self.schema) {
            return Err(HistogramError::Schema(self.schema));
        }
        if !self.zero_threshold.is_finite() || self.zero_threshold < 0.0 {
            return Err(HistogramError::ZeroThreshold(self.zero_threshold));
        }
        if [self.count.value(), self.zero_count.value()].iter().any(|count| !count.is_finite() || *count < 0.0) {
            return Err(HistogramError::Count);
        }
        // Custom buckets are one per bound and one above all bounds.
        let custom_last = self.bounds.len() as i32;
        let mut all_bounded = true;
        let negative = self.negative.each(self.is_float(), |_| {})?;
        let positive = self.positive.each(self.is_float(), |bucket| {
            all_bounded &= (0..=custom_last).contains(&bucket.index);
        })?;
        let fits_schema = if is_custom { all_bounded && self.is_custom_layout() } else { self.bounds.is_empty() };
        if !fits_schema {
            return Err(HistogramError::Custom);
        }
        self.check_total(negative, positive)
    }

    fn is_float(&self) -> bool {
        matches!(self.count, Count::Float(_))
    }

    fn is_custom_layout(&self) -> bool {
        let ascending = self.bounds.is_sorted_by(|a, b| a < b) && self.bounds.iter().all(|bound| bound.is_finite());
        let has_zero = self.zero_count.value() > 0.0 || self.zero_threshold > 0.0;
        ascending && !has_zero && self.negative.spans.is_empty()
    }

    fn check_total(&self, negative: Total, positive: Total) -> Result<(), HistogramError> {
        let buckets = negative.float + positive.float + self.zero_count.value();
        let agrees = match (self.count, self.zero_count) {
            (Count::Integer(count), Count::Integer(zero)) => {
                let buckets = negative.integer + positive.integer + u128::from(zero);
                // NaN observations make the sum NaN and are in no bucket.
                u128::from(count) == buckets || (self.sum.is_nan() && u128::from(count) > buckets)
            }
            (count, _) => buckets <= count.value() * (1.0 + FLOAT_SUM_TOLERANCE),
        };
        if agrees { Ok(()) } else { Err(HistogramError::Total { count: self.count.value(), buckets }) }
    }

    /// The histogram, if it passes [`check`](Self::check).
    pub(super) fn build(&self) -> Result<NativeHistogram, HistogramError> {
        self.check()?;
        let is_stale = is_stale(self.sum);
        let side = |side: &Side| if is_stale { Ok(Box::default()) } else { side.build(self.is_float()) };
        let bounds: Arc<[f64]> = if is_stale { Arc::default() } else { self.bounds.as_slice().into() };
        Ok(NativeHistogram {
            at: self.at,
            start: (self.start != 0).then_some(self.start),
            schema: i32::try_from(self.schema).unwrap_or_default(),
            count: self.count.value(),
            sum: self.sum,
            zero_threshold: self.zero_threshold,
            zero_count: self.zero_count.value(),
            reset_hint: match self.reset_hint {
                1 => ResetHint::Reset,
                2 => ResetHint::NoReset,
                3 => ResetHint::Gauge,
                _ => ResetHint::Unknown,
            },
            positive: side(&self.positive)?,
            negative: side(&self.negative)?,
            bounds,
        })
    }
}

fn push<T>(list: &mut Vec<T>, item: T, overfull: &mut bool) {
    if list.len() < MAX_BUCKETS {
        list.push(item);
    } else {
        *overfull = true;
    }
}

/// Offset and length of a span. What does not fit their types is cut off, as protobuf does, and then checked.
fn bucket_span(body: &[u8], message: Span) -> Result<(i32, u32), Malformed> {
    let (mut offset, mut length) = (0, 0);
    let mut fields = Reader::new(body, message);
    while let Some(field) = fields.field()? {
        match field.number {
            1 => offset = zigzag(field.varint()? & u64::from(u32::MAX)) as i32,
            2 => length = field.varint()? as u32,
            _ => {}
        }
    }
    Ok((offset, length))
}
