//! The words every stage shares: tenant, labels, identity, sample, finding, time.
//!
//! Nothing here decides anything; a stage that needs behaviour beyond these words keeps it to itself.

mod finding;
mod identity;
mod labels;
mod matcher;
mod sample;
mod tenant;

pub use finding::{Driver, Finding, FindingKind, FindingStatus};
pub use identity::{Identity, IdentityBuilder, SeriesKey, WorkloadKey};
pub use labels::{Labels, METRIC_NAME};
pub use matcher::{Condition, Matcher};
pub use sample::{MetricKind, STALE_NAN_BITS, Sample, TimestampMs, is_stale, stale_nan};
pub use tenant::{InvalidTenant, TenantId};
