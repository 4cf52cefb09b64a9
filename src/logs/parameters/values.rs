//! The values of one parameter.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::ValueKind;
use crate::{anomaly::number, signal::TimestampMs};

/// Values that are told apart; when there are more, so many of the most frequent are kept.
const DISTINCT: usize = 16;
const FREQUENT: usize = 8;
/// Of many a value is told with at least one in so many.
const FREQUENT_SHARE: u64 = 5;
/// Longest value that is kept, in bytes.
const BYTES: usize = 64;
/// Numbers of which the median is found.
const SAMPLE: usize = 32;
/// Values that are told in a sentence.
const TOLD: usize = 5;
/// Share of the values that must be of a type for all to be called so, in per cent.
const SHARE: u64 = 95;
/// Values, and time in ms, after which the set of values may be known; lines that each of them needs.
const LEARNING_VALUES: u64 = 1_000;
const LEARNING_MS: i64 = 86_400_000;
const LEAST: u64 = 5;

/// What is known of the values of a parameter.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Values {
    seen: u64,
    /// Event time of the first.
    since: TimestampMs,
    /// Values of each type, in the order of [`ValueKind::ALL`].
    kinds: [u64; ValueKind::ALL.len()],
    /// Each with its lines; of many only the frequent ones, with a bound from above (Metwally et al., ICDT 2005).
    values: Vec<(Box<str>, u64)>,
    is_many: bool,
    numbers: Numbers,
}

/// How large numbers are.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Numbers {
    seen: u64,
    least: f64,
    most: f64,
    /// Drawn evenly from all of them (Vitter's algorithm R).
    sample: Vec<f32>,
}

/// What is told of a parameter.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// Type of nearly all values.
    #[serde(rename = "type")]
    pub kind: ValueKind,
    /// Values that were looked at.
    pub seen: u64,
    /// Different values; `None` when there are more than are told apart.
    pub distinct: Option<usize>,
    /// Values with their lines, most frequent first. Of many only some, and none that is not frequent.
    pub values: Vec<(String, u64)>,
    /// Of numbers.
    pub range: Option<Range>,
}

/// How large numbers are, in the unit of their type.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Range {
    /// The least.
    #[serde(rename = "min")]
    pub least: f64,
    /// Half of them are at most this, about.
    pub median: f64,
    /// The largest.
    #[serde(rename = "max")]
    pub most: f64,
}

/// The beginning of a value.
pub(super) fn cut(value: &str) -> &str {
    &value[..value.floor_char_boundary(BYTES)]
}

impl Values {
    pub(super) fn seen(&self) -> u64 {
        self.seen
    }

    /// Whether each further value may tell something: there are few so far, or a rare one would be found.
    pub(super) fn is_open(&self) -> bool {
        self.seen < LEARNING_VALUES || !self.is_many && self.kind().may_be_closed()
    }

    /// Takes a value; true if it is one that was never there, where all others are known well.
    pub(super) fn note(&mut self, value: &str, at: TimestampMs) -> bool {
        if self.seen == 0 {
            self.since = at;
        }
        let (kind, much) = ValueKind::of(value);
        let is_known_well = self.is_known_well(at);
        self.seen += 1;
        self.kinds[kind as usize] += 1;
        if let Some(much) = much {
            self.numbers.note(much);
        }
        !self.count(cut(value)) && is_known_well
    }

    /// Counts a value; whether it was there.
    fn count(&mut self, value: &str) -> bool {
        if let Some((_, lines)) = self.values.iter_mut().find(|(known, _)| **known == *value) {
            *lines += 1;
            return true;
        }
        if !self.is_many && self.values.len() == DISTINCT {
            self.is_many = true;
            self.values.sort_by_key(|(_, lines)| std::cmp::Reverse(*lines));
            self.values.truncate(FREQUENT);
        }
        if !self.is_many {
            self.values.push((value.into(), 1));
        } else if let Some(least) = self.values.iter_mut().min_by_key(|(_, lines)| *lines) {
            *least = (value.into(), least.1 + 1);
        }
        false
    }

    /// Whether all values that there are have been seen, as far as one can say.
    fn is_known_well(&self, at: TimestampMs) -> bool {
        !self.is_many
            && self.seen >= LEARNING_VALUES
            && at - self.since >= LEARNING_MS
            && self.kind().may_be_closed()
            && self.values.iter().all(|(_, lines)| *lines >= LEAST)
    }

    /// The values but one, most frequent first.
    pub(super) fn known_before(&self, value: &str) -> Vec<String> {
        self.frequent().into_iter().map(|(known, _)| known).filter(|known| known != cut(value)).collect()
    }

    fn frequent(&self) -> Vec<(String, u64)> {
        let mut values: Vec<_> = self.values.iter().map(|(value, lines)| (value.to_string(), *lines)).collect();
        values.sort_by_key(|(_, lines)| std::cmp::Reverse(*lines));
        values
    }

