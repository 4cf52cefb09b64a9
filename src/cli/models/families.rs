//! `vigie models families`: the shipped classifier of error families, from lines with their families.

use std::{fs, path::PathBuf};

use anyhow::Context as _;

use crate::logs::family::{
    Family,
    train::{Corpus, Counts, Evaluation},
};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Lines of system, family (or none) and text, with tabs between
    #[arg(long, value_name = "FILE.tsv")]
    corpus: PathBuf,
    /// The file
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Measure first how well it does on systems that it is not trained on, which takes minutes
    #[arg(long)]
    evaluate: bool,
}

pub(super) fn run(args: &Args) -> anyhow::Result<()> {
    let text = fs::read_to_string(&args.corpus).with_context(|| format!("cannot read {}", args.corpus.display()))?;
    let corpus = Corpus::parse(&text).with_context(|| format!("cannot use {}", args.corpus.display()))?;
    if args.evaluate {
        show(&corpus.evaluate()?);
    }
    let bytes = corpus.train()?;
    fs::write(&args.out, &bytes).with_context(|| format!("cannot write {}", args.out.display()))?;
    println!("{}: {} bytes", args.out.display(), bytes.len());
    Ok(())
}

fn show(evaluation: &Evaluation) {
    println!("{:14}  lines  told  precision  recall     F1  F1 without threshold", "family");
    for (family, (told, likeliest)) in Family::ALL.iter().zip(evaluation.told.iter().zip(&evaluation.likeliest)) {
        let Counts { lines, called, .. } = told;
        let (precision, recall) = (told.precision(), told.recall());
        println!(
            "{:14}  {lines:>5}  {called:>4}  {precision:>9.3}  {recall:>6.3}  {:.3}  {:.3}",
            family.as_str(),
            told.f1(),
            likeliest.f1()
        );
    }
    let sum = |of: fn(&Counts) -> usize| evaluation.told.iter().map(of).sum::<usize>();
    let all = Counts { lines: sum(|c| c.lines), called: sum(|c| c.called), right: sum(|c| c.right) };
    println!("{} lines of {} systems", evaluation.lines, evaluation.systems);
    println!(
        "macro F1 {:.3}, without threshold {:.3}; precision {:.3}, recall {:.3}; {} of {} ordinary lines told as errors",
        Evaluation::macro_f1(&evaluation.told),
        Evaluation::macro_f1(&evaluation.likeliest),
        all.precision(),
        all.recall(),
        evaluation.false_alarms,
        evaluation.ordinary
    );
}
