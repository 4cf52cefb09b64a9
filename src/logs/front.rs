//! Lines that are data: of JSON and logfmt the message counts, and which keys there are.

use super::mask::class::is_alpha;

/// Keys that hold the message, in order of preference.
const MESSAGE: [&[u8]; 7] = [b"msg", b"message", b"@message", b"event", b"log", b"text", b"error"];
/// Keys that are looked at.
const KEYS: usize = 64;

/// Puts what a line of JSON or logfmt says into `into`: its message, and its keys in order, as one word. False for lines
/// that are neither, or have no message.
///
/// Keys are part of it, since who writes other keys writes another message; values are not.
pub(super) fn message(line: &[u8], into: &mut Vec<u8>) -> bool {
    let mut pairs = Pairs::default();
    let is_read = match line.first() {
        Some(b'{') => json(line, &mut pairs),
        Some(byte) if byte.is_ascii_alphabetic() || *byte == b'_' => logfmt(line, &mut pairs),
        _ => false,
    };
    let (true, Some((_, text))) = (is_read, pairs.message) else { return false };
    into.clear();
    unescape(text, into);
    pairs.keys.sort_unstable();
    into.push(b' ');
    for (at, key) in pairs.keys.iter().enumerate() {
        into.push(if at == 0 { b'{' } else { b',' });
        // A key is a name, whatever it looks like.
        let letters = key.iter().filter(|byte| !byte.is_ascii_digit());
        into.extend(letters.map(|byte| if is_alpha(*byte) { *byte } else { b'_' }));
    }
    into.push(b'}');
    true
}

/// What was read of a line.
#[derive(Default)]
struct Pairs<'a> {
    keys: Vec<&'a [u8]>,
    /// Rank of its key, and text.
    message: Option<(usize, &'a [u8])>,
}

