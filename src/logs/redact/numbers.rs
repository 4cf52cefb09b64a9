//! Numbers with check digits, and addresses of machines.

use std::ops::Range;

use super::Pii;

/// Longest number that is looked at, in digits or letters.
const LONGEST: usize = 34;

/// Finds cards, accounts and addresses, as far as they are asked for.
pub(super) fn find(text: &[u8], takes: &dyn Fn(Pii) -> bool, found: &mut dyn FnMut(Range<usize>, Pii)) {
    let (cards, accounts, addresses) = (takes(Pii::Card), takes(Pii::Iban), takes(Pii::Ip));
    let mut at = 0;
    while at < text.len() {
        // A number begins a word.
        let Some(start) = text[at..].iter().position(u8::is_ascii_alphanumeric).map(|i| at + i) else { return };
        let length = text[start..].iter().position(|byte| !byte.is_ascii_alphanumeric()).unwrap_or(text.len() - start);
        at = start + length;
        let is_apart = start == 0 || !matches!(text[start - 1], b'_' | b'-' | b'.' | b'/' | b'#' | 0x80..);
        if !is_apart {
            continue;
        }
        let number = match text[start] {
            b'0'..=b'9' => card(&text[start..])
                .filter(|_| cards)
                .map(|length| (length, Pii::Card))
                .or_else(|| ipv4(&text[start..]).filter(|_| addresses).map(|length| (length, Pii::Ip))),
            b'A'..=b'Z' if accounts => iban(&text[start..]).map(|length| (length, Pii::Iban)),
            _ => None,
        };
        if let Some((length, kind)) = number {
            found(start..start + length, kind);
            at = start + length;
        }
    }
}

/// Letters and digits with at most one blank or dash between two of them, up to the end of the number.
fn groups(text: &[u8], is_part: impl Fn(&u8) -> bool) -> (Vec<u8>, usize) {
    let (mut number, mut end, mut at) = (Vec::new(), 0, 0);
    while let Some(byte) = text.get(at)
        && number.len() <= LONGEST
    {
        if is_part(byte) {
            number.push(*byte);
            end = at + 1;
        } else if !matches!(byte, b' ' | b'-') || end < at {
            break;
        }
        at += 1;
    }
    (number, end)
}

fn ends(text: &[u8], at: usize) -> bool {
    text.get(at).is_none_or(|byte| !byte.is_ascii_alphanumeric() && *byte != b'_')
}

/// The length of a card's number at the beginning of a text.
fn card(text: &[u8]) -> Option<usize> {
    let (digits, end) = groups(text, u8::is_ascii_digit);
    let prefix = |count: usize| digits.iter().take(count).fold(0_u32, |all, digit| 10 * all + u32::from(digit - b'0'));
    let is_known = match digits.len() {
        13 | 19 => prefix(1) == 4,
        14 => matches!(prefix(2), 36 | 38 | 39) || matches!(prefix(3), 300..=305),
        15 => matches!(prefix(2), 34 | 37),
        16 => {
            prefix(1) == 4
                || matches!(prefix(2), 51..=55 | 65 | 62)
                || matches!(prefix(4), 2221..=2720 | 6011 | 3528..=3589)
        }
        _ => false,
    };
    (is_known && ends(text, end) && is_luhn(&digits)).then_some(end)
}

/// Luhn's check digit (ISO/IEC 7812-1).
fn is_luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, digit)| {
            let digit = u32::from(digit - b'0');
            if place % 2 == 0 { digit } else { 2 * digit / 10 + 2 * digit % 10 }
        })
        .sum();
    sum.is_multiple_of(10)
}

/// The length of an account's number at the beginning of a text (ISO 13616, check digits by ISO 7064 MOD 97-10).
fn iban(text: &[u8]) -> Option<usize> {
    let is_country =
        text.len() > 4 && text[..2].iter().all(u8::is_ascii_uppercase) && text[2..4].iter().all(u8::is_ascii_digit);
    if !is_country {
        return None;
    }
    let (number, end) = groups(text, |byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
    if !(15..=LONGEST).contains(&number.len()) || !ends(text, end) {
        return None;
    }
    let rest = number[4..].iter().chain(&number[..4]).fold(0_u32, |rest, byte| match byte {
        b'0'..=b'9' => (10 * rest + u32::from(byte - b'0')) % 97,
        letter => (100 * rest + u32::from(letter - b'A') + 10) % 97,
    });
    (rest == 1).then_some(end)
}

/// The length of an IPv4 address at the beginning of a text.
fn ipv4(text: &[u8]) -> Option<usize> {
    let length = text.iter().position(|byte| !byte.is_ascii_digit() && *byte != b'.').unwrap_or(text.len());
    let address = text[..length].strip_suffix(b".").unwrap_or(&text[..length]);
    let mut parts = 0;
    let are_bytes = address.split(|byte| *byte == b'.').all(|part| {
        parts += 1;
        let value = part.iter().take(4).fold(0_u32, |all, digit| 10 * all + u32::from(digit - b'0'));
        !part.is_empty() && part.len() <= 3 && value <= 255
    });
    (are_bytes && parts == 4 && ends(text, length)).then_some(address.len())
}
