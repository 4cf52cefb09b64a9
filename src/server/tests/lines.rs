//! Log lines as Grafana, logcli and people ask for them.

use tempfile::TempDir;

use super::*;
use crate::{
    engine::TemplateRow,
    search::{Options as IndexOptions, Writer},
    signal::{LogBatch, LogLine, Severity, TenantId},
};

const NOW_S: i64 = NOW / 1000;
const SECOND: i64 = 1_000_000_000;

/// A minute of lines of the tenant `shop`, one a second: nine orders are paid, the tenth fails.
struct Logs {
    story: Story,
    _folder: TempDir,
}

impl Logs {
    fn begin() -> Self {
        Self::with(Config::default())
    }

    fn with(config: Config) -> Self {
        let folder = TempDir::new().unwrap();
        let (mut writer, _) = Writer::open(folder.path(), IndexOptions::default()).unwrap();
        let story = Story::with(config);
        story.app.open_index(writer.searcher());
        let mut batch = LogBatch::default();
        let cart = batch.stream(Labels::from_pairs([("service", "cart"), ("pod", "cart-1")]));
        let mail = batch.stream(Labels::from_pairs([("service", "mail")]));
        for i in 0..60 {
            let at = Some((NOW_S - 60 + i) * SECOND);
            let (severity, line) = match i % 10 {
                9 => (Severity::Error, format!("order {i} failed: <timeout>")),
                _ => (Severity::Info, format!("order {i} paid")),
            };
            let trace_id = if i == 9 { "0af7651916cd43dd8448eb211c80319c" } else { "" };
            let told = LogLine { at, severity: Some(severity), trace_id, line: &line };
            batch.push(cart, &told, [("user.id", "ann")]);
        }
        batch.push(mail, &LogLine { at: Some((NOW_S - 30) * SECOND), line: "sent", ..LogLine::default() }, []);
        let tenant = TenantId::parse("shop").unwrap();
        for record in batch.records() {
            let template = if record.line.contains("failed") { 0xfa } else { 0xab };
            writer.add(&tenant, NOW, &record, template).unwrap();
        }
        // The searcher was made before.
        writer.commit(1).unwrap();
        Self { story, _folder: folder }
    }

    async fn of(&self, tenant: &str, path: &str, parameters: &[(&str, &str)]) -> Answer {
        let pairs: Vec<String> = parameters.iter().map(|(name, value)| format!("{name}={}", escaped(value))).collect();
        let query = if pairs.is_empty() { String::new() } else { format!("?{}", pairs.join("&")) };
        let request = Request::get(format!("{path}{query}")).header("X-Scope-OrgID", tenant);
        self.story.send(request.body(Body::empty()).unwrap()).await
    }

    async fn get(&self, path: &str, parameters: &[(&str, &str)]) -> Answer {
        self.of("shop", path, parameters).await
    }
}

fn escaped(text: &str) -> String {
    let escape = |byte: u8| if byte.is_ascii_alphanumeric() { char::from(byte).into() } else { format!("%{byte:02X}") };
    text.bytes().map(escape).collect()
}

impl Answer {
    #[track_caller]
    fn is_refused(&self, status: u16, text: &str) {
        assert_eq!(self.status.as_u16(), status, "{}", self.body);
        assert!(self.headers[CONTENT_TYPE].to_str().unwrap().starts_with("text/plain"), "{:?}", self.headers);
        assert!(self.body.contains(text), "{}", self.body);
    }

    /// The lines of an answer with streams: time and text.
    fn lines(&self) -> Vec<(i64, String)> {
        let data = self.data();
        assert_eq!(data["resultType"], "streams");
        let values = data["result"].as_array().unwrap().iter().flat_map(|stream| stream["values"].as_array().unwrap());
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        values.map(|value| (text(&value[0]).parse().unwrap(), text(&value[1]))).collect()
    }
}

