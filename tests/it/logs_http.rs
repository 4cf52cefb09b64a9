//! Log lines over HTTP, from the clients that programs use, and from senders that get it wrong.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    process::Command,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rand_pcg::{Pcg32, rand_core::Rng};
use serde_json::Value;

use crate::support::{Vigie, clients, get, wait_for};

const PATHS: [(&str, &str); 5] = [
    ("/loki/api/v1/push", "application/json"),
    ("/loki/api/v1/push", "application/x-protobuf"),
    ("/v1/logs", "application/json"),
    ("/v1/logs", "application/x-protobuf"),
    ("/elasticsearch/logs/_bulk", "application/x-ndjson"),
];

#[test]
fn clients_are_content_and_every_line_is_counted() {
    let Some(python) = clients("clients_are_content_and_every_line_is_counted") else { return };
    let vigie = Vigie::start();
    let script = Path::new("tests/peers/ship.py");
    let shipped = Command::new(python).arg(script).arg(vigie.url("")).output().unwrap();
    assert!(shipped.status.success(), "{}", String::from_utf8_lossy(&shipped.stderr));
    let taken: BTreeMap<String, u64> = serde_json::from_slice(&shipped.stdout).unwrap();
    assert_eq!(taken.len(), 3);
    for (protocol, lines) in taken {
        let of = |name: &str| vigie.metric(&format!("vigie_log_{name}_total{{protocol=\"{protocol}\"}}"));
        assert!(lines > 0 && of("received_bytes") > lines, "{protocol}");
        assert_eq!(of("lines_received"), lines, "{protocol}");
    }
    assert_eq!(vigie.metric("vigie_log_redactions_total{kind=\"email\"}"), 20);
    vigie.stop();
}

#[test]
fn whatever_is_sent_is_answered_and_what_is_wrong_is_never_to_be_sent_again() {
    let vigie = Vigie::start();
    let good = br#"{"streams":[{"stream":{"app":"a"},"values":[["1","good"]]}]}"#;
    let mut chance = Pcg32::new(7, 7);
    for round in 0..60 {
        let mut noise = vec![0; chance.next_u32() as usize % 2_000];
        chance.fill_bytes(&mut noise);
        let mut changed = good.to_vec();
        let at = chance.next_u32() as usize % changed.len();
        changed[at] = chance.next_u32() as u8;
        for (path, content_type) in PATHS {
            for encoding in ["", "gzip", "snappy", "zstd"] {
                for body in [&noise, &changed] {
                    let headers = [("Content-Type", content_type), ("Content-Encoding", encoding)];
                    let answer = vigie.post(path, &headers, body);
                    assert!(answer.status < 500, "round {round}, {path} {encoding}: {answer:?}");
                }
            }
        }
        let answer = vigie.post(PATHS[0].0, &[("Content-Type", PATHS[0].1)], good);
        assert_eq!((answer.status, answer.body.as_str()), (204, ""));
    }
    assert!(vigie.metric("vigie_log_lines_received_total{protocol=\"loki\"}") >= 60);
    vigie.stop();
}

/// Lines get the id that their template has when they come; when templates turn out to be one, all of them are found by its id,
/// and by the earlier ones.
#[test]
fn lines_of_templates_that_became_one_are_found_by_its_id() {
    let vigie = Vigie::start();
    let lines =
        ["alpha", "beta", "gamma", "delta", "omega"].map(|name| format!(r#"["{{at}}", "disk {name} is fine"]"#));
    for line in lines {
        let at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos().to_string();
        let body = format!(
            r#"{{"streams": [{{"stream": {{"service": "node"}}, "values": [{}]}}]}}"#,
            line.replace("{at}", &at)
        );
        let answer = vigie.post("/loki/api/v1/push", &[("content-type", "application/json")], body.as_bytes());
        assert_eq!(answer.status, 204, "{}", answer.body);
    }
    let json = |path: &str| serde_json::from_str::<Value>(&get(&vigie.url(path)).body).unwrap();
    let templates = json("/api/v1/templates");
    assert_eq!((&templates["items"][0]["template"], &templates["total"]), (&"disk <*> is fine".into(), &1.into()));
    let id = templates["items"][0]["id"].as_str().unwrap().to_owned();
    let found = |id: &str| json(&format!("/api/v1/logs?template={id}"));
    let all = wait_for("the lines to be searched", Duration::from_secs(20), || {
        Some(found(&id)).filter(|found| found["histogram"]["total"] == 5)
    });
    let given = |line: &Value| line["template"].as_str().unwrap().to_owned();
    let ids: BTreeSet<String> = all["lines"].as_array().unwrap().iter().map(given).collect();
    assert!(ids.len() > 1, "{all}");
    for earlier in ids {
        assert_eq!(found(&earlier)["histogram"]["total"], 5, "{earlier}");
    }
}
