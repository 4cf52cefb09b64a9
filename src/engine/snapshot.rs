//! The whole state as one value that can be written down, and put back on any number of shards.

use std::{
    borrow::Cow,
    collections::{BTreeMap, VecDeque},
    io,
};

use serde::{Deserialize, Serialize};

use super::{
    FamilyMetadata, Options, Router, Shard, Trainer,
    climate::Outlook,
    families::{Reservoir, TrainerState},
    findings::{Case, Subject},
    lessons::Lessons,
    state::{SeriesState, Workload, WorkloadState},
    tenant::Tenant,
};
use crate::series::resolve;
use crate::signal::{GroupKey, Identity, Kind, Labels, Maintenance, SeriesKey, TenantId, TimestampMs, WorkloadKey};

/// Everything the engine knows.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Snapshot {
    pub(super) trainer: TrainerState,
    router: Option<Router>,
    /// What each shard knew.
    parts: Vec<Vec<SavedTenant<'static>>>,
}

/// What one shard knows, encoded: a shard that goes on cannot lend it.
#[derive(Debug)]
pub struct Part(Vec<u8>);

/// A [`Snapshot`] as it is written down, put together from what the shards encoded each for itself.
#[derive(Debug)]
pub struct Image {
    head: Vec<u8>,
    missing: usize,
    parts: Vec<Part>,
}

#[derive(Debug, Serialize, Deserialize)]
struct SavedTenant<'a> {
    id: TenantId,
    newest: TimestampMs,
    metadata: Cow<'a, BTreeMap<String, FamilyMetadata>>,
    series: Vec<SavedSeries<'a>>,
    workloads: Vec<SavedWorkload<'a>>,
    reservoirs: Vec<(String, Cow<'a, Reservoir>)>,
    open: Vec<(Anchor, Cow<'a, Case>)>,
    closed: Cow<'a, VecDeque<Case>>,
    outlook: Cow<'a, Outlook>,
    lessons: Cow<'a, Lessons>,
    plans: Vec<Cow<'a, Maintenance>>,
}

#[derive(Debug, Serialize, Deserialize)]
struct SavedSeries<'a> {
    labels: Labels,
    state: Cow<'a, SeriesState>,
}

#[derive(Debug, Serialize, Deserialize)]
struct SavedWorkload<'a> {
    key: WorkloadKey,
    /// In the order of the row; `None` where the series is gone.
    members: Vec<Option<SeriesKey>>,
    state: Cow<'a, WorkloadState>,
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
    /// What the shard knows, for a snapshot.
    ///
    /// # Errors
    /// None in practice: memory is written to.
    pub fn save(&self) -> Result<Part, postcard::Error> {
        let mut tenants: Vec<SavedTenant<'_>> = self.tenants.values().map(save_tenant).collect();
        tenants.sort_by(|a, b| a.id.cmp(&b.id));
        postcard::to_stdvec(&tenants).map(Part)
    }
}

fn save_tenant<'a>(tenant: &'a Tenant) -> SavedTenant<'a> {
    let (cases, closed) = tenant.findings.parts();
    let anchored = |(subject, case)| {
        let anchor = match subject {
            Subject::Series(slot) => tenant.series.get(slot).map(|s| Anchor::Series(s.key)),
            Subject::Workload(place) => tenant.workloads.get(place).map(|w| Anchor::Workload(w.key)),
            Subject::Own(slot, kind) => tenant.series.get(slot).map(|s| Anchor::Own(s.key, kind)),
            Subject::Group(key) => Some(Anchor::Group(key)),
        };
        anchor.map(|anchor| (anchor, Cow::Borrowed(case)))
    };
    let key_of = |slot: &u32| tenant.series.get(*slot).map(|s| s.key);
    let workload = |workload: &'a Workload| {
        let members = workload.members.iter().map(key_of).collect();
        SavedWorkload { key: workload.key, members, state: Cow::Borrowed(&workload.state) }
    };
    let interner = &tenant.interner;
    let mut reservoirs: Vec<(String, Cow<'_, Reservoir>)> = tenant
        .reservoirs
        .iter()
        .map(|(metric, rows)| (interner.text(*metric).to_string(), Cow::Borrowed(rows)))
        .collect();
    reservoirs.sort_by(|a, b| a.0.cmp(&b.0));
    SavedTenant {
        id: tenant.id.clone(),
        newest: tenant.newest,
        metadata: Cow::Borrowed(&tenant.metadata),
        series: tenant
            .series
            .iter()
            .map(|s| SavedSeries { labels: resolve(interner, &s.labels), state: Cow::Borrowed(&s.state) })
            .collect(),
        workloads: tenant.workloads.iter().map(workload).collect(),
        reservoirs,
        open: cases.into_iter().filter_map(anchored).collect(),
        closed: Cow::Borrowed(closed),
        outlook: Cow::Borrowed(&tenant.outlook),
        lessons: Cow::Borrowed(&tenant.lessons),
        plans: tenant.plans.all().map(Cow::Borrowed).collect(),
    }
}

impl Image {
    /// An image of so many shards, whose parts are still missing.
    ///
    /// # Errors
    /// None in practice: memory is written to.
    pub fn begin(trainer: &Trainer, router: &Router, shards: usize) -> Result<Self, postcard::Error> {
        // As the fields of a snapshot follow each other; behind them, the parts.
        let head = postcard::to_stdvec(&(trainer.save(), Some(router), shards))?;
        Ok(Self { head, missing: shards, parts: Vec::new() })
    }

