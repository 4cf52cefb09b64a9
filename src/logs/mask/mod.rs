//! The masker: a line becomes tokens in which every value is one byte.
//!
//! One pass over the bytes by their class, without regular expressions, and a few rules over neighbouring words that most
//! lines do not need. Two lines with the same masked text are the same message with other values.

pub(super) mod class;
mod segment;
mod token;
mod words;

use class::{COLON, DELIMITER, DIGIT, EQUALS, MARK, OTHER, SPACE, class};

/// What stands for a value in masked text.
pub(super) const VALUE: u8 = 1;
/// What stands for a blank inside a quoted value.
pub(super) const BLANK: u8 = 2;
/// Tokens of a line that are looked at; what is beyond belongs to no template.
const TOKENS: usize = 200;
/// Bytes of a token that are looked at, and of all of them.
const TOKEN_BYTES: usize = 1_024;
const LINE_BYTES: usize = 4_096;
/// Longest quoted value in bytes, with one of its quotes, that stays one token.
const QUOTED: usize = 64;

/// Masks lines, one after the other, in memory of its own.
#[derive(Debug, Default)]
pub(super) struct Masker {
    /// The line with blanks inside quoted values replaced, where there are such.
    line: Vec<u8>,
    /// Masked tokens, and between them what is left of earlier forms.
    text: Vec<u8>,
    tokens: Vec<Range>,
    /// The result, where it is not `text` as it is.
    joined: Vec<u8>,
}

#[derive(Clone, Copy, Debug)]
struct Range {
    start: u32,
    end: u32,
}

/// Rules over several words that may have something to do.
#[derive(Clone, Copy, Debug, Default)]
struct Hints {
    calendar: bool,
    size: bool,
    stop: bool,
    user: bool,
    fold: bool,
}

impl Masker {
    /// The masked tokens of a line, one blank between two of them.
    pub(super) fn mask(&mut self, line: &[u8]) -> &[u8] {
        self.text.clear();
        self.tokens.clear();
        let hints = if self.quote(line) {
            let line = std::mem::take(&mut self.line);
            let hints = self.mask_tokens(&line);
            self.line = line;
            hints
        } else {
            self.mask_tokens(line)
        };
        let is_changed = words::apply(&mut self.text, &mut self.tokens, hints);
        if !is_changed {
            return &self.text;
        }
        self.joined.clear();
        for (i, token) in self.tokens.iter().enumerate() {
            if i > 0 {
                self.joined.push(b' ');
            }
            self.joined.extend_from_slice(&self.text[token.start as usize..token.end as usize]);
        }
        &self.joined
    }

    /// Keeps `key="quoted value"` together: copies the line and marks the blanks in such values. False where there are none.
    fn quote(&mut self, line: &[u8]) -> bool {
        let mut copied = 0;
        let mut at = 0;
        self.line.clear();
        while let Some(found) = find(&line[at..], b"=\"") {
            let open = at + found + 1;
            let reach = line.len().min(open + 1 + QUOTED);
            let close = line[open + 1..reach].iter().position(|byte| *byte == b'"').map(|i| open + 1 + i);
            let ends =
                |next: Option<&u8>| next.is_none_or(|byte| *byte == b'.' || class(*byte) & (DELIMITER | SPACE) != 0);
            match close.filter(|close| ends(line.get(close + 1))) {
                Some(close) => {
                    if line[open..close].contains(&b' ') {
                        self.line.extend_from_slice(&line[copied..open]);
                        self.line
                            .extend(line[open..close].iter().map(|byte| if *byte == b' ' { BLANK } else { *byte }));
                        copied = close;
                    }
                    at = close + 1;
                }
                None => at = open + 1,
            }
        }
        if copied > 0 {
            self.line.extend_from_slice(&line[copied..]);
        }
        copied > 0
    }

