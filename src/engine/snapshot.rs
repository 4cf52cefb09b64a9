//! The whole state as one value that can be written down, and put back on any number of shards.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use super::{
    FamilyMetadata, Options, Router, Shard, Trainer,
    climate::Outlook,
    families::{Reservoir, TrainerState},
    findings::{Case, Subject},
    lessons::Lessons,
    state::{SeriesState, WorkloadState},
    tenant::Tenant,
};
use crate::signal::{GroupKey, Identity, Kind, Labels, Maintenance, SeriesKey, TenantId, TimestampMs, WorkloadKey};

/// Everything the engine knows.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Snapshot {
    tenants: Vec<SavedTenant>,
    pub(super) trainer: TrainerState,
    router: Option<Router>,
}

/// What one shard knows.
#[derive(Debug)]
pub struct Part(Vec<SavedTenant>);

#[derive(Debug, Serialize, Deserialize)]
struct SavedTenant {
    id: TenantId,
    newest: TimestampMs,
    metadata: BTreeMap<String, FamilyMetadata>,
    series: Vec<SavedSeries>,
    workloads: Vec<SavedWorkload>,
    reservoirs: Vec<(String, Reservoir)>,
    open: Vec<(Anchor, Case)>,
    closed: VecDeque<Case>,
    outlook: Outlook,
    lessons: Lessons,
    plans: Vec<Maintenance>,
}

#[derive(Debug, Serialize, Deserialize)]
struct SavedSeries {
    labels: Labels,
    state: SeriesState,
}

#[derive(Debug, Serialize, Deserialize)]
struct SavedWorkload {
    key: WorkloadKey,
    /// In the order of the row; `None` where the series is gone.
    members: Vec<Option<SeriesKey>>,
    state: WorkloadState,
}

/// What a finding is about, independent of slots.
#[derive(Debug, Serialize, Deserialize)]
enum Anchor {
    Series(SeriesKey),
    Workload(WorkloadKey),
    Own(SeriesKey, Kind),
    Group(GroupKey),
}

impl Shard {
    /// Takes the shard apart for a snapshot.
    #[must_use]
    pub fn save(self) -> Part {
        Part(self.tenants.into_values().map(save_tenant).collect())
    }
}

fn save_tenant(tenant: Tenant) -> SavedTenant {
    let (cases, closed) = tenant.findings.take_apart();
    let mut open = Vec::new();
    for (subject, case) in cases {
        let anchor = match subject {
            Subject::Series(slot) => tenant.series[slot as usize].as_deref().map(|s| Anchor::Series(s.key)),
            Subject::Workload(place) => tenant.workloads[place as usize].as_deref().map(|w| Anchor::Workload(w.key)),
            Subject::Own(slot, kind) => tenant.series[slot as usize].as_deref().map(|s| Anchor::Own(s.key, kind)),
            Subject::Group(key) => Some(Anchor::Group(key)),
        };
        open.extend(anchor.map(|anchor| (anchor, case)));
    }
    let key_of = |slot: &u32| tenant.series.get(*slot as usize).and_then(|s| s.as_deref()).map(|s| s.key);
    let members: Vec<Vec<Option<SeriesKey>>> =
        tenant.workloads.iter().flatten().map(|w| w.members.iter().map(key_of).collect()).collect();
    let workloads = tenant.workloads.into_iter().flatten().zip(members);
    let workloads = workloads.map(|(w, members)| SavedWorkload { key: w.key, members, state: w.state }).collect();
    let interner = &tenant.interner;
    let series = tenant.series.into_iter().flatten();
    let mut reservoirs: Vec<(String, Reservoir)> =
        tenant.reservoirs.into_iter().map(|(metric, rows)| (interner.text(metric).to_string(), rows)).collect();
    reservoirs.sort_by(|a, b| a.0.cmp(&b.0));
    SavedTenant {
        newest: tenant.newest,
        metadata: tenant.metadata,
        series: series
            .map(|s| SavedSeries { labels: crate::series::resolve(interner, &s.labels), state: s.state })
            .collect(),
        workloads,
        reservoirs,
        open,
        closed,
        plans: tenant.plans.all().cloned().collect(),
        outlook: tenant.outlook,
        lessons: tenant.lessons,
        id: tenant.id,
    }
}

impl Snapshot {
    /// Puts the parts of all shards together.
    #[must_use]
    pub fn assemble(parts: Vec<Part>, trainer: &Trainer, router: &Router) -> Self {
        let tenants = parts.into_iter().flat_map(|part| part.0).collect();
        Self { tenants, trainer: trainer.save(), router: Some(router.clone()) }
    }

    /// Number of series.
    #[must_use]
    pub fn series(&self) -> usize {
        self.tenants.iter().map(|tenant| tenant.series.len()).sum()
    }

    /// The rows of every tenant and metric.
    pub(super) fn reservoirs(&self) -> impl Iterator<Item = &Reservoir> {
        self.tenants.iter().flat_map(|tenant| tenant.reservoirs.iter().map(|(_, rows)| rows))
    }

