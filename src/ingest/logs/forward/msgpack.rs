//! The first bytes of a MessagePack value.

/// What kind of value begins, and how long it is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Head {
    pub(super) kind: Kind,
    /// Bytes before the payload.
    pub(super) header: usize,
    /// Bytes of a text, of bytes or of an extension. Only said, not checked.
    pub(super) payload: usize,
}

/// Kinds of values; those without payload are complete.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Kind {
    Nil,
    Bool(bool),
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    Text,
    Bytes,
    /// An extension of this type.
    Extension(u8),
    /// A list of so many values.
    List(u64),
    /// A map of so many pairs.
    Map(u64),
    /// The one byte that begins nothing.
    Never,
}

impl Head {
    /// Reads the beginning of a value, if all of it is there.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let (&marker, rest) = bytes.split_first()?;
        let single = |kind| Some(Self { kind, header: 1, payload: 0 });
        match marker {
            0x00..=0x7f => single(Kind::Unsigned(marker.into())),
            0x80..=0x8f => single(Kind::Map(u64::from(marker & 0x0f))),
            0x90..=0x9f => single(Kind::List(u64::from(marker & 0x0f))),
            0xa0..=0xbf => Some(Self { kind: Kind::Text, header: 1, payload: usize::from(marker & 0x1f) }),
            0xc0 => single(Kind::Nil),
            0xc1 => single(Kind::Never),
            0xc2 | 0xc3 => single(Kind::Bool(marker == 0xc3)),
            0xc4..=0xc6 => Self::long(Kind::Bytes, rest, 1 << (marker - 0xc4)),
            0xc7..=0xc9 => {
                let size = 1 << (marker - 0xc7);
                let long = Self::long(Kind::Never, rest, size)?;
                Some(Self { kind: Kind::Extension(*rest.get(size)?), header: long.header + 1, ..long })
            }
            0xca => {
                let bits = number(rest, 4)? as u32;
                Some(Self { kind: Kind::Float(f32::from_bits(bits).into()), header: 5, payload: 0 })
            }
            0xcb => Some(Self { kind: Kind::Float(f64::from_bits(number(rest, 8)?)), header: 9, payload: 0 }),
            0xcc..=0xcf => {
                let size = 1 << (marker - 0xcc);
                Some(Self { kind: Kind::Unsigned(number(rest, size)?), header: 1 + size, payload: 0 })
            }
            0xd0..=0xd3 => {
                let size = 1 << (marker - 0xd0);
                let above = 64 - 8 * size as u32;
                let value = (number(rest, size)? << above).cast_signed() >> above;
                Some(Self { kind: Kind::Signed(value), header: 1 + size, payload: 0 })
            }
            0xd4..=0xd8 => {
                let payload = 1 << (marker - 0xd4);
                Some(Self { kind: Kind::Extension(*rest.first()?), header: 2, payload })
            }
            0xd9..=0xdb => Self::long(Kind::Text, rest, 1 << (marker - 0xd9)),
            0xdc | 0xdd => {
                let size = 2 << (marker - 0xdc);
                Some(Self { kind: Kind::List(number(rest, size)?), header: 1 + size, payload: 0 })
            }
            0xde | 0xdf => {
                let size = 2 << (marker - 0xde);
                Some(Self { kind: Kind::Map(number(rest, size)?), header: 1 + size, payload: 0 })
            }
            0xe0..=0xff => single(Kind::Signed(marker.cast_signed().into())),
        }
    }

    /// A value whose length stands in `size` bytes.
    fn long(kind: Kind, rest: &[u8], size: usize) -> Option<Self> {
        let payload = usize::try_from(number(rest, size)?).ok()?;
        Some(Self { kind, header: 1 + size, payload })
    }
}

