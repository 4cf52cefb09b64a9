//! The snapshot file.
//!
//! ```text
//! "VIGIE SNAPSHOT\n" · format version u32 LE · length of the body u64 LE · xxh3-64 of the body u64 LE · body
//! ```
//!
//! The body is the engine's [`Snapshot`] in postcard. A file of another version is refused with a clear message, never
//! misread; a damaged one is refused too. It is written beside its place, synced, and renamed over it, so that
//! a crash leaves the one before.

use std::{
    fs,
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use xxhash_rust::xxh3::xxh3_64;

use crate::engine::Snapshot;

const MAGIC: &[u8; 15] = b"VIGIE SNAPSHOT\n";
/// Grows with every change of what a snapshot holds.
const VERSION: u32 = 3;
const HEADER: usize = MAGIC.len() + 4 + 8 + 8;
const NAME: &str = "snapshot";

/// Why a snapshot was not written.
#[derive(Debug, thiserror::Error)]
pub enum SaveError {
    /// The file system refused.
    #[error("cannot write {path}: {source}; what was learnt since the last snapshot is lost")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// The state could not be encoded.
    #[error("cannot encode the snapshot: {0}")]
    Encode(#[from] postcard::Error),
}

/// Why a snapshot was not read.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file system refused.
    #[error("cannot read {path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// Written by another version of vigie.
    #[error(
        "{path} has format {found}, this vigie reads format {VERSION}: start the version that wrote it, or move the file away to begin anew"
    )]
    Version {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u32,
    },
    /// Not what was written.
    #[error("{path} is damaged ({what}): move it away to begin anew")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// How it shows.
        what: &'static str,
    },
}

/// Writes the snapshot into the folder, which is made if it is not there. Returns the size in bytes.
///
/// # Errors
/// The folder or file cannot be written.
pub fn save(dir: &Path, snapshot: &Snapshot) -> Result<u64, SaveError> {
    let body = postcard::to_stdvec(snapshot)?;
    let (path, fresh) = (dir.join(NAME), dir.join(format!("{NAME}.new")));
    let write = || -> io::Result<()> {
        fs::create_dir_all(dir)?;
        let mut file = fs::File::create(&fresh)?;
        file.write_all(MAGIC)?;
        file.write_all(&VERSION.to_le_bytes())?;
        file.write_all(&(body.len() as u64).to_le_bytes())?;
        file.write_all(&xxh3_64(&body).to_le_bytes())?;
        file.write_all(&body)?;
        file.sync_all()?;
        fs::rename(&fresh, &path)?;
        fs::File::open(dir)?.sync_all()
    };
    write().map_err(|source| SaveError::Io { path: path.clone(), source })?;
    Ok((HEADER + body.len()) as u64)
}

/// Reads the snapshot of the folder; `None` when there is none.
///
/// # Errors
/// The file cannot be read, is of another version, or is damaged.
pub fn load(dir: &Path) -> Result<Option<Snapshot>, LoadError> {
    let path = dir.join(NAME);
    let mut bytes = Vec::new();
    match fs::File::open(&path).and_then(|mut file| file.read_to_end(&mut bytes)) {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(LoadError::Io { path, source }),
    }
    let damaged = |what| LoadError::Damaged { path: path.clone(), what };
    let rest = bytes.strip_prefix(MAGIC).ok_or_else(|| damaged("it does not begin as a snapshot does"))?;
    let (version, rest) = rest.split_first_chunk::<4>().ok_or_else(|| damaged("its header is cut off"))?;
    let version = u32::from_le_bytes(*version);
    if version != VERSION {
        return Err(LoadError::Version { path, found: version });
    }
    let (length, rest) = rest.split_first_chunk::<8>().ok_or_else(|| damaged("its header is cut off"))?;
    let (checksum, body) = rest.split_first_chunk::<8>().ok_or_else(|| damaged("its header is cut off"))?;
    if body.len() as u64 != u64::from_le_bytes(*length) {
        return Err(damaged("its length is not the one noted"));
    }
    if xxh3_64(body) != u64::from_le_bytes(*checksum) {
        return Err(damaged("its checksum is not the one noted"));
    }
    postcard::from_bytes(body).map(Some).map_err(|_| damaged("its contents cannot be decoded"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_saved_is_loaded_and_damage_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        assert!(load(dir.path()).unwrap().is_none());
        save(dir.path(), &Snapshot::default()).unwrap();
        assert_eq!(load(dir.path()).unwrap().unwrap().series(), 0);

        let path = dir.path().join(NAME);
        let good = fs::read(&path).unwrap();
        for (place, what) in [(0, "begin"), (good.len() - 1, "checksum")] {
            let mut bad = good.clone();
            bad[place] ^= 1;
            fs::write(&path, bad).unwrap();
            assert!(load(dir.path()).unwrap_err().to_string().contains(what));
        }
        fs::write(&path, &good[..good.len() - 1]).unwrap();
        assert!(load(dir.path()).unwrap_err().to_string().contains("length"));
        let mut other = good.clone();
        other[MAGIC.len()] = 99;
        fs::write(&path, other).unwrap();
        assert!(matches!(load(dir.path()), Err(LoadError::Version { found: 99, .. })));
    }

    #[test]
    fn an_unwritable_place_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("taken");
        fs::write(&file, "x").unwrap();
        let error = save(&file, &Snapshot::default()).unwrap_err();
        assert!(error.to_string().contains("taken"), "{error}");
    }
}
