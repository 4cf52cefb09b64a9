//! The daily profile: the value to expect at each time of day.
//!
//! A day has 24 parts, each with a value that its samples pull towards themselves. The part at hand is worked on in
//! full precision and kept in half when another begins. All values are relative to the detector's base and kept in
//! its unit.

use serde::{Deserialize, Serialize};

use super::{cadence::PROFILE_PARTS, half::Half};
use crate::prefetch::prefetch;

/// 16 bytes, and 48 more once a value differs from the base.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Profile {
    /// Values of the parts other than the one at hand; while there are none, all are 0.
    parts: Option<Box<[Half; PROFILE_PARTS]>>,
    /// Value of the part at hand; while that has not been seen, of the one before.
    value: f32,
    part: u8,
    /// Bit i: part i has been seen.
    seen: [u8; PROFILE_PARTS / 8],
}

impl Profile {
    /// Has the parts brought near.
    pub(super) fn prefetch(&self) {
        self.parts.as_deref().into_iter().for_each(prefetch);
    }

    /// Turns to a part of the day. Returns the value to expect in it: a part never seen is expected to go on like the
    /// part before.
    pub(super) fn enter(&mut self, part: usize, unit: f32) -> f32 {
        let current = usize::from(self.part);
        if part != current {
            let seen = self.has_seen(part);
            if let Some(parts) = &mut self.parts {
                if let Some(kept) = parts.get_mut(current) {
                    *kept = Half::of(self.value / unit);
                }
                if seen {
                    self.value = parts[part].get() * unit;
                }
            }
            self.part = part as u8;
        }
        self.value
    }

    /// Learns from a sample of the part at hand: its value if it is the first, else `step` towards it.
    pub(super) fn learn(&mut self, value: f32, step: f32) {
        if value != 0.0 && self.parts.is_none() {
            self.parts = Some(Box::default());
        }
        let part = usize::from(self.part);
        if self.has_seen(part) {
            self.value += step;
        } else {
            self.value = value;
            if let Some(byte) = self.seen.get_mut(part / 8) {
                *byte |= 1 << (part % 8);
            }
        }
    }

    fn has_seen(&self, part: usize) -> bool {
        self.seen.get(part / 8).is_some_and(|byte| byte >> (part % 8) & 1 == 1)
    }

    /// Follows a base that moved up by `shift`, and a change of unit.
    pub(super) fn rebase(&mut self, shift: f32, (old, new): (f32, f32)) {
        self.value = (self.value - shift).clamp(f32::MIN, f32::MAX);
        for kept in self.parts.iter_mut().flat_map(|parts| parts.iter_mut()) {
            *kept = Half::of((kept.get() * old - shift) / new);
        }
    }

    /// Bytes on the heap.
    pub(super) fn heap_bytes(&self) -> usize {
        self.parts.as_deref().map_or(0, size_of_val)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn visit(profile: &mut Profile, part: usize, value: f32) -> f32 {
        let expected = profile.enter(part, 2.0);
        profile.learn(value, 0.5 * (value - expected));
        expected
    }

    #[test]
    fn a_part_never_seen_goes_on_like_the_part_before() {
        let mut profile = Profile::default();
        assert_eq!(visit(&mut profile, 20, 6.0), 0.0);
        assert_eq!(visit(&mut profile, 21, 8.0), 6.0);
        assert_eq!(visit(&mut profile, 21, 10.0), 8.0);
        assert_eq!(visit(&mut profile, 22, 7.0), 9.0);
        assert_eq!(visit(&mut profile, 20, 6.0), 6.0, "what was seen is kept");
        assert_eq!(visit(&mut profile, 3, 1.0), 6.0);
        assert_eq!(visit(&mut profile, 21, 9.0), 9.0);
    }

    #[test]
    fn a_constant_series_needs_no_memory() {
        let mut profile = Profile::default();
        for i in 0..100 {
            visit(&mut profile, i % PROFILE_PARTS, 0.0);
        }
        assert_eq!(profile.heap_bytes(), 0);
        visit(&mut profile, 5, 4.0);
        assert_eq!(profile.heap_bytes(), 48);
        assert_eq!(visit(&mut profile, 6, 0.0), 0.0, "the other parts are as they were");
        assert_eq!(profile.enter(5, 2.0), 2.0);
    }

    #[test]
    fn values_follow_base_and_unit() {
        let mut profile = Profile::default();
        visit(&mut profile, 0, 6.0);
        visit(&mut profile, 1, 8.0);
        profile.rebase(5.0, (2.0, 1.0));
        assert_eq!(profile.enter(1, 1.0), 3.0);
        assert_eq!(profile.enter(0, 1.0), 1.0);
    }
}
