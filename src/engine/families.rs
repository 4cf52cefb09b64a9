//! Isolation forests shared by all series of a metric.
//!
//! Rows are the rarities of a sample's features, taken where there is evidence to weigh. Each shard keeps, per metric, the
//! rows with the lowest priorities, and priorities are a function of series, time and seed alone: the union over shards
//! does not depend on how series were sharded. Forests are trained between *turns*, moments of event time that reach
//! every shard at the same place of the input, and are swapped whole at the next turn.

use std::{collections::BTreeMap, sync::Arc};

use hashbrown::HashMap;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::{
    Options,
    climate::{Climate, News, Tidings},
    models::{Model, ModelList, Origin, Record},
    slots::Slots,
};
use crate::{
    anomaly::{FEATURES, ForestParams},
    series::Symbol,
    signal::{SeriesKey, TenantId, TimestampMs},
};

/// Rows kept per metric.
const ROWS: usize = 512;
/// Fewest rows to train on.
const ROWS_MIN: usize = 64;
/// A forest is trained anew when its metric has seen twice the rows, or so many more.
const RETRAIN_AFTER: u64 = 20_000;
/// Half-life of a row's chance to stay, in ms.
const HALF_LIFE_MS: f64 = 3.0 * 86_400_000.0;
const TREES: usize = 64;

/// A row of the reservoir.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Row {
    priority: f64,
    rarity: [f32; FEATURES],
}

/// The rows of one metric.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Reservoir {
    /// Rows offered.
    seen: u64,
    /// Sorted by priority, lowest first.
    rows: Vec<Row>,
}