    /// Spreads the state over the shards that `options` ask for.
    #[must_use]
    pub fn take_apart(self, options: &Options) -> (Vec<Shard>, Trainer, Router) {
        let count = options.shards.max(1);
        let trainer = Trainer::restore(options, self.trainer);
        let mut shards: Vec<Shard> = (0..count).map(|number| Shard::new(number, options.clone())).collect();
        for saved in self.tenants {
            restore_tenant(&mut shards, saved, options);
        }
        let models = trainer.next_turn().models;
        for shard in &mut shards {
            shard.tenants.values_mut().for_each(|tenant| tenant.install(&models));
            shard.set_models(models.clone());
        }
        let router = self.router.unwrap_or_else(|| Router::new(count)).with_shards(count);
        (shards, trainer, router)
    }
}

fn restore_tenant(shards: &mut [Shard], saved: SavedTenant, options: &Options) {
    let count = shards.len() as u64;
    let home = |key: WorkloadKey| (key.0 % count) as usize;
    let mut home_of_series = hashbrown::HashMap::new();
    for series in saved.series {
        let identity = Identity::of(&series.labels);
        let shard = home(identity.workload);
        home_of_series.insert(identity.series, shard);
        let tenant = shards[shard].tenant_mut(&saved.id);
        let labels =
            series.labels.iter().map(|(n, v)| (tenant.interner.intern(n), tenant.interner.intern(v))).collect();
        tenant.adopt(identity, labels, series.state, options);
    }
    for workload in saved.workloads {
        shards[home(workload.key)].tenant_mut(&saved.id).adopt_workload(workload);
    }
    for (anchor, case) in saved.open {
        let shard = match anchor {
            Anchor::Series(key) | Anchor::Own(key, _) => home_of_series.get(&key).copied().unwrap_or(0),
            Anchor::Group(_) => 0,
            Anchor::Workload(key) => home(key),
        };
        let tenant = shards[shard].tenant_mut(&saved.id);
        let subject = match anchor {
            Anchor::Series(key) => tenant.by_key.get(&key).map(|slot| Subject::Series(*slot)),
            Anchor::Workload(key) => tenant.by_workload.get(&key).map(|place| Subject::Workload(*place)),
            Anchor::Own(key, kind) => tenant.by_key.get(&key).map(|slot| Subject::Own(*slot, kind)),
            Anchor::Group(key) => Some(Subject::Group(key)),
        };
        if let Some(subject) = subject {
            tenant.findings.restore_open(subject, case);
        }
    }
    for shard in shards.iter_mut() {
        let tenant = shard.tenant_mut(&saved.id);
        tenant.metadata.extend(saved.metadata.iter().map(|(name, metadata)| (name.clone(), metadata.clone())));
        // Plans are kept here too and cover the series that were just put back. Those of the configuration are there already,
        // as it is now.
        let own = saved.plans.iter().filter(|work| !work.id.starts_with(Maintenance::CONFIGURED));
        own.for_each(|work| tenant.plan(work.clone()));
        tenant.lessons.merge(saved.lessons.clone());
        let tidings = std::mem::take(&mut tenant.outlook.tidings);
        if saved.newest >= tenant.newest {
            tenant.outlook = saved.outlook.clone();
        }
        tenant.outlook.tidings = tidings;
        tenant.newest = tenant.newest.max(saved.newest);
    }
    // Rows and closed findings belong to no series: any shard may keep them.
    let first = shards[0].tenant_mut(&saved.id);
    first.outlook.tidings.merge(saved.outlook.tidings);
    for (metric, reservoir) in saved.reservoirs {
        let metric = first.interner.intern(&metric);
        first.reservoirs.entry(metric).or_default().merge(&reservoir);
    }
    saved.closed.into_iter().for_each(|case| first.findings.restore_closed(case));
}

impl Tenant {
    fn adopt_workload(&mut self, saved: SavedWorkload) {
        let Some(place) = self.by_workload.get(&saved.key) else { return };
        let Some(workload) = self.workloads[*place as usize].as_deref_mut() else { return };
        workload.state = saved.state;
        workload.members.clear();
        for (member, key) in saved.members.into_iter().enumerate() {
            let slot = key.and_then(|key| self.by_key.get(&key).copied());
            if let Some(series) = slot.and_then(|slot| self.series[slot as usize].as_deref_mut()) {
                series.member = Some(member as u16);
            }
            workload.members.push(slot.unwrap_or(u32::MAX));
        }
        // A row and a detector that do not fit the members would be misread: start anew instead.
        let fits = |n: usize| n == workload.members.len();
        if !fits(workload.state.row.len())
            || workload.state.detector.as_ref().is_some_and(|detector| !fits(detector.metrics()))
        {
            workload.state.row = vec![f64::NAN; workload.members.len()];
            workload.state.detector = None;
        }
    }
}
