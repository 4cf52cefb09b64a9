//! The replay of one file: an engine of its own, a row of scores for each row.

use std::{io::Write as _, path::Path, time::Instant};

use anyhow::Context as _;

use super::{
    csv,
    evaluation::{Alarm, Assigned, Group, Judge, Part, Scene, Subject, Truth},
    files::Input,
    item::{Item, draw, marks, telling},
    order::{Order, orders},
    progress::Progress,
    replay::{Heard, Replay},
    table::{Column, Table},
    time::stamp,
    tracks::Tracks,
};
use crate::signal::{Finding, FindingScope, Identity, Labels, METRIC_NAME, TimestampMs};

/// Rows between two reports of progress.
const PROGRESS_ROWS: usize = 1_024;

/// What is the same for all files.
#[derive(Debug)]
pub(super) struct Settings<'a> {
    pub(super) train: Option<&'a Table>,
    pub(super) step: Option<i64>,
    pub(super) out: &'a Path,
}

/// What is known to have been wrong in a file.
#[derive(Debug)]
pub(super) struct Known<'a> {
    pub(super) judge: &'a Judge,
    pub(super) assigned: &'a Assigned,
    /// The label column of the file.
    pub(super) column: Option<Column>,
}

/// Scores by place in the order of replay.
struct Scores {
    state: Vec<f64>,
    event: Vec<f64>,
    /// 1 is the threshold.
    score: Vec<f64>,
    /// The column that strays furthest, of a workload.
    driver: Vec<Option<usize>>,
}

/// Replays a file that was read and writes its scores. It is also judged if labels are about it.
pub(super) fn replay(
    input: &Input,
    table: &Table,
    settings: &Settings<'_>,
    known: Option<&Known<'_>>,
    progress: &Progress,
) -> anyhow::Result<(Item, Option<Part>)> {
    let begin = Instant::now();
    let (train, order) = orders(settings.train, table, settings.step)?;
    tell_oddities(input, table, &order, settings, progress);
    let names: Vec<&str> = table.columns.iter().map(|column| column.name.as_str()).collect();
    let labels: Vec<Labels> = names
        .iter()
        .map(|name| Labels::from_pairs([(METRIC_NAME, *name), ("instance", &input.name), ("job", "backtest")]))
        .collect();
    let truth =
        known.map(|known| known.judge.truth_of_file(known.assigned, known.column.as_ref(), (table, &order), &labels));
    let truth = truth.transpose()?.flatten();
    let mut engine = Replay::new(labels.clone(), order.step());
    if let (Some(order), Some(table)) = (&train, settings.train) {
        learn(&mut engine, order, table, &names)?;
    }

    let mut tracks = Tracks::new(order.at.clone(), names.len());
    let mut scores = Scores::new(order.at.len());
    let mut told = 0;
    for (i, (&at, &row)) in order.at.iter().zip(&order.row).enumerate() {
        let cells = table.columns.iter().enumerate().map(|(column, cells)| (column, cells.values[row]));
        engine.row(at, cells.filter(|(_, value)| !value.is_nan()), |heard| {
            scores.hear(&heard, &tracks, &names);
            tracks.hear(&heard);
        })?;
        if i % PROGRESS_ROWS == 0 {
            let done = (input.bytes as f64 * i as f64 / order.at.len() as f64) as u64;
            progress.add(done - std::mem::replace(&mut told, done));
        }
    }
    progress.add(input.bytes - told);
    if let Some((count, reason)) = engine.refused() {
        progress.warn(&format!("{}: {count} samples were refused, the first: {reason}", input.path.display()));
    }
    scores.hold();
    let path = input.output(settings.out);
    write(&path, table, &order, &scores, &tracks, &names)
        .with_context(|| format!("cannot write {}", path.display()))?;

    let findings = engine.findings(order.at.first().copied().unwrap_or(TimestampMs::MIN));
    let events: Vec<TimestampMs> =
        scores.event.iter().zip(&order.at).filter(|(event, _)| **event > 0.0).map(|(_, at)| *at).collect();
    let part = known
        .zip(truth)
        .map(|(known, truth)| judge(known.judge, truth, &input.name, &tracks, &scores, &labels, &findings));
    let (column, alone) = telling(&findings, &names, &tracks.peak);
    let title = if names.len() == 1 { input.name.clone() } else { format!("{} · {}", input.name, names[column]) };
    let joint_score = (names.len() > 1 && !alone).then_some(scores.score.as_slice());
    // What was found of the other series would mark what is not to be seen here.
    let shown = findings.iter().filter(|f| f.scope == FindingScope::Workload || f.labels.metric() == names[column]);
    let marks = marks(shown, &events);
    let svg = tracks.series.get(column).map(|track| draw(&title, &tracks, track, joint_score, &marks));
    let item = Item {
        name: input.name.clone(),
        rows: table.rows,
        series: names.len(),
        span: order.at.first().copied().zip(order.at.last().copied()),
        events: events.len(),
        peak: tracks.peak.iter().chain(&scores.score).copied().fold(0.0, f64::max),
        findings,
        svg,
        seconds: Some(begin.elapsed().as_secs_f64()),
    };
    Ok((item, part))
}

