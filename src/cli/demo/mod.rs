//! `vigie demo`: the daemon at work on a simulated shop, and what it found against what was injected.
//!
//! The daemon is the one of `vigie serve`, on its defaults. It gets three simulated days through its own HTTP
//! endpoint as fast as it takes them, ending now, so that its pages show them; then the shop lives on in real time.
//! What went wrong, and when, is known to this module and to it alone: [`verdict`] compares.
#![allow(clippy::print_stdout, reason = "printing the table is what the command is for")]

pub mod fault;
mod feed;
mod progress;
mod report;
pub mod shop;
pub mod verdict;

use std::{
    collections::HashMap,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use clap::value_parser;
use tokio::sync::oneshot;

use self::{
    fault::one_of_each,
    feed::{Daemon, Scraper, Sent, feed},
    progress::Progress,
    report::Run,
    shop::{
        Shop,
        calendar::{DAY, HOUR, MINUTE},
    },
    verdict::Verdict,
};
use super::logging;
use crate::{
    config::{self, Config, LogLevel, Overrides, Period},
    server::{self, Clock, StartError},
    signal::TimestampMs,
};

/// Time between scrapes.
const STEP: TimestampMs = MINUTE;
/// Days before the first fault: the detector has to see a daily rhythm before it can hold anything against it.
const LEARNING: TimestampMs = 2 * DAY;
/// The history ends at a full half hour, so that the simulated days do not depend on the minute of the start.
const ALIGNMENT: TimestampMs = HOUR / 2;
/// Simulated time between two questions for findings: the daemon remembers only so many that are over.
const COLLECTED_EVERY: TimestampMs = 6 * HOUR;
/// Time in which, once the history is told, all kinds of faults come again.
const LIVE_ROUND: TimestampMs = 6 * HOUR;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Seed of the shop: the same one gives the same samples and faults
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Simulated days; the faults come after the second
    #[arg(long, default_value_t = 3, value_parser = value_parser!(u16).range(3..=60))]
    days: u16,
    /// Findings that are nothing, per week, that are acceptable: see `anomaly.false_alarms_per_week`
    #[arg(long, value_name = "N", default_value_t = Config::default().anomaly.false_alarms_per_week, value_parser = budget)]
    budget: f64,
    /// Address and port to listen on [default: 127.0.0.1:9797, another port if that is taken]
    #[arg(long, value_name = "ADDR")]
    listen: Option<SocketAddr>,
    /// Directory for the daemon's state, empty or new [default: a temporary one]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Stop after the table
    #[arg(long)]
    exit: bool,
    /// Print the table as JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let directory = Directory::of(args.data_dir.as_deref())?;
    let overrides = Overrides { listen: args.listen, data_dir: Some(directory.path.clone()), ..Overrides::default() };
    let mut config = config::load(None, &overrides)?;
    config.log.level = LogLevel::Warn;
    config.anomaly.false_alarms_per_week = args.budget;
    // The shop's history is told as if it were the present.
    config.anomaly.late_after = Period::from_secs(u64::from(args.days + 1) * 86_400);
    logging::init(&config.log);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("vigie-io")
        .build()
        .context("cannot start the runtime")?;
    let outcome = runtime.block_on(with_daemon(config, &args));
    runtime.shutdown_background();
    outcome?;
    Ok(ExitCode::SUCCESS)
}

/// Starts the daemon, runs the demo beside it, stops the daemon.
async fn with_daemon(config: Config, args: &Args) -> anyhow::Result<()> {
    let daemon = bind(config, args.listen.is_none()).await?;
    let url = daemon.url();
    let (stop, stopped) = oneshot::channel::<()>();
    let mut serving = tokio::spawn(daemon.run(async {
        // An error means that the sender is gone, which says the same.
        drop(stopped.await);
    }));
    let outcome = tokio::select! {
        outcome = demonstrate(&url, args) => outcome,
        () = server::signal() => Ok(()),
        ended = &mut serving => return Ok(ended.context("the daemon ended by a fault")??),
    };
    drop(stop);
    serving.await.context("the daemon ended by a fault")??;
    outcome
}

