//! Takes out of log lines what should be stored nowhere: addresses of people, card and account numbers, secrets.
//!
//! What is taken out is replaced by the name of its kind, so that templates stay what they are. Numbers are only taken for
//! cards or accounts when their check digits say so.

mod numbers;
mod secrets;

use std::{borrow::Cow, collections::BTreeMap, ops::Range};

use serde::{Deserialize, Serialize};

use secrets::Secrets;

/// What can be taken out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Pii {
    /// Mail addresses.
    Email,
    /// Numbers of payment cards (ISO/IEC 7812, with Luhn's check digit).
    Card,
    /// Passwords, keys, bearer tokens.
    Token,
    /// Numbers of bank accounts (ISO 13616, with their check digits).
    Iban,
    /// IPv4 addresses.
    Ip,
}

impl Pii {
    /// Those that are taken out unless the configuration says otherwise.
    pub const DEFAULT: [Self; 3] = [Self::Email, Self::Card, Self::Token];

    /// Its name, as in the configuration.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Card => "card",
            Self::Token => "token",
            Self::Iban => "iban",
            Self::Ip => "ip",
        }
    }

    fn placeholder(self) -> &'static str {
        match self {
            Self::Email => "<email>",
            Self::Card => "<card>",
            Self::Token => "<token>",
            Self::Iban => "<iban>",
            Self::Ip => "<ip>",
        }
    }
}

/// How often something of each kind was taken out.
pub type Taken = BTreeMap<Pii, u64>;

/// Takes some kinds out of texts.
#[derive(Debug)]
pub struct Redactor {
    kinds: Vec<Pii>,
    secrets: Secrets,
}

impl Redactor {
    /// One for these kinds.
    #[must_use]
    pub fn new(kinds: &[Pii]) -> Self {
        Self { kinds: kinds.to_vec(), secrets: Secrets::new() }
    }

    /// The text without what is to be taken out, which is counted. Most texts come back as they are, borrowed.
    #[must_use]
    pub fn redact<'a>(&self, text: &'a str, taken: &mut Taken) -> Cow<'a, str> {
        let mut found: Vec<(Range<usize>, Pii)> = Vec::new();
        let mut add = |range, kind| found.push((range, kind));
        if self.takes(Pii::Token) {
            self.secrets.find(text.as_bytes(), &mut |range| add(range, Pii::Token));
        }
        if self.takes(Pii::Email) {
            emails(text.as_bytes(), &mut |range| add(range, Pii::Email));
        }
        let kinds = |kind| self.takes(kind);
        if [Pii::Card, Pii::Iban, Pii::Ip].into_iter().any(kinds) {
            numbers::find(text.as_bytes(), &kinds, &mut add);
        }
        if found.is_empty() {
            return Cow::Borrowed(text);
        }
        // What begins first counts; of those the longest.
        found.sort_by_key(|(range, kind)| (range.start, std::cmp::Reverse(range.end), *kind));
        let (mut out, mut at) = (String::with_capacity(text.len()), 0);
        for (range, kind) in found {
            if range.start < at {
                continue;
            }
            // All that is found begins and ends with ASCII, or at a whole character.
            let Some(before) = text.get(at..range.start) else { continue };
            out.push_str(before);
            out.push_str(kind.placeholder());
            at = range.end;
            *taken.entry(kind).or_default() += 1;
        }
        out.push_str(text.get(at..).unwrap_or_default());
        Cow::Owned(out)
    }

    /// The value of an attribute without what is to be taken out; all of it where the name says that it is a secret.
    #[must_use]
    pub fn redact_value<'a>(&self, name: &str, value: &'a str, taken: &mut Taken) -> Cow<'a, str> {
        if self.takes(Pii::Token) && secrets::is_secret(name, value) {
            *taken.entry(Pii::Token).or_default() += 1;
            return Cow::Owned(Pii::Token.placeholder().to_owned());
        }
        self.redact(value, taken)
    }

    fn takes(&self, kind: Pii) -> bool {
        self.kinds.contains(&kind)
    }
}

