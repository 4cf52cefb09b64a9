//! One connection: what is due is encoded, sent, sent again when the target asks for it, and accounted for.

use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::{mpsc, watch};

use super::{
    encode::Encoder,
    schedule::{Mode, Schedule, Turn},
    tally::{Attempt, Done},
    target::{Answer, Connection, Retry},
};
use crate::signal::TimestampMs;

/// Wait before a second try when the target does not say how long; doubles each time, as in Prometheus.
const WAIT: Duration = Duration::from_millis(30);
const WAIT_MAX: Duration = Duration::from_secs(5);

/// The time of a run: that of the wall at its start, carried on by a clock that nobody sets.
#[derive(Clone, Copy, Debug)]
pub(super) struct Time {
    began: Instant,
    start: TimestampMs,
}

impl Time {
    /// A run that begins now, when the wall clock shows `start`.
    pub(super) fn from(start: TimestampMs) -> Self {
        Self { began: Instant::now(), start }
    }

    pub(super) fn now(&self) -> TimestampMs {
        self.start + i64::try_from(self.elapsed().as_millis()).unwrap_or(i64::MAX)
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// The moment of a timestamp; the beginning of the run for what lies before.
    fn instant(&self, at: TimestampMs) -> Instant {
        self.began + Duration::from_millis(u64::try_from(at - self.start).unwrap_or_default())
    }
}

/// A connection at work.
#[derive(Debug)]
pub(super) struct Sender {
    pub(super) connection: Connection,
    pub(super) encoder: Encoder,
    pub(super) schedule: Schedule,
    pub(super) mode: Mode,
    pub(super) time: Time,
    /// Whether a request is sent again when the target asks for it.
    pub(super) retries: bool,
    /// Becomes true when the run is over.
    pub(super) stop: watch::Receiver<bool>,
    pub(super) attempts: mpsc::Sender<Attempt>,
}

impl Sender {
    /// Sends until it is told to stop; what is under way then is finished. Returns the samples that were due by then
    /// and have not been sent.
    pub(super) async fn run(mut self) -> u64 {
        let mut written = vec![false; self.schedule.batches()];
        while let Some(turn) = self.schedule.turn(self.time.now()) {
            // Encoded ahead: in an open loop this is no part of the latency.
            let body = self.encoder.encode(turn.series.clone(), turn.at);
            let due = self.time.instant(turn.at);
            if !self.sleep_until(due).await {
                let end = self.time.now();
                let is_owed = self.mode == Mode::Open && turn.at < end;
                return self.schedule.overdue(end) + if is_owed { turn.series.len() as u64 } else { 0 };
            }
            let since = match self.mode {
                Mode::Open => due,
                Mode::Closed => Instant::now(),
            };
            if self.deliver(&turn, body, since, !written[turn.batch]).await {
                written[turn.batch] = true;
            }
        }
        0
    }

    /// Sends a request until it is done with, and says whether anything of it was written.
    async fn deliver(&mut self, turn: &Turn, body: Bytes, since: Instant, is_new: bool) -> bool {
        let samples = turn.series.len() as u64;
        let bytes = body.len() as u64;
        let mut waits = std::iter::successors(Some(WAIT), |wait| Some((*wait * 2).min(WAIT_MAX)));
        loop {
            let answer = self.connection.write(body.clone(), samples).await;
            let latency = since.elapsed();
            let pause = match answer.retry {
                Retry::Never => None,
                _ if !self.retries => None,
                Retry::Later => waits.next(),
                Retry::After(pause) => Some(pause),
            };
            let again = match pause {
                Some(pause) => self.sleep_until(Instant::now() + pause).await,
                None => false,
            };
            let is_written = answer.written > 0;
            let new_series = if is_new && is_written { samples } else { 0 };
            let done = (!again).then_some(Done { samples, new_series, latency });
            self.account(answer, done, bytes).await;
            if !again {
                return is_written;
            }
        }
    }

    async fn account(&self, answer: Answer, done: Option<Done>, bytes: u64) {
        // An error means that nobody counts any more.
        let _ = self.attempts.send(Attempt { answer, done, bytes }).await;
    }

    /// Returns false when the run is over before.
    async fn sleep_until(&mut self, moment: Instant) -> bool {
        tokio::select! {
            biased;
            // An error means that the run has been given up.
            _ = self.stop.wait_for(|stop| *stop) => false,
            () = tokio::time::sleep_until(moment.into()) => true,
        }
    }
}