    fn mask_tokens(&mut self, line: &[u8]) -> Hints {
        let mut hints = Hints::default();
        let mut at = 0;
        let (mut before_is_value, mut before_ends_in_value) = (false, false);
        loop {
            while line.get(at).is_some_and(|byte| class(*byte) & SPACE != 0) {
                at += 1;
            }
            let (start, mut classes) = (at, 0);
            while let Some(byte) = line.get(at) {
                let class = class(*byte);
                if class & SPACE != 0 {
                    break;
                }
                classes |= class;
                at += 1;
            }
            if start == at || self.tokens.len() == TOKENS || self.text.len() > LINE_BYTES {
                return hints;
            }
            if !self.tokens.is_empty() {
                self.text.push(b' ');
            }
            let token = &line[start..at.min(start + TOKEN_BYTES)];
            let first = self.text.len();
            if is_plain(token, classes) {
                self.text.extend_from_slice(token);
                if token.len() <= words::LONGEST {
                    words::hint(token, before_is_value, before_ends_in_value, &mut hints);
                }
                (before_is_value, before_ends_in_value) = (false, false);
            } else {
                token::mask(token, &mut self.text);
                let masked = &self.text[first..];
                match masked {
                    [.., VALUE] => {
                        hints.fold |= before_ends_in_value && masked[0] == VALUE;
                        hints.size |= masked == [b'<', VALUE];
                        (before_is_value, before_ends_in_value) = (masked.len() == 1, true);
                    }
                    _ => {
                        hints.fold |= before_ends_in_value && masked[0] == VALUE;
                        hints.stop |= masked.ends_with(&[VALUE, b'.']);
                        if masked.len() <= words::LONGEST {
                            words::hint(masked, before_is_value, before_ends_in_value, &mut hints);
                        }
                        (before_is_value, before_ends_in_value) = (false, false);
                    }
                }
            }
            self.tokens.push(Range { start: first as u32, end: self.text.len() as u32 });
        }
    }
}

/// Whether a token holds nothing that could be a value, as the classes of its bytes say.
#[inline]
fn is_plain(token: &[u8], classes: u16) -> bool {
    if classes & (DIGIT | MARK | EQUALS) != 0 {
        return false;
    }
    if classes & COLON != 0 && token.iter().position(|byte| *byte == b':') != Some(token.len() - 1) {
        return false;
    }
    // Eight letters that are all hexadecimal are a number.
    token.len() < 8 || classes & DELIMITER == 0 && classes & OTHER != 0 || !has_hexadecimal_run(token)
}

fn has_hexadecimal_run(token: &[u8]) -> bool {
    let mut run = 0;
    token.iter().any(|byte| {
        run = if class::is_hex(*byte) { run + 1 } else { 0 };
        run == 8
    })
}

fn find(text: &[u8], what: &[u8; 2]) -> Option<usize> {
    let mut at = 0;
    while let Some(found) = memchr::memchr(what[0], &text[at..]) {
        if text.get(at + found + 1) == Some(&what[1]) {
            return Some(at + found);
        }
        at += found + 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mask(line: &str) -> String {
        let masked = Masker::default().mask(line.as_bytes()).to_vec();
        String::from_utf8(masked).unwrap().replace('\u{1}', "<*>").replace('\u{2}', "~")
    }

    #[test]
    fn very_long_lines_cost_no_more_than_long_ones() {
        let mut masker = Masker::default();
        let word = "word,".repeat(100_000);
        assert_eq!(masker.mask(word.as_bytes()).len(), TOKEN_BYTES);
        let line = "a_rather_long_word_without_digits ".repeat(10_000);
        assert!(masker.mask(line.as_bytes()).len() < LINE_BYTES + TOKEN_BYTES);
        let line = "a ".repeat(1_000);
        assert_eq!(masker.mask(line.as_bytes()).len(), 2 * TOKENS - 1);
    }

    #[test]
    fn lines() {
        for (line, masked) in [
            (
                "Receiving block blk_-160 src: /10.0.0.1:5410 dest: /10.0.0.2:50010",
                "Receiving block <*> src: <*> dest: <*>",
            ),
            ("took 12 ms, 3.5 KB left", "took <*> ms, <*> left"),
            ("1682 bytes (1.64 KB) sent, lifetime <1 sec", "<*> bytes sent, lifetime <*>"),
            ("at Mon Jan 02 15:04:05 2006 UTC done", "at <*> done"),
            (
                "Failed password for invalid user guest from 1.2.3.4 port 22 ssh2",
                "Failed password for invalid user <*> from <*> port <*> ssh2",
            ),
            ("GET http://a.b/c?d=1, then", "GET http://<*>, then"),
            ("cpu CPU#3 at C:\\x\\y.dll mac 00:1b:44:11:3a:b7", "cpu CPU#<*> at <*> mac <*>"),
            ("msg=\"disk is full\" level=info", "msg=\"disk~is~full\" level=info"),
            ("x=[1,2,3] y 1 2 3", "x=[<*>] y <*>"),
            ("read 5. Then 6. more", "read <*>. Then <*> more"),
            ("", ""),
            ("   ", ""),
        ] {
            assert_eq!(mask(line), masked, "{line}");
        }
    }
}
