//! Syslog by UDP: a datagram is a message.
//!
//! Nobody can be made to wait here. Batches that cannot be kept yet queue up, and what finds the queue full is dropped and
//! counted; what the system drops before vigie reads it, the system counts.

use std::time::Duration;

use tokio::{
    net::UdpSocket,
    sync::mpsc,
    time::{Instant, sleep, sleep_until},
};

use super::input::{BATCH_BYTES, BATCH_RECORDS, GATHER, Input, Sink};
use crate::{
    ingest::logs::{Writer, syslog::decode},
    signal::LogBatch,
};

/// Longest datagram.
const DATAGRAM_BYTES: usize = 64 << 10;
/// Batches that wait to be kept: some MiB, several seconds of a busy sender.
const WAITING: usize = 32;
/// Wait after a datagram could not be read, lest a broken socket takes a core.
const AGAIN: Duration = Duration::from_millis(100);

/// Reads datagrams until it is told to stop, and keeps what was read.
pub(super) async fn listen<K: Sink>(socket: UdpSocket, input: Input<K>) {
    let (queue, mut waiting) = mpsc::channel::<LogBatch>(WAITING);
    let reader = async {
        let mut buffer = vec![0; DATAGRAM_BYTES];
        let mut is_over = false;
        while !is_over {
            let mut batch = LogBatch::default();
            is_over = gather(&socket, &mut buffer, &input, &mut batch).await;
            if let Err(full) = queue.try_send(batch) {
                let lines = full.into_inner().len() as u64;
                tracing::debug!(lines, "datagrams are dropped");
                input.counters.dropped(input.protocol, "overload", lines);
            }
        }
        drop(queue);
    };
    let keeper = async {
        while let Some(batch) = waiting.recv().await {
            let lines = batch.len() as u64;
            if let Err(refused) = input.keep(batch).await {
                input.lost(lines, &refused);
            }
        }
    };
    tokio::join!(reader, keeper);
}

/// Reads until there is a batch; returns whether it was the last one.
async fn gather<K: Sink>(socket: &UdpSocket, buffer: &mut [u8], input: &Input<K>, batch: &mut LogBatch) -> bool {
    let mut stop = input.stop.clone();
    let mut writer = Writer::new(batch, &input.limits);
    let (mut taken, mut due) = (0, None);
    while taken < BATCH_BYTES && writer.records() < BATCH_RECORDS {
        let is_due = async {
            match due {
                Some(due) => sleep_until(due).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = stop.told() => return true,
            () = is_due => return false,
            got = socket.recv(buffer) => match got {
                Ok(length) => {
                    taken += length;
                    due.get_or_insert_with(|| Instant::now() + GATHER);
                    // A batch of this size has room for one more.
                    let _ = decode(&buffer[..length], input.received(), &mut writer);
                }
                Err(error) => {
                    tracing::debug!(%error, "a datagram cannot be read");
                    sleep(AGAIN).await;
                }
            }
        }
    }
    false
}
