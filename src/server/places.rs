//! Places for requests with samples or logs under way: how many there may be at once, of all tenants and of one, and how many of one
//! are decoded at once. Decoding a flood on every core is what would slow down the flood's neighbours.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::{Semaphore, SemaphorePermit};

use super::app::NotReady;
use crate::{fleet::has_room, signal::TenantId};

/// All places.
#[derive(Debug)]
pub(super) struct Places {
    capacity: usize,
    /// Bodies of one tenant that are decoded at once.
    decoding: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    /// Tenants that hold any.
    by_tenant: HashMap<TenantId, Own>,
}

#[derive(Debug)]
struct Own {
    held: usize,
    decoding: Arc<Semaphore>,
}

/// A place, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    places: Arc<Places>,
    tenant: TenantId,
    decoding: Arc<Semaphore>,
}

impl Places {
    /// So many places, on so many cores: half of them decode for one tenant.
    pub(super) fn new(capacity: usize, cores: usize) -> Arc<Self> {
        Arc::new(Self { capacity, decoding: (cores / 2).max(1), taken: Mutex::default() })
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a place for a request of this tenant.
    ///
    /// # Errors
    /// All are taken, or the tenant has its share of them.
    pub(super) fn take(self: &Arc<Self>, tenant: &TenantId) -> Result<Place, NotReady> {
        let mut taken = self.taken();
        let own = taken.by_tenant.get(tenant).map_or(0, |own| own.held);
        if !has_room(own, taken.all, self.capacity) {
            return Err(if own > 0 { NotReady::Crowded } else { NotReady::Busy });
        }
        taken.all += 1;
        let decoding = || Arc::new(Semaphore::new(self.decoding));
        let own = taken.by_tenant.entry(tenant.clone()).or_insert_with(|| Own { held: 0, decoding: decoding() });
        own.held += 1;
        Ok(Place { places: self.clone(), tenant: tenant.clone(), decoding: own.decoding.clone() })
    }
}

impl Place {
    /// Waits for the tenant's turn to decode, which lasts until what is returned is dropped.
    pub(super) async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        // Nobody closes it.
        self.decoding.acquire().await.ok()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken();
        taken.all -= 1;
        if let Some(own) = taken.by_tenant.get_mut(&self.tenant) {
            own.held -= 1;
            if own.held == 0 {
                taken.by_tenant.remove(&self.tenant);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenant(name: &str) -> TenantId {
        TenantId::parse(name).unwrap()
    }

    #[test]
    fn a_flood_leaves_places_for_others() {
        let places = Places::new(64, 2);
        let flood: Vec<Place> = std::iter::from_fn(|| places.take(&tenant("flood")).ok()).collect();
        assert_eq!(flood.len(), 48);
        assert_eq!(places.take(&tenant("flood")).unwrap_err(), NotReady::Crowded);
        let others: Vec<Place> = (0..10).map(|n| places.take(&tenant(&format!("quiet-{n}"))).unwrap()).collect();
        drop(flood);
        assert_eq!(places.taken().all, 10);
        assert_eq!(places.taken().by_tenant.len(), 10);
        drop(others);
        assert!(places.taken().by_tenant.is_empty());
        let only = Places::new(1, 1);
        let _held = only.take(&tenant("a")).unwrap();
        assert_eq!(only.take(&tenant("b")).unwrap_err(), NotReady::Busy);
    }

    #[tokio::test]
    async fn a_tenant_decodes_on_half_of_the_cores() {
        let places = Places::new(64, 4);
        let flood: Vec<Place> = (0..3).map(|_| places.take(&tenant("flood")).unwrap()).collect();
        let quiet = places.take(&tenant("quiet")).unwrap();
        let _first = flood[0].turn().await;
        let second = flood[1].turn().await;
        assert!(flood[2].decoding.try_acquire().is_err(), "two of four cores");
        assert!(quiet.decoding.try_acquire().is_ok());
        drop(second);
        assert!(flood[2].decoding.try_acquire().is_ok());
    }
}
