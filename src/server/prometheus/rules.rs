//! `rules` and `alerts`: the findings in the form of alerts, so that whatever shows alerts shows them.
//!
//! There is one group, `vigie`, with a rule for each kind of finding. A finding is an alert that fires from the first
//! abnormal sample until it is resolved; there are no pending ones, for a finding is raised when it is certain.

use axum::extract::State;
use serde::Serialize;

use super::{encode::Success, error::ApiError, parameters::Parameters};
use crate::{
    server::{app::App, clock::rfc3339, findings::slug, tenant::Tenant},
    signal::{Finding, FindingScope, FindingStatus, Labels, METRIC_NAME},
};

/// For each kind of finding the name of its alert, and a query with which the same can be asked of vigie.
const RULES: [(FindingScope, &str, &str); 3] = [
    (FindingScope::Series, "VigieAnomaly", "vigie_anomalous == 1"),
    (FindingScope::Workload, "VigieWorkloadAnomaly", "vigie_workload_anomalous == 1"),
    // There is no series of what is not there.
    (FindingScope::Group, "VigieAbsence", "vector(0) == 1"),
];

/// Unusual is not yet broken: whether it pages somebody is for the alert's routing to say.
const SEVERITY: &str = "warning";

#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct Alert {
    labels: Labels,
    annotations: Labels,
    state: &'static str,
    active_at: String,
    value: String,
}

#[derive(Serialize)]
struct Alerts {
    alerts: Vec<Alert>,
}

