//! The load generator against the daemon: what one says it sent is what the other says it got.

#![cfg(feature = "loadgen")]

use std::collections::HashSet;
use std::process::{Command, Output};

use serde_json::Value;

use crate::support::{Vigie, binary, free_port, get, query};

const SERIES: u64 = 3_000;

/// Runs `vigie loadgen` to its end.
fn loadgen(url: &str, options: &[&str]) -> Output {
    let series = SERIES.to_string();
    Command::new(binary()).args(["loadgen", url, "--series", &series]).args(options).output().unwrap()
}

/// Runs it and returns its figures.
fn figures(url: &str, options: &[&str]) -> Value {
    let output = loadgen(url, &[options, &["--json"]].concat());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{options:?}: {said}");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

/// The value of a series of `/metrics`, named as it stands there; zero as long as it is not there.
fn metric(vigie: &Vigie, series: &str) -> u64 {
    let page = get(&vigie.url("/metrics")).body;
    let value = page.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    value.map_or(0, |value| value.parse::<f64>().unwrap() as u64)
}

#[test]
fn the_target_counts_what_the_generator_counts() {
    for mode in ["open", "closed"] {
        for protocol in ["1", "2"] {
            let what = format!("{mode} {protocol}");
            let vigie = Vigie::start();
            let pid = vigie.process().id().to_string();
            let options = ["--interval", "1s", "--duration", "3s", "--samples-per-request", "700", "--connections", "2"];
            let told = figures(
                &vigie.url(""),
                &[&options[..], &["--mode", mode, "--protocol", protocol, "--pid", &pid]].concat(),
            );

            let written = told["samples_written"].as_u64().unwrap();
            assert!(written >= SERIES, "{what}: {told}");
            assert_eq!(metric(&vigie, "vigie_remote_write_written_total{kind=\"samples\"}"), written, "{what}: {told}");
            assert_eq!(metric(&vigie, "vigie_series"), SERIES, "{what}");
            assert_eq!((&told["series_written"], &told["samples_failed"]), (&SERIES.into(), &0.into()), "{what}");
            assert_eq!(told["answers"].as_array().unwrap().len(), 1, "{what}: {told}");
            let answers = told["answers"][0]["count"].as_u64();
            assert_eq!((told["answers"][0]["status"].as_str(), answers), (Some("204"), told["requests"].as_u64()));
            // Every request but the one that asks whether the target is there.
            let sent = metric(&vigie, "vigie_http_requests_total{handler=\"/api/v1/write\",code=\"204\"}");
            assert_eq!(Some(sent - 1), answers, "{what}");

            let latency = ["p50", "p90", "p99", "p999", "max"].map(|name| told["latency_s"][name].as_f64().unwrap());
            assert!(latency.is_sorted() && latency[0] > 0.0, "{what}: {latency:?}");
            if cfg!(target_os = "linux") {
                let resident = told["target"]["resident_end_bytes"].as_f64().unwrap();
                let each = told["target"]["resident_bytes_per_series"].as_f64().unwrap();
                assert!(resident > 1e6 && (each - resident / SERIES as f64).abs() < 1.0, "{what}: {told}");
            }
            vigie.stop();
        }
    }
}

#[test]
fn values_and_labels_look_like_a_clusters() {
    let vigie = Vigie::start();
    figures(&vigie.url(""), &["--mode", "closed", "--duration", "1s", "--seed", "7"]);

    let cpu = query(&vigie.url(""), "node_cpu_seconds_total[2h]");
    assert!(!cpu.is_empty());
    for series in &cpu {
        let values: Vec<f64> = series.samples.iter().map(|(_, value)| value.parse().unwrap()).collect();
        assert!(values.is_sorted(), "a counter fell: {series:?}");
        assert!(series.samples.is_sorted_by(|a, b| a.0 < b.0), "{series:?}");
    }
    let targets: HashSet<_> = query(&vigie.url(""), "container_memory_rss[2h]")
        .iter()
        .map(|series| [series.label("namespace"), series.label("node"), series.label("pod")].map(str::to_owned))
        .collect();
    assert!(targets.len() > 10, "{targets:?}");
    vigie.stop();
}

#[test]
fn what_cannot_work_is_said_before_anything_is_sent() {
    let nobody = format!("http://127.0.0.1:{}", free_port());
    let vigie = Vigie::start();
    let cases: [(&str, &[&str], &str); 5] = [
        (&nobody, &[], "cannot reach"),
        (&vigie.url("/metrics"), &[], "takes no remote write"),
        (&vigie.url(""), &["--pid", "4294967295"], "no process"),
        (&vigie.url(""), &["--rate", "4000000"], "more --series"),
        ("localhost", &[], "such as http://"),
    ];
    for (url, options, expected) in cases {
        let output = loadgen(url, options);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains(expected), "{said:?} should hold {expected:?}");
        assert!(output.stdout.is_empty());
    }
    assert_eq!(metric(&vigie, "vigie_remote_write_written_total{kind=\"samples\"}"), 0);
    vigie.stop();
}
