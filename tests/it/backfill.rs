//! The history of a real Prometheus is read in at the start: the series are known at once, what was odd in the past is
//! no finding, nothing that is sent meanwhile is lost, and a restart reads only what is missing.

#![cfg(feature = "client")]

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::support::{Found, Process, Vigie, free_port, get, peers, query, query_at, wait_for};
use crate::wire::{Series, Version, now_ms};

const STEP: i64 = 15_000;
/// A day of samples.
const SCRAPES: i64 = 5_760;
/// The scrapes of an hour ago in which one of the series is far off.
const FAULT: std::ops::Range<i64> = SCRAPES - 260..SCRAPES - 220;
const METRICS: [&str; 10] = [
    "queue_length",
    "requests_total",
    "errors_total",
    "cpu_seconds_total",
    "memory_bytes",
    "connections",
    "threads",
    "sent_bytes_total",
    "latency_seconds",
    "workers",
];
const PODS: [&str; 5] = ["a", "b", "c", "d", "e"];
const SOON: Duration = Duration::from_secs(60);

/// Numbers between -0.5 and 0.5 that look random and are the same in every run.
fn noise(n: i64, stream: u64) -> f64 {
    let mut x = (n as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ stream.wrapping_mul(0xd1b5_4a32_d192_ed03);
    for shift in [33, 29] {
        x = (x ^ (x >> shift)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    }
    ((x ^ (x >> 32)) >> 11) as f64 / (1_u64 << 53) as f64 - 0.5
}

/// What a gauge shows in a scrape, or how much a counter grows in it.
fn level(n: i64, metric: usize, pod: usize) -> f64 {
    let day = (n as f64 / SCRAPES as f64 * std::f64::consts::TAU).sin();
    let usual = 100.0 + 20.0 * day + 10.0 * noise(n, (metric * PODS.len() + pod) as u64);
    let fault = (metric, pod) == (0, 2) && FAULT.contains(&n);
    (if fault { usual + 500.0 } else { usual }).round()
}

/// Writes the day up to `end` as blocks of a Prometheus' storage.
fn write_history(programs: &Path, dir: &Path, end: i64) {
    let mut text = String::new();
    for (m, metric) in METRICS.into_iter().enumerate() {
        let family = metric.trim_end_matches("_total");
        let is_counter = family != metric;
        let _ = writeln!(text, "# TYPE {family} {}", if is_counter { "counter" } else { "gauge" });
        for (p, pod) in PODS.into_iter().enumerate() {
            let mut total = 0.0;
            for n in 0..SCRAPES {
                let value = level(n, m, p);
                total += value;
                let shown = if is_counter { total } else { value };
                let at = (end - (SCRAPES - 1 - n) * STEP) as f64 / 1000.0;
                let _ = writeln!(text, "{metric}{{job=\"shop\",instance=\"{pod}\"}} {shown} {at:.3}");
            }
        }
    }
    text.push_str("# EOF\n");
    let file = dir.join("history.om");
    fs::write(&file, text).unwrap();
    let mut promtool = Command::new(programs.join("promtool"));
    promtool.args(["tsdb", "create-blocks-from", "openmetrics"]).arg(file).arg(dir.join("storage"));
    let done = promtool.output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

/// Starts a Prometheus that has the history, scrapes itself every second and writes to `vigie`.
fn start_prometheus(programs: &Path, dir: &Path, vigie: &str) -> (Process, String) {
    let own = format!("127.0.0.1:{}", free_port());
    let config = format!(
        "global: {{scrape_interval: 1s, scrape_timeout: 1s, external_labels: {{cluster: north}}}}\n\
         scrape_configs: [{{job_name: self, static_configs: [{{targets: ['{own}']}}]}}]\n\
         remote_write:\n\
         - url: http://{vigie}/api/v1/write\n\
         \x20 queue_config: {{batch_send_deadline: 200ms}}\n\
         \x20 metadata_config: {{send: false}}\n"
    );
    let file = dir.join("prometheus.yml");
    fs::write(&file, config).unwrap();
    let mut command = Command::new(programs.join("prometheus"));
    command.arg(format!("--config.file={}", file.display()));
    command.arg(format!("--storage.tsdb.path={}", dir.join("storage").display()));
    command.arg(format!("--web.listen-address={own}"));
    // So few that metrics must be asked for in pieces.
    command.arg("--query.max-samples=2000");
    let mut process = Process::start("prometheus", &mut command, dir);
    let base = format!("http://{own}");
    process.wait_until_answers(&format!("{base}/-/ready"));
    (process, base)
}

/// The value of a metric without labels on a metrics page.
fn metric(base: &str, name: &str) -> f64 {
    let page = get(&format!("{base}/metrics")).body;
    let value = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value.unwrap_or_else(|| panic!("{name} is missing in\n{page}")).parse().unwrap()
}

/// The sum of a metric over its series; 0 when there is none.
fn sum(base: &str, name: &str) -> f64 {
    query(base, &format!("sum({name})")).first().map_or(0.0, Found::value)
}

fn findings(vigie: &Vigie) -> Vec<Value> {
    let list: Value = serde_json::from_str(&get(&vigie.url("/api/v1/findings")).body).unwrap();
    list["items"].as_array().unwrap().clone()
}

/// Asserts that vigie has the samples of Prometheus, with its external labels.
fn same_samples(prometheus: &str, vigie: &Vigie, selector: &str, at: i64) {
    let there = query_at(prometheus, selector, at);
    let here = query_at(&vigie.url(""), selector, at);
    assert!(!there.is_empty(), "{selector} finds nothing");
    assert_eq!(here.len(), there.len(), "{selector}");
    for (mut there, here) in there.into_iter().zip(here) {
        there.labels.insert("cluster".to_owned(), "north".to_owned());
        assert_eq!(here, there, "{selector}");
    }
}

#[test]
fn history_is_read_in_and_nothing_is_said_about_it() {
    let Some(programs) = peers("history_is_read_in_and_nothing_is_said_about_it") else { return };
    let dir = TempDir::new().unwrap();
    let end = now_ms();
    write_history(&programs, dir.path(), end);
    let address = format!("127.0.0.1:{}", free_port());
    let (_process, prometheus) = start_prometheus(&programs, dir.path(), &address);
    wait_for("Prometheus to have samples to send", SOON, || query(&prometheus, "count_over_time(up[1m]) >= 3").pop());

    let config = format!("backfill: {{prometheus: '{prometheus}', history: 25h, max_samples_per_second: 50000}}\n");
    let mut vigie = Vigie::launch(TempDir::new().unwrap(), &address, &config);
    let own = vigie.url("");
    let said = wait_for("the progress", SOON, || {
        let ready = get(&vigie.url("/-/ready"));
        (ready.status == 503 && ready.body.contains(" samples of 50 series")).then_some(ready.body)
    });
    assert!(said.starts_with("vigie reads in history: ") && said.contains(" to go"), "{said}");
    let refused = vigie.write(Version::V1, &[Series::new("sent", &[], &[(end, 1.0)])]);
    assert_eq!((refused.status, refused.headers["retry-after"].as_str()), (503, "5"), "{}", refused.body);
    assert!(metric(&own, "vigie_backfill_done_ratio") < 1.0);
    #[cfg(feature = "ui")]
    assert!(get(&own).body.contains("Reading in history: "));
    vigie.wait_until_ready();

    // All of it, as it was, and judged: the fault has its score, but none is told of it.
    let read = metric(&own, "vigie_backfill_samples_total");
    assert!(read >= (SCRAPES * 50) as f64, "{read} samples");
    for metric in METRICS {
        same_samples(&prometheus, &vigie, &format!("{metric}{{job=\"shop\"}}[90m]"), end);
    }
    let scored = query_at(&own, "count(vigie_anomaly_score{job=\"shop\"})", end);
    assert_eq!(scored[0].value(), 50.0, "every series has a score at once");
    let fault = "{job=\"shop\",metric=\"queue_length\",instance=\"c\"}[90m]";
    let highest = query_at(&own, &format!("max_over_time(vigie_anomaly_score{fault})"), end);
    assert!(highest[0].value() > 1.5, "{highest:?}");
    assert_eq!(query_at(&own, &format!("max_over_time(vigie_anomalous{fault})"), end)[0].value(), 0.0);
    assert_eq!(findings(&vigie), Vec::<Value>::new());

    // What was sent meanwhile has been sent again, without a hole where history ends.
    wait_for("samples sent after the backfill", SOON, || {
        let found = query(&own, "timestamp(up{job=\"self\",cluster=\"north\"})");
        (found.first()?.value() * 1000.0 > now_ms() as f64 - 3_000.0).then_some(())
    });
    same_samples(&prometheus, &vigie, "{job=\"self\",__name__=~\"up|process_.*\"}[5m]", now_ms() - 4_000);
    for fate in ["samples_failed", "samples_dropped"] {
        assert_eq!(sum(&prometheus, &format!("prometheus_remote_storage_{fate}_total")), 0.0, "{fate}");
    }

    assert_eq!(metric(&own, "vigie_backfill_done_ratio"), 1.0);

    // What is known is not read in again.
    let mut vigie = Vigie::launch(vigie.stop(), &address, &config);
    vigie.wait_until_ready();
    let again = metric(&own, "vigie_backfill_samples_total");
    assert!(again < read / 2.0, "{again} of {read} samples were read in again");

    // The present is told of, also about series that only history knows.
    let value = |k: i64| 110.0 + noise(k, 1) + if k > 2 { 600.0 } else { 0.0 };
    let samples: Vec<_> = (1..10).map(|k| (end + k * STEP, value(k))).collect();
    let labels = [("cluster", "north"), ("instance", "d"), ("job", "shop")];
    let answer = vigie.write(Version::V1, &[Series::new("queue_length", &labels, &samples)]);
    assert_eq!(answer.status, 204, "{}", answer.body);
    let told = findings(&vigie);
    assert!(told.iter().any(|finding| finding["labels"]["instance"] == "d"), "{told:#?}");
    vigie.stop();
}

#[test]
fn a_prometheus_that_does_not_answer_is_no_obstacle() {
    let nowhere = format!("http://user:secret@127.0.0.1:{}", free_port());
    let config = format!("backfill: {{prometheus: '{nowhere}', timeout: 1s}}\n");
    let address = format!("127.0.0.1:{}", free_port());
    let mut vigie = Vigie::launch(TempDir::new().unwrap(), &address, &config);
    vigie.wait_until_ready();
    let log = vigie.process().log();
    assert!(log.contains("the history is not read in to its end") && !log.contains("secret"), "{log}");
    let answer = vigie.write(Version::V1, &[Series::new("sent", &[], &[(now_ms(), 1.0)])]);
    assert_eq!(answer.status, 204, "{}", answer.body);
    vigie.stop();
}
