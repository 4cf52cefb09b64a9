//! How many lines, or bytes of them, there were over time.

use std::collections::{BTreeMap, HashMap};

use super::{
    Query, SearchError, Searcher,
    candidates::Candidates,
    collect::{Budget, Stop},
    schema::severity_of,
    segment::Reader,
    stream,
};
use crate::signal::{Labels, Severity, TimestampNs};

/// Most numbers of a histogram, over all groups.
const MOST_NUMBERS: usize = 5_000_000;

/// Stretches of time that are counted: at `start`, and every `step` after it until `end`, the `range` before. In ns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Windows {
    /// End of the first stretch; part of it.
    pub start: TimestampNs,
    /// No stretch ends later.
    pub end: TimestampNs,
    /// From one to the next; more than 0.
    pub step: i64,
    /// Length of each; more than 0. Its beginning is not part of it.
    pub range: i64,
}

impl Windows {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        let length = self.end.checked_sub(self.start).filter(|length| *length >= 0);
        length.map_or(0, |length| (length / self.step.max(1)) as usize + 1)
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The end of each.
    pub fn ends(&self) -> impl Iterator<Item = TimestampNs> + use<> {
        let Self { start, step, .. } = *self;
        (0..self.len()).map(move |i| start + i as i64 * step)
    }

    /// The first and the one after the last that a time is in.
    fn around(&self, at: TimestampNs) -> (usize, usize) {
        // A window that ends at `e` has the times after `e - range` up to `e`.
        let after = |offset: i128| (offset + i128::from(self.step) - 1).div_euclid(i128::from(self.step));
        let offset = i128::from(at) - i128::from(self.start);
        let len = self.len() as i128;
        (after(offset).clamp(0, len) as usize, after(offset + i128::from(self.range)).clamp(0, len) as usize)
    }
}

/// What is counted together. Beside those of the stream there are the labels `detected_level` or `severity`, absent on lines
/// without one, and `template`, 16 hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Grouping {
    /// Lines with the same values of these labels.
    By(Vec<String>),
    /// Lines of the same stream and `detected_level`, these labels aside.
    Without(Vec<String>),
}

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// Lines.
    Lines,
    /// Bytes of lines.
    Bytes,
}

/// Counts over time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Histogram {
    /// For each group one number per window; groups without anything are left out.
    pub groups: BTreeMap<Labels, Vec<u64>>,
    /// Whether lines may be missing, because the budget was spent.
    pub is_partial: bool,
}

impl Searcher {
    /// Counts the lines that a query means, in windows. Lines outside the time of the query do not count.
    ///
    /// # Errors
    /// A segment cannot be read, the answer would be too large, or is no longer wanted.
    pub fn histogram(
        &self,
        query: &Query,
        windows: &Windows,
        grouping: &Grouping,
        count: Count,
    ) -> Result<Histogram, SearchError> {
        let mut groups = Groups { windows, grouping, count, numbers: Vec::new(), places: BTreeMap::new() };
        let mut budget = Budget::new(query.budget, self.demand.clone());
        let mut is_partial = false;
        let mut segments = self.catalog.between(&query.tenant, query.from, query.to);
        segments.sort_by_key(|segment| !segment.facts.to);
        for segment in segments {
            self.demand.check()?;
            let reader = self.catalog.open(&segment)?;
            match groups.add(query, &reader, &mut budget) {
                Ok(()) => {}
                Err(Stop::Spent) => {
                    is_partial = true;
                    break;
                }
                Err(Stop::Failed(error)) => return Err(error),
            }
        }
        Ok(Histogram { groups: groups.finish(), is_partial })
    }
}

/// Counts on their way.
struct Groups<'a> {
    windows: &'a Windows,
    grouping: &'a Grouping,
    count: Count,
    /// For each group, how much a window has more than the one before it.
    numbers: Vec<Vec<i64>>,
    places: BTreeMap<Labels, usize>,
}

