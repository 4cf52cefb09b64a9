//! The engine's state in the folder of snapshots.

use std::{
    io::{self, Read, Write},
    path::Path,
};

use super::{Disk, Files, LoadError, Loaded, Position, SaveError, Snapshots};

/// Grows with every change of what a snapshot holds or how it is written. The body of the file is the blocks of
/// [`crate::engine::Snapshot`] one after the other, each in postcard with its length before it.
const VERSION: u32 = 12;
/// The newest may be damaged, and so may the one before it.
pub const GENERATIONS: usize = 3;

/// The snapshots of the engine on a disk.
#[must_use]
pub fn snapshots<D: Disk>(disk: D) -> Snapshots<D> {
    Snapshots::new(disk, VERSION, GENERATIONS)
}

/// Writes the engine's state into the folder, which is made if it is not there; it holds everything before `position` of
/// the journal. Returns the size in bytes.
///
/// # Errors
/// The folder or file cannot be written, or the state cannot.
pub fn save(
    dir: &Path,
    position: Position,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<u64, SaveError> {
    let disk = Files::new(dir).map_err(|source| SaveError { path: dir.to_owned(), source })?;
    snapshots(disk).save(position, write)
}

/// Reads the newest sound state of the folder; `None` when there is none.
///
/// # Errors
/// A file cannot be read or is of another version, or all are damaged.
pub fn load<T>(dir: &Path, read: impl Fn(&mut dyn Read) -> io::Result<T>) -> Result<Option<Loaded<T>>, LoadError> {
    if !dir.exists() {
        return Ok(None);
    }
    let disk = Files::new(dir).map_err(|source| LoadError::Io { path: dir.to_owned(), source })?;
    snapshots(disk).load(read)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::engine::Snapshot;

    #[test]
    fn what_was_saved_is_loaded() {
        let dir = tempfile::tempdir().unwrap();
        let load = |dir: &Path| load(dir, |reader| Snapshot::read(reader)?.decode()).unwrap();
        assert!(load(dir.path()).is_none());
        assert!(load(&dir.path().join("nowhere")).is_none());
        save(dir.path(), Position(5), |writer| Snapshot::default().write(writer)).unwrap();
        let loaded = load(dir.path()).unwrap();
        assert_eq!((loaded.value.series(), loaded.position), (0, Position(5)));
        assert!(loaded.damaged.is_empty());
    }

    #[test]
    fn an_unwritable_place_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("taken");
        fs::write(&file, "x").unwrap();
        let error = save(&file, Position::START, |writer| Snapshot::default().write(writer)).unwrap_err();
        assert!(error.to_string().contains("taken"), "{error}");
    }
}
