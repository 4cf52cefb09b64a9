//! The first look at a query: what the parser would choke on is refused or rewritten before it sees it.
//!
//! `promql-parser` 0.11 follows an older PromQL and trusts its input. Numbers out of range make it panic
//! (`m[1e300]`), large units are dropped silently (`1h5000000000ms` is 1 h to it), raw strings (`` `\d+` ``) and
//! `1_000` are refused, and every regular expression is compiled with the dialect of another engine. So this pass
//!
//! - takes the strings out: each becomes a short placeholder and is found again through [`Prepared::string`];
//! - writes numbers and durations (as seconds) in a plain form, after checking that they are in range;
//! - bounds length, nesting and the number of operators, because the syntax tree is walked recursively.
//!
//! Everything else is passed on as it is, and judged by the parser.

use std::iter::Peekable;
use std::str::CharIndices;

use super::Error;

/// Longest query read. Generated dashboards stay below a tenth of it.
const LENGTH_MAX: usize = 256 * 1024;
/// Deepest nesting of brackets.
const NESTING_MAX: usize = 100;
/// Most operators, signs included; a chain of them nests the syntax tree as deep.
const OPERATORS_MAX: usize = 500;
/// Most strings: each may be a regular expression, and compiling one costs up to a millisecond.
const STRINGS_MAX: usize = 2_000;
/// Longest duration in seconds, 292 years, as in Prometheus.
const DURATION_MAX_SECS: f64 = 9_223_372_036.0;
/// What a placeholder begins with; no identifier does.
const PLACEHOLDER: char = '$';

/// A query as the parser should see it, and the strings that were taken out.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) text: String,
    strings: Vec<String>,
}

impl Prepared {
    /// The string behind what the parser took for a string or a name; other names are returned as they are.
    pub(super) fn string<'a>(&'a self, seen: &'a str) -> &'a str {
        let index = seen.strip_prefix(PLACEHOLDER).and_then(|digits| digits.parse::<usize>().ok());
        index.and_then(|i| self.strings.get(i)).map_or(seen, String::as_str)
    }

    /// A message of the parser with the strings put back.
    pub(super) fn explain(&self, message: &str) -> String {
        let mut parts = message.split(PLACEHOLDER);
        let mut whole = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let digits = part.len() - part.trim_start_matches(|c: char| c.is_ascii_digit()).len();
            match part[..digits].parse::<usize>().ok().and_then(|i| self.strings.get(i)) {
                Some(string) => whole.push_str(string),
                None => {
                    whole.push(PLACEHOLDER);
                    whole.push_str(&part[..digits]);
                }
            }
            whole.push_str(&part[digits..]);
        }
        whole
    }
}

/// Checks and rewrites a query.
///
/// # Errors
/// [`Error::Parse`] for strings and numbers that are malformed or out of range, and beyond the bounds above.
pub(super) fn prepare(query: &str) -> Result<Prepared, Error> {
    if query.len() > LENGTH_MAX {
        return Err(refuse(format!("query is longer than {LENGTH_MAX} bytes")));
    }
    let prepared = Prepared { text: String::with_capacity(query.len() + 16), strings: Vec::new() };
    let mut reader = Reader {
        query,
        rest: query.char_indices().peekable(),
        prepared,
        open: Vec::new(),
        operators: 0,
        expects: Expects::Anything,
    };
    reader.read()?;
    Ok(reader.prepared)
}

fn refuse(text: impl Into<String>) -> Error {
    Error::Parse(text.into())
}

/// What a number would mean at the place reached.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Expects {
    Anything,
    /// After `offset`, perhaps with a sign.
    Offset,
}

struct Reader<'a> {
    query: &'a str,
    rest: Peekable<CharIndices<'a>>,
    prepared: Prepared,
    /// Brackets open, innermost last.
    open: Vec<char>,
    operators: usize,
    expects: Expects,
}

