//! The rules of the language, one by one, with values worked out by hand.

use std::cell::{Cell, RefCell};

use super::*;
use crate::signal::stale_nan;

const MINUTE: i64 = 60_000;

/// Series in memory, and what was asked of them.
#[derive(Default)]
struct Memory {
    series: Vec<Series>,
    asked: RefCell<Vec<(TimestampMs, TimestampMs)>>,
}

impl Memory {
    /// Adds a series with samples at whole minutes.
    fn with(mut self, labels: &[(&str, &str)], samples: &[(i64, f64)]) -> Self {
        let samples = samples.iter().map(|&(minute, value)| Sample { at: minute * MINUTE, value }).collect();
        self.series.push(Series { labels: Labels::from_pairs(labels.iter().copied()), samples });
        self
    }
}

impl Source for Memory {
    fn select(
        &self,
        matchers: &[Matcher],
        from: TimestampMs,
        to: TimestampMs,
        take: &mut Take<'_>,
    ) -> Result<(), Error> {
        self.asked.borrow_mut().push((from, to));
        let is_selected = |series: &&Series| {
            matchers.iter().all(|matcher| matcher.accepts(series.labels.get(&matcher.name).unwrap_or_default()))
        };
        let cut = |series: &Series| {
            let samples = series.samples.iter().copied().filter(|sample| sample.at > from && sample.at <= to);
            Series { labels: series.labels.clone(), samples: samples.collect() }
        };
        // One at a time, as the smallest slices there can be.
        self.series.iter().filter(is_selected).map(cut).try_for_each(|series| take(vec![series]))
    }
}

/// Answers an instant query at a minute, as `labels value` in order of labels.
fn ask(memory: &Memory, query: &str, minute: i64) -> Result<Vec<String>, Error> {
    let answer = instant(query, minute * MINUTE, memory, &Limits::default())?;
    Ok(match answer.value {
        Value::Scalar(value) => vec![format_value(value)],
        Value::String(text) => vec![text],
        Value::Vector(elements) => {
            let is_ordered = query.starts_with("sort") || query.starts_with("topk") || query.starts_with("bottomk");
            let mut lines: Vec<String> = elements.iter().map(|(l, v)| format!("{l} {}", format_value(*v))).collect();
            if !is_ordered {
                lines.sort();
            }
            lines
        }
        Value::Matrix(series) => series.iter().map(|(labels, samples)| line(labels, samples)).collect(),
    })
}

fn line(labels: &Labels, samples: &[Sample]) -> String {
    let points = samples.iter().map(|s| format!("{}@{}", format_value(s.value), s.at / MINUTE));
    format!("{labels} {}", points.collect::<Vec<_>>().join(" "))
}

fn check(memory: &Memory, query: &str, minute: i64, expected: &[&str]) {
    assert_eq!(
        ask(memory, query, minute).as_deref(),
        Ok(&expected.iter().map(ToString::to_string).collect::<Vec<_>>()[..]),
        "{query}"
    );
}

/// Answers a range query with one-minute steps.
fn check_range(memory: &Memory, query: &str, minutes: (i64, i64), expected: &[&str]) {
    let answer = range(query, minutes.0 * MINUTE, minutes.1 * MINUTE, MINUTE, memory, &Limits::default()).unwrap();
    let Value::Matrix(series) = answer.value else { panic!("{query} is no matrix") };
    let lines: Vec<String> = series.iter().map(|(labels, samples)| line(labels, samples)).collect();
    assert_eq!(lines, expected, "{query}");
}

fn error(memory: &Memory, query: &str) -> Error {
    ask(memory, query, 10).expect_err(query)
}

fn hosts() -> Memory {
    Memory::default()
        .with(&[("__name__", "load"), ("host", "a"), ("cpu", "0")], &[(9, 1.0), (10, 2.0)])
        .with(&[("__name__", "load"), ("host", "a"), ("cpu", "1")], &[(9, 3.0), (10, 4.0)])
        .with(&[("__name__", "load"), ("host", "b"), ("cpu", "0")], &[(9, 5.0), (10, 6.0)])
        .with(&[("__name__", "weight"), ("host", "a"), ("rack", "r1")], &[(10, 10.0)])
        .with(&[("__name__", "weight"), ("host", "b"), ("rack", "r2")], &[(10, 100.0)])
        .with(&[("__name__", "limit")], &[(10, 4.0)])
}

