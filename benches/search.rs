//! The index over log lines: writing, merging and searching lines of a dozen services, about 130 bytes each.
//!
//! `write` adds 200,000 lines and commits them; `write_and_merge` commits every 50,000 of 800,000 lines and merges what is
//! due, all on one thread. The searches are over 1,000,000 lines in merged segments.
//!
//! `cargo bench --no-default-features --features search --bench search`

use std::{hint::black_box, path::Path};

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use tempfile::TempDir;
use vigie::{
    search::{Count, Grouping, LineFilter, Options, Order, Phrase, Query, Searcher, Windows, Writer},
    signal::{Labels, LogBatch, LogLine, Matcher, Severity, TenantId},
};

/// The daemon's allocator.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const NOW_MS: i64 = 1_700_006_400_000;
const NOW: i64 = NOW_MS * 1_000_000;
/// One line each so many ns: ten thousand a second.
const BETWEEN: i64 = 100_000;

/// A repeatable source of numbers.
struct Draw(u64);

impl Draw {
    fn below(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }

    fn id(&mut self) -> String {
        let (a, b) = (self.below(1 << 31), self.below(1 << 31));
        format!("{a:08x}-{:04x}-4{:03x}-{b:08x}", a & 0xffff, b & 0xfff)
    }
}

/// Lines from number `first` on, in batches of a thousand, with the template of each.
fn batches(first: u64, lines: u64) -> Vec<(LogBatch, Vec<u64>)> {
    let mut draw = Draw(first);
    let batch = |start: u64| {
        let mut batch = LogBatch::default();
        let streams: Vec<_> = (0..20)
            .map(|_| {
                let service = draw.below(12);
                batch.stream(Labels::from_pairs([
                    ("service", format!("service-{service}")),
                    ("app", format!("service-{service}")),
                    ("namespace", "shop".to_owned()),
                    ("pod", format!("service-{service}-7d9c5b8f6c-{:05}", draw.below(8))),
                    ("container", "server".to_owned()),
                    ("node", format!("node-{}.eu-west-1.internal", draw.below(32))),
                ]))
            })
            .collect();
        let mut templates = Vec::new();
        for i in start..start + 1000 {
            let template = draw.below(6);
            let (ms, id) = (draw.below(900_000), draw.id());
            let (severity, line) = match template {
                0 | 1 => (
                    Severity::Info,
                    format!(
                        "GET /api/v1/orders/{} HTTP/1.1 200 {} \"-\" \"shop-client/2.{}\" rt={}.{:03} request_id={id}",
                        draw.below(100_000),
                        draw.below(50_000),
                        draw.below(20),
                        ms / 1000,
                        ms % 1000,
                    ),
                ),
                2 => (
                    Severity::Error,
                    format!(
                        "failed to connect to 10.{}.{}.{}:5432 after {ms}us: connection refused, retrying in {}ms (attempt {}) id={id}",
                        draw.below(4),
                        draw.below(32),
                        draw.below(250),
                        draw.below(5000),
                        draw.below(8),
                    ),
                ),
                3 => (
                    Severity::Info,
                    format!(
                        "consumer group=orders partition={} offset={} lag={} committed in {ms}us by worker-{}",
                        draw.below(48),
                        draw.below(10_000_000),
                        draw.below(1000),
                        draw.below(64),
                    ),
                ),
                4 => (
                    Severity::Debug,
                    format!(
                        "cache miss for key user:{}:basket, loaded {} items from store in {ms}us trace={id}",
                        draw.below(1_000_000),
                        draw.below(40),
                    ),
                ),
                _ => (
                    Severity::Warn,
                    format!(
                        "level=warn msg=\"slow query\" table=order_items rows={} duration={}.{:03}ms plan=\"Seq Scan\" id={id}",
                        draw.below(100_000),
                        ms / 1000,
                        ms % 1000,
                    ),
                ),
            };
            let at = Some(NOW + i as i64 * BETWEEN);
            let stream = streams[draw.below(20) as usize];
            batch.push(stream, &LogLine { at, severity: Some(severity), trace_id: "", line: &line }, []);
            templates.push(template);
        }
        (batch, templates)
    };
    (first..first + lines).step_by(1000).map(batch).collect()
}

