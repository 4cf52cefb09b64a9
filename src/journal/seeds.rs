//! What all simulations share: which seeds are run, and how one is seen again.
//!
//! `VIGIE_SIM_SEEDS=5000 cargo test --lib simulation` runs more seeds of each; `VIGIE_SIM_SEED=7` runs one.

use std::env;

/// Runs a simulation for each seed, the `usual` number of them unless told otherwise. Tells how to see one again that
/// fails. Returns whether there were enough for anything that can happen to have happened.
pub(crate) fn each(module: &'static str, usual: u64, mut run: impl FnMut(u64)) -> bool {
    let number = |key| env::var(key).ok().map(|value: String| value.parse::<u64>().unwrap());
    let seeds = match number("VIGIE_SIM_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("VIGIE_SIM_SEEDS").unwrap_or(usual),
    };
    let are_enough = seeds.end - seeds.start >= usual;
    for seed in seeds {
        let _story = Story { module, seed };
        run(seed);
    }
    are_enough
}

struct Story {
    module: &'static str,
    seed: u64,
}

impl Drop for Story {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("again with: VIGIE_SIM_SEED={} cargo test --lib {}", self.seed, self.module);
        }
    }
}
