//! The daemon as the router has it, journal, snapshots and engine, on a disk that fails and dies at any call, with a clock
//! that jumps, under senders that repeat themselves; against what was acknowledged, and an engine that nothing happened to.
//!
//! How many seeds are run is said in [`seeds`].

mod oracle;
mod senders;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, OnceLock},
    time::Duration,
};

use crossbeam_channel::bounded;
use rand_pcg::{Pcg32, rand_core::Rng};
use tokio::sync::oneshot;

use self::{
    oracle::{History, Id, Known, Recorder, told},
    senders::{Content, START, STEP, Sender},
};
use super::{
    Input, StartError, SyncPolicy,
    store::{Place, Store},
    taking::{Takes, take_batch},
};
use crate::{
    engine::{Image, Snapshot},
    journal::{
        self, Disk, Position, Unsynced, seeds,
        simulated::{Crash, SimulatedDisk},
    },
    signal::{Command, Feedback, Maintenance, Matcher, TenantId, TimestampMs},
};

const SEEDS: u64 = 300;
const SENDERS: u64 = 4;
/// Scrapes that a seasoned engine has seen.
const SEASON: i64 = 260;
const LIVES: usize = 4;

#[test]
fn what_was_acknowledged_is_there_and_scored_as_if_nothing_had_happened() {
    let mut seen = Seen::default();
    let are_enough = seeds::each("fleet::simulation", SEEDS, |seed| World::new(seed).run(&mut seen));
    // A simulation in which nothing happens proves nothing.
    assert!(!are_enough || !format!("{seen:?}").contains(": 0"), "{seen:?}");
}

/// What happened in all seeds.
#[derive(Debug, Default)]
struct Seen {
    kills: u64,
    power_failures: u64,
    crashes_at_start: u64,
    kept: u64,
    refused: u64,
    in_doubt: u64,
    /// Inputs that were not there after a crash.
    gone: u64,
    /// Parts of the journal that could not be read.
    lost: u64,
    fallbacks: u64,
    snapshots: u64,
    repeated: u64,
    /// Requests of which not everything was taken.
    rejected: u64,
    told: u64,
    findings: u64,
}

struct World {
    dice: Pcg32,
    disk: SimulatedDisk,
    options: journal::Options,
    policy: SyncPolicy,
    senders: Vec<Sender>,
    scrapes: i64,
    /// The clock of the receiver, compared to that of the senders, in ms.
    skew: i64,
    /// The clock that counts on, whatever happens.
    uptime: Duration,
    requests: BTreeMap<TimestampMs, Arc<Content>>,
    commands: BTreeMap<String, (TenantId, Command)>,
    history: History,
    /// Inputs that have been lost once.
    gone: BTreeSet<Id>,
    /// Requests of which everything was taken.
    acknowledged: BTreeSet<TimestampMs>,
    /// What the engine had taken where a snapshot was made.
    snapshots: BTreeMap<Position, Vec<Id>>,
    /// The newest snapshot that was surely written.
    saved: Position,
    damaged: BTreeSet<String>,
}

/// A run of the daemon.
struct Daemon {
    store: Store<SimulatedDisk>,
    engine: Recorder,
    /// A sync that is running, and how many inputs it makes durable.
    syncing: Option<(Unsynced<SimulatedDisk>, usize)>,
    saving: Option<(Place<SimulatedDisk>, Image)>,
    /// A sync failed, and nothing was kept since.
    is_in_doubt: bool,
}

/// A state that knows the senders, so that what they do later is judged.
fn seasoned() -> Image {
    static SEASONED: OnceLock<Vec<u8>> = OnceLock::new();
    let bytes = SEASONED.get_or_init(|| {
        let mut recorder = Recorder::new(2, None, Vec::new());
        let mut senders: Vec<Sender> = (0..SENDERS).map(|number| Sender::new(number, 0..0)).collect();
        for n in -SEASON..0 {
            for sender in &mut senders {
                sender.scrape(n);
                sender.queue();
                let content = sender.waiting.pop_front().unwrap();
                recorder.write(&content.received(START + n * STEP), None);
            }
        }
        postcard::to_stdvec(&recorder.engine.snapshot().unwrap()).unwrap()
    });
    Snapshot::decode(bytes).unwrap().image().unwrap()
}

