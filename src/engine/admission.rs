//! Which new series a tenant may still have. Those it has are never taken from it.

use std::collections::BTreeMap;

use super::{Options, Refusal};
use crate::signal::TenantId;

/// What a shard knows of a tenant's series everywhere, as of the turn before the last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Held {
    /// In this shard.
    pub(super) here: usize,
    /// In all shards together.
    pub(super) all: usize,
}

/// What bounds the series of one tenant in one shard. The limits are the tenant's: at each turn the shards divide among
/// them, rounded up, what is left of these, so that it makes little difference which shard its series belong to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    limit: usize,
    ceiling: usize,
}

impl Bounds {
    /// The bounds by the configuration and, while memory is short, by the ceiling in force.
    pub(super) fn new(options: &Options, ceiling: Option<u64>, held: Held) -> Self {
        let share = |series: usize| held.here + series.saturating_sub(held.all).div_ceil(options.shards.max(1));
        let ceiling = ceiling.map_or(usize::MAX, |most| usize::try_from(most).unwrap_or(usize::MAX));
        Self { limit: share(options.series_per_tenant), ceiling: share(ceiling) }
    }

    /// Why a tenant with so many series may have no more, if so.
    pub(super) fn refusal(&self, series: usize) -> Option<Refusal> {
        if series >= self.limit {
            Some(Refusal::SeriesLimit)
        } else if series >= self.ceiling {
            Some(Refusal::MemoryLimit)
        } else {
            None
        }
    }
}

/// How many series there are, and how many a tenant may have at most.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Census {
    /// Series by tenant.
    pub series: BTreeMap<TenantId, u64>,
    /// See [`crate::signal::Command::Ceiling`].
    pub ceiling: Option<u64>,
}

impl Census {
    /// Adds what another shard has.
    pub fn merge(&mut self, other: Self) {
        for (tenant, series) in other.series {
            *self.series.entry(tenant).or_default() += series;
        }
        self.ceiling = self.ceiling.max(other.ceiling);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_shard_comes_to_have_nearly_all_that_a_tenant_may_have() {
        let options = Options { shards: 4, series_per_tenant: 1_000, ..Options::default() };
        let mut held = Held::default();
        for _ in 0..40 {
            let room = (0..=1_000).find(|series| Bounds::new(&options, None, held).refusal(*series).is_some());
            let here = room.unwrap();
            held = Held { here, all: here + 10 };
        }
        assert_eq!(held.all, 1_000);
        assert_eq!(Bounds::new(&options, None, Held { here: 5, all: 1_200 }).refusal(5), Some(Refusal::SeriesLimit));
    }

    #[test]
    fn the_tenants_limit_comes_before_the_memorys() {
        let options = Options { shards: 2, series_per_tenant: 9, ..Options::default() };
        let bounds = |ceiling| Bounds::new(&options, ceiling, Held::default());
        let refusals = |ceiling| [3, 4, 5].map(|series| bounds(ceiling).refusal(series));
        assert_eq!(refusals(None), [None, None, Some(Refusal::SeriesLimit)]);
        assert_eq!(refusals(Some(8)), [None, Some(Refusal::MemoryLimit), Some(Refusal::SeriesLimit)]);
        assert_eq!(bounds(Some(0)).refusal(0), Some(Refusal::MemoryLimit));
    }
}
