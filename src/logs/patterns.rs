//! Forms of lines that people name themselves; they win over those that are found.

use std::{fmt, str};

use serde::{Deserialize, Serialize};

use super::{
    mask::{Masker, VALUE},
    pieces::Pieces,
};

/// What stands for any text.
const ANYTHING: &str = "<*>";
/// What stands for it while a pattern is masked: no value to the masker, and in no line.
const STAND_IN: &str = "\u{fffc}";
/// Longest pattern, in bytes.
const BYTES: usize = 1_024;
/// Letters that it must have beside `<*>`: with fewer it would hold nearly everything.
const LETTERS: usize = 3;

/// A form of lines, `<*>` for any text. What the masker takes for a value stands for any other value: patterns are compared
/// with masked lines.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Pattern {
    text: String,
    masked: Vec<u8>,
    pieces: Pieces,
}

/// Why a text is no pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// It is too long.
    #[error("a pattern has at most 1,024 bytes, not {0}")]
    Long(usize),
    /// It would hold nearly every line.
    #[error("a pattern needs at least 3 letters beside \"<*>\", or it would hold nearly every line")]
    Wide,
}

impl Pattern {
    /// Whether it holds a masked line. Of a line of JSON or logfmt the keys behind the message may be left out.
    pub(super) fn holds(&self, masked: &[u8]) -> bool {
        let Ok(masked) = str::from_utf8(masked) else { return false };
        let without_keys = || masked.ends_with('}').then(|| masked.rsplit_once(" {")).flatten();
        self.pieces.read(masked).is_some() || without_keys().is_some_and(|(text, _)| self.pieces.read(text).is_some())
    }

    /// Its text as a masked line.
    pub(super) fn masked(&self) -> &[u8] {
        &self.masked
    }
}

impl TryFrom<String> for Pattern {
    type Error = PatternError;

    fn try_from(text: String) -> Result<Self, PatternError> {
        if text.len() > BYTES {
            return Err(PatternError::Long(text.len()));
        }
        let masked = Masker::default().mask(text.replace(ANYTHING, STAND_IN).as_bytes()).to_vec();
        let value = char::from(VALUE).to_string();
        let masked = String::from_utf8_lossy(&masked).replace(STAND_IN, &value);
        if masked.chars().filter(|letter| letter.is_alphabetic()).count() < LETTERS {
            return Err(PatternError::Wide);
        }
        let masked = masked.into_bytes();
        Ok(Self { text, pieces: Pieces::of(&masked), masked })
    }
}

impl str::FromStr for Pattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        Self::try_from(text.to_owned())
    }
}

impl From<Pattern> for String {
    fn from(pattern: Pattern) -> Self {
        pattern.text
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::{super::Parser, *};

    fn parser(patterns: &[&str]) -> Parser {
        Parser::new(patterns.iter().map(|text| text.parse().unwrap()).collect())
    }

    fn texts(parser: &Parser) -> Vec<(String, u64)> {
        parser.catalogue().counts().map(|(number, lines)| (parser.catalogue().text(number), lines)).collect()
    }

    #[test]
    fn what_is_named_wins() {
        let lines =
            ["login of eve by key from 10.0.0.1", "login of bob by the password from 10.0.0.2", "logout of eve"];
        let mut parser = parser(&["login of <*> by <*> from <*>"]);
        lines.iter().for_each(|line| _ = parser.parse(line.as_bytes()));
        assert_eq!(texts(&parser), [("login of <*> by <*> from <*>".to_owned(), 2), ("logout of eve".to_owned(), 1)]);
    }

    #[test]
    fn values_in_a_pattern_are_any_values_and_the_first_pattern_wins() {
        let mut parser = parser(&["took 5 ms for <*>", "took <*>"]);
        for line in ["took 12 ms for all of it", "took a while", "it took long"] {
            parser.parse(line.as_bytes());
        }
        let told = texts(&parser);
        assert_eq!(
            told.iter().map(|(text, _)| text.as_str()).collect::<Vec<_>>(),
            ["took <*> ms for <*>", "took <*>", "it took long"]
        );
    }

    #[test]
    fn messages_of_json_are_held_without_their_keys() {
        let mut parser = parser(&["user <*> is gone"]);
        for name in ["a very odd name", "x"] {
            parser.parse(format!(r#"{{"msg":"user {name} is gone","level":"info"}}"#).as_bytes());
        }
        assert_eq!(texts(&parser), [("user <*> is gone".to_owned(), 2)]);
    }

    #[test]
    fn what_was_found_before_is_taken_over() {
        let mut before = parser(&[]);
        for line in ["job alpha is done", "job beta is done", "job alpha failed"] {
            before.parse(line.as_bytes());
        }
        let bytes = postcard::to_stdvec(before.catalogue()).unwrap();
        let mut after = parser(&["job <*> is done"]);
        after.catalogue = postcard::from_bytes(&bytes).unwrap();
        after.parse(b"job gamma is done");
        let told = texts(&after);
        assert_eq!(told, [("job alpha failed".to_owned(), 1), ("job <*> is done".to_owned(), 3)]);
        // And it stays as it is, whatever is found later.
        for word in ["one", "two", "three", "four", "five", "six"] {
            after.parse(format!("job {word} is done").as_bytes());
            after.parse(format!("job {word} failed").as_bytes());
        }
        assert_eq!(texts(&after), [("job <*> failed".to_owned(), 7), ("job <*> is done".to_owned(), 9)]);
    }

    #[test]
    fn what_would_hold_everything_is_refused() {
        assert_eq!("<*>".parse::<Pattern>(), Err(PatternError::Wide));
        assert_eq!("<*> 12 <*>".parse::<Pattern>(), Err(PatternError::Wide));
        assert_eq!("a ".repeat(600).parse::<Pattern>(), Err(PatternError::Long(1_200)));
        assert_eq!("user <*>".parse::<Pattern>().unwrap().to_string(), "user <*>");
    }
}
