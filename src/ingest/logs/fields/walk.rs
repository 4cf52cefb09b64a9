//! The walk over a document.

use std::{
    borrow::Cow,
    fmt::{self, Display},
};

use serde::{
    Deserialize,
    de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor},
};

use super::{Fields, Json, TEXT, rank};
use crate::ingest::logs::names;

/// An object, whose fields are taken in.
pub(super) struct Object<'f>(pub(super) &'f mut Fields);

impl<'de> Visitor<'de> for Object<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let outer = self.0.path.len();
        while let Some(Word(name)) = map.next_key()? {
            if outer > 0 {
                self.0.path.push('_');
            }
            // Most names need no change; building them anew would cost as much as reading the values.
            let is_plain = name.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b'_');
            self.0.path.push_str(&if is_plain { name } else { names::label_name(&name).into() });
            map.next_value_seed(Value(self.0))?;
            self.0.path.truncate(outer);
        }
        Ok(())
    }
}

/// Any value of a field.
struct Value<'f>(&'f mut Fields);

impl Value<'_> {
    fn number(self, number: impl Display) {
        self.0.put(&number.to_string());
    }

    fn json(self, json: &[u8]) {
        self.0.put(&String::from_utf8_lossy(json));
    }

    /// Whether the field is the text even if it is an object.
    fn is_text(&self) -> bool {
        rank(&TEXT, &self.0.path).is_some_and(|rank| TEXT[rank] != "log")
    }
}

impl<'de> DeserializeSeed<'de> for Value<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Value<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        self.0.put(if value { "true" } else { "false" });
        Ok(())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        self.number(value);
        Ok(())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        self.number(value);
        Ok(())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<(), E> {
        self.number(value);
        Ok(())
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<(), E> {
        self.0.put(value);
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<(), A::Error> {
        let mut json = Vec::new();
        Json(&mut json).visit_seq(list)?;
        self.json(&json);
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
        if !self.is_text() {
            return Object(self.0).visit_map(map);
        }
        let mut json = Vec::new();
        Json(&mut json).visit_map(map)?;
        self.json(&json);
        Ok(())
    }
}

/// A text, or a number or truth value in its place: names of fields, ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::ingest::logs) struct Word<'de>(pub(in crate::ingest::logs) Cow<'de, str>);

impl<'a, 'de: 'a> Deserialize<'de> for Word<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(WordVisitor)
    }
}

struct WordVisitor;

impl<'de> Visitor<'de> for WordVisitor {
    type Value = Word<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_borrowed_str<E: Error>(self, value: &'de str) -> Result<Word<'de>, E> {
        Ok(Word(Cow::Borrowed(value)))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Word<'de>, E> {
        Ok(Word(Cow::Owned(value.to_owned())))
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Word<'de>, E> {
        self.visit_str(&value.to_string())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Word<'de>, E> {
        self.visit_str(&value.to_string())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Word<'de>, E> {
        self.visit_str(&value.to_string())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Word<'de>, E> {
        self.visit_str(&value.to_string())
    }
}
