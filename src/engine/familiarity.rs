//! What is known from before: how often disturbances went as far.
//!
//! Two scales tell how far one went. Evidence is comparable between all series of a metric. The distance from what was
//! expected, in the metric's own unit, is comparable between siblings only, but it does not change with what a series has
//! got used to: a pod that came an hour ago shows high evidence where its siblings, that did the same twenty times, show
//! little.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::signal::{GroupKey, TimestampMs};

/// Disturbances of one kind within this time are one, in ms.
pub(super) const CLUSTER_MS: i64 = 1_800_000;
/// Half-life of what is on record, in ms.
pub(super) const HALF_LIFE_MS: f64 = 14.0 * 86_400_000.0;
/// How much less evidence still counts as similar, and what share of a distance.
const SIMILAR: f32 = 2.0;
const SIMILAR_REACH: f32 = 0.8;
/// Steps kept of one record; the lowest is forgotten first.
const STEPS_MAX: usize = 24;
/// Records of one kind kept, and to how many they are thinned out when there are more.
const RECORDS_MAX: usize = 40_000;
const RECORDS_KEPT: usize = 30_000;

/// Whose disturbance, and to which side of what was expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Side {
    pub(super) group: GroupKey,
    pub(super) above: bool,
}

/// A step for each power of ten of evidence.
pub(super) fn step_of_evidence(evidence: f32) -> i16 {
    evidence.clamp(0.0, 100.0) as i16
}

/// Two steps for each doubling of a distance.
pub(super) fn step_of_reach(reach: f32) -> i16 {
    (2.0 * reach.max(f32::MIN_POSITIVE).log2()).floor() as i16
}

/// Clusters of disturbances by how far they went, fading.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Familiarity {
    /// Steps in order, with the clusters that went so far.
    steps: Vec<(i16, f32)>,
    faded_at: TimestampMs,
    /// The cluster that may still grow: when it was last seen, and how far it went.
    open: Option<(TimestampMs, i16)>,
}

impl Familiarity {
    fn take(&mut self, at: TimestampMs, step: i16) {
        self.settle(at);
        let furthest = self.open.map_or(step, |(_, furthest)| furthest.max(step));
        self.open = Some((at, furthest));
    }

    /// Puts the open cluster on record once it is over. Returns whether anything changed.
    fn settle(&mut self, now: TimestampMs) -> bool {
        let Some((at, furthest)) = self.open.filter(|(at, _)| now > at + CLUSTER_MS) else { return false };
        let fade = (-(at - self.faded_at).max(0) as f64 / HALF_LIFE_MS).exp2() as f32;
        self.steps.iter_mut().for_each(|(_, clusters)| *clusters *= fade);
        self.faded_at = self.faded_at.max(at);
        match self.steps.binary_search_by_key(&furthest, |(step, _)| *step) {
            Ok(place) => self.steps[place].1 += 1.0,
            Err(place) => self.steps.insert(place, (furthest, 1.0)),
        }
        if self.steps.len() > STEPS_MAX {
            self.steps.remove(0);
        }
        self.open = None;
        true
    }

    fn since(&self, step: i16) -> f32 {
        let first = self.steps.partition_point(|(known, _)| *known < step);
        self.steps[first..].iter().map(|(_, clusters)| clusters).sum()
    }

    /// Clusters of a metric that showed about as much evidence, or more.
    pub(super) fn of_metric(&self, evidence: f32) -> f32 {
        self.since(step_of_evidence(evidence - SIMILAR))
    }

    /// Clusters of a group that went about as far, or further.
    pub(super) fn of_group(&self, reach: f32) -> f32 {
        self.since(step_of_reach(SIMILAR_REACH * reach))
    }
}

/// What is known of all metrics, or all groups, of a tenant.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Records<K: Ord>(BTreeMap<K, Familiarity>);

impl<K: Ord> Default for Records<K> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<K: Ord + Clone> Records<K> {
    pub(super) fn take(&mut self, key: K, at: TimestampMs, step: i16) {
        self.0.entry(key).or_default().take(at, step);
    }

    /// What has changed until `now`; empty where something was forgotten for lack of room.
    pub(super) fn settle(&mut self, now: TimestampMs) -> Vec<(K, Familiarity)> {
        let settled =
            self.0.iter_mut().filter_map(|(key, known)| known.settle(now).then(|| (key.clone(), known.clone())));
        let mut changed: Vec<(K, Familiarity)> = settled.collect();
        if self.0.len() > RECORDS_MAX {
            let mut times: Vec<TimestampMs> = self.0.values().map(|known| known.faded_at).collect();
            let (_, limit, _) = times.select_nth_unstable(self.0.len() - RECORDS_KEPT);
            let limit = *limit;
            let old = self.0.extract_if(.., |_, known| known.faded_at < limit && known.open.is_none());
            changed.extend(old.map(|(key, _)| (key, Familiarity::default())));
        }
        changed
    }
}

/// Takes over what has changed.
pub(super) fn follow<K: Ord + Clone>(known: &mut BTreeMap<K, Familiarity>, changed: &[(K, Familiarity)]) {
    for (key, familiarity) in changed {
        if familiarity.steps.is_empty() {
            known.remove(key);
        } else {
            known.insert(key.clone(), familiarity.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000;

    #[test]
    fn a_metric_gets_familiar_with_what_its_series_do() {
        let mut known = Familiarity::default();
        for i in 0..5 {
            known.take(i * HOUR, step_of_evidence(12.0));
            known.take(i * HOUR + 60_000, step_of_evidence(14.2));
        }
        assert!(known.settle(10 * HOUR));
        assert!((known.of_metric(15.9) - 5.0).abs() < 0.1, "one for each hour: {}", known.of_metric(15.9));
        assert_eq!(known.of_metric(17.1), 0.0);
    }

    #[test]
    fn a_group_gets_familiar_with_how_far_its_members_go() {
        let mut known = Familiarity::default();
        for i in 0..3 {
            known.take(i * HOUR, step_of_reach(100.0 * f32::powi(2.0, i as i32)));
        }
        known.settle(10 * HOUR);
        let counts = [90.0, 180.0, 400.0, 900.0].map(|reach| known.of_group(reach).round());
        assert_eq!(counts, [3.0, 2.0, 1.0, 0.0]);
    }

    #[test]
    fn records_are_bounded_and_the_oldest_go() {
        let mut records = Records::default();
        for key in 0..=RECORDS_MAX as i64 {
            records.take(key, key, 3);
        }
        let end = 2 * CLUSTER_MS + RECORDS_MAX as i64;
        let changed = records.settle(end);
        let mut outlook = BTreeMap::new();
        follow(&mut outlook, &changed);
        assert!(records.0.len() <= RECORDS_MAX && outlook.len() == records.0.len());
        assert!(!outlook.contains_key(&0) && outlook.contains_key(&(RECORDS_MAX as i64)));
    }
}
