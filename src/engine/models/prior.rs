//! What is assumed of a tenant that has shown nothing yet.

use std::{
    io,
    sync::{Arc, LazyLock},
};

use serde::{Deserialize, Serialize};

use super::{Model, ModelFile, Origin, RarityRow, Record};
use crate::{
    anomaly::{ForestParams, forest_weight},
    engine::Snapshot,
};

/// Rows taken of each metric of a simulation: a metric with many series tells no more than one with few.
const ROWS_PER_FAMILY: usize = 12;
const TREES: usize = 64;
const SAMPLE: usize = 256;

/// See `models/README.md`.
static SHIPPED: LazyLock<Option<Arc<Prior>>> = LazyLock::new(|| {
    let file = ModelFile::decode(include_bytes!("../../../models/prior.model"));
    file.ok().and_then(|file| file.prior).map(Arc::new)
});

/// A forest for metrics that have none of their own yet.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Prior {
    model: Model,
}

impl Prior {
    /// The prior that ships with vigie. `None` if this build cannot read it, as while its format is being changed; the
    /// tests see to it that no release is like that.
    #[must_use]
    pub fn shipped() -> Option<Arc<Self>> {
        SHIPPED.clone()
    }

    /// Its forest.
    #[must_use]
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// Factor in the evidence of a metric without a forest: what is common anywhere counts less, but nothing counts more
    /// because simulated metrics do not show it. (Measured: `models/README.md`.)
    pub(in crate::engine) fn weight(&self, rarity: &RarityRow) -> f32 {
        forest_weight(self.model.score(rarity)).min(1.0)
    }

    /// What is known of its forest.
    #[must_use]
    pub fn record(&self) -> &Record {
        self.model.record()
    }
}

/// Makes a prior of what engines have learnt.
#[derive(Debug, Default)]
pub struct PriorBuilder {
    rows: Vec<RarityRow>,
    seen: u64,
}

impl PriorBuilder {
    /// Takes what an engine has learnt of all its tenants.
    ///
    /// # Errors
    /// The snapshot is not what was written.
    pub fn add(&mut self, snapshot: Snapshot) -> io::Result<()> {
        for reservoir in snapshot.reservoirs()? {
            self.seen += reservoir.seen();
            self.rows.extend(reservoir.rarities().take(ROWS_PER_FAMILY));
        }
        Ok(())
    }

    /// The prior; `None` when nothing was added.
    #[must_use]
    pub fn finish(self, seed: u64) -> Option<Prior> {
        let params = ForestParams { trees: TREES, sample_size: SAMPLE, seed };
        let origin = Origin { generation: 0, trained_at: None, rows_seen: self.seen };
        let model = (!self.rows.is_empty()).then(|| Model::train(self.rows.into(), params, origin, None))??;
        Some(Prior { model })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::anomaly::FEATURES;

    #[test]
    fn the_shipped_prior_is_read_and_small() {
        assert!(include_bytes!("../../../models/prior.model").len() <= 200 << 10);
        let prior = Prior::shipped().expect("build models/prior.model anew");
        let record = prior.record();
        assert_eq!((record.features, record.trees, record.sample_size), (FEATURES, TREES, SAMPLE));
        assert!(prior.weight(&[0.0; FEATURES]) < 1.0, "what is usual counts less");
        assert_eq!(prior.weight(&[12.0; FEATURES]), 1.0, "what is rare in every way counts in full");
    }

    #[test]
    fn nothing_makes_no_prior() {
        assert!(PriorBuilder::default().finish(1).is_none());
    }
}
