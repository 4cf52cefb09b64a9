//! How a snapshot becomes shards again.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use hashbrown::HashMap;

use super::{
    super::{
        Options, Router, Shard, Trainer,
        families::{Models, Reservoir},
        findings::Subject,
        logs::Source,
        tenant::Tenant,
    },
    Head,
    block::{Content, Decoded, SavedReservoir, SavedSeries, SavedTenant, SavedWorkload, Texts},
};
use crate::{
    series::{FileUse, Interner, Symbol, resolve},
    signal::{Identity, Maintenance, WorkloadKey},
};

/// What was read of a snapshot.
#[derive(Debug, Default)]
pub struct Restored {
    head: Head,
    /// By shard and tenant as they were numbered when it was saved.
    parts: BTreeMap<(u32, u32), Part>,
    /// Chunk files that the shards needed.
    chunks: Vec<(u32, Vec<(u64, FileUse)>)>,
}

/// What a shard knew of a tenant.
#[derive(Debug, Default)]
struct Part {
    tenant: Option<Box<SavedTenant<'static>>>,
    texts: Vec<Texts<'static>>,
    series: Vec<(u32, Box<SavedSeries<'static>>)>,
    workloads: Vec<(u32, Box<SavedWorkload<'static>>)>,
    reservoirs: Vec<(u32, SavedReservoir<'static>)>,
    sources: Vec<(u32, Box<Source>)>,
}

/// What one shard is to know.
#[derive(Debug)]
pub struct Share {
    number: usize,
    options: Options,
    models: Models,
    ceiling: Option<u64>,
    chunks: Vec<(u64, FileUse)>,
    portions: Vec<Portion>,
}

/// The share of a part: what belongs to the shard, beside what all of them know.
#[derive(Debug)]
struct Portion {
    tenant: Arc<SavedTenant<'static>>,
    texts: Arc<[Arc<str>]>,
    series: Vec<(u32, Box<SavedSeries<'static>>)>,
    workloads: Vec<(u32, Box<SavedWorkload<'static>>)>,
    reservoirs: Vec<SavedReservoir<'static>>,
    sources: Vec<Source>,
}

impl Restored {
    /// What begins like this.
    #[must_use]
    pub fn new(head: Head) -> Self {
        Self { head, parts: BTreeMap::new(), chunks: Vec::new() }
    }

    /// Adds a block; they come in any order.
    pub fn take(&mut self, block: Decoded) {
        let content = match block.content {
            Content::Forest(forest) => return self.head.trainer.forests.push(forest),
            Content::Chunks(files) => return self.chunks.push((block.shard, files)),
            content => content,
        };
        let part = self.parts.entry((block.shard, block.tenant)).or_default();
        match content {
            Content::Forest(_) | Content::Chunks(_) => {}
            Content::Tenant(tenant) => part.tenant = Some(tenant),
            Content::Texts(texts) => part.texts.push(texts),
            Content::Series(series) => part.series.extend(series),
            Content::Workloads(workloads) => part.workloads.extend(workloads),
            Content::Reservoirs(reservoirs) => part.reservoirs.extend(reservoirs),
            Content::Sources(sources) => part.sources.extend(sources),
        }
    }

    /// Numbers of the chunk files that are needed.
    #[must_use]
    pub fn chunk_files(&self) -> BTreeSet<u64> {
        self.chunks.iter().flat_map(|(_, files)| files).map(|(number, _)| *number).collect()
    }

    /// Number of series.
    #[must_use]
    pub fn series(&self) -> usize {
        self.parts.values().map(|part| part.series.len()).sum()
    }

    /// The rows of every tenant and metric, in the order of the metrics' names.
    pub(super) fn reservoirs(self) -> Vec<Reservoir> {
        let mut all = Vec::new();
        for (place, mut part) in self.parts {
            let texts = part.texts();
            let named =
                |saved: SavedReservoir<'_>| (place, text(&texts, saved.metric).to_owned(), saved.rows.into_owned());
            all.extend(part.reservoirs.into_iter().map(|(_, saved)| named(saved)));
        }
        all.sort_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
        all.into_iter().map(|(_, _, rows)| rows).collect()
    }

    /// Deals the state out to the shards that `options` ask for.
    #[must_use]
    pub fn deal(self, options: &Options) -> (Vec<Share>, Trainer, Router) {
        let count = options.shards.max(1);
        let trainer = Trainer::restore(options, self.head.trainer);
        let models = trainer.next_turn().models;
        let router = self.head.router.unwrap_or_else(|| Router::new(count)).with_shards(count);
        let ceiling = router.ceiling();
        let share = |number| {
            let (options, models) = (options.clone(), models.clone());
            Share { number, options, models, ceiling, chunks: Vec::new(), portions: Vec::new() }
        };
        let mut shares: Vec<Share> = (0..count).map(share).collect();
        for (shard, files) in self.chunks {
            shares[shard as usize % count].chunks.extend(files);
        }
        for part in self.parts.into_values() {
            part.deal(&mut shares);
        }
        (shares, trainer, router)
    }
}

impl Part {
    /// The strings by the places of their symbols.
    fn texts(&mut self) -> Arc<[Arc<str>]> {
        self.texts.sort_unstable_by_key(|texts| texts.first);
        std::mem::take(&mut self.texts).into_iter().flat_map(|texts| texts.texts.into_owned()).collect()
    }

    fn deal(mut self, shares: &mut [Share]) {
        let texts = self.texts();
        let Some(tenant) = self.tenant else { return };
        let tenant = Arc::new(*tenant);
        // In the order of slots, so that it makes no difference in which order they were written.
        self.series.sort_unstable_by_key(|(slot, _)| *slot);
        self.workloads.sort_unstable_by_key(|(slot, _)| *slot);
        self.reservoirs.sort_unstable_by_key(|(slot, _)| *slot);
        let portion = || Portion {
            tenant: tenant.clone(),
            texts: texts.clone(),
            series: Vec::new(),
            workloads: Vec::new(),
            reservoirs: Vec::new(),
            sources: Vec::new(),
        };
        self.sources.sort_unstable_by_key(|(slot, _)| *slot);
        let mut portions: Vec<Portion> = shares.iter().map(|_| portion()).collect();
        let home = |key: WorkloadKey| (key.0 % shares.len() as u64) as usize;
        let homes: HashMap<u32, usize> = self.workloads.iter().map(|(slot, saved)| (*slot, home(saved.key))).collect();
        for (slot, saved) in self.series {
            if let Some(home) = homes.get(&saved.workload) {
                portions[*home].series.push((slot, saved));
            }
        }
        for (slot, saved) in self.workloads {
            portions[home(saved.key)].workloads.push((slot, saved));
        }
        for (_, source) in self.sources {
            portions[home(source.workload())].sources.push(*source);
        }
        // Rows belong to no series: any shard may keep them.
        portions[0].reservoirs = self.reservoirs.into_iter().map(|(_, saved)| saved).collect();
        shares.iter_mut().zip(portions).for_each(|(share, portion)| share.portions.push(portion));
    }
}

impl Share {
    /// The shard that knows it.
    #[must_use]
    pub fn adopt(self) -> Shard {
        let mut shard = Shard::new(self.number, self.options);
        shard.set_models(self.models);
        shard.ceiling = self.ceiling;
        self.chunks.into_iter().for_each(|(number, of)| shard.archive.adopt(number, of));
        let options = shard.options.clone();
        for portion in self.portions {
            let is_first = self.number == 0;
            let tenant = shard.tenant_mut(&portion.tenant.id);
            portion.adopt(tenant, &options, is_first);
        }
        shard
    }
}

impl Portion {
    fn adopt(self, tenant: &mut Tenant, options: &Options, is_first: bool) {
        let Self { tenant: saved, texts, series, workloads, reservoirs, sources } = self;
        for source in sources {
            tenant.sources.adopt(source);
        }
        let mut symbols = Symbols { known: vec![None; texts.len()], texts: &texts };
        let mut slots = HashMap::with_capacity(series.len());
        for (slot, saved) in series {
            let SavedSeries { mut labels, state, .. } = *saved;
            for (name, value) in &mut labels {
                *name = symbols.here(*name, &mut tenant.interner);
                *value = symbols.here(*value, &mut tenant.interner);
            }
            let labels = tenant.interner.label_set(&labels);
            let texts = resolve(&tenant.interner, &labels);
            slots.insert(slot, tenant.adopt(Identity::of(&texts), labels, &texts, state.into_owned(), options));
        }
        let mut places = HashMap::with_capacity(workloads.len());
        for (place, saved) in workloads {
            places.extend(tenant.adopt_workload(*saved, &slots).map(|here| (place, here)));
        }
        for (subject, case) in &saved.open {
            let subject = match subject {
                Subject::Series(slot) => slots.get(slot).copied().map(Subject::Series),
                Subject::Own(slot, kind) => slots.get(slot).map(|slot| Subject::Own(*slot, *kind)),
                Subject::Workload(place) => places.get(place).copied().map(Subject::Workload),
                Subject::Group(key) => is_first.then_some(Subject::Group(*key)),
            };
            if let Some(subject) = subject {
                tenant.findings.restore_open(subject, case.clone().into_owned());
            }
        }
        tenant.adopt_common(&saved);
        if is_first {
            tenant.outlook.tidings.merge(saved.outlook.tidings.clone());
            saved.closed.iter().for_each(|case| tenant.findings.restore_closed(case.clone()));
            for SavedReservoir { metric, rows } in reservoirs {
                let metric = symbols.here(metric, &mut tenant.interner);
                tenant.reservoirs.offer_to(metric, |known| known.merge(&rows));
            }
        }
    }
}

impl Tenant {
    /// Takes what every shard knows of a tenant.
    fn adopt_common(&mut self, saved: &SavedTenant<'_>) {
        self.metadata.extend(saved.metadata.iter().map(|(name, metadata)| (name.clone(), metadata.clone())));
        // Plans are kept here too and cover the series that were just put back. Those of the configuration are there
        // already, as it is now.
        let own = saved.plans.iter().filter(|work| !work.id.starts_with(Maintenance::CONFIGURED));
        own.for_each(|work| self.plan(work.clone().into_owned()));
        self.sources.clock.merge(saved.logs);
        self.lessons.merge(saved.lessons.clone().into_owned());
        let tidings = std::mem::take(&mut self.outlook.tidings);
        if saved.newest >= self.newest {
            self.outlook = saved.outlook.clone().into_owned();
        }
        self.outlook.tidings = tidings;
        self.newest = self.newest.max(saved.newest);
    }

    /// Puts back what was learnt of a workload whose series are there; gives its slot.
    fn adopt_workload(&mut self, saved: SavedWorkload<'_>, slots: &HashMap<u32, u32>) -> Option<u32> {
        let place = *self.by_workload.get(&saved.key)?;
        let workload = self.workloads.get_mut(place)?;
        workload.state = saved.state.into_owned();
        workload.members.clear();
        for (member, slot) in saved.members.iter().enumerate() {
            let slot = slots.get(slot).copied().unwrap_or(u32::MAX);
            if let Some(series) = self.series.get_mut(slot) {
                series.member = Some(member as u16);
            }
            workload.members.push(slot);
        }
        // A row and a detector that do not fit the members would be misread: start anew instead.
        let fits = |n: usize| n == workload.members.len();
        if !fits(workload.state.row.len())
            || workload.state.detector.as_ref().is_some_and(|detector| !fits(detector.metrics()))
        {
            workload.state.row = vec![f64::NAN; workload.members.len()];
            workload.state.detector = None;
        }
        Some(place)
    }
}

/// Symbols as they were, and as they are here: strings that no series has any more are left behind.
struct Symbols<'a> {
    known: Vec<Option<Symbol>>,
    texts: &'a [Arc<str>],
}

impl Symbols<'_> {
    fn here(&mut self, was: Symbol, interner: &mut Interner) -> Symbol {
        let known = self.known.get(was.place()).copied().flatten();
        known.unwrap_or_else(|| {
            let symbol = interner.intern(text(self.texts, was));
            if let Some(known) = self.known.get_mut(was.place()) {
                *known = Some(symbol);
            }
            symbol
        })
    }
}

/// Empty for a symbol of which there is no string.
fn text(texts: &[Arc<str>], symbol: Symbol) -> &str {
    texts.get(symbol.place()).map_or("", |text| text)
}
