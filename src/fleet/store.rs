//! The journal and the snapshots as the router uses them: what is journalled, when it is synced and counts as kept, what a
//! start finds. On any disk, without threads and without a clock.
//!
//! A sync under [`SyncPolicy::Interval`] runs beside the router, so that a slow disk delays no answer. When it fails, what
//! was acknowledged since the last one is in doubt: it is in the engine, but perhaps no longer in the journal, and no
//! second try would tell. A snapshot is asked for then, which holds it; and until the disk has shown that it can, by
//! syncing a batch on a new file before that is acknowledged, nothing more is.

use std::{
    io::{self, Read, Write},
    sync::Arc,
    time::Duration,
};

use super::{
    Input, LogRequest, Request, StartError, SyncPolicy,
    chunks::Chunks,
    taking::{Takes, take_record},
};
use crate::{
    engine::Restored,
    ingest::remote_write::Protocol,
    journal::{self, Damage, DamagedSnapshot, Disk, Journal, Kind, Position, Record, Replayed, SaveError, Snapshots},
    signal::TimestampMs,
};

/// The journal and the snapshots of a disk.
#[derive(Debug)]
pub(super) struct Store<D: Disk> {
    disk: D,
    chunks: Arc<Chunks<D>>,
    journal: Journal<D>,
    /// Position of the snapshot that was restored.
    from: Position,
    policy: SyncPolicy,
    /// When the last sync beside the router began; times are counted from any moment on.
    synced_at: Duration,
    is_syncing: bool,
    /// A sync failed, and none has succeeded since.
    is_in_doubt: bool,
    /// What is in doubt is in no snapshot that was begun since.
    needs_snapshot: bool,
    /// Where the newest snapshot was begun, and how far the journal may grow beyond.
    begun: Position,
    most_beyond: u64,
}

/// What a start found beside the journal.
#[derive(Debug)]
pub(super) struct Found {
    /// The newest sound snapshot.
    pub(super) restored: Option<Restored>,
    /// Newer ones that are not.
    pub(super) damaged: Vec<DamagedSnapshot>,
    /// Chunk files that it needs and that are not there.
    pub(super) missing: usize,
    /// What was cut off the end of the journal.
    pub(super) cut: Vec<Damage>,
}

/// A place for a snapshot: of the state as everything before a position has left it.
#[derive(Debug)]
pub(super) struct Place<D: Disk> {
    snapshots: Snapshots<D>,
    chunks: Arc<Chunks<D>>,
    pub(super) position: Position,
}

impl<D: Disk> Place<D> {
    /// Writes the snapshot, when the chunks that it refers to are durable. Returns its size in bytes.
    pub(super) fn save(&self, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<u64, SaveError> {
        let size = self.snapshots.save(self.position, |writer| {
            write(writer)?;
            self.chunks.settle()
        })?;
        self.chunks.passed();
        Ok(size)
    }
}

impl<D: Disk> Store<D> {
    /// Reads the newest snapshot of a disk and opens the journal; chunk files are on a disk of their
    /// own. What the journal takes stands at `least` or behind it.
    pub(super) fn open(
        (disk, chunks): (D, D),
        options: journal::Options,
        policy: SyncPolicy,
        least: Position,
        read: impl Fn(&mut dyn Read) -> io::Result<Restored>,
    ) -> Result<(Self, Found), StartError> {
        let snapshots = journal::snapshots(disk.clone());
        let loaded = snapshots.load(read)?;
        let floor = snapshots.floor().map_err(|source| StartError::Folder(disk.path(""), source))?;
        let (journal, opened) = Journal::open(disk.clone(), options, floor.max(least))?;
        let chunks_dir = chunks.path("");
        let chunks = Chunks::open(chunks).map_err(|source| StartError::Folder(chunks_dir, source))?;
        let mut found = Found { restored: None, damaged: Vec::new(), missing: 0, cut: opened.cut };
        let mut from = Position::START;
        if let Some(loaded) = loaded {
            from = loaded.position;
            (found.restored, found.damaged) = (Some(loaded.value), loaded.damaged);
        }
        let needed = found.restored.as_ref().map(Restored::chunk_files).unwrap_or_default();
        found.missing = chunks.need(&needed);
        let chunks = Arc::new(chunks);
        let (synced_at, is_syncing, is_in_doubt, needs_snapshot) = (Duration::ZERO, false, false, false);
        let store = Self {
            disk,
            chunks,
            journal,
            from,
            policy,
            synced_at,
            is_syncing,
            is_in_doubt,
            needs_snapshot,
            begun: from,
            most_beyond: options.snapshot_bytes,
        };
        Ok((store, found))
    }

    /// Where the replay begins.
    pub(super) fn from(&self) -> Position {
        self.from
    }

    /// The position behind everything kept.
    pub(super) fn end(&self) -> Position {
        self.journal.end()
    }

    /// Where the chunks of series go.
    pub(super) fn chunks(&self) -> Arc<Chunks<D>> {
        self.chunks.clone()
    }

