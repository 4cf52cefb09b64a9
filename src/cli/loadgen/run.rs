//! A run from its first request to its last answer.

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
};

use super::{
    course::Course,
    encode::Encoder,
    population::Population,
    process::{Process, Usage},
    progress::Progress,
    schedule::{self, Mode, Schedule},
    sender::{Sender, Time},
    tally::{Attempt, Tally},
    target::Target,
};
use crate::{
    ingest::remote_write::Protocol,
    server::{Clock, signal},
    signal::TimestampMs,
};

/// A closed loop begins so far in the past. All receivers take that without being told to: Prometheus and Mimir refuse
/// what is an hour older than their newest sample.
const HISTORY: Duration = Duration::from_secs(50 * 60);
/// Attempts that may wait to be counted.
const UNCOUNTED: usize = 1024;

/// What to send, and how.
#[derive(Clone, Debug)]
pub(super) struct Load {
    pub(super) mode: Mode,
    pub(super) protocol: Protocol,
    pub(super) series: usize,
    /// In milliseconds, at least 1.
    pub(super) interval_ms: f64,
    pub(super) duration: Duration,
    pub(super) connections: usize,
    pub(super) samples_per_request: usize,
    pub(super) seed: u64,
    /// Share of the series that are replaced in an hour.
    pub(super) churn: f64,
    /// Whether a request is sent again when the target asks for it.
    pub(super) retries: bool,
    pub(super) pid: Option<u32>,
}

/// What came of it.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) tally: Tally,
    pub(super) course: Course,
    /// To the last answer.
    pub(super) elapsed: Duration,
    /// Samples that were due and have not been sent.
    pub(super) overdue: u64,
    pub(super) target: Option<Measured>,
    /// CPU seconds of this process; `None` where the system does not say.
    pub(super) own_cpu_s: Option<f64>,
}

/// A process during the run.
#[derive(Clone, Copy, Debug)]
pub(super) struct Measured {
    pub(super) before: Usage,
    pub(super) after: Usage,
}

/// Sends the load to `target` until its time is over or the user ends it.
///
/// # Errors
/// The target cannot be reached or does not understand; the process to be measured is not there or ends.
pub(super) async fn run(load: &Load, target: &Target) -> anyhow::Result<Outcome> {
    let process = load.pid.map(Process::of);
    let usage = || process.as_ref().map(Process::usage).transpose();
    // A wrong number is told before anything is sent.
    usage()?;

    let start = Clock::system().now();
    let first = match load.mode {
        Mode::Open => start,
        Mode::Closed => start - millis(HISTORY),
    };
    let population = Population::new(load.series, load.seed, first, load.interval_ms, load.churn);
    let population = Arc::new(population);
    let empty = Encoder::new(population.clone(), load.protocol).encode(0..0, first);
    target.check(empty).await?;

    let before = usage()?;
    let own_before = Process::this().usage().ok();
    let begun = Clock::system().now();
    let time = Time::from(begun);
    let (stop, stopped) = watch::channel(false);
    let (attempts, counted) = mpsc::channel(UNCOUNTED);
    let mut senders = JoinSet::new();
    for series in schedule::shares(load.series, load.connections) {
        let batch = load.samples_per_request;
        let sender = Sender {
            connection: target.connect()?,
            encoder: Encoder::new(population.clone(), load.protocol),
            schedule: match load.mode {
                Mode::Open => Schedule::open(series, batch, load.series, begun, load.interval_ms),
                Mode::Closed => Schedule::closed(series, batch, first, load.interval_ms as TimestampMs),
            },
            mode: load.mode,
            time,
            retries: load.retries,
            stop: stopped.clone(),
            attempts: attempts.clone(),
        };
        senders.spawn(sender.run());
    }
    drop(attempts);
    let mut course = Course::new(load.duration);
    // What is wrong with the process is told at the end.
    let look = || usage().ok().flatten();
    let tally = count(counted, &stop, load.duration, time, &mut course, look).await;
    let elapsed = time.elapsed();
    let after = usage().context("the target has ended")?;
    let own_after = Process::this().usage().ok();

    let mut overdue = 0;
    while let Some(owed) = senders.join_next().await {
        overdue += owed.context("a connection ended by a fault")?;
    }
    let target = before.zip(after).map(|(before, after)| Measured { before, after });
    let own_cpu_s = own_before.zip(own_after).map(|(before, after)| after.cpu_s - before.cpu_s);
    Ok(Outcome { tally, course, elapsed, overdue, target, own_cpu_s })
}

/// Adds up what the senders tell until all of them have ended, and tells them to when time is up or the user wishes.
async fn count(
    mut attempts: mpsc::Receiver<Attempt>,
    stop: &watch::Sender<bool>,
    duration: Duration,
    time: Time,
    course: &mut Course,
    usage: impl Fn() -> Option<Usage>,
) -> Tally {
    let mut tally = Tally::default();
    let mut progress = Progress::new(duration);
    let mut tick = tokio::time::interval(Progress::EVERY);
    let over = async {
        tokio::select! {
            () = tokio::time::sleep(duration) => {}
            () = signal() => {}
        }
        stop.send_replace(true);
    };
    tokio::pin!(over);
    loop {
        tokio::select! {
            attempt = attempts.recv() => match attempt {
                Some(attempt) => {
                    course.add(&attempt);
                    tally.add(attempt);
                }
                None => break,
            },
            () = &mut over, if !*stop.borrow() => {}
            _ = tick.tick() => {
                course.tick(time.elapsed(), usage());
                progress.show(time.elapsed(), &tally);
            }
        }
    }
    progress.done();
    course.tick(time.elapsed(), usage());
    tally
}

fn millis(duration: Duration) -> TimestampMs {
    TimestampMs::try_from(duration.as_millis()).unwrap_or(TimestampMs::MAX)
}
