//! When memory counts as short.

use super::share;

/// Shares of the limit from which series are refused beyond a tenant's fair share, and altogether.
const HIGH: f64 = 0.85;
const FULL: f64 = 0.95;
/// Shares below which that ends. Memory that was given up is not free at once, and what is known still grows.
const NOT_FULL: f64 = 0.90;
const LOW: f64 = 0.75;
/// What a series takes, in bytes: at least its state and labels, at most those with a window full of noise. Between them it is
/// what there is now.
const SERIES_BYTES: (f64, f64) = (2_048.0, 16_384.0);

/// How short memory is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Pressure {
    /// Every tenant may add series up to its limit.
    #[default]
    None,
    /// Tenants may add series up to a fair share.
    Fair,
    /// No tenant may add series.
    Full,
}

impl Pressure {
    /// What it is with so many bytes resident.
    pub(super) fn next(self, resident: u64, limit: u64) -> Self {
        let share = resident as f64 / limit.max(1) as f64;
        match self {
            _ if share >= FULL => Self::Full,
            Self::Full if share >= NOT_FULL => Self::Full,
            Self::Full | Self::Fair if share >= LOW => Self::Fair,
            _ if share >= HIGH => Self::Fair,
            _ => Self::None,
        }
    }

    /// The ceiling for tenants with so many series. There is a share for one more who may come.
    pub(super) fn ceiling(self, resident: u64, limit: u64, mut series: Vec<u64>) -> Option<u64> {
        match self {
            Self::None => None,
            Self::Full => Some(0),
            Self::Fair => {
                let known: u64 = series.iter().sum();
                let each = (resident as f64 / known.max(1) as f64).clamp(SERIES_BYTES.0, SERIES_BYTES.1);
                let room = (FULL * limit as f64 - resident as f64).max(0.0) / each;
                series.push(0);
                Some(share::ceiling(&series, known + room as u64))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pressure_begins_high_and_ends_low() {
        let mut pressure = Pressure::default();
        let mut told = Vec::new();
        for resident in [50, 84, 85, 80, 76, 74, 84, 86, 95, 91, 89, 96, 70, 97] {
            pressure = pressure.next(resident, 100);
            told.push(pressure);
        }
        use Pressure::{Fair, Full, None};
        assert_eq!(told, [None, None, Fair, Fair, Fair, None, None, Fair, Full, Full, Fair, Full, None, Full]);
    }

    #[test]
    fn small_tenants_grow_while_the_largest_is_stopped() {
        const GIB: u64 = 1 << 30;
        let series = vec![200_000, 50, 0];
        assert_eq!(Pressure::None.ceiling(GIB, 2 * GIB, series.clone()), None);
        assert_eq!(Pressure::Full.ceiling(GIB, GIB, series.clone()), Some(0));
        let ceiling = Pressure::Fair.ceiling(860 << 20, GIB, series).unwrap();
        // 112.8 MiB are left below 95 %, for series of 4.5 kB: 26,000, for three who have next to none.
        assert!((8_000..9_500).contains(&ceiling), "{ceiling}");
    }
}
