//! Groups of siblings: how many are alive, whether a group that was always there is gone, and who left the others.

use std::collections::{BTreeMap, BTreeSet};

use hashbrown::HashMap;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use crate::{
    anomaly::kinds::{Change, Member, PeerEvent, Peers, Presence, Sender},
    signal::{GroupKey, Labels, SeriesKey, TimestampMs},
};

/// Members of a group that is compared: with fewer nobody can tell who differs.
pub(super) const MEMBERS_MIN: u32 = 4;
pub(super) const MEMBERS_MAX: u32 = 500;
/// Event time between two looks at who is there, and how long a group must be gone, in ms.
const ROUND_MS: i64 = 60_000;
const PATIENCE_MS: i64 = 300_000;
/// Event time between two comparisons of the same siblings, in ms.
const COMPARE_MS: i64 = 300_000;
/// Parts in which siblings are compared, so that no turn has to look at all series.
const PARTS: u32 = 20;
/// Time after which a group without members is forgotten, in ms.
const FORGET_MS: i64 = 2 * 86_400_000;
/// Labels by which groups that leave together are told of as one.
const TOGETHER: [&str; 2] = ["job", "namespace"];

/// Some of the metrics: those whose siblings are compared at a turn.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(super) struct Parts {
    first: u32,
    count: u32,
}

impl Parts {
    pub(super) fn is_empty(self) -> bool {
        self.count == 0
    }

    /// Whether a metric is among them.
    pub(super) fn hold(self, metric: &str) -> bool {
        let part = (xxh3_64(metric.as_bytes()) % u64::from(PARTS)) as u32;
        (part + PARTS - self.first) % PARTS < self.count
    }
}

/// Groups with the same `job` and `namespace` that left, or came back, in the same round.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Departure {
    /// The group, or stands for several of them.
    pub(super) key: GroupKey,
    /// Its labels, or what the groups have in common.
    pub(super) labels: Labels,
    /// How many groups.
    pub(super) metrics: u32,
    pub(super) change: Change,
    pub(super) since: TimestampMs,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Group {
    /// What the members share.
    labels: Labels,
    alive: u32,
    presence: Presence,
    /// Under which key its absence was told.
    told_as: Option<GroupKey>,
    left_at: TimestampMs,
    peers: Option<Box<(Peers, BTreeMap<SeriesKey, Member>)>>,
}

/// How many members came to each group and left it since the last turn.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Moves(BTreeMap<GroupKey, Move>);

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Move {
    came: u32,
    went: u32,
    /// What the members share, known when one came.
    labels: Option<Labels>,
}

impl Moves {
    /// A member came; `labels` gives what it is called.
    pub(super) fn come(&mut self, group: GroupKey, labels: impl FnOnce() -> Labels) {
        let moved = self.0.entry(group).or_default();
        moved.came += 1;
        moved.labels.get_or_insert_with(|| GroupKey::labels(&labels()));
    }

    /// A member left.
    pub(super) fn go(&mut self, group: GroupKey) {
        self.0.entry(group).or_default().went += 1;
    }

    /// Adds what another shard has seen.
    pub(super) fn merge(&mut self, other: Self) {
        for (group, more) in other.0 {
            let moved = self.0.entry(group).or_default();
            moved.came += more.came;
            moved.went += more.went;
            moved.labels = moved.labels.take().or(more.labels);
        }
    }
}

/// All groups of a tenant.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Groups {
    known: BTreeMap<GroupKey, Group>,
    /// Groups forgotten since the last count.
    forgotten: Vec<GroupKey>,
    sender: Option<Sender>,
    round_at: TimestampMs,
    /// When the last part was compared, or the first turn was.
    compared_at: Option<TimestampMs>,
    /// The part that is compared next.
    part: u32,
}

impl Groups {
    /// Counts series alive; gives the groups where that changed, and with `None` those that were forgotten.
    pub(super) fn count(&mut self, moves: Moves, now: TimestampMs) -> Vec<(GroupKey, Option<u32>)> {
        let mut changed: BTreeSet<GroupKey> = std::mem::take(&mut self.forgotten).into_iter().collect();
        for (key, moved) in moves.0 {
            changed.insert(key);
            if let Some(labels) = moved.labels {
                let new = || Group {
                    labels,
                    alive: 0,
                    presence: Presence::new(now),
                    told_as: None,
                    left_at: now,
                    peers: None,
                };
                self.known.entry(key).or_insert_with(new).alive += moved.came;
            }
            if moved.went > 0
                && let Some(group) = self.known.get_mut(&key)
            {
                group.alive = group.alive.saturating_sub(moved.went);
                group.left_at = now;
            }
        }
        changed.into_iter().map(|key| (key, self.known.get(&key).map(|group| group.alive))).collect()
    }

