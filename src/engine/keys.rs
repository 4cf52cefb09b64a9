//! From the key of a series to its slot.

use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};

use super::{slots::Slots, state::Series};
use crate::signal::SeriesKey;

/// Slots by key. The keys themselves stand in the series, which whoever asks looks at next.
#[derive(Debug, Default)]
pub(super) struct Keys {
    slots: HashTable<u32>,
    /// Differs from run to run, so that nobody can choose labels that collide; nothing depends on the order.
    hasher: DefaultHashBuilder,
}

impl Keys {
    /// The slot of the series with this key among `series`.
    pub(super) fn get(&self, key: SeriesKey, series: &Slots<Series>) -> Option<u32> {
        let is_it = |slot: &u32| series.get(*slot).is_some_and(|series| series.key == key);
        self.slots.find(self.hasher.hash_one(key), is_it).copied()
    }

    /// Adds the series in a slot, whose key is new.
    pub(super) fn insert(&mut self, key: SeriesKey, slot: u32, series: &Slots<Series>) {
        let hash = |slot: &u32| series.get(*slot).map_or(0, |series| self.hasher.hash_one(series.key));
        self.slots.insert_unique(self.hasher.hash_one(key), slot, hash);
    }

    /// Takes out the series with this key that is, or was, in a slot.
    pub(super) fn remove(&mut self, key: SeriesKey, slot: u32) {
        if let Ok(entry) = self.slots.find_entry(self.hasher.hash_one(key), |known| *known == slot) {
            entry.remove();
        }
    }

    /// Number of series.
    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    /// Bytes on the heap, about.
    pub(super) fn heap_bytes(&self) -> usize {
        self.slots.capacity() * 6
    }
}
