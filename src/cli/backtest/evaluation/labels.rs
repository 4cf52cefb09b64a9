//! What was wrong and when, as people write it down: three forms of files, told apart by content, or a column of the
//! data itself.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

use super::{alarms::Window, incidents, rows::Rows, windows};
use crate::{
    cli::backtest::time::{parse_time, stamp, unix_unit},
    signal::{Matcher, TimestampMs},
};

/// Before the name of a column of the data.
const COLUMN: &str = "column:";
/// Most of a file that is looked at as text, in bytes: years of incidents.
const TEXT_MAX: u64 = 64 << 20;

/// Where labels come from, as given on the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli::backtest) enum Source {
    /// A column of each data file.
    Column(String),
    /// A file of its own.
    File(PathBuf),
}

impl Source {
    pub(in crate::cli::backtest) fn parse(text: &str) -> Result<Self, String> {
        match text.strip_prefix(COLUMN) {
            Some("") => Err("name the column: column:label".into()),
            Some(name) => Ok(Self::Column(name.to_owned())),
            None => Ok(Self::File(text.into())),
        }
    }

    /// The file, where there is one.
    pub(in crate::cli::backtest) fn path(&self) -> Option<&Path> {
        match self {
            Self::Column(_) => None,
            Self::File(path) => Some(path),
        }
    }
}

/// Labels, read but not yet laid beside data.
#[derive(Debug)]
pub(super) enum Labels {
    /// The name of a column of the data.
    Column(String),
    /// A label for each row of one data file.
    Rows(Rows),
    /// Windows.
    Incidents(Incidents),
}

/// Windows, each with what it is about.
#[derive(Debug)]
pub(super) struct Incidents {
    pub(super) all: Vec<Incident>,
    /// Data files that were looked through, where the form says so: what was not looked through is not judged.
    pub(super) files: Option<Vec<String>>,
}

/// A window in which something was wrong.
#[derive(Debug)]
pub(super) struct Incident {
    /// Where it is written, such as `line 3`.
    pub(super) origin: String,
    pub(super) window: Window,
    pub(super) name: Option<String>,
    pub(super) about: About,
}

/// What was wrong.
#[derive(Debug)]
pub(super) enum About {
    /// Not said: anything.
    Anything,
    /// A data file.
    File(String),
    /// Series that any of these selectors picks.
    Series(Vec<Vec<Matcher>>),
}

impl Labels {
    /// # Errors
    /// The file cannot be read, is of no known form, or a part of it cannot be understood; the message says which and
    /// what to write instead.
    pub(super) fn read(source: &Source) -> anyhow::Result<Self> {
        match source {
            Source::Column(name) => Ok(Self::Column(name.clone())),
            Source::File(path) => Self::of_file(path).with_context(|| format!("labels of {}", path.display())),
        }
    }

    fn of_file(path: &Path) -> anyhow::Result<Self> {
        let Some(text) = text(path)? else { return Rows::read(path).map(Self::Rows) };
        let first = text.trim_start_matches('\u{feff}').trim_start();
        if first.is_empty() {
            bail!("it is empty; write start,end in a first line and an incident in each line after it");
        }
        if first.starts_with(['{', '[']) {
            windows::parse(&text).map(Self::Incidents)
        } else if incidents::is_table(&text) {
            incidents::parse(&text).map(Self::Incidents)
        } else {
            Rows::read(path).map(Self::Rows)
        }
    }
}

/// The file as text; `None` if it is none, such as Parquet or compressed CSV, or longer than anyone writes by hand.
fn text(path: &Path) -> anyhow::Result<Option<String>> {
    if std::fs::metadata(path)?.len() > TEXT_MAX {
        return Ok(None);
    }
    Ok(String::from_utf8(std::fs::read(path)?).ok())
}

/// Reads a moment: what a time column may hold, or Unix time in any unit.
pub(super) fn moment(text: &str) -> anyhow::Result<TimestampMs> {
    let unix = || text.trim().parse::<f64>().ok().filter(|number| number.abs() < 1e20);
    let at = parse_time(text).or_else(|| unix().map(|number| (number * unix_unit(number)) as TimestampMs));
    at.with_context(|| format!("{text:?} is not a time; write 2026-01-31T08:00:00Z or Unix seconds"))
}

/// A window, checked.
pub(super) fn window(start: TimestampMs, end: TimestampMs) -> anyhow::Result<Window> {
    if end < start {
        bail!("it ends at {}, before its start at {}; swap the two", stamp(end), stamp(start));
    }
    Ok((start, end))
}