    /// Looks, once a minute, which groups are gone and which are back.
    pub(super) fn round(&mut self, now: TimestampMs) -> Vec<Departure> {
        if now < self.round_at.saturating_add(ROUND_MS) {
            return Vec::new();
        }
        self.round_at = now;
        let is_over = |group: &Group| group.alive == 0 && now >= group.left_at + FORGET_MS;
        self.forgotten.extend(self.known.extract_if(.., |_, group| is_over(group)).map(|(key, _)| key));
        let steady = self.known.values().filter(|group| group.alive > 0 && group.presence.is_steady()).count();
        let sender = self.sender.get_or_insert_with(|| Sender::new(now));
        // That everything is gone can only be told by whoever has a clock.
        let _ = sender.observe(now, steady, PATIENCE_MS);
        let is_there = sender.is_there();
        let (mut left, mut back) = (BTreeMap::<Labels, Vec<(GroupKey, TimestampMs)>>::new(), Vec::new());
        for (key, group) in &mut self.known {
            match group.presence.observe(now, group.alive as usize, is_there, PATIENCE_MS) {
                Some(absence) if absence.change == Change::Raised => {
                    let together = group.labels.filtered(|name| TOGETHER.contains(&name));
                    left.entry(together).or_default().push((*key, absence.since));
                }
                Some(_) => back.extend(group.told_as.take().map(|told| (told, group.labels.clone()))),
                None => {}
            }
        }
        let mut departures = Vec::new();
        for (together, groups) in left {
            let first = groups.iter().copied().min_by_key(|(key, since)| (*since, *key));
            let Some((key, since)) = first else { continue };
            let labels = if groups.len() == 1 { self.known[&key].labels.clone() } else { together };
            departures.push(Departure { key, labels, metrics: groups.len() as u32, change: Change::Raised, since });
            for (member, _) in groups {
                if let Some(group) = self.known.get_mut(&member) {
                    group.told_as = Some(key);
                }
            }
        }
        // It is over when the first of those that left together is back.
        back.sort_unstable_by_key(|(key, _)| *key);
        back.dedup_by_key(|(key, _)| *key);
        departures.extend(back.into_iter().map(|(key, labels)| Departure {
            key,
            labels,
            metrics: 0,
            change: Change::Resolved,
            since: now,
        }));
        departures
    }

    /// Series alive of each metric.
    pub(super) fn by_metric(&self) -> HashMap<&str, usize> {
        self.known.values().fold(HashMap::new(), |mut alive, group| {
            *alive.entry(group.labels.metric()).or_default() += group.alive as usize;
            alive
        })
    }

    /// Whose siblings it is time to compare again.
    pub(super) fn asks(&mut self, now: TimestampMs) -> Parts {
        let step = COMPARE_MS / i64::from(PARTS);
        let before = self.compared_at.unwrap_or(now);
        let due = (now.saturating_sub(before) / step).clamp(0, PARTS.into());
        self.compared_at = Some(if due < PARTS.into() { before + due * step } else { now });
        let parts = Parts { first: self.part, count: due as u32 };
        self.part = (self.part + parts.count) % PARTS;
        parts
    }

