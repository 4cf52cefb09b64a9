//! What happens to log lines before there is a batch of them, in numbers.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

use crate::server::queries::Counted;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Of {
    protocol: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Because {
    protocol: &'static str,
    reason: &'static str,
}

/// Counters of all listeners. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(in crate::server) struct Counters {
    connections: Family<Of, Gauge>,
    closed: Family<Because, Counter>,
    dropped: Family<Because, Counter>,
    cut: Family<Of, Counter>,
}

impl Counters {
    pub(in crate::server) fn register(&self, registry: &mut Registry) {
        registry.register("log_connections", "Connections by which log lines come", self.connections.clone());
        registry.register(
            "log_connections_closed",
            "Connections that vigie ended, or that were broken, by reason",
            self.closed.clone(),
        );
        registry.register(
            "log_lines_dropped",
            "Log lines that arrived and were not kept, by reason; their senders were told where their protocol can",
            self.dropped.clone(),
        );
        registry.register("log_messages_cut", "Syslog messages that were longer than is kept", self.cut.clone());
    }

    /// Counts a connection as long as what is returned is there.
    pub(super) fn connection(&self, protocol: &'static str) -> Counted {
        Counted::in_gauge(&self.connections.get_or_create(&Of { protocol }))
    }

    pub(super) fn closed(&self, protocol: &'static str, reason: &'static str) {
        self.closed.get_or_create(&Because { protocol, reason }).inc();
    }

    pub(super) fn dropped(&self, protocol: &'static str, reason: &'static str, lines: u64) {
        self.dropped.get_or_create(&Because { protocol, reason }).inc_by(lines);
    }

    pub(super) fn cut(&self, protocol: &'static str, lines: u64) {
        self.cut.get_or_create(&Of { protocol }).inc_by(lines);
    }
}
