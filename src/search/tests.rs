//! The index as a whole, against known lines and against looking at every line.

use std::{
    path::Path,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::signal::{Condition, Labels, LogBatch, LogLine, Matcher, Severity, TenantId};

const DAY_MS: i64 = 86_400_000;
/// 2023-11-14, 22:13:20.
const NOW_MS: i64 = 1_700_000_000_000;
const NOW: i64 = NOW_MS * 1_000_000;
const SECOND: i64 = 1_000_000_000;

fn tenant() -> TenantId {
    TenantId::default()
}

/// Another one, with a name that must not be mistaken for anything else.
fn other() -> TenantId {
    TenantId::parse("position").unwrap()
}

/// A line to put into the index.
#[derive(Clone, Debug)]
struct Told {
    at: i64,
    labels: Vec<(&'static str, &'static str)>,
    severity: Option<Severity>,
    template: u64,
    trace_id: &'static str,
    line: String,
    attributes: Vec<(&'static str, String)>,
}

impl Told {
    fn new(at: i64, service: &'static str, line: &str) -> Self {
        Self {
            at,
            labels: vec![("service", service)],
            severity: None,
            template: 0,
            trace_id: "",
            line: line.into(),
            attributes: Vec::new(),
        }
    }

    fn add_to(&self, writer: &mut Writer, tenant: &TenantId, received_at: i64) {
        let mut batch = LogBatch::default();
        let stream = batch.stream(Labels::from_pairs(self.labels.iter().copied()));
        let line = LogLine { at: Some(self.at), severity: self.severity, trace_id: self.trace_id, line: &self.line };
        batch.push(stream, &line, self.attributes.iter().map(|(name, value)| (*name, value.as_str())));
        for record in batch.records() {
            writer.add(tenant, received_at, &record, self.template).unwrap();
        }
    }
}

fn open(folder: &Path) -> (Writer, u64) {
    Writer::open(folder, Options::default()).unwrap()
}

fn all() -> Query {
    Query::all(tenant(), i64::MIN, i64::MAX)
}

fn texts(searcher: &Searcher, query: &Query) -> Vec<String> {
    let hits = searcher.search(query, 10_000, Order::Oldest).unwrap();
    assert!(!hits.is_partial);
    hits.lines.into_iter().map(|hit| hit.line).collect()
}

/// A few lines of a shop, a second apart from `NOW` on.
fn shop() -> Vec<Told> {
    let mut lines = vec![
        Told::new(NOW, "cart", "GET /api/v1/orders?id=42 200 in 12.5ms"),
        Told::new(NOW + SECOND, "cart", "GET /api/v1/orders?id=43 500 in 3.1ms"),
        Told::new(NOW + 2 * SECOND, "db", "connection refused by peer 10.0.0.17:5432"),
        Told::new(NOW + 3 * SECOND, "db", "Connection Refused, retrying"),
        Told::new(NOW + 4 * SECOND, "db", "checkpoint complete: wrote 10 buffers"),
        Told::new(NOW + 5 * SECOND, "mail", ""),
    ];
    lines[0].severity = Some(Severity::Info);
    lines[1].severity = Some(Severity::Error);
    lines[2].severity = Some(Severity::Error);
    lines[3].severity = Some(Severity::Warn);
    lines[0].template = 7;
    lines[1].template = 7;
    lines[2].template = u64::MAX;
    lines[1].trace_id = "0AF7651916cd43dd8448eb211c80319c";
    lines[1].labels.push(("pod", "cart-1"));
    lines[2].attributes = vec![("user.id", "ann".into()), ("note", "x".repeat(400))];
    lines[3].attributes = vec![("user.id", "bob".into())];
    lines
}

fn shop_index(folder: &Path) -> Searcher {
    let (mut writer, position) = open(folder);
    assert_eq!(position, 0);
    shop().iter().for_each(|line| line.add_to(&mut writer, &tenant(), NOW_MS));
    writer.commit(1).unwrap();
    writer.searcher()
}

fn not(name: &str, value: &str) -> Matcher {
    Matcher { name: name.into(), condition: Condition::NotEqual(value.into()) }
}

fn regex(name: &str, pattern: &str) -> Matcher {
    Matcher { name: name.into(), condition: Condition::Matches(LineFilter::label_regex(pattern).unwrap()) }
}

#[test]
fn every_condition_finds_its_lines() {
    let folder = TempDir::new().unwrap();
    let searcher = shop_index(folder.path());
    let told: Vec<String> = shop().into_iter().map(|told| told.line).collect();
    let check = |what: &str, expected: &[usize], change: &dyn Fn(&mut Query)| {
        let mut query = all();
        change(&mut query);
        let expected: Vec<&String> = expected.iter().map(|i| &told[*i]).collect();
        assert_eq!(texts(&searcher, &query).iter().collect::<Vec<_>>(), expected, "{what}");
    };
    check("all", &[0, 1, 2, 3, 4, 5], &|_| {});
    check("time", &[1, 2], &|q| (q.from, q.to) = (NOW + SECOND, NOW + 3 * SECOND));
    check("=", &[2, 3, 4], &|q| q.matchers = vec![Matcher::equal("service", "db")]);
    check("!=", &[0, 1, 5], &|q| q.matchers = vec![not("service", "db")]);
    check("=~", &[0, 1, 5], &|q| q.matchers = vec![regex("service", "cart|ma.*")]);
    check("absent", &[0, 2, 3, 4, 5], &|q| q.matchers = vec![Matcher::equal("pod", "")]);
    check("two matchers", &[1], &|q| q.matchers = vec![Matcher::equal("service", "cart"), not("pod", "")]);
    check("no such stream", &[], &|q| q.matchers = vec![Matcher::equal("service", "x")]);
    check("templates", &[0, 1, 2], &|q| q.templates = Some(vec![7, 8, u64::MAX]));
    check("no templates", &[], &|q| q.templates = Some(vec![]));
    check("severities", &[1, 2, 4, 5], &|q| q.severities = Some(vec![Some(Severity::Error), None]));
    check("trace", &[1], &|q| q.trace_id = Some("0af7651916CD43dd8448eb211c80319c".into()));
    check("attribute", &[2], &|q| q.fields = vec![Matcher::equal("user_id", "ann")]);
    check("attribute !=", &[0, 1, 3, 4, 5], &|q| q.fields = vec![not("user_id", "ann")]);
    check("attribute =~", &[2, 3], &|q| q.fields = vec![regex("user_id", ".+")]);
    check("long attribute", &[2], &|q| q.fields = vec![Matcher::equal("note", &"x".repeat(400))]);
    check("a label as a field", &[2, 3, 4], &|q| q.fields = vec![Matcher::equal("service", "db")]);
    let contains = |text: &str| LineFilter::Contains(text.into());
    let matches = |text: &str| LineFilter::Matches(LineFilter::regex(text).unwrap());
    check("a word", &[0, 1], &|q| q.lines = vec![contains("orders")]);
    check("part of a word", &[0, 1], &|q| q.lines = vec![contains("rder")]);
    check("its case", &[2], &|q| q.lines = vec![contains("connection ref")]);
    check("number", &[2], &|q| q.lines = vec![contains("0.0.17:54")]);
    check("signs only", &[0, 1], &|q| q.lines = vec![contains("?")]);
    check("empty", &[0, 1, 2, 3, 4, 5], &|q| q.lines = vec![contains("")]);
    check("without a word", &[2, 3, 4, 5], &|q| q.lines = vec![LineFilter::NotContains("orders".into())]);
    check("without a text", &[0, 2, 3, 4, 5], &|q| q.lines = vec![LineFilter::NotContains(" 500 in".into())]);
    check("regex", &[2, 3], &|q| q.lines = vec![matches("(?i)connection refused")]);
    check("regex with a choice", &[1, 4], &|q| q.lines = vec![matches("id=43|buffers$")]);
    let no = LineFilter::NotMatches(LineFilter::regex(r"\d").unwrap());
    check("not a regex", &[3, 5], &|q| q.lines = vec![no.clone()]);
    check("both", &[0], &|q| q.lines = vec![contains("orders"), matches("200|404")]);
    check("word", &[2, 3], &|q| q.phrases = Phrase::parse("REFUSED"));
    check("phrase", &[2], &|q| q.phrases = Phrase::parse("\"refused by\""));
    check("address", &[2], &|q| q.phrases = Phrase::parse("10.0.0.17:5432"));
    check("not part of a word", &[], &|q| q.phrases = Phrase::parse("refuse"));
    check("another tenant", &[], &|q| q.tenant = other());
}

#[test]
fn the_writer_may_move_to_its_thread_and_others_merge_and_search() {
    fn moves<T: Send>() {}
    fn is_shared<T: Send + Sync>() {}
    moves::<Writer>();
    moves::<Merge>();
    moves::<Merged>();
    is_shared::<Searcher>();
}

#[test]
fn a_hit_is_what_was_told() {
    let folder = TempDir::new().unwrap();
    let searcher = shop_index(folder.path());
    let hits = searcher.search(&all(), 2, Order::Newest).unwrap();
    let lines: Vec<&str> = hits.lines.iter().map(|hit| &*hit.line).collect();
    assert_eq!(lines, ["", "checkpoint complete: wrote 10 buffers"]);
    let hits = searcher.search(&all(), 3, Order::Oldest).unwrap();
    assert!(!hits.is_partial, "the limit is no lack");
    let told = &shop()[2];
    assert_eq!(
        hits.lines[2],
        Hit {
            at: told.at,
            labels: Labels::from_pairs([("service", "db")]),
            severity: Some(Severity::Error),
            template: u64::MAX,
            trace_id: String::new(),
            line: told.line.clone(),
            attributes: told.attributes.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect(),
        }
    );
    assert_eq!(hits.lines[1].trace_id, "0af7651916cd43dd8448eb211c80319c");
    assert!(searcher.search(&all(), 0, Order::Newest).unwrap().lines.is_empty());
}

#[test]
fn a_line_without_time_has_that_of_its_receipt() {
    let folder = TempDir::new().unwrap();
    let (mut writer, _) = open(folder.path());
    let mut batch = LogBatch::default();
    let stream = batch.stream(Labels::default());
    batch.push(stream, &LogLine { line: "x", ..LogLine::default() }, []);
    writer.add(&tenant(), NOW_MS, &batch.records().next().unwrap(), 0).unwrap();
    writer.commit(1).unwrap();
    assert_eq!(writer.searcher().search(&all(), 1, Order::Newest).unwrap().lines[0].at, NOW);
}

#[test]
fn labels_their_values_and_streams_are_listed() {
    let folder = TempDir::new().unwrap();
    let searcher = shop_index(folder.path());
    assert!(searcher.labels(&all()).unwrap().into_iter().eq(["pod", "service"]));
    assert!(searcher.label_values(&all(), "service").unwrap().into_iter().eq(["cart", "db", "mail"]));
    assert!(searcher.label_values(&all(), "x").unwrap().is_empty());
    let mut query = all();
    query.matchers = vec![regex("service", "c.*")];
    let series: Vec<String> = searcher.series(&query).unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(series, [r#"{pod="cart-1",service="cart"}"#, r#"{service="cart"}"#]);
    query.to = NOW;
    assert!(searcher.series(&query).unwrap().is_empty(), "not of this time");
}

#[test]
fn histograms_count_by_window_and_group() {
    let folder = TempDir::new().unwrap();
    let searcher = shop_index(folder.path());
    let count = |query: &Query, range: i64, grouping: &Grouping, count: Count| {
        let windows = Windows { start: NOW + SECOND, end: NOW + 5 * SECOND, step: 2 * SECOND, range: range * SECOND };
        let histogram = searcher.histogram(query, &windows, grouping, count).unwrap();
        assert!(!histogram.is_partial);
        histogram.groups.into_iter().map(|(labels, numbers)| (labels.to_string(), numbers)).collect::<Vec<_>>()
    };
    let by = |names: &[&str]| Grouping::By(names.iter().map(|name| (*name).to_owned()).collect());
    assert_eq!(count(&all(), 2, &by(&[]), Count::Lines), [("{}".into(), vec![2, 2, 2])]);
    assert_eq!(
        count(&all(), 4, &by(&["service"]), Count::Lines),
        [
            (r#"{service="cart"}"#.into(), vec![2, 2, 0]),
            (r#"{service="db"}"#.into(), vec![0, 2, 3]),
            (r#"{service="mail"}"#.into(), vec![0, 0, 1]),
        ]
    );
    assert_eq!(
        count(&all(), 2, &by(&["detected_level"]), Count::Lines),
        [
            ("{}".into(), vec![0, 0, 2]),
            (r#"{detected_level="error"}"#.into(), vec![1, 1, 0]),
            (r#"{detected_level="info"}"#.into(), vec![1, 0, 0]),
            (r#"{detected_level="warn"}"#.into(), vec![0, 1, 0]),
        ]
    );
    let mut db = all();
    db.matchers = vec![Matcher::equal("service", "db")];
    db.lines = vec![LineFilter::Matches(LineFilter::regex("efused").unwrap())];
    let bytes = [&shop()[2], &shop()[3]].map(|told| told.line.len() as u64);
    assert_eq!(count(&db, 1, &by(&[]), Count::Bytes), [("{}".into(), vec![0, bytes[1], 0])]);
    assert_eq!(
        count(&db, 3, &by(&["template"]), Count::Bytes),
        [
            (r#"{template="0000000000000000"}"#.into(), vec![0, bytes[1], bytes[1]]),
            (r#"{template="ffffffffffffffff"}"#.into(), vec![0, bytes[0], 0]),
        ]
    );
    let without = Grouping::Without(vec!["service".into()]);
    assert_eq!(count(&db, 9, &without, Count::Lines).len(), 2, "one for each level");
}

#[test]
fn a_search_that_is_no_longer_wanted_ends() {
    let folder = TempDir::new().unwrap();
    let searcher = shop_index(folder.path());
    let asked = Arc::new(AtomicU64::new(0));
    let counter = asked.clone();
    let first_only = move || counter.fetch_add(1, Ordering::Relaxed) == 0;
    let once = searcher.clone().while_wanted(first_only);
    assert!(!once.search(&all(), 10, Order::Newest).unwrap().lines.is_empty(), "one segment, one question");
    assert!(matches!(once.search(&all(), 10, Order::Newest), Err(SearchError::Interrupted)));
    assert_eq!(asked.load(Ordering::Relaxed), 2);
    let windows = Windows { start: NOW, end: NOW, step: 1, range: 1 };
    let counts = once.histogram(&all(), &windows, &Grouping::By(Vec::new()), Count::Lines);
    assert!(matches!(counts, Err(SearchError::Interrupted)));
    assert!(matches!(once.labels(&all()), Err(SearchError::Interrupted)));

    // Inside a segment too, by what is spent there.
    let mut budget = collect::Budget::new(1 << 20, once.demand.clone());
    let stop = (0..100).find_map(|_| budget.spend_entries(1_000).err());
    assert!(matches!(stop, Some(collect::Stop::Failed(SearchError::Interrupted))));
    assert_eq!(searcher.segments(&all()), 1);
}

#[test]
fn what_costs_too_much_is_partial() {
    let folder = TempDir::new().unwrap();
    let searcher = shop_index(folder.path());
    let mut query = all();
    query.lines = vec![LineFilter::NotMatches(LineFilter::regex("x").unwrap())];
    query.budget = 3;
    let hits = searcher.search(&query, 10, Order::Newest).unwrap();
    assert!(hits.is_partial);
    assert!((1..=3).contains(&hits.lines.len()), "{}", hits.lines.len());
    assert_eq!(hits.lines[0].line, "", "the newest first");
    let windows = Windows { start: NOW, end: NOW + 5 * SECOND, step: SECOND, range: SECOND };
    assert!(searcher.histogram(&query, &windows, &Grouping::By(vec![]), Count::Lines).unwrap().is_partial);
}

/// Lines of odd words, times and signs, in several segments.
static ODD: LazyLock<(TempDir, Searcher, Vec<String>)> = LazyLock::new(|| {
    let words = ["a", "ab", "Ab", "1", "1.5", ".5", "10.0.0.1", "é", "sK", "x_1", "\u{212a}", "\u{17f}k"];
    let signs = [" ", ".", "/", ": ", "-", ""];
    let long = "ab".repeat(80);
    let folder = TempDir::new().unwrap();
    let (mut writer, _) = open(folder.path());
    let mut lines = Vec::new();
    let mut seed = 1_u64;
    let mut draw = |below: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as usize % below
    };
    for i in 0..600 {
        let mut line = String::new();
        for _ in 0..draw(7) {
            line += words[draw(words.len())];
            line += signs[draw(signs.len())];
        }
        // The first segment has no words that are too long, the second has.
        if i >= 300 && draw(10) == 0 {
            line += &long;
        }
        Told::new(NOW + i, "odd", &line).add_to(&mut writer, &tenant(), NOW_MS);
        lines.push(line);
        if i % 300 == 299 {
            writer.commit(i as u64).unwrap();
        }
    }
    let searcher = writer.searcher();
    (folder, searcher, lines)
});

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn the_index_finds_what_looking_at_every_line_finds(
        text in "(a|b|A|1|\\.|5|0| |/|:|-|é|s|K|x|_){1,4}|a?(ab){30,40}b?",
        kind in 0..5_u8,
    ) {
        let (_, searcher, lines) = &*ODD;
        let regex = |prefix: &str| LineFilter::regex(&format!("{prefix}{}", ::regex::escape(&text))).unwrap();
        let mut query = all();
        match kind {
            0 => query.lines = vec![LineFilter::Contains(text)],
            1 => query.lines = vec![LineFilter::NotContains(text)],
            2 => query.lines = vec![LineFilter::Matches(regex("(?i)"))],
            3 => query.lines = vec![LineFilter::Matches(regex("1|x?"))],
            _ => query.phrases = Phrase::parse(&format!("\"{text}\"")),
        }
        let accepts = |line: &&String| {
            query.lines.iter().all(|filter| filter.accepts(line)) && query.phrases.iter().all(|p| p.accepts(line))
        };
        let expected: Vec<&String> = lines.iter().filter(accepts).collect();
        let found = texts(searcher, &query);
        prop_assert_eq!(found.iter().collect::<Vec<_>>(), expected);
    }
}

/// Lines of two days and two tenants; the same for the same number.
fn lines_of(step: u64) -> Vec<(TenantId, Told)> {
    let tenants = [tenant(), other()];
    let line = |i: u64| {
        let at = NOW - (i as i64 / 2 % 2) * DAY_MS * 1_000_000;
        (tenants[i as usize % 2].clone(), Told::new(at, "x", &format!("step {step} line {i}")))
    };
    (0..8).map(line).collect()
}

fn add_step(writer: &mut Writer, step: u64) {
    lines_of(step).iter().for_each(|(tenant, told)| told.add_to(writer, tenant, NOW_MS));
}

/// Every line of both tenants, in order of text.
fn every_line(searcher: &Searcher) -> Vec<String> {
    let mut lines = texts(searcher, &all());
    lines.extend(texts(searcher, &Query { tenant: other(), ..all() }));
    lines.sort();
    lines
}

fn expected(steps: std::ops::RangeInclusive<u64>) -> Vec<String> {
    let mut lines: Vec<String> = steps.flat_map(lines_of).map(|(_, told)| told.line).collect();
    lines.sort();
    lines
}

#[test]
fn a_crash_at_any_place_of_a_commit_loses_and_doubles_nothing() {
    // How far the second commit comes: nowhere, some days written, all written, so many of them named.
    for reached in 0..7 {
        let folder = TempDir::new().unwrap();
        let (mut writer, _) = open(folder.path());
        add_step(&mut writer, 1);
        writer.commit(10).unwrap();
        add_step(&mut writer, 2);
        if reached > 0 {
            writer.flush_all().unwrap();
        }
        if reached > 1 {
            writer.seal_some(20, reached - 2);
        }
        drop(writer);
        let (mut writer, position) = open(folder.path());
        assert_eq!(position, 10, "reached {reached}");
        assert_eq!(every_line(&writer.searcher()), expected(1..=1), "reached {reached}");
        add_step(&mut writer, 2);
        writer.commit(20).unwrap();
        assert_eq!(every_line(&writer.searcher()), expected(1..=2), "reached {reached}");
        drop(writer);
        let (writer, position) = open(folder.path());
        assert_eq!((position, every_line(&writer.searcher())), (20, expected(1..=2)), "reached {reached}");
    }
}

#[test]
fn a_crash_around_a_merge_loses_and_doubles_nothing() {
    let folder = TempDir::new().unwrap();
    let (mut writer, _) = open(folder.path());
    for step in 1..=8 {
        add_step(&mut writer, step);
        writer.commit(step).unwrap();
    }
    // One merge in use, one written and not in use, one not begun.
    let first = writer.due_merge().unwrap().run().unwrap();
    writer.install(first);
    let held = writer.due_merge().unwrap().run().unwrap();
    assert_eq!(every_line(&writer.searcher()), expected(1..=8));
    assert!(writer.due_merge().is_some());
    let pending = folder.path().join("default").join("2023-11-14").join("00000001-00000008@8.merging");
    std::fs::create_dir_all(&pending).unwrap();
    drop(held);
    drop(writer);
    let (mut writer, position) = open(folder.path());
    assert_eq!(position, 8);
    assert!(!pending.exists());
    assert_eq!(every_line(&writer.searcher()), expected(1..=8));
    while let Some(merge) = writer.due_merge() {
        let merged = merge.run().unwrap();
        writer.install(merged);
    }
    assert_eq!(every_line(&writer.searcher()), expected(1..=8));
    let folders = walk(folder.path()).into_iter().filter(|path| path.to_string_lossy().contains('@')).count();
    assert_eq!(folders, 4, "a segment a day, and nothing left of what they were");
    drop(writer);
    assert_eq!(every_line(&open(folder.path()).0.searcher()), expected(1..=8));
}

/// All folders below one.
fn walk(folder: &Path) -> Vec<std::path::PathBuf> {
    let below: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    below.into_iter().filter(|path| path.is_dir()).flat_map(|path| [vec![path.clone()], walk(&path)].concat()).collect()
}

#[test]
fn a_merge_whose_day_is_gone_goes_too() {
    let folder = TempDir::new().unwrap();
    let (mut writer, _) = open(folder.path());
    for step in 1..=8 {
        add_step(&mut writer, step);
        writer.commit(step).unwrap();
    }
    let merged = writer.due_merge().unwrap().run().unwrap();
    let gone = writer.retain(NOW_MS, &Retention { max_age: Duration::MAX, max_bytes: 0 }).unwrap();
    assert_eq!(gone.len(), 4);
    writer.install(merged);
    writer.prune().unwrap();
    assert!(every_line(&writer.searcher()).is_empty());
    assert_eq!(walk(folder.path()), Vec::<std::path::PathBuf>::new());
}

#[test]
fn few_days_in_memory_are_enough() {
    let folder = TempDir::new().unwrap();
    let (mut writer, _) = Writer::open(folder.path(), Options { memory: 1, most_open: 2 }).unwrap();
    add_step(&mut writer, 1);
    assert!(every_line(&writer.searcher()).is_empty(), "not before the commit");
    writer.commit(1).unwrap();
    assert_eq!(every_line(&writer.searcher()), expected(1..=1));
    add_step(&mut writer, 2);
    drop(writer);
    assert_eq!(every_line(&open(folder.path()).0.searcher()), expected(1..=1));
}

#[test]
fn times_far_from_receipt_open_no_days_of_their_own() {
    let folder = TempDir::new().unwrap();
    let (mut writer, _) = open(folder.path());
    for at in [0, i64::MIN, i64::MAX, NOW - 400 * DAY_MS * 1_000_000, NOW] {
        Told::new(at, "x", &at.to_string()).add_to(&mut writer, &tenant(), NOW_MS);
    }
    writer.commit(1).unwrap();
    let days: Vec<(String, u64)> = writer.sizes().iter().map(|size| (size.day.to_string(), size.lines)).collect();
    assert_eq!(days, [("2023-11-14".to_owned(), 5)]);
    let of = |from, to| texts(&writer.searcher(), &Query::all(tenant(), from, to));
    assert_eq!(of(0, 1), ["0"], "found by the time they have");
    assert_eq!(of(NOW, NOW + 1), [NOW.to_string()]);
    assert_eq!(of(i64::MIN, i64::MAX).len(), 4, "the end is not in it");
}

#[test]
fn old_days_disappear_and_disk_is_bounded() {
    let folder = TempDir::new().unwrap();
    let (mut writer, _) = open(folder.path());
    let tenants = [other(), tenant()];
    let age = Retention { max_age: Duration::from_secs(30 * 86_400), max_bytes: u64::MAX };
    let on_disk = || -> u64 {
        let files = walk(folder.path()).into_iter().flat_map(|path| std::fs::read_dir(path).unwrap());
        files.map(|file| file.unwrap().metadata().unwrap()).filter(|file| file.is_file()).map(|file| file.len()).sum()
    };
    for day in 0..40_i64 {
        let now = NOW_MS + day * DAY_MS;
        for i in 0..50 {
            let line = Told::new(now * 1_000_000 + i, "x", &format!("day {day} line {i} {}", i * 7919));
            line.add_to(&mut writer, &tenants[i as usize % 2], now);
        }
        writer.commit(day as u64).unwrap();
        writer.retain(now, &age).unwrap();
        let sizes = writer.sizes();
        assert_eq!(sizes.len() as i64, 2 * (day + 1).min(31), "30 days and the one that is not over");
        let told: u64 = sizes.iter().map(|size| size.bytes).sum();
        assert!(told <= on_disk() && on_disk() <= told * 11 / 10, "{told} {}", on_disk());
    }
    assert_eq!(writer.sizes()[0].day.to_string(), "2023-11-23");
    assert_eq!(texts(&writer.searcher(), &all()).len(), 25 * 31);
    assert!(texts(&writer.searcher(), &all())[0].starts_with("day 9 "));

    let most = writer.sizes().iter().map(|size| size.bytes).sum::<u64>() / 4;
    let reader = writer.searcher();
    let removed = writer.retain(NOW_MS + 39 * DAY_MS, &Retention { max_bytes: most, ..age }).unwrap();
    assert!(removed.len() > 40 && removed.is_sorted(), "oldest first over all tenants");
    assert!(on_disk() <= most * 11 / 10, "{} of {most}", on_disk());
    assert!(texts(&reader, &all()).iter().any(|line| line.starts_with("day 39 ")));
    let left = writer.sizes();
    drop(writer);
    assert_eq!(open(folder.path()).0.sizes(), left);
}

#[test]
fn a_writer_that_failed_refuses_everything() {
    let folder = TempDir::new().unwrap();
    let (mut writer, _) = open(folder.path());
    add_step(&mut writer, 1);
    for path in walk(folder.path()).iter().filter(|path| path.extension().is_some()) {
        std::fs::remove_dir_all(path).unwrap();
    }
    assert!(matches!(writer.commit(1), Err(SearchError::Io { .. } | SearchError::Index(_))));
    assert!(matches!(writer.commit(2), Err(SearchError::Broken)));
    drop(writer);
    assert_eq!(open(folder.path()).1, 0);
}

#[test]
fn damage_is_told_or_left_out() {
    let folder = TempDir::new().unwrap();
    let (mut writer, _) = open(folder.path());
    add_step(&mut writer, 1);
    writer.commit(1).unwrap();
    drop(writer);
    let segment =
        walk(folder.path()).into_iter().find(|path| path.to_string_lossy().contains("position/2023-11-14/")).unwrap();
    std::fs::write(segment.join("segment.json"), "{").unwrap();
    std::fs::create_dir(folder.path().join("not a tenant")).unwrap();
    let (writer, position) = open(folder.path());
    assert_eq!((position, every_line(&writer.searcher()).len()), (1, 6));
    drop(writer);
    std::fs::write(folder.path().join("@position"), "x").unwrap();
    assert!(matches!(Writer::open(folder.path(), Options::default()), Err(SearchError::Damaged { .. })));
}
