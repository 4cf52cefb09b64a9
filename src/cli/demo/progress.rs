//! How far the simulation is, on standard error.

use std::{
    io::{self, IsTerminal, Write},
    time::{Duration, Instant},
};

use super::{feed::Sent, report::clock};
use crate::signal::TimestampMs;

/// Time between two lines: on a terminal each replaces the one before, in a log they add up.
const ON_TERMINAL: Duration = Duration::from_millis(200);
const IN_LOG: Duration = Duration::from_secs(5);

/// A line that tells the simulated time.
#[derive(Debug)]
pub(super) struct Progress {
    start: TimestampMs,
    end: TimestampMs,
    began: Instant,
    shown: Instant,
    is_terminal: bool,
}

impl Progress {
    pub(super) fn new(start: TimestampMs, end: TimestampMs) -> Self {
        let now = Instant::now();
        Self { start, end, began: now, shown: now, is_terminal: io::stderr().is_terminal() }
    }

    /// The simulation has reached `at`.
    pub(super) fn show(&mut self, at: TimestampMs, sent: Sent) {
        if self.shown.elapsed() < if self.is_terminal { ON_TERMINAL } else { IN_LOG } {
            return;
        }
        self.shown = Instant::now();
        let (carriage, end) = if self.is_terminal { ("\r", "\x1b[K") } else { ("", "\n") };
        // Nothing depends on whether anybody reads it.
        let _ = write!(io::stderr(), "{carriage}{}{end}", self.line(at, sent, self.began.elapsed()));
    }

    fn line(&self, at: TimestampMs, sent: Sent, elapsed: Duration) -> String {
        let share = (at - self.start) as f64 / (self.end - self.start).max(1) as f64;
        let rate = sent.samples as f64 / elapsed.as_secs_f64().max(1e-3);
        format!("simulated {} ({:3.0} %), {rate:.0} samples/s", clock(at), 100.0 * share)
    }

    /// Makes room for what comes.
    pub(super) fn done(&self) {
        if self.is_terminal {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_tells_time_and_pace() {
        let progress = Progress::new(1_770_000_000_000, 1_770_000_000_000 + 4 * 86_400_000);
        let sent = Sent { samples: 900_000, refused: 0 };
        let line = progress.line(1_770_000_000_000 + 86_400_000, sent, Duration::from_secs(3));
        assert_eq!(line, "simulated 02-03 02:40 ( 25 %), 300000 samples/s");
    }
}
