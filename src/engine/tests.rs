//! The engine as a whole: the same input gives the same output however it is run, and life's ordinary events are no
//! findings.

use std::sync::Arc;

use super::*;
use crate::{
    ingest::remote_write::{Encoder, Limits, Protocol},
    signal::{FindingScope, is_stale, stale_nan},
};

const STEP: TimestampMs = 15_000;
const START: TimestampMs = 1_700_000_000_000;

/// A request with one sample of each series.
fn request(at: TimestampMs, samples: &[(&Labels, f64)]) -> Arc<WriteRequest> {
    let mut encoder = Encoder::new(Protocol::V1);
    for (labels, value) in samples {
        encoder.series(labels, &[Sample { at, value: *value }]);
    }
    decode(&encoder)
}

fn decode(encoder: &Encoder) -> Arc<WriteRequest> {
    Arc::new(WriteRequest::decode(Protocol::V1, encoder.body(), &Limits::default()).unwrap())
}

fn labels(metric: &str, instance: &str) -> Labels {
    Labels::from_pairs([("__name__", metric), ("instance", instance), ("job", "shop")])
}

/// Deterministic noise in -0.5..0.5.
fn noise(i: i64, stream: u64) -> f64 {
    let hash = xxhash_rust::xxh3::xxh3_64_with_seed(&i.to_le_bytes(), stream);
    (hash >> 11) as f64 / (1_u64 << 53) as f64 - 0.5
}

fn at(i: i64) -> TimestampMs {
    START + i * STEP
}

mod limits;
mod logs;
mod people;
mod snapshots;

struct Run {
    engine: Engine,
    tenant: TenantId,
    /// How old samples are when they arrive, in ms.
    age: i64,
    scores: Vec<(String, TimestampMs, u32, u32)>,
}

impl Run {
    fn new(options: Options) -> Self {
        Self { engine: Engine::new(options), tenant: TenantId::default(), age: 0, scores: Vec::new() }
    }

    fn write_at(&mut self, at: TimestampMs, samples: &[(&Labels, f64)]) {
        let report = self.engine.write(&self.tenant, &request(at, samples), at, &mut |_| {});
        assert_eq!(report.rejected(), 0, "{report:?}");
    }

    /// Newest answer of the only series with this name up to `at`.
    fn value(&self, name: &str, at: TimestampMs) -> Option<f64> {
        let series = self.engine.select(&self.tenant, &[Matcher::equal("__name__", name)], at - 300_000, at);
        series.first().and_then(|(_, samples)| samples.last()).map(|sample| sample.value)
    }

    /// Score of a series at `at`.
    fn score(&self, labels: &Labels, at: TimestampMs) -> Option<f64> {
        let named = |name: &str| Matcher::equal(name, labels.get(name).unwrap_or_default());
        let matchers = [
            Matcher::equal("__name__", "vigie_anomaly_score"),
            Matcher::equal("metric", labels.metric()),
            named("instance"),
        ];
        let series = self.engine.select(&self.tenant, &matchers, at - 1, at);
        series.first().and_then(|(_, samples)| samples.last()).map(|sample| sample.value)
    }

    fn write(&mut self, i: i64, samples: &[(&Labels, f64)]) -> WriteReport {
        let scores = &mut self.scores;
        let request = request(at(i), samples);
        self.engine.write(&self.tenant, &request, at(i) + self.age, &mut |scored| {
            let (name, at, state, event) = match scored {
                Scored::Series { name, sample, state, event, .. } => {
                    (name.labels().to_string(), sample.at, f64::from(*state), f64::from(*event))
                }
                Scored::Workload { labels, at, state, event, .. } => (labels.to_string(), *at, *state, *event),
            };
            scores.push((name, at, (state as f32).to_bits(), (event as f32).to_bits()));
        })
    }

    fn findings(&self) -> Vec<Finding> {
        self.engine.findings(&self.tenant)
    }
}

