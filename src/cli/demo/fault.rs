//! What goes wrong in the shop: when, for how long, and what may rightly be blamed on it.

use super::shop::{
    calendar::{HOUR, MINUTE},
    node,
    noise::Noise,
    services::{CART, PAYMENT, SERVICES},
};
use crate::signal::{Condition, FindingScope, Labels, METRIC_NAME, Matcher, TimestampMs};

/// Kinds of faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FaultKind {
    /// The bank that payment asks takes six times as long.
    Latency,
    /// A third of the payments fail.
    Errors,
    /// A pod of the cart leaks memory until it is killed.
    Leak,
    /// Three times as many customers as usual.
    Surge,
    /// The database's disk fills.
    Disk,
    /// Something else on a machine takes most of its CPU.
    Neighbour,
}

impl FaultKind {
    /// All kinds.
    pub const ALL: [Self; 6] = [Self::Latency, Self::Errors, Self::Leak, Self::Surge, Self::Disk, Self::Neighbour];

    /// A short name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Latency => "slow dependency",
            Self::Errors => "error burst",
            Self::Leak => "memory leak",
            Self::Surge => "traffic surge",
            Self::Disk => "disk filling",
            Self::Neighbour => "noisy neighbour",
        }
    }

    /// How long it lasts when there is room.
    fn duration(self) -> TimestampMs {
        match self {
            Self::Latency | Self::Errors | Self::Surge | Self::Neighbour => 40 * MINUTE,
            Self::Leak | Self::Disk => 150 * MINUTE,
        }
    }
}

/// A fault and its time.
#[derive(Clone, Copy, Debug)]
pub struct Fault {
    /// What goes wrong.
    pub kind: FaultKind,
    /// From when, event time.
    pub start: TimestampMs,
    /// Until when.
    pub end: TimestampMs,
    /// Which pod or machine is hit, where there is a choice: taken modulo their number.
    pub pick: usize,
}

impl Fault {
    /// How far it has come, 0 to 1; `None` when it is not going on.
    #[must_use]
    pub fn progress(&self, at: TimestampMs) -> Option<f64> {
        let goes_on = (self.start..self.end).contains(&at);
        goes_on.then(|| (at - self.start) as f64 / (self.end - self.start) as f64)
    }

    /// The machine that is hit, for the faults of a machine.
    pub(super) fn node(&self) -> usize {
        if self.kind == FaultKind::Disk { node::DATABASE } else { self.pick % node::NAMES.len() }
    }
}

/// One fault of each kind between `from` and `to`, in an order and at times that `seed` decides, one after the other.
///
/// The time is cut into as many equal slots; each fault starts in the first third of its slot and leaves at least
/// a tenth of it for calm.
#[must_use]
pub fn one_of_each(seed: u64, from: TimestampMs, to: TimestampMs) -> Vec<Fault> {
    let mut noise = Noise::new(seed, "faults");
    let mut kinds = FaultKind::ALL;
    for last in (1..kinds.len()).rev() {
        kinds.swap(last, noise.below(last + 1));
    }
    let slot = (to - from) / kinds.len() as i64;
    let placed = kinds.into_iter().enumerate().map(|(i, kind)| {
        let opens = from + i as i64 * slot;
        let start = opens + (noise.unit() * slot as f64 / 3.0) as i64;
        let end = (start + kind.duration()).min(opens + slot - slot / 10);
        Fault { kind, start, end, pick: noise.below(12) }
    });
    placed.collect()
}

/// What the faults do to the shop at one moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Effects {
    /// Factor on the time that payment's POST takes.
    pub(super) bank: f64,
    /// Share of payment's requests that fail.
    pub(super) failing: f64,
    /// Replica of the cart that leaks, and what of its limit it has leaked, 0 to 1.
    pub(super) leak: Option<(usize, f64)>,
    /// Factor on the visits.
    pub(super) visits: f64,
    /// What is full of the free part of the database's disk, 0 to 1, and its growth per second.
    pub(super) disk: (f64, f64),
    /// Cores taken on each machine.
    pub(super) stolen: [f64; node::NAMES.len()],
}

impl Effects {
    pub(super) const NONE: Self =
        Self { bank: 1.0, failing: 0.0, leak: None, visits: 1.0, disk: (0.0, 0.0), stolen: [0.0; node::NAMES.len()] };