impl<'a> Reader<'a> {
    fn read(&mut self) -> Result<(), Error> {
        while let Some((at, c)) = self.rest.next() {
            match c {
                '#' => {
                    while self.rest.next_if(|(_, c)| !matches!(c, '\n' | '\r')).is_some() {}
                    self.prepared.text.push(' ');
                }
                '"' | '\'' | '`' => self.string(c)?,
                '0'..='9' => self.number(at)?,
                '.' if self.rest.peek().is_some_and(|(_, next)| next.is_ascii_digit()) => self.number(at)?,
                'a'..='z' | 'A'..='Z' | '_' | ':' if !self.is_inside('[') => self.word(at)?,
                ' ' | '\t' | '\n' | '\r' => self.prepared.text.push(' '),
                _ => self.symbol(c)?,
            }
        }
        if let Some(bracket) = self.open.pop() {
            return Err(refuse(format!("unclosed {bracket:?}")));
        }
        Ok(())
    }

    fn is_inside(&self, bracket: char) -> bool {
        self.open.last() == Some(&bracket)
    }

    fn symbol(&mut self, c: char) -> Result<(), Error> {
        match c {
            '(' | '[' | '{' => {
                self.open.push(c);
                if self.open.len() > NESTING_MAX {
                    return Err(refuse(format!("brackets are nested deeper than {NESTING_MAX}")));
                }
            }
            ')' | ']' | '}' => {
                let opening = match c {
                    ')' => '(',
                    ']' => '[',
                    _ => '{',
                };
                if self.open.pop() != Some(opening) {
                    return Err(refuse(format!("unexpected {c:?}")));
                }
            }
            '+' | '-' | '*' | '/' | '%' | '^' | '=' | '!' | '<' | '>' if !self.is_inside('{') => self.operator()?,
            _ => {}
        }
        if !matches!(c, '+' | '-') {
            self.expects = Expects::Anything;
        }
        self.prepared.text.push(c);
        Ok(())
    }

    fn operator(&mut self) -> Result<(), Error> {
        self.operators += 1;
        if self.operators > OPERATORS_MAX {
            return Err(refuse(format!("query has more than {OPERATORS_MAX} operators")));
        }
        Ok(())
    }

    fn word(&mut self, start: usize) -> Result<(), Error> {
        let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
        let word = self.take_while(start, |_, c| is_part(c));
        let lower = word.to_ascii_lowercase();
        if matches!(lower.as_str(), "and" | "or" | "unless" | "atan2") {
            self.operator()?;
        }
        let is_offset = lower == "offset" && !self.is_inside('{');
        if self.expects == Expects::Offset && matches!(lower.as_str(), "inf" | "nan") {
            return Err(refuse("duration out of range"));
        }
        self.expects = if is_offset { Expects::Offset } else { Expects::Anything };
        self.prepared.text.push_str(word);
        Ok(())
    }

    fn number(&mut self, start: usize) -> Result<(), Error> {
        let is_hex = self.query[start..].starts_with("0x") || self.query[start..].starts_with("0X");
        let word = self.take_while(start, |before, c| {
            let is_exponent_sign = matches!(c, '+' | '-') && !is_hex && matches!(before, 'e' | 'E');
            c.is_ascii_alphanumeric() || matches!(c, '_' | '.') || is_exponent_sign
        });
        let value = number(word).or_else(|| seconds(word));
        let value = value.ok_or_else(|| refuse(format!("bad number or duration syntax: {word:?}")))?;
        let in_range = self.is_inside('[');
        if in_range || self.expects == Expects::Offset {
            if value.is_nan() || value > DURATION_MAX_SECS {
                return Err(refuse("duration out of range"));
            }
            let ms = (value * 1000.0).round() as i64;
            if in_range && ms <= 0 {
                return Err(refuse("duration must be greater than 0"));
            }
            self.prepared.text.push_str(&format!("{}.{:03}", ms / 1000, ms % 1000));
        } else {
            self.prepared.text.push_str(&format!("{value:?}"));
        }
        self.expects = Expects::Anything;
        Ok(())
    }

