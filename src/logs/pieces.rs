//! The text of a template as what a line is laid against.

use memchr::memmem;
use serde::{Deserialize, Serialize};

use super::mask::{BLANK, VALUE};

/// What stands between the values of a template; one more than there are values.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Pieces(Vec<Box<str>>);

impl Pieces {
    /// Of a text in which a byte stands for each value.
    pub(super) fn of(form: &[u8]) -> Self {
        let piece = |piece: &[u8]| {
            let text: Vec<u8> = piece.iter().map(|byte| if *byte == BLANK { b' ' } else { *byte }).collect();
            String::from_utf8_lossy(&text).into()
        };
        Self(form.split(|byte| *byte == VALUE).map(piece).collect())
    }

    /// Whether there is no text at all, not even an empty one.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn values(&self) -> usize {
        self.0.len().saturating_sub(1)
    }

    /// The values of a line; `None` where it does not fit. Each is as short as it can be, the last one ends where the line does.
    pub(super) fn read<'a>(&self, line: &'a str) -> Option<Vec<&'a str>> {
        let (first, rest) = self.0.split_first()?;
        let mut left = line.trim().strip_prefix(&**first)?;
        let mut values = Vec::with_capacity(rest.len());
        for (at, piece) in rest.iter().enumerate() {
            let is_last = at + 1 == rest.len();
            // A value has one letter at least.
            let least = left.chars().next()?.len_utf8();
            let end = match (piece.is_empty(), is_last) {
                (true, true) => left.len(),
                (true, false) => least,
                (false, true) => left.len().checked_sub(piece.len()).filter(|_| left.ends_with(&**piece))?,
                (false, false) => least + memmem::find(&left.as_bytes()[least..], piece.as_bytes())?,
            };
            let (value, behind) = left.split_at_checked(end)?;
            values.push(value);
            left = behind.get(piece.len()..)?;
        }
        left.is_empty().then_some(values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<'a>(template: &str, line: &'a str) -> Option<Vec<&'a str>> {
        Pieces::of(template.replace("<*>", "\u{1}").as_bytes()).read(line)
    }

    #[test]
    fn values_are_what_is_between() {
        assert_eq!(read("from <*> port <*>", "from 10.0.0.1 port 22"), Some(vec!["10.0.0.1", "22"]));
        assert_eq!(read("<*>: up", " host a.b: up "), Some(vec!["host a.b"]));
        assert_eq!(read("x=[<*>] of <*> done.", "x=[1,2] of é done."), Some(vec!["1,2", "é"]));
        assert_eq!(read("<*>", "anything at all"), Some(vec!["anything at all"]));
        assert_eq!(read("no value", "no value"), Some(vec![]));
    }

    #[test]
    fn what_does_not_fit_has_none() {
        for (template, line) in [("a <*>", "b 1"), ("a <*>", "a "), ("a <*> b", "a 1 c"), ("a", "a b"), ("<*>", "")] {
            assert_eq!(read(template, line), None, "{template} {line}");
        }
        assert_eq!(Pieces::default().read("x"), None);
    }
}
