//! Documents (JSON objects and their like) to log records.
//!
//! A document is walked once, whatever format it is in, and nothing of it is kept but names and texts. Nested objects
//! are flattened, names joined by `_` and written in Prometheus' alphabet, so that `"log.level"` and
//! `{"log": {"level": …}}` are the same. What a field is depends on its name: the text, the time, the severity and the
//! trace of the record; a label where streams are known by such a thing (see [`names`]); else an attribute. `null` is
//! not there.

mod json;
mod walk;

pub(super) use json::Json;
use serde::de::Deserializer;
pub(super) use walk::Word;

use super::{LogError, Writer, names, time};
use crate::signal::{LogBatch, LogLine, Severity, TimestampNs};

/// The text of a record, best first. `log` is it for container runtimes; in ECS it is an object like any other.
const TEXT: [&str; 4] = ["message", "log", "msg", "_message"];
const TIME: [&str; 3] = ["_timestamp", "timestamp", "time"];
const SEVERITY: [&str; 11] = [
    "log_level",
    "level",
    "severity",
    "severity_text",
    "levelname",
    "loglevel",
    "log_syslog_severity_name",
    "log_syslog_severity_code",
    "syslog_severity",
    "syslog_severity_code",
    "priority",
];
const TRACE: [&str; 2] = ["trace_id", "traceid"];

/// The fields of one document. Meant to be used again and again.
#[derive(Debug, Default)]
pub(super) struct Fields {
    /// Name of the field that the walk is at.
    path: String,
    /// Names and values, one behind the other.
    texts: String,
    line: Option<Choice<()>>,
    at: Option<Choice<TimestampNs>>,
    severity: Option<Choice<Severity>>,
    trace_id: Option<Choice<()>>,
    labels: Vec<Field>,
    attributes: Vec<Field>,
}

/// Where a field lies in the texts: its beginning and the lengths of name and value.
#[derive(Clone, Copy, Debug)]
struct Field {
    start: usize,
    name: usize,
    value: usize,
}

/// The best field so far of those that may tell one thing.
#[derive(Clone, Copy, Debug)]
struct Choice<T> {
    rank: usize,
    told: T,
    field: Field,
}

impl<T> Choice<T> {
    /// Puts the better of two into the slot and gives back the other.
    fn offer(self, slot: &mut Option<Self>) -> Option<Field> {
        match slot {
            Some(best) if best.rank <= self.rank => Some(self.field),
            _ => slot.replace(self).map(|worse| worse.field),
        }
    }
}

/// What a field tells, and how far behind it stands among those that tell the same.
enum Role {
    Line(usize),
    At(usize, TimestampNs),
    Severity(usize, Severity),
    TraceId(usize),
    Label,
    Attribute,
}

impl Role {
    fn of(name: &str, value: &str) -> Self {
        if let Some(rank) = rank(&TEXT, name) {
            return Self::Line(rank);
        }
        if let Some(rank) = rank(&TIME, name) {
            return time::read(value).map_or(Self::Attribute, |at| Self::At(rank, at));
        }
        if let Some(rank) = rank(&SEVERITY, name) {
            return severity(value).map_or(Self::Attribute, |severity| Self::Severity(rank, severity));
        }
        if let Some(rank) = rank(&TRACE, name) {
            let is_id = value.len() <= 32 && value.bytes().all(|byte| byte.is_ascii_hexdigit());
            // Zeros, or nothing, say that there is none.
            let is_set = value.bytes().any(|byte| byte != b'0');
            return if is_id && is_set { Self::TraceId(rank) } else { Self::Attribute };
        }
        if names::is_known(name) { Self::Label } else { Self::Attribute }
    }
}

/// Loggers do not agree on capitals either: journald writes `MESSAGE`, many Java programs `traceId`.
fn rank(known: &[&str], name: &str) -> Option<usize> {
    known.iter().position(|known| known.eq_ignore_ascii_case(name))
}

/// The severity that a word, a number of bunyan's or one of syslog's means.
fn severity(value: &str) -> Option<Severity> {
    let value = value.trim();
    Severity::from_word(value).or_else(|| Severity::from_syslog(value.parse().ok()?))
}

impl Fields {
    /// Reads a document in place of the one before.
    ///
    /// # Errors
    /// Those of the format, and what is no object.
    pub(super) fn read<'de, D: Deserializer<'de>>(&mut self, document: D) -> Result<(), D::Error> {
        let Self { path, texts, line, at, severity, trace_id, labels, attributes } = self;
        path.clear();
        texts.clear();
        (*line, *at, *severity, *trace_id) = (None, None, None, None);
        labels.clear();
        attributes.clear();
        document.deserialize_map(walk::Object(self))
    }

    /// Adds the record. The stream gets one more label; the protocol may know the time better than the document; and
    /// `whole`, the document itself, is the line when no field is.
    ///
    /// # Errors
    /// See [`Writer::push`].
    pub(super) fn write(
        &self,
        writer: &mut Writer<'_>,
        label: (&str, &str),
        at: Option<TimestampNs>,
        whole: impl FnOnce() -> String,
    ) -> Result<(), LogError> {
        let composed;
        let line = match &self.line {
            Some(line) => self.field(line.field).1,
            None => {
                composed = whole();
                composed.as_str()
            }
        };
        let line = LogLine {
            at: at.or(self.at.map(|at| at.told)),
            severity: self.severity.map(|severity| severity.told),
            trace_id: self.trace_id.map_or("", |trace_id| self.field(trace_id.field).1),
            line: line.trim_end_matches(['\r', '\n']),
        };
        let labels: Vec<_> = [label].into_iter().chain(self.labels.iter().map(|label| self.field(*label))).collect();
        writer.push(&labels, &line, self.attributes.iter().map(|attribute| self.field(*attribute)))
    }

    /// Name and value of a field.
    fn field(&self, Field { start, name, value }: Field) -> (&str, &str) {
        let text = self.texts.get(start..start + name + value).unwrap_or_default();
        text.split_at_checked(name).unwrap_or_default()
    }

    /// Takes a value in, under the name that the walk is at.
    fn put(&mut self, value: &str) {
        let role = Role::of(&self.path, value);
        let is_over = self.attributes.len() > LogBatch::ATTRIBUTES;
        let other = match role {
            Role::Attribute if is_over => None,
            Role::Label if self.labels.len() < LogBatch::ATTRIBUTES => {
                let field = self.keep(value);
                self.labels.push(field);
                None
            }
            Role::Label | Role::Attribute => Some(self.keep(value)),
            Role::Line(rank) => Choice { rank, told: (), field: self.keep(value) }.offer(&mut self.line),
            Role::At(rank, told) => Choice { rank, told, field: self.keep(value) }.offer(&mut self.at),
            Role::Severity(rank, told) => Choice { rank, told, field: self.keep(value) }.offer(&mut self.severity),
            Role::TraceId(rank) => Choice { rank, told: (), field: self.keep(value) }.offer(&mut self.trace_id),
        };
        // One more than a batch takes is kept, so that the batch counts that there was more.
        self.attributes.extend(other.filter(|_| !is_over));
    }

    fn keep(&mut self, value: &str) -> Field {
        // Long enough to be cut off and counted by the batch, short enough for each of many fields below it to carry.
        let name = &self.path[..self.path.len().min(LogBatch::ATTRIBUTE_BYTES + 1)];
        let start = self.texts.len();
        self.texts.push_str(name);
        self.texts.push_str(value);
        Field { start, name: name.len(), value: value.len() }
    }
}

#[cfg(test)]
mod tests;
