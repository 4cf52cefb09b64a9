//! A pod of one of the shop's services.

use std::ops::Range;

use super::{
    container::{Container, Place, Work},
    http::{self, Answered, Lookups, Outcome, Pool, Queue, Sent},
    noise::Noise,
    registry::{Registry, Slot},
    runtime::{Demand, Runtime},
    services::{GET, POST, SERVICES, Service},
    target::Target,
};
use crate::signal::TimestampMs;

/// Share of requests that fail without a reason worth knowing.
const BACKGROUND_FAILURES: f64 = 0.0004;
/// Cores that an idle process uses.
const IDLE_CPU: f64 = 0.008;
/// Bytes allocated per request, besides the answer.
const ALLOCATED: f64 = 30e3;
/// Bytes of a request and its headers.
const REQUEST: f64 = 700.0;
/// Bytes sent to the database and back, per request.
const DATABASE_TALK: f64 = 1500.0;

/// How a service does, as its callers notice.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Health {
    /// Mean time to answer by method, in seconds.
    pub(super) mean: [f64; 2],
    /// Share of requests that fail, by method.
    pub(super) failing: [f64; 2],
}

/// What a pod has to live with in one step.
#[derive(Clone, Copy, Debug)]
pub(super) struct Conditions<'a> {
    pub(super) seconds: f64,
    /// Requests per second to this pod, by method.
    pub(super) rates: [f64; 2],
    /// Factor on the time that the service itself takes, by method.
    pub(super) slow: [f64; 2],
    /// Share of requests that fail for a reason.
    pub(super) failing: f64,
    /// Bytes that a leak holds.
    pub(super) leaked: f64,
    /// How the services do that it calls, by their index.
    pub(super) peers: &'a [Health],
}

/// A pod and the state behind its series.
#[derive(Clone, Debug)]
pub(super) struct Pod {
    pub(super) place: Place,
    service: &'static Service,
    noise: Noise,
    /// Its share of the service's load, around 1.
    balance: f64,
    answered: [Answered; 2],
    in_flight: Slot,
    sent: Vec<Sent>,
    pool: Option<Pool>,
    lookups: Option<Lookups>,
    queue: Option<Queue>,
    runtime: Runtime,
    container: Container,
    target: Target,
    /// Series that the process itself exposes.
    exposed: Range<usize>,
    /// These and those that others expose about it.
    pub(super) series: Range<usize>,
}

impl Pod {
    /// A pod of `service` whose process started `age` seconds before `at`.
    pub(super) fn register(
        registry: &mut Registry,
        seed: u64,
        service: usize,
        place: Place,
        at: TimestampMs,
        age: f64,
    ) -> Self {
        let service = &SERVICES[service];
        let mut noise = Noise::new(seed, &format!("pod {}", place.pod));
        let first = registry.next_index();
        let target = place.target();
        let mut scope = registry.scope(&target);
        let answered = [GET, POST].map(|method| Answered::register(&mut scope, method));
        let in_flight = scope.one("http_requests_in_flight");
        let sent = peers(service).map(|peer| Sent::register(&mut scope, peer, SERVICES[peer].name)).collect();
        let pool = service.has_database.then(|| Pool::register(&mut scope));
        let lookups = (service.lookups > 0.0).then(|| Lookups::register(&mut scope));
        let queue = service.has_queue.then(|| Queue::register(&mut scope));
        let runtime = Runtime::register(registry, seed, &place, at, age);
        let exposed = first..registry.next_index();
        let target = Target::register(registry, seed, &target, exposed.len());
        let container = Container::register(registry, seed, &place, service.cpu_limit);
        Self {
            service,
            balance: noise.factor(0.03),
            noise,
            answered,
            in_flight,
            sent,
            pool,
            lookups,
            queue,
            runtime,
            container,
            target,
            exposed,
            series: first..registry.next_index(),
            place,
        }
    }

