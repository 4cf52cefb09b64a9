//! Whether a segment, the run of bytes between two delimiters, is a value.
//!
//! The rules are about logs in general: numbers, addresses, paths, identifiers. The first that speaks decides.

use super::class::{all, is_alpha, is_digit, is_hex, is_letter, is_lower, trim_end, without_dots};

/// Units of measure that follow a number without a blank, in lower case, by length.
const UNITS: [&[&[u8]]; 6] = [
    &[],
    &[b"b", b"k", b"m", b"g", b"t", b"s", b"h", b"d", b"%", b"x", b"v", b"c", b"w", b"l"],
    &[b"kb", b"mb", b"gb", b"tb", b"ns", b"us", b"ms", b"hz", b"th", b"st", b"nd", b"rd", b"kw"],
    &[b"kib", b"mib", b"gib", b"sec", b"min", b"hrs", b"khz", b"mhz", b"ghz"],
    &[b"byte", b"secs", b"mins"],
    &[b"bytes"],
];

/// Names with digits in them that are words, in lower case, by length.
const TECHNICAL: [&[&[u8]]; 11] = [
    &[],
    &[],
    &[b"s3"],
    &[b"md5", b"x86", b"x64", b"h2c", b"k8s", b"ec2", b"mp3", b"mp4"],
    &[b"sha1", b"utf8", b"ipv4", b"ipv6", b"i386", b"i586", b"i686", b"int8", b"h264", b"h265", b"ext3", b"ext4"],
    &[
        b"crc32", b"utf-8", b"utf16", b"amd64", b"arm64", b"http2", b"log4j", b"slf4j", b"int16", b"int32", b"int64",
        b"uint8", b"pkcs8", b"tlsv1", b"sslv3", b"win32", b"win64", b"rs232",
    ],
    &[
        b"sha224", b"sha256", b"sha384", b"sha512", b"utf-16", b"x86_64", b"http/2", b"http/3", b"oauth2", b"base64",
        b"uint16", b"uint32", b"uint64", b"pkcs12", b"tls1.2", b"tls1.3", b"802.11",
    ],
    &[b"aarch64", b"float32", b"float64", b"tlsv1.2", b"tlsv1.3"],
    &[b"http/1.0", b"http/1.1"],
    &[b"iso8859-1"],
    &[b"iso-8859-1"],
];

fn is_among(text: &[u8], words: &[&[&[u8]]]) -> bool {
    words.get(text.len()).is_some_and(|words| words.iter().any(|word| text.eq_ignore_ascii_case(word)))
}

/// Whether it is a name with digits in it that is a word.
pub(super) fn is_technical(text: &[u8]) -> bool {
    is_among(text, &TECHNICAL)
}

fn count_digits(text: &[u8]) -> usize {
    text.iter().filter(|byte| is_digit(**byte)).count()
}

fn is_number(text: &[u8]) -> bool {
    let sign = text.iter().take_while(|byte| matches!(byte, b'+' | b'-')).count();
    let digits = &text[sign..];
    let (Some(first), Some(last)) = (digits.first(), digits.last()) else { return false };
    is_digit(*first)
        && (is_digit(*last) || *last == b'.')
        && digits.get(1) != Some(&b'e')
        && all(digits, |byte| is_digit(byte) || matches!(byte, b'.' | b',' | b'+' | b'-' | b'e' | b'E'))
}

fn is_ipv4(text: &[u8]) -> bool {
    let mut parts = 0;
    text.split(|byte| *byte == b'.').all(|part| {
        parts += 1;
        (1..=3).contains(&part.len()) && all(part, is_digit)
    }) && parts == 4
}

pub(super) fn is_hexadecimal(text: &[u8]) -> bool {
    if let [b'0', b'x' | b'X', digits @ ..] = text {
        return !digits.is_empty() && all(digits, is_hex);
    }
    if text.len() < 4 || !all(text, is_hex) {
        return false;
    }
    match count_digits(text) {
        0 => text.len() >= 8,
        digits => digits < text.len(),
    }
}

