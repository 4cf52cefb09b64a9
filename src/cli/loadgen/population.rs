//! Which series there are: a cluster's machines, each with containers and the services in them.
//!
//! Series come in the order of their number: a machine, its containers and services, the next machine, as many as asked
//! for. Nothing is kept of a series: labels are those of its target with those of its line in the [`catalogue`].

use std::ops::Range;

use super::{
    catalogue::{self, Line},
    motion::{Moment, scramble, traffic_s, unit},
    place::Place,
};
use crate::signal::TimestampMs;

/// Containers on a machine.
const CONTAINERS: usize = 10;
const HOUR_MS: f64 = 3_600_000.0;
/// Counters began up to this long before the run, in milliseconds.
const AGE_MS: f64 = 7.0 * 24.0 * HOUR_MS;
const SERVICES: [(&str, &str); 12] = [
    ("accounts", "identity"),
    ("cart", "shop"),
    ("catalogue", "shop"),
    ("checkout", "shop"),
    ("frontend", "shop"),
    ("inventory", "logistics"),
    ("mailer", "messaging"),
    ("notifications", "messaging"),
    ("payment", "finance"),
    ("recommender", "insight"),
    ("search", "shop"),
    ("shipping", "logistics"),
];

/// What kind of target a series comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Job {
    Machine,
    Container,
    Service,
}

impl Job {
    pub(super) const ALL: [Self; 3] = [Self::Machine, Self::Container, Self::Service];

    /// Names of the labels that all series of a target share, sorted.
    pub(super) fn label_names(self) -> &'static [&'static str] {
        match self {
            Self::Machine => &["cluster", "environment", "instance", "job", "namespace", "nodename", "region"],
            Self::Container => {
                &["cluster", "container", "environment", "image", "instance", "job", "namespace", "node", "pod"]
            }
            Self::Service => &["cluster", "container", "environment", "instance", "job", "namespace", "node", "pod"],
        }
    }
}

/// All series, and how they differ from run to run.
#[derive(Clone, Debug)]
pub struct Population {
    /// By [`Job`].
    lines: [Vec<Line>; 3],
    size: usize,
    seed: u64,
    start: TimestampMs,
    interval_ms: f64,
    /// How often a pod is replaced, per millisecond.
    replaced_per_ms: f64,
}

/// Neighbouring series of one target.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub(super) job: Job,
    /// Into [`Population::lines`].
    pub(super) lines: Range<usize>,
    pub(super) target: Target,
}

/// What the series of a target share.
#[derive(Clone, Debug)]
pub(super) struct Target {
    /// Values of the labels, in order of [`Job::label_names`].
    pub(super) values: Vec<String>,
    key: u64,
    since_s: f64,
}

impl Target {
    /// The value of one of its series.
    #[inline]
    pub(super) fn value(&self, line: &Line, moment: &Moment) -> f64 {
        line.motion.value(scramble(line.stream ^ self.key), self.since_s, moment)
    }
}

impl Population {
    /// `size` series that begin at `start` and have a sample each `interval_ms`. Pods are replaced so often that
    /// `churn` is the share of all series that end in an hour, new ones taking their place.
    #[must_use]
    pub fn new(size: usize, seed: u64, start: TimestampMs, interval_ms: f64, churn: f64) -> Self {
        let lines = [catalogue::machine(), catalogue::container(), catalogue::service()];
        let mut population = Self { lines, size, seed, start, interval_ms, replaced_per_ms: 0.0 };
        let block = population.block();
        let of_pods = (block - population.lines(Job::Machine).len()) as f64 / block as f64;
        population.replaced_per_ms = churn / of_pods / HOUR_MS;
        population
    }

    /// What the targets of a kind show.
    pub(super) fn lines(&self, job: Job) -> &[Line] {
        &self.lines[job as usize]
    }

    /// The time `at`, for values.
    pub(super) fn moment(&self, at: TimestampMs) -> Moment {
        Moment::new(at, self.interval_ms)
    }

    /// The series numbered `range`, target by target, as they are at `at`.
    pub(super) fn parts(&self, range: Range<usize>, at: TimestampMs) -> impl Iterator<Item = Part> {
        let mut next = range.start;
        let end = range.end.min(self.size);
        std::iter::from_fn(move || {
            (next < end).then(|| {
                let part = self.part(next, end - next, at);
                next += part.lines.len();
                part
            })
        })
    }

    /// Series of a machine and what runs on it.
    fn block(&self) -> usize {
        self.lines(Job::Machine).len() + CONTAINERS * self.pod()
    }

    fn pod(&self) -> usize {
        self.lines(Job::Container).len() + self.lines(Job::Service).len()
    }

    /// The part that begins with series `first` and has at most `most` of them.
    fn part(&self, first: usize, most: usize, at: TimestampMs) -> Part {
        let (machine, place) = (first / self.block(), first % self.block());
        let of_machine = self.lines(Job::Machine).len();
        let (job, number, line) = match place.checked_sub(of_machine) {
            None => (Job::Machine, machine, place),
            Some(place) => {
                let (number, place) = (machine * CONTAINERS + place / self.pod(), place % self.pod());
                match place.checked_sub(self.lines(Job::Container).len()) {
                    None => (Job::Container, number, place),
                    Some(line) => (Job::Service, number, line),
                }
            }
        };
        let lines = line..self.lines(job).len().min(line + most);
        let target = if job == Job::Machine { self.machine(number) } else { self.in_pod(job, number, at) };
        Part { job, lines, target }
    }

