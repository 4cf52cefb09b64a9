//! The journal and its snapshots on a disk that fails, crash after crash, against what was acknowledged.
//! How many seeds are run is said in [`seeds`].

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
};

use rand_pcg::{Pcg32, rand_core::Rng};

use super::{
    Error, Journal, Kind, Options, Position, Record, Snapshots, seeds,
    simulated::{Crash, SimulatedDisk},
};
use crate::signal::TenantId;

const SEEDS: u64 = 300;
const GENERATIONS: usize = 3;

#[test]
fn what_was_acknowledged_is_there_after_every_crash() {
    let mut seen = Seen::default();
    let are_enough = seeds::each("journal::simulation", SEEDS, |seed| World::new(seed).run(&mut seen));
    // A simulation in which nothing happens proves nothing.
    let Seen { kills, power_failures, lost, cut, refused, doubtful, fallbacks, crashes_at_start } = seen;
    let counts = [kills, power_failures, lost, cut, refused, doubtful, fallbacks, crashes_at_start];
    assert!(!are_enough || counts.iter().all(|count| *count > 0), "{seen:?}");
}

/// What happened in all seeds.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    kills: u64,
    power_failures: u64,
    lost: u64,
    cut: u64,
    refused: u64,
    doubtful: u64,
    fallbacks: u64,
    crashes_at_start: u64,
}

/// What is known of a record; one of which nothing is known must not be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Known {
    /// The commit failed, or the crash was in it: it may be there.
    Refused,
    /// So it was, and a later commit succeeded: only a power failure may bring it back.
    Superseded,
    /// It is there, unless the power failed.
    Committed,
    /// A sync failed: it may be gone.
    Doubtful,
    /// It is there.
    Synced,
}

struct World {
    dice: Pcg32,
    disk: SimulatedDisk,
    options: Options,
    known: BTreeMap<u64, Known>,
    next: u64,
    has_lost_power: bool,
    /// Names of snapshots that were damaged.
    damaged: BTreeSet<String>,
}

