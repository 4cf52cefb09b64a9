//! Sessions: whether the events of a request, a block or a job are those that belong together.
//!
//! Three kinds of relation hold in nearly all sessions, whatever program writes the log, and are learnt without labels: two
//! events come equally often, an event comes exactly once, an event is not a rare one. A session is anomalous when it breaks
//! one of them; what it breaks is the explanation. (Invariants of logs go back to Lou et al., USENIX ATC 2010; thresholds
//! and kinds are our own, docs/accuracy.md.)

use std::{fmt, hash::Hash};

use hashbrown::HashMap;
use serde::{Deserialize, Serialize};

use super::sorted;

/// Share of the sessions in which a relation must hold. Below one minus the share of anomalous sessions that are learnt from.
const SUPPORT: f64 = 0.98;
/// An event is rare when at most this share of the sessions has it.
const RARE: f64 = 0.002;
/// Sessions from which a pair of events is believed.
const LEAST: u64 = 20;
/// Events that are told apart; later ones are only known to be there.
const EVENTS: usize = 256;
/// Of these, the most frequent ones that are compared pair by pair.
const COMPARED: usize = 64;

/// Learns from sessions one by one. `E` names an event, in vigie a template.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(bound(serialize = "E: Ord + Serialize", deserialize = "E: Eq + Hash + Deserialize<'de>"))]
pub struct Learner<E> {
    sessions: u64,
    #[serde(with = "sorted::map")]
    numbers: HashMap<E, usize>,
    events: Vec<Event<E>>,
    /// Sessions that have both events of a pair, and those of them with equally many.
    #[serde(with = "sorted::map")]
    pairs: HashMap<(usize, usize), (u64, u64)>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Event<E> {
    name: E,
    sessions: u64,
    once: u64,
}

/// What was learnt.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(bound(serialize = "E: Ord + Serialize", deserialize = "E: Eq + Hash + Deserialize<'de>"))]
pub struct Relations<E> {
    sessions: u64,
    #[serde(with = "sorted::map")]
    known: HashMap<E, u64>,
    /// There were more events than are told apart: of those that are not known nothing is.
    is_full: bool,
    once: Vec<(E, u64, u64)>,
    equal: Vec<(E, E, u64, u64)>,
}

/// A relation that a session does not keep.
#[derive(Clone, Debug, PartialEq)]
pub struct Broken<E> {
    /// Which.
    pub relation: Relation<E>,
    /// How unlikely that is, in powers of ten.
    pub surprise: f64,
}

/// What holds in nearly all sessions, and how this one differs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Relation<E> {
    /// Two events come equally often, and here so often.
    Equal(E, E, u32, u32),
    /// An event comes once, and here so often.
    Once(E, u32),
    /// Hardly any session has this event.
    Rare(E),
}

impl<E: fmt::Display> fmt::Display for Relation<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Equal(a, b, of_a, of_b) => write!(f, "{a} {of_a} times, {b} {of_b} times; usually as often"),
            Self::Once(event, count) => write!(f, "{event} {count} times; usually once"),
            Self::Rare(event) => write!(f, "{event} is rare"),
        }
    }
}

impl<E> Default for Learner<E> {
    fn default() -> Self {
        Self { sessions: 0, numbers: HashMap::new(), events: Vec::new(), pairs: HashMap::new() }
    }
}

/// Events of a session with how often they came, in the order in which they first did.
pub fn counts<E: Clone + Eq + Hash>(session: impl IntoIterator<Item = E>) -> Vec<(E, u32)> {
    let mut places: HashMap<E, usize> = HashMap::new();
    let mut counts: Vec<(E, u32)> = Vec::new();
    for event in session {
        let place = *places.entry(event.clone()).or_insert(counts.len());
        if place == counts.len() {
            counts.push((event, 0));
        }
        counts[place].1 += 1;
    }
    counts
}

