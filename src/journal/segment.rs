//! A segment: one file of the journal.
//!
//! ```text
//! "VIGIE JOURNAL\n" · format version u32 LE · first position u64 LE · xxh3-64 of these u64 LE · records
//! ```
//!
//! The name is `journal-` and the first position in 20 digits. The byte at position `p` stands at offset
//! `34 + p − first position`, so that a position is found without an index. Every version keeps this header, so that a file
//! of another version is told from a damaged one.
//!
//! A segment ends where the next one begins: what stands behind that was never acknowledged. Where no sound
//! record stands, every byte is tried until one does, so that only what is damaged is lost. A damaged header is reported and
//! costs nothing: records vouch for themselves, and another format would seed their checksums differently.

use std::{io, path::PathBuf};

use xxhash_rust::xxh3::xxh3_64;

use super::{
    Damage, Disk, DiskFile, Error, Position, Record,
    record::{HEAD, Parsed, claimed, parse},
};

const MAGIC: &[u8; 14] = b"VIGIE JOURNAL\n";
pub(super) const VERSION: u32 = 1;
pub(super) const HEADER: u64 = (MAGIC.len() + 4 + 8 + 8) as u64;
const PREFIX: &str = "journal-";
/// Read at a time.
const CHUNK: usize = 256 << 10;

/// Name of the segment that begins at a position.
pub(super) fn name(first: Position) -> String {
    format!("{PREFIX}{first:020}", first = first.0)
}

/// Where the segment of that name begins; `None` when it is no segment's.
pub(super) fn first(name: &str) -> Option<Position> {
    let digits = name.strip_prefix(PREFIX)?;
    let is_number = digits.len() == 20 && digits.bytes().all(|byte| byte.is_ascii_digit());
    if is_number { digits.parse().ok().map(Position) } else { None }
}

/// What stands before the records.
pub(super) fn header(first: Position) -> Vec<u8> {
    let mut header = MAGIC.to_vec();
    header.extend_from_slice(&VERSION.to_le_bytes());
    header.extend_from_slice(&first.0.to_le_bytes());
    let checksum = xxh3_64(&header);
    header.extend_from_slice(&checksum.to_le_bytes());
    header
}

/// A segment open for reading.
#[derive(Debug)]
pub(super) struct Segment<F> {
    pub(super) file: F,
    path: PathBuf,
    first: Position,
    length: u64,
    is_header_sound: bool,
}

/// What a scan meets, in the order of positions.
#[derive(Debug)]
pub(super) enum Item<'a> {
    Record { at: Position, end: Position, record: Record<'a> },
    Unknown { at: Position, end: Position, kind: u8 },
    Damage(Damage),
}

impl<F: DiskFile> Segment<F> {
    /// Opens the segment and looks at its header.
    pub(super) fn open<D: Disk<File = F>>(disk: &D, first: Position) -> Result<Self, Error> {
        let name = name(first);
        let path = disk.path(&name);
        let read = || {
            let file = disk.open(&name)?;
            let mut found = [0; HEADER as usize];
            fill(&file, 0, &mut found)?;
            Ok((file.length()?, file, found))
        };
        let (length, file, found) = read().map_err(|source| cannot_read(path.clone(), source))?;
        let expected = header(first);
        let (fields, checksum) = found.split_at(found.len() - 8);
        let version = u32::from_le_bytes([found[14], found[15], found[16], found[17]]);
        if found.starts_with(MAGIC) && xxh3_64(fields).to_le_bytes() == checksum && version != VERSION {
            return Err(Error::Version { path, found: version });
        }
        Ok(Self { file, path, first, length, is_header_sound: found[..] == expected[..] })
    }

    /// The position behind its last byte, whatever that byte is.
    pub(super) fn end(&self) -> Position {
        Position(self.first.0 + self.length.saturating_sub(HEADER))
    }

