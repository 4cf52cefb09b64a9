//! What people decide in the file: which deviations are worth a finding, and planned work.
//!
//! The entries hold what was written; [`RuleEntry::rule`] and [`Window::work`] read it, or say what is wrong with which
//! key. The API takes planned work by the same function, so that both refuse the same things in the same words.

use std::sync::Arc;

use chrono::DateTime;
use serde::{Deserialize, Serialize};

use super::{Config, Period, Problem};
use crate::{
    promql,
    signal::{Direction, Maintenance, Matcher, Rule, TimestampMs},
};

/// Rules that the file may have; each is looked at for each new series.
const RULES_MAX: usize = 200;
/// Windows that the file may have.
pub(crate) const WINDOWS_MAX: usize = 100;
/// Longest selector, in bytes.
const SELECTOR_MAX: usize = 4 << 10;
/// Longest comment, in bytes.
const COMMENT_MAX: usize = 1_000;

/// A rule of `anomaly.rules`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleEntry {
    /// Selector of the series it is about.
    #[serde(rename = "match")]
    pub selector: String,
    /// Whether to raise nothing at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exclude: Option<bool>,
    /// Which side counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub direction: Option<Direction>,
    /// Least deviation, in the series' unit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_absolute: Option<f64>,
    /// Least deviation, as a share of what is expected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_relative: Option<f64>,
}

/// An entry of `maintenance`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Window {
    /// Selector of the series it covers.
    #[serde(rename = "match")]
    pub selector: String,
    /// When it begins, RFC 3339.
    pub from: String,
    /// When it ends, RFC 3339.
    pub until: String,
    /// Time between the beginnings of repetitions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every: Option<Period>,
    /// Why, for people.
    #[serde(default)]
    pub comment: String,
}

/// What is wrong with one key of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// The key.
    pub(crate) key: &'static str,
    /// What is wrong and what would do.
    pub(crate) message: String,
}

impl Fault {
    pub(crate) fn new(key: &'static str, message: impl Into<String>) -> Self {
        Self { key, message: message.into() }
    }
}

impl RuleEntry {
    fn rule(&self) -> Result<Rule, Fault> {
        for (key, value) in [("min_absolute", self.min_absolute), ("min_relative", self.min_relative)] {
            if value.is_some_and(|value| !value.is_finite() || value < 0.0) {
                return Err(Fault::new(key, "must be a number that is not negative"));
            }
        }
        let is_idle = (self.exclude.is_none() && self.direction.is_none())
            && (self.min_absolute.is_none() && self.min_relative.is_none());
        if is_idle {
            return Err(Fault::new(
                "match",
                "selects series and says nothing about them; add exclude, direction, min_absolute or min_relative",
            ));
        }
        Ok(Rule {
            matchers: matchers(&self.selector)?,
            exclude: self.exclude,
            direction: self.direction,
            min_absolute: self.min_absolute,
            min_relative: self.min_relative,
        })
    }
}

impl Window {
    /// The planned work, under this id.
    pub(crate) fn work(&self, id: String) -> Result<Maintenance, Fault> {
        let (from, until) = (moment("from", &self.from)?, moment("until", &self.until)?);
        if until <= from {
            return Err(Fault::new("until", "must be after `from`"));
        }
        let every = self.every.map(Period::as_millis);
        if every.is_some_and(|every| every < until - from) {
            let message =
                "must be at least as long as the window lasts, or it would never end; leave it out for one time";
            return Err(Fault::new("every", message));
        }
        if self.comment.len() > COMMENT_MAX {
            let message = format!("has {} bytes; at most {COMMENT_MAX} are kept", self.comment.len());
            return Err(Fault::new("comment", message));
        }
        let matchers = matchers(&self.selector)?;
        let (selector, comment) = (self.selector.clone(), self.comment.clone());
        Ok(Maintenance { id, selector, matchers, from, until, every, comment })
    }
}

impl Config {
    /// The rules of `anomaly.rules`.
    ///
    /// # Errors
    /// The first entry that cannot work; there is none in a configuration that was loaded.
    pub fn rules(&self) -> Result<Arc<[Rule]>, Problem> {
        self.anomaly.rules.iter().enumerate().map(|(at, entry)| name("anomaly.rules", at, entry.rule())).collect()
    }

    /// The planned work of `maintenance`.
    ///
    /// # Errors
    /// The first entry that cannot work; there is none in a configuration that was loaded.
    pub fn planned(&self) -> Result<Arc<[Maintenance]>, Problem> {
        let work =
            |at, window: &Window| name("maintenance", at, window.work(format!("{}{at}", Maintenance::CONFIGURED)));
        self.maintenance.iter().enumerate().map(|(at, window)| work(at, window)).collect()
    }
}

/// All entries that cannot work.
pub(super) fn check(config: &Config) -> Vec<Problem> {
    let rules = config.anomaly.rules.iter().map(|entry| entry.rule().map(drop));
    let windows = config.maintenance.iter().map(|window| window.work(String::new()).map(drop));
    let rules = rules.enumerate().filter_map(|(at, read)| name("anomaly.rules", at, read).err());
    let windows = windows.enumerate().filter_map(|(at, read)| name("maintenance", at, read).err());
    let too_many = [
        ("anomaly.rules", config.anomaly.rules.len(), RULES_MAX),
        ("maintenance", config.maintenance.len(), WINDOWS_MAX),
    ];
    let too_many = too_many.into_iter().filter(|(_, count, most)| count > most).map(|(key, count, most)| {
        let message = format!("has {count} entries; at most {most} are allowed, join some with a regular expression");
        Problem { key: key.into(), message }
    });
    too_many.chain(rules).chain(windows).collect()
}

