//! Values under small numbers, which can be written down as they are at one moment while they go on changing.
//!
//! A *walk* encodes all values as they are when it begins, a few at a time. A value that is about to be changed or taken
//! out, and that the walk has not come to, is encoded just before; one that comes later is no part of it. Since every
//! change goes through this container, nobody else has to think of it. Without a walk it costs a branch.

use std::ops::Range;

use crate::prefetch::prefetch;

/// Bytes from which what was encoded is handed on.
const PIECE: usize = 256 << 10;

/// What can be written down together with its slot.
pub(super) trait Record {
    /// Appends itself to `bytes`.
    ///
    /// # Errors
    /// As the encoder says; none in practice.
    fn append(&self, slot: u32, bytes: Vec<u8>) -> postcard::Result<Vec<u8>>;
}

/// Bytes of a slab, about: what an allocator has no smaller share of than it needs.
const SLAB: usize = 64 << 10;

/// Values by slot; the slot of one that is gone is given to the next that comes. They lie in slabs of the same size, which
/// take no more room than the values do and stay where they are.
#[derive(Debug)]
pub(super) struct Slots<T> {
    slabs: Vec<Vec<Option<T>>>,
    free: Vec<u32>,
    walk: Option<Box<Walk>>,
}

#[derive(Debug)]
struct Walk {
    /// Where it has come to, and where it ends.
    next: u32,
    end: u32,
    /// A bit for each slot that is not to be encoded any more.
    done: Vec<u64>,
    /// What each piece begins with.
    header: Vec<u8>,
    piece: Vec<u8>,
    pieces: Vec<Vec<u8>>,
    failed: Option<postcard::Error>,
}

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Self { slabs: Vec::new(), free: Vec::new(), walk: None }
    }
}

impl<T> Slots<T> {
    /// Values in a slab.
    const LENGTH: u32 = if size_of::<Option<T>>() < SLAB { (SLAB / size_of::<Option<T>>()) as u32 } else { 1 };

    /// The slab of a slot, and the place in it.
    fn place(slot: u32) -> (usize, usize) {
        ((slot / Self::LENGTH) as usize, (slot % Self::LENGTH) as usize)
    }

    fn cell(&mut self, slot: u32) -> Option<&mut Option<T>> {
        let (slab, place) = Self::place(slot);
        self.slabs.get_mut(slab)?.get_mut(place)
    }

    /// The value in a slot.
    #[inline]
    pub(super) fn get(&self, slot: u32) -> Option<&T> {
        let (slab, place) = Self::place(slot);
        self.slabs.get(slab)?.get(place)?.as_ref()
    }

    /// Has what is in a slot brought near, without a look at it.
    pub(super) fn prefetch(&self, slot: u32) {
        let (slab, place) = Self::place(slot);
        self.slabs.get(slab).and_then(|slab| slab.get(place)).into_iter().for_each(prefetch);
    }

    /// Gives a value a slot.
    pub(super) fn insert(&mut self, value: T) -> u32 {
        if let Some(slot) = self.free.pop() {
            if let Some(walk) = &mut self.walk {
                walk.pass(slot);
            }
            if let Some(cell) = self.cell(slot) {
                *cell = Some(value);
            }
            return slot;
        }
        // A walk ends before what is added behind it.
        let slot = self.numbers().end;
        if slot.is_multiple_of(Self::LENGTH) {
            self.slabs.push(Vec::with_capacity(Self::LENGTH as usize));
        }
        if let Some(slab) = self.slabs.last_mut() {
            slab.push(Some(value));
        }
        slot
    }

    /// All values, in the order of their slots.
    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.slabs.iter().flatten().flatten()
    }

    /// All slots there are, the empty ones too.
    pub(super) fn numbers(&self) -> Range<u32> {
        let full = self.slabs.len().saturating_sub(1) as u32 * Self::LENGTH;
        0..full + self.slabs.last().map_or(0, |slab| slab.len() as u32)
    }
}

impl<T: Record> Slots<T> {
    /// The value in a slot, to be changed.
    pub(super) fn get_mut(&mut self, slot: u32) -> Option<&mut T> {
        let (slab, place) = Self::place(slot);
        let value = self.slabs.get_mut(slab)?.get_mut(place)?.as_mut()?;
        if let Some(walk) = &mut self.walk {
            walk.encode(slot, value);
        }
        Some(value)
    }

    /// Takes a value out.
    pub(super) fn remove(&mut self, slot: u32) -> Option<T> {
        let value = self.cell(slot)?.take()?;
        if let Some(walk) = &mut self.walk {
            walk.encode(slot, &value);
        }
        self.free.push(slot);
        Some(value)
    }

