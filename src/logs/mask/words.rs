//! Rules over neighbouring words: dates, sizes with their units, ends of sentences, names of users, lists.

use super::{
    Hints, Range, VALUE,
    class::{is_alpha, trim, trim_end},
};

/// Longest token in bytes that a rule knows by name, punctuation included.
pub(super) const LONGEST: usize = 8;

const CALENDAR: [&[u8]; 19] = [
    b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec", b"Mon", b"Tue",
    b"Wed", b"Thu", b"Fri", b"Sat", b"Sun",
];
const MONTHS: usize = 12;
/// Time zones and halves of the day.
const ZONES: [&[u8]; 10] = [b"EDT", b"EST", b"UTC", b"GMT", b"CST", b"PST", b"PDT", b"CDT", b"AM", b"PM"];
/// Units that change with the size; they belong to the number.
const SIZES: [&[u8]; 11] = [b"B", b"KB", b"MB", b"GB", b"TB", b"PB", b"kB", b"KiB", b"MiB", b"GiB", b"TiB"];
const TIMES: [&[u8]; 7] = [b"sec", b"secs", b"s", b"ms", b"min", b"second", b"seconds"];

fn without_commas(token: &[u8]) -> &[u8] {
    trim_end(token, |byte| byte == b',')
}

fn without_punctuation(token: &[u8]) -> &[u8] {
    trim_end(token, |byte| b",.;)]".contains(&byte))
}

/// Place in the calendar's words.
fn in_calendar(token: &[u8]) -> Option<usize> {
    let word = without_commas(token);
    if word.len() != 3 || !word[0].is_ascii_uppercase() {
        return None;
    }
    CALENDAR.iter().position(|known| *known == word)
}

/// Notes which rules a short token may set off, given what the token before it is.
pub(super) fn hint(token: &[u8], after_value: bool, after_end_of_value: bool, hints: &mut Hints) {
    hints.calendar |= in_calendar(token).is_some() || after_value && ZONES.contains(&without_commas(token));
    hints.size |= after_end_of_value && SIZES.contains(&without_punctuation(token));
    hints.user |= token == b"user";
}

/// The tokens of a line, as rules change them: what is new is written behind the text.
struct Tokens<'a> {
    text: &'a mut Vec<u8>,
    tokens: &'a mut Vec<Range>,
    is_changed: bool,
}

impl Tokens<'_> {
    fn get(&self, at: usize) -> &[u8] {
        self.tokens.get(at).map_or(&[], |range| &self.text[range.start as usize..range.end as usize])
    }

    /// Puts a text, and the end of a token from `tail` on, in the place of a token.
    fn replace(&mut self, at: usize, head: &[u8], of: Range, tail: usize) {
        let start = self.text.len();
        self.text.extend_from_slice(head);
        self.text.extend_from_within(of.start as usize + tail..of.end as usize);
        self.tokens[at] = Range { start: start as u32, end: self.text.len() as u32 };
        self.is_changed = true;
    }

    /// Appends the end of a token, from `tail` on, to another one.
    fn append(&mut self, at: usize, of: Range, tail: usize) {
        let known = self.tokens[at];
        let start = self.text.len();
        self.text.extend_from_within(known.start as usize..known.end as usize);
        self.text.extend_from_within(of.start as usize + tail..of.end as usize);
        self.tokens[at] = Range { start: start as u32, end: self.text.len() as u32 };
        self.is_changed = true;
    }

    fn dates(&mut self) {
        let near = |tokens: &Self, at: Option<usize>| {
            at.is_some_and(|at| {
                let token = tokens.get(at);
                token.first() == Some(&VALUE) || in_calendar(token).is_some()
            })
        };
        for at in 0..self.tokens.len() {
            let token = self.get(at);
            let word = without_commas(token);
            let is_part = match in_calendar(token) {
                Some(place) if place < MONTHS => near(self, Some(at + 1)) || near(self, at.checked_sub(1)),
                Some(_) => near(self, Some(at + 1)) || near(self, Some(at + 2)),
                None => at > 0 && ZONES.contains(&word) && self.get(at - 1) == [VALUE],
            };
            if is_part {
                let tail = word.len();
                self.replace(at, &[VALUE], self.tokens[at], tail);
            }
        }
    }

    fn sizes(&mut self) {
        let mut kept = 0;
        for at in 0..self.tokens.len() {
            let of = self.tokens[at];
            let unit = without_punctuation(self.get(at));
            let tail = unit.len();
            let last = if kept > 0 { self.get(kept - 1) } else { &[] };
            let is_size = matches!(last, [VALUE] | [b'(', VALUE] | [.., b'=' | b':', VALUE]) && SIZES.contains(&unit);
            let is_time = last == [b'<', VALUE] && TIMES.contains(&unit);
            if !is_size && !is_time {
                self.tokens[kept] = of;
                kept += 1;
                continue;
            }
            if is_time {
                self.replace(kept - 1, &[VALUE], of, tail);
            } else {
                self.append(kept - 1, of, tail);
            }
            // 1682 bytes (1.64 KB)
            let is_again = kept > 2
                && self.get(kept - 1).starts_with(&[b'(', VALUE, b')'])
                && self.get(kept - 3) == [VALUE]
                && matches!(self.get(kept - 2), b"bytes" | b"byte");
            if is_again {
                kept -= 1;
                self.append(kept - 1, self.tokens[kept], 3);
            }
        }
        self.tokens.truncate(kept);
    }

    /// A full stop after a value ends a sentence only before a capital letter.
    fn stops(&mut self) {
        for at in 0..self.tokens.len().saturating_sub(1) {
            if self.get(at).ends_with(&[VALUE, b'.']) && !self.get(at + 1).first().is_some_and(u8::is_ascii_uppercase) {
                self.tokens[at].end -= 1;
                self.is_changed = true;
            }
        }
    }

    fn users(&mut self) {
        for at in 2..self.tokens.len() {
            let is_introduced = self.get(at - 1) == b"user"
                && [&b"for"[..], b"invalid", b"by"].iter().any(|word| self.get(at - 2).eq_ignore_ascii_case(word));
            let name = trim(self.get(at), |byte| matches!(byte, b'\'' | b'"'));
            if is_introduced && !name.is_empty() && name.iter().all(|byte| is_alpha(*byte)) {
                let end = self.get(at).len();
                self.replace(at, &[VALUE], self.tokens[at], end);
            }
        }
    }

    /// Values in neighbouring tokens are one: lists of any length are the same.
    fn fold(&mut self) {
        let mut kept = 0;
        for at in 0..self.tokens.len() {
            let of = self.tokens[at];
            let is_next = kept > 0 && self.get(at).first() == Some(&VALUE) && self.get(kept - 1).last() == Some(&VALUE);
            if is_next {
                self.append(kept - 1, of, 1);
            } else {
                self.tokens[kept] = of;
                kept += 1;
            }
        }
        self.tokens.truncate(kept);
    }
}

/// Applies the rules that the hints ask for; true where anything changed.
pub(super) fn apply(text: &mut Vec<u8>, tokens: &mut Vec<Range>, hints: Hints) -> bool {
    let mut line = Tokens { text, tokens, is_changed: false };
    if hints.calendar {
        line.dates();
    }
    if hints.size {
        line.sizes();
    }
    // What is left of a date or a size may end in a stop.
    if hints.stop || line.is_changed {
        line.stops();
    }
    if hints.user {
        line.users();
    }
    if hints.fold || line.is_changed {
        line.fold();
    }
    line.is_changed
}
