//! Which segments there are, shared between the writer and all who search.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
    str::FromStr,
    sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, Weak},
};

use chrono::{DateTime, NaiveDate};
use serde::Serialize;

use super::{
    SearchError,
    segment::{Reader, Segment},
};
use crate::signal::{TenantId, TimestampMs, TimestampNs};

/// Most segments that are open at one time, over all tenants.
const MOST_OPEN: usize = 256;

/// A day, UTC: its number since the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(i64);

impl Day {
    const MS: i64 = 86_400_000;

    pub(super) fn of_ms(at: TimestampMs) -> Self {
        Self(at.div_euclid(Self::MS))
    }

    /// Days from `self` to `other`.
    pub(super) fn until(self, other: Self) -> i64 {
        other.0.saturating_sub(self.0)
    }

    /// The first millisecond after it.
    pub(super) fn end_ms(self) -> TimestampMs {
        self.0.saturating_add(1).saturating_mul(Self::MS)
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        let date = NaiveDate::from_str(text).ok()?;
        let day = Self(date.and_time(chrono::NaiveTime::MIN).and_utc().timestamp_millis().div_euclid(Self::MS));
        (day.to_string() == text).then_some(day)
    }
}

impl fmt::Display for Day {
    /// `YYYY-MM-DD`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match DateTime::from_timestamp_millis(self.0.saturating_mul(Self::MS)) {
            Some(at) => write!(f, "{}", at.date_naive()),
            None => write!(f, "day {}", self.0),
        }
    }
}

impl Serialize for Day {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Segments of a day, in order of their flushes.
type Segments = Vec<Arc<Segment>>;
type Tenants = BTreeMap<TenantId, BTreeMap<Day, Segments>>;

/// All committed segments.
#[derive(Debug, Default)]
pub(super) struct Catalog {
    tenants: RwLock<Tenants>,
    /// Those that are open, in the order in which they were opened.
    open: Mutex<VecDeque<Weak<Segment>>>,
}

impl Catalog {
    fn read(&self) -> RwLockReadGuard<'_, Tenants> {
        self.tenants.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Tenants> {
        self.tenants.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds segments after those of their day that are there.
    pub(super) fn add(&self, segments: impl IntoIterator<Item = (TenantId, Day, Segment)>) {
        let mut tenants = self.write();
        for (tenant, day, segment) in segments {
            tenants.entry(tenant).or_default().entry(day).or_default().push(Arc::new(segment));
        }
    }

    /// Puts these segments in the place of all.
    pub(super) fn reset(&self, segments: Vec<(TenantId, Day, Segment)>) {
        self.write().clear();
        self.add(segments);
    }

    /// Puts a segment in the place of those it was merged from; when they are gone in the meantime, it goes too.
    pub(super) fn replace(&self, tenant: &TenantId, day: Day, inputs: &[Arc<Segment>], output: Segment) {
        let mut tenants = self.write();
        let place = tenants.get_mut(tenant).and_then(|days| days.get_mut(&day)).and_then(|segments| {
            let first =
                segments.iter().position(|segment| inputs.first().is_some_and(|input| Arc::ptr_eq(segment, input)));
            first.map(|first| (segments, first))
        });
        match place {
            Some((segments, first)) => {
                let replaced = segments.splice(first..first + inputs.len(), [Arc::new(output)]);
                replaced.for_each(|segment| segment.doom());
            }
            None => output.doom(),
        }
    }

    /// Takes a day out and removes it from disk.
    pub(super) fn remove(&self, tenant: &TenantId, day: Day) {
        let mut tenants = self.write();
        let Some(days) = tenants.get_mut(tenant) else { return };
        days.remove(&day).into_iter().flatten().for_each(|segment| segment.doom());
        if days.is_empty() {
            tenants.remove(tenant);
        }
    }

    /// The segments of one day.
    pub(super) fn day(&self, tenant: &TenantId, day: Day) -> Segments {
        self.read().get(tenant).and_then(|days| days.get(&day)).cloned().unwrap_or_default()
    }

    /// All days, with what `of` says of their segments.
    pub(super) fn days<T>(&self, of: impl Fn(&TenantId, Day, &[Arc<Segment>]) -> T) -> Vec<T> {
        let tenants = self.read();
        let days = tenants.iter().flat_map(|(tenant, days)| days.iter().map(move |(day, list)| (tenant, *day, list)));
        days.map(|(tenant, day, list)| of(tenant, day, list)).collect()
    }

    /// The segments of a tenant that have lines from `from` until before `to`. Event times may be far from the day under
    /// which they are kept, so all days are looked through.
    pub(super) fn between(&self, tenant: &TenantId, from: TimestampNs, to: TimestampNs) -> Segments {
        let tenants = self.read();
        let all = tenants.get(tenant).into_iter().flat_map(|days| days.values().flatten());
        all.filter(|segment| segment.facts.from < to && segment.facts.to >= from).cloned().collect()
    }

    /// Opens a segment, and closes the one that has been open longest when there are too many.
    pub(super) fn open(&self, segment: &Arc<Segment>) -> Result<Arc<Reader>, SearchError> {
        let (reader, is_new) = segment.reader()?;
        if is_new {
            let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
            open.push_back(Arc::downgrade(segment));
            if open.len() > MOST_OPEN {
                open.retain(|segment| segment.strong_count() > 0);
            }
            if open.len() > MOST_OPEN
                && let Some(oldest) = open.pop_front().and_then(|oldest| oldest.upgrade())
            {
                oldest.close();
            }
        }
        Ok(reader)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_written_as_dates() {
        let day = Day::of_ms(1_700_000_000_000);
        assert_eq!(day.to_string(), "2023-11-14");
        assert_eq!(Day::parse("2023-11-14"), Some(day));
        assert_eq!(Day::of_ms(-1).to_string(), "1969-12-31");
        assert_eq!(Day::of_ms(day.end_ms()).to_string(), "2023-11-15");
        for bad in ["", "2023-11", "2023-2-3", "2023-02-30", "x", "+2023-11-14"] {
            assert_eq!(Day::parse(bad), None, "{bad}");
        }
    }
}
