//! The journal on a disk that works, and on one that is damaged at a known place.

use super::{
    Disk, Error, Files, Journal, Kind, MAX_BODY, Opened, Options, Position, Record, Replayed,
    segment::{HEADER, name},
    simulated::{Crash, SimulatedDisk},
};
use crate::signal::TenantId;

/// Small enough that every batch of a record begins a new segment.
const TINY: Options = Options { segment_bytes: 1, snapshot_bytes: u64::MAX };
/// Length of the records below.
const LENGTH: u64 = 16 + 10 + 7 + 4;

fn open<D: Disk + Clone>(disk: &D, options: Options) -> (Journal<D>, Opened) {
    Journal::open(disk.clone(), options, Position::START).unwrap()
}

fn append<D: Disk>(journal: &mut Journal<D>, body: &str) -> Position {
    let record =
        Record { received_at: 5, kind: Kind::RemoteWrite1, tenant: TenantId::default(), body: body.as_bytes() };
    journal.append(&record).unwrap()
}

fn commit<D: Disk>(journal: &mut Journal<D>, body: &str) -> Position {
    let at = append(journal, body);
    journal.commit().unwrap();
    at
}

fn replay<D: Disk>(journal: &Journal<D>, from: Position) -> (Vec<String>, Replayed) {
    let mut bodies = Vec::new();
    let replayed = journal.replay::<Error>(from, |_, record| {
        bodies.push(String::from_utf8(record.body.to_vec()).unwrap());
        Ok(())
    });
    (bodies, replayed.unwrap())
}

/// A disk with `aaaa`, `bbbb`, `cccc` in one segment.
fn three() -> SimulatedDisk {
    let disk = SimulatedDisk::new(0);
    let (mut journal, _) = open(&disk, Options::default());
    for body in ["aaaa", "bbbb", "cccc"] {
        commit(&mut journal, body);
    }
    disk
}

#[test]
fn the_header_is_pinned() {
    let header = super::segment::header(Position(258));
    assert_eq!(header.len() as u64, HEADER);
    assert_eq!(header[..26], *b"VIGIE JOURNAL\n\x01\0\0\0\x02\x01\0\0\0\0\0\0");
    assert_eq!(header[26..], xxhash_rust::xxh3::xxh3_64(&header[..26]).to_le_bytes());
    assert_eq!(name(Position(258)), "journal-00000000000000000258");
}

#[test]
fn a_journal_in_the_file_system_goes_on_where_it_ended() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Files::new(&dir.path().join("made")).unwrap();
    let (mut journal, opened) = open(&disk, Options::default());
    assert_eq!(opened, Opened::default());
    assert_eq!(append(&mut journal, "aaaa"), Position(0));
    assert_eq!(append(&mut journal, "bbbb"), Position(LENGTH));
    assert_eq!(replay(&journal, Position::START).0, Vec::<String>::new(), "not committed");
    assert_eq!(journal.commit().unwrap(), Position(2 * LENGTH));
    assert_eq!(journal.synced(), Position::START);
    journal.sync().unwrap();
    assert_eq!(journal.synced(), journal.end());
    drop(journal);

    let (mut journal, opened) = open(&disk, Options::default());
    assert_eq!((opened, journal.end()), (Opened::default(), Position(2 * LENGTH)));
    commit(&mut journal, "cccc");
    assert_eq!(
        replay(&journal, Position::START),
        (vec!["aaaa".into(), "bbbb".into(), "cccc".into()], Replayed { records: 3, lost: Vec::new() })
    );
    assert_eq!(replay(&journal, Position(LENGTH)).0, ["bbbb", "cccc"]);
    assert_eq!(disk.list().unwrap().len(), 2, "a file of another process is not written to");
}

#[test]
fn segments_are_kept_as_long_as_they_are_needed() {
    let disk = SimulatedDisk::new(0);
    let (mut journal, _) = open(&disk, TINY);
    for body in ["aaaa", "bbbb", "cccc"] {
        commit(&mut journal, body);
    }
    assert_eq!(disk.list().unwrap().len(), 3);
    assert_eq!(journal.retain(Position(LENGTH + 1)).unwrap(), 1);
    assert_eq!(replay(&journal, Position(LENGTH)).0, ["bbbb", "cccc"]);
    assert_eq!(journal.retain(journal.end()).unwrap(), 1, "the last one stays");
    assert_eq!(journal.bytes(), LENGTH);
    let (bodies, replayed) = replay(&journal, Position::START);
    assert_eq!(bodies, ["cccc"]);
    assert_eq!((replayed.lost[0].from, replayed.lost[0].to), (Position(0), Position(2 * LENGTH)));
}

