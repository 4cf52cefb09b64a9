//! What was found, for people and for programs.

use std::fmt::Write as _;

use serde::Serialize;

use super::course::Course;
use crate::{
    logs::{
        Catalogue, Parser, TemplateNumber,
        family::{Family, told},
        parameters::{Parameters, Summary},
        severity,
    },
    signal::Severity,
};

/// Lines from which it can be said that a template is rare or new.
const LINES_MIN: u64 = 1_000;
/// A template is rare with so few lines, and that share of all.
const RARE: u64 = 3;
const RARE_SHARE: f64 = 1e-3;
/// Lines that the other values at the place of a rare one have at least.
const OFTEN: u64 = 10;
/// It is new when it first came in this last part of the lines.
const NEW_FROM: f64 = 0.9;
/// Longest line that is quoted, in characters.
const QUOTED: usize = 200;

/// What is told of each template.
#[derive(Clone, Debug, Default)]
struct Seen {
    course: Course,
    first: u64,
    last: u64,
    severity: Option<Severity>,
    example: String,
    parameters: Parameters,
}

/// What has been seen so far.
#[derive(Debug, Default)]
pub(super) struct Report {
    lines: u64,
    seen: Vec<Seen>,
}

#[derive(Debug, Serialize)]
pub(super) struct Table {
    lines: u64,
    templates: Vec<Row>,
}

#[derive(Debug, Serialize)]
struct Row {
    id: String,
    template: String,
    count: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    severity: Option<Severity>,
    #[serde(skip_serializing_if = "Option::is_none")]
    family: Option<Family>,
    /// Lines, counted from 1.
    first_line: u64,
    last_line: u64,
    is_new: bool,
    is_rare: bool,
    example: String,
    /// What stands at each `<*>`, in their order.
    parameters: Vec<Summary>,
    #[serde(skip)]
    course: String,
}

impl Report {
    /// Takes note of a line.
    pub(super) fn take(&mut self, number: TemplateNumber, line: &[u8], parser: &Parser) {
        let place = number as usize;
        if place >= self.seen.len() {
            self.seen.resize_with(place + 1, Seen::default);
        }
        let seen = &mut self.seen[place];
        if seen.last == 0 {
            seen.first = self.lines + 1;
            let text = String::from_utf8_lossy(line);
            seen.severity = severity(&text);
            seen.example = text.chars().take(QUOTED).collect();
        }
        if let Ok(line) = std::str::from_utf8(line) {
            parser.look(line, number, &mut seen.parameters);
        }
        seen.course.count(self.lines);
        self.lines += 1;
        seen.last = self.lines;
    }

    /// All templates, the most frequent first.
    pub(super) fn table(&self, catalogue: &Catalogue) -> Table {
        let mut merged: Vec<Option<Seen>> = vec![None; self.seen.len()];
        for (number, seen) in self.seen.iter().enumerate().filter(|(_, seen)| seen.last > 0) {
            let Some(place) = merged.get_mut(catalogue.root(number as TemplateNumber) as usize) else { continue };
            match place {
                None => *place = Some(seen.clone()),
                Some(known) => {
                    known.course.merge(&seen.course);
                    known.severity = known.severity.max(seen.severity);
                    known.last = known.last.max(seen.last);
                    if seen.first < known.first {
                        (known.first, known.example) = (seen.first, seen.example.clone());
                    }
                }
            }
        }
        let row = |(number, count)| {
            let seen = merged.get(number as usize)?.as_ref()?;
            let can_tell = self.lines >= LINES_MIN;
            let template = catalogue.text(number);
            Some(Row {
                id: catalogue.id(number).to_string(),
                family: told(seen.severity, &template),
                template,
                count,
                severity: seen.severity,
                first_line: seen.first,
                last_line: seen.last,
                is_new: can_tell && seen.first as f64 > NEW_FROM * self.lines as f64,
                is_rare: can_tell && count <= RARE && (count as f64) < RARE_SHARE * self.lines as f64,
                example: seen.example.clone(),
                parameters: seen.parameters.summaries().collect(),
                course: seen.course.show(self.lines),
            })
        };
        let mut templates: Vec<Row> = catalogue.counts().filter_map(row).collect();
        templates.sort_by(|a, b| b.count.cmp(&a.count).then(a.first_line.cmp(&b.first_line)));
        Table { lines: self.lines, templates }
    }

    /// A table of the most frequent templates, and what is odd.
    pub(super) fn show(&self, catalogue: &Catalogue, top: usize) -> String {
        let Table { lines, templates } = self.table(catalogue);
        let mut out = format!("{lines} lines, {} templates\n", templates.len());
        if templates.is_empty() {
            return out;
        }
        let width = templates[0].count.to_string().len().max(5);
        let _ = writeln!(out, "\n{:>width$}       %  over the input", "lines");
        for row in templates.iter().take(top) {
            let share = 100.0 * row.count as f64 / lines as f64;
            let _ = writeln!(out, "{:>width$}  {share:>6.2}  {}", row.count, row.course);
            let _ = writeln!(out, "{:width$}          {}", "", row.template);
        }
        if templates.len() > top {
            let rest: u64 = templates[top..].iter().map(|row| row.count).sum();
            let _ = writeln!(out, "{rest:>width$}          in {} more templates (--top N)", templates.len() - top);
        }
        let odd = |row: &&Row| row.is_new || row.is_rare || row.severity >= Some(Severity::Error);
        let mut odd: Vec<&Row> = templates.iter().filter(odd).collect();
        if !odd.is_empty() {
            let _ = writeln!(out, "\nOdd: new in the last tenth, rare, or an error");
            odd.sort_by_key(|row| (!row.is_new, std::cmp::Reverse(row.severity), row.count, row.first_line));
            for row in odd.iter().take(top) {
                let mut why = Vec::new();
                why.extend(row.is_new.then_some("new"));
                why.extend(row.is_rare.then_some("rare"));
                why.extend(row.severity.filter(|s| *s >= Severity::Error).map(Severity::as_str));
                why.extend(row.family.map(Family::as_str));
                let _ = writeln!(
                    out,
                    "{:>width$}  {}, line {}: {}",
                    row.count,
                    why.join(", "),
                    row.first_line,
                    row.example
                );
            }
            if odd.len() > top {
                let _ = writeln!(out, "{:width$}  and {} more", "", odd.len() - top);
            }
        }
        let rare: Vec<String> = templates.iter().flat_map(rare_values).take(top).collect();
        if !rare.is_empty() {
            let _ = writeln!(out, "\nRare values, where there are few others");
            for line in &rare {
                let _ = writeln!(out, "{line}");
            }
        }
        out
    }
}

/// The values of a template that hardly ever come while all others at their place often do, in words.
fn rare_values(row: &Row) -> Vec<String> {
    let mut told = Vec::new();
    for (number, parameter) in row.parameters.iter().enumerate() {
        if !parameter.kind.may_be_closed() || parameter.distinct.is_none() || parameter.seen < LINES_MIN {
            continue;
        }
        let (rare, others): (Vec<_>, Vec<_>) = parameter.values.iter().partition(|(_, lines)| *lines <= RARE);
        if rare.len() < others.len() && others.iter().all(|(_, lines)| *lines >= OFTEN) {
            let (seen, number) = (parameter.seen, number + 1);
            let say = |(value, lines): &(String, u64)| {
                format!("{lines:>5}  \"{value}\", of {seen} at <*> {number}: {}", row.template)
            };
            told.extend(rare.into_iter().map(say));
        }
    }
    told
}