/// What Grafana's Loki data source sends: times in nanoseconds, steps in milliseconds.
#[tokio::test]
async fn grafana_shows_lines_and_volumes() {
    let logs = Logs::begin();
    let (start, end) = (((NOW_S - 60) * SECOND).to_string(), (NOW_S * SECOND).to_string());
    let range = async |query: &str, more: &[(&str, &str)]| {
        let usual = [("query", query), ("start", &start), ("end", &end), ("step", "10000ms"), ("limit", "1000")];
        logs.get("/loki/api/v1/query_range", &[&usual, more].concat()).await
    };

    // "Save & test".
    let health = logs.get("/loki/api/v1/query", &[("query", "vector(1)+vector(1)"), ("time", "4000000000")]).await;
    let two = json!([{"metric": {}, "value": [4_000_000_000_u64, "2"]}]);
    assert_eq!((&health.data()["resultType"], &health.data()["result"]), (&json!("vector"), &two));

    // Lines, by what the query builder, its filters and "filter for value" of a line make.
    for (query, expected) in [
        (r#"{service="cart"}"#, 60),
        (r#"{service="cart"} |= ``"#, 60),
        (r#"{service=~"cart|mail", pod!="x"} |= `order`"#, 60),
        (r#"{service="cart"} |~ `(?i)FAILED: <\w+>`"#, 6),
        (r#"{service="cart"} != `paid` !~ `[0-4]9`"#, 2),
        (r#"{service="cart"} | detected_level=`error`"#, 6),
        (r#"{service="cart"} |= `order` | template=`00000000000000fa`"#, 6),
        (r#"{service="cart"} | trace_id=`0af7651916cd43dd8448eb211c80319c`"#, 1),
        (r#"{service="cart"} | user_id=`ann` | detected_level!="info""#, 6),
        (r#"{service="nowhere"}"#, 0),
    ] {
        let answer = range(query, &[("direction", "backward")]).await;
        assert_eq!(answer.lines().len(), expected, "{query}");
    }

    // Grafana says that it knows labels of lines apart from those of streams, to know how to filter by each.
    let flags = Request::get("/loki/api/v1/query_range?query=%7Bservice%3D%22mail%22%7D");
    let flags = flags.header("X-Scope-OrgID", "shop").header("X-Loki-Response-Encoding-Flags", "categorize-labels");
    let data = logs.story.send(flags.body(Body::empty()).unwrap()).await.data();
    assert_eq!(
        (&data["encodingFlags"], &data["result"][0]),
        (
            &json!(["categorize-labels"]),
            &json!({"stream": {"service": "mail"}, "values": [
                [((NOW_S - 30) * SECOND).to_string(), "sent", {"structuredMetadata": {"template": "00000000000000ab"}}]]})
        )
    );

    // The volume above them, as it is asked now and as older versions do.
    let volume = json!([
        {"metric": {"detected_level": "error"}, "values": (1..=6).map(|i| json!([NOW_S - 60 + 10 * i, "1"])).collect::<Vec<_>>()},
        {"metric": {"detected_level": "info"}, "values": [
            [NOW_S - 60, "1"], [NOW_S - 50, "9"], [NOW_S - 40, "9"], [NOW_S - 30, "9"], [NOW_S - 20, "9"],
            [NOW_S - 10, "9"], [NOW_S, "8"]]},
    ]);
    let query =
        r#"sum by (level, detected_level) (count_over_time({service="cart"} |= `order` | drop __error__[10s]))"#;
    let answer = range(query, &[("direction", "backward")]).await.data();
    assert_eq!((&answer["resultType"], &answer["result"]), (&json!("matrix"), &volume));
    let older = r#"sum by (level) (count_over_time({service="cart"} |= `order` | drop __error__[10s]))"#;
    let answer = range(older, &[("direction", "backward")]).await.data();
    assert_eq!(answer["result"].as_array().unwrap().len(), 1);

    // Panels.
    for (query, series) in [
        (r#"sum by (service) (rate({service=~".+"}[1m]))"#, 2),
        (r#"sum(rate({service="cart"} |= "failed" [1m])) by (pod)"#, 1),
        (r#"count_over_time({service="cart"}[10s])"#, 2),
        (r#"topk(1, sum by (service) (bytes_rate({service=~".+"}[1m])))"#, 1),
        (r#"sum(bytes_over_time({service="cart"}[10000ms]))"#, 1),
    ] {
        let data = range(query, &[]).await.data();
        assert_eq!(data["result"].as_array().unwrap().len(), series, "{query}: {data}");
    }
    let query = r#"sum by (service) (count_over_time({service=~".+"}[1m]))"#;
    let now = logs.get("/loki/api/v1/query", &[("query", query), ("time", &end)]).await.data();
    assert_eq!(now["result"][0]["value"], json!([NOW_S, "59"]));

    // The lines around one: both ways from its time.
    let at = ((NOW_S - 31) * SECOND).to_string();
    let usual = [("query", r#"{service="cart"}"#), ("limit", "2")];
    let forward = [("start", &*at), ("end", &*end), ("direction", "FORWARD")];
    let after = logs.get("/loki/api/v1/query_range", &[&usual[..], &forward].concat()).await;
    assert_eq!(after.lines().iter().map(|(at, _)| at / SECOND - NOW_S).collect::<Vec<_>>(), [-31, -30]);
    let backward = [("start", &*start), ("end", &*at), ("direction", "BACKWARD")];
    let before = logs.get("/loki/api/v1/query_range", &[&usual[..], &backward].concat()).await;
    assert_eq!(before.lines().iter().map(|(at, _)| at / SECOND - NOW_S).collect::<Vec<_>>(), [-32, -33]);

    // The label browser and the hints of the query editor.
    let span = [("start", &*start), ("end", &*end)];
    let with = |name, value| [&span[..], &[(name, value)]].concat();
    assert_eq!(logs.get("/loki/api/v1/labels", &span).await.data(), json!(["pod", "service"]));
    let path = "/loki/api/v1/label/service/values";
    assert_eq!(logs.get(path, &span).await.data(), json!(["cart", "mail"]));
    assert_eq!(logs.get(path, &with("query", r#"{pod=~".+"}"#)).await.data(), json!(["cart"]));
    let series = logs.get("/loki/api/v1/series", &with("match[]", r#"{service="cart"}"#)).await.data();
    assert_eq!(series, json!([{"pod": "cart-1", "service": "cart"}]));
    let stats = logs.get("/loki/api/v1/index/stats", &with("query", r#"{service="mail"}"#)).await;
    assert_eq!(stats.json(), json!({"streams": 1, "chunks": 1, "bytes": 4, "entries": 1}));
    let volume = logs.get("/loki/api/v1/index/volume", &with("query", r#"{service=~".+"}"#)).await.data();
    assert_eq!(volume["result"][0]["metric"], json!({"service": "cart"}));
    assert_eq!(volume["result"][1]["value"][1], "4");
    let by = [&with("query", "{}")[..], &[("targetLabels", "pod"), ("step", "60")]].concat();
    let volumes = logs.get("/loki/api/v1/index/volume_range", &by).await.data();
    assert_eq!(
        (&volumes["resultType"], &volumes["result"][0]["metric"]),
        (&json!("matrix"), &json!({"pod": "cart-1"}))
    );
    assert_eq!(volumes["result"].as_array().unwrap().len(), 1);
    assert!(logs.get("/loki/api/v1/status/buildinfo", &[]).await.json()["version"].is_string());
}

/// As logcli does it: each answer's oldest line is where the next one ends, until one is short.
#[tokio::test]
async fn logcli_pages_backwards() {
    let logs = Logs::begin();
    let mut end = NOW_S * SECOND;
    let (mut seen, mut pages): (Vec<String>, i32) = (Vec::new(), 0);
    loop {
        let start = ((NOW_S - 3_600) * SECOND).to_string();
        let asked = [("query", r#"{service="cart"}"#), ("limit", "25"), ("start", &start), ("end", &end.to_string())];
        let mut lines = logs.get("/loki/api/v1/query_range", &asked).await.lines();
        lines.sort_by_key(|(at, _)| -at);
        pages += 1;
        let Some((last, _)) = lines.last() else { break };
        end = last + 1;
        let is_short = lines.len() < 25;
        seen.extend(lines.into_iter().map(|(_, line)| line).filter(|line| !seen.contains(line)).collect::<Vec<_>>());
        if is_short {
            break;
        }
    }
    assert_eq!((seen.len(), pages), (60, 3));
    assert!(seen[0].starts_with("order 59") && seen[59] == "order 0 paid", "{seen:?}");

    // `series` as a form, `label` for `labels`, times in seconds and as dates.
    let form = Request::post("/loki/api/v1/series?start=1795228000").header("X-Scope-OrgID", "shop");
    let form = form.header(CONTENT_TYPE, "application/x-www-form-urlencoded");
    let body = "match=%7Bservice%3D%22mail%22%7D&end=2026-11-21T02%3A43%3A04.000000001Z";
    let series = logs.story.send(form.body(body.into()).unwrap()).await;
    assert_eq!(series.data(), json!([{"service": "mail"}]));
    assert_eq!(logs.get("/loki/api/v1/label", &[("since", "30m")]).await.data(), json!(["pod", "service"]));
    assert_eq!(logs.get("/loki/api/v1/series", &[]).await.data().as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_tenant_sees_only_its_own_lines() {
    let logs = Logs::begin();
    assert_eq!(logs.of("shop", "/loki/api/v1/query_range", &[("query", "{}")]).await.lines().len(), 61);
    for tenant in ["default", "shop2"] {
        let of = async |path, parameters: &[(&str, &str)]| logs.of(tenant, path, parameters).await;
        assert_eq!(of("/loki/api/v1/query_range", &[("query", "{}")]).await.lines(), []);
        for path in ["/loki/api/v1/labels", "/loki/api/v1/label/service/values", "/loki/api/v1/series"] {
            assert_eq!(of(path, &[]).await.data(), json!([]), "{path}");
        }
        let query = ("query", "sum(count_over_time({}[1h]))");
        assert_eq!(of("/loki/api/v1/query", &[query]).await.data()["result"], json!([]));
        assert_eq!(of("/loki/api/v1/index/stats", &[("query", "{}")]).await.json()["entries"], 0);
        let found = of("/api/v1/logs", &[]).await.json();
        assert_eq!((&found["lines"], &found["histogram"]["total"]), (&json!([]), &json!(0)));
    }
    logs.of("a/b", "/loki/api/v1/labels", &[]).await.is_refused(400, "X-Scope-OrgID");
}

#[tokio::test]
async fn what_cannot_be_answered_is_refused_in_plain_text() {
    let logs = Logs::begin();
    let range = async |parameters: &[(&str, &str)]| logs.get("/loki/api/v1/query_range", parameters).await;
    range(&[]).await.is_refused(400, "parse error");
    range(&[("query", r#"{service="cart"} | json"#)]).await.is_refused(400, "the stage \"json\" is not supported");
    range(&[("query", r#"{service=~"("}"#)]).await.is_refused(400, "regular expression");
    range(&[("query", "{}"), ("limit", "5001")]).await.is_refused(400, "max entries limit");
    range(&[("query", "{}"), ("limit", "-1")]).await.is_refused(400, "\"limit\"");
    range(&[("query", "{}"), ("direction", "sideways")]).await.is_refused(400, "direction");
    range(&[("query", "{}"), ("start", "2"), ("end", "1")]).await.is_refused(400, "end timestamp must not be before");
    range(&[("query", "{}"), ("start", "yesterday")]).await.is_refused(400, "\"start\"");
    range(&[("query", "{}"), ("interval", "10s")]).await.is_refused(400, "interval");
    let fine = [("query", "rate({}[1m])"), ("start", "0"), ("step", "1")];
    range(&fine).await.is_refused(400, "11000 points");
    range(&[("query", "rate({}[1m])"), ("step", "0")]).await.is_refused(400, "step");
    logs.get("/loki/api/v1/query", &[("query", "{}")]).await.is_refused(400, "range query");
    let not_plain = [("match[]", r#"{service="x"} |= "y""#)];
    logs.get("/loki/api/v1/series", &not_plain).await.is_refused(400, "only a selector");
    logs.get("/loki/api/v1/tail", &[("query", "{}")]).await.is_refused(501, "does not follow logs live");

    // Nothing runs longer than it may, nor before the index is there or after it is closed.
    logs.story.app.close();
    range(&[("query", "{}")]).await.is_refused(503, "stopping");
    let starting = Story::begin();
    starting.get("/loki/api/v1/labels").await.is_refused(503, "starting");
    let mut config = Config::default();
    config.query.timeout = Period::from_secs(0);
    let late = Logs::with(config);
    late.get("/loki/api/v1/query_range", &[("query", "{}")]).await.is_refused(503, "query.timeout");
}

#[tokio::test]
async fn lines_come_as_plain_json() {
    let logs = Logs::begin();
    let find = async |parameters: &[(&str, &str)]| logs.get("/api/v1/logs", parameters).await;
    let found = find(&[("text", "FAILED timeout"), ("limit", "2")]).await.json();
    assert_eq!(
        found["lines"][0],
        json!({
            "at": "2026-11-21T02:43:03Z", "labels": {"pod": "cart-1", "service": "cart"}, "severity": "error",
            "template": "00000000000000fa", "trace_id": null, "line": "order 59 failed: <timeout>",
            "attributes": {"user.id": "ann"},
        })
    );
    assert_eq!((found["lines"].as_array().unwrap().len(), &found["partial"]), (2, &json!(false)));
    let histogram = &found["histogram"];
    assert_eq!((&histogram["start"], &histogram["step_seconds"]), (&json!("2026-11-21T01:43:00Z"), &json!(60)));
    let errors: Vec<u64> = serde_json::from_value(histogram["counts"]["error"].clone()).unwrap();
    assert_eq!((errors.len(), &errors[59..]), (61, &[5, 1][..]), "the last bar has four seconds");

    for (parameters, expected) in [
        (&[][..], 61),
        (&[("query", r#"{service="cart"} |= "paid""#)], 54),
        (&[("text", r#""order 9""#)], 1),
        (&[("service", "mail")], 1),
        (&[("severity", "error"), ("severity", "unknown")], 7),
        (&[("template", "fa")], 6),
        (&[("trace_id", "0AF7651916CD43DD8448EB211C80319C")], 1),
        (&[("since", "10s")], 10),
        (&[("start", "1795228979"), ("end", "1795228981")], 2),
    ] {
        let found = find(parameters).await.json();
        let number = found["lines"].as_array().unwrap_or_else(|| panic!("{parameters:?}: {found}")).len();
        assert_eq!((number, &found["histogram"]["total"]), (expected, &json!(expected)), "{parameters:?}");
    }
    let first = find(&[("direction", "forward"), ("limit", "1")]).await.json();
    assert_eq!(first["lines"][0]["line"], "order 0 paid");

    find(&[("query", "{}"), ("text", "x")]).await.is_error(400, "bad_data", "\"text\"");
    find(&[("query", "rate({}[1m])")]).await.is_error(400, "bad_data", "numbers");
    find(&[("query", "{")]).await.is_error(400, "bad_data", "invalid parameter \"query\": parse error");
    find(&[("severity", "loud")]).await.is_error(400, "bad_data", "\"loud\"");
    find(&[("template", "xyz")]).await.is_error(400, "bad_data", "hexadecimal");
    Story::begin().get("/api/v1/logs").await.is_error(503, "unavailable", "starting");
}

#[tokio::test]
async fn lines_of_a_topic_are_those_of_its_templates() {
    let logs = Logs::begin();
    let row = |(id, text): (u64, &str)| TemplateRow {
        id: format!("{id:016x}"),
        source: Labels::from_pairs([("service", "cart")]),
        text: text.to_owned(),
        lines: 10,
        first: NOW,
        last: NOW,
        severity: None,
        example: String::new(),
        parameters: Vec::new(),
    };
    let rows = [(0xab, "order <*> paid"), (0xac, "order <*> not paid"), (0xfa, "gateway timeout")].map(row);
    let shop = TenantId::parse("shop").unwrap();
    let topics = logs.story.app.topics().of(&shop, &rows, NOW);
    let [paid, failed] = &topics[..] else { panic!("{topics:?}") };
    let find = async |parameters: &[(&str, &str)]| logs.get("/api/v1/logs", parameters).await;
    for (parameters, expected) in [
        // One of another service has the template too.
        (&[("topic", &*paid.id())][..], 54),
        (&[("topic", &*failed.id())], 6),
        (&[("topic", &*failed.id()), ("text", "59")], 1),
        (&[("topic", &*failed.id()), ("template", "ab")], 0),
        (&[("topic", &*paid.id()), ("template", "ab"), ("template", "fa")], 54),
        (&[("topic", "")], 61),
    ] {
        assert_eq!(find(parameters).await.json()["histogram"]["total"], expected, "{parameters:?}");
    }
    for wrong in ["1", "xyz"].map(|id| [("topic", id), ("query", "{}")]) {
        find(&wrong[..1]).await.is_error(400, "bad_data", "\"topic\"");
        find(&wrong[..]).await.is_error(400, "bad_data", "\"topic\"");
    }
    let other = logs.of("other", "/api/v1/logs", &[("topic", &paid.id())]).await;
    other.is_error(400, "bad_data", "none, or not any more");
}

#[cfg(feature = "ui")]
#[tokio::test]
async fn the_page_shows_lines_and_is_harmless() {
    let logs = Logs::begin();
    let page = logs.get("/logs", &[("text", "\"><script>"), ("since", "6h")]).await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(!page.body.contains("<script>") && page.body.contains("No lines."), "{}", page.body);
    assert!(page.body.contains(r#"<option value="6h" selected>"#) && page.body.contains(r#"<option value="mail">"#));

    let page = logs.get("/logs", &[("service", "cart"), ("severity", "error"), ("limit", "5")]).await.body;
    assert!(page.contains("order 59 failed: &lt;timeout&gt;") && !page.contains("paid"), "{page}");
    assert!(page.contains("<svg") && page.contains(r#"class="error""#) && page.contains("6 lines"), "{page}");
    let by_template = "/logs?service=cart&amp;severity=error&amp;limit=5&amp;template=00000000000000fa\"";
    assert!(page.contains(by_template), "{page}");
    assert!(page.contains(r#"value="error" checked"#) && !page.contains(r#"value="info" checked"#));
    // The sixth is on the next page.
    let older = page.split("href=\"").filter_map(|rest| rest.split('"').next()).find(|link| link.contains("end="));
    let older = logs.get(&older.unwrap().replace("&amp;", "&"), &[]).await.body;
    assert!(older.contains("order 9 failed") && !older.contains("older lines"), "{older}");

    assert!(logs.story.get("/").await.body.contains(r#"href="/logs""#));
    let wrong = logs.get("/logs", &[("severity", "loud")]).await;
    assert_eq!(wrong.status, StatusCode::BAD_REQUEST);
    assert!(wrong.body.contains(r#"role="alert""#));
    let starting = Story::begin().get("/logs").await;
    assert_eq!(starting.status, StatusCode::SERVICE_UNAVAILABLE);
}
