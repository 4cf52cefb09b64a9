//! When which request is due, and which time its samples bear.

use std::ops::Range;

use crate::signal::TimestampMs;

/// What decides the pace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Mode {
    /// The clock: each series once per interval, whether the target keeps up or not
    Open,
    /// The target: the next request follows the answer
    Closed,
}

/// The requests of one connection: always the same series in the same order, round after round.
#[derive(Debug)]
pub(super) struct Schedule {
    batches: Vec<Range<usize>>,
    next: usize,
    pace: Pace,
}

#[derive(Debug)]
enum Pace {
    Open {
        start: TimestampMs,
        /// In milliseconds.
        interval: f64,
        /// Series of all connections.
        size: usize,
        round: u32,
    },
    Closed {
        first: TimestampMs,
        interval: TimestampMs,
        /// Time of the newest sample by batch.
        last: Vec<Option<TimestampMs>>,
    },
}

/// A request to be made. It is due at the time of its samples: never sent before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Turn {
    /// Place of the batch among those of the connection.
    pub(super) batch: usize,
    pub(super) series: Range<usize>,
    pub(super) at: TimestampMs,
}

impl Schedule {
    /// Each series once per `interval_ms` from `start` on, the requests of all connections spread evenly over the
    /// interval. The connection has the `series` out of `size`, at most `batch` in a request.
    pub(super) fn open(series: Range<usize>, batch: usize, size: usize, start: TimestampMs, interval_ms: f64) -> Self {
        Self::new(series, batch, |_| Pace::Open { start, interval: interval_ms, size, round: 0 })
    }

    /// As fast as turns are taken: samples are told `interval_ms` apart from `first` on until they have caught up with
    /// the clock, then at the time of the clock, at least a millisecond apart.
    pub(super) fn closed(series: Range<usize>, batch: usize, first: TimestampMs, interval_ms: TimestampMs) -> Self {
        Self::new(series, batch, |batches| Pace::Closed { first, interval: interval_ms, last: vec![None; batches] })
    }

    fn new(series: Range<usize>, batch: usize, pace: impl FnOnce(usize) -> Pace) -> Self {
        let end = series.end;
        let batches: Vec<_> = series.step_by(batch).map(|from| from..end.min(from + batch)).collect();
        let pace = pace(batches.len());
        Self { batches, next: 0, pace }
    }

    /// Number of different requests.
    pub(super) fn batches(&self) -> usize {
        self.batches.len()
    }

    /// The next request; `None` for a connection that has no series.
    pub(super) fn turn(&mut self, now: TimestampMs) -> Option<Turn> {
        let batch = self.next;
        let series = self.batches.get(batch)?.clone();
        self.next = (batch + 1) % self.batches.len();
        let at = match &mut self.pace {
            Pace::Open { start, interval, size, round } => {
                let position = f64::from(*round) + series.start as f64 / *size as f64;
                *round += u32::from(self.next == 0);
                *start + (position * *interval) as TimestampMs
            }
            Pace::Closed { first, interval, last } => {
                let at = last[batch].map_or((*first).min(now), |last| (last + *interval).min(now).max(last + 1));
                last[batch] = Some(at);
                at
            }
        };
        Some(Turn { batch, series, at })
    }

    /// Samples that are due before `end` and whose turn has not come; a closed loop owes none.
    pub(super) fn overdue(mut self, end: TimestampMs) -> u64 {
        if let Pace::Closed { .. } = self.pace {
            return 0;
        }
        let turns = std::iter::from_fn(|| self.turn(end));
        turns.take_while(|turn| turn.at < end).map(|turn| turn.series.len() as u64).sum()
    }
}

/// Cuts `size` series into one range for each connection, of nearly equal size.
pub(super) fn shares(size: usize, connections: usize) -> impl Iterator<Item = Range<usize>> {
    (0..connections).map(move |i| size * i / connections..size * (i + 1) / connections)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_share_all_series() {
        let shares: Vec<_> = shares(10, 4).collect();
        assert_eq!(shares, [0..2, 2..5, 5..7, 7..10]);
        assert!(Schedule::open(3..3, 10, 10, 0, 1000.0).turn(0).is_none());
    }

    #[test]
    fn an_open_loop_sends_every_series_once_per_interval_evenly_spread() {
        let mut turns = Vec::new();
        for share in shares(1000, 2) {
            let mut schedule = Schedule::open(share, 100, 1000, 5_000, 10_000.0);
            assert_eq!(schedule.batches(), 5);
            // However late it is.
            turns.extend((0..15).map(|_| schedule.turn(99_000).unwrap()));
        }
        turns.sort_by_key(|turn| turn.at);
        for (i, turn) in turns.iter().enumerate() {
            assert_eq!(turn.at, 5_000 + 1_000 * i as i64);
            let from = i % 10 * 100;
            assert_eq!(turn.series, from..from + 100);
        }
    }

    #[test]
    fn an_open_loop_knows_what_it_owes() {
        let mut schedule = Schedule::open(0..1000, 100, 1000, 0, 10_000.0);
        for _ in 0..12 {
            schedule.turn(50_000);
        }
        // Due at 12 s, 13 s … 19 s: eight requests.
        assert_eq!(schedule.overdue(19_001), 800);
        assert_eq!(Schedule::closed(0..1000, 100, 0, 10_000).overdue(1_000_000), 0);
    }

    #[test]
    fn a_closed_loop_catches_up_with_the_clock_and_never_passes_it() {
        let mut schedule = Schedule::closed(0..300, 200, 1_000, 15_000);
        let mut last = [0; 2];
        let mut behind = 0;
        let mut now = 100_000;
        for i in 0..200 {
            let turn = schedule.turn(now).unwrap();
            assert_eq!(turn.batch, i % 2);
            assert!(turn.at > last[turn.batch], "{turn:?} after {last:?}");
            behind += usize::from(turn.at < now);
            last[turn.batch] = turn.at;
            // The sender is faster than the clock, but waits until what it sends is due.
            assert!(turn.at <= now + 1);
            now = now.max(turn.at);
        }
        // 1 s, 16 s … 91 s.
        assert_eq!(behind, 2 * 7);
    }
}
