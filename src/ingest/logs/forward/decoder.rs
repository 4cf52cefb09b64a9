//! Events out of the bytes of a connection.

use super::{
    Event,
    scanner::{Fault, Scanner},
};
use crate::ingest::logs::LogError;

/// Takes the bytes of a connection and gives the events in them. Never holds more than one event that is not complete,
/// and what came with its end.
#[derive(Debug)]
pub struct Decoder {
    most: usize,
    buffer: Vec<u8>,
    /// Bytes of the buffer that are done with.
    done: usize,
    scanner: Scanner,
}

impl Decoder {
    /// Refuses events of more than `most` bytes. By default Fluentd's chunks are of 8 MiB, Fluent Bit's of 2 MB.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self { most, buffer: Vec::new(), done: 0, scanner: Scanner::default() }
    }

    /// Takes bytes in. To be called when [`Self::event`] has nothing more to give.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.buffer.drain(..self.done);
        self.done = 0;
        self.buffer.extend_from_slice(bytes);
    }

    /// The next event, if it is all there.
    ///
    /// # Errors
    /// [`LogError::Malformed`], counted from the beginning of the event, and [`LogError::BodyTooLarge`]: the connection
    /// is to be closed, since nobody knows where the next event begins.
    pub fn event(&mut self) -> Result<Option<Event<'_>>, LogError> {
        loop {
            let rest = self.buffer.get(self.done..).unwrap_or_default();
            let end = self.scanner.end(rest, self.most).map_err(|fault| match fault {
                Fault::Never(at) => malformed("no value begins like this", at),
                Fault::Depth(at) => malformed("lists and maps are too deep in each other", at),
                Fault::Length => LogError::BodyTooLarge { limit: self.most },
            })?;
            let Some(message) = end.and_then(|end| rest.get(..end)) else { return Ok(None) };
            self.done += message.len();
            self.scanner = Scanner::default();
            // A sign of life.
            if message == [0xc0] {
                continue;
            }
            return Event::read(message).map(Some).ok_or_else(|| malformed("no event of the forward protocol", 0));
        }
    }
}

pub(super) fn malformed(what: &str, at: usize) -> LogError {
    LogError::Malformed { what: what.to_owned(), at }
}
