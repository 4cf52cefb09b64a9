//! More series than there is room for: the tenant that sends them is told, its known series go on, its neighbours do not
//! notice, and the process lives.

use std::thread::sleep;
use std::time::Duration;

use tempfile::TempDir;

use crate::support::{Answer, Vigie, free_port, get, wait_for};
use crate::wire::{Series, Version, now_ms, request, snappy};

fn start(data: TempDir, config: &str) -> Vigie {
    let mut vigie = Vigie::launch(data, &format!("127.0.0.1:{}", free_port()), config);
    vigie.wait_until_ready();
    vigie
}

/// Sends a sample of each of these series of a tenant.
fn send(vigie: &Vigie, tenant: &str, numbers: std::ops::Range<usize>) -> Answer {
    let at = now_ms();
    let path = |n: usize| format!("/orders/{n}");
    let series =
        numbers.map(|n| Series::new("requests_in_flight", &[("job", "shop"), ("path", &path(n))], &[(at, 1.0)]));
    let headers =
        [("Content-Encoding", "snappy"), ("Content-Type", Version::V1.content_type()), ("X-Scope-OrgID", tenant)];
    let body = snappy(&request(Version::V1, &series.collect::<Vec<_>>()).0);
    vigie.write_with(Version::V1, &headers, &body)
}

/// The value of a series of `/metrics`, 0 if it is not there.
fn metric(vigie: &Vigie, series: &str) -> f64 {
    let page = get(&vigie.url("/metrics")).body;
    let value = page.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok());
    value.unwrap_or_default()
}

#[track_caller]
fn expect(answer: &Answer, status: u16, parts: &[&str]) {
    assert_eq!(answer.status, status, "{}", answer.body);
    for part in parts {
        assert!(answer.body.contains(part), "{part:?} in {}", answer.body);
    }
    assert_eq!(answer.headers.contains_key("retry-after"), status == 429);
}

#[test]
fn a_tenant_at_its_series_limit_is_told_and_goes_on_with_what_it_has() {
    let config = "shards: 1\nseries: {max_per_tenant: 50}\n";
    let mut vigie = start(TempDir::new().unwrap(), config);
    for restarted in [false, true] {
        if restarted {
            vigie = start(vigie.stop(), config);
        }
        let flood = send(&vigie, "flood", 0..80);
        expect(&flood, 429, &["tenant flood", "50 series", "series.max_per_tenant", "30 samples", "/orders/50\""]);
        assert_eq!(flood.headers["x-prometheus-remote-write-samples-written"], "50");
        expect(&send(&vigie, "flood", 20..50), 204, &[]);
        expect(&send(&vigie, "quiet", 0..50), 204, &[]);
        assert_eq!(metric(&vigie, "vigie_tenant_series{tenant=\"flood\"}"), 50.0);
        assert_eq!(metric(&vigie, "vigie_tenant_series_limit"), 50.0);
        assert_eq!(metric(&vigie, "vigie_tenant_refused_samples_total{tenant=\"flood\"}"), 30.0);
        assert_eq!(metric(&vigie, "vigie_tenant_refused_samples_total{tenant=\"quiet\"}"), 0.0);
    }
    let log = vigie.process().log();
    let told: Vec<_> = log.lines().filter(|line| line.contains("new series are refused")).collect();
    assert_eq!(told.len(), 2, "once for each process: {log}");
    assert!(told.iter().all(|line| line.contains("WARN") && line.contains("tenant=flood")), "{told:?}");
}

#[cfg(target_os = "linux")]
#[test]
fn short_memory_stops_the_largest_tenant_first() {
    const LIMIT: f64 = (192_u64 << 20) as f64;
    let vigie = start(TempDir::new().unwrap(), "shards: 1\nmemory_limit: 192MiB\n");
    assert_eq!(metric(&vigie, "vigie_memory_limit_bytes"), LIMIT);
    let mut known = 0;
    let refused = wait_for("a refusal for want of memory", Duration::from_secs(240), || {
        // Gently at the end: memory is looked at once a second.
        let is_near = metric(&vigie, "vigie_memory_resident_bytes") > 0.75 * LIMIT;
        let size = if is_near { 100 } else { 2_000 };
        let answer = send(&vigie, "flood", known..known + size);
        if answer.status == 204 {
            known += size;
            if is_near {
                sleep(Duration::from_millis(50));
            }
            return None;
        }
        Some(answer)
    });
    expect(&refused, 429, &["memory is short (limit 192MiB)", "tenant flood", "--memory-limit"]);
    expect(&send(&vigie, "flood", 0..100), 204, &[]);
    expect(&send(&vigie, "small", 0..20), 204, &[]);
    assert_eq!(metric(&vigie, "vigie_memory_pressure"), 1.0);
    assert!(vigie.process().log().contains("memory is short"), "{}", vigie.process().log());
    vigie.assert_healthy();

    // With no room at all nobody adds series, not even right after a start.
    let mut vigie = start(vigie.stop(), "shards: 1\nmemory_limit: 1MiB\n");
    wait_for("no room at all", Duration::from_secs(30), || {
        (metric(&vigie, "vigie_memory_pressure") == 2.0).then_some(())
    });
    wait_for("the ceiling", Duration::from_secs(30), || (send(&vigie, "other", 0..1).status == 429).then_some(()));
    vigie.process().kill();
    vigie = start(vigie.into_data(), "shards: 1\nmemory_limit: 1MiB\n");
    expect(&send(&vigie, "another", 0..1), 429, &["memory is short (limit 1MiB)", "tenant another"]);
    expect(&send(&vigie, "small", 0..20), 204, &[]);

    // A limit that is gone refuses nothing any more.
    vigie.process().kill();
    vigie = start(vigie.into_data(), "shards: 1\nmemory_limit: 0B\n");
    wait_for("room", Duration::from_secs(30), || (send(&vigie, "another", 0..1).status == 204).then_some(()));
    assert_eq!(metric(&vigie, "vigie_memory_limit_bytes"), 0.0);
}
