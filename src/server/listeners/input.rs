//! An input: what its lines are of, and how they are kept.

use std::{future::Future, time::Duration};

use tokio::time::sleep;

use super::{counters::Counters, stop::Stop};
use crate::{
    ingest::logs::LogLimits,
    server::{
        app::{App, NotReady},
        intake::{Cause, Refused},
        logs,
    },
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
    /// It cannot be kept, now or at all.
    fn deliver(
        &self,
        protocol: &'static str,
        tenant: &TenantId,
        batch: LogBatch,
    ) -> impl Future<Output = Result<(), Refused>> + Send;

    /// The time now.
    fn now(&self) -> TimestampMs;
}

impl Sink for App {
    async fn deliver(&self, protocol: &'static str, tenant: &TenantId, batch: LogBatch) -> Result<(), Refused> {
        self.check_writable()?;
        logs::deliver(self, protocol, tenant, batch, None).await
    }

    fn now(&self) -> TimestampMs {
        App::now(self)
    }
}

/// What connections of a listener share.
#[derive(Clone, Debug)]
pub(super) struct Input<K> {
    /// Its name as a label of metrics.
    pub(super) protocol: &'static str,
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
    /// Waiting does not help: vigie ends, or a fault of its own or a limit is in the way.
    pub(super) async fn keep(&self, batch: LogBatch) -> Result<(), Refused> {
        if batch.is_empty() {
            return Ok(());
        }
        let (mut wait, longest) = AGAIN;
        loop {
            // A copy, since the attempt may have to be repeated; small beside the work on it.
            let Err(refused) = self.sink.deliver(self.protocol, &self.tenant, batch.clone()).await else {
                return Ok(());
            };
            if !passes(refused.cause) {
                return Err(refused);
            }
            tracing::debug!(protocol = self.protocol, reason = refused.message, "log lines wait");
            sleep(wait).await;
            wait = (wait * 2).min(longest);
        }
    }

    /// Counts lines that were not kept, and says so unless the reason is the end.
    pub(super) fn lost(&self, lines: u64, refused: &Refused) {
        self.counters.dropped(self.protocol, refused.cause.as_str(), lines);
        if refused.cause != Cause::NotReady(NotReady::Stopping) {
            tracing::warn!(protocol = self.protocol, lines, reason = refused.message, "log lines are not kept");
        }
    }
}

/// Whether waiting helps. What failed by a fault would most likely do so again.
fn passes(cause: Cause) -> bool {
    match cause {
        Cause::NotReady(cause) => !matches!(cause, NotReady::Stopping | NotReady::Fault),
        Cause::Invalid | Cause::Foreign | Cause::Late | Cause::TooLarge | Cause::Unsupported => false,
    }
}
