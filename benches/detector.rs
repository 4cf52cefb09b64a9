//! The detector of one series: time a sample for typical series, and of its stages.
//!
//! `cargo bench --no-default-features --bench detector`. Samples are 15 s apart; each detector has learnt two days before
//! the clock starts, and 1,000 detectors are fed in turn, so that their state comes from the caches it would come from.

#![allow(missing_docs, reason = "criterion's macros make public items")]

use std::{f64::consts::TAU, hint::black_box};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use rand_pcg::{Pcg32, rand_core::Rng};
use vigie::anomaly::{Cadence, Detector, Records, Seen, Tail, TailPrior};

const STEP: i64 = 15_000;
const START: i64 = 1_700_000_000_000;
const DAY: usize = 5_760;
const DETECTORS: usize = 1_000;

/// Noise of a series: standard normal and uniform numbers.
struct Noise(Pcg32);

impl Noise {
    fn uniform(&mut self) -> f64 {
        (f64::from(self.0.next_u32()) + 0.5) / 4_294_967_296.0
    }

    fn normal(&mut self) -> f64 {
        (-2.0 * self.uniform().ln()).sqrt() * (TAU * self.uniform()).cos()
    }
}

fn noisy(_: usize, noise: &mut Noise) -> f64 {
    50.0 + 8.0 * noise.normal()
}

fn daily(i: usize, noise: &mut Noise) -> f64 {
    1e6 + 5e4 * (TAU * i as f64 / DAY as f64).sin() + 4e3 * noise.normal()
}

fn constant(_: usize, _: &mut Noise) -> f64 {
    42.0
}

/// Whole requests in an interval, as a rate.
fn counter_rate(_: usize, noise: &mut Noise) -> f64 {
    (300.0 + 17.0 * noise.normal()).round().max(0.0) / 15.0
}

/// A queue: mostly empty, at times filled for a while.
fn bursty(i: usize, noise: &mut Noise) -> f64 {
    if (i / 12).wrapping_mul(2_654_435_761) % 29 == 0 { (-40.0 * noise.uniform().ln()).round() } else { 0.0 }
}

type Make = fn(usize, &mut Noise) -> f64;
const SERIES: [(&str, Make); 5] =
    [("noisy", noisy), ("daily", daily), ("constant", constant), ("counter_rate", counter_rate), ("bursty", bursty)];

fn observe(c: &mut Criterion) {
    let cadence = Cadence::of(STEP as u32);
    let mut group = c.benchmark_group("detector");
    group.throughput(Throughput::Elements(1));
    for (name, make) in SERIES {
        let mut noise = Noise(Pcg32::new(7, 7));
        let values: Vec<f64> = (0..3 * DAY).map(|i| make(i, &mut noise)).collect();
        let mut learnt = Detector::new(values[0]);
        for (i, value) in values[..2 * DAY].iter().enumerate() {
            learnt.observe(&cadence, START + i as i64 * STEP, *value, |_| 1.0);
        }
        let mut detectors = vec![learnt; DETECTORS];
        let mut turn = 0;
        group.bench_function(BenchmarkId::new("observe", name), |b| {
            b.iter(|| {
                let sample = 2 * DAY + turn / DETECTORS;
                let at = START + sample as i64 * STEP;
                let value = black_box(values[2 * DAY + sample % DAY]);
                let judged = detectors[turn % DETECTORS].observe(&cadence, at, value, |_| 1.0);
                turn += 1;
                judged
            });
        });
    }
    group.finish();
}

/// One tail below and above its threshold, and the record rule with a score each time.
fn stages(c: &mut Criterion) {
    let mut group = c.benchmark_group("detector_stage");
    group.throughput(Throughput::Elements(1));
    let prior = TailPrior { threshold: 2.0, excess: 1.0 };
    for (name, feature) in [("tail/below", 1.0), ("tail/above", 3.0)] {
        let (mut tail, mut seen) = (Tail::default(), Seen::default());
        group.bench_function(name, |b| {
            b.iter(|| {
                seen.advance();
                tail.observe(seen, black_box(feature), &prior)
            });
        });
    }
    let mut noise = Noise(Pcg32::new(7, 7));
    let scores: Vec<f32> = (0..4_096).map(|_| noise.normal().abs() as f32).collect();
    let (mut records, mut n) = (Records::default(), 0_u32);
    group.bench_function("records", |b| {
        b.iter(|| {
            n += 1;
            records.observe(n, black_box(scores[n as usize % scores.len()]))
        });
    });
    group.finish();
}

criterion_group!(benches, observe, stages);
criterion_main!(benches);