#[test]
fn a_torn_tail_is_cut_and_told_at_every_byte() {
    let whole = three().contents(&name(Position::START)).unwrap();
    for length in 0..whole.len() as u64 {
        let disk = SimulatedDisk::new(0);
        disk.put(&name(Position::START), whole[..length as usize].to_vec());
        let (mut journal, opened) = open(&disk, Options::default());
        let sound = length.saturating_sub(HEADER) / LENGTH;
        assert_eq!(journal.end(), Position(sound * LENGTH));
        let torn = length.saturating_sub(HEADER) % LENGTH;
        assert_eq!(opened.cut.iter().map(|cut| cut.to.0 - cut.from.0).sum::<u64>(), torn);
        commit(&mut journal, "dddd");
        let (bodies, replayed) = replay(&journal, Position::START);
        assert_eq!((bodies.len() as u64, replayed.lost), (sound + 1, Vec::new()));
    }
}

#[test]
fn damage_costs_what_is_damaged_and_is_told() {
    let whole = three().contents(&name(Position::START)).unwrap();
    for at in (HEADER + LENGTH) as usize..(HEADER + 2 * LENGTH) as usize {
        let disk = SimulatedDisk::new(0);
        let mut damaged = whole.clone();
        damaged[at] ^= 0x10;
        disk.put(&name(Position::START), damaged);
        let (journal, opened) = open(&disk, Options::default());
        assert_eq!((opened, journal.end()), (Opened::default(), Position(3 * LENGTH)));
        let (bodies, replayed) = replay(&journal, Position::START);
        assert_eq!(bodies, ["aaaa", "cccc"]);
        assert_eq!((replayed.lost[0].from, replayed.lost[0].to), (Position(LENGTH), Position(2 * LENGTH)));
        let text = replayed.lost[0].to_string();
        assert!(text.starts_with("37 bytes of requests at position 37 of /simulated/journal-0"), "{text}");
    }
}

#[test]
fn a_damaged_header_costs_nothing() {
    let disk = three();
    let mut bytes = disk.contents(&name(Position::START)).unwrap();
    bytes[15] ^= 1;
    disk.put(&name(Position::START), bytes);
    let (bodies, replayed) = replay(&open(&disk, Options::default()).0, Position::START);
    assert_eq!((bodies.len(), replayed.lost[0].what), (3, "the segment's header is damaged"));
}

#[test]
fn a_missing_segment_is_told() {
    let disk = SimulatedDisk::new(0);
    let (mut journal, _) = open(&disk, TINY);
    for body in ["aaaa", "bbbb", "cccc"] {
        commit(&mut journal, body);
    }
    disk.remove(&name(Position(LENGTH))).unwrap();
    let (bodies, replayed) = replay(&open(&disk, TINY).0, Position::START);
    assert_eq!(bodies, ["aaaa", "cccc"]);
    assert_eq!((replayed.lost[0].from, replayed.lost[0].to), (Position(LENGTH), Position(2 * LENGTH)));
}

#[test]
fn another_version_is_refused() {
    let disk = three();
    let mut bytes = disk.contents(&name(Position::START)).unwrap();
    bytes[14] = 9;
    let checksum = xxhash_rust::xxh3::xxh3_64(&bytes[..26]);
    bytes[26..34].copy_from_slice(&checksum.to_le_bytes());
    disk.put(&name(Position::START), bytes);
    let error = Journal::open(disk, Options::default(), Position::START).unwrap_err();
    assert!(matches!(error, Error::Version { found: 9, .. }), "{error}");
    assert!(error.to_string().contains("move the file away"), "{error}");
}

#[test]
fn positions_go_on_behind_the_newest_snapshot() {
    let disk = three();
    let (mut journal, _) = Journal::open(disk, Options::default(), Position(500)).unwrap();
    assert_eq!(commit(&mut journal, "dddd"), Position(500));
    assert_eq!(replay(&journal, Position(500)).0, ["dddd"]);
    let (bodies, replayed) = replay(&journal, Position::START);
    assert_eq!(bodies.len(), 4);
    assert_eq!((replayed.lost[0].from, replayed.lost[0].to), (Position(3 * LENGTH), Position(500)));
}

