//! Inputs that wait for the router: a line for each tenant, and each line in its turn.
//!
//! Turns are by deficit round robin (Shreedhar and Varghese, 1995): a line is served as long as its credit lasts, then it gets
//! new credit and the next one is served. However much a tenant sends, another one waits for one turn of it at most. Inputs
//! of one tenant stay in their order.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use hashbrown::HashMap;

use super::Unavailable;
use crate::signal::TenantId;

/// Inputs that may wait for the router.
const CAPACITY: usize = 256;
/// What a line may take in its turn, in samples: a request of Prometheus' default size.
const CREDIT: u64 = 2_000;
/// Inputs that are taken at once, to be written to the journal together.
const BATCH: usize = 64;
/// Samples in them: about 5 ms of work for the shards, for which the next batch has to wait.
const BATCH_SAMPLES: u64 = 8_000;
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
    /// Those in which something waits; `None` is vigie's own.
    lines: HashMap<Option<TenantId>, Line<T>>,
    /// Whose turn it is, and who follows.
    ring: VecDeque<Option<TenantId>>,
    waiting: usize,
}

#[derive(Debug)]
struct Line<T> {
    credit: u64,
    /// With what each costs.
    inputs: VecDeque<(u64, T)>,
}

impl<T> Lines<T> {
    fn new() -> Self {
        Self { lines: HashMap::new(), ring: VecDeque::new(), waiting: 0 }
    }

    fn push(&mut self, whose: Option<TenantId>, cost: u64, input: T) -> Result<(), Unavailable> {
        let own = self.lines.get(&whose).map_or(0, |line| line.inputs.len());
        if !has_room(own, self.waiting, CAPACITY) {
            return Err(if own > 0 { Unavailable::Crowded } else { Unavailable::Busy });
        }
        self.waiting += 1;
        let line = self.lines.entry(whose.clone()).or_insert_with(|| {
            self.ring.push_back(whose);
            Line { credit: CREDIT, inputs: VecDeque::new() }
        });
        line.inputs.push_back((cost, input));
        Ok(())
    }

    /// The next input and what it costs.
    fn pop(&mut self) -> Option<(u64, T)> {
        loop {
            let whose = self.ring.front()?;
            let line = self.lines.get_mut(whose)?;
            let is_due = line.inputs.front().is_some_and(|(cost, _)| *cost <= line.credit);
            if !is_due {
                line.credit += CREDIT;
                self.ring.rotate_left(1);
                continue;
            }
            let (cost, input) = line.inputs.pop_front()?;
            line.credit -= cost;
            if line.inputs.is_empty() {
                self.lines.remove(whose);
                self.ring.pop_front();
            }
            self.waiting -= 1;
            return Some((cost, input));
        }
    }
}

/// Where inputs are put.
#[derive(Debug)]
pub(super) struct Entrance<T> {
    lines: Arc<Mutex<Lines<T>>>,
    /// Rung once for each input.
    bell: Sender<()>,
}

/// Where the router takes them.
#[derive(Debug)]
pub(super) struct Exit<T> {
    lines: Arc<Mutex<Lines<T>>>,
    bell: Receiver<()>,
}

/// An empty queue.
pub(super) fn queue<T>() -> (Entrance<T>, Exit<T>) {
    let (bell, rung) = bounded(CAPACITY);
    let lines = Arc::new(Mutex::new(Lines::new()));
    (Entrance { lines: lines.clone(), bell }, Exit { lines, bell: rung })
}

fn locked<T>(lines: &Mutex<Lines<T>>) -> MutexGuard<'_, Lines<T>> {
    lines.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<T> Entrance<T> {
    /// Puts an input that costs about as much as so many samples into its tenant's line, or vigie's own.
    ///
    /// # Errors
    /// There is no room, or nobody takes from the queue any more.
    pub(super) fn offer(&self, whose: Option<&TenantId>, cost: u64, input: T) -> Result<(), Unavailable> {
        locked(&self.lines).push(whose.cloned(), cost, input)?;
        self.bell.send(()).map_err(|_| Unavailable::Stopping)
    }

    /// Inputs that wait, and how many may.
    pub(super) fn length(&self) -> (usize, usize) {
        (locked(&self.lines).waiting, CAPACITY)
    }
}

impl<T> Exit<T> {
    /// Takes what is next, waiting for it if need be.
    ///
    /// # Errors
    /// Nothing came in that time, or all is taken and nobody is left to put something in.
    pub(super) fn take(&self, patience: Duration) -> Result<Vec<T>, RecvTimeoutError> {
        self.bell.recv_timeout(patience)?;
        let mut lines = locked(&self.lines);
        let (mut batch, mut samples) = (Vec::new(), 0);
        while let Some((cost, input)) = lines.pop() {
            batch.push(input);
            samples += cost;
            if batch.len() >= BATCH || samples >= BATCH_SAMPLES || self.bell.try_recv().is_err() {
                break;
            }
        }
        Ok(batch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenant(name: &str) -> Option<TenantId> {
        Some(TenantId::parse(name).unwrap())
    }

    fn all<T>(lines: &mut Lines<T>) -> Vec<T> {
        std::iter::from_fn(|| lines.pop()).map(|(_, input)| input).collect()
    }

    #[test]
    fn a_newcomer_waits_for_one_turn_of_a_flood() {
        let mut lines = Lines::new();
        for n in 0..100 {
            lines.push(tenant("flood"), 1_000, ("flood", n)).unwrap();
        }
        // Within its turn: the credit of two such requests.
        assert_eq!(lines.pop().unwrap().1, ("flood", 0));
        for n in 0..3 {
            lines.push(tenant("quiet"), 500, ("quiet", n)).unwrap();
        }
        let next: Vec<_> = (0..4).filter_map(|_| lines.pop()).map(|(_, input)| input).collect();
        assert_eq!(next, [("flood", 1), ("quiet", 0), ("quiet", 1), ("quiet", 2)]);
        let rest = all(&mut lines);
        assert_eq!(rest, (2..100).map(|n| ("flood", n)).collect::<Vec<_>>(), "in their order");
        assert!(lines.lines.is_empty() && lines.ring.is_empty() && lines.waiting == 0);
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
        let first_large = order.iter().position(|(who, _)| *who == "large").unwrap();
        let small_before = order[..first_large].iter().filter(|(who, _)| *who == "small").count();
        // Four turns' credit buys the first large request, and as much of small ones.
        assert!(small_before >= 50, "{small_before} small requests before the first large one");
        let place = |who| order.iter().position(|(known, _)| *known == who).unwrap();
        assert!(place("own") < 25, "what costs nothing waits for one turn of the others");
        for who in ["large", "small"] {
            let numbers: Vec<_> = order.iter().filter(|(known, _)| *known == who).map(|(_, n)| *n).collect();
            assert!(numbers.is_sorted(), "{who} in its order");
        }
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
    fn batches_end_by_their_work_and_the_queue_with_its_entrances() {
        let (entrance, exit) = queue();
        let who = tenant("a");
        for n in 0..5 {
            entrance.offer(who.as_ref(), 3_000, n).unwrap();
        }
        (5..100).for_each(|n| entrance.offer(who.as_ref(), 1, n).unwrap());
        drop(entrance);
        let mut batches = Vec::new();
        while let Ok(batch) = exit.take(Duration::MAX) {
            batches.push(batch);
        }
        let lengths: Vec<usize> = batches.iter().map(Vec::len).collect();
        assert_eq!(lengths, [3, 64, 33]);
        assert!(batches.concat().is_sorted());
    }
}
