//! Reading JSON bodies without building them: arrays are gone through element by element, texts are borrowed.

use std::{borrow::Cow, fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, SeqAccess, Unexpected, Visitor},
};
use serde_json::value::RawValue;

use super::{
    LogError,
    collect::{Pair, keep},
};

/// Longest description of what is wrong, in characters: it may quote the sender.
const DESCRIPTION: usize = 200;

/// A whole body.
#[derive(Clone, Copy, Debug)]
pub(super) struct Document<'a>(pub(super) &'a str);

impl<'a> Document<'a> {
    /// Reads the whole body.
    ///
    /// # Errors
    /// [`LogError::Malformed`] when it is no JSON or no `T`.
    pub(super) fn read<T: Deserialize<'a>>(self) -> Result<T, LogError> {
        serde_json::from_str(self.0).map_err(|error| self.malformed(self.0, &error))
    }

    /// Hands each element of an array of this body to `visit` as it is read, so that there is only one in memory. An
    /// array that is absent or null has none.
    ///
    /// # Errors
    /// [`LogError::Malformed`] when it is no array or an element no `T`; and what `visit` finds wrong.
    pub(super) fn each<T: Deserialize<'a>>(
        self,
        array: Option<&'a RawValue>,
        visit: impl FnMut(T) -> Result<(), LogError>,
    ) -> Result<(), LogError> {
        let Some(array) = array else { return Ok(()) };
        let mut refused = None;
        let each = Each { visit, refused: &mut refused, element: PhantomData };
        let outcome = serde_json::Deserializer::from_str(array.get()).deserialize_seq(each);
        match refused {
            Some(refused) => Err(refused),
            None => outcome.map_err(|error| self.malformed(array.get(), &error)),
        }
    }

    /// Where a part of this body begins, in bytes.
    pub(super) fn at(self, part: Option<&RawValue>) -> usize {
        part.map_or(0, |part| self.offset(part.get()))
    }

    fn offset(self, part: &str) -> usize {
        part.as_ptr().addr().saturating_sub(self.0.as_ptr().addr())
    }

    fn malformed(self, part: &str, error: &serde_json::Error) -> LogError {
        let lines_before: usize = part.split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len).sum();
        let text = error.to_string();
        let text = text.rsplit_once(" at line ").map_or(text.as_str(), |(text, _)| text);
        let what = text.chars().take(DESCRIPTION).collect();
        LogError::Malformed { what, at: self.offset(part) + lines_before + error.column().saturating_sub(1) }
    }
}

struct Each<'r, T, F> {
    visit: F,
    refused: &'r mut Option<LogError>,
    element: PhantomData<T>,
}

impl<'de, T: Deserialize<'de>, F: FnMut(T) -> Result<(), LogError>> Visitor<'de> for Each<'_, T, F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut elements: A) -> Result<(), A::Error> {
        while let Some(element) = elements.next_element()? {
            if let Err(refused) = (self.visit)(element) {
                *self.refused = Some(refused);
                return Err(A::Error::custom("refused"));
            }
        }
        Ok(())
    }
}

/// A string; null is an empty one. Halves of surrogate pairs, which JavaScript writes where it cut a text, are replaced.
#[derive(Clone, Debug, Default)]
pub(super) struct Text<'a>(pub(super) Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_option(TextVisitor).map(Self)
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_none<E: Error>(self) -> Result<Self::Value, E> {
        Ok(Cow::default())
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        // As bytes, since halves of pairs are an error in a string.
        deserializer.deserialize_bytes(self)
    }

    fn visit_borrowed_bytes<E: Error>(self, bytes: &'de [u8]) -> Result<Self::Value, E> {
        Ok(String::from_utf8_lossy(bytes))
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Self::Value, E> {
        Ok(Cow::Owned(String::from_utf8_lossy(bytes).into_owned()))
    }
}

/// A whole number, bare or in a string as 64-bit numbers are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Integer(pub(super) i128);

impl<'de> Deserialize<'de> for Integer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(IntegerVisitor).map(Self)
    }
}

struct IntegerVisitor;

