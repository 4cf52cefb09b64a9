//! Samples and what was said of them, compressed in memory.
//!
//! A chunk holds as many points as go into a string of bits of fixed length. A point is a timestamp, a value, and what
//! vigie said of it:
//!
//! ```text
//! point  := 0 value score                      interval and band as before
//!         | 1 time band value score
//! time   := the change of the interval to the one before, zigzag:
//!           0 | 10 + 7 bits | 110 + 12 bits | 1110 + 20 bits | 1111 + 64 bits
//! band   := 0 as before | 1 anomalous lane(expected) lane(half width)
//! lane   := 0 if equal | 1 + 5 bits leading zeros + 5 bits length − 1 + the meaningful bits of the f32 XOR
//! value  := 0 equal to the one before
//!         | 10 + rice                          step, or change of the step, of value · 10^scale as an integer
//!         | 110 + 4 bits scale + rice          the same with another scale
//!         | 111 + 6 bits leading zeros + 6 bits length − 1 + the meaningful bits of the XOR with the one before
//! score  := rice of the change of its level
//! rice   := of the zigzagged number n: n >> k ones, 0, the lowest k bits; or 12 ones + 6 bits length − 1 + n
//! ```
//!
//! What machines count and what people read off them are decimal numbers of few digits, and those are followed as
//! integers: for counters the change of the step is small, for gauges the step; which of the two was shorter lately is
//! taken. Rice's parameter k follows the numbers' mean (Rice and Plaunt, 1971; adaptation as in JPEG-LS). Everything else
//! goes by XOR (Gorilla, Pelkonen et al., VLDB 2015, section 4.1). Values survive bit for bit, NaN payloads included.

use serde::{Deserialize, Serialize};

use super::{
    bits::{self, Reader, WORDS, Words, Writer},
    verdict::{Verdict, level, of_level},
};
use crate::signal::{Sample, TimestampMs};

/// Greatest power of ten by which a value is multiplied to become an integer.
const SCALE_MAX: u8 = 12;
/// Integers beyond are not exact in an f64.
const INTEGER_MAX: f64 = 9_007_199_254_740_992.0;
/// Ones that say that a number is written as it is.
const ESCAPE: u32 = 12;
/// Values that pass until one is looked at as a decimal again, at most.
const PAUSE_MAX: u8 = 31;

/// One point of a window.
#[derive(Clone, Copy, Debug)]
pub struct Point {
    /// The sample as received.
    pub sample: Sample,
    /// What was said of it.
    pub verdict: Verdict,
}

/// Points as they are kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Chunk {
    pub(super) first_at: TimestampMs,
    pub(super) count: u16,
    #[serde(with = "bits")]
    words: Words,
}

impl Default for Chunk {
    fn default() -> Self {
        Self { first_at: 0, count: 0, words: [0; WORDS] }
    }
}

/// Follows numbers to write them in few bits.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Rice {
    /// Below 0 before the first number.
    mean: f32,
}

impl Rice {
    const NEW: Self = Self { mean: -1.0 };

    fn is_new(self) -> bool {
        self.mean < 0.0
    }

    /// Bits of a number that are not unary: about the logarithm of the mean.
    fn k(self) -> u32 {
        if self.mean < 1.0 { 0 } else { ((self.mean.to_bits() >> 23) - 127).min(62) }
    }

    /// A number far beyond the others is not to spoil what comes after it.
    fn learn(&mut self, n: u64) {
        let n = n as f32;
        self.mean = if self.is_new() { n } else { self.mean + (n.min(64.0 * (self.mean + 1.0)) - self.mean) * 0.25 };
    }

    fn cost(self, n: u64) -> i32 {
        let ones = n >> self.k();
        let bits = if ones < u64::from(ESCAPE) { ones as u32 + 1 + self.k() } else { ESCAPE + 6 + length(n) };
        bits as i32
    }

    fn push(self, bits: &mut Writer<'_>, n: u64) {
        let (k, ones) = (self.k(), n >> self.k());
        if ones < u64::from(ESCAPE) {
            bits.push((1 << (ones + 1)) - 2, ones as u32 + 1);
            if k > 0 {
                bits.push(n & ((1 << k) - 1), k);
            }
        } else {
            bits.push((1 << ESCAPE) - 1, ESCAPE);
            bits.push(u64::from(length(n) - 1), 6);
            bits.push(n, length(n));
        }
    }

