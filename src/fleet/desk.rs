//! What a shard has before it: requests of several tenants in turns, a slice of each at a time.
//!
//! A request of thousands of new series takes as long as twenty of known ones. Those of other tenants that come meanwhile
//! do not wait for its end: no tenant's state depends on another one's, so that their order among each other is free.
//! Whatever concerns all, a turn or a snapshot, waits until what came before it is done, and what comes after it waits
//! for it.

use std::{collections::VecDeque, sync::Arc};

use crossbeam_channel::Receiver;

use super::{Gather, Message, lines::Lines};
use crate::{
    engine::{Shard, WriteReport},
    ingest::remote_write::WriteRequest,
    signal::{Place, TenantId, TimestampMs},
};

/// Series of a request that are written before another tenant has its turn: about a millisecond, if they are new.
const SLICE: usize = 256;
/// Log records of a request that are looked at before another tenant has its turn: as much.
const LINES: usize = 1_024;
/// Requests that are written in turns.
const REQUESTS: usize = 8;

/// A shard's part of a request.
pub(super) struct Part {
    pub(super) tenant: TenantId,
    pub(super) received: TimestampMs,
    pub(super) work: Work,
    pub(super) report: WriteReport,
    pub(super) gather: Gather,
}

/// What is to be done of it.
pub(super) enum Work {
    /// Series, and where they are in the request.
    Series { body: Arc<WriteRequest>, places: std::vec::IntoIter<usize> },
    /// Log records, from a place on; those of other shards are passed over.
    Lines { lines: Arc<Lines>, place: Place },
}

impl Part {
    /// Does a slice more; gives the part back unless that was the last.
    fn go_on(mut self, shard: &mut Shard) -> Option<Self> {
        let Self { tenant, received, work, report, .. } = &mut self;
        match work {
            Work::Series { body, places } => {
                let slice = places.by_ref().take(SLICE);
                report.merge(shard.write_some(tenant, body, slice, *received, &mut |_| {}));
                if !places.as_slice().is_empty() {
                    return Some(self);
                }
                shard.end_write(tenant, body, *received, report);
            }
            Work::Lines { lines, place } => {
                let Lines { batch, routes, templates } = &**lines;
                report.lines += shard.take_lines(tenant, (batch, routes), (place, LINES), *received, templates);
                if place.record < batch.len() {
                    return Some(self);
                }
                report.merge(shard.end_lines(tenant, routes, *received));
            }
        }
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
        if let Work::Series { body, .. } = &part.work {
            shard.declare(&part.tenant, body);
        }
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
