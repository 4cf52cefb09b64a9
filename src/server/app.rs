//! What all handlers share: the engine once it is there, the limits, the clock, the counters.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
    time::Duration,
};

use tokio::sync::watch;

use super::{
    arrivals::Arrivals, clock::Clock, memory::Memory, pace::Pace, places::Places, progress::Progress, queries::Queries,
    refusals::Refusals, telemetry::Telemetry, topics::Topics,
};
#[cfg(feature = "search")]
use crate::search::Searcher;
use crate::{
    config::{Config, ScoreNames},
    engine::AnswerNames,
    fleet::{Fleet, Unavailable},
    logs::redact::Redactor,
    signal::{TenantId, TimestampMs},
};

/// Where the daemon is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// State is being restored.
    Starting,
    /// History is being read in: all requests are served but those with samples and logs, which would be newer.
    Backfilling,
    /// Requests are served.
    Serving,
    /// What was accepted is being finished.
    Stopping,
    /// What is still running is given up.
    Over,
}

/// Why the engine cannot be asked now. All of it passes, so the answer is 503.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotReady {
    /// State is being restored.
    #[error("vigie is starting and restores its state")]
    Starting,
    /// History is being read in; concerns what is sent to be kept.
    #[error("vigie reads in history first and takes samples and logs when that is done")]
    Backfilling,
    /// The daemon is on its way out.
    #[error("vigie is stopping")]
    Stopping,
    /// Queues are full.
    #[error("vigie is at its limit; try again later")]
    Busy,
    /// A tenant has its share of them.
    #[error("the tenant sends more at once than vigie takes from one; try again later")]
    Crowded,
    /// What is sent cannot be kept.
    #[error("vigie cannot write its journal and takes nothing until it can; its log says why")]
    Unwritable,
    /// A question to the engine ended without an answer; the log says why.
    #[error("vigie could not answer because of a fault of its own")]
    Fault,
}

impl NotReady {
    /// Its name as a label.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Backfilling => "backfilling",
            Self::Stopping => "stopping",
            Self::Busy => "busy",
            Self::Crowded => "crowded",
            Self::Unwritable => "unwritable",
            Self::Fault => "fault",
        }
    }

    /// Seconds after which trying again makes sense.
    #[must_use]
    pub fn retry_after_s(self) -> u64 {
        match self {
            // Queues hold less than a second of work.
            Self::Busy | Self::Crowded => 1,
            Self::Starting | Self::Backfilling | Self::Stopping | Self::Unwritable | Self::Fault => 5,
        }
    }
}

impl From<Unavailable> for NotReady {
    fn from(cause: Unavailable) -> Self {
        match cause {
            Unavailable::Busy => Self::Busy,
            Unavailable::Crowded => Self::Crowded,
            Unavailable::Stopping => Self::Stopping,
            Unavailable::Unwritable => Self::Unwritable,
        }
    }
}

/// Handle to what handlers share. Cheap to clone.
#[derive(Clone, Debug)]
pub struct App(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    config: Config,
    address: SocketAddr,
    started_at: TimestampMs,
    clock: Clock,
    /// There from the end of the restore until the stop: its threads end when nobody holds it any more.
    engine: RwLock<Option<Fleet>>,
    /// The index over log lines, there for as long.
    #[cfg(feature = "search")]
    index: RwLock<Option<Searcher>>,
    phase: watch::Sender<Phase>,
    telemetry: Telemetry,
    arrivals: Arrivals,
    refusals: Refusals,
    pace: Pace,
    memory: Memory,
    places: Arc<Places>,
    queries: Queries,
    redactor: Redactor,
    topics: Topics,
    planning: Mutex<()>,
}

impl App {
    /// What a daemon that listens on `address` shares. The engine is still missing, see [`App::open`].
    #[must_use]
    pub fn new(config: Config, address: SocketAddr, clock: Clock) -> Self {
        let queries = Queries::new(&config.query);
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self(Arc::new(Shared {
            address,
            started_at: clock.now(),
            engine: RwLock::new(None),
            #[cfg(feature = "search")]
            index: RwLock::new(None),
            phase: watch::Sender::new(Phase::Starting),
            telemetry: Telemetry::new(&queries),
            arrivals: Arrivals::default(),
            refusals: Refusals::default(),
            pace: Pace::default(),
            memory: Memory::new(config.memory_limit),
            places: Places::new(config.ingest.max_concurrent_requests, cores),
            queries,
            redactor: Redactor::new(&config.logs.redact),
            topics: Topics::default(),
            planning: Mutex::default(),
            clock,
            config,
        }))
    }

    /// Brings in the engine: from here on requests are served; remote write only after [`App::backfilled`] where
    /// a backfill is configured.
    pub fn open(&self, engine: Fleet) {
        *self.0.engine.write().unwrap_or_else(PoisonError::into_inner) = Some(engine);
        let has_backfill = self.0.config.backfill.prometheus.is_some();
        self.0.phase.send_replace(if has_backfill { Phase::Backfilling } else { Phase::Serving });
    }

    /// Brings in the index over log lines: from here on they can be asked for. To be called before [`App::open`].
    #[cfg(feature = "search")]
    pub fn open_index(&self, index: Searcher) {
        *self.0.index.write().unwrap_or_else(PoisonError::into_inner) = Some(index);
    }

    /// Tells that the history is read in, or given up.
    pub fn backfilled(&self) {
        self.0.phase.send_replace(Phase::Serving);
    }

    /// Refuses requests from here on; those that run may end.
    pub fn close(&self) {
        self.0.phase.send_replace(Phase::Stopping);
        *self.0.engine.write().unwrap_or_else(PoisonError::into_inner) = None;
        #[cfg(feature = "search")]
        {
            *self.0.index.write().unwrap_or_else(PoisonError::into_inner) = None;
        }
    }

