//! How long lines are kept.

use std::time::Duration;

use super::{Day, SearchError, Writer};
use crate::signal::{TenantId, TimestampMs};

/// What is kept; whatever of the two is reached first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Days that ended longer ago are removed.
    pub max_age: Duration,
    /// When all tenants' days are larger together, in bytes, the oldest are removed.
    pub max_bytes: u64,
}

/// A day of a tenant, and the disk that it takes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DaySize {
    /// Which.
    pub day: Day,
    /// Whose.
    pub tenant: TenantId,
    /// Bytes of its committed segments.
    pub bytes: u64,
    /// Its lines.
    pub lines: u64,
}

impl Writer {
    /// All days, oldest first.
    #[must_use]
    pub fn sizes(&self) -> Vec<DaySize> {
        let mut days = self.catalog.days(|tenant, day, segments| DaySize {
            day,
            tenant: tenant.clone(),
            bytes: segments.iter().map(|segment| segment.facts.bytes).sum(),
            lines: segments.iter().map(|segment| segment.facts.documents).sum(),
        });
        days.sort();
        days
    }

    /// Removes the days that are no longer kept, oldest first over all tenants, and returns them. Who searches one of them
    /// at the moment still can; its disk is free afterwards.
    ///
    /// # Errors
    /// The disk.
    pub fn retain(&mut self, now: TimestampMs, retention: &Retention) -> Result<Vec<DaySize>, SearchError> {
        let max_age = i64::try_from(retention.max_age.as_millis()).unwrap_or(i64::MAX);
        let oldest = now.saturating_sub(max_age);
        let days = self.sizes();
        let mut bytes: u64 = days.iter().map(|day| day.bytes).sum();
        let mut removed = Vec::new();
        for day in days {
            if day.day.end_ms() > oldest && bytes <= retention.max_bytes {
                break;
            }
            self.forget(&day.tenant, day.day)?;
            self.catalog.remove(&day.tenant, day.day);
            bytes -= day.bytes;
            removed.push(day);
        }
        if !removed.is_empty() {
            self.prune()?;
        }
        Ok(removed)
    }
}
