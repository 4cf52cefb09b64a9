//! A sibling that leaves the others: one pod of a deployment, one shard of a database.
//!
//! In each round the members' levels are put in units of the group's own spread around its median, with median and
//! median absolute deviation as robust measures (Hampel 1974). Each member is judged against its own past in these
//! units: one that always differed is normal. Roles that pass from one member to another are seen from the number of
//! members that stand apart, which does not change.

use serde::{Deserialize, Serialize};

use super::Change;

/// Fewest members present.
const MEMBERS: usize = 4;
/// Rounds in a day, 5 minutes apart.
const DAY_ROUNDS: u16 = 288;
/// Rounds for which a group is watched before anything is told: 4 days.
const SETTLED_ROUNDS: u16 = 4 * DAY_ROUNDS;
/// Units from the median at which a member stands apart, and the least by which it must exceed its own past.
const APART: f32 = 6.0;
/// … and at least this share of the range of its past.
const OF_RANGE: f32 = 0.5;
/// Rounds in a row.
const RUN: i8 = 3;
/// Least unit, as a share of the median.
const OF_MEDIAN: f64 = 0.03;
/// Share of the usual unit below which the unit of a round does not fall: at night all are alike.
const OF_USUAL: f64 = 0.5;
/// Rounds after which a member's known range shrinks by 1/16 unit at each end: 4 hours.
const RELAX_ROUNDS: u16 = 48;
/// Share of its distance by which a known range follows a member that was told of: half in 6 hours.
const FOLLOW: f32 = 0.01;
/// Share of the margin within which a member is back.
const BACK: f32 = 0.25;
/// Deviations are kept in 16ths of a unit.
const FRACTION: f32 = 16.0;
/// By how much of a unit the range of a judged member grows in a round.
const GROWS: f32 = 0.5;
/// A round in which a member is further than this outside its range, in units, makes the group restless.
const RESTLESS: f32 = 1.0;
/// Such rounds, with a half-life of a week, up to which a member can be told of: two or three that left do.
const UNREST: f32 = 8.0;
/// Share of them that remains after a round.
const CALMS: f32 = 0.999_656_2;
/// The last deviation is kept as its inverse hyperbolic sine, in 2,000ths: it may be huge.
const LAST: f32 = 2_000.0;
/// In place of a number of rounds: it was told, below if negative; less by the rounds that it has been back.
const TOLD: i8 = 100;
/// Rounds in a row that a member must be back.
const BACK_RUN: i8 = 6;
/// While the median moves by more units than this from one round to the next, nobody is told to have left: means of
/// single members lag behind each other.
const MOVES: f64 = 3.0;

/// What is known of a member, 8 bytes.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Member {
    /// Known range of its deviation, in 16ths of a unit.
    low: i16,
    high: i16,
    last: i16,
    /// Every other round seen, saturating; then it is judged, after 42 hours.
    age: u8,
    /// Rounds in a row above its range, or below it if negative.
    run: i8,
}

/// What is known of a group.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Peers {
    /// Usual unit.
    scale: f32,
    /// Median of the last round.
    median: f32,
    /// Usual number of members that stand apart above and below.
    above: f32,
    below: f32,
    /// How often members strayed from their ranges lately.
    unrest: f32,
    rounds: u16,
}

/// A member left its peers or came back.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PeerEvent {
    /// Its place among the members.
    pub member: usize,
    /// Whether it left or came back (or has become normal so, or ended).
    pub change: Change,
    /// Its level.
    pub seen: f64,
    /// The median of the group.
    pub expected: f64,
    /// How clear it is: distance beyond its own past over what it takes; 0 if it came back.
    pub evidence: f32,
}

/// Median and unit of one round.
struct Middle {
    median: f64,
    unit: f64,
    /// Whether the median is about where it was in the last round.
    is_still: bool,
}

