//! Bulk requests: what clients send, what is wrong with items, limits, malformed bodies.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::{
    ingest::logs::{LogError, LogLimits},
    signal::LogBatch,
};

fn bulk(path_index: Option<&str>, body: &[u8]) -> (BulkReport, LogBatch) {
    let mut batch = LogBatch::default();
    let report = decode(path_index, body, &LogLimits::default(), &mut batch).unwrap();
    assert_eq!(report.taken(), batch.len());
    (report, batch)
}

fn answered(report: &BulkReport) -> Value {
    serde_json::from_str(&report.response(3)).unwrap()
}

fn lines(batch: &LogBatch) -> Vec<&str> {
    batch.records().map(|record| record.line).collect()
}

/// As an omelasticsearch of rsyslog 8.2302 sends it.
const RSYSLOG: &str = r#"{"index":{"_index": "logs"}}
{"message":"session opened for user root","host":"h1","severity":"notice","facility":"authpriv","@timestamp":"2023-11-14T22:13:20.5+00:00","tag":"sshd[7]:"}
"#;

/// As Filebeat does, with an index in each action.
const FILEBEAT: &str = r#"{"create":{"_index":"filebeat-8"}}
{"@timestamp":"2023-11-14T22:13:20.123Z","message":"one","service":{"name":"cart"},"log":{"level":"error"}}
{"create":{"_index":"filebeat-8","_id":"a\"b"}}
{"@timestamp":"2023-11-14T22:13:21.123Z","message":"two","service":{"name":"cart"}}
"#;

