use std::collections::BTreeMap;

use super::*;
use crate::{
    engine::logs::source::Home,
    logs::Reader,
    signal::{Labels, LogBatch, LogLine},
};

const MINUTE: i64 = 60_000;

struct Log {
    source: Source,
    reader: Reader,
    /// What the counters say in the end.
    counted: BTreeMap<String, u64>,
}

impl Log {
    fn new() -> Self {
        let labels = Labels::from_pairs([("service", "pay")]);
        let source = Source::new(Home::of(&labels), &labels, 0);
        Self { source, reader: Reader::default(), counted: BTreeMap::new() }
    }

    fn line(&mut self, at: TimestampMs, trace_id: &str, line: &str) {
        let mut batch = LogBatch::default();
        let stream = batch.stream(Labels::default());
        batch.push(stream, &LogLine { trace_id, line, ..LogLine::default() }, []);
        for record in batch.records() {
            self.source.take_line(&record, at, &mut self.reader);
        }
    }

    /// Seven requests in a minute, of these lines but for the id.
    fn minute(&mut self, minute: i64, lines: impl Fn(i64) -> Vec<String>) {
        for i in 0..7 {
            let number = 7 * minute + i;
            for (step, line) in lines(number).iter().enumerate() {
                let at = minute * MINUTE + i * 5_000 + step as i64;
                self.line(at, "", &format!("{line} request_id=r-{number}"));
            }
        }
        for count in self.source.end_sessions((minute + 1) * MINUTE) {
            let outcome = count.labels.get("outcome").unwrap().to_owned();
            *self.counted.entry(outcome).or_default() += count.news;
            assert!(count.news <= count.lines);
        }
    }

    fn found(&self) -> &Found {
        self.source.sessions.found.as_ref().unwrap()
    }
}

