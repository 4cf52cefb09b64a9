//! What newcomers inherit: a new series with siblings begins with what the longest known of them knows.
//!
//! It takes three turns, since siblings may live on any shard: who wants something, what there is, and taking it over.

use std::{cmp::Reverse, collections::BTreeMap};

use hashbrown::{HashMap, HashSet};

use super::{
    climate::{Heirloom, News},
    families::FamilyName,
    tenant::Tenant,
};
use crate::{
    anomaly::{SETTLED, WARM},
    signal::{GroupKey, METRIC_NAME, Matcher, SeriesKey},
};

impl Tenant {
    /// A series of the group has its first value: what its siblings know is asked for.
    pub(super) fn ask_siblings(&mut self, slot: u32) {
        let Some(series) = self.series.get(slot) else { return };
        let Some(group) = series.group.filter(|group| self.outlook.has_siblings(*group)) else { return };
        self.outlook.orphans.push((group, series.key));
        let metric = self.interner.text(series.metric);
        self.outlook.tidings.wanted.entry(group).or_insert_with(|| metric.clone());
    }

    /// Hands over what siblings of newcomers know, and lets newcomers here take what others handed over.
    pub(super) fn inherit(&mut self, news: &News) {
        self.hand_over(&news.wanted);
        let heirlooms: HashMap<GroupKey, &Heirloom> = news.heirlooms.iter().map(|h| (h.group, h)).collect();
        let asked = news.wanted.iter().map(|(group, _)| group).chain(self.outlook.tidings.wanted.keys());
        let asked: HashSet<GroupKey> = asked.copied().collect();
        for (group, key) in std::mem::take(&mut self.outlook.orphans) {
            match heirlooms.get(&group) {
                Some(heirloom) => self.take_over(key, heirloom),
                None if asked.contains(&group) => self.outlook.orphans.push((group, key)),
                // Its siblings have nothing to hand over: it goes its own way.
                None => {}
            }
        }
    }

    /// Hands over what the longest known member of each group knows, if it has settled; gone ones count as long as they
    /// are remembered.
    fn hand_over(&mut self, wanted: &[(GroupKey, FamilyName)]) {
        let mut by_metric: BTreeMap<&FamilyName, BTreeMap<GroupKey, Option<u32>>> = BTreeMap::new();
        for (group, metric) in wanted {
            by_metric.entry(metric).or_default().insert(*group, None);
        }
        for (metric, mut groups) in by_metric {
            let by_name = [Matcher::equal(METRIC_NAME, metric)];
            let rank = |slot: u32| {
                let series = self.series.get(slot)?;
                let detector = series.state.detector.as_ref().filter(|detector| detector.samples() > SETTLED)?;
                Some((detector.samples(), Reverse(series.key)))
            };
            for slot in self.index.candidates(&self.interner, &by_name).unwrap_or_default() {
                let group = self.series.get(slot).and_then(|series| series.group);
                let Some(best) = group.and_then(|group| groups.get_mut(&group)) else { continue };
                if rank(slot) > best.and_then(rank) {
                    *best = Some(slot);
                }
            }
            let found = groups.into_iter().filter_map(|(group, slot)| {
                let series = self.series.get(slot?)?;
                let detector = Box::new(series.state.detector.clone()?);
                Some(Heirloom { group, from: series.key, detector })
            });
            self.outlook.tidings.heirlooms.extend(found);
        }
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