#[test]
fn the_answer_has_the_form_of_elasticsearch() {
    let (report, batch) = bulk(None, FILEBEAT.as_bytes());
    let text = report.response(3);
    let second = r#"{"create":{"_index":"filebeat-8","_id":"a\"b","_version":1,"result":"created","_seq_no":0,"_primary_term":1,"_shards":{"total":1,"successful":1,"failed":0},"status":201}}]}"#;
    assert!(
        text.starts_with(r#"{"took":3,"errors":false,"items":[{"create":{"_index":"filebeat-8","_id":""#),
        "{text}"
    );
    assert!(text.ends_with(second), "{text}");
    let made = answered(&report)["items"][0]["create"]["_id"].as_str().unwrap().to_owned();
    assert_eq!(made.len(), 20);
    assert_eq!(text, bulk(None, FILEBEAT.as_bytes()).0.response(3), "the same each time");

    assert_eq!(lines(&batch), ["one", "two"]);
    let first = batch.records().next().unwrap();
    assert_eq!(first.labels.to_string(), r#"{index="filebeat-8",service="cart",service_name="cart"}"#);
    assert_eq!(first.at, Some(1_700_000_000_123_000_000));
    let streams = serde_json::to_value(&batch).unwrap()["streams"].as_array().unwrap().len();
    assert_eq!(streams, 1, "one label set, one stream");
}

#[test]
fn what_rsyslog_sends() {
    let (report, batch) = bulk(Some("unused"), RSYSLOG.as_bytes());
    assert_eq!((report.taken(), report.refused()), (1, 0));
    let record = batch.records().next().unwrap();
    assert_eq!(record.line, "session opened for user root");
    assert_eq!((record.labels.get("host"), record.labels.get("index")), (Some("h1"), Some("logs")));
    assert_eq!((record.severity.unwrap().as_str(), record.at), ("info", Some(1_700_000_000_500_000_000)));
    assert_eq!(record.attributes().collect::<Vec<_>>(), [("facility", "authpriv")]);
}

#[test]
fn forms_of_a_body() {
    for body in [
        "{\"index\":{}}\n{\"message\":\"m\"}",
        "{\"index\":{}}\r\n{\"message\":\"m\"}\r\n",
        "\n\n{\"index\":{}}\n{\"message\":\"m\"}\n\n",
        "{\"index\":{\"_type\":\"_doc\",\"routing\":1,\"pipeline\":null,\"_index\":null}}\n{\"message\":\"m\"}\n",
    ] {
        let (report, batch) = bulk(Some("logs"), body.as_bytes());
        assert_eq!(lines(&batch), ["m"], "{body}");
        assert_eq!(answered(&report)["items"][0]["index"]["_index"], "logs");
    }
    let (report, _) = bulk(Some("logs"), b"{\"index\":{\"_id\":7}}\n{}");
    assert_eq!(answered(&report)["items"][0]["index"]["_id"], "7");
}

#[test]
fn a_document_without_text_is_its_own() {
    let (_, batch) = bulk(Some("logs"), b"{\"index\":{}}\n {\"user\": \"x\"} \n");
    assert_eq!(lines(&batch), [r#"{"user": "x"}"#]);
}

#[test]
fn what_is_wrong_with_one_item_refuses_that_item() {
    let good = "{\"create\":{}}\n{\"message\":\"good\"}\n";
    for (bad, name, kind, reason) in [
        ("{\"index\":{}}\nnot json\n", "index", "mapper_parsing_exception", "expected ident"),
        ("{\"index\":{}}\n[1]\n", "index", "mapper_parsing_exception", "expected an object"),
        ("{\"index\":{}}\n{\"message\":\"a\"} {}\n", "index", "mapper_parsing_exception", "trailing characters"),
        ("{\"upsert\":{}}\n{\"message\":\"a\"}\n", "upsert", "illegal_argument_exception", "[upsert] is not known"),
        ("{\"upsert\":{}}\n", "upsert", "illegal_argument_exception", "[upsert] is not known"),
        ("{\"update\":{}}\n{\"doc\":{}}\n", "update", "illegal_argument_exception", "[update] is not for logs"),
        ("{\"delete\":{}}\n", "delete", "illegal_argument_exception", "[delete] is not for logs"),
        ("{\"index\":{\n{\"message\":\"a\"}\n", "index", "illegal_argument_exception", "malformed action line: EOF"),
        ("{}\n{\"message\":\"a\"}\n", "index", "illegal_argument_exception", "no action"),
        ("{\"index\":{},\"create\":{}}\n{\"a\":1}\n", "index", "illegal_argument_exception", "more than one action"),
        ("{\"index\":{\"_id\":{}}}\n{\"a\":1}\n", "index", "illegal_argument_exception", "expected a text"),
        ("{\"index\":1}\n{\"message\":\"a\"}\n", "index", "illegal_argument_exception", "malformed action line"),
    ] {
        let (report, batch) = bulk(Some("logs"), format!("{good}{bad}{good}").as_bytes());
        assert_eq!(lines(&batch), ["good", "good"], "{bad}");
        let answer = answered(&report);
        assert_eq!(answer["errors"], true);
        let items = answer["items"].as_array().unwrap();
        assert_eq!(items.len(), 3, "{bad}: {answer}");
        assert_eq!((&items[0]["create"]["status"], &items[2]["create"]["status"]), (&json!(201), &json!(201)));
        let refused = &items[1][name];
        assert_eq!((&refused["status"], &refused["error"]["type"]), (&json!(400), &json!(kind)), "{bad}: {answer}");
        assert!(refused["error"]["reason"].as_str().unwrap().contains(reason), "{bad}: {answer}");
    }
}

#[test]
fn items_without_index_or_source_are_refused() {
    let (report, _) = bulk(None, b"{\"index\":{}}\n{\"a\":1}\n{\"index\":{\"_index\":\"x\"}}\n");
    let answer = answered(&report);
    assert_eq!(answer["items"][0]["index"]["error"]["reason"], "index is missing, or its name too long");
    assert_eq!(answer["items"][0]["index"]["_index"], Value::Null);
    assert_eq!(answer["items"][1]["index"]["error"]["reason"], "source is missing");
    let (report, _) = bulk(Some(&"x".repeat(256)), b"{\"index\":{}}\n{\"a\":1}\n");
    assert_eq!(answered(&report)["items"][0]["index"]["_index"], Value::Null);
    let (report, _) = bulk(Some("x"), b"{\"index\":{}}\n{\"message\":\"\xff\"}\n");
    assert_eq!(answered(&report)["items"][0]["index"]["error"]["type"], "mapper_parsing_exception");
}

#[test]
fn what_is_quoted_is_cut() {
    let long = "é".repeat(10_000);
    for body in [format!("{{\"index\":\"{long}\"}}\n\"{long}\"\n"), format!("{{\"{long}\":{{}}}}\n{{}}\n")] {
        let (report, _) = bulk(Some("x"), body.as_bytes());
        assert_eq!((report.taken(), report.refused()), (0, 1));
        assert!(report.response(1).len() < 1000);
    }
}

#[test]
fn limits_refuse_the_request() {
    let refused = |limits: LogLimits, body: &str| {
        decode(Some("x"), body.as_bytes(), &limits, &mut LogBatch::default()).unwrap_err()
    };
    let limits = LogLimits::default();
    assert_eq!(
        refused(limits.clone(), " \n\n"),
        LogError::Malformed { what: "request body holds no action".into(), at: 0 }
    );
    let small = LogLimits { body_bytes: FILEBEAT.len() - 1, ..limits.clone() };
    assert_eq!(refused(small, FILEBEAT), LogError::BodyTooLarge { limit: FILEBEAT.len() - 1 });
    let few = LogLimits { records: 1, ..limits.clone() };
    assert_eq!(refused(few.clone(), FILEBEAT), LogError::TooMany { what: "actions", limit: 1 });
    assert_eq!(refused(few, "{\"delete\":{}}\n{\"delete\":{}}\n"), LogError::TooMany { what: "actions", limit: 1 });
    let two_hosts = "{\"index\":{}}\n{\"host\":\"a\"}\n{\"index\":{}}\n{\"host\":\"b\"}\n";
    let one = LogLimits { streams: 1, ..limits };
    assert_eq!(refused(one, two_hosts), LogError::TooMany { what: "streams", limit: 1 });
}

#[test]
fn a_body_cut_or_changed_anywhere_never_panics() {
    let body = [RSYSLOG, FILEBEAT].concat().into_bytes();
    let decoded = |body: &[u8]| {
        let mut batch = LogBatch::default();
        let Ok(report) = decode(Some("x"), body, &LogLimits::default(), &mut batch) else { return };
        assert_eq!(answered(&report)["items"].as_array().unwrap().len(), report.taken() + report.refused());
        assert_eq!(batch.records().count(), report.taken());
    };
    for at in 0..body.len() {
        decoded(&body[..at]);
        let mut changed = body.clone();
        for change in [0x01, 0x04, 0x80] {
            changed[at] = body[at] ^ change;
            decoded(&changed);
        }
    }
}

proptest! {
    #[test]
    fn any_bytes_are_answered(body in prop_oneof![
        prop::collection::vec(any::<u8>(), 0..300),
        r#"(\{"(index|create|delete|x)":\{\}\}\n|\{"message":[0-9"{}]{0,4}\}\n){0,8}"#.prop_map(String::into_bytes),
    ]) {
        let mut batch = LogBatch::default();
        if let Ok(report) = decode(Some("x"), &body, &LogLimits::default(), &mut batch) {
            prop_assert_eq!(answered(&report)["items"].as_array().unwrap().len(), report.taken() + report.refused());
            prop_assert_eq!(batch.len(), report.taken());
        }
    }
}