impl Peers {
    /// Takes a round, 5 minutes after the one before: the members' levels (say, means over about 10 minutes; NaN where
    /// missing), each with its state. A new member comes with a default state. Does nothing while fewer than 4 are there,
    /// or while all are the same at 0, as they always were.
    pub fn observe(&mut self, levels: &[f64], members: &mut [Member], tell: &mut impl FnMut(PeerEvent)) {
        self.rounds = self.rounds.checked_add(1).unwrap_or(DAY_ROUNDS);
        let Some(middle) = self.middle(levels) else { return };
        let deviations: Vec<f32> = levels.iter().map(|level| middle.deviation(*level)).collect();
        let apart = |side: f32| deviations.iter().filter(|z| **z * side > APART).count() as f32;
        let (above, below) = (apart(1.0), apart(-1.0));
        self.unrest *= CALMS;
        self.unrest += deviations.iter().zip(members.iter()).filter(|(z, member)| member.strays(**z)).count() as f32;
        // Who leaves while another comes back takes over its place.
        let returning = |side: f32| {
            deviations.iter().zip(members.iter()).any(|(z, member)| {
                let last = (f32::from(member.last) / LAST).sinh() * side;
                last > APART && *z * side < 0.9 * last
            })
        };
        let free =
            [(1.0, above > self.above + 0.5 && !returning(1.0)), (-1.0, below > self.below + 0.5 && !returning(-1.0))];
        let leaving = deviations.iter().zip(members.iter()).filter(|(z, m)| m.beyond(**z, 1.0) != 0.0).count();
        let together = leaving > (deviations.len() / 4).max(1);
        let settled = middle.is_still && !together && self.unrest < UNREST && self.rounds >= SETTLED_ROUNDS;
        for (place, (z, member)) in deviations.iter().zip(members.iter_mut()).enumerate() {
            let may_leave = |side: f32| settled && free.contains(&(side, true));
            if let Some((change, evidence)) = member.observe(*z, self.rounds, may_leave) {
                let (seen, expected) = (levels[place], middle.median);
                tell(PeerEvent { member: place, change, seen, expected, evidence });
            }
        }
        let weight = 1.0 / f32::from(self.rounds.min(DAY_ROUNDS));
        self.above += weight * (above - self.above);
        self.below += weight * (below - self.below);
    }

    fn middle(&mut self, levels: &[f64]) -> Option<Middle> {
        let mut sorted: Vec<f64> = levels.iter().copied().filter(|level| level.is_finite()).collect();
        if sorted.len() < MEMBERS {
            return None;
        }
        let median = median(&mut sorted);
        for level in &mut sorted {
            *level = (*level - median).abs();
        }
        let now = 1.4826 * self::median(&mut sorted);
        let usual = f64::from(self.scale);
        let learnt = if usual == 0.0 { now } else { usual + (now.min(4.0 * usual) - usual) / f64::from(DAY_ROUNDS) };
        self.scale = learnt as f32;
        let unit = now.max(OF_USUAL * usual).max(OF_MEDIAN * median.abs());
        let is_still = (median - f64::from(self.median)).abs() <= MOVES * unit;
        self.median = median as f32;
        (unit > 0.0).then_some(Middle { median, unit, is_still })
    }
}

impl Middle {
    fn deviation(&self, level: f64) -> f32 {
        ((level - self.median) / self.unit).clamp(-1e6, 1e6) as f32
    }
}

impl Member {
    /// On which side of its known range, widened by `share` of the margin, a deviation lies: 1, −1, or 0 for within.
    fn beyond(&self, z: f32, share: f32) -> f32 {
        let (low, high) = (f32::from(self.low) / FRACTION, f32::from(self.high) / FRACTION);
        let margin = share * self.margin();
        if z > (high + margin).max(APART) {
            1.0
        } else if z < (low - margin).min(-APART) {
            -1.0
        } else {
            0.0
        }
    }

    fn margin(&self) -> f32 {
        APART.max(OF_RANGE * (f32::from(self.high) - f32::from(self.low)) / FRACTION)
    }

    fn observe(&mut self, z: f32, rounds: u16, may_leave: impl Fn(f32) -> bool) -> Option<(Change, f32)> {
        let told = self.is_told();
        if z.is_nan() {
            self.run = 0;
            self.last = 0;
            return told.then_some((Change::Resolved, 0.0));
        }
        self.last = (z.asinh() * LAST) as i16;
        let fixed = (z * FRACTION) as i16;
        if self.age < u8::MAX {
            if self.age == 0 {
                (self.low, self.high, self.age) = (fixed, fixed, 1);
            }
            self.age += (rounds % 2) as u8;
            (self.low, self.high) = (self.low.min(fixed), self.high.max(fixed));
            return None;
        }
        if rounds.is_multiple_of(RELAX_ROUNDS) && self.high.saturating_sub(self.low) > 2 {
            self.high -= 1;
            self.low += 1;
        }
        if told {
            return self.go_on(z);
        }
        let side = self.beyond(z, 1.0);
        if side == 0.0 {
            self.run = 0;
            self.learn(fixed);
            return None;
        }
        if !may_leave(side) {
            self.run = 0;
            return None;
        }
        self.run = if side > 0.0 { self.run.max(0) + 1 } else { self.run.min(0) - 1 };
        if self.run.abs() < RUN {
            return None;
        }
        self.run = if side > 0.0 { TOLD } else { -TOLD };
        let bound = f32::from(if side > 0.0 { self.high } else { self.low }) / FRACTION;
        Some((Change::Raised, (z - bound).abs() / self.margin()))
    }

