//! Passwords, keys and tokens: by what stands before them, or by how they begin.

use std::ops::Range;

use aho_corasick::AhoCorasick;

/// Names of keys with secret values, in lower case.
const KEYS: [&str; 14] = [
    "password",
    "passwd",
    "passphrase",
    "pwd",
    "secret",
    "token",
    "api_key",
    "api-key",
    "apikey",
    "access_key",
    "access-key",
    "private_key",
    "authorization",
    "credential",
];
/// How secrets begin that are known by that, and how long they are at least.
const PREFIXES: [(&str, usize); 13] = [
    ("eyJ", 24),
    ("AKIA", 20),
    ("ASIA", 20),
    ("ghp_", 36),
    ("gho_", 36),
    ("ghs_", 36),
    ("ghu_", 36),
    ("github_pat_", 36),
    ("glpat-", 20),
    ("xoxb-", 20),
    ("xoxp-", 20),
    ("AIza", 39),
    ("sk_live_", 24),
];
/// Words before a secret in an `Authorization` header, with a blank behind.
const SCHEMES: [&str; 2] = ["bearer ", "basic "];
const SCHEME_BYTES: usize = 16;
/// What stands where a secret would, and is none.
const NOTHING: [&str; 8] = ["null", "none", "nil", "true", "false", "undefined", "***", "<token>"];

/// Finds secrets.
#[derive(Debug)]
pub(super) struct Secrets {
    /// `None` if it could not be built; then nothing is found, which a test would tell.
    words: Option<AhoCorasick>,
}

impl Secrets {
    pub(super) fn new() -> Self {
        let prefixes = PREFIXES.iter().map(|(prefix, _)| *prefix);
        let words: Vec<&str> = KEYS.into_iter().chain(SCHEMES).chain(prefixes).chain(["://"]).collect();
        Self { words: AhoCorasick::builder().ascii_case_insensitive(true).build(words).ok() }
    }

    /// Gives where secrets are; ranges may overlap.
    pub(super) fn find(&self, text: &[u8], found: &mut dyn FnMut(Range<usize>)) {
        let Some(words) = &self.words else { return };
        for word in words.find_overlapping_iter(text) {
            let number = word.pattern().as_usize();
            let secret = if number < KEYS.len() {
                value(text, word.end())
            } else if number < KEYS.len() + SCHEMES.len() {
                scheme(text, word.start(), word.end())
            } else if let Some((prefix, least)) = PREFIXES.get(number - KEYS.len() - SCHEMES.len()) {
                prefixed(text, word.start(), prefix, *least)
            } else {
                user_info(text, word.end())
            };
            if let Some(secret) = secret {
                found(secret);
            }
        }
    }
}

fn is_token(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~' | b'+' | b'/' | b'=')
}

fn length_of(text: &[u8], is_part: impl Fn(&u8) -> bool) -> usize {
    text.iter().position(|byte| !is_part(byte)).unwrap_or(text.len())
}

/// What follows a key: behind `=` or `:`, within its quotes or up to where a value ends.
fn value(text: &[u8], behind: usize) -> Option<Range<usize>> {
    let mut at = behind;
    // The key may be in quotes.
    at += length_of(&text[at..], |byte| matches!(byte, b'"' | b'\'' | b'\\'));
    at += length_of(&text[at..], |byte| *byte == b' ');
    if !matches!(text.get(at), Some(b'=' | b':')) {
        return None;
    }
    at += 1;
    at += length_of(&text[at..], |byte| *byte == b' ');
    at += length_of(&text[at..], |byte| *byte == b'\\');
    let length = match text.get(at) {
        Some(quote @ (b'"' | b'\'')) => {
            at += 1;
            length_of(&text[at..], |byte| byte != quote && *byte != b'\\')
        }
        _ => {
            let ends = |byte: &u8| {
                byte.is_ascii_whitespace() || matches!(byte, b',' | b';' | b'&' | b'"' | b'\'' | b')' | b'}' | b']')
            };
            let length = length_of(&text[at..], |byte| !ends(byte));
            // `Authorization: Bearer …`: the scheme belongs to the secret.
            let is_scheme = SCHEMES.iter().any(|scheme| {
                text[at..].get(..scheme.len()).is_some_and(|word| word.eq_ignore_ascii_case(scheme.as_bytes()))
            });
            if is_scheme {
                length + 1 + length_of(&text[(at + length + 1).min(text.len())..], is_token)
            } else {
                length
            }
        }
    };
    is_told(text.get(at..at + length)?).then(|| at..at + length)
}

/// Whether what stands where a secret would is one.
fn is_told(secret: &[u8]) -> bool {
    let is_nothing = NOTHING.iter().any(|word| secret.eq_ignore_ascii_case(word.as_bytes()));
    // `token: 512` counts tokens.
    let is_small_number = secret.len() < 6 && secret.iter().all(u8::is_ascii_digit);
    let is_hidden = secret.iter().all(|byte| matches!(byte, b'*' | b'.' | b'x' | b'<' | b'>'));
    !secret.is_empty() && !is_nothing && !is_small_number && !is_hidden
}

/// Whether the value of an attribute is a secret, going by the end of its name as in [`value`].
pub(super) fn is_secret(name: &str, value: &str) -> bool {
    let ends = |key: &&str| {
        let end = name.len().checked_sub(key.len()).and_then(|at| name.as_bytes().get(at..));
        end.is_some_and(|end| end.eq_ignore_ascii_case(key.as_bytes()))
    };
    KEYS.iter().any(ends) && is_told(value.as_bytes())
}

/// `Bearer abc…`, wherever it stands.
fn scheme(text: &[u8], start: usize, behind: usize) -> Option<Range<usize>> {
    let length = length_of(&text[behind..], is_token);
    let is_word = start == 0 || !text[start - 1].is_ascii_alphanumeric();
    (is_word && length >= SCHEME_BYTES).then(|| start..behind + length)
}

fn prefixed(text: &[u8], start: usize, prefix: &str, least: usize) -> Option<Range<usize>> {
    let is_exact = text[start..].starts_with(prefix.as_bytes());
    let is_word = start == 0 || !is_token(&text[start - 1]) || matches!(text[start - 1], b'=' | b'/');
    let length = length_of(&text[start..], |byte| is_token(byte) && *byte != b'/' && *byte != b'=');
    (is_exact && is_word && length >= least).then(|| start..start + length)
}

/// The password of `scheme://user:password@host`.
fn user_info(text: &[u8], behind: usize) -> Option<Range<usize>> {
    let length =
        length_of(&text[behind..], |byte| !byte.is_ascii_whitespace() && !matches!(byte, b'/' | b'"' | b'?' | b'#'));
    let authority = &text[behind..behind + length];
    let at = authority.iter().rposition(|byte| *byte == b'@')?;
    let colon = authority[..at].iter().position(|byte| *byte == b':')?;
    (colon + 1 < at).then(|| behind + colon + 1..behind + at)
}
