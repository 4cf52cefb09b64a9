//! Fluent forward: events out of the bytes of a connection, and their acknowledgements.

use tokio::{
    runtime::{Handle, RuntimeFlavor},
    task::block_in_place,
};

use super::{
    connection::{Fed, Parser},
    input::{BATCH_BYTES, BATCH_RECORDS},
};
use crate::{
    ingest::logs::{
        LogError, Writer,
        forward::{Decoder, Tally},
    },
    signal::TimestampNs,
};

/// Up to this size an event is decoded within a millisecond.
const INLINE_BYTES: usize = 64 << 10;

/// Events in every mode.
#[derive(Debug)]
pub(super) struct Forward {
    decoder: Decoder,
    /// Bytes since the last event.
    waiting: usize,
    /// Acknowledgements of what is in the batch.
    acks: Vec<u8>,
}

impl Forward {
    /// Refuses events of more than `most` bytes.
    pub(super) fn new(most: usize) -> Self {
        Self { decoder: Decoder::new(most), waiting: 0, acks: Vec::new() }
    }
}

impl Parser for Forward {
    fn feed(&mut self, bytes: &[u8], _: TimestampNs, writer: &mut Writer<'_>) -> Result<Fed, LogError> {
        self.decoder.feed(bytes);
        self.waiting += bytes.len();
        let mut fed = Fed::default();
        while !is_full(writer)
            && let Some(event) = self.decoder.event()?
        {
            let Tally { refused, .. } = aside(self.waiting, || event.write(writer))?;
            self.waiting = 0;
            fed.refused += refused as u64;
            self.acks.extend(event.ack().unwrap_or_default());
        }
        fed.is_due = is_full(writer) || !self.acks.is_empty();
        Ok(fed)
    }

    /// Half an event is none.
    fn finish(&mut self, _: TimestampNs, _: &mut Writer<'_>) {}

    fn answer(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.acks)
    }
}

/// A few bytes may be many records, so that what is behind them waits for the next batch.
fn is_full(writer: &Writer<'_>) -> bool {
    writer.text_bytes() >= BATCH_BYTES || writer.records() >= BATCH_RECORDS
}

/// Does the work on so many bytes; on many of them while other connections go on.
fn aside<T>(bytes: usize, work: impl FnOnce() -> T) -> T {
    let runtime = Handle::try_current().map(|runtime| runtime.runtime_flavor());
    let has_other_threads = matches!(runtime, Ok(RuntimeFlavor::MultiThread));
    if bytes > INLINE_BYTES && has_other_threads { block_in_place(work) } else { work() }
}
