//! Alarms against labelled windows: what was found, how late, and how often for nothing.

use crate::signal::TimestampMs;

/// A week in milliseconds.
const WEEK: f64 = 7.0 * 86_400_000.0;

/// A span in which something was wrong, both ends within.
pub(super) type Window = (TimestampMs, TimestampMs);

/// A moment at which somebody would have been told.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::cli::backtest) struct Alarm {
    pub(in crate::cli::backtest) at: TimestampMs,
    /// For the ranking where a budget does not allow them all.
    pub(in crate::cli::backtest) score: f64,
}

/// How the alarms of a part met its windows.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Met {
    /// Of each alarm: whether the budget allows it.
    pub(super) allowed: Vec<bool>,
    /// Of each alarm: whether it lies within a window. What the budget leaves out does not.
    pub(super) is_hit: Vec<bool>,
    /// Of each window: the first allowed alarm within it.
    pub(super) first: Vec<Option<usize>>,
}

impl Met {
    /// `windows` are grown by `tolerance_ms` at both ends; of the alarms the `most` with the highest scores are
    /// allowed, the earlier of equals first. `concerns(window, alarm)` is whether an alarm can be about a window at all.
    pub(super) fn new(
        windows: &[Window],
        alarms: &[Alarm],
        tolerance_ms: i64,
        most: Option<usize>,
        concerns: impl Fn(usize, usize) -> bool,
    ) -> Self {
        let mut ranked: Vec<usize> = (0..alarms.len()).collect();
        ranked.sort_by(|a, b| alarms[*b].score.total_cmp(&alarms[*a].score).then(alarms[*a].at.cmp(&alarms[*b].at)));
        let mut met = Self {
            allowed: vec![false; alarms.len()],
            is_hit: vec![false; alarms.len()],
            first: vec![None; windows.len()],
        };
        ranked.iter().take(most.unwrap_or(usize::MAX)).for_each(|alarm| met.allowed[*alarm] = true);
        for (window, (start, end)) in windows.iter().enumerate() {
            let span = start.saturating_sub(tolerance_ms)..=end.saturating_add(tolerance_ms);
            for alarm in (0..alarms.len()).filter(|alarm| met.allowed[*alarm]) {
                if !span.contains(&alarms[alarm].at) || !concerns(window, alarm) {
                    continue;
                }
                met.is_hit[alarm] = true;
                if met.first[window].is_none_or(|first| alarms[alarm].at < alarms[first].at) {
                    met.first[window] = Some(alarm);
                }
            }
        }
        met
    }

    /// The counts, for a part that lasts `span_ms`.
    pub(super) fn tally(&self, windows: &[Window], alarms: &[Alarm], span_ms: i64) -> Tally {
        let delay = |(window, first): (&Window, &Option<usize>)| first.map(|first| alarms[first].at - window.0);
        let count = |of: &[bool]| of.iter().filter(|is| **is).count();
        Tally {
            raised: count(&self.allowed),
            left_out: alarms.len() - count(&self.allowed),
            hits: count(&self.is_hit),
            windows: windows.len(),
            delays: windows.iter().zip(&self.first).filter_map(delay).collect(),
            weeks: span_ms as f64 / WEEK,
        }
    }
}

/// How many alarms `per_week` allows in `span_ms`, rounded up.
pub(super) fn allowance(per_week: f64, span_ms: i64) -> usize {
    // A millionth less, so that a whole number of weeks does not count as one more.
    (per_week * span_ms as f64 / WEEK - 1e-6).ceil().max(0.0) as usize
}

/// Counts of one part, or of many.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Tally {
    /// Alarms.
    pub(super) raised: usize,
    /// Alarms that the budget left out.
    pub(super) left_out: usize,
    /// Alarms within a window.
    pub(super) hits: usize,
    /// Labelled windows.
    pub(super) windows: usize,
    /// Of each window that was found, the time from its start to the first alarm in ms; below zero where a tolerance
    /// lets an alarm come early.
    pub(super) delays: Vec<i64>,
    /// Length of what was replayed.
    pub(super) weeks: f64,
}

impl Tally {
    pub(super) fn add(&mut self, other: &Self) {
        self.raised += other.raised;
        self.left_out += other.left_out;
        self.hits += other.hits;
        self.windows += other.windows;
        self.delays.extend(&other.delays);
        self.weeks += other.weeks;
    }

    /// Windows with an alarm.
    pub(super) fn found(&self) -> usize {
        self.delays.len()
    }

    /// Alarms outside of all windows.
    pub(super) fn false_alarms(&self) -> usize {
        self.raised - self.hits
    }

    /// Share of alarms that lie within a window; `None` without alarms.
    pub(super) fn precision(&self) -> Option<f64> {
        ratio(self.hits as f64, self.raised as f64)
    }

    /// Share of windows with an alarm; `None` without windows.
    pub(super) fn recall(&self) -> Option<f64> {
        ratio(self.found() as f64, self.windows as f64)
    }

