//! Pushes made by hand, in both forms.

use proptest::prelude::*;

use super::*;
use crate::ingest::{
    logs::seen::{Seen, seen},
    message::{Message, message},
};

const JSON: Option<&str> = Some("application/json");

fn snappy(body: &[u8]) -> Vec<u8> {
    snap::raw::Encoder::new().compress_vec(body).unwrap()
}

fn read(content_type: Option<&str>, body: &[u8]) -> Result<Vec<Seen>, LogError> {
    let mut batch = LogBatch::default();
    decode(content_type, None, body, &LogLimits::default(), &mut batch)?;
    Ok(seen(&batch))
}

fn read_protobuf(request: &Message) -> Result<Vec<Seen>, LogError> {
    read(Some("application/x-protobuf"), &snappy(&request.0))
}

fn metadata(name: &str, value: &str) -> Message {
    message().bytes(1, name).bytes(2, value)
}

fn entry(seconds: i64, nanos: u64, line: impl AsRef<[u8]>) -> Message {
    message().message(1, message().varint(1, seconds as u64).varint(2, nanos)).bytes(2, line)
}

fn stream(labels: &str, entries: &[Message]) -> Message {
    entries.iter().fold(message().bytes(1, labels), |stream, entry| stream.message(2, entry.clone()))
}

/// One push in protobuf; [`json`] is the same.
fn protobuf() -> Message {
    let told = entry(1_700_000_000, 5, "told \"ü\"")
        .message(3, metadata("user", "7"))
        .message(3, metadata("traceID", "0AF7651916CD43DD8448EB211C80319C"))
        .message(3, metadata("detected_level", "error"))
        .message(3, metadata("level", "warn"));
    let first = stream(r#"{app="cart", level="info", pod="cart-\u0031"}"#, &[entry(1_700_000_000, 0, "first"), told]);
    let second = stream("{job=`mail`}", &[entry(1, 0, ""), entry(-1, 999_999_999, "old")]);
    message().message(1, first).message(1, second.varint(3, 99)).bytes(2, "format")
}

fn json() -> String {
    let told =
        r#"{"user": "7", "traceID": "0AF7651916CD43DD8448EB211C80319C", "detected_level": "error", "level": "warn"}"#;
    format!(
        r#"{{"other": [1, {{}}], "streams": [
            {{"stream": {{"app": "cart", "level": "info", "pod": "cart-1"}}, "values": [
                ["1700000000000000000", "first"], ["1700000000000000005", "told \"\u00fc\"", {told}]
            ]}},
            {{"values": [["1000000000", "", null], [-1, "old", {{}}, "more"]], "stream": {{"job": "mail"}}}}
        ]}}"#
    )
}

fn expected() -> Vec<Seen> {
    let cart = r#"{app="cart",level="info",pod="cart-1",service="cart"}"#.to_owned();
    let mail = r#"{job="mail",service="mail"}"#.to_owned();
    let trace = "0af7651916cd43dd8448eb211c80319c".to_owned();
    let attributes = [("user", "7"), ("detected_level", "error")].map(|(n, v)| (n.to_owned(), v.to_owned()));
    let (info, warn) = (Some(Severity::Info), Some(Severity::Warn));
    let at = 1_700_000_000_000_000_000;
    vec![
        (Some(at), cart.clone(), info, String::new(), "first".to_owned(), vec![]),
        (Some(at + 5), cart, warn, trace, "told \"ü\"".to_owned(), attributes.to_vec()),
        (Some(1_000_000_000), mail.clone(), None, String::new(), String::new(), vec![]),
        (Some(-1), mail, None, String::new(), "old".to_owned(), vec![]),
    ]
}

#[test]
fn both_forms_say_the_same() {
    assert_eq!(read_protobuf(&protobuf()), Ok(expected()));
    assert_eq!(read(JSON, json().as_bytes()), Ok(expected()));
    assert_eq!(read(Some("Application/JSON; charset=utf-8"), json().as_bytes()), Ok(expected()));
    assert_eq!(read(None, &snappy(&protobuf().0)), Ok(expected()));
}

