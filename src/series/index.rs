//! Which series have which labels: an inverted index.

use std::{collections::BTreeMap, ops::Bound};

use hashbrown::{HashMap, HashSet};

use super::{Interner, Symbol, SymbolSet};
use crate::signal::{Condition, Matcher};

/// Inverted index: label name → value → series, numbered by their slot.
///
/// Values are kept in order of their symbols, so that a walk over very many can be left and taken up again.
#[derive(Debug, Default)]
pub struct Index {
    by_name: HashMap<Symbol, BTreeMap<Symbol, Vec<u32>>>,
    /// Entries of all posting lists, and number of these lists.
    entries: usize,
    lists: usize,
}

impl Index {
    /// Adds a series that is not in it.
    pub fn insert(&mut self, slot: u32, labels: &SymbolSet) {
        for (name, value) in labels.iter() {
            let slots = self.by_name.entry(name).or_default().entry(value).or_default();
            self.lists += usize::from(slots.is_empty());
            self.entries += 1;
            // New slots are the highest; one that was free may be anywhere.
            let place = if slots.last().is_none_or(|last| *last < slot) {
                slots.len()
            } else {
                slots.partition_point(|known| *known < slot)
            };
            if slots.len() == slots.capacity() {
                // By an eighth: doubled, a third of all lists would be empty room.
                slots.reserve_exact((slots.len() / 8).max(1));
            }
            slots.insert(place, slot);
        }
    }

    /// Takes series out, with one pass over each list that holds any of them.
    pub fn remove(&mut self, gone: &[(u32, SymbolSet)]) {
        let size = gone.iter().map(|(slot, _)| *slot as usize + 1).max().unwrap_or_default();
        let mut is_gone = vec![false; size];
        gone.iter().for_each(|(slot, _)| is_gone[*slot as usize] = true);
        let lists: HashSet<(Symbol, Symbol)> = gone.iter().flat_map(|(_, labels)| labels.iter()).collect();
        for (name, value) in lists {
            let Some(values) = self.by_name.get_mut(&name) else { continue };
            if let Some(slots) = values.get_mut(&value) {
                let before = slots.len();
                slots.retain(|slot| !is_gone.get(*slot as usize).copied().unwrap_or_default());
                self.entries -= before - slots.len();
                if slots.is_empty() {
                    values.remove(&value);
                    self.lists -= 1;
                } else if slots.len() < slots.capacity() / 2 {
                    slots.shrink_to_fit();
                }
            }
            if values.is_empty() {
                self.by_name.remove(&name);
            }
        }
    }

    /// Slots that may satisfy all matchers, in order: the narrowest posting list found, `None` when no matcher narrows.
    /// Every candidate must still be checked.
    #[must_use]
    pub fn candidates(&self, interner: &Interner, matchers: &[Matcher]) -> Option<Vec<u32>> {
        let mut best: Option<Vec<u32>> = None;
        for matcher in matchers.iter().filter(|m| !m.accepts("")) {
            let values = interner.get(&matcher.name).and_then(|name| self.by_name.get(&name));
            let Some(values) = values else { return Some(Vec::new()) };
            let slots = match &matcher.condition {
                Condition::Equal(text) => {
                    interner.get(text).and_then(|value| values.get(&value)).cloned().unwrap_or_default()
                }
                _ => {
                    let accepted = values.iter().filter(|(value, _)| matcher.accepts(interner.text(**value)));
                    accepted.flat_map(|(_, slots)| slots.iter().copied()).collect()
                }
            };
            if best.as_ref().is_none_or(|known| slots.len() < known.len()) {
                best = Some(slots);
            }
        }
        if let Some(slots) = &mut best {
            slots.sort_unstable();
        }
        best
    }

    /// The series whose label `name` has this value, in order.
    #[must_use]
    pub fn slots(&self, name: Symbol, value: Symbol) -> &[u32] {
        self.by_name.get(&name).and_then(|values| values.get(&value)).map_or(&[], Vec::as_slice)
    }

    /// The names of all labels, in no order.
    pub fn names(&self) -> impl Iterator<Item = Symbol> + '_ {
        self.by_name.keys().copied()
    }

    /// Number of values of a label.
    #[must_use]
    pub fn cardinality(&self, name: Symbol) -> usize {
        self.by_name.get(&name).map_or(0, BTreeMap::len)
    }

    /// The values of a label after one of them, or all, in order of their symbols, with the series that have them.
    pub fn values(&self, name: Symbol, after: Option<Symbol>) -> impl Iterator<Item = (Symbol, &[u32])> + '_ {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let values = self.by_name.get(&name).map(|values| values.range((from, Bound::Unbounded)));
        values.into_iter().flatten().map(|(value, slots)| (*value, slots.as_slice()))
    }

    /// Bytes on the heap, about. Counted all along, so that asking costs nothing.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        // A list has room for an eighth more than it holds at most, and its place in the tree.
        self.entries * 17 / 4 + self.lists * 44
    }
}

/// What is in all of several sorted lists, in order.
#[derive(Debug)]
pub struct Common<'a> {
    /// The shortest first.
    lists: Vec<&'a [u32]>,
}

/// A step of a walk over [`Common`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// In all lists.
    Found(u32),
    /// Not in all lists; the next one that is, is at least this.
    Skipped(u32),
}

