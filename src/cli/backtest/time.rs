//! Times and durations as people and other programs write them.

use crate::{
    signal::TimestampMs,
    ui::plot::ticks::{date_of_day, day_of_month},
};

/// A day in milliseconds.
pub(super) const DAY: i64 = 86_400_000;

/// The longest duration that makes sense, a century: sums of times stay far from the end of their range.
const LONGEST: i64 = 36_525 * DAY;

/// Reads `2026-01-31`, `2026-01-31 08:05`, `2026-01-31T08:05:30.25Z` and the like; without an offset it is UTC.
///
/// Between date and time stands a `T`, a `t` or blanks; `/` serves as well as `-` where the year comes first.
/// An offset is `Z`, `UTC`, `+02`, `+0200` or `+02:00`. Fractions below a millisecond are cut off.
pub(super) fn parse_time(text: &str) -> Option<TimestampMs> {
    let text = text.trim();
    let (date, rest) = text.split_at_checked(10)?;
    let date = date.as_bytes();
    let separator = date[4];
    if date[7] != separator || !matches!(separator, b'-' | b'/') {
        return None;
    }
    let (year, month, day) = (digits(&date[..4])?, digits(&date[5..7])?, digits(&date[8..])?);
    if !(1..=12).contains(&month) || day < 1 {
        return None;
    }
    let first = day_of_month(year, month);
    let next = if month == 12 { day_of_month(year + 1, 1) } else { day_of_month(year, month + 1) };
    if day > next - first {
        return None;
    }
    let midnight = (first + day - 1) * DAY;
    let Some(clock) = rest.strip_prefix(['T', 't', ' ']) else {
        return rest.is_empty().then_some(midnight);
    };
    let clock = clock.trim_start();
    let end = clock.find(|c: char| !matches!(c, '0'..='9' | ':' | '.' | ',')).unwrap_or(clock.len());
    let (clock, offset) = clock.split_at(end);
    Some(midnight + parse_clock(clock)? - parse_offset(offset.trim())?)
}

/// `HH:MM`, `HH:MM:SS` or `HH:MM:SS.fraction` in milliseconds.
fn parse_clock(text: &str) -> Option<i64> {
    let (whole, fraction) = text.split_once(['.', ',']).unwrap_or((text, ""));
    let mut parts = whole.split(':');
    let mut next = |limit: i64| {
        let part = parts.next()?;
        let number = digits(part.as_bytes())?;
        (part.len() == 2 && number < limit).then_some(number)
    };
    let (hours, minutes) = (next(24)?, next(60)?);
    let seconds = match whole.matches(':').count() {
        1 if fraction.is_empty() => 0,
        // A leap second is the same instant as the second after it.
        2 => next(61)?,
        _ => return None,
    };
    let millis = match fraction {
        "" => 0,
        f if f.bytes().all(|b| b.is_ascii_digit()) => digits(&format!("{f:0<3}").as_bytes()[..3])?,
        _ => return None,
    };
    Some(((hours * 60 + minutes) * 60 + seconds) * 1_000 + millis)
}

fn parse_offset(text: &str) -> Option<i64> {
    if text.is_empty() || text.eq_ignore_ascii_case("z") || text.eq_ignore_ascii_case("utc") {
        return Some(0);
    }
    let (sign, text) = match text.split_at_checked(1)? {
        ("+", rest) => (1, rest),
        ("-", rest) => (-1, rest),
        _ => return None,
    };
    let text: Vec<u8> = text.bytes().filter(|b| *b != b':').collect();
    let (hours, minutes) = match text.len() {
        2 => (digits(&text)?, 0),
        4 => (digits(&text[..2])?, digits(&text[2..])?),
        _ => return None,
    };
    (hours < 24 && minutes < 60).then_some(sign * (hours * 60 + minutes) * 60_000)
}

fn digits(text: &[u8]) -> Option<i64> {
    let fits = !text.is_empty() && text.len() <= 9 && text.iter().all(u8::is_ascii_digit);
    fits.then(|| text.iter().fold(0, |n, b| n * 10 + i64::from(b - b'0')))
}

/// How many milliseconds one unit of a number of this size is, if it is a Unix time.
///
/// Told apart by size: today's times are 1.8e9 in seconds, 1.8e12 in milliseconds and so on, each a thousand
/// times the other, so that every time from 1973 to 5138 is read in the right unit.
pub(super) fn unix_unit(largest: f64) -> f64 {
    match largest.abs() {
        v if v < 1e11 => 1e3,
        v if v < 1e14 => 1.0,
        v if v < 1e17 => 1e-3,
        _ => 1e-6,
    }
}

/// `at` in RFC 3339, with milliseconds only where there are any.
pub(super) fn stamp(at: TimestampMs) -> String {
    let (year, month, day) = date_of_day(at.div_euclid(DAY));
    let (second, millis) = (at.rem_euclid(DAY) / 1_000, at.rem_euclid(1_000));
    let fraction = if millis == 0 { String::new() } else { format!(".{millis:03}") };
    let (hours, minutes, seconds) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hours:02}:{minutes:02}:{seconds:02}{fraction}Z")
}

