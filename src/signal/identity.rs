//! Which series a label set is, and which workload it belongs to, without building the label set.

use std::num::NonZeroU64;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

/// 128-bit hash of a sorted label set.
///
/// Wide enough to stand for the label set: among a billion series two collide with probability below 1e-20.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SeriesKey(pub u128);

/// Hash of the labels that name a workload: what is scraped or scheduled as one thing.
///
/// It is `namespace` and `pod` where a pod is named, else `job` and `instance`. All series of a workload
/// are owned by one shard, so that their joint behaviour can be scored without crossing threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct WorkloadKey(pub u64);

/// Hash of a label set without the labels that tell one instance from another: series with the same one are siblings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct GroupKey(NonZeroU64);

/// Labels in which siblings differ.
const SIBLING_LABELS: [&str; 10] =
    ["container_id", "host", "host_ip", "hostname", "id", "instance", "node", "pod", "pod_ip", "uid"];

impl GroupKey {
    /// The key with this number; 0 is taken for 1.
    #[must_use]
    pub fn new(number: u64) -> Self {
        Self(NonZeroU64::new(number).unwrap_or(NonZeroU64::MIN))
    }

    /// Its number.
    #[must_use]
    pub fn number(self) -> u64 {
        self.0.get()
    }

    /// The group of a label set, in order of name; `None` when nothing tells instances apart.
    #[must_use]
    pub fn of<'a>(labels: impl Iterator<Item = (&'a str, &'a str)>) -> Option<Self> {
        let (mut bytes, mut is_instance) = (Vec::with_capacity(256), false);
        for (name, value) in labels {
            if SIBLING_LABELS.contains(&name) {
                is_instance = true;
                continue;
            }
            bytes.extend_from_slice(name.as_bytes());
            bytes.push(0xff);
            bytes.extend_from_slice(value.as_bytes());
            bytes.push(0xff);
        }
        is_instance.then(|| Self::new(xxh3_64(&bytes)))
    }

    /// The labels that the members of a group share.
    #[must_use]
    pub fn labels(labels: &super::Labels) -> super::Labels {
        labels.filtered(|name| !SIBLING_LABELS.contains(&name))
    }
}

/// What the wire decoder must know of a series before anything is looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The series.
    pub series: SeriesKey,
    /// Its workload.
    pub workload: WorkloadKey,
}

/// Labels whose values name a workload, in the order of the array in [`IdentityBuilder`].
const WORKLOAD_LABELS: [&str; 4] = ["instance", "job", "namespace", "pod"];

/// Bytes that are copied at once. Nearly all names and values are shorter; a copy of fixed length is no call.
const CHUNK: usize = 32;

/// Computes an [`Identity`] from labels that arrive in order of name. Reusable: keeps its buffers.
#[derive(Debug, Default)]
pub struct IdentityBuilder {
    /// What is hashed, and behind it what is left over from before.
    bytes: Vec<u8>,
    len: usize,
    /// Range in `bytes` of the value of each of [`WORKLOAD_LABELS`].
    workload: [(u32, u32); 4],
    scratch: Vec<u8>,
}

impl IdentityBuilder {
    /// Forgets what was pushed.
    pub fn clear(&mut self) {
        self.len = 0;
        self.workload = [(0, 0); 4];
    }

    /// Adds a label: its name and its value, each as the bytes from its beginning on and its length. What follows it there
    /// is not used, but makes it quicker to copy. Labels come in ascending order of name; empty values must be left out by
    /// the caller.
    ///
    /// # Panics
    /// If there are fewer bytes than the length.
    #[inline]
    pub fn push(&mut self, name: (&[u8], usize), value: (&[u8], usize)) {
        self.append(name);
        let start = self.len;
        self.append(value);
        let name = &name.0[..name.1];
        if let Some(i) = WORKLOAD_LABELS.iter().position(|label| label.as_bytes() == name) {
            // The mark behind the value is left out.
            self.workload[i] = (start as u32, self.len as u32 - 1);
        }
    }

    /// Adds a text and the mark behind it, a byte that no text has.
    #[inline(always)]
    fn append(&mut self, (text, len): (&[u8], usize)) {
        let end = self.len + len;
        if self.bytes.len() < end + CHUNK {
            self.bytes.resize(2 * (end + CHUNK), 0);
        }
        match (text.first_chunk::<CHUNK>(), self.bytes[self.len..].first_chunk_mut::<CHUNK>()) {
            (Some(text), Some(to)) if len <= CHUNK => *to = *text,
            _ => self.bytes[self.len..end].copy_from_slice(&text[..len]),
        }
        self.bytes[end] = 0xff;
        self.len = end + 1;
    }

