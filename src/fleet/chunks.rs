//! Chunk files on a disk.
//!
//! A file is written when the archive hands it on, without waiting for the hardware; a snapshot, which says which files are
//! needed, counts only when all of them have been synced. What the engine has no more need of stays until no snapshot that
//! is kept may need it: a start from one of those takes the journal from there on, and looks back from there.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    io,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use crate::{
    journal::{Disk, DiskFile, GENERATIONS, fill},
    series::ChunkFiles,
};

const PREFIX: &str = "chunks-";
/// Files that are kept open for reading.
const OPEN: usize = 64;

/// The chunk files in a folder.
#[derive(Debug)]
pub(super) struct Chunks<D: Disk> {
    disk: D,
    given: AtomicU64,
    /// Bytes on the disk.
    bytes: AtomicU64,
    state: Mutex<State<D::File>>,
}

#[derive(Debug)]
struct State<F> {
    /// Files that are not on the disk yet.
    held: BTreeMap<u64, Arc<Vec<u8>>>,
    /// Files that are, with their sizes, and those of them that may not survive a power failure.
    sizes: BTreeMap<u64, u64>,
    unsynced: BTreeSet<u64>,
    /// Files that are not needed any more: since the last snapshot, since the one before it, and so on.
    removed: VecDeque<Vec<u64>>,
    /// The last one used comes last.
    open: VecDeque<(u64, Arc<F>)>,
    is_failing: bool,
    /// Files of which it has been told.
    unreadable: BTreeSet<u64>,
}

fn name(number: u64) -> String {
    format!("{PREFIX}{number:020}")
}

impl<D: Disk> Chunks<D> {
    /// The files of a disk; the engine will go on from a state that needs some of them.
    pub(super) fn open(disk: D) -> io::Result<Self> {
        let mut sizes = BTreeMap::new();
        for found in disk.list()? {
            let number = found.strip_prefix(PREFIX).and_then(|number| number.parse().ok());
            if let Some(number) = number {
                sizes.insert(number, disk.open(&found)?.length()?);
            }
        }
        let given = AtomicU64::new(sizes.last_key_value().map_or(0, |(number, _)| *number));
        let state = State {
            held: BTreeMap::new(),
            sizes,
            unsynced: BTreeSet::new(),
            removed: [Vec::new()].into(),
            open: VecDeque::new(),
            is_failing: false,
            unreadable: BTreeSet::new(),
        };
        let bytes = AtomicU64::new(state.sizes.values().sum());
        Ok(Self { disk, given, bytes, state: Mutex::new(state) })
    }

    fn state(&self) -> MutexGuard<'_, State<D::File>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hears which files are needed; gives the number of those that are not there.
    pub(super) fn need(&self, needed: &BTreeSet<u64>) -> usize {
        let mut state = self.state();
        let superfluous: Vec<u64> = state.sizes.keys().filter(|number| !needed.contains(number)).copied().collect();
        state.removed[0].extend(superfluous);
        needed.iter().filter(|number| !state.sizes.contains_key(number)).count()
    }

    /// Makes everything durable that was handed on before.
    ///
    /// # Errors
    /// As the disk says. What it may have lost is written again the next time.
    pub(super) fn settle(&self) -> io::Result<()> {
        let unsynced = {
            let mut state = self.state();
            self.write_held(&mut state)?;
            std::mem::take(&mut state.unsynced)
        };
        // Not under the lock: shards hand files on meanwhile.
        let mut result = Ok(());
        for number in unsynced {
            let (synced, file) = match self.disk.open(&name(number)) {
                Ok(file) => (file.sync(), Some(file)),
                Err(error) => (Err(error), None),
            };
            if synced.is_err() {
                // Another sync would succeed without what this one has lost.
                let size = self.state().sizes.get(&number).copied().unwrap_or_default();
                let bytes = file.and_then(|file| whole(&file, size));
                self.state().held.extend(bytes.map(|bytes| (number, Arc::new(bytes))));
                result = synced;
            }
        }
        result.and_then(|()| self.disk.sync_dir())
    }

