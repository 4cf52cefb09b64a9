//! Lines of logs: counted exactly, judged, the same however the engine is run.

use super::*;
use crate::signal::{FindingStatus, Kind, LogBatch, LogLine, Severity};

mod sessions;

const MINUTE: i64 = 60_000;
/// The beginning of a minute.
const START: TimestampMs = super::START - super::START % MINUTE;

fn batch(lines: &[(&str, TimestampMs, &str)]) -> LogBatch {
    let mut batch = LogBatch::default();
    for (service, at, line) in lines {
        let stream = batch.stream(Labels::from_pairs([("namespace", "shop"), ("service", service), ("pod", "p-1")]));
        batch.push(stream, &LogLine { at: Some(at * 1_000_000), line, ..LogLine::default() }, []);
    }
    batch.grade(crate::logs::severity);
    batch
}

/// The lines of two services in a minute: steady, but for noise.
fn ordinary(minute: i64) -> LogBatch {
    let at = |i: i64| START + minute * MINUTE + i * 700;
    let mut lines = Vec::new();
    for i in 0..40 + (6.0 * noise(minute, 1)) as i64 {
        lines.push(("cart", at(i), format!("INFO added item {} to cart {}", i * 7, i)));
        if i % 4 == 0 {
            lines.push(("cart", at(i), format!("WARN cache miss for item {i}")));
        }
        lines.push(("checkout", at(i), format!("order {i} paid in {} ms", 20 + i)));
    }
    batch(&lines.iter().map(|(service, at, line)| (*service, *at, line.as_str())).collect::<Vec<_>>())
}

impl Run {
    fn log(&mut self, batch: &LogBatch) -> u64 {
        let newest = batch.newest().unwrap_or_default() / 1_000_000;
        let (report, templates) = self.engine.write_logs(&self.tenant, batch, newest);
        assert_eq!((report.rejected(), templates.len()), (0, batch.len()));
        report.lines
    }

    /// How much a counter has grown in each minute.
    fn counts(&self, metric: &str, pairs: &[(&str, &str)]) -> Vec<(i64, f64)> {
        let matchers: Vec<_> = pairs.iter().chain(&[("__name__", metric)]).map(|(n, v)| Matcher::equal(n, v)).collect();
        let found = self.engine.select(&self.tenant, &matchers, i64::MIN, i64::MAX);
        let minute = |sample: &Sample| ((sample.at - START) / MINUTE, sample.value);
        let grown = |pair: &[Sample]| (minute(&pair[1]).0, pair[1].value - pair[0].value);
        found.iter().flat_map(|(_, samples)| samples.windows(2).map(grown).collect::<Vec<_>>()).collect()
    }

    fn everything(&self) -> Vec<String> {
        let series = self.engine.select(&self.tenant, &[], i64::MIN, i64::MAX).into_iter();
        let bits = |(labels, samples): (Labels, Vec<Sample>)| {
            let samples: Vec<_> = samples.iter().map(|s| (s.at, s.value.to_bits())).collect();
            format!("{labels} {samples:?}")
        };
        let mut all: Vec<String> = series.map(bits).collect();
        all.extend(self.engine.findings(&self.tenant).into_iter().map(|finding| format!("{finding:?}")));
        all.extend(self.engine.templates(&self.tenant).into_iter().map(|row| format!("{row:?}")));
        all.sort();
        all
    }
}

#[test]
fn every_line_counts_once_and_silence_counts_too() {
    let mut run = Run::new(Options { shards: 2, ..Options::default() });
    let lines: u64 = (0..5).map(|minute| run.log(&ordinary(minute))).sum();
    let rows = run.engine.templates(&run.tenant);
    assert_eq!(rows.iter().map(|row| row.lines).sum::<u64>(), lines);
    let cache = rows.iter().find(|row| row.text == "WARN cache miss for item <*>").unwrap();
    assert_eq!((cache.severity, cache.source.get("service")), (Some(Severity::Warn), Some("cart")));
    assert_eq!(cache.example, "WARN cache miss for item 0");

    let misses =
        |run: &Run| run.counts("vigie_log_template_lines_total", &[("template", &cache.id), ("namespace", "shop")]);
    let warnings = |run: &Run| run.counts("vigie_log_lines_total", &[("severity", "warn"), ("service", "cart")]);
    assert_eq!(misses(&run).len(), 4, "the fifth minute goes on");
    assert_eq!(misses(&run), warnings(&run));
    assert!(misses(&run).iter().all(|(_, lines)| (9.0..=11.0).contains(lines)));
    // One service goes on: the other one is silent.
    for minute in 5..10 {
        let at = START + minute * MINUTE;
        run.log(&batch(&[
            ("checkout", at, "order 1 paid in 20 ms"),
            ("checkout", at + 30_000, "order 2 paid in 21 ms"),
        ]));
    }
    assert_eq!(misses(&run)[5..], [(6, 0.0), (7, 0.0)]);
    assert_eq!(
        run.counts("vigie_log_lines_total", &[("severity", "none"), ("service", "checkout")]).last(),
        Some(&(9, 2.0))
    );
}

