//! What lines cost on one core: reads a file and takes its lines three ways, each time from nothing: to templates alone; through
//! the engine, where their counts become series that are judged; and through the engine into the index, commits and merges
//! included. Prints lines, bytes, templates and the processor's seconds (of templates alone, the fastest of five runs), as
//! JSON. With numbers behind the file, also the templates after so many lines.
//!
//! usage: log_rate FILE [LINES...]
#![allow(clippy::print_stdout)]

use std::{error::Error, fs};

use vigie::{
    engine::{Engine, Options},
    logs::Parser,
    search::{self, Writer},
    signal::{Labels, LogBatch, LogLine, TenantId},
};

/// Lines of a batch, and between two commits of the index.
const BATCH: usize = 1_000;
const COMMIT: usize = 200;
/// Time between two lines, in ns: a million of them are an hour.
const STEP_NS: i64 = 3_600_000;
const START_MS: i64 = 1_700_000_000_000;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let file = arguments.next().ok_or("usage: log_rate FILE [LINES...]")?;
    let marks = arguments.map(|text| text.parse()).collect::<Result<Vec<usize>, _>>()?;
    let text = fs::read_to_string(file)?;
    let lines: Vec<&str> = text.lines().filter(|line| !line.is_empty()).collect();
    let (mut best, mut templates) = (f64::INFINITY, 0);
    for _ in 0..5 {
        let mut parser = Parser::default();
        let began = seconds()?;
        lines.iter().for_each(|line| _ = parser.parse(line.as_bytes()));
        best = best.min(seconds()? - began);
        templates = parser.catalogue().counts().count();
    }
    let mut parser = Parser::default();
    let mut after = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        parser.parse(line.as_bytes());
        if marks.contains(&(at + 1)) {
            after.push((at + 1, parser.catalogue().counts().count()));
        }
    }
    let judged = through_engine(&lines, None)?;
    let folder = std::env::temp_dir().join(format!("vigie-log-rate-{}", std::process::id()));
    let (writer, _) = Writer::open(&folder, search::Options::default())?;
    let indexed = through_engine(&lines, Some(writer));
    fs::remove_dir_all(&folder)?;
    let bytes: usize = lines.iter().map(|line| line.len()).sum();
    let told = serde_json::json!({
        "lines": lines.len(), "bytes": bytes, "templates": templates, "templates_after": after,
        "seconds": best, "seconds_judged": judged, "seconds_indexed": indexed?,
    });
    println!("{told}");
    Ok(())
}

/// Has the engine, and an index if there is one, take the lines; returns the time that takes.
fn through_engine(lines: &[&str], mut index: Option<Writer>) -> Result<f64, Box<dyn Error>> {
    let tenant = TenantId::default();
    let mut engine = Engine::new(Options { shards: 1, ..Options::default() });
    let mut batches = Vec::new();
    for (number, some) in lines.chunks(BATCH).enumerate() {
        let mut batch = LogBatch::default();
        let stream = batch.stream(Labels::from_pairs([("service", "corpus")]));
        for (place, line) in some.iter().enumerate() {
            let at = START_MS * 1_000_000 + (number * BATCH + place) as i64 * STEP_NS;
            batch.push(stream, &LogLine { at: Some(at), line, ..LogLine::default() }, []);
        }
        batches.push(batch);
    }
    let began = seconds()?;
    for (number, batch) in batches.iter_mut().enumerate() {
        batch.grade(vigie::logs::severity);
        let received = batch.newest().unwrap_or_default() / 1_000_000;
        let (_, templates) = engine.write_logs(&tenant, batch, received);
        let Some(writer) = &mut index else { continue };
        for (record, template) in batch.records().zip(templates) {
            writer.add(&tenant, received, &record, template.0)?;
        }
        if (number + 1) % COMMIT == 0 {
            writer.commit(number as u64 + 1)?;
            while let Some(merge) = writer.due_merge() {
                writer.install(merge.run()?);
            }
        }
    }
    if let Some(writer) = &mut index {
        writer.commit(u64::MAX)?;
    }
    Ok(seconds()? - began)
}

/// Seconds that the processor has worked for all threads of this process.
fn seconds() -> Result<f64, Box<dyn Error>> {
    let nanoseconds = |task: fs::DirEntry| {
        let told = fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
        told.split(' ').next().and_then(|first| first.parse::<f64>().ok()).unwrap_or(0.0)
    };
    let tasks = fs::read_dir("/proc/self/task")?.collect::<Result<Vec<_>, _>>()?;
    Ok(tasks.into_iter().map(nanoseconds).sum::<f64>() / 1e9)
}