impl World {
    fn new(seed: u64) -> Self {
        let mut dice = Pcg32::new(seed, 4);
        let disk = SimulatedDisk::new(seed);
        journal::snapshots(disk.clone()).save(Position::START, |writer| seasoned().write(writer)).unwrap();
        let policies = [SyncPolicy::Always, SyncPolicy::Interval(Duration::from_millis(200)), SyncPolicy::Never];
        let policy = policies[dice.next_u32() as usize % 3];
        let options = journal::Options { segment_bytes: 500 + u64::from(dice.next_u32() % 10_000) };
        let senders = (0..SENDERS).map(|number| {
            let begin = i64::from(dice.next_u32() % 60);
            Sender::new(number, begin..begin + 5 + i64::from(dice.next_u32() % 10))
        });
        Self {
            senders: senders.collect(),
            dice,
            disk,
            options,
            policy,
            scrapes: 0,
            skew: 0,
            uptime: Duration::ZERO,
            requests: BTreeMap::new(),
            commands: BTreeMap::new(),
            history: History::default(),
            gone: BTreeSet::new(),
            acknowledged: BTreeSet::new(),
            snapshots: BTreeMap::from([(Position::START, Vec::new())]),
            saved: Position::START,
            damaged: BTreeSet::new(),
        }
    }

    fn below(&mut self, bound: u32) -> u32 {
        self.dice.next_u32() % bound
    }

    fn run(&mut self, seen: &mut Seen) {
        let mut has_power_failed = false;
        for _ in 0..LIVES {
            let mut daemon = loop {
                if self.below(3) == 0 {
                    self.disk.crash_after(u64::from(self.dice.next_u32() % 12));
                }
                if let Some(daemon) = self.start(has_power_failed, seen) {
                    break daemon;
                }
                seen.crashes_at_start += 1;
                has_power_failed |= self.crash(seen);
            };
            for _ in 0..15 + self.below(25) {
                self.step(&mut daemon, seen);
                if self.disk.has_crashed() {
                    break;
                }
            }
            has_power_failed = self.crash(seen);
        }
        let daemon = self.start(has_power_failed, seen).unwrap();
        self.compare(daemon, seen);
    }

    /// Ends the run of the daemon; returns whether the power failed.
    fn crash(&mut self, seen: &mut Seen) -> bool {
        let crash = if self.below(2) == 0 { Crash::Kill } else { Crash::Power };
        self.disk.restart(crash);
        match crash {
            Crash::Kill => seen.kills += 1,
            Crash::Power => seen.power_failures += 1,
        }
        if self.below(4) == 0 {
            self.damage_a_snapshot();
        }
        crash == Crash::Power
    }

    /// Flips a bit of the newest sound snapshot, if another one is left.
    fn damage_a_snapshot(&mut self) {
        let mut names = self.disk.list().unwrap();
        names.retain(|name| name.starts_with("snapshot-") && !name.ends_with(".new"));
        names.sort_by(|a, b| b.cmp(a));
        names.truncate(3);
        names.retain(|name| !self.damaged.contains(name));
        if names.len() >= 2 {
            let name = names.swap_remove(0);
            let mut bytes = self.disk.contents(&name).unwrap();
            let at = self.below(bytes.len() as u32) as usize;
            bytes[at] ^= 1 << self.below(8);
            self.disk.put(&name, bytes);
            self.damaged.insert(name);
        }
    }

    /// Starts as the daemon does, and checks what it finds. `None` when it crashed meanwhile.
    fn start(&mut self, has_power_failed: bool, seen: &mut Seen) -> Option<Daemon> {
        let opened = Store::open(self.disk.clone(), self.options, self.policy);
        let alive = |error: &StartError| assert!(self.disk.has_crashed(), "the daemon does not start: {error}");
        let (store, found) = opened.inspect_err(alive).ok()?;
        let is_newest = store.from() >= self.saved || !found.damaged.is_empty();
        assert!(is_newest, "an older state than need be: {} and not {}", store.from(), self.saved);
        let taken = self.snapshots.get(&store.from()).expect("a place where a snapshot was made").clone();
        let in_snapshot = taken.len();
        let mut engine = Recorder::new(1 + self.below(3) as usize, found.snapshot, taken);
        let replayed = store.replay(&mut engine, &mut |at, taken| assert_eq!(taken, Ok(()), "at {at}"));
        let replayed = replayed.unwrap();
        engine.scores();
        seen.fallbacks += found.damaged.len() as u64;
        seen.lost += replayed.lost.len() as u64;
        let gone = self.history.recover(&engine.taken, in_snapshot, has_power_failed);
        seen.gone += gone.len() as u64;
        self.gone.extend(gone);
        self.saved = store.from();
        Some(Daemon { store, engine, syncing: None, saving: None, is_in_doubt: false })
    }

