//! Shippers of logs: what they send, what they are told, what is counted.

use super::*;
use crate::{engine::TemplateList, signal::TenantId};

const PUSH: &str = "/loki/api/v1/push";
const LOKI: &str = r#"{"streams":[{"stream":{"service_name":"cart"},"values":[
    ["1795228984000000000","order of jane@example.com"],["1795228984000000001","paid"]]}]}"#;
const OTLP: &str = r#"{"resourceLogs":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"cart"}}]},
    "scopeLogs":[{"logRecords":[{"timeUnixNano":"1795228984000000000","body":{"stringValue":"paid"}}]}]}]}"#;
const BULK: &str = "{\"create\":{\"_index\":\"logs\"}}\n{\"message\":\"paid\",\"password\":\"hunter2\"}\n";
const NDJSON: &str = "application/x-ndjson";
const JSON: &str = "application/json";
/// An export and its answer in protobuf, both without anything in them.
const EMPTY: &[u8] = b"";

impl Story {
    async fn ship(&self, path: &str, content_type: &str, body: impl Into<Body>) -> Answer {
        self.send(Request::post(path).header(CONTENT_TYPE, content_type).body(body.into()).unwrap()).await
    }

    #[track_caller]
    fn counted(page: &Answer, lines: &[&str]) {
        for line in lines {
            assert!(page.body.lines().any(|found| found == *line), "{line} is missing in\n{}", page.body);
        }
    }
}

