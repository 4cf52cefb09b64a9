//! Which attributes of a resource name a stream.

/// Names, and beginnings of names that end in a dot.
const NAMING: [&str; 7] = [
    "service.",
    "k8s.",
    "container.",
    "deployment.environment",
    "deployment.environment.name",
    "cloud.region",
    "host.name",
];

/// Parts of names below those that describe a source at length, but do not tell it from others.
const DESCRIBING: [&str; 5] = [".label", ".annotation", ".command", ".image.id", ".repo_digests"];

/// Whether an attribute tells this source from others: what runs (`service.*`), where in Kubernetes (`k8s.*`, without
/// the objects' own labels and annotations), in which container, environment, region and on which host.
///
/// What else describes a resource (its process, operating system, telemetry library, cloud account) is the same for all
/// sources or changes without meaning, and is left out.
pub(super) fn is_naming(name: &str) -> bool {
    NAMING.iter().any(|known| name == *known || known.ends_with('.') && name.starts_with(known))
        && !DESCRIBING.iter().any(|part| name.contains(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_names_a_source_and_what_does_not() {
        for name in [
            "service.name",
            "service.namespace",
            "service.instance.id",
            "k8s.pod.name",
            "k8s.namespace.name",
            "container.name",
            "container.image.name",
            "deployment.environment",
            "deployment.environment.name",
            "cloud.region",
            "host.name",
        ] {
            assert!(is_naming(name), "{name}");
        }
        for name in [
            "",
            "service",
            "host.name.x",
            "host.id",
            "process.pid",
            "telemetry.sdk.name",
            "os.type",
            "cloud.account.id",
            "k8s.pod.label.app",
            "k8s.pod.labels.app",
            "k8s.deployment.annotations.x",
            "container.command_args",
            "container.image.repo_digests",
        ] {
            assert!(!is_naming(name), "{name}");
        }
    }
}
