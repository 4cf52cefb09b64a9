//! Queries that want too much: refused or ended with a text that says why, while samples go on being taken.

use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{Answer, Vigie, free_port, get, query, seconds, wait_for};
use crate::wire::{Series, Version, now_ms};

const PATIENCE: Duration = Duration::from_secs(60);
/// Evaluated for hours if nothing ends it, over a single series: the median of 600,000 values at each of 3,600 steps.
const ENDLESS: &str = "quantile_over_time(0.5,busy%5B10m:1ms%5D)";

fn start(query: &str) -> Vigie {
    let config = format!("query: {query}\n");
    let mut vigie = Vigie::launch(TempDir::new().unwrap(), &format!("127.0.0.1:{}", free_port()), &config);
    vigie.wait_until_ready();
    vigie
}

fn write(vigie: &Vigie, name: &str, hosts: usize, at: i64) {
    let one = |host: usize| {
        let samples = [(at - 30_000, 1.0), (at - 15_000, 2.0), (at, 3.0)];
        Series::new(name, &[("host", &format!("host-{host}"))], &samples)
    };
    let answer = vigie.write(Version::V2, &(0..hosts).map(one).collect::<Vec<_>>());
    assert_eq!(answer.status, 204, "{}", answer.body);
}

/// An hour of a series, so that the endless query has something to do at every step.
fn write_busy(vigie: &Vigie, now: i64) {
    let samples: Vec<_> = (0..=70).rev().map(|minutes| (now - minutes * 60_000, 1.0)).collect();
    assert_eq!(vigie.write(Version::V2, &[Series::new("busy", &[], &samples)]).status, 204);
}

/// Asserts how a query was refused, and that every one of these words is said.
#[track_caller]
fn expect(answer: &Answer, status: u16, kind: &str, words: &[&str]) {
    let body: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!((answer.status, &body["status"], &body["errorType"]), (status, &json!("error"), &json!(kind)), "{body}");
    let text = body["error"].as_str().unwrap();
    for word in words {
        assert!(text.contains(word), "{word:?} is missing in {text:?}");
    }
}

/// The value of a metric, 0 while it is not there.
fn metric(vigie: &Vigie, name: &str) -> u64 {
    let page = get(&vigie.url("/metrics")).body;
    let line = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.map_or(0, |value| value.parse().unwrap())
}

fn ended(vigie: &Vigie, outcome: &str) -> u64 {
    metric(vigie, &format!("vigie_queries_total{{outcome=\"{outcome}\"}}"))
}

#[test]
fn a_query_over_a_limit_is_refused_with_what_would_do() {
    let vigie = start("{max_series: 100, max_samples: 250}");
    let now = now_ms();
    write(&vigie, "many", 150, now);
    write(&vigie, "few", 100, now);
    let ask = |path: &str| get(&vigie.url(path));

    let at = seconds(now);
    let refused = ask(&format!("/api/v1/query?query=sum(many)&time={at}"));
    expect(&refused, 422, "execution", &["too many series", "more than 100 match", "query.max_series", "narrow"]);
    let refused = ask(&format!("/api/v1/series?match[]=many&start={}&end={at}", seconds(now - 60_000)));
    expect(&refused, 422, "execution", &["query.max_series"]);
    let refused = ask(&format!("/api/v1/query?query=few%5B1m%5D&time={at}"));
    let words = ["too many samples", "more than 250 at a time", "of 100 series", "shorter range", "query.max_samples"];
    expect(&refused, 422, "execution", &words);
    let form = format!("query=few&start={}&end={at}&step=1", seconds(now - 60_000));
    expect(&ask(&format!("/api/v1/query_range?{form}")), 422, "execution", &["larger step", "query.max_samples"]);

    // What is within them is answered, also of the metric that has too many.
    assert_eq!(query(&vigie.url(""), "sum(few)")[0].value(), 300.0);
    assert_eq!(query(&vigie.url(""), "many{host='host-7'}")[0].value(), 3.0);
    assert_eq!((ended(&vigie, "too_large"), ended(&vigie, "answered")), (4, 2));
    let log = vigie.process().log();
    assert!(log.contains("a query was given up") && log.contains("sum(many)"), "{log}");
    vigie.stop();
}

#[test]
fn all_queries_together_have_so_much_memory() {
    let vigie = start("{max_memory: 64KiB}");
    let now = now_ms();
    write(&vigie, "many", 150, now);
    let refused = get(&vigie.url("/api/v1/query?query=many"));
    expect(&refused, 503, "unavailable", &["64KiB", "query.max_memory", "try again"]);
    assert_eq!((ended(&vigie, "no_memory"), metric(&vigie, "vigie_query_memory_bytes")), (1, 0));
    vigie.stop();
}

#[test]
fn a_query_that_takes_too_long_ends_and_samples_go_on() {
    let vigie = start("{timeout: 700ms, max_concurrent: 1, max_wait: 100ms}");
    let now = now_ms();
    write_busy(&vigie, now);
    let path =
        format!("/api/v1/query_range?query={ENDLESS}&start={}&end={}&step=1", seconds(now - 3_600_000), seconds(now));
    let url = vigie.url(&path);
    let (late, waited) = std::thread::scope(|scope| {
        let late = scope.spawn(|| get(&url));
        wait_for("the query to run", PATIENCE, || (metric(&vigie, "vigie_queries_running") == 1).then_some(()));
        let waited = get(&vigie.url("/api/v1/query?query=1"));
        for n in 0..10 {
            write(&vigie, &format!("meanwhile_{n}"), 20, now);
        }
        (late.join().unwrap(), waited)
    });
    expect(&late, 503, "timeout", &["query timed out", "700ms", "of 1 series", "query.timeout"]);
    expect(&waited, 503, "timeout", &["query timed out in query queue", "query.max_concurrent", "query.max_wait"]);
    wait_for("the evaluation to end", PATIENCE, || (ended(&vigie, "timeout") == 1).then_some(()));
    assert_eq!((metric(&vigie, "vigie_queries_running"), ended(&vigie, "no_turn")), (0, 1));
    let written = query(&vigie.url(""), "count({__name__=~'meanwhile_.*'})");
    assert_eq!(written[0].value(), 200.0, "all of it was taken, and the turn is free again");
    vigie.stop();
}

#[test]
fn a_query_ends_when_its_client_hangs_up() {
    let vigie = start("{timeout: 1h}");
    let now = now_ms();
    write_busy(&vigie, now);
    let form = format!("query={ENDLESS}&start={}&end={}&step=1", seconds(now - 3_600_000), seconds(now));
    let mut client = TcpStream::connect(vigie.address()).unwrap();
    write!(client, "GET /api/v1/query_range?{form} HTTP/1.1\r\nHost: vigie\r\n\r\n").unwrap();
    wait_for("the query to run", PATIENCE, || (metric(&vigie, "vigie_queries_running") == 1).then_some(()));
    drop(client);
    wait_for("the evaluation to end", PATIENCE, || (ended(&vigie, "canceled") == 1).then_some(()));
    assert_eq!(metric(&vigie, "vigie_queries_running"), 0);
    vigie.stop();
}
