//! The recent past of one series: finished chunks and an open one.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::chunk::{Chunk, OpenChunk, Point, Verdict};
use crate::signal::{Sample, TimestampMs};

/// The points of one series in order of time, compressed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Window {
    done: VecDeque<Chunk>,
    open: OpenChunk,
}

impl Default for Window {
    fn default() -> Self {
        Self { done: VecDeque::new(), open: OpenChunk::new() }
    }
}

impl Window {
    /// Appends a point that is newer than all before.
    pub fn push(&mut self, sample: Sample, verdict: Verdict) {
        if self.open.is_full() {
            self.done.push_back(self.open.finish());
        }
        self.open.push(sample, verdict);
    }

    /// Drops chunks whose points are all older than `oldest`.
    pub fn forget_before(&mut self, oldest: TimestampMs) {
        while self.reaches_before(oldest) {
            self.done.pop_front();
        }
    }

    /// Whether there is a chunk whose points are all older than `oldest`.
    #[must_use]
    pub fn reaches_before(&self, oldest: TimestampMs) -> bool {
        self.done.front().is_some_and(|chunk| chunk.last_at < oldest)
    }

    /// Points with `after < at ≤ until`, in order.
    pub fn points(&self, after: TimestampMs, until: TimestampMs) -> impl Iterator<Item = Point> + '_ {
        let chunks = self.done.iter().filter(move |chunk| chunk.overlaps(after, until)).map(Chunk::points);
        chunks
            .chain(std::iter::once(self.open.points()))
            .flatten()
            .filter(move |point| point.sample.at > after && point.sample.at <= until)
    }

    /// Bytes on the heap.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        let chunks: usize = self.done.iter().map(Chunk::heap_bytes).sum();
        chunks + self.done.capacity() * size_of::<Chunk>() + self.open.heap_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_open_at_the_left_and_old_chunks_go() {
        let mut window = Window::default();
        for i in 0..1_000_i64 {
            window.push(Sample { at: i, value: i as f64 }, Verdict::NONE);
        }
        let seen: Vec<i64> = window.points(10, 13).map(|p| p.sample.at).collect();
        assert_eq!(seen, [11, 12, 13]);
        window.forget_before(500);
        assert_eq!(window.points(i64::MIN, i64::MAX).next().unwrap().sample.at, 480, "whole chunks of 120 go");
        assert_eq!(window.points(998, i64::MAX).count(), 1);
    }
}