    fn machine(&self, number: usize) -> Target {
        let place = Place::of(number);
        let key = self.key(Job::Machine, number, 0);
        let values = vec![
            place.cluster,
            "production".to_owned(),
            format!("{}:9100", place.address),
            "node-exporter".to_owned(),
            "monitoring".to_owned(),
            place.node,
            place.region.to_owned(),
        ];
        Target { values, key, since_s: traffic_s(self.begun(key)) }
    }

    /// A container or the service in it: the pod `number`, or what has taken its place by `at`.
    fn in_pod(&self, job: Job, number: usize, at: TimestampMs) -> Target {
        let phase = unit(self.key(Job::Machine, number, u64::MAX));
        let generation = ((at - self.start) as f64 * self.replaced_per_ms + phase) as u64;
        let key = self.key(job, number, generation);
        let begun = if generation == 0 {
            self.begun(key)
        } else {
            self.start + ((generation as f64 - phase) / self.replaced_per_ms) as TimestampMs
        };
        let place = Place::of(number / CONTAINERS);
        let (service, namespace) = SERVICES[number % SERVICES.len()];
        let deployed = scramble(self.seed ^ generation.rotate_left(32)) as u32;
        let pod = format!("{service}-{deployed:08x}-{number:05}");
        let mut values = vec![place.cluster, service.to_owned(), "production".to_owned()];
        match job {
            Job::Container => values.extend([
                format!("registry.internal/{namespace}/{service}:1.{}.{}", number % 9, generation),
                format!("{}:10250", place.address),
                "kubelet".to_owned(),
            ]),
            _ => values.extend([
                format!("10.{}.{}.{}:8080", 64 + number / 65_536 % 64, number / 256 % 256, number % 256),
                service.to_owned(),
            ]),
        }
        values.extend([namespace.to_owned(), place.node, pod]);
        Target { values, key, since_s: traffic_s(begun) }
    }

    fn begun(&self, key: u64) -> TimestampMs {
        self.start - (AGE_MS * unit(key)) as TimestampMs
    }

    fn key(&self, job: Job, number: usize, generation: u64) -> u64 {
        let target = (number as u64) << 2 | job as u64;
        scramble(scramble(self.seed ^ generation).wrapping_add(target))
    }
}

#[cfg(test)]
impl Population {
    /// Labels and values of all series at `at`, in order.
    pub(super) fn series(&self, range: Range<usize>, at: TimestampMs) -> Vec<(crate::signal::Labels, f64)> {
        let moment = self.moment(at);
        let parts = self.parts(range, at);
        let series = parts.flat_map(|part| {
            let shared: Vec<_> = part.job.label_names().iter().copied().zip(part.target.values.clone()).collect();
            let lines = self.lines(part.job)[part.lines].to_vec();
            let target = part.target;
            lines.into_iter().map(move |line| {
                let value = target.value(&line, &moment);
                (crate::signal::Labels::from_pairs(shared.clone().into_iter().chain(line.labels)), value)
            })
        });
        series.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    const START: TimestampMs = 1_770_000_000_000;

    fn population(size: usize, churn: f64) -> Population {
        Population::new(size, 7, START, 15_000.0, churn)
    }

    #[test]
    fn series_differ_and_have_about_ten_labels() {
        let series = population(10_000, 0.0).series(0..10_000, START);
        let distinct: HashSet<String> = series.iter().map(|(labels, _)| labels.to_string()).collect();
        assert_eq!(distinct.len(), 10_000);
        let labels: usize = series.iter().map(|(labels, _)| labels.len()).sum();
        let mean = labels as f64 / 10_000.0;
        assert!((9.5..11.0).contains(&mean), "{mean}");
    }

    #[test]
    fn the_set_and_its_order_stay_and_parts_fit_together() {
        let population = population(5_000, 0.0);
        let labels = |range, at| population.series(range, at).into_iter().map(|(labels, _)| labels);
        let whole: Vec<_> = labels(0..5_000, START).collect();
        assert_eq!(whole, labels(0..5_000, START + 86_400_000).collect::<Vec<_>>());
        let cut: Vec<_> = (0..5_000).step_by(77).flat_map(|i| labels(i..(i + 77).min(5_000), START)).collect();
        assert_eq!(whole, cut);
    }

    #[test]
    fn the_seed_decides_values() {
        let values = |seed| Population::new(100, seed, START, 15_000.0, 0.0).series(0..100, START);
        assert_eq!(values(1), values(1));
        assert_ne!(values(1), values(2));
    }

    #[test]
    fn parts_of_a_histogram_agree() {
        let population = population(2_000, 0.0);
        let mut last: Option<(String, f64)> = None;
        let mut compared = 0;
        for (labels, value) in population.series(0..2_000, START + 3_600_000) {
            if labels.get("le").is_some() {
                let of = labels.filtered(|name| name != "le").to_string();
                compared += usize::from(last.as_ref().is_some_and(|(before, _)| *before == of));
                assert!(last.is_none_or(|(before, below)| before != of || below <= value), "{labels}");
                last = Some((of, value));
            }
        }
        assert!(compared > 100);
    }

    #[test]
    fn churn_is_the_share_of_series_that_end_in_an_hour() {
        const SIZE: usize = 200_000;
        const HOUR: TimestampMs = 3_600_000;
        let population = population(SIZE, 0.2);
        let parts = |at| population.parts(0..SIZE, at);
        let pairs = parts(START).zip(parts(START + HOUR));
        let replaced = pairs.filter(|(before, after)| before.target.values != after.target.values);
        let ended: usize = replaced.map(|(before, _)| before.lines.len()).sum();
        assert!((0.18..0.22).contains(&(ended as f64 / SIZE as f64)), "{ended}");
        // What takes the place of a pod begins to count when it comes.
        assert!(population.series(0..10_000, START + HOUR).iter().all(|(_, value)| *value >= 0.0));
    }
}
