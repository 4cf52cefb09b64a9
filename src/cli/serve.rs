//! `vigie serve`: the life of the daemon.

use std::{net::SocketAddr, path::PathBuf, process::ExitCode};

use anyhow::Context;

use super::logging;
use crate::{
    config::{self, ByteSize, Overrides},
    server::{Daemon, signal},
};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Configuration file; every key has a default, see `vigie config reference`
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Address and port to listen on [default: 127.0.0.1:9797]
    #[arg(long, value_name = "ADDR")]
    listen: Option<SocketAddr>,
    /// Directory for state that outlives a restart [default: ./vigie-data]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Memory to keep within, e.g. 2GiB: when it gets short, new series are refused, of the largest tenants first. 0B watches
    /// nothing [default: the control group's limit, or without one half of the machine's memory]
    #[arg(long, value_name = "SIZE")]
    memory_limit: Option<ByteSize>,
}

pub(super) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let overrides = Overrides { listen: args.listen, data_dir: args.data_dir, memory_limit: args.memory_limit };
    let config = config::load(args.config.as_deref(), &overrides)?;
    logging::init(&config.log);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("vigie-io")
        .build()
        .context("cannot start the runtime")?;
    runtime.block_on(async {
        let daemon = Daemon::bind(config).await?;
        tracing::info!(url = daemon.url(), version = env!("CARGO_PKG_VERSION"), "vigie listens");
        daemon.run(signal()).await?;
        anyhow::Ok(())
    })?;
    // A query may still be evaluated on a thread of the runtime; nobody waits for it any more.
    runtime.shutdown_background();
    Ok(ExitCode::SUCCESS)
}
