//! Labels as small numbers: interned strings, and label sets of them.

use std::sync::Arc;

use hashbrown::{HashMap, HashSet};
use serde::{Deserialize, Serialize};

use crate::signal::Labels;

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
    /// Bytes of all texts.
    text_bytes: usize,
    /// The names of label sets.
    names: HashSet<Arc<Vec<Symbol>>>,
    /// Bytes of these.
    name_bytes: usize,
}

impl Interner {
    /// The symbol of a string, new or known.
    pub fn intern(&mut self, text: &str) -> Symbol {
        if let Some(symbol) = self.by_text.get(text) {
            return *symbol;
        }
        let symbol = Symbol(self.texts.len() as u32);
        let shared: Arc<str> = text.into();
        self.text_bytes += text.len() + 16;
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

    /// The label set of pairs sorted by the names' text.
    pub fn label_set(&mut self, pairs: &[(Symbol, Symbol)]) -> SymbolSet {
        let names: Vec<Symbol> = pairs.iter().map(|(name, _)| *name).collect();
        let names = self.names.get(&names).cloned().unwrap_or_else(|| {
            self.name_bytes += bytes_of(&names);
            let shared = Arc::new(names);
            self.names.insert(shared.clone());
            shared
        });
        SymbolSet { names, values: pairs.iter().map(|(_, value)| *value).collect() }
    }

    /// Forgets the names of label sets that are no more.
    pub fn forget_unused(&mut self) {
        let Self { names, name_bytes, .. } = self;
        names.retain(|names| {
            let is_used = Arc::strong_count(names) > 1;
            *name_bytes -= if is_used { 0 } else { bytes_of(names) };
            is_used
        });
    }

    /// Bytes on the heap, about. Counted all along, so that asking costs nothing.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        let tables = self.texts.capacity() * 16 + self.by_text.capacity() * 24 + self.names.capacity() * 9;
        self.text_bytes + self.name_bytes + tables
    }
}

/// Bytes of shared names on the heap.
fn bytes_of(names: &Vec<Symbol>) -> usize {
    size_of::<[usize; 2]>() + size_of_val(names) + size_of_val(names.as_slice())
}

/// A label set of symbols, sorted by the names' text. Those of one interner with the same names share them, as most series
/// of a metric do: a label costs 4 bytes instead of 8.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SymbolSet {
    /// A thin pointer, since every series has one.
    names: Arc<Vec<Symbol>>,
    values: Box<[Symbol]>,
}

impl SymbolSet {
    /// Names and values, in order of the names' text.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (Symbol, Symbol)> + '_ {
        self.names.iter().copied().zip(self.values.iter().copied())
    }

    /// The value of a label.
    #[must_use]
    pub fn get(&self, name: Symbol) -> Option<Symbol> {
        self.iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    /// Bytes on the heap that it shares with no other.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        size_of_val(&*self.values)
    }
}

/// Builds the label set of symbols as a label set of strings; the strings are shared, not copied.
#[must_use]
pub fn resolve(interner: &Interner, labels: &SymbolSet) -> Labels {
    Labels::from_sorted(labels.iter().map(|(name, value)| (interner.text(name).clone(), interner.text(value).clone())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn label_sets_with_the_same_names_share_them() {
        let mut interner = Interner::default();
        let mut set = |pairs: &[(&str, &str)]| {
            let pairs: Vec<_> = pairs.iter().map(|(n, v)| (interner.intern(n), interner.intern(v))).collect();
            (interner.label_set(&pairs), pairs)
        };
        let (a, pairs) = set(&[("__name__", "up"), ("job", "a")]);
        let (b, _) = set(&[("__name__", "up"), ("job", "b")]);
        let (other, _) = set(&[("__name__", "up"), ("zone", "b")]);
        assert!(Arc::ptr_eq(&a.names, &b.names) && a != b && b != other);
        assert_eq!(a.iter().collect::<Vec<_>>(), pairs);
        assert_eq!((a.get(pairs[1].0), other.get(pairs[1].0)), (Some(pairs[1].1), None));
        assert_eq!(resolve(&interner, &b).to_string(), r#"up{job="b"}"#);
        assert_eq!((size_of::<SymbolSet>(), a.heap_bytes()), (24, 8));

        assert_eq!(interner.names.len(), 2);
        drop((a, other));
        interner.forget_unused();
        assert_eq!((interner.names.len(), interner.name_bytes), (1, bytes_of(&b.names)));
        drop(b);
        interner.forget_unused();
        assert_eq!((interner.names.len(), interner.name_bytes), (0, 0));
    }
}
