//! The shop's stateful parts: postgres, a primary and a replica, and redis.

use std::f64::consts::TAU;

use super::{
    container::{Container, GIB, MIB, Place, Work},
    noise::{Drift, Noise},
    registry::{Registry, Slot},
    target::Target,
};

/// Databases of the server and their share of its load.
const DATABASES: [(&str, f64); 2] = [("shop", 0.97), ("sessions", 0.03)];
/// Size of a block, in bytes.
const BLOCK: f64 = 8192.0;
/// Time between checkpoints, in seconds.
const CHECKPOINT: f64 = 300.0;
/// Write-ahead log per row written, in bytes.
const WAL_PER_ROW: f64 = 400.0;

/// What the services ask of a database server in one step.
#[derive(Clone, Copy, Debug)]
pub(super) struct DatabaseLoad {
    /// Transactions per second.
    pub(super) queries: f64,
    /// Rows inserted or updated per second.
    pub(super) writes: f64,
    /// 1 while the nightly batch reads all orders.
    pub(super) batch: f64,
    /// Write-ahead log that cannot be removed, in bytes, and how fast it grows.
    pub(super) stuck_wal: f64,
    pub(super) stuck_wal_rate: f64,
}

/// One database server.
#[derive(Clone, Debug)]
pub(super) struct Database {
    pub(super) place: Place,
    is_primary: bool,
    noise: Noise,
    rows: Drift,
    since_checkpoint: f64,
    size: [f64; 2],
    databases: Vec<DatabaseSlots>,
    active: Slot,
    idle: Slot,
    idle_in_transaction: Slot,
    locks: [(Slot, f64); 3],
    wal: Slot,
    lag: Slot,
    checkpoint_buffers: Slot,
    container: Container,
    target: Target,
}

#[derive(Clone, Debug)]
struct DatabaseSlots {
    commit: Slot,
    rollback: Slot,
    hit: Slot,
    read: Slot,
    returned: Slot,
    fetched: Slot,
    inserted: Slot,
    updated: Slot,
    deadlocks: Slot,
    size: Slot,
}

impl Database {
    pub(super) fn register(registry: &mut Registry, seed: u64, place: Place, is_primary: bool) -> Self {
        let mut noise = Noise::new(seed, &format!("database {}", place.pod));
        let first = registry.next_index();
        let target = place.target();
        let mut scope = registry.scope(&target);
        scope.constant("pg_up", &[], 1.0);
        scope.constant("pg_settings_max_connections", &[], 200.0);
        let databases = DATABASES.map(|(name, _)| {
            let mut of = |metric| scope.with(metric, &[("datname", name)]);
            DatabaseSlots {
                commit: of("pg_stat_database_xact_commit"),
                rollback: of("pg_stat_database_xact_rollback"),
                hit: of("pg_stat_database_blks_hit"),
                read: of("pg_stat_database_blks_read"),
                returned: of("pg_stat_database_tup_returned"),
                fetched: of("pg_stat_database_tup_fetched"),
                inserted: of("pg_stat_database_tup_inserted"),
                updated: of("pg_stat_database_tup_updated"),
                deadlocks: of("pg_stat_database_deadlocks"),
                size: of("pg_database_size_bytes"),
            }
        });
        let mut connections = |state| scope.with("pg_stat_activity_count", &[("state", state)]);
        let (active, idle) = (connections("active"), connections("idle"));
        let idle_in_transaction = connections("idle in transaction");
        let mut locks = |mode, per_query| (scope.with("pg_locks_count", &[("mode", mode)]), per_query);
        let locks = [locks("accesssharelock", 0.03), locks("rowexclusivelock", 0.008), locks("exclusivelock", 0.001)];
        let (wal, lag) = (scope.one("pg_wal_size_bytes"), scope.one("pg_replication_lag_seconds"));
        let checkpoint_buffers = scope.one("pg_stat_bgwriter_buffers_checkpoint");
        let exposed = registry.next_index() - first;
        Self {
            target: Target::register(registry, seed, &target, exposed),
            container: Container::register(registry, seed, &place, 2.0),
            is_primary,
            rows: Drift::new(0.05, 30.0),
            since_checkpoint: noise.between(0.0, CHECKPOINT),
            size: [31.0 * GIB, 2.0 * GIB],
            noise,
            databases: databases.into(),
            active,
            idle,
            idle_in_transaction,
            locks,
            wal,
            lag,
            checkpoint_buffers,
            place,
        }
    }

