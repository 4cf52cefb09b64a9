//! `vigie backtest --sessions`: sequences of events, learnt without labels and judged.

use std::{
    fs::{self, File},
    io::{BufWriter, Write as _},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};
use polars::prelude::{Column, DataFrame, DataType};

use super::csv;
use crate::logs::sessions::{Broken, Learner, counts};

/// Reads a CSV file with an id, `events` (names, a blank between two of them) and, if there is one, `split`; learns from the
/// rows with split `train`, or all, and writes a row for each of the others, or all, into `out`. Gives the file and how many
/// sessions are anomalous of how many.
pub(super) fn run(path: &Path, out: &Path) -> anyhow::Result<(PathBuf, usize, usize)> {
    let frame = csv::read(path).with_context(|| format!("{} cannot be read", path.display()))?;
    let id =
        frame.columns().iter().map(Column::name).find(|name| !matches!(name.as_str(), "events" | "label" | "split"));
    let Some(id) = id.cloned() else { bail!("{} has no column with the ids of sessions", path.display()) };
    let events = texts(&frame, "events").context("sessions need a column `events` with names, a blank between two")?;
    let splits = texts(&frame, "split").ok();
    let ids = texts(&frame, &id)?;
    let is_of = |row: usize, split: &str| splits.as_ref().is_none_or(|splits| splits[row] == split);

    let mut learner = Learner::default();
    let rows = || events.iter().enumerate();
    rows()
        .filter(|(row, _)| is_of(*row, "train"))
        .for_each(|(_, events)| learner.learn(&counts(events.split_whitespace())));
    let relations = learner.relations();

    fs::create_dir_all(out).with_context(|| format!("{} cannot be made", out.display()))?;
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let name = name.strip_suffix(".gz").unwrap_or(&name);
    let target = out.join(name);
    if fs::canonicalize(&target).is_ok_and(|target| fs::canonicalize(path).is_ok_and(|path| path == target)) {
        bail!("{} would be overwritten; name another folder with --out", target.display());
    }
    let mut file =
        BufWriter::new(File::create(&target).with_context(|| format!("{} cannot be written", target.display()))?);
    writeln!(file, "{},state_score,anomalous,broken", csv::field(&id))?;
    let (mut judged, mut anomalous) = (0, 0);
    for (row, events) in rows().filter(|(row, _)| is_of(*row, "test")) {
        let broken = relations.broken(&counts(events.split_whitespace()));
        let score = broken.iter().fold(0.0, |sum, broken| sum + broken.surprise);
        let why: Vec<String> = broken.iter().map(|Broken { relation, .. }| relation.to_string()).collect();
        judged += 1;
        anomalous += usize::from(!broken.is_empty());
        let is_broken = u8::from(!broken.is_empty());
        writeln!(file, "{},{},{is_broken},{}", csv::field(&ids[row]), csv::score(score), csv::field(&why.join("; ")))?;
    }
    file.flush()?;
    Ok((target, anomalous, judged))
}

/// A column as texts.
fn texts(frame: &DataFrame, name: &str) -> anyhow::Result<Vec<String>> {
    let column = frame.column(name)?.cast(&DataType::String)?;
    Ok(column.str()?.iter().map(|text| text.unwrap_or_default().to_owned()).collect())
}
