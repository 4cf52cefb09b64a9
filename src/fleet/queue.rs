//! Inputs that wait for the router: a line for each tenant, and each line in its turn.
//!
//! Turns are by start-time fair queueing (Goyal, Vin and Cheng, 1997): an input starts, in virtual time, where the one before
//! it in its line ended, and that which starts first is next. A tenant that takes less than its share is thus never behind
//! more than one input of another one, and what an input costs need not be known before it is done: a request of new series
//! costs the shards twenty times as much as one of known series, and only they can tell. Until then it counts as much as the
//! last ones of its tenant lead to expect. Inputs of one tenant stay in their order.

use std::{
    collections::VecDeque,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use hashbrown::HashMap;

use super::Unavailable;
use crate::signal::TenantId;

/// Inputs that may wait for the router.
const CAPACITY: usize = 256;
/// Inputs that are taken at once, to be written to the journal together.
const BATCH: usize = 64;
/// Work that the shards may have before them, in samples of known series: about 3 ms. No more is taken until they have less,
/// but of tenants of which they have nothing.
const AHEAD: u64 = 8_000;
/// What an input costs beside its samples, in the same unit: its record, its messages and the answers to them.
const EACH: u64 = 100;
/// What a new series costs beyond a sample of a known one.
const NEW_SERIES: u64 = 19;
/// What an input counts at most, so that none keeps its tenant waiting for more than half a second of another one's work.
const MOST: u64 = 1_000_000;
/// A tenant may hold so many times the places that are free: three quarters of all when it is alone, and there is always room
/// for one more tenant (dynamic thresholds, Choudhury and Hahne, 1998).
const SHARE: usize = 3;

/// Whether one who holds `own` of `capacity` places may take another one, while `all` of them are taken.
pub(crate) fn has_room(own: usize, all: usize, capacity: usize) -> bool {
    own < SHARE * capacity.saturating_sub(all)
}

/// All lines.
#[derive(Debug)]
struct Lines<T> {
    /// Of every tenant that was ever here; `None` is vigie's own.
    lines: HashMap<Option<TenantId>, Line<T>>,
    /// Those in which something waits; who has waited longest comes first.
    ring: VecDeque<Option<TenantId>>,
    waiting: usize,
    /// Where the input that was taken last started, in virtual time.
    now: u64,
    /// What is taken and not done.
    under_way: u64,
    /// Nobody puts anything in any more.
    is_closed: bool,
}

#[derive(Debug)]
struct Line<T> {
    /// Where its next input starts, in virtual time: where the last one has ended.
    start: u64,
    /// What a sample is expected to cost: as much as in its dearest request of late.
    rate: f64,
    /// With the samples of each.
    inputs: VecDeque<(u64, T)>,
    /// What is taken of it and not done.
    under_way: u64,
}

/// What an input that was taken is expected to cost.
#[derive(Debug)]
struct Charge {
    whose: Option<TenantId>,
    samples: u64,
    expected: u64,
}

impl<T> Line<T> {
    fn new() -> Self {
        // Of a tenant of which nothing is known, neither is any series.
        Self { start: 0, rate: (1 + NEW_SERIES) as f64, inputs: VecDeque::new(), under_way: 0 }
    }
}

impl<T> Lines<T> {
    fn new() -> Self {
        Self { lines: HashMap::new(), ring: VecDeque::new(), waiting: 0, now: 0, under_way: 0, is_closed: false }
    }

    fn push(&mut self, whose: Option<TenantId>, samples: u64, input: T) -> Result<(), Unavailable> {
        let own = self.lines.get(&whose).map_or(0, |line| line.inputs.len());
        if !has_room(own, self.waiting, CAPACITY) {
            return Err(if own > 0 { Unavailable::Crowded } else { Unavailable::Busy });
        }
        self.waiting += 1;
        let line = self.lines.entry(whose.clone()).or_insert_with(Line::new);
        if own == 0 {
            // What it has not asked for meanwhile is lost.
            line.start = line.start.max(self.now);
            self.ring.push_back(whose);
        }
        line.inputs.push_back((samples, input));
        Ok(())
    }

    /// Whether there is something to take.
    fn is_ready(&self) -> bool {
        self.ring.iter().any(|whose| self.may_come(whose))
    }

    /// Whether an input of this tenant may be taken: the shards have little before them, or nothing of this one. They write
    /// what different tenants sent in turns.
    fn may_come(&self, whose: &Option<TenantId>) -> bool {
        self.under_way < AHEAD || self.lines.get(whose).is_some_and(|line| line.under_way == 0)
    }

    /// The next input, unless the shards have enough to do; what it is charged is to be settled when it is done.
    fn pop(&mut self) -> Option<(T, Charge)> {
        let start = |whose| self.lines.get(whose).map(|line: &Line<T>| line.start);
        let ready = self.ring.iter().enumerate().filter(|(_, whose)| self.may_come(whose));
        let (place, _) = ready.min_by_key(|(_, whose)| start(*whose))?;
        let whose = self.ring.remove(place)?;
        let line = self.lines.get_mut(&whose)?;
        let (samples, input) = line.inputs.pop_front()?;
        let expected = (EACH + (samples as f64 * line.rate) as u64).min(MOST);
        self.now = self.now.max(line.start);
        line.start += expected;
        line.under_way += expected;
        self.waiting -= 1;
        self.under_way += expected;
        if !line.inputs.is_empty() {
            self.ring.push_back(whose.clone());
        }
        Some((input, Charge { whose, samples, expected }))
    }

    /// An input is done, and so many of its series were new.
    fn settle(&mut self, charge: &Charge, created: u64) {
        self.under_way = self.under_way.saturating_sub(charge.expected);
        let Some(line) = self.lines.get_mut(&charge.whose) else { return };
        line.under_way = line.under_way.saturating_sub(charge.expected);
        let cost = charge.samples.saturating_add(created.saturating_mul(NEW_SERIES));
        line.start = (line.start + cost.saturating_add(EACH).min(MOST)).saturating_sub(charge.expected);
        if charge.samples > 0 {
            line.rate = (cost as f64 / charge.samples as f64).max(line.rate / 2.0);
        }
    }
}

/// The lines, and a bell for the router.
#[derive(Debug)]
struct Shared<T> {
    lines: Mutex<Lines<T>>,
    is_changed: Condvar,
}

impl<T> Shared<T> {
    fn lines(&self) -> MutexGuard<'_, Lines<T>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change<R>(&self, change: impl FnOnce(&mut Lines<T>) -> R) -> R {
        let result = change(&mut self.lines());
        self.is_changed.notify_one();
        result
    }
}

