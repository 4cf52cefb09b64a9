//! How rare a feature's value is for its own series: the calibrated tail.
//!
//! Above a fixed threshold `T` the logarithm `y = ln(1 + f)` of a feature is taken to have an exponential
//! tail, that is, the feature itself a Pareto tail. The mean excess has a Gamma prior of weight 2, so that the
//! tail is honest while few exceedances have been seen. What comes out is `u = -log10 p` of the posterior
//! predictive. State: one number of samples shared by all features, and two numbers a feature; O(1) a sample.

use serde::{Deserialize, Serialize};

/// Weight of the prior, in exceedances.
const PRIOR_WEIGHT: f32 = 2.0;
/// Samples that the prior claims to have seen without an exceedance.
const PRIOR_SAMPLES: f32 = 50.0;

/// Where a feature's tail begins and how far it is expected to reach.
#[derive(Clone, Copy, Debug)]
pub struct TailPrior {
    /// Threshold, in the feature's own units.
    pub threshold: f32,
    /// Expected excess above the threshold, in the feature's own units.
    pub excess: f32,
}

/// Number of samples seen, forgotten at the half-life of the tails; shared by all features of a series.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Seen(f32);

impl Seen {
    /// Counts one more sample.
    pub fn advance(&mut self) {
        self.0 = self.0 * decay() + 1.0;
    }
}

/// The tail of one feature of one series.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Tail {
    exceedances: f32,
    excess: f32,
}

impl Tail {
    /// Judges and then learns one value. Returns `u = -log10 p`, 0 at and below the threshold, not capped.
    pub fn observe(&mut self, seen: Seen, feature: f32, prior: &TailPrior) -> f32 {
        self.exceedances *= decay();
        self.excess *= decay();
        if feature <= prior.threshold {
            return 0.0;
        }
        let over = ((1.0 + feature) / (1.0 + prior.threshold)).ln();
        let scale = self.scale(prior);
        let u = (self.exceedances + PRIOR_WEIGHT) * (1.0 + over / scale).log10() - self.exceedance_rate(seen).log10();
        self.excess += over.min(4.0 * scale / (self.exceedances + PRIOR_WEIGHT));
        self.exceedances += 1.0;
        u.max(0.0)
    }

    /// Value that is exceeded by one sample in `one_in`; never below the threshold.
    #[must_use]
    pub fn quantile(&self, seen: Seen, one_in: f32, prior: &TailPrior) -> f32 {
        let rarity_above = (one_in.log10() + self.exceedance_rate(seen).log10()).max(0.0);
        let over = self.scale(prior) * (10f32.powf(rarity_above / (self.exceedances + PRIOR_WEIGHT)) - 1.0);
        (prior.threshold.ln_1p() + over).exp_m1()
    }

    fn exceedance_rate(&self, seen: Seen) -> f32 {
        (self.exceedances + 1.0) / (seen.0 + PRIOR_SAMPLES)
    }

    fn scale(&self, prior: &TailPrior) -> f32 {
        self.excess + PRIOR_WEIGHT * prior.excess / (1.0 + prior.threshold)
    }
}

/// Factor by which counts shrink in one sample: half in 4,000.
fn decay() -> f32 {
    const DECAY: f32 = 0.999_826_7;
    DECAY
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRIOR: TailPrior = TailPrior { threshold: 2.0, excess: 1.0 };

    fn probe(tail: Tail, seen: Seen, feature: f32) -> f32 {
        let mut copy = tail;
        copy.observe(seen, feature, &PRIOR)
    }

    #[test]
    fn the_constant_is_the_half_life() {
        assert!((f64::from(decay()) - 0.5_f64.powf(1.0 / 4_000.0)).abs() < 3e-8);
    }

    #[test]
    fn rarity_grows_with_the_value_and_falls_with_repetition() {
        let (mut tail, mut seen) = (Tail::default(), Seen::default());
        for _ in 0..500 {
            seen.advance();
            assert_eq!(tail.observe(seen, 1.0, &PRIOR), 0.0);
        }
        assert!(probe(tail, seen, 6.0) > probe(tail, seen, 3.0) && probe(tail, seen, 3.0) > 2.0);
        let before = probe(tail, seen, 5.0);
        for _ in 0..20 {
            seen.advance();
            tail.observe(seen, 5.0, &PRIOR);
        }
        assert!(probe(tail, seen, 5.0) < before - 1.0, "a value seen twenty times is no longer rare");
    }

    #[test]
    fn the_quantile_is_the_inverse_of_the_rarity() {
        let (mut tail, mut seen) = (Tail::default(), Seen::default());
        for i in 0..3_000 {
            seen.advance();
            tail.observe(seen, if i % 40 == 0 { 2.0 + (i % 7) as f32 } else { 0.5 }, &PRIOR);
        }
        let u = probe(tail, seen, tail.quantile(seen, 1_000.0, &PRIOR));
        assert!((u - 3.0).abs() < 0.01, "{u}");
    }
}