impl<E: Clone + Ord + Hash> Learner<E> {
    /// Sessions that were learnt from, as far as they have not faded.
    #[must_use]
    pub fn sessions(&self) -> u64 {
        self.sessions
    }

    /// Learns from a session, see [`counts`].
    pub fn learn(&mut self, session: &[(E, u32)]) {
        self.sessions += 1;
        let mut seen: Vec<(usize, u32)> = Vec::new();
        for (name, count) in session {
            let next = self.events.len();
            let number = match self.numbers.get(name) {
                Some(number) => *number,
                None if next == EVENTS => continue,
                None => {
                    self.numbers.insert(name.clone(), next);
                    self.events.push(Event { name: name.clone(), sessions: 0, once: 0 });
                    next
                }
            };
            self.events[number].sessions += 1;
            self.events[number].once += u64::from(*count == 1);
            seen.push((number, *count));
        }
        seen.sort_unstable();
        for (at, (a, of_a)) in seen.iter().enumerate() {
            for (b, of_b) in &seen[at + 1..] {
                let (both, equal) = self.pairs.entry((*a, *b)).or_default();
                *both += 1;
                *equal += u64::from(of_a == of_b);
            }
        }
    }

    /// Halves what was learnt, so that what comes later weighs more. Events of which nothing is left are forgotten.
    pub fn fade(&mut self) {
        self.sessions /= 2;
        let halved = |Event { name, sessions, once }: &Event<E>| (name.clone(), sessions / 2, once / 2);
        let events: Vec<_> = self.events.iter().map(halved).collect();
        let pairs = self.pairs.drain().map(|(pair, (both, equal))| (pair, (both / 2, equal / 2))).collect();
        self.rebuild(events, pairs);
    }

    /// Gives events other names; whether any has another one now. Those that get the same one become one event.
    pub fn rename(&mut self, name: impl Fn(&E) -> E) -> bool {
        if self.events.iter().all(|event| name(&event.name) == event.name) {
            return false;
        }
        let events = self.events.iter().map(|event| (name(&event.name), event.sessions, event.once)).collect();
        let pairs = self.pairs.drain().collect();
        self.rebuild(events, pairs);
        true
    }

    /// Numbers events anew by their names, of which some may be the same: then it is as if no session had had two of them,
    /// or if one had, as if that event had never come together with another.
    fn rebuild(&mut self, events: Vec<(E, u64, u64)>, pairs: Vec<((usize, usize), (u64, u64))>) {
        self.numbers.clear();
        self.events.clear();
        let mut places: Vec<Option<usize>> = Vec::with_capacity(events.len());
        for (name, sessions, once) in events {
            if sessions == 0 {
                places.push(None);
                continue;
            }
            let next = self.events.len();
            let place = *self.numbers.entry(name.clone()).or_insert(next);
            if place == next {
                self.events.push(Event { name, sessions: 0, once: 0 });
            }
            self.events[place].sessions += sessions;
            self.events[place].once += once;
            places.push(Some(place));
        }
        let mut together = vec![0; self.events.len()];
        let mut moved = HashMap::new();
        for ((a, b), (both, equal)) in pairs {
            let (Some(a), Some(b)) = (places[a], places[b]) else { continue };
            if a == b {
                together[a] += both;
            } else if both > 0 {
                let pair: &mut (u64, u64) = moved.entry((a.min(b), a.max(b))).or_default();
                *pair = (pair.0 + both, pair.1 + equal);
            }
        }
        for (event, both) in self.events.iter_mut().zip(&together) {
            event.sessions -= (*both).min(event.sessions);
            event.once = event.once.saturating_sub(2 * both).min(event.sessions);
        }
        moved.retain(|(a, b), _| together[*a] == 0 && together[*b] == 0);
        self.pairs = moved;
    }

