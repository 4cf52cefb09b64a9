//! What is asked for.

use super::{LineFilter, Phrase};
use crate::signal::{Matcher, Severity, TenantId, TimestampNs};

/// Which lines. All conditions must hold.
#[derive(Clone, Debug)]
pub struct Query {
    /// Whose.
    pub tenant: TenantId,
    /// Not before this event time.
    pub from: TimestampNs,
    /// Before this one.
    pub to: TimestampNs,
    /// On the labels of the stream.
    pub matchers: Vec<Matcher>,
    /// On the text.
    pub lines: Vec<LineFilter>,
    /// Words of the text.
    pub phrases: Vec<Phrase>,
    /// One of these templates.
    pub templates: Option<Vec<u64>>,
    /// One of these severities; `None` is that of lines without one.
    pub severities: Option<Vec<Option<Severity>>>,
    /// This trace, in hexadecimal of any case.
    pub trace_id: Option<String>,
    /// On attributes, by their names as labels; where a line has no such attribute, on the label of its stream.
    pub fields: Vec<Matcher>,
    /// Most lines whose text is read; sixteen entries of the index count as one. An answer for which it was not enough
    /// says so.
    pub budget: u64,
}

impl Query {
    /// Enough for about a second.
    pub const BUDGET: u64 = 1_000_000;

    /// All lines of a stretch of time.
    #[must_use]
    pub fn all(tenant: TenantId, from: TimestampNs, to: TimestampNs) -> Self {
        Self {
            tenant,
            from,
            to,
            matchers: Vec::new(),
            lines: Vec::new(),
            phrases: Vec::new(),
            templates: None,
            severities: None,
            trace_id: None,
            fields: Vec::new(),
            budget: Self::BUDGET,
        }
    }
}

/// Which lines come first, when there are more than wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// The newest.
    #[default]
    Newest,
    /// The oldest.
    Oldest,
}