/// Judges what was said of a file: of one series as that series, of several as a workload.
fn judge(
    judge: &Judge,
    truth: Truth,
    name: &str,
    tracks: &Tracks,
    scores: &Scores,
    labels: &[Labels],
    findings: &[Finding],
) -> Part {
    let is_workload = labels.len() > 1;
    let names: Vec<String> = labels.iter().map(|labels| labels.metric().to_owned()).collect();
    let titles: Vec<String> =
        names.iter().map(|column| if is_workload { format!("{name} · {column}") } else { name.to_owned() }).collect();
    let group = labels.first().filter(|_| is_workload).map(|first| Group {
        labels: Identity::workload_labels(first),
        members: (0..labels.len()).collect(),
        names,
        score: scores.score.clone(),
    });
    let subject = if is_workload { Subject::Group(0) } else { Subject::Series(0) };
    let raised = scores.event.iter().zip(&tracks.at).filter(|(score, _)| **score > 0.0);
    let events: Vec<_> = raised.map(|(score, at)| (Alarm { at: *at, score: *score }, subject)).collect();
    let scene = Scene {
        name,
        tracks,
        labels,
        titles: &titles,
        groups: group.as_slice(),
        findings,
        events: &events,
        score: &scores.state,
    };
    judge.judge(&scene, truth)
}

/// Says once per file what a user may not expect of it.
fn tell_oddities(input: &Input, table: &Table, order: &Order, settings: &Settings<'_>, progress: &Progress) {
    let note = |text: String| progress.warn(&format!("{}: {text}", input.path.display()));
    if order.sorted_here {
        note("rows are not in order of time; replayed in order, written as they stand".into());
    }
    if order.duplicates > 0 {
        note(format!("{} rows have the time of another row; only the first of them is scored", order.duplicates));
    }
    if order.timeless > 0 {
        note(format!("{} rows have no time and are not scored", order.timeless));
    }
    if !table.left_out.is_empty() {
        note(format!("not numbers, left out: {}", table.left_out.join(", ")));
    }
    if let Some(train) = settings.train {
        let known = |name: &str| train.columns.iter().any(|column| column.name == name);
        let unknown: Vec<&str> = table.columns.iter().map(|c| c.name.as_str()).filter(|name| !known(name)).collect();
        if !unknown.is_empty() {
            note(format!("not in the training part: {}", unknown.join(", ")));
        }
    }
}

