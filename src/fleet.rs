//! The engine on threads: one for the router, one for each shard, one for training.
//!
//! Requests go through one bounded queue to the router, which splits them and passes the parts on in the same order;
//! a shard answers each part for itself. When the first queue is full a request is refused at once
//! ([`Unavailable::Busy`]), never dropped later. Questions go straight to the shards' queues and are answered in turn.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
};

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use tokio::sync::oneshot;

use crate::{
    engine::{
        FamilyMetadata, Heed, ModelList, Options, Part, Router, Shard, ShardStats, Snapshot, Told, Trainer, Turn,
        Turned, WriteReport, in_order, malformed,
    },
    ingest::remote_write::WriteRequest,
    signal::{Command, Finding, Labels, Maintenance, Matcher, Sample, TenantId, TimestampMs},
};

/// Requests that may wait for the router.
const REQUESTS: usize = 256;
/// Messages that may wait for a shard; the router waits when they are so many.
const MESSAGES: usize = 64;

/// Why the engine did not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unavailable {
    /// The queue is full: try again later.
    #[error("the engine is busy, try again in a second")]
    Busy,
    /// The daemon is stopping.
    #[error("the engine is stopping")]
    Stopping,
}

struct Request {
    tenant: TenantId,
    body: Arc<WriteRequest>,
    received: TimestampMs,
    reply: oneshot::Sender<WriteReport>,
}

/// Gathers the reports of all shards that had a part in a request.
struct Gathering {
    left: usize,
    report: WriteReport,
    reply: Option<oneshot::Sender<WriteReport>>,
}

enum Message {
    Write { tenant: TenantId, body: Arc<WriteRequest>, places: Vec<usize>, received: TimestampMs, gather: Gather },
    Turn(Turn, Sender<Turned>),
    Tell(TenantId, Command, Sender<Told>),
    Heed(TenantId, Heed),
    Ask(Box<dyn FnOnce(&Shard) + Send>),
}

type Gather = Arc<std::sync::Mutex<Gathering>>;

/// A handle to the running engine. Cheap to clone.
#[derive(Clone)]
pub struct Fleet {
    requests: Sender<Request>,
    shards: Arc<[Sender<Message>]>,
    stopping: Arc<AtomicBool>,
}

/// What must be joined at the end.
pub struct FleetThreads {
    router: JoinHandle<(Router, Trainer)>,
    shards: Vec<JoinHandle<Part>>,
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
    /// Starts the threads, from a snapshot if there is one.
    ///
    /// # Errors
    /// The operating system gives no thread.
    pub fn start(options: &Options, restored: Option<Snapshot>) -> std::io::Result<(Self, FleetThreads)> {
        let (shards, trainer, router) = restored.unwrap_or_default().take_apart(options);
        let (requests, incoming) = bounded(REQUESTS);
        let mut senders = Vec::new();
        let mut threads = Vec::new();
        for (number, shard) in shards.into_iter().enumerate() {
            let (sender, messages) = bounded(MESSAGES);
            senders.push(sender);
            let builder = std::thread::Builder::new().name(format!("shard-{number}"));
            threads.push(builder.spawn(move || run_shard(shard, &messages))?);
        }
        let senders: Arc<[Sender<Message>]> = senders.into();
        let to_shards = senders.clone();
        let builder = std::thread::Builder::new().name("router".to_owned());
        let router = builder.spawn(move || run_router(router, trainer, &incoming, &to_shards))?;
        let fleet = Self { requests, shards: senders, stopping: Arc::new(AtomicBool::new(false)) };
        Ok((fleet, FleetThreads { router, shards: threads }))
    }

    /// Writes a request received at `received`; done when every sample of it has been scored.
    ///
    /// # Errors
    /// The queue is full, or the daemon is stopping.
    pub async fn write(
        &self,
        tenant: TenantId,
        body: Arc<WriteRequest>,
        received: TimestampMs,
    ) -> Result<WriteReport, Unavailable> {
        if self.stopping.load(Ordering::Relaxed) {
            return Err(Unavailable::Stopping);
        }
        let (reply, answer) = oneshot::channel();
        self.requests.try_send(Request { tenant, body, received, reply }).map_err(|refused| match refused {
            TrySendError::Full(_) => Unavailable::Busy,
            TrySendError::Disconnected(_) => Unavailable::Stopping,
        })?;
        answer.await.map_err(|_| Unavailable::Stopping)
    }

