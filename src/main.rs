//! Turns the command line into an exit code: 0 done, 1 failed, 2 not understood.

use std::process::ExitCode;

use clap::Parser;

/// Sample windows are many small, short-lived blocks on several threads, where the system's allocator fragments.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match vigie::cli::run(vigie::cli::Cli::parse()) {
        Ok(code) => code,
        Err(error) => {
            // One line, outermost first, so that it also reads well in a service manager's journal.
            eprintln!("vigie: {error:#}");
            ExitCode::FAILURE
        }
    }
}
