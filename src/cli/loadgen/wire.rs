//! The few pieces of protobuf that a sender of single samples needs.

use crate::signal::TimestampMs;

/// Appends a length-delimited field.
#[inline]
pub(super) fn put_bytes(out: &mut Vec<u8>, number: u8, bytes: &[u8]) {
    put_head(out, number, bytes.len());
    out.extend_from_slice(bytes);
}

/// Appends tag and length of a field of `len` bytes, which must follow.
#[inline]
pub(super) fn put_head(out: &mut Vec<u8>, number: u8, len: usize) {
    out.push(number << 3 | 2);
    push_varint(out, len as u64);
}

/// Appends a field that is a whole number.
#[inline]
pub(super) fn put_varint(out: &mut Vec<u8>, number: u8, value: u64) {
    out.push(number << 3);
    push_varint(out, value);
}

/// Appends a number without tag.
#[inline]
pub(super) fn push_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// The field `samples` of a series, the same in both versions: all samples of a request have one timestamp, so that
/// only the value is left to be filled in.
#[derive(Debug)]
pub(super) struct SampleField(Vec<u8>);

impl SampleField {
    /// Where the value stands: after tag and length of the field, and the tag of the value.
    const VALUE: usize = 3;

    pub(super) fn new(at: TimestampMs) -> Self {
        let mut sample = vec![1 << 3 | 1];
        sample.extend([0; 8]);
        put_varint(&mut sample, 2, at.cast_unsigned());
        let mut field = Vec::new();
        put_bytes(&mut field, 2, &sample);
        Self(field)
    }

    /// Length in bytes.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// The field with `value`.
    #[inline]
    pub(super) fn with(&mut self, value: f64) -> &[u8] {
        self.0[Self::VALUE..Self::VALUE + 8].copy_from_slice(&value.to_le_bytes());
        &self.0
    }
}