    /// Adds the part of the next shard.
    pub fn push(&mut self, part: Part) {
        self.missing = self.missing.saturating_sub(1);
        self.parts.push(part);
    }

    /// Whether all parts are there.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.missing == 0
    }

    /// Writes it down.
    ///
    /// # Errors
    /// As the writer says.
    pub fn write(&self, writer: &mut dyn io::Write) -> io::Result<()> {
        writer.write_all(&self.head)?;
        self.parts.iter().try_for_each(|part| writer.write_all(&part.0))
    }
}

impl Snapshot {
    /// What an image shows.
    ///
    /// # Errors
    /// A part of it is missing.
    pub fn of(image: &Image) -> Result<Self, postcard::Error> {
        let mut bytes = Vec::new();
        image.write(&mut bytes).map_err(|_| postcard::Error::SerializeBufferFull)?;
        postcard::from_bytes(&bytes)
    }

    /// Reads what an [`Image`] wrote, or the snapshot itself; `None` where it is neither.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        postcard::from_bytes(bytes).ok()
    }

    /// The same as an image.
    ///
    /// # Errors
    /// None in practice: memory is written to.
    pub fn image(&self) -> Result<Image, postcard::Error> {
        Ok(Image { head: postcard::to_stdvec(self)?, missing: 0, parts: Vec::new() })
    }

    fn tenants(&self) -> impl Iterator<Item = &SavedTenant<'static>> {
        self.parts.iter().flatten()
    }

    /// Number of series.
    #[must_use]
    pub fn series(&self) -> usize {
        self.tenants().map(|tenant| tenant.series.len()).sum()
    }

    /// The rows of every tenant and metric.
    pub(super) fn reservoirs(&self) -> impl Iterator<Item = &Reservoir> {
        self.tenants().flat_map(|tenant| tenant.reservoirs.iter().map(|(_, rows)| &**rows))
    }

    /// Spreads the state over the shards that `options` ask for.
    #[must_use]
    pub fn take_apart(self, options: &Options) -> (Vec<Shard>, Trainer, Router) {
        let count = options.shards.max(1);
        let trainer = Trainer::restore(options, self.trainer);
        let mut shards: Vec<Shard> = (0..count).map(|number| Shard::new(number, options.clone())).collect();
        for saved in self.parts.into_iter().flatten() {
            restore_tenant(&mut shards, saved, options);
        }
        let models = trainer.next_turn().models;
        for shard in &mut shards {
            shard.tenants.values_mut().for_each(|tenant| tenant.install(&models));
            shard.set_models(models.clone());
        }
        let router = self.router.unwrap_or_else(|| Router::new(count)).with_shards(count);
        shards.iter_mut().for_each(|shard| shard.ceiling = router.ceiling());
        (shards, trainer, router)
    }
}

fn restore_tenant(shards: &mut [Shard], saved: SavedTenant<'_>, options: &Options) {
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
        tenant.adopt(identity, labels, series.state.into_owned(), options);
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
            Anchor::Series(key) => tenant.slot_of(key).map(Subject::Series),
            Anchor::Workload(key) => tenant.by_workload.get(&key).map(|place| Subject::Workload(*place)),
            Anchor::Own(key, kind) => tenant.slot_of(key).map(|slot| Subject::Own(slot, kind)),
            Anchor::Group(key) => Some(Subject::Group(key)),
        };
        if let Some(subject) = subject {
            tenant.findings.restore_open(subject, case.into_owned());
        }
    }
    for shard in shards.iter_mut() {
        let tenant = shard.tenant_mut(&saved.id);
        tenant.metadata.extend(saved.metadata.iter().map(|(name, metadata)| (name.clone(), metadata.clone())));
        // Plans are kept here too and cover the series that were just put back. Those of the configuration are there already,
        // as it is now.
        let own = saved.plans.iter().filter(|work| !work.id.starts_with(Maintenance::CONFIGURED));
        own.for_each(|work| tenant.plan(work.clone().into_owned()));
        tenant.lessons.merge(saved.lessons.clone().into_owned());
        let tidings = std::mem::take(&mut tenant.outlook.tidings);
        if saved.newest >= tenant.newest {
            tenant.outlook = saved.outlook.clone().into_owned();
        }
        tenant.outlook.tidings = tidings;
        tenant.newest = tenant.newest.max(saved.newest);
    }
    // Rows and closed findings belong to no series: any shard may keep them.
    let first = shards[0].tenant_mut(&saved.id);
    first.outlook.tidings.merge(saved.outlook.into_owned().tidings);
    for (metric, reservoir) in saved.reservoirs {
        let metric = first.interner.intern(&metric);
        first.reservoirs.entry(metric).or_default().merge(&reservoir);
    }
    saved.closed.into_owned().into_iter().for_each(|case| first.findings.restore_closed(case));
}

impl Tenant {
    fn adopt_workload(&mut self, saved: SavedWorkload<'_>) {
        let Some(place) = self.by_workload.get(&saved.key) else { return };
        let Some(workload) = self.workloads.get_mut(*place) else { return };
        workload.state = saved.state.into_owned();
        workload.members.clear();
        for (member, key) in saved.members.into_iter().enumerate() {
            let slot = key.and_then(|key| self.keys.get(key, &self.series));
            if let Some(series) = slot.and_then(|slot| self.series.get_mut(slot)) {
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
