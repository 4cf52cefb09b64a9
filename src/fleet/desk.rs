//! What a shard has before it: requests of several tenants in turns, a slice of each at a time.
//!
//! A request of thousands of new series takes as long as twenty of known ones. Those of other tenants that come meanwhile
//! do not wait for its end: no tenant's state depends on another one's, so that their order among each other is free.
//! Whatever concerns all, a turn or a snapshot, waits until what came before it is done, and what comes after it waits
//! for it.

use std::{collections::VecDeque, sync::Arc};

use crossbeam_channel::Receiver;

use super::{Gather, Message};
use crate::{
    engine::{Shard, WriteReport},
    ingest::remote_write::WriteRequest,
    signal::{TenantId, TimestampMs},
};

/// Series of a request that are written before another tenant has its turn: about a millisecond, if they are new.
const SLICE: usize = 256;
/// Requests that are written in turns.
const REQUESTS: usize = 8;

/// A shard's part of a request.
pub(super) struct Part {
    pub(super) tenant: TenantId,
    pub(super) body: Arc<WriteRequest>,
    /// Where its series are in the request.
    pub(super) places: std::vec::IntoIter<usize>,
    pub(super) received: TimestampMs,
    pub(super) report: WriteReport,
    pub(super) gather: Gather,
}

impl Part {
    /// Writes a slice more; gives the part back unless that was the last.
    fn go_on(mut self, shard: &mut Shard) -> Option<Self> {
        let slice = self.places.by_ref().take(SLICE);
        let report = shard.write_some(&self.tenant, &self.body, slice, self.received, &mut |_| {});
        self.report.merge(report);
        if !self.places.as_slice().is_empty() {
            return Some(self);
        }
        shard.end_write(&self.tenant, &self.body, self.received, &self.report);
        super::threads::finish(&self.gather, self.report);
        None
    }
}

/// Requests under way, and what waits for them.
#[derive(Default)]
pub(super) struct Desk {
    parts: VecDeque<Part>,
    /// What came next and cannot be begun before all of them are done.
    held: Option<Message>,
}

impl Desk {
    /// Begins with what has come, as far as it may.
    pub(super) fn look(&mut self, messages: &Receiver<Message>, shard: &mut Shard) {
        while self.held.is_none() && self.parts.len() < REQUESTS {
            match messages.try_recv() {
                Ok(Message::Write(part)) if self.parts.iter().all(|known| known.tenant != part.tenant) => {
                    self.put(part, shard);
                }
                Ok(message) => self.held = Some(message),
                Err(_) => return,
            }
        }
    }

    /// Begins with a request.
    pub(super) fn put(&mut self, part: Part, shard: &mut Shard) {
        shard.declare(&part.tenant, &part.body);
        self.parts.push_back(part);
    }

    /// What has been held up, when nothing is under way any more.
    pub(super) fn held(&mut self) -> Option<Message> {
        self.held.take_if(|_| self.parts.is_empty())
    }

    /// Writes a slice of the request whose turn it is; false when there is none.
    pub(super) fn go_on(&mut self, shard: &mut Shard) -> bool {
        let Some(part) = self.parts.pop_front() else { return false };
        self.parts.extend(part.go_on(shard));
        true
    }
}