    /// Hears that a snapshot has been made, after [`settle`](Self::settle); one older than those that are kept is gone.
    pub(super) fn passed(&self) {
        let mut state = self.state();
        state.removed.push_front(Vec::new());
        while state.removed.len() > GENERATIONS {
            for number in state.removed.pop_back().unwrap_or_default() {
                state.held.remove(&number);
                state.unsynced.remove(&number);
                state.open.retain(|(open, _)| *open != number);
                let size = state.sizes.remove(&number).unwrap_or_default();
                self.bytes.fetch_sub(size, Ordering::Relaxed);
                // One that stays is found superfluous at the next start.
                drop(self.disk.remove(&name(number)));
            }
        }
    }

    /// Bytes on the disk.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    fn write_held(&self, state: &mut State<D::File>) -> io::Result<()> {
        while let Some((number, bytes)) = state.held.first_key_value() {
            let number = *number;
            self.disk.create(&name(number))?.append(bytes)?;
            let size = bytes.len() as u64;
            let before = state.sizes.insert(number, size).unwrap_or_default();
            self.bytes.fetch_add(size - before, Ordering::Relaxed);
            state.unsynced.insert(number);
            state.held.remove(&number);
        }
        Ok(())
    }

    /// Once for each file.
    fn tell_unreadable(&self, number: u64, why: &str) {
        if self.state().unreadable.insert(number) {
            let path = self.disk.path(&name(number));
            tracing::error!(path = %path.display(), why, "chunks cannot be read: answers lack what is older of their series");
        }
    }

    fn file(&self, number: u64) -> io::Result<Arc<D::File>> {
        let mut state = self.state();
        let place = state.open.iter().position(|(open, _)| *open == number);
        let file = match place.and_then(|place| state.open.remove(place)) {
            Some((_, file)) => file,
            None => Arc::new(self.disk.open(&name(number))?),
        };
        state.open.push_back((number, file.clone()));
        if state.open.len() > OPEN {
            state.open.pop_front();
        }
        Ok(file)
    }
}

impl<D> ChunkFiles for Chunks<D>
where
    D: Disk + Send + Sync,
    D::File: Send + Sync,
{
    fn keep(&self, number: u64, bytes: Vec<u8>) {
        let mut state = self.state();
        state.held.insert(number, Arc::new(bytes));
        match self.write_held(&mut state) {
            Ok(()) => state.is_failing = false,
            Err(error) => {
                if !std::mem::replace(&mut state.is_failing, true) {
                    let path = self.disk.path(&name(number));
                    tracing::error!(path = %path.display(), %error, "chunks cannot be written and stay in memory");
                }
            }
        }
    }

    fn read(&self, number: u64, offset: usize, part: &mut [u8]) -> bool {
        if let Some(bytes) = self.state().held.get(&number) {
            let there = bytes.get(offset..).and_then(|bytes| bytes.get(..part.len()));
            return there.is_some_and(|bytes| {
                part.copy_from_slice(bytes);
                true
            });
        }
        let read = self.file(number).and_then(|file| read_exact(&*file, offset as u64, part));
        read.inspect_err(|error| self.tell_unreadable(number, &error.to_string())).is_ok()
    }

    fn damaged(&self, number: u64) {
        self.tell_unreadable(number, "a checksum does not hold");
    }

    fn remove(&self, number: u64) {
        self.state().removed[0].push(number);
    }

    fn number(&self) -> u64 {
        self.given.fetch_add(1, Ordering::Relaxed) + 1
    }
}

fn whole(file: &impl DiskFile, size: u64) -> Option<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(size).ok()?];
    read_exact(file, 0, &mut bytes).ok()?;
    Some(bytes)
}