fn is_uuid(text: &[u8]) -> bool {
    let (mut parts, mut length) = (0, 0);
    let proper = text.split(|byte| *byte == b'-').all(|part| {
        parts += 1;
        length += part.len();
        !part.is_empty() && all(part, is_hex)
    });
    proper && parts >= 4 && length >= 24
}

/// Whether digits and units of measure come in turn, a digit first: `12ms`, `4.5KB`, `1s0ms`, `20%`.
pub(super) fn is_measure(text: &[u8]) -> bool {
    let mut rest = match text {
        [b'+' | b'-', rest @ ..] => rest,
        _ => text,
    };
    if rest.is_empty() {
        return false;
    }
    while !rest.is_empty() {
        let digits =
            rest.iter().enumerate().take_while(|(i, byte)| is_digit(**byte) || **byte == b'.' && *i > 0).count();
        let unit = rest[digits..].iter().take_while(|byte| is_letter(**byte) || **byte == b'%').count();
        if digits == 0 || !is_among(&rest[digits..digits + unit], &UNITS) {
            return false;
        }
        rest = &rest[digits + unit..];
    }
    true
}

fn ends_in_exception(text: &[u8]) -> bool {
    text.ends_with(b"Exception") || text.ends_with(b"Error")
}

/// Whether a segment is a value. `before` and `after` are the delimiters around it, 0 at the ends of the token.
pub(super) fn is_value(segment: &[u8], before: u8, after: u8) -> bool {
    let mut core = without_dots(segment);
    if after == b'>' {
        // 512M->128M
        core = trim_end(core, |byte| byte == b'-');
    }
    let Some(first) = core.first().copied() else { return false };
    if is_number(core) {
        return true;
    }
    let digits = count_digits(core);
    if digits > 0 && is_technical(core) {
        return false;
    }
    if is_hexadecimal(core) {
        return true;
    }
    if digits > 0 {
        if matches!(first, b'+' | b'-' | b'0'..=b'9') && is_measure(core) {
            return true;
        }
        let slashes = core.iter().take_while(|byte| **byte == b'/').count();
        if is_ipv4(&core[slashes..]) {
            return true;
        }
    }
    if matches!(first, b'/' | b'~') {
        let goes_on =
            core.get(1).is_some_and(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'/'));
        if goes_on || segment == b"/" && matches!(before, b'=' | 0) {
            return true;
        }
    }
    if core[1..].contains(&b'\\') || is_uuid(core) {
        return true;
    }
    if let Some(at) = core.iter().position(|byte| *byte == b'@') {
        let (name, host) = (&core[..at], &core[at + 1..]);
        if host.contains(&b'.') && !name.is_empty() && !name.iter().any(u8::is_ascii_uppercase) {
            return true;
        }
    }
    if matches!(first, b'v' | b'V') && digits > 0 && all(&core[1..], |byte| is_digit(byte) || byte == b'.') {
        return true;
    }
    if core.contains(&b'/') {
        return is_path(core);
    }
    if let Some(dash) = core.iter().rposition(|byte| *byte == b'-') {
        let (word, version) = (&core[..dash], &core[dash + 1..]);
        if !word.is_empty()
            && all(word, is_alpha)
            && !version.is_empty()
            && all(version, |byte| is_digit(byte) || byte == b'.')
        {
            // jetty-6.1.26, node-12: the word stays.
            return false;
        }
    }
    if core.contains(&b'.')
        && let Some(said) = is_dotted_value(core, before, digits)
    {
        return said;
    }
    digits > 0 && after != b'=' && is_identifier(core, first, digits)
}

fn is_path(core: &[u8]) -> bool {
    let parts = || core.split(|byte| *byte == b'/').filter(|part| !part.is_empty());
    let count = parts().count();
    if count == 2 && parts().any(is_number) && parts().any(|part| all(part, is_alpha)) {
        return false;
    }
    count > 3 || parts().any(|part| is_value(part, 0, 0))
}

