//! What the server's own configuration tells.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::{config::Period, prometheus::Client};

/// Interval of a server that does not tell it.
const STEP: Period = Period::from_secs(15);

/// What must be known of the server to read as it writes.
#[derive(Debug, PartialEq)]
pub(super) struct ServerFacts {
    /// Its usual scrape interval in ms.
    pub(super) step_ms: i64,
    /// Labels that it adds to what it sends, but does not show in answers.
    pub(super) external_labels: Vec<(String, String)>,
}

#[derive(Debug, Default, Deserialize)]
struct File {
    #[serde(default)]
    global: Global,
}

#[derive(Debug, Default, Deserialize)]
struct Global {
    scrape_interval: Option<Period>,
    #[serde(default)]
    external_labels: BTreeMap<String, String>,
}

impl ServerFacts {
    /// Asks; what only answers like a Prometheus tells nothing and has its external labels in its answers already.
    pub(super) async fn of(client: &Client) -> Self {
        match client.configuration().await {
            Ok(text) => Self::read(&text),
            Err(error) => {
                let reason = format!("{:#}", anyhow::Error::from(error));
                tracing::info!(reason, "the server does not tell its scrape interval, {STEP} is assumed");
                Self::read("")
            }
        }
    }

    /// Reads the section `global`, the only one that matters, of the configuration file.
    fn read(text: &str) -> Self {
        let is_inside = |line: &&str| line.starts_with(char::is_whitespace);
        let begin = text.lines().skip_while(|line| *line != "global:");
        let global: Vec<&str> = begin.clone().take(1).chain(begin.skip(1).take_while(is_inside)).collect();
        let global =
            serde_saphyr::from_str::<Option<File>>(&global.join("\n")).ok().flatten().unwrap_or_default().global;
        Self {
            step_ms: global.scrape_interval.unwrap_or(STEP).as_millis().max(1),
            external_labels: global.external_labels.into_iter().collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interval_and_labels_are_read() {
        let text = "runtime:\n  gogc: 75\nglobal:\n  scrape_interval: 1m30s\n  scrape_protocols:\n  - PrometheusProto\n  \
                    external_labels:\n    cluster: north\n    replica: \"1\"\nscrape_configs:\n- job_name: [\n";
        let labels = [("cluster", "north"), ("replica", "1")].map(|(n, v)| (n.to_owned(), v.to_owned()));
        assert_eq!(ServerFacts::read(text), ServerFacts { step_ms: 90_000, external_labels: labels.into() });
        assert_eq!(ServerFacts::read(""), ServerFacts { step_ms: 15_000, external_labels: Vec::new() });
    }
}
