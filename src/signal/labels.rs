//! Label sets.

use std::{collections::BTreeMap, fmt, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer, ser::SerializeMap};

/// Label that holds the metric's name.
pub const METRIC_NAME: &str = "__name__";

/// A label set: sorted by name, each name once, no empty value (an empty value means "absent" in Prometheus).
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Labels(Arc<[(Arc<str>, Arc<str>)]>);

impl Labels {
    /// Builds a label set from pairs in any order; of two pairs with one name the later wins.
    pub fn from_pairs<N: Into<Arc<str>>, V: Into<Arc<str>>>(pairs: impl IntoIterator<Item = (N, V)>) -> Self {
        let mut all: Vec<(Arc<str>, Arc<str>)> = pairs.into_iter().map(|(n, v)| (n.into(), v.into())).collect();
        all.sort_by(|a, b| a.0.cmp(&b.0));
        all.dedup_by(|later, kept| {
            let same = later.0 == kept.0;
            if same {
                std::mem::swap(later, kept);
            }
            same
        });
        all.retain(|(_, v)| !v.is_empty());
        Self(all.into())
    }

    /// Builds a label set from pairs that are in order of name already, as a rule: then nothing is moved.
    pub(crate) fn from_sorted(pairs: impl ExactSizeIterator<Item = (Arc<str>, Arc<str>)>) -> Self {
        let all: Arc<[(Arc<str>, Arc<str>)]> = pairs.collect();
        let is_proper = all.iter().all(|(_, v)| !v.is_empty()) && all.is_sorted_by(|a, b| a.0 < b.0);
        if is_proper { Self(all) } else { Self::from_pairs(all.iter().cloned()) }
    }

    /// Value of the label `name`, `None` when absent.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.binary_search_by(|(n, _)| (**n).cmp(name)).ok().map(|i| &*self.0[i].1)
    }

    /// The metric's name, empty when there is none.
    #[must_use]
    pub fn metric(&self) -> &str {
        self.get(METRIC_NAME).unwrap_or_default()
    }

    /// Pairs in order of name.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> + Clone {
        self.0.iter().map(|(n, v)| (&**n, &**v))
    }

    /// Number of labels.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no label.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The set with only those labels whose name passes.
    #[must_use]
    pub fn filtered(&self, mut keep: impl FnMut(&str) -> bool) -> Self {
        Self(self.0.iter().filter(|(n, _)| keep(n)).cloned().collect())
    }

    /// The set without its metric name.
    #[must_use]
    pub fn without_metric(&self) -> Self {
        self.filtered(|n| n != METRIC_NAME)
    }

    /// The set with `name` set to `value`; an empty value takes the label away.
    #[must_use]
    pub fn with(&self, name: &str, value: &str) -> Self {
        let added = (!value.is_empty()).then(|| (Arc::from(name), Arc::from(value)));
        let mut all: Vec<_> = self.0.iter().filter(|(n, _)| &**n != name).cloned().chain(added).collect();
        all.sort_by(|a, b| a.0.cmp(&b.0));
        Self(all.into())
    }
}

impl fmt::Display for Labels {
    /// As in the exposition format: `name{label="value",…}`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let metric = self.metric();
        f.write_str(metric)?;
        let mut rest = self.iter().filter(|(n, _)| *n != METRIC_NAME).peekable();
        if rest.peek().is_none() && !metric.is_empty() {
            return Ok(());
        }
        f.write_str("{")?;
        let mut first = true;
        for (name, value) in rest {
            if !std::mem::take(&mut first) {
                f.write_str(",")?;
            }
            write!(f, "{name}={value:?}")?;
        }
        f.write_str("}")
    }
}

impl Serialize for Labels {
    /// A JSON object, names in order.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.len()))?;
        for (name, value) in self.iter() {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Labels {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::from_pairs(BTreeMap::<String, String>::deserialize(deserializer)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_sorted_and_hold_no_empty_value() {
        let set = Labels::from_pairs([("z", "1"), ("a", "2"), ("b", ""), ("a", "3"), (METRIC_NAME, "up")]);
        assert_eq!(set.to_string(), r#"up{a="3",z="1"}"#);
        assert_eq!((set.get("a"), set.get("b"), set.metric()), (Some("3"), None, "up"));
        assert_eq!(set.with("a", "").with("m", "x").without_metric().to_string(), r#"{m="x",z="1"}"#);
        assert_eq!(serde_json::to_string(&set).unwrap(), r#"{"__name__":"up","a":"3","z":"1"}"#);
        assert_eq!(Labels::default().to_string(), "{}");
        let again: Vec<(Arc<str>, Arc<str>)> = set.0.iter().rev().cloned().collect();
        assert_eq!(Labels::from_sorted(again.iter().rev().cloned()), set);
        assert_eq!(Labels::from_sorted(again.into_iter()), set, "in no order as well");
    }
}
