//! The command line: one file for each subcommand.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[cfg(feature = "backtest")]
pub mod backtest;
mod config;
mod csv;
#[cfg(feature = "demo")]
pub mod demo;
#[cfg(feature = "loadgen")]
pub mod loadgen;
mod logging;
mod logs;
mod models;
mod progress;
mod serve;

/// A lookout beside Prometheus: learns what is normal for every series, says what is wrong and why.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the daemon: take remote write, score every sample, answer queries
    Serve(serve::Args),
    /// Show it at work: serve, and feed a simulated shop with known faults through the daemon's own endpoint
    #[cfg(feature = "demo")]
    Demo(demo::Args),
    /// Replay files, or a Prometheus server's history, through the engine and write scores and a report
    #[cfg(feature = "backtest")]
    Backtest(backtest::Args),
    /// Write realistic series to a receiver of remote write, and tell what it takes and what that costs it
    #[cfg(feature = "loadgen")]
    Loadgen(loadgen::Args),
    /// Print the templates of log files: what their lines say, how often, and what is odd
    Logs(logs::Args),
    /// List the forests that were trained, carry them from one vigie to another
    Models(models::Args),
    /// Check a configuration file, or print the manual of its keys
    Config(config::Args),
}

/// Runs the subcommand that was asked for.
///
/// # Errors
/// What the subcommand could not do, with its causes and, where there is one, the way out.
pub fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    match cli.command {
        Command::Serve(args) => serve::run(args),
        #[cfg(feature = "demo")]
        Command::Demo(args) => demo::run(args),
        #[cfg(feature = "backtest")]
        Command::Backtest(args) => backtest::run(args),
        #[cfg(feature = "loadgen")]
        Command::Loadgen(args) => loadgen::run(args),
        Command::Logs(args) => logs::run(&args),
        Command::Models(args) => models::run(args),
        Command::Config(args) => config::run(args),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
        for line in
            ["vigie serve --listen [::1]:0 --memory-limit 2GiB", "vigie config check a.yaml", "vigie config reference"]
        {
            Cli::try_parse_from(line.split(' ')).unwrap();
        }
        assert_eq!(Cli::try_parse_from(["vigie", "serve", "--listen", "9797"]).unwrap_err().exit_code(), 2);
    }
}
