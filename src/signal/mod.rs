//! The words every stage shares: tenant, labels, identity, sample, finding, time.
//!
//! Nothing here decides anything; a stage that needs behaviour beyond these words keeps it to itself.

mod finding;
mod identity;
mod labels;
mod log;
mod matcher;
mod policy;
mod sample;
mod tenant;

pub use finding::{Companion, Companions, Driver, Finding, FindingScope, FindingStatus, Kind, Siblings};
pub use identity::{GroupKey, Identity, IdentityBuilder, SeriesKey, WorkloadKey};
pub use labels::{Labels, METRIC_NAME};
pub use log::{LogBatch, LogLine, LogRecord, Place, Severity, StreamRef, TimestampNs};
pub use matcher::{Condition, Matcher};
pub use policy::{Command, Direction, Feedback, Maintenance, Rule, selects};
pub use sample::{MetricKind, STALE_NAN_BITS, Sample, TimestampMs, is_stale, stale_nan};
pub use tenant::{InvalidTenant, TenantId};