fn read_exact(file: &impl DiskFile, offset: u64, part: &mut [u8]) -> io::Result<()> {
    if fill(file, offset, part)? < part.len() { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::simulated::{Crash, SimulatedDisk};

    fn read(chunks: &Chunks<SimulatedDisk>, number: u64) -> Option<Vec<u8>> {
        let mut part = vec![0; 3];
        chunks.read(number, 1, &mut part).then_some(part)
    }

    fn keep(chunks: &Chunks<SimulatedDisk>, byte: u8) -> u64 {
        let number = chunks.number();
        chunks.keep(number, vec![0, byte, byte, byte, 0]);
        number
    }

    #[test]
    fn what_is_settled_outlives_a_power_failure_and_numbers_go_on() {
        let disk = SimulatedDisk::new(1);
        let chunks = Chunks::open(disk.clone()).unwrap();
        let first = keep(&chunks, 7);
        chunks.settle().unwrap();
        keep(&chunks, 8);
        disk.restart(Crash::Power);
        let chunks = Chunks::open(disk).unwrap();
        assert_eq!(chunks.need(&[first].into()), 0);
        assert_eq!(chunks.need(&[first, 99].into()), 1);
        assert_eq!(read(&chunks, first), Some(vec![7; 3]));
        assert!(keep(&chunks, 9) > first);
    }

    #[test]
    fn what_cannot_be_written_is_held_until_it_can() {
        let disk = SimulatedDisk::new(1);
        let chunks = Chunks::open(disk.clone()).unwrap();
        disk.set_space(Some(2));
        let (first, second) = (keep(&chunks, 7), keep(&chunks, 8));
        assert!(chunks.settle().is_err() && chunks.bytes() == 0);
        assert_eq!((read(&chunks, first), read(&chunks, second)), (Some(vec![7; 3]), Some(vec![8; 3])));
        disk.set_space(None);
        chunks.settle().unwrap();
        assert_eq!(chunks.bytes(), 10);
        disk.restart(Crash::Power);
        let chunks = Chunks::open(disk).unwrap();
        assert_eq!((read(&chunks, first), read(&chunks, second)), (Some(vec![7; 3]), Some(vec![8; 3])));
        assert_eq!(chunks.bytes(), 10);
    }

    #[test]
    fn what_a_failed_sync_may_have_lost_is_written_again() {
        // Each call that may fail, and what the power leaves when all seem well again.
        for (seed, call) in (0..20).flat_map(|seed| (0..5).map(move |call| (seed, call))) {
            let disk = SimulatedDisk::new(seed);
            let chunks = Chunks::open(disk.clone()).unwrap();
            let numbers = [keep(&chunks, 7), keep(&chunks, 8)];
            disk.fail_after(call);
            // The call that fails may be one of the second time.
            drop(chunks.settle());
            chunks.settle().or_else(|_| chunks.settle()).unwrap();
            disk.restart(Crash::Power);
            let chunks = Chunks::open(disk).unwrap();
            let found = numbers.map(|number| read(&chunks, number));
            assert_eq!(found, [Some(vec![7; 3]), Some(vec![8; 3])], "seed {seed}, call {call}");
        }
    }

    #[test]
    fn what_is_not_needed_stays_until_no_snapshot_may_need_it() {
        let disk = SimulatedDisk::new(1);
        let chunks = Chunks::open(disk.clone()).unwrap();
        let (needed, removed, unknown) = (keep(&chunks, 7), keep(&chunks, 8), keep(&chunks, 9));
        chunks.settle().unwrap();
        chunks.remove(removed);
        for passed in 0..GENERATIONS {
            assert!(read(&chunks, removed).is_some(), "after {passed} snapshots");
            chunks.passed();
        }
        assert!(read(&chunks, removed).is_none() && chunks.bytes() == 10);
        // After a start from a snapshot that does not say what one of them is for.
        let chunks = Chunks::open(disk.clone()).unwrap();
        assert_eq!(chunks.need(&[needed].into()), 0);
        assert!(read(&chunks, unknown).is_some());
        (0..GENERATIONS).for_each(|_| chunks.passed());
        assert!(read(&chunks, unknown).is_none() && read(&chunks, needed).is_some());
        assert_eq!(disk.list().unwrap().len(), 1);
    }

    #[test]
    fn many_files_are_read_through_few_that_are_open() {
        let chunks = Chunks::open(SimulatedDisk::new(1)).unwrap();
        let numbers: Vec<u64> = (0..3 * OPEN).map(|n| keep(&chunks, n as u8)).collect();
        for _ in 0..2 {
            for (n, number) in numbers.iter().enumerate() {
                assert_eq!(read(&chunks, *number), Some(vec![n as u8; 3]));
            }
        }
        assert!(chunks.state().open.len() <= OPEN);
    }
}
