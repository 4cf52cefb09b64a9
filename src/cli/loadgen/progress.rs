//! How the run goes, on standard error.

use std::{
    io::{self, IsTerminal, Write},
    time::Duration,
};

use super::tally::Tally;

/// A line that replaces the one before; nothing where standard error is no terminal.
#[derive(Debug)]
pub(super) struct Progress {
    duration: Duration,
    is_terminal: bool,
    /// When the last line was shown, and the samples written by then.
    last: (Duration, u64),
}

impl Progress {
    /// Time between two lines.
    pub(super) const EVERY: Duration = Duration::from_secs(1);

    /// For a run of so long.
    pub(super) fn new(duration: Duration) -> Self {
        Self { duration, is_terminal: io::stderr().is_terminal(), last: (Duration::ZERO, 0) }
    }

    /// The run is `elapsed` old.
    pub(super) fn show(&mut self, elapsed: Duration, tally: &Tally) {
        let line = self.line(elapsed, tally);
        if self.is_terminal {
            // Nothing depends on whether anybody reads it.
            let _ = write!(io::stderr(), "\r{line}\x1b[K");
        }
    }

    fn line(&mut self, elapsed: Duration, tally: &Tally) -> String {
        let (before, written) = std::mem::replace(&mut self.last, (elapsed, tally.samples_written));
        let rate = (tally.samples_written - written) as f64 / (elapsed - before).as_secs_f64().max(1e-3);
        let p99 = tally.latency.quantile(0.99).unwrap_or_default().as_secs_f64() * 1e3;
        format!(
            "{:.0} s of {:.0} s: {} samples, {rate:.0} samples/s now, p99 {p99:.1} ms, {} retries, {} errors",
            elapsed.as_secs_f64(),
            self.duration.as_secs_f64(),
            tally.samples_written,
            tally.retries,
            tally.errors(),
        )
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
    fn the_line_tells_the_pace_since_the_last_one() {
        let mut progress = Progress::new(Duration::from_secs(60));
        let mut tally = Tally { samples_written: 5_000, ..Tally::default() };
        progress.line(Duration::from_secs(1), &tally);
        tally.samples_written = 25_000;
        let line = progress.line(Duration::from_secs(3), &tally);
        assert_eq!(line, "3 s of 60 s: 25000 samples, 10000 samples/s now, p99 0.0 ms, 0 retries, 0 errors");
    }
}
