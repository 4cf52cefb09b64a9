//! What lines are about: by the API and on the page.

use super::*;

impl Story {
    async fn tell_of_shop(&self) {
        let lines = [
            "INFO sshd: session opened for user 1",
            "INFO sshd: session closed for user 1",
            "ERROR kernel: out of memory, killed process 7",
            "WARN kernel: memory is low, process 7 may be killed",
        ];
        let of = |service: &str, lines: &[&str]| {
            let values: Vec<_> = lines.iter().map(|line| json!([(NOW * 1_000_000).to_string(), line])).collect();
            json!({"stream": {"service": service}, "values": values})
        };
        let body = json!({"streams": [of("node", &lines), of("mail", &["sent 3", "sent 4", "<script> 5 is no mail"])]});
        let request = Request::post("/loki/api/v1/push").header(CONTENT_TYPE, "application/json");
        let request = request.header("X-Scope-OrgID", "shop").body(body.to_string().into()).unwrap();
        assert_eq!(self.send(request).await.status, StatusCode::NO_CONTENT);
    }

    async fn of_tenant(&self, tenant: &str, path: &str) -> Answer {
        self.send(Request::get(path).header("X-Scope-OrgID", tenant).body(Body::empty()).unwrap()).await
    }
}

#[tokio::test]
async fn topics_and_their_templates() {
    let story = Story::begin();
    story.tell_of_shop().await;
    let found = story.of_tenant("shop", "/api/v1/topics?service=node").await.json();
    assert_eq!(found["total"], 2, "{found}");
    let is_about_memory = |topic: &&Value| topic["templates"].to_string().contains("memory");
    let memory = found["items"].as_array().unwrap().iter().find(is_about_memory).unwrap();
    let name = memory["name"].as_str().unwrap();
    assert!(name.contains("memory") || name.contains("kernel"), "{name}");
    assert_eq!(
        (&memory["service"], &memory["namespace"], &memory["lines"], &memory["severity"], &memory["templates_total"]),
        (&json!("node"), &json!(""), &json!(2), &json!("error"), &json!(2))
    );
    assert_eq!(memory["templates"].as_array().unwrap().len(), 2);
    let id = memory["id"].as_str().unwrap();
    assert_eq!(id.len(), 16);

    let rows = story.of_tenant("shop", &format!("/api/v1/templates?topic={id}")).await.json();
    assert_eq!((&rows["total"], &rows["lines"]), (&json!(2), &json!(2)), "{rows}");
    for row in rows["items"].as_array().unwrap() {
        assert_eq!(row["topic"], json!({"id": id, "name": name}));
        assert!(row["template"].as_str().unwrap().contains("kernel"), "{row}");
    }
    let all = story.of_tenant("shop", "/api/v1/topics").await.json();
    assert_eq!(all["items"][0]["service"], "mail", "{all}");
    let one = story.of_tenant("shop", "/api/v1/topics?limit=1").await.json();
    assert_eq!((one["items"].as_array().unwrap().len(), &one["total"]), (1, &all["total"]));
    let page = story.get("/metrics").await;
    assert!(page.body.contains(&format!("\nvigie_log_topics {}\n", all["total"])), "{}", page.body);
    assert!(page.body.contains("\nvigie_log_topics_refresh_seconds "));
}

#[tokio::test]
async fn topics_are_the_tenants_own() {
    let story = Story::begin();
    story.tell_of_shop().await;
    let found = story.of_tenant("shop", "/api/v1/topics").await.json();
    let id = found["items"][0]["id"].as_str().unwrap();
    let other = story.of_tenant("other", "/api/v1/topics").await.json();
    assert_eq!(other, json!({"items": [], "total": 0}));
    let rows = story.of_tenant("other", &format!("/api/v1/templates?topic={id}")).await.json();
    assert_eq!(rows["total"], 0);
    story.of_tenant("shop", "/api/v1/topics?limit=x").await.is_error(400, "bad_data", "limit");
}

#[cfg(all(feature = "search", feature = "ui"))]
#[tokio::test]
async fn the_page_has_topics_above_templates() {
    let story = Story::begin();
    story.tell_of_shop().await;
    let found = story.of_tenant("shop", "/api/v1/topics?service=node").await.json();
    let id = found["items"][0]["id"].as_str().unwrap();
    let page = story.of_tenant("shop", "/logs/templates?service=node").await.body;
    let to_templates = format!("/logs/templates?service=node&amp;topic={id}\">2</a>");
    assert!(page.contains(&to_templates) && page.contains(&format!("/logs?topic={id}&amp;since=1d")), "{page}");
    assert!(page.contains("4 templates, 4 lines."), "{page}");
    let narrowed = story.of_tenant("shop", &format!("/logs/templates?service=node&topic={id}")).await.body;
    assert!(narrowed.contains("2 templates, 2 lines.") && narrowed.contains("<b>below</b>"), "{narrowed}");
    let hostile = story.of_tenant("shop", "/logs/templates?topic=%22%3E%3Cscript%3E").await.body;
    assert!(hostile.contains("No templates.") && !hostile.contains("<script>"), "{hostile}");
}