/// Where inputs are put; when it is dropped, the queue ends.
#[derive(Debug)]
pub(super) struct Entrance<T>(Arc<Shared<T>>);

/// Where the router takes them.
#[derive(Debug)]
pub(super) struct Exit<T>(Arc<Shared<T>>);

/// What an input is charged; to be dropped when it is done.
#[derive(Debug)]
pub(super) struct Bill<T> {
    charge: Charge,
    created: u64,
    queue: Arc<Shared<T>>,
}

/// An empty queue.
pub(super) fn queue<T>() -> (Entrance<T>, Exit<T>) {
    let shared = Arc::new(Shared { lines: Mutex::new(Lines::new()), is_changed: Condvar::new() });
    (Entrance(shared.clone()), Exit(shared))
}

impl<T> Entrance<T> {
    /// Puts an input with so many samples into its tenant's line, or vigie's own.
    ///
    /// # Errors
    /// There is no room.
    pub(super) fn offer(&self, whose: Option<&TenantId>, samples: u64, input: T) -> Result<(), Unavailable> {
        self.0.change(|lines| lines.push(whose.cloned(), samples, input))
    }

    /// Inputs that wait, and how many may.
    pub(super) fn length(&self) -> (usize, usize) {
        (self.0.lines().waiting, CAPACITY)
    }
}

impl<T> Drop for Entrance<T> {
    fn drop(&mut self) {
        self.0.change(|lines| lines.is_closed = true);
    }
}

