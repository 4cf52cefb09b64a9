//! How far tenants and memory are from their limits, made anew at each scrape.

use std::{
    cmp::Reverse,
    collections::BTreeMap,
    sync::atomic::{AtomicU64, Ordering},
};

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::{Registry, Unit},
};

use super::app::App;
use crate::{engine::ShardStats, signal::TenantId};

/// Tenants that are named, those with the largest figure: names are for senders to choose, and there may be any number.
const NAMED: usize = 20;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Tenant {
    tenant: String,
}

impl From<TenantId> for Tenant {
    fn from(id: TenantId) -> Self {
        Self { tenant: id.as_str().to_owned() }
    }
}

type Number = Gauge<u64, AtomicU64>;

/// What a scrape shows.
pub(super) fn registry(app: &App, stats: &[ShardStats]) -> Registry {
    let mut registry = Registry::with_prefix("vigie");
    let series = Family::<Tenant, Number>::default();
    let refused = Family::<Tenant, Counter>::default();
    let mut by_tenant = BTreeMap::<TenantId, u64>::new();
    for (tenant, count) in stats.iter().flat_map(|shard| &shard.series) {
        *by_tenant.entry(tenant.clone()).or_default() += *count as u64;
    }
    for (tenant, count) in largest(by_tenant.into_iter().collect()) {
        series.get_or_create(&tenant.into()).set(count);
    }
    for (tenant, count) in largest(app.refusals().totals()) {
        refused.get_or_create(&tenant.into()).inc_by(count);
    }
    registry.register("tenant_series", "Series of the twenty tenants that have most", series);
    let limit = number(app.config().series.max_per_tenant as u64);
    registry.register("tenant_series_limit", "How many a tenant may have", limit);
    let help = "Samples refused because a limit left no room for their series, of the twenty tenants with most of them";
    registry.register("tenant_refused_samples", help, refused);
    let memory = app.memory();
    let help = "Memory that vigie keeps within; 0 without a limit";
    registry.register_with_unit("memory_limit", help, Unit::Bytes, number(memory.limit));
    let resident = number(memory.resident.load(Ordering::Relaxed));
    registry.register_with_unit("memory_resident", "Resident memory when it was last looked at", Unit::Bytes, resident);
    let help = "0, or 1 while memory is short and new series are refused beyond a fair share, or 2 while all are";
    registry.register("memory_pressure", help, number(memory.pressure.load(Ordering::Relaxed)));
    of_topics(&mut registry, app);
    registry
}

fn of_topics(registry: &mut Registry, app: &App) {
    let (topics, took) = app.topics().figures();
    registry.register("log_topics", "Topics of the log lines of all tenants", number(topics as u64));
    let seconds = Gauge::<f64, AtomicU64>::default();
    seconds.set(took.as_secs_f64());
    let help = "What finding the topics of a source took last; 0 before the first";
    registry.register_with_unit("log_topics_refresh", help, Unit::Seconds, seconds);
}

fn number(value: u64) -> Number {
    let gauge = Number::default();
    gauge.set(value);
    gauge
}

fn largest(mut counts: Vec<(TenantId, u64)>) -> Vec<(TenantId, u64)> {
    counts.sort_by(|a, b| (Reverse(a.1), &a.0).cmp(&(Reverse(b.1), &b.0)));
    counts.truncate(NAMED);
    counts
}
