//! The daemon as the router has it, journal, snapshots and engine, on a disk that fails and dies at any call, with a clock
//! that jumps, under senders that repeat themselves; against what was acknowledged, and an engine that nothing happened to.
//!
//! How many seeds are run is said in [`seeds`].

mod oracle;
mod people;
mod router;
mod senders;
mod verdict;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, OnceLock},
    time::Duration,
};

use rand_pcg::{Pcg32, rand_core::Rng};

use self::{
    oracle::{History, Id, Recorder},
    senders::{Content, START, STEP, Sender},
};
use super::{
    StartError, SyncPolicy,
    chunks::Chunks,
    store::{Place, Store},
};
use crate::{
    engine::Snapshot,
    journal::{
        self, Disk, Position, Unsynced, seeds,
        simulated::{Crash, SimulatedDisk},
    },
    signal::{Command, TenantId, TimestampMs},
};

const SEEDS: u64 = 300;
/// Targets that are scraped.
const SENDERS: u32 = 4;
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
    stops: u64,
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
    /// Chunk files at the end that were not there at the beginning.
    chunk_files: u64,
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
    /// The power has failed once.
    has_lost_power: bool,
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
    saving: Option<(Place<SimulatedDisk>, Snapshot)>,
    /// A sync failed, and nothing was kept since.
    is_in_doubt: bool,
}

/// A state that knows the senders, so that what they do later is judged, and a disk with the chunks that it needs.
fn seasoned() -> (Snapshot, SimulatedDisk) {
    static SEASONED: OnceLock<(Vec<u8>, SimulatedDisk)> = OnceLock::new();
    let (bytes, chunks) = SEASONED.get_or_init(|| {
        let disk = SimulatedDisk::new(0);
        let mut recorder = Recorder::new(2, Arc::new(Chunks::open(disk.clone()).unwrap()), None, Vec::new());
        let mut senders: Vec<Sender> = (0..SENDERS).map(|number| Sender::new(number.into(), 0..0)).collect();
        for n in -SEASON..0 {
            for sender in &mut senders {
                sender.scrape(n);
                sender.queue();
                for content in sender.waiting.drain(..) {
                    content.give(START + n * STEP, &mut recorder);
                }
            }
        }
        let mut bytes = Vec::new();
        recorder.engine.snapshot().unwrap().write(&mut bytes).unwrap();
        (bytes, disk)
    });
    let disk = SimulatedDisk::new(0);
    for name in chunks.list().unwrap() {
        disk.put(&name, chunks.contents(&name).unwrap());
    }
    (Snapshot::read(&mut bytes.as_slice()).unwrap(), disk)
}

impl World {
    fn new(seed: u64) -> Self {
        let mut dice = Pcg32::new(seed, 4);
        let disk = SimulatedDisk::new(seed);
        let (snapshot, chunks) = seasoned();
        for name in chunks.list().unwrap() {
            disk.put(&name, chunks.contents(&name).unwrap());
        }
        journal::snapshots(disk.clone()).save(Position::START, |writer| snapshot.write(writer)).unwrap();
        let policies = [SyncPolicy::Always, SyncPolicy::Interval(Duration::from_millis(200)), SyncPolicy::Never];
        let policy = policies[dice.next_u32() as usize % 3];
        let options = journal::Options {
            segment_bytes: 500 + u64::from(dice.next_u32() % 10_000),
            snapshot_bytes: 5_000 + u64::from(dice.next_u32() % 100_000),
        };
        let senders = (0..SENDERS).map(|number| {
            let begin = i64::from(dice.next_u32() % 60);
            Sender::new(number.into(), begin..begin + 5 + i64::from(dice.next_u32() % 10))
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
            has_lost_power: false,
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
            if !self.disk.has_crashed() && self.below(4) == 0 {
                self.stop(&mut daemon, seen);
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
        self.has_lost_power |= crash == Crash::Power;
        match crash {
            Crash::Kill => seen.kills += 1,
            Crash::Power => seen.power_failures += 1,
        }
        if self.below(4) == 0 {
            self.disk.damage_a_snapshot(journal::GENERATIONS, &mut self.damaged, &mut self.dice);
        }
        crash == Crash::Power
    }

    /// Starts as the daemon does, and checks what it finds. `None` when it crashed meanwhile.
    fn start(&mut self, has_power_failed: bool, seen: &mut Seen) -> Option<Daemon> {
        let opened =
            Store::open((self.disk.clone(), self.disk.clone()), self.options, self.policy, Position::START, |reader| {
                Snapshot::read(reader)?.decode()
            });
        let alive = |error: &StartError| assert!(self.disk.has_crashed(), "the daemon does not start: {error}");
        let (store, found) = opened.inspect_err(alive).ok()?;
        assert_eq!(found.missing, 0, "a chunk file that is needed is gone");
        let is_newest = store.from() >= self.saved || !found.damaged.is_empty();
        assert!(is_newest, "an older state than need be: {} and not {}", store.from(), self.saved);
        let taken = self.snapshots.get(&store.from()).expect("a place where a snapshot was made").clone();
        let in_snapshot = taken.len();
        let mut engine = Recorder::new(1 + self.below(3) as usize, store.chunks(), found.restored, taken);
        let replayed = store.replay(&mut engine, &mut |at, taken| assert_eq!(taken, Ok(()), "at {at}"));
        let replayed = replayed.unwrap();
        engine.scores();
        assert!(self.has_lost_power || replayed.lost.is_empty(), "nothing can be lost: {:?}", replayed.lost);
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
}