    /// Lives through a step; returns what it used and how it did.
    pub(super) fn tick(&mut self, registry: &mut Registry, conditions: &Conditions<'_>) -> (Work, Health) {
        let Conditions { seconds, peers, .. } = *conditions;
        let noise = &mut self.noise;
        let routes = &self.service.routes;
        let rates = conditions.rates.map(|rate| rate * self.balance * noise.factor(0.015));

        let wanted: f64 = IDLE_CPU + rates.iter().zip(routes).map(|(rate, route)| rate * route.cpu).sum::<f64>();
        let wanted = wanted * noise.factor(0.03);
        let cpu = wanted.min(self.service.cpu_limit);
        let shed = 1.0 - cpu / wanted;
        let load = (cpu / self.service.cpu_limit).min(0.97);
        let queueing = 1.0 + 0.5 * load * load / (1.0 - load);

        let mut health = Health::default();
        for (method, route) in routes.iter().enumerate() {
            let own = route.own_time * queueing * conditions.slow[method];
            let calls = || route.calls.iter().map(|(peer, by, calls)| (*calls, *by, &peers[*peer]));
            let elsewhere: f64 = calls().map(|(calls, by, peer)| calls * peer.mean[by]).sum();
            let failing: f64 = calls().map(|(calls, by, peer)| calls * peer.failing[by]).sum();
            let mean = (http::mean_time(own) + elsewhere) * noise.factor(0.015);
            health.mean[method] = mean;
            health.failing[method] = (failing + conditions.failing + BACKGROUND_FAILURES).min(1.0);
            let outcome = Outcome {
                number: noise.poisson(rates[method] * seconds),
                median: mean / http::mean_time(1.0),
                failing: health.failing[method],
                shed,
            };
            self.answered[method].tick(registry, noise, &outcome);
        }
        health.failing = health.failing.map(|failing| (failing + shed).min(1.0));

        let in_flight: f64 = rates.iter().zip(health.mean).map(|(rate, mean)| rate * mean).sum();
        registry.set(self.in_flight, noise.poisson(in_flight));
        for sent in &self.sent {
            let calls = || {
                let routes = routes.iter().zip(rates);
                routes.flat_map(|(route, rate)| route.calls.iter().map(move |call| (rate * call.2, call)))
            };
            let to_peer = || calls().filter(|(_, call)| call.0 == sent.peer);
            let rate: f64 = to_peer().map(|(rate, _)| rate).sum();
            let peer = &peers[sent.peer];
            let time: f64 = to_peer().map(|(rate, call)| rate * peer.mean[call.1]).sum();
            let failing: f64 = to_peer().map(|(rate, call)| rate * peer.failing[call.1]).sum();
            let number = noise.poisson(rate * seconds);
            sent.tick(registry, noise, number, time / rate.max(1e-9), failing / rate.max(1e-9));
        }

        let total: f64 = rates.iter().sum();
        if let Some(pool) = &self.pool {
            // A connection is held for the queries and for half of the work around them.
            pool.tick(registry, noise, 0.004 * total + 0.5 * in_flight, seconds);
        }
        if let Some(lookups) = &self.lookups {
            let number = noise.poisson(total * self.service.lookups * seconds);
            lookups.tick(registry, noise, number);
        }
        if let Some(queue) = &mut self.queue {
            queue.tick(registry, noise, 0.02 * total, seconds);
        }

        let answers: f64 = rates.iter().zip(routes).map(|(rate, route)| rate * route.answer).sum();
        let from_peers: f64 = routes.iter().zip(rates).map(|(route, rate)| rate * fetched(route)).sum();
        let talk = if self.pool.is_some() { DATABASE_TALK * total } else { 0.0 };
        let mut work = Work {
            cpu,
            received: REQUEST * total + from_peers + talk,
            sent: answers + REQUEST * total + talk,
            ..Work::default()
        };
        let demand = Demand { in_flight, allocated: ALLOCATED * total + 2.0 * answers, leaked: conditions.leaked };
        self.runtime.tick(registry, &demand, &mut work, seconds);
        self.container.tick(registry, &work, seconds);
        self.target.tick(registry);
        (work, health)
    }

    /// The container dies and starts again in place: its counters begin anew.
    pub(super) fn restart(&mut self, registry: &mut Registry, at: TimestampMs, out_of_memory: bool) {
        registry.reset(self.exposed.clone());
        self.runtime.restart(registry, at);
        self.container.restart(registry, out_of_memory);
    }
}

/// The services that `service` calls, each once.
fn peers(service: &Service) -> impl Iterator<Item = usize> {
    let called = |peer: &usize| service.routes.iter().any(|route| route.calls.iter().any(|call| call.0 == *peer));
    (0..SERVICES.len()).filter(move |peer| called(peer))
}

/// Bytes received from other services per request.
fn fetched(route: &super::services::Route) -> f64 {
    route.calls.iter().map(|(peer, by, calls)| calls * SERVICES[*peer].routes[*by].answer).sum()
}
