//! What people tell vigie: planned work and feedback, by the API and by the forms of the page.

use axum::http::header::LOCATION;

use super::*;

impl Story {
    async fn send_as(&self, tenant: &str, method: &str, path: &str, body: Option<&Value>) -> Answer {
        let request = Request::builder().method(method).uri(path).header("X-Scope-OrgID", tenant);
        let (request, body) = match body {
            Some(json) => (request.header(CONTENT_TYPE, "application/json"), json.to_string()),
            None => (request, String::new()),
        };
        self.send(request.body(body.into()).unwrap()).await
    }

    async fn tell(&self, path: &str, body: &Value) -> Answer {
        self.send_as("default", "POST", path, Some(body)).await
    }

    /// Posts a form as a browser does that shows a page of `origin`.
    async fn submit(&self, origin: &str, path: &str, form: &str) -> Answer {
        let request = Request::post(path)
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header("Host", "127.0.0.1:9797")
            .header("Origin", origin);
        self.send(request.body(form.to_owned().into()).unwrap()).await
    }

    async fn windows(&self, tenant: &str) -> Vec<Value> {
        let list = self.send_as(tenant, "GET", "/api/v1/maintenance", None).await.json();
        assert_eq!(list["total"], list["items"].as_array().unwrap().len());
        list["items"].as_array().unwrap().clone()
    }
}

const OWN: &str = "http://127.0.0.1:9797";

#[tokio::test]
async fn planned_work_comes_and_goes_and_is_the_tenants_own() {
    let story = Story::begin();
    let window = json!({
        "match": "{job=\"db\"}", "from": "2026-11-21T03:00:00+01:00", "until": "2026-11-21T03:00:00Z", "every": "7d",
        "comment": "backup",
    });
    let planned = story.tell("/api/v1/maintenance", &window).await;
    assert_eq!(planned.status, StatusCode::CREATED, "{}", planned.body);
    let planned = planned.json();
    let id = planned["id"].as_str().unwrap().to_owned();
    assert_eq!(
        planned,
        json!({
            "id": id, "match": "{job=\"db\"}", "from": "2026-11-21T02:00:00Z", "until": "2026-11-21T03:00:00Z",
            "every": "7d", "comment": "backup", "active": true, "configured": false,
        })
    );
    let now = story.tell("/api/v1/maintenance", &json!({"match": "up", "for": "2h"})).await.json();
    assert_eq!((&now["from"], &now["until"]), (&json!("2026-11-21T02:43:04Z"), &json!("2026-11-21T04:43:04Z")));
    assert_eq!(story.windows("default").await, [planned.clone(), now.clone()]);
    assert_eq!(story.tell("/api/v1/maintenance", &window).await.json(), planned, "the same again is the same");
    assert_eq!(story.windows("default").await.len(), 2);

    assert!(story.windows("other").await.is_empty());
    let path = format!("/api/v1/maintenance/{id}");
    story.send_as("other", "DELETE", &path, None).await.is_error(404, "not_found", &id);
    assert_eq!(story.send_as("default", "DELETE", &path, None).await.status, StatusCode::NO_CONTENT);
    assert_eq!(story.windows("default").await, [now]);
    story.send_as("default", "DELETE", &path, None).await.is_error(404, "not_found", "over or ended");
}

#[tokio::test]
async fn windows_that_cannot_work_are_refused_in_words() {
    let story = Story::begin();
    let long = "x".repeat(5_000);
    for (body, text) in [
        (json!({"for": "2h"}), "missing field `match`"),
        (json!({"match": "{job=", "for": "2h"}), "invalid \"match\": is not a selector"),
        (json!({"match": "{}", "for": "2h"}), "invalid \"match\": is not a selector"),
        (json!({"match": "rate(up[5m])", "for": "2h"}), "expected a series selector"),
        (json!({"match": format!("{{a=\"{long}\"}}"), "for": "2h"}), "at most 4096 are read"),
        (json!({"match": "up"}), "\"for\" must be given"),
        (json!({"match": "up", "for": "2h", "until": "2027-01-01T00:00:00Z"}), "not both"),
        (json!({"match": "up", "for": "two hours"}), "\"two hours\" is not a duration"),
        (json!({"match": "up", "for": "0s"}), "invalid \"until\": must be after `from`"),
        (json!({"match": "up", "for": "9999999d"}), "beyond the calendar"),
        (json!({"match": "up", "from": "tonight", "for": "2h"}), "\"tonight\" is not a time"),
        (json!({"match": "up", "from": "2026-01-01T00:00:00Z", "for": "2h"}), "in the past"),
        (json!({"match": "up", "for": "2h", "every": "1h"}), "at least as long as the window"),
        (json!({"match": "up", "for": "2h", "comment": &long[..1_001]}), "invalid \"comment\": has 1001 bytes"),
        (json!({"match": "up", "for": "2h", "id": "config-0"}), "unknown field `id`"),
        (json!(["up"]), "invalid body"),
        (json!({"match": 7, "for": "2h"}), "invalid type"),
    ] {
        story.tell("/api/v1/maintenance", &body).await.is_error(400, "bad_data", text);
    }
    let huge = json!({"match": "up", "for": "2h", "comment": "x".repeat(40_000)});
    story.tell("/api/v1/maintenance", &huge).await.is_error(413, "too_large", "32768 bytes");
    let request = Request::post("/api/v1/maintenance").header(CONTENT_TYPE, "application/json");
    story.send(request.body("{".into()).unwrap()).await.is_error(400, "bad_data", "invalid body");
    assert!(story.windows("default").await.is_empty());
}

