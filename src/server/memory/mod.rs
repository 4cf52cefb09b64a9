//! Keeps the process within its memory: before it is in danger, tenants are told how many series they may have.
//!
//! What is resident depends on the machine, and the engine must not: the ceiling is told to it as a command, by the same queue
//! and journal as everything else that changes it.

mod limit;
mod pressure;
mod share;

use std::{
    convert::Infallible,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use self::pressure::Pressure;
use super::app::App;
use crate::{
    config::ByteSize,
    signal::{Command, TenantId},
};

/// Time between two looks: a flood of new series takes more than 100 MB a second.
const EVERY: Duration = Duration::from_millis(100);
/// Looks between two counts of the series while memory is short.
const LOOKS: u32 = 10;

/// The limit, and what was seen last.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// In bytes; 0 without a limit.
    pub(super) limit: u64,
    /// What says so.
    source: &'static str,
    /// In bytes.
    pub(super) resident: AtomicU64,
    /// 0, or 1 while series are refused beyond a fair share, or 2 while all new ones are.
    pub(super) pressure: AtomicU64,
}

impl Memory {
    /// The limit that is configured, or that of the surroundings; 0 B is none.
    pub(super) fn new(configured: Option<ByteSize>) -> Self {
        let configured = configured.map(|size| (size.get() as u64, "memory_limit"));
        let (limit, source) = configured.or_else(limit::default).unwrap_or_default();
        let resident = AtomicU64::new(limit::resident().unwrap_or_default());
        Self { limit, source, resident, pressure: AtomicU64::default() }
    }

    /// The limit, for people.
    pub(super) fn shown(&self) -> ByteSize {
        shown(self.limit)
    }
}

/// Watches for ever.
pub(super) async fn watch(app: &App) -> Infallible {
    let memory = app.memory();
    let mut watched = Watched::default();
    if memory.limit == 0 || limit::resident().is_none() {
        tracing::info!("memory is not watched: there is no limit, or the system does not tell what is used");
        // Lifts a ceiling that was restored from when it was.
        watched.look(app, 0).await;
        return std::future::pending().await;
    }
    tracing::info!(limit = %memory.shown(), source = memory.source, "memory is watched");
    loop {
        if let Some(resident) = limit::resident() {
            memory.resident.store(resident, Ordering::Relaxed);
            watched.look(app, resident).await;
            memory.pressure.store(watched.pressure as u64, Ordering::Relaxed);
        }
        tokio::time::sleep(EVERY).await;
    }
}

#[derive(Debug, Default)]
struct Watched {
    pressure: Pressure,
    /// Whether the engine has the ceiling that goes with it; not so at the start, where another one may be restored.
    is_told: bool,
    /// Looks since the series were counted.
    looks: u32,
}

impl Watched {
    async fn look(&mut self, app: &App, resident: u64) {
        let limit = app.memory().limit;
        let before = self.pressure;
        self.pressure = before.next(resident, limit);
        if self.pressure != before {
            self.is_told = false;
            self.log(resident, limit);
        }
        self.looks += 1;
        if self.is_told && (self.pressure == Pressure::None || self.looks < LOOKS) {
            return;
        }
        self.looks = 0;
        // While the engine cannot be asked it takes no series either.
        let Ok(census) = app.ask(|engine| engine.census()).await else { return };
        let ceiling = self.pressure.ceiling(resident, limit, census.series.into_values().collect());
        if differs(census.ceiling, ceiling) {
            let told = app.ask(move |engine| engine.tell(&TenantId::default(), &Command::Ceiling(ceiling))).await;
            if let Err(error) = told {
                tracing::warn!(%error, "the engine could not be told how many series there is room for");
                return;
            }
        }
        self.is_told = true;
    }

    fn log(&self, resident: u64, limit: u64) {
        let (resident, limit) = (shown(resident), shown(limit));
        match self.pressure {
            Pressure::None => {
                tracing::info!(%resident, %limit, "memory is no longer short: new series are taken again")
            }
            Pressure::Fair => {
                tracing::warn!(%resident, %limit, "memory is short: tenants may add series up to a fair share only");
            }
            Pressure::Full => tracing::warn!(%resident, %limit, "memory is at its limit: no new series are taken"),
        }
    }
}

/// Whether a ceiling is so different that it is worth a command: by a tenth, since each is kept in the journal.
fn differs(before: Option<u64>, now: Option<u64>) -> bool {
    match (before, now) {
        (Some(before), Some(now)) => before.abs_diff(now) > before / 10,
        _ => before != now,
    }
}

fn shown(bytes: u64) -> ByteSize {
    // Whole MiB are easier to read.
    ByteSize::mib(bytes.div_ceil(1 << 20))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_changes_of_a_ceiling_are_not_told() {
        assert!(
            differs(None, Some(5)) && differs(Some(5), None) && differs(Some(0), Some(1)) && differs(Some(9), Some(0))
        );
        assert!(!differs(None, None) && !differs(Some(0), Some(0)) && !differs(Some(1_000), Some(950)));
        assert!(differs(Some(1_000), Some(890)) && differs(Some(1_000), Some(1_200)));
    }

    #[test]
    fn the_configured_limit_wins() {
        assert_eq!(Memory::new(Some(ByteSize::mib(64))).limit, 64 << 20);
        assert_eq!(Memory::new(Some("0B".parse().unwrap())).limit, 0);
        #[cfg(target_os = "linux")]
        assert!(Memory::new(None).limit > 0);
    }
}