impl<T> Exit<T> {
    /// Takes what is next, waiting for it if need be: nothing, when that takes too long; `None` when all is taken and nobody
    /// is left to put something in.
    pub(super) fn take(&self, patience: Duration) -> Option<Vec<(T, Bill<T>)>> {
        let is_over = |lines: &Lines<T>| lines.is_closed && lines.waiting == 0;
        let waits = |lines: &mut Lines<T>| !lines.is_ready() && !is_over(lines);
        let waited = self.0.is_changed.wait_timeout_while(self.0.lines(), patience, waits);
        let (mut lines, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if is_over(&lines) {
            return None;
        }
        let taken = std::iter::from_fn(|| lines.pop()).take(BATCH);
        Some(taken.map(|(input, charge)| (input, Bill { charge, created: 0, queue: self.0.clone() })).collect())
    }
}

impl<T> Bill<T> {
    /// So many series of the input were new.
    pub(super) fn add_created(&mut self, created: u64) {
        self.created += created;
    }
}

impl<T> Drop for Bill<T> {
    fn drop(&mut self) {
        self.queue.change(|lines| lines.settle(&self.charge, self.created));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenant(name: &str) -> Option<TenantId> {
        Some(TenantId::parse(name).unwrap())
    }

    /// Takes the next input and is done with it.
    fn next<T>(lines: &mut Lines<T>, created: impl FnOnce(&T) -> u64) -> Option<T> {
        let (input, charge) = lines.pop()?;
        lines.settle(&charge, created(&input));
        Some(input)
    }

    fn all<T>(lines: &mut Lines<T>) -> Vec<T> {
        std::iter::from_fn(|| next(lines, |_| 0)).collect()
    }

    #[test]
    fn a_newcomer_comes_before_a_flood_that_has_had_its_share() {
        let mut lines = Lines::new();
        for n in 0..100 {
            lines.push(tenant("flood"), 1_000, ("flood", n)).unwrap();
        }
        assert_eq!(next(&mut lines, |_| 0), Some(("flood", 0)));
        assert_eq!(next(&mut lines, |_| 0), Some(("flood", 1)));
        for n in 0..3 {
            lines.push(tenant("quiet"), 200, ("quiet", n)).unwrap();
        }
        let next: Vec<_> = (0..4).filter_map(|_| next(&mut lines, |_| 0)).collect();
        assert_eq!(next, [("quiet", 0), ("quiet", 1), ("quiet", 2), ("flood", 2)]);
        let rest = all(&mut lines);
        assert_eq!(rest, (3..100).map(|n| ("flood", n)).collect::<Vec<_>>(), "in their order");
        assert!(lines.ring.is_empty() && lines.waiting == 0 && lines.under_way == 0);
    }

    #[test]
    fn turns_are_by_samples_not_by_requests() {
        let mut lines = Lines::new();
        for n in 0..60 {
            lines.push(tenant("large"), 8_000, ("large", n)).unwrap();
            lines.push(tenant("small"), 100, ("small", n)).unwrap();
        }
        lines.push(None, 0, ("own", 0)).unwrap();
        let order = all(&mut lines);
        assert_eq!(order.len(), 121);
        let second_large = order.iter().position(|input| *input == ("large", 1)).unwrap();
        let small_before = order[..second_large].iter().filter(|(who, _)| *who == "small").count();
        assert!((40..=42).contains(&small_before), "{small_before} small requests cost as much as a large one");
        let place = |who| order.iter().position(|(known, _)| *known == who).unwrap();
        assert!(place("own") < 3, "nothing that costs little waits for long");
        for who in ["large", "small"] {
            let numbers: Vec<_> = order.iter().filter(|(known, _)| *known == who).map(|(_, n)| *n).collect();
            assert!(numbers.is_sorted(), "{who} in its order");
        }
    }

    /// A flood of new series beside one of known ones, both with more than is taken from them.
    #[test]
    fn turns_are_by_what_requests_turn_out_to_cost() {
        let mut lines = Lines::new();
        let created = |who: &(&str, u32)| if who.0 == "new" { 2_000 } else { 0 };
        let cost = |created| EACH + 2_000 + NEW_SERIES * created;
        let (mut work, mut longest) = ([0, 0], 0);
        let mut wait = 0;
        for n in 0..4 {
            lines.push(tenant("new"), 2_000, ("new", n)).unwrap();
            lines.push(tenant("known"), 2_000, ("known", n)).unwrap();
        }
        for _ in 0..2_000 {
            let who = next(&mut lines, created).unwrap();
            work[usize::from(who.0 == "new")] += cost(created(&who));
            wait = if who.0 == "new" { 0 } else { wait + cost(0) };
            longest = longest.max(wait);
            lines.push(tenant(who.0), 2_000, who).unwrap();
        }
        let [known, new] = work;
        assert!(known.abs_diff(new) <= 2 * cost(2_000), "{known} and {new}");
        assert!(longest <= 2 * cost(2_000), "the dear ones wait for as much as they cost, not {longest}");
    }

    /// One that sends a request now and then, beside one that has four new ones under way or waiting at any time.
    #[test]
    fn others_wait_for_one_request_of_a_flood_of_new_series() {
        let mut lines = Lines::new();
        let (mut under_way, mut behind, mut waits) = (VecDeque::<(&str, Charge)>::new(), None, Vec::new());
        let cost = |who: &str| EACH + if who == "flood" { 2_000 * (1 + NEW_SERIES) } else { 2_000 };
        (0..4).for_each(|_| lines.push(tenant("flood"), 2_000, "flood").unwrap());
        for round in 0..1_000 {
            if round % 7 == 3 {
                lines.push(tenant("quiet"), 2_000, "quiet").unwrap();
                // What the shards have before them will be done first.
                behind = Some(under_way.iter().map(|(who, _)| cost(who)).sum::<u64>());
            }
            while let Some((who, charge)) = lines.pop() {
                match who {
                    "quiet" => waits.extend(behind.take()),
                    _ => behind = behind.map(|behind| behind + cost(who)),
                }
                under_way.push_back((who, charge));
            }
            let (who, charge) = under_way.pop_front().unwrap();
            lines.settle(&charge, if who == "flood" { 2_000 } else { 0 });
            if who == "flood" {
                lines.push(tenant("flood"), 2_000, "flood").unwrap();
            }
        }
        assert!(waits.len() > 100);
        let longest = *waits.iter().max().unwrap();
        assert!(longest <= cost("flood"), "{longest}");
    }

    #[test]
    fn the_dearest_request_keeps_its_tenant_waiting_for_a_moment_only() {
        let mut lines = Lines::new();
        lines.push(tenant("dear"), 5_000_000, "dear").unwrap();
        assert_eq!(next(&mut lines, |_| 5_000_000), Some("dear"));
        lines.push(tenant("dear"), 1, "dear").unwrap();
        let mut others = 0;
        lines.push(tenant("other"), 2_000, "other").unwrap();
        while next(&mut lines, |_| 0) == Some("other") {
            others += 2_000;
            lines.push(tenant("other"), 2_000, "other").unwrap();
        }
        assert!(others > MOST / 2 && others <= MOST, "{others}");
    }

    #[test]
    fn what_a_tenant_does_not_ask_for_is_lost() {
        let mut lines = Lines::new();
        let busy = |lines: &mut Lines<&'static str>, times| {
            for _ in 0..times {
                lines.push(tenant("busy"), 2_000, "busy").unwrap();
                assert_eq!(next(lines, |_| 0), Some("busy"));
            }
        };
        busy(&mut lines, 100);
        for _ in 0..20 {
            lines.push(tenant("busy"), 2_000, "busy").unwrap();
            lines.push(tenant("late"), 2_000, "late").unwrap();
        }
        let order = all(&mut lines);
        assert!(order.chunks(4).all(|four| four.contains(&"busy") && four.contains(&"late")), "{order:?}");
    }

