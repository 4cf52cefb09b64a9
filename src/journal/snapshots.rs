//! Generations of snapshots, each a file:
//!
//! ```text
//! "VIGIE SNAPSHOT\n" · format version u32 LE · position in the journal u64 LE · body · xxh3-64 of all before u64 LE
//! ```
//!
//! The name is `snapshot-` and the position in 20 digits. A snapshot is written under a temporary name, synced, and
//! renamed, so that under its own name it is whole. Every version ends in this checksum, so that a file of another version,
//! which is refused, is told from a damaged one, which is passed over for the one before it. Until format 2 there was one
//! file named `snapshot`.

use std::{
    fmt,
    io::{self, Read, Write},
    path::PathBuf,
};

use xxhash_rust::xxh3::Xxh3;

use super::{Disk, DiskFile, Position, segment::fill};

const MAGIC: &[u8; 15] = b"VIGIE SNAPSHOT\n";
const HEADER: usize = MAGIC.len() + 4 + 8;
const TRAILER: usize = 8;
const PREFIX: &str = "snapshot-";
const TEMPORARY: &str = ".new";
const UNTIL_FORMAT_2: &str = "snapshot";
/// Written or read at a time.
const CHUNK: usize = 1 << 20;

/// Why a snapshot was not written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {}: {source}; what was learnt since the last snapshot is not in one", path.display())]
pub struct SaveError {
    /// The file or folder.
    pub path: PathBuf,
    /// What the file system, or the encoder, said.
    pub source: io::Error,
}

/// Why no snapshot was read.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file system refused.
    #[error("cannot read {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// Written by another version of vigie.
    #[error(
        "{} has format {found}, this vigie reads format {reads}: start the version that wrote it, or move the file away to begin anew",
        path.display()
    )]
    Version {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u32,
        /// The version that is read.
        reads: u32,
    },
    /// There are snapshots and all are damaged; this is the newest.
    #[error("{0}, and there is no sound one before it: move it away to begin anew")]
    Damaged(DamagedSnapshot),
}

/// A snapshot that is not what was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DamagedSnapshot {
    /// The file.
    pub path: PathBuf,
    /// How it shows.
    pub what: &'static str,
}

impl fmt::Display for DamagedSnapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is damaged ({})", self.path.display(), self.what)
    }
}

/// A snapshot that was read.
#[derive(Debug, PartialEq, Eq)]
pub struct Loaded<T> {
    /// What it holds.
    pub value: T,
    /// It holds everything before this place of the journal.
    pub position: Position,
    /// Newer ones that were passed over: the replay is longer for it.
    pub damaged: Vec<DamagedSnapshot>,
}

/// The snapshots in a folder.
#[derive(Debug)]
pub struct Snapshots<D> {
    disk: D,
    version: u32,
    generations: usize,
}

impl<D: Disk> Snapshots<D> {
    /// The snapshots of a disk, of one format version, of which so many generations are kept: at least 1.
    #[must_use]
    pub fn new(disk: D, version: u32, generations: usize) -> Self {
        Self { disk, version, generations: generations.max(1) }
    }