/// `name@host.tld`, in ASCII.
fn emails(text: &[u8], found: &mut dyn FnMut(Range<usize>)) {
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'%' | b'+' | b'-');
    let is_host = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-');
    for at in memchr::memchr_iter(b'@', text) {
        let start = at - text[..at].iter().rev().take_while(|byte| is_name(byte)).count();
        let mut end = at + 1 + text[at + 1..].iter().take_while(|byte| is_host(byte)).count();
        while end > at && matches!(text[end - 1], b'.' | b'-') {
            end -= 1;
        }
        let host = &text[at + 1..end.max(at + 1)];
        let domain = host.rsplit(|byte| *byte == b'.').next().unwrap_or_default();
        let is_host = domain.len() >= 2 && domain.len() < host.len() && domain.iter().all(u8::is_ascii_alphabetic);
        if start < at && is_host {
            found(start..end);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn redact(text: &str) -> String {
        let all = Redactor::new(&[Pii::Email, Pii::Card, Pii::Token, Pii::Iban, Pii::Ip]);
        all.redact(text, &mut Taken::new()).into_owned()
    }

    #[test]
    fn what_is_to_be_stored_nowhere_is_taken_out() {
        for (text, redacted) in [
            ("mail to jane.doe+x@shop.example.com.", "mail to <email>."),
            ("card 4111 1111 1111 1111 declined", "card <card> declined"),
            ("card=4111-1111-1111-1111, cvc", "card=<card>, cvc"),
            ("amex 378282246310005", "amex <card>"),
            ("to DE89 3704 0044 0532 0130 00 now", "to <iban> now"),
            ("GB82WEST12345698765432", "<iban>"),
            ("from 192.168.1.20:8080", "from <ip>:8080"),
            ("Authorization: Bearer abcdefghijklmnop0123", "Authorization: <token>"),
            (r#"{"password":"hunter2","user":"bob"}"#, r#"{"password":"<token>","user":"bob"}"#),
            ("login?user=bob&password=hunter2&x=1", "login?user=bob&password=<token>&x=1"),
            ("api_key: 'abc def'", "api_key: '<token>'"),
            ("key AKIAIOSFODNN7EXAMPLE used", "key <token> used"),
            ("t eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc_-1 e", "t <token> e"),
            ("ghp_0123456789abcdefghijABCDEFGHIJ012345", "<token>"),
            ("postgres://app:s3cret@db:5432/x", "postgres://app:<token>@db:5432/x"),
        ] {
            assert_eq!(redact(text), redacted, "{text}");
        }
    }

    #[test]
    fn what_only_looks_like_it_stays() {
        for text in [
            "user@host without a domain",
            "@annotation and a @ b",
            "4111 1111 1111 1112 has a wrong check digit",
            "blk_-4111111111111111 is a block",
            "order 1234567890123456",
            "2024-01-02T03:04:05.123456789Z",
            "DE89 3704 0044 0532 0130 01",
            "token expired, password is wrong",
            "password=null secret: *** token=",
            "tokens: 512",
            "version 1.2.3.4.5",
            "eyJust a word",
            "http://host:8080/path@x",
        ] {
            assert_eq!(redact(text), text);
        }
    }

    #[test]
    fn only_what_is_asked_for() {
        let redactor = Redactor::new(&Pii::DEFAULT);
        let mut taken = Taken::new();
        let text = redactor.redact("a@b.de from 10.0.0.1 and c@d.org, pwd=hunter2", &mut taken);
        assert_eq!(text, "<email> from 10.0.0.1 and <email>, pwd=<token>");
        assert!(matches!(redactor.redact("nothing here", &mut taken), Cow::Borrowed(_)));
        assert_eq!(taken, Taken::from([(Pii::Email, 2), (Pii::Token, 1)]));
    }

    #[test]
    fn the_name_of_an_attribute_says_that_it_is_a_secret() {
        let redactor = Redactor::new(&Pii::DEFAULT);
        for (name, value, redacted) in [
            ("password", "hunter 2", "<token>"),
            ("http_request_header_Authorization", "Digest abc", "<token>"),
            ("DB_PASSWORD", "x1", "<token>"),
            ("user", "jane@example.com", "<email>"),
            ("password", "null", "null"),
            ("prompt_token", "512", "512"),
            ("token", "", ""),
            ("token_type", "Bearer", "Bearer"),
            ("user", "hunter 2", "hunter 2"),
        ] {
            assert_eq!(redactor.redact_value(name, value, &mut Taken::new()), redacted, "{name}={value}");
        }
        let none = Redactor::new(&[]);
        assert_eq!(none.redact_value("password", "hunter2", &mut Taken::new()), "hunter2");
    }

    proptest! {
        #[test]
        fn nothing_panics(text in "(\\PC|[@:=4 -]|password|Bearer |eyJ|://){0,40}") {
            let once = redact(&text);
            let _ = redact(&once);
        }
    }
}
