//! Findings about logs: what is new, and which lines other findings are about.

use super::{LINES, SESSIONS, Source, TEMPLATE_LINES, source::Rare};
use crate::{
    engine::{
        findings::{Case, Subject},
        options::Options,
        tenant::{Context, Tenant},
    },
    logs::{TemplateId, TemplateNumber, family::told, minutes::Minute, parameters::RareValue},
    signal::{Driver, Finding, FindingScope, Identity, Kind, Labels, METRIC_NAME, SeriesKey, Severity, TimestampMs},
};

/// How long something is new, in ms.
const NEW_MS: i64 = 1_800_000;
/// Longest text of a template in a sentence, in characters.
const SHOWN: usize = 160;

/// Values that a rare one is told beside.
const KNOWN: usize = 5;

/// What is new in a log and is to be told of.
#[derive(Debug)]
pub(super) struct News {
    kind: Kind,
    series: SeriesKey,
    labels: Labels,
    lines: u64,
    since: TimestampMs,
    meaning: String,
    /// What the log has, to stand behind its name.
    has: String,
    /// What kind of error it reads like, a sentence or nothing.
    reading: String,
    example: String,
}

impl Source {
    /// What came for the first time and is worth a finding, as of the end of a minute.
    pub(super) fn news(&mut self, minute: &Minute) -> Vec<News> {
        let mut news = self.new_templates(minute);
        news.extend(self.rare_values(minute));
        news
    }

    fn new_templates(&mut self, minute: &Minute) -> Vec<News> {
        let is_here = |number: &TemplateNumber| self.seen.get(*number as usize).is_none_or(|s| s.first < minute.end());
        let fresh = self.novelty.take(is_here);
        let mut news = Vec::new();
        for number in fresh {
            // It has turned out to be one that is known.
            if self.catalogue.root(number) != number {
                continue;
            }
            let Some(seen) = self.seen.get(number as usize) else { continue };
            if self.novelty.is_remarkable(minute.end(), self.catalogue.lines(), seen.severity) {
                let lines = self.catalogue.lines_of(number);
                let times = if lines == 1 { "one line".to_owned() } else { format!("{lines} lines") };
                let text = self.catalogue.text(number);
                news.push(News {
                    reading: reading(seen.severity, &text),
                    lines,
                    since: seen.first,
                    meaning: "no line of this form was seen before".to_owned(),
                    has: format!("has {times} of a form that was never seen there: \"{}\"", shown(&text)),
                    example: seen.example.to_string(),
                    ..self.blank_news(Kind::NewTemplate, number)
                });
            }
        }
        news
    }

    fn rare_values(&mut self, minute: &Minute) -> Vec<News> {
        let (over, later) = std::mem::take(&mut self.rare).into_iter().partition(|rare| rare.at < minute.end());
        self.rare = later;
        let mut news = Vec::new();
        for Rare { template, at, value: RareValue { parameter, value, known, lines }, line } in over {
            if !self.rare_lately.spend(minute.end()) {
                continue;
            }
            let number = self.catalogue.root(template);
            let text = shown(&with_value(&self.catalogue.text(number), parameter, &value));
            let others = if known.len() > KNOWN { ", …" } else { "" };
            let known: Vec<String> = known.iter().take(KNOWN).map(|value| format!("\"{value}\"")).collect();
            let known = known.join(", ");
            news.push(News {
                lines: 1,
                since: at,
                meaning: format!("the value \"{value}\" was never there before"),
                has: format!("says \"{value}\" where it said {known}{others} in all {lines} lines before: \"{text}\""),
                example: line,
                ..self.blank_news(Kind::RareValue, number)
            });
        }
        news
    }

    fn blank_news(&self, kind: Kind, template: TemplateNumber) -> News {
        let labels = self.template_labels(template);
        let series = Identity::of(&labels).series;
        let (meaning, has, reading, example) = Default::default();
        News { kind, series, labels, lines: 0, since: 0, meaning, has, reading, example }
    }

