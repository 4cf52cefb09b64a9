//! Sessions: whether the events of a request, a block or a job are those that belong together.
//!
//! Three kinds of relation hold in nearly all sessions, whatever program writes the log, and are learnt without labels: two
//! events come equally often, an event comes exactly once, an event is not a rare one. A session is anomalous when it breaks
//! one of them; what it breaks is the explanation. (Invariants of logs go back to Lou et al., USENIX ATC 2010; thresholds
//! and kinds are our own, docs/accuracy.md.)

use std::fmt;

use hashbrown::HashMap;

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
#[derive(Clone, Debug)]
pub struct Learner<E> {
    sessions: u64,
    numbers: HashMap<E, usize>,
    events: Vec<Event<E>>,
    /// Sessions that have both events of a pair, and those of them with equally many.
    pairs: HashMap<(usize, usize), (u64, u64)>,
}

#[derive(Clone, Debug)]
struct Event<E> {
    name: E,
    sessions: u64,
    once: u64,
}

/// What was learnt.
#[derive(Clone, Debug)]
pub struct Relations<E> {
    sessions: u64,
    known: HashMap<E, u64>,
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
#[derive(Clone, Debug, PartialEq)]
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

/// Events of a session with their numbers, in the order in which they first came.
fn counts<E: Clone + Eq + std::hash::Hash>(session: impl IntoIterator<Item = E>) -> Vec<(E, u32)> {
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

impl<E: Clone + Ord + std::hash::Hash> Learner<E> {
    /// Learns from a session.
    pub fn learn(&mut self, session: impl IntoIterator<Item = E>) {
        self.sessions += 1;
        let mut seen: Vec<(usize, u32)> = Vec::new();
        for (name, count) in counts(session) {
            let next = self.events.len();
            let number = match self.numbers.get(&name) {
                Some(number) => *number,
                None if next == EVENTS => continue,
                None => {
                    self.numbers.insert(name.clone(), next);
                    self.events.push(Event { name, sessions: 0, once: 0 });
                    next
                }
            };
            self.events[number].sessions += 1;
            self.events[number].once += u64::from(count == 1);
            seen.push((number, count));
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
        Relations { sessions: self.sessions, known, once, equal }
    }
}

/// How unlikely it is not to be one of `held` of `all`, in powers of ten (Laplace's rule).
fn surprise(held: u64, all: u64) -> f64 {
    -(((all - held) as f64 + 1.0) / (all as f64 + 2.0)).log10()
}

impl<E: Clone + Ord + std::hash::Hash> Relations<E> {
    /// How many there are of each kind: equal pairs, events that come once, events that are not rare.
    #[must_use]
    pub fn count(&self) -> (usize, usize, usize) {
        let common = self.known.values().filter(|sessions| !self.is_rare(**sessions)).count();
        (self.equal.len(), self.once.len(), common)
    }

    fn is_rare(&self, sessions: u64) -> bool {
        sessions as f64 <= RARE * self.sessions as f64
    }

    /// The relations that a session breaks; none when all is as usual.
    pub fn broken(&self, session: impl IntoIterator<Item = E>) -> Vec<Broken<E>> {
        let counts = counts(session);
        let by_name: HashMap<&E, u32> = counts.iter().map(|(name, count)| (name, *count)).collect();
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
        let rare = counts.iter().filter(|(event, _)| self.is_rare(sessions(event))).map(|(event, _)| Broken {
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
            learner.learn(session);
        }
        learner.relations()
    }

    fn told(session: &[&'static str]) -> Vec<String> {
        relations().broken(session.iter().copied()).iter().map(|broken| broken.relation.to_string()).collect()
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
        let surprise = relations().broken(["begin", "open", "end"])[0].surprise;
        assert!((2.9..3.1).contains(&surprise), "1 of 1,002 by Laplace's rule, {surprise}");
    }

    #[test]
    fn very_many_events_are_bounded() {
        let mut learner = Learner::default();
        (0..1_000_u32).for_each(|i| learner.learn([i, i + 1, 7]));
        assert_eq!(learner.events.len(), EVENTS);
        assert!(learner.relations().equal.len() <= COMPARED * COMPARED / 2);
    }

    #[test]
    fn nothing_learnt_says_everything_is_rare_and_nothing_else() {
        let nothing = Learner::<u32>::default().relations();
        assert_eq!(nothing.broken([1]).len(), 1);
        assert!(nothing.broken([]).is_empty());
    }
}
