//! Findings about logs: what is new, and which lines other findings are about.

use super::{LINES, Source, TEMPLATE_LINES};
use crate::{
    engine::{
        findings::{Case, Subject},
        options::Options,
        tenant::{Context, Tenant},
    },
    logs::{TemplateId, TemplateNumber, family::told, minutes::Minute},
    signal::{Driver, Finding, FindingScope, Identity, Kind, Labels, METRIC_NAME, SeriesKey, Severity, TimestampMs},
};

/// How long a template is new, in ms.
const NEW_MS: i64 = 1_800_000;
/// Longest text of a template in a sentence, in characters.
const SHOWN: usize = 160;

/// A new template that is to be told of.
#[derive(Debug)]
pub(super) struct News {
    series: SeriesKey,
    labels: Labels,
    lines: u64,
    first: TimestampMs,
    text: String,
    /// What kind of error it reads like, a sentence or nothing.
    reading: String,
    example: String,
}

impl Source {
    /// What came for the first time and is worth a finding, as of the end of a minute.
    pub(super) fn news(&mut self, minute: &Minute) -> Vec<News> {
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
                let (labels, text) = (self.template_labels(number), self.catalogue.text(number));
                news.push(News {
                    series: Identity::of(&labels).series,
                    labels,
                    lines: self.catalogue.lines_of(number),
                    first: seen.first,
                    reading: reading(seen.severity, &text),
                    text: shown(&text),
                    example: seen.example.to_string(),
                });
            }
        }
        news
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
    /// Opens a finding for each new template, and closes those of templates that are not new any more.
    pub(super) fn tell_news(&mut self, slot: u32, at: TimestampMs, news: Vec<News>, context: &Context<'_>) {
        self.end_news(at, context.options);
        if !context.is_present(at) {
            return;
        }
        let service = self.sources.slots.get(slot).map(|source| source.labels.to_string()).unwrap_or_default();
        for News { series: key, labels, lines, first, text, reading, example } in news {
            let Some(slot) = self.slot_of(key) else { continue };
            let Some(series) = self.series.get(slot) else { continue };
            if self.policies.get(series.policy).exclude || self.plans.cover(slot, at) {
                continue;
            }
            let number = key.0 as u64 ^ (Kind::NewTemplate as u64 + 2).rotate_left(40);
            let finding = self.blank_finding((FindingScope::Series, Kind::NewTemplate), labels, number, first, at);
            let meaning = "no line of this form was seen before".to_owned();
            let times = if lines == 1 { "one line".to_owned() } else { format!("{lines} lines") };
            let finding = Finding {
                score: 1.0,
                peak_score: 1.0,
                seen: lines as f64,
                lower: f64::NAN,
                upper: f64::NAN,
                drivers: vec![Driver { name: Kind::NewTemplate.name().to_owned(), share: 1.0, meaning }],
                sentence: format!(
                    "The log of {service} has {times} of a form that was never seen there: \"{text}\".{reading}"
                ),
                lines: vec![example],
                ..finding
            };
            self.findings.raise(Subject::Own(slot, Kind::NewTemplate), Case::new(finding, None));
        }
    }

    fn end_news(&mut self, at: TimestampMs, options: &Options) {
        let is_old = |finding: &Finding| at - finding.since >= NEW_MS;
        for subject in self.findings.open_of(Kind::NewTemplate, is_old) {
            self.findings.resolve(subject, at, options.findings_kept);
        }
    }

    /// What a finding about a series of logs adds to its sentence, and an example of the lines; nothing for other series.
    pub(in crate::engine) fn lines_behind(&self, labels: &Labels) -> Option<(String, String)> {
        let metric = labels.get(METRIC_NAME).filter(|metric| [LINES, TEMPLATE_LINES].contains(metric))?;
        let source = self.sources.named(labels)?;
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

fn shown(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