/// Replays a training part: of its columns those that the file has.
fn learn(engine: &mut Replay, order: &Order, train: &Table, names: &[&str]) -> anyhow::Result<()> {
    let column_of = |name: &str| train.columns.iter().find(|column| column.name == name);
    let columns: Vec<_> = names.iter().map(|name| column_of(name)).collect();
    for (&at, &row) in order.at.iter().zip(&order.row) {
        let cells = columns.iter().enumerate().filter_map(|(column, cells)| Some((column, (*cells)?.values[row])));
        engine.row(at, cells.filter(|(_, value)| !value.is_nan()), |_| {})?;
    }
    engine.end_training();
    Ok(())
}

impl Scores {
    fn new(moments: usize) -> Self {
        let blank = vec![f64::NAN; moments];
        Self { state: blank.clone(), event: vec![0.0; moments], score: blank, driver: vec![None; moments] }
    }

    /// A file of one series is scored as a series, one of several as a workload.
    fn hear(&mut self, heard: &Heard<'_>, tracks: &Tracks, names: &[&str]) {
        let (at, state, event, verdict, top) = match *heard {
            Heard::Series { at, state, event, verdict, .. } if names.len() == 1 => (at, state, event, verdict, None),
            Heard::Workload { at, state, event, verdict, top, .. } if names.len() > 1 => {
                (at, state, event, verdict, top)
            }
            _ => return,
        };
        let Some(place) = tracks.place(at) else { return };
        self.state[place] = state;
        self.event[place] = if event.is_finite() { event } else { 0.0 };
        self.score[place] = f64::from(verdict.score);
        self.driver[place] = top.and_then(|top| names.iter().position(|name| *name == top));
    }

    /// A row that was not scored, for want of samples, has the state of the row before it.
    fn hold(&mut self) {
        for scores in [&mut self.state, &mut self.score] {
            let mut last = 0.0;
            for score in scores {
                if score.is_finite() {
                    last = *score;
                } else {
                    *score = last;
                }
            }
        }
    }
}

/// Writes one row for each row of the file, in its order.
fn write(
    path: &Path,
    table: &Table,
    order: &Order,
    scores: &Scores,
    tracks: &Tracks,
    names: &[&str],
) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let mut out = std::io::BufWriter::new(std::fs::File::create(path)?);
    let alone = if names.len() == 1 { tracks.series.first() } else { None };
    let lines = alone.map(|track| (track, track.lines()));
    let more = if lines.is_some() { "value,expected,lower,upper" } else { "driver" };
    writeln!(out, "timestamp,state_score,event_score,score,{more}")?;

    let mut place_of_row = vec![None; table.rows];
    for (place, row) in order.row.iter().enumerate() {
        place_of_row[*row] = Some(place);
    }
    for (row, place) in place_of_row.into_iter().enumerate() {
        let written = table.times.as_ref().map(|times| (times.at[row], times.written[row].as_str()));
        // A row at the time of another one shares its state, but an event is told once.
        let first = place.is_some();
        let place = place.or_else(|| tracks.place(written?.0?));
        match written {
            Some((_, text)) => write!(out, "{}", csv::field(text))?,
            None => write!(out, "{}", place.map(|place| stamp(order.at[place])).unwrap_or_default())?,
        }
        let Some(place) = place else {
            writeln!(out, ",0,0,0{}", if lines.is_some() { ",,,," } else { "," })?;
            continue;
        };
        let event = if first { scores.event[place] } else { 0.0 };
        let (state, score) = (csv::score(scores.state[place]), csv::score(scores.score[place]));
        write!(out, ",{state},{},{score}", csv::score(event))?;
        match &lines {
            Some((track, [expected, lower, upper, _])) => {
                let value = csv::value(track.value[place]);
                let [expected, lower, upper] = [expected, lower, upper].map(|line| csv::score(line[place]));
                writeln!(out, ",{value},{expected},{lower},{upper}")?;
            }
            None => writeln!(out, ",{}", scores.driver[place].map_or("".into(), |column| csv::field(names[column])))?,
        }
    }
    out.flush()
}
