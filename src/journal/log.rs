//! The journal: the durable log of request bodies.
//!
//! It is owned by one thread that does, again and again: take the requests that wait, [`append`](Journal::append) each,
//! [`commit`](Journal::commit) once, [`sync`](Journal::sync) if that is asked for, and then answer them all. What is
//! committed survives the death of the process; what is synced survives a power failure. After an error nothing of the batch is
//! to be acknowledged, and the journal is ready for the next one: a refused batch is cut off, and no file that failed is
//! ever written again; the next commit begins a new segment.
//!
//! At the start: load the newest snapshot, [`open`](Journal::open), [`replay`](Journal::replay) from the snapshot's position.
//! For a snapshot: save at [`end`](Journal::end) once the engine has taken everything before it, and then
//! [`retain`](Journal::retain) what [`Snapshots::needed`](super::Snapshots::needed) says.

use std::{io, sync::Arc};

use super::{
    Damage, Disk, DiskFile, Error, Position, Record,
    record::MAX_BODY,
    segment::{HEADER, Item, Segment, header, name},
};

/// A buffer that grew beyond this for one batch is given back.
const BUFFER_KEPT: usize = 4 << 20;

/// How the journal is laid out.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// A segment that holds at least this much, in bytes, is followed by a new one.
    pub segment_bytes: u64,
    /// When it has grown by so much, in bytes, since the last snapshot was begun, another one is due: what has to be replayed,
    /// and the disk that three generations take, is bounded however much comes between two.
    pub snapshot_bytes: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self { segment_bytes: 64 << 20, snapshot_bytes: 4 << 30 }
    }
}

/// The log of requests; see the module for its use.
#[derive(Debug)]
pub struct Journal<D: Disk> {
    pub(super) disk: D,
    options: Options,
    /// First positions of the segments, ascending; the last one is being written, or finished.
    pub(super) segments: Vec<Position>,
    pub(super) current: Option<Current<D::File>>,
    /// Segments left since the last sync.
    pub(super) left: Vec<Current<D::File>>,
    pub(super) are_names_synced: bool,
    pub(super) synced: Position,
    pub(super) end: Position,
    buffer: Vec<u8>,
}

/// A segment open for writing.
#[derive(Debug)]
pub(super) struct Current<F> {
    pub(super) first: Position,
    pub(super) file: Arc<F>,
}

impl<F> Clone for Current<F> {
    fn clone(&self) -> Self {
        Self { first: self.first, file: self.file.clone() }
    }
}

/// What [`Journal::open`] met.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Opened {
    /// What was cut off the end, the newest first: a torn write, as power failures leave it.
    pub cut: Vec<Damage>,
}

impl<D: Disk> Journal<D> {
    /// Opens the journal of a disk, or begins it. Nothing is given a position before `floor`, which is
    /// [`Snapshots::floor`](super::Snapshots::floor). What is in the journal afterwards is durable.
    ///
    /// # Errors
    /// The disk fails, or a segment is of another version.
    pub fn open(disk: D, options: Options, floor: Position) -> Result<(Self, Opened), Error> {
        let names = disk.list().map_err(|source| cannot_open(&disk, "", source))?;
        let mut segments: Vec<Position> = names.iter().filter_map(|name| super::segment::first(name)).collect();
        segments.sort_unstable();
        for first in &segments {
            Segment::open(&disk, *first)?;
        }
        let (cut, end) = cut(&disk, &mut segments)?;
        // Whoever wrote this may have died before a sync; what is replayed from here on must stay.
        for first in &segments {
            let name = name(*first);
            disk.open(&name).and_then(|file| file.sync()).map_err(|source| cannot_open(&disk, &name, source))?;
        }
        disk.sync_dir().map_err(|source| cannot_open(&disk, "", source))?;
        let end = end.max(floor);
        let journal = Self {
            disk,
            options,
            segments,
            current: None,
            left: Vec::new(),
            are_names_synced: true,
            synced: end,
            end,
            buffer: Vec::new(),
        };
        Ok((journal, Opened { cut }))
    }

    /// Takes a record into the batch. Returns where it stands once the batch is committed.
    ///
    /// # Errors
    /// The body is too long; the whole batch is dropped.
    pub fn append(&mut self, record: &Record<'_>) -> Result<Position, Error> {
        if record.body.len() > MAX_BODY {
            self.buffer.clear();
            return Err(Error::TooLong { bytes: record.body.len() });
        }
        let at = Position(self.end.0 + self.buffer.len() as u64);
        record.encode(at, &mut self.buffer);
        Ok(at)
    }

    /// Hands the batch to the operating system in one write. Returns the new end of the journal.
    ///
    /// # Errors
    /// The disk fails or is full: nothing of the batch is in the journal.
    pub fn commit(&mut self) -> Result<Position, Error> {
        let mut batch = std::mem::take(&mut self.buffer);
        if batch.is_empty() {
            return Ok(self.end);
        }
        self.write(&batch)?;
        self.end.0 += batch.len() as u64;
        batch.clear();
        batch.shrink_to(BUFFER_KEPT);
        self.buffer = batch;
        Ok(self.end)
    }

