//! Window novelty: how far the last samples are from every shape seen before.
//!
//! The last eight samples are compared with at most 12 stored windows. A window far from all of them is stored, over
//! the one least used and longest unused; a familiar one moves its nearest a little towards itself.
//!
//! A value takes 8 bits, the signed root of its distance from the detector's base: a step is 0.001 of the detector's
//! unit at the base, 0.06 one unit away, 0.2 at 10, and what is 15.75 units away or more looks all the same.

use serde::{Deserialize, Serialize};

use crate::prefetch::prefetch;

/// Samples in a window.
const LENGTH: usize = 8;
/// Windows stored.
const STORED: usize = 12;
/// A window is new when its distance exceeds this multiple of the usual distance.
const NEW: f32 = 3.0;
/// Share of its difference that the nearest window takes over from a familiar one.
const MOVE: f32 = 0.02;
/// Distances after which the usual distance follows slowly.
const SETTLED: u8 = 200;
/// Squares of codes in a unit.
const RESOLUTION: f32 = 1024.0;
/// Time of use is kept in so many samples.
const CLOCK: u32 = 32;

/// Values of a window in code, see [`encode`].
type Window = [i8; LENGTH];

/// The stored windows of one series: 32 bytes, and 12 for each window.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Novelty {
    windows: Box<[Stored]>,
    last: Window,
    usual: f32,
    filled: u8,
    distances: u8,
}

#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Stored {
    values: Window,
    count: u16,
    used_at: u16,
}

impl Stored {
    fn new(values: Window, n: u32) -> Self {
        Self { values, count: 1, used_at: clock(n) }
    }

    fn worth(&self, n: u32) -> f32 {
        let age = u32::from(clock(n).wrapping_sub(self.used_at)) * CLOCK;
        f32::from(self.count) / (1.0 + 0.02 * age as f32)
    }

    /// Moves towards `last`. What is less than a step is taken as the chance of one: sample number `n` draws the lots.
    fn follow(&mut self, last: &Window, n: u32) {
        if self.values != *last {
            let lot = n.wrapping_mul(0x9e37_79b9);
            let mut moved = [0; LENGTH];
            for (i, moved) in moved.iter_mut().enumerate() {
                let lot = lot.wrapping_add(i as u32 * (u32::MAX / LENGTH as u32));
                let lot = (lot >> 8) as i32 as f32 / 16_777_216.0;
                let (from, to) = (f32::from(square(self.values[i])), f32::from(square(last[i])));
                *moved = i32::from(encode(from + MOVE * (to - from), lot));
            }
            self.values = moved.map(|code| code as i8);
        }
        self.count = self.count.saturating_add(1);
        self.used_at = clock(n);
    }
}

/// Time of use of a window; starts anew after two million samples, then an old one passes for younger.
fn clock(n: u32) -> u16 {
    (n / CLOCK) as u16
}

impl Novelty {
    /// Has the stored windows brought near.
    pub(super) fn prefetch(&self) {
        prefetch(&*self.windows);
    }

    /// Forgets the last samples, not what was learnt: after a gap they do not follow each other.
    pub(super) fn interrupt(&mut self) {
        self.filled = 0;
    }

    /// Takes sample number `n`, relative to the base; `unit` is that of the codes, `scale` the unit of distance.
    /// Returns the root mean square distance of the last eight samples to the nearest stored window, in `scale`; 0
    /// until there are eight and one is stored.
    pub(super) fn observe(&mut self, n: u32, value: f32, unit: f32, scale: f32) -> f32 {
        let newest = encode(value / unit * RESOLUTION, 0.5);
        // As one number: what was written byte by byte is read at once only when all of it has arrived in the cache.
        let last = u64::from_le_bytes(self.last.map(i8::cast_unsigned)) >> 8;
        let last = last | u64::from(newest.cast_unsigned()) << (8 * (LENGTH - 1));
        self.last = last.to_le_bytes().map(u8::cast_signed);
        self.filled = self.filled.saturating_add(1).min(LENGTH as u8);
        if usize::from(self.filled) < LENGTH {
            return 0.0;
        }
        let Some((nearest, squared)) = self.nearest() else {
            self.store(n);
            return 0.0;
        };
        let distance = (squared / LENGTH as f32).sqrt() * (unit / RESOLUTION / scale);
        if distance > NEW * self.usual {
            self.store(n);
        } else {
            self.windows[nearest].follow(&self.last, n);
        }
        self.distances = self.distances.saturating_add(1).min(SETTLED);
        let clipped = if self.distances > 20 { distance.min(4.0 * self.usual) } else { distance };
        self.usual += (clipped - self.usual) / f32::from(self.distances);
        distance
    }

