//! Protobuf messages for tests.

/// A message made by hand, independent of the encoder under test.
#[derive(Clone, Debug, Default)]
pub(super) struct Message(pub(super) Vec<u8>);

impl Message {
    pub(super) fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    /// One-byte tag: field numbers below 16.
    fn tag(self, number: u8, wire_type: u8) -> Self {
        assert!(number < 16);
        self.raw(&[number << 3 | wire_type])
    }

    fn bare(mut self, mut value: u64) -> Self {
        loop {
            let more = value > 0x7f;
            self.0.push((value & 0x7f) as u8 | if more { 0x80 } else { 0 });
            value >>= 7;
            if !more {
                return self;
            }
        }
    }

    pub(super) fn varint(self, number: u8, value: u64) -> Self {
        self.tag(number, 0).bare(value)
    }

    pub(super) fn sint(self, number: u8, value: i64) -> Self {
        self.varint(number, zigzag(value))
    }

    pub(super) fn fixed64(self, number: u8, value: u64) -> Self {
        self.tag(number, 1).raw(&value.to_le_bytes())
    }

    pub(super) fn double(self, number: u8, value: f64) -> Self {
        self.fixed64(number, value.to_bits())
    }

    pub(super) fn bytes(self, number: u8, bytes: impl AsRef<[u8]>) -> Self {
        self.tag(number, 2).bare(bytes.as_ref().len() as u64).raw(bytes.as_ref())
    }

    pub(super) fn message(self, number: u8, message: Self) -> Self {
        self.bytes(number, message.0)
    }

    pub(super) fn packed(self, number: u8, values: &[u64]) -> Self {
        let packed = values.iter().fold(Self::default(), |packed, value| packed.bare(*value));
        self.message(number, packed)
    }
}

pub(super) fn message() -> Message {
    Message::default()
}

pub(super) fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}
