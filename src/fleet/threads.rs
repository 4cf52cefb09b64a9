//! What runs on the threads: the router's loop, the shards' loop, training beside them.

use std::{
    sync::{Arc, atomic::AtomicU64},
    thread::JoinHandle,
};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};

#[cfg(feature = "search")]
use super::indexing::Feed;
use super::{
    Gather, Gathering, Input, Keeper, Message, Request, Unavailable,
    desk::{Desk, Part, Work},
    lines::{Lines, LogRequest},
    queue::Exit,
    saving::{Outlet, Pieces},
    taking::{Reply, Takes, billed, take_batch},
};
use crate::{
    engine::{Head, Router, Shard, Share, Told, Trainer, WriteReport, malformed},
    signal::{Command, Finding, Place, TenantId, TimestampMs},
};

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

pub(super) fn run_shard(share: Share, messages: &Receiver<Message>) -> Shard {
    let _vital = Vital("shard");
    let mut shard = share.adopt();
    let (mut desk, mut outlet) = (Desk::default(), None::<Outlet>);
    loop {
        desk.look(messages, &mut shard);
        if !desk.go_on(&mut shard) {
            let next = match (desk.held(), &outlet) {
                (Some(message), _) => Ok(message),
                (None, None) => messages.recv().map_err(|_| RecvTimeoutError::Disconnected),
                (None, Some(outlet)) => messages.recv_timeout(outlet.patience()),
            };
            match next {
                Ok(Message::Write(part)) => desk.put(part, &mut shard),
                Ok(Message::Save(sender)) => outlet = Outlet::begin(sender, &mut shard),
                Ok(message) => take(&mut shard, message),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        let _ended = outlet.take_if(|outlet| !outlet.go_on(&mut shard));
    }
    if let Some(outlet) = outlet {
        outlet.finish(&mut shard);
    }
    shard
}

fn take(shard: &mut Shard, message: Message) {
    match message {
        Message::Turn(turn, reply) => {
            let _ = reply.send(shard.turn(&turn));
        }
        Message::Tell(tenant, command, reply) => {
            // A caller that has gone away needs no answer.
            let _ = reply.send(shard.tell(&tenant, &command));
        }
        Message::Heed(tenant, heed) => shard.heed(&tenant, &heed),
        Message::Ask(question) => question(shard),
        Message::Write(_) | Message::Save(_) => unreachable!("taken by the loop"),
    }
}

/// A shard has done its part of a request.
pub(super) fn finish(gather: &Gather, report: WriteReport) {
    let mut gathering = gather.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    gathering.report.merge(report);
    gathering.left -= 1;
    if gathering.left == 0
        && let Some(reply) = gathering.reply.take()
    {
        reply.send(Ok(std::mem::take(&mut gathering.report)));
    }
}

/// The engine as the router drives it.
pub(super) struct Running {
    router: Router,
    trainer: Training,
    shards: Arc<[Sender<Message>]>,
    /// Where lines go that are to be found again.
    #[cfg(feature = "search")]
    pub(super) feed: Option<Feed>,
}

/// What the router leaves: what belongs to no shard, and who keeps it.
pub(super) struct Ended {
    pub(super) head: Head,
    pub(super) keeper: Option<Keeper>,
}

impl Running {
    pub(super) fn new(router: Router, trainer: Trainer, shards: Arc<[Sender<Message>]>) -> Self {
        Self {
            router,
            trainer: Training::Idle(trainer),
            shards,
            #[cfg(feature = "search")]
            feed: None,
        }
    }

    fn head(&mut self) -> Head {
        Head::of(self.trainer.idle(), &self.router)
    }

    /// Takes the turns that come before a request with this newest time.
    fn turn(&mut self, tenant: &TenantId, newest: Option<TimestampMs>, received: TimestampMs) {
        for _ in 0..self.router.turns_before(tenant, newest, received) {
            self.trainer.turn(&self.shards);
        }
    }

    /// Gives each shard its part of a request.
    fn pass_on(&self, (tenant, received): (&TenantId, TimestampMs), work: Vec<Work>, gathering: Gathering) {
        let gather = Arc::new(std::sync::Mutex::new(gathering));
        for (shard, work) in self.shards.iter().zip(work) {
            let (tenant, report, gather) = (tenant.clone(), WriteReport::default(), gather.clone());
            // A shard that is gone has panicked: the reply is dropped with the message, and the caller told.
            let _ = shard.send(Message::Write(Part { tenant, received, work, report, gather }));
        }
    }

    /// Begins a snapshot of the state at this place of the input; its pieces come as the shards get there.
    fn snapshot(&mut self) -> Option<Pieces> {
        let (pieces, sender) = Pieces::new(self.head(), self.shards.len());
        let is_begun = self.shards.iter().all(|shard| shard.send(Message::Save(sender.clone())).is_ok());
        is_begun.then_some(pieces)
    }
}

impl Takes for Running {
    /// Splits a request over the shards. Training runs beside the router; a turn waits for the one before to be trained, so
    /// that the same input has the same forests in force at the same place.
    fn write(&mut self, request: &Request, reply: Option<Reply>) {
        let Request { tenant, body, received, .. } = request;
        self.turn(tenant, body.max_timestamp(), *received);
        let work = self.router.split(body).into_iter().map(|places| {
            let places = places.into_iter();
            Work::Series { body: body.clone(), places }
        });
        let work = work.collect();
        let gathering = Gathering { left: self.shards.len(), report: malformed(body), reply, _done: None };
        self.pass_on((tenant, *received), work, gathering);
    }

    /// Every shard gets all the records, takes those that are its own, and learns how late it is.
    fn write_logs(&mut self, request: &LogRequest, reply: Option<Reply>) {
        let LogRequest { tenant, batch, received, .. } = request;
        let routes = self.router.routes(batch, *received);
        self.turn(tenant, Some(routes.newest), *received);
        let templates = std::iter::repeat_with(|| AtomicU64::new(0)).take(batch.len()).collect();
        let lines = Arc::new(Lines { batch: batch.clone(), routes, templates });
        let work = self.shards.iter().map(|_| Work::Lines { lines: lines.clone(), place: Place::default() });
        let work = work.collect();
        let (left, report) = (self.shards.len(), WriteReport::default());
        #[cfg(feature = "search")]
        let _done = self.feed.as_ref().map(|feed| {
            let (sender, done) = bounded(1);
            feed.put((tenant, *received), &lines, request.end, done);
            sender
        });
        #[cfg(not(feature = "search"))]
        let _done = None;
        self.pass_on((tenant, *received), work, Gathering { left, report, reply, _done });
    }

    /// Tells all shards; gives the finding it was about, as it is now.
    fn tell(&mut self, tenant: &TenantId, command: &Command) -> Result<Option<Finding>, Unavailable> {
        self.router.hear(command);
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
}

pub(super) fn run_router(mut engine: Running, mut keeper: Option<Keeper>, inputs: &Exit<Input>) -> Ended {
    let _vital = Vital("router");
    loop {
        let waits = keeper.as_ref().map_or(std::time::Duration::MAX, Keeper::until_sync);
        let Some(mut batch) = inputs.take(waits).map(billed) else { break };
        let is_kept = keeper.as_mut().is_none_or(|keeper| keeper.keep(&mut batch));
        let is_asked = take_batch(&mut engine, batch, is_kept);
        // The journal holds the whole batch: so must the state that is saved as that of the journal's end.
        if let Some(keeper) = keeper.as_mut().filter(|keeper| keeper.is_time_to_save(is_asked))
            && let Some(snapshot) = engine.snapshot()
        {
            keeper.save(snapshot);
        }
    }
    Ended { head: engine.head(), keeper }
}

enum Training {
    Idle(Trainer),
    Busy(JoinHandle<Trainer>),
}

impl Training {
    /// The trainer, when it has done what it was given.
    fn idle(&mut self) -> &mut Trainer {
        if let Self::Busy(_) = self
            && let Self::Busy(thread) = std::mem::replace(self, Self::Idle(Trainer::default()))
        {
            *self = Self::Idle(thread.join().unwrap_or_default());
        }
        match self {
            Self::Idle(trainer) => trainer,
            Self::Busy(_) => unreachable!("made idle above"),
        }
    }

    fn turn(&mut self, shards: &[Sender<Message>]) {
        let mut trainer = std::mem::take(self.idle());
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
        if let Ok(thread) = std::thread::Builder::new().name("training".to_owned()).spawn(train) {
            *self = Self::Busy(thread);
        }
    }
}
