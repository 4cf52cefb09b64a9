//! The load generator against the daemon: what one says it sent is what the other says it got.

#![cfg(feature = "loadgen")]

use std::collections::HashSet;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::process::{Command, Output};
use std::sync::mpsc;
use std::thread;

use serde_json::Value;

use crate::support::{Vigie, binary, free_port, query};

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

#[test]
fn the_target_counts_what_the_generator_counts() {
    for mode in ["open", "closed"] {
        for protocol in ["1", "2"] {
            let what = format!("{mode} {protocol}");
            let vigie = Vigie::start();
            let pid = vigie.process().id().to_string();
            let load = ["--interval", "1s", "--duration", "3s", "--samples-per-request", "700", "--connections", "2"];
            let options = [&load[..], &["--mode", mode, "--protocol", protocol, "--pid", &pid]].concat();
            let told = figures(&vigie.url(""), &options);

            let written = told["samples_written"].as_u64().unwrap();
            assert!(written >= SERIES, "{what}: {told}");
            assert_eq!(vigie.metric("vigie_remote_write_written_total{kind=\"samples\"}"), written, "{what}: {told}");
            assert_eq!(vigie.metric("vigie_series{"), SERIES, "{what}");
            assert_eq!((&told["series_written"], &told["samples_failed"]), (&SERIES.into(), &0.into()), "{what}");
            assert_eq!(told["answers"].as_array().unwrap().len(), 1, "{what}: {told}");
            let answers = told["answers"][0]["count"].as_u64();
            assert_eq!((told["answers"][0]["status"].as_str(), answers), (Some("204"), told["requests"].as_u64()));
            // Every request but the one that asks whether the target is there.
            let sent = vigie.metric("vigie_http_requests_total{handler=\"/api/v1/write\",code=\"204\"}");
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
    assert_eq!(vigie.metric("vigie_remote_write_written_total{kind=\"samples\"}"), 0);
    vigie.stop();
}

/// A receiver for one connection at a time that gives these answers in turn, the last one for ever. Returns its
/// address, and the bodies that it gets.
fn receiver(answers: &'static [&'static str]) -> (String, mpsc::Receiver<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (got, bodies) = mpsc::channel();
    thread::spawn(move || {
        let (mut answers, mut answer) = (answers.iter(), "");
        for stream in listener.incoming() {
            let mut stream = BufReader::new(stream.unwrap());
            while let Some(body) = read_request(&mut stream) {
                answer = answers.next().unwrap_or(&answer);
                stream.get_mut().write_all(answer.as_bytes()).unwrap();
                // Nobody asks for them any more when the test is over.
                let _ = got.send(body);
            }
        }
    });
    (url, bodies)
}

/// The body of the next request; `None` at the end of the connection.
fn read_request(stream: &mut impl BufRead) -> Option<Vec<u8>> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).unwrap_or_default() == 0 {
            return None;
        }
        match line.trim().to_lowercase().strip_prefix("content-length:") {
            Some(number) => length = number.trim().parse().unwrap(),
            None if line.trim().is_empty() => break,
            None => {}
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).unwrap();
    Some(body)
}

#[test]
fn what_the_target_wants_later_is_sent_again_and_counted() {
    const TAKEN: &str = "HTTP/1.1 204 No Content\r\n\r\n";
    const BUSY: &str = "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 0\r\nContent-Length: 4\r\n\r\nbusy";
    const ENOUGH: &str = "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n";
    const WRONG: &str = "HTTP/1.1 400 Bad Request\r\nContent-Length: 7\r\n\r\ntoo old";

    // The first is for the request that asks whether the target is there.
    let (url, bodies) = receiver(&[TAKEN, BUSY, ENOUGH, TAKEN, WRONG, TAKEN]);
    let options = ["--connections", "1", "--samples-per-request", "1000", "--interval", "1s", "--duration", "6s"];
    let told = figures(&url, &options);

    let bodies: Vec<_> = bodies.try_iter().skip(1).collect();
    assert!(bodies[0] == bodies[1] && bodies[1] == bodies[2], "sent again unchanged");
    assert!(bodies[2] != bodies[3] && bodies[3] != bodies[4], "what is done with is not sent again");
    assert_eq!((&told["retries"], &told["errors"]), (&2.into(), &3.into()), "{told}");
    assert_eq!(told["samples_failed"], 1000, "{told}");
    assert_eq!(told["requests"].as_u64().unwrap() + 2, bodies.len() as u64);
    let answer = |status: &str| told["answers"].as_array().unwrap().iter().find(|answer| answer["status"] == status);
    assert_eq!(answer("503").unwrap()["reason"], "busy");
    assert_eq!(answer("429").unwrap()["count"], 1);
    assert_eq!(answer("400").unwrap()["reason"], "too old");
    // An open loop's latency counts from when the request was due, so that the wait is in it.
    assert!(told["latency_s"]["max"].as_f64().unwrap() >= 1.0, "{told}");
}
