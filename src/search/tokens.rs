//! The words of a log line.
//!
//! A word is a run of letters, digits and `_`; anything beyond ASCII counts as a letter. A `.` between two digits belongs
//! to the word, so that IP addresses, decimals and versions are one. Case is kept: filters are case-sensitive, and what
//! wants to ignore case looks for all spellings there are in the dictionary of terms.

use std::ops::Range;

use tantivy::tokenizer::{Token, TokenStream, Tokenizer};

/// Most bytes of a word that are indexed. A longer one, often base64, is indexed by its beginning.
pub(super) const LONGEST: usize = 64;

/// Term of lines of which their terms do not tell everything: a word was too long, or has one of the two letters beyond
/// ASCII that a regular expression takes for an ASCII letter when it ignores case (`ſ` and the Kelvin sign).
pub(super) const INCOMPLETE: &str = "\0";

/// Which bytes belong to words.
const IS_WORD: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        let b = byte as u8;
        table[byte] = b.is_ascii_alphanumeric() || b == b'_' || !b.is_ascii();
        byte += 1;
    }
    table
};

/// Whether the dot at `at` is inside a number.
pub(super) fn is_inner_dot(text: &[u8], at: usize) -> bool {
    let is_digit = |i: Option<usize>| i.and_then(|i| text.get(i)).is_some_and(u8::is_ascii_digit);
    text.get(at) == Some(&b'.') && is_digit(at.checked_sub(1)) && is_digit(Some(at + 1))
}

/// The first word from byte `from` on, which must not be inside of one.
pub(super) fn next(text: &str, from: usize) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    let is_word = |b: &u8| IS_WORD[usize::from(*b)];
    let start = from + bytes.get(from..)?.iter().position(is_word)?;
    let mut end = start;
    loop {
        end += bytes[end..].iter().position(|b| !is_word(b)).unwrap_or(bytes.len() - end);
        if !is_inner_dot(bytes, end) {
            return Some(start..end);
        }
        end += 1;
    }
}

/// All words of a text.
pub(super) fn words(text: &str) -> impl Iterator<Item = &str> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let word = next(text, at)?;
        at = word.end;
        Some(&text[word])
    })
}

/// What is indexed of a word, and whether that tells all of it.
fn term(word: &str) -> (&str, bool) {
    let is_odd = !word.is_ascii() && word.contains(['\u{17f}', '\u{212a}']);
    let end = word.floor_char_boundary(LONGEST);
    (&word[..end], end == word.len() && !is_odd)
}

/// Hands the terms of a line to tantivy.
#[derive(Clone, Debug, Default)]
pub(super) struct LineTokenizer {
    token: Token,
}

/// The terms of one line.
#[derive(Debug)]
pub(super) struct LineTokens<'a> {
    text: &'a str,
    at: usize,
    is_incomplete: bool,
    token: &'a mut Token,
}

impl Tokenizer for LineTokenizer {
    type TokenStream<'a> = LineTokens<'a>;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> LineTokens<'a> {
        self.token.reset();
        LineTokens { text, at: 0, is_incomplete: false, token: &mut self.token }
    }
}

impl TokenStream for LineTokens<'_> {
    fn advance(&mut self) -> bool {
        self.token.text.clear();
        self.token.position = self.token.position.wrapping_add(1);
        if let Some(word) = next(self.text, self.at) {
            self.at = word.end;
            (self.token.offset_from, self.token.offset_to) = (word.start, word.end);
            let (text, is_all) = term(&self.text[word]);
            self.token.text.push_str(text);
            self.is_incomplete |= !is_all;
            return true;
        }
        self.token.text.push_str(INCOMPLETE);
        std::mem::take(&mut self.is_incomplete)
    }

    fn token(&self) -> &Token {
        self.token
    }

    fn token_mut(&mut self) -> &mut Token {
        self.token
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms(line: &str) -> Vec<String> {
        let mut tokenizer = LineTokenizer::default();
        let mut stream = tokenizer.token_stream(line);
        let mut terms = Vec::new();
        while stream.advance() {
            terms.push(stream.token().text.clone());
        }
        assert!(!stream.advance(), "the end is the end");
        terms
    }

    #[test]
    fn lines_fall_into_words() {
        let cases: [(&str, &[&str]); 8] = [
            ("GET /api/v1/orders?id=42 500", &["GET", "api", "v1", "orders", "id", "42", "500"]),
            ("from 10.0.0.17:5432 in 12.5ms.", &["from", "10.0.0.17", "5432", "in", "12.5ms"]),
            ("a.b.C failed... 1. 2 .3", &["a", "b", "C", "failed", "1", "2", "3"]),
            ("user_id=Größe 日本", &["user_id", "Größe", "日本"]),
            ("550e8400-e29b-41d4", &["550e8400", "e29b", "41d4"]),
            ("", &[]),
            (" -- ", &[]),
            ("1.2.3.4.", &["1.2.3.4"]),
        ];
        for (line, expected) in cases {
            assert_eq!(terms(line), expected, "{line}");
            assert!(words(line).eq(expected.iter().copied()), "{line}");
        }
    }

    #[test]
    fn lines_with_odd_words_are_marked_once() {
        let long = "é".repeat(LONGEST);
        assert_eq!(
            terms(&format!("{long} {long} x")),
            [&*"é".repeat(LONGEST / 2), &*"é".repeat(LONGEST / 2), "x", "\0"]
        );
        assert_eq!(terms("5 \u{212a}"), ["5", "\u{212a}", "\0"]);
    }
}
