//! A simulated shop: some 2,000 series of a small Kubernetes cluster, with faults at known times.
//!
//! Pure and in event time: the same seed, start, step and faults give the same samples, bit for bit. Customers
//! come in a daily rhythm and everything follows from them: requests, the CPU they take, the queueing that makes
//! answers slower, what the callers notice, the load of the machines. Ordinary life goes on beside the faults:
//! deploys replace pods, containers restart, a batch runs at night, the monitoring itself pauses.
//!
//! Simplifications: all targets are scraped at the same moment, pods come and go between two scrapes, and the
//! shop's first midnight is the start of the simulation, whatever the hour.

pub(super) mod calendar;
mod container;
mod family;
mod http;
pub(super) mod node;
pub(super) mod noise;
mod pod;
mod registry;
mod runtime;
pub(super) mod services;
mod storage;
mod target;

use std::collections::VecDeque;

use self::{
    calendar::{Chore, Customers, DAY, HOUR},
    container::{GIB, MEMORY_LIMIT, NAMESPACE, Place, Work},
    node::{Burden, Node},
    noise::Noise,
    pod::{Conditions, Health, Pod},
    registry::Registry,
    services::{CART, GET, PAYMENT, POST, SEARCH, SERVICES},
    storage::{Cache, Database, DatabaseLoad},
};
pub use self::{
    family::{FAMILIES, Family},
    registry::Series,
};
use super::fault::{Effects, Fault, GRACE, Incident};
use crate::signal::{TimestampMs, stale_nan};

/// The shop at one moment.
#[derive(Clone, Debug)]
pub struct Shop {
    seed: u64,
    start: TimestampMs,
    step: TimestampMs,
    /// Time of the present scrape.
    at: TimestampMs,
    faults: Vec<Fault>,
    incidents: Vec<Incident>,
    /// Lets the faults pass without effect, so that a test can compare.
    is_spared: bool,

    registry: Registry,
    /// Series that ended since the scrape before.
    ended: Vec<usize>,
    customers: Customers,
    /// By service, callees first.
    pods: Vec<Vec<Pod>>,
    databases: [Database; 2],
    caches: [Cache; 2],
    nodes: [Node; node::NAMES.len()],
    /// Pods ever created, for their addresses.
    created: usize,

    /// What will happen today, in order of time, as milliseconds since the start.
    chores: VecDeque<(TimestampMs, Chore)>,
    /// Days whose chores have been planned.
    planned: i64,
    /// Pods that a deploy has still to replace: service, replica.
    rolling: VecDeque<(usize, usize)>,
    batch_until: TimestampMs,
    gap_until: TimestampMs,
    leaking: Option<usize>,
}

/// Milliseconds for which pods have run when the simulation starts, at least.
const FIRST_AGE: f64 = 6.0 * 3600.0;