#[derive(Serialize)]
struct Groups {
    groups: Vec<Group>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Group {
    name: &'static str,
    file: &'static str,
    interval: f64,
    limit: u64,
    evaluation_time: f64,
    last_evaluation: String,
    rules: Vec<Rule>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Rule {
    #[serde(rename = "type")]
    kind: &'static str,
    name: &'static str,
    query: &'static str,
    duration: f64,
    keep_firing_for: f64,
    labels: Labels,
    annotations: Labels,
    state: &'static str,
    health: &'static str,
    evaluation_time: f64,
    last_evaluation: String,
    alerts: Vec<Alert>,
}

pub(super) async fn alerts(State(app): State<App>, Tenant(tenant): Tenant) -> Result<Success, ApiError> {
    let findings = app.ask(move |engine| engine.findings(&tenant)).await?;
    Success::new(&Alerts { alerts: RULES.iter().flat_map(|(kind, name, _)| firing(&findings, *kind, name)).collect() })
}

pub(super) async fn rules(
    State(app): State<App>,
    Tenant(tenant): Tenant,
    parameters: Parameters,
) -> Result<Success, ApiError> {
    let wanted = Wanted::of(&parameters)?;
    let findings = app.ask(move |engine| engine.findings(&tenant)).await?;
    let now = rfc3339(app.now());
    let rules: Vec<Rule> = RULES
        .iter()
        .filter(|(_, name, _)| wanted.includes(name))
        .map(|(kind, name, query)| {
            let alerts = firing(&findings, *kind, name);
            Rule {
                kind: "alerting",
                name,
                query,
                duration: 0.0,
                keep_firing_for: 0.0,
                labels: Labels::from_pairs([("severity", SEVERITY)]),
                annotations: Labels::default(),
                state: if alerts.is_empty() { "inactive" } else { "firing" },
                health: "ok",
                evaluation_time: 0.0,
                last_evaluation: now.clone(),
                alerts: if wanted.without_alerts { Vec::new() } else { alerts },
            }
        })
        .collect();
    // Each sample is judged when it arrives, so that there is no interval; clients divide by it, though.
    let group = (!rules.is_empty()).then_some(Group {
        name: GROUP,
        file: GROUP,
        interval: 1.0,
        limit: 0,
        evaluation_time: 0.0,
        last_evaluation: now,
        rules,
    });
    Success::new(&Groups { groups: group.into_iter().collect() })
}

/// Name of the group, and of the file it would be in.
const GROUP: &str = "vigie";

/// The rules a request asks for.
struct Wanted {
    names: Vec<String>,
    is_empty: bool,
    without_alerts: bool,
}

impl Wanted {
    fn of(parameters: &Parameters) -> Result<Self, ApiError> {
        let recording_only = match parameters.get("type") {
            None | Some("alert") => false,
            Some("record") => true,
            Some(other) => {
                return Err(ApiError::bad_data(format!("invalid parameter \"type\": not supported value {other:?}")));
            }
        };
        let names_another = |name| parameters.all(name).next().is_some() && !parameters.all(name).any(|v| v == GROUP);
        Ok(Self {
            names: parameters.all("rule_name[]").map(str::to_owned).collect(),
            is_empty: recording_only || names_another("rule_group[]") || names_another("file[]"),
            without_alerts: parameters.get("exclude_alerts") == Some("true"),
        })
    }

    fn includes(&self, name: &str) -> bool {
        !self.is_empty && (self.names.is_empty() || self.names.iter().any(|wanted| wanted == name))
    }
}

/// The open findings of one scope as alerts.
fn firing(findings: &[Finding], scope: FindingScope, name: &str) -> Vec<Alert> {
    let is_open = |finding: &&Finding| finding.scope == scope && finding.status == FindingStatus::Firing;
    findings.iter().filter(is_open).map(|finding| alert(finding, name)).collect()
}

fn alert(finding: &Finding, name: &str) -> Alert {
    // An alert has no metric name: as in Prometheus, what was judged is told by a label of its own.
    let metric = finding.labels.metric();
    let labels = finding.labels.with(METRIC_NAME, "").with("metric", metric);
    Alert {
        labels: labels.with("alertname", name).with("severity", SEVERITY),
        // What happened may become clearer while it goes on; as a label it would make another alert of it.
        annotations: Labels::from_pairs([
            ("summary", finding.sentence.as_str()),
            ("finding", finding.id.as_str()),
            ("kind", &slug(finding.kind)),
        ]),
        state: "firing",
        active_at: rfc3339(finding.since),
        value: scientific(finding.score),
    }
}

/// The value of an alert, which Prometheus writes as Go's `%e`: at least two digits of exponent, always signed.
fn scientific(value: f64) -> String {
    if !value.is_finite() {
        return crate::promql::format_value(value);
    }
    let text = format!("{value:e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let (sign, digits) = exponent.strip_prefix('-').map_or(('+', exponent), |digits| ('-', digits));
    format!("{mantissa}e{sign}{digits:0>2}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_open_finding_is_a_firing_alert() {
        let mut finding = Finding {
            id: "7".into(),
            tenant: crate::signal::TenantId::default(),
            scope: FindingScope::Series,
            kind: crate::signal::Kind::LevelShift,
            labels: Labels::from_pairs([(METRIC_NAME, "queue_length"), ("job", "shop"), ("kind", "fifo")]),
            status: FindingStatus::Firing,
            since: 1_795_228_984_000,
            raised_at: 1_795_228_999_000,
            updated_at: 1_795_228_999_000,
            resolved_at: None,
            score: 1.25,
            peak_score: 1.5,
            seen: 80.0,
            expected: 50.0,
            lower: 45.0,
            upper: 55.0,
            is_rate: false,
            drivers: Vec::new(),
            siblings: None,
            companions: crate::signal::Companions::default(),
            feedback: None,
            model: 0,
            sentence: "queue_length is 80".into(),
            lines: Vec::new(),
        };
        let [(series, name, _), (workload, other, _), (group, absence, _)] = RULES;
        let alerts = firing(std::slice::from_ref(&finding), series, name);
        assert_eq!(
            serde_json::to_value(&alerts).unwrap(),
            serde_json::json!([{
                "labels": {
                    "alertname": "VigieAnomaly", "job": "shop", "kind": "fifo",
                    "metric": "queue_length", "severity": "warning",
                },
                "annotations": {"finding": "7", "kind": "level-shift", "summary": "queue_length is 80"},
                "state": "firing",
                "activeAt": "2026-11-21T02:43:04Z",
                "value": "1.25e+00",
            }])
        );
        assert!(firing(std::slice::from_ref(&finding), workload, other).is_empty());
        finding.scope = FindingScope::Group;
        assert_eq!(
            firing(std::slice::from_ref(&finding), group, absence)[0].labels.get("alertname"),
            Some("VigieAbsence")
        );
        finding.status = FindingStatus::Resolved;
        assert!(firing(&[finding], group, absence).is_empty());
    }

    #[test]
    fn alert_values_are_scientific() {
        for (value, text) in [
            (1.0, "1e+00"),
            (1.5, "1.5e+00"),
            (0.025, "2.5e-02"),
            (-3e120, "-3e+120"),
            (0.0, "0e+00"),
            (f64::INFINITY, "+Inf"),
        ] {
            assert_eq!(scientific(value), text);
        }
    }
}