#[tokio::test]
async fn a_tenant_has_room_for_so_many_windows() {
    let story = Story::begin();
    let window = |n: usize| json!({"match": "up", "for": "2h", "comment": n.to_string()});
    for n in 0..100 {
        assert_eq!(story.tell("/api/v1/maintenance", &window(n)).await.status, StatusCode::CREATED);
    }
    story.tell("/api/v1/maintenance", &window(100)).await.is_error(409, "conflict", "there are 100 windows already");
    assert_eq!(story.tell("/api/v1/maintenance", &window(99)).await.status, StatusCode::CREATED, "it is there already");
    assert_eq!(story.windows("default").await.len(), 100);
    let other = story.send_as("other", "POST", "/api/v1/maintenance", Some(&window(100))).await;
    assert_eq!(other.status, StatusCode::CREATED);
}

#[tokio::test]
async fn windows_of_the_configuration_hold_for_all_and_end_in_the_file() {
    let text = "maintenance: [{match: '{job=\"db\"}', from: 2026-11-21T02:00:00Z, until: 2026-11-21T03:00:00Z}]";
    let story = Story::with(crate::config::parse("vigie.yaml".as_ref(), text, |_| None).unwrap());
    for tenant in ["default", "other"] {
        let windows = story.windows(tenant).await;
        assert_eq!((windows.len(), &windows[0]["id"]), (1, &json!("config-0")));
        assert_eq!((&windows[0]["configured"], &windows[0]["active"]), (&json!(true), &json!(true)));
    }
    let end = story.send_as("default", "DELETE", "/api/v1/maintenance/config-0", None).await;
    end.is_error(409, "conflict", "remove it from `maintenance`");
    story.send_as("default", "DELETE", "/api/v1/maintenance/config-1", None).await.is_error(
        404,
        "not_found",
        "config-1",
    );
}