    fn take(self, bits: &mut Reader<'_>) -> Option<u64> {
        let mut ones = 0;
        while ones < ESCAPE && bits.take(1)? == 1 {
            ones += 1;
        }
        if ones == ESCAPE {
            let length = bits.take(6)? as u32 + 1;
            return bits.take(length);
        }
        let k = self.k();
        let low = if k > 0 { bits.take(k)? } else { 0 };
        // A number this large is not written so, but damage may say it is.
        Some(u64::from(ones).checked_shl(k)? | low)
    }
}

/// Bits of a number, at least 1.
fn length(n: u64) -> u32 {
    (64 - n.leading_zeros()).max(1)
}

fn zigzag(n: i64) -> u64 {
    ((n << 1) ^ (n >> 63)) as u64
}

fn unzigzag(n: u64) -> i64 {
    (n >> 1) as i64 ^ -((n & 1) as i64)
}

/// 10 to the power of a scale.
fn power(scale: u8) -> f64 {
    const POWERS: [f64; SCALE_MAX as usize + 1] = [1.0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12];
    POWERS[usize::from(scale.min(SCALE_MAX))]
}

/// The integer that a value is at a scale; `None` if it is none from which the value comes back bit for bit.
fn integer(value: f64, scale: u8) -> Option<i64> {
    let scaled = (value * power(scale)).round();
    let is_whole = scaled.abs() < INTEGER_MAX && decimal(scaled as i64, scale).to_bits() == value.to_bits();
    is_whole.then_some(scaled as i64)
}

/// The value that an integer is at a scale.
fn decimal(integer: i64, scale: u8) -> f64 {
    integer as f64 / power(scale)
}

/// What the next point is coded against.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Coder {
    at: TimestampMs,
    value: f64,
    /// 0 where it does not fit.
    interval: i32,
    /// The verdict.
    expected: f32,
    half_width: f32,
    level: u16,
    anomalous: bool,
    /// Power of ten at which values are integers, the last of those, and its step.
    scale: u8,
    integer: i64,
    step: i64,
    /// Steps and changes of the step, and how many bits more the steps took lately.
    steps: Rice,
    changes: Rice,
    surplus: i16,
    levels: Rice,
}

impl Coder {
    fn new(at: TimestampMs) -> Self {
        Self {
            at,
            value: 0.0,
            interval: 0,
            expected: f32::NAN,
            half_width: f32::NAN,
            level: 0,
            anomalous: false,
            scale: 0,
            integer: 0,
            step: 0,
            steps: Rice::NEW,
            changes: Rice::NEW,
            surplus: 0,
            levels: Rice::NEW,
        }
    }

    /// What was said of the last point; of a new coder, nothing.
    fn verdict(&self) -> Verdict {
        let Self { expected, half_width, level, anomalous, .. } = *self;
        Verdict { expected, half_width, score: of_level(level), anomalous }
    }

    fn band(&self) -> [u32; 2] {
        [self.expected.to_bits(), self.half_width.to_bits()]
    }

    /// Whether the change of the step is coded, and not the step.
    fn is_counting(&self) -> bool {
        self.surplus > 0
    }

    /// Goes over to another scale.
    fn rescale(&mut self, scale: u8) {
        let factor = power(scale.saturating_sub(self.scale)) as f32;
        self.scale = scale;
        self.integer = integer(self.value, scale).unwrap_or(0);
        self.step = 0;
        for rice in [&mut self.steps, &mut self.changes] {
            // What is new stays so.
            rice.mean *= if rice.is_new() { 1.0 } else { factor };
        }
    }

    /// Takes the next value as an integer at the scale.
    fn follow(&mut self, integer: i64) {
        let step = integer.wrapping_sub(self.integer);
        let (far, near) = (zigzag(step), zigzag(step.wrapping_sub(self.step)));
        if self.value == 0.0 && self.steps.is_new() {
            // The way from nothing to the first value.
        } else if self.steps.is_new() {
            self.steps.learn(far);
        } else {
            let more = self.steps.cost(far)
                - if self.changes.is_new() { self.steps.cost(near) } else { self.changes.cost(near) };
            self.surplus = self.surplus - self.surplus / 8 + more as i16;
            self.steps.learn(far);
            self.changes.learn(near);
        }
        (self.integer, self.step, self.value) = (integer, step, decimal(integer, self.scale));
    }

    /// Appends what the point takes.
    fn push(&mut self, bits: &mut Writer<'_>, sample: Sample, verdict: Verdict, search: &mut Search) {
        self.push_frame(bits, sample.at, &verdict);
        self.push_value(bits, sample.value, search);
        let level = level(verdict.score);
        let change = zigzag(i64::from(level) - i64::from(self.level));
        self.levels.push(bits, change);
        self.levels.learn(change);
        self.level = level;
    }

