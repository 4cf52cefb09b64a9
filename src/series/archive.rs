//! Where the finished chunks of a shard go: out of memory, into chunk files.
//!
//! ```text
//! chunk file := record*
//! record     := check u32 · points u16 · 0 u16 · place of the chunk before it, or 0, u64 · time of its first point i64 · bits
//! ```
//!
//! All in little-endian; the check is the low half of xxh3-64 of what follows it, seeded with the record's place. A file is
//! filled in memory, written once, and never changed; so the file system's cache decides what of the past stays at hand,
//! and a series takes the same memory however long its window is. A series knows its newest finished chunk, and each
//! chunk the one before it (Prometheus keeps the chunks of its head in the same way).

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    num::NonZeroU64,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::chunk::Chunk;
use crate::signal::{TenantId, TimestampMs};

/// Bytes of a record.
pub(super) const RECORD: usize = 24 + Chunk::BITS_BYTES;
/// Records of a chunk file: 2 MB.
const RECORDS: usize = 18_000;
/// Bits of a place that number the records of a file.
const RECORD_BITS: u32 = 16;

/// Where a chunk lies: the number of its file, and its record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Place(NonZeroU64);

/// Keeps chunk files. Numbers are never given twice, so that a place never leads to another chunk than it did.
pub trait ChunkFiles: fmt::Debug + Send + Sync {
    /// Keeps a file; always, if need be in memory.
    fn keep(&self, number: u64, bytes: Vec<u8>);

    /// Reads a part of a file from an offset on; whether all of it is there.
    fn read(&self, number: u64, offset: usize, part: &mut [u8]) -> bool;

    /// Hears that a part of a file is not what was kept.
    fn damaged(&self, number: u64);

    /// Hears that no series needs a file any more; a state that was saved before may.
    fn remove(&self, number: u64);

    /// A number for another file, greater than all before.
    fn number(&self) -> u64;
}

/// Chunk files in memory, for engines that live no longer than the process.
#[derive(Debug, Default)]
pub struct ChunkMemory {
    files: Mutex<BTreeMap<u64, Vec<u8>>>,
    given: AtomicU64,
}

/// The finished chunks of a shard's series.
#[derive(Debug)]
pub struct Archive {
    files: Arc<dyn ChunkFiles>,
    /// Longest time of which a series' points are shown.
    window_ms: i64,
    /// The file that is being filled, with the newest point of each tenant in it.
    number: Option<u64>,
    records: Vec<u8>,
    newest: HashMap<TenantId, TimestampMs>,
    full: BTreeMap<u64, FileUse>,
}

/// Who needs a chunk file: the tenants with their newest points in it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FileUse(Vec<(TenantId, TimestampMs)>);

/// A part of a series' past, copied as far as it is in memory: to be read elsewhere.
#[derive(Debug)]
pub struct Stretch {
    after: TimestampMs,
    until: TimestampMs,
    /// The newest first.
    chunks: Vec<Chunk>,
    older: Option<Place>,
    files: Arc<dyn ChunkFiles>,
}

impl Place {
    fn new(number: u64, record: usize) -> Option<Self> {
        NonZeroU64::new(number << RECORD_BITS | record as u64).map(Self)
    }

    fn number(self) -> u64 {
        self.0.get() >> RECORD_BITS
    }

    fn offset(self) -> usize {
        (self.0.get() & ((1 << RECORD_BITS) - 1)) as usize * RECORD
    }

    fn check(self, content: &[u8]) -> u32 {
        xxh3_64_with_seed(content, self.0.get()) as u32
    }
}

impl Archive {
    /// An archive that keeps its files there, for windows of this length.
    #[must_use]
    pub fn new(files: Arc<dyn ChunkFiles>, window_ms: i64) -> Self {
        let (records, newest, full) = (Vec::new(), HashMap::new(), BTreeMap::new());
        Self { files, window_ms, number: None, records, newest, full }
    }

    /// Keeps a finished chunk of a tenant's series: its last point, and where the chunk before it is.
    pub(super) fn put(
        &mut self,
        tenant: &TenantId,
        chunk: &Chunk,
        last_at: TimestampMs,
        older: Option<Place>,
    ) -> Option<Place> {
        if self.records.len() >= RECORDS * RECORD {
            self.seal();
        }
        let number = *self.number.get_or_insert_with(|| self.files.number());
        let place = Place::new(number, self.records.len() / RECORD)?;
        let from = self.records.len();
        self.records.extend_from_slice(&[0; 4]);
        self.records.extend_from_slice(&u32::from(chunk.count).to_le_bytes());
        self.records.extend_from_slice(&older.map_or(0, |place| place.0.get()).to_le_bytes());
        self.records.extend_from_slice(&chunk.first_at.to_le_bytes());
        chunk.bits_to(&mut self.records);
        let check = place.check(&self.records[from + 4..]);
        self.records[from..from + 4].copy_from_slice(&check.to_le_bytes());
        match self.newest.get_mut(tenant) {
            Some(newest) => *newest = (*newest).max(last_at),
            None => drop(self.newest.insert(tenant.clone(), last_at)),
        }
        Some(place)
    }

    /// Hands on the file that is being filled, also if it is not full.
    pub fn seal(&mut self) {
        let Some(number) = self.number.take() else { return };
        let mut tenants: Vec<(TenantId, TimestampMs)> = self.newest.drain().collect();
        tenants.sort_unstable();
        self.full.insert(number, FileUse(tenants));
        self.files.keep(number, std::mem::take(&mut self.records));
    }

