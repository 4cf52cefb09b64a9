//! What newcomers inherit: a new series with siblings begins with what the longest known of them knows.
//!
//! It takes three turns, since siblings may live on any shard: who wants something, what there is, and taking it over.

use hashbrown::{HashMap, HashSet};

use super::{
    climate::{Heirloom, News},
    tenant::Tenant,
};
use crate::{
    anomaly::{SETTLED, WARM},
    signal::{GroupKey, METRIC_NAME, Matcher, SeriesKey},
};

impl Tenant {
    /// Hands over what siblings of newcomers know, and lets newcomers here take what others handed over.
    pub(super) fn inherit(&mut self, news: &News) {
        for (group, metric) in &news.wanted {
            let heirloom = self.heirloom(*group, metric);
            self.outlook.tidings.heirlooms.extend(heirloom);
        }
        let heirlooms: HashMap<GroupKey, &Heirloom> = news.heirlooms.iter().map(|h| (h.group, h)).collect();
        let asked = news.wanted.iter().chain(&self.outlook.tidings.wanted);
        let asked: HashSet<GroupKey> = asked.map(|(group, _)| *group).collect();
        for (group, key) in std::mem::take(&mut self.outlook.orphans) {
            match heirlooms.get(&group) {
                Some(heirloom) => self.take_over(key, heirloom),
                None if asked.contains(&group) => self.outlook.orphans.push((group, key)),
                // Its siblings have nothing to hand over: it goes its own way.
                None => {}
            }
        }
    }

    /// What the longest known member of a group knows, if it has settled.
    fn heirloom(&self, group: GroupKey, metric: &str) -> Option<Heirloom> {
        let by_name = [Matcher::equal(METRIC_NAME, metric)];
        let slots = self.index.candidates(&self.interner, &by_name).unwrap_or_default();
        let member = |slot: &u32| self.series[*slot as usize].as_deref().filter(|series| series.group == Some(group));
        let settled = slots.iter().filter_map(member).filter_map(|series| {
            let detector = series.state.detector.as_ref().filter(|detector| detector.samples() > SETTLED)?;
            Some((detector.samples(), std::cmp::Reverse(series.key), detector))
        });
        let (_, from, detector) = settled.max_by_key(|(samples, key, _)| (*samples, *key))?;
        Some(Heirloom { group, from: from.0, detector: detector.clone() })
    }

    fn take_over(&mut self, key: SeriesKey, heirloom: &Heirloom) {
        let Some(slot) = self.by_key.get(&key) else { return };
        let Some(series) = self.series[*slot as usize].as_deref_mut() else { return };
        let state = &mut series.state;
        let Some(own) = state.detector.as_mut().filter(|own| own.samples() < WARM) else { return };
        let Some(last) = state.last else { return };
        state.is_heir = true;
        **own = heirloom.detector.heir(own.level(), last.at);
    }
}