impl Reservoir {
    /// Offers a row. Weighted reservoir sampling with exponential forgetting (Efraimidis and Spirakis, 2006): the
    /// rows with the lowest `ln(−ln h) − λt` stay, h a hash in (0, 1) of series, time and seed.
    pub(super) fn offer(&mut self, series: SeriesKey, at: TimestampMs, seed: u64, rarity: [f32; FEATURES]) {
        self.seen += 1;
        let mut bytes = [0; 24];
        bytes[..16].copy_from_slice(&series.0.to_le_bytes());
        bytes[16..].copy_from_slice(&at.to_le_bytes());
        let uniform = ((xxh3_64_with_seed(&bytes, seed) >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
        let priority = (-uniform.ln()).ln() - std::f64::consts::LN_2 / HALF_LIFE_MS * at as f64;
        if self.rows.len() >= ROWS && self.rows.last().is_some_and(|last| priority >= last.priority) {
            return;
        }
        let place = self.rows.partition_point(|row| row.priority <= priority);
        self.rows.insert(place, Row { priority, rarity });
        self.rows.truncate(ROWS);
    }

    pub(super) fn seen(&self) -> u64 {
        self.seen
    }

    /// The rows kept, in an order that favours none.
    pub(super) fn rarities(&self) -> impl Iterator<Item = [f32; FEATURES]> {
        self.rows.iter().map(|row| row.rarity)
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.seen += other.seen;
        self.rows.extend_from_slice(&other.rows);
        self.rows.sort_by(|a, b| a.priority.total_cmp(&b.priority));
        self.rows.truncate(ROWS);
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.rows.capacity() * size_of::<Row>()
    }
}

/// The rows of one metric, and which it is.
#[derive(Debug)]
pub(super) struct MetricRows {
    pub(super) metric: Symbol,
    pub(super) rows: Reservoir,
}

/// The rows of a tenant's metrics.
#[derive(Debug, Default)]
pub(super) struct Reservoirs {
    by_metric: HashMap<Symbol, u32>,
    pub(super) slots: Slots<MetricRows>,
}

impl Reservoirs {
    /// The rows of a metric, to which there may be added.
    pub(super) fn offer_to(&mut self, metric: Symbol, offer: impl FnOnce(&mut Reservoir)) {
        let slots = &mut self.slots;
        let empty = || slots.insert(MetricRows { metric, rows: Reservoir::default() });
        let slot = *self.by_metric.entry(metric).or_insert_with(empty);
        if let Some(known) = self.slots.get_mut(slot) {
            offer(&mut known.rows);
        }
    }

    pub(super) fn get(&self, metric: Symbol) -> Option<&Reservoir> {
        self.slots.get(*self.by_metric.get(&metric)?).map(|known| &known.rows)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (Symbol, &Reservoir)> {
        self.slots.iter().map(|known| (known.metric, &known.rows))
    }
}

/// Name of a family: the metric.
pub(super) type FamilyName = Arc<str>;

/// Trained forests, by tenant and metric.
#[derive(Clone, Debug, Default)]
pub(super) struct Models {
    pub(super) generation: u64,
    pub(super) forests: Arc<BTreeMap<(TenantId, FamilyName), Arc<Model>>>,
}

impl Models {
    pub(super) fn heap_bytes(&self) -> usize {
        self.forests.values().map(|forest| forest.size_bytes()).sum()
    }

    pub(super) fn list(&self, tenant: &TenantId, prior: Option<Record>) -> ModelList {
        let own = self.forests.iter().filter(|((owner, _), _)| owner == tenant);
        let models = own.map(|((_, family), model)| (family.to_string(), *model.record())).collect();
        ModelList { generation: self.generation, models, prior }
    }
}

/// What every shard does at a turn.
#[derive(Clone, Debug, Default)]
pub struct Turn {
    /// Forests in force from now on.
    pub(super) models: Models,
    /// Metrics whose rows are to be handed over.
    pub(super) collect: Arc<[(TenantId, FamilyName)]>,
    /// What is new in each tenant.
    pub(super) news: Arc<BTreeMap<TenantId, News>>,
}

/// What a shard answers to a turn.
#[derive(Debug, Default)]
pub struct Turned {
    /// Rows seen, by metric.
    pub(super) seen: Vec<((TenantId, FamilyName), u64)>,
    /// Rows asked for.
    pub(super) rows: Vec<((TenantId, FamilyName), Reservoir)>,
    /// What happened in each tenant.
    pub(super) tidings: Vec<(TenantId, Tidings)>,
}

/// Decides when forests are trained, trains them, and keeps each tenant's climate. One for all shards.
#[derive(Debug, Default)]
pub struct Trainer {
    seed: u64,
    /// Findings that chance may raise, per tenant and week.
    budget: f64,
    /// What is assumed of a tenant's findings before it has any.
    climates: BTreeMap<TenantId, Arc<Climate>>,
    models: Models,
    trained_at: HashMap<(TenantId, FamilyName), u64>,
    next: Turn,
}

/// The forest of a metric.
pub(super) type SavedForest = (TenantId, FamilyName, Arc<Model>);

/// What a trainer keeps across a restart.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct TrainerState {
    generation: u64,
    /// Written down each for itself, since it takes time to read them.
    #[serde(skip)]
    pub(super) forests: Vec<SavedForest>,
    trained_at: Vec<(TenantId, FamilyName, u64)>,
    collect: Arc<[(TenantId, FamilyName)]>,
    climates: BTreeMap<TenantId, Arc<Climate>>,
    news: Arc<BTreeMap<TenantId, News>>,
}

impl Trainer {
    /// A trainer with nothing trained.
    #[must_use]
    pub fn new(options: &Options) -> Self {
        Self { seed: options.seed, budget: options.false_alarms_per_week, ..Self::default() }
    }

    /// What the shards are to do at the next turn.
    #[must_use]
    pub fn next_turn(&self) -> Turn {
        self.next.clone()
    }

    /// Takes the shards' answers to a turn and prepares the next one; this is where training happens.
    pub fn absorb(&mut self, answers: Vec<Turned>) {
        let mut seen: BTreeMap<(TenantId, FamilyName), u64> = BTreeMap::new();
        let mut rows: BTreeMap<(TenantId, FamilyName), Reservoir> = BTreeMap::new();
        let mut tidings: BTreeMap<TenantId, Vec<Tidings>> = BTreeMap::new();
        for answer in answers {
            for (family, count) in answer.seen {
                *seen.entry(family).or_default() += count;
            }
            for (family, reservoir) in answer.rows {
                rows.entry(family).or_default().merge(&reservoir);
            }
            for (tenant, told) in answer.tidings {
                tidings.entry(tenant).or_default().push(told);
            }
        }
        let budget = self.budget;
        let mut absorb = |(tenant, told): (TenantId, Vec<Tidings>)| {
            // A copy is made where a snapshot has not written it down yet.
            let climate = Arc::make_mut(self.climates.entry(tenant.clone()).or_default());
            let news = climate.absorb(told, budget);
            (tenant, news)
        };
        let news = tidings.into_iter().map(&mut absorb).collect();
        self.train(rows);
        let due = seen.into_iter().filter(|(family, count)| {
            let before = self.trained_at.get(family).copied().unwrap_or(0);
            *count >= ROWS_MIN as u64 && (*count >= 2 * before || *count >= before + RETRAIN_AFTER)
        });
        self.next = Turn {
            models: self.models.clone(),
            collect: due.map(|(family, _)| family).collect(),
            news: Arc::new(news),
        };
    }

    fn train(&mut self, rows: BTreeMap<(TenantId, FamilyName), Reservoir>) {
        let mut trained = Vec::new();
        for (family, reservoir) in rows {
            self.trained_at.insert(family.clone(), reservoir.seen);
            let params = ForestParams { trees: TREES, sample_size: 256, seed: self.seed };
            if reservoir.rows.len() < ROWS_MIN {
                continue;
            }
            let origin = Origin {
                generation: self.models.generation + 1,
                trained_at: self.climates.get(&family.0).and_then(|climate| climate.now()),
                rows_seen: reservoir.seen,
            };
            let before = self.models.forests.get(&family).map(Arc::as_ref);
            if let Some(model) = Model::train(reservoir.rarities().collect(), params, origin, before) {
                trained.push((family, Arc::new(model)));
            }
        }
        if !trained.is_empty() {
            self.models.generation += 1;
            Arc::make_mut(&mut self.models.forests).extend(trained);
        }
    }

    /// What it knows; what is large is shared.
    pub(super) fn save(&self) -> TrainerState {
        let forests = self.models.forests.iter().map(|((t, f), forest)| (t.clone(), f.clone(), forest.clone()));
        let mut trained_at: Vec<_> = self.trained_at.iter().map(|((t, f), n)| (t.clone(), f.clone(), *n)).collect();
        trained_at.sort();
        TrainerState {
            generation: self.models.generation,
            forests: forests.collect(),
            trained_at,
            collect: self.next.collect.clone(),
            climates: self.climates.clone(),
            news: self.next.news.clone(),
        }
    }

    pub(super) fn restore(options: &Options, state: TrainerState) -> Self {
        let models = state.models();
        Self {
            climates: state.climates,
            models: models.clone(),
            trained_at: state.trained_at.into_iter().map(|(t, f, n)| ((t, f), n)).collect(),
            next: Turn { models, collect: state.collect, news: state.news },
            ..Self::new(options)
        }
    }
}

impl TrainerState {
    pub(super) fn models(&self) -> Models {
        let forests = self.forests.iter().map(|(t, f, model)| ((t.clone(), f.clone()), model.clone()));
        Models { generation: self.generation, forests: Arc::new(forests.collect()) }
    }

    /// Puts models in force as if they had been trained from this tenant's rows; gives their number.
    pub(super) fn import(&mut self, tenant: &TenantId, models: Vec<(FamilyName, Model)>) -> usize {
        self.generation += 1;
        let count = models.len();
        for (family, model) in models {
            self.forests.retain(|(t, f, _)| (t, f) != (tenant, &family));
            self.trained_at.retain(|(t, f, _)| (t, f) != (tenant, &family));
            self.collect = self.collect.iter().filter(|(t, f)| (t, f) != (tenant, &family)).cloned().collect();
            self.trained_at.push((tenant.clone(), family.clone(), model.record().origin.rows_seen));
            self.forests.push((tenant.clone(), family, Arc::new(model.renumbered(self.generation))));
        }
        count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offer_all(reservoirs: &mut [Reservoir]) {
        for i in 0..5_000_u32 {
            let series = SeriesKey(u128::from(i % 50));
            let row = [i as f32, 0.0, 1.0, 0.0, (i % 7) as f32];
            let shard = (i % 50) as usize % reservoirs.len();
            reservoirs[shard].offer(series, i64::from(i) * 1_000, 9, row);
        }
    }

    #[test]
    fn the_union_does_not_depend_on_the_number_of_shards() {
        let (mut one, mut three) = (vec![Reservoir::default()], vec![Reservoir::default(); 3]);
        offer_all(&mut one);
        offer_all(&mut three);
        let mut union = Reservoir::default();
        three.iter().for_each(|r| union.merge(r));
        assert_eq!(one[0].rows.len(), ROWS);
        assert_eq!(union.seen, one[0].seen);
        let rows = |r: &Reservoir| r.rows.iter().map(|row| row.rarity).collect::<Vec<_>>();
        assert_eq!(rows(&one[0]), rows(&union));
    }

    #[test]
    fn forests_are_trained_when_there_are_rows_and_again_when_they_double() {
        let mut trainer = Trainer::new(&Options::default());
        let family = (TenantId::default(), FamilyName::from("up"));
        let mut reservoir = [Reservoir::default()];
        offer_all(&mut reservoir);
        let seen = |n| Turned { seen: vec![(family.clone(), n)], ..Turned::default() };
        trainer.absorb(vec![seen(10)]);
        assert!(trainer.next_turn().collect.is_empty());
        trainer.absorb(vec![seen(5_000)]);
        assert_eq!(trainer.next_turn().collect.len(), 1);
        let rows = vec![(family.clone(), reservoir[0].clone())];
        trainer.absorb(vec![Turned { seen: vec![(family.clone(), 5_000)], rows, tidings: vec![] }]);
        assert_eq!(trainer.next_turn().models.generation, 1);
        assert!(trainer.next_turn().collect.is_empty(), "not again before the rows have doubled");
        trainer.absorb(vec![seen(10_000)]);
        assert_eq!(trainer.next_turn().collect.len(), 1);
    }
}
