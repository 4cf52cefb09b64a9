//! The recent past of one series: an open chunk, and finished ones in the archive.

use serde::{Deserialize, Serialize};

use super::{
    archive::{Archive, Place, Stretch},
    chunk::Open,
    verdict::Verdict,
};
use crate::signal::{Sample, TenantId, TimestampMs};

/// The points of one series in order of time, compressed.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Window {
    open: Open,
    /// The newest finished chunk.
    done: Option<Place>,
}

impl Window {
    /// Appends a point of a tenant's series that is newer than all before, and gives what is kept of the verdict.
    pub fn push(&mut self, sample: Sample, verdict: Verdict, tenant: &TenantId, archive: &mut Archive) -> Verdict {
        if let Some(kept) = self.open.push(sample, verdict) {
            return kept;
        }
        let last_at = self.open.last().map_or(sample.at, |last| last.at);
        self.done = archive.put(tenant, &self.open.finish(), last_at, self.done);
        // An empty chunk has room for any point.
        self.open.push(sample, verdict).unwrap_or(Verdict::NONE)
    }

    /// The newest sample.
    #[must_use]
    pub fn last(&self) -> Option<Sample> {
        self.open.last()
    }

    /// Points with `after < at ≤ until`, as far back as the archive's windows reach.
    #[must_use]
    pub fn stretch(&self, after: TimestampMs, until: TimestampMs, archive: &Archive) -> Stretch {
        let last_at = self.open.last().map_or(TimestampMs::MIN, |last| last.at);
        archive.stretch((self.open.chunk(), last_at), self.done, (after, until))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::series::archive::{ChunkFiles, ChunkMemory, RECORD};

    /// What a shard has of a tenant with two series that are alike.
    struct Filled {
        files: Arc<dyn ChunkFiles>,
        archive: Archive,
        windows: [Window; 2],
    }

    /// No number that is easily written.
    fn value(i: i64) -> f64 {
        (i as f64 * 0.7).sin()
    }

    fn filled(points: i64, window_ms: i64) -> Filled {
        let files: Arc<dyn ChunkFiles> = Arc::new(ChunkMemory::default());
        let mut archive = Archive::new(files.clone(), window_ms);
        let mut windows = [Window::default(), Window::default()];
        for at in 0..points {
            for window in &mut windows {
                let sample = Sample { at, value: value(at) };
                window.push(sample, Verdict::NONE, &TenantId::default(), &mut archive);
            }
            archive.forget(|_| Some(at - window_ms));
        }
        Filled { files, archive, windows }
    }

    impl Filled {
        fn times(&self, after: i64, until: i64) -> Vec<i64> {
            let [ours, theirs] = self.windows.each_ref().map(|window| {
                let stretch = window.stretch(after, until, &self.archive);
                let points: Vec<_> = stretch.points().map(|point| point.sample).collect();
                assert!(points.iter().all(|sample| sample.value.to_bits() == value(sample.at).to_bits()));
                points.iter().map(|sample| sample.at).collect::<Vec<_>>()
            });
            assert_eq!(ours, theirs);
            ours
        }

        fn files_kept(&self) -> usize {
            (1..self.files.number()).filter(|number| self.files.read(*number, 0, &mut [0])).count()
        }
    }

    #[test]
    fn ranges_are_open_at_the_left_and_reach_into_files() {
        let all = 1_000_000;
        let mut filled = filled(1_000, all);
        for _ in 0..3 {
            assert_eq!(filled.times(10, 13), [11, 12, 13]);
            assert_eq!(filled.times(-5, 5_000), (0..1_000).collect::<Vec<_>>());
            assert_eq!(filled.times(998, i64::MAX), [999]);
            assert!(filled.times(999, i64::MAX).is_empty());
            // The same from a file, from two of them, and after what was saved.
            filled.archive.seal();
            for window in &mut filled.windows {
                *window = postcard::from_bytes(&postcard::to_stdvec(window).unwrap()).unwrap();
            }
        }
    }

    #[test]
    fn only_what_is_asked_for_is_copied() {
        let filled = filled(1_000, i64::MAX);
        let bytes = |after, until| filled.windows[0].stretch(after, until, &filled.archive).heap_bytes();
        assert!(bytes(10, 13) < bytes(i64::MIN, i64::MAX) / 5);
        assert!(filled.windows[0].stretch(998, i64::MAX, &filled.archive).has_recent());
        assert!(!filled.windows[0].stretch(999, i64::MAX, &filled.archive).has_recent());
    }

    #[test]
    fn a_window_that_moves_on_needs_no_more_files_and_shows_no_more() {
        let (short, long) = (filled(100_000, 70_000), filled(600_000, 70_000));
        assert!(short.files_kept() > 0 && long.files_kept() <= short.files_kept() + 1, "{}", long.files_kept());
        assert_eq!(long.times(i64::MIN, i64::MAX), (530_000..600_000).collect::<Vec<_>>());
    }

    #[test]
    fn a_file_is_needed_as_long_as_one_of_its_tenants_needs_it() {
        let files: Arc<dyn ChunkFiles> = Arc::new(ChunkMemory::default());
        let mut archive = Archive::new(files.clone(), 1_000);
        let tenants = ["left", "right"].map(|id| TenantId::parse(id).unwrap());
        for tenant in &tenants {
            let mut window = Window::default();
            (0..500).for_each(|at| {
                window.push(Sample { at, value: value(at) }, Verdict::NONE, tenant, &mut archive);
            });
        }
        archive.seal();
        archive.forget(|id| Some(if *id == tenants[0] { 600 } else { 100 }));
        assert_eq!(archive.in_use().len(), 1);
        archive.forget(|id| (*id == tenants[0]).then_some(600));
        assert!(archive.in_use().is_empty());
        assert!(!files.read(1, 0, &mut [0]));
    }

    #[test]
    fn damage_ends_what_can_be_read() {
        let mut filled = filled(1_000, i64::MAX);
        filled.archive.seal();
        let mut bytes = vec![0; RECORD];
        let mut count = 0;
        while filled.files.read(1, count * RECORD, &mut bytes) {
            count += 1;
        }
        let mut bytes = vec![0; count * RECORD];
        assert!(filled.files.read(1, 0, &mut bytes));
        let whole = filled.times(i64::MIN, i64::MAX).len();
        // Something in the middle of both series.
        for bit in [0, 40, 70, 200, 800] {
            let mut damaged = bytes.clone();
            for record in [(count / 2) & !1, (count / 2) | 1] {
                damaged[record * RECORD + bit / 8] ^= 1 << (bit % 8);
            }
            filled.files.keep(1, damaged);
            let left = filled.times(i64::MIN, i64::MAX);
            assert!(left.len() < whole && left.len() > whole / 3, "{} of {whole}", left.len());
            assert_eq!(left.last(), Some(&999), "what is newer is there");
        }
    }
}
