//! The replay of files, several at a time, each on its own.

use std::{
    path::Path,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use anyhow::{Context as _, anyhow, bail};

use super::{
    evaluation::{Assigned, Judge, Parts},
    file::{self, Known, Settings},
    files::{self, Input},
    item::{Item, Items},
    progress::Progress,
    summary::Totals,
    table::{Table, TableError},
};

/// What is asked for.
#[derive(Debug)]
pub(super) struct Files<'a> {
    pub(super) path: &'a Path,
    pub(super) train: Option<&'a Path>,
    pub(super) ignore: &'a [String],
    pub(super) step: Option<i64>,
    pub(super) out: &'a Path,
    pub(super) quiet: bool,
    /// Judges by the labels of this file, or of a column.
    pub(super) judge: Option<&'a Judge>,
    pub(super) label_file: Option<&'a Path>,
}

/// What the threads share.
#[derive(Default)]
struct Done {
    items: Items,
    /// What was judged.
    parts: Parts,
    samples: u64,
    /// Names of the list to ignore that some file has.
    ignored: Vec<String>,
    failed: usize,
    /// Why the first file failed, in order of names.
    failure: Option<(usize, anyhow::Error)>,
}

/// What a run came to.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) items: Vec<Item>,
    pub(super) parts: Parts,
    pub(super) totals: Totals,
    /// Files that could not be replayed.
    pub(super) failed: usize,
    /// Whether a file's scores are called `summary.csv`.
    pub(super) summary_taken: bool,
}

impl Files<'_> {
    /// Replays all files and writes their scores.
    pub(super) fn run(&self) -> anyhow::Result<Outcome> {
        let begin = Instant::now();
        let inputs = files::find(self.path, self.out, self.label_file)?;
        let assigned = self.judge.map(|judge| judge.assign(&inputs)).transpose()?;
        let (assigned, notes) = assigned.unwrap_or_default();
        let train = self.train.map(|path| {
            self.training_part(path).with_context(|| format!("cannot use training file {}", path.display()))
        });
        let train = train.transpose()?;
        std::fs::create_dir_all(self.out).with_context(|| format!("cannot create {}", self.out.display()))?;
        let settings = Settings { train: train.as_ref(), step: self.step, out: self.out };
        let progress = Progress::new(inputs.iter().map(|input| input.bytes).sum(), self.quiet);
        notes.iter().for_each(|note| progress.warn(note));
        let done = Mutex::new(Done { parts: Parts::new(&assigned), ..Done::default() });
        self.work(&inputs, &assigned, &settings, &done, &progress)?;
        let done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
        let known = |name: &&String| !done.ignored.contains(name) && !train.iter().any(|t| t.ignored.contains(name));
        for name in self.ignore.iter().filter(known) {
            progress.warn(&format!("no file has the column {name:?} of --ignore"));
        }
        progress.finish();
        let items = done.items.by_name();
        if let (true, Some((_, failure))) = (items.is_empty(), done.failure) {
            return Err(failure);
        }
        if items.is_empty() {
            bail!("no file below {} has a column of numbers", self.path.display());
        }
        let rows = items.iter().map(|item| item.rows as u64).sum();
        let totals = Totals { rows, samples: done.samples, seconds: begin.elapsed().as_secs_f64() };
        let summary_taken = inputs.iter().any(|input| input.name.eq_ignore_ascii_case("summary"));
        Ok(Outcome { items, parts: done.parts, totals, failed: done.failed, summary_taken })
    }

    fn training_part(&self, path: &Path) -> Result<Table, TableError> {
        let mut table = Table::read(path, self.ignore)?;
        if let Some(name) = self.judge.and_then(Judge::column) {
            table.take(name)?;
        }
        Ok(table)
    }

    /// Replays the files on as many threads as there are cores. The result does not depend on who took which.
    fn work(
        &self,
        inputs: &[Input],
        assigned: &[Assigned],
        settings: &Settings<'_>,
        done: &Mutex<Done>,
        progress: &Progress,
    ) -> anyhow::Result<()> {
        let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get());
        let next = AtomicUsize::new(0);
        let worker = || {
            loop {
                let place = next.fetch_add(1, Ordering::Relaxed);
                let Some(input) = inputs.get(place) else { break };
                let result = self.one(input, assigned.get(place), settings, done, progress);
                let mut done = done.lock().unwrap_or_else(PoisonError::into_inner);
                match result {
                    Ok(Some(item)) => done.items.add(item),
                    Ok(None) => {}
                    Err(error) => {
                        if inputs.len() > 1 {
                            progress.error(&format!("error: {error:#}"));
                        }
                        done.failed += 1;
                        if done.failure.as_ref().is_none_or(|(first, _)| place < *first) {
                            done.failure = Some((place, error));
                        }
                    }
                }
            }
        };
        std::thread::scope(|scope| {
            let workers: Vec<_> = (0..cores.min(inputs.len())).map(|_| scope.spawn(worker)).collect();
            workers
                .into_iter()
                .try_for_each(|worker| worker.join().map_err(|_| anyhow!("a thread of the replay broke down")))
        })
    }

    /// Replays one file. `None` for a file among others that holds nothing to replay.
    fn one(
        &self,
        input: &Input,
        assigned: Option<&Assigned>,
        settings: &Settings<'_>,
        done: &Mutex<Done>,
        progress: &Progress,
    ) -> anyhow::Result<Option<Item>> {
        let mut table = match Table::read(&input.path, self.ignore) {
            Err(reason @ (TableError::Empty | TableError::NoSeries(_))) if self.path.is_dir() => {
                progress.warn(&format!("{} is left out: {reason}", input.path.display()));
                return Ok(None);
            }
            read => read.with_context(|| format!("cannot replay {}", input.path.display()))?,
        };
        let cannot = || format!("cannot replay {}", input.path.display());
        let known = match self.judge.zip(assigned) {
            Some((judge, assigned)) => {
                Some(self.known(judge, assigned, &mut table, input, progress).with_context(cannot)?)
            }
            None => None,
        };
        let (item, part) = file::replay(input, &table, settings, known.as_ref(), progress).with_context(cannot)?;
        let mut done = done.lock().unwrap_or_else(PoisonError::into_inner);
        done.samples += table.columns.iter().flat_map(|column| &column.values).filter(|v| !v.is_nan()).count() as u64;
        done.ignored.extend(table.ignored);
        part.into_iter().for_each(|part| done.parts.add(part));
        progress.tell(&format!("{}: {} rows, {} events", item.name, item.rows, item.events));
        Ok(Some(item))
    }

    /// What is known of a file; its label column is taken out.
    fn known<'a>(
        &self,
        judge: &'a Judge,
        assigned: &'a Assigned,
        table: &mut Table,
        input: &Input,
        progress: &Progress,
    ) -> anyhow::Result<Known<'a>> {
        let Some(name) = judge.column() else { return Ok(Known { judge, assigned, column: None }) };
        let column = table.take(name)?;
        if column.is_none() && !self.path.is_dir() {
            let names: Vec<&str> = table.columns.iter().map(|column| column.name.as_str()).collect();
            bail!("it has no column {name:?} of 0 and 1 for --labels (columns of numbers: {})", names.join(", "));
        }
        if column.is_none() {
            progress.warn(&format!("{} has no column {name:?} and is not judged", input.path.display()));
        }
        Ok(Known { judge, assigned, column })
    }
}