fn steps(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// Begins, reads and releases as often, and ends.
fn request(number: i64) -> Vec<String> {
    let pairs = ["item was read", "item was released"].repeat(1 + number as usize % 3);
    steps(&[&["request begins"], &pairs[..], &["request ends"]].concat())
}

#[test]
fn each_kind_of_breach_is_seen_after_the_learning() {
    let mut log = Log::new();
    (0..359).for_each(|minute| log.minute(minute, request));
    assert!(log.counted.is_empty() && log.source.broken_sessions().is_none(), "it is being learnt");
    (359..380).for_each(|minute| log.minute(minute, request));
    assert_eq!(log.counted["broken"], 0);
    let whole = log.counted["whole"];
    assert!((130..=147).contains(&whole), "{whole}");

    log.minute(380, |number| match number % 7 {
        1 => steps(&["request begins", "item was read", "request ends"]),
        2 => steps(&["request begins", "item was read", "item was released"]),
        3 => steps(&["request begins", "who is there?", "request ends"]),
        _ => request(number),
    });
    (381..384).for_each(|minute| log.minute(minute, request));
    assert_eq!(log.counted["broken"], 3);
    let row = log.source.sessions_row().unwrap();
    let told: Vec<_> = row.last_broken.iter().rev().map(|session| session.broken[0].as_str()).collect();
    assert_eq!(
        told,
        [
            "usually as often: \"item was read request_id=r-<*>\" 1 times, \"item was released request_id=r-<*>\" 0 times",
            "usually once: \"request ends request_id=r-<*>\" 0 times",
            "hardly ever there: \"who is there? request_id=r-<*>\"",
        ]
    );
    assert_eq!((&*row.last_broken[0].id, &*row.last_broken[0].line), ("r-2663", "request begins request_id=r-2663"));
    assert!(row.relations.contains(&"once: \"request ends request_id=r-<*>\"".to_owned()), "{:?}", row.relations);
    assert!(row.is_learnt && row.ended >= row.whole + row.broken && row.one_of == 1);
}

#[test]
fn what_most_sessions_have_broken_is_told() {
    let mut log = Log::new();
    (0..365).for_each(|minute| log.minute(minute, request));
    log.minute(365, |number| match number % 7 {
        1..5 => steps(&["request begins", "item was read", "item was released"]),
        5 => steps(&["request begins", "who is there?", "request ends"]),
        _ => request(number),
    });
    (366..368).for_each(|minute| log.minute(minute, request));
    let (words, line) = log.source.broken_sessions().unwrap();
    assert_eq!(
        words,
        " In 4 of the last 5 broken sessions, such as r-2559, usually once: \"request ends request_id=r-<*>\" 0 times."
    );
    assert_eq!(line, "request begins request_id=r-2559");
}

#[test]
fn what_has_no_sessions_is_left_alone_for_a_day() {
    let mut log = Log::new();
    (0..40).for_each(|minute| log.minute(minute, |_| steps(&["nothing special"])));
    assert!(log.source.sessions.found.is_none(), "each has one line");
    (40..1_400).for_each(|minute| log.minute(minute, request));
    assert!(log.source.sessions.found.is_none());
    (1_480..1_500).for_each(|minute| log.minute(minute, request));
    assert!(log.found().tally.all > 0, "a day later they have more");

    let mut without = Log::new();
    for i in 0..1_000 {
        without.line(i * 1_000, "", &format!("added item {i} to cart {}", i % 7));
    }
    assert!(without.source.sessions.found.is_none());
}

#[test]
fn a_trace_is_a_session() {
    let mut log = Log::new();
    for i in 0..100 {
        let trace = format!("{:032x}", i / 2 + 1);
        log.line(i * 1_000, &trace, "request_id=1 is another id");
        log.line(i * 1_000, &"0".repeat(32), "of no trace");
    }
    assert_eq!(log.found().open.len(), 50);
}

#[test]
fn templates_that_turn_out_to_be_one_break_nothing() {
    let mut log = Log::new();
    let words = ["alpha", "beta", "gamma", "delta", "omega"];
    let request = |words: &[&str], number: i64| {
        let check = format!("now checking disk {} for it", words[number as usize % words.len()]);
        vec!["request begins".to_owned(), check, "request ends".to_owned()]
    };
    (0..400).for_each(|minute| log.minute(minute, |number| request(&words[..3], number)));
    assert_eq!((log.source.catalogue.counts().count(), log.counted["broken"]), (5, 0));
    (400..410).for_each(|minute| log.minute(minute, |number| request(&words, number)));
    assert_eq!((log.source.catalogue.counts().count(), log.counted["broken"]), (3, 0));
    log.minute(410, |_| steps(&["request begins", "request ends"]));
    (411..413).for_each(|minute| log.minute(minute, |number| request(&words, number)));
    assert_eq!(log.counted["broken"], 7);
    let (sentence, _) = log.source.broken_sessions().unwrap();
    assert!(sentence.contains("usually once: \"now checking disk <*> for it request_id=r-<*>\" 0 times"), "{sentence}");
}

#[test]
fn what_was_written_down_goes_on_as_it_was() {
    let (mut whole, mut parts) = (Log::new(), Log::new());
    let lines = |number: i64| match number % 90 {
        0 => steps(&["request begins", "item was read"]),
        _ => request(number),
    };
    let bytes = |log: &Log| postcard::to_stdvec(&log.source).unwrap();
    for minute in 0..420 {
        whole.minute(minute, lines);
        parts.minute(minute, lines);
        if minute % 70 == 9 {
            parts.source = postcard::from_bytes(&bytes(&parts)).unwrap();
            parts.reader = Reader::default();
        }
    }
    assert!(bytes(&whole) == bytes(&parts));
    assert!(whole.counted["broken"] > 0);
    assert_eq!((&whole.counted, whole.found().broken.len()), (&parts.counted, parts.found().broken.len()));
}

#[test]
fn what_changes_for_good_is_learnt() {
    let mut log = Log::new();
    (0..400).for_each(|minute| log.minute(minute, request));
    let deployed = |number: i64| [request(number), steps(&["it was written to the archive"])].concat();
    (400..480).for_each(|minute| log.minute(minute, deployed));
    let broken = log.counted["broken"];
    assert!(broken > 0, "it was rare");
    (480..500).for_each(|minute| log.minute(minute, deployed));
    assert_eq!(log.counted["broken"], broken);
    assert!(log.found().broken.len() <= KEPT);
}
