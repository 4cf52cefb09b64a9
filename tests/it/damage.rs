//! What lies on the disk may be damaged by more than a crash: vigie says so, and goes on with what is sound.

use std::{fs, path::PathBuf};

use tempfile::TempDir;

use crate::support::{Vigie, binary, query_at};
use crate::wire::{Series, Version, now_ms};

const STEP: i64 = 15_000;
const SCRAPES: i64 = 80;

fn write(vigie: &Vigie, start: i64, scrapes: std::ops::Range<i64>) {
    for n in scrapes {
        let sample = [(start + n * STEP, (n % 7) as f64)];
        let answer = vigie.write(Version::V2, &[Series::new("depth", &[("job", "shop")], &sample)]);
        assert_eq!(answer.status, 204, "{}", answer.body);
    }
}

fn samples(vigie: &Vigie, start: i64) -> usize {
    samples_of(vigie, "depth", start)
}

fn samples_of(vigie: &Vigie, metric: &str, start: i64) -> usize {
    let found = query_at(&vigie.url(""), &format!("{metric}[2h]"), start + SCRAPES * STEP);
    found.first().map_or(0, |series| series.samples.len())
}

/// Files of the data folder, or one in it, whose names begin so, in order.
fn files(vigie: &Vigie, prefix: &str) -> Vec<PathBuf> {
    let prefix = vigie.data_dir().join("data").join(prefix).to_string_lossy().into_owned();
    let entries = fs::read_dir(&prefix[..=prefix.rfind('/').unwrap()]).unwrap();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.to_string_lossy().starts_with(&prefix));
    paths.sort();
    paths
}

#[test]
fn a_damaged_snapshot_falls_back_to_the_one_before_and_the_journal() {
    let start = now_ms() - SCRAPES * STEP;
    let vigie = Vigie::start();
    write(&vigie, start, 0..20);
    let vigie = Vigie::start_in(vigie.stop());
    write(&vigie, start, 20..40);
    let mut vigie = Vigie::start_in(vigie.stop());
    write(&vigie, start, 40..60);
    vigie.process().kill();

    // The newest is that of the second stop: without it the journal is replayed from the first.
    let snapshots = files(&vigie, "snapshot-");
    assert!(snapshots.len() >= 2, "{snapshots:?}");
    let newest = snapshots.last().unwrap();
    let mut bytes = fs::read(newest).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(newest, bytes).unwrap();
    vigie = Vigie::start_in(vigie.into_data());
    let log = vigie.process().log();
    assert!(log.contains("an older state is restored") && log.contains("checksum"), "{log}");
    assert_eq!(samples(&vigie, start), 60, "nothing is missing");
    write(&vigie, start, 60..80);
    assert_eq!(samples(&vigie, start), 80);
    vigie.stop();
}

#[test]
fn samples_in_chunk_files_are_there_after_a_start_and_damage_costs_what_is_older() {
    let start = now_ms() - SCRAPES * STEP;
    let vigie = Vigie::start();
    for n in 0..SCRAPES {
        // A number with all its digits fills a chunk soon.
        let sample = [(start + n * STEP, (n as f64 * 0.7).sin())];
        assert_eq!(vigie.write(Version::V2, &[Series::new("level", &[("job", "shop")], &sample)]).status, 204);
    }
    let all = SCRAPES as usize;
    assert_eq!(samples_of(&vigie, "level", start), all);
    let mut vigie = Vigie::start_in(vigie.stop());
    assert_eq!(samples_of(&vigie, "level", start), all);

    let [file] = &*files(&vigie, "chunks/") else { panic!("one chunk file") };
    let bytes = fs::read(file).unwrap();
    let mut damaged = bytes.clone();
    damaged[bytes.len() / 2] ^= 1;
    fs::write(file, damaged).unwrap();
    let left = samples_of(&vigie, "level", start);
    assert!(left > 10 && left < all, "what is newer than the damage is there: {left}");
    assert!(vigie.process().log().contains("chunks cannot be read"), "{}", vigie.process().log());

    fs::remove_file(file).unwrap();
    vigie = Vigie::start_in(vigie.stop());
    assert!(vigie.process().log().contains("chunk files are missing"), "{}", vigie.process().log());
    let left = samples_of(&vigie, "level", start);
    assert!(left > 0 && left < all, "the open chunk is in the snapshot: {left}");
    vigie.stop();
}

#[test]
fn a_torn_journal_is_cut_and_a_damaged_middle_is_told() {
    let start = now_ms() - SCRAPES * STEP;
    let mut vigie = Vigie::start();
    write(&vigie, start, 0..60);
    vigie.process().kill();
    let segment = files(&vigie, "journal-").pop().expect("a segment");
    let mut bytes = fs::read(&segment).unwrap();

    // As a power failure leaves it.
    bytes.truncate(bytes.len() - 5);
    fs::write(&segment, &bytes).unwrap();
    vigie = Vigie::start_in(vigie.into_data());
    assert!(vigie.process().log().contains("cut off"), "{}", vigie.process().log());
    assert_eq!(samples(&vigie, start), 59, "one request is gone");
    vigie.process().kill();

    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&segment, &bytes[..bytes.len() - 200]).unwrap();
    vigie = Vigie::start_in(vigie.into_data());
    assert!(vigie.process().log().contains("requests that were acknowledged are lost"), "{}", vigie.process().log());
    let left = samples(&vigie, start);
    assert!((40..59).contains(&left), "what is sound is there: {left}");
    vigie.stop();
}

#[test]
fn a_single_damaged_snapshot_and_a_folder_that_cannot_be_are_refused_in_words() {
    let start = now_ms() - SCRAPES * STEP;
    let vigie = Vigie::start();
    write(&vigie, start, 0..10);
    let snapshots = |data: &TempDir| {
        let entries = fs::read_dir(data.path().join("data")).unwrap().map(|entry| entry.unwrap().path());
        entries.filter(|path| path.to_string_lossy().contains("snapshot-")).collect::<Vec<_>>()
    };
    let data = vigie.stop();
    let [only] = &*snapshots(&data) else { panic!("one snapshot") };
    let bytes = fs::read(only).unwrap();
    fs::write(only, &bytes[..bytes.len() / 2]).unwrap();
    let refused = |dir: PathBuf| {
        let mut command = std::process::Command::new(binary());
        let output = command.args(["serve", "--listen", "127.0.0.1:0", "--data-dir"]).arg(dir).output().unwrap();
        assert!(!output.status.success());
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let said = refused(data.path().join("data"));
    assert!(said.contains("is damaged") && said.contains("move it away"), "{said}");
    // Whoever does has everything back: the journal reaches to the beginning.
    fs::remove_file(only).unwrap();
    let vigie = Vigie::start_in(data);
    assert_eq!(samples(&vigie, start), 10);

    let file = vigie.data_dir().join("file");
    fs::write(&file, "").unwrap();
    let said = refused(file.join("below"));
    assert!(said.contains("cannot use") && said.contains("below"), "{said}");
}
