//! What a service exposes about the requests it answers and sends.

use super::{
    noise::Noise,
    registry::{Registry, Scope, Slot},
    services::METHODS,
};

/// Upper bounds of the latency buckets in seconds; the last bucket, +Inf, is implied.
const BOUNDS: [(f64, &str); 11] = [
    (0.005, "0.005"),
    (0.01, "0.01"),
    (0.025, "0.025"),
    (0.05, "0.05"),
    (0.1, "0.1"),
    (0.25, "0.25"),
    (0.5, "0.5"),
    (1.0, "1"),
    (2.5, "2.5"),
    (5.0, "5"),
    (10.0, "10"),
];
/// Shape of the latency distribution, which is log-logistic: a long tail, a share of 2 % above 5 medians.
const SHAPE: f64 = 2.5;
/// Mean over median of that distribution: (π/β)/sin(π/β).
const MEAN_OVER_MEDIAN: f64 = 1.321_3;

/// Mean time to answer when the median is `median`.
pub(super) fn mean_time(median: f64) -> f64 {
    MEAN_OVER_MEDIAN * median
}

/// The requests of one method.
#[derive(Clone, Debug)]
pub(super) struct Answered {
    good: Slot,
    refused: Slot,
    failed: Slot,
    unavailable: Slot,
    buckets: Vec<Slot>,
    sum: Slot,
    count: Slot,
}

/// What happened to the requests of one method in one step.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outcome {
    /// Requests.
    pub(super) number: f64,
    /// Median time to answer, in seconds.
    pub(super) median: f64,
    /// Share that failed inside (500).
    pub(super) failing: f64,
    /// Share that was turned away (503).
    pub(super) shed: f64,
}

/// Share of requests that are the client's mistake.
const REFUSED: f64 = 0.012;

impl Answered {
    pub(super) fn register(scope: &mut Scope<'_>, method: usize) -> Self {
        let client_error = ["404", "400"][method];
        let method = ("method", METHODS[method]);
        let mut code = |code| scope.with("http_requests_total", &[method, ("code", code)]);
        let (good, refused, failed, unavailable) = (code("200"), code(client_error), code("500"), code("503"));
        let bounds = BOUNDS.iter().map(|(_, le)| *le).chain(["+Inf"]);
        Self {
            good,
            refused,
            failed,
            unavailable,
            buckets: bounds
                .map(|le| scope.with("http_request_duration_seconds_bucket", &[method, ("le", le)]))
                .collect(),
            sum: scope.with("http_request_duration_seconds_sum", &[method]),
            count: scope.with("http_request_duration_seconds_count", &[method]),
        }
    }

    pub(super) fn tick(&self, registry: &mut Registry, noise: &mut Noise, outcome: &Outcome) {
        let Outcome { number, median, failing, shed } = *outcome;
        let unavailable = noise.share(number, shed);
        let failed = noise.share(number - unavailable, failing);
        let refused = noise.share(number - unavailable - failed, REFUSED);
        registry.add(self.unavailable, unavailable);
        registry.add(self.failed, failed);
        registry.add(self.refused, refused);
        registry.add(self.good, number - unavailable - failed - refused);

        let mut below = 0.0;
        let mut share_below = 0.0;
        for (slot, (bound, _)) in self.buckets.iter().zip(BOUNDS) {
            let share = 1.0 / (1.0 + (bound / median).powf(-SHAPE));
            below += noise.share(number - below, (share - share_below) / (1.0 - share_below).max(1e-12));
            share_below = share;
            registry.add(*slot, below);
        }
        registry.add(self.buckets[BOUNDS.len()], number);
        registry.add(self.count, number);
        // The tail makes the mean of few requests uncertain.
        let spread = (0.9 / number.max(1.0).sqrt()).min(0.5);
        registry.add(self.sum, number * mean_time(median) * noise.factor(spread));
    }
}

/// The requests sent to another service.
#[derive(Clone, Debug)]
pub(super) struct Sent {
    pub(super) peer: usize,
    good: Slot,
    failed: Slot,
    sum: Slot,
    count: Slot,
}

