//! The engine on threads: one for the router, one for each shard, one for training.
//!
//! Requests go through one bounded queue to the router, in which tenants take turns (`queue`). The router takes those
//! that are next, hands them to the journal in one write, splits them and passes the parts on in the same order; a shard
//! answers each part for itself. When a tenant has its share of the queue a request is refused at once
//! ([`Unavailable::Crowded`]), never dropped later. Questions go straight to the shards' queues and are answered in turn,
//! those about many series in slices (`read`).
//!
//! Everything that changes the engine comes this way, so that the same journal gives the same state.

mod chunks;
mod desk;
#[cfg(feature = "search")]
mod indexing;
mod keeper;
mod lines;
mod queue;
mod read;
mod restoring;
mod saving;
#[cfg(test)]
mod simulation;
mod store;
mod taking;
mod threads;

use std::{
    collections::{BTreeMap, BTreeSet},
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
};

use axum::body::Bytes;
use crossbeam_channel::{Sender, bounded};
use tokio::sync::oneshot;

pub(crate) use self::queue::has_room;
use self::{
    desk::Part,
    queue::{Entrance, queue},
    saving::Piece,
    taking::Reply,
    threads::{Ended, Running, run_router, run_shard},
};
pub use self::{
    keeper::{Keeper, Kept, StartError, SyncPolicy},
    lines::{LogRequest, TooLarge},
    read::Reader,
    saving::Stopped,
};

use crate::{
    engine::{
        Census, FamilyMetadata, Heed, ModelList, Options, Restored, SessionsRow, Shard, ShardStats, SourceRow,
        TemplateList, TemplateRow, Told, Turn, Turned, WriteReport, in_order,
    },
    ingest::remote_write::{Protocol, WriteRequest},
    logs::TemplateId,
    signal::{Command, Finding, Maintenance, TenantId, TimestampMs},
};

/// Messages that may wait for a shard; the router waits when they are so many. Few, since tenants take turns before the router
/// and not behind it, and still some milliseconds of work.
const MESSAGES: usize = 4;

/// Why the engine did not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unavailable {
    /// The queue is full: try again later.
    #[error("the engine is busy, try again in a second")]
    Busy,
    /// The tenant has its share of the queue: try again later.
    #[error("the tenant sends more than vigie takes from it beside others, try again in a second")]
    Crowded,
    /// The daemon is stopping.
    #[error("the engine is stopping")]
    Stopping,
    /// What is sent cannot be kept; the log says why.
    #[error("the journal cannot be written, see vigie's log; nothing of the request was taken")]
    Unwritable,
}

/// What the router takes in.
enum Input {
    Write {
        request: Request,
        reply: Reply,
    },
    Logs {
        request: LogRequest,
        reply: Reply,
    },
    Tell {
        tenant: TenantId,
        command: Command,
        reply: Sender<Result<Option<Finding>, Unavailable>>,
    },
    /// Time for a snapshot.
    Save,
}

/// A remote write request.
#[derive(Clone, Debug)]
pub struct Request {
    /// Whose it is.
    pub tenant: TenantId,
    /// How it was sent.
    pub protocol: Protocol,
    /// As it arrived, compressed.
    pub raw: Bytes,
    /// The same, decoded.
    pub body: Arc<WriteRequest>,
    /// When it arrived.
    pub received: TimestampMs,
}

/// Gathers the reports of all shards that had a part in a request.
struct Gathering {
    left: usize,
    /// Whoever waits for the other end hears that all is done when this goes.
    _done: Option<Sender<Infallible>>,
    report: WriteReport,
    reply: Option<Reply>,
}

enum Message {
    Write(Part),
    Turn(Turn, Sender<Turned>),
    Tell(TenantId, Command, Sender<Told>),
    Heed(TenantId, Heed),
    Save(Sender<Piece>),
    Ask(Box<dyn FnOnce(&Shard) + Send>),
}

type Gather = Arc<std::sync::Mutex<Gathering>>;

