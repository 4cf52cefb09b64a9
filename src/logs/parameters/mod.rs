//! The parameters of a template: what stands where lines differ, of which type, how large, and which values there are.
//!
//! Of each template the first lines of a minute are looked at, so that this costs the same however many lines there are. A
//! line is laid against the text of its template, piece by piece; where it does not fit, nothing is noted.

mod kind;
mod values;

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

pub use kind::ValueKind;
pub use values::Summary;
use values::Values;

use super::pieces::Pieces;
use crate::signal::TimestampMs;

/// Parameters of a template that are looked at.
const PARAMETERS: usize = 8;
/// Lines of a minute that are looked at, and of how many once nothing more is to be learnt of them.
const LINES: u32 = 64;
const LINES_KNOWN: u32 = 4;

/// What is known of the parameters of one template.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Parameters {
    /// How often the text of the template had changed when this was begun: what is known is of that text.
    version: u32,
    pieces: Pieces,
    values: Vec<Values>,
}

/// A value that was never at its place, where all others are known well.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RareValue {
    /// Number of the parameter in the template, from 0.
    pub parameter: usize,
    /// The value, perhaps cut off.
    pub value: String,
    /// Those that are known, most frequent first.
    pub known: Vec<String>,
    /// Lines in which one of these stood.
    pub lines: u64,
}

impl Parameters {
    /// Looks at the text of a line. `form` gives the text of the template with a byte 1 for each value, if it is not the
    /// one of this `version` already.
    pub fn look(
        &mut self,
        line: &str,
        at: TimestampMs,
        version: u32,
        form: impl FnOnce() -> Vec<u8>,
    ) -> Option<RareValue> {
        if self.version != version || self.pieces.is_empty() {
            let pieces = Pieces::of(&form());
            let places = pieces.values().min(PARAMETERS);
            *self = Self { version, pieces, values: vec![Values::default(); places] };
        }
        if self.values.is_empty() {
            return None;
        }
        let mut rare = None;
        for (parameter, value) in
            self.pieces.read(&with_single_blanks(line))?.into_iter().take(self.values.len()).enumerate()
        {
            let values = &mut self.values[parameter];
            if !values.note(value, at) {
                continue;
            }
            rare = rare.or_else(|| {
                let known = values.known_before(value);
                Some(RareValue { parameter, value: values::cut(value).to_owned(), known, lines: values.seen() - 1 })
            });
        }
        rare
    }

    /// Whether to look at the line with this number, from 1, in its minute.
    pub fn wants(&self, number: u32) -> bool {
        number <= LINES_KNOWN || number <= LINES && (self.pieces.is_empty() || self.values.iter().any(Values::is_open))
    }

    /// What is known of each parameter, in the order of the text.
    pub fn summaries(&self) -> impl Iterator<Item = Summary> {
        self.values.iter().map(Values::summary)
    }
}

