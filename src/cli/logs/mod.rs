//! `vigie logs`: what the lines of log files say, without a daemon.
#![allow(clippy::print_stdout, reason = "printing is what this command is for")]

mod assignments;
mod course;
mod input;
mod report;

use std::{path::PathBuf, process::ExitCode};

use anyhow::Context as _;

use self::{input::Lines, report::Report};
use crate::logs::{Parser, Pattern, TemplateNumber};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Log files, gzipped or not; - or none for standard input
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Write the template of each line as CSV: line, template_id, template
    #[arg(long, value_name = "OUT.csv")]
    assignments: Option<PathBuf>,
    /// A form of lines that is to be a template, e.g. 'user <*> logged in from <*>'; wins over those that are found
    #[arg(long, value_name = "TEXT")]
    pattern: Vec<Pattern>,
    /// Templates to print
    #[arg(long, value_name = "N", default_value_t = 40)]
    top: usize,
    /// Print JSON, all templates
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let mut lines = Lines::open(&args.files)?;
    let (mut parser, mut report) = (Parser::new(args.pattern.as_slice().into()), Report::default());
    let mut numbers: Vec<TemplateNumber> = Vec::new();
    let mut line = Vec::new();
    while lines.next(&mut line)? {
        let number = parser.parse(&line);
        report.take(number, &line, &parser);
        if args.assignments.is_some() {
            numbers.push(number);
        }
    }
    lines.finish();
    if let Some(path) = &args.assignments {
        assignments::write(path, parser.catalogue(), &numbers)
            .with_context(|| format!("{} cannot be written", path.display()))?;
    }
    if args.json {
        println!("{}", serde_json::to_string_pretty(&report.table(parser.catalogue()))?);
    } else {
        print!("{}", report.show(parser.catalogue(), args.top));
    }
    Ok(ExitCode::SUCCESS)
}
