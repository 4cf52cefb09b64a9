//! Documents as shippers write them, and what becomes of them.

use super::*;
use crate::ingest::logs::LogLimits;

/// What becomes of a document: labels, time in ms, severity, trace, line, attributes.
fn read(document: &str) -> String {
    let mut fields = Fields::default();
    fields.read(&mut serde_json::Deserializer::from_str(document)).unwrap();
    let (limits, mut batch) = (LogLimits::default(), LogBatch::default());
    let mut writer = Writer::new(&mut batch, &limits);
    fields.write(&mut writer, ("index", "i"), None, || document.to_owned()).unwrap();
    let record = batch.records().next().unwrap();
    let attributes: Vec<_> = record.attributes().map(|(name, value)| format!("{name}={value}")).collect();
    let at = record.at.map_or(String::new(), |at| (at / 1_000_000).to_string());
    let severity = record.severity.map_or("", Severity::as_str);
    let labels = record.labels.filtered(|name| name != "index");
    format!("{labels} {at} {severity} {} | {} | {}", record.trace_id, record.line, attributes.join(","))
}

#[track_caller]
fn check(document: &str, expected: &str) {
    assert_eq!(read(document), expected, "{document}");
}

#[test]
fn what_filebeat_sends() {
    check(
        r#"{"@timestamp":"2023-11-14T22:13:20.123Z","message":"a line","log":{"level":"error","offset":7,
            "file":{"path":"/var/log/a.log"}},"host":{"name":"h1","ip":["10.0.0.1","::1"]},"service":{"name":"cart"},
            "trace":{"id":"0af7651916cd43dd8448eb211c80319c"},"ecs":{"version":"8.0.0"}}"#,
        "{host=\"h1\",host_name=\"h1\",service=\"cart\",service_name=\"cart\"} 1700000000123 error \
         0af7651916cd43dd8448eb211c80319c | a line | log_offset=7,log_file_path=/var/log/a.log,\
         host_ip=[\"10.0.0.1\",\"::1\"],ecs_version=8.0.0",
    );
}

