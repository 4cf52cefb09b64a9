//! What the router's thread and those beside it do.

use std::sync::Arc;

use crossbeam_channel::bounded;
use tokio::sync::oneshot;

use super::{
    super::{
        Input, SyncPolicy,
        taking::{Reply, take_batch},
    },
    Daemon, SENDERS, Seen, World,
    oracle::{Id, Known, told},
    senders::{START, STEP},
};

impl World {
    /// A round of the router.
    pub(super) fn batch(&mut self, daemon: &mut Daemon, seen: &mut Seen) {
        let (mut inputs, mut ids, mut replies) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..self.below(4) + 1 {
            match self.below(20) {
                0 | 1 => inputs.push(Input::Save),
                2 | 3 => {
                    if let Some((tenant, command)) = self.command(daemon) {
                        ids.push(Id::Tell(told(&tenant, &command)));
                        inputs.push(Input::Tell { tenant, command, reply: bounded(1).0 });
                        seen.told += 1;
                    }
                }
                _ => {
                    let number = self.below(SENDERS) as usize;
                    let Some((content, is_repeated)) = self.request(number) else { continue };
                    seen.repeated += u64::from(is_repeated);
                    let mut received = START + self.scrapes * STEP + self.skew;
                    while self.requests.contains_key(&received) {
                        received += 1;
                    }
                    self.requests.insert(received, content.clone());
                    ids.push(Id::Write(received));
                    let (reply, answer) = oneshot::channel();
                    inputs.push(content.received(received, Reply::new(reply)));
                    replies.push((number, content, received, answer));
                }
            }
        }
        let is_kept = daemon.store.keep(&mut inputs, START).is_ok();
        let is_asked = take_batch(&mut daemon.engine, inputs, is_kept);
        let is_durable = self.policy == SyncPolicy::Always || daemon.is_in_doubt;
        let known = match is_kept {
            true if is_durable => Known::Synced,
            true => Known::Acknowledged,
            false => Known::Refused,
        };
        daemon.is_in_doubt &= !is_kept || ids.is_empty();
        *(if is_kept { &mut seen.kept } else { &mut seen.refused }) += ids.len() as u64;
        self.history.extend(ids, known);
        for (number, content, received, mut answer) in replies {
            let Ok(report) = answer.try_recv().unwrap() else { continue };
            if report.rejected() == 0 {
                self.acknowledged.insert(received);
            } else {
                seen.rejected += 1;
            }
            // At times the answer is lost, and the sender sends again.
            if self.below(8) > 0 {
                let sender = &mut self.senders[number];
                sender.waiting.retain(|waiting| !Arc::ptr_eq(waiting, &content));
                sender.acknowledged.push(content);
            }
        }
        if let Some(unsynced) = daemon.store.begin_sync(self.uptime) {
            daemon.syncing = Some((unsynced, self.history.len()));
        }
        if (is_asked || daemon.store.needs_snapshot()) && daemon.saving.is_none() && !self.disk.has_crashed() {
            drop(daemon.store.retain());
            self.begin_save(daemon);
        }
    }

    /// The disk has done what it was to sync.
    pub(super) fn end_sync(&mut self, daemon: &mut Daemon, seen: &mut Seen) {
        let Some((unsynced, count)) = daemon.syncing.take() else { return };
        let to = unsynced.to();
        let ended = daemon.store.end_sync(to, unsynced.sync());
        self.note_sync(daemon, ended.is_ok(), count, seen);
    }

    fn note_sync(&mut self, daemon: &mut Daemon, is_synced: bool, count: usize, seen: &mut Seen) {
        // A crash in the sync is no failure of the disk: the kernel goes on.
        if self.disk.has_crashed() {
            return;
        }
        if is_synced {
            self.history.synced(count);
        } else {
            self.history.doubted();
            daemon.is_in_doubt = true;
            seen.in_doubt += 1;
        }
    }

    /// The thread beside has written its snapshot.
    pub(super) fn end_save(&mut self, daemon: &mut Daemon, seen: &mut Seen) {
        let Some((place, snapshot)) = daemon.saving.take() else { return };
        if place.save(|writer| snapshot.write(writer)).is_ok() {
            seen.snapshots += 1;
            self.saved = place.position;
            self.damaged.remove(&format!("snapshot-{:020}", place.position.0));
        }
    }

    fn begin_save(&mut self, daemon: &mut Daemon) {
        let place = daemon.store.place();
        self.snapshots.insert(place.position, daemon.engine.taken.clone());
        daemon.saving = Some((place, daemon.engine.engine.snapshot().unwrap()));
    }

    /// Stops in order.
    pub(super) fn stop(&mut self, daemon: &mut Daemon, seen: &mut Seen) {
        self.end_save(daemon, seen);
        self.end_sync(daemon, seen);
        let synced = daemon.store.sync();
        self.note_sync(daemon, synced.is_ok(), self.history.len(), seen);
        self.begin_save(daemon);
        self.end_save(daemon, seen);
        seen.stops += 1;
    }
}
