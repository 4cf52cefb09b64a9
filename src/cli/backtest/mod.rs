//! `vigie backtest`: what vigie would have said about the past.
//!
//! Files (CSV, Parquet) or the history of a Prometheus server run through the same engine, by the same requests, as
//! they would have in the daemon. Scores come out as CSV, a row for each row that went in; a summary and a page with
//! pictures beside them. Each file is a replay of its own: its scores do not depend on what else is in the folder.

mod csv;
mod evaluation;
mod file;
mod files;
mod folder;
mod history;
mod item;
mod order;
mod progress;
mod replay;
mod report;
mod sessions;
mod summary;
mod table;
mod time;
mod tracks;

#[cfg(test)]
mod tests;

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    process::ExitCode,
    time::{SystemTime, UNIX_EPOCH},
};

use anyhow::{Context as _, bail};

use self::{
    evaluation::{Judge, Parts, Source, Terms},
    folder::Files,
    history::History,
    item::Item,
    progress::Progress,
    summary::Totals,
    time::{parse_duration, parse_moment},
};
use crate::{prometheus::Client, signal::TimestampMs};

/// Where the bearer token is looked for when no file is named.
const TOKEN_VARIABLE: &str = "VIGIE_PROMETHEUS_TOKEN";

/// Arguments of `vigie backtest`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A CSV file (also .gz), a Parquet file, or a folder of them
    #[arg(required_unless_present = "prometheus")]
    path: Option<PathBuf>,

    /// Where to write scores, summary and report
    #[arg(long, value_name = "DIR")]
    out: PathBuf,

    /// A file to learn from first; nothing is reported of it
    #[arg(long, value_name = "FILE", conflicts_with = "prometheus")]
    train: Option<PathBuf>,

    /// PATH is a CSV file of sessions: an id, `events` (names, a blank between two of them) and `split`; learn from the
    /// rows with split train, without labels, and judge those with test
    #[arg(long, conflicts_with_all = ["prometheus", "train", "ignore", "step", "labels"])]
    sessions: bool,

    /// Columns that are no series, separated by commas
    #[arg(long, value_name = "COLUMN", value_delimiter = ',', conflicts_with = "prometheus")]
    ignore: Vec<String>,

    /// Distance of rows without a time column, or of points asked of Prometheus [default: 1m, or 15s]
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    step: Option<i64>,

    #[command(flatten)]
    judging: Box<Judging>,

    /// Say nothing but errors
    #[arg(long, short)]
    quiet: bool,

    /// Replay the history of this server, or of what answers like it; the URL may hold user and password
    #[arg(long, value_name = "URL", conflicts_with = "path", requires_all = ["query", "from"])]
    prometheus: Option<String>,

    /// A selector or any expression; may be given more than once
    #[arg(long, value_name = "PROMQL", requires = "prometheus")]
    query: Vec<String>,

    /// First moment: 2026-01-31T08:00:00Z, Unix seconds, or now-7d
    #[arg(long, value_name = "TIME", requires = "prometheus")]
    from: Option<String>,

    /// Last moment
    #[arg(long, value_name = "TIME", requires = "prometheus", default_value = "now")]
    to: String,

    /// File that holds a bearer token [default: the environment's VIGIE_PROMETHEUS_TOKEN]
    #[arg(long, value_name = "FILE", requires = "prometheus")]
    bearer_token_file: Option<PathBuf>,

    /// A header to send along, such as `X-Scope-OrgID: team-a`; may be given more than once
    #[arg(long, value_name = "HEADER", requires = "prometheus", value_parser = parse_header)]
    header: Vec<(String, String)>,
}

/// How to judge what comes out.
#[derive(Debug, clap::Args)]
struct Judging {
    /// Judge by what is known to have been wrong: a file of incidents (start,end[,name][,file or series]), of JSON
    /// windows ({"file": [[start, end]]}) or of rows with a 0/1 label; or column:NAME of the data
    #[arg(long, value_name = "FILE", value_parser = Source::parse)]
    labels: Option<Source>,

    /// Judge the highest scores only, so many findings a week [default: all, at the product's thresholds]
    #[arg(long, value_name = "N", value_parser = parse_budget, requires = "labels")]
    budget: Option<f64>,

    /// How far beside a labelled window a finding is still a hit
    #[arg(long, value_name = "DURATION", value_parser = parse_tolerance, requires = "labels", default_value = "0s")]
    tolerance: i64,
}

fn parse_header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once(':').ok_or_else(|| format!("{text:?} is not of the form NAME: VALUE"))?;
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}

fn parse_budget(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|number| (0.0..=1e9).contains(number));
    number.ok_or_else(|| format!("{text:?} is no number of findings a week: write 1 or 0.5"))
}

fn parse_tolerance(text: &str) -> Result<i64, String> {
    if matches!(text, "0" | "0s") { Ok(0) } else { parse_duration(text) }
}

