//! Series that were refused because of a limit: who is told of, and how often.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use crate::{engine::WriteReport, signal::TenantId, signal::TimestampMs};

/// Time between two lines of the log about one tenant, in ms.
const LINES_MS: i64 = 60_000;
/// Tenants that are followed; of further ones nothing is logged.
const TENANTS: usize = 10_000;

/// Samples refused for want of room for their series, by tenant.
#[derive(Debug, Default)]
pub(super) struct Refusals(Mutex<HashMap<TenantId, Refused>>);

#[derive(Clone, Copy, Debug)]
struct Refused {
    told_at: TimestampMs,
    /// Since that was told.
    since: u64,
    /// Since the start.
    total: u64,
}

impl Refusals {
    /// Takes note of what was refused of a request. Gives the number of samples to be logged, if it is time for a line: those
    /// of the first request, and then all of a minute.
    pub(super) fn add(&self, tenant: &TenantId, report: &WriteReport, now: TimestampMs) -> Option<u64> {
        let count = report.without_room();
        if count == 0 {
            return None;
        }
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= TENANTS && !all.contains_key(tenant) {
            return None;
        }
        let refused = all.entry(tenant.clone()).or_insert(Refused { told_at: now - LINES_MS, since: 0, total: 0 });
        refused.since += count;
        refused.total += count;
        if now - refused.told_at < LINES_MS {
            return None;
        }
        refused.told_at = now;
        Some(std::mem::take(&mut refused.since))
    }

    /// Samples refused since the start, by tenant.
    pub(super) fn totals(&self) -> Vec<(TenantId, u64)> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().map(|(tenant, refused)| (tenant.clone(), refused.total)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Refusal;

    #[test]
    fn a_tenant_is_told_of_at_once_and_then_once_a_minute() {
        let refusals = Refusals::default();
        let [shop, bank] = ["shop", "bank"].map(|name| TenantId::parse(name).unwrap());
        let report = |why, count| WriteReport { refused: [(why, count)].into(), ..WriteReport::default() };
        let full = report(Refusal::SeriesLimit, 7);
        assert_eq!(refusals.add(&shop, &report(Refusal::Duplicate, 9), 0), None);
        assert_eq!(refusals.add(&shop, &full, 1_000), Some(7));
        assert_eq!(refusals.add(&shop, &full, 1_001), None);
        assert_eq!(refusals.add(&bank, &report(Refusal::MemoryLimit, 2), 1_002), Some(2));
        assert_eq!(refusals.add(&shop, &full, 60_999), None);
        assert_eq!(refusals.add(&shop, &full, 61_000), Some(21));
        let mut totals = refusals.totals();
        totals.sort();
        assert_eq!(totals, [(bank, 2), (shop, 28)]);
    }
}
