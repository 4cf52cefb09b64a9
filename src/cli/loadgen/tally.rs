//! What came of the requests, added up.

use std::{collections::BTreeMap, time::Duration};

use super::{latency::Histogram, target::Answer};

/// A request that was sent, for the first time or again.
#[derive(Debug)]
pub(super) struct Attempt {
    pub(super) answer: Answer,
    /// Set when the request is done with, well or not.
    pub(super) done: Option<Done>,
    /// Length of the body in bytes.
    pub(super) bytes: u64,
}

/// A request that is done with.
#[derive(Debug)]
pub(super) struct Done {
    pub(super) samples: u64,
    /// Series of which no sample was written before.
    pub(super) new_series: u64,
    /// To the last answer.
    pub(super) latency: Duration,
}

/// How often a status was answered.
#[derive(Clone, Debug, Default)]
pub(super) struct Answers {
    pub(super) count: u64,
    /// What the target said the first time.
    pub(super) reason: Option<String>,
}

/// Sums over all connections.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    /// Done with.
    pub(super) requests: u64,
    /// Attempts that were followed by another one.
    pub(super) retries: u64,
    pub(super) samples_written: u64,
    /// Refused, or given up.
    pub(super) samples_failed: u64,
    /// Series of which at least one sample was written.
    pub(super) series: u64,
    /// Bodies, as sent, those sent again included.
    pub(super) bytes: u64,
    pub(super) answers: BTreeMap<String, Answers>,
    pub(super) latency: Histogram,
}

impl Tally {
    pub(super) fn add(&mut self, attempt: Attempt) {
        let Attempt { answer, done, bytes } = attempt;
        let answers = self.answers.entry(answer.status).or_default();
        answers.count += 1;
        if answers.reason.is_none() {
            answers.reason = answer.reason;
        }
        self.bytes += bytes;
        let Some(done) = done else {
            self.retries += 1;
            return;
        };
        self.requests += 1;
        self.samples_written += answer.written;
        self.samples_failed += done.samples.saturating_sub(answer.written);
        self.series += done.new_series;
        self.latency.record(done.latency);
    }

    /// Answers that were no success.
    pub(super) fn errors(&self) -> u64 {
        self.answers.iter().filter(|(status, _)| !status.starts_with('2')).map(|(_, answers)| answers.count).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::loadgen::target::Retry;

    #[test]
    fn a_request_counts_once_however_often_it_was_sent() {
        let answer = |status: &str, written, reason: Option<&str>| Answer {
            status: status.to_owned(),
            written,
            retry: Retry::Later,
            reason: reason.map(str::to_owned),
        };
        let done = |ms| Some(Done { samples: 10, new_series: 10, latency: Duration::from_millis(ms) });
        let mut tally = Tally::default();
        tally.add(Attempt { answer: answer("503", 0, Some("busy")), done: None, bytes: 5 });
        tally.add(Attempt { answer: answer("503", 0, Some("still busy")), done: None, bytes: 5 });
        tally.add(Attempt { answer: answer("204", 10, None), done: done(30), bytes: 5 });
        tally.add(Attempt { answer: answer("400", 4, Some("too old")), done: done(10), bytes: 5 });
        assert_eq!((tally.requests, tally.retries, tally.errors(), tally.bytes), (2, 2, 3, 20));
        assert_eq!((tally.samples_written, tally.samples_failed, tally.series), (14, 6, 20));
        assert_eq!(tally.answers["503"].reason.as_deref(), Some("busy"));
        assert_eq!(tally.latency.max(), Some(Duration::from_millis(30)));
    }
}