#[test]
fn a_clock_that_is_wrong_moves_no_time() {
    let mut run = Run::new(Options::default());
    let year = 365 * 86_400_000;
    let now = START + 10 * MINUTE;
    for (at, received) in [(START, START), (START + year, START + 1), (START - 40 * year, START + 2), (now, now)] {
        let (report, _) = run.engine.write_logs(&run.tenant, &batch(&[("cart", at, "INFO x")]), received);
        assert_eq!((report.lines, report.rejected()), (1, 0));
    }
    let rows = run.engine.templates(&run.tenant);
    assert_eq!(rows[0].lines, 4);
    assert_eq!(
        run.counts("vigie_log_lines_total", &[("severity", "info")])[0],
        (1, 2.0),
        "the one from the future is of now"
    );
}

/// Ten hours, of which the last has ten times the warnings, and lines that were never there.
fn story(run: &mut Run, range: std::ops::Range<i64>) {
    for minute in range {
        run.log(&ordinary(minute));
        if minute >= 560 {
            let at = START + minute * MINUTE;
            let line = |i: i64| format!("WARN cache miss for item {i}");
            let many: Vec<String> = (0..150).map(line).collect();
            run.log(&batch(&many.iter().map(|line| ("cart", at + 50_000, line.as_str())).collect::<Vec<_>>()));
        }
        if minute == 500 {
            let line = "ERROR cannot reach payment gateway at 10.0.0.7: connection refused";
            run.log(&batch(&[("checkout", START + minute * MINUTE + 55_000, line)]));
        }
    }
}

#[test]
fn what_is_new_and_what_is_more_is_told_with_its_lines() {
    let mut run = Run::new(Options::default());
    story(&mut run, 0..600);
    let findings = run.engine.findings(&run.tenant);
    let new: Vec<_> = findings.iter().filter(|finding| finding.kind == Kind::NewTemplate).collect();
    assert_eq!(new.len(), 1, "{new:#?}");
    assert_eq!(new[0].lines, ["ERROR cannot reach payment gateway at 10.0.0.7: connection refused"]);
    assert_eq!(new[0].status, FindingStatus::Resolved, "half an hour later it is not new any more");
    assert!(
        new[0]
            .sentence
            .starts_with("The log of {job=\"checkout\",namespace=\"shop\",service=\"checkout\"} has one line")
    );
    let more: Vec<_> = findings.iter().filter(|finding| finding.kind != Kind::NewTemplate).collect();
    let about = |finding: &&&Finding| {
        finding.labels.get("service") == Some("cart") || finding.labels.get("job") == Some("cart")
    };
    assert!(more.iter().any(|finding| finding.lines.iter().any(|line| line.contains("cache miss"))), "{more:#?}");
    assert_eq!(more.iter().filter(about).count(), more.len(), "nothing happened to the other one");
    assert!(more.iter().all(|finding| finding.since >= START + 560 * MINUTE), "{more:#?}");
}

#[test]
fn shards_and_restarts_make_no_difference() {
    let mut plain = Run::new(Options { shards: 1, ..Options::default() });
    story(&mut plain, 0..540);
    let expected = plain.everything();
    for shards in [1, 3] {
        let mut run = Run::new(Options { shards, ..Options::default() });
        story(&mut run, 0..333);
        let mut bytes = Vec::new();
        run.engine.snapshot().unwrap().write(&mut bytes).unwrap();
        let restored = Snapshot::read(&mut bytes.as_slice()).unwrap().decode().unwrap();
        run.engine = Engine::restore(&run.engine.shards[0].options.clone(), restored);
        story(&mut run, 333..540);
        let found = run.everything();
        let differ = expected.iter().zip(&found).find(|(a, b)| a != b);
        assert_eq!((found.len(), differ), (expected.len(), None));
    }
}

