//! Queries against known lines, as Grafana sends them.

use proptest::prelude::*;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;
use crate::{
    search::{Options, Order, Searcher, Writer},
    signal::{Labels, LogBatch, LogLine, Severity, TenantId},
};

const NOW_MS: i64 = 1_700_000_000_000;
const NOW: i64 = NOW_MS * 1_000_000;
const SECOND: i64 = 1_000_000_000;

/// Three services; a line each second from `NOW` on.
fn index() -> (TempDir, Searcher) {
    let folder = TempDir::new().unwrap();
    let (mut writer, _) = Writer::open(folder.path(), Options::default()).unwrap();
    let told = [
        ("cart", Some(Severity::Info), 1, "order 1 paid"),
        ("cart", Some(Severity::Error), 2, "order 2 failed: \"card\" declined"),
        ("mail", None, 3, "sent to ann"),
        ("cart", Some(Severity::Info), 1, "order 3 paid"),
        ("db", Some(Severity::Warn), 0xab, "slow query"),
        ("cart", Some(Severity::Error), 2, "order 4 failed: timeout"),
    ];
    let mut batch = LogBatch::default();
    for (i, (service, severity, _, line)) in told.iter().enumerate() {
        let stream = batch.stream(Labels::from_pairs([("service", *service), ("env", "test")]));
        let trace_id = if *service == "mail" { "abc1" } else { "" };
        let line = LogLine { at: Some(NOW + i as i64 * SECOND), severity: *severity, trace_id, line };
        batch.push(stream, &line, (*service == "mail").then_some(("user.id", "ann")));
    }
    for (record, (_, _, template, _)) in batch.records().zip(told) {
        writer.add(&TenantId::default(), NOW_MS, &record, template).unwrap();
    }
    writer.commit(1).unwrap();
    (folder, writer.searcher())
}

fn request() -> RangeRequest {
    RangeRequest {
        start: NOW,
        end: NOW + 6 * SECOND,
        step: 2 * SECOND,
        limit: 100,
        order: Order::Oldest,
        is_categorized: false,
    }
}

fn range(searcher: &Searcher, query: &str) -> Data {
    let answer = parse(query).and_then(|expr| expr.range(searcher, &TenantId::default(), &request()));
    let answer = answer.unwrap_or_else(|error| panic!("{query}: {error}"));
    assert!(!answer.is_partial);
    answer.data
}

/// The seconds after `NOW` of the lines that a query finds.
fn found(searcher: &Searcher, query: &str) -> Vec<i64> {
    let Data::Streams(streams) = range(searcher, query) else { panic!("{query} has no lines") };
    let mut at: Vec<i64> =
        streams.iter().flat_map(|stream| &stream.lines).map(|line| (line.at - NOW) / SECOND).collect();
    at.sort_unstable();
    at
}

