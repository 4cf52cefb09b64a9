//! What is kept on disk while the engine runs, in a folder of the file system: the threads, the clocks, the log and the
//! lock around a [`Store`], which decides.

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

#[cfg(feature = "search")]
use super::indexing::Feed;
use super::{
    Input, restoring,
    saving::{Pieces, Stopped},
    store::Store,
    taking::Takes,
};
use crate::{
    engine::Restored,
    journal::{self, Files, Position, SaveError},
    series::ChunkFiles,
};

/// When what was written is made to survive a power failure too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyncPolicy {
    /// Before each answer.
    Always,
    /// Beside the answers; a sync begins at the latest after this time.
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
    /// No snapshot can be read; nothing was overwritten.
    #[error(transparent)]
    Snapshot(#[from] journal::LoadError),
    /// The journal cannot be read.
    #[error(transparent)]
    Journal(#[from] journal::Error),
    /// The index over log lines cannot be used.
    #[cfg(feature = "search")]
    #[error("the index over log lines cannot be used; remove its folder to begin a new one")]
    Index(#[from] crate::search::SearchError),
}

/// Figures of what is kept, for `/metrics`.
#[derive(Debug, Default)]
pub struct Kept {
    /// Bytes in the journal.
    pub journal_bytes: AtomicU64,
    /// Bytes in chunk files.
    pub chunks_bytes: AtomicU64,
    /// Batches that could not be written, and syncs that failed.
    pub failures: AtomicU64,
    /// Snapshots written since the start.
    pub snapshots: AtomicU64,
    /// When the newest was written, in ms since the epoch; 0 before the first.
    pub snapshot_at: AtomicI64,
}

/// The journal and its snapshots, in one folder that no other process may use meanwhile.
#[derive(Debug)]
pub struct Keeper {
    store: Store<Files>,
    started: Instant,
    syncing: Option<JoinHandle<io::Result<()>>>,
    syncing_to: Position,
    saving: Option<JoinHandle<()>>,
    is_failing: bool,
    kept: Arc<Kept>,
    #[cfg(feature = "search")]
    index: Index,
    /// Held until the end.
    _lock: Lock,
}

/// The index over log lines, and what becomes of it.
#[cfg(feature = "search")]
#[derive(Debug)]
enum Index {
    None,
    Open(Box<super::indexing::Indexer>),
    Fed(Feed, JoinHandle<bool>),
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

    /// Opens the journal of a folder, which nobody else may use meanwhile; gives what the newest snapshot holds, if there is
    /// one, decoded on so many threads.
    ///
    /// # Errors
    /// [`StartError`] when the folder is in use, or a snapshot or the journal cannot be used.
    pub fn open(dir: &Path, policy: SyncPolicy, threads: usize) -> Result<(Self, Option<Restored>), StartError> {
        Self::open_above(Self::lock(dir)?, (dir, policy, threads), Position::START)
    }

    /// The same, with the index over log lines, which is in a folder below.
    ///
    /// # Errors
    /// Also when the index cannot be used.
    #[cfg(feature = "search")]
    pub fn open_indexed(
        dir: &Path,
        policy: SyncPolicy,
        threads: usize,
        retention: crate::search::Retention,
    ) -> Result<(Self, Option<Restored>), StartError> {
        let lock = Self::lock(dir)?;
        let indexer = super::indexing::Indexer::open(&dir.join("logs"), retention)?;
        // It may hold what a power failure has taken from the journal: what comes now stands behind that.
        let (mut keeper, restored) = Self::open_above(lock, (dir, policy, threads), indexer.position())?;
        keeper.index = Index::Open(Box::new(indexer));
        Ok((keeper, restored))
    }

    /// Opens the journal; what it takes stands at `floor` or behind it.
    fn open_above(
        lock: Lock,
        (dir, policy, threads): (&Path, SyncPolicy, usize),
        floor: Position,
    ) -> Result<(Self, Option<Restored>), StartError> {
        let files = Files::new(dir).map_err(|source| StartError::Folder(dir.to_owned(), source))?;
        let read = |reader: &mut dyn io::Read| restoring::read(reader, threads);
        let dir = dir.join("chunks");
        let chunks = Files::new(&dir).map_err(|source| StartError::Folder(dir.clone(), source))?;
        let (store, found) = Store::open((files, chunks), journal::Options::default(), policy, floor, read)?;
        for damaged in &found.damaged {
            tracing::warn!(%damaged, "an older state is restored");
        }
        if found.missing > 0 {
            let (dir, files) = (dir.display(), found.missing);
            tracing::error!(%dir, files, "chunk files are missing: answers lack what is older of their series");
        }
        for damage in &found.cut {
            tracing::warn!(%damage, "the journal's end was torn, as a crash leaves it, and was cut off");
        }
        let kept = Arc::new(Kept::default());
        let keeper = Self {
            store,
            started: Instant::now(),
            syncing: None,
            syncing_to: Position::START,
            saving: None,
            is_failing: false,
            kept,
            #[cfg(feature = "search")]
            index: Index::None,
            _lock: lock,
        };
        keeper.note_sizes();
        Ok((keeper, found.restored))
    }

    /// One who searches the index, if there is one that is not yet fed.
    #[cfg(feature = "search")]
    #[must_use]
    pub fn searcher(&self) -> Option<crate::search::Searcher> {
        match &self.index {
            Index::Open(indexer) => Some(indexer.searcher()),
            Index::None | Index::Fed(..) => None,
        }
    }

    /// Starts to feed the index, if there is one.
    #[cfg(feature = "search")]
    pub(super) fn start_index(&mut self) -> io::Result<Option<Feed>> {
        match std::mem::replace(&mut self.index, Index::None) {
            Index::Open(indexer) => {
                let (feed, thread) = indexer.start()?;
                self.index = Index::Fed(feed.clone(), thread);
                Ok(Some(feed))
            }
            Index::None | Index::Fed(..) => Ok(None),
        }
    }

    fn note_sizes(&self) {
        self.kept.journal_bytes.store(self.store.bytes(), Ordering::Relaxed);
        self.kept.chunks_bytes.store(self.store.chunks().bytes(), Ordering::Relaxed);
    }

    /// Where the chunks of series go.
    pub(super) fn chunks(&self) -> Arc<dyn ChunkFiles> {
        self.store.chunks()
    }

    pub(super) fn kept(&self) -> Arc<Kept> {
        self.kept.clone()
    }

    /// Has the engine take what the journal holds beyond the snapshot, as it took it the first time.
    pub(super) fn replay(&self, engine: &mut impl Takes) -> Result<(), StartError> {
        let (began, mut told) = (Instant::now(), Instant::now());
        let (from, bytes) = (self.store.from(), self.store.end().0.saturating_sub(self.store.from().0));
        let replayed = self.store.replay(engine, &mut |at, taken| {
            if told.elapsed() > Duration::from_secs(5) {
                told = Instant::now();
                tracing::info!(bytes = at.0 - from.0, of = bytes, "replaying the journal");
            }
            if let Err(error) = taken {
                tracing::error!(position = at.0, error, "a record of the journal cannot be taken");
            }
        })?;
        for lost in &replayed.lost {
            tracing::error!(%lost, "a part of the journal cannot be read: requests that were acknowledged are lost");
        }
        if replayed.records > 0 {
            let seconds = began.elapsed().as_secs_f64();
            tracing::info!(records = replayed.records, bytes, seconds, "the journal is replayed");
        }
        Ok(())
    }

    /// Time after which [`Keeper::keep`] should be called although there is nothing to keep.
    pub(super) fn until_sync(&self) -> Duration {
        self.store.until_sync(self.started.elapsed())
    }

    /// Writes a batch. Returns whether it is kept; if not, nothing of it may be acknowledged.
    pub(super) fn keep(&mut self, batch: &mut [Input]) -> bool {
        if self.syncing.as_ref().is_some_and(JoinHandle::is_finished) {
            self.end_sync();
        }
        let is_kept = batch.is_empty() || {
            let result = self.store.keep(batch, now_ms());
            self.note(result)
        };
        self.note_sizes();
        if let Some(unsynced) = self.store.begin_sync(self.started.elapsed()) {
            self.syncing_to = unsynced.to();
            match std::thread::Builder::new().name("sync".to_owned()).spawn(move || unsynced.sync()) {
                Ok(thread) => self.syncing = Some(thread),
                Err(error) => {
                    let result = self.store.end_sync(self.syncing_to, Err(error));
                    self.note(result);
                }
            }
        }
        is_kept
    }

    /// Waits for a sync that is running.
    fn end_sync(&mut self) {
        if let Some(thread) = self.syncing.take() {
            let result = thread.join().unwrap_or_else(|_| Err(io::Error::other("the thread for it panicked")));
            let result = self.store.end_sync(self.syncing_to, result);
            if result.is_err() {
                self.note(result);
            }
        }
    }

    fn note(&mut self, result: Result<(), journal::Error>) -> bool {
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

    /// Whether a snapshot is to be made now: it is asked for, or needed, and none is being made.
    pub(super) fn is_time_to_save(&self, is_asked: bool) -> bool {
        let is_saving = self.saving.as_ref().is_some_and(|thread| !thread.is_finished());
        (is_asked || self.store.needs_snapshot()) && !is_saving
    }

    /// Writes a snapshot of the state at the journal's end, in the background.
    pub(super) fn save(&mut self, snapshot: Pieces) {
        // What the snapshot before this one has made superfluous.
        if let Err(error) = self.store.retain() {
            tracing::warn!(%error, "old parts of the journal cannot be removed");
        }
        let (place, kept) = (self.store.place(), self.kept.clone());
        #[cfg(feature = "search")]
        let feed = match &self.index {
            Index::Fed(feed, _) => Some(feed.clone()),
            Index::None | Index::Open(_) => None,
        };
        let save = move || {
            let began = Instant::now();
            let write = |writer: &mut dyn io::Write| {
                snapshot.write(writer)?;
                // The journal before this place is no longer needed for it.
                #[cfg(feature = "search")]
                feed.iter().try_for_each(Feed::settle)?;
                Ok(())
            };
            match place.save(write) {
                Ok(bytes) => {
                    kept.snapshots.fetch_add(1, Ordering::Relaxed);
                    kept.snapshot_at.store(now_ms(), Ordering::Relaxed);
                    let (position, seconds) = (place.position.0, began.elapsed().as_secs_f64());
                    tracing::info!(bytes, position, seconds, "state is saved");
                }
                Err(error) => tracing::error!(%error, "no snapshot is made; the journal is kept until one is"),
            }
        };
        match std::thread::Builder::new().name("snapshot".to_owned()).spawn(save) {
            Ok(thread) => self.saving = Some(thread),
            Err(error) => tracing::warn!(%error, "no snapshot is made, because there is no thread for it"),
        }
    }

    /// Writes the last snapshot, of all that was kept, and gives the folder free. Returns its size in bytes; 0 when there is
    /// none because the index lacks something that only the journal has.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn end(mut self, stopped: Stopped) -> Result<u64, SaveError> {
        if let Some(thread) = self.saving.take() {
            // It has told what it had to tell.
            drop(thread.join());
        }
        #[cfg(feature = "search")]
        if let Index::Fed(feed, thread) = std::mem::replace(&mut self.index, Index::None) {
            feed.end();
            if !thread.join().is_ok_and(|is_durable| is_durable) {
                tracing::error!("log lines are not indexed; the next start does it, from the snapshot before");
                return Ok(0);
            }
        }
        self.end_sync();
        if let Err(error) = self.store.sync() {
            tracing::warn!(%error, "the journal's end may not survive a power failure");
        }
        self.store.place().save(|writer| stopped.write(writer))
    }
}

pub(super) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
