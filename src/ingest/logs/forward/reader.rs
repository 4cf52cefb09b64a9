//! Reads MessagePack values, also for serde.

use serde::{
    de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor, value::Error},
    forward_to_deserialize_any,
};

use super::{
    msgpack::{Head, Kind},
    scanner::Scanner,
};

/// Reads one value after the other. Nothing is allocated for what a value says of its length.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    pub(super) fn is_empty(self) -> bool {
        self.bytes.is_empty()
    }

    /// Kind of the next value.
    pub(super) fn kind(self) -> Option<Kind> {
        Head::read(self.bytes).map(|head| head.kind)
    }

    /// The next value's kind and payload. Of a list or a map the values follow.
    pub(super) fn next(&mut self) -> Option<(Kind, &'a [u8])> {
        let Head { kind, header, payload } = Head::read(self.bytes)?;
        let (payload, rest) = self.bytes.get(header..)?.split_at_checked(payload)?;
        self.bytes = rest;
        Some((kind, payload))
    }

    /// The bytes of the next value, all of it.
    pub(super) fn value(&mut self) -> Option<&'a [u8]> {
        let end = Scanner::default().end(self.bytes, usize::MAX).ok()??;
        let (value, rest) = self.bytes.split_at_checked(end)?;
        self.bytes = rest;
        Some(value)
    }

    /// The bytes of the next value, which is a text; some senders write it as bytes.
    pub(super) fn text(&mut self) -> Option<&'a [u8]> {
        self.next().filter(|(kind, _)| matches!(kind, Kind::Text | Kind::Bytes)).map(|(_, payload)| payload)
    }

    /// Length of the next value, which is a list whose values follow.
    pub(super) fn list(&mut self) -> Option<u64> {
        if let (Kind::List(length), _) = self.next()? { Some(length) } else { None }
    }
}

/// Values are to be scanned before, which bounds how deep this goes.
impl<'de> Deserializer<'de> for &mut Reader<'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let (kind, payload) = self.next().ok_or_else(|| Error::custom("value ends too early"))?;
        match kind {
            Kind::Nil | Kind::Extension(_) | Kind::Never => visitor.visit_unit(),
            Kind::Bool(value) => visitor.visit_bool(value),
            Kind::Unsigned(value) => visitor.visit_u64(value),
            Kind::Signed(value) => visitor.visit_i64(value),
            Kind::Float(value) => visitor.visit_f64(value),
            Kind::Text | Kind::Bytes => match str::from_utf8(payload) {
                Ok(text) => visitor.visit_borrowed_str(text),
                Err(_) => visitor.visit_str(&String::from_utf8_lossy(payload)),
            },
            Kind::List(left) => visitor.visit_seq(Values { reader: self, left }),
            Kind::Map(left) => visitor.visit_map(Values { reader: self, left }),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

/// What is left of a list or a map.
struct Values<'r, 'de> {
    reader: &'r mut Reader<'de>,
    left: u64,
}

impl<'de> SeqAccess<'de> for Values<'_, 'de> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        let Some(left) = self.left.checked_sub(1) else { return Ok(None) };
        self.left = left;
        seed.deserialize(&mut *self.reader).map(Some)
    }
}

impl<'de> MapAccess<'de> for Values<'_, 'de> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        self.next_element_seed(seed)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        seed.deserialize(&mut *self.reader)
    }
}