#[test]
fn selectors_and_stages_find_lines() {
    let (_folder, searcher) = index();
    let cases: [(&str, &[i64]); 31] = [
        ("{}", &[0, 1, 2, 3, 4, 5]),
        (r#"{service="cart"}"#, &[0, 1, 3, 5]),
        (r#"{service!="cart", env="test",}"#, &[2, 4]),
        (r#"{service=~"cart|db"}"#, &[0, 1, 3, 4, 5]),
        (r#"{service!~"c.+"}"#, &[2, 4]),
        (r#"{service="x"}"#, &[]),
        (r#"{service="cart"} |= "paid""#, &[0, 3]),
        ("{service=\"cart\"} |= ``", &[0, 1, 3, 5]),
        (r#"{service="cart"} != "paid""#, &[1, 5]),
        (r#"{service="cart"} |= "\"card\"""#, &[1]),
        ("{service=\"cart\"} |= `\"card\"`", &[1]),
        (r#"{service="cart"} |~ "order [34]""#, &[3, 5]),
        (r#"{service="cart"} |~ `(?i)ORDER \d paid`"#, &[0, 3]),
        (r#"{service="cart"} !~ "\\d paid""#, &[1, 5]),
        ("# lines\n{service=\"cart\"} # of cart\n |= \"order\" != \"1\" |~ \"paid\"", &[3]),
        (r#"{env="test"} | severity="error""#, &[1, 5]),
        (r#"{env="test"} | detected_level="warning""#, &[4]),
        (r#"{env="test"} | detected_level=~"warn|info""#, &[0, 3, 4]),
        (r#"{env="test"} | detected_level!="info""#, &[1, 2, 4, 5]),
        (r#"{env="test"} | detected_level!~"info|error""#, &[2, 4]),
        (r#"{env="test"} | detected_level="unknown""#, &[2]),
        (r#"{env="test"} | severity!="error" | severity!="info""#, &[2, 4]),
        (r#"{env="test"} | template="0000000000000001""#, &[0, 3]),
        (r#"{env="test"} | template=~"2|ab""#, &[1, 4, 5]),
        (r#"{env="test"} | template=~"2|ab" | template="2""#, &[1, 5]),
        (r#"{env="test"} | trace_id="ABC1""#, &[2]),
        (r#"{env="test"} | user_id="ann""#, &[2]),
        (r#"{env="test"} | user_id!="ann", service="db""#, &[4]),
        (r#"{env="test"} | service=~"c.*" and severity="info""#, &[0, 3]),
        (r#"{service="cart"} |= "paid" | drop __error__"#, &[0, 3]),
        (r#"({service="cart"})"#, &[0, 1, 3, 5]),
    ];
    for (query, expected) in cases {
        assert_eq!(found(&searcher, query), expected, "{query}");
    }
}

#[test]
fn lines_come_by_stream_in_loki_shape() {
    let (_folder, searcher) = index();
    let query = parse(r#"{service=~"cart|mail"} | drop env, template"#).unwrap();
    let mut request = request();
    let answer = query.range(&searcher, &TenantId::default(), &request).unwrap();
    assert_eq!(
        response::answer(&answer),
        json!({"status": "success", "data": {"resultType": "streams", "stats": {}, "result": [
            {"stream": {"service": "cart", "detected_level": "info"}, "values": [
                ["1700000000000000000", "order 1 paid"], ["1700000003000000000", "order 3 paid"]]},
            {"stream": {"service": "cart", "detected_level": "error"}, "values": [
                ["1700000001000000000", "order 2 failed: \"card\" declined"],
                ["1700000005000000000", "order 4 failed: timeout"]]},
            {"stream": {"service": "mail", "trace_id": "abc1", "user_id": "ann"}, "values": [
                ["1700000002000000000", "sent to ann"]]},
        ]}})
    );
    (request.limit, request.order, request.end) = (1, Order::Newest, NOW + 5 * SECOND);
    let Data::Streams(streams) = parse("{}").unwrap().range(&searcher, &TenantId::default(), &request).unwrap().data
    else {
        panic!("no lines")
    };
    let labels = streams[0].labels.to_string();
    assert_eq!(labels, r#"{detected_level="warn",env="test",service="db",template="00000000000000ab"}"#);
    assert_eq!(streams[0].lines, [Line { at: NOW + 4 * SECOND, line: "slow query".into(), known: None }]);

    // What is known of a line beside it, as Grafana and logcli ask for it.
    (request.limit, request.order, request.is_categorized) = (2, Order::Oldest, true);
    let query = parse(r#"{service=~"cart|mail"} | template=~"2|3" | drop env"#).unwrap();
    let answer = query.range(&searcher, &TenantId::default(), &request).unwrap();
    assert_eq!(
        response::answer(&answer)["data"],
        json!({"resultType": "streams", "stats": {}, "encodingFlags": ["categorize-labels"], "result": [
            {"stream": {"service": "cart"}, "values": [["1700000001000000000", "order 2 failed: \"card\" declined",
                {"structuredMetadata": {"template": "0000000000000002", "detected_level": "error"}}]]},
            {"stream": {"service": "mail"}, "values": [["1700000002000000000", "sent to ann",
                {"structuredMetadata": {"template": "0000000000000003", "trace_id": "abc1", "user_id": "ann"}}]]},
        ]})
    );
}

/// The series of a matrix or a vector as text: labels, then times after `NOW` in seconds with values.
fn series(data: Data) -> Vec<String> {
    let series = match data {
        Data::Matrix(series) => series,
        Data::Vector(series) => series.into_iter().map(|(labels, at, value)| (labels, vec![(at, value)])).collect(),
        other => panic!("no series: {other:?}"),
    };
    let point = |(at, value): &(i64, f64)| format!(" {}:{value}", (at - NOW) / SECOND);
    series.iter().map(|(labels, points)| labels.to_string() + &points.iter().map(point).collect::<String>()).collect()
}

#[test]
fn metric_queries_count() {
    let (_folder, searcher) = index();
    let cases: [(&str, &[&str]); 12] = [
        (r#"sum(count_over_time({env="test"}[2s]))"#, &["{} 0:1 2:2 4:2 6:1"]),
        (r#"sum(count_over_time({env="test"}[1m]))"#, &["{} 0:1 2:3 4:5 6:6"]),
        (
            r#"sum by (service) (count_over_time({service!="mail"}[4s]))"#,
            &[r#"{service="cart"} 0:1 2:2 4:2 6:2"#, r#"{service="db"} 4:1 6:1"#],
        ),
        (r#"sum(rate({service="cart"}[4s])) by (service)"#, &[r#"{service="cart"} 0:0.25 2:0.5 4:0.5 6:0.5"#]),
        // What Grafana sends for the volume of lines above a list of them.
        (
            r#"sum by (level, detected_level) (count_over_time({service="cart"} |= `order` | drop __error__[2s]))"#,
            &[r#"{detected_level="error"} 2:1 6:1"#, r#"{detected_level="info"} 0:1 4:1"#],
        ),
        (
            r#"count_over_time({service="cart"} |= "failed" [2s])"#,
            &[r#"{detected_level="error",env="test",service="cart"} 2:1 6:1"#],
        ),
        (
            r#"sum without (env) (count_over_time({service="db"}[2s] |= "slow"))"#,
            &[r#"{detected_level="warn",service="db"} 4:1"#],
        ),
        (r#"sum(bytes_over_time({service="mail"}[2s]))"#, &["{} 2:11"]),
        (r#"sum(bytes_rate({service="mail"}[2s]))"#, &["{} 2:5.5"]),
        (r#"topk(1, sum by (service) (count_over_time({env="test"}[4s])))"#, &[r#"{service="cart"} 0:1 2:2 4:2 6:2"#]),
        (
            r#"bottomk(1, sum by (service) (count_over_time({env="test"}[4s])))"#,
            &[r#"{service="cart"} 0:1"#, r#"{service="db"} 4:1 6:1"#, r#"{service="mail"} 2:1"#],
        ),
        ("vector(1)+vector(1)", &["{} 0:2 2:2 4:2 6:2"]),
    ];
    for (query, expected) in cases {
        assert_eq!(series(range(&searcher, query)), expected, "{query}");
    }
}

#[test]
fn instant_queries_are_vectors() {
    let (_folder, searcher) = index();
    let instant = |query: &str| parse(query).unwrap().instant(&searcher, &TenantId::default(), NOW + 4 * SECOND);
    assert_eq!(
        series(instant(r#"sum by (service) (count_over_time({}[3s]))"#).unwrap().data),
        [r#"{service="cart"} 4:1"#, r#"{service="db"} 4:1"#, r#"{service="mail"} 4:1"#,]
    );
    assert_eq!(
        response::answer(&instant("vector(1)+vector(1)").unwrap()),
        json!({"status": "success", "data": {"resultType": "vector", "stats": {}, "result": [
            {"metric": {}, "value": [1_700_000_004, "2"]}]}})
    );
    assert_eq!(instant("1.5").unwrap().data, Data::Scalar(NOW + 4 * SECOND, 1.5));
    let error = instant("{}").unwrap_err();
    assert!(error.is_of_the_query() && error.to_string().contains("range query"));
}

#[test]
fn bodies_have_the_shapes_of_the_api() {
    let answer = |data| response::answer(&Answer { data, is_partial: true });
    let labels = Labels::from_pairs([("a", "b")]);
    let body = answer(Data::Matrix(vec![(labels.clone(), vec![(NOW + 1_500_000, 0.5), (NOW + SECOND, 3.0)])]));
    assert_eq!(body["data"]["resultType"], "matrix");
    let series = json!([{"metric": {"a": "b"}, "values": [[1_700_000_000.001, "0.5"], [1_700_000_001, "3"]]}]);
    assert_eq!(body["data"]["result"], series);
    assert!(body["warnings"][0].is_string());
    assert_eq!(answer(Data::Scalar(NOW, 2.0))["data"]["result"], json!([1_700_000_000, "2"]));
    assert_eq!(answer(Data::Streams(vec![]))["data"]["result"], Value::Array(vec![]));
    assert_eq!(response::names(["x".to_owned()]), json!({"status": "success", "data": ["x"]}));
    assert_eq!(response::series([labels]), json!({"status": "success", "data": [{"a": "b"}]}));
}

#[test]
fn what_is_not_supported_is_refused_by_name() {
    let cases = [
        ("", "expected a number"),
        ("{", "expected a name"),
        ("{a}", "expected =, !=, =~ or !~ and a text"),
        ("{a=b}", "expected a text in double quotes"),
        (r#"{a="b""#, "expected \"}\", found the end"),
        (r#"{a="b"} x"#, "unexpected 'x'"),
        (r#"{a="b"} | json"#, "the stage \"json\" is not supported: after a pipe there may be"),
        (r#"{a="b"} | logfmt | x="y""#, "the stage \"logfmt\" is not supported"),
        (r#"{a="b"} | x > 5"#, "expected =, !=, =~ or !~ and a text"),
        (r#"{a="b"} | x="1" or y="2""#, "or is not supported"),
        (r#"{a="b"} | template!="1""#, "a template is"),
        (r#"{a="b"} | template="xyz""#, "a template is"),
        (r#"{a="b"} | trace_id=~"1""#, "trace_id can only be"),
        (r#"{a="b"}[5m]"#, "a range needs a function"),
        (r#"rate({a="b"})"#, "expected a range such as [5m]"),
        (r#"rate({a="b"}[5x])"#, "expected a unit of time"),
        (r#"rate({a="b"}[5m] offset 1h)"#, "expected \")\", found 'o'"),
        (r#"avg_over_time({a="b"} | unwrap x [5m])"#, "avg_over_time is not supported: there are"),
        (r#"sum(sum(rate({a="b"}[5m])))"#, "a sum of sums"),
        (r#"sum({a="b"})"#, "expected a query with numbers"),
        (r#"topk(0, rate({a="b"}[5m]))"#, "from 1 on"),
        (r#"rate({a="b"}[5m]) / 2"#, "operators between queries"),
        (r#"{a=~"("}"#, "regular expression \"(\""),
        (r#"{a="b"} |~ "[""#, "regular expression \"[\""),
        (r#"{a="b"} |= "x" or "y""#, "unexpected 'o'"),
    ];
    for (query, problem) in cases {
        let error = parse(query).unwrap_err();
        assert!(error.to_string().contains(problem), "{query}: {error}");
        assert!(error.is_of_the_query(), "{query}");
    }
    assert!(parse(&"(".repeat(10_000)).unwrap_err().to_string().contains("nested deeper"));
    assert!(parse(&" ".repeat(100_000)).is_err());
    let (_folder, searcher) = index();
    let ask = |request: RangeRequest| {
        parse("sum(rate({}[1s]))").unwrap().range(&searcher, &TenantId::default(), &request).unwrap_err().to_string()
    };
    assert_eq!(ask(RangeRequest { step: 0, ..request() }), "the step must be greater than 0");
    assert!(ask(RangeRequest { step: 1, ..request() }).contains("11000 points"));
}

proptest! {
    #[test]
    fn any_text_is_a_query_or_an_error(text in any::<String>()) {
        let _ = parse(&text);
    }

    #[test]
    fn pieces_of_queries_in_any_order_are_queries_or_errors(
        pieces in prop::collection::vec(prop::sample::select(vec![
            "{", "}", "a", "=", "!=", "=~", "\"b\"", "`c`", ",", "|", "|=", "|~", "[5m]", "[", "]", "sum", "by", "(", ")",
            "rate", "topk", "1", "vector", "+", "drop", "and", "severity", "template", "\\", "\"", "é", "#", "\n", " ",
        ]), 0..24),
    ) {
        let _ = parse(&pieces.concat());
    }
}
