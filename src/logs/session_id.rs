//! What a line says of the session that it belongs to: the id of a request, a block, a job.
//!
//! An id stands behind a key that names one (`request_id=…`, `"jobId":"…"`), or looks like one: a UUID, a hexadecimal number of
//! at least 16 digits, or a word with a number of at least six (`blk_-1608999687919862906`). Which of them the lines of a
//! template have is found out from its first ones, see [`Habit`]; after that a line is read no further than it needs.

use std::ops::Range;

use serde::{Deserialize, Serialize};

/// Bytes of a line that are looked at, as of its template.
const BYTES: usize = 4_096;
/// Longest id, in bytes.
const LONGEST: usize = 128;
/// Lines of a template from which it is known whether it has ids.
const FIRST: u8 = 8;
/// Hexadecimal digits of an id at least, and decimal ones behind a word.
const HEX_DIGITS: usize = 16;
const DIGITS: usize = 6;
const UUID_BYTES: usize = 36;

/// Names of ids, in lower case without what parts words and without `id`; those before others name the narrower session.
const NAMES: [&[u8]; 15] = [
    b"trace",
    b"request",
    b"req",
    b"xrequest",
    b"correlation",
    b"xcorrelation",
    b"transaction",
    b"txn",
    b"tx",
    b"operation",
    b"attempt",
    b"task",
    b"job",
    b"order",
    b"session",
];
/// Longest key that is looked at, in bytes.
const NAME_BYTES: usize = 24;

/// How good an id is: the number of the name of its key, or one of these.
type Rank = u8;
/// It has no such key.
const NAMELESS: Rank = NAMES.len() as Rank;
const NONE: Rank = u8::MAX;

/// What ids the lines of a template have.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Habit {
    /// Lines that were looked at, up to [`FIRST`].
    looked: u8,
    best: Rank,
}

impl Default for Habit {
    fn default() -> Self {
        Self { looked: 0, best: NONE }
    }
}

impl Habit {
    /// The id in a line of the template, if it has one of the kind that its lines have.
    #[inline]
    pub fn find<'a>(&mut self, line: &'a str) -> Option<&'a str> {
        if self.looked < FIRST {
            self.looked += 1;
            let (rank, id) = find(line, 0)?;
            self.best = self.best.min(rank);
            return (rank == self.best).then_some(id);
        }
        if self.best == NONE {
            return None;
        }
        let (rank, id) = find(line, self.best)?;
        (rank == self.best).then_some(id)
    }
}

/// The best id of a line, the first of those that are as good; or the first that is good enough.
fn find(line: &str, enough: Rank) -> Option<(Rank, &str)> {
    let bytes = &line.as_bytes()[..line.len().min(BYTES)];
    let mut best: Option<(Rank, Range<usize>)> = None;
    let mut at = 0;
    while at < bytes.len() {
        let start = at;
        let mut seen = 0;
        while let Some(class) = bytes.get(at).map(|byte| CLASSES[*byte as usize]).filter(|class| *class != 0) {
            seen |= class;
            at += 1;
        }
        let key = matches!(bytes.get(at), Some(b'=' | b':' | b'"' | b'\'' | b'\\')).then(|| named(bytes, start..at));
        let nameless = || (best.is_none() && seen & DIGIT != 0).then(|| shaped(bytes, start..at, seen)).flatten();
        let found = key.flatten().or_else(|| Some((NAMELESS, nameless()?)));
        if let Some((rank, place)) = found.filter(|(rank, _)| best.as_ref().is_none_or(|(best, _)| rank < best)) {
            best = Some((rank, place));
            if rank <= enough {
                break;
            }
        }
        at += 1;
    }
    let (rank, place) = best?;
    Some((rank, line.get(place)?))
}

