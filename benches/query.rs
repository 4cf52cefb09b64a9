//! How long a question about very many series keeps a shard from taking samples.
//!
//! `cargo bench --bench query`. One shard with 200,000 series, 40 samples each, is asked for all of them, for the twentieth
//! of one job, and for a single one: in one go, with the samples decoded on the shard's thread, and in slices, each of
//! which is what a sample may have to wait for. Time is wall-clock, so that the longest slices of a busy machine are those
//! in which it did something else; figures are the worst of three runs.

#![allow(clippy::print_stdout, reason = "what it measured is its output")]

use std::{
    hint::black_box,
    sync::Arc,
    time::{Duration, Instant},
};

use vigie::{
    engine::{Options, Question, Search, Shard},
    ingest::remote_write::{Encoder, Limits, Protocol, WriteRequest},
    signal::{Condition, Labels, METRIC_NAME, Matcher, Sample, TenantId},
};

const SERIES: usize = 200_000;
const IN_REQUEST: usize = 2_000;
const SAMPLES: i64 = 40;
const STEP: i64 = 15_000;
const START: i64 = 1_700_000_000_000;
const RUNS: usize = 3;

fn labels(i: usize) -> Labels {
    Labels::from_pairs([
        (METRIC_NAME, format!("http_requests_{}", i % 50)),
        ("cluster", "production-eu-1".to_owned()),
        ("container", "server".to_owned()),
        ("instance", format!("10.2.{}.{}:8080", i / 12_500, i / 50 % 250)),
        ("job", format!("shop-{}", i / 50 % 20)),
        ("method", "GET".to_owned()),
        ("namespace", "shop".to_owned()),
        ("pod", format!("checkout-{}", i / 50)),
    ])
}

fn filled() -> Shard {
    let mut shard = Shard::new(0, Options { series_per_tenant: SERIES, ..Options::default() });
    let all: Vec<Labels> = (0..SERIES).map(labels).collect();
    for n in 0..SAMPLES {
        for part in all.chunks(IN_REQUEST) {
            let mut encoder = Encoder::new(Protocol::V2);
            let at = START + n * STEP;
            for (i, labels) in part.iter().enumerate() {
                encoder.series(labels, &[Sample { at, value: ((i as i64 * 7 + n * 13) % 101) as f64 }]);
            }
            let request = WriteRequest::decode(Protocol::V2, encoder.body(), &Limits::default()).expect("made here");
            let places = 0..request.series().len();
            black_box(shard.write(&TenantId::default(), &request, places, at, &mut |_| {}));
        }
    }
    shard
}

/// The longest of three times it takes.
fn worst(mut run: impl FnMut() -> Duration) -> Duration {
    (0..RUNS).map(|_| run()).max().unwrap_or_default()
}

fn in_one_go(shard: &Shard, question: &Question) -> Duration {
    let began = Instant::now();
    black_box(shard.select(question));
    began.elapsed()
}

/// How long each slice takes, the shortest first.
fn in_slices(shard: &Shard, question: &Question) -> Vec<Duration> {
    let mut search = Search::new(Arc::new(question.clone()));
    let mut times = Vec::new();
    let mut has_more = true;
    while has_more {
        let began = Instant::now();
        has_more = shard.find(&mut search);
        times.push(began.elapsed());
        search.prepare();
    }
    has_more = true;
    while has_more {
        let began = Instant::now();
        let (excerpts, more) = shard.read(&mut search);
        times.push(began.elapsed());
        has_more = more;
        black_box(excerpts);
    }
    times.sort_unstable();
    times
}

fn main() {
    // Cargo's test runner builds benches too and wants no work done.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let shard = filled();
    let until = START + SAMPLES * STEP;
    let pattern = |name: &str, pattern: &str| Matcher {
        name: name.into(),
        condition: Condition::Matches(Matcher::regex(pattern).expect("a pattern")),
    };
    let questions = [
        ("everything", vec![pattern(METRIC_NAME, "http_.+")]),
        ("pods by pattern", vec![pattern("pod", "checkout-.*7")]),
        ("a job", vec![Matcher::equal("job", "shop-3")]),
        ("a series", vec![Matcher::equal(METRIC_NAME, "http_requests_7"), Matcher::equal("pod", "checkout-1234")]),
    ];
    let began = Instant::now();
    black_box(shard.stats());
    println!("statistics: {:.2?}", began.elapsed());
    for (what, matchers) in questions {
        let tenant = TenantId::default();
        let question = Question { tenant, matchers, after: until - 300_000, until, wants_labels_only: false };
        let found = shard.select(&question).len();
        let whole = worst(|| in_one_go(&shard, &question));
        let runs: Vec<Vec<Duration>> = (0..RUNS).map(|_| in_slices(&shard, &question)).collect();
        let at = |share: f64| {
            let of = |times: &Vec<Duration>| times[((times.len() - 1) as f64 * share).round() as usize];
            runs.iter().map(of).max().unwrap_or_default()
        };
        let together = runs.iter().map(|times| times.iter().sum::<Duration>()).max().unwrap_or_default();
        println!(
            "{what}, {found} series: in one go {whole:.2?}; in {} slices {together:.2?}, half of them below {:.2?}, \
             99 of 100 below {:.2?}, the longest {:.2?}",
            runs[0].len(),
            at(0.5),
            at(0.99),
            at(1.0)
        );
    }
}
