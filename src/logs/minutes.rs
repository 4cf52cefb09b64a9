//! Lines of a source counted by minute of event time.
//!
//! A minute is over when a line of the source is ten seconds past it, or when the tenant's time is two minutes past it, so
//! that a source that falls silent has minutes without lines. Lines that come after their minute is over count for no
//! minute.

use std::collections::VecDeque;

use hashbrown::HashMap;
use serde::{Deserialize, Serialize};

use super::{TemplateNumber, sorted};
use crate::signal::{Severity, TimestampMs};

/// Length of a minute, in ms.
pub const MINUTE_MS: i64 = 60_000;
/// How far past a minute a line of the same source ends it, in ms.
const GRACE_MS: i64 = 10_000;
/// How far past it the time of the tenant does.
const SILENCE_MS: i64 = 120_000;
/// So many minutes without a line that are over at once are a gap: nobody was there to receive any.
const GAP: i64 = 10;
/// Minutes that are counted at once; the oldest is over when there are more.
const OPEN: usize = 64;

/// The minutes of one source.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Minutes {
    /// The last minute that is over, in minutes since the epoch; `None` before the first line.
    over: Option<i64>,
    /// Those that are not, with lines, in their order.
    open: VecDeque<Minute>,
    /// The newest line, event time.
    newest: TimestampMs,
    late: u64,
}

/// The lines of one minute.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Minute {
    number: i64,
    /// Lines by severity, in the order of [`Severity::ALL`]; behind them those without.
    severities: [u32; Severity::ALL.len() + 1],
    #[serde(with = "sorted::map")]
    templates: HashMap<TemplateNumber, u32>,
}

impl Minutes {
    /// Counts a line; gives how many of its template the minute has by then, nothing for a line that is late.
    pub fn count(&mut self, at: TimestampMs, severity: Option<Severity>, template: TemplateNumber) -> Option<u32> {
        let number = at.div_euclid(MINUTE_MS);
        let over = *self.over.get_or_insert(number - 1);
        self.newest = self.newest.max(at);
        if number <= over {
            self.late += 1;
            return None;
        }
        let behind = self.open.iter().rev().take_while(|minute| minute.number > number).count();
        let place = self.open.len() - behind;
        let is_new = place == 0 || self.open[place - 1].number != number;
        if is_new {
            self.open.insert(place, Minute { number, ..Minute::default() });
        }
        let minute = &mut self.open[place - usize::from(!is_new)];
        minute.severities[severity.map_or(Severity::ALL.len(), |severity| severity as usize)] += 1;
        let lines = minute.templates.entry(template).or_default();
        *lines += 1;
        Some(*lines)
    }

    /// The number of the next minute that is over.
    fn over(&self, now: TimestampMs) -> Option<i64> {
        let over = self.over?;
        // The last one without a line that could be over.
        let empty = || (now - SILENCE_MS).div_euclid(MINUTE_MS) - 1;
        let first = self.open.front().map_or_else(empty, |minute| minute.number);
        let next = if first - over > GAP { first } else { over + 1 };
        let end = (next + 1) * MINUTE_MS;
        let is_over = end + GRACE_MS <= self.newest || end + SILENCE_MS <= now || self.open.len() > OPEN;
        is_over.then_some(next)
    }

    /// Whether a minute is over, see [`next_over`](Self::next_over).
    #[must_use]
    pub fn is_over(&self, now: TimestampMs) -> bool {
        self.over(now).is_some()
    }

    /// The next minute that is over, if one is; one after the other. `now` is the time of the tenant.
    pub fn next_over(&mut self, now: TimestampMs) -> Option<Minute> {
        let next = self.over(now)?;
        self.over = Some(next);
        let is_open = self.open.front().is_some_and(|minute| minute.number == next);
        let empty = || Minute { number: next, ..Minute::default() };
        Some(if is_open { self.open.pop_front() } else { None }.unwrap_or_else(empty))
    }

    /// Lines that came after their minute was over.
    #[must_use]
    pub fn late(&self) -> u64 {
        self.late
    }
}

impl Minute {
    /// Its end, which is the time of its counts.
    #[must_use]
    pub fn end(&self) -> TimestampMs {
        (self.number + 1) * MINUTE_MS
    }

    /// Lines of a severity, or of none.
    #[must_use]
    pub fn of_severity(&self, severity: Option<Severity>) -> u32 {
        self.severities[severity.map_or(Severity::ALL.len(), |severity| severity as usize)]
    }

    /// Lines by template, in no order. Templates may have become aliases since.
    pub fn templates(&self) -> impl Iterator<Item = (TemplateNumber, u32)> {
        self.templates.iter().map(|(template, lines)| (*template, *lines))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drain(minutes: &mut Minutes, now: TimestampMs) -> Vec<(i64, u32)> {
        let lines = |minute: Minute| (minute.number, minute.severities.iter().sum());
        std::iter::from_fn(|| minutes.next_over(now)).map(lines).collect()
    }

    #[test]
    fn minutes_end_with_lines_past_them_and_with_time() {
        let mut minutes = Minutes::default();
        let m = MINUTE_MS;
        assert_eq!(drain(&mut minutes, 900 * m), []);
        minutes.count(100 * m + 5, Some(Severity::Info), 0);
        minutes.count(101 * m + 1, None, 1);
        assert_eq!(drain(&mut minutes, 101 * m), [], "lines may still come");
        minutes.count(100 * m + 59_000, Some(Severity::Error), 0);
        minutes.count(101 * m + 10_000, None, 1);
        let first = minutes.next_over(101 * m).unwrap();
        assert_eq!((first.end(), first.of_severity(Some(Severity::Error)), first.of_severity(None)), (101 * m, 1, 0));
        assert_eq!(first.templates().collect::<Vec<_>>(), [(0, 2)]);
        minutes.count(100 * m + 59_000, None, 0);
        assert_eq!(minutes.late(), 1);
        assert_eq!(drain(&mut minutes, 103 * m), []);
        assert_eq!(drain(&mut minutes, 104 * m), [(101, 2)]);
        assert_eq!(drain(&mut minutes, 106 * m), [(102, 0), (103, 0)], "a source that is silent");
    }

    #[test]
    fn a_gap_is_not_silence() {
        let mut minutes = Minutes::default();
        let m = MINUTE_MS;
        minutes.count(0, None, 0);
        minutes.count(500 * m, None, 0);
        minutes.count(501 * m + 10_000, None, 0);
        assert_eq!(drain(&mut minutes, 502 * m), [(0, 1), (500, 1)]);
        assert_eq!(drain(&mut minutes, 900 * m), [(501, 1), (897, 0)]);
    }

    #[test]
    fn lines_of_any_time_are_bounded() {
        let mut minutes = Minutes::default();
        minutes.count(0, None, 0);
        for i in 0..1_000 {
            minutes.count(i * 977 % 400 * MINUTE_MS, None, 0);
            assert!(drain(&mut minutes, 0).len() < OPEN * 8);
            assert!(minutes.open.len() <= OPEN);
        }
    }
}
