//! One token: its segments, and the delimiters between them.

use super::{
    VALUE,
    class::{is_delimiter, is_digit, is_hex, is_letter, is_upper, trim_end, without_dots},
    segment,
};

/// Keys whose values are names of users and machines.
const NAMES: [&[u8]; 9] =
    [b"user", b"username", b"uname", b"login", b"logname", b"ruser", b"host", b"hostname", b"rhost"];
/// Bytes between two values that make them one.
const JOINTS: &[u8] = b".:,/-_+";

/// Writes masked text; values that touch, or have one joint between them, become one.
struct Output<'a> {
    text: &'a mut Vec<u8>,
    first: usize,
}

impl Output<'_> {
    fn value(&mut self) {
        match self.text[self.first..] {
            [.., VALUE] => {}
            [.., VALUE, joint] if JOINTS.contains(&joint) => {
                self.text.pop();
            }
            _ => self.text.push(VALUE),
        }
    }

    fn copy(&mut self, text: &[u8]) {
        self.text.extend_from_slice(text);
    }
}

/// Appends a token with its values masked.
pub(super) fn mask(token: &[u8], text: &mut Vec<u8>) {
    let first = text.len();
    let mut output = Output { text, first };
    if let Some(at) = address(token) {
        let end = trim_end(token, |byte| b".,;:)]}'\">".contains(&byte)).len().max(at);
        output.copy(&token[..at]);
        output.text.push(VALUE);
        output.copy(&token[end..]);
        return;
    }
    // The segment before the last delimiter: where it stands, and whether all of it was a value.
    let (mut known, mut known_is_value) = (0..0, false);
    let mut at = 0;
    while let Some(byte) = token.get(at) {
        if is_delimiter(*byte) {
            output.copy(&[*byte]);
            at += 1;
            if token.get(at).is_none_or(|next| is_delimiter(*next)) {
                (known, known_is_value) = (0..0, false);
            }
            continue;
        }
        let end = at + token[at..].iter().take_while(|byte| !is_delimiter(**byte)).count();
        let segment = &token[at..end];
        if let Some(end) = drive(token, at, end).or_else(|| groups(token, at, end)) {
            output.value();
            (known, known_is_value) = (at..end, true);
            at = end;
            continue;
        }
        let before = if at > 0 { token[at - 1] } else { 0 };
        let after = token.get(end).copied().unwrap_or_default();
        known_is_value = if segment::is_value(segment, before, after) {
            let is_relative = segment.starts_with(b"./") || segment.starts_with(b"../");
            let tail = trim_end(segment, |byte| byte == b'.' || byte == b'-' && after == b'>').len();
            let dots = segment[..tail].iter().take_while(|byte| **byte == b'.').count();
            let head = if is_relative { 0 } else { dots };
            output.copy(&segment[..head]);
            output.value();
            output.copy(&segment[tail..]);
            head == 0 && tail == segment.len()
        } else if is_host_with_port(token, segment, end)
            || before == b'=' && is_name_of(&token[known.clone()], segment)
            || before == b':' && known_is_value && segment.iter().all(|byte| is_hex(*byte) || *byte == b'.')
        {
            output.value();
            true
        } else {
            mask_numbers(segment, &mut output);
            false
        };
        known = at..end;
        at = end;
    }
}

/// Where what follows the scheme of an address begins.
fn address(token: &[u8]) -> Option<usize> {
    let colon = token.windows(3).position(|three| three == b"://")?;
    (colon > 0).then_some(colon + 3)
}

/// The end of a path on a drive: `C:\x`, `D:/x`.
fn drive(token: &[u8], at: usize, end: usize) -> Option<usize> {
    let is_drive = end == at + 1
        && is_letter(token[at])
        && token.get(end) == Some(&b':')
        && matches!(token.get(end + 1), Some(b'\\' | b'/'));
    is_drive.then(|| end + 1 + token[end + 1..].iter().take_while(|byte| !is_delimiter(**byte)).count())
}

/// The end of a MAC or IPv6 address: four or more short groups of hexadecimal digits joined by colons.
fn groups(token: &[u8], at: usize, end: usize) -> Option<usize> {
    if token.get(end) != Some(&b':') || end - at > 4 || !token[at..end].iter().all(|byte| is_hex(*byte)) {
        return None;
    }
    let reach = at + token[at..].iter().take_while(|byte| is_hex(**byte) || **byte == b':').count();
    let text = trim_end(&token[at..reach], |byte| byte == b':');
    let mut groups = 0;
    let are_short = text.split(|byte| *byte == b':').all(|group| {
        groups += 1;
        group.len() <= 4
    });
    let is_apart = token.get(reach).is_none_or(|next| !is_letter(*next));
    (are_short && groups >= 4 && is_apart).then_some(at + text.len())
}

/// `host.name:80`, `File.java:12`
fn is_host_with_port(token: &[u8], segment: &[u8], end: usize) -> bool {
    token.get(end) == Some(&b':')
        && token.get(end + 1).is_some_and(|next| is_digit(*next))
        && without_dots(segment).contains(&b'.')
        && (segment.iter().filter(|byte| **byte == b'.').count() > 1 || !segment.iter().any(|byte| is_upper(*byte)))
}

fn is_name_of(key: &[u8], value: &[u8]) -> bool {
    let is_nothing = value.eq_ignore_ascii_case(b"null") || value.eq_ignore_ascii_case(b"none");
    !is_nothing && NAMES.iter().any(|name| key.eq_ignore_ascii_case(name))
}

/// A segment that is no value as a whole: masks numbers that stand alone between joints in it.
fn mask_numbers(segment: &[u8], output: &mut Output<'_>) {
    if segment::is_technical(segment) || !segment.iter().any(|byte| is_digit(*byte)) {
        output.copy(segment);
        return;
    }
    let parts = |byte: u8| b"./-_#@$+*".contains(&byte);
    let digits = |from: usize| from + segment[from..].iter().take_while(|byte| is_digit(**byte)).count();
    let mut at = 0;
    while at < segment.len() {
        if is_digit(segment[at]) && (at == 0 || parts(segment[at - 1])) {
            let mut end = digits(at);
            while segment.get(end) == Some(&b'.') && segment.get(end + 1).is_some_and(|byte| is_digit(*byte)) {
                end = digits(end + 1);
            }
            if segment.get(end).is_none_or(|byte| parts(*byte)) {
                output.value();
            } else {
                end += segment[end..].iter().take_while(|byte| byte.is_ascii_alphanumeric()).count();
                let word = &segment[at..end];
                if segment::is_hexadecimal(word) || segment::is_measure(word) {
                    output.value();
                } else {
                    output.copy(word);
                }
            }
            at = end;
        } else if segment[at] == b'@' {
            output.copy(b"@");
            let end = at + 1 + segment[at + 1..].iter().take_while(|byte| is_hex(**byte)).count();
            if end - at > 4 && end == segment.len() {
                output.value();
                at = end;
            } else {
                at += 1;
            }
        } else {
            output.copy(&segment[at..=at]);
            at += 1;
        }
    }
}
