//! The way to the engine.

use crate::{
    server::app::{App, NotReady},
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
pub(super) async fn deliver(
    app: &App,
    protocol: Protocol,
    _tenant: &TenantId,
    batch: LogBatch,
) -> Result<(), NotReady> {
    if !batch.is_empty() {
        app.check_writable()?;
        app.telemetry().log_lines(protocol.as_str(), batch.len() as u64, batch.text_bytes() as u64);
    }
    Ok(())
}