/// Three hosts with four metrics each; one of them breaks down at sample 1,500.
fn hosts(run: &mut Run, range: std::ops::Range<i64>) {
    for i in range {
        let mut rows = Vec::new();
        for host in 0..3_u64 {
            let name = format!("host-{host}");
            let load = 10.0 + 4.0 * noise(i, host);
            let broken = host == 1 && (1_500..1_560).contains(&i);
            rows.push((labels("load", &name), load));
            rows.push((labels("cpu", &name), 5.0 * load + noise(i, 10 + host) + if broken { 400.0 } else { 0.0 }));
            rows.push((labels("memory", &name), 1e9 + 1e6 * noise(i, 20 + host)));
            rows.push((labels("requests_total", &name), (i as f64 * 50.0).round()));
        }
        let borrowed: Vec<(&Labels, f64)> = rows.iter().map(|(labels, value)| (labels, *value)).collect();
        run.write(i, &borrowed);
    }
}

#[test]
fn a_fault_is_found_said_in_words_and_resolved() {
    let mut run = Run::new(Options::default());
    hosts(&mut run, 0..1_510);
    let findings = run.findings();
    let cpu = findings.iter().find(|f| f.labels.metric() == "cpu").expect("the broken metric is found");
    assert_eq!(cpu.labels.get("instance"), Some("host-1"));
    assert_eq!((cpu.status, cpu.scope), (FindingStatus::Firing, FindingScope::Series));
    assert_eq!(cpu.since, at(1_500));
    assert!(cpu.raised_at <= at(1_503), "raised {} samples late", (cpu.raised_at - at(1_500)) / STEP);
    assert!(cpu.seen > 400.0 && cpu.upper < 100.0 && cpu.score > 1.0);
    assert!(
        cpu.sentence.starts_with("cpu{instance=\"host-1\",job=\"shop\"} ")
            && cpu.sentence.contains("neither of its siblings did"),
        "{}",
        cpu.sentence
    );
    assert!(findings.iter().all(|f| f.labels.get("instance") == Some("host-1")), "{findings:#?}");

    hosts(&mut run, 1_510..2_400);
    assert!(run.findings().iter().all(|f| f.status == FindingStatus::Resolved));
}

#[test]
fn results_do_not_depend_on_the_number_of_shards() {
    let scores = |shards| {
        let mut run = Run::new(Options { shards, ..Options::default() });
        hosts(&mut run, 0..1_600);
        let mut findings: Vec<String> = run.findings().iter().map(|f| f.sentence.clone()).collect();
        findings.sort();
        run.scores.sort();
        (run.scores, findings)
    };
    let one = scores(1);
    assert!(!one.1.is_empty());
    assert_eq!(one, scores(1), "the same again");
    assert_eq!(one, scores(3));
}

#[test]
fn a_restored_engine_goes_on_as_if_nothing_had_happened() {
    let mut straight = Run::new(Options::default());
    hosts(&mut straight, 0..1_700);
    let options = Options { shards: 2, ..Options::default() };
    let mut stopped = Run::new(Options { shards: 1, ..options.clone() });
    hosts(&mut stopped, 0..1_505);
    let mut bytes = Vec::new();
    stopped.engine.snapshot().unwrap().write(&mut bytes).unwrap();
    stopped.engine = Engine::restore(&options, Snapshot::read(&mut &*bytes).unwrap().decode().unwrap());
    hosts(&mut stopped, 1_505..1_700);
    straight.scores.sort();
    stopped.scores.sort();
    assert_eq!(straight.scores, stopped.scores);
    let said = |run: &Run| run.findings().into_iter().map(|f| (f.id, f.sentence, f.raised_at)).collect::<Vec<_>>();
    assert!(!said(&straight).is_empty());
    assert_eq!(said(&straight), said(&stopped));
    let everything = [Matcher::equal("instance", "host-1")];
    let window = |run: &Run| -> Vec<(Labels, Vec<(TimestampMs, u64)>)> {
        let mut found = run.engine.select(&run.tenant, &everything, 0, i64::MAX);
        found.sort_by(|a, b| a.0.cmp(&b.0));
        found.into_iter().map(|(l, s)| (l, s.iter().map(|s| (s.at, s.value.to_bits())).collect())).collect()
    };
    let (a, b) = (window(&straight), window(&stopped));
    assert!(!a.is_empty());
    assert_eq!(a, b);
}