#[test]
fn encodings_are_those_of_the_form() {
    let decode = |content_type, encoding, body: &[u8]| {
        let mut batch = LogBatch::default();
        decode(content_type, Some(encoding), body, &LogLimits::default(), &mut batch).map(|()| batch.len())
    };
    assert_eq!(decode(None, "Snappy", &snappy(&protobuf().0)), Ok(4));
    assert_eq!(decode(JSON, "snappy", &snappy(json().as_bytes())), Ok(4));
    for encoding in ["gzip", "identity", "zstd"] {
        assert!(matches!(decode(None, encoding, &protobuf().0), Err(LogError::Unsupported(_))), "{encoding}");
    }
    assert!(matches!(decode(JSON, "zstd", b"{}"), Err(LogError::Unsupported(_))));
    assert!(matches!(decode(JSON, "gzip", b"{}"), Err(LogError::Malformed { .. })));
}

#[test]
fn nothing_is_nothing() {
    for request in [message(), message().message(1, message()), message().message(1, message().bytes(1, "nonsense"))] {
        assert_eq!(read_protobuf(&request), Ok(vec![]));
    }
    for json in
        ["{}", r#"{"streams": []}"#, r#"{"streams": null}"#, r#"{"streams": [{}, {"stream": {}, "values": []}]}"#]
    {
        assert_eq!(read(JSON, json.as_bytes()), Ok(vec![]), "{json}");
    }
}

#[test]
fn labels_may_stand_behind_their_entries() {
    let request = message().message(1, message().message(2, entry(1, 0, "x")).bytes(1, r#"{app="a"}"#));
    assert_eq!(read_protobuf(&request).unwrap()[0].1, r#"{app="a",service="a"}"#);
}

#[test]
fn lines_that_are_not_utf_8_are_mended() {
    let request = message().message(1, stream("{}", &[entry(1, 0, b"caf\xe9")]));
    let record = &read_protobuf(&request).unwrap()[0];
    assert_eq!((record.4.as_str(), record.1.as_str()), ("caf\u{fffd}", r#"{service="unknown_service"}"#));
    let body = b"{\"streams\": [{\"values\": [[\"1\", \"caf\xe9\"], [\"2\", \"half \\ud83d\"]]}]}";
    let records = read(JSON, body).unwrap();
    assert_eq!(records[0].4, "caf\u{fffd}");
    assert!(records[1].4.starts_with("half \u{fffd}"), "{}", records[1].4);
}

#[test]
fn times_that_are_none_are_left_to_the_receiver() {
    let untimed = message().bytes(2, "x");
    let request = message().message(1, stream("{}", &[untimed, entry(-62_135_596_800, 0, ""), entry(i64::MAX, 0, "")]));
    assert!(read_protobuf(&request).unwrap().iter().all(|record| record.0.is_none()));
    assert_eq!(read(JSON, br#"{"streams": [{"values": [["9223372036854775808", ""]]}]}"#).unwrap()[0].0, None);
}

#[test]
fn metadata_that_is_no_trace_or_level_stays() {
    let odd = entry(1, 0, "x").message(3, metadata("trace_id", "none")).message(3, metadata("level", "odd"));
    let request = message().message(1, stream(r#"{severity="ERROR"}"#, &[odd]));
    let (_, _, severity, trace_id, _, attributes) = read_protobuf(&request).unwrap().remove(0);
    assert_eq!((severity, trace_id.as_str(), attributes.len()), (Some(Severity::Error), "", 2));
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    let told = |outcome: Result<Vec<Seen>, LogError>| outcome.unwrap_err().to_string();
    let one = |labels: &str| message().message(1, stream(labels, &[entry(1, 0, "x")]));
    assert_eq!(told(read_protobuf(&one("{app=cart}"))), "the value of a label is quoted at byte 9");
    assert_eq!(told(read_protobuf(&one(""))), "labels begin with { at byte 4");
    assert_eq!(
        told(read_protobuf(&message().varint(1, 1))),
        "malformed protobuf: field 1 has the wrong wire type at byte 0"
    );
    assert!(told(read(None, b"\xffplain")).contains("snappy"));
    let labels: String = (0..65).map(|i| format!("l{i}=\"\",")).collect();
    assert_eq!(told(read_protobuf(&one(&format!("{{{labels}}}")))), "stream with more than 64 labels at byte 6");
    for (json, what) in [
        ("", "EOF while parsing a value at byte 0"),
        ("{\"streams\": [", "EOF while parsing a list at byte 12"),
        (r#"{"streams": 7}"#, "invalid type: integer `7`, expected an array at byte 12"),
        (r#"{"streams": [{"values": [["x", ""]]}]}"#, "invalid value: string \"x\", expected a whole number at byte "),
        (
            r#"{"streams": [{"values": [["1"]]}]}"#,
            "invalid length 1, expected an array of time, line and perhaps metadata",
        ),
        (r#"{"streams": [{"values": [["1", 2]]}]}"#, "invalid type: integer `2`"),
        (r#"{"streams": [{"values": [["1", "", {"a": 2}]]}]}"#, "invalid type: integer `2`"),
        (r#"{"streams": [{"stream": {"a": {}}, "values": []}]}"#, "invalid type: map"),
    ] {
        assert!(told(read(JSON, json.as_bytes())).starts_with(what), "{json}: {}", told(read(JSON, json.as_bytes())));
    }
}

#[test]
fn limits_refuse_the_request() {
    let check = |limits: LogLimits, fits: bool| {
        for (content_type, body) in [(None, snappy(&protobuf().0)), (JSON, json().into_bytes())] {
            let outcome = decode(content_type, None, &body, &limits, &mut LogBatch::default());
            assert!(outcome.as_ref().map_or_else(LogError::is_too_large, |()| fits), "{limits:?}: {outcome:?}");
            assert_eq!(outcome.is_ok(), fits, "{limits:?}");
        }
    };
    check(LogLimits { records: 4, streams: 2, labels: 3, label_bytes: 6, ..LogLimits::default() }, true);
    check(LogLimits { records: 3, ..LogLimits::default() }, false);
    check(LogLimits { streams: 1, ..LogLimits::default() }, false);
    check(LogLimits { body_bytes: protobuf().0.len() - 1, ..LogLimits::default() }, false);
}

#[test]
fn json_however_deep_needs_no_deep_stack() {
    let deep = "[".repeat(1 << 20);
    for json in [deep.clone(), format!("{{\"streams\": {deep}"), format!("{{\"x\": {deep}")] {
        assert!(matches!(read(JSON, json.as_bytes()), Err(LogError::Malformed { .. })));
    }
    let closed = format!("{{\"streams\": [{{\"values\": [[\"1\", \"\", {{}}, {}{}]]}}]}}", deep, "]".repeat(1 << 20));
    assert_eq!(read(JSON, closed.as_bytes()).unwrap().len(), 1);
}

#[test]
fn a_push_cut_anywhere_is_refused_or_shorter() {
    let body = protobuf().0;
    for cut in 0..body.len() {
        if let Ok(records) = read(None, &snappy(&body[..cut])) {
            assert!(records.len() <= 4, "{cut}");
        }
    }
    let json = json();
    for cut in 0..json.len() {
        assert!(matches!(read(JSON, &json.as_bytes()[..cut]), Err(LogError::Malformed { .. })), "{cut}");
    }
}

#[test]
fn a_push_with_any_byte_changed_never_panics() {
    let (protobuf, json) = (protobuf().0, json().into_bytes());
    for (content_type, body) in [(None, protobuf), (JSON, json)] {
        for at in 0..body.len() {
            for change in [0x01, 0x04, 0x80, 0xff] {
                let mut changed = body.clone();
                changed[at] ^= change;
                let changed = if content_type == JSON { changed } else { snappy(&changed) };
                let _ = read(content_type, &changed);
            }
        }
    }
}

proptest! {
    #[test]
    fn any_bytes_are_a_push_or_an_error(body in prop::collection::vec(any::<u8>(), 0..200)) {
        for content_type in [JSON, None] {
            let _ = read(content_type, &body);
            let _ = read(content_type, &snappy(&body));
        }
    }

    #[test]
    fn any_texts_come_back(line in "\\PC{0,60}", name in "[a-z]{1,9}", value in "\\PC{0,30}", at in any::<i64>()) {
        let (seconds, nanos) = (at.div_euclid(1_000_000_000), at.rem_euclid(1_000_000_000));
        let name = format!("x_{name}");
        let entry = entry(seconds, nanos as u64, &line).message(3, metadata(&name, &value));
        let request = message().message(1, stream(r#"{app="a"}"#, &[entry]));
        let whole = serde_json::json!({ "streams": [{ "stream": { "app": "a" }, "values": [
            [at.to_string(), line, { &*name: value }],
        ] }] });
        // Seconds below the first whole one in range do not fit.
        let at = (seconds > i64::MIN / 1_000_000_000).then_some(at);
        let labels = r#"{app="a",service="a"}"#.to_owned();
        let record = (at, labels, None, String::new(), line, vec![(name, value)]);
        prop_assert_eq!(read_protobuf(&request), Ok(vec![record.clone()]));
        let read = read(JSON, whole.to_string().as_bytes()).unwrap().remove(0);
        prop_assert_eq!((&read.1, &read.4, &read.5), (&record.1, &record.4, &record.5));
    }
}
