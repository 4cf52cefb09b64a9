//! Making durable what was committed.
//!
//! A sync that fails is no sync that can be tried again: the system has forgotten what it could not write, so that another
//! one of the same file would succeed without it. [`commit_durably`](Journal::commit_durably) cuts the batch off then, as
//! if it had never been written. Where a batch is acknowledged first and synced later, by [`sync`](Journal::sync) or on
//! another thread by [`begin_sync`](Journal::begin_sync), what was acknowledged in between is in doubt
//! ([`Error::Doubtful`]): it is in memory, in the file as long as the system keeps its pages, and safe again only in the next
//! snapshot.

use std::{io, sync::Arc};

use super::{
    Disk, DiskFile, Error, Journal, Position,
    log::{Current, cannot_write},
    segment::HEADER,
};

/// What is committed and not yet durable, to be synced on whatever thread has the time.
#[must_use]
#[derive(Debug)]
pub struct Unsynced<D: Disk> {
    disk: D,
    files: Vec<Arc<D::File>>,
    are_names_synced: bool,
    to: Position,
}

impl<D: Disk> Unsynced<D> {
    /// Everything before this is durable once it is synced.
    #[must_use]
    pub fn to(&self) -> Position {
        self.to
    }

    /// Returns when it is durable.
    ///
    /// # Errors
    /// As the disk says; what became of it is not known then, and not to be found out by another try.
    pub fn sync(self) -> io::Result<()> {
        self.files.iter().try_for_each(|file| file.sync())?;
        if self.are_names_synced { Ok(()) } else { self.disk.sync_dir() }
    }
}

impl<D: Disk> Journal<D> {
    /// Hands the batch to the disk and waits until it is durable. Returns the new end of the journal.
    ///
    /// # Errors
    /// The disk fails or is full: nothing of the batch is in the journal. [`Error::Doubtful`] where that is in question for
    /// what was committed before and not synced.
    pub fn commit_durably(&mut self) -> Result<Position, Error> {
        let before = self.end;
        self.commit()?;
        let written = self.current.clone();
        let Err(error) = self.sync() else { return Ok(self.end) };
        if let Some(Current { first, file }) = written {
            // As in a write that fails.
            drop(file.truncate(HEADER + (before.0 - first.0)));
        }
        (self.end, self.synced) = (before, before);
        Err(match error {
            Error::Doubtful { path, from, source, .. } if from < before => {
                Error::Doubtful { path, from, to: before, source }
            }
            Error::Doubtful { source, .. } => cannot_write(&self.disk, before, source),
            error => error,
        })
    }

    /// Makes everything committed durable.
    ///
    /// # Errors
    /// [`Error::Doubtful`]: what was committed since the last sync may be lost if the power fails.
    pub fn sync(&mut self) -> Result<(), Error> {
        let Some(unsynced) = self.begin_sync() else { return Ok(()) };
        let to = unsynced.to();
        let result = unsynced.sync();
        self.end_sync(to, result)
    }

    /// Hands out what is to be synced; `None` when everything committed is durable. Until
    /// [`end_sync`](Self::end_sync) is told how that went, no other sync may begin: a failure is reported to only one of
    /// two that run at once.
    pub fn begin_sync(&mut self) -> Option<Unsynced<D>> {
        if self.synced == self.end {
            return None;
        }
        let segments = std::mem::take(&mut self.left).into_iter().chain(self.current.clone());
        let files = segments.map(|segment| segment.file).collect();
        let are_names_synced = std::mem::replace(&mut self.are_names_synced, true);
        Some(Unsynced { disk: self.disk.clone(), files, are_names_synced, to: self.end })
    }

    /// Takes note of how a sync of everything before `to` ended.
    ///
    /// # Errors
    /// [`Error::Doubtful`] when it failed: what was committed since the last one that did not may be lost if the power fails.
    pub fn end_sync(&mut self, to: Position, result: io::Result<()>) -> Result<(), Error> {
        let Err(source) = result else {
            self.synced = to;
            return Ok(());
        };
        self.are_names_synced = false;
        self.left.clear();
        self.current = None;
        let from = std::mem::replace(&mut self.synced, self.end);
        Err(Error::Doubtful { path: self.disk.path(""), from, to: self.end, source })
    }
}
