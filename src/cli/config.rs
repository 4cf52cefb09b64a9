//! `vigie config`: what the configuration file may hold, and whether one is right.
#![allow(clippy::print_stdout, reason = "printing is what these commands are for")]

use std::{path::PathBuf, process::ExitCode};

use clap::Subcommand;

use crate::config;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Read a file as the daemon would, and say what is wrong with it
    Check {
        /// The file
        file: PathBuf,
    },
    /// Print every key with its default and effect, as Markdown
    Reference,
}

pub(super) fn run(args: Args) -> anyhow::Result<ExitCode> {
    match args.command {
        Command::Check { file } => {
            config::load(Some(&file), &config::Overrides::default())?;
            println!("{} is good", file.display());
        }
        Command::Reference => print!("{}", config::reference::markdown()),
    }
    Ok(ExitCode::SUCCESS)
}
