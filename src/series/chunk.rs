//! Samples and their scores, compressed in memory.
//!
//! A chunk is a bit string of up to 120 points. A point is a timestamp, a value, and what vigie said of it:
//!
//! ```text
//! point  := time value score
//! time   := first: 64 bits; then the change of the interval to the one before, zigzag:
//!           0 | 10 + 7 bits | 110 + 12 bits | 1110 + 20 bits | 1111 + 64 bits
//! value  := XOR with the value before (first: with 0): 0 if equal; 10 + the meaningful bits in the last frame;
//!           11 + 5 bits leading zeros + 6 bits length − 1 + the meaningful bits
//! score  := 0 if nothing changed; else 1 + four lanes (expected, half width, state, flags), each
//!           0 if equal | 1 + 5 bits leading zeros + 5 bits length − 1 + the meaningful bits of the f32 XOR
//! ```
//!
//! Values survive bit for bit, NaN payloads included (Gorilla, Pelkonen et al., VLDB 2015, section 4.1). The lanes of
//! the score are rounded before they are stored, so that most points repeat them and cost one bit.

use serde::{Deserialize, Serialize};

use crate::signal::{Sample, TimestampMs};

/// Points in a full chunk.
pub(super) const POINTS: u16 = 120;

/// What vigie said of one sample, in the precision in which it is kept.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// Value expected; NaN while the series is too young. For a counter a rate in 1/s.
    pub expected: f32,
    /// Half the width of the band around it; NaN while too young.
    pub half_width: f32,
    /// Anomaly score, 1 is the threshold.
    pub score: f32,
    /// Whether the sample lies in an episode that was raised.
    pub anomalous: bool,
}

impl Verdict {
    /// Nothing is said of the sample.
    pub const NONE: Self = Self { expected: f32::NAN, half_width: f32::NAN, score: 0.0, anomalous: false };

    /// Rounds to the precision that is kept: the width and the score to 1 part in 64, the expected value to a 32nd of
    /// the width.
    #[must_use]
    pub fn new(expected: f64, half_width: f64, score: f64, anomalous: bool) -> Self {
        let width = round_mantissa(half_width as f32, 6);
        let grain = (width / 32.0).log2().floor().exp2();
        let expected = if grain.is_finite() && grain > 0.0 {
            ((expected / f64::from(grain)).round() * f64::from(grain)) as f32
        } else {
            expected as f32
        };
        Self { expected, half_width: width, score: round_mantissa(score as f32, 6), anomalous }
    }

    fn lanes(self) -> [u32; 4] {
        [self.expected.to_bits(), self.half_width.to_bits(), self.score.to_bits(), u32::from(self.anomalous)]
    }

    fn from_lanes(lanes: [u32; 4]) -> Self {
        Self {
            expected: f32::from_bits(lanes[0]),
            half_width: f32::from_bits(lanes[1]),
            score: f32::from_bits(lanes[2]),
            anomalous: lanes[3] != 0,
        }
    }
}

/// Rounds a number to so many bits of mantissa; NaN and infinities stay.
fn round_mantissa(x: f32, bits: u32) -> f32 {
    if !x.is_finite() {
        return x;
    }
    let drop = 23 - bits;
    let rounded = (x.to_bits() + (1 << (drop - 1))) & !((1 << drop) - 1);
    f32::from_bits(rounded)
}

/// One point of a window.
#[derive(Clone, Copy, Debug)]
pub struct Point {
    /// The sample as received.
    pub sample: Sample,
    /// What was said of it.
    pub verdict: Verdict,
}

/// A growing bit string.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Bits {
    bytes: Vec<u8>,
    /// Bits used in the last byte; 0 when it is full or there is none.
    used: u8,
}

impl Bits {
    fn push(&mut self, value: u64, count: u32) {
        let mut left = count;
        while left > 0 {
            if self.used == 0 {
                self.bytes.push(0);
            }
            let free = 8 - u32::from(self.used);
            let take = free.min(left);
            let part = (value >> (left - take)) & ((1 << take) - 1);
            if let Some(last) = self.bytes.last_mut() {
                *last |= (part as u8) << (free - take);
            }
            self.used = ((u32::from(self.used) + take) % 8) as u8;
            left -= take;
        }
    }
}

/// What the next point is coded against.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Context {
    at: TimestampMs,
    delta: i64,
    value: u64,
    /// Leading zeros and length of the last frame of values; length 0 before the first.
    frame: (u8, u8),
    lanes: [u32; 4],
}

impl Context {
    fn start() -> Self {
        Self { at: 0, delta: 0, value: 0, frame: (0, 0), lanes: Verdict::NONE.lanes() }
    }
}

/// A chunk that is being written.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct OpenChunk {
    bits: Bits,
    count: u16,
    first_at: TimestampMs,
    context: Context,
}

/// A finished chunk.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Chunk {
    bytes: Box<[u8]>,
    count: u16,
    first_at: TimestampMs,
    pub(super) last_at: TimestampMs,
}

