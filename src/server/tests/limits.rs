//! A tenant that sends more series than there is room for.

use super::*;

fn story(series_per_tenant: usize) -> Story {
    let mut config = Config::default();
    config.series.max_per_tenant = series_per_tenant;
    let app = App::new(config, ([127, 0, 0, 1], 9797).into(), Clock::fixed(NOW));
    let options = Options { shards: 1, series_per_tenant, ..Options::default() };
    let (engine, threads) = Fleet::start(&options, None, None).unwrap();
    app.open(engine);
    Story { router: router(app.clone()), app, threads }
}

#[tokio::test]
async fn a_tenant_at_its_limit_is_told_so_and_what_it_has_goes_on() {
    let story = story(2);
    assert_eq!(story.write("shop", &["a", "b"]).await.status.as_u16(), 204);
    for _ in 0..2 {
        let answer = story.write("shop", &["a", "b", "c", "d"]).await;
        assert_eq!((answer.status.as_u16(), &answer.headers["retry-after"]), (429, &"60".parse().unwrap()));
        assert_eq!(answer.headers["x-prometheus-remote-write-samples-written"], "6");
        for part in
            ["tenant shop", "2 series", "series.max_per_tenant", "6 samples", "up{job=\"c\"}", "raise the limit"]
        {
            assert!(answer.body.contains(part), "{part}: {}", answer.body);
        }
    }
    assert_eq!(story.write("bank", &["c", "d"]).await.status.as_u16(), 204);
    let page = story.get("/metrics").await.body;
    for line in [
        "vigie_tenant_series{tenant=\"shop\"} 2",
        "vigie_tenant_series_limit 2",
        "vigie_tenant_refused_samples_total{tenant=\"shop\"} 12",
        "vigie_remote_write_rejected_total{reason=\"series_limit\"} 12",
        "vigie_memory_pressure 0",
    ] {
        assert!(page.lines().any(|found| found == line), "{line}:\n{page}");
    }
    assert!(!page.contains("vigie_tenant_refused_samples_total{tenant=\"bank\"}"));
}

#[tokio::test]
async fn what_is_wrong_besides_is_no_matter_of_waiting() {
    let story = story(1);
    assert_eq!(story.write("shop", &["a"]).await.status.as_u16(), 204);
    let mut encoder = Encoder::new(Protocol::V1);
    for (job, value) in [("a", 2.0), ("b", 1.0)] {
        let labels = Labels::from_pairs([("__name__", "up"), ("job", job)]);
        encoder.series(&labels, &[Sample { at: NOW, value }]);
    }
    let request = Request::post("/api/v1/write").header("X-Scope-OrgID", "shop");
    let answer = story.send(request.body(encoder.finish().into()).unwrap()).await;
    assert_eq!(answer.status.as_u16(), 400, "{}", answer.body);
    assert!(answer.body.contains("duplicate") && answer.body.contains("series limit"), "{}", answer.body);
}

#[tokio::test]
async fn short_memory_is_named_as_the_reason() {
    let story = story(100);
    let engine = story.app.engine().unwrap();
    assert_eq!(story.write("shop", &["a"]).await.status.as_u16(), 204);
    let ceiling = crate::signal::Command::Ceiling(Some(1));
    let told = tokio::task::spawn_blocking(move || engine.tell(&crate::signal::TenantId::default(), &ceiling));
    assert!(told.await.unwrap().unwrap().is_none());
    let answer = story.write("shop", &["a", "b"]).await;
    assert_eq!(answer.status.as_u16(), 429);
    for part in ["memory is short", "tenant shop", "3 samples", "up{job=\"b\"}", "--memory-limit"] {
        assert!(answer.body.contains(part), "{part}: {}", answer.body);
    }
    assert_eq!(story.write("bank", &["b"]).await.status.as_u16(), 204);
    let census = story.app.ask(|engine| engine.census()).await.unwrap();
    assert_eq!((census.series.values().sum::<u64>(), census.ceiling), (2, Some(1)));
}
