//! The replay of a Prometheus server's history: as many series as the queries give, scored together as the daemon
//! would have scored them.

mod judge;

use std::{
    collections::{BTreeMap, HashMap},
    io::Write as _,
    path::Path,
    time::Instant,
};

use anyhow::{Context as _, bail};

use super::{
    csv,
    evaluation::{Alarm, Assigned, Judge, Parts},
    item::{Item, Items, draw, marks, telling},
    progress::Progress,
    replay::{Heard, Replay},
    summary::Totals,
    time::stamp,
    tracks::Tracks,
};
use crate::{
    prometheus::{Client, QueryError},
    signal::{Finding, FindingScope, Identity, Labels, METRIC_NAME, TimestampMs},
};

/// Points that Prometheus gives of a series in one answer.
const POINTS_MAX: i64 = 11_000;
/// Samples held in memory, 8 bytes each.
const CELLS_MAX: usize = 100_000_000;

/// What is asked for.
#[derive(Debug)]
pub(super) struct History<'a> {
    pub(super) queries: &'a [String],
    pub(super) from: TimestampMs,
    pub(super) to: TimestampMs,
    pub(super) step: i64,
    pub(super) judge: Option<&'a Judge>,
}

/// Series on an even grid of times.
#[derive(Debug)]
struct Grid {
    at: Vec<TimestampMs>,
    labels: Vec<Labels>,
    /// By series, then by place in `at`; NaN where there is no sample.
    values: Vec<Vec<f64>>,
}

/// What was heard of a workload.
struct Workload {
    score: Vec<f64>,
    events: Vec<Alarm>,
    rows: usize,
}

/// What a replay came to.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) items: Vec<Item>,
    pub(super) parts: Parts,
    pub(super) totals: Totals,
}

impl History<'_> {
    /// Asks, replays, writes `scores.csv` to `out`.
    pub(super) fn run(&self, client: &Client, out: &Path, progress: &Progress) -> anyhow::Result<Outcome> {
        let begin = Instant::now();
        let assigned = self.judge.map(Judge::assign_history).transpose()?;
        if self.points() > CELLS_MAX as u64 {
            bail!("{} points are too many: shorten the time or raise --step", self.points());
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let grid = runtime.block_on(self.fetch(client, progress))?;
        if grid.labels.is_empty() {
            bail!("{} has no samples for {} in this time", client.shown(), self.queries.join(" and "));
        }
        std::fs::create_dir_all(out).with_context(|| format!("cannot create {}", out.display()))?;
        progress.tell(&format!("replaying {} series over {} points", grid.labels.len(), grid.at.len()));
        let judge = self.judge.zip(assigned.as_ref());
        let (items, parts, samples) = replay(grid, self.step, &out.join("scores.csv"), judge, progress)?;
        let rows = items.iter().map(|item| item.rows as u64).max().unwrap_or(0);
        Ok(Outcome { items, parts, totals: Totals { rows, samples, seconds: begin.elapsed().as_secs_f64() } })
    }

    /// Steps of progress that fetching takes.
    pub(super) fn points(&self) -> u64 {
        let points = (self.to - self.from) / self.step + 1;
        points.unsigned_abs() * (self.queries.len() as u64 + 1)
    }

    async fn fetch(&self, client: &Client, progress: &Progress) -> anyhow::Result<Grid> {
        let points = (self.to - self.from) / self.step + 1;
        let at: Vec<TimestampMs> = (0..points).map(|i| self.from + i * self.step).collect();
        let mut grid = Grid { at, labels: Vec::new(), values: Vec::new() };
        let mut place_of: HashMap<Labels, usize> = HashMap::new();
        for query in self.queries {
            let (mut done, mut size) = (0, POINTS_MAX);
            while done < points {
                let until = (done + size).min(points);
                let time = |i: i64| self.from + i * self.step;
                match client.range(query, time(done), time(until - 1), self.step).await {
                    Ok(answer) => {
                        for (labels, samples) in answer {
                            // An expression has no name: it is its own.
                            let labels =
                                if labels.metric().is_empty() { labels.with(METRIC_NAME, query) } else { labels };
                            let next = place_of.len();
                            let place = *place_of.entry(labels.clone()).or_insert(next);
                            if place == next {
                                if (next + 1).saturating_mul(grid.at.len()) > CELLS_MAX {
                                    bail!(
                                        "more than {next} series of {points} points are too much at once: \
                                         narrow the selector, shorten the time or raise --step"
                                    );
                                }
                                grid.labels.push(labels);
                                grid.values.push(vec![f64::NAN; grid.at.len()]);
                            }
                            self.fill(&mut grid.values[place], &samples);
                        }
                        progress.add((until - done).unsigned_abs());
                        done = until;
                    }
                    Err(QueryError::TooMuch(_)) if size > 60 => size /= 2,
                    Err(QueryError::TooMuch(error) | QueryError::Failed(error)) => {
                        return Err(error.context(format!("query {query:?}")));
                    }
                }
            }
            progress.tell(&format!("fetched {query}"));
        }
        Ok(grid)
    }

    fn fill(&self, values: &mut [f64], samples: &[(TimestampMs, f64)]) {
        for (at, value) in samples {
            let place = usize::try_from((at - self.from) / self.step).ok();
            if let Some(cell) = place.and_then(|place| values.get_mut(place)) {
                *cell = *value;
            }
        }
    }
}

