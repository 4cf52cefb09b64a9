//! The evaluator beside a real Prometheus: the same data, the same questions, the same answers.
//!
//! The expressions are in `tests/promql/cases.txt`, the data in `data.rs`. Whoever implements [`Ask`] can be compared:
//! the evaluator over series in memory, or anything with a Prometheus API.

mod ask;
mod cases;
mod data;

use std::fs;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::support::{Process, Vigie, free_port, peers};
use crate::wire::{self, Version, request, snappy};
use ask::{Api, Ask, Difference, Evaluator, Question};
use cases::Case;

/// Instants asked at, in milliseconds after the start of the data: between samples, at samples, in gaps, at the end.
const INSTANTS: [i64; 4] = [1_512_345, 2_700_000, 4_140_000, 7_190_000];
/// Ranges asked for: start, end, step.
const RANGES: [(i64, i64, i64); 3] =
    [(600_000, 7_200_000, 60_000), (-120_000, 7_600_000, 47_311), (3_000_000, 3_000_000, 1_000)];

/// All questions about an expression.
fn questions(expression: &str) -> Vec<Question> {
    let expression = expression.replace("$T", &(data::START_MS / 1000).to_string());
    let instants = INSTANTS.map(|after| Question::instant(&expression, data::START_MS + after));
    let ranges = RANGES
        .map(|(start, end, step)| Question::range(&expression, data::START_MS + start, data::START_MS + end, step));
    instants.into_iter().chain(ranges).collect()
}

/// Asks both everything and fails with the list of questions on which they disagree.
fn same_answers(ours: &dyn Ask, theirs: &dyn Ask) {
    let mut differences = Vec::new();
    for case in cases::all() {
        for question in questions(case.expression()) {
            let (mut ours, mut theirs) = (ours.ask(&question), theirs.ask(&question));
            if !case.is_ordered() {
                (ours, theirs) = (ours.sorted(), theirs.sorted());
            }
            let why = match case {
                Case::Equal(_) => ours.differs_from(&theirs),
                Case::Invalid(_) => ours.is_not("bad_data").or_else(|| theirs.is_not("bad_data")),
                Case::Unsupported(_) => ours.is_not("bad_data").or_else(|| ours.lacks("not supported")),
            };
            differences.extend(why.map(|why| Difference { question, why }));
        }
    }
    let texts: Vec<String> = differences.iter().map(ToString::to_string).collect();
    assert!(texts.is_empty(), "{} differences:\n{}", texts.len(), texts.join("\n"));
}

/// A Prometheus with an empty data folder that takes remote writes.
struct Prometheus {
    _process: Process,
    base: String,
}

impl Prometheus {
    fn start(programs: &Path, folder: &Path) -> Self {
        fs::write(folder.join("prometheus.yml"), "global: {}\n").unwrap();
        let address = format!("127.0.0.1:{}", free_port());
        let mut command = Command::new(programs.join("prometheus"));
        command
            .arg(format!("--config.file={}", folder.join("prometheus.yml").display()))
            .arg(format!("--storage.tsdb.path={}", folder.join("data").display()))
            .arg(format!("--web.listen-address={address}"))
            .arg("--web.enable-remote-write-receiver");
        let mut process = Process::start("prometheus", &mut command, folder);
        let base = format!("http://{address}");
        process.wait_until_answers(&format!("{base}/-/ready"));
        Self { _process: process, base }
    }
}

/// Sends series in slices of time, because what is an hour older than the newest sample is refused.
fn write(base: &str, series: &[vigie::promql::Series]) {
    const SLICE_MS: i64 = 600_000;
    let last = series.iter().flat_map(|one| one.samples.last()).map(|sample| sample.at).max().unwrap();
    for from in (data::START_MS..=last).step_by(SLICE_MS as usize) {
        let slice = |one: &vigie::promql::Series| {
            let samples = one.samples.iter().filter(|sample| (from..from + SLICE_MS).contains(&sample.at));
            let labels = one.labels.iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
            wire::Series { labels: labels.collect(), samples: samples.map(|s| (s.at, s.value)).collect() }
        };
        let slices: Vec<_> = series.iter().map(slice).filter(|one| !one.samples.is_empty()).collect();
        let sent = ureq::post(format!("{base}/api/v1/write"))
            .header("X-Prometheus-Remote-Write-Version", Version::V1.number())
            .header("Content-Type", Version::V1.content_type())
            .header("Content-Encoding", "snappy")
            .send(&snappy(&request(Version::V1, &slices).0));
        assert!(sent.unwrap().status().is_success());
    }
}

#[test]
fn answers_are_those_of_prometheus() {
    let Some(programs) = peers("answers_are_those_of_prometheus") else { return };
    let folder = TempDir::new().unwrap();
    let prometheus = Prometheus::start(&programs, folder.path());
    write(&prometheus.base, &data::series());
    same_answers(&Evaluator::new(data::series()), &Api(prometheus.base.clone()));
    let vigie = Vigie::start();
    write(&vigie.url(""), &data::series());
    same_answers(&Api(vigie.url("")), &Api(prometheus.base.clone()));
    vigie.stop();
}

#[test]
fn there_are_cases_of_each_kind() {
    let all = cases::all();
    let count = |kind: fn(&Case) -> bool| all.iter().filter(|case| kind(case)).count();
    assert!(count(|case| matches!(case, Case::Equal(_))) >= 90);
    assert!(count(|case| matches!(case, Case::Invalid(_))) >= 10);
    assert!(count(|case| matches!(case, Case::Unsupported(_))) >= 10);
}
