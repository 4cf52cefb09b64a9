//! `vigie models build`: the shipped prior, from simulated shops without faults.

use std::{path::PathBuf, sync::Arc};

use anyhow::Context as _;
use clap::value_parser;

use super::write;
use crate::{
    cli::demo::shop::Shop,
    engine::{Engine, ModelFile, Options, Prior, PriorBuilder, Snapshot},
    ingest::remote_write::{Encoder, Limits, Protocol, WriteRequest},
    signal::{Sample, TenantId, TimestampMs},
};

/// First scrape: 2026-02-02T00:00:00Z, a Monday.
const START: TimestampMs = 1_769_990_400_000;
/// Time between scrapes, in ms.
const STEP: TimestampMs = 60_000;
const DAY: TimestampMs = 86_400_000;
/// Seed of the forest.
const SEED: u64 = 1;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The file
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Seeds of the shops, each one a simulation of its own
    #[arg(long, value_name = "SEED", value_delimiter = ',', default_value = "1001,1002")]
    seeds: Vec<u64>,
    /// Simulated days of each
    #[arg(long, default_value_t = 14, value_parser = value_parser!(u16).range(1..=60))]
    days: u16,
}

pub(super) fn run(args: &Args) -> anyhow::Result<()> {
    let prior = build(&args.seeds, i64::from(args.days) * DAY)?;
    let record = *prior.record();
    write(&args.out, &ModelFile::new(Vec::new(), Some(prior)))?;
    println!("{}: {} rows of {} seen", args.out.display(), record.rows, record.origin.rows_seen);
    println!("{:#?}", record.quality);
    Ok(())
}

/// The prior of simulations of these seeds, `length` ms each.
pub(super) fn build(seeds: &[u64], length: TimestampMs) -> anyhow::Result<Prior> {
    let mut builder = PriorBuilder::default();
    for seed in seeds {
        eprintln!("shop {seed}: {:.1} days", length as f64 / DAY as f64);
        builder.add(simulate(*seed, length)?)?;
    }
    builder.finish(SEED).context("the simulations were too short for anything to be learnt")
}

/// What an engine that begins with nothing learns of a shop.
fn simulate(seed: u64, length: TimestampMs) -> anyhow::Result<Snapshot> {
    let mut engine = Engine::new(Options { prior: None, ..Options::default() });
    let mut shop = Shop::new(seed, START, STEP, Vec::new());
    let (tenant, limits) = (TenantId::default(), Limits::default());
    let mut declared = 0;
    while shop.at() < START + length {
        shop.tick();
        let mut encoder = Encoder::new(Protocol::V2);
        let series = shop.series();
        for (index, value) in shop.samples() {
            let series = &series[index];
            // Series are numbered as they come: those from here on have not been seen.
            if index >= declared {
                let family = series.family;
                encoder.metadata(series.labels.metric(), family.kind, family.help, family.unit);
            }
            encoder.series(&series.labels, &[Sample { at: shop.at(), value }]);
        }
        declared = series.len();
        let request = WriteRequest::decode(Protocol::V2, encoder.body(), &limits);
        let request = request.context("the simulator's request does not decode")?;
        engine.write(&tenant, &Arc::new(request), shop.at(), &mut |_| {});
    }
    Ok(engine.snapshot()?)
}