/// The part of a word that looks like an id.
fn shaped(bytes: &[u8], word: Range<usize>, seen: u8) -> Option<Range<usize>> {
    let text = &bytes[word.clone()];
    let uuid = text.len().checked_sub(UUID_BYTES).filter(|_| seen & DASH != 0);
    if let Some(before) = uuid.filter(|before| is_uuid(&text[*before..])) {
        let is_whole = before == 0 || matches!(text[before - 1], b'-' | b'_');
        return is_whole.then_some(word.start + before..word.end);
    }
    // A number of nothing but decimal digits is more often a time.
    if seen == DIGIT | HEX_LETTER {
        return (text.len() >= HEX_DIGITS).then_some(word);
    }
    let digit = text.iter().position(u8::is_ascii_digit).filter(|_| seen & UNDERSCORE != 0)?;
    let name = text[..digit].strip_suffix(b"-").unwrap_or(&text[..digit]).strip_suffix(b"_")?;
    let is_name = !name.is_empty() && name.iter().all(|byte| byte.is_ascii_alphabetic() || *byte == b'_');
    let digits = text[digit..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    (is_name && digits >= DIGITS).then_some(word)
}

fn is_uuid(text: &[u8]) -> bool {
    text.iter().enumerate().all(|(at, byte)| match at {
        8 | 13 | 18 | 23 => *byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    })
}

/// The value behind a key that names an id.
fn named(bytes: &[u8], key: Range<usize>) -> Option<(Rank, Range<usize>)> {
    let behind = |mut at: usize, is_passed: fn(&u8) -> bool| {
        while bytes.get(at).is_some_and(is_passed) {
            at += 1;
        }
        at
    };
    let rank = rank(bytes, key.clone())?;
    let mark = behind(key.end, |byte| matches!(byte, b'"' | b'\'' | b'\\' | b' '));
    if !matches!(bytes.get(mark), Some(b'=' | b':')) {
        return None;
    }
    let start = behind(mark + 1, |byte| matches!(byte, b'"' | b'\'' | b'\\' | b' '));
    let mut end = behind(start, |byte| !byte.is_ascii_whitespace() && !b",;&|\"'\\()[]{}<>".contains(byte));
    while end > start && matches!(bytes[end - 1], b'.' | b':') {
        end -= 1;
    }
    // What has no digit is a state, or that there is none.
    let is_id = end - start <= LONGEST && bytes[start..end].iter().any(u8::is_ascii_digit);
    is_id.then_some((rank, start..end))
}

/// The number of the name that a key has: `request_id`, `X-Request-Id`, `trace.id`, `job id`, `session`.
fn rank(bytes: &[u8], mut key: Range<usize>) -> Option<Rank> {
    // Of `id` or `session`; most words are done with here.
    if !matches!(bytes[key.clone()].last(), Some(b'd' | b'D' | b'n' | b'N')) {
        return None;
    }
    if bytes[key.clone()].eq_ignore_ascii_case(b"id") {
        let gap = key.start.checked_sub(1).filter(|at| matches!(bytes[*at], b'.' | b' '))?;
        let letters = bytes[..gap].iter().rev().take_while(|byte| CLASSES[**byte as usize] != 0).count();
        key.start = gap - letters;
    }
    if key.len() > NAME_BYTES {
        return None;
    }
    let mut name = [0; NAME_BYTES];
    let mut length = 0;
    for byte in bytes[key].iter().filter(|byte| byte.is_ascii_alphanumeric()) {
        name[length] = byte.to_ascii_lowercase();
        length += 1;
    }
    let name = &name[..length];
    let stem = name.strip_suffix(b"id").or_else(|| (name == b"session").then_some(name))?;
    NAMES.iter().position(|known| *known == stem).map(|rank| rank as Rank)
}

const DIGIT: u8 = 1;
const HEX_LETTER: u8 = 1 << 1;
const LETTER: u8 = 1 << 2;
const UNDERSCORE: u8 = 1 << 3;
const DASH: u8 = 1 << 4;

/// What bytes are in a word; 0 for those that part words.
const CLASSES: [u8; 256] = {
    let mut classes = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        classes[byte] = match byte as u8 {
            b'0'..=b'9' => DIGIT,
            b'a'..=b'f' | b'A'..=b'F' => HEX_LETTER,
            b'g'..=b'z' | b'G'..=b'Z' => LETTER,
            b'_' => UNDERSCORE,
            b'-' => DASH,
            _ => 0,
        };
        byte += 1;
    }
    classes
};