    /// Writes a generation whose body is what the closure writes, and then removes those that are too many, and what
    /// saves that were broken off have left. Returns the size in bytes. One of the same position is replaced.
    ///
    /// # Errors
    /// The disk fails or is full, or the closure does. The generations are as they were.
    pub fn save(
        &self,
        position: Position,
        write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<u64, SaveError> {
        let name = name(position);
        let temporary = format!("{name}{TEMPORARY}");
        let written = self.write(&temporary, position, write).and_then(|size| {
            self.disk.rename(&temporary, &name)?;
            self.disk.sync_dir()?;
            Ok(size)
        });
        if written.is_err() {
            // It takes space, and the next save does it again if this fails too.
            drop(self.disk.remove(&temporary));
        }
        let size = written.map_err(|source| SaveError { path: self.disk.path(&name), source })?;
        self.tidy().map_err(|source| SaveError { path: self.disk.path(""), source })?;
        Ok(size)
    }

    fn write(
        &self,
        name: &str,
        position: Position,
        write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> io::Result<u64> {
        let file = self.disk.create(name)?;
        let mut writer = Writer { file: &file, hash: Xxh3::new(), buffer: Vec::new(), size: 0, failed: None };
        let written = writer
            .write_all(MAGIC)
            .and_then(|()| writer.write_all(&self.version.to_le_bytes()))
            .and_then(|()| writer.write_all(&position.0.to_le_bytes()))
            .and_then(|()| write(&mut writer));
        if let Some(error) = writer.failed.take() {
            return Err(error);
        }
        written?;
        let checksum = writer.hash.digest();
        writer.write_all(&checksum.to_le_bytes())?;
        writer.flush()?;
        let size = writer.size;
        file.sync()?;
        Ok(size)
    }

    fn tidy(&self) -> io::Result<()> {
        let names = self.disk.list()?;
        let broken_off = names.iter().filter(|name| name.starts_with(PREFIX) && name.ends_with(TEMPORARY));
        for name in broken_off {
            self.disk.remove(name)?;
        }
        for position in self.positions()?.into_iter().skip(self.generations) {
            self.disk.remove(&name(position))?;
        }
        Ok(())
    }

    /// Reads the newest generation that is sound and can be decoded; `None` when there is none at all. A file is read
    /// twice, so that `decode` is given the body only of one whose checksum holds; it has damage told by
    /// [`io::ErrorKind::InvalidData`] or [`io::ErrorKind::UnexpectedEof`].
    ///
    /// # Errors
    /// The disk fails, a generation is of another version, or all are damaged.
    pub fn load<T>(&self, decode: impl Fn(&mut dyn Read) -> io::Result<T>) -> Result<Option<Loaded<T>>, LoadError> {
        let failed = |name: &str, source| LoadError::Io { path: self.disk.path(name), source };
        let mut damaged = Vec::new();
        for position in self.positions().map_err(|source| failed("", source))? {
            let name = name(position);
            let read = match self.disk.open(&name).and_then(|file| self.read(&file, position, &decode)) {
                Ok(read) => read,
                // It became too old while this looked at newer ones.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(failed(&name, error)),
            };
            let path = self.disk.path(&name);
            match read {
                Ok(value) => return Ok(Some(Loaded { value, position, damaged })),
                Err(Refusal::Version(found)) => return Err(LoadError::Version { path, found, reads: self.version }),
                Err(Refusal::Damaged(what)) => damaged.push(DamagedSnapshot { path, what }),
            }
        }
        match damaged.into_iter().next() {
            Some(newest) => Err(LoadError::Damaged(newest)),
            None => self.refuse_old(),
        }
    }

    /// Whoever comes from format 2 is told so, rather than started with nothing.
    fn refuse_old<T>(&self) -> Result<Option<T>, LoadError> {
        let path = self.disk.path(UNTIL_FORMAT_2);
        let mut found = [0; 4];
        match self.disk.open(UNTIL_FORMAT_2).and_then(|file| fill(&file, MAGIC.len() as u64, &mut found)) {
            Ok(_) => Err(LoadError::Version { path, found: u32::from_le_bytes(found), reads: self.version }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(LoadError::Io { path, source }),
        }
    }

    fn read<T>(
        &self,
        file: &D::File,
        position: Position,
        decode: impl Fn(&mut dyn Read) -> io::Result<T>,
    ) -> io::Result<Result<T, Refusal>> {
        let damaged = |what| Ok(Err(Refusal::Damaged(what)));
        let mut header = [0; HEADER];
        fill(file, 0, &mut header)?;
        if !header.starts_with(MAGIC) {
            return damaged("it does not begin as a snapshot does");
        }
        let length = file.length()?;
        let Some(end) = length.checked_sub(TRAILER as u64).filter(|end| *end >= HEADER as u64) else {
            return damaged("it is cut off");
        };
        let mut checksum = [0; TRAILER];
        fill(file, end, &mut checksum)?;
        if hash(&mut Section { file, at: 0, end })?.to_le_bytes() != checksum {
            return damaged("its checksum does not hold");
        }
        let (version, place) = header[MAGIC.len()..].split_at(4);
        if version != self.version.to_le_bytes() {
            let found = version.iter().rev().fold(0, |sum, byte| sum << 8 | u32::from(*byte));
            return Ok(Err(Refusal::Version(found)));
        }
        if place != position.0.to_le_bytes() {
            return damaged("it was written under another name");
        }
        let body = Section { file, at: HEADER as u64, end };
        match decode(&mut io::BufReader::with_capacity(CHUNK, body)) {
            Ok(value) => Ok(Ok(value)),
            Err(error) if matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof) => {
                damaged("its contents cannot be decoded")
            }
            Err(error) => Err(error),
        }
    }

    /// Where the journal is to go on from at the least: no snapshot, not even a damaged one, may have seen another record at
    /// a position that is given from now on.
    ///
    /// # Errors
    /// The disk fails.
    pub fn floor(&self) -> io::Result<Position> {
        Ok(self.positions()?.first().copied().unwrap_or_default())
    }

    /// What the journal must keep: everything from this position on. That is the beginning until there are as many
    /// generations as are kept, so that all but one may be damaged.
    ///
    /// # Errors
    /// The disk fails.
    pub fn needed(&self) -> io::Result<Position> {
        Ok(self.positions()?.get(self.generations - 1).copied().unwrap_or_default())
    }

    /// The generations, newest first.
    fn positions(&self) -> io::Result<Vec<Position>> {
        let names = self.disk.list()?;
        let mut positions: Vec<Position> = names.iter().filter_map(|name| of_name(name)).collect();
        positions.sort_unstable_by(|a, b| b.cmp(a));
        Ok(positions)
    }
}

enum Refusal {
    Version(u32),
    Damaged(&'static str),
}

/// Part of a file.
struct Section<'f, F> {
    file: &'f F,
    at: u64,
    end: u64,
}

impl<F: DiskFile> Read for Section<'_, F> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end - self.at).unwrap_or(usize::MAX).min(buffer.len());
        let read = self.file.read_at(self.at, &mut buffer[..left])?;
        self.at += read as u64;
        Ok(read)
    }
}

/// The xxh3-64 of all that is read.
fn hash(reader: &mut impl Read) -> io::Result<u64> {
    let (mut hash, mut buffer) = (Xxh3::new(), vec![0; CHUNK]);
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => return Ok(hash.digest()),
            Ok(read) => hash.update(&buffer[..read]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

fn name(position: Position) -> String {
    format!("{PREFIX}{position:020}", position = position.0)
}

fn of_name(name: &str) -> Option<Position> {
    let digits = name.strip_prefix(PREFIX).filter(|digits| digits.len() == 20)?;
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok().map(Position))?
}

/// Gathers small writes, and remembers why one failed: encoders tend to forget.
struct Writer<'f, F> {
    file: &'f F,
    hash: Xxh3,
    buffer: Vec<u8>,
    size: u64,
    failed: Option<io::Error>,
}

impl<F: DiskFile> Write for Writer<'_, F> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.hash.update(bytes);
        self.buffer.extend_from_slice(bytes);
        self.size += bytes.len() as u64;
        if self.buffer.len() >= CHUNK {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let written = self.file.append(&self.buffer);
        self.buffer.clear();
        written.inspect_err(|error| self.failed = Some(io::Error::new(error.kind(), error.to_string())))
    }
}

#[cfg(test)]
mod tests;