    fn push_frame(&mut self, bits: &mut Writer<'_>, at: TimestampMs, verdict: &Verdict) {
        let interval = at.wrapping_sub(self.at);
        let change = zigzag(interval.wrapping_sub(i64::from(self.interval)));
        let before = self.band();
        (self.expected, self.half_width) = (verdict.expected, verdict.half_width);
        let is_same = before == self.band() && self.anomalous == verdict.anomalous;
        self.anomalous = verdict.anomalous;
        (self.at, self.interval) = (at, i32::try_from(interval).unwrap_or(0));
        if change == 0 && is_same {
            bits.push(0, 1);
            return;
        }
        bits.push(1, 1);
        match change {
            0 => bits.push(0, 1),
            1..0x80 => bits.push(0b10 << 7 | change, 9),
            0x80..0x1000 => bits.push(0b110 << 12 | change, 15),
            0x1000..0x10_0000 => bits.push(0b1110 << 20 | change, 24),
            _ => {
                bits.push(0b1111, 4);
                bits.push(change, 64);
            }
        }
        bits.push(u64::from(!is_same), 1);
        if !is_same {
            bits.push(u64::from(verdict.anomalous), 1);
            before.into_iter().zip(self.band()).for_each(|(before, now)| push_lane(bits, before ^ now));
        }
    }

    fn push_value(&mut self, bits: &mut Writer<'_>, value: f64, search: &mut Search) {
        let xor = value.to_bits() ^ self.value.to_bits();
        if xor == 0 {
            bits.push(0, 1);
            self.step = 0;
            return;
        }
        let Some((scale, integer)) = search.find(value, self.scale) else {
            let length = 64 - xor.leading_zeros() - xor.trailing_zeros();
            bits.push(0b111 << 12 | u64::from(xor.leading_zeros()) << 6 | u64::from(length - 1), 15);
            bits.push(xor >> xor.trailing_zeros(), length);
            self.value = value;
            return;
        };
        if scale == self.scale {
            bits.push(0b10, 2);
        } else {
            bits.push(0b110 << 4 | u64::from(scale), 7);
            self.rescale(scale);
        }
        let step = integer.wrapping_sub(self.integer);
        match self.is_counting() {
            true => self.changes.push(bits, zigzag(step.wrapping_sub(self.step))),
            false => self.steps.push(bits, zigzag(step)),
        }
        self.follow(integer);
    }

    /// Reads a point; `None` where what is read is none.
    fn take(&mut self, bits: &mut Reader<'_>) -> Option<Point> {
        let mut interval = i64::from(self.interval);
        if bits.take(1)? == 1 {
            let widths = [7, 12, 20, 64];
            let mut kind = 0;
            while kind < 4 && bits.take(1)? == 1 {
                kind += 1;
            }
            let change = if kind == 0 { 0 } else { bits.take(widths[kind - 1])? };
            interval = interval.wrapping_add(unzigzag(change));
            if bits.take(1)? == 1 {
                self.anomalous = bits.take(1)? == 1;
                self.expected = f32::from_bits(self.expected.to_bits() ^ take_lane(bits)?);
                self.half_width = f32::from_bits(self.half_width.to_bits() ^ take_lane(bits)?);
            }
        }
        (self.at, self.interval) = (self.at.wrapping_add(interval), i32::try_from(interval).unwrap_or(0));
        self.take_value(bits)?;
        let change = self.levels.take(bits)?;
        self.levels.learn(change);
        self.level = u16::try_from(i64::from(self.level).wrapping_add(unzigzag(change))).ok()?;
        Some(Point { sample: Sample { at: self.at, value: self.value }, verdict: self.verdict() })
    }

    fn take_value(&mut self, bits: &mut Reader<'_>) -> Option<()> {
        if bits.take(1)? == 0 {
            self.step = 0;
            return Some(());
        }
        if bits.take(1)? == 1 {
            if bits.take(1)? == 1 {
                let leading = bits.take(6)? as u32;
                let length = bits.take(6)? as u32 + 1;
                let trailing = 64_u32.checked_sub(leading + length)?;
                self.value = f64::from_bits(self.value.to_bits() ^ (bits.take(length)? << trailing));
                return Some(());
            }
            self.rescale(bits.take(4)? as u8);
        }
        let step = match self.is_counting() {
            true => unzigzag(self.changes.take(bits)?).wrapping_add(self.step),
            false => unzigzag(self.steps.take(bits)?),
        };
        self.follow(self.integer.wrapping_add(step));
        Some(())
    }
}