impl<'a> Common<'a> {
    /// What is in all lists and at least `from`. No lists have nothing in common.
    #[must_use]
    pub fn of(mut lists: Vec<&'a [u32]>, from: u32) -> Self {
        lists.sort_by_key(|list| list.len());
        lists.iter_mut().for_each(|list| skip(list, from));
        Self { lists }
    }
}

impl Iterator for Common<'_> {
    type Item = Step;

    /// Goes on by one leap, so that the caller can count how much work it was.
    fn next(&mut self) -> Option<Step> {
        let (shortest, others) = self.lists.split_first_mut()?;
        let wanted = *shortest.first()?;
        for list in others {
            skip(list, wanted);
            let found = *list.first()?;
            if found > wanted {
                skip(shortest, found);
                return Some(Step::Skipped(found));
            }
        }
        *shortest = &shortest[1..];
        Some(Step::Found(wanted))
    }
}

/// Drops what is less than `least` from the front of a sorted list, in leaps that double.
fn skip(list: &mut &[u32], least: u32) {
    let mut reach = 1;
    while list.get(reach).is_some_and(|slot| *slot < least) {
        reach *= 2;
    }
    let known = reach / 2;
    let end = (reach + 1).min(list.len());
    let place = known + list.get(known..end).unwrap_or_default().partition_point(|slot| *slot < least);
    *list = list.get(place..).unwrap_or_default();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::series::resolve;

    #[test]
    fn candidates_narrow_and_removal_leaves_nothing() {
        let (mut interner, mut index) = (Interner::default(), Index::default());
        let sets: Vec<SymbolSet> = (0..4)
            .map(|i| {
                let pairs = [("__name__", "up".to_owned()), ("instance", format!("host-{i}"))];
                let pairs = pairs.map(|(name, value)| (interner.intern(name), interner.intern(&value)));
                interner.label_set(&pairs)
            })
            .collect();
        for (slot, set) in sets.iter().enumerate() {
            index.insert(slot as u32, set);
        }
        let regex =
            Matcher { name: "instance".into(), condition: Condition::Matches(Matcher::regex("host-[12]").unwrap()) };
        let found = |matchers: &[Matcher]| index.candidates(&interner, matchers);
        assert_eq!(found(&[Matcher::equal("__name__", "up"), regex]), Some(vec![1, 2]));
        assert_eq!(found(&[Matcher::equal("job", "x")]), Some(vec![]));
        assert_eq!(found(&[Matcher::equal("job", "")]), None, "absent labels narrow nothing");
        assert_eq!(resolve(&interner, &sets[3]).to_string(), r#"up{instance="host-3"}"#);
        let name = interner.get("instance").unwrap();
        let all: Vec<_> = index.values(name, None).map(|(value, slots)| (value, slots[0])).collect();
        assert_eq!(all.iter().map(|(_, slot)| *slot).collect::<Vec<_>>(), [0, 1, 2, 3]);
        assert_eq!(index.values(name, Some(all[1].0)).count(), 2, "a walk is taken up where it was left");
        assert_eq!((index.entries, index.lists, index.cardinality(name)), (8, 5, 4));
        let gone = |slots: &[usize]| slots.iter().map(|slot| (*slot as u32, sets[*slot].clone())).collect::<Vec<_>>();
        index.remove(&gone(&[2, 0]));
        let left = |index: &Index| index.candidates(&interner, &[Matcher::equal("__name__", "up")]);
        assert_eq!(left(&index), Some(vec![1, 3]));
        // A slot that was free is taken again.
        index.insert(0, &sets[2]);
        assert_eq!(left(&index), Some(vec![0, 1, 3]));
        index.remove(&[(0, sets[2].clone())]);
        index.remove(&gone(&[1, 3]));
        assert!(index.by_name.is_empty());
        assert_eq!((index.entries, index.lists), (0, 0));
    }

    #[test]
    fn a_list_has_little_room_to_spare() {
        let (mut interner, mut index) = (Interner::default(), Index::default());
        let pair = (interner.intern("job"), interner.intern("shop"));
        let set = interner.label_set(&[pair]);
        let capacity = |index: &Index| index.by_name[&pair.0][&pair.1].capacity();
        for slot in 0..1_000 {
            index.insert(slot, &set);
            assert!(capacity(&index) <= slot as usize * 9 / 8 + 1, "{slot}: {}", capacity(&index));
        }
        index.remove(&(100..1_000).map(|slot| (slot, set.clone())).collect::<Vec<_>>());
        assert_eq!(capacity(&index), 100);
    }

    #[test]
    fn what_sorted_lists_have_in_common_is_found_in_leaps() {
        let multiples = |of: u32| (0..1_000).filter(|n| n % of == 0).collect::<Vec<u32>>();
        let lists = [multiples(2), multiples(3), multiples(7)];
        let of = |from| Common::of(lists.iter().map(Vec::as_slice).collect(), from);
        let found = |from| {
            let found = |step| if let Step::Found(slot) = step { Some(slot) } else { None };
            of(from).filter_map(found).collect::<Vec<_>>()
        };
        assert_eq!(found(0), multiples(42));
        assert_eq!(found(43)[0], 84);
        assert!(of(0).count() < 300, "steps: {}", of(0).count());
        assert!(found(1_000).is_empty());
        assert_eq!(Common::of(vec![&[1, 2], &[]], 0).next(), None);
        assert_eq!(Common::of(vec![], 0).next(), None);
    }
}
