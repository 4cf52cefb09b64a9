//! One query among others: its turn, its limits, and what is said when it reaches one.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

use super::error::{ApiError, ErrorType};
use crate::{
    promql::{Error, Interrupt},
    server::{
        app::{App, NotReady, Phase},
        queries::{Counted, Outcome},
    },
    signal::TenantId,
};

/// Memory that a sample takes, and a series with its labels, in bytes.
const SAMPLE_BYTES: usize = 16;
const SERIES_BYTES: usize = 512;
/// A query that took longer is named in the log.
const SLOW: Duration = Duration::from_secs(10);
/// Characters of a query that are shown in the log.
const SHOWN: usize = 300;

/// What is asked.
pub(in crate::server) struct Asked {
    pub(in crate::server) tenant: TenantId,
    /// As the log shows it.
    pub(in crate::server) text: String,
    pub(in crate::server) timeout: Duration,
}

/// What one query may use and has used.
pub(in crate::server) struct Allowance {
    app: App,
    asked: Asked,
    began: Instant,
    is_cancelled: AtomicBool,
    series: AtomicUsize,
    samples: AtomicUsize,
    /// Most samples held at a time, and bytes set aside for them and the series.
    held: AtomicUsize,
    reserved: AtomicUsize,
}

/// Tells the evaluation, when dropped, that nobody waits for its answer any more.
struct Cancel(Arc<Allowance>);

impl Drop for Cancel {
    fn drop(&mut self) {
        self.0.is_cancelled.store(true, Ordering::Relaxed);
    }
}

/// Waits for a turn, then has `work` done on a thread of its own.
///
/// The turn is given back when the work has ended, not when its answer is no longer wanted: a client that hangs up and asks
/// again cannot have more evaluations at once than the limit allows.
pub(in crate::server) async fn in_turn<T: Send + 'static>(
    app: &App,
    asked: Asked,
    work: impl FnOnce(&Arc<Allowance>) -> Result<T, Error> + Send + 'static,
) -> Result<T, ApiError> {
    let began = Instant::now();
    let deadline = began + asked.timeout;
    let queries = app.queries();
    let waiting = Counted::in_gauge(&queries.waiting);
    let patience = app.config().query.max_wait.get().min(asked.timeout);
    let turn = tokio::time::timeout_at(began + patience, Arc::clone(&queries.turns).acquire_owned()).await;
    drop(waiting);
    let allowance = Arc::new(Allowance::new(app, asked, began));
    let Ok(Ok(turn)) = turn else {
        allowance.end(Outcome::NoTurn);
        return Err(ApiError::new(ErrorType::Timeout, allowance.no_turn(patience)));
    };
    let _cancel = Cancel(allowance.clone());
    let mine = allowance.clone();
    let evaluation = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        let _running = Counted::in_gauge(&mine.app.queries().running);
        let result = work(&mine);
        mine.end(result.as_ref().map_or_else(outcome, |_| Outcome::Answered));
        result
    });
    match tokio::time::timeout_at(deadline, evaluation).await {
        Ok(Ok(answer)) => answer.map_err(|error| allowance.explained(error)),
        Ok(Err(panic)) => {
            tracing::error!(error = %panic, "a query ended without an answer");
            Err(NotReady::Fault.into())
        }
        Err(_late) => Err(allowance.explained(Error::Timeout)),
    }
}

fn outcome(error: &Error) -> Outcome {
    match error {
        Error::Parse(_) | Error::Unsupported(_) | Error::BadParameter(_) | Error::Execution(_) => Outcome::Invalid,
        Error::TooManySamples | Error::TooManySeries => Outcome::TooLarge,
        Error::NoMemory => Outcome::NoMemory,
        Error::Timeout => Outcome::Timeout,
        Error::Canceled => Outcome::Canceled,
        Error::Source(_) => Outcome::Failed,
    }
}

impl Allowance {
    fn new(app: &App, asked: Asked, began: Instant) -> Self {
        Self {
            app: app.clone(),
            asked,
            began,
            is_cancelled: AtomicBool::new(false),
            series: AtomicUsize::new(0),
            samples: AtomicUsize::new(0),
            held: AtomicUsize::new(0),
            reserved: AtomicUsize::new(0),
        }
    }

    /// Whether the query should end.
    pub(in crate::server) fn interrupt(&self) -> Option<Interrupt> {
        let is_late = self.began.elapsed() >= self.asked.timeout;
        let is_cancelled = self.is_cancelled.load(Ordering::Relaxed) || self.app.phase() == Phase::Over;
        is_late.then_some(Interrupt::Timeout).or(is_cancelled.then_some(Interrupt::Canceled))
    }