    /// Lets files go all of whose points are older than what `oldest` says of their tenants; those of a tenant of which it
    /// says nothing are not needed.
    pub fn forget(&mut self, oldest: impl Fn(&TenantId) -> Option<TimestampMs>) {
        self.full.retain(|number, FileUse(tenants)| {
            let is_needed = tenants.iter().any(|(id, newest)| oldest(id).is_some_and(|oldest| *newest > oldest));
            if !is_needed {
                self.files.remove(*number);
            }
            is_needed
        });
    }

    /// The files that are needed, without the one that is being filled.
    #[must_use]
    pub fn in_use(&self) -> Vec<(u64, FileUse)> {
        self.full.iter().map(|(number, of)| (*number, of.clone())).collect()
    }

    /// Takes over a file that an earlier archive has kept.
    pub fn adopt(&mut self, number: u64, of: FileUse) {
        self.full.insert(number, of);
    }

    /// Bytes on the heap.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        self.records.capacity()
    }

    /// The points of a series in `after < at ≤ until` that are not older than its window: from its open chunk, with its
    /// last point, and those before it.
    pub(super) fn stretch(
        &self,
        (open, last_at): (&Chunk, TimestampMs),
        mut older: Option<Place>,
        (after, until): (TimestampMs, TimestampMs),
    ) -> Stretch {
        let after = after.max(last_at.saturating_sub(self.window_ms));
        let mut stretch = Stretch { after, until, chunks: Vec::new(), older: None, files: self.files.clone() };
        stretch.add(open);
        while let Some(place) = older.filter(|_| open.first_at > after && !stretch.is_whole()) {
            if self.number != Some(place.number()) {
                stretch.older = older;
                break;
            }
            let record = self.records.get(place.offset()..).unwrap_or_default();
            let Some((chunk, before)) = decoded(place, record) else { break };
            stretch.add(&chunk);
            older = before;
        }
        stretch
    }
}

/// A chunk as it was put, and the place of the one before it.
fn decoded(place: Place, record: &[u8]) -> Option<(Chunk, Option<Place>)> {
    let (check, content) = record.get(..RECORD)?.split_first_chunk()?;
    if place.check(content) != u32::from_le_bytes(*check) {
        return None;
    }
    let (count, rest) = content.split_first_chunk()?;
    let (older, rest) = rest.split_first_chunk()?;
    let (first_at, bits) = rest.split_first_chunk()?;
    let count = u16::try_from(u32::from_le_bytes(*count)).ok()?;
    let chunk = Chunk::of_bits(i64::from_le_bytes(*first_at), count, bits);
    Some((chunk, NonZeroU64::new(u64::from_le_bytes(*older)).map(Place)))
}

impl Stretch {
    /// Whether there can be nothing more before what is there.
    fn is_whole(&self) -> bool {
        self.chunks.last().is_some_and(|chunk| chunk.first_at <= self.after)
    }

    fn add(&mut self, chunk: &Chunk) {
        if chunk.count > 0 && chunk.first_at <= self.until {
            self.chunks.push(chunk.clone());
        }
    }

    /// Whether there is a point in what is in memory.
    #[must_use]
    pub fn has_recent(&self) -> bool {
        self.chunks.iter().rev().flat_map(Chunk::points).any(|point| self.covers(point.sample.at))
    }

    fn covers(&self, at: TimestampMs) -> bool {
        at > self.after && at <= self.until
    }

    /// Bytes on the heap.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        self.chunks.capacity() * size_of::<Chunk>()
    }

    /// Its points, in order. Reads files. What cannot be read is left out, with all before it.
    pub fn points(&self) -> impl Iterator<Item = super::Point> + '_ {
        let (mut filed, mut next) = (Vec::new(), self.older);
        while let Some(place) = next {
            let mut record = [0; RECORD];
            if !self.files.read(place.number(), place.offset(), &mut record) {
                break;
            }
            let Some((chunk, older)) = decoded(place, &record) else {
                self.files.damaged(place.number());
                break;
            };
            next = older.filter(|_| chunk.first_at > self.after);
            if chunk.first_at <= self.until {
                filed.push(chunk);
            }
        }
        let filed = filed.into_iter().rev().flat_map(|chunk| chunk.points().collect::<Vec<_>>());
        let recent = self.chunks.iter().rev().flat_map(Chunk::points);
        filed.chain(recent).filter(|point| self.covers(point.sample.at))
    }
}

impl ChunkMemory {
    fn files(&self) -> MutexGuard<'_, BTreeMap<u64, Vec<u8>>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ChunkFiles for ChunkMemory {
    fn keep(&self, number: u64, bytes: Vec<u8>) {
        self.files().insert(number, bytes);
    }

    fn read(&self, number: u64, offset: usize, part: &mut [u8]) -> bool {
        let files = self.files();
        let bytes = files.get(&number).and_then(|bytes| bytes.get(offset..)?.get(..part.len()));
        bytes.is_some_and(|bytes| {
            part.copy_from_slice(bytes);
            true
        })
    }

    fn damaged(&self, _: u64) {}

    fn remove(&self, number: u64) {
        self.files().remove(&number);
    }

    fn number(&self) -> u64 {
        self.given.fetch_add(1, Ordering::Relaxed) + 1
    }
}