impl Groups<'_> {
    fn add(&mut self, query: &Query, reader: &Reader, budget: &mut Budget) -> Result<(), Stop> {
        let candidates = Candidates::of(query, reader, budget)?;
        let (by_severity, by_template) = match self.grouping {
            Grouping::By(names) => {
                let has = |wanted: &[&str]| names.iter().any(|name| wanted.contains(&&**name));
                (has(&["detected_level", "severity"]), has(&["template"]))
            }
            Grouping::Without(names) => (!names.iter().any(|name| name == "detected_level"), false),
        };
        let mut known: HashMap<(u64, u64, u64), usize> = HashMap::new();
        for doc in candidates.lines.ascending() {
            let at = reader.time.get_val(doc);
            let (first, end) = self.windows.around(at);
            if first >= end || !(query.from..query.to).contains(&at) || !candidates.accepts(doc, budget)? {
                continue;
            }
            let severity = if by_severity { reader.severity.get_val(doc) } else { 0 };
            let template = if by_template { reader.template.get_val(doc) } else { 0 };
            let key = (reader.stream.get_val(doc), severity, template);
            let group = match known.get(&key) {
                Some(group) => *group,
                None => {
                    let labels = labels(self.grouping, &reader.stream_of(doc)?, severity_of(severity), template);
                    let group = self.group(labels)?;
                    *known.entry(key).or_insert(group)
                }
            };
            let amount = match self.count {
                Count::Lines => 1,
                Count::Bytes => reader.bytes.get_val(doc) as i64,
            };
            self.numbers[group][first] += amount;
            self.numbers[group][end] -= amount;
        }
        Ok(())
    }

    fn group(&mut self, labels: Labels) -> Result<usize, SearchError> {
        if let Some(group) = self.places.get(&labels) {
            return Ok(*group);
        }
        let len = self.windows.len() + 1;
        if (self.numbers.len() + 1).saturating_mul(len) > MOST_NUMBERS {
            let problem = format!("more than {MOST_NUMBERS} numbers: use fewer groups or a longer step");
            return Err(SearchError::TooLarge(problem));
        }
        self.numbers.push(vec![0; len]);
        self.places.insert(labels, self.numbers.len() - 1);
        Ok(self.numbers.len() - 1)
    }

    fn finish(self) -> BTreeMap<Labels, Vec<u64>> {
        let Self { windows, numbers, places, .. } = self;
        let sums = |changes: &[i64]| {
            let sums = changes.iter().take(windows.len()).scan(0_i64, |sum, change| {
                *sum += change;
                Some(sum.unsigned_abs())
            });
            sums.collect()
        };
        places.into_iter().map(|(labels, group)| (labels, sums(&numbers[group]))).collect()
    }
}

/// The labels of the group of a line.
fn labels(grouping: &Grouping, encoded: &str, severity: Option<Severity>, template: u64) -> Labels {
    let own = stream::decode(encoded);
    let level = severity.map_or("", Severity::as_str);
    match grouping {
        Grouping::By(names) => {
            let value = |name: &str| match (own.get(name), name) {
                (Some(value), _) => value.to_owned(),
                (None, "detected_level" | "severity") => level.to_owned(),
                (None, "template") => format!("{template:016x}"),
                (None, _) => String::new(),
            };
            Labels::from_pairs(names.iter().map(|name| (name.as_str(), value(name))))
        }
        Grouping::Without(names) => {
            let all = if own.get("detected_level").is_some() { own } else { own.with("detected_level", level) };
            all.filtered(|name| !names.iter().any(|without| without == name))
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_time_is_in_the_windows_around_it(
            start in -50_i64..50,
            length in 0_i64..100,
            step in 1_i64..20,
            range in 1_i64..40,
            at in -120_i64..220,
        ) {
            let windows = Windows { start, end: start + length, step, range };
            let (first, end) = windows.around(at);
            for (i, e) in windows.ends().enumerate() {
                prop_assert_eq!((first..end).contains(&i), e - range < at && at <= e, "window {} ending at {}", i, e);
            }
        }
    }
}
