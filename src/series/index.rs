//! Which series have which labels: interned strings and an inverted index.

use std::sync::Arc;

use hashbrown::HashMap;
use serde::{Deserialize, Serialize};

use crate::signal::{Condition, Labels, Matcher};

/// A string that is stored once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Symbol(u32);

impl Symbol {
    /// Its place among the [`texts`](Interner::texts) of its interner.
    #[must_use]
    pub fn place(self) -> usize {
        self.0 as usize
    }
}

/// Stores each string once. Strings are kept as long as the interner lives.
#[derive(Debug, Default)]
pub struct Interner {
    by_text: HashMap<Arc<str>, Symbol>,
    texts: Vec<Arc<str>>,
}

impl Interner {
    /// The symbol of a string, new or known.
    pub fn intern(&mut self, text: &str) -> Symbol {
        if let Some(symbol) = self.by_text.get(text) {
            return *symbol;
        }
        let symbol = Symbol(self.texts.len() as u32);
        let shared: Arc<str> = text.into();
        self.texts.push(shared.clone());
        self.by_text.insert(shared, symbol);
        symbol
    }

    /// The symbol of a known string.
    #[must_use]
    pub fn get(&self, text: &str) -> Option<Symbol> {
        self.by_text.get(text).copied()
    }

    /// The string of a symbol of this interner.
    #[must_use]
    pub fn text(&self, symbol: Symbol) -> &Arc<str> {
        &self.texts[symbol.0 as usize]
    }

    /// All strings, in the order in which they came.
    #[must_use]
    pub fn texts(&self) -> &[Arc<str>] {
        &self.texts
    }

    /// Bytes on the heap, about.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        let texts: usize = self.texts.iter().map(|t| t.len() + 16).sum();
        texts + self.texts.capacity() * 16 + self.by_text.capacity() * 24
    }
}

/// A label set of symbols, sorted by the names' text.
pub type SymbolSet = Box<[(Symbol, Symbol)]>;

/// Inverted index: label name → value → series, numbered by their slot.
#[derive(Debug, Default)]
pub struct Index {
    by_name: HashMap<Symbol, HashMap<Symbol, Vec<u32>>>,
}

impl Index {
    /// Adds a series.
    pub fn insert(&mut self, slot: u32, labels: &SymbolSet) {
        for (name, value) in labels {
            let slots = self.by_name.entry(*name).or_default().entry(*value).or_default();
            if let Err(place) = slots.binary_search(&slot) {
                slots.insert(place, slot);
            }
        }
    }

    /// Takes a series out.
    pub fn remove(&mut self, slot: u32, labels: &SymbolSet) {
        for (name, value) in labels {
            let Some(values) = self.by_name.get_mut(name) else { continue };
            if let Some(slots) = values.get_mut(value) {
                if let Ok(place) = slots.binary_search(&slot) {
                    slots.remove(place);
                }
                if slots.is_empty() {
                    values.remove(value);
                }
            }
            if values.is_empty() {
                self.by_name.remove(name);
            }
        }
    }

    /// Slots that may satisfy all matchers: the narrowest posting list found, `None` when no matcher narrows.
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
                    let mut all: Vec<u32> = values
                        .iter()
                        .filter(|(value, _)| matcher.accepts(interner.text(**value)))
                        .flat_map(|(_, slots)| slots.iter().copied())
                        .collect();
                    all.sort_unstable();
                    all
                }
            };
            if best.as_ref().is_none_or(|known| slots.len() < known.len()) {
                best = Some(slots);
            }
        }
        best
    }

    /// Bytes on the heap, about.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        let lists = |values: &HashMap<Symbol, Vec<u32>>| -> usize {
            values.values().map(|slots| slots.capacity() * 4).sum::<usize>() + values.capacity() * 32
        };
        self.by_name.values().map(lists).sum()
    }
}

/// Builds the label set of symbols as a label set of strings; the strings are shared, not copied.
#[must_use]
pub fn resolve(interner: &Interner, labels: &SymbolSet) -> Labels {
    Labels::from_pairs(labels.iter().map(|(n, v)| (interner.text(*n).clone(), interner.text(*v).clone())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn candidates_narrow_and_removal_leaves_nothing() {
        let (mut interner, mut index) = (Interner::default(), Index::default());
        let sets: Vec<SymbolSet> = (0..4)
            .map(|i| {
                let pairs = [("__name__", "up".to_owned()), ("instance", format!("host-{i}"))];
                pairs.iter().map(|(n, v)| (interner.intern(n), interner.intern(v))).collect()
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
        for (slot, set) in sets.iter().enumerate() {
            index.remove(slot as u32, set);
        }
        assert!(index.by_name.is_empty());
    }
}
