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
    io::{self, Write},
    path::PathBuf,
};

use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use super::{Disk, DiskFile, Position, segment::fill};

const MAGIC: &[u8; 15] = b"VIGIE SNAPSHOT\n";
const HEADER: usize = MAGIC.len() + 4 + 8;
const TRAILER: usize = 8;
const PREFIX: &str = "snapshot-";
const TEMPORARY: &str = ".new";
const UNTIL_FORMAT_2: &str = "snapshot";
/// Written at a time.
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

    /// Reads the newest generation that is sound and can be decoded; `None` when there is none at all.
    ///
    /// # Errors
    /// The disk fails, a generation is of another version, or all are damaged.
    pub fn load<T>(&self, decode: impl Fn(&[u8]) -> Option<T>) -> Result<Option<Loaded<T>>, LoadError> {
        let failed = |name: &str, source| LoadError::Io { path: self.disk.path(name), source };
        let mut damaged = Vec::new();
        for position in self.positions().map_err(|source| failed("", source))? {
            let name = name(position);
            let bytes = match self.read(&name) {
                Ok(bytes) => bytes,
                // It became too old while this looked at newer ones.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(failed(&name, error)),
            };
            let path = self.disk.path(&name);
            match self.parse(&bytes, position, &decode) {
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
        match self.read(UNTIL_FORMAT_2) {
            Ok(bytes) => {
                let found = bytes.get(MAGIC.len()..).and_then(|rest| rest.first_chunk());
                Err(LoadError::Version {
                    path,
                    found: found.map_or(0, |v| u32::from_le_bytes(*v)),
                    reads: self.version,
                })
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(LoadError::Io { path, source }),
        }
    }

    fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        let file = self.disk.open(name)?;
        let mut bytes = vec![0; usize::try_from(file.length()?).unwrap_or(usize::MAX)];
        let read = fill(&file, 0, &mut bytes)?;
        bytes.truncate(read);
        Ok(bytes)
    }

    fn parse<T>(&self, bytes: &[u8], position: Position, decode: impl Fn(&[u8]) -> Option<T>) -> Result<T, Refusal> {
        if !bytes.starts_with(MAGIC) {
            return Err(Refusal::Damaged("it does not begin as a snapshot does"));
        }
        let Some(end) = bytes.len().checked_sub(TRAILER).filter(|end| *end >= HEADER) else {
            return Err(Refusal::Damaged("it is cut off"));
        };
        let (sealed, checksum) = bytes.split_at(end);
        if xxh3_64(sealed).to_le_bytes() != checksum {
            return Err(Refusal::Damaged("its checksum does not hold"));
        }
        let (fields, body) = sealed[MAGIC.len()..].split_at(HEADER - MAGIC.len());
        let (version, place) = fields.split_at(4);
        if version != self.version.to_le_bytes() {
            return Err(Refusal::Version(version.iter().rev().fold(0, |sum, byte| sum << 8 | u32::from(*byte))));
        }
        if place != position.0.to_le_bytes() {
            return Err(Refusal::Damaged("it was written under another name"));
        }
        decode(body).ok_or(Refusal::Damaged("its contents cannot be decoded"))
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
