//! Log records, and batches of them.

use hashbrown::HashMap;
use serde::{Deserialize, Serialize};

use super::Labels;

/// Nanoseconds since the Unix epoch, event time.
pub type TimestampNs = i64;

/// How bad the writer of a line thought it was: the six levels of OpenTelemetry, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Of use to who writes the program.
    Trace,
    /// Of use to who looks for a fault in it.
    Debug,
    /// What it does.
    Info,
    /// It goes on, but something is odd.
    Warn,
    /// Something did not work.
    Error,
    /// It cannot go on.
    Fatal,
}

impl Severity {
    /// All of them, in order.
    pub const ALL: [Self; 6] = [Self::Trace, Self::Debug, Self::Info, Self::Warn, Self::Error, Self::Fatal];

    /// The level of an OpenTelemetry severity number, 1 to 24; others say nothing.
    #[must_use]
    pub fn from_otel(number: u64) -> Option<Self> {
        let index = usize::try_from(number.checked_sub(1)? / 4).ok()?;
        Self::ALL.get(index).copied()
    }

    /// The level of a syslog severity, 0 (emergency) to 7 (debug); others say nothing.
    #[must_use]
    pub fn from_syslog(number: u64) -> Option<Self> {
        match number {
            0..=2 => Some(Self::Fatal),
            3 => Some(Self::Error),
            4 => Some(Self::Warn),
            5 | 6 => Some(Self::Info),
            7 => Some(Self::Debug),
            _ => None,
        }
    }

    /// The level that common loggers mean by a word, in any case, or by a number (10 to 60, as bunyan and pino write).
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        const WORDS: [(&str, Severity); 33] = [
            ("trace", Severity::Trace),
            ("trc", Severity::Trace),
            ("finest", Severity::Trace),
            ("finer", Severity::Trace),
            ("verbose", Severity::Trace),
            ("10", Severity::Trace),
            ("debug", Severity::Debug),
            ("dbg", Severity::Debug),
            ("fine", Severity::Debug),
            ("20", Severity::Debug),
            ("info", Severity::Info),
            ("inf", Severity::Info),
            ("information", Severity::Info),
            ("informational", Severity::Info),
            ("notice", Severity::Info),
            ("30", Severity::Info),
            ("warn", Severity::Warn),
            ("warning", Severity::Warn),
            ("wrn", Severity::Warn),
            ("40", Severity::Warn),
            ("error", Severity::Error),
            ("err", Severity::Error),
            ("severe", Severity::Error),
            ("50", Severity::Error),
            ("fatal", Severity::Fatal),
            ("crit", Severity::Fatal),
            ("critical", Severity::Fatal),
            ("alert", Severity::Fatal),
            ("emerg", Severity::Fatal),
            ("emergency", Severity::Fatal),
            ("panic", Severity::Fatal),
            ("dpanic", Severity::Fatal),
            ("60", Severity::Fatal),
        ];
        WORDS.iter().find(|(known, _)| known.eq_ignore_ascii_case(word)).map(|(_, severity)| *severity)
    }

    /// Its name, in lower case.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Trace => "trace",
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
            Self::Fatal => "fatal",
        }
    }
}

/// One line of a log, or several that belong together, as read from a batch.
#[derive(Clone, Copy, Debug)]
pub struct LogRecord<'a> {
    /// Event time; `None` when the sender gave none, then the time of receipt counts.
    pub at: Option<TimestampNs>,
    /// Number of its stream in the batch.
    pub stream: usize,
    /// What the stream is known by: `service`, `namespace`, `pod`, `host` and whatever else its sender says of it.
    pub labels: &'a Labels,
    /// The sender's severity.
    pub severity: Option<Severity>,
    /// The trace that the line belongs to, in hexadecimal; empty when there is none.
    pub trace_id: &'a str,
    /// The text.
    pub line: &'a str,
    attributes: &'a [(u32, u32)],
    texts: &'a str,
}

impl<'a> LogRecord<'a> {
    /// What else the sender said of this record, in its order.
    pub fn attributes(&self) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        let mut rest = self.texts;
        self.attributes.iter().map(move |(name, value)| (cut(&mut rest, *name), cut(&mut rest, *value)))
    }
}

