//! What was acknowledged outlives the process: vigie is killed at random moments, and everything it said yes to is there
//! afterwards, scored as if nothing had happened.

use std::{fs, thread::sleep, time::Duration};

use tempfile::TempDir;

use crate::support::{Vigie, free_port, get, query_at};
use crate::wire::{Series, Version, now_ms};

const STEP: i64 = 15_000;
const KILLS: usize = 5;
/// Requests between two kills, of two scrapes each.
const REQUESTS: i64 = 60;

/// Scrapes `from..to` of some gauges and a counter.
fn scrapes(start: i64, from: i64, to: i64) -> Vec<Series> {
    let mut series: Vec<Series> = (0..6)
        .map(|part| {
            let value = |n: i64| 50.0 + (n as f64 * 0.7 + f64::from(part)).sin() + 0.3 * (n as f64 * 2.3).cos();
            let samples: Vec<_> = (from..to).map(|n| (start + n * STEP, value(n))).collect();
            Series::new("queue_length", &[("job", "shop"), ("queue", &part.to_string())], &samples)
        })
        .collect();
    let total: Vec<_> = (from..to).map(|n| (start + n * STEP, (n * n) as f64)).collect();
    series.push(Series::new("done_total", &[("job", "shop")], &total));
    series
}

/// All samples and scores up to `at`.
fn everything(vigie: &Vigie, at: i64) -> Vec<String> {
    let questions = ["{job=\"shop\"}[6h]", "vigie_anomaly_score[6h]", "vigie_expected[6h]", "vigie_upper[6h]"];
    questions.iter().map(|question| format!("{:?}", query_at(&vigie.url(""), question, at))).collect()
}

/// A window long enough for the whole story; snapshots in between, so that it goes on from one as well.
const CONFIG: &str = "series: {window: 6h}\njournal: {snapshot_interval: 1s}\n";

fn start(data: TempDir) -> Vigie {
    let mut vigie = Vigie::launch(data, &format!("127.0.0.1:{}", free_port()), CONFIG);
    vigie.wait_until_ready();
    vigie
}

#[test]
fn killed_at_random_moments_nothing_acknowledged_is_lost() {
    let (start_at, mut next) = (now_ms() - 2 * KILLS as i64 * REQUESTS * STEP, 0);
    let mut vigie = start(TempDir::new().unwrap());
    for kill in 0..KILLS {
        let before = next;
        for _ in 0..REQUESTS {
            let answer = vigie.write(Version::V1, &scrapes(start_at, next, next + 2));
            assert_eq!(answer.status, 204, "{}", answer.body);
            next += 2;
        }
        // The next request is on its way when it ends; what becomes of that one is open, and it is sent again.
        let body = scrapes(start_at, next, next + 2);
        std::thread::scope(|scope| {
            let sender = &vigie;
            scope.spawn(move || {
                let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| sender.write(Version::V1, &body)));
            });
            sleep(Duration::from_micros(300 * kill as u64));
            vigie.process().kill();
        });
        vigie = start(vigie.into_data());
        assert!(next > before);
        let answer = vigie.write(Version::V1, &scrapes(start_at, next, next + 2));
        assert!([204, 400].contains(&answer.status), "{} {}", answer.status, answer.body);
        next += 2;
    }
    let end = start_at + next * STEP;
    let undisturbed = start(TempDir::new().unwrap());
    let mut n = 0;
    while n < next {
        let answer = undisturbed.write(Version::V1, &scrapes(start_at, n, n + 2));
        assert_eq!(answer.status, 204, "{}", answer.body);
        n += 2;
    }
    let (ours, theirs) = (everything(&vigie, end), everything(&undisturbed, end));
    assert!(theirs.iter().all(|answer| answer.len() > 1_000), "the story has samples and scores: {theirs:?}");
    for (ours, theirs) in ours.iter().zip(&theirs) {
        assert!(ours == theirs, "killed {KILLS} times:\n{ours}\nundisturbed:\n{theirs}");
    }
    // Feedback is told to a shard and kept as well; a second vigie does not touch the folder.
    let data = vigie.data_dir().join("data");
    assert!(fs::read_dir(&data).unwrap().count() > 1, "journal, snapshots and lock");
    let second = std::process::Command::new(crate::support::binary())
        .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
        .arg(&data)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&second.stderr);
    assert!(!second.status.success() && said.contains("in use by another vigie"), "{said}");
    assert_eq!(get(&vigie.url("/-/ready")).status, 200);
}
