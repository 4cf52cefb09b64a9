//! Stack traces whose lines a shipper sent one by one become one record again.
//!
//! Only what is evidently the next line of a trace is joined, to the line before it in the same stream and request: frames of
//! Java, JavaScript, .NET, Python, Ruby and Go, and what comes between them. An indented line alone says nothing.

use hashbrown::HashMap;
use serde::{Deserialize, Serialize};

use crate::signal::{LogBatch, TimestampNs};

/// Time between two lines of a trace at most, in ns.
pub const APART_NS: i64 = 1_000_000_000;
/// Lines of a trace at most.
const LINES: u32 = 1_000;

/// What the lines of a stream are in the midst of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Trace {
    /// Nothing: a frame may begin one.
    None,
    /// Frames, `Caused by:` and what is indented among them.
    Frames,
    /// Python's, whose frames come before the message.
    /// Python's, whose frames come before the message.
    Python,
    /// Go's, goroutine by goroutine.
    Go,
}

impl Trace {
    /// What comes after a record of one or more lines.
    #[must_use]
    pub fn of(text: &str) -> Self {
        Self::None.over(text)
    }

    /// What comes after a record that goes on with this one; `None` for one that does not.
    #[must_use]
    pub fn after(self, text: &str) -> Option<Self> {
        let (first, rest) = text.split_once('\n').unwrap_or((text, ""));
        Some(self.go_on(first)?.over(rest))
    }

    /// What comes after lines, whether they go on with it or not.
    fn over(self, text: &str) -> Self {
        text.lines().fold(self, |trace, line| trace.go_on(line).unwrap_or_else(|| Self::begin(line)))
    }

    /// What a line that does not go on with anything begins.
    fn begin(line: &str) -> Self {
        if line.contains("Traceback (most recent call last):") {
            Self::Python
        } else if line.starts_with("panic: ") || is_goroutine(line) {
            Self::Go
        } else {
            Self::None
        }
    }

    /// What comes after a line, if that goes on with the trace.
    fn go_on(self, line: &str) -> Option<Self> {
        let text = line.trim_start();
        let is_indented = text.len() < line.len() && !text.is_empty();
        match self {
            Self::None | Self::Frames if is_frame(text, is_indented) => Some(Self::Frames),
            Self::Frames if is_indented => Some(Self::Frames),
            Self::Python if is_indented => Some(Self::Python),
            // The message, which ends it, or another trace that led to this one.
            Self::Python if is_exception(text) => Some(Self::Frames),
            Self::Go if is_goroutine(text) || is_indented || text.is_empty() => Some(Self::Go),
            Self::Go if text.ends_with(')') || text.starts_with("created by ") || text.starts_with("[signal ") => {
                Some(Self::Go)
            }
            _ => None,
        }
    }
}

fn is_frame(text: &str, is_indented: bool) -> bool {
    let follows = |word: &str| text.strip_prefix(word).is_some_and(|rest| !rest.is_empty());
    let is_more = || text.strip_prefix("... ").is_some_and(|rest| rest.ends_with(" more"));
    let is_cause = follows("Caused by: ") || follows("Suppressed: ");
    is_cause || is_indented && (follows("at ") || follows("from ") && text.contains(".rb:") || is_more())
}

/// `goroutine 1 [running]:`
fn is_goroutine(text: &str) -> bool {
    text.starts_with("goroutine ") && text.ends_with("]:")
}

/// `ValueError: no such thing`, `module.Error`
fn is_exception(text: &str) -> bool {
    let name = text.split_once(':').map_or(text, |(name, _)| name);
    let is_name = |part: &str| part.chars().all(|c| c.is_alphanumeric() || c == '_') && !part.is_empty();
    name.split('.').all(is_name) && name.rsplit('.').next().is_some_and(|last| last.starts_with(char::is_uppercase))
}