    /// Gives up the queries that still run.
    pub fn abandon(&self) {
        self.0.phase.send_replace(Phase::Over);
    }

    /// Where the daemon is in its life.
    #[must_use]
    pub fn phase(&self) -> Phase {
        *self.0.phase.borrow()
    }

    /// The engine.
    ///
    /// # Errors
    /// It is not there yet or is being stopped.
    pub fn engine(&self) -> Result<Fleet, NotReady> {
        let engine = self.0.engine.read().unwrap_or_else(PoisonError::into_inner).clone();
        engine.ok_or(match self.phase() {
            Phase::Starting => NotReady::Starting,
            Phase::Backfilling | Phase::Serving | Phase::Stopping | Phase::Over => NotReady::Stopping,
        })
    }

    /// The index over log lines.
    ///
    /// # Errors
    /// It is not there yet or is being closed.
    #[cfg(feature = "search")]
    pub fn index(&self) -> Result<Searcher, NotReady> {
        let index = self.0.index.read().unwrap_or_else(PoisonError::into_inner).clone();
        index.ok_or(match self.phase() {
            Phase::Starting | Phase::Backfilling | Phase::Serving => NotReady::Starting,
            Phase::Stopping | Phase::Over => NotReady::Stopping,
        })
    }

    /// Whether samples are taken, for requests that need the engine later: a handle held meanwhile would hold up the stop.
    ///
    /// # Errors
    /// The engine is not there yet, reads in history, or is being stopped.
    pub fn check_writable(&self) -> Result<(), NotReady> {
        self.engine()?;
        if self.phase() == Phase::Backfilling { Err(NotReady::Backfilling) } else { Ok(()) }
    }

    /// How far the history is read in, while that is being done.
    #[must_use]
    pub fn backfilling(&self) -> Option<&Progress> {
        (self.phase() == Phase::Backfilling).then(|| self.0.telemetry.backfill())
    }

    /// Asks the engine a question that blocks, away from the threads that serve connections.
    ///
    /// # Errors
    /// The engine cannot be asked now.
    pub async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Fleet) -> Result<T, Unavailable> + Send + 'static,
    ) -> Result<T, NotReady> {
        let engine = self.engine()?;
        match tokio::task::spawn_blocking(move || question(&engine)).await {
            Ok(answer) => answer.map_err(NotReady::from),
            Err(panic) => {
                tracing::error!(error = %panic, "a question to the engine ended without an answer");
                Err(NotReady::Fault)
            }
        }
    }

    /// The configuration.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.0.config
    }

    /// The address listened on.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.0.address
    }

    /// The URL under which people reach the daemon, without a slash at the end.
    #[must_use]
    pub fn url(&self) -> String {
        match &self.0.config.server.external_url {
            Some(url) => url.trim_end_matches('/').to_owned(),
            None => format!("http://{}", self.0.address),
        }
    }

    /// The time now.
    #[must_use]
    pub fn now(&self) -> TimestampMs {
        self.0.clock.now()
    }

    /// When the daemon was started.
    #[must_use]
    pub fn started_at(&self) -> TimestampMs {
        self.0.started_at
    }

    /// The counters of this process.
    #[must_use]
    pub fn telemetry(&self) -> &Telemetry {
        &self.0.telemetry
    }

    /// Takes note of samples that were written.
    pub(super) fn arrived(&self, tenant: &TenantId, samples: u64) {
        self.0.arrivals.add(tenant, samples, self.now());
    }

    /// Samples per second of a tenant, averaged over about a minute.
    #[must_use]
    pub fn samples_per_second(&self, tenant: &TenantId) -> f64 {
        self.0.arrivals.per_second(tenant, self.now())
    }

    /// The names of the series that vigie answers with.
    #[must_use]
    pub fn answer_names(&self) -> AnswerNames {
        match self.0.config.anomaly.score_names {
            ScoreNames::Vigie => AnswerNames::VIGIE,
            ScoreNames::Vmanomaly => AnswerNames::VMANOMALY,
        }
    }

    /// Held while planned work is counted and added to, so that two requests do not fill the same last place. Blocks.
    pub(super) fn planning(&self) -> MutexGuard<'_, ()> {
        self.0.planning.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Places for requests that bring samples or logs.
    pub(super) fn places(&self) -> &Arc<Places> {
        &self.0.places
    }

    /// What was refused because of a limit.
    pub(super) fn refusals(&self) -> &Refusals {
        &self.0.refusals
    }

    /// How fast tenants may add series.
    pub(super) fn pace(&self) -> &Pace {
        &self.0.pace
    }

    /// Returns when state is restored, at once if it is, and in any case after `period`.
    pub(super) async fn restored(&self, period: Duration) {
        let mut phase = self.0.phase.subscribe();
        let is_restored = phase.wait_for(|phase| *phase != Phase::Starting);
        let _ = tokio::time::timeout(period, is_restored).await;
    }

    /// Returns when the daemon is on its way out.
    pub(super) async fn stopping(&self) {
        let mut phase = self.0.phase.subscribe();
        // An error says that there is no daemon any more.
        let _ = phase.wait_for(|phase| matches!(phase, Phase::Stopping | Phase::Over)).await;
    }

    /// The memory there is, and what is used of it.
    pub(super) fn memory(&self) -> &Memory {
        &self.0.memory
    }

    /// Takes out of log lines what is not to be kept.
    pub(super) fn redactor(&self) -> &Redactor {
        &self.0.redactor
    }

    /// What log lines are about.
    pub(crate) fn topics(&self) -> &Topics {
        &self.0.topics
    }

    /// What all queries together may use.
    pub(super) fn queries(&self) -> &Queries {
        &self.0.queries
    }
}