#[test]
fn lookback_is_open_on_the_left_and_ends_at_a_marker() {
    let memory = Memory::default().with(&[("__name__", "m")], &[(0, 1.0), (5, 2.0), (6, stale_nan()), (8, 3.0)]);
    check(&memory, "m", 0, &["m 1"]);
    check(&memory, "m", 4, &["m 1"]);
    check(&memory, "m", 5, &["m 2"]);
    check(&memory, "m", 6, &[]);
    check(&memory, "m", 12, &["m 3"]);
    check(&memory, "m", 13, &[]);
    check_range(&memory, "m", (3, 9), &["m 1@3 1@4 2@5 3@8 3@9"]);
    // The sample exactly one range ago is outside, and markers are no samples.
    check(&memory, "m[5m]", 5, &["m 2@5"]);
    check(&memory, "count_over_time(m[9m])", 8, &["{} 3"]);
}

#[test]
fn offset_and_at_move_the_reference() {
    let memory = Memory::default().with(&[("__name__", "m")], &[(0, 1.0), (1, 2.0), (2, 3.0), (3, 4.0)]);
    check(&memory, "m offset 1m", 3, &["m 3"]);
    check(&memory, "m offset -1m", 2, &["m 4"]);
    check(&memory, "m @ 60", 3, &["m 2"]);
    check(&memory, "m @ 60 offset 1m", 3, &["m 1"]);
    check(&memory, "m offset 1m @ 60", 3, &["m 1"]);
    check_range(&memory, "m @ start()", (1, 3), &["m 2@1 2@2 2@3"]);
    check_range(&memory, "m - m @ end()", (1, 3), &["{} -2@1 -1@2 0@3"]);
    check(&memory, "timestamp(m offset 1m)", 3, &["{} 120"]);
    check(&memory, "timestamp(m + 0)", 5, &["{} 300"]);
}

#[test]
fn subqueries_run_at_multiples_of_their_step() {
    let memory = Memory::default().with(&[("__name__", "m")], &[(0, 1.0), (1, 2.0), (2, 3.0), (3, 4.0)]);
    check(&memory, "m[3m:2m]", 3, &["m 3@2"]);
    check(&memory, "m[4m:2m] offset 1m", 5, &["m 3@2 4@4"]);
    check(&memory, "sum_over_time(m[3m:])", 3, &["{} 9"]);
    check_range(&memory, "max_over_time((m > 1)[2m:1m])", (0, 2), &["{} 2@1 3@2"]);
    // Before the epoch the multiples go on.
    check(&memory, "vector(time())[3m:2m]", -1, &["{} -120@-2"]);
}

#[test]
fn precedence_is_that_of_prometheus() {
    let memory = hosts();
    for (query, expected) in [
        ("-2 ^ 2", "-4"),
        ("2 ^ 3 ^ 2", "512"),
        ("1 + 2 * 3 % 4", "3"),
        ("2 * 3 atan2 0", "1.5707963267948966"),
        ("1 - 2 - 3", "-4"),
        ("-1 + 2 > bool 0", "1"),
    ] {
        check(&memory, query, 10, &[expected]);
    }
    check(&memory, "limit or limit and limit > 5", 10, &["limit 4"]);
}

#[test]
fn operations_drop_the_name_and_must_keep_series_apart() {
    let memory = hosts();
    check(&memory, "limit * 2", 10, &["{} 8"]);
    check(&memory, "limit > 3", 10, &["limit 4"]);
    check(&memory, "3 < limit", 10, &["limit 4"]);
    check(&memory, "limit > bool 5", 10, &["{} 0"]);
    check(&memory, "-limit", 10, &["{} -4"]);
    check(&memory, "last_over_time(limit[1m])", 10, &["limit 4"]);
    let same = Error::Execution("vector cannot contain metrics with the same labelset".into());
    let twins = Memory::default().with(&[("__name__", "x")], &[(10, 1.0)]).with(&[("__name__", "y")], &[(10, 2.0)]);
    for query in ["abs({__name__=~'x|y'})", "-{__name__=~'x|y'}", "max_over_time({__name__=~'x|y'}[5m])"] {
        assert_eq!(error(&twins, query), same);
    }
    // Series that never meet may become one, except where whole series are rewritten.
    let relay = Memory::default()
        .with(&[("__name__", "x")], &[(0, 1.0), (1, stale_nan())])
        .with(&[("__name__", "y")], &[(2, 2.0)]);
    check_range(&relay, "abs({__name__=~'x|y'})", (0, 2), &["{} 1@0 2@2"]);
    assert!(range("-{__name__=~'x|y'}", 0, 2 * MINUTE, MINUTE, &relay, &Limits::default()).is_err());
}

