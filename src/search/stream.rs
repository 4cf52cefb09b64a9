//! Label sets as terms: `name 0x01 value 0x02`, in order of name.

use std::sync::Arc;

use crate::signal::{Labels, Matcher};

const AFTER_NAME: char = '\u{1}';
const AFTER_VALUE: char = '\u{2}';

/// Most bytes of a label set; labels that do not fit any more, from the last name on, are left out.
const LONGEST: usize = 32 << 10;

/// Writes a label set. The two control characters in values become spaces.
pub(super) fn encode(labels: &Labels, out: &mut String) {
    out.clear();
    for (name, value) in labels.iter() {
        if out.len() + name.len() + value.len() + 2 > LONGEST {
            continue;
        }
        out.push_str(name);
        out.push(AFTER_NAME);
        out.extend(value.chars().map(|c| if matches!(c, AFTER_NAME | AFTER_VALUE) { ' ' } else { c }));
        out.push(AFTER_VALUE);
    }
}

/// Names and values of an encoded label set.
pub(super) fn pairs(encoded: &str) -> impl Iterator<Item = (&str, &str)> {
    encoded.split_terminator(AFTER_VALUE).filter_map(|pair| pair.split_once(AFTER_NAME))
}

pub(super) fn decode(encoded: &str) -> Labels {
    let all: Vec<(Arc<str>, Arc<str>)> = pairs(encoded).map(|(name, value)| (name.into(), value.into())).collect();
    Labels::from_sorted(all.into_iter())
}

/// Whether an encoded label set passes all matchers; an absent label is the empty string.
pub(super) fn passes(encoded: &str, matchers: &[Matcher]) -> bool {
    matchers.iter().all(|matcher| {
        let value = pairs(encoded).find(|(name, _)| *name == matcher.name).map_or("", |(_, value)| value);
        matcher.accepts(value)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal::Condition;

    #[test]
    fn label_sets_come_back() {
        let mut text = String::new();
        for labels in [
            Labels::default(),
            Labels::from_pairs([("service", "a=b\u{0}\"c"), ("pod", "ä")]),
            Labels::from_pairs([("__name__", "x"), ("z", "1"), ("a", "2")]),
        ] {
            encode(&labels, &mut text);
            assert_eq!(decode(&text), labels);
        }
        encode(&Labels::from_pairs([("a", "x\u{1}y\u{2}z"), ("b", "1")]), &mut text);
        assert_eq!(decode(&text), Labels::from_pairs([("a", "x y z"), ("b", "1")]));
    }

    #[test]
    fn what_is_too_long_is_left_out() {
        let long = "x".repeat(LONGEST);
        let mut text = String::new();
        encode(&Labels::from_pairs([("a", "1"), ("b", &*long), ("c", "2")]), &mut text);
        assert_eq!(decode(&text), Labels::from_pairs([("a", "1"), ("c", "2")]));
    }

    #[test]
    fn matchers_see_absent_labels_as_empty() {
        let mut text = String::new();
        encode(&Labels::from_pairs([("service", "cart"), ("pod", "cart-1")]), &mut text);
        let regex = |name: &str, pattern: &str| Matcher {
            name: name.into(),
            condition: Condition::Matches(Matcher::regex(pattern).unwrap()),
        };
        assert!(passes(&text, &[Matcher::equal("service", "cart"), regex("pod", "cart-.*"), regex("x", "")]));
        assert!(!passes(&text, &[Matcher::equal("service", "car")]));
        assert!(passes(&text, &[Matcher { name: "x".into(), condition: Condition::NotEqual("y".into()) }]));
        assert!(passes(&text, &[]));
    }
}
