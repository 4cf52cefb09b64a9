//! Sets of documents of one segment.

/// A set of document numbers below a bound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Bits {
    words: Vec<u64>,
    len: u32,
}

impl Bits {
    /// No document of `len`.
    pub(super) fn none(len: u32) -> Self {
        Self { words: vec![0; len.div_ceil(64) as usize], len }
    }

    /// All documents of `len`.
    pub(super) fn all(len: u32) -> Self {
        let mut bits = Self { words: vec![u64::MAX; len.div_ceil(64) as usize], len };
        if let (Some(last), rest @ 1..) = (bits.words.last_mut(), len % 64) {
            *last = (1 << rest) - 1;
        }
        bits
    }

    /// Adds a document; those beyond the bound are none.
    pub(super) fn insert(&mut self, doc: u32) {
        if doc < self.len {
            self.words[(doc / 64) as usize] |= 1 << (doc % 64);
        }
    }

    /// Keeps what is in `other` as well.
    pub(super) fn and(&mut self, other: &Self) {
        self.words.iter_mut().zip(&other.words).for_each(|(a, b)| *a &= b);
    }

    /// Adds what is in `other`.
    pub(super) fn or(&mut self, other: &Self) {
        self.words.iter_mut().zip(&other.words).for_each(|(a, b)| *a |= b);
    }

    /// Takes away what is in `other`.
    pub(super) fn without(&mut self, other: &Self) {
        self.words.iter_mut().zip(&other.words).for_each(|(a, b)| *a &= !b);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.words.iter().all(|word| *word == 0)
    }

    pub(super) fn count(&self) -> u64 {
        self.words.iter().map(|word| u64::from(word.count_ones())).sum()
    }

    /// The documents from the first on.
    pub(super) fn ascending(&self) -> impl Iterator<Item = u32> + '_ {
        self.words.iter().enumerate().flat_map(|(i, word)| {
            let mut rest = *word;
            std::iter::from_fn(move || {
                let bit = (rest != 0).then(|| rest.trailing_zeros())?;
                rest &= rest - 1;
                Some(i as u32 * 64 + bit)
            })
        })
    }

    /// The documents from the last on.
    pub(super) fn descending(&self) -> impl Iterator<Item = u32> + '_ {
        self.words.iter().enumerate().rev().flat_map(|(i, word)| {
            let mut rest = *word;
            std::iter::from_fn(move || {
                let bit = rest.checked_ilog2()?;
                rest &= !(1 << bit);
                Some(i as u32 * 64 + bit)
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_walked_both_ways() {
        let mut some = Bits::none(130);
        for doc in [0, 63, 64, 129, 130, 500] {
            some.insert(doc);
        }
        assert_eq!(some.ascending().collect::<Vec<_>>(), [0, 63, 64, 129]);
        assert_eq!(some.descending().collect::<Vec<_>>(), [129, 64, 63, 0]);
        for len in [0, 1, 64, 65, 128] {
            assert_eq!(Bits::all(len).count(), u64::from(len));
        }
    }

    #[test]
    fn sets_are_combined() {
        let of = |docs: &[u32]| {
            let mut bits = Bits::none(100);
            docs.iter().for_each(|doc| bits.insert(*doc));
            bits
        };
        let (a, b) = (of(&[1, 70, 80]), of(&[70, 99]));
        let apply = |f: fn(&mut Bits, &Bits)| {
            let mut out = a.clone();
            f(&mut out, &b);
            out
        };
        assert_eq!(apply(Bits::and), of(&[70]));
        assert_eq!(apply(Bits::or), of(&[1, 70, 80, 99]));
        assert_eq!(apply(Bits::without), of(&[1, 80]));
        assert!(of(&[]).is_empty() && !a.is_empty());
    }
}
