//! The index over log lines beside the engine: a thread of its own that follows what the shards have taken, in the order of
//! the journal.
//!
//! What it holds is derived from the journal: it says itself up to where, a snapshot is not finished before it has come to
//! the snapshot's place, and a replay gives it the rest. When the disk fails it is opened again at its last commit and gets
//! what came since anew; requests are refused when too much waits for it.

use std::{
    convert::Infallible,
    io,
    path::{Path, PathBuf},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded, unbounded};

use super::{StartError, keeper::now_ms, lines::Lines};
use crate::{
    journal::Position,
    search::{Merged, Retention, SearchError, Searcher, Writer},
    signal::{TenantId, TimestampMs},
};

/// Bytes of lines that may wait; beyond it requests are refused.
const WAITING_BYTES: usize = 256 << 20;
/// What a request counts beside its text.
const EACH_BYTES: usize = 1_024;
/// What a line does.
const LINE_BYTES: usize = 64;
/// Time between two commits, after which lines can be found.
const COMMIT_EVERY: Duration = Duration::from_secs(1);
/// Time between two looks for days that are not kept any more.
const RETAIN_EVERY: Duration = Duration::from_secs(60);
/// Time between two tries after a failure.
const RETRY: Duration = Duration::from_secs(1);

/// An index that is open, and not yet fed.
#[derive(Debug)]
pub(super) struct Indexer {
    writer: Writer,
    folder: PathBuf,
    /// Up to where everything is in it.
    position: Position,
    retention: Retention,
}

/// Lines that the shards have taken, or are taking.
struct Work {
    tenant: TenantId,
    received: TimestampMs,
    lines: Arc<Lines>,
    end: Position,
    /// Ends when every line has its template.
    done: Receiver<Infallible>,
}

enum Message {
    Lines(Work),
    /// Everything before is to be durable.
    Settle(Sender<()>),
}

/// How much waits for the index.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    bytes: Mutex<usize>,
    is_less: Condvar,
    /// There will be no more: what cannot be written now is not waited for.
    is_ending: AtomicBool,
}

impl Backlog {
    fn bytes(&self) -> MutexGuard<'_, usize> {
        self.bytes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether more may come.
    pub(super) fn has_room(&self) -> bool {
        *self.bytes() < WAITING_BYTES
    }

    /// Takes note of work, once there is room. Those who ask for room before do not wait here; a replay does.
    fn add(&self, bytes: usize) {
        let waits = |waiting: &mut usize| *waiting >= 2 * WAITING_BYTES;
        let waited = self.is_less.wait_while(self.bytes(), waits);
        *waited.unwrap_or_else(PoisonError::into_inner) += bytes;
    }

    fn take(&self, bytes: usize) {
        let mut waiting = self.bytes();
        *waiting = waiting.saturating_sub(bytes);
        self.is_less.notify_all();
    }
}

/// Where the router puts lines.
#[derive(Clone, Debug)]
pub(super) struct Feed {
    messages: Sender<Message>,
    pub(super) backlog: Arc<Backlog>,
}

impl Feed {
    /// Puts the lines of a request that ends at `end` in the journal; `done` ends when all have their templates.
    pub(super) fn put(
        &self,
        (tenant, received): (&TenantId, TimestampMs),
        lines: &Arc<Lines>,
        end: Position,
        done: Receiver<Infallible>,
    ) {
        self.backlog.add(size(lines));
        let work = Work { tenant: tenant.clone(), received, lines: lines.clone(), end, done };
        // The thread ends after the last of those who feed it.
        let _ = self.messages.send(Message::Lines(work));
    }

    /// Tells that nothing more is put in.
    pub(super) fn end(self) {
        self.backlog.is_ending.store(true, Ordering::Relaxed);
    }

    /// Waits until all that was put in is durable.
    ///
    /// # Errors
    /// The thread has ended.
    pub(super) fn settle(&self) -> io::Result<()> {
        let (reply, settled) = bounded(1);
        let is_sent = self.messages.send(Message::Settle(reply)).is_ok();
        let is_settled = is_sent && settled.recv().is_ok();
        is_settled.then_some(()).ok_or_else(|| io::Error::other("the index over log lines has ended"))
    }
}

fn size(lines: &Lines) -> usize {
    EACH_BYTES + lines.batch.text_bytes() + LINE_BYTES * lines.batch.len()
}

impl Indexer {
    /// Opens the index in a folder.
    ///
    /// # Errors
    /// It cannot be read or written.
    pub(super) fn open(folder: &Path, retention: Retention) -> Result<Self, StartError> {
        let (writer, position) = Writer::open(folder, crate::search::Options::default())?;
        Ok(Self { writer, folder: folder.to_owned(), position: Position(position), retention })
    }

    /// Up to where in the journal everything is in it.
    pub(super) fn position(&self) -> Position {
        self.position
    }

    /// One who searches it, now and when there is more in it.
    #[must_use]
    pub(super) fn searcher(&self) -> Searcher {
        self.writer.searcher()
    }

    /// Starts the thread, which ends after the last of its feeds; whether everything is durable then.
    pub(super) fn start(self) -> io::Result<(Feed, JoinHandle<bool>)> {
        let (messages, incoming) = unbounded();
        let feed = Feed { messages, backlog: Arc::default() };
        let backlog = feed.backlog.clone();
        let run = move || Follower::new(self, backlog).run(&incoming);
        let thread = std::thread::Builder::new().name("index".to_owned()).spawn(run)?;
        Ok((feed, thread))
    }
}

