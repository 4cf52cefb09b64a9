//! Functions that look at labels only.

use regex::Regex;

use crate::promql::Error;
use crate::promql::plan::{Expr, Selector};
use crate::signal::{Condition, Labels, METRIC_NAME, Matcher};

/// `label_replace` for one label set: `regex` is anchored, `replacement` may name its groups.
pub(in crate::promql) fn replace(labels: &Labels, into: &str, replacement: &str, from: &str, regex: &Regex) -> Labels {
    let Some(captures) = regex.captures(labels.get(from).unwrap_or_default()) else { return labels.clone() };
    let mut value = String::new();
    captures.expand(replacement, &mut value);
    labels.with(into, &value)
}

/// `label_join` for one label set.
pub(in crate::promql) fn join(labels: &Labels, into: &str, separator: &str, from: &[&str]) -> Labels {
    let values: Vec<&str> = from.iter().map(|name| labels.get(name).unwrap_or_default()).collect();
    labels.with(into, &values.join(separator))
}

/// Refuses what cannot be a label name. Any text but the empty one can.
pub(in crate::promql) fn check_name(name: &str, place: &str) -> Result<(), Error> {
    if name.is_empty() { Err(Error::Execution(format!("invalid {place}: {name}"))) } else { Ok(()) }
}

/// The labels of a series that would satisfy the selector, as far as it names them; those of `absent`.
pub(in crate::promql) fn absent_labels(selected: &Expr) -> Labels {
    let selector: &Selector = match selected {
        Expr::Select(selector) | Expr::Window(selector, _) => selector,
        _ => return Labels::default(),
    };
    let [matchers] = selector.alternatives.as_slice() else { return Labels::default() };
    let named = |matcher: &&Matcher| matcher.name != METRIC_NAME;
    let is_ambiguous = |name: &str| matchers.iter().filter(|other| other.name == name).count() > 1;
    let known = matchers.iter().filter(named).filter_map(|matcher| match &matcher.condition {
        Condition::Equal(value) if !is_ambiguous(&matcher.name) => Some((matcher.name.as_str(), value.as_str())),
        _ => None,
    });
    Labels::from_pairs(known)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::promql::parse_selector;

    #[test]
    fn replacement_needs_the_whole_value_to_match() {
        let labels = Labels::from_pairs([("__name__", "m"), ("src", "host-42"), ("old", "x")]);
        let regex = Matcher::regex("(?P<kind>.*)-([0-9]+)").unwrap();
        let replaced = |to: &str, text: &str| replace(&labels, to, text, "src", &regex).to_string();
        assert_eq!(replaced("new", "$2/${kind}"), r#"m{new="42/host",old="x",src="host-42"}"#);
        assert_eq!(replaced("old", "$missing"), r#"m{src="host-42"}"#);
        assert_eq!(replaced("__name__", "n"), r#"n{old="x",src="host-42"}"#);
        let other = Matcher::regex("host").unwrap();
        assert_eq!(replace(&labels, "new", "x", "src", &other), labels);
        // An absent label counts as empty.
        assert_eq!(replace(&labels, "new", "x", "none", &Matcher::regex("").unwrap()).get("new"), Some("x"));
    }

    #[test]
    fn joining_keeps_the_place_of_absent_labels() {
        let labels = Labels::from_pairs([("a", "1"), ("c", "3")]);
        assert_eq!(join(&labels, "d", "-", &["a", "b", "c"]).get("d"), Some("1--3"));
        assert_eq!(join(&labels, "a", ",", &[]).get("a"), None);
    }

    #[test]
    fn absent_knows_the_labels_that_are_given_once() {
        let of = |text: &str| {
            let alternatives = parse_selector(text).unwrap();
            absent_labels(&Expr::Select(Selector { alternatives, anchor: Default::default() })).to_string()
        };
        assert_eq!(of(r#"m{a="1",b!="2",c=~"3",d="4",d="4"}"#), r#"{a="1"}"#);
        assert_eq!(of(r#"{a="1" or b="2"}"#), "{}");
        assert_eq!(absent_labels(&Expr::Number(1.0)), Labels::default());
    }
}
