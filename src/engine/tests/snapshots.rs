//! A snapshot that is written while the engine goes on is the one that was begun.

use rand_pcg::{Pcg32, rand_core::Rng};

use super::*;
use crate::signal::{Command, Feedback, Maintenance};

const BEGUN: i64 = 400;
const ENDED: i64 = 480;

/// Two tenants whose series come, go, end, burst and are spoken of, as the seed has it.
struct World {
    seed: u64,
    engine: Engine,
}

impl World {
    fn options(shards: usize) -> Options {
        Options { shards, window_ms: 40 * 60_000, vanish_ms: 120_000, ..Options::default() }
    }

    fn new(seed: u64) -> Self {
        Self { seed, engine: Engine::new(Self::options(2)) }
    }

    fn live(&mut self, i: i64) {
        let mut dice = Pcg32::new(self.seed ^ i as u64, 4);
        for tenant in ["left", "right"] {
            let tenant = TenantId::parse(tenant).unwrap();
            let mut rows = Vec::new();
            for host in 0..12_i64 {
                // Each is there for a while, one after the other, and comes back as the same after a long time.
                let phase = (i + 97 * host + self.seed as i64).rem_euclid(1_200);
                if host > 3 && !(0..250).contains(&phase) {
                    continue;
                }
                let name = format!("host-{host}");
                let is_end = host > 3 && phase == 249 && host % 2 == 0;
                for metric in ["load", "cpu", "requests_total"] {
                    let burst = if (i + host) % 110 < 6 { 60.0 } else { 0.0 };
                    let value = match metric {
                        "requests_total" => (i as f64 * (50.0 + burst)).round(),
                        _ => 10.0 + burst + 4.0 * noise(i, self.seed ^ host as u64 ^ metric.len() as u64),
                    };
                    let is_lost = dice.next_u32().is_multiple_of(60);
                    let value = if is_end { stale_nan() } else { value };
                    rows.extend((!is_lost).then(|| (labels(metric, &name), value)));
                }
            }
            let borrowed: Vec<(&Labels, f64)> = rows.iter().map(|(labels, value)| (labels, *value)).collect();
            self.engine.write(&tenant, &request(at(i), &borrowed), at(i), &mut |_| {});
            self.speak(&tenant, i, &mut dice);
        }
    }

    fn speak(&mut self, tenant: &TenantId, i: i64, dice: &mut Pcg32) {
        match dice.next_u32() % 12 {
            0 => {
                let findings = self.engine.findings(tenant);
                if let Some(finding) = findings.get(dice.next_u32() as usize % findings.len().max(1)) {
                    let feedback = [Feedback::Real, Feedback::FalseAlarm][dice.next_u32() as usize % 2];
                    self.engine.tell(tenant, &Command::Judge { id: finding.id.clone(), feedback: Some(feedback) });
                }
            }
            1 => {
                let instance = format!("host-{}", dice.next_u32() % 12);
                let work = Maintenance {
                    id: format!("work-{i}"),
                    selector: format!("{{instance=\"{instance}\"}}"),
                    matchers: vec![Matcher::equal("instance", &instance)],
                    from: at(i + 2),
                    until: at(i + 8),
                    every: None,
                    comment: String::new(),
                };
                self.engine.tell(tenant, &Command::Plan(work));
            }
            _ => {}
        }
    }
}

/// Everything of an engine on so many shards that goes on from a snapshot, in bytes.
fn bytes_of(snapshot: Snapshot, shards: usize) -> Vec<u8> {
    let mut engine = Engine::restore(&World::options(shards), snapshot.decode().unwrap());
    written(&engine.snapshot().unwrap())
}

fn written(snapshot: &Snapshot) -> Vec<u8> {
    let mut bytes = Vec::new();
    snapshot.write(&mut bytes).unwrap();
    bytes
}

fn again(snapshot: &Snapshot) -> Snapshot {
    Snapshot::read(&mut &*written(snapshot)).unwrap()
}

#[test]
fn what_changes_meanwhile_is_not_part_of_it() {
    for seed in 0..6 {
        let mut world = World::new(seed);
        (0..BEGUN).for_each(|i| world.live(i));
        let at_once = world.engine.snapshot().unwrap();

        let mut slowly = Snapshot { head: Head::of(&world.engine.trainer, &world.engine.router), blocks: Vec::new() };
        world.engine.shards.iter_mut().for_each(|shard| shard.begin_save().unwrap());
        let mut dice = Pcg32::new(seed, 5);
        for i in BEGUN..ENDED {
            world.live(i);
            for shard in &mut world.engine.shards {
                let slots = u32::from(dice.next_u32().is_multiple_of(4));
                slowly.blocks.extend(shard.save_some(slots).unwrap());
            }
        }
        assert!(world.engine.shards.iter().any(Shard::is_saving), "it was under way all the time");
        for shard in &mut world.engine.shards {
            while shard.is_saving() {
                slowly.blocks.extend(shard.save_some(1).unwrap());
            }
        }
        for shards in [2, 3] {
            assert!(bytes_of(again(&slowly), shards) == bytes_of(again(&at_once), shards), "seed {seed}");
        }

        let mut undisturbed = World::new(seed);
        (0..BEGUN).for_each(|i| undisturbed.live(i));
        // Chunks lie in other files from here on, and at the same places otherwise.
        undisturbed.engine.shards.iter_mut().for_each(|shard| shard.archive.seal());
        (BEGUN..ENDED).for_each(|i| undisturbed.live(i));
        let end = written(&world.engine.snapshot().unwrap());
        assert!(end == written(&undisturbed.engine.snapshot().unwrap()), "seed {seed}: it leaves no trace");
        assert!(end != written(&at_once), "something did change");
    }
}

#[test]
fn one_that_is_given_up_or_begun_anew_leaves_nothing() {
    let mut world = World::new(1);
    (0..50).for_each(|i| world.live(i));
    let expected = written(&world.engine.snapshot().unwrap());
    for shard in &mut world.engine.shards {
        shard.begin_save().unwrap();
        drop(shard.save_some(3).unwrap());
        shard.end_save();
        assert!(!shard.is_saving() && shard.save_some(9).unwrap().is_empty());
        shard.begin_save().unwrap();
        drop(shard.save_some(2).unwrap());
    }
    assert!(written(&world.engine.snapshot().unwrap()) == expected);
}

#[test]
fn damage_in_a_block_is_told() {
    let mut world = World::new(1);
    (0..50).for_each(|i| world.live(i));
    let bytes = written(&world.engine.snapshot().unwrap());
    for length in [0, 3, bytes.len() / 2, bytes.len() - 1] {
        let read = Snapshot::read(&mut &bytes[..length]).and_then(Snapshot::decode);
        assert!(read.is_err(), "cut at {length}");
    }
}
