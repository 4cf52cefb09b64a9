//! How fast a tenant may add series. What makes a series costs some twenty times what its further samples do, and no limit of
//! series holds up a sender whose label values never repeat: it is answered, and sends the next ones. The answer to a request
//! with new series, taken or refused, is held back so that a tenant's come evenly, however many connections it has.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use crate::signal::TenantId;

/// Time that a new series takes of its tenant: 100,000 a second.
const EACH: Duration = Duration::from_micros(10);
/// The longest wait for an answer. Senders give up after 30 s and more.
const LONGEST: Duration = Duration::from_secs(5);
/// Tenants with an answer held back that are followed; those of further ones are not held back.
const TENANTS: usize = 10_000;

/// Until when the new series that each tenant has sent take.
#[derive(Debug, Default)]
pub(super) struct Pace(Mutex<HashMap<TenantId, Instant>>);

impl Pace {
    /// How long to hold back the answer to a request of a tenant that had so many new series.
    pub(super) fn hold_back(&self, tenant: &TenantId, new_series: u64, now: Instant) -> Duration {
        if new_series == 0 {
            return Duration::ZERO;
        }
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= TENANTS {
            all.retain(|_, until| *until > now);
            if all.len() >= TENANTS {
                return Duration::ZERO;
            }
        }
        let until = all.entry(tenant.clone()).or_insert(now);
        let takes = EACH.saturating_mul(u32::try_from(new_series).unwrap_or(u32::MAX));
        *until = (*until).max(now) + takes.min(LONGEST);
        // What is beyond the longest wait is forgiven, or a burst would be paid for long after it.
        *until = (*until).min(now + LONGEST);
        *until - now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_series_of_a_tenant_come_at_an_even_rate() {
        let pace = Pace::default();
        let [flood, quiet] = ["flood", "quiet"].map(|name| TenantId::parse(name).unwrap());
        let now = Instant::now();
        let ms = Duration::from_millis;
        assert_eq!(pace.hold_back(&flood, 0, now), ms(0));
        assert_eq!(pace.hold_back(&flood, 2_000, now), ms(20));
        assert_eq!(pace.hold_back(&flood, 2_000, now), ms(40), "on another connection");
        assert_eq!(pace.hold_back(&quiet, 500, now), ms(5));
        assert_eq!(pace.hold_back(&flood, 2_000, now + ms(30)), ms(30));
        assert_eq!(pace.hold_back(&flood, 2_000, now + ms(1_000)), ms(20), "rest is not saved up");
        assert_eq!(pace.hold_back(&flood, u64::MAX, now + ms(1_000)), LONGEST);
        assert_eq!(pace.hold_back(&flood, 1, now + ms(1_000)), LONGEST);
    }
}