    /// Compares siblings by their levels.
    pub(super) fn compare(&mut self, levels: &mut [(GroupKey, SeriesKey, f64)]) -> Vec<(SeriesKey, PeerEvent)> {
        levels.sort_unstable_by_key(|(group, series, _)| (*group, *series));
        let mut told = Vec::new();
        for members in levels.chunk_by(|a, b| a.0 == b.0).filter(|members| members.len() >= MEMBERS_MIN as usize) {
            let Some(group) = self.known.get_mut(&members[0].0) else { continue };
            let (peers, known) = &mut **group.peers.get_or_insert_default();
            let mut states: Vec<Member> =
                members.iter().map(|(_, key, _)| known.get(key).copied().unwrap_or_default()).collect();
            let values: Vec<f64> = members.iter().map(|(_, _, level)| *level).collect();
            peers.observe(&values, &mut states, &mut |event| told.push((members[event.member].1, event)));
            *known = members.iter().map(|(_, key, _)| *key).zip(states).collect();
        }
        told
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60_000;
    const DAY: i64 = 1_440;

    fn labels(metric: &str, job: &str) -> Labels {
        Labels::from_pairs([("__name__", metric), ("job", job), ("instance", "a")])
    }

    fn key(metric: &str, job: &str) -> GroupKey {
        GroupKey::of(labels(metric, job).iter()).unwrap()
    }

    fn moves(came: &[(&str, &str)], went: &[(&str, &str)]) -> Moves {
        let mut moves = Moves::default();
        came.iter().for_each(|(metric, job)| moves.come(key(metric, job), || labels(metric, job)));
        went.iter().for_each(|(metric, job)| moves.go(key(metric, job)));
        moves
    }

    /// Three jobs of three metrics each, for a day and a half.
    fn steady() -> Groups {
        let mut groups = Groups::default();
        let all = ["a", "b", "c"].into_iter().flat_map(|job| ["x", "y", "z"].map(|metric| (metric, job)));
        groups.count(moves(&all.collect::<Vec<_>>(), &[]), MINUTE);
        for minute in 1..DAY * 3 / 2 {
            assert!(groups.round(minute * MINUTE).is_empty());
        }
        groups
    }

    #[test]
    fn a_metric_or_a_whole_job_that_leaves_is_one_departure() {
        let mut groups = steady();
        let end = DAY * 3 / 2;
        groups.count(moves(&[], &[("x", "a"), ("x", "b"), ("y", "b"), ("z", "b")]), end * MINUTE);
        let told: Vec<Departure> = (end..end + 10).flat_map(|minute| groups.round(minute * MINUTE)).collect();
        let words: Vec<(String, u32)> = told.iter().map(|d| (d.labels.to_string(), d.metrics)).collect();
        assert_eq!(words, [("x{job=\"a\"}".to_owned(), 1), ("{job=\"b\"}".to_owned(), 3)]);
        groups.count(moves(&[("y", "b")], &[]), (end + 10) * MINUTE);
        let back: Vec<Departure> = (end + 10..end + 12).flat_map(|minute| groups.round(minute * MINUTE)).collect();
        assert_eq!((back.len(), back[0].change, back[0].key), (1, Change::Resolved, told[1].key));
    }

    #[test]
    fn a_replaced_pod_is_no_departure() {
        let mut groups = steady();
        let end = DAY * 3 / 2;
        groups.count(moves(&[("x", "a")], &[("x", "a")]), end * MINUTE);
        assert!((end..end + 30).all(|minute| groups.round(minute * MINUTE).is_empty()));
    }

    #[test]
    fn every_metric_is_compared_once_in_five_minutes() {
        let mut groups = Groups::default();
        let start = 1_000 * COMPARE_MS;
        groups.asks(start);
        let mut counts = [0; 50];
        for turn in 1..=40 {
            let parts = groups.asks(start + turn * 15_000);
            assert!(!parts.is_empty());
            (0..50).for_each(|i| counts[i] += u32::from(parts.hold(&format!("m{i}"))));
        }
        assert_eq!(counts, [2; 50]);
        // Turns that are rare compare all.
        let late = groups.asks(start + 100 * COMPARE_MS);
        assert!((0..50).all(|i| late.hold(&format!("m{i}"))));
        assert!(groups.asks(start).is_empty());
    }

    #[test]
    fn who_leaves_its_siblings_is_told() {
        let mut groups = Groups::default();
        groups.count(moves(&[("x", "a")], &[]), 0);
        let mut told = Vec::new();
        for round in 0..288 * 6 {
            let wave = 10.0 + (f64::from(round) / 45.0).sin();
            let level = |member: u32| {
                let noise = f64::from((round * 7 + member as i32 * 13) % 11) / 50.0;
                wave + noise + if member == 2 && round >= 288 * 5 { 8.0 } else { 0.0 }
            };
            let mut levels: Vec<_> =
                (0..5).map(|member| (key("x", "a"), SeriesKey(u128::from(member)), level(member))).collect();
            told.extend(groups.compare(&mut levels));
        }
        assert_eq!((told[0].0, told[0].1.change), (SeriesKey(2), Change::Raised));
        assert!(told.iter().all(|(key, _)| *key == SeriesKey(2)), "{told:?}");
    }
}
