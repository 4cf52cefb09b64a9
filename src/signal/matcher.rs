//! Label matchers, as in a PromQL selector.

use regex::Regex;

/// A condition on one label. An absent label counts as the empty string.
#[derive(Clone, Debug)]
pub struct Matcher {
    /// Label name.
    pub name: String,
    /// What its value must satisfy.
    pub condition: Condition,
}

/// The four matcher operators.
#[derive(Clone, Debug)]
pub enum Condition {
    /// `=`
    Equal(String),
    /// `!=`
    NotEqual(String),
    /// `=~`
    Matches(Regex),
    /// `!~`
    NotMatches(Regex),
}

impl Matcher {
    /// `name="value"`
    #[must_use]
    pub fn equal(name: &str, value: &str) -> Self {
        Self { name: name.into(), condition: Condition::Equal(value.into()) }
    }

    /// The regular expression of `=~` and `!~`: fully anchored, `.` matches a newline, as in Prometheus 3.
    ///
    /// # Errors
    /// The pattern does not parse or is too large.
    pub fn regex(pattern: &str) -> Result<Regex, regex::Error> {
        Regex::new(&format!("^(?s:{pattern})$"))
    }

    /// Whether a label with this value (empty when absent) passes.
    #[must_use]
    pub fn accepts(&self, value: &str) -> bool {
        match &self.condition {
            Condition::Equal(wanted) => value == wanted,
            Condition::NotEqual(unwanted) => value != unwanted,
            Condition::Matches(regex) => regex.is_match(value),
            Condition::NotMatches(regex) => !regex.is_match(value),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regexes_are_anchored_and_dot_takes_newlines() {
        let m = Matcher { name: "a".into(), condition: Condition::Matches(Matcher::regex("b|c.d").unwrap()) };
        assert!(m.accepts("b") && m.accepts("c\nd"));
        assert!(!m.accepts("bb") && !m.accepts("xc.d"));
        assert!(Matcher::equal("a", "").accepts(""));
    }
}