    #[test]
    fn there_is_always_room_for_one_more_tenant() {
        let mut lines = Lines::new();
        let flood = |lines: &mut Lines<u32>, who: &str| {
            let taken = (0..1_000).take_while(|n| lines.push(tenant(who), 1, *n).is_ok()).count();
            assert_eq!(lines.push(tenant(who), 1, 0), Err(Unavailable::Crowded));
            taken
        };
        assert_eq!(flood(&mut lines, "a"), 192);
        assert_eq!(flood(&mut lines, "b"), 48);
        assert_eq!(flood(&mut lines, "c"), 12);
        assert_eq!(flood(&mut lines, "d"), 3);
        assert_eq!(lines.push(tenant("e"), 1, 0), Ok(()));
        assert_eq!(lines.push(tenant("f"), 1, 0), Err(Unavailable::Busy));
        // As places become free, those who hold few of them come first.
        assert_eq!((0..8).filter_map(|_| lines.pop()).count(), 8);
        assert_eq!(lines.push(tenant("f"), 1, 0), Ok(()));
        assert_eq!(lines.push(tenant("a"), 1, 0), Err(Unavailable::Crowded));
    }

    #[test]
    fn the_router_takes_no_more_than_the_shards_can_do_soon_and_the_queue_ends_with_its_entrance() {
        let (entrance, exit) = queue();
        let (who, soon) = (tenant("a"), Duration::ZERO);
        assert_eq!(exit.take(soon).unwrap().len(), 0, "nothing came");
        (0..4).for_each(|n| entrance.offer(who.as_ref(), 2_000, n).unwrap());
        for n in 0..4 {
            let taken = exit.take(soon).unwrap();
            assert_eq!(
                taken.iter().map(|(input, _)| *input).collect::<Vec<_>>(),
                [n],
                "as dear as if its series were new"
            );
            assert_eq!(exit.take(soon).unwrap().len(), 0, "it is not done");
        }
        (4..12).for_each(|n| entrance.offer(who.as_ref(), 2_000, n).unwrap());
        (12..100).for_each(|n| entrance.offer(who.as_ref(), 1, n).unwrap());
        drop(entrance);
        let mut batches = Vec::new();
        while let Some(taken) = exit.take(soon) {
            batches.push(taken.into_iter().map(|(input, _)| input).collect::<Vec<_>>());
        }
        let lengths: Vec<usize> = batches.iter().map(Vec::len).collect();
        assert_eq!(lengths, [4, 4, 64, 24]);
        assert!(batches.concat().is_sorted());
    }
}