    pub(super) fn tick(&mut self, registry: &mut Registry, load: &DatabaseLoad, seconds: f64) -> Work {
        let noise = &mut self.noise;
        let rows_per_query = 14.0 * self.rows.next(noise);
        let mut blocks_read = 0.0;
        for ((slots, (_, share)), size) in self.databases.iter().zip(DATABASES).zip(&mut self.size) {
            let commits = noise.poisson(load.queries * share * seconds);
            let batch_rows = load.batch * share * 400e3 * seconds * noise.factor(0.05);
            let fetched = (commits * rows_per_query * noise.factor(0.02)).round();
            let blocks = ((fetched + batch_rows) * 0.4).round();
            let read = noise.share(blocks, 0.004 + 0.25 * load.batch * batch_rows / (fetched + batch_rows + 1.0));
            let inserted = noise.poisson(0.3 * load.writes * share * seconds);
            registry.add(slots.commit, commits);
            registry.add(slots.rollback, noise.poisson(commits * 0.002));
            registry.add(slots.read, read);
            registry.add(slots.hit, blocks - read);
            registry.add(slots.returned, (fetched * 3.0 + batch_rows).round());
            registry.add(slots.fetched, fetched);
            registry.add(slots.inserted, inserted);
            registry.add(slots.updated, noise.poisson(0.7 * load.writes * share * seconds));
            registry.add(slots.deadlocks, noise.poisson(0.002 * share));
            *size += inserted * 180.0;
            // Files grow by whole segments.
            registry.set(slots.size, (*size / MIB).floor() * MIB);
            blocks_read += read;
        }

        let active = 1.0 + noise.poisson(load.queries * 0.004) + 4.0 * load.batch;
        let idle_in_transaction = noise.poisson(load.queries * 0.001);
        registry.set(self.active, active);
        registry.set(self.idle_in_transaction, idle_in_transaction);
        registry.set(self.idle, (110.0 - active - idle_in_transaction).max(0.0));
        for (slot, per_query) in self.locks {
            registry.set(slot, noise.poisson(load.queries * per_query + 6.0 * load.batch));
        }

        // Dirty buffers are written when a checkpoint is due, and the log up to it is recycled then.
        self.since_checkpoint += seconds;
        let dirty = noise.poisson(load.writes * CHECKPOINT * 0.4);
        let mut written = WAL_PER_ROW * load.writes + load.stuck_wal_rate;
        let wal_segments = 20.0 + (load.writes * self.since_checkpoint * WAL_PER_ROW / (16.0 * MIB)).floor();
        registry.set(self.wal, (wal_segments * 16.0 * MIB + load.stuck_wal).round());
        if self.since_checkpoint >= CHECKPOINT {
            self.since_checkpoint -= CHECKPOINT;
            registry.add(self.checkpoint_buffers, dirty);
            written += dirty * BLOCK / seconds;
        }
        let lag = if self.is_primary { 0.0 } else { 0.02 * noise.factor(0.5) };
        registry.set(self.lag, lag);

        let work = Work {
            cpu: ((0.02 + 0.0006 * load.queries) * noise.factor(0.04) + 0.7 * load.batch).min(2.0),
            memory: 1.4 * GIB * noise.factor(0.002) + 6.0 * MIB * active,
            received: 400.0 * load.queries,
            sent: 1900.0 * load.queries,
            read: blocks_read * BLOCK / seconds,
            written,
        };
        self.container.tick(registry, &work, seconds);
        self.target.tick(registry);
        work
    }
}

/// One cache server.
#[derive(Clone, Debug)]
pub(super) struct Cache {
    pub(super) place: Place,
    noise: Noise,
    keys: Drift,
    age: f64,
    commands: [(Slot, f64); 4],
    hits: Slot,
    misses: Slot,
    evicted: Slot,
    expired: Slot,
    clients: Slot,
    memory: Slot,
    keys_stored: Slot,
    container: Container,
    target: Target,
}

impl Cache {
    pub(super) fn register(registry: &mut Registry, seed: u64, place: Place) -> Self {
        let mut noise = Noise::new(seed, &format!("cache {}", place.pod));
        let first = registry.next_index();
        let target = place.target();
        let mut scope = registry.scope(&target);
        scope.constant("redis_up", &[], 1.0);
        scope.constant("redis_memory_max_bytes", &[], GIB);
        let mut command = |name, share| (scope.with("redis_commands_total", &[("cmd", name)]), share);
        let commands = [command("get", 1.0), command("set", 0.08), command("expire", 0.03), command("mget", 0.1)];
        let (hits, misses) = (scope.one("redis_keyspace_hits_total"), scope.one("redis_keyspace_misses_total"));
        let (evicted, expired) = (scope.one("redis_evicted_keys_total"), scope.one("redis_expired_keys_total"));
        let (clients, memory) = (scope.one("redis_connected_clients"), scope.one("redis_memory_used_bytes"));
        let keys_stored = scope.one("redis_db_keys");
        let exposed = registry.next_index() - first;
        Self {
            target: Target::register(registry, seed, &target, exposed),
            container: Container::register(registry, seed, &place, 1.0),
            keys: Drift::new(0.02, 120.0),
            age: noise.between(0.0, 3600.0),
            noise,
            commands,
            hits,
            misses,
            evicted,
            expired,
            clients,
            memory,
            keys_stored,
            place,
        }
    }

    /// `lookups` per second.
    pub(super) fn tick(&mut self, registry: &mut Registry, lookups: f64, seconds: f64) -> Work {
        let noise = &mut self.noise;
        for (slot, share) in self.commands {
            registry.add(slot, noise.poisson(lookups * share * seconds));
        }
        let asked = noise.poisson(lookups * seconds);
        let missed = noise.share(asked, 0.06);
        registry.add(self.misses, missed);
        registry.add(self.hits, asked - missed);
        registry.add(self.evicted, noise.poisson(0.01));
        registry.add(self.expired, noise.poisson(lookups * 0.02 * seconds));
        registry.set(self.clients, 17.0 + noise.poisson(1.0));
        // Sessions live for an hour or so: their number breathes slowly.
        self.age += seconds;
        let breath = 1.0 + 0.05 * (TAU * self.age / 5400.0).sin();
        let keys = (180e3 * breath * self.keys.next(noise)).round();
        registry.set(self.keys_stored, keys);
        let memory = 40.0 * MIB + keys * 900.0;
        registry.set(self.memory, memory);
        let work = Work {
            cpu: (0.01 + 0.000_15 * lookups) * noise.factor(0.04),
            memory: memory + 12.0 * MIB,
            received: 90.0 * lookups,
            sent: 1200.0 * lookups,
            ..Work::default()
        };
        self.container.tick(registry, &work, seconds);
        self.target.tick(registry);
        work
    }
}