    /// Shows all that stands from one position to another; what is not in the file is damage.
    pub(super) fn scan<E: From<Error>>(
        &self,
        from: Position,
        to: Position,
        mut show: impl FnMut(Item<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let damage = |from, to, what| Item::Damage(Damage { path: self.path.clone(), from, to, what });
        if !self.is_header_sound {
            show(damage(from, from, "the segment's header is damaged"))?;
        }
        let end = to.min(self.end());
        let mut window = Window { file: &self.file, start: 0, bytes: Vec::new() };
        let mut at = from;
        let mut damaged: Option<(Position, &'static str)> = None;
        while at < end {
            let parsed = self.parse(&mut window, at, end).map_err(|source| cannot_read(self.path.clone(), source))?;
            if let Some((from, what)) = damaged
                && !matches!(parsed, Parsed::Damaged(_))
            {
                show(damage(from, at, what))?;
                damaged = None;
            }
            at = match parsed {
                Parsed::Sound(record, length) => {
                    let end = Position(at.0 + length as u64);
                    show(Item::Record { at, end, record })?;
                    end
                }
                Parsed::Unknown(kind, length) => {
                    let end = Position(at.0 + length as u64);
                    show(Item::Unknown { at, end, kind })?;
                    end
                }
                Parsed::Damaged(what) => {
                    damaged.get_or_insert((at, what));
                    Position(at.0 + 1)
                }
            };
        }
        match damaged {
            Some((from, what)) => show(damage(from, to, what)),
            None if at < to => show(damage(at, to, "the segment ends too early")),
            None => Ok(()),
        }
    }

    /// Reads what stands at a place; nothing from `end` on belongs to it.
    fn parse<'w>(&self, window: &'w mut Window<'_, F>, at: Position, end: Position) -> io::Result<Parsed<'w>> {
        let offset = HEADER + (at.0 - self.first.0);
        let left = usize::try_from(end.0 - at.0).unwrap_or(usize::MAX);
        // A claim is checked, also against the end, before anything as long as it is read.
        let whole = match claimed(at, window.view(offset, HEAD.min(left))?) {
            Ok(whole) if whole <= left => whole,
            Ok(_) => return Ok(Parsed::Damaged("a record is cut off")),
            Err(what) => return Ok(Parsed::Damaged(what)),
        };
        Ok(parse(at, window.view(offset, whole)?))
    }
}

/// The part of a file that is in memory: a chunk, or a record when that is longer.
#[derive(Debug)]
struct Window<'f, F> {
    file: &'f F,
    /// Offset of the first byte.
    start: u64,
    bytes: Vec<u8>,
}

impl<F: DiskFile> Window<'_, F> {
    /// The bytes at an offset, fewer at the end of the file. Offsets never go back.
    fn view(&mut self, offset: u64, wanted: usize) -> io::Result<&[u8]> {
        let skipped = usize::try_from(offset - self.start).unwrap_or(usize::MAX);
        if skipped.saturating_add(wanted) <= self.bytes.len() {
            return Ok(&self.bytes[skipped..skipped + wanted]);
        }
        self.bytes.drain(..skipped.min(self.bytes.len()));
        self.start = offset;
        let held = self.bytes.len();
        self.bytes.resize(wanted.max(CHUNK), 0);
        let read = fill(self.file, offset + held as u64, &mut self.bytes[held..])?;
        self.bytes.truncate(held + read);
        self.bytes.shrink_to(wanted.max(CHUNK));
        Ok(&self.bytes[..wanted.min(self.bytes.len())])
    }
}

/// Reads until the buffer is full or the file ends; returns the number of bytes.
pub(crate) fn fill(file: &impl DiskFile, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read_at(offset + filled as u64, &mut buffer[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

fn cannot_read(path: PathBuf, source: io::Error) -> Error {
    let advice = "check the disk, or move the file away to go on without it";
    Error::Io { doing: "read", path, source, advice }
}