    /// Harmonic mean of precision and recall, 0 where nothing was raised; `None` without windows.
    pub(super) fn f1(&self) -> Option<f64> {
        let (precision, recall) = (self.precision().unwrap_or(0.0), self.recall()?);
        Some(ratio(2.0 * precision * recall, precision + recall).unwrap_or(0.0))
    }

    /// `None` where no time passed.
    pub(super) fn false_per_week(&self) -> Option<f64> {
        ratio(self.false_alarms() as f64, self.weeks)
    }

    /// The median delay in ms, of an even number the mean of the two in the middle.
    pub(super) fn median_delay(&self) -> Option<i64> {
        let mut delays = self.delays.clone();
        delays.sort_unstable();
        let middle = delays.len() / 2;
        let upper = *delays.get(middle)?;
        Some(if delays.len() % 2 == 1 { upper } else { delays[middle - 1].midpoint(upper) })
    }

    /// The longest delay in ms.
    pub(super) fn worst_delay(&self) -> Option<i64> {
        self.delays.iter().max().copied()
    }
}

fn ratio(part: f64, whole: f64) -> Option<f64> {
    (whole > 0.0).then(|| part / whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alarms(all: &[(i64, f64)]) -> Vec<Alarm> {
        all.iter().map(|(at, score)| Alarm { at: *at, score: *score }).collect()
    }

    #[test]
    fn what_lies_within_a_window_is_a_hit_ends_included() {
        let (windows, alarms) = ([(100, 200), (300, 400)], alarms(&[(99, 1.0), (200, 1.0), (150, 1.0), (500, 9.0)]));
        let met = Met::new(&windows, &alarms, 0, None, |_, _| true);
        assert_eq!(met.is_hit, [false, true, true, false]);
        assert_eq!(met.first, [Some(2), None], "the earliest, in whatever order they come");
        let tally = met.tally(&windows, &alarms, 2 * 604_800_000);
        assert_eq!((tally.false_alarms(), tally.found(), tally.median_delay()), (2, 1, Some(50)));
        assert_eq!((tally.precision(), tally.recall(), tally.f1()), (Some(0.5), Some(0.5), Some(0.5)));
        assert_eq!(tally.false_per_week(), Some(1.0));
    }

    #[test]
    fn a_tolerance_widens_both_ends_and_the_delay_keeps_its_start() {
        let (windows, alarms) = ([(100, 200)], alarms(&[(90, 1.0), (211, 1.0)]));
        let met = Met::new(&windows, &alarms, 10, None, |_, _| true);
        assert_eq!(met.is_hit, [true, false]);
        assert_eq!(met.tally(&windows, &alarms, 1_000).delays, [-10]);
    }

    #[test]
    fn a_budget_takes_the_highest_scores_and_of_equals_the_first() {
        let (windows, alarms) = ([(0, 10)], alarms(&[(5, 1.0), (20, 2.0), (30, 1.0), (2, 1.0)]));
        let met = Met::new(&windows, &alarms, 0, Some(2), |_, _| true);
        assert_eq!(met.allowed, [false, true, false, true]);
        let tally = met.tally(&windows, &alarms, 1_000);
        assert_eq!((tally.raised, tally.left_out, tally.hits), (2, 2, 1));
        let none = Met::new(&windows, &alarms, 0, Some(0), |_, _| true).tally(&windows, &alarms, 1_000);
        assert_eq!((none.precision(), none.recall(), none.f1()), (None, Some(0.0), Some(0.0)));
    }

    #[test]
    fn an_alarm_about_something_else_finds_nothing() {
        let met = Met::new(&[(0, 10)], &alarms(&[(5, 1.0)]), 0, None, |_, _| false);
        assert_eq!((met.is_hit, met.first), (vec![false], vec![None]));
    }

    #[test]
    fn without_windows_there_is_precision_but_no_recall() {
        let alarms = alarms(&[(5, 1.0)]);
        let tally = Met::new(&[], &alarms, 0, None, |_, _| true).tally(&[], &alarms, 604_800_000);
        assert_eq!((tally.precision(), tally.recall(), tally.f1()), (Some(0.0), None, None));
        assert_eq!((tally.false_per_week(), tally.median_delay()), (Some(1.0), None));
        assert_eq!(Tally::default().false_per_week(), None);
    }

    #[test]
    fn a_budget_a_week_is_rounded_up_over_the_span() {
        let week = 604_800_000;
        let cases = [
            (1.0, week, 1),
            (1.0, week + 1_000_000, 2),
            (0.5, week, 1),
            (3.0, 2 * week, 6),
            (0.0, week, 0),
            (2.0, 0, 0),
        ];
        for (per_week, span, expected) in cases {
            assert_eq!(allowance(per_week, span), expected, "{per_week} in {span}");
        }
    }

    #[test]
    fn the_median_lies_between_the_two_in_the_middle() {
        let tally = |delays: &[i64]| Tally { delays: delays.to_vec(), ..Tally::default() }.median_delay();
        assert_eq!((tally(&[30, 10, 20]), tally(&[10, 40, 20, 30]), tally(&[])), (Some(20), Some(25), None));
    }
}
