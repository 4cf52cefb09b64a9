//! Samples a second through the whole engine on one core: decode, identify, score, keep.
//!
//! `cargo bench --bench engine`. Requests as Prometheus sends them: 2,000 series with 10 labels, one sample each, half of
//! them counters; the engine has learnt 300 scrapes before the clock starts.

#![allow(missing_docs, reason = "criterion's macros make public items")]

use std::{hint::black_box, sync::Arc};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use vigie::{
    engine::{Engine, Options},
    ingest::remote_write::{Encoder, Limits, Protocol, WriteRequest, decompress},
    signal::{Labels, Sample, TenantId},
};

const SERIES: usize = 2_000;
const WARM: i64 = 300;
const STEP: i64 = 15_000;
const START: i64 = 1_700_000_000_000;

fn series() -> Vec<Labels> {
    let label = |i: usize| {
        let metric = if i.is_multiple_of(2) { "http_requests_total" } else { "queue_length" };
        let values = [
            (
                "__name__",
                format!("{metric}_{}", i % 50).replace("_total_", "_")
                    + if i.is_multiple_of(2) { "_total" } else { "" },
            ),
            ("cluster", "production-eu-1".to_owned()),
            ("container", "server".to_owned()),
            ("endpoint", format!("/api/v1/things/{}", i % 7)),
            ("instance", format!("10.2.{}.{}:8080", i / 250, i % 250 / 50)),
            ("job", "shop/checkout".to_owned()),
            ("method", "GET".to_owned()),
            ("namespace", "shop".to_owned()),
            ("node", format!("ip-10-0-0-{}", i % 9)),
            ("shard", i.to_string()),
        ];
        Labels::from_pairs(values.into_iter().map(|(name, value)| (name.to_owned(), value)))
    };
    (0..SERIES).map(label).collect()
}

/// Deterministic noise in 0..1.
fn noise(series: usize, scrape: i64) -> f64 {
    let mut x =
        (series as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (scrape as u64).wrapping_mul(0xd1b5_4a32_d192_ed03);
    x ^= x >> 32;
    x = x.wrapping_mul(0xd6e8_feb8_6659_fd93);
    (x >> 11) as f64 / (1_u64 << 53) as f64
}

fn request(labels: &[Labels], protocol: Protocol, scrape: i64) -> Vec<u8> {
    let mut encoder = Encoder::new(protocol);
    for (i, labels) in labels.iter().enumerate() {
        let grown = 100.0 * scrape as f64 + (40.0 * noise(i, scrape)).round();
        let value = if i.is_multiple_of(2) { grown } else { 50.0 + 10.0 * noise(i, scrape) };
        encoder.series(labels, &[Sample { at: START + scrape * STEP, value }]);
    }
    encoder.finish()
}

fn write(engine: &mut Engine, protocol: Protocol, scrape: i64, compressed: &[u8]) {
    let limits = Limits::default();
    let body = decompress(compressed, &limits).expect("made here");
    let request = Arc::new(WriteRequest::decode(protocol, body, &limits).expect("made here"));
    black_box(engine.write(&TenantId::default(), &request, START + scrape * STEP, &mut |_| {}));
}

fn whole(c: &mut Criterion) {
    let labels = series();
    let mut group = c.benchmark_group("engine");
    group.throughput(Throughput::Elements(SERIES as u64)).sample_size(20);
    for (name, protocol) in [("v1", Protocol::V1), ("v2", Protocol::V2)] {
        let mut engine = Engine::new(Options::default());
        for scrape in 0..WARM {
            write(&mut engine, protocol, scrape, &request(&labels, protocol, scrape));
        }
        let mut scrape = WARM;
        group.bench_function(format!("decompress_decode_score/{name}/{SERIES}"), |b| {
            b.iter_batched(
                || {
                    scrape += 1;
                    (scrape, request(&labels, protocol, scrape))
                },
                |(scrape, compressed)| write(&mut engine, protocol, scrape, &compressed),
                criterion::BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

criterion_group!(benches, whole);
criterion_main!(benches);
