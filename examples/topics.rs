//! What topics are like: for each file its templates, their topics, and how far these stay when a tenth of the templates is
//! left out (adjusted Rand index of the templates that are left, the mean of ten tries; 1 is all the same). Prints a line of
//! JSON for each file. A number in place of a file makes so many templates up, of thirty words each that they share.
//!
//! usage: topics FILE|NUMBER...
#![allow(clippy::print_stdout)]

use std::{collections::HashMap, error::Error, fs};

use vigie::logs::{
    Parser, TemplateId,
    topics::{Template, Topic, topics},
};
use xxhash_rust::xxh3::xxh3_64_with_seed;

const TRIES: u64 = 10;

fn main() -> Result<(), Box<dyn Error>> {
    for asked in std::env::args().skip(1) {
        let templates = match asked.parse() {
            Ok(number) => made_up(number),
            Err(_) => templates_of(&fs::read(&asked)?),
        };
        let row = |(i, (id, text, lines)): (usize, &(TemplateId, String, u64))| (*id, text.clone(), *lines, i as i64);
        let rows: Vec<_> = templates.iter().enumerate().map(row).collect();
        let templates: Vec<_> = rows
            .iter()
            .map(|(id, text, lines, first)| Template { id: *id, text, lines: *lines, first: *first })
            .collect();
        let began = seconds()?;
        let found = topics(1, &templates, &[]);
        let took = seconds()? - began;
        let sizes = found.iter().map(|topic| topic.templates.len());
        let told = serde_json::json!({
            "of": asked, "templates": templates.len(), "topics": found.len(), "largest": sizes.max(),
            "other": found.iter().filter(|topic| topic.name == "other").map(|topic| topic.templates.len()).sum::<usize>(),
            "stays": (0..TRIES).map(|turn| stays(&templates, &found, turn)).sum::<f64>() / TRIES as f64,
            "seconds": took, "peak_kb": peak_kb()?,
            "names": found.iter().map(|topic| &topic.name).collect::<Vec<_>>(),
        });
        println!("{told}");
    }
    Ok(())
}

fn templates_of(file: &[u8]) -> Vec<(TemplateId, String, u64)> {
    let mut parser = Parser::default();
    file.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).for_each(|line| _ = parser.parse(line));
    let catalogue = parser.catalogue();
    catalogue.counts().map(|(number, lines)| (catalogue.id(number), catalogue.text(number), lines)).collect()
}

fn made_up(number: u64) -> Vec<(TemplateId, String, u64)> {
    let word = |i: u64| {
        let hash = xxh3_64_with_seed(&i.to_le_bytes(), 1).to_le_bytes();
        hash.map(|byte| char::from(b'a' + byte % 26)).iter().collect::<String>()
    };
    let text = |i: u64| {
        // Three words in ten are of the theme, the others anything.
        let words = (0..30).map(|k| if k % 10 < 3 { i % 200 * 30 + k } else { 6_000 + (i * 31 + k * 17) % 5_000 });
        words.map(word).collect::<Vec<_>>().join(" ")
    };
    (0..number).map(|i| (TemplateId(i), text(i), 1 + number / (1 + i))).collect()
}

/// How far topics stay when a tenth of the templates is left out.
fn stays(templates: &[Template<'_>], whole: &[Topic], turn: u64) -> f64 {
    let is_kept = |template: &&Template<'_>| !xxh3_64_with_seed(&template.id.0.to_le_bytes(), turn).is_multiple_of(10);
    let kept: Vec<_> = templates.iter().filter(is_kept).copied().collect();
    let (before, after) = (places(whole), places(&topics(1, &kept, &[])));
    let pairs = |count: &u64| (count * count.saturating_sub(1)) as f64 / 2.0;
    let (mut both, mut old, mut new) = (HashMap::<_, u64>::new(), HashMap::<_, u64>::new(), HashMap::<_, u64>::new());
    for template in &kept {
        let (a, b) = (before[&template.id], after[&template.id]);
        *both.entry((a, b)).or_default() += 1;
        *old.entry(a).or_default() += 1;
        *new.entry(b).or_default() += 1;
    }
    let same: f64 = both.values().map(pairs).sum();
    let (old, new): (f64, f64) = (old.values().map(pairs).sum(), new.values().map(pairs).sum());
    let by_chance = old * new / pairs(&(kept.len() as u64)).max(1.0);
    let most = (old + new) / 2.0;
    if most > by_chance { (same - by_chance) / (most - by_chance) } else { 1.0 }
}

fn places(topics: &[Topic]) -> HashMap<TemplateId, usize> {
    let of = |(place, topic): (usize, &Topic)| topic.templates.iter().map(move |id| (*id, place)).collect::<Vec<_>>();
    topics.iter().enumerate().flat_map(of).collect()
}

/// Seconds that the processor has worked for this thread, which does all the work.
fn seconds() -> Result<f64, Box<dyn Error>> {
    let told = fs::read_to_string("/proc/thread-self/schedstat")?;
    Ok(told.split(' ').next().unwrap_or_default().parse::<f64>()? / 1e9)
}

/// The most memory that was resident so far.
fn peak_kb() -> Result<u64, Box<dyn Error>> {
    let told = fs::read_to_string("/proc/self/status")?;
    let line = told.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}