    /// Whether it was told that it left.
    fn is_told(&self) -> bool {
        self.run.abs() > TOLD - BACK_RUN
    }

    /// The range follows; it is over when the member has been back within a quarter of the margin for half an hour.
    fn go_on(&mut self, z: f32) -> Option<(Change, f32)> {
        let side = self.run.signum();
        let bound = if side > 0 { &mut self.high } else { &mut self.low };
        let step = FOLLOW * (z * FRACTION - f32::from(*bound));
        *bound = bound.saturating_add(if step.abs() < 1.0 { step.signum() as i16 } else { step as i16 });
        self.run = if self.beyond(z, BACK) == 0.0 { self.run - side } else { side * TOLD };
        if self.is_told() {
            return None;
        }
        self.run = 0;
        Some((Change::Resolved, 0.0))
    }

    fn learn(&mut self, fixed: i16) {
        const STEP: i16 = (GROWS * FRACTION) as i16;
        self.low = self.low.min(fixed.max(self.low.saturating_sub(STEP)));
        self.high = self.high.max(fixed.min(self.high.saturating_add(STEP)));
    }

    /// Whether a judged member, not told of, is clearly outside its range.
    fn strays(&self, z: f32) -> bool {
        let told = self.is_told();
        let (low, high) = (f32::from(self.low) / FRACTION, f32::from(self.high) / FRACTION);
        self.age == u8::MAX && !told && (z > high + RESTLESS || z < low - RESTLESS)
    }
}

/// Median of a non-empty list, which it sorts.
fn median(list: &mut [f64]) -> f64 {
    list.sort_unstable_by(f64::total_cmp);
    let middle = list.len() / 2;
    if list.len() % 2 == 1 { list[middle] } else { 0.5 * (list[middle - 1] + list[middle]) }
}

#[cfg(test)]
mod tests {
    use super::super::synthetic::{DAY, Noise, daily};
    use super::*;

    const ROUND: i64 = 300_000;
    /// Round at which the broken groups break.
    const BREAK: i64 = 5_000;

    /// What is told of a group of `size` in `days`, `level` being a member's momentary value; levels are EW means over
    /// about 10 minutes.
    fn watch(
        seed: u64,
        size: usize,
        days: i64,
        mut value: impl FnMut(i64, usize, &mut Noise) -> f64,
    ) -> Vec<(i64, PeerEvent)> {
        let mut noise = Noise::new(seed);
        let (mut peers, mut members) = (Peers::default(), vec![Member::default(); size]);
        let mut means = vec![f64::NAN; size];
        let mut told = Vec::new();
        for round in 0..days * DAY / ROUND {
            for (member, mean) in means.iter_mut().enumerate() {
                let now = value(round, member, &mut noise);
                *mean = if mean.is_nan() || now.is_nan() { now } else { *mean + 0.4 * (now - *mean) };
            }
            peers.observe(&means, &mut members, &mut |event| told.push((round, event)));
        }
        told
    }

    #[derive(Clone, Copy, Debug)]
    enum Group {
        Alike,
        SlowNoise,
        Offset,
        Leader,
        FastLeader,
        Standby,
        Sparse,
        HeavyTailed,
        IdleNights,
        Rotating,
        Quantised,
        Walks,
        Replaced,
    }

    const GROUPS: [Group; 13] = [
        Group::Alike,
        Group::SlowNoise,
        Group::Offset,
        Group::Leader,
        Group::FastLeader,
        Group::Standby,
        Group::Sparse,
        Group::HeavyTailed,
        Group::IdleNights,
        Group::Rotating,
        Group::Quantised,
        Group::Walks,
        Group::Replaced,
    ];

    fn normal(group: Group, size: usize, seed: u64, days: i64) -> Vec<(i64, PeerEvent)> {
        let mut state = vec![0.0; size];
        let mut role = 0;
        watch(seed, size, days, move |round, member, noise| {
            let at = round * ROUND;
            let load = 100.0 + 50.0 * daily(at);
            let fresh = noise.normal();
            let x = &mut state[member];
            let mut ar = |rho: f64| {
                *x = rho * *x + (1.0 - rho * rho).sqrt() * fresh;
                *x
            };
            let flip = if matches!(group, Group::FastLeader) { 0.05 } else { 0.001 };
            if member == 0 && noise.chance(flip) {
                role = (noise.unit() * size as f64) as usize;
            }
            let value = match group {
                Group::Alike => load + 3.0 * fresh,
                Group::SlowNoise => load * (1.0 + 0.05 * ar(0.99)),
                Group::Offset => load * (1.0 + 0.3 * member as f64) + 3.0 * ar(0.9),
                Group::Leader | Group::FastLeader => load * if member == role { 4.0 } else { 1.0 } + 3.0 * ar(0.5),
                Group::Standby if member == role => 1_000.0 + 30.0 * fresh,
                Group::Standby => 0.1 + 0.01 * fresh,
                Group::Sparse => noise.poisson(0.02),
                Group::HeavyTailed => load + (1.5 * ar(0.8)).exp(),
                Group::IdleNights if daily(at) < 0.0 => 0.0,
                Group::IdleNights => load + 5.0 * ar(0.9),
                Group::Rotating if (round / 12) as usize % size == member => load + 60.0 + 3.0 * fresh,
                Group::Rotating => load + 3.0 * fresh,
                Group::Quantised => (3.0 + 0.6 * ar(0.95)).round(),
                Group::Walks => {
                    *x += 0.5 * fresh;
                    1_000.0 + *x
                }
                // A pod is replaced every 2 days; its place is empty for a quarter of an hour.
                Group::Replaced if round / 576 % size as i64 == member as i64 && round % 576 < 3 => f64::NAN,
                Group::Replaced => load * (1.0 + 0.1 * ar(0.9)),
            };
            if noise.chance(0.002) { f64::NAN } else { value }
        })
    }