#[cfg(test)]
mod tests {
    use super::*;

    fn id(line: &str) -> Option<&str> {
        find(line, 0).map(|(_, id)| id)
    }

    #[test]
    fn ids_are_known_by_their_looks() {
        for (line, expected) in [
            ("Receiving block blk_-1608999687919862906 src: /10.250.19.102:54106", "blk_-1608999687919862906"),
            ("Task attempt_200811092030_0001_m_000590_0 done", "attempt_200811092030_0001_m_000590_0"),
            (
                "[req-3ea4052c-895d-4b64-9e2d-04d64c4d94ab 113d3a99c3da401fbd62cc2caa5b96d2 -] GET",
                "3ea4052c-895d-4b64-9e2d-04d64c4d94ab",
            ),
            ("done (7F9C2BA4E88F827D616045507605853E)", "7F9C2BA4E88F827D616045507605853E"),
        ] {
            assert_eq!(id(line), Some(expected), "{line}");
        }
        for line in [
            "at 1700000000000000 took 12345678 us",
            "2026-11-22T06:00:00Z from 10.0.0.1:8080 disk sda_12345 is fine",
            "at 0x00007f3a9c2ba4e8 in deadbeefdeadbeef",
            "12345678-1234-1234-1234-12345678901",
            "pool-1-thread-1234567 -_-123456 _123456",
            "",
            "é",
        ] {
            assert_eq!(id(line), None, "{line}");
        }
    }

    #[test]
    fn ids_are_known_by_their_keys() {
        for (line, expected) in [
            ("request_id=ab-7 user=9", "ab-7"),
            ("GET / X-Request-Id: 77.", "77"),
            (r#"{"msg":"x","user":"9f8e7d6c5b4a39281","reqId": "a/1=","n":1}"#, "a/1="),
            (r#"{"log":"{\"jobId\":\"55\"}"}"#, "55"),
            ("trace.id=12 request_id=13", "12"),
            ("session=5 request_id=13 order id: 9", "13"),
            ("job id: 4711 started", "4711"),
            ("Session 1 of user=x session: s1é, ok", "s1é"),
        ] {
            assert_eq!(id(line), Some(expected), "{line}");
        }
        for line in [
            "request_id=- session=closed",
            "request_id= ",
            "request_id",
            "request=12 sessions=12 id=12 span_id=12",
            "pam_unix(sshd:session): session opened for user root(uid=0)",
            "requestid=<token>",
        ] {
            assert_eq!(id(line), None, "{line}");
        }
        let long = format!("request_id={}", "1".repeat(LONGEST + 1));
        assert_eq!(id(&long), None);
    }

    #[test]
    fn a_template_is_learnt_from_its_first_lines() {
        let mut habit = Habit::default();
        assert_eq!(habit.find("request_id=- of 9f8e7d6c5b4a39281"), Some("9f8e7d6c5b4a39281"));
        assert_eq!(habit.find("request_id=1 of 9f8e7d6c5b4a39281"), Some("1"));
        for _ in 0..20 {
            assert_eq!(habit.find("request_id=- of 9f8e7d6c5b4a39281"), None, "that is an id of another kind");
            assert_eq!(habit.find("request_id=2 of 9f8e7d6c5b4a39281"), Some("2"));
        }
        let mut habit = Habit::default();
        (0..FIRST).for_each(|_| assert_eq!(habit.find("nothing"), None));
        assert_eq!(habit.find("request_id=1"), None, "it is not looked at any more");
    }

    #[test]
    fn any_text_is_taken() {
        let parts =
            ["id", "=", "\"", "é", "session", ":", " ", "1", "_", "-", "\\", "abcdef0123456789", ".", "blk_-123456"];
        let mut random = 1_u64;
        for _ in 0..20_000 {
            let mut line = String::new();
            for _ in 0..12 {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                line.push_str(parts[(random >> 33) as usize % parts.len()]);
            }
            for enough in [0, 5, NAMELESS] {
                if let Some((_, id)) = find(&line, enough) {
                    assert!(!id.is_empty() && line.contains(id), "{line}");
                }
            }
        }
    }
}