#[test]
fn gaps_restarts_resets_and_ends_raise_nothing() {
    let mut run = Run::new(Options::default());
    let (gauge, counter) = (labels("queue_length", "a"), labels("jobs_total", "a"));
    let mut count = 0.0;
    for i in 0..2_500_i64 {
        count += 30.0 + (10.0 * noise(i, 1)).round();
        match i {
            900..1_000 => continue,
            1_300 | 1_600 => count = 3.0,
            1_900 => {
                run.write(i, &[(&gauge, stale_nan()), (&counter, stale_nan())]);
                continue;
            }
            1_901..1_905 => continue,
            _ => {}
        }
        // After the restart at 1,600 the process is smaller for good.
        let level = if i >= 1_600 { 20.0 } else { 100.0 };
        run.write(i, &[(&gauge, level + 10.0 * noise(i, 2)), (&counter, count)]);
    }
    let findings = run.findings();
    assert!(findings.is_empty(), "{:#?}", findings.iter().map(|f| &f.sentence).collect::<Vec<_>>());
}

#[test]
fn order_duplicates_and_the_future() {
    let mut run = Run::new(Options::default());
    let up = labels("up", "a");
    run.write(10, &[(&up, 1.0)]);
    assert_eq!(run.write(10, &[(&up, 1.0)]).samples, 1, "the same again is accepted");
    assert_eq!(run.write(10, &[(&up, 0.0)]).refused[&Refusal::Duplicate], 1);
    let late = run.write(9, &[(&up, 1.0)]);
    assert_eq!((late.samples, late.refused[&Refusal::OutOfOrder]), (0, 1));
    assert!(late.reasons[0].starts_with("out of order sample: up{"), "{:?}", late.reasons);
    run.write(11, &[(&up, 1.0)]);
    assert_eq!(run.write(10, &[(&up, 1.0)]).samples, 1, "an older one that is known is accepted too");
    // An answer of the query API says `NaN`, whichever of them was sent.
    run.write(12, &[(&up, f64::NAN)]);
    assert_eq!(run.write(12, &[(&up, f64::from_bits(0x7ff8_0000_0000_0001))]).samples, 1, "no number is no number");
    assert_eq!(run.write(12, &[(&up, stale_nan())]).refused[&Refusal::Duplicate], 1, "but not the end of a series");
    let ahead = request(at(10) + 700_000, &[(&up, 1.0)]);
    let report = run.engine.write(&run.tenant, &ahead, at(10), &mut |_| {});
    assert_eq!(report.refused[&Refusal::Future], 1);
}

#[test]
fn answers_are_series_beside_the_samples() {
    let mut run = Run::new(Options::default());
    let odd = Labels::from_pairs([("__name__", "temperature"), ("instance", "a"), ("metric", "inner")]);
    for i in 0..300 {
        run.write(i, &[(&odd, 20.0 + noise(i, 3))]);
    }
    let ask = |matchers: &[Matcher]| run.engine.select(&run.tenant, matchers, at(290), at(299));
    let raw = ask(&[Matcher::equal("__name__", "temperature")]);
    assert_eq!(raw.len(), 1);
    assert_eq!(raw[0].1.len(), 9, "left-open");
    assert_eq!(raw[0].1[8].value, 20.0 + noise(299, 3));
    let by_name = |name: &str| {
        let found = ask(&[Matcher::equal("__name__", name), Matcher::equal("metric", "temperature")]);
        assert_eq!(found.len(), 1, "{name}");
        assert_eq!(found[0].0.get("exported_metric"), Some("inner"));
        found[0].1[8].value
    };
    let (lower, expected, upper) = (by_name("vigie_lower"), by_name("vigie_expected"), by_name("vigie_upper"));
    assert!(lower < expected && expected < upper && (expected - 20.0).abs() < 0.5, "{lower} {expected} {upper}");
    assert_eq!(by_name("vigie_anomalous"), 0.0);
    assert!(ask(&[Matcher::equal("__name__", "vigie_lower"), Matcher::equal("metric", "other")]).is_empty());
    run.write(300, &[(&odd, stale_nan())]);
    let end = run.engine.select(&run.tenant, &[Matcher::equal("__name__", "vigie_lower")], at(299), at(300));
    assert!(is_stale(end[0].1[0].value));
}