    /// The stored window nearest to the last, and the square of their distance.
    ///
    /// Each step goes over all windows before the next begins: so it is done in vectors, in a third of the time.
    fn nearest(&self) -> Option<(usize, f32)> {
        let last = self.last.map(square);
        let (mut differences, mut sums) = ([[0_i16; LENGTH]; STORED], [[0.0_f32; 4]; STORED]);
        for (difference, window) in differences.iter_mut().zip(&self.windows) {
            for (k, difference) in difference.iter_mut().enumerate() {
                *difference = square(window.values[k]) - last[k];
            }
        }
        let count = self.windows.len().min(STORED);
        for (sums, difference) in sums.iter_mut().zip(&differences[..count]) {
            for (k, sum) in sums.iter_mut().enumerate() {
                let (a, b) = (f32::from(difference[k]), f32::from(difference[k + 4]));
                *sum = a * a + b * b;
            }
        }
        let mut best = None;
        for (i, sums) in sums[..count].iter().enumerate() {
            let squared = (sums[0] + sums[1]) + (sums[2] + sums[3]);
            if best.is_none_or(|(_, least)| squared < least) {
                best = Some((i, squared));
            }
        }
        best
    }

    fn store(&mut self, n: u32) {
        let new = Stored::new(self.last, n);
        if self.windows.len() < STORED {
            let mut windows = std::mem::take(&mut self.windows).into_vec();
            windows.reserve_exact(1);
            windows.push(new);
            self.windows = windows.into_boxed_slice();
        } else if let Some(least) = self.windows.iter_mut().min_by(|a, b| a.worth(n).total_cmp(&b.worth(n))) {
            *least = new;
        }
    }

    /// Follows a base that moved up by `shift`, and a change of unit.
    pub(super) fn rebase(&mut self, shift: f32, (old, new): (f32, f32)) {
        let (factor, shift) = (old / new, shift / new * RESOLUTION);
        for window in self.windows.iter_mut().map(|window| &mut window.values).chain([&mut self.last]) {
            for code in window {
                *code = encode(f32::from(square(*code)) * factor - shift, 0.5);
            }
        }
    }

    /// Bytes on the heap.
    pub(super) fn heap_bytes(&self) -> usize {
        size_of_val(&*self.windows)
    }
}

/// The number that a code stands for: its square, with its sign.
fn square(code: i8) -> i16 {
    i16::from(code) * i16::from(code.unsigned_abs())
}

/// The code next to `x` on the side of 0, or the one after it if `x` is more than the share `lot` of the way there.
#[inline(always)]
fn encode(x: f32, lot: f32) -> i8 {
    const MAX: f32 = 127.0 * 127.0;
    // Adding 2^23 rounds to a whole number, which is then in the low bits; unlike a cast it is done on eight at once.
    const WHOLE: f32 = 8_388_608.0;
    let size = x.abs().min(MAX);
    let near = size.sqrt() + WHOLE - WHOLE;
    let root = if near * near > size { near - 1.0 } else { near };
    let step = if size - root * root > lot * (2.0 * root + 1.0) { 1.0 } else { 0.0 };
    ((root + step).copysign(x) + 1.5 * WHOLE).to_bits() as i8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shape_never_seen_is_far_and_becomes_familiar() {
        let mut novelty = Novelty::default();
        let wave = |n: u32| (n % 16) as f32;
        let mut usual = 0.0_f32;
        for n in 0..2_000 {
            let d = novelty.observe(n, wave(n), 8.0, 5.0);
            if n > 1_000 {
                usual = usual.max(d);
            }
        }
        let odd: Vec<f32> = (2_000..2_012).map(|n| novelty.observe(n, 40.0, 8.0, 5.0)).collect();
        assert!(odd.iter().copied().fold(0.0, f32::max) > 1.5 * usual, "{usual} {odd:?}");
        assert!(novelty.windows.len() <= STORED);
        for n in 2_012..2_100 {
            novelty.observe(n, 40.0, 8.0, 5.0);
        }
        assert!(novelty.observe(2_100, 40.0, 8.0, 5.0) < 0.5);
    }

    #[test]
    fn codes_are_near_and_on_average_right() {
        for k in -80_i32..=80 {
            let x = 4.03 * (k * k * k.signum()) as f32 / 2.0;
            let got = f32::from(square(encode(x, 0.5)));
            let nearest = x.clamp(-16_129.0, 16_129.0);
            assert!((got - nearest).abs() <= nearest.abs().sqrt() + 1.0, "{x} became {got}");
            let mean = (0..1_000).map(|i| f32::from(square(encode(x, i as f32 / 1_000.0)))).sum::<f32>() / 1_000.0;
            assert!((mean - nearest).abs() < 0.3, "{x} is {mean} on average");
        }
        assert_eq!(encode(f32::NAN, 0.5), encode(f32::INFINITY, 0.5));
    }

    #[test]
    fn distances_survive_a_move_of_the_base() {
        let mut novelty = Novelty::default();
        for n in 0..400 {
            novelty.observe(n, (n % 16) as f32, 8.0, 5.0);
        }
        let mut moved = novelty.clone();
        moved.rebase(3.0, (8.0, 16.0));
        for n in 400..440 {
            let value = if n < 420 { (n % 16) as f32 } else { 30.0 };
            let (a, b) = (novelty.observe(n, value, 8.0, 5.0), moved.observe(n, value - 3.0, 16.0, 5.0));
            assert!((a - b).abs() < 0.1 + 0.1 * a, "{a} {b}");
        }
        assert_eq!(novelty.heap_bytes(), novelty.windows.len() * 12);
    }
}