/// A handle to the running engine. Cheap to clone.
#[derive(Clone)]
pub struct Fleet {
    requests: Arc<Entrance<Input>>,
    kept: Arc<Kept>,
    shards: Arc<[Sender<Message>]>,
    #[cfg(feature = "search")]
    backlog: Option<Arc<indexing::Backlog>>,
    stopping: Arc<AtomicBool>,
}

/// What must be joined at the end.
pub struct FleetThreads {
    router: JoinHandle<Ended>,
    shards: Vec<JoinHandle<Shard>>,
}

impl std::fmt::Debug for Fleet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fleet").field("shards", &self.shards.len()).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for FleetThreads {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FleetThreads").field("shards", &self.shards.len()).finish_non_exhaustive()
    }
}

/// Lengths of the queues.
#[derive(Clone, Debug)]
pub struct Queues {
    /// Requests waiting for the router, and how many may.
    pub requests: (usize, usize),
    /// Messages waiting for each shard, and how many may.
    pub shards: Vec<(usize, usize)>,
}

impl Fleet {
    /// Starts the threads, from a snapshot if there is one, and what the journal holds beyond it; chunks go where the journal
    /// is. Blocks until that is taken.
    ///
    /// # Errors
    /// The operating system gives no thread, or the journal cannot be read.
    pub fn start(
        options: &Options,
        restored: Option<Restored>,
        journal: Option<Keeper>,
    ) -> Result<(Self, FleetThreads), StartError> {
        let mut options = options.clone();
        if let Some(journal) = &journal {
            options.chunks = journal.chunks();
        }
        let (shares, trainer, router) = restored.unwrap_or_default().deal(&options);
        let (requests, incoming) = queue();
        let mut senders = Vec::new();
        let mut threads = Vec::new();
        for (number, share) in shares.into_iter().enumerate() {
            let (sender, messages) = bounded(MESSAGES);
            senders.push(sender);
            let builder = std::thread::Builder::new().name(format!("shard-{number}"));
            threads.push(builder.spawn(move || run_shard(share, &messages)).map_err(StartError::Threads)?);
        }
        let senders: Arc<[Sender<Message>]> = senders.into();
        let kept = journal.as_ref().map(Keeper::kept).unwrap_or_default();
        let mut engine = Running::new(router, trainer, senders.clone());
        #[cfg(feature = "search")]
        let mut journal = journal;
        #[cfg(feature = "search")]
        let backlog = match &mut journal {
            Some(journal) => journal.start_index().map_err(StartError::Threads)?.map(|feed| {
                engine.feed = Some(feed.clone());
                feed.backlog
            }),
            None => None,
        };
        if let Some(journal) = &journal {
            journal.replay(&mut engine)?;
        }
        let builder = std::thread::Builder::new().name("router".to_owned());
        let router = builder.spawn(move || run_router(engine, journal, &incoming)).map_err(StartError::Threads)?;
        let fleet = Self {
            requests: Arc::new(requests),
            kept,
            shards: senders,
            #[cfg(feature = "search")]
            backlog,
            stopping: Arc::new(AtomicBool::new(false)),
        };
        Ok((fleet, FleetThreads { router, shards: threads }))
    }

    /// Writes a request; done when it is in the journal and every sample of it has been scored.
    ///
    /// # Errors
    /// The queue is full, the journal cannot be written, or the daemon is stopping.
    pub async fn write(&self, request: Request) -> Result<WriteReport, Unavailable> {
        let (reply, answer) = oneshot::channel();
        let (tenant, held, reply) = (request.tenant.clone(), request.body.accepted(), Reply::new(reply));
        self.offer(Some(&tenant), held.samples + held.histograms, Input::Write { request, reply })?;
        answer.await.unwrap_or(Err(Unavailable::Stopping))
    }

