//! Which new series a tenant may still have. Those it has are never taken from it.

use std::collections::BTreeMap;

use super::{Options, Refusal};
use crate::signal::TenantId;

/// What bounds the series of one tenant in one shard: of a tenant's limits a shard enforces its share, rounded up.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    limit: usize,
    ceiling: usize,
}

impl Bounds {
    /// The bounds by the configuration and, while memory is short, by the ceiling in force.
    pub(super) fn new(options: &Options, ceiling: Option<u64>) -> Self {
        let share = |series: usize| series.div_ceil(options.shards.max(1));
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
    fn the_tenants_limit_comes_before_the_memorys() {
        let options = Options { shards: 2, series_per_tenant: 9, ..Options::default() };
        let refusals = |ceiling| [3, 4, 5].map(|series| Bounds::new(&options, ceiling).refusal(series));
        assert_eq!(refusals(None), [None, None, Some(Refusal::SeriesLimit)]);
        assert_eq!(refusals(Some(8)), [None, Some(Refusal::MemoryLimit), Some(Refusal::SeriesLimit)]);
        assert_eq!(Bounds::new(&options, Some(0)).refusal(0), Some(Refusal::MemoryLimit));
    }
}