/// Takes the first `len` bytes off a text; nothing where that is no place to cut.
fn cut<'a>(rest: &mut &'a str, len: u32) -> &'a str {
    let (head, tail) = rest.split_at_checked(len as usize).unwrap_or_default();
    *rest = tail;
    head
}

/// What a sender tells of one record beside its labels.
#[derive(Clone, Copy, Debug, Default)]
pub struct LogLine<'a> {
    /// Event time, if told.
    pub at: Option<TimestampNs>,
    /// Severity, if told.
    pub severity: Option<Severity>,
    /// Trace in hexadecimal, or empty.
    pub trace_id: &'a str,
    /// The text.
    pub line: &'a str,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Entry {
    at: Option<TimestampNs>,
    stream: u32,
    severity: Option<Severity>,
    /// Lengths in the text, in bytes.
    trace_id: u32,
    line: u32,
    attributes: u32,
}

/// Log records of one request, whatever protocol they came by: texts lie one behind the other.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct LogBatch {
    streams: Vec<Labels>,
    entries: Vec<Entry>,
    /// Lengths of names and values of attributes, record by record.
    attributes: Vec<(u32, u32)>,
    /// Of each record: trace id, line, names and values of attributes.
    text: String,
    cut: u64,
}

/// Number of a stream in its batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamRef(u32);

/// A place in a batch, at first before all records.
#[derive(Clone, Copy, Debug, Default)]
pub struct Place {
    /// Records before it.
    pub record: usize,
    text: usize,
    attribute: usize,
}

impl LogBatch {
    /// Longest line in bytes that is kept; what is beyond is cut off and counted. Loki's default limit.
    pub const LINE_BYTES: usize = 256 << 10;
    /// Most attributes of a record; further ones are left out and counted.
    pub const ATTRIBUTES: usize = 128;
    /// Longest name or value of an attribute in bytes.
    pub const ATTRIBUTE_BYTES: usize = 16 << 10;

    /// Adds a stream that records may belong to.
    pub fn stream(&mut self, labels: Labels) -> StreamRef {
        self.streams.push(labels);
        StreamRef(self.streams.len() as u32 - 1)
    }