impl<'a> Pairs<'a> {
    /// Takes a pair; false when there are enough.
    fn take(&mut self, key: &'a [u8], value: Value<'a>) -> bool {
        self.keys.push(key);
        let rank = MESSAGE.iter().position(|known| *known == key);
        if let (Some(rank), Value::Text(text)) = (rank, value)
            && self.message.is_none_or(|(known, _)| rank < known)
        {
            self.message = Some((rank, text));
        }
        self.keys.len() < KEYS
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Value<'a> {
    /// Text between quotes, with its escapes.
    Text(&'a [u8]),
    Other,
}

/// What is between two quotes, and what is behind it; `at` is behind the first.
fn quoted(line: &[u8], at: usize) -> Option<(&[u8], usize)> {
    let mut end = at;
    loop {
        end += memchr::memchr2(b'"', b'\\', line.get(end..)?)?;
        if line[end] == b'"' {
            return Some((&line[at..end], end + 1));
        }
        end += 2;
    }
}

/// Reads the pairs of the outermost object of a line that is nothing else.
fn json<'a>(line: &'a [u8], pairs: &mut Pairs<'a>) -> bool {
    let blank = |mut at: usize| {
        while line.get(at).is_some_and(u8::is_ascii_whitespace) {
            at += 1;
        }
        at
    };
    let mut at = blank(1);
    loop {
        if line.get(at) != Some(&b'"') {
            return false;
        }
        let Some((key, behind)) = quoted(line, at + 1) else { return false };
        at = blank(behind);
        if line.get(at) != Some(&b':') {
            return false;
        }
        at = blank(at + 1);
        let value = if line.get(at) == Some(&b'"') {
            let Some((text, behind)) = quoted(line, at + 1) else { return false };
            at = behind;
            Value::Text(text)
        } else {
            let Some(behind) = skip(line, at) else { return false };
            at = behind;
            Value::Other
        };
        let goes_on = pairs.take(key, value);
        at = blank(at);
        match line.get(at) {
            Some(b',') if goes_on => at = blank(at + 1),
            Some(b',') => return true,
            Some(b'}') => return blank(at + 1) == line.len(),
            _ => return false,
        }
    }
}

/// The end of a number, a word, a list or an object.
fn skip(line: &[u8], mut at: usize) -> Option<usize> {
    let mut depth = 0_usize;
    loop {
        match line.get(at)? {
            b'"' => {
                at = quoted(line, at + 1)?.1;
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' if depth > 0 => depth -= 1,
            b',' | b'}' | b']' if depth == 0 => return Some(at),
            _ => {}
        }
        at += 1;
    }
}

/// Reads `key=value` pairs; nothing else may be between them.
fn logfmt<'a>(line: &'a [u8], pairs: &mut Pairs<'a>) -> bool {
    let is_key = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-' | b'@' | b'/');
    let mut at = 0;
    while at < line.len() {
        let key = at + line[at..].iter().position(|byte| !is_key(byte)).unwrap_or(line.len() - at);
        if key == at || line.get(key) != Some(&b'=') {
            return false;
        }
        let name = &line[at..key];
        at = key + 1;
        let value = if line.get(at) == Some(&b'"') {
            let Some((text, behind)) = quoted(line, at + 1) else { return false };
            at = behind;
            Value::Text(text)
        } else {
            let start = at;
            at += line[at..].iter().position(|byte| *byte == b' ').unwrap_or(line.len() - at);
            // A message without blanks is quoted by nobody; other values are no messages.
            if matches!(name, b"msg" | b"message") { Value::Text(&line[start..at]) } else { Value::Other }
        };
        if !pairs.take(name, value) {
            return true;
        }
        match line.get(at) {
            None => break,
            Some(b' ') => at += 1,
            Some(_) => return false,
        }
        while line.get(at) == Some(&b' ') {
            at += 1;
        }
    }
    true
}

/// Text without its escapes, as far as they matter here: lines and tabs are blanks.
fn unescape(text: &[u8], into: &mut Vec<u8>) {
    let mut rest = text;
    while let Some(at) = memchr::memchr(b'\\', rest) {
        into.extend_from_slice(&rest[..at]);
        let escaped = rest.get(at + 1).copied();
        let length = if escaped == Some(b'u') { 6 } else { 2 };
        match escaped {
            Some(b'n' | b't' | b'r' | b'u') => into.push(b' '),
            Some(byte) => into.push(byte),
            None => {}
        }
        rest = rest.get(at + length..).unwrap_or_default();
    }
    into.extend_from_slice(rest);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(line: &str) -> Option<String> {
        let mut text = Vec::new();
        message(line.as_bytes(), &mut text).then(|| String::from_utf8_lossy(&text).into_owned())
    }

    #[test]
    fn the_message_and_the_keys_count() {
        let same = Some("user bob {level,msg,ts}".to_owned());
        assert_eq!(read(r#"{"ts":1,"level":"info","msg":"user bob"}"#), same);
        assert_eq!(read(r#" {"ts":1}"#), None);
        assert_eq!(read(r#"{ "level" : "warn", "msg":"user bob", "ts": {"a":[1,"}"]} }"#), same);
        assert_eq!(read(r#"ts=2024-01-02T03:04:05Z level=info msg="user bob""#), same);
        assert_eq!(read(r#"level=info msg=started x=1"#), Some("started {level,msg,x}".to_owned()));
        assert_eq!(
            read(r#"{"event":"e","message":"said \"no\"\n\tagain","k8":null}"#),
            Some("said \"no\"  again {event,k,message}".to_owned())
        );
    }

    #[test]
    fn everything_else_is_a_line() {
        for line in [
            r#"{"msg":"a"} and more"#,
            r#"{"msg":"a""#,
            r#"{"msg":1}"#,
            r#"{"a":"b"}"#,
            "{}",
            "",
            "plain text",
            "type=1400 audit(1.2:3): msg=\"x\"",
            "a=1 b=2",
            "msg=\"open",
        ] {
            assert_eq!(read(line), None, "{line}");
        }
    }

    proptest! {
        #[test]
        fn nothing_panics(line in proptest::collection::vec(prop_oneof![Just(b'"'), Just(b'\\'), Just(b'{'), Just(b'}'), Just(b'='), Just(b':'), Just(b' '), Just(b'm'), any::<u8>()], 0..60)) {
            let mut text = Vec::new();
            message(&line, &mut text);
            let mut object = b"{\"msg\":\"".to_vec();
            object.extend(&line);
            message(&object, &mut text);
        }
    }
}
