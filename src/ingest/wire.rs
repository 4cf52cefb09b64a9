//! A bounds-checked walk over protobuf messages.
//!
//! A [`Reader`] yields the fields of one message, each with its value still in wire form; unknown fields are thereby
//! skipped by not looking at them. Offsets are those of the whole body, for spans and for error messages.

/// Where and how a body is not protobuf.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("malformed protobuf at byte {offset} of the uncompressed body: {fault}")]
pub struct Malformed {
    /// Offset in the uncompressed body, in bytes.
    pub offset: usize,
    /// What is wrong there.
    pub fault: WireFault,
}

/// What can be wrong with a protobuf encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireFault {
    /// The message ends inside a field.
    #[error("message ends inside a field")]
    Truncated,
    /// A varint has more than ten bytes or more than 64 bits.
    #[error("varint does not fit 64 bits")]
    Varint,
    /// A length points beyond the end of the enclosing message.
    #[error("length {0} goes beyond the end of the message")]
    Length(u64),
    /// Field number zero or above 2^29 - 1.
    #[error("field number out of range")]
    FieldNumber,
    /// A group (deprecated, not part of these messages) or an undefined wire type.
    #[error("wire type {0} is not supported")]
    WireType(u8),
    /// A known field in another wire type than its own.
    #[error("field {0} has the wrong wire type")]
    Mismatch(u32),
}

/// A range of the body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) start: usize,
    pub(super) end: usize,
}

impl Span {
    pub(super) fn len(self) -> usize {
        self.end - self.start
    }

    /// The bytes of it in `body`, none where it lies outside.
    #[inline]
    pub(super) fn of(self, body: &[u8]) -> &[u8] {
        body.get(self.start..self.end).unwrap_or_default()
    }

    /// The bytes of `body` from its beginning on, and its length.
    #[inline]
    pub(super) fn ahead(self, body: &[u8]) -> (&[u8], usize) {
        (body.get(self.start..).unwrap_or_default(), self.len())
    }
}

/// The value of a field as it stands on the wire.
#[derive(Clone, Copy, Debug)]
pub(super) enum Value {
    Varint(u64),
    Fixed64(u64),
    Bytes(Span),
    Fixed32,
}

/// One field of a message.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field {
    /// Offset of the field's tag.
    pub(super) at: usize,
    pub(super) number: u32,
    pub(super) value: Value,
}

impl Field {
    fn mismatch(self) -> Malformed {
        Malformed { offset: self.at, fault: WireFault::Mismatch(self.number) }
    }

    /// The value of a varint field.
    #[inline]
    pub(super) fn varint(self) -> Result<u64, Malformed> {
        if let Value::Varint(value) = self.value { Ok(value) } else { Err(self.mismatch()) }
    }

    /// The value of a `fixed64`.
    #[inline]
    pub(super) fn fixed64(self) -> Result<u64, Malformed> {
        if let Value::Fixed64(bits) = self.value { Ok(bits) } else { Err(self.mismatch()) }
    }

    /// The value of a `double`, bit for bit.
    #[inline]
    pub(super) fn double(self) -> Result<f64, Malformed> {
        self.fixed64().map(f64::from_bits)
    }

    /// The value of an `int64`.
    #[inline]
    pub(super) fn int64(self) -> Result<i64, Malformed> {
        self.varint().map(u64::cast_signed)
    }

    /// The range of a string, of bytes or of a message.
    #[inline]
    pub(super) fn bytes(self) -> Result<Span, Malformed> {
        if let Value::Bytes(span) = self.value { Ok(span) } else { Err(self.mismatch()) }
    }

    /// Each element that this occurrence of a repeated varint field holds, packed or not.
    #[inline]
    pub(super) fn each_varint(self, body: &[u8], mut visit: impl FnMut(u64)) -> Result<(), Malformed> {
        match self.value {
            Value::Varint(value) => visit(value),
            Value::Bytes(span) => {
                let mut packed = Reader::new(body, span);
                while packed.at < packed.body.len() {
                    visit(packed.varint()?);
                }
            }
            Value::Fixed64(_) | Value::Fixed32 => return Err(self.mismatch()),
        }
        Ok(())
    }

    /// Each element that this occurrence of a repeated `double` field holds, packed or not.
    pub(super) fn each_double(self, body: &[u8], mut visit: impl FnMut(f64)) -> Result<(), Malformed> {
        match self.value {
            Value::Fixed64(bits) => visit(f64::from_bits(bits)),
            Value::Bytes(span) => {
                let mut packed = Reader::new(body, span);
                while packed.at < packed.body.len() {
                    visit(f64::from_bits(packed.fixed64()?));
                }
            }
            Value::Varint(_) | Value::Fixed32 => return Err(self.mismatch()),
        }
        Ok(())
    }
}

/// The signed number that a `sint32` or `sint64` encodes.
pub(super) fn zigzag(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ -(value & 1).cast_signed()
}