#[test]
fn vectors_match_by_labels() {
    let memory = hosts();
    check(&memory, "load{cpu='0'} + on (host) weight", 10, &[r#"{host="a"} 12"#, r#"{host="b"} 106"#]);
    check(&memory, "load{cpu='0'} - ignoring (cpu) load{cpu='1'}", 10, &[r#"{host="a"} -2"#]);
    check(
        &memory,
        "load * on (host) group_left (rack) weight",
        10,
        &[
            r#"{cpu="0",host="a",rack="r1"} 20"#,
            r#"{cpu="0",host="b",rack="r2"} 600"#,
            r#"{cpu="1",host="a",rack="r1"} 40"#,
        ],
    );
    check(
        &memory,
        "weight / on (host) group_right load",
        10,
        &[r#"{cpu="0",host="a"} 5"#, r#"{cpu="0",host="b"} 16.666666666666668"#, r#"{cpu="1",host="a"} 2.5"#],
    );
    check(&memory, "load{cpu='0'} < on (host) weight", 10, &[r#"{host="a"} 2"#, r#"{host="b"} 6"#]);
    check(&memory, "sum(load) > bool limit", 10, &["{} 1"]);
    for (query, expected) in [
        ("load + on (host) weight", "multiple matches for labels: many-to-one matching must be explicit"),
        ("weight + on (host) load", "found duplicate series for the match group {host=\"a\"} on the right hand-side"),
        ("load * on (host) group_right weight", "found duplicate series for the match group {host=\"a\"} on the left"),
        (
            "load + on (host) group_left (cpu) label_replace(weight, 'cpu', 'x', '', '')",
            "multiple matches for labels: grouping labels",
        ),
    ] {
        let Error::Execution(text) = error(&memory, query) else { panic!("{query}") };
        assert!(text.starts_with(expected), "{text}");
    }
}

#[test]
fn sets_match_many_to_many() {
    let memory = hosts();
    check(&memory, "load and on (host) weight > 50", 10, &[r#"load{cpu="0",host="b"} 6"#]);
    check(
        &memory,
        "load unless on (host) weight > 50",
        10,
        &[r#"load{cpu="0",host="a"} 2"#, r#"load{cpu="1",host="a"} 4"#],
    );
    check(&memory, "limit or on () weight", 10, &["limit 4"]);
    check(
        &memory,
        "limit > 9 or on () weight",
        10,
        &[r#"weight{host="a",rack="r1"} 10"#, r#"weight{host="b",rack="r2"} 100"#],
    );
    check(&memory, "absent(limit) or vector(7)", 10, &["{} 7"]);
    assert_eq!(ask(&memory, "nothing or vector(0)", 10).unwrap(), ["{} 0"]);
}

#[test]
fn aggregations_group() {
    let memory = hosts();
    check(&memory, "sum(load)", 10, &["{} 12"]);
    check(&memory, "avg by (host) (load)", 10, &[r#"{host="a"} 3"#, r#"{host="b"} 6"#]);
    check(&memory, "max without (cpu) (load)", 10, &[r#"{host="a"} 4"#, r#"{host="b"} 6"#]);
    check(&memory, "count by () (load)", 10, &["{} 3"]);
    check(&memory, "group(load)", 10, &["{} 1"]);
    check(&memory, "stddev(weight)", 10, &["{} 45"]);
    check(&memory, "stdvar(weight)", 10, &["{} 2025"]);
    check(&memory, "quantile(0.75, load)", 10, &["{} 5"]);
    check(&memory, "topk(2, load)", 10, &[r#"load{cpu="0",host="b"} 6"#, r#"load{cpu="1",host="a"} 4"#]);
    check(&memory, "bottomk by (host) (1, load)", 10, &[r#"load{cpu="0",host="a"} 2"#, r#"load{cpu="0",host="b"} 6"#]);
    check(&memory, "count_values('v', load > bool 3)", 10, &[r#"{v="0"} 1"#, r#"{v="1"} 2"#]);
    check_range(&memory, "topk(1, load)", (9, 10), &[r#"load{cpu="0",host="b"} 5@9 6@10"#]);
    check(
        &memory,
        "sort_desc(load)",
        10,
        &[r#"load{cpu="0",host="b"} 6"#, r#"load{cpu="1",host="a"} 4"#, r#"load{cpu="0",host="a"} 2"#],
    );
}

#[test]
fn nan_and_infinity_keep_their_places() {
    let memory = Memory::default()
        .with(&[("__name__", "m"), ("k", "inf")], &[(10, f64::INFINITY)])
        .with(&[("__name__", "m"), ("k", "nan")], &[(10, f64::NAN)])
        .with(&[("__name__", "m"), ("k", "one")], &[(10, 1.0)]);
    check(&memory, "max(m)", 10, &["{} +Inf"]);
    check(&memory, "min(m)", 10, &["{} 1"]);
    check(&memory, "sum(m)", 10, &["{} NaN"]);
    check(&memory, "m == m", 10, &[r#"m{k="inf"} +Inf"#, r#"m{k="one"} 1"#]);
    check(&memory, "m != m", 10, &[r#"m{k="nan"} NaN"#]);
    check(&memory, "sort(m)", 10, &[r#"m{k="one"} 1"#, r#"m{k="inf"} +Inf"#, r#"m{k="nan"} NaN"#]);
    check(&memory, "topk(2, m)", 10, &[r#"m{k="inf"} +Inf"#, r#"m{k="one"} 1"#]);
    check(&memory, "quantile(0, m)", 10, &["{} NaN"]);
    check(&memory, "scalar(m)", 10, &["NaN"]);
    check(&memory, "scalar(m{k='one'})", 10, &["1"]);
}

#[test]
fn histograms_and_notes() {
    let memory = Memory::default()
        .with(&[("__name__", "h_bucket"), ("le", "1")], &[(10, 4.0)])
        .with(&[("__name__", "h_bucket"), ("le", "2")], &[(10, 3.0)])
        .with(&[("__name__", "h_bucket"), ("le", "+Inf")], &[(10, 8.0)])
        .with(&[("__name__", "h_bucket"), ("le", "x")], &[(10, 8.0)])
        .with(&[("__name__", "gauge")], &[(9, 1.0), (10, 2.0)]);
    let answer = instant("histogram_quantile(0.25, h_bucket)", 10 * MINUTE, &memory, &Limits::default()).unwrap();
    assert!(matches!(answer.value, Value::Vector(elements) if elements == [(Labels::default(), 0.5)]));
    assert!(answer.warnings.iter().any(|text| text.contains("malformed value of \"x\"")));
    assert!(answer.infos.iter().any(|text| text.contains("needed to be fixed for monotonicity")));
    let notes = |query: &str| {
        let answer = instant(query, 10 * MINUTE, &memory, &Limits::default()).unwrap();
        (answer.warnings.join(";"), answer.infos.join(";"))
    };
    assert!(notes("quantile(2, gauge)").0.ends_with("should be between 0 and 1, got 2"));
    assert!(notes("rate(gauge[5m])").1.ends_with("_total/_sum/_count/_bucket: \"gauge\""));
    assert_eq!(notes("rate(h_bucket[5m])"), (String::new(), String::new()));
    let (warnings, _) = notes("quantile(time(), gauge) + on () quantile_over_time(time(), gauge[5m])");
    assert_eq!(warnings.matches("should be between").count(), 1, "{warnings}");
}

#[test]
fn each_selector_is_fetched_once() {
    let memory = hosts();
    range("rate(load[5m]) + on () group_left limit offset 1m", 0, 60 * MINUTE, 1_000, &memory, &Limits::default())
        .unwrap();
    assert_eq!(*memory.asked.borrow(), [(-5 * MINUTE, 60 * MINUTE), (-6 * MINUTE, 59 * MINUTE)]);
    memory.asked.borrow_mut().clear();
    range("max_over_time(limit[10m:1m])", 0, 60 * MINUTE, 1_000, &memory, &Limits::default()).unwrap();
    assert_eq!(*memory.asked.borrow(), [(-14 * MINUTE, 60 * MINUTE)]);
}

#[test]
fn limits_hold() {
    let memory = hosts();
    let limits = Limits { max_samples: 100, max_points: 60, ..Limits::default() };
    let ask = |query: &str, minutes: i64| range(query, 0, minutes * MINUTE, MINUTE, &memory, &limits).map(|_| ());
    assert_eq!(ask("limit", 60), Ok(()));
    assert!(matches!(ask("limit", 61), Err(Error::BadParameter(_))));
    assert_eq!(ask("load", 60), Err(Error::TooManySamples));
    assert_eq!(ask("sum_over_time(limit[1y:1ms])", 1), Err(Error::TooManySamples));
    // What an operand held is free again for the next.
    let chain = vec!["limit"; 30].join(" + ");
    assert_eq!(ask(&chain, 30), Ok(()));
    assert!(matches!(range("limit", 1, 0, 1, &memory, &limits), Err(Error::BadParameter(_))));
    assert!(matches!(range("limit", 0, 1, 0, &memory, &limits), Err(Error::BadParameter(_))));
    assert!(matches!(range("limit[5m]", 0, 1, 1, &memory, &limits), Err(Error::BadParameter(_))));
    assert!(matches!(instant("limit", i64::MAX, &memory, &limits), Err(Error::BadParameter(_))));
}

#[test]
fn an_interrupt_ends_the_evaluation() {
    let memory = hosts();
    for (interrupt, expected) in [(Interrupt::Timeout, Error::Timeout), (Interrupt::Canceled, Error::Canceled)] {
        let looks = Cell::new(0);
        let hook = || {
            looks.set(looks.get() + 1);
            (looks.get() > 10).then_some(interrupt)
        };
        let limits = Limits { interrupt: &hook, ..Limits::default() };
        let query = "sum_over_time(limit[10m:1ms])";
        assert_eq!(range(query, 0, 60 * MINUTE, MINUTE, &memory, &limits).err(), Some(expected));
    }
}

#[test]
fn a_failing_source_is_not_the_querys_fault() {
    struct Broken(Error);
    impl Source for Broken {
        fn select(&self, _: &[Matcher], _: TimestampMs, _: TimestampMs, _: &mut Take<'_>) -> Result<(), Error> {
            Err(self.0.clone())
        }
    }
    for error in [Error::TooManySeries, Error::Source("disk".into())] {
        assert_eq!(instant("m", 0, &Broken(error.clone()), &Limits::default()).err(), Some(error));
    }
}

#[test]
fn room_is_asked_for_before_it_is_taken() {
    let memory = hosts();
    let asked = RefCell::new(Vec::new());
    let reserve = |samples| {
        asked.borrow_mut().push(samples);
        samples < 50_000
    };
    let limits = Limits { reserve: &reserve, ..Limits::default() };
    let ask = |query: &str| range(query, 0, 60 * MINUTE, 1_000, &memory, &limits).map(|_| ());
    assert_eq!((ask("limit"), asked.borrow().as_slice()), (Ok(()), [16_384].as_slice()));
    assert_eq!(ask("sum_over_time(limit[10m:1ms])"), Err(Error::NoMemory));
}

#[test]
fn hostile_queries_are_refused_within_a_small_stack() {
    let memory = hosts();
    let deep = [
        "(".repeat(100_000),
        "-".repeat(100_000) + "1",
        "sum(".repeat(99) + "limit" + &")".repeat(99),
        "abs(".repeat(90) + &"-".repeat(200) + "limit" + &")".repeat(90),
        vec!["limit"; 240].join(" + "),
        vec!["limit"; 400].join(" ^ "),
        "limit[1m:1m]".repeat(1_000),
        format!("{}limit{}", "max_over_time(".repeat(50), "[1m:1m])".repeat(50)),
        "a{b='".repeat(50_000),
        "[".into(),
        "{".into(),
        "limit offset".into(),
        "limit @".into(),
        "#".into(),
        String::new(),
        "\u{feff}limit".into(),
        "\0".into(),
    ];
    let run = move || {
        for query in deep {
            // No matter what the answer is, there is one.
            let _ = instant(&query, 0, &memory, &Limits::default());
        }
    };
    std::thread::Builder::new().stack_size(1 << 20).spawn(run).unwrap().join().unwrap();
}

#[test]
fn selectors_for_metadata() {
    let accepted = |text: &str, labels: &[(&str, &str)]| {
        let labels = Labels::from_pairs(labels.iter().copied());
        let accepts = |m: &Matcher| m.accepts(labels.get(&m.name).unwrap_or_default());
        parse_selector(text).unwrap().iter().any(|all| all.iter().all(accepts))
    };
    assert!(accepted("up", &[("__name__", "up"), ("job", "a")]));
    assert!(accepted(r#"{__name__=~"u.",job!=""}"#, &[("__name__", "up"), ("job", "a")]));
    assert!(!accepted(r#"up{job=""}"#, &[("__name__", "up"), ("job", "a")]));
    assert!(accepted(r#"{"my.metric","la.bel"="x"}"#, &[("__name__", "my.metric"), ("la.bel", "x")]));
    assert!(accepted(r#"{job="a" or job="b"}"#, &[("job", "b")]));
    for bad in ["{}", r#"{a=~".*"}"#, r#"{a="x" or b=""}"#, "up[5m]", "up offset 5m", "sum(up)", "1", "", "up{"] {
        assert!(matches!(parse_selector(bad), Err(Error::Parse(_))), "{bad}");
    }
}

#[test]
fn what_is_unknown_is_refused_by_name() {
    let memory = hosts();
    for (query, name) in [
        ("mad_over_time(load[5m])", "mad_over_time"),
        ("sum(limitk(1, load))", "limitk"),
        ("histogram_avg(load)", "histogram_avg"),
        ("double_exponential_smoothing(load[5m], 0.1, 0.1)", "double_exponential_smoothing"),
        ("load + on (host) fill (0) weight", "fill"),
    ] {
        assert!(matches!(error(&memory, query), Error::Unsupported(text) if text.contains(name)), "{query}");
    }
}

/// The expressions that are compared with Prometheus, here as a start for worse ones.
const EXPRESSIONS: &str = include_str!("../../tests/promql/cases.txt");

proptest::proptest! {
    /// Expressions that were cut and stuffed reach further into parser and evaluator than random characters.
    #[test]
    fn no_text_brings_the_evaluator_down(
        line in proptest::sample::select(EXPRESSIONS.lines().collect::<Vec<_>>()),
        edits in proptest::collection::vec((0.0..1.0, 0_usize..3, word()), 1..4),
    ) {
        let mut query: Vec<char> = line.replace("$T", "300").chars().collect();
        for (place, cut, word) in edits {
            let from = (place * (query.len() + 1) as f64) as usize;
            query.splice(from..(from + cut).min(query.len()), word.chars());
        }
        let query: String = query.into_iter().collect();
        let memory = hosts();
        let limits = Limits { max_samples: 100_000, ..Limits::default() };
        let _ = instant(&query, 10 * MINUTE, &memory, &limits);
        let _ = range(&query, 0, 10 * MINUTE, MINUTE, &memory, &limits);
        let _ = parse_selector(&query);
    }
}

fn word() -> impl proptest::strategy::Strategy<Value = &'static str> {
    proptest::sample::select(vec![
        "load",
        "limit",
        "{",
        "}",
        "(",
        ")",
        "[",
        "]",
        "[5m]",
        "[5m:1m]",
        ":",
        ",",
        "=",
        "=~",
        "!=",
        "!~",
        "==",
        "<",
        "+",
        "-",
        "*",
        "/",
        "%",
        "^",
        "atan2",
        "and",
        "or",
        "unless",
        "bool",
        "on",
        "ignoring",
        "group_left",
        "group_right",
        "by",
        "without",
        "(host)",
        "offset",
        "@",
        "start()",
        "end()",
        "0",
        "1e300",
        "5m",
        "0x",
        "1_",
        "Inf",
        "NaN",
        "\"a\"",
        "'(.*)'",
        "`\\d`",
        "\"$1\"",
        "\"\\x",
        "$0",
        "#",
        "\n",
        "sum",
        "topk",
        "quantile",
        "count_values",
        "rate(",
        "abs(",
        "label_replace(",
        "histogram_quantile(0.5,",
        "scalar(",
        "vector(",
        "time()",
        "__name__",
        "host",
        "fill(1)",
        "fill_left",
        "limitk(1,",
        "smoothed",
        "anchored",
        "step()",
        "ü",
        "\u{0}",
        ".5",
        "..",
        "9999999999999y",
        "18446744073709551616",
        "1e-320",
        "le",
        ";",
        "~",
        "!",
    ])
}
