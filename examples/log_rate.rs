//! How fast lines become templates: reads a file, parses it five times, each time with a new parser, and prints lines, bytes,
//! templates and the fastest run in seconds, as JSON. With numbers behind the file, also the templates after so many lines.
//!
//! usage: log_rate FILE [LINES...]
#![allow(clippy::print_stdout)]

use std::{error::Error, time::Instant};

use vigie::logs::Parser;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let file = arguments.next().ok_or("usage: log_rate FILE [LINES...]")?;
    let marks = arguments.map(|text| text.parse()).collect::<Result<Vec<usize>, _>>()?;
    let text = std::fs::read(file)?;
    let lines: Vec<&[u8]> = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).collect();
    let (mut best, mut templates) = (f64::INFINITY, 0);
    for _ in 0..5 {
        let mut parser = Parser::default();
        let began = Instant::now();
        lines.iter().for_each(|line| _ = parser.parse(line));
        best = best.min(began.elapsed().as_secs_f64());
        templates = parser.catalogue().counts().count();
    }
    let mut parser = Parser::default();
    let mut after = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        parser.parse(line);
        if marks.contains(&(at + 1)) {
            after.push((at + 1, parser.catalogue().counts().count()));
        }
    }
    let bytes: usize = lines.iter().map(|line| line.len()).sum();
    let after = serde_json::to_string(&after)?;
    println!(
        r#"{{"lines":{},"bytes":{bytes},"templates":{templates},"seconds":{best},"templates_after":{after}}}"#,
        lines.len()
    );
    Ok(())
}
