//! The life of the daemon: bind, restore, serve, and on the way out drain and save.

use std::{
    convert::Infallible,
    future::{Future, IntoFuture},
    io,
    net::SocketAddr,
};

use tokio::{net::TcpListener, sync::oneshot, time::Instant};

use super::{
    app::App,
    backfill::Backfill,
    clock::{Clock, rfc3339},
    listeners::{ListenError, Listeners},
    memory,
    router::router,
};
#[cfg(feature = "search")]
use crate::search::Retention;
use crate::{
    config::{Config, Problem, Sync},
    engine::{Options, Restored},
    fleet::{self, Fleet, FleetThreads, Keeper, SyncPolicy},
    journal,
};

/// Why the daemon does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Something else listens there.
    #[error("{address} is already in use, perhaps by another vigie; stop it or choose another with --listen")]
    AddressInUse {
        /// The address.
        address: SocketAddr,
    },
    /// The address cannot be listened on.
    #[error("cannot listen on {address}; choose another address with --listen")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// Why not.
        source: io::Error,
    },
    /// Log lines cannot be listened to as configured.
    #[error(transparent)]
    Logs(#[from] ListenError),
    /// What is to be read in at the start cannot be.
    #[error("{0:#}")]
    Backfill(anyhow::Error),
}

/// Why the daemon ended otherwise than it was told to.
#[derive(Debug, thiserror::Error)]
pub enum StopError {
    /// The configuration was not checked when it was made, and cannot work.
    #[error(transparent)]
    Config(#[from] Problem),
    /// State could not be saved.
    #[error(transparent)]
    Save(#[from] journal::SaveError),
    /// The engine does not start.
    #[error(transparent)]
    Start(#[from] fleet::StartError),
    /// A thread of the engine died, and its part of the state with it; the last save is kept.
    #[error("cannot save the state because {0}; the last save is kept")]
    Lost(&'static str),
    /// A part of the daemon ended by a fault of its own.
    #[error("{0} ended by a fault; the log says more")]
    Fault(&'static str),
}

/// A daemon that holds its address and serves nothing yet.
#[derive(Debug)]
pub struct Daemon {
    listener: TcpListener,
    app: App,
    logs: Listeners,
    backfill: Option<Backfill>,
}

impl Daemon {
    /// Takes the address, before any work is done that would be in vain without it.
    ///
    /// # Errors
    /// [`StartError`] when the address cannot be had, or the configured backfill cannot work.
    pub async fn bind(config: Config) -> Result<Self, StartError> {
        let backfill = Backfill::new(&config.backfill).map_err(StartError::Backfill)?;
        let address = config.server.listen;
        let error = |source: io::Error| match source.kind() {
            io::ErrorKind::AddrInUse => StartError::AddressInUse { address },
            _ => StartError::Bind { address, source },
        };
        let listener = TcpListener::bind(address).await.map_err(error)?;
        let bound = listener.local_addr().map_err(error)?;
        let logs = Listeners::bind(&config.logs).await?;
        Ok(Self { listener, app: App::new(config, bound, Clock::system()), logs, backfill })
    }

    /// The URL under which people reach it.
    #[must_use]
    pub fn url(&self) -> String {
        self.app.url()
    }

    /// The address listened on; the port is a real one also when 0 was asked for.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.app.address()
    }

    /// Restores, serves until `stop` completes, then finishes what was accepted and saves.
    ///
    /// Health and readiness are answered from the first moment, also while state is restored.
    ///
    /// # Errors
    /// [`StopError`] when state could not be restored or saved.
    pub async fn run(self, stop: impl Future<Output = ()>) -> Result<(), StopError> {
        let Self { listener, app, logs, backfill } = self;
        let (close, closed) = oneshot::channel::<()>();
        let mut connections = tokio::spawn(
            axum::serve(listener, router(app.clone()))
                .with_graceful_shutdown(async {
                    // An error means that the sender is gone, which says the same.
                    drop(closed.await);
                })
                .into_future(),
        );
        let (engine, threads) = open(&app).await?;
        app.open(engine);
        let logs = logs.start(&app);
        tokio::select! {
            () = stop => {}
            _ = &mut connections => return Err(StopError::Fault("the HTTP server")),
            never = serve(&app, backfill) => match never {},
        }
        let grace = app.config().server.shutdown_grace;
        let begun = Instant::now();
        tracing::info!(%grace, "vigie is stopping: no new requests, waiting for running ones");
        drop(close);
        // What was read of log lines needs the engine; when it cannot take them, requests must have time left all the same.
        logs.stop(begun + grace.get() / 2).await;
        app.close();
        if tokio::time::timeout_at(begun + grace.get(), &mut connections).await.is_err() {
            tracing::warn!(%grace, "some requests did not end in time");
            connections.abort();
        }
        app.abandon();
        save(threads).await
    }
}

/// What goes on beside the handlers.
async fn serve(app: &App, backfill: Option<Backfill>) -> Infallible {
    tokio::select! {
        never = memory::watch(app) => never,
        never = attend(app, backfill) => never,
    }
}

/// Reads in what is to be read in; from then on it is the handlers' turn, and snapshots are taken.
async fn attend(app: &App, backfill: Option<Backfill>) -> Infallible {
    if let Some(backfill) = backfill {
        backfill.run(app).await;
        app.backfilled();
    }
    tracing::info!(url = app.url(), data_dir = %app.config().data_dir.display(), "vigie is ready");
    loop {
        tokio::time::sleep(app.config().journal.snapshot_interval.get()).await;
        if app.engine().is_ok_and(|engine| engine.save().is_err()) {
            tracing::debug!("no time for a snapshot: the queue is full");
        }
    }
}

/// Restores the state, if there is one, and starts the engine.
async fn open(app: &App) -> Result<(Fleet, FleetThreads), StopError> {
    let (options, started_at) = (options(app)?, app.started_at());
    let config = &app.config().journal;
    let policy = match config.sync {
        Sync::Interval => SyncPolicy::Interval(config.sync_interval.get()),
        Sync::Always => SyncPolicy::Always,
        Sync::Never => SyncPolicy::Never,
    };
    let app = app.clone();
    let started = tokio::task::spawn_blocking(move || {
        let (keeper, restored) = keeper(&app, policy, options.shards)?;
        let is_restored = restored.is_some();
        Ok::<_, StopError>((Fleet::start(&options, restored, Some(keeper))?, is_restored))
    });
    let (started, is_restored) = started.await.map_err(|_| StopError::Fault("restoring the state"))??;
    let started_at = rfc3339(started_at);
    tracing::info!(is_restored, started_at, "the engine runs");
    Ok(started)
}

/// Opens the journal, and the index over log lines.
#[cfg(feature = "search")]
fn keeper(app: &App, policy: SyncPolicy, threads: usize) -> Result<(Keeper, Option<Restored>), fleet::StartError> {
    let Config { data_dir, logs, .. } = app.config();
    let retention = Retention { max_age: logs.keep_for.get(), max_bytes: logs.keep_bytes.get() as u64 };
    let (keeper, restored) = Keeper::open_indexed(data_dir, policy, threads, retention)?;
    if let Some(searcher) = keeper.searcher() {
        app.open_index(searcher);
    }
    Ok((keeper, restored))
}

/// Opens the journal.
#[cfg(not(feature = "search"))]
fn keeper(app: &App, policy: SyncPolicy, threads: usize) -> Result<(Keeper, Option<Restored>), fleet::StartError> {
    Keeper::open(&app.config().data_dir, policy, threads)
}

/// Stops the engine, which finishes what it has accepted, and saves its state.
async fn save(threads: FleetThreads) -> Result<(), StopError> {
    let saved = tokio::task::spawn_blocking(move || {
        let (stopped, keeper) = threads.join().map_err(StopError::Lost)?;
        Ok::<_, StopError>(keeper.map(|keeper| keeper.end(stopped)).transpose()?)
    });
    if let Some(bytes) = saved.await.map_err(|_| StopError::Fault("saving the state"))?? {
        tracing::info!(bytes, "state is saved");
    }
    Ok(())
}

/// The part of the configuration that the engine works by.
fn options(app: &App) -> Result<Options, Problem> {
    let config = app.config();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    Ok(Options {
        shards: if config.shards == 0 { cores } else { config.shards },
        window_ms: config.series.window.as_millis(),
        ahead_ms: config.ingest.max_ahead.as_millis(),
        vanish_ms: config.series.vanish_after.as_millis(),
        series_per_tenant: config.series.max_per_tenant,
        false_alarms_per_week: config.anomaly.false_alarms_per_week,
        min_relative_deviation: config.anomaly.min_relative_deviation,
        late_ms: config.anomaly.late_after.as_millis(),
        rules: config.rules()?,
        maintenance: config.planned()?,
        patterns: config.logs.patterns.clone().into(),
        findings_kept: config.anomaly.findings_kept,
        names: app.answer_names(),
        seed: config.seed,
        ..Options::default()
    })
}

/// Completes when the process is told to stop (SIGINT or SIGTERM). A second signal ends the process at once.
pub async fn signal() {
    let name = next_signal().await;
    tracing::info!(signal = name, "told to stop; once more ends at once, without saving");
    tokio::spawn(async {
        let name = next_signal().await;
        tracing::warn!(signal = name, "told again: ending without saving");
        std::process::exit(1);
    });
}

async fn next_signal() -> &'static str {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = terminate.recv() => return "SIGTERM",
                _ = tokio::signal::ctrl_c() => return "SIGINT",
            }
        }
        tracing::warn!("cannot listen for SIGTERM; only SIGINT stops vigie in order");
    }
    if tokio::signal::ctrl_c().await.is_err() {
        tracing::warn!("cannot listen for SIGINT; vigie can only be killed");
        std::future::pending::<()>().await;
    }
    "SIGINT"
}
