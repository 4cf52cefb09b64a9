//! A record of the journal: one request as it was received.
//!
//! ```text
//! check of the length u32 LE · length of what follows the checksum u32 LE · checksum u64 LE
//!     · received at i64 LE (Unix ms) · kind u8 · length of the tenant u8 · tenant · body
//! ```
//!
//! The checksum is xxh3-64 of the length and of all that follows the checksum; the check is the low half of xxh3-64 of the
//! length. Both are seeded with the record's [`Position`]: bytes that stand where they were not written, a recycled block,
//! an older try or something in a body that looks like a record, are no record. The check is what makes it cheap to try
//! every byte after damage for the next record.

use xxhash_rust::xxh3::{Xxh3, xxh3_64_with_seed};

use crate::signal::{TenantId, TimestampMs};

/// Up to and with the checksum.
pub(super) const HEAD: usize = 4 + 4 + 8;
/// Time, kind, length of the tenant.
const FIXED: usize = 8 + 1 + 1;
/// A longer tenant than [`TenantId`] allows is no tenant.
const TENANT_MAX: usize = 150;

/// The longest body that is taken, in bytes.
pub const MAX_BODY: usize = 64 << 20;

/// A place in the journal: how many bytes of records were before it since the journal began. Never given twice to
/// different acknowledged records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position(pub u64);

impl Position {
    /// Before the first record.
    pub const START: Self = Self(0);
}

impl std::fmt::Display for Position {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// What a body is; the numbers are part of the format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Kind {
    /// Remote write 1.0, snappy-compressed as received.
    RemoteWrite1 = 1,
    /// Remote write 2.0, snappy-compressed as received.
    RemoteWrite2 = 2,
    /// Log records, as [`LogBatch`](crate::signal::LogBatch) in postcard, compressed with snappy: whatever they came as, and
    /// without what is not to be kept.
    Logs = 3,
    /// What a person told vigie: feedback, a plan.
    Command = 128,
}

impl Kind {
    fn from_number(number: u8) -> Option<Self> {
        [Self::RemoteWrite1, Self::RemoteWrite2, Self::Logs, Self::Command]
            .into_iter()
            .find(|kind| *kind as u8 == number)
    }
}

/// One request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// When it was received, by the clock of the machine.
    pub received_at: TimestampMs,
    /// What the body is.
    pub kind: Kind,
    /// Whose it is.
    pub tenant: TenantId,
    /// As received; at most [`MAX_BODY`] bytes.
    pub body: &'a [u8],
}

/// What stands at a place.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Parsed<'a> {
    /// A record, and its length in all.
    Sound(Record<'a>, usize),
    /// A record whose checksum holds, but of a kind that this vigie does not know, and its length in all.
    Unknown(u8, usize),
    /// Not a whole record, and how that shows.
    Damaged(&'static str),
}

impl Record<'_> {
    /// Bytes it takes in the journal.
    pub(super) fn len(&self) -> usize {
        HEAD + FIXED + self.tenant.as_str().len() + self.body.len()
    }

    /// Where it ends when it stands at `at`.
    #[must_use]
    pub fn end(&self, at: Position) -> Position {
        Position(at.0 + self.len() as u64)
    }

    /// Writes it behind what is in the buffer. The body is no longer than [`MAX_BODY`].
    pub(super) fn encode(&self, position: Position, buffer: &mut Vec<u8>) {
        let tenant = self.tenant.as_str().as_bytes();
        let begin = buffer.len();
        let length = (self.len() - HEAD) as u32;
        buffer.reserve(self.len());
        buffer.extend_from_slice(&check(position, length).to_le_bytes());
        buffer.extend_from_slice(&length.to_le_bytes());
        buffer.extend_from_slice(&[0; 8]);
        buffer.extend_from_slice(&self.received_at.to_le_bytes());
        buffer.extend_from_slice(&[self.kind as u8, tenant.len() as u8]);
        buffer.extend_from_slice(tenant);
        buffer.extend_from_slice(self.body);
        let sum = checksum(position, length, &buffer[begin + HEAD..]);
        buffer[begin + 8..begin + HEAD].copy_from_slice(&sum.to_le_bytes());
    }
}

