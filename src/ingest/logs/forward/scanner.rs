//! Where a MessagePack value ends.

use super::msgpack::{Head, Kind};

/// Finds the end of a value whose bytes come in pieces, without looking at any twice but the beginning of a text that
/// is not all there.
#[derive(Clone, Debug, Default)]
pub(super) struct Scanner {
    /// Bytes looked at.
    at: usize,
    /// Values that lists and maps around this place still miss.
    open: Vec<u64>,
}

/// Why a value will never end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// A byte that begins no value, at this place.
    Never(usize),
    /// Lists and maps within each other, beyond [`Scanner::DEPTH`].
    Depth(usize),
    /// It is longer than allowed.
    Length,
}

impl Scanner {
    /// Lists and maps within each other. JSON is read to 128; records are rarely deeper than 10.
    pub(super) const DEPTH: usize = 64;

    /// Goes on in `bytes`, which begin where the value does and were longer each time; `most` is the length that a
    /// value may have. Gives its length once it is all there.
    pub(super) fn end(&mut self, bytes: &[u8], most: usize) -> Result<Option<usize>, Fault> {
        while let Some(Head { kind, header, payload }) = bytes.get(self.at..).and_then(Head::read) {
            let end = self.at.saturating_add(header).saturating_add(payload);
            if end > most {
                return Err(Fault::Length);
            }
            let misses = match kind {
                Kind::Never => return Err(Fault::Never(self.at)),
                Kind::List(length) => length,
                Kind::Map(length) => 2 * length,
                _ => 0,
            };
            if end > bytes.len() {
                return Ok(None);
            }
            self.at = end;
            if misses > 0 {
                if self.open.len() == Self::DEPTH {
                    return Err(Fault::Depth(end));
                }
                self.open.push(misses);
            } else if self.is_last() {
                return Ok(Some(end));
            }
        }
        if self.at >= most { Err(Fault::Length) } else { Ok(None) }
    }

    /// Counts a value that is complete, and with it those that it completes. Whether it was the outermost.
    fn is_last(&mut self) -> bool {
        while let Some(misses) = self.open.last_mut() {
            *misses -= 1;
            if *misses > 0 {
                return false;
            }
            self.open.pop();
        }
        true
    }
}