    /// Takes log records; done when they are in the journal and every line has its template.
    ///
    /// # Errors
    /// The queue is full, the journal cannot be written, or the daemon is stopping.
    pub async fn write_logs(&self, request: LogRequest) -> Result<WriteReport, Unavailable> {
        #[cfg(feature = "search")]
        if self.backlog.as_ref().is_some_and(|backlog| !backlog.has_room()) {
            return Err(Unavailable::Busy);
        }
        let (reply, answer) = oneshot::channel();
        let (tenant, lines, reply) = (request.tenant.clone(), request.batch.len() as u64, Reply::new(reply));
        self.offer(Some(&tenant), lines, Input::Logs { request, reply })?;
        answer.await.unwrap_or(Err(Unavailable::Stopping))
    }

    /// Templates of a tenant's logs, in the order of their sources and of their lines, most first. Blocks.
    ///
    /// # Errors
    /// The daemon is stopping.
    pub fn templates(&self, tenant: &TenantId, asked: TemplateList) -> Result<Vec<TemplateRow>, Unavailable> {
        let tenant = tenant.clone();
        let mut rows: Vec<_> = self.ask(move |shard| shard.templates(&tenant, &asked))?.into_iter().flatten().collect();
        rows.sort_by(|a, b| a.source.cmp(&b.source).then(b.lines.cmp(&a.lines)).then_with(|| a.id.cmp(&b.id)));
        Ok(rows)
    }

    /// All ids that lines of a tenant's templates with these ids were given when they came, these first. Blocks.
    ///
    /// # Errors
    /// The daemon is stopping.
    pub fn template_ids(&self, tenant: &TenantId, mut ids: Vec<TemplateId>) -> Result<Vec<TemplateId>, Unavailable> {
        let (tenant, asked) = (tenant.clone(), ids.clone());
        let found = self.ask(move |shard| shard.template_ids(&tenant, &asked))?.into_iter().flatten();
        let others: BTreeSet<_> = found.filter(|id| !ids.contains(id)).collect();
        ids.extend(others);
        Ok(ids)
    }

    /// The sources of log lines of all tenants, in no order. Blocks.
    ///
    /// # Errors
    /// The daemon is stopping.
    pub fn log_sources(&self) -> Result<Vec<SourceRow>, Unavailable> {
        Ok(self.ask(Shard::log_sources)?.into_iter().flatten().collect())
    }

    /// What is known of the sessions in a tenant's logs, in the order of their sources. Blocks.
    ///
    /// # Errors
    /// The daemon is stopping.
    pub fn log_sessions(&self, tenant: &TenantId, asked: TemplateList) -> Result<Vec<SessionsRow>, Unavailable> {
        let tenant = tenant.clone();
        let rows = self.ask(move |shard| shard.log_sessions(&tenant, &asked))?;
        let mut rows: Vec<_> = rows.into_iter().flatten().collect();
        rows.sort_by(|a, b| a.source.cmp(&b.source));
        Ok(rows)
    }

    fn offer(&self, tenant: Option<&TenantId>, samples: u64, input: Input) -> Result<(), Unavailable> {
        if self.stopping.load(Ordering::Relaxed) {
            return Err(Unavailable::Stopping);
        }
        self.requests.offer(tenant, samples, input)
    }

    /// Has a snapshot made in the background, unless one is being made.
    ///
    /// # Errors
    /// The queue is full, or the daemon is stopping.
    pub fn save(&self) -> Result<(), Unavailable> {
        self.offer(None, 0, Input::Save)
    }

    /// What is kept on disk.
    #[must_use]
    pub fn kept(&self) -> Arc<Kept> {
        self.kept.clone()
    }

    /// Tells the engine something; gives the finding it was about, as it is now. Blocks.
    ///
    /// # Errors
    /// The queue is full, the journal cannot be written, or the daemon is stopping.
    pub fn tell(&self, tenant: &TenantId, command: &Command) -> Result<Option<Finding>, Unavailable> {
        let (reply, answer) = bounded(1);
        let whose = if let Command::Ceiling(_) = command { None } else { Some(tenant) };
        self.offer(whose, 0, Input::Tell { tenant: tenant.clone(), command: command.clone(), reply })?;
        answer.recv().unwrap_or(Err(Unavailable::Stopping))
    }

