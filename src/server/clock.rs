//! The clock of the shell. The engine counts event time and never reads one.

use std::{
    fmt,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use chrono::{DateTime, SecondsFormat, Utc};

use crate::signal::TimestampMs;

/// Tells the time; tests hold it still.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> TimestampMs + Send + Sync>);

impl Clock {
    /// The clock of the machine.
    #[must_use]
    pub fn system() -> Self {
        Self(Arc::new(|| {
            let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            TimestampMs::try_from(since_epoch.as_millis()).unwrap_or(TimestampMs::MAX)
        }))
    }

    /// A clock that stands still.
    #[must_use]
    pub fn fixed(at: TimestampMs) -> Self {
        Self(Arc::new(move || at))
    }

    /// The time now.
    #[must_use]
    pub fn now(&self) -> TimestampMs {
        (self.0)()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Clock({})", rfc3339(self.now()))
    }
}

/// The time as `2026-01-01T00:00:00Z`, with milliseconds where there are any; empty outside the calendar.
#[must_use]
pub fn rfc3339(at: TimestampMs) -> String {
    let format = if at % 1000 == 0 { SecondsFormat::Secs } else { SecondsFormat::Millis };
    DateTime::<Utc>::from_timestamp_millis(at).map(|time| time.to_rfc3339_opts(format, true)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_in_utc() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00Z");
        assert_eq!(rfc3339(1_795_228_984_333), "2026-11-21T02:43:04.333Z");
        assert_eq!(rfc3339(TimestampMs::MAX), "");
    }
}
