//! What people tell vigie: what is not worth a finding, when not to look, and whether a finding was right.

use serde::{Deserialize, Serialize};

use super::{Labels, Matcher, TimestampMs};

/// What a person says of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Feedback {
    /// Nothing was wrong: what looks like it is not to be raised again.
    FalseAlarm,
    /// Something was wrong: what was learnt from it is forgotten again.
    Real,
}

/// Planned work: inside, nothing is raised about the series it covers and nothing is learnt from them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Maintenance {
    /// Names it; unique within a tenant.
    pub id: String,
    /// The selector as it was written.
    pub selector: String,
    /// What it means: all must accept.
    pub matchers: Vec<Matcher>,
    /// Event time at which it begins.
    pub from: TimestampMs,
    /// Event time at which it ends; not part of it.
    pub until: TimestampMs,
    /// Time between the beginnings of repetitions, in ms; `None` for a single one.
    pub every: Option<i64>,
    /// Why, for people.
    pub comment: String,
}

impl Maintenance {
    /// How the ids of windows from the configuration begin; others never do.
    pub const CONFIGURED: &str = "config-";

    /// Whether it goes on at `at`.
    #[must_use]
    pub fn covers(&self, at: TimestampMs) -> bool {
        if at < self.from {
            return false;
        }
        match self.every {
            Some(every) if every > 0 => (at - self.from) % every < self.until - self.from,
            _ => at < self.until,
        }
    }

    /// Whether it will not go on again after `at`.
    #[must_use]
    pub fn is_over(&self, at: TimestampMs) -> bool {
        self.every.is_none() && at >= self.until
    }
}

/// What deviations are worth a finding about the series it selects. Of several rules for a series each sets what it
/// names; the last wins.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// The series it is about: all must accept.
    pub matchers: Vec<Matcher>,
    /// Whether to raise nothing at all about them.
    pub exclude: Option<bool>,
    /// Which side of what is expected counts.
    pub direction: Option<Direction>,
    /// Least deviation from what is expected, in the series' unit (for a counter, of its rate).
    pub min_absolute: Option<f64>,
    /// Least deviation as a share of what is expected.
    pub min_relative: Option<f64>,
}

/// Which deviations count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// To either side.
    #[default]
    Both,
    /// Values above what is expected.
    Above,
    /// Values below.
    Below,
}

/// What is told to the engine while it runs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Command {
    /// What a person says of the finding with this id; `None` takes back what was said.
    Judge {
        /// The finding.
        id: String,
        /// What is said of it.
        feedback: Option<Feedback>,
    },
    /// Plans work, in the place of the one with the same id.
    Plan(Maintenance),
    /// Ends planned work, by its id.
    Cancel(String),
    /// Most series that any one tenant may have while memory is short, from now on; `None` when it no longer is. Holds for
    /// all tenants, whichever it is told to.
    Ceiling(Option<u64>),
}

/// Whether a label set satisfies all matchers.
#[must_use]
pub fn selects(matchers: &[Matcher], labels: &Labels) -> bool {
    matchers.iter().all(|matcher| matcher.accepts(labels.get(&matcher.name).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(from: TimestampMs, until: TimestampMs, every: Option<i64>) -> Maintenance {
        let (selector, matchers) = ("{job=\"a\"}".to_owned(), vec![Matcher::equal("job", "a")]);
        Maintenance { id: "m".into(), selector, matchers, from, until, every, comment: String::new() }
    }

    #[test]
    fn work_begins_ends_and_repeats() {
        let once = window(100, 200, None);
        assert_eq!([99, 100, 199, 200, 1_150].map(|at| once.covers(at)), [false, true, true, false, false]);
        assert!(once.is_over(200) && !once.is_over(199));
        let daily = window(100, 200, Some(1_000));
        assert_eq!(
            [99, 150, 200, 1_150, 1_200, 9_100].map(|at| daily.covers(at)),
            [false, true, false, true, false, true]
        );
        assert!(!daily.is_over(1_000_000));
    }

    #[test]
    fn planned_work_survives_being_stored() {
        let mut work = window(1, 2, None);
        let regex = Matcher::regex("a|b").unwrap();
        work.matchers.push(Matcher { name: "pod".into(), condition: super::super::Condition::NotMatches(regex) });
        let stored = postcard::to_stdvec(&work).unwrap();
        assert_eq!(postcard::from_bytes::<Maintenance>(&stored).unwrap(), work);
        assert!(selects(&work.matchers, &Labels::from_pairs([("job", "a"), ("pod", "c")])));
        assert!(!selects(&work.matchers, &Labels::from_pairs([("job", "a"), ("pod", "b")])));
    }
}
