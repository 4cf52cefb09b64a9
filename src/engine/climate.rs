//! What else goes on in a tenant: which workloads are disturbed, what its metrics are used to, and the bar that keeps
//! findings within the budget.
//!
//! Shards report at every turn which series became disturbed and which disturbances are over; all of it is put together
//! in one place and comes back at the next turn, so that every shard judges by the same picture however many there are.
//!
//! - **Stirs**: disturbances that have just begun. What many workloads show at once is less likely to be chance.
//! - **Familiarity**: how far the disturbances of every metric went, and in units of its own those of every group of
//!   siblings. A queue that bursts twice a day has to go further than ever before to be told of, in whatever pod.
//! - **Bar**: the weight from which a finding is raised, such that the findings that nothing else supports stay within
//!   the budget.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, VecDeque},
};

use serde::{Deserialize, Serialize};

pub(super) use super::groups::Departure;
use super::{
    chance::{self, Chance},
    familiarity::{self, Familiarity, Records, Side},
    families::FamilyName,
    groups::{Groups, MEMBERS_MAX, MEMBERS_MIN, Moves, Parts},
    heirs::Heirs,
};
use crate::{
    anomaly::{Circumstances, Detector, kinds::PeerEvent},
    signal::{Companion, Companions, GroupKey, Labels, SeriesKey, Siblings, TimestampMs, WorkloadKey},
};

/// Evidence from which a disturbance is reported to others.
pub(super) const STIR: f32 = 7.0;
/// Evidence from which a disturbance that is over goes on record.
pub(super) const RECORD: f32 = 5.0;
/// Reports per turn and shard; what is beyond is not told of.
const REPORTS_MAX: usize = 2_048;
/// Time for which a stir counts as going on at the same time, in ms.
const RECENT_MS: i64 = 600_000;
/// Half-life of the usual number of disturbed workloads, in ms.
const USUAL_HALF_LIFE_MS: f64 = DAY_MS;
const DAY_MS: f64 = 86_400_000.0;

/// A series that has become disturbed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Stir {
    pub(super) at: TimestampMs,
    pub(super) series: SeriesKey,
    pub(super) workload: WorkloadKey,
    pub(super) group: Option<GroupKey>,
    pub(super) evidence: f32,
    pub(super) labels: Labels,
}

/// A disturbance that is over.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Episodic {
    pub(super) at: TimestampMs,
    pub(super) series: SeriesKey,
    pub(super) workload: WorkloadKey,
    pub(super) family: FamilyName,
    /// Whose it was, to which side, and how far from what was expected it went.
    pub(super) side: Side,
    pub(super) reach: f32,
    /// Highest evidence, and highest weight that it was given.
    pub(super) evidence: f32,
    pub(super) weight: f32,
    /// Whether nothing else supported it, and whether it came in the first day.
    pub(super) alone: bool,
    pub(super) young: bool,
}

/// Where a disturbance is, and by what it may be known from earlier ones.
#[derive(Clone, Copy, Debug)]
pub(super) struct Custom<'a> {
    pub(super) workload: WorkloadKey,
    /// Name of the metric, or what stands for it.
    pub(super) family: &'a str,
    pub(super) side: Side,
    /// How far it has gone from what was expected, in the metric's own unit.
    pub(super) reach: f32,
}

/// Evidence as it is weighed under the circumstances; nothing by default.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Weighed {
    pub(super) weight: f32,
    /// Whether nothing else supports it.
    is_alone: bool,
    is_young: bool,
}

/// What a disturbance that goes on was given so far: the highest weight, whether anything supported it, and whether it
/// came when its subject had not shown a whole day.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(super) struct Burden {
    weight: f32,
    supported: bool,
    young: bool,
}

impl Burden {
    pub(super) fn bear(&mut self, weighed: Weighed) {
        self.weight = self.weight.max(weighed.weight);
        self.supported |= weighed.weight > 0.0 && !weighed.is_alone;
        self.young |= weighed.is_young;
    }
}

/// What the member of a group that has been there longest knows.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Heirloom {
    pub(super) group: GroupKey,
    pub(super) from: SeriesKey,
    pub(super) detector: Box<Detector>,
}