    /// Begins a walk, in the place of one that may be under way. Pieces begin with `header`.
    pub(super) fn begin_walk(&mut self, header: Vec<u8>) {
        let Range { end, .. } = self.numbers();
        let done = vec![0; end.div_ceil(u64::BITS) as usize];
        let (piece, pieces) = (header.clone(), Vec::new());
        self.walk = Some(Box::new(Walk { next: 0, end, done, header, piece, pieces, failed: None }));
    }

    /// Goes on by up to so many slots; whether there are more.
    pub(super) fn walk(&mut self, count: u32) -> bool {
        let Some(mut walk) = self.walk.take() else { return false };
        let until = walk.end.min(walk.next.saturating_add(count));
        while walk.next < until {
            if let Some(value) = self.get(walk.next) {
                walk.encode(walk.next, value);
            }
            walk.next += 1;
        }
        let has_more = walk.next < walk.end;
        self.walk = Some(walk);
        has_more
    }

    /// The pieces that are finished; after the last of them the walk is over.
    ///
    /// # Errors
    /// A value could not be encoded.
    pub(super) fn take_pieces(&mut self) -> postcard::Result<Vec<Vec<u8>>> {
        let Some(walk) = &mut self.walk else { return Ok(Vec::new()) };
        if let Some(error) = walk.failed.take() {
            return Err(error);
        }
        let mut pieces = std::mem::take(&mut walk.pieces);
        if walk.next == walk.end {
            pieces.extend((walk.piece.len() > walk.header.len()).then(|| std::mem::take(&mut walk.piece)));
            self.walk = None;
        }
        Ok(pieces)
    }

    /// Gives a walk up.
    pub(super) fn end_walk(&mut self) {
        self.walk = None;
    }
}

impl Walk {
    /// Notes that a slot is done with; whether it was not before.
    fn pass(&mut self, slot: u32) -> bool {
        if slot < self.next || slot >= self.end {
            return false;
        }
        let (word, bit) = (&mut self.done[(slot / u64::BITS) as usize], 1 << (slot % u64::BITS));
        let is_new = *word & bit == 0;
        *word |= bit;
        is_new
    }

    fn encode(&mut self, slot: u32, value: &impl Record) {
        if !self.pass(slot) {
            return;
        }
        match value.append(slot, std::mem::take(&mut self.piece)) {
            Ok(piece) => self.piece = piece,
            Err(error) => self.failed = Some(error),
        }
        if self.piece.len() >= PIECE {
            self.pieces.push(std::mem::replace(&mut self.piece, self.header.clone()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Record for u8 {
        fn append(&self, slot: u32, mut bytes: Vec<u8>) -> postcard::Result<Vec<u8>> {
            bytes.extend([slot as u8, *self]);
            Ok(bytes)
        }
    }

    #[test]
    fn a_slot_is_given_anew_when_its_value_is_gone() {
        let mut slots = Slots::default();
        let (a, b) = (slots.insert(1_u8), slots.insert(2));
        assert_eq!(slots.remove(a), Some(1));
        assert_eq!((slots.get(a), slots.get(b), slots.get(u32::MAX)), (None, Some(&2), None));
        assert_eq!(slots.remove(a), None);
        *slots.get_mut(b).unwrap() = 3;
        assert_eq!(slots.insert(4), a);
        assert_eq!(slots.iter().collect::<Vec<_>>(), [&4, &3]);
        assert_eq!(slots.numbers(), 0..2);
    }

    #[test]
    fn a_walk_sees_what_was_there_when_it_began() {
        let mut slots = Slots::default();
        for value in 10..15_u8 {
            slots.insert(value);
        }
        slots.remove(1);
        slots.begin_walk(vec![255]);
        assert!(slots.walk(1));
        *slots.get_mut(0).unwrap() = 20;
        *slots.get_mut(3).unwrap() = 23;
        *slots.get_mut(3).unwrap() = 33;
        slots.remove(4);
        for value in 40..43 {
            slots.insert(value);
        }
        assert_eq!(slots.iter().collect::<Vec<_>>(), [&20, &41, &12, &33, &40, &42]);
        assert_eq!(slots.take_pieces().unwrap(), Vec::<Vec<u8>>::new());
        assert!(!slots.walk(9));
        assert_eq!(slots.take_pieces().unwrap(), [vec![255, 0, 10, 3, 13, 4, 14, 2, 12]]);
        assert!(slots.walk.is_none());
    }
}
