//! The recent past of one series: finished chunks and an open one.

use std::iter;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{
    chunk::{Chunk, Open, Point},
    verdict::Verdict,
};
use crate::signal::{Sample, TimestampMs};

/// The points of one series in order of time, compressed.
///
/// Every chunk has the same size, so that memory that one series lets go fits the next one.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Window {
    open: Open,
    done: Chain,
}

/// Finished chunks, the newest first: appending takes no look at the others.
#[derive(Debug, Default)]
struct Chain(Option<Box<Link>>);

#[derive(Debug)]
struct Link {
    chunk: Chunk,
    older: Chain,
}

impl Window {
    /// Appends a point that is newer than all before, and gives what is kept of the verdict. Where room is needed, chunks
    /// whose points are all older than `oldest` make it.
    pub fn push(&mut self, sample: Sample, verdict: Verdict, oldest: TimestampMs) -> Verdict {
        if let Some(kept) = self.open.push(sample, verdict) {
            return kept;
        }
        let old = self.done.cut(oldest, self.open.chunk().first_at).0.take();
        let (chunk, older) = (self.open.finish(), std::mem::take(&mut self.done));
        let link = match old {
            Some(mut old) => {
                *old = Link { chunk, older };
                old
            }
            None => Box::new(Link { chunk, older }),
        };
        self.done = Chain(Some(link));
        // An empty chunk has room for any point.
        self.open.push(sample, verdict).unwrap_or(Verdict::NONE)
    }

    /// The newest sample.
    #[must_use]
    pub fn last(&self) -> Option<Sample> {
        self.open.last()
    }

    /// Drops chunks whose points are all older than `oldest`.
    pub fn forget_before(&mut self, oldest: TimestampMs) {
        drop(self.done.cut(oldest, self.open.chunk().first_at));
    }

    /// Whether there is a chunk whose points are all older than `oldest`.
    #[must_use]
    pub fn reaches_before(&self, oldest: TimestampMs) -> bool {
        let followed_at = iter::once(self.open.chunk()).chain(self.done.chunks()).map(|chunk| chunk.first_at);
        followed_at.zip(self.done.chunks()).any(|(next_at, _)| next_at <= oldest)
    }

    /// Points with `after < at ≤ until`, in order.
    pub fn points(&self, after: TimestampMs, until: TimestampMs) -> impl Iterator<Item = Point> + '_ {
        let chunks: Vec<&Chunk> = self.reaching(after, until).collect();
        let points = chunks.into_iter().rev().flat_map(Chunk::points);
        points.filter(move |point| point.sample.at > after && point.sample.at <= until)
    }

    /// A copy of the chunks that may have points with `after < at ≤ until`, to be read elsewhere.
    #[must_use]
    pub fn overlapping(&self, after: TimestampMs, until: TimestampMs) -> Self {
        let chunks: Vec<Chunk> = self.reaching(after, until).cloned().collect();
        Self { open: Open::default(), done: Chain::of(chunks.into_iter()) }
    }

    /// Chunks that may have points with `after < at ≤ until`, the newest first.
    fn reaching(&self, after: TimestampMs, until: TimestampMs) -> impl Iterator<Item = &Chunk> {
        let all = iter::once(self.open.chunk()).filter(|open| open.count > 0).chain(self.done.chunks());
        let mut is_done = false;
        let reached = all.take_while(move |chunk| !std::mem::replace(&mut is_done, chunk.first_at <= after));
        reached.filter(move |chunk| chunk.first_at <= until)
    }

    /// Bytes on the heap.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        self.done.chunks().count() * size_of::<Link>()
    }
}

impl Chain {
    fn chunks(&self) -> impl Iterator<Item = &Chunk> {
        let mut next = self.0.as_deref();
        iter::from_fn(move || {
            let link = next?;
            next = link.older.0.as_deref();
            Some(&link.chunk)
        })
    }