/// A run of the daemon: its journal, and what its engine has taken.
struct Run {
    journal: Journal<SimulatedDisk>,
    snapshots: Snapshots<SimulatedDisk>,
    state: Vec<u64>,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut dice = Pcg32::new(seed, 2);
        let options = Options { segment_bytes: 200 + u64::from(dice.next_u32() % 4000), ..Options::default() };
        let disk = SimulatedDisk::new(seed);
        Self { dice, disk, options, known: BTreeMap::new(), next: 1, has_lost_power: false, damaged: BTreeSet::new() }
    }

    fn below(&mut self, bound: u32) -> u32 {
        self.dice.next_u32() % bound
    }

    fn run(&mut self, seen: &mut Seen) {
        let mut worst = Crash::Kill;
        for _ in 0..8 {
            let mut run = loop {
                if self.below(3) == 0 {
                    self.disk.crash_after(self.dice.next_u32() as u64 % 10);
                }
                match self.start(worst, seen) {
                    Some(run) => break run,
                    None => {
                        seen.crashes_at_start += 1;
                        worst = self.crash(worst, seen);
                    }
                }
            };
            for _ in 0..20 + self.below(60) {
                self.step(&mut run, seen);
                if self.disk.has_crashed() {
                    break;
                }
            }
            worst = self.crash(Crash::Kill, seen);
        }
    }

    fn crash(&mut self, before: Crash, seen: &mut Seen) -> Crash {
        let crash = if self.below(2) == 0 { Crash::Kill } else { Crash::Power };
        self.disk.restart(crash);
        self.has_lost_power |= crash == Crash::Power;
        match crash {
            Crash::Kill => seen.kills += 1,
            Crash::Power => seen.power_failures += 1,
        }
        if self.below(4) == 0 {
            self.disk.damage_a_snapshot(GENERATIONS, &mut self.damaged, &mut self.dice);
        }
        if before == Crash::Power { before } else { crash }
    }

    /// Starts as the daemon does, and checks what it finds. `None` when it crashed meanwhile.
    fn start(&mut self, worst: Crash, seen: &mut Seen) -> Option<Run> {
        let snapshots = Snapshots::new(self.disk.clone(), 1, GENERATIONS);
        let alive = |error: &dyn std::error::Error| assert!(self.disk.has_crashed(), "{error}");
        let loaded = snapshots.load(decode).inspect_err(|error| alive(error)).ok()?;
        let floor = snapshots.floor().inspect_err(|error| alive(error)).ok()?;
        let (mut state, mut from) = (Vec::new(), Position::START);
        if let Some(loaded) = loaded {
            seen.fallbacks += loaded.damaged.len() as u64;
            (state, from) = (loaded.value, loaded.position);
        }
        let opened = Journal::open(self.disk.clone(), self.options, floor);
        let (journal, opened) = opened.inspect_err(|error| alive(error)).ok()?;
        let in_snapshot = state.last().copied().unwrap_or_default();
        let replayed = journal.replay::<Error>(from, |_, record| {
            let id = u64::from_le_bytes(*record.body.first_chunk().unwrap());
            assert_eq!(record, self.record(id, &body(id)));
            state.push(id);
            Ok(())
        });
        let replayed = replayed.unwrap();
        seen.cut += opened.cut.len() as u64;
        seen.lost += replayed.lost.len() as u64;

        assert!(state.is_sorted_by(|a, b| a < b), "once and in order: {state:?}");
        for id in &state {
            match self.known.get(id) {
                None => panic!("{id} was never appended, or was lost once and came back"),
                Some(Known::Superseded) if worst == Crash::Kill => panic!("{id} was refused, and is there"),
                Some(_) => {}
            }
        }
        let there: BTreeSet<u64> = state.iter().copied().collect();
        let newest = state.last().copied().unwrap_or_default();
        for (id, known) in self.known.iter().filter(|(id, _)| !there.contains(id)) {
            let may_be_gone = match known {
                Known::Refused | Known::Superseded | Known::Doubtful => true,
                Known::Committed => worst == Crash::Power,
                Known::Synced => false,
            };
            assert!(may_be_gone, "{id} is {known:?} and is gone after {worst:?}; {:?} {:?}", opened.cut, replayed.lost);
            let is_gap = *id > in_snapshot && *id < newest && *known == Known::Committed;
            assert!(!is_gap || !replayed.lost.is_empty(), "{id} is gone silently");
        }
        assert!(self.has_lost_power || replayed.lost.is_empty(), "nothing can be lost: {:?}", replayed.lost);

        self.known.retain(|id, _| there.contains(id));
        for known in self.known.values_mut() {
            *known = match known {
                // It came back from a file that was left, perhaps because a sync of it failed.
                Known::Doubtful | Known::Superseded => Known::Doubtful,
                Known::Refused | Known::Committed | Known::Synced => Known::Synced,
            };
        }
        Some(Run { journal, snapshots, state })
    }

    fn step(&mut self, run: &mut Run, seen: &mut Seen) {
        match self.below(100) {
            0..60 => self.write(run, seen),
            60..75 => drop(self.sync(run, seen)),
            75..85 => self.snapshot(run, seen),
            85..88 => self.disk.fail_after(u64::from(self.dice.next_u32() % 6)),
            88..90 => self.disk.set_space(Some(self.dice.next_u32() as usize % 1500)),
            90..94 => self.disk.set_space(None),
            94 => self.disk.set_broken(true),
            95..98 => self.disk.set_broken(false),
            _ => self.disk.crash_after(u64::from(self.dice.next_u32() % 12)),
        }
    }

    /// A batch of requests, as group commit has them.
    fn write(&mut self, run: &mut Run, seen: &mut Seen) {
        let batch = self.next..self.next + 1 + u64::from(self.below(4));
        self.next = batch.end;
        for id in batch.clone() {
            run.journal.append(&self.record(id, &body(id))).unwrap();
        }
        let is_durable = self.below(4) == 0;
        let committed = if is_durable { run.journal.commit_durably() } else { run.journal.commit() };
        if is_durable && !self.disk.has_crashed() {
            self.note_sync(&committed, seen);
        }
        let known = if committed.is_ok() {
            for known in self.known.values_mut().filter(|known| **known == Known::Refused) {
                *known = Known::Superseded;
            }
            run.state.extend(batch.clone());
            if is_durable { Known::Synced } else { Known::Committed }
        } else {
            seen.refused += 1;
            Known::Refused
        };
        self.known.extend(batch.map(|id| (id, known)));
    }

    fn sync(&mut self, run: &mut Run, seen: &mut Seen) -> Result<(), Error> {
        let result = run.journal.sync();
        // A crash in the sync is no failure of the disk: the kernel goes on.
        if !self.disk.has_crashed() {
            self.note_sync(&result, seen);
        }
        result
    }

    fn note_sync<T>(&mut self, result: &Result<T, Error>, seen: &mut Seen) {
        let is_doubtful = matches!(result, Err(Error::Doubtful { .. }));
        let known = if is_doubtful { Known::Doubtful } else { Known::Synced };
        seen.doubtful += u64::from(is_doubtful);
        if result.is_err() && !is_doubtful {
            return;
        }
        for entry in self.known.values_mut() {
            match entry {
                Known::Committed => *entry = known,
                // Part of it may be in the file whose sync failed.
                Known::Refused if is_doubtful => *entry = Known::Doubtful,
                _ => {}
            }
        }
    }

    fn snapshot(&mut self, run: &mut Run, seen: &mut Seen) {
        if self.sync(run, seen).is_err() {
            return;
        }
        let saved = run
            .snapshots
            .save(run.journal.end(), |writer| run.state.iter().try_for_each(|id| writer.write_all(&id.to_le_bytes())));
        if saved.is_ok() {
            self.damaged.remove(&format!("snapshot-{:020}", run.journal.end().0));
            if let Ok(needed) = run.snapshots.needed() {
                drop::<Result<usize, Error>>(run.journal.retain(needed));
            }
        }
    }

    fn record<'a>(&self, id: u64, body: &'a [u8]) -> Record<'a> {
        let kind = if id.is_multiple_of(2) { Kind::RemoteWrite1 } else { Kind::RemoteWrite2 };
        let tenant = TenantId::parse(&format!("team-{}", id % 3)).unwrap();
        Record { received_at: id as i64 * 1000, kind, tenant, body }
    }
}

/// A body that tells its id, at times one that is longer than what is read at once.
fn body(id: u64) -> Vec<u8> {
    let mut dice = Pcg32::new(id, 3);
    let words = if id.is_multiple_of(199) { 80_000 } else { dice.next_u32() % 60 };
    let mut body = id.to_le_bytes().to_vec();
    body.extend((0..words).flat_map(|_| dice.next_u32().to_le_bytes()));
    body
}

fn decode(body: &mut dyn io::Read) -> io::Result<Vec<u64>> {
    let mut bytes = Vec::new();
    body.read_to_end(&mut bytes)?;
    let (ids, rest) = bytes.as_chunks();
    assert!(rest.is_empty(), "its checksum held");
    Ok(ids.iter().map(|id| u64::from_le_bytes(*id)).collect())
}