    /// The text from `start` on, whose first character is read, for as long as `is_part` holds of the character before
    /// and the character.
    fn take_while(&mut self, start: usize, is_part: impl Fn(char, char) -> bool) -> &'a str {
        let mut end = start + 1;
        let mut before = self.query[start..end].chars().next().unwrap_or_default();
        while let Some((at, c)) = self.rest.next_if(|(_, c)| is_part(before, *c)) {
            before = c;
            end = at + c.len_utf8();
        }
        &self.query[start..end]
    }

    fn string(&mut self, quote: char) -> Result<(), Error> {
        let mut bytes = Vec::new();
        loop {
            let Some((_, c)) = self.rest.next() else { return Err(refuse("unterminated quoted string")) };
            match c {
                _ if c == quote => break,
                '\\' if quote != '`' => self.escape(quote, &mut bytes)?,
                '\n' if quote != '`' => return Err(refuse("unterminated quoted string")),
                _ => bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
        let string = String::from_utf8(bytes).map_err(|_| refuse("string is not valid UTF-8"))?;
        self.expects = Expects::Anything;
        if string.is_empty() {
            // The parser must see which matchers accept the empty string.
            self.prepared.text.push_str("\"\"");
            return Ok(());
        }
        let index = self.prepared.strings.len();
        if index == STRINGS_MAX {
            return Err(refuse(format!("query has more than {STRINGS_MAX} strings")));
        }
        self.prepared.text.push_str(&format!("\"{PLACEHOLDER}{index}\""));
        self.prepared.strings.push(string);
        Ok(())
    }

    /// Reads what follows a backslash. Octal and `\x` escapes are single bytes, as in Go.
    fn escape(&mut self, quote: char, bytes: &mut Vec<u8>) -> Result<(), Error> {
        let unknown = || refuse("unknown escape sequence in string");
        let (_, c) = self.rest.next().ok_or_else(unknown)?;
        let byte = match c {
            'a' => 0x07,
            'b' => 0x08,
            'f' => 0x0c,
            'n' => b'\n',
            'r' => b'\r',
            't' => b'\t',
            'v' => 0x0b,
            '\\' => b'\\',
            _ if c == quote => quote as u8,
            'x' => self.digits(0, 2, 16)? as u8,
            '0'..='7' => {
                let first = c.to_digit(8).unwrap_or_default();
                u8::try_from(self.digits(first, 2, 8)?).map_err(|_| unknown())?
            }
            'u' | 'U' => {
                let code = self.digits(0, if c == 'u' { 4 } else { 8 }, 16)?;
                let character = char::from_u32(code).ok_or_else(unknown)?;
                bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                return Ok(());
            }
            _ => return Err(unknown()),
        };
        bytes.push(byte);
        Ok(())
    }

    fn digits(&mut self, first: u32, count: usize, radix: u32) -> Result<u32, Error> {
        let mut value = first;
        for _ in 0..count {
            let digit = self.rest.next().and_then(|(_, c)| c.to_digit(radix));
            let digit = digit.ok_or_else(|| refuse("illegal character in escape sequence"))?;
            // Eight hexadecimal digits just fit.
            value = value * radix + digit;
        }
        Ok(value)
    }
}

/// A number as Go reads it: `0x1F`, octal with a leading zero, `1_000`, `1e3`, `.5`. `None` when it is none.
fn number(word: &str) -> Option<f64> {
    let underscores_fit = word.split('_').skip(1).all(|part| part.starts_with(|c: char| c.is_ascii_alphanumeric()));
    if !underscores_fit {
        return None;
    }
    let plain: String = word.chars().filter(|c| *c != '_').collect();
    let lower = plain.to_ascii_lowercase();
    let (digits, radix) = match lower.get(..2) {
        Some("0x") => (&lower[2..], 16),
        Some("0b") => (&lower[2..], 2),
        Some("0o") => (&lower[2..], 8),
        _ if lower.len() > 1 && lower.starts_with('0') => (&lower[1..], 8),
        _ => (lower.as_str(), 10),
    };
    if let Ok(integer) = i64::from_str_radix(digits, radix) {
        return Some(integer as f64);
    }
    let is_decimal = lower.chars().all(|c| c.is_ascii_digit() || matches!(c, '.' | 'e' | '+' | '-'));
    // Go refuses what would become infinite.
    plain.parse().ok().filter(|value: &f64| is_decimal && value.is_finite())
}

/// A duration such as `1h30m` in seconds: each unit at most once, largest first. `None` when it is none.
fn seconds(word: &str) -> Option<f64> {
    const UNITS: [(&str, u64); 7] = [
        ("y", 365 * 86_400_000),
        ("w", 7 * 86_400_000),
        ("d", 86_400_000),
        ("h", 3_600_000),
        ("m", 60_000),
        ("s", 1_000),
        ("ms", 1),
    ];
    let mut rest = word;
    let mut units = UNITS.iter();
    let mut total = 0_u64;
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let count: u64 = rest[..digits].parse().ok()?;
        let name = rest[digits..].len() - rest[digits..].trim_start_matches(|c: char| c.is_ascii_alphabetic()).len();
        let (_, unit_ms) = units.find(|(unit, _)| *unit == &rest[digits..digits + name])?;
        total = total.checked_add(count.checked_mul(*unit_ms)?)?;
        rest = &rest[digits + name..];
    }
    let secs = total as f64 / 1000.0;
    (secs <= DURATION_MAX_SECS).then_some(secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prepared(query: &str) -> String {
        prepare(query).unwrap().text
    }

    #[test]
    fn strings_are_taken_out_and_found_again() {
        let query = prepare("a{b=~`\\d\"`, c=\"x\\n\\x41\\101\\u00e9\\\"\", d=''} # \"no\"\n").unwrap();
        assert_eq!(query.text.trim_end(), r#"a{b=~"$0", c="$1", d=""}"#);
        assert_eq!((query.string("$0"), query.string("$1")), ("\\d\"", "x\nAA\u{e9}\""));
        assert_eq!((query.string("b"), query.string("$9")), ("b", "$9"));
        assert_eq!(query.explain("no '$1x' or $ or $7"), "no 'x\nAA\u{e9}\"x' or $ or $7");
        for bad in
            ["\"a", "'a\\", "\"\\q\"", "\"\\xff\"", "\"\\u12\"", "\"a\nb\"", "'\\\"'", "\"\\ud800\"", "\"\\777\""]
        {
            assert!(prepare(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn numbers_become_plain() {
        let cases = [
            ("1", "1.0"),
            ("0x1F", "31.0"),
            ("017", "15.0"),
            ("089", "89.0"),
            ("1_000", "1000.0"),
            (".5e-1", "0.05"),
            ("1e300", "1e300"),
            ("5m", "300.0"),
            ("1h30m5ms", "5400.005"),
            ("m[5m]", "m[300.000]"),
            ("m[0.25:1_0]", "m[0.250:10.000]"),
            ("m offset -1d", "m offset -86400.000"),
            ("m @ 1.5", "m @ 1.5"),
            ("1e3+2e-3-4", "1000.0+0.002-4.0"),
        ];
        for (query, expected) in cases {
            assert_eq!(prepared(query), expected);
        }
    }

    #[test]
    fn numbers_that_would_hurt_are_refused() {
        let cases = "m[1e300] m[0] m[0s] m[300y] m[0.0001] 1e999 1__0 1_ 5x 5m1h 1h1h 1.2.3 0xg 1.5m \
                     5000000000000000000ms m[1y99999999999999999999s] m[1h:0s]";
        for query in cases.split_whitespace().chain(["m offset Inf", "m offset -NaN", "m offset 1e300"]) {
            assert!(matches!(prepare(query), Err(Error::Parse(_))), "{query}");
        }
        assert_eq!(prepared("m[1h5000000000ms]"), "m[5003600.000]");
    }

    #[test]
    fn brackets_operators_and_length_are_bounded() {
        let nested = |n: usize| format!("{}1{}", "(".repeat(n), ")".repeat(n));
        assert!(prepare(&nested(NESTING_MAX)).is_ok());
        assert!(prepare(&nested(NESTING_MAX + 1)).is_err());
        assert!(prepare(&"-".repeat(OPERATORS_MAX + 1)).is_err());
        assert!(prepare(&format!("a{}", " or a".repeat(OPERATORS_MAX + 1))).is_err());
        assert!(prepare(&" ".repeat(LENGTH_MAX + 1)).is_err());
        for unbalanced in ["(", "a[5m)", "}", "a{"] {
            assert!(prepare(unbalanced).is_err());
        }
    }
}
