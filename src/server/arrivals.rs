//! How fast each tenant sends, for the page.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use crate::signal::{TenantId, TimestampMs};

/// Time constant of the average.
const MEMORY_S: f64 = 60.0;

/// Tenants that are followed; those of further ones are shown without a rate.
const TENANTS: usize = 10_000;

/// Samples per second of each tenant, as an average that forgets exponentially. Written once a request.
#[derive(Debug, Default)]
pub(super) struct Arrivals(Mutex<HashMap<TenantId, Arrival>>);

#[derive(Clone, Copy, Debug)]
struct Arrival {
    since: TimestampMs,
    at: TimestampMs,
    per_second: f64,
}

impl Arrivals {
    /// Takes note of `samples` that arrived at `now`.
    pub(super) fn add(&self, tenant: &TenantId, samples: u64, now: TimestampMs) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(arrival) = all.get_mut(tenant) {
            arrival.per_second = arrival.faded(now) + samples as f64 / MEMORY_S;
            arrival.at = now;
        } else if all.len() < TENANTS {
            let arrival = Arrival { since: now, at: now, per_second: samples as f64 / MEMORY_S };
            all.insert(tenant.clone(), arrival);
        }
    }

    /// Samples per second now; 0 for a tenant that has sent nothing.
    pub(super) fn per_second(&self, tenant: &TenantId, now: TimestampMs) -> f64 {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(arrival) = all.get(tenant) else { return 0.0 };
        // What was not yet seen counts as nothing in the average; shortly after the start that is most of it.
        let seen = 1.0 - (-secs(now - arrival.since).max(1.0) / MEMORY_S).exp();
        arrival.faded(now) / seen
    }
}

impl Arrival {
    fn faded(&self, now: TimestampMs) -> f64 {
        self.per_second * (-secs(now - self.at).max(0.0) / MEMORY_S).exp()
    }
}

fn secs(ms: i64) -> f64 {
    ms as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steady_sender_is_told_its_rate() {
        let arrivals = Arrivals::default();
        let tenant = TenantId::default();
        assert_eq!(arrivals.per_second(&tenant, 0), 0.0);
        for second in 0..600 {
            arrivals.add(&tenant, 500, second * 1_000);
            let told = arrivals.per_second(&tenant, second * 1_000);
            assert!(second < 30 || (told - 500.0).abs() < 20.0, "{told} after {second} s");
        }
        let later = arrivals.per_second(&tenant, 599_000 + 600_000);
        assert!(later < 1.0, "{later} ten minutes after the last sample");
    }
}