    /// All effects at `at`.
    pub(super) fn of(faults: &[Fault], at: TimestampMs) -> Self {
        let mut effects = Self::NONE;
        for (fault, progress) in faults.iter().filter_map(|fault| Some((fault, fault.progress(at)?))) {
            match fault.kind {
                FaultKind::Latency => effects.bank = 6.0,
                FaultKind::Errors => effects.failing = 0.33,
                FaultKind::Leak => effects.leak = Some((fault.pick % SERVICES[CART].pods, progress)),
                FaultKind::Surge => effects.visits = 3.0,
                FaultKind::Disk => effects.disk = (progress, 1000.0 / (fault.end - fault.start) as f64),
                FaultKind::Neighbour => effects.stolen[fault.node()] = 2.7,
            }
        }
        effects
    }
}

/// A fault that has begun, with what it legitimately affects.
#[derive(Clone, Debug)]
pub struct Incident {
    /// The fault.
    pub fault: Fault,
    /// Where it sits, in words.
    pub place: String,
    affected: Vec<Selector>,
}

/// Matchers that must all hold.
type Selector = Vec<Matcher>;

/// Time after the end of a fault in which a finding still counts as its consequence: what builds up must drain,
/// and smoothed features remember some samples.
pub const GRACE: TimestampMs = HOUR / 2;

/// Labels that name a workload; a finding about one carries no others.
const WORKLOAD_LABELS: [&str; 4] = ["namespace", "pod", "job", "instance"];

/// Metrics that move with the time requests take.
const WAITING: &str = "http_request_duration_.+|http_requests_in_flight|go_goroutines|go_memstats_stack_.+\
    |process_open_fds|db_client_(connections|wait_.+)";
/// The services that wait for others.
const CALLERS: &str = "(checkout|frontend)-.+";
/// Metrics of the calls that a service makes.
const CALLS: &str = "http_client_request.+";
/// Metrics of a pod that move with its traffic; its limits, its version and its start do not.
const TRAFFIC: &str = "http_.+|db_client_(connections|wait_.+)|cache_.+|jobs_.+|go_.+|process_(cpu|resident|open)_.+\
    |container_(cpu|memory|network|fs)_.+|container_threads|pg_(stat|locks|wal|database)_.+|redis_(c|k|e|memory_u).+";

impl Incident {
    /// The fault has begun; if it is a leak, in the pod `leaking` on the machine with index `leaking_on`.
    pub(super) fn of(fault: Fault, leaking: &str, leaking_on: usize) -> Self {
        let machine = node::NAMES[fault.node()];
        let (place, affected) = match fault.kind {
            FaultKind::Latency => {
                let waits = [("pod", "(payment|checkout|frontend)-.+"), (METRIC_NAME, WAITING)];
                let calls = [("pod", CALLERS), ("peer", "payment|checkout"), (METRIC_NAME, CALLS)];
                (SERVICES[PAYMENT].name.to_owned(), vec![select(&waits), select(&calls)])
            }
            FaultKind::Errors => {
                let answers = [("pod", "(payment|checkout|frontend)-.+"), (METRIC_NAME, "http_requests_total")];
                let calls =
                    [("pod", CALLERS), ("peer", "payment|checkout"), (METRIC_NAME, "http_client_requests_total")];
                (SERVICES[PAYMENT].name.to_owned(), vec![select(&answers), select(&calls)])
            }
            FaultKind::Leak => {
                let memory = "container_memory_.+|container_oom_.+|go_memstats_.+|go_gc_.+|process_resident_.+\
                    |process_start_.+|kube_pod_container_status_restarts_total";
                let of_machine = format!("{}:.+", node::NAMES[leaking_on]);
                let affected = vec![
                    select(&[("pod", leaking), (METRIC_NAME, memory)]),
                    select(&[("instance", &of_machine), (METRIC_NAME, "node_memory_.+")]),
                ];
                (leaking.to_owned(), affected)
            }
            FaultKind::Surge => {
                let machines = "node_(cpu|pressure|memory|disk|network|context|procs|nf|hwmon)_.+|node_load.+";
                let affected = vec![
                    select(&[("pod", ".+"), (METRIC_NAME, TRAFFIC)]),
                    select(&[("instance", "node-.+:.+"), (METRIC_NAME, machines)]),
                ];
                ("the whole shop".to_owned(), affected)
            }
            FaultKind::Disk => {
                let disk = "node_disk_(writ|io).+|node_pressure_io_.+|node_memory_Dirty_bytes|node_procs_blocked\
                    |node_cpu_.+|node_load.+";
                let of_machine = format!("{machine}:.+");
                let writer = "pg_wal_.+|container_fs_writes_.+";
                let affected = vec![
                    select(&[("instance", &of_machine), ("mountpoint", node::DATABASE_MOUNT)]),
                    select(&[("instance", &of_machine), (METRIC_NAME, disk)]),
                    select(&[("pod", "postgres-0"), (METRIC_NAME, writer)]),
                ];
                (format!("{machine} {}", node::DATABASE_MOUNT), affected)
            }
            FaultKind::Neighbour => {
                let cpu = "node_(cpu|pressure_cpu|context|procs|hwmon)_.+|node_load.+";
                let of_machine = format!("{machine}:.+");
                let affected = vec![
                    select(&[("instance", &of_machine), (METRIC_NAME, cpu)]),
                    // Every service has a pod there, and whoever calls it waits.
                    select(&[("pod", ".+"), (METRIC_NAME, WAITING)]),
                    select(&[("pod", CALLERS), (METRIC_NAME, CALLS)]),
                ];
                (machine.to_owned(), affected)
            }
        };
        Self { fault, place, affected }
    }

