//! Exports made by hand, in both forms.

mod hostile;
mod values;

use serde_json::{Value, json};

use super::*;
use crate::ingest::{
    logs::seen::{Seen, seen},
    message::{Message, message},
};

const PROTOBUF: Option<&str> = Some("application/x-protobuf");
const JSON: Option<&str> = Some("application/json");
const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

fn read(content_type: Option<&str>, body: impl AsRef<[u8]>) -> Result<Vec<Seen>, LogError> {
    let mut batch = LogBatch::default();
    decode(content_type, None, body.as_ref(), &LogLimits::default(), &mut batch)?;
    Ok(seen(&batch))
}

fn text(text: impl AsRef<[u8]>) -> Message {
    message().bytes(1, text)
}

fn key(name: &str, value: Message) -> Message {
    message().bytes(1, name).message(2, value)
}

fn list(elements: &[Message]) -> Message {
    message().message(5, elements.iter().fold(message(), |list, element| list.message(1, element.clone())))
}

fn map(entries: &[Message]) -> Message {
    message().message(6, entries.iter().fold(message(), |map, entry| map.message(1, entry.clone())))
}

/// A request of one resource with one scope.
fn request(resource: &[Message], scope: &str, records: &[Message]) -> Message {
    let resource = resource.iter().fold(message(), |resource, attribute| resource.message(1, attribute.clone()));
    let scope = message().message(1, message().bytes(1, scope));
    let scope = records.iter().fold(scope, |scope, record| scope.message(2, record.clone()));
    message().message(1, message().message(1, resource).message(2, scope).bytes(3, "schema"))
}

fn request_json(resource: Value, scope: &str, records: Value) -> Value {
    let scopes = json!([{ "logRecords": records, "scope": { "name": scope, "version": "1" } }]);
    json!({ "resourceLogs": [{ "scopeLogs": scopes, "resource": { "attributes": resource }, "schemaUrl": "schema" }] })
}

/// One export in protobuf; [`json`] is the same.
fn protobuf() -> Message {
    let resource = [key("service.name", text("cart")), key("process.pid", message().varint(3, 7))];
    let trace: Vec<u8> = (0..16).map(|i| u8::from_str_radix(&TRACE[2 * i..2 * i + 2], 16).unwrap()).collect();
    let told = message()
        .fixed64(1, 1_700_000_000_000_000_005)
        .varint(2, 17)
        .bytes(3, "odd")
        .message(5, text("told \"ü\""))
        .message(6, key("user", text("7")))
        .message(6, key("ok", message().varint(2, 1)))
        .message(6, key("count", message().varint(3, -7_i64 as u64)))
        .message(6, key("ratio", message().double(4, 0.5)))
        .message(6, key("list", list(&[text("a"), message(), message().bytes(7, b"\xff")])))
        .message(6, key("empty", message()))
        .bytes(9, &trace)
        .bytes(10, [1; 8])
        .fixed64(11, 3)
        .bytes(12, "order.placed");
    let nested = map(&[key("b", message().varint(2, 0)), key("c", message().double(4, f64::NAN))]);
    let structured = message()
        .bytes(3, "WARN")
        .message(5, map(&[key("message", text("x\n")), key("a", nested)]))
        .fixed64(11, 1_600_000_000_000_000_000);
    let bytes = message().message(5, message().bytes(7, b"\x00\xff\x10")).bytes(9, [0; 16]);
    request(&resource, "shop.orders", &[told, structured, bytes])
}

fn json() -> Value {
    let resource = json!([
        { "key": "service.name", "value": { "stringValue": "cart" } },
        { "key": "process.pid", "value": { "intValue": "7" } },
    ]);
    let told = json!({
        "timeUnixNano": "1700000000000000005", "observedTimeUnixNano": 3, "severityNumber": 17, "severityText": "odd",
        "body": { "stringValue": "told \"ü\"" },
        "attributes": [
            { "key": "user", "value": { "stringValue": "7" } },
            { "value": { "boolValue": true }, "key": "ok" },
            { "key": "count", "value": { "intValue": "-7" } },
            { "key": "ratio", "value": { "doubleValue": 0.5 } },
            { "key": "list", "value": { "arrayValue": { "values": [
                { "stringValue": "a" }, {}, { "bytesValue": "/w==" },
            ] } } },
            { "key": "empty", "value": {} },
        ],
        "traceId": TRACE.to_uppercase(), "spanId": "0101010101010101", "eventName": "order.placed", "flags": 1,
    });
    let nested = json!({ "kvlistValue": { "values": [
        { "key": "b", "value": { "boolValue": false } }, { "key": "c", "value": { "doubleValue": "NaN" } },
    ] } });
    let structured = json!({
        "severityText": "WARN", "timeUnixNano": "0", "observedTimeUnixNano": "1600000000000000000",
        "body": { "kvlistValue": { "values": [
            { "key": "message", "value": { "stringValue": "x\n" } }, { "key": "a", "value": nested },
        ] } },
        "attributes": null, "traceId": null,
    });
    let bytes = json!({ "body": { "bytesValue": "AP8Q" }, "traceId": "" });
    request_json(resource, "shop.orders", json!([told, structured, bytes]))
}