/// The length in all that the head of a record claims; how it shows when this is no head.
pub(super) fn claimed(position: Position, bytes: &[u8]) -> Result<usize, &'static str> {
    let head = bytes.first_chunk::<HEAD>().ok_or("a record's head is cut off")?;
    let length = u32::from_le_bytes([head[4], head[5], head[6], head[7]]);
    if head[..4] != check(position, length).to_le_bytes() {
        return Err("no record begins here");
    }
    if !(FIXED + 1..=FIXED + TENANT_MAX + MAX_BODY).contains(&(length as usize)) {
        return Err("a record's length is out of bounds");
    }
    Ok(HEAD + length as usize)
}

/// Reads the record that the bytes begin with.
pub(super) fn parse(position: Position, bytes: &[u8]) -> Parsed<'_> {
    let whole = match claimed(position, bytes) {
        Ok(whole) => whole,
        Err(what) => return Parsed::Damaged(what),
    };
    let Some(payload) = bytes.get(HEAD..whole) else {
        return Parsed::Damaged("a record is cut off");
    };
    let mut noted = [0; 8];
    noted.copy_from_slice(&bytes[8..HEAD]);
    if checksum(position, payload.len() as u32, payload) != u64::from_le_bytes(noted) {
        return Parsed::Damaged("a record's checksum does not hold");
    }
    let mut received_at = [0; 8];
    received_at.copy_from_slice(&payload[..8]);
    let tenant_length = usize::from(payload[9]);
    let tenant = payload.get(FIXED..FIXED + tenant_length).and_then(|name| std::str::from_utf8(name).ok());
    let Some(tenant) = tenant.and_then(|name| TenantId::parse(name).ok()) else {
        return Parsed::Damaged("a record's tenant is no name");
    };
    let Some(kind) = Kind::from_number(payload[8]) else {
        return Parsed::Unknown(payload[8], whole);
    };
    let body = &payload[FIXED + tenant_length..];
    Parsed::Sound(Record { received_at: i64::from_le_bytes(received_at), kind, tenant, body }, whole)
}

fn check(position: Position, length: u32) -> u32 {
    xxh3_64_with_seed(&length.to_le_bytes(), position.0) as u32
}

fn checksum(position: Position, length: u32, payload: &[u8]) -> u64 {
    let mut hash = Xxh3::with_seed(position.0);
    hash.update(&length.to_le_bytes());
    hash.update(payload);
    hash.digest()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Record<'static> {
        Record {
            received_at: 1_700_000_000_123,
            kind: Kind::RemoteWrite2,
            tenant: TenantId::parse("team-1").unwrap(),
            body: b"body",
        }
    }

    #[test]
    fn the_format_is_pinned() {
        let mut bytes = Vec::new();
        record().encode(Position(7), &mut bytes);
        assert_eq!(bytes.len(), record().len());
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "0750b7d214000000b77ad62b59210d767b68e5cf8b01000002067465616d2d31626f6479");
        assert_eq!(parse(Position(7), &bytes), Parsed::Sound(record(), bytes.len()));
    }

    #[test]
    fn every_flipped_bit_and_every_cut_shows() {
        let mut bytes = Vec::new();
        record().encode(Position(7), &mut bytes);
        for bit in 0..bytes.len() * 8 {
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(matches!(parse(Position(7), &bytes), Parsed::Damaged(_)), "bit {bit}");
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
        for cut in 0..bytes.len() {
            assert!(matches!(parse(Position(7), &bytes[..cut]), Parsed::Damaged(_)), "cut at {cut}");
        }
        assert!(matches!(parse(Position(8), &bytes), Parsed::Damaged(_)), "it was not written there");
    }

    #[test]
    fn a_kind_of_tomorrow_is_told_from_damage() {
        let mut bytes = Vec::new();
        record().encode(Position(0), &mut bytes);
        bytes[HEAD + 8] = 77;
        let sum = checksum(Position(0), (bytes.len() - HEAD) as u32, &bytes[HEAD..]);
        bytes[8..HEAD].copy_from_slice(&sum.to_le_bytes());
        assert_eq!(parse(Position(0), &bytes), Parsed::Unknown(77, bytes.len()));
    }

    #[test]
    fn lengths_are_checked_before_anything_is_made() {
        for length in [0, FIXED as u32, u32::MAX] {
            let mut head = [0; HEAD];
            head[..4].copy_from_slice(&check(Position(5), length).to_le_bytes());
            head[4..8].copy_from_slice(&length.to_le_bytes());
            assert_eq!(claimed(Position(5), &head), Err("a record's length is out of bounds"));
        }
    }
}
