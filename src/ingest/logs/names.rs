//! Names of labels: what shippers call the same thing, and what vigie calls it.

use crate::signal::Labels;

/// What vigie calls a label, and what others do, in order of preference.
const KNOWN: [(&str, &[&str]); 8] = [
    (
        "service",
        &[
            "service",
            "service_name",
            "app",
            "app_kubernetes_io_name",
            "kubernetes_labels_app_kubernetes_io_name",
            "kubernetes_labels_app",
            "app_name",
            "component",
            "k8s_deployment_name",
            "k8s_statefulset_name",
            "k8s_daemonset_name",
            "container",
            "k8s_container_name",
            "kubernetes_container_name",
            "container_name",
            "docker_container_name",
            "syslog_identifier",
            "job",
            "unit",
            "tag",
        ],
    ),
    ("namespace", &["namespace", "k8s_namespace_name", "kubernetes_namespace_name", "kubernetes_namespace"]),
    ("pod", &["pod", "k8s_pod_name", "kubernetes_pod_name", "pod_name"]),
    ("container", &["container", "k8s_container_name", "kubernetes_container_name", "container_name"]),
    ("node", &["node", "k8s_node_name", "kubernetes_node_name", "kubernetes_host", "node_name"]),
    ("host", &["host", "hostname", "host_name", "host_hostname", "agent_hostname", "syslog_hostname"]),
    ("environment", &["environment", "env", "deployment_environment_name", "deployment_environment"]),
    ("cluster", &["cluster", "k8s_cluster_name", "orchestrator_cluster_name"]),
];

/// What a stream without any of the known labels is called, as Loki does.
pub const UNKNOWN_SERVICE: &str = "unknown_service";

/// The label set of a stream: names in Prometheus' alphabet, known things under vigie's names beside what the sender
/// called them, and a `service` always.
#[must_use]
pub fn normalise<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Labels {
    let own: Vec<(String, &str)> = pairs.into_iter().map(|(name, value)| (label_name(name), value)).collect();
    let find = |known: &&str| own.iter().find(|(name, value)| name == known && !value.is_empty());
    let known = KNOWN.iter().filter_map(|(ours, theirs)| {
        let value = theirs.iter().find_map(find).map(|(_, value)| *value);
        let value = value.or((*ours == "service").then_some(UNKNOWN_SERVICE));
        value.map(|value| ((*ours).to_owned(), value))
    });
    let known: Vec<(String, &str)> = known.collect();
    Labels::from_pairs(own.iter().chain(&known).map(|(name, value)| (name.as_str(), *value)))
}

/// A name in Prometheus' alphabet: what is not a letter, a digit or `_` becomes `_`.
#[must_use]
pub fn label_name(name: &str) -> String {
    let letters = name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '_' });
    let first = name.starts_with(|c: char| c.is_ascii_digit()).then_some('_');
    first.into_iter().chain(letters).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_is_the_same_whoever_ships_its_lines() {
        let otlp = normalise([("service.name", "cart"), ("k8s.namespace.name", "shop"), ("k8s.pod.name", "cart-1")]);
        let loki = normalise([("app", "cart"), ("namespace", "shop"), ("pod", "cart-1")]);
        let beats = normalise([("kubernetes.container.name", "cart"), ("kubernetes.namespace", "shop")]);
        for labels in [&otlp, &loki, &beats] {
            assert_eq!((labels.get("service"), labels.get("namespace")), (Some("cart"), Some("shop")), "{labels}");
        }
        assert_eq!((otlp.get("pod"), otlp.get("service_name")), (Some("cart-1"), Some("cart")));
        assert_eq!(beats.get("container"), Some("cart"));
    }

    #[test]
    fn there_is_always_a_service() {
        assert_eq!(normalise([]).get("service"), Some(UNKNOWN_SERVICE));
        assert_eq!(normalise([("app", ""), ("job", "x")]).get("service"), Some("x"));
    }

    #[test]
    fn names_are_in_prometheus_alphabet() {
        assert_eq!(label_name("k8s.pod-name"), "k8s_pod_name");
        assert_eq!(label_name("0a"), "_0a");
    }
}