    /// The type of nearly all values; whole numbers are decimal ones too.
    fn kind(&self) -> ValueKind {
        let of = |kind: ValueKind| self.kinds[kind as usize];
        let numbers = of(ValueKind::Integer) + of(ValueKind::Decimal);
        let is_most = |lines: u64| lines * 100 >= self.seen * SHARE;
        let one = ValueKind::ALL.into_iter().find(|kind| is_most(of(*kind)));
        one.unwrap_or(if is_most(numbers) { ValueKind::Decimal } else { ValueKind::Text })
    }

    pub(super) fn summary(&self) -> Summary {
        let mut values = self.frequent();
        if self.is_many {
            // A bound from above says something only where it is far above what each of them has at least.
            values.retain(|(_, lines)| *lines * FREQUENT_SHARE >= self.seen);
        }
        let kind = self.kind();
        let distinct = (!self.is_many).then_some(self.values.len());
        Summary {
            kind,
            seen: self.seen,
            distinct,
            values,
            range: self.numbers.range().filter(|_| kind.unit().is_some()),
        }
    }
}

/// In words: `integer: 22 to 60022, half of them at most 5000`, `word: "ok" 2000, "late" 1000`.
impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.kind)?;
        let mut before = ": ";
        if let (Some(Range { least, median, most }), Some(unit)) = (self.range, self.kind.unit())
            && (least < most || self.values.is_empty())
        {
            let [least, median, most] = [least, median, most].map(number);
            write!(f, ": {least} to {most}{unit}, half of them at most {median}{unit}")?;
            before = "; ";
        }
        let is_told = self.distinct.is_none_or(|distinct| distinct <= TOLD);
        for (value, lines) in self.values.iter().take(if is_told { TOLD } else { 0 }) {
            write!(f, "{before}\"{value}\" {lines}")?;
            before = ", ";
        }
        match self.distinct {
            Some(distinct) if !is_told => write!(f, "{before}{distinct} different values"),
            None => write!(f, "{before}many different values"),
            Some(_) => Ok(()),
        }
    }
}

impl Numbers {
    fn note(&mut self, much: f64) {
        self.least = if self.seen == 0 { much } else { self.least.min(much) };
        self.most = if self.seen == 0 { much } else { self.most.max(much) };
        self.seen += 1;
        if self.sample.len() < SAMPLE {
            self.sample.push(much as f32);
            return;
        }
        // Drawn by the number of the value alone: the same lines give the same sample.
        let drawn = xxhash_rust::xxh3::xxh3_64(&self.seen.to_le_bytes()) % self.seen;
        if let Some(place) = self.sample.get_mut(drawn as usize) {
            *place = much as f32;
        }
    }

    fn range(&self) -> Option<Range> {
        let mut sample = self.sample.clone();
        sample.sort_by(f32::total_cmp);
        let median = f64::from(*sample.get(sample.len() / 2)?).clamp(self.least, self.most);
        Some(Range { least: self.least, median, most: self.most })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_values_the_frequent_ones_are_kept() {
        let mut values = Values::default();
        for i in 0..3_000 {
            let value = if i % 3 == 0 { "10.0.0.1".to_owned() } else { format!("10.0.{}.{}", 1 + i % 97, i % 251) };
            values.note(&value, 0);
        }
        let summary = values.summary();
        assert_eq!((summary.kind, summary.distinct, summary.seen), (ValueKind::Address, None, 3_000));
        assert_eq!(summary.values[0], ("10.0.0.1".to_owned(), 1_000));
        assert!(values.values.len() <= FREQUENT);
        assert_eq!(summary.range, None);
    }

    #[test]
    fn one_value_of_another_type_changes_nothing() {
        let mut values = Values::default();
        (0..100).for_each(|i| _ = values.note(&i.to_string(), 0));
        values.note("none", 0);
        assert_eq!(values.summary().kind, ValueKind::Integer);
        (0..50).for_each(|_| _ = values.note("1.5", 0));
        assert_eq!(values.summary().kind, ValueKind::Decimal);
        (0..50).for_each(|_| _ = values.note("none", 0));
        assert_eq!(values.summary().kind, ValueKind::Text);
    }

    #[test]
    fn medians_are_about_right() {
        let mut values = Values::default();
        (0..10_000_u64).for_each(|i| _ = values.note(&(i * 7_919 % 10_000).to_string(), 0));
        let range = values.summary().range.unwrap();
        assert_eq!((range.least, range.most), (0.0, 9_999.0));
        assert!((3_000.0..7_000.0).contains(&range.median), "{range:?}");
    }

    #[test]
    fn summaries_read_as_sentences() {
        let told = |all: &[&str]| {
            let mut values = Values::default();
            all.iter().for_each(|value| _ = values.note(value, 0));
            values.summary().to_string()
        };
        assert_eq!(told(&["ok", "late", "ok"]), r#"word: "ok" 2, "late" 1"#);
        assert_eq!(told(&["200"]), r#"integer: "200" 1"#);
        let six = ["1ms", "2ms", "3ms", "4ms", "5ms", "6ms"];
        assert_eq!(told(&six), "duration: 0.001 to 0.006 s, half of them at most 0.004 s; 6 different values");
        let many: Vec<String> = (0..40).map(|i| format!("/path/{i}")).collect();
        assert_eq!(told(&many.iter().map(|value| value.as_str()).collect::<Vec<_>>()), "path: many different values");
    }
}