    /// Bytes in the journal.
    pub(super) fn bytes(&self) -> u64 {
        self.journal.bytes()
    }

    /// Has the engine take what the journal holds beyond the snapshot, as it took it the first time; `told` hears of each
    /// record, and why one could not be taken.
    pub(super) fn replay(
        &self,
        engine: &mut impl Takes,
        told: &mut dyn FnMut(Position, Result<(), String>),
    ) -> Result<Replayed, journal::Error> {
        self.journal.replay(self.from, |at, record| {
            told(at, take_record(engine, at, &record));
            Ok(())
        })
    }

    /// Writes a batch, commands as received `now`. After an error nothing of it may be acknowledged or taken by the engine.
    pub(super) fn keep(&mut self, batch: &mut [Input], now: TimestampMs) -> Result<(), journal::Error> {
        for input in batch {
            match input {
                Input::Write { request, .. } => {
                    let Request { tenant, protocol, raw, received, .. } = request;
                    let kind = match protocol {
                        Protocol::V1 => Kind::RemoteWrite1,
                        Protocol::V2 => Kind::RemoteWrite2,
                    };
                    self.journal.append(&Record { received_at: *received, kind, tenant: tenant.clone(), body: raw })?;
                }
                Input::Logs { request, .. } => {
                    let LogRequest { tenant, received, raw, .. } = request;
                    let record = Record { received_at: *received, kind: Kind::Logs, tenant: tenant.clone(), body: raw };
                    let at = self.journal.append(&record)?;
                    request.end = record.end(at);
                }
                Input::Tell { tenant, command, .. } => {
                    // Commands are short, and made here.
                    let body = serde_json::to_vec(command).unwrap_or_default();
                    let (kind, tenant) = (Kind::Command, tenant.clone());
                    self.journal.append(&Record { received_at: now, kind, tenant, body: &body })?;
                }
                Input::Save => {}
            }
        }
        let before = self.journal.end();
        if self.policy != SyncPolicy::Always && !self.is_in_doubt {
            self.journal.commit()?;
            return Ok(());
        }
        match self.journal.commit_durably() {
            Ok(end) => self.is_in_doubt &= end == before,
            Err(error) => {
                self.is_in_doubt = true;
                return Err(error);
            }
        }
        Ok(())
    }

    /// What is to be synced beside the router now, if it is time; [`end_sync`](Self::end_sync) must hear of it.
    pub(super) fn begin_sync(&mut self, now: Duration) -> Option<journal::Unsynced<D>> {
        let SyncPolicy::Interval(period) = self.policy else { return None };
        if self.is_syncing || now.saturating_sub(self.synced_at) < period {
            return None;
        }
        let unsynced = self.journal.begin_sync()?;
        (self.synced_at, self.is_syncing) = (now, true);
        Some(unsynced)
    }

    /// Hears how a sync of everything before `to` ended.
    pub(super) fn end_sync(&mut self, to: Position, result: io::Result<()>) -> Result<(), journal::Error> {
        self.is_syncing = false;
        let result = self.journal.end_sync(to, result);
        self.is_in_doubt |= result.is_err();
        self.needs_snapshot |= result.is_err();
        result
    }

    /// Makes everything durable; no sync may be running beside.
    pub(super) fn sync(&mut self) -> Result<(), journal::Error> {
        self.journal.sync()
    }

    /// Time after which to look whether a sync is to begin or has ended, although nothing is to be kept.
    pub(super) fn until_sync(&self, now: Duration) -> Duration {
        match self.policy {
            SyncPolicy::Interval(period) if self.is_syncing => period,
            SyncPolicy::Interval(period) if self.journal.synced() < self.journal.end() => {
                (self.synced_at + period).saturating_sub(now)
            }
            _ => Duration::from_secs(3_600),
        }
    }

    /// Whether there should be a snapshot soon.
    pub(super) fn needs_snapshot(&self) -> bool {
        self.needs_snapshot || self.end().0.saturating_sub(self.begun.0) >= self.most_beyond
    }

    /// The place for a snapshot of the state that the engine has now. The journal need not be synced for it: the next
    /// position is given behind it even if the power fails and the journal ends before.
    pub(super) fn place(&mut self) -> Place<D> {
        (self.needs_snapshot, self.begun) = (false, self.journal.end());
        let (snapshots, chunks) = (journal::snapshots(self.disk.clone()), self.chunks.clone());
        Place { snapshots, chunks, position: self.journal.end() }
    }

    /// Removes what the snapshots have made superfluous.
    pub(super) fn retain(&mut self) -> Result<(), journal::Error> {
        let advice = "the journal grows until it can be: check the folder's permissions";
        let needed = journal::snapshots(self.disk.clone()).needed().map_err(|source| {
            let path = self.disk.path("");
            journal::Error::Io { doing: "list", path, source, advice }
        })?;
        self.journal.retain(needed)?;
        Ok(())
    }
}
