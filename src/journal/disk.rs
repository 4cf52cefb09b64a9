//! The few things the journal asks of a disk, so that tests can put a faulty one in its place.
//!
//! All files lie in one folder. What [`append`](DiskFile::append), [`create`](Disk::create), [`rename`](Disk::rename) and
//! [`remove`](Disk::remove) did survives the death of the process; it survives a power failure only after
//! [`sync`](DiskFile::sync) for the contents of a file and [`sync_dir`](Disk::sync_dir) for its name.

use std::{
    fmt, fs,
    io::{self, Write},
    path::{Path, PathBuf},
};

/// A folder of files. Clones are the same folder.
pub trait Disk: Clone + fmt::Debug {
    /// An open file.
    type File: DiskFile;

    /// Makes an empty file, or empties the one of that name.
    ///
    /// # Errors
    /// As the operating system says; so in all that follows.
    fn create(&self, name: &str) -> io::Result<Self::File>;

    /// Opens a file that is there.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`] when there is none.
    fn open(&self, name: &str) -> io::Result<Self::File>;

    /// The names of all files, in no order.
    ///
    /// # Errors
    /// See [`create`](Self::create).
    fn list(&self) -> io::Result<Vec<String>>;

    /// Gives a file another name, in the place of the file that may have had it.
    ///
    /// # Errors
    /// See [`create`](Self::create).
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    /// See [`create`](Self::create).
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Returns when all names are as durable as the hardware makes them.
    ///
    /// # Errors
    /// See [`create`](Self::create).
    fn sync_dir(&self) -> io::Result<()>;

    /// Where a file lies, for messages.
    fn path(&self, name: &str) -> PathBuf;
}

/// A file of a [`Disk`].
pub trait DiskFile: fmt::Debug {
    /// Writes all the bytes at the end; after an error any number of them may be there.
    ///
    /// # Errors
    /// As the operating system says; so in all that follows.
    fn append(&self, bytes: &[u8]) -> io::Result<()>;

    /// Returns when all contents are as durable as the hardware makes them. After an error nobody knows what is, and
    /// another call may succeed although nothing more was written.
    ///
    /// # Errors
    /// See [`append`](Self::append).
    fn sync(&self) -> io::Result<()>;

    /// Cuts the file off.
    ///
    /// # Errors
    /// See [`append`](Self::append).
    fn truncate(&self, length: u64) -> io::Result<()>;

    /// The length in bytes.
    ///
    /// # Errors
    /// See [`append`](Self::append).
    fn length(&self) -> io::Result<u64>;

    /// Reads from an offset on; fewer bytes than the buffer takes, also none at the end.
    ///
    /// # Errors
    /// See [`append`](Self::append).
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize>;
}

/// A folder of the file system.
#[derive(Clone, Debug)]
pub struct Files(PathBuf);

impl Files {
    /// The folder, which is made if it is not there.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn new(dir: &Path) -> io::Result<Self> {
        fs::create_dir_all(dir)?;
        Ok(Self(dir.to_owned()))
    }
}

impl Disk for Files {
    type File = fs::File;

    fn create(&self, name: &str) -> io::Result<fs::File> {
        let file = fs::File::options().read(true).append(true).create(true).open(self.0.join(name))?;
        file.set_len(0)?;
        Ok(file)
    }

    fn open(&self, name: &str) -> io::Result<fs::File> {
        fs::File::options().read(true).append(true).open(self.0.join(name))
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let names = fs::read_dir(&self.0)?.map(|entry| Ok(entry?.file_name().into_string().ok()));
        names.filter_map(io::Result::transpose).collect()
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.0.join(from), self.0.join(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.0.join(name))
    }

    fn sync_dir(&self) -> io::Result<()> {
        fs::File::open(&self.0)?.sync_all()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl DiskFile for fs::File {
    fn append(&self, bytes: &[u8]) -> io::Result<()> {
        (&mut &*self).write_all(bytes)
    }

    fn sync(&self) -> io::Result<()> {
        // The length is part of what this makes durable; only times are not.
        self.sync_data()
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        self.set_len(length)
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        std::os::unix::fs::FileExt::read_at(self, buffer, offset)
    }
}
