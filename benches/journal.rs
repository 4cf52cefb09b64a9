//! The journal in the file system: bytes a second that are appended and committed, synced, and replayed.
//!
//! `cargo bench --no-default-features --bench journal`. Bodies of 30 kB, as 2,000 samples of remote write are compressed,
//! in batches of 1 and of 8. Each line is one run over 512 MiB (64 MiB where each batch is synced) in a temporary folder.

#![allow(clippy::print_stdout, reason = "what it measured is its output")]

use std::{error::Error, hint::black_box, time::Instant};

use vigie::{
    journal::{self, Files, Journal, Kind, Options, Position, Record},
    signal::TenantId,
};

const BODY: usize = 30_000;

/// As in the program.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> Result<(), Box<dyn Error>> {
    let body: Vec<u8> = (0..BODY as u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    for (batch, is_synced, mib) in [(1, false, 512), (8, false, 512), (1, true, 64), (8, true, 64)] {
        let dir = tempfile::tempdir()?;
        let disk = Files::new(dir.path())?;
        let (mut journal, _) = Journal::open(disk, Options::default(), Position::START)?;
        let batches = (mib << 20) / BODY / batch;
        let record =
            Record { received_at: 0, kind: Kind::RemoteWrite1, tenant: TenantId::default(), body: black_box(&body) };
        let start = Instant::now();
        for _ in 0..batches {
            for _ in 0..batch {
                journal.append(&record)?;
            }
            journal.commit()?;
            if is_synced {
                journal.sync()?;
            }
        }
        let synced = if is_synced { " and sync" } else { "" };
        println!("append and commit{synced}, batches of {batch}: {:.0} MB/s", rate(&journal, start));
        journal.sync()?;

        let start = Instant::now();
        let replayed = journal.replay::<journal::Error>(Position::START, |_, record| {
            black_box(record.body);
            Ok(())
        })?;
        assert_eq!((replayed.records, replayed.lost.len()), ((batches * batch) as u64, 0));
        println!("replay: {:.0} MB/s", rate(&journal, start));
    }
    Ok(())
}

fn rate(journal: &Journal<Files>, start: Instant) -> f64 {
    journal.end().0 as f64 / 1e6 / start.elapsed().as_secs_f64()
}
