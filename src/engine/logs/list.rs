//! The templates of a tenant, as they are asked for.

use serde::Serialize;

use crate::{
    engine::Shard,
    logs::family::{Family, told},
    signal::{Labels, Severity, TenantId, TimestampMs},
};

/// A template of a source.
#[derive(Clone, Debug, Serialize)]
pub struct TemplateRow {
    /// What it is known by, 16 hexadecimal digits.
    pub id: String,
    /// Service, and namespace where there is one.
    pub source: Labels,
    /// Its text, `<*>` where lines differ.
    pub text: String,
    /// Lines since the source is known, exact.
    pub lines: u64,
    /// Event time of the first line, and of the newest.
    pub first: TimestampMs,
    /// See `first`.
    pub last: TimestampMs,
    /// Severity of the first line, if it has one.
    pub severity: Option<Severity>,
    /// The first line, perhaps cut off.
    pub example: String,
}

impl TemplateRow {
    /// The family of the error that its lines tell of, if they do. Read from its text, some ten microseconds a time.
    #[must_use]
    pub fn family(&self) -> Option<Family> {
        told(self.severity, &self.text)
    }
}

/// What is asked for.
#[derive(Clone, Debug, Default)]
pub struct TemplateList {
    /// Only of this service.
    pub service: Option<String>,
    /// Only of this namespace.
    pub namespace: Option<String>,
}

impl Shard {
    /// Templates of a tenant's sources that belong to this shard, in no order.
    #[must_use]
    pub fn templates(&self, id: &TenantId, asked: &TemplateList) -> Vec<TemplateRow> {
        let Some(tenant) = self.tenants.get(id) else { return Vec::new() };
        let is_asked = |wanted: &Option<String>, label: Option<&str>| {
            wanted.as_deref().is_none_or(|wanted| wanted == label.unwrap_or_default())
        };
        let sources = tenant.sources.slots.iter().filter(|source| {
            is_asked(&asked.service, source.labels.get("service"))
                && is_asked(&asked.namespace, source.labels.get("namespace"))
        });
        let rows = sources.flat_map(|source| {
            let named = source.labels.filtered(|name| name != "job");
            source.catalogue.counts().filter(|(_, lines)| *lines > 0).map(move |(number, lines)| {
                let seen = source.seen(number).cloned().unwrap_or_default();
                TemplateRow {
                    id: source.catalogue.id(number).to_string(),
                    source: named.clone(),
                    text: source.catalogue.text(number),
                    lines,
                    first: seen.first,
                    last: seen.last,
                    severity: seen.severity,
                    example: seen.example.into(),
                }
            })
        });
        rows.collect()
    }
}