/// A line as templates have it: one blank between two words.
fn with_single_blanks(line: &str) -> Cow<'_, str> {
    let is_space = |byte: &u8| byte.is_ascii_whitespace();
    let is_wide = |pair: &[u8]| pair.iter().all(is_space);
    if line.bytes().any(|byte| byte != b' ' && is_space(&byte)) || line.as_bytes().windows(2).any(is_wide) {
        Cow::Owned(line.split_ascii_whitespace().collect::<Vec<_>>().join(" "))
    } else {
        Cow::Borrowed(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400_000;

    fn form(text: &str) -> Vec<u8> {
        text.replace("<*>", "\u{1}").into_bytes()
    }

    #[test]
    fn types_and_sizes_are_told() {
        let mut parameters = Parameters::default();
        for i in 0..200 {
            let line =
                format!("GET /items/{i} took 1.{}ms, status {} from 10.0.0.{}", i % 10, [200, 404][i % 2], i % 90);
            assert_eq!(parameters.look(&line, 0, 1, || form("GET <*> took <*>, status <*> from <*>")), None);
        }
        let all: Vec<Summary> = parameters.summaries().collect();
        let kinds: Vec<_> = all.iter().map(|summary| summary.kind).collect();
        assert_eq!(kinds, [ValueKind::Path, ValueKind::Duration, ValueKind::Integer, ValueKind::Address]);
        assert_eq!((all[0].distinct, all[2].distinct), (None, Some(2)));
        assert_eq!(
            all[2].values.iter().map(|(value, lines)| (&**value, *lines)).collect::<Vec<_>>(),
            [("200", 100), ("404", 100)]
        );
        let took = all[1].range.unwrap();
        assert_eq!((took.least, took.most), (0.001, 0.0019), "in seconds");
        assert!((0.0012..0.0017).contains(&took.median), "{took:?}");
    }

    #[test]
    fn another_text_is_learnt_anew() {
        let mut parameters = Parameters::default();
        parameters.look("job alpha done", 0, 1, || form("job <*> done"));
        parameters.look("job  alpha\tdone", 0, 1, || unreachable!("the text is known"));
        assert_eq!(parameters.summaries().next().unwrap().seen, 2);
        parameters.look("job alpha failed", 0, 2, || form("job <*> <*>"));
        assert_eq!(parameters.summaries().map(|summary| summary.seen).collect::<Vec<_>>(), [1, 1]);
    }

    #[test]
    fn a_template_without_values_has_nothing() {
        let mut parameters = Parameters::default();
        assert_eq!(parameters.look("it goes on", 0, 1, || form("it goes on")), None);
        parameters.look("it goes on", 0, 1, || unreachable!("known to have none"));
        assert_eq!(parameters.summaries().count(), 0);
    }

    #[test]
    fn a_value_is_rare_where_all_others_are_known_well() {
        let told = |span: i64, lines: i64, value: &str, usual: &dyn Fn(i64) -> String| {
            let mut parameters = Parameters::default();
            let form = || form("request ended as <*> in zone <*>");
            for i in 0..lines {
                let line = format!("request ended as {} in zone {i}", usual(i));
                assert_eq!(parameters.look(&line, i * span / lines, 1, form), None);
            }
            parameters.look(&format!("request ended as {value} in zone 7"), span, 1, form)
        };
        let few = |i: i64| ["ok", "late", "ok"][i as usize % 3].to_owned();
        let rare = told(2 * DAY, 3_000, "broken", &few).unwrap();
        let known = ["ok".to_owned(), "late".to_owned()].to_vec();
        assert_eq!(rare, RareValue { parameter: 0, value: "broken".to_owned(), known, lines: 3_000 });
        assert_eq!(told(2 * DAY, 3_000, "ok", &few), None);
        assert_eq!(told(DAY / 2, 3_000, "broken", &few), None, "known for half a day");
        assert_eq!(told(2 * DAY, 300, "broken", &few), None, "too few lines");
        let open = |i: i64| {
            format!("state{}", i % 40).replace(char::is_numeric, &char::from(b'a' + (i % 26) as u8).to_string())
        };
        assert_eq!(told(2 * DAY, 3_000, "broken", &open), None, "of very many");
        let fading = |i: i64| if i == 2_000 { "odd".to_owned() } else { few(i) };
        let mut parameters = Parameters::default();
        for i in 0..3_000 {
            let line = format!("ended as {}", fading(i));
            let rare = parameters.look(&line, i * 2 * DAY / 3_000, 1, || form("ended as <*>"));
            assert_eq!(rare.is_some(), i == 2_000);
        }
        let rare = parameters.look("ended as broken", 2 * DAY, 1, || unreachable!());
        assert_eq!(rare, None, "another one came not long ago, and never again");
        assert!(told(2 * DAY, 3_000, "500", &|i| ["200", "404"][i as usize % 2].to_owned()).is_some(), "codes");
        assert_eq!(told(2 * DAY, 3_000, "10.0.0.9", &|_| "10.0.0.1".to_owned()), None, "addresses come and go");
        assert_eq!(told(2 * DAY, 3_000, "api-7f9c", &|_| "api-5d8b".to_owned()), None, "so do names of pods");
    }
}