#[test]
fn tenants_do_not_see_each_other() {
    let mut run = Run::new(Options::default());
    let up = labels("up", "a");
    run.write(0, &[(&up, 1.0)]);
    let other = TenantId::parse("other").unwrap();
    assert!(run.engine.select(&other, &[Matcher::equal("__name__", "up")], 0, i64::MAX).is_empty());
    assert_eq!(run.engine.select(&run.tenant, &[Matcher::equal("__name__", "up")], 0, i64::MAX).len(), 1);
}

#[test]
fn a_declared_counter_is_scored_as_a_rate_whatever_its_name() {
    let mut run = Run::new(Options::default());
    let mut encoder = Encoder::new(Protocol::V1);
    encoder.metadata("work_done", crate::signal::MetricKind::Counter, "Work.", "");
    run.engine.write(&run.tenant, &decode(&encoder), at(0), &mut |_| {});
    let work = labels("work_done", "a");
    let mut values = Vec::new();
    for i in 0..3 {
        let request = request(at(i), &[(&work, 30.0 * i as f64)]);
        run.engine.write(&run.tenant, &request, at(i), &mut |scored| {
            if let Scored::Series { value, .. } = scored {
                values.push(*value);
            }
        });
    }
    assert_eq!(values, [2.0, 2.0], "30 in 15 s, from the second sample on");
    assert_eq!(run.engine.metadata(&run.tenant)["work_done"].help, "Work.");
}

/// Five metrics of a pod that move together until two of them turn round.
fn pod(run: &mut Run) {
    let names: Vec<Labels> = ["a", "b", "c", "d", "e"].iter().map(|m| labels(m, "pod")).collect();
    for i in 0..3_000_i64 {
        let common = 10.0 * (i as f64 / 40.0).sin();
        let rows: Vec<(&Labels, f64)> = names
            .iter()
            .enumerate()
            .map(|(k, name)| {
                let own = if k < 2 && i >= 2_500 { -common } else { common };
                (name, own * (1.0 + k as f64) + 0.4 * noise(i, 40 + k as u64))
            })
            .collect();
        run.write(i, &rows);
    }
}

#[test]
fn the_past_is_scored_and_nothing_is_raised_about_it() {
    for story in [|run: &mut Run| hosts(run, 0..1_600), pod] {
        let of_age = |age| {
            let mut run = Run { age, ..Run::new(Options::default()) };
            story(&mut run);
            run
        };
        let (now, late, past) = (of_age(0), of_age(600_000), of_age(600_001));
        assert!(!now.findings().is_empty() && now.findings().len() == late.findings().len());
        assert!(past.findings().is_empty(), "{:#?}", past.findings());
        let states = |run: &Run| run.scores.iter().map(|(_, at, state, _)| (*at, *state)).collect::<Vec<_>>();
        assert_eq!(states(&now), states(&past));
    }
}

#[test]
fn metrics_that_stop_moving_together_are_a_finding_about_the_workload() {
    let mut run = Run::new(Options { window_ms: 24 * 3_600_000, ..Options::default() });
    pod(&mut run);
    let findings = run.findings();
    let joint = findings.iter().find(|f| f.scope == FindingScope::Workload).expect("found");
    assert!(joint.since >= at(2_500), "{}", joint.sentence);
    assert!(joint.sentence.starts_with("The 5 metrics of {instance=\"pod\",job=\"shop\"} stopped moving together"));
    let score =
        run.engine.select(&run.tenant, &[Matcher::equal("__name__", "vigie_workload_anomaly_score")], 0, i64::MAX);
    assert!(score[0].1.iter().any(|s| s.value > 1.0));
}

#[test]
fn series_that_leave_the_window_are_forgotten() {
    let mut run = Run::new(Options { window_ms: 600_000, ..Options::default() });
    let (gone, stays) = (labels("up", "gone"), labels("up", "stays"));
    run.write(0, &[(&gone, 1.0), (&stays, 1.0)]);
    for i in 1..60 {
        run.write(i, &[(&stays, 1.0)]);
    }
    let names = run.engine.select(&run.tenant, &[Matcher::equal("__name__", "up")], 0, i64::MAX);
    assert_eq!(names.len(), 1);
    assert_eq!(names[0].0, stays);
}
