//! What a query asks for.

use crate::{
    search::{Count, Grouping, LineFilter, Query},
    signal::{Matcher, Severity, TenantId, TimestampNs},
};

/// A query.
#[derive(Clone, Debug)]
pub enum Expr {
    /// Lines.
    Logs(Logs),
    /// Numbers.
    Metric(Metric),
    /// The same number always, as a vector of one; what Grafana asks to see whether a data source lives.
    Vector(f64),
    /// The same number always.
    Scalar(f64),
}

/// Which lines, at any time.
#[derive(Clone, Debug, Default)]
pub struct Logs {
    /// On the labels of the stream.
    pub matchers: Vec<Matcher>,
    /// On the text.
    pub lines: Vec<LineFilter>,
    /// Severities; `None` is that of lines without one.
    pub severities: Option<Vec<Option<Severity>>>,
    /// Templates.
    pub templates: Option<Vec<u64>>,
    /// A trace.
    pub trace_id: Option<String>,
    /// On attributes and labels.
    pub fields: Vec<Matcher>,
    /// Labels that the answer is to be without.
    pub drop: Vec<String>,
}

/// Numbers made of lines.
#[derive(Clone, Debug)]
pub struct Metric {
    /// Of which lines.
    pub logs: Logs,
    /// What is made of them.
    pub function: Function,
    /// Over how long, in ns.
    pub range: i64,
    /// Which are counted together.
    pub grouping: Grouping,
    /// Which series are left at each time.
    pub top: Option<Top>,
}

/// What is made of lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Function {
    /// What is counted.
    pub count: Count,
    /// Whether per second.
    pub is_rate: bool,
}

/// The largest or the smallest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Top {
    /// How many.
    pub k: usize,
    /// Whether the smallest.
    pub is_bottom: bool,
}

impl Logs {
    /// The question to the index.
    #[must_use]
    pub fn query(&self, tenant: &TenantId, from: TimestampNs, to: TimestampNs) -> Query {
        Query {
            matchers: self.matchers.clone(),
            lines: self.lines.clone(),
            severities: self.severities.clone(),
            templates: self.templates.clone(),
            trace_id: self.trace_id.clone(),
            fields: self.fields.clone(),
            ..Query::all(tenant.clone(), from, to)
        }
    }
}
