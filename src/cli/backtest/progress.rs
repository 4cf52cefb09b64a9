//! How far a replay has come, on stderr.

use indicatif::ProgressBar;

use crate::cli::progress;

/// A bar on a terminal, a line for each finished part elsewhere, warnings in both. Shared by threads.
#[derive(Debug)]
pub(super) struct Progress {
    /// `None` where stderr is not a terminal.
    bar: Option<ProgressBar>,
    quiet: bool,
}

impl Progress {
    /// `total` is in bytes for files; any unit will do.
    pub(super) fn new(total: u64, quiet: bool) -> Self {
        let bar = if quiet { None } else { progress::bar(total) };
        Self { bar, quiet }
    }

    /// A part of a file is done.
    pub(super) fn tell(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.set_message(text.to_owned()),
            None if self.quiet => {}
            None => eprintln!("{text}"),
        }
    }

    /// So many units are done.
    pub(super) fn add(&self, units: u64) {
        if let Some(bar) = &self.bar {
            bar.inc(units);
        }
    }

    /// Something the user should know; `--quiet` leaves it out.
    pub(super) fn warn(&self, text: &str) {
        if !self.quiet {
            self.error(&format!("warning: {text}"));
        }
    }

    /// Something that went wrong; always told.
    pub(super) fn error(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| eprintln!("{text}")),
            None => eprintln!("{text}"),
        }
    }

    /// Takes the bar away.
    pub(super) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