/// Binds to the address of the configuration or, if it may be `another` and that one is taken, to a free port.
async fn bind(mut config: Config, another: bool) -> Result<server::Daemon, StartError> {
    match server::Daemon::bind(config.clone()).await {
        Err(StartError::AddressInUse { address }) if another => {
            config.server.listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
            let daemon = server::Daemon::bind(config).await?;
            eprintln!("{address} is taken, perhaps by a vigie: the demo listens on {}", daemon.address());
            Ok(daemon)
        }
        bound => bound,
    }
}

async fn demonstrate(url: &str, args: &Args) -> anyhow::Result<()> {
    let daemon = Daemon::at(url.to_owned())?;
    daemon.ready().await?;

    let clock = Clock::system();
    let end = clock.now() / ALIGNMENT * ALIGNMENT;
    let start = end - i64::from(args.days) * DAY;
    let faults = one_of_each(args.seed, start + LEARNING, end - HOUR);
    let mut scraper = Scraper::new(Shop::new(args.seed, start, STEP, faults));
    eprintln!("{url} learns a shop, {} simulated days", args.days);

    let began = Instant::now();
    let mut progress = Progress::new(start, end);
    let mut sent = Sent::default();
    let mut findings = HashMap::new();
    while scraper.shop.at() < end {
        let until = (scraper.shop.at() + COLLECTED_EVERY).min(end);
        scraper = feed(scraper, &daemon, until, &mut sent, |at, sent| progress.show(at, sent)).await?;
        // The newest word on each: a finding that is still open may go further.
        findings.extend(daemon.findings().await?.into_iter().map(|finding| (finding.id.clone(), finding)));
    }
    progress.done();
    let run = Run {
        seed: args.seed,
        start,
        end,
        series: scraper.shop.series().len(),
        samples: sent.samples,
        refused: sent.refused,
        seconds: began.elapsed().as_secs_f64(),
    };
    let verdict = Verdict::of(scraper.shop.incidents(), findings.into_values().collect(), (start, end));
    if args.json {
        println!("{}", report::json(&run, &verdict, url)?);
    } else {
        println!("{}", report::text(&run, &verdict));
    }
    if args.exit {
        return Ok(());
    }
    eprintln!("Look at {url}. The shop lives on, a scrape a minute; Ctrl-C ends it.");
    live_on(scraper, &daemon, &clock, args.seed).await
}

/// Catches up with the present, then keeps pace with it, round after round of faults.
async fn live_on(mut scraper: Scraper, daemon: &Daemon, clock: &Clock, seed: u64) -> anyhow::Result<()> {
    let mut round = 0;
    let mut round_ends = scraper.shop.at();
    loop {
        let next = scraper.shop.at() + STEP;
        let wait = u64::try_from(next - clock.now()).unwrap_or(0);
        tokio::time::sleep(Duration::from_millis(wait)).await;
        if next > round_ends {
            round += 1;
            let begins = clock.now().max(next);
            round_ends = begins + LIVE_ROUND;
            for fault in one_of_each(seed.wrapping_add(round), begins, round_ends) {
                scraper.shop.add_fault(fault);
            }
        }
        let scrape = scraper.scrape();
        daemon.write(&scrape, &mut Sent::default()).await?;
    }
}

fn budget(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|number: &f64| *number > 0.0 && number.is_finite());
    number.ok_or_else(|| "must be a number above 0".to_owned())
}

/// Where the daemon keeps its state: given and kept, or temporary and removed at the end.
#[derive(Debug)]
struct Directory {
    path: PathBuf,
    is_temporary: bool,
}

impl Directory {
    fn of(given: Option<&Path>) -> anyhow::Result<Self> {
        let Some(path) = given else {
            let path = std::env::temp_dir().join(format!("vigie-demo-{}", std::process::id()));
            return Ok(Self { path, is_temporary: true });
        };
        let is_empty = !path.exists() || path.read_dir().is_ok_and(|mut entries| entries.next().is_none());
        ensure!(
            is_empty,
            "{} is not an empty directory: the demo tells its shop's history from the start; choose another --data-dir",
            path.display()
        );
        Ok(Self { path: path.to_owned(), is_temporary: false })
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        if self.is_temporary
            && self.path.exists()
            && let Err(error) = std::fs::remove_dir_all(&self.path)
        {
            tracing::warn!(%error, path = %self.path.display(), "cannot remove the temporary directory");
        }
    }
}
