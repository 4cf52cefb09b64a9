//! What a snapshot costs while the engine goes on, and how fast a start from it is.
//!
//! `cargo bench --no-default-features --bench snapshot`; `VIGIE_BENCH_SERIES` sets the number of series. Two shards, each
//! series with 40 samples, then requests of 2,000 samples at the rate of a scrape each 15 s, first for 75 s without, which has
//! turns and sweeps in it, and then with a snapshot being written: the longest answer is the longest that a shard stood still.

#![allow(clippy::print_stdout, reason = "what it measured is its output")]

use std::{
    env,
    error::Error,
    fs,
    sync::{Arc, atomic::Ordering},
    thread,
    time::{Duration, Instant},
};

use axum::body::Bytes;
use vigie::{
    engine::Options,
    fleet::{Fleet, Keeper, Request, SyncPolicy},
    ingest::remote_write::{Encoder, Limits, Protocol, WriteRequest},
    signal::{Labels, Sample, TenantId},
};

const SHARDS: usize = 2;
const SAMPLES: usize = 2_000;
const SCRAPES: i64 = 40;
const STEP: i64 = 15_000;
const START: i64 = 1_770_000_000_000;

/// As in the program.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn labels(i: usize) -> Labels {
    let (instance, metric) = (i / 250, i % 250);
    let end = if metric.is_multiple_of(2) { "_total" } else { "" };
    Labels::from_pairs([
        ("__name__", format!("shop_metric_{}{end}", metric / 4)),
        ("cluster", "production-eu-1".to_owned()),
        ("instance", format!("10.{}.{}.{}:8080", instance >> 16, instance >> 8 & 255, instance & 255)),
        ("job", format!("shop/service-{}", instance % 40)),
        ("namespace", "shop".to_owned()),
        ("path", format!("/api/v1/things/{}", metric % 4)),
    ])
}

fn noise(i: usize, scrape: i64) -> f64 {
    let mut x = (i as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (scrape as u64).wrapping_mul(0xd1b5_4a32_d192_ed03);
    x ^= x >> 32;
    x = x.wrapping_mul(0xd6e8_feb8_6659_fd93);
    (x >> 11) as f64 / (1_u64 << 53) as f64
}

fn request(series: &[Labels], first: usize, scrape: i64) -> Request {
    let mut encoder = Encoder::new(Protocol::V2);
    let at = START + scrape * STEP;
    for (i, labels) in series.iter().enumerate().skip(first).take(SAMPLES) {
        let grown = 100.0 * scrape as f64 + (40.0 * noise(i, scrape)).round();
        let value = if (i % 250).is_multiple_of(2) { grown } else { 50.0 + 10.0 * noise(i, scrape) };
        encoder.series(labels, &[Sample { at, value }]);
    }
    let body = WriteRequest::decode(Protocol::V2, encoder.body(), &Limits::default()).expect("made here");
    let raw = Bytes::from(encoder.finish());
    Request { tenant: TenantId::default(), protocol: Protocol::V2, raw, body: Arc::new(body), received: at }
}

/// Resident memory in MiB.
fn memory() -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok()).unwrap_or(f64::NAN) / 1024.0
}

/// Writes at the rate of a scrape each 15 s as long as `goes_on`; gives the longest answers, their number, and the most
/// memory.
fn scrape(
    runtime: &tokio::runtime::Runtime,
    fleet: &Fleet,
    series: &[Labels],
    place: &mut (usize, i64),
    goes_on: impl Fn() -> bool,
) -> (Vec<Duration>, usize, f64) {
    let pause = Duration::from_secs_f64(15.0 * SAMPLES as f64 / series.len() as f64);
    let (mut took, mut most, mut due) = (Vec::new(), memory(), Instant::now());
    while goes_on() {
        let request = request(series, place.0, place.1);
        *place = if place.0 + SAMPLES < series.len() { (place.0 + SAMPLES, place.1) } else { (0, place.1 + 1) };
        let began = Instant::now();
        runtime.block_on(fleet.write(request)).expect("it runs");
        took.push(began.elapsed());
        most = most.max(memory());
        due += pause;
        thread::sleep(due.saturating_duration_since(Instant::now()));
    }
    let requests = took.len();
    took.sort_unstable_by(|a, b| b.cmp(a));
    took.truncate(5);
    (took, requests, most)
}

fn main() -> Result<(), Box<dyn Error>> {
    let count = env::var("VIGIE_BENCH_SERIES").ok().and_then(|n| n.parse().ok()).unwrap_or(200_000);
    let series: Vec<Labels> = (0..count).map(labels).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let dir = tempfile::tempdir()?;
    let options = Options { shards: SHARDS, series_per_tenant: 10_000_000, ..Options::default() };
    let (keeper, _) = Keeper::open(dir.path(), SyncPolicy::Never, SHARDS)?;
    let (fleet, threads) = Fleet::start(&options, None, Some(keeper))?;
    let before = memory();
    for scrape in 0..SCRAPES {
        for first in (0..series.len()).step_by(SAMPLES) {
            runtime.block_on(fleet.write(request(&series, first, scrape)))?;
        }
    }
    println!("{count} series of {SCRAPES} samples: {:.0} MiB", memory() - before);

    let mut place = (0, SCRAPES);
    let until = Instant::now() + Duration::from_secs(75);
    let (longest, requests, _) = scrape(&runtime, &fleet, &series, &mut place, || Instant::now() < until);
    println!("without a snapshot: {requests} requests, longest {longest:?}");
    for _ in 0..3 {
        let (kept, began, base) = (fleet.kept(), Instant::now(), memory());
        let written = kept.snapshots.load(Ordering::Relaxed);
        fleet.save()?;
        let is_written =
            || kept.snapshots.load(Ordering::Relaxed) > written || kept.failures.load(Ordering::Relaxed) > 0;
        let (longest, requests, most) = scrape(&runtime, &fleet, &series, &mut place, || !is_written());
        let (seconds, more) = (began.elapsed().as_secs_f64(), most - base);
        println!("with one: {requests} requests in {seconds:.1} s, longest {longest:?}, {more:.0} MiB more");
    }

    fleet.close();
    drop(fleet);
    let began = Instant::now();
    let (stopped, keeper) = threads.join()?;
    let bytes = keeper.ok_or("it was given one")?.end(stopped)?;
    let mib = bytes as f64 / f64::from(1 << 20);
    println!("at the end: {mib:.0} MiB in {:.1} s", began.elapsed().as_secs_f64());

    let (began, base) = (Instant::now(), memory());
    let (keeper, restored) = Keeper::open(dir.path(), SyncPolicy::Never, SHARDS)?;
    let read = began.elapsed();
    let (fleet, threads) = Fleet::start(&options, restored, Some(keeper))?;
    let there: usize = fleet.stats()?.iter().flat_map(|shard| shard.series.values()).sum();
    println!("a start: read in {read:?}, {there} series there after {:?}, {:.0} MiB", began.elapsed(), memory() - base);
    drop(fleet);
    drop(threads.join()?);
    Ok(())
}
