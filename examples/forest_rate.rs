//! Measures how fast the isolation forest fits and scores rows of a file, for `benches/peers/forest.py`.
//!
//! usage: `forest_rate FILE FEATURES [TREES] [SAMPLE_SIZE] [LAYOUT]`, FILE holding rows of native-endian `f32`. Prints the seconds
//! of the fit and the rows scored per second, by the fastest of five runs on one thread.
#![allow(clippy::print_stdout)]

use std::time::{Duration, Instant};

use anyhow::Context;
use vigie::anomaly::forest::{Forest, ForestParams, Layout};

const RUNS: usize = 5;

fn main() -> anyhow::Result<()> {
    let mut args = std::env::args().skip(1);
    let path = args.next().context("usage: forest_rate FILE FEATURES [TREES] [SAMPLE_SIZE]")?;
    let features: usize = args.next().context("FEATURES is missing")?.parse()?;
    let mut params = ForestParams::default();
    if let Some(trees) = args.next() {
        params.trees = trees.parse()?;
    }
    if let Some(sample_size) = args.next() {
        params.sample_size = sample_size.parse()?;
    }
    let layout = match args.next() {
        Some(name) => {
            Layout::available().find(|layout| format!("{layout:?}") == name).context("LAYOUT is not available")?
        }
        None => Layout::best(),
    };
    let bytes = std::fs::read(&path).with_context(|| path.clone())?;
    let rows: Vec<f32> = bytes.as_chunks::<4>().0.iter().map(|&value| f32::from_ne_bytes(value)).collect();
    let mut scores = vec![0.0; rows.len() / features];

    let (mut fit, mut score) = (Duration::MAX, Duration::MAX);
    for _ in 0..RUNS {
        let started = Instant::now();
        let forest = Forest::fit(&rows, features, &params)?;
        fit = fit.min(started.elapsed());
        let started = Instant::now();
        forest.score_batch_by(layout, &rows, &mut scores);
        score = score.min(started.elapsed());
    }
    let mean = scores.iter().map(|&score| f64::from(score)).sum::<f64>() / scores.len() as f64;
    println!("fit_s {:.6}", fit.as_secs_f64());
    println!("rows_per_s {:.0}", scores.len() as f64 / score.as_secs_f64());
    println!("layout {layout:?}");
    println!("bytes {}", Forest::fit(&rows, features, &params)?.size_bytes());
    println!("mean_score {mean:.6}");
    Ok(())
}
