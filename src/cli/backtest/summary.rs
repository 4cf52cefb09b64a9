//! The summary: a table on stdout, `summary.csv` and `summary.json` beside the scores.

use std::{fmt::Write as _, io::Write as _, path::Path};

use serde::Serialize;

use super::{csv, item::Item, time::stamp};
use crate::{signal::Finding, ui::plot::ticks::number};

/// Lines of the table on stdout at most; all of them are in the files.
const LINES_MAX: usize = 60;
/// A name is shortened in the table to so many characters.
const NAME_MAX: usize = 60;

/// A line of the summary as JSON.
#[derive(Serialize)]
struct Line<'a> {
    name: &'a str,
    rows: usize,
    series: usize,
    from: Option<String>,
    to: Option<String>,
    events: usize,
    peak_score: f64,
    findings: &'a [Finding],
}

/// What a whole run amounts to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Totals {
    /// Rows read, of files; points in time, of a history.
    pub(super) rows: u64,
    /// Samples sent.
    pub(super) samples: u64,
    /// Wall seconds of the run.
    pub(super) seconds: f64,
}

fn ends(item: &Item) -> (Option<String>, Option<String>) {
    (item.span.map(|(from, _)| stamp(from)), item.span.map(|(_, to)| stamp(to)))
}

/// Writes `summary.csv` and `summary.json`, without times of this run: two runs give the same files.
pub(super) fn write(out: &Path, items: &[Item], with_csv: bool) -> std::io::Result<()> {
    if with_csv {
        let mut file = std::io::BufWriter::new(std::fs::File::create(out.join("summary.csv"))?);
        writeln!(file, "name,rows,series,from,to,events,findings,peak_score")?;
        for item in items {
            let (from, to) = ends(item);
            let (from, to) = (from.unwrap_or_default(), to.unwrap_or_default());
            let (name, peak) = (csv::field(&item.name), csv::score(item.peak));
            let (rows, series, events, findings) = (item.rows, item.series, item.events, item.findings.len());
            writeln!(file, "{name},{rows},{series},{from},{to},{events},{findings},{peak}")?;
        }
        file.flush()?;
    }
    let lines: Vec<Line<'_>> = items
        .iter()
        .map(|item| {
            let (from, to) = ends(item);
            let Item { name, rows, series, events, peak, findings, .. } = item;
            Line { name, rows: *rows, series: *series, from, to, events: *events, peak_score: *peak, findings }
        })
        .collect();
    let mut file = std::io::BufWriter::new(std::fs::File::create(out.join("summary.json"))?);
    serde_json::to_writer_pretty(&mut file, &lines)?;
    writeln!(file)?;
    file.flush()
}

/// The table for people.
pub(super) fn table(items: &[Item], totals: &Totals) -> String {
    let mut shown: Vec<&Item> = items.iter().collect();
    if shown.len() > LINES_MAX {
        shown.sort_by(|a, b| a.by_weight(b));
        shown.truncate(LINES_MAX);
    }
    let heading = ["name", "rows", "series", "span", "events", "findings", "peak", "seconds"].map(str::to_owned);
    let mut rows = vec![heading];
    rows.extend(shown.iter().map(|item| {
        [
            shorten(&item.name),
            item.rows.to_string(),
            item.series.to_string(),
            item.span.map_or_else(|| "–".into(), |(from, to)| span(to - from)),
            item.events.to_string(),
            item.findings.len().to_string(),
            number(item.peak),
            item.seconds.map_or_else(|| "–".into(), |seconds| format!("{seconds:.1}")),
        ]
    }));
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; 8] = std::array::from_fn(width);
    let mut text = String::new();
    for row in &rows {
        let _ = write!(text, "{:<1$}", row[0], widths[0]);
        for (cell, width) in row.iter().zip(widths).skip(1) {
            let _ = write!(text, "  {cell:>width$}");
        }
        text.push('\n');
    }
    if shown.len() < items.len() {
        let _ = writeln!(text, "… and {} more, with fewer events, in summary.csv", items.len() - shown.len());
    }
    let Totals { rows, samples, seconds } = *totals;
    let events: usize = items.iter().map(|item| item.events).sum();
    let per_second = |count: u64| number(count as f64 / seconds.max(1e-3));
    let _ = writeln!(
        text,
        "\n{rows} rows ({samples} samples), {events} events; {seconds:.1} s, {} rows/s, {} samples/s",
        per_second(rows),
        per_second(samples),
    );
    text
}

/// The end of a long path tells more than its beginning.
pub(super) fn shorten(name: &str) -> String {
    let length = name.chars().count();
    if length <= NAME_MAX {
        return name.to_owned();
    }
    std::iter::once('…').chain(name.chars().skip(length - NAME_MAX + 1)).collect()
}

/// A span of time in its two largest units.
pub(super) fn span(ms: i64) -> String {
    let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s"), (1, "ms")];
    let Some(first) = units.iter().position(|(unit, _)| ms >= *unit) else { return "0s".into() };
    let (unit, name) = units[first];
    let mut text = format!("{}{name}", ms / unit);
    if let Some((next, name)) = units.get(first + 1).filter(|(next, name)| *name != "ms" && ms % unit >= *next) {
        let _ = write!(text, " {}{name}", ms % unit / next);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_show_two_units() {
        let cases =
            [(0, "0s"), (1_500, "1s"), (90_000, "1m 30s"), (86_400_000 * 16, "16d"), (97_200_000, "1d 3h"), (5, "5ms")];
        for (ms, expected) in cases {
            assert_eq!(span(ms), expected);
        }
    }

    #[test]
    fn long_paths_keep_their_end() {
        let name = format!("{}/disk", "x".repeat(80));
        let short = shorten(&name);
        assert_eq!(short.chars().count(), NAME_MAX);
        assert!(short.starts_with('…') && short.ends_with("/disk"));
    }
}