impl Shop {
    /// A shop whose first scrape is at `start`, scraped every `step` milliseconds.
    ///
    /// # Panics
    /// When `step` is not above 0.
    #[must_use]
    pub fn new(seed: u64, start: TimestampMs, step: TimestampMs, faults: Vec<Fault>) -> Self {
        assert!(step > 0, "time must pass between scrapes");
        let mut registry = Registry::default();
        let mut ages = Noise::new(seed, "ages");
        let mut created = 0;
        let mut pods = Vec::new();
        for (service, design) in SERVICES.iter().enumerate() {
            let mut replica_set = Vec::new();
            for replica in 0..design.pods {
                let place = deployed(seed, service, replica, 0, created);
                created += 1;
                let age = ages.between(FIRST_AGE, 20.0 * FIRST_AGE);
                replica_set.push(Pod::register(&mut registry, seed, service, place, start, age));
            }
            let mut scope = registry.scope(&[
                ("namespace", NAMESPACE),
                ("deployment", design.name),
                ("job", "kube-state-metrics"),
                ("instance", "kube-state-metrics:8080"),
            ]);
            scope.constant("kube_deployment_spec_replicas", &[], design.pods as f64);
            scope.constant("kube_deployment_status_replicas_available", &[], design.pods as f64);
            pods.push(replica_set);
        }
        let mut stateful = |service: &'static str, replica: usize, node| {
            created += 1;
            Place { service, pod: format!("{service}-{replica}"), node, instance: address(node, created) }
        };
        let places = [stateful("postgres", 0, node::DATABASE), stateful("postgres", 1, 0)];
        let [primary, replica] = places;
        let databases = [
            Database::register(&mut registry, seed, primary, true),
            Database::register(&mut registry, seed, replica, false),
        ];
        let places = [stateful("redis", 0, 1), stateful("redis", 1, 2)];
        let caches = places.map(|place| Cache::register(&mut registry, seed, place));
        let nodes = [0, 1, 2].map(|index| Node::register(&mut registry, seed, index, start));
        Self {
            seed,
            start,
            step,
            at: start - step,
            faults,
            incidents: Vec::new(),
            is_spared: false,
            registry,
            ended: Vec::new(),
            customers: Customers::new(seed),
            pods,
            databases,
            caches,
            nodes,
            created,
            chores: VecDeque::new(),
            planned: 0,
            rolling: VecDeque::new(),
            batch_until: 0,
            gap_until: 0,
            leaking: None,
        }
    }

    /// All series that ever existed; a series keeps its index.
    #[must_use]
    pub fn series(&self) -> &[Series] {
        self.registry.series()
    }

    /// The faults that have begun, in order of time.
    #[must_use]
    pub fn incidents(&self) -> &[Incident] {
        &self.incidents
    }

    /// Adds a fault; it may not start in the past.
    pub fn add_fault(&mut self, fault: Fault) {
        self.faults.push(fault);
    }

    /// Time of the present scrape.
    #[must_use]
    pub fn at(&self) -> TimestampMs {
        self.at
    }

    /// The present scrape: index of the series and value, in order of index; the stale marker for series that ended.
    /// Nothing while the monitoring is down.
    pub fn samples(&self) -> impl Iterator<Item = (usize, f64)> {
        let is_scraped = self.at - self.start >= self.gap_until;
        let ended = self.ended.iter().map(|index| (*index, stale_nan()));
        ended.chain(self.registry.live()).filter(move |_| is_scraped)
    }

    /// Lives on to the next scrape.
    pub fn tick(&mut self) {
        self.at += self.step;
        self.ended.clear();
        let since = self.at - self.start;
        let seconds = self.step as f64 / 1000.0;
        self.begin_faults();
        let effects = if self.is_spared { Effects::NONE } else { Effects::of(&self.faults, self.at) };
        self.end_leak(&effects);
        self.do_chores(since);

        let is_batch = since < self.batch_until;
        let visits = self.customers.visits(since) * effects.visits;
        let mut burdens = effects.stolen.map(|stolen| Burden { stolen, ..Burden::default() });
        self.serve(visits, is_batch, &effects, seconds, &mut burdens);
        self.store(visits, is_batch, &effects, seconds, &mut burdens);
        burdens[node::DATABASE].stuck = effects.disk.0 * FREE_OF_DISK;
        for (node, burden) in self.nodes.iter_mut().zip(&burdens) {
            node.tick(&mut self.registry, burden, seconds);
        }
    }

    /// The services answer requests.
    fn serve(
        &mut self,
        visits: f64,
        is_batch: bool,
        effects: &Effects,
        seconds: f64,
        burdens: &mut [Burden; node::NAMES.len()],
    ) {
        let mut health: Vec<Health> = Vec::with_capacity(SERVICES.len());
        for (service, design) in SERVICES.iter().enumerate() {
            let mut rates = [GET, POST].map(|method| design.routes[method].per_visit * visits / design.pods as f64);
            if service == SEARCH && is_batch {
                rates[POST] += REINDEX_RATE;
            }
            let mut sum = Health::default();
            for (replica, pod) in self.pods[service].iter_mut().enumerate() {
                let contention = 1.0 + 1.5 * effects.stolen[pod.place.node] / node::CORES;
                let bank = if service == PAYMENT { effects.bank } else { 1.0 };
                let leaked = match effects.leak {
                    Some((leaks, progress)) if service == CART && replica == leaks => progress * LEAKED_AT_LIMIT,
                    _ => 0.0,
                };
                let conditions = Conditions {
                    seconds,
                    rates,
                    slow: [contention, contention * bank],
                    failing: if service == PAYMENT { effects.failing } else { 0.0 },
                    leaked,
                    peers: &health,
                };
                let (work, did) = pod.tick(&mut self.registry, &conditions);
                burdens[pod.place.node].pods.add(&work);
                for method in [GET, POST] {
                    sum.mean[method] += did.mean[method] / design.pods as f64;
                    sum.failing[method] += did.failing[method] / design.pods as f64;
                }
            }
            health.push(sum);
        }
    }

    /// Databases and caches do what the services ask.
    fn store(
        &mut self,
        visits: f64,
        is_batch: bool,
        effects: &Effects,
        seconds: f64,
        burdens: &mut [Burden; node::NAMES.len()],
    ) {
        let requests = |counts: fn(&services::Service) -> f64| -> f64 {
            let per_visit = |service: &services::Service| -> f64 { service.routes.iter().map(|r| r.per_visit).sum() };
            SERVICES.iter().map(|service| visits * per_visit(service) * counts(service)).sum()
        };
        let queries = requests(|service| if service.has_database { 1.6 } else { 0.0 });
        let (stuck, growth) = effects.disk;
        let primary = DatabaseLoad {
            queries: 0.7 * queries,
            writes: 0.9 * visits,
            batch: f64::from(u8::from(is_batch)),
            stuck_wal: stuck * FREE_OF_DISK,
            stuck_wal_rate: growth * FREE_OF_DISK,
        };
        let replica =
            DatabaseLoad { queries: 0.3 * queries, batch: 0.0, stuck_wal: 0.0, stuck_wal_rate: 0.0, ..primary };
        for (database, load) in self.databases.iter_mut().zip([primary, replica]) {
            burdens[database.place.node].pods.add(&database.tick(&mut self.registry, &load, seconds));
        }
        let lookups = requests(|service| service.lookups);
        for (cache, share) in self.caches.iter_mut().zip([0.55, 0.45]) {
            burdens[cache.place.node].pods.add(&cache.tick(&mut self.registry, share * lookups, seconds));
        }
    }

    /// Takes down which faults have begun, and where.
    fn begin_faults(&mut self) {
        let (before, at) = (self.at - self.step, self.at);
        for fault in self.faults.iter().filter(|fault| before < fault.start && fault.start <= at) {
            let leaking = &self.pods[CART][fault.pick % SERVICES[CART].pods].place;
            self.incidents.push(Incident::of(*fault, &leaking.pod, leaking.node));
        }
    }

    /// A pod that has leaked until its limit is killed and starts again.
    fn end_leak(&mut self, effects: &Effects) {
        let leaks = effects.leak.map(|(replica, _)| replica);
        if let Some(replica) = self.leaking
            && leaks.is_none()
        {
            self.pods[CART][replica].restart(&mut self.registry, self.at, true);
        }
        self.leaking = leaks;
    }

    /// What is due today happens. Nobody deploys during an incident or shortly after, and the rare restart is put
    /// off likewise: a finding about it could not be told from a finding about the fault.
    fn do_chores(&mut self, since: TimestampMs) {
        while self.planned * DAY <= since {
            self.chores.extend(calendar::chores(self.seed, self.planned, SERVICES.len()));
            self.planned += 1;
        }
        let covers = |fault: &Fault| fault.start - HOUR <= self.at && self.at <= fault.end + GRACE;
        let is_calm = !self.faults.iter().any(covers);
        let mut put_off = Vec::new();
        while let Some((due, chore)) = self.chores.pop_front_if(|(due, _)| *due <= since) {
            match chore {
                Chore::Batch { length } => self.batch_until = due + length,
                Chore::Gap { length } => self.gap_until = due + length,
                _ if !is_calm => put_off.push((due, chore)),
                Chore::Deploy { service } => self.rolling.extend((0..SERVICES[service].pods).map(|r| (service, r))),
                Chore::Restart { service, replica } => {
                    let replica = replica % SERVICES[service].pods;
                    self.pods[service][replica].restart(&mut self.registry, self.at, false);
                }
            }
        }
        for chore in put_off.into_iter().rev() {
            self.chores.push_front(chore);
        }
        if let Some((service, replica)) = self.rolling.pop_front() {
            self.replace(service, replica);
        }
    }

    /// A pod of a new version takes the place of an old one.
    fn replace(&mut self, service: usize, replica: usize) {
        let old = self.pods[service][replica].series.clone();
        self.registry.end(old.clone());
        self.ended.extend(old);
        let place = deployed(self.seed, service, replica, self.at - self.start, self.created);
        self.created += 1;
        self.pods[service][replica] = Pod::register(&mut self.registry, self.seed, service, place, self.at, 0.0);
    }
}

