//! Isolation forests and the workload detector: fitting and scoring.
//!
//! The rows are what the detector feeds in: sizes of calibrated residuals, most of them small, some tails.
#![allow(missing_docs)]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use rand_pcg::Pcg32;
use rand_pcg::rand_core::Rng;
use vigie::anomaly::forest::{Code, Forest, ForestParams, HullForest, Layout};
use vigie::anomaly::workload::{Workload, WorkloadParams};

const FEATURES: usize = 8;

/// Exponential sizes; each row's scale is drawn as well, so that its features move together.
fn rows(count: usize, features: usize) -> Vec<f32> {
    let mut generator = Pcg32::new(7, 7);
    let mut exponential = || -((generator.next_u32() >> 8) as f32 / 16_777_216.0 + 1e-7).ln();
    let mut rows = Vec::with_capacity(count * features);
    for _ in 0..count {
        let scale = exponential();
        rows.extend((0..features).map(|_| scale * exponential()));
    }
    rows
}

fn forest(c: &mut Criterion) {
    let rows = rows(100_000, FEATURES);
    let params = ForestParams::default();
    let mut group = c.benchmark_group("forest");
    group.bench_function("fit/100x256_of_100k_x_8", |b| b.iter(|| Forest::fit(black_box(&rows), FEATURES, &params)));

    let forest = Forest::fit(&rows, FEATURES, &params).expect("sound rows");
    let mut scores = vec![0.0; 100_000];
    group.throughput(Throughput::Elements(100_000));
    for layout in Layout::available() {
        let id = format!("score_batch/100x256_x_8_{layout:?}");
        group.bench_function(id, |b| b.iter(|| forest.score_batch_by(layout, black_box(&rows), &mut scores)));
    }
    group.throughput(Throughput::Elements(1));
    group.bench_function("score/100x256_x_8", |b| b.iter(|| forest.score(black_box(&rows[..FEATURES]))));
    group.finish();
}

fn hull(c: &mut Criterion) {
    let mut group = c.benchmark_group("hull_forest");
    for features in [12, 42] {
        let codes: Vec<Code> = rows(512, features).into_iter().map(Code::of).collect();
        let weights = vec![1.0; features];
        let params = ForestParams { trees: 32, sample_size: 128, seed: 1 };
        group.bench_function(format!("fit/32x128_of_512_x_{features}"), |b| {
            b.iter(|| HullForest::fit(black_box(&codes), &weights, &params));
        });
        let forest = HullForest::fit(&codes, &weights, &params).expect("sound rows");
        let mut next = codes.chunks_exact(features).cycle();
        group.throughput(Throughput::Elements(1));
        group.bench_function(format!("relative_depth/32x128_x_{features}"), |b| {
            b.iter(|| forest.relative_depth(black_box(next.next().expect("endless"))));
        });
    }
    group.finish();
}

/// A row per iteration, refreshes included, after 3,000 rows.
fn workload(c: &mut Criterion) {
    let mut group = c.benchmark_group("workload");
    group.throughput(Throughput::Elements(1));
    for metrics in [8, 20, 38] {
        let rows: Vec<f64> = rows(6000, metrics).into_iter().map(f64::from).collect();
        for trees in [0, 32] {
            let params = WorkloadParams { trees, ..WorkloadParams::default() };
            let mut workload = Workload::new(metrics, params).expect("sound parameters");
            for row in rows.chunks_exact(metrics).take(3000) {
                workload.observe(row);
            }
            let id = format!("observe/{metrics}_metrics_{trees}_trees_{}_bytes", workload.size_bytes());
            let mut next = rows.chunks_exact(metrics).cycle();
            group.bench_function(id, |b| b.iter(|| workload.observe(black_box(next.next().expect("endless")))));
        }
    }
    group.finish();
}

criterion_group!(benches, forest, hull, workload);
criterion_main!(benches);