/// Replays, and writes what was found.
///
/// # Errors
/// Nothing could be replayed or written; the message says why. Single files of a folder that cannot be read are told
/// on stderr and make the exit code 1.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    if args.sessions {
        return judge_sessions(&args);
    }
    let terms = Terms { budget: args.judging.budget, tolerance_ms: args.judging.tolerance };
    let judge = args.judging.labels.as_ref().map(|source| Judge::new(source, terms)).transpose()?;
    match &args.prometheus {
        Some(url) => replay_history(&args, url, judge.as_ref()),
        None => replay_files(&args, judge.as_ref()),
    }
}

fn judge_sessions(args: &Args) -> anyhow::Result<ExitCode> {
    let path = args.path.as_deref().context("name a file")?;
    let (file, anomalous, judged) = sessions::run(path, &args.out)?;
    if !args.quiet {
        let mut stdout = std::io::stdout().lock();
        // A reader that has gone away is no error of the replay.
        let _ = writeln!(stdout, "{anomalous} of {judged} sessions are anomalous: {}", file.display());
    }
    Ok(ExitCode::SUCCESS)
}

fn replay_files(args: &Args, judge: Option<&Judge>) -> anyhow::Result<ExitCode> {
    let path = args.path.as_deref().context("name a file or folder")?;
    let files = Files {
        path,
        train: args.train.as_deref(),
        ignore: &args.ignore,
        step: args.step,
        out: &args.out,
        quiet: args.quiet,
        judge,
        label_file: args.judging.labels.as_ref().and_then(Source::path),
    };
    let outcome = files.run()?;
    let what = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
    write_results(&args.out, &what, &outcome.items, &outcome.totals, args.quiet, !outcome.summary_taken)?;
    write_evaluation(args, judge, &what, outcome.parts)?;
    Ok(if outcome.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn replay_history(args: &Args, url: &str, judge: Option<&Judge>) -> anyhow::Result<ExitCode> {
    let now = now();
    let moment = |text: &str, flag| parse_moment(text, now).map_err(|error| anyhow::anyhow!("{flag}: {error}"));
    let (from, to) = (moment(args.from.as_deref().unwrap_or_default(), "--from")?, moment(&args.to, "--to")?);
    if to <= from {
        bail!("--to is not after --from");
    }
    let history = History { queries: &args.query, from, to, step: args.step.unwrap_or(15_000), judge };
    let client = Client::new(url, bearer_token(args)?.as_deref(), &args.header).context("--prometheus")?;
    let progress = Progress::new(history.points(), args.quiet);
    let result = history.run(&client, &args.out, &progress);
    progress.finish();
    let outcome = result?;
    let what = format!("{} on {}", args.query.join(", "), client.shown());
    write_results(&args.out, &what, &outcome.items, &outcome.totals, args.quiet, true)?;
    write_evaluation(args, judge, &what, outcome.parts)?;
    Ok(ExitCode::SUCCESS)
}

fn bearer_token(args: &Args) -> anyhow::Result<Option<String>> {
    let token = match &args.bearer_token_file {
        Some(path) => Some(std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?),
        None => std::env::var(TOKEN_VARIABLE).ok(),
    };
    Ok(token.map(|token| token.trim().to_owned()).filter(|token| !token.is_empty()))
}

fn now() -> TimestampMs {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as TimestampMs)
}

fn write_results(
    out: &Path,
    what: &str,
    items: &[Item],
    totals: &Totals,
    quiet: bool,
    with_csv: bool,
) -> anyhow::Result<()> {
    let failed = || format!("cannot write to {}", out.display());
    if !with_csv {
        eprintln!("warning: a file's scores are called summary.csv, the summary is in summary.json only");
    }
    summary::write(out, items, with_csv).with_context(failed)?;
    let report = out.join("report.html");
    std::fs::write(&report, report::page(what, items)).with_context(failed)?;
    if !quiet {
        let mut stdout = std::io::stdout().lock();
        // A reader that has gone away is no error of the replay.
        let _ = writeln!(stdout, "{}report: {}", summary::table(items, totals), report.display());
    }
    Ok(())
}

/// Writes the evaluation and shows its table, where labels were given.
fn write_evaluation(args: &Args, judge: Option<&Judge>, what: &str, parts: Parts) -> anyhow::Result<()> {
    let Some((judge, source)) = judge.zip(args.judging.labels.as_ref()) else { return Ok(()) };
    let results = judge.results(source, parts)?;
    let page = results.write(&args.out, what).with_context(|| format!("cannot write to {}", args.out.display()))?;
    if !args.quiet {
        if let Some(note) = results.note() {
            eprintln!("warning: {note}");
        }
        let mut stdout = std::io::stdout().lock();
        let _ = writeln!(stdout, "\n{}evaluation: {}", results.table(), page.display());
    }
    Ok(())
}