impl Visitor<'_> for IntegerVisitor {
    type Value = i128;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number")
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<i128, E> {
        Ok(number.into())
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<i128, E> {
        Ok(number.into())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<i128, E> {
        text.parse().map_err(|_| E::invalid_value(Unexpected::Str(text), &self))
    }
}

/// Names and values of an object whose values are strings.
#[derive(Debug, Default)]
pub(super) struct Pairs<'a>(pub(super) Vec<Pair<'a>>);

impl<'de: 'a, 'a> Deserialize<'de> for Pairs<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(PairsVisitor).map(Self)
    }
}

struct PairsVisitor;

impl<'de> Visitor<'de> for PairsVisitor {
    type Value = Vec<Pair<'de>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of strings")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Self::Value, A::Error> {
        let mut pairs = Vec::new();
        while let Some((Text(name), Text(value))) = object.next_entry()? {
            keep(&mut pairs, (name, value));
        }
        Ok(pairs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_borrowed_and_never_refused_for_a_cut_character() {
        let read = |json| Document(json).read::<Text<'_>>().unwrap().0;
        assert!(matches!(read(r#""grün""#), Cow::Borrowed("grün")));
        assert_eq!(read(r#""a\n\"\u00e9\ud83d\ude00""#), "a\n\"é😀");
        assert_eq!(read(r#""cut \ud83d""#), "cut \u{fffd}\u{fffd}\u{fffd}");
        assert_eq!(read("null"), "");
        let Pairs(pairs) = Document(r#"{"a\ud83d": "x", "b": null}"#).read().unwrap();
        assert_eq!((pairs[0].1.as_ref(), pairs[1].1.as_ref()), ("x", ""));
        assert!(Document("7").read::<Text<'_>>().is_err());
    }

    #[test]
    fn whole_numbers_come_bare_and_in_strings() {
        for (json, number) in [("-7", -7), ("\"18446744073709551615\"", i128::from(u64::MAX)), ("\"-7\"", -7)] {
            assert_eq!(Document(json).read(), Ok(Integer(number)), "{json}");
        }
        for json in ["1.5", "\"\"", "\"x\"", "true", "[1]", "1e300"] {
            assert!(Document(json).read::<Integer>().is_err(), "{json}");
        }
    }

    #[derive(Debug, Deserialize)]
    struct Lines<'a> {
        #[serde(borrow)]
        lines: Option<&'a RawValue>,
    }

    fn integers(json: &str) -> Result<Vec<i128>, LogError> {
        let document = Document(json);
        let mut seen = Vec::new();
        document.each(document.read::<Lines<'_>>()?.lines, |Integer(number)| {
            seen.push(number);
            if number == 13 { Err(LogError::TooMany { what: "records", limit: 13 }) } else { Ok(()) }
        })?;
        Ok(seen)
    }

    #[test]
    fn elements_are_visited_in_order_until_one_is_refused() {
        assert_eq!(integers(r#"{"lines": [1, "2", 3]}"#), Ok(vec![1, 2, 3]));
        assert_eq!(integers(r#"{"lines": null}"#), Ok(vec![]));
        assert_eq!(integers("{}"), Ok(vec![]));
        assert_eq!(integers(r#"{"lines": [13, "x"]}"#), Err(LogError::TooMany { what: "records", limit: 13 }));
    }

    #[test]
    fn errors_tell_where_they_are_in_the_body() {
        let at = |json: &str| match integers(json) {
            Err(LogError::Malformed { what, at }) => (what, at),
            other => panic!("{other:?}"),
        };
        let json = "{\n \"lines\": [1,\n  2, true]}";
        assert_eq!(
            at(json),
            ("invalid type: boolean `true`, expected a whole number".into(), json.find("ue]").unwrap() + 1)
        );
        assert_eq!(at("{\n \"lines\": [1,\n  2, ]}").0, "expected value");
        assert_eq!(at("{\"lines\": 7}"), ("invalid type: integer `7`, expected an array".into(), 10));
        assert_eq!(at(""), ("EOF while parsing a value".into(), 0));
        let long = format!(r#"{{"lines": ["{}"]}}"#, "x".repeat(10_000));
        assert_eq!(at(&long).0.chars().count(), DESCRIPTION);
    }
}