#[test]
fn a_template_that_does_not_come_again_has_no_series_in_the_end() {
    let mut run = Run::new(Options { window_ms: 20 * MINUTE, ..Options::default() });
    run.log(&batch(&[("mail", START, "nothing to send")]));
    for minute in 0..26 * 60 {
        run.log(&batch(&[("cart", START + minute * MINUTE, "INFO still here")]));
        if minute == 60 {
            assert!(!run.counts("vigie_log_template_lines_total", &[("service", "mail")]).is_empty());
        }
    }
    assert!(run.counts("vigie_log_template_lines_total", &[("service", "mail")]).is_empty());
    assert_eq!(run.engine.templates(&run.tenant).len(), 2, "it is known all the same");
}

#[test]
fn a_value_that_was_never_there_is_told() {
    let mut run = Run::new(Options::default());
    let of_minute = |minute: i64, state: &str| {
        let line = |i: i64| {
            let state = if i == 0 { state } else { ["approved", "settled", "approved"][i as usize % 3] };
            format!("payment {} by way of shop-{} is {state} after {} ms", minute * 10 + i, i % 4, 20 + i)
        };
        let lines: Vec<String> = (0..6)
            .map(line)
            .chain((0..4).map(|i| format!("payment {i} is {}", ["void", "due", "open", "late"][i])))
            .collect();
        let at = START + minute * MINUTE;
        batch(&lines.iter().map(|line| ("checkout", at, line.as_str())).collect::<Vec<_>>())
    };
    // Words are a value only where there are several: so that it has many of them at the beginning.
    for (minute, state) in ["refused", "held", "queued", "booked"].into_iter().cycle().take(40).enumerate() {
        run.log(&of_minute(minute as i64, state));
    }
    for minute in 40..3_000 {
        run.log(&of_minute(minute, if minute == 2_950 { "charged-back" } else { "approved" }));
    }
    let rows = run.engine.templates(&run.tenant);
    let row = rows.iter().find(|row| row.text == "payment <*> by way of shop-<*> is <*> after <*> ms").unwrap();
    let state = &row.parameters[2];
    assert_eq!((state.kind.as_str(), state.distinct, state.values[0].0.as_str()), ("word", Some(7), "approved"));
    let findings = run.engine.findings(&run.tenant);
    let rare: Vec<_> = findings.iter().filter(|finding| finding.kind == Kind::RareValue).collect();
    assert_eq!(rare.len(), 1, "{rare:#?}");
    assert_eq!(rare[0].lines, ["payment 29500 by way of shop-0 is charged-back after 20 ms"]);
    assert!(
        rare[0].sentence.contains("says \"charged-back\" where it said \"approved\", \"settled\", "),
        "{}",
        rare[0].sentence
    );
    assert!(
        rare[0].sentence.contains("\"payment <*> by way of shop-<*> is charged-back after <*> ms\""),
        "{}",
        rare[0].sentence
    );
    assert_eq!(rare[0].status, FindingStatus::Resolved, "half an hour later it is not new any more");
}