    /// The identity of what was pushed since the last [`clear`](Self::clear).
    pub fn finish(&mut self) -> Identity {
        let [instance, job, namespace, pod] = self.workload;
        let (first, second) = if pod.0 == pod.1 { (job, instance) } else { (namespace, pod) };
        self.scratch.clear();
        self.scratch.extend_from_slice(&self.bytes[first.0 as usize..first.1 as usize]);
        self.scratch.push(0xff);
        self.scratch.extend_from_slice(&self.bytes[second.0 as usize..second.1 as usize]);
        let series = SeriesKey(xxh3_128(&self.bytes[..self.len]));
        Identity { series, workload: WorkloadKey(xxh3_64(&self.scratch)) }
    }
}

impl Identity {
    /// The labels, of a whole set, that name its workload: (`namespace`, `pod`) or (`job`, `instance`).
    #[must_use]
    pub fn workload_labels(labels: &super::Labels) -> super::Labels {
        let names: &[&str] = if labels.get("pod").is_some() { &["namespace", "pod"] } else { &["job", "instance"] };
        labels.filtered(|name| names.contains(&name))
    }

    /// The identity of a whole label set.
    #[must_use]
    pub fn of(labels: &super::Labels) -> Self {
        let mut builder = IdentityBuilder::default();
        for (name, value) in labels.iter() {
            builder.push((name.as_bytes(), name.len()), (value.as_bytes(), value.len()));
        }
        builder.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal::Labels;

    fn of(pairs: &[(&str, &str)]) -> Identity {
        Identity::of(&Labels::from_pairs(pairs.iter().copied()))
    }

    #[test]
    fn every_label_counts_and_boundaries_too() {
        assert_eq!(of(&[("a", "1"), ("b", "2")]), of(&[("b", "2"), ("a", "1")]));
        assert_ne!(of(&[("a", "1")]).series, of(&[("a", "2")]).series);
        assert_ne!(of(&[("ab", "c")]).series, of(&[("a", "bc")]).series);
    }

    #[test]
    fn identities_are_those_that_were_stored() {
        let long = "x".repeat(500);
        for length in 1..100 {
            let (name, value) = (&long[..length], &long[length..3 * length]);
            let mut builder = IdentityBuilder::default();
            for text in [format!("{name}{value}"), format!("{name}{value}{long}")] {
                let text = text.as_bytes();
                builder.clear();
                builder.push((text, length), (&text[length..], 2 * length));
                let hashed = [name.as_bytes(), value.as_bytes()].map(|text| [text, &[0xff]].concat()).concat();
                assert_eq!(builder.finish().series, SeriesKey(xxh3_128(&hashed)), "{length}");
            }
        }
        let known = of(&[("__name__", "up"), ("instance", "10.0.0.1:9090"), ("job", "node")]);
        assert_eq!(known.series.0, xxh3_128(b"__name__\xffup\xffinstance\xff10.0.0.1:9090\xffjob\xffnode\xff"));
        assert_eq!(known.workload.0, xxh3_64(b"node\xff10.0.0.1:9090"));
    }

    #[test]
    fn siblings_differ_in_the_instance_only() {
        let group = |pairs: &[(&'static str, &'static str)]| GroupKey::of(pairs.iter().copied());
        let (a, b) = (group(&[("cpu", "0"), ("instance", "a")]), group(&[("cpu", "0"), ("instance", "b")]));
        assert!(a.is_some() && a == b);
        assert_ne!(a, group(&[("cpu", "1"), ("instance", "a")]));
        assert_eq!(group(&[("cpu", "0")]), None);
        let labels = Labels::from_pairs([("cpu", "0"), ("pod", "x"), ("job", "j")]);
        assert_eq!(GroupKey::labels(&labels).to_string(), r#"{cpu="0",job="j"}"#);
    }

    #[test]
    fn a_pod_is_a_workload_wherever_it_was_scraped() {
        let pod = [("namespace", "shop"), ("pod", "cart-0")];
        let at = |instance| of(&[pod[0], pod[1], ("instance", instance), ("job", "kubelet")]).workload;
        assert_eq!(at("node-1"), at("node-2"));
        assert_ne!(of(&[("job", "a"), ("instance", "x")]).workload, of(&[("job", "a"), ("instance", "y")]).workload);
        assert_eq!(
            of(&[("job", "a"), ("instance", "x"), ("cpu", "0")]).workload,
            of(&[("job", "a"), ("instance", "x"), ("cpu", "1")]).workload
        );
    }
}