#[tokio::test]
async fn feedback_is_given_shown_and_taken_back() {
    let story = Story::begin();
    story.write_a_jump().await;
    let finding = story.get("/api/v1/findings").await.json()["items"][0].clone();
    let (path, one) = (format!("/api/v1/findings/{}/feedback", finding["id"].as_str().unwrap()), &finding["id"]);
    assert_eq!((&finding["feedback"], &finding["companions"]["series"]), (&Value::Null, &json!(0)), "{finding}");
    assert!(finding["companions"]["strongest"].is_array() && finding.get("siblings").is_some(), "{finding}");

    for feedback in [json!("false-alarm"), json!("real"), Value::Null] {
        let answer = story.tell(&path, &json!({"feedback": feedback})).await;
        assert_eq!((answer.status, &answer.json()["feedback"]), (StatusCode::OK, &feedback), "{}", answer.body);
        let shown = story.get(&format!("/api/v1/findings/{}", one.as_str().unwrap())).await.json();
        assert_eq!(shown["feedback"], feedback);
    }
    for (body, text) in [
        (json!({}), "missing field `feedback`"),
        (json!({"feedback": "wrong"}), "expected `false-alarm` or `real`"),
        (json!({"feedback": 1}), "invalid type"),
        (json!({"feedback": "real", "why": "x"}), "unknown field `why`"),
    ] {
        story.tell(&path, &body).await.is_error(400, "bad_data", text);
    }
    story.tell("/api/v1/findings/none/feedback", &json!({"feedback": "real"})).await.is_error(404, "not_found", "none");
    let other = story.send_as("other", "POST", &path, Some(&json!({"feedback": "real"}))).await;
    other.is_error(404, "not_found", "there is no finding");
    assert_eq!(story.get("/api/v1/findings").await.json()["items"][0]["feedback"], Value::Null);
    assert_eq!(story.get(&path).await.status, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn findings_are_narrowed_down_by_kind() {
    let story = Story::begin();
    story.write_a_jump().await;
    let kind = story.get("/api/v1/findings").await.json()["items"][0]["kind"].as_str().unwrap().to_owned();
    assert_eq!(story.get(&format!("/api/v1/findings?kind={kind}")).await.json()["total"], 1);
    let other = if kind == "trend" { "variance" } else { "trend" };
    assert_eq!(story.get(&format!("/api/v1/findings?kind={other}")).await.json()["total"], 0);
    story.get("/api/v1/findings?kind=odd").await.is_error(400, "bad_data", "invalid parameter \"kind\"");
    let alerts = story.get("/api/v1/alerts").await.data();
    assert_eq!(alerts["alerts"][0]["annotations"]["kind"], kind.as_str());
    let page = story.get("/metrics").await.body;
    let bar = page.lines().find_map(|line| line.strip_prefix("vigie_finding_bar ")).expect("the bar is shown");
    assert!(bar.parse::<f64>().unwrap() > 0.0);
}

#[tokio::test]
async fn a_foreign_page_changes_nothing() {
    let story = Story::begin();
    story.write_a_jump().await;
    let id = story.get("/api/v1/findings").await.json()["items"][0]["id"].as_str().unwrap().to_owned();
    let feedback = format!("/api/v1/findings/{id}/feedback");
    for (path, form) in [(feedback.as_str(), "feedback=false-alarm"), ("/api/v1/maintenance", "match=up&for=2h")] {
        for origin in ["http://evil.example", "null", "http://127.0.0.1:9798"] {
            story.submit(origin, path, form).await.is_error(403, "forbidden", "vigie's own page");
        }
        story.post(path, "feedback=real").await.is_error(403, "forbidden", "scripts send application/json");
        // What a foreign page may send without asking: plain text that looks like JSON.
        let request = Request::post(path).header(CONTENT_TYPE, "text/plain").header("Origin", "http://evil.example");
        let answer = story.send(request.body(r#"{"feedback": "real"}"#.into()).unwrap()).await;
        answer.is_error(415, "unsupported_media_type", "application/json");
        // And a browser that asks first is given no leave.
        let request = Request::options(path).header("Origin", "http://evil.example").body(Body::empty()).unwrap();
        assert!(story.send(request).await.headers.get("access-control-allow-origin").is_none());
    }
    assert_eq!(story.get("/api/v1/findings").await.json()["items"][0]["feedback"], Value::Null);
    assert!(story.windows("default").await.is_empty());

    let own = story.submit(OWN, &feedback, "feedback=false-alarm").await;
    assert_eq!(
        (own.status, &own.headers[LOCATION]),
        (StatusCode::SEE_OTHER, &format!("/findings/{id}").parse().unwrap())
    );
    assert_eq!(story.get("/api/v1/findings").await.json()["items"][0]["feedback"], "false-alarm");
    assert_eq!(story.submit(OWN, &feedback, "feedback=").await.status, StatusCode::SEE_OTHER);
    assert_eq!(story.get("/api/v1/findings").await.json()["items"][0]["feedback"], Value::Null);
}

#[tokio::test]
async fn a_restart_keeps_what_was_told_and_follows_the_file() {
    let story = Story::begin();
    story.write_a_jump().await;
    let id = story.get("/api/v1/findings").await.json()["items"][0]["id"].as_str().unwrap().to_owned();
    let judged = story.tell(&format!("/api/v1/findings/{id}/feedback"), &json!({"feedback": "false-alarm"})).await;
    assert_eq!(judged.status, StatusCode::OK);
    let planned = story.tell("/api/v1/maintenance", &json!({"match": "up", "for": "2h"})).await.json();

    let stop = async |story: Story| {
        story.app.close();
        drop(story.router);
        restored(tokio::task::spawn_blocking(move || story.threads.join()).await.unwrap().unwrap())
    };
    let start = |text: &str, snapshot| {
        let config = crate::config::parse("vigie.yaml".as_ref(), text, |_| None).unwrap();
        let options = Options {
            shards: 3,
            rules: config.rules().unwrap(),
            maintenance: config.planned().unwrap(),
            ..Options::default()
        };
        let app = App::new(config, ([127, 0, 0, 1], 9797).into(), Clock::fixed(NOW));
        let (engine, threads) = Fleet::start(&options, Some(snapshot), None).unwrap();
        app.open(engine);
        Story { router: router(app.clone()), app, threads }
    };
    let all_plans = async |story: &Story| {
        let plans = story.app.ask(|engine| engine.plans(&crate::signal::TenantId::default())).await.unwrap();
        plans.into_iter().map(|work| (work.id, work.selector)).collect::<Vec<_>>()
    };
    let window = |job: &str| {
        format!(
            "maintenance: [{{match: '{{job=\"{job}\"}}', from: 2026-11-21T02:00:00Z, until: 2026-11-21T03:00:00Z}}]"
        )
    };
    let own = (planned["id"].as_str().unwrap().to_owned(), "up".to_owned());
    let snapshot = stop(story).await;

    let story = start(&window("db"), snapshot);
    assert_eq!(story.get("/api/v1/findings").await.json()["items"][0]["feedback"], "false-alarm");
    assert_eq!(story.windows("default").await[1], planned);
    assert_eq!(all_plans(&story).await, [("config-0".to_owned(), "{job=\"db\"}".to_owned()), own.clone()]);
    let story = start(&window("web"), stop(story).await);
    assert_eq!(all_plans(&story).await, [("config-0".to_owned(), "{job=\"web\"}".to_owned()), own.clone()]);
    let story = start("", stop(story).await);
    assert_eq!(all_plans(&story).await, [own]);
    assert_eq!(story.windows("default").await, [planned]);
}

#[cfg(feature = "ui")]
mod pages {
    use super::*;

    #[tokio::test]
    async fn a_finding_is_judged_on_its_page() {
        let story = Story::begin();
        story.write_a_jump().await;
        let id = story.get("/api/v1/findings").await.json()["items"][0]["id"].as_str().unwrap().to_owned();
        let path = format!("/findings/{id}");
        let before = story.get(&path).await;
        assert!(before.body.contains("Was it right?") && !before.body.contains("take back"), "{}", before.body);
        assert!(before.body.contains(&format!(r#"action="/api/v1/findings/{id}/feedback""#)));
        // Else the browser sends `Origin: null` and the form is taken for a foreign one.
        assert_eq!(before.headers["referrer-policy"], "same-origin");
        assert!(before.headers["content-security-policy"].to_str().unwrap().contains("form-action 'self'"));
        story.submit(OWN, &format!("/api/v1/findings/{id}/feedback"), "feedback=false-alarm").await;
        let after = story.get(&path).await.body;
        assert!(after.contains("Marked as a <b>false alarm</b>") && after.contains("take back"), "{after}");
        let overview = story.get("/").await.body;
        assert!(overview.contains("2 findings a week asked for; the bar stands at "), "{overview}");
        assert!(overview.contains("raised in the last 7 days: 1, of which 1 marked as false alarm."), "{overview}");
    }

    #[tokio::test]
    async fn work_is_planned_and_ended_on_the_page() {
        let story = Story::begin();
        story.write("default", &["a"]).await;
        assert!(story.get("/").await.body.contains(r#"href="/maintenance""#));
        assert!(story.get("/maintenance").await.body.contains("Nothing is planned."));
        let form = "match=%7Bjob%3D%22a%22%7D&from=2026-11-21T02%3A00&for=2h&every=&comment=%3Cscript%3E";
        let planned = story.submit(OWN, "/maintenance", form).await;
        assert_eq!(
            (planned.status, planned.headers[LOCATION].to_str().unwrap()),
            (StatusCode::SEE_OTHER, "/maintenance")
        );
        let [window] = story.windows("default").await.try_into().unwrap();
        assert_eq!((&window["from"], &window["every"]), (&json!("2026-11-21T02:00:00Z"), &Value::Null));
        let page = story.get("/maintenance").await.body;
        assert!(page.contains("&lt;script&gt;") && !page.contains("<script>") && page.contains("goes on"), "{page}");
        assert!(!page.contains("http-equiv"), "what is being written is not reloaded away");
        assert!(story.get("/").await.body.contains("planned work goes on"));

        let wrong = story.submit(OWN, "/maintenance", "match=%7B%22%3E%3Cb%3E&for=2h").await;
        assert_eq!(wrong.status, StatusCode::BAD_REQUEST);
        assert!(
            wrong.body.contains("is not a selector") && wrong.body.contains("value=\"{&quot;&gt;&lt;b&gt;\""),
            "{}",
            wrong.body
        );
        let end = format!("/maintenance/{}/end", window["id"].as_str().unwrap());
        let foreign = story.submit("http://evil.example", &end, "").await;
        assert_eq!((foreign.status, story.windows("default").await.len()), (StatusCode::FORBIDDEN, 1));
        assert_eq!(story.submit(OWN, &end, "").await.status, StatusCode::SEE_OTHER);
        assert!(story.windows("default").await.is_empty());
        assert_eq!(story.submit(OWN, &end, "").await.status, StatusCode::NOT_FOUND);
    }
}
