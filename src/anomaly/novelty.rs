//! Window novelty: how far the last samples are from every shape seen before.
//!
//! The last eight samples are compared with at most 24 stored windows. A window far from all of them is stored, over
//! the one least used and longest unused; a familiar one moves its nearest a little towards itself.

use serde::{Deserialize, Serialize};

/// Samples in a window.
const LENGTH: usize = 8;
/// Windows stored.
const STORED: usize = 24;
/// A window is new when its distance exceeds this multiple of the usual distance.
const NEW: f32 = 3.0;

/// The stored windows of one series, about 0.9 KiB. Values are kept relative to the series' first value, so that
/// f32 is enough for large ones.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Novelty {
    last: [f32; LENGTH],
    filled: u8,
    windows: Vec<Stored>,
    usual: f32,
    distances: u32,
}

#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Stored {
    values: [f32; LENGTH],
    count: f32,
    used_at: u32,
}

impl Novelty {
    /// Forgets the last samples, not what was learnt: after a gap they do not follow each other.
    pub(super) fn interrupt(&mut self) {
        self.filled = 0;
    }

    /// Takes sample number `n`; `scale` is the unit of distance. Returns the root mean square distance of the last
    /// eight samples to the nearest stored window, in that unit; 0 until there are eight and one is stored.
    pub(super) fn observe(&mut self, n: u32, value: f32, scale: f32) -> f32 {
        self.last.rotate_left(1);
        self.last[LENGTH - 1] = value;
        self.filled = (self.filled + 1).min(LENGTH as u8);
        if (self.filled as usize) < LENGTH {
            return 0.0;
        }
        let Some((nearest, squared)) = self.nearest() else {
            self.windows.reserve_exact(4);
            self.windows.push(Stored { values: self.last, count: 1.0, used_at: n });
            return 0.0;
        };
        let distance = (squared / LENGTH as f32).sqrt() / scale;
        if distance > NEW * self.usual {
            self.store(n);
        } else {
            let window = &mut self.windows[nearest];
            window.count += 1.0;
            window.used_at = n;
            for (kept, new) in window.values.iter_mut().zip(self.last) {
                *kept += 0.05 * (new - *kept);
            }
        }
        self.distances = self.distances.saturating_add(1);
        let clipped = if self.distances > 20 { distance.min(4.0 * self.usual) } else { distance };
        self.usual += (1.0 / self.distances as f32).max(0.005) * (clipped - self.usual);
        distance
    }

    fn nearest(&self) -> Option<(usize, f32)> {
        let squared = |w: &Stored| {
            let mut sum = 0.0;
            for (a, b) in w.values.iter().zip(&self.last) {
                sum += (a - b) * (a - b);
            }
            sum
        };
        let mut best = None;
        for (i, window) in self.windows.iter().enumerate() {
            let distance = squared(window);
            if best.is_none_or(|(_, least)| distance < least) {
                best = Some((i, distance));
            }
        }
        best
    }

    fn store(&mut self, n: u32) {
        let new = Stored { values: self.last, count: 1.0, used_at: n };
        if self.windows.len() < STORED {
            self.windows.push(new);
            return;
        }
        let worth = |w: &Stored| w.count / (1.0 + 0.02 * (n - w.used_at) as f32);
        if let Some(least) = self.windows.iter_mut().min_by(|a, b| worth(a).total_cmp(&worth(b))) {
            *least = new;
        }
    }

    /// Bytes on the heap.
    pub(super) fn heap_bytes(&self) -> usize {
        self.windows.capacity() * size_of::<Stored>()
    }
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
            let d = novelty.observe(n, wave(n), 5.0);
            if n > 1_000 {
                usual = usual.max(d);
            }
        }
        let odd: Vec<f32> = (2_000..2_012).map(|n| novelty.observe(n, 40.0, 5.0)).collect();
        assert!(odd.iter().copied().fold(0.0, f32::max) > 1.5 * usual, "{usual} {odd:?}");
        assert!(novelty.windows.len() <= STORED);
        for n in 2_012..2_040 {
            novelty.observe(n, 40.0, 5.0);
        }
        assert!(novelty.observe(2_040, 40.0, 5.0) < 0.5);
    }
}