/// What a shard tells of one tenant at a turn.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Tidings {
    pub(super) newest: TimestampMs,
    /// Series that vary, and those of them whose first day is over.
    pub(super) series: usize,
    pub(super) settled: usize,
    /// All series there are.
    pub(super) held: usize,
    pub(super) stirs: Vec<Stir>,
    pub(super) over: Vec<Episodic>,
    /// What became of the members of groups.
    pub(super) moves: Moves,
    /// Groups whose newcomers would inherit what their siblings know, and what is there to inherit.
    pub(super) wanted: BTreeMap<GroupKey, FamilyName>,
    pub(super) heirlooms: Vec<Heirloom>,
    /// Levels of siblings, where they were asked for.
    pub(super) levels: Vec<(GroupKey, SeriesKey, f64)>,
}

impl Tidings {
    pub(super) fn stir(&mut self, stir: Stir) {
        if self.stirs.len() < REPORTS_MAX {
            self.stirs.push(stir);
        }
    }

    /// A disturbance of `series` is over; `peak` was its highest evidence. What never weighed anything is not worth a
    /// word.
    pub(super) fn over(&mut self, at: TimestampMs, series: SeriesKey, custom: &Custom<'_>, peak: f32, burden: Burden) {
        if burden.weight > 0.0 && peak >= RECORD && self.over.len() < REPORTS_MAX {
            let Burden { weight, supported, young } = burden;
            let Custom { workload, family, side, reach } = *custom;
            let (family, alone) = (family.into(), !supported);
            self.over.push(Episodic {
                at,
                series,
                workload,
                family,
                side,
                reach,
                evidence: peak,
                weight,
                alone,
                young,
            });
        }
    }

    pub(super) fn merge(&mut self, other: Self) {
        self.newest = self.newest.max(other.newest);
        self.series += other.series;
        self.settled += other.settled;
        self.held += other.held;
        self.stirs.extend(other.stirs);
        self.over.extend(other.over);
        self.moves.merge(other.moves);
        self.wanted.extend(other.wanted);
        self.heirlooms.extend(other.heirlooms);
        self.levels.extend(other.levels);
    }
}

/// What all shards are told of one tenant at a turn.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct News {
    stirs: Vec<Stir>,
    families: Vec<(FamilyName, Familiarity)>,
    habits: Vec<(Side, Familiarity)>,
    /// Series alive of the groups where that changed; `None` when a group is forgotten.
    groups: Vec<(GroupKey, Option<u32>)>,
    /// Groups whose newcomers want to inherit, by metric.
    pub(super) wanted: Vec<(FamilyName, BTreeSet<GroupKey>)>,
    /// Groups that were wanted at the turn before, and what there was to hand over.
    pub(super) answered: Vec<GroupKey>,
    pub(super) heirlooms: Vec<Heirloom>,
    /// Groups that left or are back.
    pub(super) departures: Vec<Departure>,
    /// Series that left their siblings or are back.
    pub(super) peers: Vec<(SeriesKey, PeerEvent)>,
    /// Whose levels are asked for.
    pub(super) asks_levels: Parts,
    pub(super) now: TimestampMs,
    /// Series in all shards.
    pub(super) held: usize,
    usual: f32,
    bar: f32,
}

/// The picture of one tenant, put together from all shards.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Climate {
    families: Records<FamilyName>,
    habits: Records<Side>,
    groups: Groups,
    /// Time until which exposure was counted.
    now: Option<TimestampMs>,
    chance: Chance,
    /// Usual number of workloads disturbed at the same time.
    usual: f64,
    /// When workloads last became disturbed.
    stirred: BTreeMap<WorkloadKey, TimestampMs>,
    heirs: Heirs,
}

impl Climate {
    /// Newest event time.
    pub(super) fn now(&self) -> Option<TimestampMs> {
        self.now
    }

