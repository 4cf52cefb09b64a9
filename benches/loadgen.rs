//! The price of the load generator: requests of 2,000 samples as `vigie loadgen` sends them, values, labels and
//! compression included, the network left out. One core.

use std::{hint::black_box, sync::Arc};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use vigie::{
    cli::loadgen::{Encoder, Population},
    ingest::remote_write::Protocol,
};

/// The generator's allocator, see `benches/decode.rs`.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const SERIES: usize = 100_000;
const SAMPLES: usize = 2_000;
const INTERVAL_MS: i64 = 15_000;
const START: i64 = 1_770_000_000_000;

fn encode(c: &mut Criterion) {
    let population = Arc::new(Population::new(SERIES, 1, START, INTERVAL_MS as f64, 0.0));
    let mut group = c.benchmark_group("loadgen");
    group.throughput(Throughput::Elements(SAMPLES as u64));
    for (name, protocol) in [("v1", Protocol::V1), ("v2", Protocol::V2)] {
        let mut encoder = Encoder::new(population.clone(), protocol);
        let (mut first, mut at) = (0, START);
        group.bench_function(format!("encode_{name}/{SAMPLES}"), |b| {
            b.iter(|| {
                let body = encoder.encode(black_box(first..first + SAMPLES), at);
                first = (first + SAMPLES) % SERIES;
                at += if first == 0 { INTERVAL_MS } else { 0 };
                body
            });
        });
    }
    group.finish();
}

criterion_group!(benches, encode);
criterion_main!(benches);
