//! What is kept on disk while the engine runs: the journal of everything that changes it, and snapshots.

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant, SystemTime},
};

use super::{Input, Request, saving::Pieces, threads::Running};
use crate::{
    ingest::remote_write::{Limits, Protocol, WriteRequest, decompress},
    journal::{self, Files, Journal, Kind, Position, Record},
    signal::Command,
};

/// When what was written is made to survive a power failure too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyncPolicy {
    /// Before each answer.
    Always,
    /// At the latest after this time.
    Interval(Duration),
    /// When the operating system sees fit.
    Never,
}

/// Why the engine does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The operating system gives no thread.
    #[error("cannot start the engine's threads")]
    Threads(#[source] io::Error),
    /// Another process has the folder.
    #[error("{} is in use by another vigie; stop it or choose another directory with --data-dir", .0.display())]
    InUse(PathBuf),
    /// The folder cannot be used.
    #[error("cannot use {}", .0.display())]
    Folder(PathBuf, #[source] io::Error),
    /// The journal cannot be read.
    #[error(transparent)]
    Journal(#[from] journal::Error),
}

/// Figures of what is kept, for `/metrics`.
#[derive(Debug, Default)]
pub struct Kept {
    /// Bytes in the journal.
    pub journal_bytes: AtomicU64,
    /// Batches that could not be written.
    pub failures: AtomicU64,
    /// Snapshots written since the start.
    pub snapshots: AtomicU64,
    /// When the newest was written, in ms since the epoch; 0 before the first.
    pub snapshot_at: AtomicI64,
}

/// The journal and its snapshots, in one folder that no other process may use meanwhile.
#[derive(Debug)]
pub struct Keeper {
    dir: PathBuf,
    journal: Journal<Files>,
    from: Position,
    policy: SyncPolicy,
    synced_at: Instant,
    is_failing: bool,
    saving: Option<JoinHandle<()>>,
    kept: Arc<Kept>,
    /// Held until the end.
    _lock: Lock,
}

/// Keeps other processes out of a folder while it lives.
#[derive(Debug)]
pub struct Lock(#[allow(dead_code, reason = "closing the file unlocks it")] File);

impl Keeper {
    /// Takes the folder, which is made if it is not there; no other process may use it as long as this is held.
    ///
    /// # Errors
    /// [`StartError`] when it cannot be used, or is in use.
    pub fn lock(dir: &Path) -> Result<Lock, StartError> {
        let folder = |source| StartError::Folder(dir.to_owned(), source);
        Files::new(dir).map_err(folder)?;
        let lock = File::create(dir.join("lock")).map_err(folder)?;
        lock.try_lock().map_err(|_| StartError::InUse(dir.to_owned()))?;
        Ok(Lock(lock))
    }

    /// Opens the journal of a folder; `from` is the position of the snapshot that was restored.
    ///
    /// # Errors
    /// [`StartError`] when the journal cannot be used.
    pub fn open(dir: PathBuf, lock: Lock, from: Position, policy: SyncPolicy) -> Result<Self, StartError> {
        let folder = |source| StartError::Folder(dir.clone(), source);
        let files = Files::new(&dir).map_err(folder)?;
        let floor = journal::snapshots(files.clone()).floor().map_err(folder)?;
        let (journal, opened) = Journal::open(files, journal::Options::default(), floor)?;
        for damage in &opened.cut {
            tracing::warn!(%damage, "the journal's end was torn, as a crash leaves it, and was cut off");
        }
        let kept = Arc::new(Kept::default());
        kept.journal_bytes.store(journal.bytes(), Ordering::Relaxed);
        let synced_at = Instant::now();
        Ok(Self { dir, journal, from, policy, synced_at, is_failing: false, saving: None, kept, _lock: lock })
    }

    pub(super) fn kept(&self) -> Arc<Kept> {
        self.kept.clone()
    }

    /// Has the engine take what the journal holds beyond the snapshot, as it took it the first time.
    pub(super) fn replay(&self, engine: &mut Running) -> Result<(), StartError> {
        let (began, mut told) = (Instant::now(), Instant::now());
        let all = self.journal.end().0.saturating_sub(self.from.0);
        let replayed = self.journal.replay(self.from, |at, record| {
            if told.elapsed() > Duration::from_secs(5) {
                told = Instant::now();
                tracing::info!(bytes = at.0 - self.from.0, of = all, "replaying the journal");
            }
            if let Err(error) = take(engine, &record) {
                tracing::error!(position = at.0, error, "a record of the journal cannot be taken");
            }
            Ok::<_, journal::Error>(())
        })?;
        for lost in &replayed.lost {
            tracing::error!(%lost, "a part of the journal cannot be read: requests that were acknowledged are lost");
        }
        if replayed.records > 0 {
            let seconds = began.elapsed().as_secs_f64();
            tracing::info!(records = replayed.records, bytes = all, seconds, "the journal is replayed");
        }
        Ok(())
    }

    /// Time after which [`Keeper::keep`] should be called although there is nothing to keep.
    pub(super) fn until_sync(&self) -> Duration {
        match self.policy {
            SyncPolicy::Interval(period) if self.journal.synced() < self.journal.end() => {
                period.saturating_sub(self.synced_at.elapsed())
            }
            _ => Duration::from_secs(3_600),
        }
    }

    /// Writes a batch, and syncs when it is time. Returns whether it is kept; if not, nothing of it may be acknowledged.
    pub(super) fn keep(&mut self, batch: &[Input]) -> bool {
        let result = self.write(batch);
        self.kept.journal_bytes.store(self.journal.bytes(), Ordering::Relaxed);
        match result {
            Ok(()) => {
                if std::mem::take(&mut self.is_failing) {
                    tracing::info!("the journal can be written again");
                }
                true
            }
            Err(error) => {
                self.kept.failures.fetch_add(1, Ordering::Relaxed);
                if !std::mem::replace(&mut self.is_failing, true) {
                    tracing::error!(%error, "the journal cannot be written; requests are answered 503 until it can");
                }
                false
            }
        }
    }

    fn write(&mut self, batch: &[Input]) -> Result<(), journal::Error> {
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
                Input::Tell { tenant, command, .. } => {
                    // Commands are short, and made here.
                    let body = serde_json::to_vec(command).unwrap_or_default();
                    let (received_at, tenant) = (now_ms(), tenant.clone());
                    self.journal.append(&Record { received_at, kind: Kind::Command, tenant, body: &body })?;
                }
                Input::Save => {}
            }
        }
        self.journal.commit()?;
        let is_due = match self.policy {
            SyncPolicy::Always => true,
            SyncPolicy::Interval(period) => self.synced_at.elapsed() >= period,
            SyncPolicy::Never => false,
        };
        if is_due {
            self.synced_at = Instant::now();
            self.journal.sync()?;
        }
        Ok(())
    }

    /// Whether no snapshot is being made; one that was, has its part of the journal removed.
    pub(super) fn is_idle(&mut self) -> bool {
        if self.saving.as_ref().is_some_and(|thread| !thread.is_finished()) {
            return false;
        }
        self.saving = None;
        true
    }

    /// Writes a snapshot of the state at the journal's end, in the background.
    pub(super) fn save(&mut self, snapshot: Pieces) {
        // What the snapshot before this one has made superfluous.
        let needed = Files::new(&self.dir).and_then(|files| journal::snapshots(files).needed());
        if let Err(error) = needed.map(|needed| self.journal.retain(needed)) {
            tracing::warn!(%error, "old parts of the journal cannot be removed");
        }
        if let Err(error) = self.journal.sync() {
            tracing::warn!(%error, "no snapshot is made, because the journal cannot be synced");
            return;
        }
        let (dir, position, kept) = (self.dir.clone(), self.journal.end(), self.kept.clone());
        let save = move || {
            let began = Instant::now();
            match journal::save(&dir, position, |writer| snapshot.write(writer)) {
                Ok(bytes) => {
                    kept.snapshots.fetch_add(1, Ordering::Relaxed);
                    kept.snapshot_at.store(now_ms(), Ordering::Relaxed);
                    tracing::info!(
                        bytes,
                        position = position.0,
                        seconds = began.elapsed().as_secs_f64(),
                        "state is saved"
                    );
                }
                Err(error) => tracing::error!(%error, "no snapshot is made; the journal is kept until one is"),
            }
        };
        match std::thread::Builder::new().name("snapshot".to_owned()).spawn(save) {
            Ok(thread) => self.saving = Some(thread),
            Err(error) => tracing::warn!(%error, "no snapshot is made, because there is no thread for it"),
        }
    }

    /// Waits for a snapshot that is being made, syncs, and tells how far the journal has come.
    pub(super) fn end(mut self) -> Position {
        if let Some(thread) = self.saving.take() {
            // It has told what it had to tell.
            drop(thread.join());
        }
        if let Err(error) = self.journal.sync() {
            tracing::warn!(%error, "the journal's end may not survive a power failure");
        }
        self.journal.end()
    }
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// Has the engine take a record.
fn take(engine: &mut Running, record: &Record<'_>) -> Result<(), String> {
    let protocol = match record.kind {
        Kind::RemoteWrite1 => Protocol::V1,
        Kind::RemoteWrite2 => Protocol::V2,
        Kind::Command => {
            let command: Command = serde_json::from_slice(record.body).map_err(|error| error.to_string())?;
            return engine.tell(&record.tenant, &command).map(drop).map_err(|error| error.to_string());
        }
    };
    // What was within the limits when it came is so now.
    let limits = Limits { body_bytes: usize::MAX, ..Limits::default() };
    let decoded = decompress(record.body, &limits).and_then(|raw| WriteRequest::decode(protocol, raw, &limits));
    let body = Arc::new(decoded.map_err(|error| error.to_string())?);
    let (tenant, received) = (record.tenant.clone(), record.received_at);
    engine.write(&Request { tenant, protocol, raw: axum::body::Bytes::new(), body, received }, None);
    Ok(())
}
