//! What is kept of trained forests: the rows they were grown on, a record of the training, files to carry them in, and
//! the prior that ships with vigie.

mod file;
mod prior;
mod quality;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use file::{FileError, ModelFile, NamedModel};
pub use prior::{Prior, PriorBuilder};
pub use quality::Quality;

use super::{Shard, Snapshot};
use crate::{
    anomaly::{FEATURES, Forest, ForestParams},
    signal::{TenantId, TimestampMs},
};

/// Bounds of what a file may ask to be grown; far above what is trained.
const TREES_MAX: usize = 1_024;
const ROWS_MAX: usize = 16_384;

/// Rarities of a sample's features, as the detector gives them.
pub(super) type RarityRow = [f32; FEATURES];

/// When and from what a forest was trained.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The how manieth training of this vigie it was, from 1; 0 for the prior.
    pub generation: u64,
    /// Newest event time of its tenant then.
    pub trained_at: Option<TimestampMs>,
    /// Rows seen until then; those it was grown on are a sample of them.
    pub rows_seen: u64,
}

/// What is known of a forest without looking into it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// When and from what it was trained.
    pub origin: Origin,
    /// Rows it was grown on.
    pub rows: usize,
    /// Values in a row.
    pub features: usize,
    /// Trees in the forest.
    pub trees: usize,
    /// Rows each tree was grown on.
    pub sample_size: usize,
    /// How it judges its own rows.
    pub quality: Quality,
}

/// A forest with its record.
///
/// Written down it is the rows it was grown on, a tenth of the size, and grows again when read: the same rows, parameters
/// and seed give the same forest, however it is laid out in memory.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "Recipe", into = "Recipe")]
pub struct Model {
    forest: Forest,
    rows: Arc<[RarityRow]>,
    seed: u64,
    record: Record,
}

/// All that it takes to grow a model.
#[derive(Serialize, Deserialize)]
struct Recipe {
    origin: Origin,
    quality: Quality,
    trees: usize,
    sample_size: usize,
    seed: u64,
    rows: Arc<[RarityRow]>,
}

impl Model {
    /// Trains a forest; `before` is the one it replaces. `None` when the parameters are out of range.
    pub(super) fn train(
        rows: Arc<[RarityRow]>,
        params: ForestParams,
        origin: Origin,
        before: Option<&Self>,
    ) -> Option<Self> {
        let forest = Forest::fit(rows.as_flattened(), FEATURES, &params).ok()?;
        let quality = Quality::measure(&forest, before.map(|model| &model.forest), &rows);
        Some(Self::with(forest, rows, params, origin, quality))
    }

    fn with(forest: Forest, rows: Arc<[RarityRow]>, params: ForestParams, origin: Origin, quality: Quality) -> Self {
        let sample_size = forest.sample_size();
        let record = Record { origin, rows: rows.len(), features: FEATURES, trees: params.trees, sample_size, quality };
        Self { forest, rows, seed: params.seed, record }
    }

    /// The forest's score of a row of rarities, within 0..1; see [`Forest::score`].
    pub(super) fn score(&self, rarity: &RarityRow) -> f32 {
        self.forest.score(rarity)
    }

    /// What is known of it.
    #[must_use]
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// Bytes it takes.
    pub(super) fn size_bytes(&self) -> usize {
        self.forest.size_bytes() + size_of_val(&*self.rows)
    }

    /// The same forest as one of this `generation`.
    pub(super) fn renumbered(mut self, generation: u64) -> Self {
        self.record.origin.generation = generation;
        self
    }
}

impl From<Model> for Recipe {
    fn from(model: Model) -> Self {
        let Record { origin, quality, trees, sample_size, .. } = model.record;
        Self { origin, quality, trees, sample_size, seed: model.seed, rows: model.rows }
    }
}

impl TryFrom<Recipe> for Model {
    type Error = &'static str;

    fn try_from(recipe: Recipe) -> Result<Self, Self::Error> {
        let Recipe { origin, quality, trees, sample_size, seed, rows } = recipe;
        if trees > TREES_MAX || rows.len() > ROWS_MAX {
            return Err("a model is larger than any that is trained");
        }
        let params = ForestParams { trees, sample_size, seed };
        let forest = Forest::fit(rows.as_flattened(), FEATURES, &params);
        let forest = forest.map_err(|_| "the parameters of a model are out of range")?;
        Ok(Self::with(forest, rows, params, origin, quality))
    }
}

/// The models of one tenant.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ModelList {
    /// Trainings so far, of all tenants.
    pub generation: u64,
    /// By metric, sorted.
    pub models: Vec<(String, Record)>,
    /// The forest of metrics that have none.
    pub prior: Option<Record>,
}

impl Shard {
    /// The models of a tenant; every shard has the same.
    #[must_use]
    pub fn models(&self, tenant: &TenantId) -> ModelList {
        let prior = self.options.prior.as_deref().map(|prior| *prior.model().record());
        self.kept_models().list(tenant, prior)
    }
}

impl Snapshot {
    /// The models of a tenant; a snapshot has no prior.
    #[must_use]
    pub fn models(&self, tenant: &TenantId) -> ModelList {
        self.head.trainer.models().list(tenant, None)
    }

    /// Models of a tenant whose metric is `wanted`, to be carried elsewhere.
    #[must_use]
    pub fn export_models(&self, tenant: &TenantId, wanted: impl Fn(&str) -> bool) -> ModelFile {
        let models = self.head.trainer.models();
        let models = models.forests.iter().filter(|((owner, family), _)| owner == tenant && wanted(family));
        let named =
            models.map(|((_, family), model)| NamedModel { family: family.to_string(), model: (**model).clone() });
        ModelFile::new(named.collect(), None)
    }

    /// Puts the models of a file in the place of the tenant's own of the same metrics; gives their number.
    ///
    /// They are trained anew when the metric has seen twice the rows they were trained from, as one's own are.
    pub fn import_models(&mut self, tenant: &TenantId, file: ModelFile) -> usize {
        let models = file.models.into_iter().map(|named| (named.family.into(), named.model));
        self.head.trainer.import(tenant, models.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn model(rows: usize, seed: u64) -> Model {
        let rows = (0..rows).map(|i| [i as f32 % 7.0, (i * i % 11) as f32, 0.0, (i % 13) as f32, 1.0]).collect();
        let params = ForestParams { trees: 16, sample_size: 64, seed };
        let origin = Origin { generation: 3, trained_at: Some(1_700_000_000_000), rows_seen: 9_000 };
        Model::train(rows, params, origin, None).unwrap()
    }

    #[test]
    fn a_model_that_was_written_down_grows_to_the_same() {
        let model = model(200, 5);
        let bytes = postcard::to_stdvec(&model).unwrap();
        assert!(bytes.len() < 6_000, "rows, not trees: {}", bytes.len());
        let again: Model = postcard::from_bytes(&bytes).unwrap();
        assert_eq!((again.record(), &again.forest), (model.record(), &model.forest));
    }

    #[test]
    fn parameters_out_of_range_are_refused() {
        let recipe = |trees, sample_size| Recipe { trees, sample_size, ..Recipe::from(model(70, 1)) };
        for (trees, sample_size) in [(0, 64), (TREES_MAX + 1, 64), (16, 0), (16, usize::MAX)] {
            assert!(Model::try_from(recipe(trees, sample_size)).is_err(), "{trees} trees of {sample_size}");
        }
    }
}