    fn write(&mut self, batch: &[u8]) -> Result<(), Error> {
        if self.current.as_ref().is_some_and(|current| self.end.0 - current.first.0 >= self.options.segment_bytes) {
            self.leave();
        }
        let current = match self.current.take() {
            Some(current) => current,
            None => self.begin()?,
        };
        let written = current.file.append(batch);
        let first = current.first;
        if written.is_err() {
            // What came after is ignored once the next segment begins; until then, and for the space it takes, it is cut
            // off. That this fails too is no matter: it was not acknowledged.
            drop(current.file.truncate(HEADER + (self.end.0 - first.0)));
        }
        self.current = Some(current);
        written.map_err(|source| {
            self.leave();
            cannot_write(&self.disk, first, source)
        })
    }

    /// Begins a segment at the end.
    fn begin(&mut self) -> Result<Current<D::File>, Error> {
        let first = self.end;
        self.are_names_synced = false;
        let begun = self.disk.create(&name(first)).and_then(|file| {
            file.append(&header(first))?;
            Ok(file)
        });
        let file = begun.map_err(|source| cannot_write(&self.disk, first, source))?;
        // One whose first batch failed has the same place, and the file was emptied.
        if self.segments.last() != Some(&first) {
            self.segments.push(first);
        }
        Ok(Current { first, file: Arc::new(file) })
    }

    /// Turns away from the current segment, which is to be synced if it holds anything.
    fn leave(&mut self) {
        if let Some(current) = self.current.take()
            && current.first < self.end
        {
            self.left.push(current);
        }
    }

    /// Removes the segments that lie wholly before a position. The last one stays. Returns how many went.
    ///
    /// # Errors
    /// The disk fails; what was not removed is tried again the next time.
    pub fn retain(&mut self, before: Position) -> Result<usize, Error> {
        let mut removed = 0;
        while let [first, next, ..] = self.segments[..]
            && next <= before
        {
            match self.disk.remove(&name(first)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    let advice = "the journal grows until it can be removed: check the folder's permissions";
                    let path = self.disk.path(&name(first));
                    return Err(Error::Io { doing: "remove", path, source: error, advice });
                }
                _ => {}
            }
            self.segments.remove(0);
            self.left.retain(|segment| segment.first != first);
            removed += 1;
        }
        Ok(removed)
    }

    /// The position behind the last committed record.
    #[must_use]
    pub fn end(&self) -> Position {
        self.end
    }

    /// Up to here everything is durable, but for what an [`Error::Doubtful`] named.
    #[must_use]
    pub fn synced(&self) -> Position {
        self.synced
    }

    /// Bytes of records that the segments hold.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.segments.first().map_or(0, |first| self.end.0 - first.0)
    }
}

/// Cuts off what is no record at the end of the last segment, and removes segments that hold none. Returns what was lost and
/// the position to go on from.
fn cut<D: Disk>(disk: &D, segments: &mut Vec<Position>) -> Result<(Vec<Damage>, Position), Error> {
    let mut cut = Vec::new();
    let mut limit = None;
    while let Some(&first) = segments.last() {
        let segment = Segment::open(disk, first)?;
        let to = limit.map_or(segment.end(), |limit: Position| limit.min(segment.end()));
        let mut sound = first;
        let mut torn = None;
        segment.scan(first, to, |item| {
            match item {
                Item::Record { end, .. } | Item::Unknown { end, .. } => (sound, torn) = (end, None),
                Item::Damage(damage) => torn = Some(damage),
            }
            Ok::<_, Error>(())
        })?;
        cut.extend(torn.filter(|torn| torn.to > torn.from));
        let name = name(first);
        if sound > first {
            if sound < segment.end() {
                let shortened = segment.file.truncate(HEADER + (sound.0 - first.0));
                shortened.map_err(|source| cannot_open(disk, &name, source))?;
            }
            return Ok((cut, limit.map_or(sound, |limit| limit.max(sound))));
        }
        disk.remove(&name).map_err(|source| cannot_open(disk, &name, source))?;
        segments.pop();
        limit = Some(first);
    }
    Ok((cut, limit.unwrap_or_default()))
}

fn cannot_open(disk: &impl Disk, name: &str, source: io::Error) -> Error {
    let advice = "check the disk and the folder's permissions";
    Error::Io { doing: "open the journal at", path: disk.path(name), source, advice }
}

pub(super) fn cannot_write(disk: &impl Disk, first: Position, source: io::Error) -> Error {
    let advice = "requests are refused until it can be written: make room or check the disk";
    Error::Io { doing: "write", path: disk.path(&name(first)), source, advice }
}
