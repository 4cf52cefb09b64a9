//! Seeded randomness with a fixed price: every draw takes exactly one number from the generator.
//!
//! That makes two simulations with one seed comparable sample by sample: a fault changes what it acts on and
//! never shifts the noise of anything else.

use rand_pcg::{Pcg64Mcg, rand_core::Rng};
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Means above this are drawn from the normal approximation; below it the inverse of the distribution is walked.
const SMALL_MEAN: f64 = 20.0;

/// A stream of random numbers that belongs to one part of the shop.
#[derive(Clone, Debug)]
pub(in crate::cli::demo) struct Noise(Pcg64Mcg);

impl Noise {
    /// The stream called `name` under `seed`. Streams of different names are independent.
    pub(in crate::cli::demo) fn new(seed: u64, name: &str) -> Self {
        let high = xxh3_64_with_seed(name.as_bytes(), seed);
        let low = xxh3_64_with_seed(name.as_bytes(), high);
        Self(Pcg64Mcg::new(u128::from(high) << 64 | u128::from(low)))
    }

    /// Uniform in [0, 1).
    pub(in crate::cli::demo) fn unit(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Uniform in [low, high).
    pub(in crate::cli::demo) fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// Uniform in 0..n, for n > 0.
    pub(in crate::cli::demo) fn below(&mut self, n: usize) -> usize {
        (self.unit() * n as f64) as usize
    }

    /// Mean 0, deviation 1, tails heavier than the normal's (logistic distribution): measurements do stray.
    pub(super) fn stray(&mut self) -> f64 {
        const SCALE: f64 = 0.551_328_895_421_792; // √3/π, the logistic distribution's deviation is π/√3.
        let u = self.unit().clamp(1e-12, 1.0 - 1e-12);
        SCALE * (u / (1.0 - u)).ln()
    }

    /// A factor around 1 with relative deviation `sd`, never negative.
    pub(super) fn factor(&mut self, sd: f64) -> f64 {
        (sd * self.stray()).exp()
    }

    /// A count with the Poisson distribution.
    pub(super) fn poisson(&mut self, mean: f64) -> f64 {
        if mean >= SMALL_MEAN {
            return (mean + mean.sqrt() * self.normal()).round().max(0.0);
        }
        let mut left = self.unit();
        let mut p = (-mean).exp();
        let mut count = 0.0;
        while left >= p && count < 100.0 {
            left -= p;
            count += 1.0;
            p *= mean / count;
        }
        count
    }

    /// How many of `n` events fall into a share `p`: the binomial distribution, approximated, within 0..=n.
    pub(super) fn share(&mut self, n: f64, p: f64) -> f64 {
        let p = p.clamp(0.0, 1.0);
        let (hit, miss) = (n * p, n * (1.0 - p));
        if hit < SMALL_MEAN {
            self.poisson(hit).min(n)
        } else if miss < SMALL_MEAN {
            (n - self.poisson(miss)).max(0.0)
        } else {
            (hit + (hit * (1.0 - p)).sqrt() * self.normal()).round().clamp(0.0, n)
        }
    }

    /// Nearly normal: four uniform numbers of 16 bits out of one draw, added and scaled.
    fn normal(&mut self) -> f64 {
        let bits = self.0.next_u64();
        let sum: f64 = (0..4).map(|i| f64::from((bits >> (16 * i)) as u16)).sum();
        (sum / 65_536.0 - 2.0) * 3_f64.sqrt()
    }
}

/// A level that wanders around 1 and comes back to it: an autoregressive process of first order.
#[derive(Clone, Debug)]
pub(super) struct Drift {
    level: f64,
    keep: f64,
    push: f64,
}

impl Drift {
    /// Wanders with relative deviation `sd` and forgets half of it in `half_life` steps.
    pub(super) fn new(sd: f64, half_life: f64) -> Self {
        let keep = 0.5_f64.powf(1.0 / half_life);
        Self { level: 0.0, keep, push: sd * (1.0 - keep * keep).sqrt() }
    }

    /// The next level, above 0.
    pub(super) fn next(&mut self, noise: &mut Noise) -> f64 {
        self.level = self.keep * self.level + self.push * noise.stray();
        self.level.exp()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mean_and_variance(mut draw: impl FnMut() -> f64) -> (f64, f64) {
        let all: Vec<f64> = (0..20_000).map(|_| draw()).collect();
        let mean = all.iter().sum::<f64>() / all.len() as f64;
        (mean, all.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / all.len() as f64)
    }

    #[test]
    fn counts_have_the_moments_of_their_distribution() {
        let mut noise = Noise::new(1, "test");
        for mean in [0.05, 3.0, 19.9, 20.1, 400.0] {
            let (m, v) = mean_and_variance(|| noise.poisson(mean));
            assert!((m / mean - 1.0).abs() < 0.1 && (v / mean - 1.0).abs() < 0.1, "{mean}: {m} {v}");
        }
        for (n, p) in [(10.0, 0.1), (1000.0, 0.3), (1000.0, 0.999)] {
            let (m, _) = mean_and_variance(|| noise.share(n, p));
            assert!((m / (n * p) - 1.0).abs() < 0.02, "{n} {p}: {m}");
        }
        let (m, v) = mean_and_variance(|| noise.stray());
        assert!(m.abs() < 0.02 && (v - 1.0).abs() < 0.06, "{m} {v}");
    }

    #[test]
    fn a_share_is_a_whole_number_within_the_whole() {
        let mut noise = Noise::new(2, "test");
        for n in 0..200 {
            let part = noise.share(f64::from(n), noise.clone().unit());
            assert!((0.0..=f64::from(n)).contains(&part) && part.fract() == 0.0);
        }
    }

    #[test]
    fn every_draw_costs_one_number() {
        let position = |draw: fn(&mut Noise) -> f64| {
            let mut noise = Noise::new(3, "test");
            draw(&mut noise);
            noise.0
        };
        let one = position(Noise::unit);
        for draw in [
            |n: &mut Noise| n.poisson(0.5),
            |n: &mut Noise| n.poisson(500.0),
            |n: &mut Noise| n.share(1e4, 0.5),
            |n: &mut Noise| n.factor(0.1),
            |n: &mut Noise| n.below(7) as f64,
        ] {
            assert_eq!(position(draw), one);
        }
        assert_ne!(Noise::new(3, "a").0, Noise::new(3, "b").0);
    }

    #[test]
    fn a_drift_stays_around_one() {
        let mut noise = Noise::new(4, "test");
        let mut drift = Drift::new(0.1, 20.0);
        let (m, v) = mean_and_variance(|| drift.next(&mut noise));
        assert!((m - 1.0).abs() < 0.05 && (0.05..0.15).contains(&v.sqrt()), "{m} {v}");
    }
}
