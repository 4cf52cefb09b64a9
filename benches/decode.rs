//! Remote write decoding: 2,000 series of 10 labels with one sample each, as Prometheus sends by default.
//!
//! `snappy` decompresses alone, `decode` locates and identifies all series, `samples` then visits every sample, and
//! `whole` does all three, which is what ingestion costs before any series is looked up.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use vigie::{
    ingest::remote_write::{Encoder, Limits, Protocol, WriteRequest, decompress},
    signal::{Labels, Sample},
};

/// The daemon's allocator: the system's gives large buffers back at once, and page faults would be measured instead.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const SAMPLES: usize = 2000;

/// A compressed request of container metrics, as cAdvisor has them.
fn request(protocol: Protocol) -> Vec<u8> {
    const METRICS: [&str; 8] = [
        "container_cpu_usage_seconds_total",
        "container_memory_working_set_bytes",
        "container_network_receive_bytes_total",
        "container_network_transmit_bytes_total",
        "container_fs_reads_bytes_total",
        "container_fs_writes_bytes_total",
        "container_memory_rss",
        "container_cpu_cfs_throttled_periods_total",
    ];
    let mut encoder = Encoder::new(protocol);
    for i in 0..SAMPLES {
        let pod = i / METRICS.len();
        let labels = Labels::from_pairs([
            ("__name__", METRICS[i % METRICS.len()].to_owned()),
            ("cluster", "eu-west-1-production".to_owned()),
            ("container", "application-server".to_owned()),
            ("id", format!("/kubepods/burstable/pod{:08x}", pod * 2_654_435)),
            ("image", "registry.example/shop/checkout:1.27.3".to_owned()),
            ("instance", format!("10.{}.{}.17:10250", pod % 4, pod % 32)),
            ("job", "kubelet".to_owned()),
            ("namespace", format!("team-{}", pod % 12)),
            ("node", format!("node-{}.eu-west-1.internal", pod % 32)),
            ("pod", format!("checkout-7d9c5b8f6c-{pod:05}")),
        ]);
        encoder.series(&labels, &[Sample { at: 1_700_000_000_000 + i as i64 % 15_000, value: i as f64 * 1.25 }]);
    }
    encoder.finish()
}

/// Decodes, visits every sample, and returns something that depends on all of it.
fn visit(request: &WriteRequest) -> f64 {
    let mut sum = 0.0;
    for entry in request.series() {
        for sample in request.view(entry).samples() {
            sum += sample.value + sample.at as f64;
        }
    }
    sum
}

fn decode(c: &mut Criterion) {
    let limits = Limits::default();
    for (name, protocol) in [("v1", Protocol::V1), ("v2", Protocol::V2)] {
        let compressed = request(protocol);
        let body = decompress(&compressed, &limits).expect("our own encoding");
        let decoded = WriteRequest::decode(protocol, body.clone(), &limits).expect("our own encoding");
        assert_eq!((decoded.series().len(), decoded.rejected().is_empty()), (SAMPLES, true));

        let mut group = c.benchmark_group(format!("ingest/remote_write_{name}"));
        group.throughput(Throughput::Elements(SAMPLES as u64));
        group.bench_function(format!("snappy/{SAMPLES}"), |b| b.iter(|| decompress(black_box(&compressed), &limits)));
        group.bench_function(format!("decode/{SAMPLES}"), |b| {
            b.iter_batched(
                || body.clone(),
                |body| WriteRequest::decode(protocol, body, &limits),
                criterion::BatchSize::SmallInput,
            );
        });
        group.bench_function(format!("samples/{SAMPLES}"), |b| b.iter(|| visit(black_box(&decoded))));
        group.bench_function(format!("whole/{SAMPLES}"), |b| {
            b.iter(|| {
                let body = decompress(black_box(&compressed), &limits).expect("our own encoding");
                WriteRequest::decode(protocol, body, &limits).map(|request| visit(&request))
            });
        });
        group.finish();
    }
}

criterion_group!(benches, decode);
criterion_main!(benches);