#[test]
fn names_with_dots_are_nested_names() {
    let flat = read(r#"{"log.level":"WARN","service.name":"cart","trace.id":"ab","message":"m","http.status":200}"#);
    let nested =
        r#"{"log":{"level":"WARN"},"service":{"name":"cart"},"trace":{"id":"ab"},"message":"m","http":{"status":200}}"#;
    assert_eq!(flat, read(nested));
    assert_eq!(flat, r#"{service="cart",service_name="cart"}  warn ab | m | http_status=200"#);
}

#[test]
fn what_a_container_runtime_writes() {
    check(
        r#"{"log":"started\n","stream":"stderr","time":"2023-11-14T22:13:20.000000001Z",
            "kubernetes":{"pod_name":"cart-1","namespace_name":"shop","container_name":"cart"}}"#,
        "{container=\"cart\",kubernetes_container_name=\"cart\",kubernetes_namespace_name=\"shop\",\
         kubernetes_pod_name=\"cart-1\",namespace=\"shop\",pod=\"cart-1\",service=\"cart\"} 1700000000000   \
         | started | stream=stderr",
    );
}

#[test]
fn the_better_field_wins_and_the_other_is_an_attribute() {
    let unknown = r#"{service="unknown_service"}"#;
    check(r#"{"msg":"b","message":"a","log":"c"}"#, &format!("{unknown}    | a | msg=b,log=c"));
    check(r#"{"message":"a","msg":"b"}"#, &format!("{unknown}    | a | msg=b"));
    check(r#"{"@message":"a"}"#, &format!("{unknown}    | a | "));
    check(r#"{"MESSAGE":"a","PRIORITY":"3"}"#, &format!("{unknown}  error  | a | "));
    check(
        r#"{"time":1700000001000,"@timestamp":"1700000000000","timestamp":"soon","msg":"m"}"#,
        &format!("{unknown} 1700000000000   | m | time=1700000001000,timestamp=soon"),
    );
    check(r#"{"level":30,"msg":"m"}"#, &format!("{unknown}  info  | m | "));
    check(r#"{"level":"loud","severity":"notice","msg":"m"}"#, &format!("{unknown}  info  | m | level=loud"));
    check(r#"{"log":{"syslog":{"severity":{"code":4}}},"msg":"m"}"#, &format!("{unknown}  warn  | m | "));
    check(r#"{"traceId":"AB12","trace_id":"no","msg":"m"}"#, &format!("{unknown}   AB12 | m | trace_id=no"));
    check(r#"{"trace":{"id":"0000"},"msg":"m"}"#, &format!("{unknown}    | m | trace_id=0000"));
}

#[test]
fn texts_that_are_no_texts() {
    let unknown = r#"{service="unknown_service"}"#;
    check(
        r#"{"message":{"b":[1,{"c":null},[]],"a":"\"\n","e":{}}}"#,
        &format!(r#"{unknown}    | {{"b":[1,{{"c":null}},[]],"a":"\"\n","e":{{}}}} | "#),
    );
    check(r#"{"message":["a",true,1.5,-1]}"#, &format!(r#"{unknown}    | ["a",true,1.5,-1] | "#));
    check(r#"{"message":42}"#, &format!("{unknown}    | 42 | "));
    check(r#"{"message":""}"#, &format!("{unknown}    |  | "));
    check(r#"{"message":null,"a":1}"#, &format!(r#"{unknown}    | {{"message":null,"a":1}} | a=1"#));
    check("{}", &format!("{unknown}    | {{}} | "));
}

#[test]
fn what_is_no_object_is_refused() {
    for wrong in ["", "[]", "1", "\"a\"", "null", "{", "{\"a\"", "{\"a\":", "{\"a\":[", "{\"a\":1,}"] {
        assert!(Fields::default().read(&mut serde_json::Deserializer::from_str(wrong)).is_err(), "{wrong}");
    }
}

#[test]
fn bombs_are_bounded() {
    let deep = format!("{}1{}", "{\"a\":".repeat(10_000), "}".repeat(10_000));
    assert!(Fields::default().read(&mut serde_json::Deserializer::from_str(&deep)).is_err());
    let list = format!("{{\"a\":{}1{}}}", "[".repeat(10_000), "]".repeat(10_000));
    assert!(Fields::default().read(&mut serde_json::Deserializer::from_str(&list)).is_err());

    let long = "n".repeat(100_000);
    let wide: Vec<_> = (0..10_000).map(|i| format!("\"a{i}\":1,\"host\":\"h\",\"message\":\"m\"")).collect();
    let wide = format!("{{\"{long}\":{{{}}},{},\"message\":\"at last\"}}", wide.join(","), wide.join(","));
    let mut fields = Fields::default();
    fields.read(&mut serde_json::Deserializer::from_str(&wide)).unwrap();
    assert!(fields.texts.len() < 4 << 20, "{}", fields.texts.len());
    let (limits, mut batch) = (LogLimits::default(), LogBatch::default());
    fields.write(&mut Writer::new(&mut batch, &limits), ("index", "i"), None, String::new).unwrap();
    let record = batch.records().next().unwrap();
    assert_eq!((record.line, record.attributes().count()), ("m", LogBatch::ATTRIBUTES));
    assert!(batch.cut() > 0);
}

#[test]
fn one_document_leaves_nothing_to_the_next() {
    let mut fields = Fields::default();
    let (limits, mut batch) = (LogLimits::default(), LogBatch::default());
    let mut writer = Writer::new(&mut batch, &limits);
    for document in [r#"{"message":"a","level":"error","host":"h","x":1,"time":1700000000,"trace_id":"1"}"#, "{}"] {
        fields.read(&mut serde_json::Deserializer::from_str(document)).unwrap();
        fields.write(&mut writer, ("index", "i"), None, String::new).unwrap();
    }
    let last = batch.records().last().unwrap();
    assert_eq!((last.line, last.at, last.severity, last.trace_id), ("", None, None, ""));
    assert_eq!((last.labels.get("host"), last.attributes().count()), (None, 0));
}