    fn step(&mut self, daemon: &mut Daemon, seen: &mut Seen) {
        self.uptime += Duration::from_millis(u64::from(self.dice.next_u32() % 150));
        match self.below(100) {
            0..65 => self.batch(daemon, seen),
            65..70 => self.disk.fail_after(u64::from(self.dice.next_u32() % 6)),
            70..72 => self.disk.set_space(Some(self.dice.next_u32() as usize % 3_000)),
            72..77 => self.disk.set_space(None),
            77..79 => self.disk.set_broken(true),
            79..83 => self.disk.set_broken(false),
            83..86 => self.disk.crash_after(u64::from(self.dice.next_u32() % 15)),
            // Further back than samples may be ahead, further on than they may be late, and to the right time.
            86..90 => self.skew = [-900_000, -20_000, 20_000, 900_000, 0, 0][self.dice.next_u32() as usize % 6],
            90..95 => self.end_sync(daemon, seen),
            _ => self.end_save(daemon, seen),
        }
    }

    /// A round of the router.
    fn batch(&mut self, daemon: &mut Daemon, seen: &mut Seen) {
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
                    let number = self.below(SENDERS as u32) as usize;
                    let Some((content, is_repeated)) = self.request(number) else { continue };
                    seen.repeated += u64::from(is_repeated);
                    let mut received = START + self.scrapes * STEP + self.skew;
                    while self.requests.contains_key(&received) {
                        received += 1;
                    }
                    self.requests.insert(received, content.clone());
                    ids.push(Id::Write(received));
                    let (reply, answer) = oneshot::channel();
                    inputs.push(Input::Write { request: content.received(received), reply });
                    replies.push((number, content, received, answer));
                }
            }
        }
        let is_kept = daemon.store.keep(&inputs, START).is_ok();
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
            let place = daemon.store.place();
            self.snapshots.insert(place.position, daemon.engine.taken.clone());
            daemon.saving = Some((place, daemon.engine.engine.snapshot().unwrap().image().unwrap()));
        }
    }

    /// What a sender sends next, and whether it was sent before.
    fn request(&mut self, number: usize) -> Option<(Arc<Content>, bool)> {
        let (is_late, is_repeated, place) = (self.below(10) == 0, self.below(10) == 0, self.dice.next_u32() as usize);
        if self.senders[number].waiting.len() < 3 {
            let n = self.scrapes;
            self.senders.iter_mut().for_each(|sender| sender.scrape(n));
            self.scrapes += 1;
        }
        let sender = &mut self.senders[number];
        sender.queue();
        let Sender { waiting, acknowledged, .. } = sender;
        if is_repeated && !acknowledged.is_empty() {
            return Some((acknowledged[place % acknowledged.len()].clone(), true));
        }
        let place = if is_late { place % waiting.len().max(1) } else { 0 };
        let content = waiting.get(place).cloned()?;
        let is_repeated = self.requests.values().any(|sent| Arc::ptr_eq(sent, &content));
        Some((content, is_repeated))
    }

    /// What a person says: of a finding, or of planned work.
    fn command(&mut self, daemon: &Daemon) -> Option<(TenantId, Command)> {
        let number = self.below(SENDERS as u32) as usize;
        let (tenant, number) = (self.senders[number].tenant.clone(), self.commands.len());
        let findings = daemon.engine.engine.findings(&tenant);
        let command = match self.below(3) {
            0 => {
                let from = START + self.scrapes * STEP;
                Command::Plan(Maintenance {
                    id: format!("work-{number}"),
                    selector: "load".to_owned(),
                    matchers: vec![Matcher::equal("__name__", "load")],
                    from,
                    until: from + i64::from(self.below(20)) * STEP,
                    every: None,
                    comment: String::new(),
                })
            }
            1 => Command::Cancel(format!("work-{}", self.below(number as u32 + 1))),
            _ => {
                let place = self.below(findings.len().max(1) as u32) as usize;
                let id = findings.get(place)?.id.clone();
                let feedback = [None, Some(Feedback::FalseAlarm), Some(Feedback::Real)][self.below(3) as usize];
                Command::Judge { id, feedback }
            }
        };
        let is_new = self.commands.insert(told(&tenant, &command), (tenant.clone(), command.clone())).is_none();
        is_new.then_some((tenant, command))
    }

    /// The disk has done what it was to sync.
    fn end_sync(&mut self, daemon: &mut Daemon, seen: &mut Seen) {
        let Some((unsynced, count)) = daemon.syncing.take() else { return };
        let to = unsynced.to();
        let ended = daemon.store.end_sync(to, unsynced.sync());
        // A crash in the sync is no failure of the disk: the kernel goes on.
        if self.disk.has_crashed() {
            return;
        }
        if ended.is_ok() {
            self.history.synced(count);
        } else {
            self.history.doubted();
            daemon.is_in_doubt = true;
            seen.in_doubt += 1;
        }
    }

    /// The thread beside has written its snapshot.
    fn end_save(&mut self, daemon: &mut Daemon, seen: &mut Seen) {
        let Some((place, image)) = daemon.saving.take() else { return };
        if place.save(&image).is_ok() {
            seen.snapshots += 1;
            self.saved = place.position;
            self.damaged.remove(&format!("snapshot-{:020}", place.position.0));
        }
    }

    /// Compares with an engine that was fed what is there, now and as both go on.
    fn compare(&mut self, mut daemon: Daemon, seen: &mut Seen) {
        let snapshot = Snapshot::of(&seasoned()).unwrap();
        let mut undisturbed = Recorder::new(1, Some(snapshot), Vec::new());
        let there = daemon.engine.taken.clone();
        for id in &there {
            match id {
                Id::Write(received) => undisturbed.write(&self.requests[received].received(*received), None),
                Id::Tell(told) => {
                    let (tenant, command) = &self.commands[told];
                    drop(undisturbed.tell(tenant, command));
                }
            }
        }
        undisturbed.scores();
        self.assert_same(&daemon.engine, &undisturbed);
        self.assert_acknowledged(&daemon.engine, &there);
        for _ in 0..15 {
            let number = self.below(SENDERS as u32) as usize;
            let Some((content, _)) = self.request(number) else { continue };
            let request = content.received(START + self.scrapes * STEP);
            self.senders[number].waiting.retain(|waiting| !Arc::ptr_eq(waiting, &content));
            daemon.engine.write(&request, None);
            undisturbed.write(&request, None);
            assert_eq!(daemon.engine.scores(), undisturbed.scores());
        }
        self.assert_same(&daemon.engine, &undisturbed);
        let findings = self.tenants().into_iter().map(|tenant| daemon.engine.engine.findings(tenant).len());
        seen.findings += findings.sum::<usize>() as u64;
    }

    fn assert_same(&self, found: &Recorder, expected: &Recorder) {
        for tenant in self.tenants() {
            let (series, wanted) = (found.series(tenant), expected.series(tenant));
            let differing = wanted.iter().find(|(labels, samples)| series.get(labels) != Some(samples));
            let found_there = differing.map(|(labels, _)| series.get(labels));
            assert_eq!((series.len(), differing), (wanted.len(), None), "but {found_there:?} of {tenant:?}");
            assert_eq!(found.words(tenant), expected.words(tenant), "{tenant:?}");
        }
    }

    /// Everything of which a sender heard that it was taken is answered, but for what a power failure may take.
    fn assert_acknowledged(&self, engine: &Recorder, there: &[Id]) {
        let series: BTreeMap<_, _> = self.tenants().into_iter().map(|tenant| (tenant, engine.series(tenant))).collect();
        // One that was sent again is refused where what it repeats is gone and something newer is there.
        let is_gone = |content| {
            let repeats = |id: &Id| matches!(id, Id::Write(at) if Arc::ptr_eq(&self.requests[at], content));
            self.gone.iter().any(repeats)
        };
        for id in there {
            let Id::Write(received) = id else { continue };
            let content = &self.requests[received];
            if !self.acknowledged.contains(received) || is_gone(content) {
                continue;
            }
            for (labels, sample) in &content.samples {
                let is_there = series[&content.tenant][labels].contains(&(sample.at, sample.value.to_bits()));
                assert!(is_there, "{labels} at {} was acknowledged", sample.at);
            }
        }
    }

    fn tenants(&self) -> BTreeSet<&TenantId> {
        self.senders.iter().map(|sender| &sender.tenant).collect()
    }
}
