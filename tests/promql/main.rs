//! The evaluator beside a real Prometheus: the same data, the same questions, the same answers.
//!
//! Prometheus comes from the folder named by `VIGIE_PEERS` (else `vigie/peers` in the user's cache folder), as
//! `sid/usr/bin/prometheus` below it. Without it the test says that it is skipped, and with `CI=true` it fails.

mod ask;
mod cases;
mod data;
mod peer;

use ask::{Ask, Difference, Evaluator, Question};
use cases::Case;
use peer::Prometheus;

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

/// Asks both and lists where they disagree.
fn compare(ours: &dyn Ask, theirs: &dyn Ask) -> Vec<Difference> {
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
                Case::Unsupported(_) => ours.is_not("unsupported"),
            };
            differences.extend(why.map(|why| Difference { question, why }));
        }
    }
    differences
}

#[test]
fn answers_are_those_of_prometheus() {
    let Some(prometheus) = Prometheus::start() else { return };
    prometheus.write(&data::series());
    let differences = compare(&Evaluator::new(data::series()), &prometheus);
    let texts: Vec<String> = differences.iter().map(ToString::to_string).collect();
    assert!(texts.is_empty(), "{} differences:\n{}", texts.len(), texts.join("\n"));
}

#[test]
fn there_are_cases_of_each_kind() {
    let all = cases::all();
    let count = |kind: fn(&Case) -> bool| all.iter().filter(|case| kind(case)).count();
    assert!(count(|case| matches!(case, Case::Equal(_))) >= 90);
    assert!(count(|case| matches!(case, Case::Invalid(_))) >= 10);
    assert!(count(|case| matches!(case, Case::Unsupported(_))) >= 10);
}
