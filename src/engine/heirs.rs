//! What newcomers inherit: a new series with siblings begins with what the longest known of them knows.
//!
//! It takes three turns, since siblings may live on any shard: who wants something, what there is, and taking it over. To
//! find the longest known, all series of a metric are looked at: a few metrics at a turn, so that a flood of newcomers
//! keeps nobody's samples waiting. Who waits so long that it has become warm has no need of it any more.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, VecDeque},
};

use hashbrown::HashMap;
use serde::{Deserialize, Serialize};

use super::{
    climate::{Heirloom, News},
    families::FamilyName,
    tenant::Tenant,
};
use crate::{
    anomaly::{SETTLED, WARM},
    signal::{GroupKey, METRIC_NAME, Matcher, SeriesKey},
};

/// Series that are looked at in one turn, or one metric's.
const LOOKED_AT: usize = 20_000;

/// Metrics whose newcomers want to inherit, in the order in which they asked.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Heirs {
    metrics: VecDeque<FamilyName>,
    groups: BTreeMap<FamilyName, BTreeSet<GroupKey>>,
    /// Groups asked for at the turn before.
    asked: Vec<GroupKey>,
}

impl Heirs {
    /// Adds who wants something; gives the groups that were asked for before, which are answered now.
    pub(super) fn ask(&mut self, wanted: BTreeMap<GroupKey, FamilyName>) -> Vec<GroupKey> {
        for (group, metric) in wanted {
            let groups = self.groups.entry(metric.clone()).or_default();
            if groups.is_empty() {
                self.metrics.push_back(metric);
            }
            groups.insert(group);
        }
        std::mem::take(&mut self.asked)
    }

    /// What is to be asked for now; `alive` gives the number of series by metric.
    pub(super) fn next<'a>(
        &mut self,
        alive: impl FnOnce() -> HashMap<&'a str, usize>,
    ) -> Vec<(FamilyName, BTreeSet<GroupKey>)> {
        let mut next = Vec::new();
        if self.metrics.is_empty() {
            return next;
        }
        let (alive, mut looked_at) = (alive(), 0);
        while let Some(metric) = self.metrics.front() {
            looked_at += alive.get(&**metric).copied().unwrap_or_default();
            if looked_at > LOOKED_AT && !next.is_empty() {
                break;
            }
            let groups = self.groups.remove(metric).unwrap_or_default();
            self.asked.extend(&groups);
            next.extend(self.metrics.pop_front().map(|metric| (metric, groups)));
        }
        next
    }
}

impl Tenant {
    /// A series of the group has its first value: what its siblings know is asked for.
    pub(super) fn ask_siblings(&mut self, slot: u32) {
        let Some(series) = self.series.get(slot) else { return };
        let Some(group) = series.group.filter(|group| self.outlook.has_siblings(*group)) else { return };
        self.outlook.orphans.entry(group).or_default().push(series.key);
        let metric = self.interner.text(series.metric);
        self.outlook.tidings.wanted.entry(group).or_insert_with(|| metric.clone());
    }

    /// Hands over what siblings of newcomers know, and lets newcomers here take what others handed over.
    pub(super) fn inherit(&mut self, news: &News) {
        news.wanted.iter().for_each(|(metric, groups)| self.hand_over(metric, groups));
        let heirlooms: HashMap<GroupKey, &Heirloom> = news.heirlooms.iter().map(|h| (h.group, h)).collect();
        for group in &news.answered {
            let orphans = self.outlook.orphans.remove(group).unwrap_or_default();
            // Where there is nothing to hand over, they go their own way.
            if let Some(heirloom) = heirlooms.get(group) {
                orphans.into_iter().for_each(|key| self.take_over(key, heirloom));
            }
        }
    }

    /// Hands over what the longest known member of each group knows, if it has settled; gone ones count as long as they
    /// are remembered.
    fn hand_over(&mut self, metric: &str, groups: &BTreeSet<GroupKey>) {
        let rank = |slot: u32| {
            let series = self.series.get(slot)?;
            let detector = series.state.detector.as_ref().filter(|detector| detector.samples() > SETTLED)?;
            Some((detector.samples(), Reverse(series.key)))
        };
        let mut best: BTreeMap<GroupKey, u32> = BTreeMap::new();
        let by_name = [Matcher::equal(METRIC_NAME, metric)];
        for slot in self.index.candidates(&self.interner, &by_name).unwrap_or_default() {
            let group = self.series.get(slot).and_then(|series| series.group).filter(|group| groups.contains(group));
            let (Some(group), Some(own)) = (group, rank(slot)) else { continue };
            let known = best.entry(group).or_insert(slot);
            if Some(own) > rank(*known) {
                *known = slot;
            }
        }
        let found = best.into_iter().filter_map(|(group, slot)| {
            let series = self.series.get(slot)?;
            let detector = Box::new(series.state.detector.clone()?);
            Some(Heirloom { group, from: series.key, detector })
        });
        self.outlook.tidings.heirlooms.extend(found);
    }

    fn take_over(&mut self, key: SeriesKey, heirloom: &Heirloom) {
        let Some(slot) = self.slot_of(key) else { return };
        let Some(series) = self.series.get_mut(slot) else { return };
        let state = &mut series.state;
        let Some(last) = state.last() else { return };
        let Some(own) = state.detector.as_mut().filter(|own| own.samples() < WARM) else { return };
        state.is_heir = true;
        *own = heirloom.detector.heir(own.level(), last.at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_worked_off_metric_by_metric() {
        let mut heirs = Heirs::default();
        let name = |metric: u64| FamilyName::from(format!("m{metric}"));
        let wanted = (2..12).map(|group| (GroupKey::new(group), name(group / 2 - 1))).collect();
        assert!(heirs.ask(wanted).is_empty());
        let mut seen = Vec::new();
        for turn in 0..4 {
            let alive =
                HashMap::from([("m0", LOOKED_AT), ("m1", LOOKED_AT / 2), ("m2", LOOKED_AT / 2), ("m3", 1 << 30)]);
            let next = heirs.next(|| alive);
            seen.push(next.iter().map(|(metric, groups)| (metric.to_string(), groups.len())).collect::<Vec<_>>());
            let again = if turn == 0 { BTreeMap::from([(GroupKey::new(11), name(4))]) } else { BTreeMap::new() };
            assert_eq!(heirs.ask(again).len(), 2 * next.len());
        }
        let of = |metrics: &[u64]| metrics.iter().map(|m| (format!("m{m}"), 2)).collect::<Vec<_>>();
        assert_eq!(seen, [of(&[0]), of(&[1, 2]), of(&[3]), of(&[4])]);
        assert!(heirs.next(HashMap::new).is_empty());
    }
}
