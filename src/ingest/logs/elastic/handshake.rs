//! What shippers ask an Elasticsearch before they send to it, answered so that they go on and send.
//!
//! Templates, policies, aliases, data streams and pipelines are said to be there, whatever their name: there is
//! nothing to set up.

use std::borrow::Cow;

use serde_json::{Value, json};

/// The header, and its value, by which official clients know that they talk to an Elasticsearch: for every answer.
pub const PRODUCT_HEADER: (&str, &str) = ("x-elastic-product", "Elasticsearch");

/// An answer to a call.
#[derive(Clone, Debug, PartialEq)]
pub struct Handshake {
    /// HTTP status.
    pub status: u16,
    /// JSON body; none for `HEAD`.
    pub body: Option<Value>,
}

/// What an identifier of a cluster looks like, for clients that want one.
const CLUSTER_UUID: &str = "vigie-logs-00000000000";
const NAME: &str = "vigie";

/// Answers a call of the handshake; none when it is no part of it. `path` is without the query; `version` is the one
/// to speak as, such as `8.17.0`: clients refuse a server of another major version than theirs or the one before.
#[must_use]
pub fn answer(method: &str, path: &str, version: &str) -> Option<Handshake> {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let body = match method {
        "GET" | "HEAD" => read(&parts, version)?,
        "PUT" | "POST" => is_setting(&parts).then(|| json!({"acknowledged": true}))?,
        _ => return None,
    };
    Some(Handshake { status: 200, body: (method != "HEAD").then_some(body) })
}

/// Whether a path names something that a shipper sets up.
fn is_setting(parts: &[&str]) -> bool {
    matches!(
        parts,
        ["_index_template" | "_component_template" | "_template" | "_data_stream", _]
            | ["_ilm" | "_slm", "policy", _]
            | ["_ingest", "pipeline", _]
            | [_, "_alias" | "_aliases", _]
            | ["_aliases"]
    )
}

fn read(parts: &[&str], version: &str) -> Option<Value> {
    Some(match parts {
        [] => root(version),
        ["_license"] => json!({"license": license()}),
        ["_xpack"] => json!({
            "build": {"hash": "unknown", "date": BUILT},
            "license": license(),
            "features": {"ilm": {"available": true, "enabled": true}},
            "tagline": "You know, for X",
        }),
        ["_cluster", "health", ..] => json!({
            "cluster_name": NAME, "status": "green", "timed_out": false,
            "number_of_nodes": 1, "number_of_data_nodes": 1,
            "active_primary_shards": 1, "active_shards": 1, "relocating_shards": 0, "initializing_shards": 0,
            "unassigned_shards": 0, "delayed_unassigned_shards": 0, "number_of_pending_tasks": 0,
            "number_of_in_flight_fetch": 0, "task_max_waiting_in_queue_millis": 0,
            "active_shards_percent_as_number": 100.0,
        }),
        // No addresses: a client that looks for more nodes keeps to the one it was given.
        ["_nodes", "http"] | ["_nodes", _, "http"] => json!({
            "_nodes": {"total": 0, "successful": 0, "failed": 0}, "cluster_name": NAME, "nodes": {},
        }),
        ["_index_template", name] => json!({
            "index_templates": [{"name": name, "index_template": {"index_patterns": [], "composed_of": []}}],
        }),
        ["_component_template", name] => json!({
            "component_templates": [{"name": name, "component_template": {"template": {}}}],
        }),
        ["_template", name] => {
            json!({*name: {"order": 0, "index_patterns": [], "settings": {}, "mappings": {}, "aliases": {}}})
        }
        ["_ilm", "policy", name] => json!({*name: {"version": 1, "modified_date": BUILT, "policy": {"phases": {}}}}),
        ["_alias", name] | [_, "_alias", name] => json!({*name: {"aliases": {*name: {"is_write_index": true}}}}),
        ["_data_stream", name] => json!({
            "data_streams": [{
                "name": name, "timestamp_field": {"name": "@timestamp"}, "indices": [], "generation": 1,
                "status": "GREEN", "template": name,
            }],
        }),
        ["_ingest", "pipeline", name] => json!({*name: {"processors": []}}),
        _ => return None,
    })
}

/// A time of building, for clients that parse one.
const BUILT: &str = "2024-01-01T00:00:00.000Z";

fn root(version: &str) -> Value {
    json!({
        "name": NAME,
        "cluster_name": NAME,
        "cluster_uuid": CLUSTER_UUID,
        "version": {
            "number": version,
            "build_flavor": "default",
            "build_type": "tar",
            "build_hash": "unknown",
            "build_date": BUILT,
            "build_snapshot": false,
            "lucene_version": "9.12.0",
            "minimum_wire_compatibility_version": "7.17.0",
            "minimum_index_compatibility_version": "7.0.0",
        },
        "tagline": "You Know, for Search",
    })
}

