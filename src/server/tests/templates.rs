//! The page of templates, and what the page of a finding says of lines.

use super::*;

const HOUR: i64 = 3_600_000;

impl Story {
    async fn log(&self, service: &str, lines: &[(TimestampMs, String)]) {
        let values: Vec<_> = lines.iter().map(|(at, line)| json!([(at * 1_000_000).to_string(), line])).collect();
        let body = json!({"streams": [{"stream": {"service": service}, "values": values}]});
        let request = Request::post("/loki/api/v1/push").header(CONTENT_TYPE, "application/json");
        let request = request.header("X-Scope-OrgID", "shop").body(body.to_string().into()).unwrap();
        assert_eq!(self.send(request).await.status, StatusCode::NO_CONTENT);
    }

    async fn page(&self, tenant: &str, path: &str) -> String {
        let request = Request::get(path).header("X-Scope-OrgID", tenant).body(Body::empty()).unwrap();
        self.send(request).await.body
    }
}

/// Eight hours of orders; in the end a line that was never there, and a service that was never there either.
async fn begin() -> Story {
    let story = Story::begin();
    let orders: Vec<_> = (0..600).map(|i| (NOW - 8 * HOUR + i * 45_000, format!("INFO order {i} paid"))).collect();
    story.log("cart", &orders).await;
    let hostile = "ERROR gateway <script>alert(1)</script> is gone";
    story.log("cart", &[(NOW - 200_000, hostile.to_owned()), (NOW, "INFO order 1 paid".to_owned())]).await;
    story.log("mail", &[(NOW - 1_000, "WARN nothing to send".to_owned())]).await;
    story
}

#[tokio::test]
async fn templates_are_marked_ordered_and_harmless() {
    let story = begin().await;
    let page = story.page("shop", "/logs/templates").await;
    assert!(page.contains("3 templates, 603 lines."), "{page}");
    assert!(!page.contains("<script>") && page.contains("gateway &lt;script&gt;"), "{page}");
    assert!(page.contains(r#"order <span class="hole">&lt;*&gt;</span> paid"#), "{page}");
    assert_eq!((page.matches(">new<").count(), page.matches(">unusual<").count()), (1, 1), "{page}");
    let (_, below) = page.split_once("<h2>Templates</h2>").unwrap();
    let place = |text: &str| below.find(text).unwrap_or_else(|| panic!("{text} is missing in {page}"));
    assert!(
        place(">new<") < place("gateway") && place("gateway") < place("> paid") && place("> paid") < place("nothing")
    );
    let rows = story.page("shop", "/api/v1/templates?service=mail").await;
    let rows: Value = serde_json::from_str(&rows).unwrap();
    let to_lines = format!("/logs?service=mail&amp;template={}", rows["items"][0]["id"].as_str().unwrap());
    assert!(page.contains(&to_lines), "{page}");
    // 45 s apart, two lines come in some minutes.
    assert!(page.contains("<title>at most 2 lines a minute</title>"), "{page}");

    let path = page.split("href=\"").filter_map(|rest| rest.split('"').next()).find(|to| to.starts_with("/findings/"));
    let finding = story.page("shop", path.unwrap()).await;
    assert!(finding.contains("<blockquote><code>ERROR gateway &lt;script&gt;") && !finding.contains("<script>"));
    assert!(finding.contains("/logs?service=cart&amp;template=") && finding.contains("&amp;start="), "{finding}");
}

#[tokio::test]
async fn templates_are_narrowed_down_and_the_tenants_own() {
    let story = begin().await;
    for (query, expected) in [("service=mail", 1), ("severity=error", 1), ("text=o&severity=", 3), ("namespace=x", 0)] {
        let page = story.page("shop", &format!("/logs/templates?{query}")).await;
        assert_eq!(page.matches("<details>").count(), expected, "{query}: {page}");
    }
    let hostile = story.page("shop", "/logs/templates?text=%22%3E%3Cscript%3E").await;
    assert!(!hostile.contains("<script>") && hostile.contains("No templates."), "{hostile}");
    let other = story.page("other", "/logs/templates").await;
    assert!(other.contains("No templates.") && !other.contains("cart"), "{other}");
    let wrong = story.get("/logs/templates?severity=loud").await;
    assert_eq!(wrong.status, StatusCode::BAD_REQUEST);
    assert!(wrong.body.contains(r#"role="alert""#) && wrong.body.contains("href=\"/logs\""), "{}", wrong.body);
}

#[tokio::test]
async fn errors_have_a_family() {
    let story = Story::begin();
    let orders: Vec<_> = (0..600).map(|i| (NOW - 8 * HOUR + i * 45_000, format!("INFO order {i} paid"))).collect();
    story.log("cart", &orders).await;
    let full = "ERROR cannot write /data/7.db: no space left on device";
    story.log("cart", &[(NOW - 200_000, full.to_owned()), (NOW, "INFO order 1 paid".to_owned())]).await;

    let rows: Value = serde_json::from_str(&story.page("shop", "/api/v1/templates?family=disk").await).unwrap();
    assert_eq!((&rows["total"], &rows["items"][0]["family"]), (&json!(1), &json!("disk")), "{rows}");
    let rows: Value = serde_json::from_str(&story.page("shop", "/api/v1/templates?text=order").await).unwrap();
    assert_eq!(rows["items"][0]["family"], Value::Null, "{rows}");
    let page = story.page("shop", "/logs/templates?family=disk").await;
    assert!(page.contains("1 templates, 1 lines.") && page.contains(r#"<span class="quiet">disk</span>"#), "{page}");
    let findings = story.page("shop", "/api/v1/findings").await;
    assert!(findings.contains("This reads like a disk or file system in trouble."), "{findings}");
    for path in ["/api/v1/templates?family=none", "/logs/templates?family=none"] {
        let request = Request::get(path).header("X-Scope-OrgID", "shop").body(Body::empty()).unwrap();
        assert_eq!(story.send(request).await.status, StatusCode::BAD_REQUEST, "{path}");
    }
}
