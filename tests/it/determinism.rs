//! The same input gives the same scores: a file replayed twice, and the same rows sent to the daemon over HTTP.

#![cfg(feature = "backtest")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::support::{Vigie, binary, query_at};
use crate::wire::{Series, Version, now_ms};

const STEP: i64 = 15_000;
const ROWS: i64 = 1_600;
/// Rows of the fault, within the two hours that the daemon remembers.
const FAULT: std::ops::Range<i64> = 1_500..1_520;

/// Value of a column in a row: metrics of one service that follow a common load, until one of them breaks away.
fn value(row: i64, column: usize) -> f64 {
    let load = (row as f64 / 50.0).sin() + 0.3 * (row as f64 * 1.7).cos();
    let own = 0.2 * (row as f64 * (2.3 + column as f64)).sin();
    let fault = if column == 0 && FAULT.contains(&row) { 30.0 } else { 0.0 };
    // Rounded, so that the text of the file names the very same number.
    ((100.0 + 10.0 * (1.0 + column as f64) * (load + own) + fault * 10.0) * 1e6).round() / 1e6
}

fn write_csv(path: &Path, start: i64, columns: usize) {
    let names: Vec<String> = (0..columns).map(|c| format!("m{c}")).collect();
    let mut text = format!("timestamp,{}\n", names.join(","));
    for row in 0..ROWS {
        let values: Vec<String> = (0..columns).map(|c| value(row, c).to_string()).collect();
        text.push_str(&format!("{},{}\n", start + row * STEP, values.join(",")));
    }
    fs::write(path, text).unwrap();
}

fn backtest(input: &Path, out: &Path) -> String {
    let done = Command::new(binary()).arg("backtest").arg("--out").arg(out).arg(input).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    fs::read_to_string(out.join(input.file_name().unwrap())).unwrap()
}

/// Columns of a result by name, as text.
fn column(result: &str, name: &str) -> Vec<String> {
    let mut lines = result.lines();
    let place = lines.next().unwrap().split(',').position(|heading| heading == name).unwrap();
    lines.map(|line| line.split(',').nth(place).unwrap().to_owned()).collect()
}

/// Sends the rows to the daemon, one request a row, and returns what it answers to `question`, by time.
fn served(start: i64, columns: usize, file: &str, question: &str) -> BTreeMap<i64, f32> {
    let vigie = Vigie::start();
    for row in 0..ROWS {
        let at = start + row * STEP;
        // The labels that a replay gives a file's series.
        let labels = [("instance", file), ("job", "backtest")];
        let series: Vec<Series> =
            (0..columns).map(|c| Series::new(&format!("m{c}"), &labels, &[(at, value(row, c))])).collect();
        let answer = vigie.write(Version::V1, &series);
        assert_eq!(answer.status, 204, "{}", answer.body);
    }
    let found = query_at(&vigie.url(""), question, start + (ROWS - 1) * STEP);
    assert_eq!(found.len(), 1, "{question}");
    vigie.stop();
    found[0].samples.iter().map(|(at, text)| (*at, text.parse::<f64>().unwrap() as f32)).collect()
}

fn check(columns: usize, name: &str, question: &str) {
    let dir = TempDir::new().unwrap();
    let input = dir.path().join(name);
    let start = (now_ms() / STEP - ROWS) * STEP;
    write_csv(&input, start, columns);
    let first = backtest(&input, &dir.path().join("first"));
    assert_eq!(first, backtest(&input, &dir.path().join("second")), "two replays");

    let replayed = column(&first, "score");
    let live = served(start, columns, name.trim_end_matches(".csv"), question);
    assert!(live.len() > 400, "{} scores in the window", live.len());
    let highest = live.values().copied().fold(0.0, f32::max);
    assert!(highest > 1.0, "the fault passes the threshold, not {highest}");
    for (at, score) in live {
        let row = ((at - start) / STEP) as usize;
        let replayed: f32 = replayed[row].parse().unwrap();
        assert_eq!(score.to_bits(), replayed.to_bits(), "row {row}: {score} served, {replayed} replayed");
    }
}

#[test]
fn a_series_has_the_same_scores_replayed_and_served() {
    check(1, "one.csv", "vigie_anomaly_score{metric=\"m0\"}[2h]");
}

#[test]
fn a_workload_has_the_same_scores_replayed_and_served() {
    check(6, "many.csv", "vigie_workload_anomaly_score[2h]");
}
