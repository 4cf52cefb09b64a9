//! Label sets as Loki's clients write them: `{app="cart", pod='cart-1'}`, with Go's quotes and escapes.

use std::borrow::Cow;

use crate::ingest::logs::collect::{Pair, keep};

/// What is wrong, and at which byte of the text.
pub(super) type Fault = (&'static str, usize);

/// Names and values of the labels in their order.
///
/// Lenient where nothing can be mistaken: names may have dots, dashes and slashes, and may be quoted. Escapes that make
/// no UTF-8 are replaced.
///
/// # Errors
/// What is wrong and where.
pub(super) fn parse(text: &str) -> Result<Vec<Pair<'_>>, Fault> {
    let mut cursor = Cursor { text, at: 0 };
    let mut pairs = Vec::new();
    cursor.expect('{', "labels begin with {")?;
    loop {
        if cursor.takes('}') {
            break;
        }
        let name = cursor.name()?;
        cursor.expect('=', "the name of a label is followed by =")?;
        let value = cursor.quoted()?.ok_or(("the value of a label is quoted", cursor.at))?;
        keep(&mut pairs, (name, value));
        if !cursor.takes(',') {
            cursor.expect('}', "a label is followed by a comma or by }")?;
            break;
        }
    }
    cursor.skip_space();
    if cursor.at == text.len() { Ok(pairs) } else { Err(("text behind the labels", cursor.at)) }
}

struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn skip_space(&mut self) {
        self.at = self.text.len() - self.rest().trim_start().len();
    }

    /// Whether this character comes next, behind any space; then it is taken.
    fn takes(&mut self, wanted: char) -> bool {
        self.skip_space();
        let is_next = self.rest().starts_with(wanted);
        self.at += if is_next { wanted.len_utf8() } else { 0 };
        is_next
    }

    fn expect(&mut self, wanted: char, otherwise: &'static str) -> Result<(), Fault> {
        if self.takes(wanted) { Ok(()) } else { Err((otherwise, self.at)) }
    }

    fn name(&mut self) -> Result<Cow<'a, str>, Fault> {
        if let Some(quoted) = self.quoted()? {
            return Ok(quoted);
        }
        let is_part = |c: char| c.is_alphanumeric() || matches!(c, '_' | ':' | '.' | '-' | '/');
        let rest = self.rest();
        let name = &rest[..rest.find(|c| !is_part(c)).unwrap_or(rest.len())];
        if name.is_empty() {
            return Err(("the name of a label is expected", self.at));
        }
        self.at += name.len();
        Ok(Cow::Borrowed(name))
    }

    /// The text between the quotes that come next, `None` when none do.
    fn quoted(&mut self) -> Result<Option<Cow<'a, str>>, Fault> {
        self.skip_space();
        let Some(quote @ (b'"' | b'\'' | b'`')) = self.rest().bytes().next() else { return Ok(None) };
        let unterminated = ("quotes are not closed", self.at);
        self.at += 1;
        let is_end = |b: u8| b == quote || b == b'\\' && quote != b'`';
        let mut unescaped = Vec::new();
        loop {
            let rest = self.rest();
            let plain = &rest[..rest.bytes().position(is_end).ok_or(unterminated)?];
            self.at += plain.len() + 1;
            if rest.as_bytes().get(plain.len()) == Some(&quote) {
                if unescaped.is_empty() {
                    return Ok(Some(Cow::Borrowed(plain)));
                }
                unescaped.extend_from_slice(plain.as_bytes());
                return Ok(Some(Cow::Owned(String::from_utf8_lossy(&unescaped).into_owned())));
            }
            unescaped.extend_from_slice(plain.as_bytes());
            self.escape(&mut unescaped)?;
        }
    }

    /// Takes what follows a backslash. Octal and `\x` escapes are single bytes, as in Go.
    fn escape(&mut self, out: &mut Vec<u8>) -> Result<(), Fault> {
        let unknown = ("unknown escape", self.at - 1);
        let kind = self.rest().bytes().next().ok_or(unknown)?;
        self.at += 1;
        let byte = match kind {
            b'a' => 0x07,
            b'b' => 0x08,
            b'f' => 0x0c,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'v' => 0x0b,
            b'\\' | b'"' | b'\'' => kind,
            b'x' => self.number(2, 16).and_then(|code| u8::try_from(code).ok()).ok_or(unknown)?,
            b'0'..=b'7' => {
                self.at -= 1;
                self.number(3, 8).and_then(|code| u8::try_from(code).ok()).ok_or(unknown)?
            }
            b'u' | b'U' => {
                let code = self.number(if kind == b'u' { 4 } else { 8 }, 16);
                let character = code.and_then(char::from_u32).ok_or(unknown)?;
                out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                return Ok(());
            }
            _ => return Err(unknown),
        };
        out.push(byte);
        Ok(())
    }

    fn number(&mut self, digits: usize, radix: u32) -> Option<u32> {
        let text = self.rest().get(..digits).filter(|text| text.chars().all(|c| c.is_digit(radix)))?;
        self.at += digits;
        u32::from_str_radix(text, radix).ok()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pairs(text: &str) -> Vec<(String, String)> {
        let pairs = parse(text).unwrap_or_else(|fault| panic!("{text}: {fault:?}"));
        pairs.into_iter().map(|(name, value)| (name.into_owned(), value.into_owned())).collect()
    }

    #[test]
    fn labels_of_all_writers() {
        let expected = [("app".to_owned(), "cart".to_owned()), ("pod".to_owned(), "cart-1".to_owned())];
        for text in [
            r#"{app="cart", pod="cart-1"}"#,
            r#"{app="cart",pod="cart-1",}"#,
            "  { app = 'cart' , pod=`cart-1` }\n",
            r#"{"app"="cart",'pod'="cart-1"}"#,
        ] {
            assert_eq!(pairs(text), expected, "{text}");
        }
        assert_eq!(pairs("{}"), []);
        assert_eq!(pairs(" { } "), []);
        assert_eq!(pairs(r#"{k8s.pod-name="a",größe=""}"#)[0].0, "k8s.pod-name");
    }

    #[test]
    fn escapes_are_those_of_go() {
        let value = |text: &str| pairs(&format!("{{a={text}}}"))[0].1.clone();
        assert_eq!(value(r#""\a\b\f\n\r\t\v\\\"'""#), "\u{7}\u{8}\u{c}\n\r\t\u{b}\\\"'");
        assert_eq!(value(r#""\x41\102\u0043\U0001F600""#), "ABC😀");
        assert_eq!(value(r#""\xc3\xa9 \303\251 \xff""#), "é é \u{fffd}");
        assert_eq!(value(r#"'it\'s "x"'"#), "it's \"x\"");
        assert_eq!(value(r"`\n ü`"), r"\n ü");
        assert_eq!(value(r#""\\""#), "\\");
        assert!(matches!(&parse(r#"{a="plain ü"}"#).unwrap()[0].1, Cow::Borrowed("plain ü")));
    }

    #[test]
    fn faults_tell_where_they_are() {
        for (text, what, at) in [
            ("", "labels begin with {", 0),
            ("app=\"x\"", "labels begin with {", 0),
            ("{app}", "the name of a label is followed by =", 4),
            ("{=\"x\"}", "the name of a label is expected", 1),
            ("{,}", "the name of a label is expected", 1),
            ("{", "the name of a label is expected", 1),
            ("{a=x}", "the value of a label is quoted", 3),
            ("{a=~\"x\"}", "the value of a label is quoted", 3),
            ("{a=\"x}", "quotes are not closed", 3),
            ("{a=\"x\\\"}", "quotes are not closed", 3),
            ("{a=\"x\" b=\"y\"}", "a label is followed by a comma or by }", 7),
            ("{a=\"x\"", "a label is followed by a comma or by }", 6),
            ("{a=\"x\"} b", "text behind the labels", 8),
            (r#"{a="\q"}"#, "unknown escape", 4),
            (r#"{a="\x4"}"#, "unknown escape", 4),
            (r#"{a="\400"}"#, "unknown escape", 4),
            (r#"{a="\ud83d"}"#, "unknown escape", 4),
            (r#"{a="\U00110000"}"#, "unknown escape", 4),
            ("{a=\"\\", "unknown escape", 4),
        ] {
            assert_eq!(parse(text).unwrap_err(), (what, at), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_quoted_comes_back(value in "\\PC{0,40}") {
            let quoted: String = value.chars().map(|c| match c {
                '"' | '\\' => format!("\\{c}"),
                c if (c as u32).is_multiple_of(3) => format!("\\U{:08x}", c as u32),
                c => c.to_string(),
            }).collect();
            prop_assert_eq!(&pairs(&format!("{{a=\"{quoted}\"}}"))[0].1, &value);
        }

        #[test]
        fn any_text_is_labels_or_a_fault(text in r#"[{}a="'`\\,x0u ü]{0,30}"#) {
            let _ = parse(&text);
        }
    }
}