    /// Whether the fault legitimately moves the series with these labels.
    ///
    /// A workload is moved when one of its series may be: only the labels that name it are looked at.
    #[must_use]
    pub fn affects(&self, scope: FindingScope, labels: &Labels) -> bool {
        let counts = |matcher: &&Matcher| match scope {
            FindingScope::Series => true,
            FindingScope::Workload => WORKLOAD_LABELS.contains(&&*matcher.name),
            FindingScope::Group => labels.get(&matcher.name).is_some(),
        };
        let holds = |matcher: &Matcher| matcher.accepts(labels.get(&matcher.name).unwrap_or_default());
        self.affected.iter().any(|selector| selector.iter().filter(counts).all(holds))
    }

    /// Whether something raised at `at` can be a consequence.
    #[must_use]
    pub fn covers(&self, at: TimestampMs) -> bool {
        (self.fault.start..=self.fault.end + GRACE).contains(&at)
    }
}

/// A selector of labels that match these patterns.
fn select(patterns: &[(&str, &str)]) -> Selector {
    let matcher = |(name, pattern): &(&str, &str)| {
        let regex = Matcher::regex(pattern).expect("patterns are written here, names hold letters, digits, - and /");
        Matcher { name: (*name).to_owned(), condition: Condition::Matches(regex) }
    };
    patterns.iter().map(matcher).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::demo::shop::calendar::DAY;

    const FROM: TimestampMs = 1_000 * HOUR;

    #[test]
    fn every_kind_comes_once_and_none_in_anothers_time() {
        for seed in 0..50 {
            let faults = one_of_each(seed, FROM, FROM + 23 * HOUR);
            assert_eq!(FaultKind::ALL.iter().filter(|kind| faults.iter().any(|f| f.kind == **kind)).count(), 6);
            assert!(faults[0].start >= FROM && faults[5].end < FROM + 23 * HOUR);
            assert!(faults.iter().all(|fault| fault.end - fault.start >= 40 * MINUTE));
            // Of two neighbours the first is over before the second begins; the last tenth of a slot is calm.
            assert!(faults.windows(2).all(|pair| pair[0].end + 20 * MINUTE < pair[1].start), "{faults:?}");
        }
        let order = |seed| one_of_each(seed, FROM, FROM + DAY).iter().map(|f| (f.kind, f.start)).collect::<Vec<_>>();
        assert_eq!(order(3), order(3));
        assert_ne!(order(3), order(4));
    }

    #[test]
    fn a_fault_acts_from_its_start_until_its_end() {
        let fault = Fault { kind: FaultKind::Disk, start: FROM, end: FROM + HOUR, pick: 0 };
        let disk = |at| Effects::of(&[fault], at).disk.0;
        assert_eq!([FROM - 1, FROM, FROM + HOUR / 2, FROM + HOUR].map(disk), [0.0, 0.0, 0.5, 0.0]);
        assert_eq!(Effects::of(&[fault], FROM + HOUR), Effects::NONE);
    }

    #[test]
    fn two_faults_act_side_by_side() {
        let faults = [FaultKind::Latency, FaultKind::Neighbour].map(|kind| Fault {
            kind,
            start: FROM,
            end: FROM + HOUR,
            pick: 4,
        });
        let effects = Effects::of(&faults, FROM);
        assert_eq!((effects.bank, effects.stolen), (6.0, [0.0, 2.7, 0.0]));
    }
}
