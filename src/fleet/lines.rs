//! Requests of log records.

use std::sync::{Arc, atomic::AtomicU64};

use axum::body::Bytes;

use crate::{
    engine::Routes,
    journal::Position,
    logs::{severity, traces},
    signal::{LogBatch, TenantId, TimestampMs},
};

/// Log records that were received, with nothing in them that is not to be kept.
#[derive(Clone, Debug)]
pub struct LogRequest {
    /// Whose they are.
    pub tenant: TenantId,
    /// The records.
    pub batch: Arc<LogBatch>,
    /// When they arrived.
    pub received: TimestampMs,
    /// What the journal keeps.
    pub(super) raw: Bytes,
    /// Where it ends in the journal.
    pub(super) end: Position,
}

/// Why a batch of log records cannot be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the records take more than the journal's limit of {} bytes; send smaller batches", crate::journal::MAX_BODY)]
pub struct TooLarge;

impl LogRequest {
    /// A request of these records: lines of a stack trace become one, and those without a severity get the one that their
    /// line names.
    ///
    /// # Errors
    /// They are larger than a record of the journal may be.
    pub fn new(tenant: TenantId, mut batch: LogBatch, received: TimestampMs) -> Result<Self, TooLarge> {
        traces::join(&mut batch);
        batch.grade(|line| severity(traces::message(line)));
        let encoded = postcard::to_stdvec(&batch).map_err(|_| TooLarge)?;
        let raw = snap::raw::Encoder::new().compress_vec(&encoded).map_err(|_| TooLarge)?;
        if raw.len() > crate::journal::MAX_BODY {
            return Err(TooLarge);
        }
        Ok(Self { tenant, batch: Arc::new(batch), received, raw: raw.into(), end: Position::START })
    }

    /// The request that the journal kept, up to `end`.
    pub(super) fn of_record(record: &crate::journal::Record<'_>, end: Position) -> Result<Self, String> {
        let encoded = snap::raw::Decoder::new().decompress_vec(record.body).map_err(|error| error.to_string())?;
        let batch: LogBatch = postcard::from_bytes(&encoded).map_err(|error| error.to_string())?;
        let (tenant, received) = (record.tenant.clone(), record.received_at);
        Ok(Self { tenant, batch: Arc::new(batch), received, raw: Bytes::new(), end })
    }
}

/// The records of a request on their way through the shards.
#[derive(Debug)]
pub(super) struct Lines {
    pub(super) batch: Arc<LogBatch>,
    pub(super) routes: Routes,
    /// Template of each record.
    pub(super) templates: Arc<[AtomicU64]>,
}