/// `{service="cart"}` with the line `paid`: streams, labels, entries, lines have the numbers 1, 1, 2, 2.
fn protobuf() -> Vec<u8> {
    let message = |number: u8, of: &[u8]| [&[number << 3 | 2, of.len() as u8], of].concat();
    let entry = message(2, &message(2, b"paid"));
    let stream = [message(1, br#"{service="cart"}"#), entry].concat();
    snap::raw::Encoder::new().compress_vec(&message(1, &stream)).unwrap()
}

#[tokio::test]
async fn shippers_are_answered_in_their_own_way_and_lines_are_counted() {
    let story = Story::begin();
    for (content_type, body) in [(JSON, LOKI.as_bytes().to_vec()), ("application/x-protobuf", protobuf())] {
        let answer = story.ship(PUSH, content_type, body).await;
        assert_eq!((answer.status.as_u16(), answer.body.as_str()), (204, ""), "{content_type}");
    }
    for path in ["/v1/logs", "/otlp/v1/logs"] {
        let answer = story.ship(path, JSON, OTLP).await;
        assert_eq!((answer.status.as_u16(), answer.body.as_str()), (200, "{}"));
        assert_eq!(answer.headers[CONTENT_TYPE], JSON);
        let answer = story.ship(path, "application/x-protobuf", EMPTY).await;
        assert_eq!((answer.status.as_u16(), answer.body.as_bytes()), (200, EMPTY));
        assert_eq!(answer.headers[CONTENT_TYPE], "application/x-protobuf");
    }
    for path in ["/_bulk", "/logs/_bulk", "/elasticsearch/_bulk", "/elasticsearch/logs/_bulk"] {
        for method in ["POST", "PUT"] {
            let request = Request::builder().method(method).uri(path).header(CONTENT_TYPE, NDJSON);
            let answer = story.send(request.body(BULK.into()).unwrap()).await;
            let json = answer.json();
            assert_eq!((answer.status.as_u16(), &json["errors"]), (200, &json!(false)), "{path}: {json}");
            assert_eq!(json["items"][0]["create"]["status"], 201);
            assert_eq!(
                (&answer.headers["x-elastic-product"], &answer.headers[CONTENT_TYPE]),
                (&"Elasticsearch".parse().unwrap(), &JSON.parse().unwrap())
            );
        }
    }
    Story::counted(
        &story.get("/metrics").await,
        &[
            r#"vigie_log_lines_received_total{protocol="loki"} 3"#,
            r#"vigie_log_lines_received_total{protocol="otlp"} 2"#,
            r#"vigie_log_lines_received_total{protocol="elasticsearch"} 8"#,
            r#"vigie_log_received_bytes_total{protocol="otlp"} 8"#,
            r#"vigie_log_redactions_total{kind="email"} 1"#,
            r#"vigie_log_redactions_total{kind="token"} 8"#,
            r#"vigie_http_requests_total{handler="/elasticsearch/{index}/_bulk",code="200"} 2"#,
        ],
    );
}

#[tokio::test]
async fn what_was_acknowledged_is_in_the_engine_without_what_is_not_to_be_kept() {
    let story = Story::begin();
    let request =
        Request::post(PUSH).header(CONTENT_TYPE, JSON).header("X-Scope-OrgID", "shop").body(LOKI.into()).unwrap();
    assert_eq!(story.send(request).await.status.as_u16(), 204);
    let shop = TenantId::parse("shop").unwrap();
    let asked = story.app.ask(move |engine| engine.templates(&shop, TemplateList::default())).await.unwrap();
    let mut examples: Vec<&str> = asked.iter().map(|row| row.example.as_str()).collect();
    examples.sort_unstable();
    assert_eq!(examples, ["order of <email>", "paid"]);
    assert_eq!(asked[0].source.get("service"), Some("cart"));
}

#[tokio::test]
async fn an_item_that_is_not_taken_is_never_said_to_be() {
    let story = Story::begin();
    let answer = story.ship("/x/_bulk", NDJSON, format!("{BULK}{{\"delete\":{{\"_id\":\"1\"}}}}\n")).await;
    let json = answer.json();
    assert_eq!((answer.status.as_u16(), &json["errors"]), (200, &json!(true)), "{json}");
    assert_eq!(
        (&json["items"][0]["create"]["status"], &json["items"][1]["delete"]["status"]),
        (&json!(201), &json!(400))
    );
    Story::counted(
        &story.get("/metrics").await,
        &[
            r#"vigie_log_lines_received_total{protocol="elasticsearch"} 1"#,
            r#"vigie_log_lines_rejected_total{protocol="elasticsearch"} 1"#,
        ],
    );
}

#[tokio::test]
async fn what_sending_again_does_not_help_is_4xx() {
    let mut config = Config::default();
    config.logs.max_body = "1KiB".parse::<ByteSize>().unwrap();
    let story = Story::with(config);
    let large = "x".repeat(1025);
    for (path, content_type, body, status) in [
        (PUSH, JSON, "{\"streams\":1}", 400),
        (PUSH, "", "not snappy", 400),
        (PUSH, JSON, &large, 413),
        ("/v1/logs", JSON, "{\"resourceLogs\":1}", 400),
        ("/v1/logs", "application/x-protobuf", "\u{1}", 400),
        ("/v1/logs", "text/plain", "{}", 415),
        ("/v1/logs", JSON, &large, 413),
        ("/_bulk", NDJSON, "\n", 400),
        ("/_bulk", NDJSON, &large, 413),
    ] {
        let answer = story.ship(path, content_type, body.to_owned()).await;
        assert_eq!(answer.status.as_u16(), status, "{path} {content_type}: {}", answer.body);
        assert!(!answer.headers.contains_key("retry-after") && !answer.body.is_empty());
    }
    let answer = story.ship("/v1/logs", JSON, "{").await;
    assert_eq!((&answer.headers[CONTENT_TYPE], &answer.json()["code"]), (&JSON.parse().unwrap(), &json!(3)));
    let bulk = story.ship("/_bulk", NDJSON, large.clone()).await.json();
    assert_eq!((&bulk["status"], &bulk["error"]["type"]), (&json!(413), &json!("content_too_long_exception")));

    // A kilobyte at most, also when it is out of its compression.
    let bomb = Request::post(PUSH).body(snap::raw::Encoder::new().compress_vec(large.as_bytes()).unwrap().into());
    assert_eq!(story.send(bomb.unwrap()).await.status.as_u16(), 413);
    let gzip = Request::post("/_bulk").header("content-encoding", "gzip").body("no gzip".into()).unwrap();
    assert_eq!(story.send(gzip).await.status.as_u16(), 400);
    let tenant = Request::post(PUSH).header("X-Scope-OrgID", "a/b").body(LOKI.into()).unwrap();
    assert_eq!(story.send(tenant).await.status.as_u16(), 400);
    assert_eq!(story.get(PUSH).await.status.as_u16(), 405);

    Story::counted(
        &story.get("/metrics").await,
        &[
            r#"vigie_log_requests_refused_total{protocol="loki",reason="invalid"} 3"#,
            r#"vigie_log_requests_refused_total{protocol="loki",reason="too_large"} 2"#,
            r#"vigie_log_requests_refused_total{protocol="otlp",reason="unsupported"} 1"#,
            r#"vigie_log_requests_refused_total{protocol="elasticsearch",reason="too_large"} 2"#,
        ],
    );
}

#[tokio::test]
async fn a_page_of_another_site_may_not_send_lines() {
    let story = Story::begin();
    let from = |name: &'static str, value: &'static str| {
        Request::post("/_bulk").header("host", "127.0.0.1:9797").header(name, value).body(Body::from(BULK)).unwrap()
    };
    assert_eq!(story.send(from("origin", "http://evil.example")).await.status.as_u16(), 403);
    assert_eq!(story.send(from("sec-fetch-site", "cross-site")).await.status.as_u16(), 403);
    assert_eq!(story.send(from("origin", "http://127.0.0.1:9797")).await.status.as_u16(), 200);
}

#[tokio::test]
async fn senders_wait_for_what_passes() {
    let mut config = Config::default();
    config.ingest.max_concurrent_requests = 1;
    let story = Story::with(config);
    let all = [(PUSH, JSON, LOKI), ("/v1/logs", JSON, OTLP), ("/_bulk", NDJSON, BULK)];

    let place = story.app.places().take(&TenantId::parse("shop").unwrap()).unwrap();
    for (path, content_type, body) in all {
        let answer = story.ship(path, content_type, body).await;
        assert_eq!((answer.status.as_u16(), &answer.headers["retry-after"]), (503, &"1".parse().unwrap()), "{path}");
    }
    drop(place);
    for (path, content_type, body) in all {
        assert!(story.ship(path, content_type, body).await.status.is_success());
    }
    assert_eq!(story.get("/ready").await.status.as_u16(), 200);
    story.app.close();
    assert_eq!(story.get("/ready").await.status.as_u16(), 503);
    let answers = [
        story.ship(PUSH, JSON, LOKI).await,
        story.ship("/v1/logs", JSON, OTLP).await,
        story.ship("/_bulk", NDJSON, BULK).await,
    ];
    for answer in &answers {
        assert_eq!((answer.status.as_u16(), &answer.headers["retry-after"]), (503, &"5".parse().unwrap()));
    }
    assert_eq!(answers[0].body, "vigie is stopping");
    assert_eq!(answers[1].json(), json!({"code": 14, "message": "vigie is stopping"}));
    assert_eq!(answers[2].json()["error"]["reason"], "vigie is stopping");
    Story::counted(
        &story.get("/metrics").await,
        &[
            r#"vigie_log_requests_refused_total{protocol="otlp",reason="busy"} 1"#,
            r#"vigie_log_requests_refused_total{protocol="otlp",reason="stopping"} 1"#,
        ],
    );
}

#[tokio::test]
async fn an_elasticsearch_is_found_where_clients_look() {
    let story = Story::begin();
    let ask = async |method: &str, path: &str, headers: &[(&str, &str)]| {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        story.send(request.body(Body::empty()).unwrap()).await
    };
    for (method, path) in [
        ("GET", "/elasticsearch"),
        ("GET", "/elasticsearch/"),
        ("HEAD", "/elasticsearch"),
        ("GET", "/elasticsearch/_license"),
        ("GET", "/_license"),
        ("GET", "/_cluster/health"),
        ("PUT", "/_index_template/filebeat"),
        ("HEAD", "/elasticsearch/_data_stream/logs"),
    ] {
        let answer = ask(method, path, &[]).await;
        assert_eq!((answer.status.as_u16(), answer.body.is_empty()), (200, method == "HEAD"), "{method} {path}");
        assert_eq!(answer.headers["x-elastic-product"], "Elasticsearch");
    }
    let media_type = "application/vnd.elasticsearch+json; compatible-with=9";
    let greeting = ask("GET", "/elasticsearch/", &[("accept", media_type)]).await;
    assert_eq!(greeting.json()["tagline"], "You Know, for Search");
    assert_eq!(greeting.headers[CONTENT_TYPE], "application/vnd.elasticsearch+json;compatible-with=9");
    let unknown = ask("GET", "/elasticsearch/_search", &[]).await;
    assert_eq!((unknown.status.as_u16(), &unknown.json()["status"]), (404, &json!(404)));
    assert_eq!(unknown.headers["x-elastic-product"], "Elasticsearch");
    assert_eq!(ask("GET", "/_search", &[]).await.body, "404 page not found\n");

    let clients = [
        ("accept", media_type),
        ("x-elastic-client-meta", "es=9.5.1,py=3.11.7"),
        ("user-agent", "elasticsearch-py/9.5.1 (Python/3.11.7; elastic-transport/9.4.2)"),
        ("user-agent", "opensearch-py/3.2.0 (Python 3.11.7)"),
        ("user-agent", "Elastic-filebeat/8.17.0 (linux; amd64)"),
        ("user-agent", "go-elasticsearch/8.17.0 (linux amd64; Go 1.23)"),
        ("user-agent", "logstash/8.17.0 (OS=Linux)"),
        ("user-agent", "Vector/0.44.0 (x86_64-unknown-linux-gnu)"),
    ];
    for client in clients {
        assert_eq!(ask("GET", "/", &[client]).await.json()["version"]["number"], "8.17.0", "{client:?}");
        assert_eq!(ask("HEAD", "/", &[client]).await.headers["x-elastic-product"], "Elasticsearch");
    }
    #[cfg(feature = "ui")]
    for other in [
        ("user-agent", "curl/8.5.0"),
        ("accept", "*/*"),
        ("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"),
        ("user-agent", "python-requests/2.34.2"),
    ] {
        let page = ask("GET", "/", &[other]).await;
        assert!(page.body.contains("<html"), "{other:?}: {}", page.body);
    }
}
