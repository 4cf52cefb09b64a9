//! What a series takes of memory, of the whole process as the system counts it, and how much of that the process can tell.

#![cfg(all(feature = "loadgen", target_os = "linux"))]

use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use crate::support::{Process, Vigie, binary, wait_for};

const SERIES: u64 = 100_000;
/// Samples of each series: so many that models of workloads are there.
const SAMPLES: u64 = 72;
/// Resident bytes that a series may take, beyond those of a process without series: a fifth more than when this was written.
const BYTES_MAX: u64 = 1_800;
/// Percent of what the system counts that the parts on `/metrics` explain: the rest is the allocator's and buffers.
const EXPLAINED_MIN: u64 = 70;

#[test]
fn a_series_takes_no_more_memory_than_is_promised_and_it_is_told_for_what() {
    let vigie = Vigie::start();
    let before = vigie.process().resident_memory().unwrap();
    let logs = TempDir::new().unwrap();
    let mut load = Command::new(binary());
    // On one connection all series have a sample before any has another one.
    load.args(["loadgen", &vigie.url(""), "--mode", "closed", "--duration", "1h", "--connections", "1"]);
    let load = Process::start("loadgen", load.args(["--series", &SERIES.to_string()]), logs.path());
    wait_for("the samples of all series", Duration::from_secs(600), || {
        (vigie.metric("vigie_remote_write_written_total{kind=\"samples\"}") >= SAMPLES * SERIES).then_some(())
    });
    load.kill();
    let taken = vigie.process().resident_memory().unwrap() - before;
    assert_eq!(vigie.metric("vigie_series{"), SERIES);
    let told = vigie.metric("vigie_memory_bytes{");
    println!("{} bytes resident for a series, {} told", taken / SERIES, told / SERIES);
    assert!(taken <= BYTES_MAX * SERIES, "{} bytes resident for a series", taken / SERIES);
    assert!(told * 100 >= EXPLAINED_MIN * taken, "{} of {} bytes for a series are told", told / SERIES, taken / SERIES);
    vigie.stop();
}