fn license() -> Value {
    json!({
        "status": "active", "uid": "00000000-0000-0000-0000-000000000000", "type": "basic", "mode": "basic",
        "issue_date": BUILT, "issued_to": NAME, "issuer": NAME,
    })
}

/// The content type of an answer to a request of content type `request`: Elasticsearch's own where the client speaks
/// it, in the version that the client asks for.
#[must_use]
pub fn content_type(request: &str) -> Cow<'static, str> {
    let mut parts = request.split(';').map(str::trim);
    let media_type = parts.next().unwrap_or_default().to_ascii_lowercase();
    let is_versioned = media_type.starts_with("application/vnd.elasticsearch+");
    let version = parts.find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        let is_version = name.eq_ignore_ascii_case("compatible-with");
        is_version.then(|| value.trim_matches('"').parse::<u8>().ok())?
    });
    match version {
        Some(version) if is_versioned => format!("application/vnd.elasticsearch+json;compatible-with={version}").into(),
        _ => "application/json".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_call_of_the_handshake_is_answered() {
        for (methods, path) in [
            ("GET HEAD", "/"),
            ("GET", "/_license"),
            ("GET", "/_xpack"),
            ("GET", "/_cluster/health"),
            ("GET", "/_cluster/health/logs"),
            ("GET", "/_nodes/http"),
            ("GET", "/_nodes/_all/http"),
            ("GET HEAD PUT POST", "/_index_template/filebeat-8.17.0"),
            ("GET HEAD PUT", "/_component_template/ecs@mappings"),
            ("GET HEAD PUT", "/_template/logstash"),
            ("GET HEAD PUT", "/_ilm/policy/filebeat"),
            ("GET HEAD", "/_alias/logstash"),
            ("PUT", "/logs-000001/_alias/logs"),
            ("GET HEAD PUT", "/_data_stream/logs-app-default"),
            ("GET PUT", "/_ingest/pipeline/filebeat-nginx"),
        ] {
            for method in methods.split(' ') {
                let answer = answer(method, path, "8.17.0").unwrap_or_else(|| panic!("{method} {path}"));
                assert_eq!((answer.status, answer.body.is_none()), (200, method == "HEAD"), "{method} {path}");
                let is_set = answer.body == Some(json!({"acknowledged": true}));
                assert_eq!(is_set, matches!(method, "PUT" | "POST"), "{method} {path}");
            }
        }
    }

    #[test]
    fn what_is_no_part_of_it_has_no_answer() {
        for (method, path) in [
            ("POST", "/"),
            ("DELETE", "/_template/a"),
            ("GET", "/_search"),
            ("POST", "/_bulk"),
            ("PUT", "/logs/_bulk"),
            ("GET", "/api/v1/query"),
            ("PUT", "/_ilm/policy"),
            ("GET", "/_ingest/pipeline/a/b"),
        ] {
            assert_eq!(answer(method, path, "8.17.0"), None, "{method} {path}");
        }
    }

    #[test]
    fn answers_say_what_clients_look_at() {
        let body = |path| answer("GET", path, "9.1.2").unwrap().body.unwrap();
        let root = body("/");
        assert_eq!((&root["version"]["number"], &root["tagline"]), (&json!("9.1.2"), &json!("You Know, for Search")));
        assert_eq!(root["version"]["build_flavor"], "default");
        assert_eq!(body("/_license")["license"]["status"], "active");
        assert_eq!(body("/_xpack")["features"]["ilm"], json!({"available": true, "enabled": true}));
        assert_eq!(body("/_cluster/health")["status"], "green");
        assert_eq!(body("/_data_stream/logs")["data_streams"][0]["name"], "logs");
        assert_eq!(body("/_ingest/pipeline/p"), json!({"p": {"processors": []}}));
        assert_eq!(body("/_index_template/t")["index_templates"][0]["name"], "t");
    }

    #[test]
    fn the_media_type_of_the_client_comes_back() {
        for (request, response) in [
            ("application/x-ndjson", "application/json"),
            ("application/json; charset=utf-8", "application/json"),
            ("", "application/json"),
            (
                "application/vnd.elasticsearch+x-ndjson;compatible-with=8",
                "application/vnd.elasticsearch+json;compatible-with=8",
            ),
            (
                "application/vnd.elasticsearch+x-ndjson; compatible-with=9",
                "application/vnd.elasticsearch+json;compatible-with=9",
            ),
            (
                "Application/Vnd.Elasticsearch+JSON; charset=utf-8; Compatible-With=\"9\"",
                "application/vnd.elasticsearch+json;compatible-with=9",
            ),
            ("application/vnd.elasticsearch+json", "application/json"),
            ("application/vnd.elasticsearch+json;compatible-with=9\r\nX-Evil: 1", "application/json"),
            ("text/plain;compatible-with=9", "application/json"),
        ] {
            assert_eq!(content_type(request), response, "{request}");
        }
    }
}
