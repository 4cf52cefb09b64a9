//! From the key of a series to its slot.

use std::hash::BuildHasher;

use hashbrown::DefaultHashBuilder;

use crate::{prefetch::prefetch, signal::SeriesKey};

/// Slots by key. The keys themselves stand in the series, which whoever asks looks at next.
///
/// A table in which what is looked for stands at its home or soon after, so that it can be asked for ahead of its use and
/// most often is in the first cache line looked at.
#[derive(Debug)]
pub(super) struct Keys {
    /// Ordered by mark but for gaps; no cell stands before its home.
    cells: Vec<Cell>,
    /// A mark's home is what is left of it when so many bits are shifted out.
    shift: u32,
    len: usize,
    /// Differs from run to run, so that nobody can choose labels that collide; nothing depends on the order.
    hasher: DefaultHashBuilder,
}

/// 32 bits of a key's hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Mark(u32);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cell {
    mark: Mark,
    /// [`NOWHERE`] where nothing stands.
    slot: u32,
}

const NOWHERE: u32 = u32::MAX;
const GAP: Cell = Cell { mark: Mark(0), slot: NOWHERE };
/// Homes of the smallest table, as a power of two.
const BITS_MIN: u32 = 6;
/// Cells behind the last home.
const SPARE: usize = 64;

impl Default for Keys {
    fn default() -> Self {
        let cells = vec![GAP; (1 << BITS_MIN) + SPARE];
        Self { cells, shift: u32::BITS - BITS_MIN, len: 0, hasher: DefaultHashBuilder::default() }
    }
}

impl Keys {
    /// The mark of a key. Has the place where it is looked for brought near.
    pub(super) fn mark(&self, key: SeriesKey) -> Mark {
        let mark = Mark((self.hasher.hash_one(key) >> 32) as u32);
        self.cells.get(self.home(mark)).into_iter().for_each(prefetch);
        mark
    }

    /// The slot of a series with this mark, most likely the only one.
    pub(super) fn guess(&self, mark: Mark) -> Option<u32> {
        self.marked(mark).next().map(|(_, slot)| slot)
    }

    /// The slot with this mark of which `is_it` says that the series with the key is there.
    pub(super) fn get(&self, mark: Mark, is_it: impl Fn(u32) -> bool) -> Option<u32> {
        self.marked(mark).map(|(_, slot)| slot).find(|slot| is_it(*slot))
    }

    /// Adds the series in a slot, whose key is new.
    pub(super) fn insert(&mut self, key: SeriesKey, slot: u32) {
        // Beyond 7/8 the way from home to the end of a run becomes long.
        if self.len >= self.homes() / 8 * 7 {
            self.grow();
        }
        let mark = self.mark(key);
        self.put(Cell { mark, slot });
        self.len += 1;
    }

    /// Takes out the series with this key that is, or was, in a slot.
    pub(super) fn remove(&mut self, key: SeriesKey, slot: u32) {
        let Some((mut at, _)) = self.marked(self.mark(key)).find(|(_, known)| *known == slot) else { return };
        // What follows moves up, as far as it is not at home.
        while let Some(next) =
            self.cells.get(at + 1).copied().filter(|next| next.slot != NOWHERE && self.home(next.mark) <= at)
        {
            self.cells[at] = next;
            at += 1;
        }
        self.cells[at] = GAP;
        self.len -= 1;
    }

    /// Number of series.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Bytes on the heap.
    pub(super) fn heap_bytes(&self) -> usize {
        self.cells.capacity() * size_of::<Cell>()
    }

    fn homes(&self) -> usize {
        1 << (u32::BITS - self.shift)
    }

    fn home(&self, mark: Mark) -> usize {
        (mark.0 >> self.shift) as usize
    }

    /// Places and slots of this mark.
    fn marked(&self, mark: Mark) -> impl Iterator<Item = (usize, u32)> {
        let run = self.cells.iter().enumerate().skip(self.home(mark));
        let run = run.take_while(move |(_, cell)| cell.slot != NOWHERE && cell.mark <= mark);
        run.filter(move |(_, cell)| cell.mark == mark).map(|(at, cell)| (at, cell.slot))
    }

    /// Puts a cell in its place; those behind it move on, up to the next gap or beyond the last home.
    fn put(&mut self, cell: Cell) {
        let home = self.home(cell.mark);
        let run = self.cells[home..].iter().take_while(|known| known.slot != NOWHERE);
        let (before, all) =
            run.fold((0, 0), |(before, all), known| (before + usize::from(known.mark <= cell.mark), all + 1));
        let (at, gap) = (home + before, home + all);
        if gap == self.cells.len() {
            self.cells.reserve_exact(1);
            self.cells.push(GAP);
        }
        self.cells.copy_within(at..gap, at + 1);
        self.cells[at] = cell;
    }

    fn grow(&mut self) {
        self.shift -= 1;
        let larger = vec![GAP; self.homes() + SPARE];
        for cell in std::mem::replace(&mut self.cells, larger) {
            if cell.slot != NOWHERE {
                self.put(cell);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_found_while_others_come_and_go() {
        let mut keys = Keys::default();
        let key = |slot: u32| SeriesKey(u128::from(slot));
        let find = |keys: &Keys, wanted: u32| {
            let mark = keys.mark(key(wanted));
            keys.get(mark, |slot| slot == wanted).inspect(|_| assert!(keys.guess(mark).is_some()))
        };
        for slot in 0..5_000 {
            keys.insert(key(slot), slot);
            if slot >= 3_000 {
                keys.remove(key(slot - 3_000), slot - 3_000);
            }
        }
        keys.remove(key(7), 7);
        assert_eq!(keys.len(), 3_000);
        for slot in 0..6_000 {
            assert_eq!(find(&keys, slot), (2_000..5_000).contains(&slot).then_some(slot));
        }
        assert!(keys.cells.iter().enumerate().all(|(at, cell)| *cell == GAP || keys.home(cell.mark) <= at));
        (2_000..5_000).for_each(|slot| keys.remove(key(slot), slot));
        assert!(keys.len() == 0 && keys.cells.iter().all(|cell| *cell == GAP));
    }

    #[test]
    fn keys_of_one_mark_are_told_apart() {
        let mut keys = Keys::default();
        let mark = Mark(u32::MAX);
        (0..200).for_each(|slot| keys.put(Cell { mark, slot }));
        assert!((0..200).all(|wanted| keys.get(mark, |slot| slot == wanted) == Some(wanted)));
        assert_eq!(keys.get(mark, |slot| slot == 200), None);
    }
}
