//! What is counted of log lines.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family},
    registry::{Registry, Unit},
};

use super::deliver::Arrived;
use crate::{logs::redact::Taken, server::intake::Cause};

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct By {
    protocol: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Refusal {
    protocol: &'static str,
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Kind {
    kind: &'static str,
}

/// The counters of all log inputs; each names the protocol that it speaks.
#[derive(Debug, Default)]
pub(in crate::server) struct LogMetrics {
    lines: Family<By, Counter>,
    bytes: Family<By, Counter>,
    refused: Family<Refusal, Counter>,
    rejected: Family<By, Counter>,
    cut: Family<By, Counter>,
    redacted: Family<Kind, Counter>,
}

impl LogMetrics {
    /// Puts them on the page.
    pub(in crate::server) fn register(&self, registry: &mut Registry) {
        registry.register("log_lines_received", "Log lines received and kept", self.lines.clone());
        let help = "Text of log lines received and kept, with that of their attributes";
        registry.register_with_unit("log_received", help, Unit::Bytes, self.bytes.clone());
        let help = "Requests with log lines of which nothing was taken, by reason";
        registry.register("log_requests_refused", help, self.refused.clone());
        let help = "Log lines that were refused by themselves, in requests that were taken otherwise";
        registry.register("log_lines_rejected", help, self.rejected.clone());
        let help = "Texts of log lines that were cut off or left out because they were too long or too many";
        registry.register("log_texts_cut", help, self.cut.clone());
        let help = "Places in log lines where something was taken out that is not to be kept, by its kind";
        registry.register("log_redactions", help, self.redacted.clone());
    }

    /// Counts a batch that was kept.
    pub(super) fn taken(&self, protocol: &'static str, arrived: &Arrived, taken: &Taken) {
        let by = By { protocol };
        self.lines.get_or_create(&by).inc_by(arrived.lines as u64);
        self.bytes.get_or_create(&by).inc_by(arrived.bytes as u64);
        self.cut.get_or_create(&by).inc_by(arrived.cut);
        for (kind, count) in taken {
            self.redacted.get_or_create(&Kind { kind: kind.as_str() }).inc_by(*count);
        }
    }

    /// Counts a request of which nothing was taken.
    pub(super) fn refused(&self, protocol: &'static str, cause: Cause) {
        self.refused.get_or_create(&Refusal { protocol, reason: cause.as_str() }).inc();
    }

    /// Counts lines that were refused by themselves.
    pub(super) fn rejected(&self, protocol: &'static str, lines: usize) {
        self.rejected.get_or_create(&By { protocol }).inc_by(lines as u64);
    }
}
