//! The router as a client sees it, with a real engine behind it and the clock held still.

use std::time::Duration;

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{HeaderMap, Request, StatusCode, header::CONTENT_TYPE},
};
use serde_json::{Value, json};
use tower::ServiceExt;

use super::{App, Clock, router};
use crate::{
    config::{ByteSize, Config, Period},
    engine::{Options, Restored, Snapshot},
    fleet::{Fleet, FleetThreads, Keeper, Stopped},
    ingest::remote_write::{Encoder, Protocol},
    signal::{Labels, Sample, TimestampMs},
};

/// 2026-11-21T02:43:04Z
const NOW: TimestampMs = 1_795_228_984_000;

struct Story {
    app: App,
    router: Router,
    threads: FleetThreads,
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    fn data(&self) -> Value {
        let json = self.json();
        assert_eq!((self.status, &json["status"]), (StatusCode::OK, &json!("success")), "{json}");
        json["data"].clone()
    }

    #[track_caller]
    fn is_error(&self, status: u16, kind: &str, text: &str) {
        let json = self.json();
        assert_eq!((self.status.as_u16(), &json["errorType"]), (status, &json!(kind)), "{json}");
        assert!(json["error"].as_str().unwrap().contains(text), "{json}");
    }
}

impl Story {
    fn begin() -> Self {
        Self::with(Config::default())
    }

    fn with(config: Config) -> Self {
        let app = App::new(config, ([127, 0, 0, 1], 9797).into(), Clock::fixed(NOW));
        let (engine, threads) = Fleet::start(&Options { shards: 2, ..Options::default() }, None, None).unwrap();
        app.open(engine);
        Self { router: router(app.clone()), app, threads }
    }

    async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        let body = to_bytes(response.into_body(), 1 << 20).await.unwrap();
        Answer { status, headers, body: String::from_utf8(body.to_vec()).unwrap() }
    }

    async fn get(&self, path: &str) -> Answer {
        self.send(Request::get(path).body(Body::empty()).unwrap()).await
    }

    async fn post(&self, path: &str, form: &'static str) -> Answer {
        let request = Request::post(path).header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        self.send(request.body(form.into()).unwrap()).await
    }

    /// Sends `up{job=…}` = 1 at three times, the last of them now.
    async fn write(&self, tenant: &str, jobs: &[&str]) -> Answer {
        let mut encoder = Encoder::new(Protocol::V1);
        for job in jobs {
            let labels = Labels::from_pairs([("__name__", "up"), ("job", job)]);
            let samples = [NOW - 30_000, NOW - 15_000, NOW].map(|at| Sample { at, value: 1.0 });
            encoder.series(&labels, &samples);
        }
        let request = Request::post("/api/v1/write").header("X-Scope-OrgID", tenant);
        self.send(request.body(encoder.finish().into()).unwrap()).await
    }
}

