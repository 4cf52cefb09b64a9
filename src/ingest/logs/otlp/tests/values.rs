//! Values of every type, as deep as they may be.

use proptest::prelude::*;

use super::*;

/// A value within `depth` lists and maps.
fn nested(depth: usize) -> (Message, Value) {
    (0..depth).fold((text("x"), json!({ "stringValue": "x" })), |(protobuf, json), i| match i % 2 {
        0 => (list(&[protobuf]), json!({ "arrayValue": { "values": [json] } })),
        _ => (map(&[key("k", protobuf)]), json!({ "kvlistValue": { "values": [{ "key": "k", "value": json }] } })),
    })
}

#[test]
fn values_may_be_nested_so_deep_and_no_deeper() {
    let bodies = |depth| {
        let (protobuf, json) = nested(depth);
        let json = request_json(json!([]), "", json!([{ "body": json }])).to_string();
        [(PROTOBUF, request(&[], "", &[message().message(5, protobuf)]).0), (JSON, json.into_bytes())]
    };
    for (content_type, body) in bodies(value::DEPTH) {
        let line = read(content_type, body).unwrap().remove(0).4;
        assert_eq!(line.matches(['[', '{']).count(), value::DEPTH);
        assert!(serde_json::from_str::<Value>(&line).is_ok(), "{line}");
    }
    for (content_type, body) in bodies(value::DEPTH + 1) {
        let refused = read(content_type, body).unwrap_err().to_string();
        assert!(refused.starts_with("value nested more than 32 deep at byte "), "{refused}");
    }
    let deep = "{\"arrayValue\":{\"values\":[".repeat(100_000);
    let deep = format!("{{\"resourceLogs\":[{{\"scopeLogs\":[{{\"logRecords\":[{{\"body\":{deep}");
    assert!(matches!(read(JSON, deep), Err(LogError::Malformed { .. })));
    // Lengths that each claim all that follows: a thousand levels in a few kilobytes.
    let deep = (0..1000).fold(vec![], |inner, _| list(&[Message(inner)]).0);
    let deep = request(&[], "", &[message().message(5, Message(deep))]).0;
    assert!(read(PROTOBUF, deep).unwrap_err().to_string().starts_with("value nested more than"));
}

/// Any value in both forms, and as JSON is to say it.
fn any_value() -> impl Strategy<Value = (Message, Value, Value)> {
    let scalar = prop_oneof![
        Just((message(), json!({}), Value::Null)),
        "\\PC{0,20}".prop_map(|t| (text(&t), json!({ "stringValue": t }), json!(t))),
        any::<bool>().prop_map(|b| (message().varint(2, b.into()), json!({ "boolValue": b }), json!(b))),
        any::<i64>().prop_map(|i| (message().varint(3, i as u64), json!({ "intValue": i.to_string() }), json!(i))),
        any::<i32>().prop_map(|i| f64::from(i) / 8.0).prop_map(|d| (
            message().double(4, d),
            json!({ "doubleValue": d }),
            json!(d)
        )),
    ];
    scalar.prop_recursive(4, 24, 4, |value| {
        let named = ("[a-z]{1,6}", value.clone());
        prop_oneof![
            prop::collection::vec(value, 0..4).prop_map(|values| {
                let protobuf: Vec<_> = values.iter().map(|(protobuf, ..)| protobuf.clone()).collect();
                let json: Vec<_> = values.iter().map(|(_, json, _)| json.clone()).collect();
                let plain = values.into_iter().map(|(.., plain)| plain).collect();
                (list(&protobuf), json!({ "arrayValue": { "values": json } }), Value::Array(plain))
            }),
            prop::collection::vec(named, 0..4).prop_map(|entries| {
                let protobuf: Vec<_> =
                    entries.iter().map(|(name, (protobuf, ..))| key(name, protobuf.clone())).collect();
                let json: Vec<_> =
                    entries.iter().map(|(name, (_, json, _))| json!({ "key": name, "value": json })).collect();
                let plain = entries.into_iter().map(|(name, (.., plain))| (name, plain)).collect();
                (map(&protobuf), json!({ "kvlistValue": { "values": json } }), Value::Object(plain))
            }),
        ]
    })
}

proptest! {
    #[test]
    fn any_value_reads_the_same_in_both_forms((protobuf, json, plain) in any_value()) {
        let protobuf = request(&[], "", &[message().message(5, protobuf)]).0;
        let json = request_json(json!([]), "", json!([{ "body": json }])).to_string();
        let line = read(PROTOBUF, protobuf).unwrap().remove(0).4;
        prop_assert_eq!(&read(JSON, json).unwrap()[0].4, &line);
        match plain {
            Value::Null => prop_assert_eq!(line, ""),
            Value::String(text) => prop_assert_eq!(line, text),
            plain => prop_assert_eq!(serde_json::from_str::<Value>(&line).unwrap(), plain),
        }
    }
}