/// The number in the first `size` bytes, big end first.
fn number(bytes: &[u8], size: usize) -> Option<u64> {
    Some(bytes.get(..size)?.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
}

/// Appends a text.
pub(super) fn write_text(out: &mut Vec<u8>, text: &[u8]) {
    match text.len() {
        len @ 0..32 => out.push(0xa0 | len as u8),
        len @ 32..0x100 => out.extend([0xd9, len as u8]),
        len @ 0x100..0x1_0000 => {
            out.push(0xda);
            out.extend((len as u16).to_be_bytes());
        }
        len => {
            out.push(0xdb);
            out.extend((len as u32).to_be_bytes());
        }
    }
    out.extend_from_slice(text);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_marker() {
        for (bytes, kind) in [
            (&[0x00][..], Kind::Unsigned(0)),
            (&[0x7f], Kind::Unsigned(127)),
            (&[0x8f], Kind::Map(15)),
            (&[0x90], Kind::List(0)),
            (&[0xc0], Kind::Nil),
            (&[0xc1], Kind::Never),
            (&[0xc2], Kind::Bool(false)),
            (&[0xc3], Kind::Bool(true)),
            (&[0xca, 0x3f, 0x80, 0, 0], Kind::Float(1.0)),
            (&[0xcb, 0xbf, 0xf0, 0, 0, 0, 0, 0, 0], Kind::Float(-1.0)),
            (&[0xcc, 0xff], Kind::Unsigned(255)),
            (&[0xcd, 1, 0], Kind::Unsigned(256)),
            (&[0xce, 0xff, 0xff, 0xff, 0xff], Kind::Unsigned(u64::from(u32::MAX))),
            (&[0xcf, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], Kind::Unsigned(u64::MAX)),
            (&[0xd0, 0x80], Kind::Signed(-128)),
            (&[0xd1, 0x7f, 0xff], Kind::Signed(32_767)),
            (&[0xd2, 0xff, 0xff, 0xff, 0xfe], Kind::Signed(-2)),
            (&[0xd3, 0x80, 0, 0, 0, 0, 0, 0, 0], Kind::Signed(i64::MIN)),
            (&[0xdc, 1, 0], Kind::List(256)),
            (&[0xdd, 0xff, 0xff, 0xff, 0xff], Kind::List(u64::from(u32::MAX))),
            (&[0xde, 0, 1], Kind::Map(1)),
            (&[0xdf, 0, 0, 0, 1], Kind::Map(1)),
            (&[0xe0], Kind::Signed(-32)),
            (&[0xff], Kind::Signed(-1)),
        ] {
            assert_eq!(Head::read(bytes), Some(Head { kind, header: bytes.len(), payload: 0 }), "{bytes:x?}");
        }
        for (bytes, kind, payload) in [
            (&[0xa0][..], Kind::Text, 0),
            (&[0xbf], Kind::Text, 31),
            (&[0xc4, 9], Kind::Bytes, 9),
            (&[0xc5, 1, 0], Kind::Bytes, 256),
            (&[0xc6, 0xff, 0xff, 0xff, 0xff], Kind::Bytes, u32::MAX as usize),
            (&[0xc7, 8, 0], Kind::Extension(0), 8),
            (&[0xc8, 1, 0, 5], Kind::Extension(5), 256),
            (&[0xc9, 0, 0, 1, 0, 0xff], Kind::Extension(0xff), 256),
            (&[0xd4, 1], Kind::Extension(1), 1),
            (&[0xd7, 0], Kind::Extension(0), 8),
            (&[0xd8, 0], Kind::Extension(0), 16),
            (&[0xd9, 200], Kind::Text, 200),
            (&[0xda, 1, 0], Kind::Text, 256),
            (&[0xdb, 0, 1, 0, 0], Kind::Text, 65_536),
        ] {
            assert_eq!(Head::read(bytes), Some(Head { kind, header: bytes.len(), payload }), "{bytes:x?}");
            for cut in 0..bytes.len() {
                assert_eq!(Head::read(&bytes[..cut]), None, "{bytes:x?} up to {cut}");
            }
        }
    }

    #[test]
    fn texts_of_every_length() {
        for len in [0, 31, 32, 255, 256, 65_535, 65_536] {
            let mut bytes = Vec::new();
            write_text(&mut bytes, &vec![b'a'; len]);
            let head = Head::read(&bytes).unwrap();
            assert_eq!((head.kind, head.payload, head.header + len), (Kind::Text, len, bytes.len()));
        }
    }
}
