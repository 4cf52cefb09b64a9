//! What the API says of sessions.

use super::*;

const HOUR: i64 = 3_600_000;

async fn log(story: &Story, lines: Vec<(TimestampMs, String)>) {
    let values: Vec<_> = lines.iter().map(|(at, line)| json!([(at * 1_000_000).to_string(), line])).collect();
    let body = json!({"streams": [{"stream": {"service": "pay", "namespace": "shop"}, "values": values}]});
    let request = Request::post("/loki/api/v1/push").header(CONTENT_TYPE, "application/json");
    let request = request.header("X-Scope-OrgID", "shop").body(body.to_string().into()).unwrap();
    assert_eq!(story.send(request).await.status, StatusCode::NO_CONTENT);
}

async fn ask(story: &Story, tenant: &str, query: &str) -> Value {
    let request = Request::get(format!("/api/v1/log_sessions{query}")).header("X-Scope-OrgID", tenant);
    let answer = story.send(request.body(Body::empty()).unwrap()).await;
    assert_eq!(answer.status, StatusCode::OK);
    serde_json::from_str(&answer.body).unwrap()
}

#[tokio::test]
async fn sessions_are_listed_with_the_last_broken_ones() {
    let story = Story::begin();
    let job = |i: i64| {
        let at = NOW - 7 * HOUR + i * 21_000;
        [(at, format!("job_id={i} begins")), (at + 900, format!("job_id={i} is done"))]
    };
    log(&story, (0..100).flat_map(job).collect()).await;
    let rows = ask(&story, "shop", "").await;
    assert_eq!((&rows["total"], &rows["items"][0]["state"]), (&json!(1), &json!("learning")));
    log(&story, (100..1_180).flat_map(job).collect()).await;
    log(&story, vec![(NOW - 181_000, "job_id=<b> begins".to_owned()), (NOW - 180_000, "job_id=x1 begins".to_owned())])
        .await;
    log(&story, vec![(NOW, "job_id=x2 begins".to_owned())]).await;

    let rows = ask(&story, "shop", "?service=pay&namespace=shop").await;
    let row = &rows["items"][0];
    assert_eq!((&row["service"], &row["state"], &row["one_of"]), (&json!("pay"), &json!("learnt"), &json!(1)));
    assert_eq!((&row["broken"], &row["open"]), (&json!(1), &json!(1)), "{row}");
    assert_eq!(row["relations"].as_array().unwrap().len(), 3, "{row}");
    let last = &row["last_broken"][0];
    assert_eq!((&last["id"], &last["line"]), (&json!("x1"), &json!("job_id=x1 begins")));
    assert_eq!(last["broken"][0], "usually once: \"job_id=<*> is done\" 0 times");
    assert_eq!(last["at"], "2026-11-21T02:40:04Z");
    for (tenant, query) in [("shop", "?service=other"), ("shop", "?namespace=other"), ("other", "")] {
        assert_eq!(ask(&story, tenant, query).await["total"], 0, "{tenant} {query}");
    }
}
