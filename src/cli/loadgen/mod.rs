//! `vigie loadgen`: how much a receiver of remote write takes, and at what price.
//!
//! Sends the series that machines, containers and services would have to vigie, or to whatever else takes remote write,
//! and reports rate, latency, errors, and the receiver's CPU time and memory. It shares the machine with what it
//! measures, so it is made to be cheap: see [`Encoder`].
#![allow(clippy::print_stdout, reason = "printing the figures is what the command is for")]

mod catalogue;
mod course;
mod encode;
mod latency;
mod motion;
mod place;
mod population;
mod process;
mod progress;
mod report;
mod run;
mod schedule;
mod sender;
mod tally;
mod target;
mod v1;
mod v2;
mod wire;

pub use self::{encode::Encoder, population::Population};

use std::{process::ExitCode, thread};

use anyhow::{Context as _, ensure};
use clap::value_parser;

use self::{report::Report, run::Load, schedule::Mode, target::Target};
use crate::{config::Period, ingest::remote_write::Protocol, signal::TenantId};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Where to write, such as http://127.0.0.1:9797; without a path, /api/v1/write is added
    url: String,
    /// Number of series, of about 10 labels each
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = value_parser!(u32).range(1..))]
    series: u32,
    /// Distance of two samples of a series. A closed loop goes faster: it tells them so far apart from 50 minutes ago
    /// on, until it has caught up with the present
    #[arg(long, value_name = "DURATION", default_value = "15s")]
    interval: Period,
    /// How long to send
    #[arg(long, value_name = "DURATION", default_value = "60s")]
    duration: Period,
    /// What sets the pace
    #[arg(long, value_enum, default_value_t = Mode::Open)]
    mode: Mode,
    /// Samples per second of an open loop, in place of --interval; a closed loop ignores it
    #[arg(long, value_name = "SAMPLES", value_parser = positive)]
    rate: Option<f64>,
    /// Connections, each with its part of the series
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = value_parser!(u16).range(1..=1024))]
    connections: u16,
    /// Version of remote write
    #[arg(long, value_name = "1|2", default_value = "1", value_parser = protocol)]
    protocol: Protocol,
    /// Samples in a request, at most; Prometheus sends 2000
    #[arg(long, value_name = "N", default_value_t = 2_000, value_parser = value_parser!(u32).range(1..=100_000))]
    samples_per_request: u32,
    /// Tenant to write for, sent as X-Scope-OrgID
    #[arg(long, value_parser = TenantId::parse)]
    tenant: Option<TenantId>,
    /// The target's process on this machine: tells its CPU time and memory (Linux)
    #[arg(long)]
    pid: Option<u32>,
    /// Seed of the values
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Share of the series that end in an hour, others taking their place, as deploys bring it about; 0 to 100
    #[arg(long, value_name = "FRACTION_PER_HOUR", default_value_t = 0.0, value_parser = churn)]
    churn: f64,
    /// Go on with the next request where the target asks to wait and send the same again, as a sender without manners
    #[arg(long)]
    no_retry: bool,
    /// Print the figures as JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let load = load(&args)?;
    let target = Target::new(&args.url, load.protocol, args.tenant.as_ref())?;
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(cores.min(load.connections))
        .enable_all()
        .thread_name("vigie-loadgen")
        .build()
        .context("cannot start the runtime")?;
    let outcome = runtime.block_on(run::run(&load, &target))?;
    let report = Report::new(target.shown(), &load, outcome);
    if args.json {
        println!("{}", report.json()?);
    } else {
        print!("{}", report.text());
    }
    Ok(if report.is_success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn load(args: &Args) -> anyhow::Result<Load> {
    let interval_ms = match (args.mode, args.rate) {
        (Mode::Open, Some(rate)) => f64::from(args.series) / rate * 1e3,
        _ => args.interval.as_millis() as f64,
    };
    ensure!(
        interval_ms >= 1.0,
        "a series would have a sample every {interval_ms} ms, less than the millisecond of a timestamp: take more \
         --series, or a lower --rate"
    );
    Ok(Load {
        mode: args.mode,
        protocol: args.protocol,
        series: args.series as usize,
        interval_ms,
        duration: args.duration.get(),
        connections: args.connections.into(),
        samples_per_request: args.samples_per_request as usize,
        seed: args.seed,
        churn: args.churn,
        retries: !args.no_retry,
        pid: args.pid,
    })
}

fn protocol(text: &str) -> Result<Protocol, String> {
    match text {
        "1" | "1.0" => Ok(Protocol::V1),
        "2" | "2.0" => Ok(Protocol::V2),
        _ => Err("there are 1 and 2".to_owned()),
    }
}

fn positive(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|number: &f64| *number > 0.0 && number.is_finite());
    number.ok_or_else(|| "must be a number above 0".to_owned())
}

fn churn(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|number| (0.0..=100.0).contains(number));
    number.ok_or_else(|| "must be a number from 0 to 100, such as 0.05 for a twentieth of the series".to_owned())
}