/// The thread.
struct Follower {
    index: Indexer,
    backlog: Arc<Backlog>,
    /// What was added and is not committed: to be added again when that fails.
    held: Vec<Work>,
    committed_at: Instant,
    retained_at: Option<Instant>,
    merging: Option<JoinHandle<Result<Merged, SearchError>>>,
}

impl Follower {
    fn new(index: Indexer, backlog: Arc<Backlog>) -> Self {
        let (held, committed_at) = (Vec::new(), Instant::now());
        Self { index, backlog, held, committed_at, retained_at: None, merging: None }
    }

    fn run(mut self, messages: &Receiver<Message>) -> bool {
        loop {
            let patience = if self.held.is_empty() { RETAIN_EVERY } else { self.until_commit() };
            let mut is_well = match messages.recv_timeout(patience) {
                Ok(Message::Lines(work)) => self.take(work),
                Ok(Message::Settle(reply)) => {
                    let is_settled = self.commit();
                    if is_settled {
                        // Who asked may have given up.
                        let _ = reply.send(());
                    }
                    is_settled
                }
                Err(RecvTimeoutError::Timeout) => true,
                Err(RecvTimeoutError::Disconnected) => break,
            };
            if is_well && !self.held.is_empty() && self.until_commit().is_zero() {
                is_well = self.commit();
            }
            if !is_well {
                return false;
            }
            self.keep_house();
        }
        if let Some(merging) = self.merging.take() {
            // What it has made is of no use any more; the next start has it made anew.
            drop(merging.join());
        }
        self.commit()
    }

    fn until_commit(&self) -> Duration {
        COMMIT_EVERY.saturating_sub(self.committed_at.elapsed())
    }

    /// Adds lines, unless the index has them from before the start. False when that cannot be done before the end.
    fn take(&mut self, work: Work) -> bool {
        // Nobody sends anything: it ends when the shards are done.
        let _ = work.done.recv();
        if work.end <= self.index.position {
            self.backlog.take(size(&work.lines));
            return true;
        }
        if self.held.is_empty() {
            self.committed_at = Instant::now();
        }
        let added = add(&mut self.index.writer, &work);
        self.held.push(work);
        match added {
            Ok(()) => true,
            Err(error) => self.recover(&error),
        }
    }

    /// Makes what was added durable and visible. False when that cannot be done before the end.
    fn commit(&mut self) -> bool {
        let Some(end) = self.held.last().map(|work| work.end) else { return true };
        while let Err(error) = self.index.writer.commit(end.0) {
            if !self.recover(&error) {
                return false;
            }
        }
        self.index.position = end;
        self.committed_at = Instant::now();
        self.backlog.take(self.held.drain(..).map(|work| size(&work.lines)).sum());
        true
    }

    /// Takes up again at the last commit, as soon as the disk can be used.
    fn recover(&mut self, error: &SearchError) -> bool {
        tracing::error!(%error, "log lines cannot be indexed; they wait, and when too many do, requests are answered 503");
        while !self.backlog.is_ending.load(Ordering::Relaxed) {
            std::thread::sleep(RETRY);
            let again = self.index.writer.reopen().and_then(|position| {
                let held = self.held.iter().filter(|work| work.end.0 > position);
                held.into_iter().try_for_each(|work| add(&mut self.index.writer, work))
            });
            match again {
                Ok(()) => {
                    tracing::info!("log lines can be indexed again");
                    return true;
                }
                Err(error) => tracing::debug!(%error, "the index still cannot be written"),
            }
        }
        false
    }

    /// Merges small segments, one merge at a time, and removes days that are not kept any more.
    fn keep_house(&mut self) {
        if self.merging.as_ref().is_some_and(JoinHandle::is_finished)
            && let Some(merged) = self.merging.take()
        {
            match merged.join() {
                Ok(Ok(merged)) => self.index.writer.install(merged),
                Ok(Err(error)) => tracing::warn!(%error, "parts of the index could not be merged; it works as before"),
                Err(_) => tracing::error!("merging parts of the index ended by a fault"),
            }
        }
        if self.merging.is_none()
            && let Some(merge) = self.index.writer.due_merge()
        {
            let thread = std::thread::Builder::new().name("merge".to_owned()).spawn(move || merge.run());
            self.merging = thread.inspect_err(|error| tracing::warn!(%error, "no thread for a merge")).ok();
        }
        if self.retained_at.is_none_or(|at| at.elapsed() >= RETAIN_EVERY) {
            self.retained_at = Some(Instant::now());
            match self.index.writer.retain(now_ms(), &self.index.retention) {
                Ok(removed) => {
                    for gone in removed {
                        let (tenant, day, lines, bytes) = (gone.tenant, gone.day, gone.lines, gone.bytes);
                        tracing::info!(%tenant, %day, lines, bytes, "log lines are not kept any longer");
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, folder = %self.index.folder.display(), "old log lines cannot be removed")
                }
            }
        }
    }
}

fn add(writer: &mut Writer, work: &Work) -> Result<(), SearchError> {
    let templates = work.lines.templates.iter().map(|template| template.load(Ordering::Relaxed));
    let mut records = work.lines.batch.records().zip(templates);
    records.try_for_each(|(record, template)| writer.add(&work.tenant, work.received, &record, template))
}