fn add(writer: &mut Writer, batches: &[(LogBatch, Vec<u64>)]) {
    for (batch, templates) in batches {
        for (record, template) in batch.records().zip(templates) {
            writer.add(&TenantId::default(), NOW_MS, &record, *template).expect("a writable index");
        }
    }
}

fn merge(writer: &mut Writer) {
    while let Some(merge) = writer.due_merge() {
        let merged = merge.run().expect("a writable index");
        writer.install(merged);
    }
}

fn open(folder: &Path) -> Writer {
    Writer::open(folder, Options::default()).expect("a writable index").0
}

fn write(c: &mut Criterion) {
    let mut group = c.benchmark_group("search");
    group.sample_size(10);
    let lines = batches(0, 200_000);
    let bytes: usize = lines.iter().map(|(batch, _)| batch.text_bytes()).sum();
    assert!((100..150).contains(&(bytes / 200_000)), "{} bytes a line", bytes / 200_000);
    group.throughput(Throughput::Elements(200_000));
    group.bench_function("write", |b| {
        b.iter_batched(
            || TempDir::new().expect("a temporary folder"),
            |folder| {
                let mut writer = open(folder.path());
                add(&mut writer, &lines);
                writer.commit(1).expect("a writable index");
                folder
            },
            BatchSize::PerIteration,
        );
    });
    let lines: Vec<_> = (0..16).map(|part| batches(part * 50_000, 50_000)).collect();
    group.throughput(Throughput::Elements(800_000));
    group.bench_function("write_and_merge", |b| {
        b.iter_batched(
            || TempDir::new().expect("a temporary folder"),
            |folder| {
                let mut writer = open(folder.path());
                for (position, part) in lines.iter().enumerate() {
                    add(&mut writer, part);
                    writer.commit(position as u64).expect("a writable index");
                    merge(&mut writer);
                }
                folder
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

/// A million lines, and how much disk they take.
fn million(folder: &Path) -> Searcher {
    let mut writer = open(folder);
    for part in 0..10 {
        add(&mut writer, &batches(part * 100_000, 100_000));
        writer.commit(part).expect("a writable index");
        merge(&mut writer);
    }
    let bytes: u64 = writer.sizes().iter().map(|size| size.bytes).sum();
    eprintln!("1,000,000 lines take {} MiB on disk", bytes >> 20);
    writer.searcher()
}

fn search(c: &mut Criterion) {
    let folder = TempDir::new().expect("a temporary folder");
    let searcher = million(folder.path());
    let all = Query::all(TenantId::default(), i64::MIN, i64::MAX);
    let with = |change: &dyn Fn(&mut Query)| {
        let mut query = all.clone();
        change(&mut query);
        query
    };
    let contains = |text: &str| vec![LineFilter::Contains(text.to_owned())];
    let queries = [
        ("all", with(&|_| {})),
        ("service", with(&|q| q.matchers = vec![Matcher::equal("service", "service-3")])),
        ("text", with(&|q| q.lines = contains("connection refused"))),
        ("rare", with(&|q| q.lines = contains("offset=4242"))),
        (
            "regex",
            with(&|q| q.lines = vec![LineFilter::Matches(LineFilter::regex("rows=[0-9]{2} ").expect("an expression"))]),
        ),
        ("phrase", with(&|q| q.phrases = Phrase::parse("\"slow query\" 10.2.3.4"))),
    ];
    let windows = Windows { start: NOW, end: NOW + 1_000_000 * BETWEEN, step: 2_000_000_000, range: 2_000_000_000 };
    let by = Grouping::By(vec!["detected_level".to_owned()]);
    let mut group = c.benchmark_group("search");
    group.sample_size(10);
    for (name, query) in &queries {
        group.bench_with_input(BenchmarkId::new("newest", name), query, |b, query| {
            b.iter(|| black_box(searcher.search(query, 1000, Order::Newest).expect("an answer")));
        });
    }
    for (name, query) in &queries[..3] {
        group.bench_with_input(BenchmarkId::new("volume", name), query, |b, query| {
            b.iter(|| black_box(searcher.histogram(query, &windows, &by, Count::Lines).expect("an answer")));
        });
    }
    group.finish();
}

criterion_group!(benches, write, search);
criterion_main!(benches);