/// Replays the grid; a line of `path` for each score, in order of time.
fn replay(
    grid: Grid,
    step: i64,
    path: &Path,
    judge: Option<(&Judge, &Assigned)>,
    progress: &Progress,
) -> anyhow::Result<(Vec<Item>, Parts, u64)> {
    let Grid { at, labels, values } = grid;
    let names: Vec<String> = labels.iter().map(|labels| csv::field(&labels.to_string()).into_owned()).collect();
    let mut engine = Replay::new(labels.clone(), step);
    let mut tracks = Tracks::new(at.clone(), labels.len());
    let mut events: Vec<Vec<Alarm>> = vec![Vec::new(); labels.len()];
    let mut workloads: BTreeMap<Labels, Workload> = BTreeMap::new();
    let mut score = vec![0.0; at.len()];
    let failed = || format!("cannot write {}", path.display());
    let mut file = std::io::BufWriter::new(std::fs::File::create(path).with_context(failed)?);
    writeln!(file, "time,series,value,state,event,expected,lower,upper").with_context(failed)?;

    let (mut sent, mut written) = (0, Ok(()));
    for (place, &now) in at.iter().enumerate() {
        let cells = values.iter().enumerate().map(|(column, values)| (column, values[place]));
        sent += engine.row(now, cells.filter(|(_, value)| !value.is_nan()), |heard| {
            tracks.hear(&heard);
            let (Heard::Series { at, verdict, .. } | Heard::Workload { at, verdict, .. }) = heard;
            if let Some(highest) = tracks.place(at).and_then(|place| score.get_mut(place)) {
                *highest = f64::max(*highest, f64::from(verdict.score));
            }
            let line = match heard {
                Heard::Series { column, at, value, state, event, verdict } => {
                    if event > 0.0 {
                        events[column].push(Alarm { at, score: event });
                    }
                    let (expected, half) = (verdict.expected, verdict.half_width);
                    let [expected, lower, upper] =
                        [expected, expected - half, expected + half].map(|v| csv::score(f64::from(v)));
                    let (name, value) = (&names[column], csv::value(value));
                    let (state, event) = (csv::score(state), csv::score(event));
                    format!("{},{name},{value},{state},{event},{expected},{lower},{upper}", stamp(at))
                }
                Heard::Workload { labels, at, state, event, verdict, .. } => {
                    let blank = || Workload { score: vec![f64::NAN; tracks.at.len()], events: Vec::new(), rows: 0 };
                    let workload = workloads.entry(labels.clone()).or_insert_with(blank);
                    workload.rows += 1;
                    if let Some(place) = tracks.place(at) {
                        workload.score[place] = f64::from(verdict.score);
                    }
                    if event > 0.0 {
                        workload.events.push(Alarm { at, score: event });
                    }
                    let name = labels.to_string();
                    format!("{},{},,{},{},,,", stamp(at), csv::field(&name), csv::score(state), csv::score(event))
                }
            };
            if written.is_ok() {
                written = writeln!(file, "{line}");
            }
        })?;
        if place % 64 == 0 {
            progress.add(64.min((at.len() - place) as u64));
        }
    }
    written.and_then(|()| file.flush()).with_context(failed)?;
    if let Some((count, reason)) = engine.refused() {
        progress.warn(&format!("{count} samples were refused, the first: {reason}"));
    }
    let findings = engine.findings(TimestampMs::MIN);
    let mut parts = Parts::default();
    if let Some((judge, assigned)) = judge {
        parts = Parts::new(std::slice::from_ref(assigned));
        parts.add(judge::whole(judge, &labels, &tracks, &score, &events, &workloads, &findings));
    }
    let mut items = Items::default();
    for (column, labels) in labels.iter().enumerate() {
        items.add(series_item(column, labels, &tracks, &values[column], &events[column], &findings));
    }
    for (named, workload) in workloads {
        items.add(workload_item(&named, workload, &labels, &tracks, &findings));
    }
    Ok((items.by_name(), parts, sent))
}

