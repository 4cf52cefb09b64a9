//! When a score counts as an event: the record rule.
//!
//! An event is a score higher than anything lately, and it counts the more the longer nothing so high was seen.
//! The past is a stack of (time, score) with falling scores: who is lower and older than a later score can never
//! matter again. Eight entries are kept; the entry dropped when full is the one whose age is nearest to its elder's.

use serde::{Deserialize, Serialize};

use super::half::Half;

const ENTRIES: usize = 8;
/// Samples for which an event must stand out.
const RECENT: u32 = 120;
/// By how much it must exceed the highest of them.
const MARGIN: f32 = 1.1;

/// The record history of one series.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Records {
    at: [u32; ENTRIES],
    score: [Half; ENTRIES],
    len: u8,
}

impl Records {
    /// Takes the score of sample number `n` (counted from 0, growing).
    ///
    /// Returns `score · (log10(samples since a score as high) − 1)` when the score exceeds 1.1 × the maximum of the
    /// last 120 samples, else 0. Without any earlier record everything before counts.
    pub fn observe(&mut self, n: u32, score: f32) -> f32 {
        if score <= 0.0 {
            return 0.0;
        }
        let mut live = usize::from(self.len).min(ENTRIES);
        let age = |i: usize| n.saturating_sub(self.at[i]);
        let recent = (0..live).find(|&i| age(i) <= RECENT).map_or(0.0, |i| self.score[i].get());
        let kept = Half::of(score);
        while live > 0 && self.score[live - 1].get() <= kept.get() {
            live -= 1;
        }
        let since = if live > 0 { age(live - 1) } else { n };
        let event = if score > MARGIN * recent { score * ((since.max(1) as f32).log10() - 1.0).max(0.0) } else { 0.0 };
        if live == ENTRIES {
            self.forget_one(n);
            live -= 1;
        }
        self.at[live] = n;
        self.score[live] = kept;
        self.len = live as u8 + 1;
        event
    }

    /// Drops the inner entry whose age, in proportion, is nearest to its elder's; the last place becomes free.
    fn forget_one(&mut self, n: u32) {
        let age = |i: usize| n.saturating_sub(self.at[i]) as f32 + 1.0;
        let closeness = |i: &usize| age(i - 1) / age(*i);
        let drop = (1..ENTRIES).min_by(|a, b| closeness(a).total_cmp(&closeness(b))).unwrap_or(1);
        self.at.copy_within(drop + 1.., drop);
        self.score.copy_within(drop + 1.., drop);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_grows_with_the_time_since_anything_so_high() {
        let mut records = Records::default();
        assert!((records.observe(1_000, 4.0) - 4.0 * 2.0).abs() < 1e-5, "everything before counts");
        assert_eq!(records.observe(1_050, 4.2), 0.0, "within the margin of a recent score");
        assert!(records.observe(1_060, 5.0) > 0.0, "well above it");
        assert!((records.observe(2_060, 4.5) - 4.5 * 2.0).abs() < 1e-5, "since the 5.0 at 1,060");
        assert_eq!(records.observe(2_061, 0.0), 0.0);
    }

    #[test]
    fn the_stack_stays_bounded_and_ordered() {
        let mut records = Records::default();
        for n in 0..200_u32 {
            records.observe(n, 1_000.0 - n as f32);
            let live = records.len as usize;
            assert!(live <= ENTRIES);
            assert!(records.score[..live].windows(2).all(|w| w[0].get() > w[1].get()));
            assert!(records.at[..live].windows(2).all(|w| w[0] < w[1]));
        }
        assert_eq!(records.score[0].get(), 1_000.0, "the highest of all is never forgotten");
    }
}
