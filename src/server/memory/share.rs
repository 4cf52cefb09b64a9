//! How the series that there is room for are shared out.

/// The ceiling under which tenants with so many series may go on to grow, so that in the end there are `total` at most: what
/// is left of `total` goes to those who have least, until they are level (max-min fairness; nobody loses what it has). Who has
/// more than the ceiling is stopped, the largest tenant first.
///
/// 0 if all of `total`, or more, is taken.
pub(super) fn ceiling(series: &[u64], total: u64) -> u64 {
    let mut sorted = series.to_vec();
    sorted.sort_unstable();
    let taken = sorted.iter().fold(0_u64, |sum, own| sum.saturating_add(*own));
    let Some(mut room) = total.checked_sub(taken).filter(|room| *room > 0) else { return 0 };
    let Some(mut level) = sorted.first().copied() else { return 0 };
    for (lifted, next) in (1_u64..).zip(sorted.iter().skip(1)) {
        let step = next - level;
        if step.saturating_mul(lifted) > room {
            return level + room / lifted;
        }
        room -= step * lifted;
        level = *next;
    }
    level.saturating_add(room / (sorted.len() as u64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_largest_is_stopped_first() {
        assert_eq!(ceiling(&[1_000_000, 100, 0], 1_050_100), 25_050);
        assert_eq!(ceiling(&[10, 10], 20), 0);
        assert_eq!(ceiling(&[10, 30], 39), 0);
        assert_eq!(ceiling(&[10, 30], 50), 20);
        assert_eq!(ceiling(&[10, 30], 80), 40);
        assert_eq!(ceiling(&[], 100), 0);
        assert_eq!(ceiling(&[u64::MAX, 3], u64::MAX), 0);
    }

    proptest! {
        #[test]
        fn shares_are_fair_and_fit(mut series in prop::collection::vec(0..10_000_u64, 1..40), room in 1..100_000_u64) {
            let taken: u64 = series.iter().sum();
            let total = taken + room;
            let level = ceiling(&series, total);
            let after = |level: u64| series.iter().map(|own| (*own).max(level)).sum::<u64>();
            prop_assert!(after(level) <= total, "it fits");
            prop_assert!(after(level + 1) > total, "no room is left over");
            let equal = total / series.len() as u64;
            prop_assert!(series.iter().all(|own| (*own).max(level) >= (*own).min(equal)), "nobody is below its fair share");
            let least = series.iter().min().unwrap();
            prop_assert!(level >= *least);
            series.reverse();
            prop_assert_eq!(ceiling(&series, total), level);
            series.rotate_left(1);
            prop_assert_eq!(ceiling(&series, total), level);
        }
    }
}