    /// Takes out the chunks whose points are all older than `oldest`; the chunk that follows the newest begins at `next_at`.
    fn cut(&mut self, oldest: TimestampMs, mut next_at: TimestampMs) -> Self {
        let mut kept = 0;
        for chunk in self.chunks() {
            if next_at <= oldest {
                break;
            }
            next_at = chunk.first_at;
            kept += 1;
        }
        let mut chain = self;
        for _ in 0..kept {
            match &mut chain.0 {
                Some(link) => chain = &mut link.older,
                None => return Self::default(),
            }
        }
        std::mem::take(chain)
    }

    fn of(newest_first: impl DoubleEndedIterator<Item = Chunk>) -> Self {
        newest_first.rfold(Self::default(), |older, chunk| Self(Some(Box::new(Link { chunk, older }))))
    }
}

impl Drop for Chain {
    /// One after the other: a long chain within itself would overflow the stack.
    fn drop(&mut self) {
        let mut next = self.0.take();
        while let Some(mut link) = next {
            next = link.older.0.take();
        }
    }
}

impl Clone for Chain {
    fn clone(&self) -> Self {
        let chunks: Vec<Chunk> = self.chunks().cloned().collect();
        Self::of(chunks.into_iter())
    }
}

impl Serialize for Chain {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let chunks: Vec<&Chunk> = self.chunks().collect();
        chunks.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Chain {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::of(Vec::<Chunk>::deserialize(deserializer)?.into_iter()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(points: i64, oldest: impl Fn(i64) -> i64) -> Window {
        let mut window = Window::default();
        for i in 0..points {
            // No number that is easily written.
            let value = (i as f64 * 0.7).sin();
            window.push(Sample { at: i, value }, Verdict::NONE, oldest(i));
        }
        window
    }

    fn times(window: &Window, after: i64, until: i64) -> Vec<i64> {
        window.points(after, until).map(|p| p.sample.at).collect()
    }

    #[test]
    fn ranges_are_open_at_the_left_and_old_chunks_go() {
        let mut window = filled(1_000, |_| 0);
        assert_eq!(times(&window, 10, 13), [11, 12, 13]);
        assert_eq!(times(&window, -5, 5_000), (0..1_000).collect::<Vec<_>>());
        assert_eq!(times(&window, 998, i64::MAX), [999]);
        assert!(times(&window, 999, i64::MAX).is_empty());
        let copy = window.overlapping(10, 13);
        assert_eq!(times(&copy, 10, 13), [11, 12, 13]);
        assert!(copy.heap_bytes() < window.heap_bytes() / 2, "only what is asked for is copied");
        let chunks = window.done.chunks().count();
        window.forget_before(500);
        let left = times(&window, i64::MIN, i64::MAX);
        assert!((480..=500).contains(&left[0]) && left[left.len() - 1] == 999, "whole chunks go: {left:?}");
        assert!(window.done.chunks().count() < chunks);
        let copy: Window = postcard::from_bytes(&postcard::to_stdvec(&window).unwrap()).unwrap();
        assert_eq!(times(&copy, i64::MIN, i64::MAX), left);
        assert_eq!(times(&window.clone(), i64::MIN, i64::MAX), left);
    }

    #[test]
    fn a_window_that_moves_on_stays_as_large() {
        let (short, long) = (filled(2_000, |now| now - 500), filled(20_000, |now| now - 500));
        assert_eq!(short.heap_bytes(), long.heap_bytes());
        let left = times(&long, i64::MIN, i64::MAX);
        assert!(left[0] <= 19_499 && left.len() < 600, "{} points", left.len());
    }

    #[test]
    fn a_long_window_takes_no_stack() {
        let window = filled(1_000_000, |_| 0);
        let copy: Window = postcard::from_bytes(&postcard::to_stdvec(&window).unwrap()).unwrap();
        assert_eq!(copy.clone().points(i64::MIN, i64::MAX).count(), 1_000_000);
    }
}
