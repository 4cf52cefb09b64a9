//! The templates of a tenant, as they are asked for.

use serde::Serialize;

use super::source::{Seen, Source};
use crate::{
    engine::{Shard, tenant::Tenant},
    logs::{
        TemplateId,
        family::{Family, told},
        parameters::Summary,
    },
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
    /// What stands at each `<*>`, in their order.
    pub parameters: Vec<Summary>,
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

/// A source of lines of any tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceRow {
    /// Whose.
    pub tenant: TenantId,
    /// Service, and namespace where there is one.
    pub source: Labels,
    /// Its templates, and how many there ever were: while both stay, so do the templates.
    pub size: (usize, usize),
}

impl TemplateList {
    /// What is asked for by these names: `service` and `namespace`.
    pub fn of<'a>(named: impl Fn(&str) -> Option<&'a str>) -> Self {
        let named = |name| named(name).map(str::to_owned);
        Self { service: named("service"), namespace: named("namespace") }
    }

    /// Whether a source with these labels is asked for.
    pub(super) fn is_of(&self, source: &Labels) -> bool {
        let is_asked = |wanted: &Option<String>, name| {
            wanted.as_deref().is_none_or(|wanted| wanted == source.get(name).unwrap_or_default())
        };
        is_asked(&self.service, "service") && is_asked(&self.namespace, "namespace")
    }
}

impl Shard {
    /// The sources of all tenants that belong to this shard, in no order.
    #[must_use]
    pub fn log_sources(&self) -> Vec<SourceRow> {
        let of = |(tenant, state): (&TenantId, &Tenant)| {
            let tenant = tenant.clone();
            let row = move |source: &Source| SourceRow {
                tenant: tenant.clone(),
                source: source.named(),
                size: source.catalogue.size(),
            };
            state.sources.slots.iter().map(row).collect::<Vec<_>>()
        };
        self.tenants.iter().flat_map(of).collect()
    }

    /// All ids that lines of a tenant's templates with these ids were given: before two templates turned out to be one, lines
    /// got the id of either.
    #[must_use]
    pub fn template_ids(&self, id: &TenantId, ids: &[TemplateId]) -> Vec<TemplateId> {
        let sources = self.tenants.get(id).into_iter().flat_map(|tenant| tenant.sources.slots.iter());
        sources.flat_map(|source| source.catalogue.ids_of(ids)).collect()
    }

    /// Templates of a tenant's sources that belong to this shard, in no order.
    #[must_use]
    pub fn templates(&self, id: &TenantId, asked: &TemplateList) -> Vec<TemplateRow> {
        let Some(tenant) = self.tenants.get(id) else { return Vec::new() };
        let sources = tenant.sources.slots.iter().filter(|source| asked.is_of(&source.labels));
        let rows = sources.flat_map(|source| {
            let named = source.named();
            source.catalogue.counts().filter(|(_, lines)| *lines > 0).map(move |(number, lines)| {
                let nothing = Seen::default();
                let seen = source.seen(number).unwrap_or(&nothing);
                TemplateRow {
                    id: source.catalogue.id(number).to_string(),
                    source: named.clone(),
                    text: source.catalogue.text(number),
                    lines,
                    first: seen.first,
                    last: seen.last,
                    severity: seen.severity,
                    example: seen.example.to_string(),
                    parameters: seen.parameters.summaries().collect(),
                }
            })
        });
        rows.collect()
    }
}