    /// Planned work of a tenant. Blocks.
    ///
    /// # Errors
    /// The daemon is stopping.
    pub fn plans(&self, tenant: &TenantId) -> Result<Vec<Maintenance>, Unavailable> {
        let tenant = tenant.clone();
        Ok(self.ask(move |shard| shard.plans(&tenant))?.into_iter().next().unwrap_or_default())
    }

    /// Asks every shard and waits; for callers that may block.
    fn ask<T: Send + 'static>(
        &self,
        question: impl Fn(&Shard) -> T + Send + Sync + 'static,
    ) -> Result<Vec<T>, Unavailable> {
        let question = Arc::new(question);
        let mut answers = Vec::new();
        for shard in self.shards.iter() {
            let (reply, answer) = bounded(1);
            let question = question.clone();
            let ask = Message::Ask(Box::new(move |shard| {
                // A caller that has gone away needs no answer.
                let _ = reply.send(question(shard));
            }));
            shard.send(ask).map_err(|_| Unavailable::Stopping)?;
            answers.push(answer);
        }
        answers.into_iter().map(|answer| answer.recv().map_err(|_| Unavailable::Stopping)).collect()
    }

    /// Findings, open ones first, then the newest first. Blocks.
    ///
    /// # Errors
    /// The daemon is stopping.
    pub fn findings(&self, tenant: &TenantId) -> Result<Vec<Finding>, Unavailable> {
        let tenant = tenant.clone();
        Ok(in_order(self.ask(move |shard| shard.findings(&tenant))?.into_iter().flatten().collect()))
    }

    /// Declared metadata of a tenant's metric families. Blocks.
    ///
    /// # Errors
    /// The daemon is stopping.
    pub fn metadata(&self, tenant: &TenantId) -> Result<BTreeMap<String, FamilyMetadata>, Unavailable> {
        let tenant = tenant.clone();
        Ok(self.ask(move |shard| shard.metadata(&tenant))?.into_iter().flatten().collect())
    }

    /// The models of a tenant. Blocks.
    ///
    /// # Errors
    /// The daemon is stopping.
    pub fn models(&self, tenant: &TenantId) -> Result<ModelList, Unavailable> {
        let tenant = tenant.clone();
        Ok(self.ask(move |shard| shard.models(&tenant))?.into_iter().next().unwrap_or_default())
    }

    /// Series by tenant, and their ceiling. Blocks.
    ///
    /// # Errors
    /// The daemon is stopping.
    pub fn census(&self) -> Result<Census, Unavailable> {
        Ok(self.ask(Shard::census)?.into_iter().fold(Census::default(), |mut all, shard| {
            all.merge(shard);
            all
        }))
    }

    /// Sizes and counts, a value for each shard. Blocks.
    ///
    /// # Errors
    /// The daemon is stopping.
    pub fn stats(&self) -> Result<Vec<ShardStats>, Unavailable> {
        self.ask(Shard::stats)
    }

    /// Lengths of the queues.
    #[must_use]
    pub fn queues(&self) -> Queues {
        let shard = |sender: &Sender<Message>| (sender.len(), MESSAGES);
        Queues { requests: self.requests.length(), shards: self.shards.iter().map(shard).collect() }
    }

    /// Refuses new requests from now on.
    pub fn close(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }
}

impl FleetThreads {
    /// Waits until everything accepted is scored and every handle is gone, then gives the whole state, and who is to keep it
    /// with [`Keeper::end`]. Blocks.
    ///
    /// # Errors
    /// A thread panicked; its part of the state is lost.
    pub fn join(self) -> Result<(Stopped, Option<Keeper>), &'static str> {
        let Ended { head, keeper } = self.router.join().map_err(|_| "the router's thread panicked")?;
        let shards = self.shards.into_iter().map(JoinHandle::join);
        let shards = shards.collect::<Result<_, _>>().map_err(|_| "a shard's thread panicked")?;
        Ok((Stopped { head, shards }, keeper))
    }
}
