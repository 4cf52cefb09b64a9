//! What a line must say.

use regex::{Regex, RegexBuilder};

use super::{SearchError, tokens};
use crate::signal::Matcher;

/// Longest regular expression in bytes.
const LONGEST_PATTERN: usize = 4 << 10;

/// Largest compiled regular expression in bytes.
const LARGEST_REGEX: usize = 1 << 20;

/// A condition on the text of a line, with its case.
#[derive(Clone, Debug)]
pub enum LineFilter {
    /// The text is somewhere in the line.
    Contains(String),
    /// It is not.
    NotContains(String),
    /// The expression matches somewhere in the line.
    Matches(Regex),
    /// It does not.
    NotMatches(Regex),
}

impl LineFilter {
    /// A regular expression for lines, in RE2's dialect and not anchored.
    ///
    /// # Errors
    /// It does not parse, or is too large.
    pub fn regex(pattern: &str) -> Result<Regex, SearchError> {
        let anchored = Self::label_regex(pattern)?;
        // The same translation as for labels, without what anchors it there.
        let inner = anchored.as_str().strip_prefix("^(?s:").and_then(|rest| rest.strip_suffix(")$"));
        let inner = inner.unwrap_or(anchored.as_str());
        RegexBuilder::new(inner).size_limit(LARGEST_REGEX).build().map_err(|e| refused(pattern, e))
    }

    /// A regular expression for labels, which is anchored at both ends.
    ///
    /// # Errors
    /// It does not parse, or is too large.
    pub fn label_regex(pattern: &str) -> Result<Regex, SearchError> {
        if pattern.len() > LONGEST_PATTERN {
            return Err(refused(pattern, format_args!("longer than {LONGEST_PATTERN} bytes")));
        }
        Matcher::regex(pattern).map_err(|e| refused(pattern, e))
    }

    pub(super) fn accepts(&self, line: &str) -> bool {
        match self {
            Self::Contains(text) => line.contains(&**text),
            Self::NotContains(text) => !line.contains(&**text),
            Self::Matches(regex) => regex.is_match(line),
            Self::NotMatches(regex) => !regex.is_match(line),
        }
    }
}

fn refused(pattern: &str, problem: impl ToString) -> SearchError {
    SearchError::Regex { pattern: pattern.chars().take(80).collect(), problem: problem.to_string() }
}

/// Words that follow one another in a line, whatever is between them and in whatever case (of ASCII letters).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Phrase(Vec<String>);

impl Phrase {
    /// What someone looks for: every word, and every `"phrase in quotes"`. Things such as `10.0.0.1:80` or `a/b` are
    /// phrases too.
    #[must_use]
    pub fn parse(text: &str) -> Vec<Self> {
        let quoted = text.split('"').enumerate().flat_map(|(i, part)| {
            let parts: Vec<&str> = if i % 2 == 1 { vec![part] } else { part.split_whitespace().collect() };
            parts
        });
        let phrases = quoted.map(|part| Self(tokens::words(part).map(str::to_owned).collect()));
        phrases.filter(|phrase| !phrase.0.is_empty()).collect()
    }

    /// Its words; at least one.
    pub(super) fn words(&self) -> &[String] {
        &self.0
    }

    pub(super) fn accepts(&self, line: &str) -> bool {
        let words: Vec<&str> = tokens::words(line).collect();
        let is_here = |there: &[&str]| there.iter().zip(&self.0).all(|(a, b)| a.eq_ignore_ascii_case(b));
        words.windows(self.0.len()).any(is_here)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_filtered_with_their_case() {
        let regex = |pattern| LineFilter::regex(pattern).unwrap();
        let line = "GET /orders failed: connection refused";
        assert!(LineFilter::Contains("failed: con".into()).accepts(line));
        assert!(LineFilter::NotContains("Failed".into()).accepts(line));
        assert!(LineFilter::Matches(regex("f[a-z]+ed: c")).accepts(line));
        assert!(LineFilter::NotMatches(regex("^orders")).accepts(line));
        assert!(LineFilter::Matches(regex("(?i)CONNECTION$")).accepts("a connection"));
        assert!(LineFilter::Matches(regex("")).accepts(line));
    }

    #[test]
    fn bad_expressions_are_refused_with_a_reason() {
        for bad in ["(", "a)(b", "[", &"a".repeat(LONGEST_PATTERN + 1), r"((\pL{100}){100}){100}"] {
            let error = LineFilter::regex(bad).unwrap_err().to_string();
            assert!(error.starts_with("regular expression \"") && error.len() > 30, "{error}");
        }
    }

    #[test]
    fn phrases_are_words_in_a_row() {
        let of = |text: &str| Phrase::parse(text);
        assert_eq!(
            of("refused \"by the\" 10.0.0.1:80 -- \"\""),
            [
                Phrase(vec!["refused".into()]),
                Phrase(vec!["by".into(), "the".into()]),
                Phrase(vec!["10.0.0.1".into(), "80".into()]),
            ]
        );
        let accepts = |text: &str, line: &str| of(text).iter().all(|phrase| phrase.accepts(line));
        assert!(accepts("\"connection refused\" PEER", "Connection  refused, by peer"));
        assert!(!accepts("\"refused connection\"", "connection refused"));
        assert!(!accepts("refuse", "refused"), "whole words");
        assert!(accepts("", "anything"));
    }
}