fn expected() -> Vec<Seen> {
    let labels = r#"{service="cart",service_name="cart"}"#.to_owned();
    let owned = |pairs: &[(&str, &str)]| pairs.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
    let scope = ("otel.scope.name", "shop.orders");
    let attributes = owned(&[
        scope,
        ("event.name", "order.placed"),
        ("user", "7"),
        ("ok", "true"),
        ("count", "-7"),
        ("ratio", "0.5"),
        ("list", r#"["a",null,"/w=="]"#),
        ("empty", ""),
    ]);
    let map = r#"{"message":"x\n","a":{"b":false,"c":"NaN"}}"#.to_owned();
    let (error, warn) = (Some(Severity::Error), Some(Severity::Warn));
    let at = 1_700_000_000_000_000_005;
    vec![
        (Some(at), labels.clone(), error, TRACE.to_owned(), "told \"ü\"".to_owned(), attributes),
        (Some(1_600_000_000_000_000_000), labels.clone(), warn, String::new(), map, owned(&[scope])),
        (None, labels, None, String::new(), "AP8Q".to_owned(), owned(&[scope])),
    ]
}

#[test]
fn both_forms_say_the_same() {
    assert_eq!(read(PROTOBUF, protobuf().0), Ok(expected()));
    assert_eq!(read(JSON, json().to_string()), Ok(expected()));
    assert!(matches!(read(Some("text/plain"), ""), Err(LogError::Unsupported(_))));
}

#[test]
fn bodies_may_be_compressed() {
    let body = snap::raw::Encoder::new().compress_vec(&protobuf().0).unwrap();
    let mut batch = LogBatch::default();
    decode(PROTOBUF, Some("snappy"), &body, &LogLimits::default(), &mut batch).unwrap();
    assert_eq!(seen(&batch), expected());
    let refused = decode(PROTOBUF, Some("gzip"), &body, &LogLimits::default(), &mut batch);
    assert!(matches!(refused, Err(LogError::Malformed { .. })));
}

#[test]
fn nothing_is_nothing() {
    for body in [message(), message().message(1, message()), request(&[], "", &[])] {
        assert_eq!(read(PROTOBUF, body.0), Ok(vec![]));
    }
    for body in
        ["{}", r#"{"resourceLogs": null}"#, r#"{"resourceLogs": [{}, {"scopeLogs": [{}, {"logRecords": []}]}]}"#]
    {
        assert_eq!(read(JSON, body), Ok(vec![]), "{body}");
    }
}

#[test]
fn a_record_of_nothing_is_a_record() {
    let nothing = vec![(None, r#"{service="unknown_service"}"#.to_owned(), None, String::new(), String::new(), vec![])];
    assert_eq!(read(PROTOBUF, request(&[], "", &[message()]).0), Ok(nothing.clone()));
    assert_eq!(read(JSON, r#"{"resourceLogs": [{"scopeLogs": [{"logRecords": [{}]}]}]}"#), Ok(nothing));
}

#[test]
fn the_resource_may_stand_behind_its_records() {
    let scope = message().message(2, message()).message(1, message().bytes(1, "late"));
    let resource = message().message(1, key("k8s.pod.name", text("cart-1")));
    let request = message().message(1, message().message(2, scope).message(1, resource));
    let record = read(PROTOBUF, request.0).unwrap().remove(0);
    assert!(record.1.contains(r#"pod="cart-1""#), "{}", record.1);
    assert_eq!(record.5, [("otel.scope.name".to_owned(), "late".to_owned())]);
}

#[test]
fn equal_resources_are_one_stream() {
    let one = request(&[key("service.name", text("cart"))], "", &[message()]).0;
    let limits = LogLimits { streams: 1, ..LogLimits::default() };
    let mut batch = LogBatch::default();
    decode(PROTOBUF, None, &one.repeat(3), &limits, &mut batch).unwrap();
    assert_eq!(batch.len(), 3);
}

#[test]
fn what_cannot_be_is_as_if_untold() {
    let odd = message().fixed64(1, u64::MAX).fixed64(11, 7).varint(2, 99).bytes(3, "error").bytes(9, [1; 8]);
    let (at, _, severity, trace_id, ..) = read(PROTOBUF, request(&[], "", &[odd]).0).unwrap().remove(0);
    assert_eq!((at, severity, trace_id.as_str()), (Some(7), Some(Severity::Error), ""));
    let odd = json!({ "timeUnixNano": "18446744073709551615", "observedTimeUnixNano": "7", "severityNumber": -1,
        "severityText": "error", "traceId": "no trace" });
    let (at, _, severity, trace_id, ..) =
        read(JSON, request_json(json!([]), "", json!([odd])).to_string()).unwrap().remove(0);
    assert_eq!((at, severity, trace_id.as_str()), (Some(7), Some(Severity::Error), ""));
}

#[test]
fn texts_that_are_not_utf_8_are_mended() {
    let record = message().message(5, text(b"caf\xe9")).message(6, key("list", list(&[text(b"\xff")])));
    let record = read(PROTOBUF, request(&[], "", &[record]).0).unwrap().remove(0);
    assert_eq!((record.4.as_str(), record.5[0].1.as_str()), ("caf\u{fffd}", "[\"\u{fffd}\"]"));
    let body = br#"{"resourceLogs": [{"scopeLogs": [{"logRecords": [{"body": {"stringValue": "half \ud83d"}}]}]}]}"#;
    assert!(read(JSON, body).unwrap()[0].4.starts_with("half \u{fffd}"));
}

#[test]
fn attributes_beyond_number_are_cut_and_counted() {
    let record = (0..2_000).fold(message(), |record, i| record.message(6, key(&i.to_string(), text("x"))));
    let mut batch = LogBatch::default();
    decode(PROTOBUF, None, &request(&[], "", &[record]).0, &LogLimits::default(), &mut batch).unwrap();
    assert_eq!((seen(&batch)[0].5.len(), batch.cut()), (LogBatch::ATTRIBUTES, 1));
}