    /// The same, as an error.
    pub(in crate::server) fn check(&self) -> Result<(), Error> {
        match self.interrupt() {
            None => Ok(()),
            Some(Interrupt::Timeout) => Err(Error::Timeout),
            Some(Interrupt::Canceled) => Err(Error::Canceled),
        }
    }

    /// Sets memory aside for so many samples at a time; whether there is as much.
    pub(super) fn reserve(&self, samples: usize) -> bool {
        self.held.fetch_max(samples, Ordering::Relaxed);
        self.settle()
    }

    /// Whose series.
    pub(super) fn tenant(&self) -> &TenantId {
        &self.asked.tenant
    }

    /// Series touched so far.
    pub(super) fn series(&self) -> usize {
        self.series.load(Ordering::Relaxed)
    }

    /// Takes note of samples that were read.
    pub(super) fn has_read(&self, samples: usize) {
        self.samples.fetch_add(samples, Ordering::Relaxed);
    }

    /// Takes note of series about to be read, those before among them.
    pub(super) fn touch(&self, series: usize) -> Result<(), Error> {
        self.series.store(series, Ordering::Relaxed);
        if series > self.app.config().query.max_series {
            return Err(Error::TooManySeries);
        }
        if self.settle() { Ok(()) } else { Err(Error::NoMemory) }
    }

    /// Sets aside what is needed beyond what is. Called on the query's one thread.
    fn settle(&self) -> bool {
        let (series, held) = (self.series(), self.held.load(Ordering::Relaxed));
        let wanted = series.saturating_mul(SERIES_BYTES).saturating_add(held.saturating_mul(SAMPLE_BYTES));
        let more = wanted.saturating_sub(self.reserved.load(Ordering::Relaxed));
        let is_reserved = more == 0 || self.app.queries().reserve(more);
        if is_reserved {
            self.reserved.fetch_add(more, Ordering::Relaxed);
        }
        is_reserved
    }

    /// Counts a query that has ended, and tells of those that somebody should know of.
    fn end(&self, outcome: Outcome) {
        let (series, samples) = (self.series(), self.samples.load(Ordering::Relaxed));
        let took = self.began.elapsed();
        self.app.queries().ended(outcome, series, samples, took.as_secs_f64());
        let is_fine = matches!(outcome, Outcome::Answered | Outcome::Invalid | Outcome::Failed);
        if is_fine && took < SLOW {
            return;
        }
        let shown: String = self.asked.text.chars().take(SHOWN).collect();
        let (tenant, seconds) = (&self.asked.tenant, took.as_secs_f64());
        match is_fine {
            true => tracing::warn!(%tenant, query = shown, seconds, series, samples, "a query took long"),
            false => {
                let outcome = outcome.as_str();
                tracing::warn!(%tenant, query = shown, outcome, seconds, series, samples, "a query was given up");
            }
        }
    }

    fn no_turn(&self, patience: Duration) -> String {
        let running = self.app.config().query.max_concurrent;
        format!(
            "query timed out in query queue: {running} others ran (query.max_concurrent) for the {patience:?} that it \
             could wait (query.max_wait); try again later, or ask less at a time"
        )
    }

    /// The error with what led to it and what would do.
    fn explained(&self, error: Error) -> ApiError {
        let config = &self.app.config().query;
        let (series, samples) = (self.series(), self.samples.load(Ordering::Relaxed));
        let far = format!("it had read {samples} samples of {series} series");
        let more = match &error {
            Error::TooManySeries => format!(
                "more than {} match, {series} when it was stopped, before a sample was read; narrow the selector, or \
                 raise query.max_series",
                config.max_series
            ),
            Error::TooManySamples => format!(
                "more than {} at a time; {far}; narrow the selector, ask for a shorter range or a larger step, or raise \
                 query.max_samples",
                config.max_samples
            ),
            Error::NoMemory => {
                format!("{}; {far}; try again later, narrow the selector, or raise query.max_memory", config.max_memory)
            }
            Error::Timeout => {
                // A question about log lines touches no series.
                let far = if series == 0 { String::new() } else { format!(" {far};") };
                format!(
                    "after {:?};{far} narrow the selector, ask for a shorter range or a larger step, or raise \
                     query.timeout",
                    self.asked.timeout
                )
            }
            _ => return error.into(),
        };
        ApiError::from(error).with(&more)
    }
}

impl Drop for Allowance {
    fn drop(&mut self) {
        self.app.queries().free(self.reserved.load(Ordering::Relaxed));
    }
}
