//! Words, texts, numbers and durations of a query.

use super::Error;

/// Longest range in ns: 400 days.
const LONGEST_RANGE: f64 = 400.0 * 86_400e9;

/// Units of durations in ns.
const UNITS: [(&str, f64); 10] = [
    ("ns", 1.0),
    ("us", 1e3),
    ("µs", 1e3),
    ("ms", 1e6),
    ("s", 1e9),
    ("m", 60e9),
    ("h", 3600e9),
    ("d", 86_400e9),
    ("w", 7.0 * 86_400e9),
    ("y", 365.0 * 86_400e9),
];

/// Reads a query from left to right.
#[derive(Debug)]
pub(super) struct Lexer<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// What is still to read, without space and comments before it.
    pub(super) fn rest(&mut self) -> &'a str {
        loop {
            let rest = &self.text[self.at..];
            let trimmed = rest.trim_start();
            self.at += rest.len() - trimmed.len();
            if !trimmed.starts_with('#') {
                return trimmed;
            }
            self.at += trimmed.find('\n').unwrap_or(trimmed.len());
        }
    }

    pub(super) fn error<T>(&mut self, problem: impl Into<String>) -> Result<T, Error> {
        self.rest();
        Err(Error::Parse { problem: problem.into(), at: self.text[..self.at].chars().count() + 1 })
    }

    /// Reads a sign if it comes next.
    pub(super) fn take(&mut self, sign: &str) -> bool {
        let is_next = self.rest().starts_with(sign);
        if is_next {
            self.at += sign.len();
        }
        is_next
    }

    pub(super) fn expect(&mut self, sign: &str) -> Result<(), Error> {
        if self.take(sign) {
            return Ok(());
        }
        let found = self.rest().chars().next().map_or("the end".to_owned(), |c| format!("{c:?}"));
        self.error(format!("expected {sign:?}, found {found}"))
    }

    /// The name that comes next; empty when there is none.
    pub(super) fn peek_name(&mut self) -> &'a str {
        let rest = self.rest();
        if rest.starts_with(|c: char| c.is_ascii_digit()) {
            return "";
        }
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
        &rest[..end]
    }

    /// Reads a name.
    pub(super) fn name(&mut self) -> Result<&'a str, Error> {
        let name = self.peek_name();
        if name.is_empty() {
            return self.error("expected a name");
        }
        self.at += name.len();
        Ok(name)
    }

    /// Reads a name if it is this one.
    pub(super) fn take_name(&mut self, name: &str) -> bool {
        let is_next = self.peek_name() == name;
        if is_next {
            self.at += name.len();
        }
        is_next
    }

    pub(super) fn number(&mut self) -> Result<f64, Error> {
        let rest = self.rest();
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        match rest[..end].parse() {
            Ok(number) => {
                self.at += end;
                Ok(number)
            }
            Err(_) => self.error("expected a number"),
        }
    }

    /// Reads a duration such as `5m` or `1h30m`, in ns.
    pub(super) fn duration(&mut self) -> Result<i64, Error> {
        let mut sum = 0.0;
        loop {
            sum += self.number()? * self.unit()?;
            if !self.text[self.at..].starts_with(|c: char| c.is_ascii_digit()) {
                break;
            }
        }
        if (1.0..=LONGEST_RANGE).contains(&sum) { Ok(sum as i64) } else { self.error("a range is 1ns to 400d long") }
    }

    fn unit(&mut self) -> Result<f64, Error> {
        let rest = &self.text[self.at..];
        let end = rest.find(|c: char| !c.is_alphabetic()).unwrap_or(rest.len());
        match UNITS.iter().find(|(unit, _)| *unit == &rest[..end]) {
            Some((_, length)) => {
                self.at += end;
                Ok(*length)
            }
            None => self.error("expected a unit of time: ns, us, ms, s, m, h, d, w or y"),
        }
    }

    /// Reads a text in double quotes, with Go's escapes, or in backticks, as it is.
    pub(super) fn text(&mut self) -> Result<String, Error> {
        if self.take("`") {
            let Some(len) = self.text[self.at..].find('`') else { return self.error("no closing backtick") };
            let text = &self.text[self.at..self.at + len];
            self.at += len + 1;
            return Ok(text.to_owned());
        }
        if !self.take("\"") {
            return self.error("expected a text in double quotes or backticks");
        }
        let mut bytes = Vec::new();
        loop {
            match self.char() {
                Some('"') => break,
                Some('\\') => self.escape(&mut bytes)?,
                Some('\n') | None => return self.error("no closing quote"),
                Some(c) => bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
        String::from_utf8(bytes).or_else(|_| self.error("the escapes do not make UTF-8"))
    }

    fn char(&mut self) -> Option<char> {
        let c = self.text[self.at..].chars().next()?;
        self.at += c.len_utf8();
        Some(c)
    }

    fn escape(&mut self, bytes: &mut Vec<u8>) -> Result<(), Error> {
        let plain = match self.char() {
            Some('a') => 7,
            Some('b') => 8,
            Some('f') => 12,
            Some('n') => b'\n',
            Some('r') => b'\r',
            Some('t') => b'\t',
            Some('v') => 11,
            Some(c @ ('\\' | '"' | '\'')) => c as u8,
            Some('x') => self.digits(2, 16)? as u8,
            Some('0'..='7') => {
                self.at -= 1;
                match u8::try_from(self.digits(3, 8)?) {
                    Ok(byte) => byte,
                    Err(_) => return self.error("an octal escape is at most \\377"),
                }
            }
            Some(c @ ('u' | 'U')) => {
                let code = self.digits(if c == 'u' { 4 } else { 8 }, 16)?;
                let Some(c) = char::from_u32(code) else { return self.error("no such character") };
                bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                return Ok(());
            }
            _ => return self.error("unknown escape"),
        };
        bytes.push(plain);
        Ok(())
    }

    fn digits(&mut self, count: usize, radix: u32) -> Result<u32, Error> {
        let digits = self.text[self.at..].get(..count).filter(|digits| digits.chars().all(|c| c.is_digit(radix)));
        match digits.and_then(|digits| u32::from_str_radix(digits, radix).ok()) {
            Some(number) => {
                self.at += count;
                Ok(number)
            }
            None => self.error(format!("expected {count} digits")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_quoted_as_in_go() {
        let text = |quoted: &str| Lexer::new(quoted).text();
        assert_eq!(text(r#""a\"b\\c\n\x41\101é\U0001F600\u00e9""#).unwrap(), "a\"b\\c\nAAé😀é");
        assert_eq!(text(r"`a\d+`").unwrap(), r"a\d+");
        assert_eq!(text("\"\"").unwrap(), "");
        assert_eq!(text(r#""\xc3\xa9""#).unwrap(), "é");
        for bad in [
            "",
            "a",
            "\"a",
            "`a",
            "\"\\q\"",
            "\"\\x4\"",
            "\"\\u12\"",
            "\"\\ud800\"",
            "\"\\xff\"",
            "\"\\777\"",
            "\"a\nb\"",
            "\"\\",
        ] {
            assert!(text(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn durations_are_sums() {
        let duration = |text: &str| Lexer::new(text).duration();
        assert_eq!(duration("5m").unwrap(), 300_000_000_000);
        assert_eq!(duration("1h30m]").unwrap(), 5_400_000_000_000);
        assert_eq!(duration("1.5s").unwrap(), 1_500_000_000);
        assert_eq!(duration("250ms").unwrap(), 250_000_000);
        for bad in ["", "5", "m", "0s", "5x", "9999y", "1..2s", "99999999999999999999999999d"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn errors_say_where() {
        let mut lexer = Lexer::new("é # comment\n  x");
        assert!(lexer.take("é"));
        assert_eq!(
            lexer.expect("{").unwrap_err().to_string(),
            "parse error at character 15: expected \"{\", found 'x'"
        );
    }
}