fn name<T>(list: &str, at: usize, read: Result<T, Fault>) -> Result<T, Problem> {
    read.map_err(|fault| Problem { key: format!("{list}[{at}].{}", fault.key).into(), message: fault.message })
}

/// What a selector selects.
fn matchers(selector: &str) -> Result<Vec<Matcher>, Fault> {
    let fault = |message: String| Fault::new("match", message);
    if selector.len() > SELECTOR_MAX {
        return Err(fault(format!("has {} bytes; at most {SELECTOR_MAX} are read", selector.len())));
    }
    let alternatives = promql::parse_selector(selector).map_err(|error| {
        let text = match error {
            promql::Error::Parse(text) => text,
            other => other.to_string(),
        };
        fault(format!("is not a selector such as {{job=\"batch\"}}: {text}"))
    })?;
    match <[_; 1]>::try_from(alternatives) {
        Ok([matchers]) => Ok(matchers),
        Err(_) => Err(fault("has `or` between its matchers; write an entry for each alternative".into())),
    }
}

/// A point in time.
pub(crate) fn moment(key: &'static str, text: &str) -> Result<TimestampMs, Fault> {
    let message = || format!("{text:?} is not a time; write it as 2026-11-21T02:00:00Z or with an offset, +01:00");
    DateTime::parse_from_rfc3339(text).map(|time| time.timestamp_millis()).map_err(|_| Fault::new(key, message()))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::parse;

    fn read(text: &str) -> Result<Config, String> {
        parse(Path::new("vigie.yaml"), text, |_| None).map_err(|error| error.to_string())
    }

    #[test]
    fn entries_become_rules_and_planned_work() {
        let config = read(
            "anomaly:\n  rules:\n  - {match: '{job=\"batch\"}', exclude: true}\n  \
             - {match: 'queue_length{job=~\"a|b\"}', direction: above, min_absolute: 10, min_relative: 0.5}\n\
             maintenance:\n- match: '{job=\"db\"}'\n  from: 2026-11-21T02:00:00+01:00\n  until: 2026-11-21T04:00:00+01:00\n  \
             every: 7d\n  comment: backup\n",
        )
        .unwrap();
        let rules = config.rules().unwrap();
        assert_eq!((rules[0].exclude, rules[0].direction), (Some(true), None));
        assert_eq!((rules[1].direction, rules[1].min_absolute), (Some(Direction::Above), Some(10.0)));
        assert_eq!(rules[1].matchers.len(), 2);
        let planned = config.planned().unwrap();
        assert_eq!((planned[0].id.as_str(), planned[0].comment.as_str()), ("config-0", "backup"));
        assert_eq!((planned[0].from, planned[0].until - planned[0].from), (1_795_222_800_000, 7_200_000));
        assert_eq!(planned[0].every, Some(7 * 86_400_000));
        assert_eq!(planned[0].matchers, [Matcher::equal("job", "db")]);
    }

    #[test]
    fn what_cannot_work_is_named_with_its_entry_and_the_way_out() {
        let rule = |entry: &str| read(&format!("anomaly: {{rules: [{entry}]}}")).unwrap_err();
        let window = |entry: &str| {
            let good = "{match: up, from: 2026-11-21T02:00:00Z, until: 2026-11-21T03:00:00Z}";
            read(&format!("maintenance: [{good}, {entry}]")).unwrap_err()
        };
        for (error, text) in [
            (rule("{match: '{job=\"a\"', exclude: true}"), "anomaly.rules[0].match is not a selector such as"),
            (rule("{match: '{}', exclude: true}"), "anomaly.rules[0].match is not a selector"),
            (rule("{match: 'sum(up)', exclude: true}"), "expected a series selector"),
            (rule("{match: '{a=\"1\" or b=\"2\"}', exclude: true}"), "write an entry for each alternative"),
            (rule("{match: up}"), "add exclude, direction"),
            (rule("{match: up, min_relative: -1}"), "anomaly.rules[0].min_relative must be a number"),
            (rule("{match: up, min_absolute: .nan}"), "anomaly.rules[0].min_absolute must be a number"),
            (rule("{match: up, directon: above}"), "unknown key `directon`; did you mean `direction`?"),
            (rule("{match: up, direction: up}"), "`up` is not one of both, above, below"),
            (rule("{exclude: true}"), "match"),
            (
                window("{match: up, from: noon, until: 2026-11-21T03:00:00Z}"),
                "maintenance[1].from \"noon\" is not a time",
            ),
            (window("{match: up, from: 2026-11-21T03:00:00Z, until: 2026-11-21T03:00:00Z}"), "[1].until must be after"),
            (
                window("{match: up, from: 2026-11-21T02:00:00Z, until: 2026-11-21T03:00:00Z, every: 30m}"),
                "maintenance[1].every must be at least as long",
            ),
            (
                window("{match: up, from: 2026-11-21T02:00:00Z, until: 2026-11-21T03:00:00Z, evry: 1d}"),
                "unknown key `evry`; did you mean `every`?",
            ),
        ] {
            assert!(error.contains(text), "{error} should say {text}");
        }
        let long = format!("{{match: '{{a=\"{}\"}}', exclude: true}}", "x".repeat(SELECTOR_MAX));
        assert!(rule(&long).contains("at most 4096 are read"));
        let many = ["{match: up, exclude: true}"; RULES_MAX + 1].join(", ");
        assert!(rule(&many).contains("anomaly.rules has 201 entries"));
        let both = read("anomaly: {rules: [{match: '{', exclude: true}]}\nseries: {vanish_after: 0s}").unwrap_err();
        assert!(both.contains("series.vanish_after") && both.contains("anomaly.rules[0].match"), "{both}");
    }
}
