//! Which template an exact masked line belongs to, as far as it was seen lately.

/// Places that a line may be kept in.
const WAYS: usize = 8;
/// Sets of places: 64 Ki lines, 1 MiB.
const SETS: usize = 1 << 13;

/// A set-associative cache; of the lines in a set the one goes that was not asked for the longest (clock).
#[derive(Debug)]
pub(super) struct Cache {
    sets: Vec<Set>,
}

#[derive(Clone, Debug, Default)]
#[repr(align(64))]
struct Set {
    /// Hashes of masked lines; 0 where there is none.
    hashes: [u64; WAYS],
    numbers: [u32; WAYS],
    /// A bit for each that was asked for since the hand passed.
    used: u8,
    hand: u8,
}

impl Default for Cache {
    fn default() -> Self {
        Self { sets: vec![Set::default(); SETS] }
    }
}

impl Cache {
    pub(super) fn get(&mut self, hash: u64) -> Option<u32> {
        let set = &mut self.sets[hash as usize % SETS];
        let way = set.hashes.iter().position(|known| *known == hash)?;
        set.used |= 1 << way;
        Some(set.numbers[way])
    }

    pub(super) fn insert(&mut self, hash: u64, number: u32) {
        let set = &mut self.sets[hash as usize % SETS];
        let mut way = usize::from(set.hand);
        while set.used & 1 << way != 0 {
            set.used &= !(1 << way);
            way = (way + 1) % WAYS;
        }
        set.hand = ((way + 1) % WAYS) as u8;
        (set.hashes[way], set.numbers[way]) = (hash, number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_stays() {
        let mut cache = Cache::default();
        for n in 1..100_000_u64 {
            cache.insert(n * SETS as u64, n as u32);
            assert_eq!(cache.get(SETS as u64), Some(1), "after {n}");
        }
        assert_eq!(cache.get(2 * SETS as u64), None);
    }
}
