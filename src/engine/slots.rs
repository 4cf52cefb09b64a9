//! Values under small numbers that stay theirs as long as they live.

/// Boxed values by slot; the slot of one that is gone is given to the next that comes.
#[derive(Debug)]
pub(super) struct Slots<T> {
    cells: Vec<Option<Box<T>>>,
    free: Vec<u32>,
}

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Self { cells: Vec::new(), free: Vec::new() }
    }
}

impl<T> Slots<T> {
    /// The value in a slot.
    pub(super) fn get(&self, slot: u32) -> Option<&T> {
        self.cells.get(slot as usize)?.as_deref()
    }

    /// The same, to be changed.
    pub(super) fn get_mut(&mut self, slot: u32) -> Option<&mut T> {
        self.cells.get_mut(slot as usize)?.as_deref_mut()
    }

    /// Gives a value a slot.
    pub(super) fn insert(&mut self, value: T) -> u32 {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.cells.push(None);
            (self.cells.len() - 1) as u32
        });
        self.cells[slot as usize] = Some(Box::new(value));
        slot
    }

    /// Takes a value out.
    pub(super) fn remove(&mut self, slot: u32) -> Option<Box<T>> {
        let value = self.cells.get_mut(slot as usize)?.take()?;
        self.free.push(slot);
        Some(value)
    }

    /// All values, in the order of their slots.
    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.cells.iter().flatten().map(|cell| &**cell)
    }

    /// All slots there are, the empty ones too.
    pub(super) fn numbers(&self) -> std::ops::Range<u32> {
        0..self.cells.len() as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_is_given_anew_when_its_value_is_gone() {
        let mut slots = Slots::default();
        let (a, b) = (slots.insert("a"), slots.insert("b"));
        assert_eq!(slots.remove(a).as_deref(), Some(&"a"));
        assert_eq!((slots.get(a), slots.get(b), slots.get(u32::MAX)), (None, Some(&"b"), None));
        assert_eq!(slots.remove(a), None);
        *slots.get_mut(b).unwrap() = "B";
        assert_eq!(slots.insert("c"), a);
        assert_eq!(slots.iter().collect::<Vec<_>>(), [&"c", &"B"]);
        assert_eq!(slots.numbers(), 0..2);
    }
}
