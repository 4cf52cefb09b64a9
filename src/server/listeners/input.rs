//! An input: what its lines are of, and how they are kept.

use std::{future::Future, time::Duration};

use tokio::time::sleep;

use super::{
    counters::Counters,
    deliver::{Protocol, deliver},
    stop::Stop,
};
use crate::{
    ingest::logs::LogLimits,
    server::app::{App, NotReady},
    signal::{LogBatch, TenantId, TimestampMs, TimestampNs},
};

/// Bytes that are gathered at most before they are kept. More at once is no faster, and takes memory for each connection.
pub(super) const BATCH_BYTES: usize = 256 << 10;
/// Records that are gathered at most, far below what a batch may hold.
pub(super) const BATCH_RECORDS: usize = 10_000;
/// How long lines are gathered, from the first of them: few enough batches from senders of single lines, and no wait that
/// anybody sees.
pub(super) const GATHER: Duration = Duration::from_millis(200);

/// Waits between two attempts to keep a batch: the first, and the longest, each twice the one before.
const AGAIN: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));

/// Where batches go.
pub(super) trait Sink: Clone + Send + Sync + 'static {
    /// Keeps a batch.
    ///
    /// # Errors
    /// It cannot be kept now.
    fn deliver(
        &self,
        protocol: Protocol,
        tenant: &TenantId,
        batch: LogBatch,
    ) -> impl Future<Output = Result<(), NotReady>> + Send;

    /// The time now.
    fn now(&self) -> TimestampMs;
}

impl Sink for App {
    async fn deliver(&self, protocol: Protocol, tenant: &TenantId, batch: LogBatch) -> Result<(), NotReady> {
        deliver(self, protocol, tenant, batch).await
    }

    fn now(&self) -> TimestampMs {
        App::now(self)
    }
}

/// What connections of a listener share.
#[derive(Clone, Debug)]
pub(super) struct Input<K> {
    pub(super) protocol: Protocol,
    pub(super) tenant: TenantId,
    pub(super) limits: LogLimits,
    /// Largest event of a connection, in bytes.
    pub(super) event_bytes: usize,
    /// Connections at once.
    pub(super) connections: usize,
    /// Time after which a connection by which nothing comes is closed.
    pub(super) idle: Duration,
    pub(super) counters: Counters,
    pub(super) stop: Stop,
    pub(super) sink: K,
}

impl<K: Sink> Input<K> {
    /// The time now, as times of receipt are told.
    pub(super) fn received(&self) -> TimestampNs {
        self.sink.now().saturating_mul(1_000_000)
    }

    /// Keeps a batch, however long that takes: whoever sends waits meanwhile.
    ///
    /// # Errors
    /// vigie ends.
    pub(super) async fn keep(&self, batch: LogBatch) -> Result<(), NotReady> {
        if batch.is_empty() {
            return Ok(());
        }
        let (mut wait, longest) = AGAIN;
        // A copy, since the attempt may have to be repeated; small beside the work on it.
        while let Err(cause) = self.sink.deliver(self.protocol, &self.tenant, batch.clone()).await {
            if cause == NotReady::Stopping {
                return Err(cause);
            }
            tracing::debug!(protocol = self.protocol.as_str(), %cause, "log lines wait");
            sleep(wait).await;
            wait = (wait * 2).min(longest);
        }
        Ok(())
    }
}