    fn number_of(&self, id: &str) -> Option<TemplateNumber> {
        let id = TemplateId(u64::from_str_radix(id, 16).ok()?);
        let known = self.catalogue.counts().find(|(number, _)| self.catalogue.id(*number) == id);
        known.map(|(number, _)| number)
    }

    /// The template that lines of a severity have had lately.
    fn latest_of(&self, severity: Option<Severity>) -> Option<TemplateNumber> {
        let known = self.catalogue.counts().filter_map(|(number, _)| Some((number, self.seen(number)?)));
        let of_severity = known.filter(|(_, seen)| seen.severity == severity);
        of_severity.max_by_key(|(number, seen)| (seen.last, *number)).map(|(number, _)| number)
    }
}

impl Tenant {
    /// Opens a finding for what is new, and closes those of what is not any more.
    pub(super) fn tell_news(&mut self, slot: u32, at: TimestampMs, news: Vec<News>, context: &Context<'_>) {
        self.end_news(at, context.options);
        if !context.is_present(at) {
            return;
        }
        let service = self.sources.slots.get(slot).map(|source| source.labels.to_string()).unwrap_or_default();
        for News { kind, series: key, labels, lines, since, meaning, has, reading, example } in news {
            let Some(slot) = self.slot_of(key) else { continue };
            let Some(series) = self.series.get(slot) else { continue };
            let subject = Subject::Own(slot, kind);
            let is_open = self.findings.get_mut(subject).is_some();
            if is_open || self.policies.get(series.policy).exclude || self.plans.cover(slot, at) {
                continue;
            }
            let number = key.0 as u64 ^ (kind as u64 + 2).rotate_left(40);
            let finding = self.blank_finding((FindingScope::Series, kind), labels, number, since, at);
            let finding = Finding {
                score: 1.0,
                peak_score: 1.0,
                seen: lines as f64,
                lower: f64::NAN,
                upper: f64::NAN,
                drivers: vec![Driver { name: kind.name().to_owned(), share: 1.0, meaning }],
                sentence: format!("The log of {service} {has}.{reading}"),
                lines: vec![example],
                ..finding
            };
            self.findings.raise(subject, Case::new(finding, None));
        }
    }

    fn end_news(&mut self, at: TimestampMs, options: &Options) {
        let is_old = |finding: &Finding| at - finding.since >= NEW_MS;
        for kind in [Kind::NewTemplate, Kind::RareValue] {
            for subject in self.findings.open_of(kind, is_old) {
                self.findings.resolve(subject, at, options.findings_kept);
            }
        }
    }

    /// What a finding about a series of logs adds to its sentence, and an example of the lines; nothing for other series.
    pub(in crate::engine) fn lines_behind(&self, labels: &Labels) -> Option<(String, String)> {
        let known = [LINES, TEMPLATE_LINES, SESSIONS];
        let metric = labels.get(METRIC_NAME).filter(|metric| known.contains(metric))?;
        let source = self.sources.named(labels)?;
        if metric == SESSIONS {
            return labels.get("outcome").filter(|outcome| *outcome == "broken").and_then(|_| source.broken_sessions());
        }
        let number = match metric {
            TEMPLATE_LINES => source.number_of(labels.get("template")?)?,
            _ => source.latest_of(labels.get("severity").and_then(Severity::from_word))?,
        };
        let (text, seen) = (source.catalogue.text(number), source.seen(number)?);
        let words = if metric == TEMPLATE_LINES { "The lines read" } else { "Lately such lines read" };
        let sentence = format!(" {words} \"{}\".{}", shown(&text), reading(seen.severity, &text));
        Some((sentence, seen.example.to_string()))
    }
}

fn reading(severity: Option<Severity>, text: &str) -> String {
    told(severity, text).map_or_else(String::new, |family| format!(" This reads like {}.", family.phrase()))
}

/// The text of a template with a value in one of its places.
fn with_value(text: &str, parameter: usize, value: &str) -> String {
    let found = text.match_indices("<*>").nth(parameter);
    found.map_or_else(|| text.to_owned(), |(at, _)| format!("{}{value}{}", &text[..at], &text[at + 3..]))
}

pub(super) fn shown(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