    /// What holds in nearly all sessions.
    #[must_use]
    pub fn relations(&self) -> Relations<E> {
        let mut frequent: Vec<usize> = (0..self.events.len()).collect();
        frequent.sort_by_key(|number| std::cmp::Reverse(self.events[*number].sessions));
        frequent.truncate(COMPARED);
        frequent.sort_unstable();
        let mut equal = Vec::new();
        for (at, a) in frequent.iter().enumerate() {
            for b in &frequent[at + 1..] {
                let Some((both, same)) = self.pairs.get(&(*a, *b)) else { continue };
                let either = self.events[*a].sessions + self.events[*b].sessions - both;
                if either >= LEAST && *same as f64 >= SUPPORT * either as f64 {
                    equal.push((self.events[*a].name.clone(), self.events[*b].name.clone(), *same, either));
                }
            }
        }
        let least = SUPPORT * self.sessions as f64;
        let once =
            |event: &&Event<E>| event.sessions as f64 >= least && event.once as f64 >= SUPPORT * event.sessions as f64;
        let once = self.events.iter().filter(once).map(|e| (e.name.clone(), e.once, e.sessions)).collect();
        let known = self.events.iter().map(|e| (e.name.clone(), e.sessions)).collect();
        Relations { sessions: self.sessions, known, is_full: self.events.len() == EVENTS, once, equal }
    }
}

/// How unlikely it is not to be one of `held` of `all`, in powers of ten (Laplace's rule).
fn surprise(held: u64, all: u64) -> f64 {
    -(((all - held) as f64 + 1.0) / (all as f64 + 2.0)).log10()
}

impl<E: Clone + Ord + Hash> Relations<E> {
    /// How many there are of each kind: equal pairs, events that come once, events that are not rare.
    #[must_use]
    pub fn count(&self) -> (usize, usize, usize) {
        let common = self.known.values().filter(|sessions| !self.is_rare(**sessions)).count();
        (self.equal.len(), self.once.len(), common)
    }

    /// Pairs of events that come equally often, and events that come once, those first that hold in most sessions.
    pub fn iter(&self) -> impl Iterator<Item = (&E, Option<&E>)> {
        let equal = self.equal.iter().map(|(a, b, held, _)| (*held, (a, Some(b))));
        let mut all: Vec<_> = equal.chain(self.once.iter().map(|(event, held, _)| (*held, (event, None)))).collect();
        all.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
        all.into_iter().map(|(_, relation)| relation)
    }

    fn is_rare(&self, sessions: u64) -> bool {
        sessions as f64 <= RARE * self.sessions as f64
    }

    /// The relations that a session, see [`counts`], breaks; none when all is as usual.
    #[must_use]
    pub fn broken(&self, session: &[(E, u32)]) -> Vec<Broken<E>> {
        let by_name: HashMap<&E, u32> = session.iter().map(|(name, count)| (name, *count)).collect();
        let of = |event: &E| by_name.get(event).copied().unwrap_or(0);
        let equal = self.equal.iter().filter(|(a, b, ..)| of(a) != of(b)).map(|(a, b, held, all)| Broken {
            relation: Relation::Equal(a.clone(), b.clone(), of(a), of(b)),
            surprise: surprise(*held, *all),
        });
        let once = self.once.iter().filter(|(event, ..)| of(event) != 1).map(|(event, held, all)| Broken {
            relation: Relation::Once(event.clone(), of(event)),
            surprise: surprise(*held, *all),
        });
        let sessions = |event: &E| self.known.get(event).copied().unwrap_or(0);
        let known = session.iter().filter(|(event, _)| !self.is_full || self.known.contains_key(event));
        let rare = known.filter(|(event, _)| self.is_rare(sessions(event))).map(|(event, _)| Broken {
            relation: Relation::Rare(event.clone()),
            surprise: surprise(self.sessions - sessions(event), self.sessions),
        });
        equal.chain(once).chain(rare).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn relations() -> Relations<&'static str> {
        let mut learner = Learner::default();
        for i in 0..1_000 {
            let mut session = vec!["begin"];
            session.extend(["open", "close"].repeat(1 + i % 3));
            session.push("end");
            session.extend((i % 10 == 0).then_some("slow"));
            session.extend((i == 500).then_some("odd"));
            learner.learn(&counts(session));
        }
        learner.relations()
    }

