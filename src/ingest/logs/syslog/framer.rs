//! Messages out of the bytes of a connection.

use crate::ingest::logs::LogError;

/// Splits what comes by TCP into messages, as RFC 6587 describes: each is preceded by its length, or ended by a line
/// feed. Which of them is decided for each message by its first byte: a digit begins a length.
///
/// A message over the limit is cut off there, and the rest of it is passed over and counted. Never holds more than one
/// message.
#[derive(Debug)]
pub struct Framer {
    most: usize,
    state: State,
    /// What is there of the message.
    message: Vec<u8>,
    /// Whether more than fits came of it.
    is_cut: bool,
    cut: u64,
    /// Bytes taken in.
    seen: usize,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// Before a message.
    Between,
    /// In the length of one.
    Length(usize),
    /// In one of which so many bytes are left.
    Octets(usize),
    /// In one that ends with a line feed.
    Line,
}

impl Framer {
    /// Largest message in bytes that is kept whole, for who has no better reason: far above the 8 KiB that rsyslog
    /// sends by default.
    pub const MESSAGE_BYTES: usize = 256 << 10;
    /// Longest length that is believed. A wrong one would swallow the messages behind it.
    const LENGTH_MAX: usize = 64 << 20;

    /// Keeps `most` bytes of a message.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self { most, state: State::Between, message: Vec::new(), is_cut: false, cut: 0, seen: 0 }
    }

    /// Takes bytes in and hands out each message that they complete.
    ///
    /// # Errors
    /// [`LogError::Malformed`] where a length is none: the connection is to be closed, since nobody knows where the
    /// next message begins. What `take` answers ends it as well.
    pub fn feed(
        &mut self,
        mut bytes: &[u8],
        mut take: impl FnMut(&[u8]) -> Result<(), LogError>,
    ) -> Result<(), LogError> {
        while let Some(&first) = bytes.first() {
            let used = match self.state {
                State::Between => match first {
                    // Some end a message of known length with a line feed on top.
                    b'\n' | b'\r' | b'\0' => 1,
                    b'0'..=b'9' => {
                        self.state = State::Length(0);
                        0
                    }
                    _ => {
                        self.state = State::Line;
                        0
                    }
                },
                State::Length(length) => {
                    self.state = self.lengthen(length, first)?;
                    1
                }
                State::Octets(left) => {
                    let used = left.min(bytes.len());
                    self.keep(&bytes[..used]);
                    self.state = State::Octets(left - used);
                    if used == left {
                        self.complete(&mut take)?;
                    }
                    used
                }
                State::Line => {
                    let end = bytes.iter().position(|byte| *byte == b'\n');
                    self.keep(&bytes[..end.unwrap_or(bytes.len())]);
                    if end.is_some() {
                        self.complete(&mut take)?;
                    }
                    end.map_or(bytes.len(), |end| end + 1)
                }
            };
            self.seen += used;
            bytes = &bytes[used..];
        }
        Ok(())
    }

    /// Ends the connection: what is there of a last message is one.
    ///
    /// # Errors
    /// What `take` answers.
    pub fn finish(mut self, mut take: impl FnMut(&[u8]) -> Result<(), LogError>) -> Result<u64, LogError> {
        self.is_cut |= matches!(self.state, State::Octets(_));
        if !self.message.is_empty() {
            self.complete(&mut take)?;
        }
        Ok(self.cut)
    }

    /// How many messages were cut off.
    #[must_use]
    pub fn cut(&self) -> u64 {
        self.cut
    }

    /// Takes in one byte of a length.
    fn lengthen(&self, length: usize, byte: u8) -> Result<State, LogError> {
        let longer = match byte {
            b'0'..=b'9' => length * 10 + usize::from(byte - b'0'),
            b' ' if length > 0 => return Ok(State::Octets(length)),
            _ => 0,
        };
        if (1..=Self::LENGTH_MAX).contains(&longer) {
            return Ok(State::Length(longer));
        }
        Err(LogError::Malformed { what: "wrong length of a message".to_owned(), at: self.seen })
    }

    fn keep(&mut self, bytes: &[u8]) {
        let fits = bytes.len().min(self.most - self.message.len());
        self.message.extend_from_slice(&bytes[..fits]);
        self.is_cut |= fits < bytes.len();
    }

    fn complete(&mut self, take: &mut impl FnMut(&[u8]) -> Result<(), LogError>) -> Result<(), LogError> {
        self.state = State::Between;
        self.cut += u64::from(std::mem::take(&mut self.is_cut));
        let taken = take(&self.message);
        self.message.clear();
        taken
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The messages that pieces of a connection make, and how many of them were cut off.
    fn frames<'a>(most: usize, pieces: impl IntoIterator<Item = &'a [u8]>) -> Result<(Vec<String>, u64), LogError> {
        let mut framer = Framer::new(most);
        let mut messages = Vec::new();
        let mut take = |message: &[u8]| {
            assert!(message.len() <= most);
            messages.push(String::from_utf8_lossy(message).into_owned());
            Ok(())
        };
        for piece in pieces {
            framer.feed(piece, &mut take)?;
        }
        let cut = framer.finish(&mut take)?;
        Ok((messages, cut))
    }

    #[track_caller]
    fn check(most: usize, bytes: &[u8], messages: &[&str], cut: u64) {
        assert_eq!(frames(most, [bytes]).unwrap(), (messages.iter().map(|&m| m.to_owned()).collect(), cut));
    }

    #[test]
    fn messages_by_length_and_by_line() {
        check(99, b"<13>one\n<13>two\r\n", &["<13>one", "<13>two\r"], 0);
        check(99, b"7 <13>one7 <13>two", &["<13>one", "<13>two"], 0);
        check(99, b"8 <13>one\n<13>two\n7 <13>3\n4", &["<13>one\n", "<13>two", "<13>3\n4"], 0);
        check(99, b"7 <13>one\n7 <13>two\n", &["<13>one", "<13>two"], 0);
        check(99, b"\n\0\r\nno priority\n", &["no priority"], 0);
        check(99, b"", &[], 0);
    }

    #[test]
    fn what_is_too_long_is_cut_and_its_rest_passed_over() {
        check(5, b"<1>abcdef\n<2>x\n", &["<1>ab", "<2>x"], 1);
        check(5, b"9 <1>abcdef4 <2>x", &["<1>ab", "<2>x"], 1);
        check(5, b"5 <1>ab", &["<1>ab"], 0);
        check(5, b"<1>ab\n", &["<1>ab"], 0);
    }

    #[test]
    fn the_end_of_a_connection_ends_a_message() {
        check(99, b"<13>last", &["<13>last"], 0);
        check(99, b"20 <13>last", &["<13>last"], 1);
        check(99, b"20", &[], 0);
        check(99, b"20 ", &[], 0);
    }

    #[test]
    fn a_wrong_length_ends_the_connection() {
        for (bytes, at) in [
            (&b"0 <13>a"[..], 0),
            (b"12a", 2),
            (b"3 abc2023-11-14 a", 9),
            (b"99999999999999999999 ", 7),
            (b"67108865 ", 7),
        ] {
            let error = frames(99, [bytes]).unwrap_err();
            assert_eq!(error, LogError::Malformed { what: "wrong length of a message".to_owned(), at });
        }
    }

    #[test]
    fn who_takes_may_end_it() {
        let full = || Err(LogError::TooMany { what: "records", limit: 1 });
        assert!(Framer::new(9).feed(b"a\nb\n", |_| full()).is_err());
    }

    proptest! {
        #[test]
        fn byte_by_byte_is_the_same_as_at_once(
            bytes in "([0-9]{1,2} |<13>|[a-c]{1,3}|\n|\r){0,30}",
            most in 1..12_usize,
        ) {
            let bytes = bytes.as_bytes();
            prop_assert_eq!(frames(most, bytes.chunks(1)), frames(most, [bytes]));
            prop_assert_eq!(frames(most, bytes.chunks(3)), frames(most, [bytes]));
        }

        #[test]
        fn any_bytes_are_framed(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            prop_assert_eq!(frames(16, bytes.chunks(1)), frames(16, [&*bytes]));
        }
    }
}
