//! Pieces of headers that both forms have.

/// Longest field of a header in bytes: what RFC 5424 allows a host name. What is longer is no header.
const FIELD_BYTES: usize = 255;

/// The number in `<…>` that a message begins with, 0 to 191, and what follows.
pub(super) fn priority(message: &str) -> Option<(u8, &str)> {
    let (digits, rest) = message.strip_prefix('<')?.split_once('>')?;
    let is_number = (1..=3).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    let number = digits.parse().ok().filter(|number| is_number && *number <= 191)?;
    Some((number, rest))
}

/// The text up to the next space, and what follows the space.
pub(super) fn field(rest: &str) -> Option<(&str, &str)> {
    let (field, rest) = rest.split_once(' ').unwrap_or((rest, ""));
    (1..=FIELD_BYTES).contains(&field.len()).then_some((field, rest))
}
