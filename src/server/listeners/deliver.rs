//! The way to the engine.

use crate::{
    server::{
        app::{App, NotReady},
        intake::Cause,
        logs,
    },
    signal::{LogBatch, TenantId},
};

/// How lines came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    /// Syslog by TCP, TLS and UDP.
    Syslog,
    /// Fluent forward.
    Forward,
    /// OpenTelemetry's protocol by gRPC.
    OtlpGrpc,
}

impl Protocol {
    /// Its name as a label.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Syslog => "syslog",
            Self::Forward => "forward",
            Self::OtlpGrpc => "otlp_grpc",
        }
    }
}

/// Hands a batch on and counts it.
///
/// # Errors
/// It cannot be taken now.
pub(super) async fn deliver(app: &App, protocol: Protocol, tenant: &TenantId, batch: LogBatch) -> Result<(), NotReady> {
    app.check_writable()?;
    logs::deliver(app, protocol.as_str(), tenant, batch, None).await.map_err(|refused| match refused.cause {
        Cause::NotReady(cause) => cause,
        // What was within the limits of its protocol is within those of the journal.
        _ => {
            tracing::error!(protocol = protocol.as_str(), reason = refused.message, "log lines cannot be kept");
            NotReady::Fault
        }
    })
}