/// Space of the database's disk that nothing uses in good times, but for the last per cent.
const FREE_OF_DISK: f64 = 0.98 * (node::DATABASE_DISK - node::DATABASE_USED);
/// Bytes on the heap that fill a container: the runtime holds about twice as much.
const LEAKED_AT_LIMIT: f64 = (MEMORY_LIMIT - 0.15 * GIB) / 2.1;
/// Index updates per second and pod while the nightly batch runs.
const REINDEX_RATE: f64 = 4.0;

/// Where a pod of a deployment goes; `version` is any number that changes with every rollout.
fn deployed(seed: u64, service: usize, replica: usize, version: TimestampMs, created: usize) -> Place {
    // The alphabet of Kubernetes: no vowels, nothing that looks like something else.
    const ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
    let name = SERVICES[service].name;
    let letters = |noise: &mut Noise, n: usize| -> String {
        (0..n).map(|_| char::from(ALPHABET[noise.below(ALPHABET.len())])).collect()
    };
    let template = letters(&mut Noise::new(seed, &format!("{name} since {}", version / HOUR)), 9);
    let pod = letters(&mut Noise::new(seed, &format!("{name} {replica} since {version}")), 5);
    let node = (service + replica) % node::NAMES.len();
    Place { service: name, pod: format!("{name}-{template}-{pod}"), node, instance: address(node, created) }
}

/// Address of the pod that was created as number `created`.
fn address(node: usize, created: usize) -> String {
    format!("10.42.{node}.{}:8080", 10 + created % 240)
}

impl Work {
    fn add(&mut self, other: &Self) {
        self.cpu += other.cpu;
        self.memory += other.memory;
        self.received += other.received;
        self.sent += other.sent;
        self.read += other.read;
        self.written += other.written;
    }
}

#[cfg(test)]
mod tests;
