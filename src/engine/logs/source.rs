//! A source of lines: a service in a namespace, and what is known of its log.

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use super::{
    Route,
    novelty::{Budget, Novelty},
    sessions::Sessions,
    tails::Tails,
};
use crate::{
    engine::slots::Record,
    logs::{
        Catalogue, Reader, TemplateId, TemplateNumber,
        minutes::Minutes,
        parameters::{Parameters, RareValue},
        session_id::Habit,
        traces::message,
    },
    signal::{Identity, Labels, LogRecord, Severity, TimestampMs, WorkloadKey},
};

/// Longest example that is kept of a template, in bytes.
const EXAMPLE_BYTES: usize = 300;
/// Rare values of a minute that are remembered until it is over.
const RARE: usize = 64;
/// What a source is called whose lines do not tell.
const UNKNOWN: &str = "unknown";

/// Hash of what names a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub(in crate::engine) struct SourceKey(u64);

/// Whose lines a stream holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) struct Home {
    pub(in crate::engine) source: SourceKey,
    /// The workload of the series that count its lines; its shard has the source too.
    pub(in crate::engine) workload: WorkloadKey,
}

impl Home {
    /// The home of a stream with these labels.
    pub(in crate::engine) fn of(labels: &Labels) -> Self {
        let (namespace, service) = names(labels);
        let mut hash = Xxh3::new();
        hash.update(namespace.as_bytes());
        hash.update(&[0xff]);
        hash.update(service.as_bytes());
        let job = [service.as_bytes(), &[0xff]].concat();
        Self { source: SourceKey(hash.digest()), workload: WorkloadKey(xxh3_64(&job)) }
    }
}

/// Namespace, which may be empty, and service of a stream.
fn names(labels: &Labels) -> (&str, &str) {
    let service = ["service", "host"].iter().find_map(|name| labels.get(name)).unwrap_or(UNKNOWN);
    (labels.get("namespace").unwrap_or_default(), service)
}

/// A source.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::engine) struct Source {
    /// `job`, `namespace` and `service` of the series that count its lines. `job` is the service: so all of them are one
    /// workload, and are judged together too.
    pub(super) labels: Labels,
    pub(super) catalogue: Catalogue,
    pub(super) minutes: Minutes,
    /// Of each template by its number; empty for aliases.
    pub(super) seen: Vec<Seen>,
    /// Lines of minutes that are over by severity, in the order of [`Severity::ALL`]; behind them those without.
    pub(super) counted: [u64; Severity::ALL.len() + 1],
    pub(super) novelty: Novelty,
    pub(super) sessions: Sessions,
    /// Rare values that have not been told of, and how many there were lately.
    pub(super) rare: Vec<Rare>,
    pub(super) rare_lately: Budget,
    tails: Tails,
}

/// A rare value, and where it stood.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Rare {
    pub(super) template: TemplateNumber,
    pub(super) at: TimestampMs,
    pub(super) value: RareValue,
    /// The line, perhaps cut off.
    pub(super) line: String,
}

/// What was seen of a template.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Seen {
    pub(super) first: TimestampMs,
    pub(super) last: TimestampMs,
    /// Lines of minutes that are over.
    pub(super) counted: u64,
    /// Severity of its first line.
    pub(super) severity: Option<Severity>,
    /// Its first line, perhaps cut off.
    pub(super) example: Box<str>,
    pub(super) parameters: Parameters,
    /// What ids of sessions its lines have.
    pub(super) ids: Habit,
}

impl Source {
    /// The source of a stream with these labels, whose first line is of `born`.
    pub(super) fn new(home: Home, labels: &Labels, born: TimestampMs) -> Self {
        let (namespace, service) = names(labels);
        let named = [("job", service), ("namespace", namespace), ("service", service)];
        Self {
            labels: Labels::from_pairs(named.into_iter().filter(|(_, value)| !value.is_empty())),
            catalogue: Catalogue::new(home.source.0),
            minutes: Minutes::default(),
            seen: Vec::new(),
            counted: Default::default(),
            novelty: Novelty::new(born),
            sessions: Sessions::default(),
            rare: Vec::new(),
            rare_lately: Budget::default(),
            tails: Tails::default(),
        }
    }