#[test]
fn a_full_disk_refuses_the_batch_and_nothing_else() {
    let disk = SimulatedDisk::new(0);
    let (mut journal, _) = open(&disk, Options::default());
    commit(&mut journal, "aaaa");
    disk.set_space(Some(20));
    append(&mut journal, "bbbb");
    let error = journal.commit().unwrap_err().to_string();
    assert!(error.contains(&name(Position::START)) && error.contains("make room"), "{error}");
    assert_eq!(disk.contents(&name(Position::START)).unwrap().len() as u64, HEADER + LENGTH, "the space is free again");
    disk.set_space(None);
    commit(&mut journal, "cccc");
    drop(journal);
    assert_eq!(replay(&open(&disk, Options::default()).0, Position::START).0, ["aaaa", "cccc"]);
}

#[test]
fn what_was_refused_stays_behind_where_the_next_segment_begins() {
    let disk = three();
    disk.put(&name(Position(LENGTH)), super::segment::header(Position(LENGTH)));
    let (journal, opened) = open(&disk, Options::default());
    assert_eq!((opened, journal.end()), (Opened::default(), Position(LENGTH)));
    assert_eq!(replay(&journal, Position::START).0, ["aaaa"]);
}

#[test]
fn a_failed_sync_is_told_and_its_file_left() {
    let disk = SimulatedDisk::new(0);
    let (mut journal, _) = open(&disk, Options::default());
    commit(&mut journal, "aaaa");
    journal.sync().unwrap();
    commit(&mut journal, "bbbb");
    disk.fail_after(0);
    let error = journal.sync().unwrap_err();
    assert!(matches!(error, Error::Doubtful { from: Position(LENGTH), to, .. } if to.0 == 2 * LENGTH), "{error}");
    journal.sync().unwrap();
    commit(&mut journal, "cccc");
    assert!(disk.contents(&name(Position(2 * LENGTH))).is_some(), "a sync that failed is not tried again");
    journal.sync().unwrap();
    disk.restart(Crash::Power);
    let (bodies, _) = replay(&open(&disk, Options::default()).0, Position::START);
    assert_eq!((&*bodies[0], &*bodies[bodies.len() - 1]), ("aaaa", "cccc"));
}

#[test]
fn a_batch_that_cannot_be_made_durable_is_not_in_the_journal() {
    // Making the file, its header, the batch, the sync of the file and that of the names.
    for calls in 0..5 {
        let disk = SimulatedDisk::new(0);
        let (mut journal, _) = open(&disk, Options::default());
        append(&mut journal, "aaaa");
        disk.fail_after(calls);
        assert!(matches!(journal.commit_durably(), Err(Error::Io { .. })), "{calls}");
        assert_eq!((journal.end(), journal.synced()), (Position::START, Position::START));
        append(&mut journal, "bbbb");
        assert_eq!(journal.commit_durably().unwrap(), Position(LENGTH));
        disk.restart(Crash::Power);
        assert_eq!(replay(&open(&disk, Options::default()).0, Position::START).0, ["bbbb"]);
    }
}

#[test]
fn what_is_committed_during_a_sync_is_synced_by_the_next_one() {
    let disk = SimulatedDisk::new(0);
    let (mut journal, _) = open(&disk, TINY);
    commit(&mut journal, "aaaa");
    let first = journal.begin_sync().unwrap();
    commit(&mut journal, "bbbb");
    let to = first.to();
    first.sync().unwrap();
    journal.end_sync(to, Ok(())).unwrap();
    assert_eq!((to, journal.synced()), (Position(LENGTH), Position(LENGTH)));
    journal.sync().unwrap();
    disk.restart(Crash::Power);
    assert_eq!(replay(&open(&disk, TINY).0, Position::START).0, ["aaaa", "bbbb"]);
}

#[test]
fn a_body_that_is_too_long_drops_the_batch() {
    let (mut journal, _) = open(&SimulatedDisk::new(0), Options::default());
    append(&mut journal, "aaaa");
    let body = vec![0; MAX_BODY + 1];
    let record = Record { received_at: 0, kind: Kind::Command, tenant: TenantId::default(), body: &body };
    assert!(matches!(journal.append(&record), Err(Error::TooLong { .. })));
    assert_eq!(commit(&mut journal, "bbbb"), Position::START);
    assert_eq!(replay(&journal, Position::START).0, ["bbbb"]);
}