impl OpenChunk {
    pub(super) fn new() -> Self {
        Self { bits: Bits::default(), count: 0, first_at: 0, context: Context::start() }
    }

    pub(super) fn is_full(&self) -> bool {
        self.count >= POINTS
    }

    pub(super) fn push(&mut self, sample: Sample, verdict: Verdict) {
        let context = &mut self.context;
        if self.count == 0 {
            self.first_at = sample.at;
            self.bits.push(sample.at as u64, 64);
        } else {
            let delta = sample.at.wrapping_sub(context.at);
            push_interval(&mut self.bits, delta.wrapping_sub(context.delta));
            context.delta = delta;
        }
        context.at = sample.at;
        push_value(&mut self.bits, context, sample.value.to_bits());
        push_lanes(&mut self.bits, &mut context.lanes, verdict.lanes());
        self.count += 1;
    }

    pub(super) fn finish(&mut self) -> Chunk {
        let done = std::mem::replace(self, Self::new());
        Chunk {
            bytes: done.bits.bytes.into_boxed_slice(),
            count: done.count,
            first_at: done.first_at,
            last_at: done.context.at,
        }
    }

    pub(super) fn points(&self) -> Points<'_> {
        Points::over(&self.bits.bytes, self.count)
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.bits.bytes.capacity()
    }
}

impl Chunk {
    pub(super) fn overlaps(&self, after: TimestampMs, until: TimestampMs) -> bool {
        self.last_at > after && self.first_at <= until
    }

    pub(super) fn points(&self) -> Points<'_> {
        Points::over(&self.bytes, self.count)
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.bytes.len()
    }
}

fn push_interval(bits: &mut Bits, change: i64) {
    let zigzag = ((change << 1) ^ (change >> 63)) as u64;
    match zigzag {
        0 => bits.push(0, 1),
        1..0x80 => {
            bits.push(0b10, 2);
            bits.push(zigzag, 7);
        }
        0x80..0x1000 => {
            bits.push(0b110, 3);
            bits.push(zigzag, 12);
        }
        0x1000..0x10_0000 => {
            bits.push(0b1110, 4);
            bits.push(zigzag, 20);
        }
        _ => {
            bits.push(0b1111, 4);
            bits.push(zigzag, 64);
        }
    }
}

fn push_value(bits: &mut Bits, context: &mut Context, value: u64) {
    let xor = value ^ context.value;
    context.value = value;
    if xor == 0 {
        bits.push(0, 1);
        return;
    }
    let leading = xor.leading_zeros().min(31);
    let length = 64 - leading - xor.trailing_zeros();
    let (frame_leading, frame_length) = (u32::from(context.frame.0), u32::from(context.frame.1));
    let frame_trailing = 64_u32.saturating_sub(frame_leading + frame_length);
    let fits = frame_length > 0 && leading >= frame_leading && xor.trailing_zeros() >= frame_trailing;
    if fits && frame_length < length + 11 {
        bits.push(0b10, 2);
        bits.push(xor >> frame_trailing, frame_length);
    } else {
        bits.push(0b11, 2);
        bits.push(u64::from(leading), 5);
        bits.push(u64::from(length - 1), 6);
        bits.push(xor >> xor.trailing_zeros(), length);
        context.frame = (leading as u8, length as u8);
    }
}

fn push_lanes(bits: &mut Bits, before: &mut [u32; 4], now: [u32; 4]) {
    if *before == now {
        bits.push(0, 1);
        return;
    }
    bits.push(1, 1);
    for (old, new) in before.iter_mut().zip(now) {
        let xor = *old ^ new;
        *old = new;
        if xor == 0 {
            bits.push(0, 1);
            continue;
        }
        let leading = xor.leading_zeros();
        let length = 32 - leading - xor.trailing_zeros();
        bits.push(1, 1);
        bits.push(u64::from(leading), 5);
        bits.push(u64::from(length - 1), 5);
        bits.push(u64::from(xor >> xor.trailing_zeros()), length);
    }
}

/// Reads the points of a chunk in order.
#[derive(Debug)]
pub(super) struct Points<'a> {
    bytes: &'a [u8],
    bit: usize,
    left: u16,
    started: bool,
    context: Context,
}

impl<'a> Points<'a> {
    fn over(bytes: &'a [u8], count: u16) -> Self {
        Self { bytes, bit: 0, left: count, started: false, context: Context::start() }
    }

    /// `None` past the end, so that a damaged chunk ends early instead of panicking.
    fn take(&mut self, count: u32) -> Option<u64> {
        if self.bit + count as usize > self.bytes.len() * 8 {
            return None;
        }
        let mut value = 0;
        let mut left = count;
        while left > 0 {
            let byte = u64::from(self.bytes[self.bit / 8]);
            let free = 8 - (self.bit % 8) as u32;
            let take = free.min(left);
            value = (value << take) | ((byte >> (free - take)) & ((1 << take) - 1));
            self.bit += take as usize;
            left -= take;
        }
        Some(value)
    }

