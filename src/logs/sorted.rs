//! Maps and sets of hashes, written down in their order, so that the same state is the same bytes.

use std::hash::Hash;

use hashbrown::{HashMap, HashSet};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub(crate) mod map {
    use super::*;

    pub(crate) fn serialize<K, V, S>(map: &HashMap<K, V>, serializer: S) -> Result<S::Ok, S::Error>
    where
        K: Ord + Serialize,
        V: Serialize,
        S: Serializer,
    {
        let mut all: Vec<_> = map.iter().collect();
        all.sort_unstable_by(|a, b| a.0.cmp(b.0));
        serializer.collect_seq(all)
    }

    pub(crate) fn deserialize<'de, K, V, D>(deserializer: D) -> Result<HashMap<K, V>, D::Error>
    where
        K: Eq + Hash + Deserialize<'de>,
        V: Deserialize<'de>,
        D: Deserializer<'de>,
    {
        Ok(Vec::deserialize(deserializer)?.into_iter().collect())
    }
}

pub(super) mod set {
    use super::*;

    pub(in crate::logs) fn serialize<S: Serializer>(set: &HashSet<u64>, serializer: S) -> Result<S::Ok, S::Error> {
        let mut all: Vec<_> = set.iter().collect();
        all.sort_unstable();
        serializer.collect_seq(all)
    }

    pub(in crate::logs) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<HashSet<u64>, D::Error> {
        Ok(Vec::deserialize(deserializer)?.into_iter().collect())
    }
}