/// Reads a moment of the command line: what [`parse_time`] takes, Unix seconds, `now`, `now-6h`.
///
/// # Errors
/// It is none of these; the message names them.
pub(super) fn parse_moment(text: &str, now: TimestampMs) -> Result<TimestampMs, String> {
    let text = text.trim();
    if text == "now" {
        return Ok(now);
    }
    if let Some(ago) = text.strip_prefix("now-") {
        return Ok(now - parse_duration(ago)?);
    }
    if let Some(at) = parse_time(text) {
        return Ok(at);
    }
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() && number.abs() < 1e20 => Ok((number * unix_unit(number)) as i64),
        _ => Err(format!("{text:?} is not a time: write 2026-01-31T08:00:00Z, Unix seconds, now or now-6h")),
    }
}

/// Reads a duration as Prometheus writes it, `15s`, `1h30m`, `500ms`, in milliseconds.
///
/// # Errors
/// It is not a duration, not longer than zero, or longer than a century.
pub(super) fn parse_duration(text: &str) -> Result<i64, String> {
    let error = || format!("{text:?} is not a duration: write 15s, 1m, 1h30m or 500ms");
    let mut rest = text.trim();
    let mut total: i64 = 0;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(error)?;
        let number = digits(&rest.as_bytes()[..end]).ok_or_else(error)?;
        rest = &rest[end..];
        let end = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let unit = match &rest[..end] {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => DAY,
            "w" => 7 * DAY,
            "y" => 365 * DAY,
            _ => return Err(error()),
        };
        rest = &rest[end..];
        total = number.checked_mul(unit).and_then(|part| total.checked_add(part)).ok_or_else(error)?;
    }
    if (1..=LONGEST).contains(&total) { Ok(total) } else { Err(error()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_in_the_forms_people_write() {
        let at = 1_582_979_130_250;
        let cases = [
            ("2020-02-29T12:25:30.25Z", Some(at)),
            ("2020-02-29 12:25:30.250", Some(at)),
            ("2020/02/29 12:25:30,250999", Some(at)),
            ("2020-02-29T14:25:30.25+02:00", Some(at)),
            ("2020-02-29 05:55:30.25 -0630", Some(at)),
            (" 2020-02-29 12:25:30.25 UTC ", Some(at)),
            ("2020-02-29 12:25", Some(at - 30_250)),
            ("2020-02-29", Some(at - 30_250 - (12 * 60 + 25) * 60_000)),
            ("1969-12-31T23:59:59Z", Some(-1_000)),
            ("2016-12-31T23:59:60Z", Some(1_483_228_800_000)),
            ("2021-02-29", None),
            ("2020-13-01", None),
            ("2020-02-29x", None),
            ("2020-02-29 24:00", None),
            ("2020-02-29 1:00", None),
            ("2020-02-29 12:25:30.2x", None),
            ("2020-02-29 12:25:30 CET", None),
            ("29.02.2020 12:25", None),
            ("20é0-02-29", None),
            ("", None),
        ];
        for (text, expected) in cases {
            assert_eq!(parse_time(text), expected, "{text:?}");
        }
    }

    #[test]
    fn a_stamp_is_read_back() {
        for at in [0, -1, 1_582_979_130_250, 1_582_979_130_000, 253_402_300_799_999] {
            assert_eq!(parse_time(&stamp(at)), Some(at), "{}", stamp(at));
        }
    }

    #[test]
    fn unix_times_are_told_apart_by_their_size() {
        for (number, unit) in [(1.8e9, 1e3), (1.8e12, 1.0), (1.8e15, 1e-3), (1.8e18, 1e-6), (0.0, 1e3)] {
            assert_eq!(unix_unit(number), unit, "{number}");
        }
    }

    #[test]
    fn moments_may_lie_before_now() {
        let now = 1_800_000_000_000;
        assert_eq!(parse_moment("now", now), Ok(now));
        assert_eq!(parse_moment("now-1h30m", now), Ok(now - 5_400_000));
        assert_eq!(parse_moment("1700000000", now), Ok(1_700_000_000_000));
        assert_eq!(parse_moment("2020-01-01", now), Ok(1_577_836_800_000));
        assert!(parse_moment("yesterday", now).unwrap_err().contains("now-6h"));
    }

    #[test]
    fn durations_are_written_as_in_prometheus() {
        assert_eq!(parse_duration("1h30m"), Ok(5_400_000));
        assert_eq!(parse_duration("500ms"), Ok(500));
        assert_eq!(parse_duration("2w"), Ok(14 * DAY));
        for bad in ["", "0s", "1", "s", "1 m", "-1m", "99999999999y", "101y"] {
            assert!(parse_duration(bad).is_err(), "{bad:?}");
        }
    }
}