    fn told(session: &[&'static str]) -> Vec<String> {
        relations().broken(&counts(session.iter().copied())).iter().map(|broken| broken.relation.to_string()).collect()
    }

    #[test]
    fn what_belongs_together_is_learnt_and_its_breach_told() {
        assert_eq!(relations().count(), (2, 2, 5));
        assert!(told(&["begin", "open", "close", "open", "close", "end", "slow"]).is_empty());
        assert_eq!(told(&["begin", "open", "end"]), ["open 1 times, close 0 times; usually as often"]);
        assert_eq!(
            told(&["begin", "open", "close"]),
            ["begin 1 times, end 0 times; usually as often", "end 0 times; usually once"]
        );
        assert_eq!(told(&["begin", "open", "close", "end", "odd"]), ["odd is rare"]);
        assert_eq!(told(&["begin", "open", "close", "end", "never"]), ["never is rare"]);
        let surprise = relations().broken(&counts(["begin", "open", "end"]))[0].surprise;
        assert!((2.9..3.1).contains(&surprise), "1 of 1,002 by Laplace's rule, {surprise}");
    }

    #[test]
    fn very_many_events_are_bounded() {
        let mut learner = Learner::default();
        (0..1_000_u32).for_each(|i| learner.learn(&counts([i, i + 1, 7])));
        assert_eq!(learner.events.len(), EVENTS);
        let relations = learner.relations();
        assert!(relations.equal.len() <= COMPARED * COMPARED / 2);
        assert!(relations.broken(&counts([7, 2_000])).iter().all(|broken| broken.relation != Relation::Rare(2_000)));
    }

    #[test]
    fn nothing_learnt_says_everything_is_rare_and_nothing_else() {
        let nothing = Learner::<u32>::default().relations();
        assert_eq!(nothing.broken(&[(1, 1)]).len(), 1);
        assert!(nothing.broken(&[]).is_empty());
    }

    #[test]
    fn what_has_faded_gives_way() {
        let mut learner = Learner::default();
        let old = counts(["begin", "old", "end"]);
        let new = counts(["begin", "new", "end"]);
        (0..1_000).for_each(|_| learner.learn(&old));
        learner.learn(&counts(["odd"]));
        learner.fade();
        assert_eq!((learner.sessions(), learner.events.len()), (500, 3), "what came once is forgotten");
        assert!(learner.relations().broken(&old).is_empty());
        assert!(!learner.relations().broken(&new).is_empty());
        for _ in 0..12 {
            (0..500).for_each(|_| learner.learn(&new));
            learner.fade();
        }
        assert!(learner.relations().broken(&new).is_empty());
        assert_eq!(learner.numbers.len(), learner.events.len());
        assert_eq!(learner.relations().count(), (3, 3, 3));
    }

    #[test]
    fn events_that_turn_out_to_be_one_are_counted_as_one() {
        let (mut apart, mut whole) = (Learner::default(), Learner::default());
        for i in 0..900_u32 {
            let session = [vec![0, 1 + i % 3], vec![4; 1 + i as usize % 2]].concat();
            apart.learn(&counts(session.clone()));
            whole.learn(&counts(session.into_iter().map(|event| if event == 4 { 4 } else { event.min(1) })));
        }
        assert_eq!(apart.relations().count().0, 0);
        apart.rename(|event| if *event == 4 { 4 } else { *event.min(&1) });
        assert_eq!(postcard::to_stdvec(&apart).unwrap(), postcard::to_stdvec(&whole).unwrap());
        assert_eq!(apart.relations().count(), (1, 2, 3));
        // They came together: nothing is said of pairs.
        apart.rename(|event| *event.min(&1));
        assert_eq!(apart.relations().count().0, 0);
        assert!(apart.events.iter().all(|event| event.once <= event.sessions && event.sessions <= 900));
    }
}
