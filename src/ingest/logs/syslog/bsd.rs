//! RFC 3164, which describes what is out there, and what is out there beside it: no host, no time, times of routers and
//! of rsyslog.

use chrono::{DateTime, Datelike, NaiveDate, NaiveTime, TimeDelta};

use super::{Message, header};
use crate::{ingest::logs::time, signal::TimestampNs};

/// Longest name of a program in bytes. What is longer before a colon is text.
const TAG_BYTES: usize = 128;

/// Parses what follows the priority.
pub(super) fn parse(rest: &str, received: TimestampNs) -> Message<'_> {
    let timed = timestamp(rest, received);
    let (at, rest) = timed.map_or((None, rest), |(at, rest)| (Some(at), rest));
    let (host, tagged) = match tag(rest) {
        // Without a time there is no host either: the first word is of the text.
        None if at.is_some() => header::field(rest).filter(|(host, _)| is_host(host)).unwrap_or(("", rest)),
        _ => ("", rest),
    };
    let (app, procid, text) = tag(tagged).unwrap_or(("", "", tagged));
    let host = if host == "-" { "" } else { host };
    Message { at, host, app, procid, text, ..Message::default() }
}

fn is_host(word: &str) -> bool {
    word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._:%[]".contains(&byte))
}

/// The name, the process and the text of `name[process]: text` or `name: text`.
fn tag(rest: &str) -> Option<(&str, &str, &str)> {
    let (name, behind) = rest.split_at(rest.find([':', '[', ' '])?);
    if name.is_empty() || name.len() > TAG_BYTES {
        return None;
    }
    let in_brackets = behind.strip_prefix('[').and_then(|behind| behind.split_once(']'));
    let (procid, behind) = match in_brackets {
        Some((procid, behind)) if procid.len() <= TAG_BYTES && !procid.contains(' ') => (procid, behind),
        Some(_) => return None,
        None => ("", behind),
    };
    // A colon inside a word is that of an address.
    let text = match behind.strip_prefix(':') {
        Some(text) => text.strip_prefix(' ').or(text.is_empty().then_some(text))?,
        None => behind.strip_prefix(' ').filter(|_| in_brackets.is_some())?,
    };
    Some((name, procid, text))
}

/// A time at the beginning, and what is behind it and a space.
fn timestamp(rest: &str, received: TimestampNs) -> Option<(TimestampNs, &str)> {
    let (first, behind) = rest.split_once(' ')?;
    if let Some(at) = time::rfc3339(first) {
        return Some((at, behind));
    }
    // Routers count messages before the time, and mark a clock that is not set with `*` or `.`.
    let counted = first.strip_suffix(':').filter(|count| count.bytes().all(|byte| byte.is_ascii_digit()));
    let rest = if counted.is_some() { behind } else { rest };
    let rest = rest.trim_start_matches(['*', '.']);
    let (month, rest) = rest.split_once(' ')?;
    let month = MONTHS.iter().position(|name| *name == month)? as u32 + 1;
    let (day, rest) = rest.trim_start_matches(' ').split_once(' ')?;
    let day = day.parse().ok()?;
    let (year, rest) = match rest.split_once(' ') {
        Some((year, behind)) if year.len() == 4 && !year.contains(':') => (Some(year.parse().ok()?), behind),
        _ => (None, rest),
    };
    let (clock, rest) = rest.split_at(rest.find(' ').unwrap_or(rest.len()));
    // Zones have no names that all agree on; but this one.
    let rest = rest.strip_prefix(" UTC").unwrap_or(rest);
    let rest = rest.strip_prefix(':').unwrap_or(rest);
    let clock = clock.trim_end_matches(':').parse::<NaiveTime>().ok()?;
    let date = match year {
        Some(year) => NaiveDate::from_ymd_opt(year, month, day)?,
        None => latest(month, day, clock, received)?,
    };
    let at = date.and_time(clock).and_utc().timestamp_nanos_opt()?;
    (rest.is_empty() || rest.starts_with(' ')).then(|| (at, rest.trim_start_matches(' ')))
}

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// Days that a sender's clock may be ahead; who seems to be further ahead sends what happened last year.
const AHEAD_DAYS: i64 = 30;

/// The day in the last year in which it is not too far ahead of the receipt.
fn latest(month: u32, day: u32, clock: NaiveTime, received: TimestampNs) -> Option<NaiveDate> {
    let end = DateTime::from_timestamp_nanos(received).naive_utc() + TimeDelta::days(AHEAD_DAYS);
    let dates = [end.year(), end.year() - 1].map(|year| NaiveDate::from_ymd_opt(year, month, day));
    dates.into_iter().flatten().find(|date| date.and_time(clock) <= end)
}
