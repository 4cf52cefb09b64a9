//! The detector of one series: time a sample for typical series, and of its stages.
//!
//! `cargo bench --no-default-features --bench detector`. Samples are 15 s apart; each detector has learnt two days before
//! the clock starts, and 1,000 detectors are fed in turn, so that their state comes from the caches it would come from.
//! Last it prints what 100,000 detectors take in memory, each with 1,500 samples of one of the series, a minute apart.

#![allow(missing_docs, reason = "criterion's macros make public items")]

use std::{f64::consts::TAU, hint::black_box};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use rand_pcg::{Pcg32, rand_core::Rng};
use vigie::anomaly::{Cadence, Detector, Records, Seen, Tail, TailPrior};

const STEP: i64 = 15_000;
const START: i64 = 1_700_000_000_000;
const DAY: usize = 5_760;
const DETECTORS: usize = 1_000;

/// As in the program.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

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
    if (i / 12).wrapping_mul(2_654_435_761).is_multiple_of(29) { (-40.0 * noise.uniform().ln()).round() } else { 0.0 }
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
            learnt.observe(&cadence, START + i as i64 * STEP, *value, |_| 1.0, &mut None);
        }
        let mut detectors = vec![learnt; DETECTORS];
        let mut turn = 0;
        group.bench_function(BenchmarkId::new("observe", name), |b| {
            b.iter(|| {
                let sample = 2 * DAY + turn / DETECTORS;
                let at = START + sample as i64 * STEP;
                let value = black_box(values[2 * DAY + sample % DAY]);
                let judged = detectors[turn % DETECTORS].observe(&cadence, at, value, |_| 1.0, &mut None);
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

/// Resident memory of this process in bytes; 0 where there is no `/proc`.
fn resident() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").ok();
    pages.and_then(|text| text.split(' ').nth(1)?.parse::<usize>().ok()).map_or(0, |pages| pages * 4_096)
}

/// Detectors grow side by side, so that their heap is as scattered as in the program.
fn memory(_: &mut Criterion) {
    const COUNT: usize = 100_000;
    const SAMPLES: usize = 1_500;
    let cadence = Cadence::of(60_000);
    let mut noise = Noise(Pcg32::new(7, 7));
    let before = resident();
    let mut detectors: Vec<Box<Detector>> = (0..COUNT).map(|_| Box::new(Detector::new(0.0))).collect();
    for round in 0..SAMPLES / 100 {
        for (k, detector) in detectors.iter_mut().enumerate() {
            let (name, make) = SERIES[k % SERIES.len()];
            let scale = if name == "daily" { DAY / 1_440 } else { 1 };
            for i in round * 100..(round + 1) * 100 {
                let value = make(i * scale, &mut noise);
                if i == 0 {
                    **detector = Detector::new(value);
                }
                detector.observe(&cadence, START + i as i64 * 60_000, value, |_| 1.0, &mut None);
            }
        }
    }
    let resident = resident().saturating_sub(before);
    eprintln!("\nbytes a detector: size_of {}, resident {}", size_of::<Detector>(), resident / COUNT);
    for (k, (name, _)) in SERIES.iter().enumerate() {
        let heap: usize = detectors[k..].iter().step_by(SERIES.len()).map(|detector| detector.heap_bytes()).sum();
        let mean = heap as f64 / (COUNT / SERIES.len()) as f64;
        eprintln!("  {name}: heap {mean:.0}, in all {:.0}", mean + size_of::<Detector>() as f64);
    }
}

criterion_group!(benches, observe, stages, memory);
criterion_main!(benches);