/// The varint that begins with these bytes and ends within them, and its length.
#[inline(always)]
pub(super) fn short_varint(bytes: &[u8; 8]) -> Option<(u64, usize)> {
    let word = u64::from_le_bytes(*bytes);
    let ends = !word & 0x8080_8080_8080_8080;
    let bits = ends.trailing_zeros();
    if bits == u64::BITS {
        return None;
    }
    // Seven bits of each byte up to the last; then pairs, pairs of pairs and the halves are pushed together.
    let sevens = word & (u64::MAX >> (63 - bits)) & 0x7f7f_7f7f_7f7f_7f7f;
    let pairs = (sevens & 0x00ff_00ff_00ff_00ff) | (sevens & 0xff00_ff00_ff00_ff00) >> 1;
    let fours = (pairs & 0x0000_ffff_0000_ffff) | (pairs & 0xffff_0000_ffff_0000) >> 2;
    Some((fours & 0xffff_ffff | fours >> 32 << 28, bits as usize / 8 + 1))
}

/// Reads the fields of one message.
#[derive(Clone, Debug)]
pub(super) struct Reader<'a> {
    /// The body, cut off at the end of the message.
    body: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    /// Reads the message at `span`; a span outside the body holds no fields.
    #[inline]
    pub(super) fn new(body: &'a [u8], span: Span) -> Self {
        Self { body: body.get(..span.end).unwrap_or_default(), at: span.start }
    }

    /// Reads all of `body`.
    pub(super) fn of(body: &'a [u8]) -> Self {
        Self { body, at: 0 }
    }

    /// The next field, `None` at the end of the message.
    ///
    /// Inlined by force: a field handed back through memory stalls the reader longer than reading it takes.
    #[inline(always)]
    pub(super) fn field(&mut self) -> Result<Option<Field>, Malformed> {
        if self.at >= self.body.len() {
            return Ok(None);
        }
        let at = self.at;
        let tag = self.varint()?;
        let fail = |fault| Malformed { offset: at, fault };
        let number = u32::try_from(tag >> 3).unwrap_or(u32::MAX);
        if number == 0 || number >= 1 << 29 {
            return Err(fail(WireFault::FieldNumber));
        }
        let value = match tag & 7 {
            0 => Value::Varint(self.varint()?),
            1 => Value::Fixed64(self.fixed64()?),
            2 => Value::Bytes(self.length_delimited()?),
            5 => {
                self.take(4)?;
                Value::Fixed32
            }
            other => return Err(fail(WireFault::WireType(other as u8))),
        };
        Ok(Some(Field { at, number, value }))
    }

    #[inline(always)]
    fn length_delimited(&mut self) -> Result<Span, Malformed> {
        let offset = self.at;
        let length = self.varint()?;
        match usize::try_from(length) {
            Ok(length) if length <= self.body.len() - self.at => {
                let span = Span { start: self.at, end: self.at + length };
                self.at = span.end;
                Ok(span)
            }
            _ => Err(Malformed { offset, fault: WireFault::Length(length) }),
        }
    }

    #[inline(always)]
    fn take(&mut self, length: usize) -> Result<&'a [u8], Malformed> {
        let taken = self.at.checked_add(length).and_then(|end| self.body.get(self.at..end));
        let taken = taken.ok_or(Malformed { offset: self.at, fault: WireFault::Truncated })?;
        self.at += length;
        Ok(taken)
    }

    #[inline(always)]
    fn fixed64(&mut self) -> Result<u64, Malformed> {
        let offset = self.at;
        let taken = self.take(8)?;
        let bytes: [u8; 8] = taken.try_into().map_err(|_| Malformed { offset, fault: WireFault::Truncated })?;
        Ok(u64::from_le_bytes(bytes))
    }

    #[inline(always)]
    fn varint(&mut self) -> Result<u64, Malformed> {
        match self.body.get(self.at..) {
            Some([byte @ ..0x80, ..]) => {
                self.at += 1;
                Ok(u64::from(*byte))
            }
            // Lengths of series, and references into all but the smallest symbol tables.
            Some([low, high @ ..0x80, ..]) => {
                self.at += 2;
                Ok(u64::from(low & 0x7f) | u64::from(*high) << 7)
            }
            _ => self.long_varint(),
        }
    }

    #[inline(never)]
    fn long_varint(&mut self) -> Result<u64, Malformed> {
        let offset = self.at;
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let Some(&byte) = self.body.get(self.at) else {
                return Err(Malformed { offset, fault: WireFault::Truncated });
            };
            self.at += 1;
            // The tenth byte has room for one bit.
            if shift == 63 && byte > 1 {
                break;
            }
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(Malformed { offset, fault: WireFault::Varint })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_varint_is_what_the_reader_reads() {
        for bits in 0..64 {
            for value in [1_u64 << bits, u64::MAX >> bits, 0x5ada_13c7_9b1d_6e2f >> bits] {
                let mut bytes = [0xff; 10];
                let length = value.max(1).ilog2() as usize / 7 + 1;
                for (i, byte) in bytes.iter_mut().enumerate().take(length) {
                    *byte = (value >> (7 * i)) as u8 & 0x7f | u8::from(i + 1 < length) << 7;
                }
                assert_eq!(Reader::of(&bytes).varint(), Ok(value));
                let short = short_varint(bytes.first_chunk().unwrap());
                assert_eq!(short, (length <= 8).then_some((value, length)), "{value:#x}");
            }
        }
    }
}
