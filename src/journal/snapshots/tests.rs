use xxhash_rust::xxh3::xxh3_64;

use super::*;
use crate::journal::{
    Files,
    simulated::{Crash, SimulatedDisk},
};

fn save(snapshots: &Snapshots<impl Disk>, at: u64) {
    snapshots.save(Position(at), |writer| writer.write_all(&at.to_le_bytes())).unwrap();
}

fn decode(body: &mut dyn Read) -> io::Result<u64> {
    let mut bytes = Vec::new();
    body.read_to_end(&mut bytes)?;
    bytes.try_into().map(u64::from_le_bytes).map_err(|_| io::ErrorKind::InvalidData.into())
}

fn file(at: u64) -> String {
    name(Position(at))
}

#[test]
fn the_format_is_pinned() {
    let disk = SimulatedDisk::new(0);
    Snapshots::new(disk.clone(), 7, 3).save(Position(258), |writer| writer.write_all(b"body")).unwrap();
    let mut expected = b"VIGIE SNAPSHOT\n\x07\0\0\0\x02\x01\0\0\0\0\0\0body".to_vec();
    expected.extend_from_slice(&xxh3_64(&expected).to_le_bytes());
    assert_eq!(disk.contents("snapshot-00000000000000000258").unwrap(), expected);
}

#[test]
fn generations_come_and_go() {
    let disk = SimulatedDisk::new(0);
    let snapshots = Snapshots::new(disk.clone(), 1, 3);
    assert_eq!(snapshots.load(decode).unwrap(), None);
    for at in 1..=5 {
        save(&snapshots, at * 10);
        let needed = if at < 3 { 0 } else { (at - 2) * 10 };
        assert_eq!((snapshots.floor().unwrap(), snapshots.needed().unwrap()), (Position(at * 10), Position(needed)));
    }
    assert_eq!(disk.list().unwrap(), [file(30), file(40), file(50)]);
    let loaded = snapshots.load(decode).unwrap().unwrap();
    assert_eq!((loaded.value, loaded.position, loaded.damaged), (50, Position(50), Vec::new()));
}

#[test]
fn damage_anywhere_falls_back_to_the_one_before_and_is_told() {
    let disk = SimulatedDisk::new(0);
    let snapshots = Snapshots::new(disk.clone(), 1, 3);
    save(&snapshots, 10);
    save(&snapshots, 20);
    let good = disk.contents(&file(20)).unwrap();
    let check = |bad: Vec<u8>| {
        disk.put(&file(20), bad);
        let loaded = snapshots.load(decode).unwrap().unwrap();
        assert_eq!(loaded.value, 10);
        assert_eq!(loaded.damaged[0].path, disk.path(&file(20)));
    };
    for bit in 0..good.len() * 8 {
        let mut bad = good.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        check(bad);
    }
    for cut in 0..good.len() {
        check(good[..cut].to_vec());
    }
    disk.put(&file(20), disk.contents(&file(10)).unwrap());
    assert_eq!(snapshots.load(decode).unwrap().unwrap().damaged[0].what, "it was written under another name");

    disk.put(&file(20), b"VIGIE".to_vec());
    disk.put(&file(10), Vec::new());
    let error = snapshots.load(decode).unwrap_err().to_string();
    assert!(error.contains(&file(20)) && error.contains("move it away"), "{error}");
}

#[test]
fn another_version_is_refused_and_not_passed_over() {
    let disk = SimulatedDisk::new(0);
    save(&Snapshots::new(disk.clone(), 1, 3), 10);
    save(&Snapshots::new(disk.clone(), 2, 3), 20);
    let error = Snapshots::new(disk, 1, 3).load(decode).unwrap_err();
    assert!(matches!(error, LoadError::Version { found: 2, reads: 1, .. }), "{error}");
}

#[test]
fn the_single_file_of_format_2_is_refused() {
    let disk = SimulatedDisk::new(0);
    disk.put(UNTIL_FORMAT_2, b"VIGIE SNAPSHOT\n\x02\0\0\0and so on".to_vec());
    let error = Snapshots::new(disk, 3, 3).load(decode).unwrap_err();
    assert!(matches!(error, LoadError::Version { found: 2, reads: 3, .. }), "{error}");
}

#[test]
fn a_full_disk_is_told_and_costs_no_generation() {
    let disk = SimulatedDisk::new(0);
    let snapshots = Snapshots::new(disk.clone(), 1, 3);
    save(&snapshots, 10);
    disk.set_space(Some(20));
    let error = snapshots.save(Position(20), |writer| writer.write_all(&[7; 3 << 20])).unwrap_err();
    assert_eq!(error.source.kind(), io::ErrorKind::StorageFull);
    assert_eq!(disk.list().unwrap(), [file(10)]);
}

#[test]
fn what_a_crash_left_is_removed_by_the_next_save() {
    let disk = SimulatedDisk::new(0);
    let snapshots = Snapshots::new(disk.clone(), 1, 3);
    disk.crash_after(1);
    snapshots.save(Position(10), |writer| writer.write_all(b"half")).unwrap_err();
    disk.restart(Crash::Kill);
    assert_eq!(disk.list().unwrap(), [format!("{}.new", file(10))]);
    assert_eq!(snapshots.load(decode).unwrap(), None);
    save(&snapshots, 20);
    assert_eq!(disk.list().unwrap(), [file(20)]);
}

#[test]
fn generations_live_in_the_file_system_too() {
    let dir = tempfile::tempdir().unwrap();
    let snapshots = Snapshots::new(Files::new(dir.path()).unwrap(), 1, 2);
    for at in [10, 20, 30] {
        save(&snapshots, at);
    }
    assert_eq!(snapshots.load(decode).unwrap().unwrap().value, 30);
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 2);
}
