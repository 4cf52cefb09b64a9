//! Syslog by TCP: messages out of the bytes of a connection.

use super::connection::{Fed, Parser};
use crate::{
    ingest::logs::{
        LogError, Writer,
        syslog::{Framer, decode},
    },
    signal::TimestampNs,
};

/// Syslog in either framing.
#[derive(Debug)]
pub(super) struct Syslog {
    framer: Framer,
    /// Messages that were cut off, as far as told.
    cut: u64,
}

impl Syslog {
    pub(super) fn new() -> Self {
        Self { framer: Framer::new(Framer::MESSAGE_BYTES), cut: 0 }
    }
}

impl Parser for Syslog {
    fn feed(&mut self, bytes: &[u8], received: TimestampNs, writer: &mut Writer<'_>) -> Result<Fed, LogError> {
        self.framer.feed(bytes, |message| decode(message, received, writer))?;
        let cut = self.framer.cut() - self.cut;
        self.cut += cut;
        Ok(Fed { cut, ..Fed::default() })
    }

    fn finish(&mut self, received: TimestampNs, writer: &mut Writer<'_>) {
        let framer = std::mem::replace(&mut self.framer, Framer::new(Framer::MESSAGE_BYTES));
        // One message more than was gathered fits in every batch.
        let _ = framer.finish(|message| decode(message, received, writer));
    }

    /// Syslog knows no answers.
    fn answer(&mut self) -> Vec<u8> {
        Vec::new()
    }
}
