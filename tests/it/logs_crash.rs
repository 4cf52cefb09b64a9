//! Log lines that were acknowledged outlive the process: each is found once afterwards, and counted once.

use std::{collections::BTreeSet, ops::Range, thread::sleep, time::Duration};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{Vigie, free_port, get, wait_for};
use crate::wire::now_ms;

const KILLS: usize = 4;
/// Requests between two kills, and lines of each.
const REQUESTS: usize = 60;
const LINES: usize = 40;
/// Snapshots in between, so that the index goes on from a place before and behind one.
const CONFIG: &str = "journal: {snapshot_interval: 1s}\n";

fn start(data: TempDir) -> Vigie {
    let mut vigie = Vigie::launch(data, &format!("127.0.0.1:{}", free_port()), CONFIG);
    vigie.wait_until_ready();
    vigie
}

fn line(number: usize) -> String {
    format!("order {number} of customer {} paid in {} ms", number % 97, number % 1_000)
}

/// Sends lines with these numbers; the status, or `None` when vigie was gone before it answered.
fn push(vigie: &Vigie, round: usize, numbers: Range<usize>) -> Option<u16> {
    let at = |number: usize| (now_ms() * 1_000_000 + (number % LINES) as i64).to_string();
    let values: Vec<Value> = numbers.map(|number| json!([at(number), line(number)])).collect();
    let stream = json!({"service": "shop", "round": round.to_string()});
    let body = json!({"streams": [{"stream": stream, "values": values}]}).to_string();
    let send = || vigie.post("/loki/api/v1/push", &[("content-type", "application/json")], body.as_bytes()).status;
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(send)).ok()
}

/// Numbers of the lines that are found, each as often as it is.
fn found(vigie: &Vigie, round: usize) -> Vec<usize> {
    let query = format!("%7Bservice%3D%22shop%22%2Cround%3D%22{round}%22%7D");
    let answer = get(&vigie.url(&format!("/loki/api/v1/query_range?query={query}&limit=5000&since=1h")));
    assert_eq!(answer.status, 200, "{}", answer.body);
    let answer: Value = serde_json::from_str(&answer.body).unwrap();
    let streams = answer["data"]["result"].as_array().unwrap();
    let lines = streams.iter().flat_map(|stream| stream["values"].as_array().unwrap());
    let number = |value: &Value| value[1].as_str().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let mut numbers: Vec<usize> = lines.map(number).collect();
    numbers.sort_unstable();
    numbers
}

fn counted(vigie: &Vigie) -> u64 {
    let answer = get(&vigie.url("/api/v1/templates?service=shop"));
    let answer: Value = serde_json::from_str(&answer.body).unwrap();
    answer["lines"].as_u64().unwrap()
}

#[test]
fn killed_under_log_lines_nothing_acknowledged_is_lost_or_found_twice() {
    let mut vigie = start(TempDir::new().unwrap());
    let mut next = 0;
    let mut sent: Vec<(BTreeSet<usize>, Range<usize>)> = Vec::new();
    for round in 0..KILLS {
        let mut acknowledged = BTreeSet::new();
        for _ in 0..REQUESTS {
            assert_eq!(push(&vigie, round, next..next + LINES), Some(204));
            acknowledged.extend(next..next + LINES);
            next += LINES;
        }
        // What becomes of the request that is on its way when it ends is open: all of it is there, or nothing.
        let open = next..next + LINES;
        next += LINES;
        std::thread::scope(|scope| {
            let (sender, open) = (&vigie, open.clone());
            let pushed = scope.spawn(move || push(sender, round, open));
            sleep(Duration::from_micros(700 * round as u64));
            vigie.process().kill();
            if pushed.join().unwrap() == Some(204) {
                acknowledged.extend(next - LINES..next);
            }
        });
        sent.push((acknowledged, open));
        vigie = start(vigie.into_data());
    }
    let mut total = 0;
    for (round, (acknowledged, open)) in sent.iter().enumerate() {
        let numbers = wait_for("all lines to be found", Duration::from_secs(30), || {
            let numbers = found(&vigie, round);
            (numbers.len() >= acknowledged.len()).then_some(numbers)
        });
        total += numbers.len() as u64;
        let once: BTreeSet<usize> = numbers.iter().copied().collect();
        assert_eq!(once.len(), numbers.len(), "round {round}: a line is found twice");
        assert!(acknowledged.is_subset(&once), "round {round}: a line that was acknowledged is gone");
        let more: Vec<usize> = once.difference(acknowledged).copied().collect();
        assert!(more.is_empty() || more == open.clone().collect::<Vec<_>>(), "round {round}: {more:?}");
    }
    assert_eq!(counted(&vigie), total, "each line has one template");
    // An orderly stop changes nothing.
    let vigie = start(vigie.stop());
    assert_eq!(counted(&vigie), total);
    assert_eq!((0..KILLS).map(|round| found(&vigie, round).len() as u64).sum::<u64>(), total);
    vigie.stop();
}
