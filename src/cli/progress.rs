//! How far long work has come, on stderr.

use std::{io::IsTerminal as _, time::Duration};

use indicatif::{ProgressBar, ProgressStyle};

/// A bar over so many units, of which any will do; `None` where stderr is no terminal.
pub(super) fn bar(total: u64) -> Option<ProgressBar> {
    std::io::stderr().is_terminal().then(|| {
        let style = ProgressStyle::with_template("{bar:32} {percent:>3} %  {elapsed} gone, {eta} to go  {wide_msg}");
        let bar = ProgressBar::new(total.max(1)).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.enable_steady_tick(Duration::from_millis(250));
        bar
    })
}