    /// Tells the engine something; gives the finding it was about, as it is now. Blocks.
    ///
    /// # Errors
    /// The daemon is stopping.
    pub fn tell(&self, tenant: &TenantId, command: &Command) -> Result<Option<Finding>, Unavailable> {
        let (reply, answers) = bounded(self.shards.len());
        for shard in self.shards.iter() {
            let message = Message::Tell(tenant.clone(), command.clone(), reply.clone());
            shard.send(message).map_err(|_| Unavailable::Stopping)?;
        }
        drop(reply);
        let told: Vec<Told> = answers.into_iter().collect();
        for heed in told.iter().filter_map(|told| told.lesson.as_ref()) {
            for shard in self.shards.iter() {
                shard.send(Message::Heed(tenant.clone(), heed.clone())).map_err(|_| Unavailable::Stopping)?;
            }
        }
        Ok(told.into_iter().find_map(|told| told.finding))
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

    /// Series that satisfy all matchers, sorted by labels, with their samples in `(after, until]`. Blocks.
    ///
    /// # Errors
    /// The daemon is stopping.
    pub fn select(
        &self,
        tenant: &TenantId,
        matchers: &[Matcher],
        after: TimestampMs,
        until: TimestampMs,
    ) -> Result<Vec<(Labels, Vec<Sample>)>, Unavailable> {
        let (tenant, matchers) = (tenant.clone(), matchers.to_vec());
        let answers = self.ask(move |shard| shard.select(&tenant, &matchers, after, until))?;
        let mut series: Vec<(Labels, Vec<Sample>)> = answers.into_iter().flatten().collect();
        series.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        Ok(series)
    }

    /// Label sets of the series that satisfy one of the selectors and have a sample in `(after, until]`; no selector
    /// means every series. Sorted, each once. Blocks.
    ///
    /// # Errors
    /// The daemon is stopping.
    pub fn label_sets(
        &self,
        tenant: &TenantId,
        selectors: &[Vec<Matcher>],
        after: TimestampMs,
        until: TimestampMs,
    ) -> Result<Vec<Labels>, Unavailable> {
        let (tenant, selectors) = (tenant.clone(), selectors.to_vec());
        let answers = self.ask(move |shard| shard.label_sets(&tenant, &selectors, after, until))?;
        let mut sets: Vec<Labels> = answers.into_iter().flatten().collect();
        sets.sort_unstable();
        sets.dedup();
        Ok(sets)
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
        Queues { requests: (self.requests.len(), REQUESTS), shards: self.shards.iter().map(shard).collect() }
    }

    /// Refuses new requests from now on.
    pub fn close(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }
}

impl FleetThreads {
    /// Waits until everything accepted is scored and every handle is gone, then gives the whole state. Blocks.
    ///
    /// # Errors
    /// A thread panicked; its part of the state is lost.
    pub fn join(self) -> Result<Snapshot, &'static str> {
        let (router, trainer) = self.router.join().map_err(|_| "the router's thread panicked")?;
        let parts: Result<Vec<Part>, _> = self.shards.into_iter().map(JoinHandle::join).collect();
        Ok(Snapshot::assemble(parts.map_err(|_| "a shard's thread panicked")?, &trainer, &router))
    }
}

/// Ends the process when the thread that holds it panics. Its state is lost then, and a daemon that answers for the rest
/// as if nothing had happened would acknowledge what it cannot keep: a supervisor starts it anew from the last snapshot.
struct Vital(&'static str);

impl Drop for Vital {
    fn drop(&mut self) {
        if std::thread::panicking() {
            tracing::error!(thread = self.0, "a thread of the engine failed, vigie ends");
            std::process::abort();
        }
    }
}

fn run_shard(mut shard: Shard, messages: &Receiver<Message>) -> Part {
    let _vital = Vital("shard");
    for message in messages {
        match message {
            Message::Write { tenant, body, places, received, gather } => {
                shard.declare(&tenant, &body);
                let report = shard.write(&tenant, &body, places.into_iter(), received, &mut |_| {});
                finish(&gather, report);
            }
            Message::Turn(turn, reply) => {
                let _ = reply.send(shard.turn(&turn));
            }
            Message::Tell(tenant, command, reply) => {
                // A caller that has gone away needs no answer.
                let _ = reply.send(shard.tell(&tenant, &command));
            }
            Message::Heed(tenant, heed) => shard.heed(&tenant, &heed),
            Message::Ask(question) => question(&shard),
        }
    }
    shard.save()
}

fn finish(gather: &Gather, report: WriteReport) {
    let mut gathering = gather.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    gathering.report.merge(report);
    gathering.left -= 1;
    if gathering.left == 0
        && let Some(reply) = gathering.reply.take()
    {
        let _ = reply.send(std::mem::take(&mut gathering.report));
    }
}

/// Training runs beside the router; a turn waits for the one before to be trained, so that the same input has the same
/// forests in force at the same place.
fn run_router(
    mut router: Router,
    trainer: Trainer,
    requests: &Receiver<Request>,
    shards: &[Sender<Message>],
) -> (Router, Trainer) {
    let _vital = Vital("router");
    let mut trainer = Training::Idle(trainer);
    for request in requests {
        for _ in 0..router.turns_before(&request.tenant, &request.body, request.received) {
            trainer = trainer.turn(shards);
        }
        let parts: Vec<(usize, Vec<usize>)> = router.split(&request.body).into_iter().enumerate().collect();
        let gather = Arc::new(std::sync::Mutex::new(Gathering {
            left: parts.len(),
            report: malformed(&request.body),
            reply: Some(request.reply),
        }));
        for (shard, places) in parts {
            let (tenant, body) = (request.tenant.clone(), request.body.clone());
            let message = Message::Write { tenant, body, places, received: request.received, gather: gather.clone() };
            // A shard that is gone has panicked: the reply is dropped with the message, and the caller told.
            let _ = shards[shard].send(message);
        }
    }
    (router, trainer.wait())
}

enum Training {
    Idle(Trainer),
    Running(JoinHandle<Trainer>),
}

impl Training {
    fn wait(self) -> Trainer {
        match self {
            Self::Idle(trainer) => trainer,
            Self::Running(thread) => thread.join().unwrap_or_default(),
        }
    }

    fn turn(self, shards: &[Sender<Message>]) -> Self {
        let mut trainer = self.wait();
        let turn = trainer.next_turn();
        let (reply, answers) = bounded(shards.len());
        for shard in shards {
            let _ = shard.send(Message::Turn(turn.clone(), reply.clone()));
        }
        drop(reply);
        let train = move || {
            let _vital = Vital("training");
            // In any order: what is learnt does not depend on it.
            trainer.absorb(answers.into_iter().collect());
            trainer
        };
        match std::thread::Builder::new().name("training".to_owned()).spawn(train) {
            Ok(thread) => Self::Running(thread),
            Err(_) => Self::Idle(Trainer::default()),
        }
    }
}