#[test]
fn a_trace_that_came_in_two_requests_is_of_one_template() {
    let mut run = Run::new(Options::default());
    let mut send = |lines: &[(&str, i64, &str)]| {
        let mut batch = LogBatch::default();
        let streams = ["a", "b", "c"].map(|pod| batch.stream(Labels::from_pairs([("service", "cart"), ("pod", pod)])));
        for (pod, ms, line) in lines {
            let stream = streams[usize::from(pod.as_bytes()[0] - b'a')];
            batch.push(stream, &LogLine { at: Some((START + ms) * 1_000_000), line, ..LogLine::default() }, []);
        }
        crate::logs::traces::join(&mut batch);
        batch.grade(crate::logs::severity);
        let (report, templates) = run.engine.write_logs(&run.tenant, &batch, START + 60_000);
        assert_eq!(report.lines as usize, batch.len());
        templates
    };
    let failed = send(&[("a", 0, "ERROR cannot pay"), ("b", 0, "INFO all is well"), ("b", 1, "ERROR cannot ship")]);
    let rest = "\tat shop.Pay.pay(Pay.java:7)";
    let next = send(&[
        ("a", 100, rest),
        ("a", 101, "\tat shop.Main.run(Main.java:1)"),
        ("a", 102, "INFO next"),
        ("c", 102, rest),
    ]);
    assert_eq!(next[0], failed[0], "the frames are one record, of the template of their error");
    assert!(!failed.contains(&next[2]), "another pod had no error");
    let last = send(&[("b", 300, "Caused by: java.io.IOException: no"), ("a", 5_000, rest)]);
    assert_eq!((last[0], last[1]), (failed[2], next[2]), "a second later nothing goes on");
    let more = send(&[("b", 400, "\t... 12 more")]);
    assert_eq!(more[0], failed[2], "in three requests");
    let rows = run.engine.templates(&run.tenant);
    let lines = |text: &str| rows.iter().find(|row| row.text == text).unwrap().lines;
    assert_eq!((lines("ERROR cannot pay"), lines("ERROR cannot ship"), lines("INFO next")), (2, 3, 1));
    assert_eq!(rows.iter().map(|row| row.lines).sum::<u64>(), 9);
}

#[test]
fn whatever_lines_hold_is_taken_and_counted() {
    const PIECES: [&str; 36] = [
        "request_id=",
        "\"jobId\":\"",
        "X-Request-Id: ",
        "session",
        "id",
        " ",
        "  ",
        "\t",
        "\n",
        "\n\tat a.B.c(B.java:1)",
        "Caused by: ",
        "Traceback (most recent call last):\n",
        "goroutine 1 [running]:",
        "=",
        ":",
        "\"",
        "'",
        "{",
        "}",
        "<*>",
        "\u{1}",
        "\u{2}",
        "\u{fffc}",
        "é",
        "漢字",
        "0x",
        "deadbeefdeadbeef",
        "123e4567-e89b-12d3-a456-426614174000",
        "blk_-1234567",
        "10.0.0.1:80",
        "1e309",
        "-",
        "user ",
        "ERROR",
        "12ms",
        "[",
    ];
    let patterns = ["user <*> of <*>", "é<*>漢字", "<*>ERROR<*>{"].map(|text| text.parse().unwrap());
    let mut run = Run::new(Options { patterns: patterns.into(), ..Options::default() });
    let mut chance = 7_u64;
    let mut next = |below: usize| {
        chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (chance >> 33) as usize % below
    };
    let mut lines = 0;
    for minute in 0..40 {
        let mut batch = LogBatch::default();
        let streams = ["a", "b"].map(|pod| batch.stream(Labels::from_pairs([("service", "cart"), ("pod", pod)])));
        for i in 0..200 {
            let text: String = (0..next(12)).map(|_| PIECES[next(PIECES.len())]).collect();
            let at = (START + minute * MINUTE + i * 250) * 1_000_000;
            let trace_id = ["", "", "00", "0af7651916cd43dd8448eb211c80319c"][next(4)];
            let told = LogLine { at: Some(at), line: &text, trace_id, ..LogLine::default() };
            batch.push(streams[next(2)], &told, []);
        }
        crate::logs::traces::join(&mut batch);
        batch.grade(crate::logs::severity);
        lines += run.log(&batch);
    }
    let rows = run.engine.templates(&run.tenant);
    assert_eq!(rows.iter().map(|row| row.lines).sum::<u64>(), lines);
    for row in &rows {
        let told = row.parameters.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert!(told.len() <= 8 && told.iter().all(|text| !text.is_empty()), "{row:?}");
        let _ = row.family();
    }
}

#[test]
fn lines_of_the_past_are_counted_though_time_stands_still() {
    let mut run = Run::new(Options::default());
    let now = START + 60 * MINUTE;
    run.log(&batch(&[("checkout", now, "order 1 paid in 20 ms")]));
    let past: Vec<_> = (0..60).map(|half| ("cart", START + half * MINUTE / 2, "INFO added item 1 to cart 7")).collect();
    run.engine.write_logs(&run.tenant, &batch(&past), now + 2_000);
    let counted = run.counts("vigie_log_lines_total", &[("service", "cart"), ("severity", "info")]);
    assert_eq!(counted[..29], (1..30).map(|minute| (minute, 2.0)).collect::<Vec<_>>());
}
