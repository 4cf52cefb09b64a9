//! Strings of bits in a fixed number of words.

use serde::{Deserialize, Deserializer, Serializer, de::Error as _};

/// Words of a string.
pub(super) const WORDS: usize = 11;
/// Bits that have room.
pub(super) const BITS: u32 = WORDS as u32 * 64;

/// Bits from the highest of the first word on; behind the last one written there are zeros.
pub(super) type Words = [u64; WORDS];

/// Appends to a string. What has no room is left out, and [`Writer::is_over`] says so.
#[derive(Debug)]
pub(super) struct Writer<'a> {
    words: &'a mut Words,
    bit: u32,
}

impl<'a> Writer<'a> {
    pub(super) fn new(words: &'a mut Words, bit: u32) -> Self {
        Self { words, bit }
    }

    /// Appends the lowest `count` bits of `value`, 1 to 64; the others must be 0.
    #[inline]
    pub(super) fn push(&mut self, value: u64, count: u32) {
        let (word, free) = ((self.bit / 64) as usize, 64 - self.bit % 64);
        self.bit += count;
        if self.bit > BITS {
            return;
        }
        if count <= free {
            self.words[word] |= value << (free - count);
        } else {
            let rest = count - free;
            self.words[word] |= value >> rest;
            self.words[word + 1] |= value << (64 - rest);
        }
    }

    /// Bits written, those included that had no room.
    pub(super) fn bit(&self) -> u32 {
        self.bit
    }

    pub(super) fn is_over(&self) -> bool {
        self.bit > BITS
    }
}

/// Sets to 0 what was written from `bit` on.
pub(super) fn cut(words: &mut Words, bit: u32) {
    let (word, used) = ((bit / 64) as usize, bit % 64);
    let Some(rest) = words.get_mut(word..).filter(|rest| !rest.is_empty()) else { return };
    let kept = if used == 0 { 0 } else { rest[0] & (u64::MAX << (64 - used)) };
    rest.fill(0);
    rest[0] = kept;
}

/// Reads a string.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    words: &'a Words,
    bit: u32,
}

impl<'a> Reader<'a> {
    pub(super) fn new(words: &'a Words) -> Self {
        Self { words, bit: 0 }
    }

    /// The next `count` bits, 1 to 64; `None` past the end.
    #[inline]
    pub(super) fn take(&mut self, count: u32) -> Option<u64> {
        if self.bit + count > BITS {
            return None;
        }
        let (word, free) = ((self.bit / 64) as usize, 64 - self.bit % 64);
        self.bit += count;
        let head = self.words[word] << (64 - free);
        if count <= free {
            return Some(head >> (64 - count));
        }
        let rest = count - free;
        Some((head >> (64 - count)) | (self.words[word + 1] >> (64 - rest)))
    }
}

/// As bytes, without the zeros at the end.
pub(super) fn serialize<S: Serializer>(words: &Words, serializer: S) -> Result<S::Ok, S::Error> {
    let mut bytes = [0; WORDS * 8];
    for (place, word) in bytes.chunks_exact_mut(8).zip(words) {
        place.copy_from_slice(&word.to_be_bytes());
    }
    let used = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    serializer.serialize_bytes(&bytes[..used])
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Words, D::Error> {
    let found = <&[u8]>::deserialize(deserializer)?;
    let mut bytes = [0; WORDS * 8];
    let place = bytes.get_mut(..found.len()).ok_or_else(|| D::Error::invalid_length(found.len(), &"a chunk's bits"))?;
    place.copy_from_slice(found);
    let mut words = [0; WORDS];
    for (word, bytes) in words.iter_mut().zip(bytes.chunks_exact(8)) {
        *word = bytes.iter().fold(0, |word, byte| word << 8 | u64::from(*byte));
    }
    Ok(words)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(parts in prop::collection::vec((any::<u64>(), 1_u32..=64), 0..60)) {
            let mut words = [0; WORDS];
            let (mut writer, mut kept) = (Writer::new(&mut words, 0), Vec::new());
            for (value, count) in parts {
                let value = value >> (64 - count);
                writer.push(value, count);
                if writer.is_over() {
                    break;
                }
                kept.push((value, count));
            }
            let end: u32 = kept.iter().map(|(_, count)| count).sum();
            cut(&mut words, end);
            let mut reader = Reader::new(&words);
            for (value, count) in kept {
                prop_assert_eq!(reader.take(count), Some(value));
            }
            let rest: Vec<u64> = std::iter::from_fn(|| reader.take(1)).collect();
            prop_assert_eq!(rest.len(), (BITS - end) as usize);
            prop_assert!(rest.iter().all(|bit| *bit == 0));
        }
    }
}
