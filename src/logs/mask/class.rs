//! What a byte can be in a log line.

use super::VALUE;

/// White space, and what stands for a value in masked text: both part tokens.
pub(super) const SPACE: u16 = 1;
/// Kept as text, parts segments.
pub(super) const DELIMITER: u16 = 1 << 1;
pub(super) const DIGIT: u16 = 1 << 2;
pub(super) const UPPER: u16 = 1 << 3;
pub(super) const LOWER: u16 = 1 << 4;
pub(super) const HEX: u16 = 1 << 5;
/// Bytes with which a segment may be a value without a digit in it.
pub(super) const MARK: u16 = 1 << 6;
/// Letters and whatever is no part of a hexadecimal number.
pub(super) const OTHER: u16 = 1 << 7;
pub(super) const COLON: u16 = 1 << 8;
pub(super) const EQUALS: u16 = 1 << 9;

const CLASSES: [u16; 256] = {
    let mut classes = [0_u16; 256];
    let mut byte = 0;
    while byte < 256 {
        let b = byte as u8;
        let mut class = match b {
            0 | VALUE | b'\t'..=b'\r' | 0x1c..=0x20 => SPACE,
            b'0'..=b'9' => DIGIT | HEX,
            b'a'..=b'f' => LOWER | HEX,
            b'A'..=b'F' => UPPER | HEX,
            b'G'..=b'Z' => UPPER,
            // What is beyond ASCII is taken for a letter.
            b'g'..=b'z' | 0x80..=0xff => LOWER,
            b'=' => DELIMITER | EQUALS,
            b':' => DELIMITER | COLON,
            b',' | b';' | b'(' | b')' | b'[' | b']' | b'{' | b'}' | b'<' | b'>' | b'|' => DELIMITER,
            b'"' | b'\'' | b'`' | b'!' | b'?' | b'^' | b'&' => DELIMITER,
            b'.' | b'-' | b'_' | b'/' | b'\\' | b'@' | b'+' | b'%' | b'#' | b'$' | b'*' | b'~' => MARK,
            _ => 0,
        };
        if class & HEX == 0 {
            class |= OTHER;
        }
        classes[byte] = class;
        byte += 1;
    }
    classes
};

#[inline]
pub(super) fn class(byte: u8) -> u16 {
    CLASSES[byte as usize]
}

#[inline]
pub(in crate::logs) fn is_delimiter(byte: u8) -> bool {
    class(byte) & DELIMITER != 0
}

#[inline]
pub(in crate::logs) fn is_digit(byte: u8) -> bool {
    byte.is_ascii_digit()
}

/// Letters of ASCII.
#[inline]
pub(in crate::logs) fn is_letter(byte: u8) -> bool {
    byte.is_ascii_alphabetic()
}

/// Letters of any alphabet.
#[inline]
pub(in crate::logs) fn is_alpha(byte: u8) -> bool {
    class(byte) & (UPPER | LOWER) != 0
}

#[inline]
pub(super) fn is_lower(byte: u8) -> bool {
    class(byte) & LOWER != 0
}

#[inline]
pub(super) fn is_upper(byte: u8) -> bool {
    class(byte) & UPPER != 0
}

#[inline]
pub(super) fn is_hex(byte: u8) -> bool {
    class(byte) & HEX != 0
}

pub(super) fn all(text: &[u8], test: impl Fn(u8) -> bool) -> bool {
    text.iter().all(|byte| test(*byte))
}

/// The text without `.` at either end.
pub(super) fn without_dots(text: &[u8]) -> &[u8] {
    trim(text, |byte| byte == b'.')
}

/// The text without bytes at either end that pass.
pub(in crate::logs) fn trim(mut text: &[u8], test: impl Fn(u8) -> bool) -> &[u8] {
    while let [first, rest @ ..] = text
        && test(*first)
    {
        text = rest;
    }
    trim_end(text, test)
}

/// The text without bytes at its end that pass.
pub(in crate::logs) fn trim_end(mut text: &[u8], test: impl Fn(u8) -> bool) -> &[u8] {
    while let [rest @ .., last] = text
        && test(*last)
    {
        text = rest;
    }
    text
}
