//! Event times as senders write them.

use chrono::{DateTime, FixedOffset, NaiveDateTime};

use crate::signal::TimestampNs;

/// The time that a text tells, if it does and it lies between the years 1678 and 2262.
///
/// RFC 3339 with a fraction of any length; the same without colon in its zone or without zone, which is UTC then; or a
/// number since the epoch. Nothing that is logged is older than 1973, so the size of a number tells its unit: seconds
/// below 10^11, milliseconds (Elasticsearch's own) below 10^14, microseconds below 10^17, then nanoseconds.
pub(super) fn read(text: &str) -> Option<TimestampNs> {
    let text = text.trim();
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        let number: i64 = text.parse().ok()?;
        return number.checked_mul(nanoseconds(number as f64)?);
    }
    rfc3339(text).or_else(|| relaxed(text)).or_else(|| {
        let number: f64 = text.parse().ok()?;
        seconds(number * nanoseconds(number)? as f64 / 1e9)
    })
}

/// The time so many seconds after the epoch, to a microsecond: there are no more digits in a number of this kind.
pub(super) fn seconds(seconds: f64) -> Option<TimestampNs> {
    const MICROSECOND: i64 = 1_000;
    let at = (seconds * 1e6).round();
    (at.abs() < (i64::MAX / MICROSECOND) as f64).then(|| at as i64 * MICROSECOND)
}

/// The time that a text in RFC 3339 tells.
pub(super) fn rfc3339(text: &str) -> Option<TimestampNs> {
    DateTime::parse_from_rfc3339(text).ok()?.timestamp_nanos_opt()
}

fn relaxed(text: &str) -> Option<TimestampNs> {
    let zoned = text.parse().map(|at: DateTime<FixedOffset>| at.to_utc());
    let at = zoned.or_else(|_| text.parse().map(|at: NaiveDateTime| at.and_utc()));
    at.ok()?.timestamp_nanos_opt()
}

/// How many nanoseconds the unit of such a number has; none for what is no time.
fn nanoseconds(number: f64) -> Option<i64> {
    match number {
        1e8..1e11 => Some(1_000_000_000),
        1e11..1e14 => Some(1_000_000),
        1e14..1e17 => Some(1_000),
        1e17.. => Some(1),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_in_every_form() {
        let second = 1_700_000_000_000_000_000;
        for (text, at) in [
            ("2023-11-14T22:13:20Z", second),
            ("2023-11-14T22:13:20.5Z", second + 500_000_000),
            ("2023-11-14T22:13:20.123456789123Z", second + 123_456_789),
            ("2023-11-14T23:13:20.000+01:00", second),
            ("2023-11-14T23:13:20.000+0100", second),
            ("2023-11-14 22:13:20 UTC", second),
            ("2023-11-14T22:13:20.25", second + 250_000_000),
            ("1700000000", second),
            (" 1700000000123 ", second + 123_000_000),
            ("1700000000123456", second + 123_456_000),
            ("1700000000123456789", second + 123_456_789),
            ("1700000000.5", second + 500_000_000),
            ("1700000000123.0", second + 123_000_000),
        ] {
            assert_eq!(read(text), Some(at), "{text}");
        }
    }

    #[test]
    fn what_is_no_time() {
        for text in ["", " ", "now", "-", "12", "2024", "-1700000000", "NaN", "inf", "1e300", "99999999999999999999"] {
            assert_eq!(read(text), None, "{text}");
        }
        for text in ["2023-13-14T22:13:20Z", "2023-11-14", "9999-01-01T00:00:00Z", "99999999999", "2023-11-14Té"] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