    fn interval_change(&mut self) -> Option<i64> {
        let widths = [7, 12, 20, 64];
        let mut kind = 0;
        while kind < 4 && self.take(1)? == 1 {
            kind += 1;
        }
        let zigzag = if kind == 0 { 0 } else { self.take(widths[kind - 1])? };
        Some((zigzag >> 1) as i64 ^ -((zigzag & 1) as i64))
    }

    fn value(&mut self) -> Option<u64> {
        if self.take(1)? == 1 {
            if self.take(1)? == 1 {
                let leading = self.take(5)? as u8;
                let length = self.take(6)? as u8 + 1;
                self.context.frame = (leading, length);
            }
            let (leading, length) = (u32::from(self.context.frame.0), u32::from(self.context.frame.1));
            let trailing = 64_u32.checked_sub(leading + length).filter(|_| length > 0)?;
            self.context.value ^= self.take(length)? << trailing;
        }
        Some(self.context.value)
    }

    fn lanes(&mut self) -> Option<[u32; 4]> {
        if self.take(1)? == 1 {
            for lane in 0..4 {
                if self.take(1)? == 1 {
                    let leading = self.take(5)? as u32;
                    let length = self.take(5)? as u32 + 1;
                    let trailing = 32_u32.checked_sub(leading + length)?;
                    self.context.lanes[lane] ^= (self.take(length)? as u32) << trailing;
                }
            }
        }
        Some(self.context.lanes)
    }

    fn point(&mut self) -> Option<Point> {
        if self.started {
            let change = self.interval_change()?;
            self.context.delta = self.context.delta.wrapping_add(change);
            self.context.at = self.context.at.wrapping_add(self.context.delta);
        } else {
            self.started = true;
            self.context.at = self.take(64)? as i64;
        }
        let value = f64::from_bits(self.value()?);
        let verdict = Verdict::from_lanes(self.lanes()?);
        Some(Point { sample: Sample { at: self.context.at, value }, verdict })
    }
}

impl Iterator for Points<'_> {
    type Item = Point;

    fn next(&mut self) -> Option<Point> {
        if self.left == 0 {
            return None;
        }
        self.left -= 1;
        self.point()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::signal::STALE_NAN_BITS;

    fn verdict() -> impl Strategy<Value = Verdict> {
        (any::<f32>(), any::<f32>(), 0.0_f32..100.0, any::<bool>()).prop_map(|(e, w, s, a)| Verdict {
            expected: e,
            half_width: w,
            score: s,
            anomalous: a,
        })
    }

    fn bits(p: &Point) -> (i64, u64, [u32; 4]) {
        (p.sample.at, p.sample.value.to_bits(), p.verdict.lanes())
    }

    proptest! {
        #[test]
        fn points_come_back_bit_for_bit(
            points in prop::collection::vec((any::<i64>(), any::<u64>(), verdict()), 0..120)
        ) {
            let mut chunk = OpenChunk::new();
            let mut want = Vec::new();
            for (at, value, verdict) in points {
                let sample = Sample { at, value: f64::from_bits(value) };
                chunk.push(sample, verdict);
                want.push(bits(&Point { sample, verdict }));
            }
            let got: Vec<_> = chunk.points().map(|p| bits(&p)).collect();
            prop_assert_eq!(&got, &want);
            let got: Vec<_> = chunk.finish().points().map(|p| bits(&p)).collect();
            prop_assert_eq!(got, want);
        }

        #[test]
        fn damage_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200), count in 0_u16..200) {
            prop_assert!(Points::over(&bytes, count).count() <= usize::from(count));
        }
    }

    #[test]
    fn a_steady_gauge_costs_about_two_bytes_a_point() {
        let mut chunk = OpenChunk::new();
        for i in 0..i64::from(POINTS) {
            let value = if i == 60 { f64::from_bits(STALE_NAN_BITS) } else { (100 + i % 5) as f64 };
            chunk.push(Sample { at: i * 15_000, value }, Verdict::new(102.0, 3.1, 0.0, false));
        }
        assert!(chunk.heap_bytes() < 120 * 4, "{}", chunk.heap_bytes());
        assert_eq!(chunk.points().nth(60).unwrap().sample.value.to_bits(), STALE_NAN_BITS);
    }

    #[test]
    fn rounding_keeps_what_matters() {
        let v = Verdict::new(1_234.567_8, 10.3, 3.333, true);
        assert!((v.expected - 1_234.567_8).abs() < 0.2 && (v.half_width - 10.3).abs() < 0.1);
        assert!((v.score - 3.333).abs() < 0.03 && v.anomalous);
        assert!(Verdict::new(5.0, f64::NAN, 0.0, false).half_width.is_nan());
        assert_eq!(Verdict::new(5.25, 0.0, 0.0, false).expected, 5.25);
    }
}