/// Joins the lines of traces in a batch; other records stay as they are.
pub fn join(batch: &mut LogBatch) {
    struct Open {
        head: u32,
        lines: u32,
        last: Option<TimestampNs>,
        trace: Trace,
    }
    let mut open: HashMap<usize, Open> = HashMap::new();
    let mut heads: Vec<u32> = Vec::with_capacity(batch.len());
    let mut is_any = false;
    for (number, record) in batch.records().enumerate() {
        let number = number as u32;
        let before = open.get_mut(&record.stream).filter(|open| {
            let apart = record.at.zip(open.last).map_or(0, |(at, last)| at.saturating_sub(last).saturating_abs());
            apart <= APART_NS && open.lines < LINES
        });
        let next = before.and_then(|open| Some((open.trace.go_on(record.line)?, open)));
        if let Some((trace, open)) = next {
            (open.trace, open.last, open.lines) = (trace, record.at, open.lines + 1);
            heads.push(open.head);
            is_any = true;
        } else {
            let trace = Trace::begin(record.line);
            open.insert(record.stream, Open { head: number, lines: 1, last: record.at, trace });
            heads.push(number);
        }
    }
    if is_any {
        batch.gather(&heads);
    }
}

/// The line of a record that says what it is about: the first, but of Python's traces the last.
#[must_use]
pub fn message(text: &str) -> &str {
    let Some((first, rest)) = text.split_once('\n') else { return text };
    let is_python = first.contains("Traceback (most recent call last):");
    let last = || rest.lines().rev().find(|line| !line.trim().is_empty());
    if is_python { last().unwrap_or(first) } else { first }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal::{Labels, LogLine};

    /// Joins lines of `a` and `b`, by their first character.
    fn joined(lines: &[&str]) -> Vec<String> {
        let mut batch = LogBatch::default();
        let streams = ["a", "b"].map(|service| batch.stream(Labels::from_pairs([("service", service)])));
        for (number, line) in lines.iter().enumerate() {
            let stream = streams[usize::from(line.starts_with('b'))];
            let told = LogLine { at: Some(number as i64), line: &line[1..], ..LogLine::default() };
            batch.push(stream, &told, [("n", "1")]);
        }
        join(&mut batch);
        assert!(batch.records().all(|record| record.attributes().collect::<Vec<_>>() == [("n", "1")]));
        batch.records().map(|record| record.line.to_owned()).collect()
    }

    #[test]
    fn traces_are_one_record_and_streams_are_kept_apart() {
        let lines = [
            "aERROR payment failed: java.io.IOException: refused",
            "a\tat com.shop.Pay.send(Pay.java:17)",
            "bINFO served",
            "a\tat com.shop.Pay.main(Pay.java:3)",
            "aCaused by: java.net.ConnectException: refused",
            "a\t... 12 more",
            "aINFO goes on",
            "b  indented for no reason",
        ];
        let found = joined(&lines);
        assert_eq!(found.len(), 4);
        assert!(found[0].starts_with("ERROR payment failed") && found[0].ends_with("refused\n\t... 12 more"));
        assert_eq!(found[1..], ["INFO served", "INFO goes on", "  indented for no reason"]);
        assert_eq!(message(&found[0]), lines[0][1..].to_owned());
    }

    #[test]
    fn python_ends_with_its_message_and_go_with_its_frames() {
        let python = [
            "aERROR request failed",
            "aTraceback (most recent call last):",
            "a  File \"app.py\", line 3, in <module>",
            "a    pay()",
            "aservice.PaymentError: card 17 refused",
            "aINFO goes on: well",
        ];
        let found = joined(&python);
        assert_eq!(found.len(), 3);
        assert_eq!(message(&found[1]), "service.PaymentError: card 17 refused");
        let go = [
            "apanic: runtime error: index out of range",
            "a",
            "agoroutine 1 [running]:",
            "amain.pay(0x1)",
            "a\t/src/main.go:17 +0x1d",
            "aserver starts anew",
        ];
        assert_eq!(joined(&go).len(), 2);
    }

    #[test]
    fn what_is_no_trace_stays_line_by_line() {
        let lines = ["a  item 1", "a  item 2", "aat noon", "a   at", "aValueError: x", "a{", "a  \"key\": 1", "a}"];
        assert_eq!(joined(&lines).len(), lines.len());
    }

    #[test]
    fn lines_far_apart_are_not_of_one_trace() {
        let mut batch = LogBatch::default();
        let stream = batch.stream(Labels::default());
        for (at, line) in [(0, "x"), (APART_NS + 1, "\tat a.b(C.java:1)"), (APART_NS + 2, "\tat a.b(C.java:2)")] {
            batch.push(stream, &LogLine { at: Some(at), line, ..LogLine::default() }, []);
        }
        join(&mut batch);
        assert_eq!(batch.len(), 2);
    }
}
