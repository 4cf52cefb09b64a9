//! The engine's figures as metrics, made anew at each scrape.

use std::sync::atomic::{AtomicU64, Ordering};

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::{Registry, Unit},
};

use crate::{
    engine::ShardStats,
    fleet::{Kept, Queues},
};

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Shard {
    shard: usize,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Part {
    shard: usize,
    part: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Queue {
    queue: String,
}

type Number = Gauge<u64, AtomicU64>;

/// What a scrape shows of `stats`. Sums over tenants: a tenant's name is for the sender to choose, and so never a label.
pub(super) fn registry(stats: &[ShardStats], queues: &Queues, kept: &Kept) -> Registry {
    let mut registry = Registry::with_prefix("vigie");
    let series = Family::<Shard, Number>::default();
    let workloads = Family::<Shard, Number>::default();
    let firing = Family::<Shard, Number>::default();
    let raised = Family::<Shard, Counter>::default();
    let generation = Family::<Shard, Number>::default();
    let waiting = Family::<Queue, Number>::default();
    let room = Family::<Queue, Number>::default();
    let memory = Family::<Part, Number>::default();
    registry.register("series", "Series known", series.clone());
    registry.register("workloads", "Workloads known", workloads.clone());
    registry.register("findings_firing", "Findings open now", firing.clone());
    registry.register("findings_raised", "Findings raised since the start", raised.clone());
    registry.register("model_generation", "Generation of the isolation forests in force", generation.clone());
    registry.register_with_unit("memory", "Memory of the engine by part, about", Unit::Bytes, memory.clone());
    registry.register("queue_length", "Requests or parts of requests that wait for a thread", waiting.clone());
    registry.register("queue_capacity", "How many may wait before senders are told to", room.clone());
    let bar = Gauge::<f64, AtomicU64>::default();
    bar.set(stats.iter().flat_map(|shard| shard.bars.values()).copied().fold(0.0, f32::max).into());
    registry.register("finding_bar", "Weight from which a finding is raised; the highest of all tenants", bar);
    of_disk(&mut registry, kept);
    let named = |shard| Queue { queue: format!("shard-{shard}") };
    let of_shards = queues.shards.iter().enumerate().map(|(shard, queue)| (named(shard), queue));
    for (label, (length, capacity)) in of_shards.chain([(Queue { queue: "router".to_owned() }, &queues.requests)]) {
        waiting.get_or_create(&label).set(*length as u64);
        room.get_or_create(&label).set(*capacity as u64);
    }
    for (shard, stats) in stats.iter().enumerate() {
        let label = Shard { shard };
        series.get_or_create(&label).set(stats.series.values().sum::<usize>() as u64);
        workloads.get_or_create(&label).set(stats.workloads as u64);
        firing.get_or_create(&label).set(stats.findings_firing as u64);
        raised.get_or_create(&label).inc_by(stats.findings_raised);
        generation.get_or_create(&label).set(stats.model_generation);
        for (part, bytes) in &stats.bytes {
            memory.get_or_create(&Part { shard, part }).set(*bytes as u64);
        }
    }
    registry
}

/// What is kept on disk.
fn of_disk(registry: &mut Registry, kept: &Kept) {
    let number = |value: &AtomicU64| {
        let gauge = Number::default();
        gauge.set(value.load(Ordering::Relaxed));
        gauge
    };
    let count = |value: &AtomicU64| {
        let counter = Counter::<u64>::default();
        counter.inc_by(value.load(Ordering::Relaxed));
        counter
    };
    let newest = Gauge::<f64, AtomicU64>::default();
    newest.set(kept.snapshot_at.load(Ordering::Relaxed) as f64 / 1_000.0);
    registry.register_with_unit("journal", "Requests that the journal holds", Unit::Bytes, number(&kept.journal_bytes));
    let chunks = "Chunk files, in which the finished part of all windows is";
    registry.register_with_unit("chunks", chunks, Unit::Bytes, number(&kept.chunks_bytes));
    let failures = "Batches of requests that the journal could not take, so that they were refused";
    registry.register("journal_failures", failures, count(&kept.failures));
    registry.register("snapshots", "Snapshots written since the start", count(&kept.snapshots));
    let help = "When the newest of them was written; 0 before the first";
    registry.register_with_unit("snapshot_timestamp", help, Unit::Seconds, newest);
}