    /// Adds a record. `stream` must be of this batch.
    pub fn push<'a>(
        &mut self,
        stream: StreamRef,
        line: &LogLine<'_>,
        attributes: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) {
        let trace_id = self.write(line.trace_id, Self::ATTRIBUTE_BYTES);
        let text = self.write(line.line, Self::LINE_BYTES);
        let first = self.attributes.len();
        for (name, value) in attributes {
            if self.attributes.len() - first == Self::ATTRIBUTES {
                self.cut += 1;
                break;
            }
            let lengths = (self.write(name, Self::ATTRIBUTE_BYTES), self.write(value, Self::ATTRIBUTE_BYTES));
            self.attributes.push(lengths);
        }
        self.entries.push(Entry {
            at: line.at,
            stream: stream.0,
            severity: line.severity,
            trace_id,
            line: text,
            attributes: (self.attributes.len() - first) as u32,
        });
    }

    fn write(&mut self, text: &str, most: usize) -> u32 {
        let kept = &text[..text.floor_char_boundary(most)];
        self.cut += u64::from(kept.len() < text.len());
        self.text.push_str(kept);
        kept.len() as u32
    }

    /// The records, in order of arrival.
    pub fn records(&self) -> impl Iterator<Item = LogRecord<'_>> {
        let mut place = Place::default();
        std::iter::from_fn(move || self.next(&mut place))
    }

    /// The number of the stream of each record.
    pub fn stream_numbers(&self) -> impl Iterator<Item = usize> {
        self.entries.iter().map(|entry| entry.stream as usize)
    }

    /// The record at a place, which moves on to the next one.
    pub fn next(&self, place: &mut Place) -> Option<LogRecord<'_>> {
        let Entry { at, stream, severity, trace_id, line, attributes } = *self.entries.get(place.record)?;
        let labels = self.streams.get(stream as usize)?;
        let mut text = self.text.get(place.text..)?;
        let before = text.len();
        let (trace_id, line) = (cut(&mut text, trace_id), cut(&mut text, line));
        let attributes = self.attributes.get(place.attribute..)?.get(..attributes as usize)?;
        let texts = cut(&mut text, attributes.iter().map(|(name, value)| name + value).sum());
        place.record += 1;
        place.text += before - text.len();
        place.attribute += attributes.len();
        Some(LogRecord { at, stream: stream as usize, labels, severity, trace_id, line, attributes, texts })
    }

    /// Joins records: `heads` tells for each the first record of those it belongs to, which is of the same stream; a record
    /// that is its own head stays. Lines are joined by line breaks, all else is the head's.
    pub fn gather(&mut self, heads: &[u32]) {
        let mut behind = HashMap::<u32, String>::new();
        for ((number, record), head) in self.records().enumerate().zip(heads) {
            if *head != number as u32 {
                let text = behind.entry(*head).or_default();
                text.push('\n');
                text.push_str(record.line);
            }
        }
        let mut joined = Self { streams: self.streams.clone(), cut: self.cut, ..Self::default() };
        for ((number, record), head) in self.records().enumerate().zip(heads) {
            if *head != number as u32 {
                continue;
            }
            let LogRecord { at, stream, severity, trace_id, line, .. } = record;
            let whole = behind.get(head).map(|behind| format!("{line}{behind}"));
            let told = LogLine { at, severity, trace_id, line: whole.as_deref().unwrap_or(line) };
            joined.push(StreamRef(stream as u32), &told, record.attributes());
        }
        *self = joined;
    }

    /// Gives each record that has no severity the one that `find` sees in its line.
    pub fn grade(&mut self, find: impl Fn(&str) -> Option<Severity>) {
        let mut place = Place::default();
        for number in 0..self.entries.len() {
            let found = self.next(&mut place).filter(|record| record.severity.is_none());
            if let Some(found) = found.and_then(|record| find(record.line)) {
                self.entries[number].severity = Some(found);
            }
        }
    }

    /// The streams, by their numbers.
    #[must_use]
    pub fn streams(&self) -> &[Labels] {
        &self.streams
    }

    /// The newest event time, if any record has one.
    #[must_use]
    pub fn newest(&self) -> Option<TimestampNs> {
        self.entries.iter().filter_map(|entry| entry.at).max()
    }

    /// Puts other texts in the place of lines and values of attributes. `replace` is given the name of the attribute, none for
    /// a line, and the text; what it answers none for stays. Nothing is copied unless something is replaced.
    pub fn replace(&mut self, mut replace: impl FnMut(Option<&str>, &str) -> Option<String>) {
        let Self { entries, attributes, text, .. } = self;
        let (mut replaced, mut done) = (String::new(), 0);
        // Looks at the text of a length at a place, and gives where it ends.
        let mut look = |name: Option<&str>, at: usize, len: &mut u32| {
            let end = at + *len as usize;
            if let Some(new) = text.get(at..end).and_then(|text| replace(name, text)) {
                replaced.push_str(text.get(done..at).unwrap_or_default());
                replaced.push_str(&new);
                (done, *len) = (end, new.len() as u32);
            }
            end
        };
        let mut at = 0;
        let mut attributes = attributes.iter_mut();
        for entry in entries {
            at = look(None, at + entry.trace_id as usize, &mut entry.line);
            for (name, value) in attributes.by_ref().take(entry.attributes as usize) {
                let end = at + *name as usize;
                at = look(text.get(at..end), end, value);
            }
        }
        if done > 0 || !replaced.is_empty() {
            replaced.push_str(text.get(done..).unwrap_or_default());
            *text = replaced;
        }
    }

    /// Number of records.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no record.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Bytes of text in it.
    #[must_use]
    pub fn text_bytes(&self) -> usize {
        self.text.len()
    }

    /// How often something was cut off or left out because it was too long.
    #[must_use]
    pub fn cut(&self) -> u64 {
        self.cut
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_gives_back_what_was_put_in() {
        let mut batch = LogBatch::default();
        let a = batch.stream(Labels::from_pairs([("service", "a")]));
        let b = batch.stream(Labels::from_pairs([("service", "b")]));
        batch.push(b, &LogLine { at: Some(7), line: "first", ..LogLine::default() }, []);
        let told = LogLine { at: None, severity: Some(Severity::Warn), trace_id: "0af7", line: "zweite Zeile ü" };
        batch.push(a, &told, [("user", "é"), ("empty", "")]);
        batch.push(b, &LogLine::default(), [("n", "1")]);
        let encoded = postcard::to_stdvec(&batch).unwrap();
        let batch: LogBatch = postcard::from_bytes(&encoded).unwrap();
        let seen: Vec<_> = batch
            .records()
            .map(|r| {
                let attributes: Vec<_> = r.attributes().collect();
                (r.at, r.labels.get("service").unwrap(), r.severity, r.trace_id, r.line, attributes)
            })
            .collect();
        assert_eq!(seen[0], (Some(7), "b", None, "", "first", vec![]));
        let attributes = vec![("user", "é"), ("empty", "")];
        assert_eq!(seen[1], (None, "a", Some(Severity::Warn), "0af7", "zweite Zeile ü", attributes));
        assert_eq!(seen[2], (None, "b", None, "", "", vec![("n", "1")]));
        assert_eq!((seen.len(), batch.cut()), (3, 0));
    }

    #[test]
    fn what_is_too_long_is_cut_between_characters_and_counted() {
        let mut batch = LogBatch::default();
        let stream = batch.stream(Labels::default());
        let long = "é".repeat(LogBatch::LINE_BYTES);
        batch.push(stream, &LogLine { line: &long, ..LogLine::default() }, []);
        let many = (0..200).map(|_| ("a", "b"));
        batch.push(stream, &LogLine { line: "after", ..LogLine::default() }, many);
        let records: Vec<_> = batch.records().collect();
        assert_eq!(records[0].line.len(), LogBatch::LINE_BYTES);
        assert_eq!((records[1].line, records[1].attributes().count()), ("after", LogBatch::ATTRIBUTES));
        assert_eq!(batch.cut(), 2);
    }

    #[test]
    fn texts_are_replaced_where_they_stand() {
        let mut batch = LogBatch::default();
        let stream = batch.stream(Labels::from_pairs([("service", "a")]));
        let told = LogLine { trace_id: "aa", line: "aa", ..LogLine::default() };
        batch.push(stream, &told, [("x", "a"), ("a", "aé"), ("x", "b")]);
        batch.push(stream, &LogLine { line: "b", ..told }, []);
        batch.push(stream, &LogLine { line: "", ..told }, [("a", "")]);
        let seen = |batch: &LogBatch| -> Vec<_> {
            let own = |(name, value): (&str, &str)| format!("{name}={value}");
            batch
                .records()
                .map(|r| (r.trace_id.to_owned(), r.line.to_owned(), r.attributes().map(own).collect()))
                .collect()
        };
        let (before, kept) = (seen(&batch), batch.text.as_ptr());
        batch.replace(|_, _| None);
        assert_eq!((seen(&batch), batch.text.as_ptr()), (before, kept));

        batch.replace(|name, text| match name {
            None => text.contains('a').then(|| "long".to_owned()),
            Some(name) => (name == "a" && !text.is_empty()).then(String::new),
        });
        let trace = "aa".to_owned();
        let first: Vec<String> = vec!["x=a".into(), "a=".into(), "x=b".into()];
        assert_eq!(
            seen(&batch),
            [
                (trace.clone(), "long".to_owned(), first),
                (trace.clone(), "b".to_owned(), vec![]),
                (trace, String::new(), vec!["a=".to_owned()])
            ]
        );
    }

    #[test]
    fn severities_by_number_and_word() {
        assert_eq!(Severity::from_otel(0), None);
        assert_eq!(Severity::from_otel(9), Some(Severity::Info));
        assert_eq!(Severity::from_otel(24), Some(Severity::Fatal));
        assert_eq!(Severity::from_otel(25), None);
        assert_eq!(Severity::from_syslog(3), Some(Severity::Error));
        assert_eq!(Severity::from_word("WARNING"), Some(Severity::Warn));
        assert_eq!(Severity::from_word("warned"), None);
        assert!(Severity::ALL.iter().all(|severity| Severity::from_word(severity.as_str()) == Some(*severity)));
    }
}