    #[test]
    fn healthy_groups_stay_quiet() {
        let mut loud = Vec::new();
        for group in GROUPS {
            for seed in 0..20 {
                let (size, days) = if seed < 15 { (4 + seed as usize % 3, 60) } else { (12, 30) };
                loud.extend(normal(group, size, seed, days).first().map(|told| (group, size, seed, *told)));
            }
        }
        assert!(loud.is_empty(), "{} of {}: {loud:#?}", loud.len(), 20 * GROUPS.len());
    }

    /// A member times `factor` for `rounds`, in a group whose load swings by half over the day.
    fn broken(seed: u64, size: usize, factor: f64, rounds: i64) -> Vec<(i64, PeerEvent)> {
        watch(seed, size, 40, |round, member, noise| {
            let bad = member == 2 && (BREAK..BREAK + rounds).contains(&round);
            let load = 100.0 + 50.0 * daily(round * ROUND);
            load * (1.0 + 0.03 * noise.normal()) * if bad { factor } else { 1.0 }
        })
    }

    #[test]
    fn the_member_that_leaves_is_named_and_comes_back() {
        for seed in 0..20 {
            for (size, factor) in [(4, 2.0), (4, 0.0), (4, 0.5), (10, 1.5), (10, 0.5), (10, 2.0)] {
                let told = broken(seed, size, factor, 36);
                let [(left, first), (back, last)] = told[..] else { panic!("seed {seed}, × {factor}: {told:?}") };
                assert!((BREAK + 2..BREAK + 8).contains(&left) && (BREAK + 36..BREAK + 48).contains(&back), "{told:?}");
                assert_eq!((first.member, first.change, last.change), (2, Change::Raised, Change::Resolved));
                assert_eq!(first.seen > first.expected, factor > 1.0);
                assert!(first.evidence >= 1.0);
            }
        }
    }

    #[test]
    fn a_member_that_stays_away_becomes_normal_within_a_day_and_is_told_once() {
        for seed in 0..10 {
            let told = broken(seed, 6, 2.0, 100_000);
            let [(_, first), (normal, last)] = told[..] else { panic!("seed {seed}: {told:?}") };
            assert_eq!((first.change, last.change), (Change::Raised, Change::Resolved));
            assert!((BREAK + 72..BREAK + 288).contains(&normal), "{}", normal - BREAK);
        }
    }

    #[test]
    fn what_all_do_together_and_small_groups_are_not_judged() {
        for seed in 0..10 {
            let rise = |round: i64| if round > BREAK { 5.0 } else { 1.0 };
            assert_eq!(watch(seed, 6, 30, |r, _, noise| rise(r) * (100.0 + noise.normal())), []);
            let half = |r: i64, m: usize| if m.is_multiple_of(2) { rise(r) } else { 1.0 };
            assert_eq!(watch(seed, 8, 30, |r, m, noise| half(r, m) * (100.0 + noise.normal())), []);
            assert_eq!(broken(seed, 3, 5.0, 36), []);
        }
    }

    #[test]
    fn a_member_that_ends_is_no_longer_told_of() {
        let told = watch(1, 6, 30, |round, member, noise| match (member, round - BREAK) {
            (2, 10..) => f64::NAN,
            (2, 0..10) => 300.0,
            _ => 100.0 + noise.normal(),
        });
        assert_eq!(told.len(), 2, "{told:?}");
        assert_eq!((told[1].0, told[1].1.change), (BREAK + 10, Change::Resolved));
    }

    #[test]
    fn the_states_are_small() {
        assert_eq!((size_of::<Member>(), size_of::<Peers>()), (8, 24));
    }
}