    /// Takes what shards reported at one turn, and says what is new. `budget` is in findings per week.
    pub(super) fn absorb(&mut self, reports: Vec<Tidings>, budget: f64) -> News {
        let mut all = Tidings { newest: TimestampMs::MIN, ..Tidings::default() };
        reports.into_iter().for_each(|report| all.merge(report));
        // Whatever shard it came from, it comes in the same order.
        all.stirs.sort_by_key(|stir| (stir.at, stir.series));
        all.over.sort_by_key(|episode| (episode.at, episode.series));
        let before = self.now.unwrap_or(all.newest);
        let now = all.newest.max(before);
        let passed = now - before;
        self.now = Some(now);
        self.follow(&all.stirs, now, passed);
        let groups = self.groups.count(all.moves, now);
        let departures = self.groups.round(now);
        let peers = self.groups.compare(&mut all.levels);
        let asks_levels = self.groups.asks(now);
        self.record(all.over);
        self.chance.pass(now, passed, all.settled);
        let bar = self.chance.bar(all.series, budget);
        // Of each group the one that knows most, whatever shard it lives in.
        all.heirlooms.sort_by_key(|heirloom| (heirloom.group, Reverse(heirloom.detector.samples()), heirloom.from));
        all.heirlooms.dedup_by_key(|heirloom| heirloom.group);
        let answered = self.heirs.ask(all.wanted);
        let wanted = self.heirs.next(|| self.groups.by_metric());
        News {
            stirs: all.stirs,
            families: self.families.settle(now),
            habits: self.habits.settle(now),
            groups,
            wanted,
            answered,
            heirlooms: all.heirlooms,
            departures,
            peers,
            asks_levels,
            now,
            held: all.held,
            usual: self.usual as f32,
            bar,
        }
    }

    /// Keeps the usual number of disturbed workloads.
    fn follow(&mut self, stirs: &[Stir], now: TimestampMs, passed: i64) {
        for stir in stirs {
            self.stirred.insert(stir.workload, stir.at);
        }
        self.stirred.retain(|_, at| *at > now.saturating_sub(RECENT_MS));
        let weight = 1.0 - (-(passed as f64) / USUAL_HALF_LIFE_MS).exp2();
        self.usual += weight * (self.stirred.len() as f64 - self.usual);
    }

    /// Puts disturbances on record. What others support is an incident, and the same incident is to be told of again.
    fn record(&mut self, over: Vec<Episodic>) {
        for episode in over.into_iter().filter(|episode| episode.alone) {
            // The first day is unlike all that follow.
            if !episode.young {
                self.chance.take(episode.workload, episode.at, episode.weight);
            }
            self.families.take(episode.family, episode.at, familiarity::step_of_evidence(episode.evidence));
            self.habits.take(episode.side, episode.at, familiarity::step_of_reach(episode.reach));
        }
    }
}

/// What a shard knows of its tenant's climate.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Outlook {
    /// Weight from which a finding is raised.
    pub(super) bar: f32,
    usual: f32,
    stirs: VecDeque<Stir>,
    stirred: BTreeMap<WorkloadKey, TimestampMs>,
    families: BTreeMap<FamilyName, Familiarity>,
    habits: BTreeMap<Side, Familiarity>,
    groups: BTreeMap<GroupKey, u32>,
    /// New series that may inherit what their siblings know.
    pub(super) orphans: BTreeMap<GroupKey, Vec<SeriesKey>>,
    /// What is to be reported at the next turn.
    pub(super) tidings: Tidings,
}

impl Default for Outlook {
    fn default() -> Self {
        Self {
            bar: *chance::BAR.end(),
            usual: 0.0,
            stirs: VecDeque::new(),
            stirred: BTreeMap::new(),
            families: BTreeMap::new(),
            habits: BTreeMap::new(),
            groups: BTreeMap::new(),
            orphans: BTreeMap::new(),
            tidings: Tidings::default(),
        }
    }
}

impl Outlook {
    /// Whether a group has enough members to tell who differs.
    pub(super) fn is_comparable(&self, group: GroupKey) -> bool {
        self.groups.get(&group).is_some_and(|alive| (MEMBERS_MIN..=MEMBERS_MAX).contains(alive))
    }

    /// Whether any sibling is alive, or was lately.
    pub(super) fn has_siblings(&self, group: GroupKey) -> bool {
        self.groups.contains_key(&group)
    }

    /// Takes the news of a turn.
    pub(super) fn hear(&mut self, news: &News) {
        let now = news.now;
        self.bar = news.bar;
        self.usual = news.usual;
        familiarity::follow(&mut self.families, &news.families);
        familiarity::follow(&mut self.habits, &news.habits);
        for (group, alive) in &news.groups {
            match alive {
                Some(alive) => self.groups.insert(*group, *alive),
                None => self.groups.remove(group),
            };
        }
        for stir in &news.stirs {
            self.stirred.insert(stir.workload, stir.at);
            self.stirs.push_back(stir.clone());
        }
        self.stirred.retain(|_, at| *at > now.saturating_sub(RECENT_MS));
        while self.stirs.front().is_some_and(|stir| stir.at <= now.saturating_sub(RECENT_MS))
            || self.stirs.len() > 4 * REPORTS_MAX
        {
            self.stirs.pop_front();
        }
    }