impl Sent {
    pub(super) fn register(scope: &mut Scope<'_>, peer: usize, name: &str) -> Self {
        let to = ("peer", name);
        Self {
            peer,
            good: scope.with("http_client_requests_total", &[to, ("code", "2xx")]),
            failed: scope.with("http_client_requests_total", &[to, ("code", "5xx")]),
            sum: scope.with("http_client_request_duration_seconds_sum", &[to]),
            count: scope.with("http_client_request_duration_seconds_count", &[to]),
        }
    }

    /// `number` requests, answered in `mean` seconds, of which the share `failing` failed.
    pub(super) fn tick(&self, registry: &mut Registry, noise: &mut Noise, number: f64, mean: f64, failing: f64) {
        let failed = noise.share(number, failing);
        registry.add(self.failed, failed);
        registry.add(self.good, number - failed);
        registry.add(self.count, number);
        registry.add(self.sum, number * mean * noise.factor((0.9 / number.max(1.0).sqrt()).min(0.5)));
    }
}

/// A pool of database connections.
#[derive(Clone, Debug)]
pub(super) struct Pool {
    used: Slot,
    idle: Slot,
    waited: Slot,
}

/// Connections of a pool.
const POOL_SIZE: f64 = 20.0;

impl Pool {
    pub(super) fn register(scope: &mut Scope<'_>) -> Self {
        scope.constant("db_client_connections_max", &[], POOL_SIZE);
        Self {
            used: scope.with("db_client_connections", &[("state", "used")]),
            idle: scope.with("db_client_connections", &[("state", "idle")]),
            waited: scope.one("db_client_wait_seconds_total"),
        }
    }

    /// `wanted` connections are held at a time; returns those that are.
    pub(super) fn tick(&self, registry: &mut Registry, noise: &mut Noise, wanted: f64, seconds: f64) -> f64 {
        let used = noise.poisson(wanted).min(POOL_SIZE);
        registry.set(self.used, used);
        registry.set(self.idle, POOL_SIZE - used);
        // Erlang's law in spirit: waiting is nothing at a half-used pool and explodes when it is full.
        let busy = (wanted / POOL_SIZE).min(0.97);
        let waiting = wanted * busy.powi(4) / (1.0 - busy);
        registry.add(self.waited, 0.01 * waiting * seconds * noise.factor(0.3));
        used
    }
}

/// Background jobs: a trickle, and now and then hundreds at once.
#[derive(Clone, Debug)]
pub(super) struct Queue {
    depth: Slot,
    processed: Slot,
    waiting: f64,
}

impl Queue {
    pub(super) fn register(scope: &mut Scope<'_>) -> Self {
        Self { depth: scope.one("jobs_queue_depth"), processed: scope.one("jobs_processed_total"), waiting: 0.0 }
    }

    pub(super) fn tick(&mut self, registry: &mut Registry, noise: &mut Noise, trickle: f64, seconds: f64) {
        // A campaign or an import, about five times a day.
        let is_burst = noise.unit() < 5.0 * seconds / 86_400.0;
        let burst = noise.between(80.0, 400.0).round();
        self.waiting += noise.poisson(trickle * seconds) + if is_burst { burst } else { 0.0 };
        let done = self.waiting.min((1.5 * seconds + 2.0 * trickle * seconds).round());
        self.waiting -= done;
        registry.add(self.processed, done);
        registry.set(self.depth, self.waiting + noise.poisson(0.5));
    }
}

/// Look-ups in the shared cache.
#[derive(Clone, Debug)]
pub(super) struct Lookups {
    hits: Slot,
    misses: Slot,
}

impl Lookups {
    pub(super) fn register(scope: &mut Scope<'_>) -> Self {
        Self {
            hits: scope.with("cache_requests_total", &[("result", "hit")]),
            misses: scope.with("cache_requests_total", &[("result", "miss")]),
        }
    }

    pub(super) fn tick(&self, registry: &mut Registry, noise: &mut Noise, number: f64) {
        let misses = noise.share(number, 0.06);
        registry.add(self.misses, misses);
        registry.add(self.hits, number - misses);
    }
}