/// The series of a workload, and their names as a finding names its drivers: without the labels that name the workload.
fn members(named: &Labels, labels: &[Labels]) -> (Vec<usize>, Vec<String>) {
    let members: Vec<usize> =
        (0..labels.len()).filter(|column| Identity::workload_labels(&labels[*column]) == *named).collect();
    let short = |column: &usize| labels[*column].filtered(|label| named.get(label).is_none()).to_string();
    let names = members.iter().map(short).collect();
    (members, names)
}

fn times(alarms: &[Alarm]) -> Vec<TimestampMs> {
    alarms.iter().map(|alarm| alarm.at).collect()
}

fn series_item(
    column: usize,
    labels: &Labels,
    tracks: &Tracks,
    values: &[f64],
    events: &[Alarm],
    findings: &[Finding],
) -> Item {
    let name = labels.to_string();
    let findings: Vec<Finding> =
        findings.iter().filter(|f| f.scope == FindingScope::Series && f.labels == *labels).cloned().collect();
    let track = tracks.series.get(column);
    let mut there = values.iter().zip(&tracks.at).filter(|(value, _)| !value.is_nan()).map(|(_, at)| *at);
    let rows = there.clone().count();
    Item {
        rows,
        series: 1,
        span: there.next().map(|first| (first, there.next_back().unwrap_or(first))),
        events: events.len(),
        peak: tracks.peak[column],
        svg: track.map(|track| draw(&name, tracks, track, None, &marks(&findings, &times(events)))),
        findings,
        seconds: None,
        name,
    }
}

fn workload_item(named: &Labels, workload: Workload, labels: &[Labels], tracks: &Tracks, findings: &[Finding]) -> Item {
    let findings: Vec<Finding> =
        findings.iter().filter(|f| f.scope == FindingScope::Workload && f.labels == *named).cloned().collect();
    let (members, names) = members(named, labels);
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let peaks: Vec<f64> = members.iter().map(|column| tracks.peak[*column]).collect();
    let (member, _) = telling(&findings, &names, &peaks);
    let track = members.get(member).and_then(|column| tracks.series.get(*column));
    let title = format!("{named} · {}", names.get(member).copied().unwrap_or_default());
    let marks = marks(&findings, &times(&workload.events));
    Item {
        name: named.to_string(),
        rows: workload.rows,
        series: members.len(),
        span: tracks.at.first().copied().zip(tracks.at.last().copied()),
        events: workload.events.len(),
        peak: workload.score.iter().copied().fold(0.0, f64::max),
        svg: track.map(|track| draw(&title, tracks, track, Some(&workload.score), &marks)),
        findings,
        seconds: None,
    }
}