#[tokio::test]
async fn grafana_saves_and_tests_a_data_source() {
    let story = Story::begin();
    let answer = story.post("/api/v1/query?time=4", "query=1%2B1").await;
    assert_eq!(answer.body, r#"{"status":"success","data":{"resultType":"scalar","result":[4,"2"]}}"#);
    assert_eq!(answer.headers[CONTENT_TYPE], "application/json");
    let build = story.get("/api/v1/status/buildinfo").await.data();
    assert_eq!((build["version"].is_string(), build.get("features")), (true, None));
    assert_eq!(story.get("/api/v1/query_exemplars?query=up").await.data(), json!([]));
    assert_eq!(story.get("/api/v1/metadata").await.data(), json!({}));
    let groups = story.get("/api/v1/rules").await.data();
    assert_eq!(groups["groups"][0]["rules"][0]["state"], "inactive");
    assert_eq!(story.get("/api/v1/rules?type=record").await.data(), json!({"groups": []}));
}

#[tokio::test]
async fn what_was_written_is_there_to_ask_for() {
    let story = Story::begin();
    let answer = story.write("shop", &["a", "b"]).await;
    assert_eq!((answer.status, answer.body.as_str()), (StatusCode::NO_CONTENT, ""));
    assert_eq!(answer.headers["x-prometheus-remote-write-samples-written"], "6");

    let get = async |path: &str| {
        let request = Request::get(path).header("X-Scope-OrgID", "shop");
        story.send(request.body(Body::empty()).unwrap()).await
    };
    assert_eq!(
        get("/api/v1/query?query=up%7Bjob%3D%22a%22%7D").await.data(),
        json!({"resultType": "vector", "result": [{"metric": {"__name__": "up", "job": "a"}, "value": [1_795_228_984, "1"]}]})
    );
    let range = format!("/api/v1/query_range?query=sum(up)&start={}&end={}&step=15s", NOW / 1000 - 15, NOW / 1000);
    let result = get(&range).await.data();
    assert_eq!(result["resultType"], "matrix");
    assert_eq!(result["result"][0]["values"], json!([[1_795_228_969, "2"], [1_795_228_984, "2"]]));
    assert_eq!(get("/api/v1/label/job/values").await.data(), json!(["a", "b"]));
    assert_eq!(get("/api/v1/label/U__job/values").await.data(), json!(["a", "b"]));
    let labels = get("/api/v1/labels?match[]=up").await.data();
    assert_eq!(labels, json!(["__name__", "job"]));
    let series = get("/api/v1/series?match[]=up&limit=1").await;
    assert_eq!(series.data(), json!([{"__name__": "up", "job": "a"}]));
    assert_eq!(series.json()["warnings"], json!(["results truncated due to limit"]));
    assert_eq!(get("/api/v1/findings").await.json(), json!({"items": [], "total": 0}));

    // Another tenant sees nothing of it.
    assert_eq!(story.get("/api/v1/labels").await.data(), json!([]));
}

impl Story {
    /// Sends a day and more of a gauge that moves gently and leaves its range at the end.
    async fn write_a_jump(&self) {
        const SCRAPES: i64 = 1_600;
        for from in (0..SCRAPES).step_by(20) {
            let value = |n: i64| {
                let wave = (n as f64 * 0.7).sin() + 0.3 * (n as f64 * 2.3).cos();
                50.0 + wave + 400.0 * (n - SCRAPES + 20).max(0) as f64
            };
            let sample = |n| Sample { at: NOW - (SCRAPES - 1 - n) * 60_000, value: value(n) };
            let mut encoder = Encoder::new(Protocol::V1);
            let labels = Labels::from_pairs([("__name__", "queue_length"), ("job", "shop"), ("queue", "<b>")]);
            encoder.series(&labels, &(from..from + 20).map(sample).collect::<Vec<_>>());
            let request = Request::post("/api/v1/write").body(encoder.finish().into()).unwrap();
            assert_eq!(self.send(request).await.status, StatusCode::NO_CONTENT);
        }
    }
}

#[tokio::test]
async fn a_finding_is_told_in_every_form() {
    let story = Story::begin();
    story.write_a_jump().await;

    let list = story.get("/api/v1/findings?status=firing").await.json();
    assert_eq!(list["total"], 1, "{list}");
    let finding = &list["items"][0];
    let id = finding["id"].as_str().unwrap();
    assert_eq!((&finding["metric"], &finding["labels"]["job"]), (&json!("queue_length"), &json!("shop")));
    assert_eq!(finding["url"], format!("/findings/{id}"));
    assert!(finding["drivers"][0]["share"].as_f64().unwrap() > 0.0, "{finding}");
    assert_eq!(story.get(&format!("/api/v1/findings/{id}")).await.json(), *finding);
    assert_eq!(story.get("/api/v1/findings?status=resolved").await.json(), json!({"items": [], "total": 0}));

    let alerts = story.get("/api/v1/alerts").await.data();
    assert_eq!(alerts["alerts"][0]["labels"]["alertname"], "VigieAnomaly");
    assert_eq!(alerts["alerts"][0]["annotations"]["finding"], *id);
    let rules = story.get("/api/v1/rules?rule_name[]=VigieAnomaly").await.data();
    assert_eq!(rules["groups"][0]["rules"][0]["state"], "firing");
    let asked = story.get("/api/v1/query?query=vigie_anomalous%20%3D%3D%201").await.data();
    assert_eq!(asked["result"][0]["metric"]["metric"], "queue_length", "the rule's own query finds it: {asked}");

    #[cfg(feature = "ui")]
    for path in ["/".to_owned(), format!("/findings/{id}")] {
        let page = story.get(&path).await.body;
        assert!(page.contains("going on") && page.contains(r#"class="plot""#), "{page}");
        for drawn in ["plot-value", "plot-band", "plot-score-line", "plot-mark"] {
            assert!(page.contains(&format!("class=\"{drawn}\"")), "{drawn} is missing at {path}");
        }
        assert!(!page.contains("<b>"), "labels are text: {page}");
    }
}

#[tokio::test]
async fn errors_come_in_the_envelope() {
    let story = Story::begin();
    for (path, text) in [
        ("/api/v1/query?query=up%7B", "parse error"),
        ("/api/v1/query?query=", "parse error"),
        ("/api/v1/query?query=up&time=noon", r#"invalid parameter "time": cannot parse "noon""#),
        ("/api/v1/query?query=up&limit=-1", r#"invalid parameter "limit""#),
        ("/api/v1/query_range?query=up&start=2&end=1&step=1", "end timestamp must not be before start time"),
        ("/api/v1/query_range?query=up&start=0&end=99999&step=1", "11,000 points"),
        ("/api/v1/series", "no match[] parameter provided"),
        ("/api/v1/labels?match[]=%7B%7D", r#"invalid parameter "match[]""#),
        ("/api/v1/rules?type=other", r#"invalid parameter "type""#),
        ("/api/v1/findings?status=open", r#"invalid parameter "status""#),
    ] {
        story.get(path).await.is_error(400, "bad_data", text);
    }
    story.get("/api/v1/findings/none").await.is_error(404, "not_found", "none");
    let bad_tenant = Request::get("/api/v1/labels").header("X-Scope-OrgID", "a/b").body(Body::empty()).unwrap();
    story.send(bad_tenant).await.is_error(400, "bad_data", "X-Scope-OrgID");

    let unknown = story.get("/api/v1/nothing").await;
    assert_eq!((unknown.status.as_u16(), unknown.body.as_str()), (404, "404 page not found\n"));
    assert_eq!(unknown.headers[CONTENT_TYPE], "text/plain; charset=utf-8");
}

#[tokio::test]
async fn a_query_without_time_is_told_so() {
    let mut config = Config::default();
    config.query.timeout = "1ms".parse().unwrap();
    config.query.max_concurrent = 1;
    let story = Story::with(config);
    let turn = story.app.queries().turns.clone().acquire_owned().await.unwrap();
    story.get("/api/v1/query?query=1").await.is_error(503, "timeout", "query timed out in query queue");
    drop(turn);
}

#[tokio::test]
async fn writers_are_told_to_wait_or_to_give_up() {
    let mut config = Config::default();
    config.ingest.max_concurrent_requests = 1;
    config.ingest.max_compressed_body = "1KiB".parse::<ByteSize>().unwrap();
    config.ingest.request_timeout = Period::from_secs(5);
    let story = Story::with(config);

    let busy = story.app.places().take(&crate::signal::TenantId::default()).unwrap();
    let answer = story.write("shop", &["a"]).await;
    assert_eq!((answer.status.as_u16(), &answer.headers["retry-after"]), (503, &"1".parse().unwrap()));
    drop(busy);

    let post = |body: Vec<u8>| Request::post("/api/v1/write").body(Body::from(body)).unwrap();
    let too_large = story.send(post(vec![0; 1025])).await;
    assert_eq!(too_large.status.as_u16(), 413);
    assert_eq!(too_large.headers["x-prometheus-remote-write-samples-written"], "0");
    assert_eq!(story.send(post(b"not snappy".to_vec())).await.status.as_u16(), 400);
    let other = Request::post("/api/v1/write").header(CONTENT_TYPE, "application/json").body(Body::empty()).unwrap();
    assert_eq!(story.send(other).await.status.as_u16(), 415);
    assert_eq!(story.write("a/b", &["a"]).await.status.as_u16(), 400);
    assert_eq!(story.get("/api/v1/write").await.status.as_u16(), 405);
}

/// What an engine that has stopped would leave on disk.
fn restored((stopped, _): (Stopped, Option<Keeper>)) -> Restored {
    let mut bytes = Vec::new();
    stopped.write(&mut bytes).unwrap();
    Snapshot::read(&mut &*bytes).unwrap().decode().unwrap()
}

#[tokio::test]
async fn readiness_follows_the_life_of_the_daemon() {
    let app = App::new(Config::default(), ([127, 0, 0, 1], 9797).into(), Clock::fixed(NOW));
    let (engine, threads) = Fleet::start(&Options::default(), None, None).unwrap();
    let story = Story { router: router(app.clone()), app, threads };
    let ready = async || story.get("/-/ready").await.status.as_u16();

    assert_eq!((ready().await, story.get("/-/healthy").await.status.as_u16()), (503, 200));
    story.get("/api/v1/query?query=1").await.is_error(503, "unavailable", "starting");
    assert_eq!(story.write("shop", &["a"]).await.status.as_u16(), 503);

    story.app.open(engine);
    assert_eq!(ready().await, 200);
    assert_eq!(story.write("shop", &["a"]).await.status.as_u16(), 204);

    story.app.close();
    assert_eq!((ready().await, story.get("/-/healthy").await.status.as_u16()), (503, 200));
    story.get("/api/v1/labels").await.is_error(503, "unavailable", "stopping");
    // Nobody holds the engine any more, so that its threads end and the state comes back.
    let joined = tokio::task::spawn_blocking(move || story.threads.join());
    let stopped = tokio::time::timeout(Duration::from_secs(20), joined).await.unwrap().unwrap().unwrap();
    assert_eq!(restored(stopped).series(), 1);
}

#[tokio::test]
async fn the_metrics_page_counts_what_happened() {
    let story = Story::begin();
    story.write("shop", &["a", "b"]).await;
    story.get("/api/v1/query?query=up").await;
    story.get("/nowhere").await;
    let page = story.get("/metrics").await;
    assert!(page.headers[CONTENT_TYPE].to_str().unwrap().starts_with("application/openmetrics-text"));
    assert!(page.body.ends_with("# EOF\n"), "{}", page.body);
    for line in [
        r#"vigie_http_requests_total{handler="/api/v1/query",code="200"} 1"#,
        r#"vigie_http_requests_total{handler="/api/v1/write",code="204"} 1"#,
        r#"vigie_http_requests_total{handler="unknown",code="404"} 1"#,
        r#"vigie_remote_write_written_total{kind="samples"} 6"#,
        r#"vigie_remote_write_scored_seconds_count 1"#,
        r#"# HELP vigie_memory_bytes Memory of the engine by part, about."#,
        "vigie_journal_bytes 0",
        "vigie_chunks_bytes 0",
        r#"vigie_queue_capacity{queue="router"} 256"#,
    ] {
        assert!(page.body.lines().any(|found| found == line), "{line} is missing in\n{}", page.body);
    }
    let series: u64 = page
        .body
        .lines()
        .filter_map(|line| line.strip_prefix("vigie_series{")?.rsplit(' ').next()?.parse::<u64>().ok())
        .sum();
    assert_eq!(series, 2);
}

#[cfg(feature = "ui")]
mod pages {
    use super::*;

    #[tokio::test]
    async fn an_empty_page_says_how_to_begin() {
        let story = Story::begin();
        let page = story.get("/").await;
        assert_eq!(page.status, StatusCode::OK);
        assert!(page.body.contains("remote_write:\n  - url: http://127.0.0.1:9797/api/v1/write<"), "{}", page.body);
        assert!(page.body.contains(r#"<html lang="en">"#));
        assert!(page.headers["content-security-policy"].to_str().unwrap().starts_with("default-src 'none'"));
        assert!(page.body.contains(r#"http-equiv="refresh""#));
        assert!(!story.get("/?refresh=off").await.body.contains("http-equiv=\"refresh\""));

        let request = Request::get("/").header("X-Scope-OrgID", "shop").body(Body::empty()).unwrap();
        assert!(story.send(request).await.body.contains("X-Scope-OrgID: &quot;shop&quot;"));
    }

    #[tokio::test]
    async fn a_quiet_tenant_sees_what_arrives() {
        let story = Story::begin();
        story.write("default", &["a", "b"]).await;
        let page = story.get("/").await.body;
        assert!(page.contains("Nothing out of the ordinary"), "{page}");
        assert!(page.contains("<dt>series</dt><dd>2</dd>"), "{page}");
        assert!(page.contains("0 s ago"), "{page}");
    }

    #[tokio::test]
    async fn a_finding_that_is_not_there_is_404_and_harmless() {
        let story = Story::begin();
        let page = story.get("/findings/%3Cscript%3E").await;
        assert_eq!(page.status, StatusCode::NOT_FOUND);
        assert!(page.body.contains("&lt;script&gt;") && !page.body.contains("<script>"), "{}", page.body);
    }
}

mod limits;
#[cfg(feature = "search")]
mod lines;
mod logs;
mod sessions;
#[cfg(all(feature = "search", feature = "ui"))]
mod templates;
mod told;
mod topics;
