//! Bodies that are no exports, or too much of one.

use proptest::prelude::*;

use super::*;

#[test]
fn what_is_wrong_is_told_with_its_place() {
    let told = |outcome: Result<Vec<Seen>, LogError>| outcome.unwrap_err().to_string();
    let mistyped = [
        message().varint(1, 1),
        message().message(1, message().varint(1, 1)),
        message().message(1, message().varint(2, 1)),
        request(&[message().varint(1, 1)], "", &[]),
        request(&[], "", &[message().varint(1, 1)]),
        request(&[], "", &[message().bytes(2, "")]),
        request(&[], "", &[message().varint(5, 1)]),
        request(&[], "", &[message().message(5, message().varint(1, 1))]),
        request(&[], "", &[message().message(5, list(&[message().bytes(2, "")]))]),
    ];
    for body in mistyped {
        let told = told(read(PROTOBUF, &body.0));
        assert!(
            told.starts_with("malformed protobuf: field ") && told.contains(" has the wrong wire type at byte "),
            "{told}"
        );
    }
    let attributes: Vec<_> = (0..65).map(|i| key(&format!("k8s.{i}"), text("x"))).collect();
    assert_eq!(
        told(read(PROTOBUF, request(&attributes, "", &[message()]).0)),
        "stream with more than 64 labels at byte 3"
    );
    let record = |record: &str| format!(r#"{{"resourceLogs":[{{"scopeLogs":[{{"logRecords":[{record}]}}]}}]}}"#);
    for (json, what) in [
        (String::new(), "EOF while parsing a value at byte 0"),
        ("[".to_owned(), "EOF while parsing"),
        (r#"{"resourceLogs": {}}"#.to_owned(), "invalid type: map, expected an array at byte 17"),
        (record("7"), "invalid type: integer `7`"),
        (record(r#"{"timeUnixNano": "soon"}"#), "invalid value: string \"soon\", expected a whole number"),
        (record(r#"{"body": "bare"}"#), "invalid type: string \"bare\""),
        (record(r#"{"body": {"stringValue": 7}}"#), "invalid type: integer `7`, expected a string"),
        (record(r#"{"body": {"doubleValue": "x"}}"#), "double is no number at byte 71"),
        (record(r#"{"body": {"arrayValue": {"values": [7]}}}"#), "invalid type: integer `7`"),
    ] {
        assert!(told(read(JSON, &json)).starts_with(what), "{json}: {}", told(read(JSON, &json)));
    }
}

#[test]
fn limits_refuse_the_request() {
    let check = |limits: LogLimits, fits: bool| {
        for (content_type, body) in [(PROTOBUF, protobuf().0), (JSON, json().to_string().into_bytes())] {
            let outcome = decode(content_type, None, &body, &limits, &mut LogBatch::default());
            assert!(outcome.as_ref().map_or_else(LogError::is_too_large, |()| fits), "{limits:?}: {outcome:?}");
            assert_eq!(outcome.is_ok(), fits, "{limits:?}");
        }
    };
    check(LogLimits { records: 3, streams: 1, labels: 1, label_bytes: 12, ..LogLimits::default() }, true);
    check(LogLimits { records: 2, ..LogLimits::default() }, false);
    check(LogLimits { streams: 0, ..LogLimits::default() }, false);
    check(LogLimits { body_bytes: protobuf().0.len() - 1, ..LogLimits::default() }, false);
}

#[test]
fn an_export_cut_anywhere_is_refused_or_shorter() {
    let body = protobuf().0;
    for cut in 0..body.len() {
        if let Ok(records) = read(PROTOBUF, &body[..cut]) {
            assert!(records.len() < 3, "{cut}");
        }
    }
    let json = json().to_string();
    for cut in 0..json.len() {
        assert!(matches!(read(JSON, &json.as_bytes()[..cut]), Err(LogError::Malformed { .. })), "{cut}");
    }
}

#[test]
fn an_export_with_any_byte_changed_never_panics() {
    for (content_type, body) in [(PROTOBUF, protobuf().0), (JSON, json().to_string().into_bytes())] {
        for at in 0..body.len() {
            for change in [0x01, 0x04, 0x80, 0xff] {
                let mut changed = body.clone();
                changed[at] ^= change;
                let _ = read(content_type, &changed);
            }
        }
    }
}

proptest! {
    #[test]
    fn any_bytes_are_an_export_or_an_error(body in prop::collection::vec(any::<u8>(), 0..200)) {
        for content_type in [PROTOBUF, JSON] {
            for encoding in [None, Some("gzip"), Some("deflate"), Some("snappy")] {
                let _ = decode(content_type, encoding, &body, &LogLimits::default(), &mut LogBatch::default());
            }
        }
    }
}
