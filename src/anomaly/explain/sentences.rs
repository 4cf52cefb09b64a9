//! Sentences against a golden file, made to be read aloud: tests/reference/sentences.txt.

use super::*;

const GOLDEN: &str = include_str!("../../../tests/reference/sentences.txt");
const AT: TimestampMs = 1_795_261_600_000;

fn company(series: u32, workloads: u32) -> Companions {
    Companions { series, workloads, strongest: Vec::new() }
}

fn siblings(count: u32, alike: u32) -> Option<Siblings> {
    Some(Siblings { count, alike })
}

/// A sentence about a series: kind, series, seen, expected, band, whether a rate, rarities, siblings, companions.
#[allow(clippy::too_many_arguments)]
fn say(
    kind: Kind,
    series: &str,
    (seen, expected, low, high): (f64, f64, f64, f64),
    is_rate: bool,
    rarity: [f32; FEATURES],
    siblings: Option<Siblings>,
    companions: Companions,
) -> String {
    let drivers = series_drivers(&rarity, seen >= expected);
    let band = (low, high);
    let since = AT;
    let companions = &companions;
    let per_day = if kind == Kind::Trend && drivers.is_empty() { (seen - expected) / 4.0 } else { 0.0 };
    series_sentence(&SeriesStory {
        series,
        kind,
        seen,
        expected,
        band,
        is_rate,
        since,
        per_day,
        drivers: &drivers,
        siblings,
        companions,
    })
}

fn all() -> Vec<String> {
    use Kind::{Flatline, LevelShift, LostSeason, PeerDiffers, Spike, Trend, Variance};
    const FAR: [f32; FEATURES] = [5.2, 3.0, 0.1, 0.0, 0.0];
    const HOUR: [f32; FEATURES] = [0.0, 4.1, 2.0, 1.0, 0.5];
    const LONG: [f32; FEATURES] = [0.0, 2.0, 6.2, 0.0, 0.0];
    const NONE: [f32; FEATURES] = [0.0; FEATURES];
    const NO: f64 = f64::NAN;
    let gib = 1_073_741_824.0;
    let errors = r#"http_requests_total{code="500",job="payment"}"#;
    let latency = r#"http_request_duration_seconds:p99{job="checkout"}"#;
    let memory = r#"container_memory_working_set_bytes{pod="cart-7d9f-x2x4l"}"#;
    let disk = r#"node_filesystem_avail_bytes{instance="db-1",mountpoint="/var/lib"}"#;
    let queue = r#"rabbitmq_queue_messages_ready{queue="mail"}"#;
    let cpu = r#"node_cpu_seconds_total{cpu="0",instance="node-3",mode="user"}"#;
    let up = r#"up{instance="10.0.0.7:9100",job="node"}"#;
    let orders = r#"shop_orders_total{job="shop"}"#;
    let temperature = r#"node_hwmon_temp_celsius{instance="node-2",sensor="temp1"}"#;
    let drivers = |strays: &[(&str, f32)]| {
        workload_drivers(&strays.iter().map(|(name, u)| ((*name).to_owned(), *u)).collect::<Vec<_>>())
    };
    vec![
        say(Spike, errors, (42.5, 0.5, 0.0, 1.5), true, FAR, siblings(4, 0), company(0, 0)),
        say(Spike, errors, (42.5, 0.5, 0.0, 1.5), true, FAR, siblings(4, 3), company(21, 9)),
        say(Spike, latency, (2.4, 0.18, 0.11, 0.3), false, HOUR, None, company(1, 1)),
        say(Spike, queue, (18_400.0, 120.0, 0.0, 900.0), false, FAR, None, company(3, 0)),
        say(Spike, up, (0.0, 1.0, 1.0, 1.0), false, FAR, siblings(11, 0), company(0, 0)),
        say(Spike, up, (0.0, 1.0, 1.0, 1.0), false, FAR, siblings(1, 1), company(40, 2)),
        say(Spike, orders, (0.02, 3.1, 1.9, 4.4), true, LONG, None, company(2, 1)),
        say(Spike, cpu, (0.97, 0.31, 0.1, 0.55), true, HOUR, siblings(2, 2), company(130, 14)),
        say(LevelShift, latency, (0.9, 0.18, 0.11, 0.3), false, LONG, None, company(7, 3)),
        say(
            LevelShift,
            memory,
            (1.9 * gib, 0.8 * gib, 0.7 * gib, 0.9 * gib),
            false,
            FAR,
            siblings(2, 0),
            company(0, 0),
        ),
        say(LevelShift, orders, (1.1, 3.1, 1.9, 4.4), true, LONG, siblings(1, 0), company(1, 0)),
        say(LevelShift, cpu, (0.05, 0.31, 0.1, 0.55), true, HOUR, siblings(2, 1), company(1, 1)),
        say(Trend, memory, (1.6 * gib, 0.8 * gib, 0.7 * gib, 0.9 * gib), false, FAR, siblings(2, 0), company(5, 1)),
        say(Trend, disk, (12.0 * gib, 80.0 * gib, 75.0 * gib, 85.0 * gib), false, LONG, None, company(6, 1)),
        say(Trend, memory, (1.5 * gib, 1.2 * gib, NO, NO), false, NONE, siblings(2, 0), company(0, 0)),
        say(Trend, disk, (61.0 * gib, 80.0 * gib, NO, NO), false, NONE, None, company(0, 0)),
        say(Trend, orders, (4.0, 2.0, NO, NO), true, NONE, siblings(3, 3), company(3, 3)),
        say(Variance, temperature, (9.0, 1.5, NO, NO), false, NONE, siblings(2, 0), company(0, 0)),
        say(Variance, temperature, (0.1, 1.5, NO, NO), false, NONE, siblings(2, 2), company(2, 2)),
        say(Variance, queue, (900.0, 120.0, 0.0, 400.0), false, HOUR, None, company(0, 0)),
        say(LostSeason, orders, (0.3, 2.7, NO, NO), true, NONE, None, company(0, 0)),
        say(Flatline, temperature, (54.0, 54.0, NO, NO), false, NONE, siblings(2, 0), company(0, 0)),
        say(Flatline, orders, (0.0, 0.0, NO, NO), true, NONE, None, company(4, 2)),
        say(PeerDiffers, memory, (1.9 * gib, 0.8 * gib, NO, NO), false, NONE, siblings(5, 0), company(0, 0)),
        say(PeerDiffers, errors, (4.0, 0.01, NO, NO), true, NONE, siblings(3, 0), company(2, 1)),
        absence_sentence(r#"{job="cart"}"#, 143, AT),
        absence_sentence(r#"backup_last_success_timestamp_seconds{job="backup"}"#, 1, AT),
        workload_sentence(r#"{job="a",instance="b"}"#, 12, AT, &drivers(&[("cpu", 6.0), ("memory", -3.0)])),
        workload_sentence(r#"{namespace="shop",pod="cart-0"}"#, 40, AT, &drivers(&[("http_requests_total", -9.2)])),
        workload_sentence(r#"{job="db",instance="c"}"#, 7, AT, &drivers(&[("io", 4.0), ("wal", 3.9), ("locks", 3.5)])),
    ]
}

#[test]
fn thirty_sentences_read_as_the_golden_file_has_them() {
    let said = all();
    assert_eq!(said.len(), 30);
    for (line, (said, golden)) in said.iter().zip(GOLDEN.lines().chain(std::iter::repeat(""))).enumerate() {
        assert_eq!(said, golden, "line {}; all of them:\n{}\n", line + 1, all().join("\n"));
    }
}
