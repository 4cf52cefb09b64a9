//! A clean stop loses nothing: samples, scores and what was learned are there after the next start.

use crate::support::{Found, Vigie, query_at};
use crate::wire::{Series, Version, now_ms};

/// The detector counts samples and not minutes, so its history can be sent at once.
const STEP: i64 = 15_000;
const SCRAPES: i64 = 420;
const QUIET: i64 = 6;

/// Three gauges of one service. Between `from` and `to` (in scrapes) they move gently; during the last
/// `burst` scrapes one of them climbs out of the range of everything before.
fn scrapes(start: i64, from: i64, to: i64, burst: i64) -> Vec<Series> {
    let gauge = |part: usize, name: &str| {
        let samples: Vec<_> = (from..to)
            .map(|n| {
                let wave = (n as f64 * 0.7 + part as f64).sin() + 0.3 * (n as f64 * 2.3).cos();
                let climb = if name == "climbing" { (n - (to - burst) + 1).max(0) as f64 } else { 0.0 };
                (start + n * STEP, 50.0 + wave + 400.0 * climb)
            })
            .collect();
        Series::new("shop_queue_length", &[("job", "shop"), ("queue", name)], &samples)
    };
    ["calm", "steady", "climbing"].iter().enumerate().map(|(part, name)| gauge(part, name)).collect()
}

/// Everything a user could ask at one moment.
fn everything(vigie: &Vigie, at: i64) -> Vec<(&'static str, Vec<Found>)> {
    let questions = [
        "shop_queue_length[2h]",
        "vigie_anomaly_score{metric=\"shop_queue_length\"}",
        "vigie_anomalous{metric=\"shop_queue_length\"}",
        "vigie_expected{metric=\"shop_queue_length\"}",
        "vigie_lower{metric=\"shop_queue_length\"}",
        "vigie_upper{metric=\"shop_queue_length\"}",
    ];
    questions.map(|question| (question, query_at(&vigie.url(""), question, at))).into()
}

fn anomalous(vigie: &Vigie, at: i64) -> Vec<String> {
    let found = query_at(&vigie.url(""), "vigie_anomalous{metric=\"shop_queue_length\"} == 1", at);
    found.iter().map(|series| series.label("queue").to_owned()).collect()
}

#[test]
fn a_clean_stop_keeps_windows_scores_and_knowledge() {
    let start = now_ms() - (SCRAPES + QUIET) * STEP;
    let vigie = Vigie::start();
    // In pieces, as a sender would: each request holds a few scrapes.
    for from in (0..SCRAPES).step_by(20) {
        let burst = if from + 20 == SCRAPES { 4 } else { 0 };
        let answer = vigie.write(Version::V1, &scrapes(start, from, from + 20, burst));
        assert_eq!(answer.status, 204, "{}", answer.body);
    }
    let end = start + (SCRAPES - 1) * STEP;
    let before = everything(&vigie, end);
    for (question, found) in &before {
        assert_eq!(found.len(), 3, "{question} before the restart: {found:?}");
    }
    assert_eq!(anomalous(&vigie, end), ["climbing"], "the story has its anomaly: {before:#?}");
    let findings = findings(&vigie);
    assert!(findings.contains("climbing"), "{findings}");

    let vigie = Vigie::start_in(vigie.stop());
    for ((question, before), (_, after)) in before.iter().zip(everything(&vigie, end)) {
        assert_eq!(&after, before, "{question} after the restart");
    }
    assert_eq!(self::findings(&vigie), findings, "findings after the restart");

    // It goes on where it was: scores at once, not after another hundred samples, and no alarm for the gap.
    let answer = vigie.write(Version::V2, &scrapes(start, SCRAPES, SCRAPES + QUIET, 0));
    assert_eq!(answer.status, 204, "{}", answer.body);
    let later = end + QUIET * STEP;
    let scores = query_at(&vigie.url(""), "vigie_anomaly_score{metric=\"shop_queue_length\"}", later);
    assert_eq!(scores.len(), 3, "scores of the first samples after the restart: {scores:?}");
    assert!(!anomalous(&vigie, later).iter().any(|queue| queue != "climbing"), "a restart is no anomaly");
    // What is told anew is refused as before: the samples of long ago are remembered too.
    let answer = vigie.write(Version::V1, &scrapes(start, 3, 4, 1));
    assert_eq!(answer.status, 400, "{}", answer.body);
    vigie.stop();
}

fn findings(vigie: &Vigie) -> String {
    let answer = crate::support::get(&vigie.url("/api/v1/findings"));
    assert_eq!(answer.status, 200, "{}", answer.body);
    // Links name the address of the server, which is another one after each start of this test.
    answer.body.replace(vigie.address(), "vigie")
}