    /// Weighs the evidence of a disturbance.
    pub(super) fn weigh(&self, custom: &Custom<'_>, evidence: f32, youth: f32) -> Weighed {
        let others = self.stirred.len() - usize::from(self.stirred.contains_key(&custom.workload));
        let circumstances = Circumstances {
            familiar: self.families.get(custom.family).map_or(0.0, |known| known.of_metric(evidence)),
            habitual: self.habits.get(&custom.side).map_or(0.0, |known| known.of_group(custom.reach)),
            others: others as f32,
            usual_others: self.usual,
            youth,
        };
        Weighed {
            weight: circumstances.weigh(evidence),
            is_alone: circumstances.is_alone(),
            is_young: circumstances.is_young(),
        }
    }

    /// What else moved while a series was disturbed since `since`, and how its siblings did.
    pub(super) fn company(
        &self,
        series: SeriesKey,
        workload: WorkloadKey,
        group: Option<GroupKey>,
        since: TimestampMs,
    ) -> (Companions, Option<Siblings>) {
        let near = |stir: &&Stir| stir.series != series && (stir.at - since).abs() <= RECENT_MS;
        let mut near: Vec<&Stir> = self.stirs.iter().filter(near).collect();
        near.sort_by(|a, b| b.evidence.total_cmp(&a.evidence).then_with(|| a.series.cmp(&b.series)));
        let mut workloads: Vec<WorkloadKey> =
            near.iter().map(|stir| stir.workload).filter(|w| *w != workload).collect();
        workloads.sort_unstable();
        workloads.dedup();
        let alike = near.iter().filter(|stir| group.is_some() && stir.group == group).count() as u32;
        let told = |stir: &&Stir| Companion { labels: stir.labels.clone(), evidence: stir.evidence, since: stir.at };
        let companions = Companions {
            series: near.len() as u32,
            workloads: workloads.len() as u32,
            strongest: near.iter().take(Companions::SHOWN).map(told).collect(),
        };
        let siblings = group.and_then(|group| self.groups.get(&group)).map_or(0, |alive| alive.saturating_sub(1));
        let siblings = (siblings > 0).then(|| Siblings { count: siblings, alike: alike.min(siblings) });
        (companions, siblings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stir(at: TimestampMs, key: u64) -> Stir {
        Stir {
            at,
            series: SeriesKey(u128::from(key)),
            workload: WorkloadKey(key / 10),
            group: Some(GroupKey::new(key % 10)),
            evidence: 9.0 + key as f32,
            labels: Labels::default(),
        }
    }

    fn custom() -> Custom<'static> {
        let side = Side { group: GroupKey::new(1), above: true };
        Custom { workload: WorkloadKey(1), family: "m", side, reach: 20.0 }
    }

    const HOUR: i64 = 3_600_000;

    #[test]
    fn company_is_who_stirred_at_the_same_time() {
        let mut outlook = Outlook::default();
        let stirs = vec![stir(HOUR, 11), stir(HOUR + 1, 21), stir(HOUR + 2, 31), stir(HOUR + 3, 12)];
        let groups = vec![(GroupKey::new(1), Some(4))];
        let news = News { stirs, groups, bar: 15.0, now: HOUR + 4, ..News::default() };
        outlook.hear(&news);
        let (companions, siblings) = outlook.company(SeriesKey(11), WorkloadKey(1), Some(GroupKey::new(1)), HOUR);
        assert_eq!((companions.series, companions.workloads), (3, 2));
        assert_eq!(siblings, Some(Siblings { count: 3, alike: 2 }));
        assert_eq!(companions.strongest[0].evidence, 40.0);
        let among_two = outlook.weigh(&custom(), 10.0, 0.0);
        assert!(among_two.weight > 12.0 && !among_two.is_alone, "{among_two:?}");
        outlook.hear(&News { now: HOUR + 2 * RECENT_MS, ..News::default() });
        assert_eq!(outlook.company(SeriesKey(11), WorkloadKey(1), None, HOUR).0, Companions::default());
    }
}