fn push_lane(bits: &mut Writer<'_>, xor: u32) {
    if xor == 0 {
        bits.push(0, 1);
        return;
    }
    let length = 32 - xor.leading_zeros() - xor.trailing_zeros();
    bits.push(1 << 10 | u64::from(xor.leading_zeros()) << 5 | u64::from(length - 1), 11);
    bits.push(u64::from(xor >> xor.trailing_zeros()), length);
}

/// The XOR that was written.
fn take_lane(bits: &mut Reader<'_>) -> Option<u32> {
    if bits.take(1)? == 0 {
        return Some(0);
    }
    let leading = bits.take(5)? as u32;
    let length = bits.take(5)? as u32 + 1;
    let trailing = 32_u32.checked_sub(leading + length)?;
    Some((bits.take(length)? as u32) << trailing)
}

/// Looks for the scale of a value, less often where there is none.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Search {
    /// Values to let pass, and how many it was last.
    left: u8,
    pause: u8,
}

impl Search {
    /// The least scale, from `scale` on, at which a value is an integer, and which.
    fn find(&mut self, value: f64, scale: u8) -> Option<(u8, i64)> {
        let at = |scale| integer(value, scale).map(|integer| (scale, integer));
        if let Some(found) = at(scale) {
            return Some(found);
        }
        if self.left > 0 {
            self.left -= 1;
            return None;
        }
        let found = (scale + 1..=SCALE_MAX).find_map(at);
        self.pause = if found.is_some() { 0 } else { (2 * self.pause + 1).min(PAUSE_MAX) };
        self.left = self.pause;
        found
    }
}

/// The chunk that is being written.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Open {
    chunk: Chunk,
    bit: u16,
    coder: Coder,
    search: Search,
}

impl Default for Open {
    fn default() -> Self {
        Self { chunk: Chunk::default(), bit: 0, coder: Coder::new(0), search: Search::default() }
    }
}

impl Open {
    /// Appends a point and gives what is kept of the verdict; `None`, and nothing is changed, when it has no room.
    pub(super) fn push(&mut self, sample: Sample, verdict: Verdict) -> Option<Verdict> {
        let verdict = verdict.steadied(&self.coder.verdict());
        let mut coder = if self.chunk.count == 0 { Coder::new(sample.at) } else { self.coder };
        let from = u32::from(self.bit);
        let mut bits = Writer::new(&mut self.chunk.words, from);
        coder.push(&mut bits, sample, verdict, &mut self.search);
        if bits.is_over() {
            bits::cut(&mut self.chunk.words, from);
            return None;
        }
        self.bit = bits.bit() as u16;
        self.coder = coder;
        if self.chunk.count == 0 {
            self.chunk.first_at = sample.at;
        }
        self.chunk.count += 1;
        Some(verdict)
    }

    /// The last sample; `None` in an empty chunk.
    pub(super) fn last(&self) -> Option<Sample> {
        let Coder { at, value, .. } = self.coder;
        (self.chunk.count > 0).then_some(Sample { at, value })
    }

    /// Begins a new chunk, and gives the one so far.
    pub(super) fn finish(&mut self) -> Chunk {
        self.bit = 0;
        std::mem::take(&mut self.chunk)
    }

    pub(super) fn chunk(&self) -> &Chunk {
        &self.chunk
    }
}

impl Chunk {
    /// Bytes of the bits.
    pub(super) const BITS_BYTES: usize = WORDS * 8;

    /// Appends the bits.
    pub(super) fn bits_to(&self, bytes: &mut Vec<u8>) {
        self.words.iter().for_each(|word| bytes.extend_from_slice(&word.to_le_bytes()));
    }

    /// A chunk with bits as they were appended; what is missing of them is 0.
    pub(super) fn of_bits(first_at: TimestampMs, count: u16, bits: &[u8]) -> Self {
        let mut words = [0; WORDS];
        words.iter_mut().zip(bits.as_chunks().0).for_each(|(word, bytes)| *word = u64::from_le_bytes(*bytes));
        Self { first_at, count, words }
    }

    pub(super) fn points(&self) -> Points<'_> {
        Points { bits: Reader::new(&self.words), left: self.count, coder: Coder::new(self.first_at) }
    }
}

/// Reads the points of a chunk in order.
#[derive(Debug)]
pub(super) struct Points<'a> {
    bits: Reader<'a>,
    left: u16,
    coder: Coder,
}

