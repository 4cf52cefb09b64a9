//! A connection by which lines come: read, gathered, kept, answered, in this order and one after the other.
//!
//! Nothing is read while a batch waits to be kept, so that a sender that is faster than vigie feels it. What was read is
//! kept before the connection ends, whoever ends it.

use std::{io, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    time::{Instant, sleep_until, timeout},
};

use super::input::{BATCH_BYTES, BATCH_RECORDS, GATHER, Input, Sink};
use crate::{
    ingest::logs::{LogError, Writer},
    server::{
        app::NotReady,
        intake::{Cause, Refused},
    },
    signal::{LogBatch, TimestampNs},
};

/// Bytes read at a time.
const READ_BYTES: usize = 64 << 10;
/// How long a sender may take for its answer.
const ANSWER: Duration = Duration::from_secs(10);

/// What makes records of the bytes of a connection.
pub(super) trait Parser: Send {
    /// Takes bytes in, and adds the records that they complete to a batch. Without bytes it goes on with what an earlier
    /// call has left.
    ///
    /// # Errors
    /// [`LogError`]: the connection is to be closed, since nobody knows where the next message begins.
    fn feed(&mut self, bytes: &[u8], received: TimestampNs, writer: &mut Writer<'_>) -> Result<Fed, LogError>;

    /// Adds what is there of a last message.
    fn finish(&mut self, received: TimestampNs, writer: &mut Writer<'_>);

    /// What the sender is to be told now that all records are kept.
    fn answer(&mut self) -> Vec<u8>;
}

/// What came of bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Fed {
    /// The batch is not to wait for more: its sender does, or more is here already.
    pub(super) is_due: bool,
    /// Messages that were longer than is kept.
    pub(super) cut: u64,
    /// Records that were none.
    pub(super) refused: u64,
}

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
pub(super) enum End {
    /// Its sender closed it.
    #[error("its sender closed it")]
    Closed,
    /// Nothing came for too long.
    #[error("nothing came for too long")]
    Idle,
    /// It was time to stop.
    #[error("vigie stops")]
    Stopped,
    /// What came was not in the protocol.
    #[error("{0}")]
    Malformed(LogError),
    /// What came cannot be kept.
    #[error("{0}")]
    Refused(String),
    /// There was no TLS to be had with its sender.
    #[error("no TLS: {0}")]
    NoTls(io::Error),
    /// It broke.
    #[error("{0}")]
    Broken(io::Error),
}

impl End {
    /// In a word, unless it is the usual end.
    pub(super) fn reason(&self) -> Option<&'static str> {
        match self {
            Self::Closed | Self::Stopped => None,
            Self::Idle => Some("idle"),
            Self::Malformed(_) => Some("malformed"),
            Self::Refused(_) => Some("refused"),
            Self::NoTls(_) => Some("tls"),
            Self::Broken(_) => Some("broken"),
        }
    }
}

/// Serves a connection until it ends.
pub(super) async fn serve<S, P, K>(stream: S, parser: P, input: Input<K>) -> End
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
    P: Parser,
    K: Sink,
{
    let mut connection = Connection { stream, parser, input, buffer: vec![0; READ_BYTES], heard: Instant::now() };
    loop {
        let mut batch = LogBatch::default();
        let end = connection.gather(&mut batch).await;
        let lines = batch.len() as u64;
        if let Err(refused) = connection.input.keep(batch).await {
            return connection.give_up(lines, refused);
        }
        if let Err(error) = connection.answer().await {
            return End::Broken(error);
        }
        if let Some(end) = end {
            return end;
        }
    }
}

struct Connection<S, P, K> {
    stream: S,
    parser: P,
    input: Input<K>,
    buffer: Vec<u8>,
    /// When bytes came last.
    heard: Instant,
}

impl<S: AsyncRead + AsyncWrite + Unpin, P: Parser, K: Sink> Connection<S, P, K> {
    /// Reads until there is a batch to keep; returns why the connection is over, if it is.
    async fn gather(&mut self, batch: &mut LogBatch) -> Option<End> {
        let Self { stream, parser, input, buffer, heard } = self;
        let mut stop = input.stop.clone();
        let limits = input.limits.clone();
        let mut writer = Writer::new(batch, &limits);
        let (mut read, mut taken, mut due) = (0, 0, None);
        loop {
            match feed(parser, &buffer[..read], input, &mut writer) {
                Err(error) => return Some(End::Malformed(error)),
                Ok(true) => return None,
                Ok(false) => taken += read,
            }
            if taken >= BATCH_BYTES || writer.records() >= BATCH_RECORDS {
                return None;
            }
            let end = tokio::select! {
                biased;
                () = stop.told() => End::Stopped,
                () = sleep_until(due.unwrap_or(*heard + input.idle)) => return due.is_none().then_some(End::Idle),
                got = stream.read(buffer) => match got {
                    Ok(0) => End::Closed,
                    Err(error) => End::Broken(error),
                    Ok(some) => {
                        read = some;
                        *heard = Instant::now();
                        due.get_or_insert(*heard + GATHER);
                        continue;
                    }
                }
            };
            parser.finish(input.received(), &mut writer);
            return Some(end);
        }
    }

    async fn answer(&mut self) -> io::Result<()> {
        let answer = self.parser.answer();
        if answer.is_empty() {
            return Ok(());
        }
        let told = async {
            self.stream.write_all(&answer).await?;
            self.stream.flush().await
        };
        timeout(ANSWER, told).await.unwrap_or_else(|late| Err(late.into()))
    }

    /// Ends with lines that were not kept; those of a sender that waits for an answer are still its own.
    fn give_up(&mut self, lines: u64, refused: Refused) -> End {
        if self.parser.answer().is_empty() {
            self.input.lost(lines, &refused);
        }
        match refused.cause {
            Cause::NotReady(NotReady::Stopping) => End::Stopped,
            _ => End::Refused(refused.message),
        }
    }
}

/// Feeds the parser, counts what it had to leave out, and says whether the batch is due.
fn feed<K: Sink>(
    parser: &mut impl Parser,
    bytes: &[u8],
    input: &Input<K>,
    writer: &mut Writer<'_>,
) -> Result<bool, LogError> {
    let Fed { is_due, cut, refused } = parser.feed(bytes, input.received(), writer)?;
    if cut > 0 {
        input.counters.cut(input.protocol, cut);
    }
    if refused > 0 {
        input.counters.dropped(input.protocol, "malformed", refused);
    }
    Ok(is_due)
}
