//! What Prometheus adds to every scrape.

use super::{
    noise::Noise,
    registry::{Registry, Slot},
};

/// The scrape of one target.
#[derive(Clone, Debug)]
pub(super) struct Target {
    noise: Noise,
    duration: Slot,
    typical: f64,
}

impl Target {
    /// The target with these labels, which exposes `samples` samples.
    pub(super) fn register(registry: &mut Registry, seed: u64, labels: &[(&str, &str)], samples: usize) -> Self {
        let mut noise = Noise::new(seed, &format!("scrape {labels:?}"));
        let typical = 0.002 + samples as f64 * 20e-6 * noise.between(0.8, 1.2);
        let mut scope = registry.scope(labels);
        scope.constant("up", &[], 1.0);
        scope.constant("scrape_samples_scraped", &[], samples as f64);
        Self { duration: scope.one("scrape_duration_seconds"), noise, typical }
    }

    pub(super) fn tick(&mut self, registry: &mut Registry) {
        registry.set(self.duration, self.typical * self.noise.factor(0.12));
    }
}