impl Iterator for Points<'_> {
    type Item = Point;

    /// `None` also where damage makes the rest unreadable.
    fn next(&mut self) -> Option<Point> {
        self.left = self.left.checked_sub(1)?;
        self.coder.take(&mut self.bits)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::signal::STALE_NAN_BITS;

    fn verdict() -> impl Strategy<Value = Verdict> {
        (any::<f32>(), any::<f32>(), -1.0_f32..100.0, any::<bool>())
            .prop_map(|(e, w, s, a)| Verdict::new(e.into(), w.into(), s.into(), a))
    }

    fn value() -> impl Strategy<Value = f64> {
        prop_oneof![
            any::<u64>().prop_map(f64::from_bits),
            (-1_000_000_i64..1_000_000).prop_map(|n| n as f64),
            (any::<i32>(), 0_u8..15).prop_map(|(n, scale)| f64::from(n) / 10_f64.powi(scale.into())),
            Just(-0.0),
            Just(f64::from_bits(STALE_NAN_BITS)),
            (0_i64..5).prop_map(|n| (INTEGER_MAX as i64 - 2 + n) as f64),
        ]
    }

    fn bits(p: &Point) -> (i64, u64, [u32; 2], u32, bool) {
        let Verdict { expected, half_width, score, anomalous } = p.verdict;
        (p.sample.at, p.sample.value.to_bits(), [expected.to_bits(), half_width.to_bits()], score.to_bits(), anomalous)
    }

    proptest! {
        #[test]
        fn points_come_back_bit_for_bit(
            points in prop::collection::vec((any::<i64>(), value(), verdict()), 0..80),
            steady in prop::collection::vec((-2_i64..3, -20_i64..20, verdict()), 0..200),
        ) {
            let start = points.last().map_or((0, 0.0), |(at, value, _)| (*at, value.round()));
            let counted = steady.into_iter().scan(start, |(at, value), (late, step, verdict)| {
                (*at, *value) = (at.wrapping_add(15_000), *value + (1_000 + step) as f64);
                Some((at.wrapping_add(late), *value, verdict))
            });
            let (mut open, mut done, mut want) = (Open::default(), Vec::new(), Vec::new());
            for (at, value, verdict) in points.into_iter().chain(counted) {
                let sample = Sample { at, value };
                let kept = open.push(sample, verdict);
                let kept = kept.unwrap_or_else(|| {
                    done.push(open.finish());
                    open.push(sample, verdict).unwrap()
                });
                want.push(bits(&Point { sample, verdict: kept }));
            }
            done.push(open.finish());
            let bytes: Vec<Vec<u8>> = done.iter().map(|chunk| postcard::to_stdvec(chunk).unwrap()).collect();
            let got: Vec<_> = done.iter().flat_map(Chunk::points).map(|p| bits(&p)).collect();
            prop_assert_eq!(&got, &want);
            let read: Vec<Chunk> = bytes.iter().map(|bytes| postcard::from_bytes(bytes).unwrap()).collect();
            let got: Vec<_> = read.iter().flat_map(Chunk::points).map(|p| bits(&p)).collect();
            prop_assert_eq!(got, want);
        }

        #[test]
        fn damage_never_panics(words in prop::collection::vec(any::<u64>(), WORDS), count in 0_u16..2_000) {
            let chunk = Chunk { first_at: 0, count, words: words.try_into().unwrap() };
            prop_assert!(chunk.points().count() <= usize::from(count));
        }
    }

    /// Bits a point of a long run of these values, with a band that stays.
    fn cost(value: impl Fn(u64) -> f64) -> f64 {
        let (mut open, mut points) = (Open::default(), 0.0);
        for i in 0..2_000 {
            let sample = Sample { at: i as i64 * 15_000, value: value(i) };
            if open.push(sample, Verdict::new(100.0, 10.0, 0.0, false)).is_none() {
                break;
            }
            points += 1.0;
        }
        f64::from(open.bit) / points
    }

    /// 0 to 99, as if by chance.
    fn dice(i: u64) -> f64 {
        (i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as f64 % 100.0
    }

    #[test]
    fn usual_values_cost_about_what_they_say() {
        assert!(cost(|_| 5.25) < 4.0, "constant: {}", cost(|_| 5.25));
        // An even choice among 100 is 6.6 bits.
        assert!(cost(dice) < 14.5, "a gauge: {}", cost(dice));
        assert!(cost(|i| dice(i) / 100.0) < 15.5, "with decimals: {}", cost(|i| dice(i) / 100.0));
        let counter = |i| 1e9 + 1e4 * i as f64 + dice(i);
        assert!(cost(counter) < 17.0, "a counter: {}", cost(counter));
        let binary = |i| (i as f64 * 0.7).sin();
        assert!(cost(binary) < 77.0, "full precision: {}", cost(binary));
    }
}