/// Of names with dots: hosts and packages, and whatever follows `=`.
fn is_dotted_value(core: &[u8], before: u8, digits: usize) -> Option<bool> {
    let parts = || core.split(|byte| *byte == b'.');
    let count = parts().count();
    if parts().any(<[u8]>::is_empty) {
        return None;
    }
    let last = parts().next_back().unwrap_or_default();
    if count >= 3 && !ends_in_exception(last) {
        if before == b'=' {
            return Some(true);
        }
        let joins = |byte: u8| is_digit(byte) || matches!(byte, b'-' | b'_');
        let is_plain = parts().next().is_some_and(|first| all(first, |byte| is_alpha(byte) || joins(byte)));
        if is_plain && parts().skip(1).all(|part| all(part, |byte| is_lower(byte) || joins(byte))) {
            return Some(true);
        }
        if parts().any(is_number) {
            return Some(true);
        }
    }
    let is_part = |part: &[u8]| all(part, is_digit) || is_value(part, 0, 0);
    (count == 2 && digits > 0 && parts().all(is_part)).then_some(true)
}

/// Blocks, attempts, containers, pods, locations: letters and digits mixed, or joined parts that hold numbers.
fn is_identifier(core: &[u8], first: u8, digits: usize) -> bool {
    for joint in [b'_', b'-'] {
        if !core.contains(&joint) {
            continue;
        }
        let (mut parts, mut numbers, mut with_digits) = (0, 0, 0);
        for part in core.split(|byte| *byte == joint).filter(|part| !part.is_empty()) {
            parts += 1;
            let dashes = part.iter().take_while(|byte| **byte == b'-').count();
            let plain = &part[dashes..];
            numbers += usize::from(!plain.is_empty() && all(plain, is_digit) || is_hexadecimal(part));
            with_digits += usize::from(count_digits(part) > 0);
        }
        if numbers > 0 && (joint == b'_' || parts > 2 || numbers == parts) || with_digits >= 2 {
            return true;
        }
    }
    if !all(core, |byte| is_alpha(byte) || is_digit(byte) || matches!(byte, b'-' | b'_')) {
        return false;
    }
    let changes = core.windows(2).filter(|pair| is_digit(pair[0]) && is_letter(pair[1])).count();
    digits >= 3 && !core.contains(&b'-') || changes >= 2 || is_digit(first) && core.len() > 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values() {
        for text in [
            "12",
            "-3.5",
            "+7",
            "1.",
            "1,000",
            "0x1f",
            "deadbeef",
            "3f2a",
            "12ms",
            "4.5KB",
            "1s0ms",
            "20%",
            "10.0.0.1",
            "/10.0.0.1",
            "/var/log",
            "~/x",
            "./run",
            "../run",
            r"a\b",
            "3f2504e0-4f89-11d3-9a0c-0305e82c3301",
            "root@host.example",
            "v1.2.3",
            "a/b/c/d",
            "x/12/y",
            "www.example.com",
            "org.apache.hadoop",
            "blk_123",
            "attempt_1_2",
            "cart-7d9f-x2",
            "ab123",
            "a1b2c",
            "1st",
            "3rd",
        ] {
            assert!(is_value(text.as_bytes(), 0, 0), "{text}");
        }
    }

    #[test]
    fn words() {
        for text in [
            "word",
            "sha256",
            "ipv6",
            "x86_64",
            "HTTP/1.1",
            "utf-8",
            "log4j",
            "PS/12",
            "jetty-6.1.26",
            "node-12",
            "a.b",
            "java.io.IOException",
            "ssh2",
            "eth0",
            "...",
            "-",
            "",
            "Abc.Def.Ghi",
            "user@host",
            "feed",
        ] {
            assert!(!is_value(text.as_bytes(), 0, 0), "{text}");
        }
    }

    #[test]
    fn neighbours_matter() {
        assert!(is_value(b"/", b'=', 0) && !is_value(b"/", b':', 0));
        assert!(is_value(b"Abc.Def.Ghi", b'=', 0));
        assert!(is_value(b"128M-", 0, b'>'));
        assert!(is_value(b"xy123", 0, 0) && !is_value(b"xy123", 0, b'='));
    }
}