    pub(super) fn key(&self) -> SourceKey {
        Home::of(&self.labels).source
    }

    /// Service, and namespace where there is one.
    pub(super) fn named(&self) -> Labels {
        self.labels.filtered(|name| name != "job")
    }

    /// The workload of its series.
    pub(in crate::engine) fn workload(&self) -> WorkloadKey {
        Identity::of(&self.labels).workload
    }

    /// Takes a line with its number in the batch; gives its template.
    pub(super) fn take(
        &mut self,
        record: &LogRecord<'_>,
        at: TimestampMs,
        (route, number): (&Route, usize),
        reader: &mut Reader,
    ) -> TemplateId {
        let is_first = number == route.ends.0;
        let resumed = is_first.then(|| self.tails.resumed(route.stream, record, at)).flatten();
        let (template, severity) = match resumed {
            Some((template, severity)) => (self.go_on(template, severity, at), severity),
            None => (self.take_line(record, at, reader), record.severity),
        };
        if number == route.ends.1 {
            self.tails.note(route.stream, record, at, (template, severity));
        }
        self.catalogue.id(template)
    }

    /// Takes a line that goes on with an earlier one of a template.
    fn go_on(&mut self, template: TemplateNumber, severity: Option<Severity>, at: TimestampMs) -> TemplateNumber {
        let template = self.catalogue.count(template);
        if let Some(seen) = self.seen.get_mut(template as usize) {
            seen.last = seen.last.max(at);
        }
        self.minutes.count(at, severity, template);
        template
    }

    /// Takes a line that stands for itself; gives its template.
    pub(super) fn take_line(&mut self, record: &LogRecord<'_>, at: TimestampMs, reader: &mut Reader) -> TemplateNumber {
        let said = message(record.line);
        let number = self.catalogue.parse(said.as_bytes(), reader);
        let severity = record.severity;
        let place = number as usize;
        if place >= self.seen.len() {
            self.seen.resize_with(place + 1, Seen::default);
        }
        let seen = &mut self.seen[place];
        if seen.example.is_empty() {
            *seen = Seen { first: at, last: at, severity, example: example(record.line).into(), ..Seen::default() };
            self.novelty.note(number);
        }
        seen.last = seen.last.max(at);
        if self.minutes.count(at, severity, number).is_some_and(|lines| seen.parameters.wants(lines))
            && let Some(value) = self.catalogue.look((said, at), number, reader, &mut seen.parameters)
            && self.rare.len() < RARE
        {
            self.rare.push(Rare { template: number, at, value, line: example(record.line).to_owned() });
        }
        self.note_session(record, at, number);
        number
    }

    /// What was seen of a template that is no alias.
    pub(super) fn seen(&self, number: TemplateNumber) -> Option<&Seen> {
        self.seen.get(number as usize)
    }
}

/// As much of a line as is kept as an example.
fn example(line: &str) -> &str {
    &line[..line.floor_char_boundary(EXAMPLE_BYTES)]
}

impl Record for Source {
    fn append(&self, slot: u32, bytes: Vec<u8>) -> postcard::Result<Vec<u8>> {
        postcard::to_extend(&(slot, self), bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_where_its_series_are() {
        let labels =
            Labels::from_pairs([("service", "cart"), ("namespace", "shop"), ("pod", "cart-0"), ("host", "n1")]);
        let home = Home::of(&labels);
        let source = Source::new(home, &labels, 0);
        assert_eq!((source.key(), source.workload()), (home.source, home.workload));
        assert_eq!(source.labels.to_string(), r#"{job="cart",namespace="shop",service="cart"}"#);
        let nameless = Labels::from_pairs([("file", "a.log")]);
        assert_eq!(Source::new(Home::of(&nameless), &nameless, 0).workload(), Home::of(&nameless).workload);
        assert_ne!(Home::of(&nameless).source, home.source);
    }
}
