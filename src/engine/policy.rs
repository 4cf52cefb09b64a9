//! What people decided: rules about what is worth a finding, planned work, and what they said of findings.

use hashbrown::HashSet;

use super::{
    Options, Shard,
    lessons::{Lesson, Shape},
    tenant::Tenant,
};
use crate::{
    anomaly::Detector,
    series::{Archive, resolve},
    signal::{
        Command, Direction, Feedback, Finding, FindingScope, GroupKey, Identity, Labels, Maintenance, Rule, SeriesKey,
        TenantId, TimestampMs, selects,
    },
};

/// Plans kept per tenant.
pub const PLANS_MAX: usize = 200;

/// What the rules say of one series.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Policy {
    pub(super) exclude: bool,
    pub(super) direction: Direction,
    pub(super) min_absolute: f64,
    pub(super) min_relative: f64,
}

impl Policy {
    /// What holds for a series with these labels.
    fn of(rules: &[Rule], min_relative: f64, labels: &Labels) -> Self {
        let mut policy = Self { exclude: false, direction: Direction::Both, min_absolute: 0.0, min_relative };
        for rule in rules.iter().filter(|rule| selects(&rule.matchers, labels)) {
            policy.exclude = rule.exclude.unwrap_or(policy.exclude);
            policy.direction = rule.direction.unwrap_or(policy.direction);
            policy.min_absolute = rule.min_absolute.unwrap_or(policy.min_absolute);
            policy.min_relative = rule.min_relative.unwrap_or(policy.min_relative);
        }
        policy
    }

    /// Whether a value this far from what was expected is worth a finding.
    pub(super) fn admits(&self, value: f64, expected: f64) -> bool {
        let distance = value - expected;
        let side = match self.direction {
            Direction::Both => true,
            Direction::Above => distance > 0.0,
            Direction::Below => distance < 0.0,
        };
        !self.exclude
            && side
            && distance.abs() >= self.min_absolute
            && distance.abs() >= self.min_relative * expected.abs()
    }
}

/// The different policies of a tenant's series; a series keeps the number of its own.
#[derive(Debug, Default)]
pub(super) struct Policies(Vec<Policy>);

impl Policies {
    /// The number of the policy of a series with these labels; there are at most two to the power of the rules.
    pub(super) fn number(&mut self, options: &Options, labels: &Labels) -> u16 {
        let policy = Policy::of(&options.rules, options.min_relative_deviation, labels);
        let known = self.0.iter().position(|known| *known == policy);
        known.unwrap_or_else(|| {
            self.0.push(policy);
            self.0.len() - 1
        }) as u16
    }

    pub(super) fn get(&self, number: u16) -> Policy {
        self.0[usize::from(number)]
    }
}

/// Planned work and the series it covers.
#[derive(Debug)]
struct Plan {
    work: Maintenance,
    covered: HashSet<u32>,
}

/// All planned work of a tenant.
#[derive(Debug, Default)]
pub(super) struct Plans(Vec<Plan>);

impl Plans {
    /// Whether the series in `slot` is being worked on.
    pub(super) fn cover(&self, slot: u32, at: TimestampMs) -> bool {
        self.0.iter().any(|plan| plan.work.covers(at) && plan.covered.contains(&slot))
    }

    /// Whether any work that goes on covers a group with these labels.
    pub(super) fn touch(&self, labels: &Labels, at: TimestampMs) -> bool {
        self.0.iter().any(|plan| plan.work.covers(at) && selects(&plan.work.matchers, labels))
    }

    /// Takes note of a new series.
    pub(super) fn admit(&mut self, slot: u32, labels: &Labels) {
        for plan in self.0.iter_mut().filter(|plan| selects(&plan.work.matchers, labels)) {
            plan.covered.insert(slot);
        }
    }

    /// Forgets a series.
    pub(super) fn dismiss(&mut self, slot: u32) {
        for plan in &mut self.0 {
            plan.covered.remove(&slot);
        }
    }

    /// Drops what is over for a day.
    pub(super) fn forget(&mut self, now: TimestampMs) {
        self.0.retain(|plan| !plan.work.is_over(now.saturating_sub(86_400_000)));
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Maintenance> {
        self.0.iter().map(|plan| &plan.work)
    }
}

/// What came of a command in one shard.
#[derive(Clone, Debug, Default)]
pub struct Told {
    /// The finding as it is now, if the command was about one that lives here.
    pub finding: Option<Finding>,
    /// What every shard is to learn from it.
    pub lesson: Option<Heed>,
}

/// A lesson on its way to all shards.
#[derive(Clone, Debug)]
pub struct Heed {
    lesson: Lesson,
    /// Taken back instead.
    forget: bool,
}

impl Shard {
    /// Takes a command. Every shard must be told; a lesson that one of them gives is for all to [`heed`](Self::heed).
    pub fn tell(&mut self, id: &TenantId, command: &Command) -> Told {
        if let Command::Ceiling(ceiling) = command {
            self.ceiling = *ceiling;
            return Told::default();
        }
        let (tenant, archive) = self.tenant_and_archive(id);
        match command {
            Command::Ceiling(_) => {}
            Command::Judge { id, feedback } => return tenant.take_feedback(id, *feedback, archive),
            Command::Plan(work) => tenant.plan(work.clone()),
            Command::Cancel(id) => tenant.plans.0.retain(|plan| plan.work.id != *id),
        }
        Told::default()
    }

    /// Learns, or unlearns, from what a person said of a finding of any shard.
    pub fn heed(&mut self, id: &TenantId, heed: &Heed) {
        let (tenant, lesson) = (self.tenant_mut(id), heed.lesson.clone());
        if heed.forget {
            tenant.lessons.unlearn(lesson.group, lesson.above, lesson.reach);
        } else {
            tenant.lessons.learn(lesson);
        }
    }

    /// Planned work of a tenant; every shard knows all of it.
    #[must_use]
    pub fn plans(&self, id: &TenantId) -> Vec<Maintenance> {
        self.tenants.get(id).map(|tenant| tenant.plans.all().cloned().collect()).unwrap_or_default()
    }
}

impl Tenant {
    /// Plans work, in the place of the one with the same id; the oldest goes when there are too many.
    pub(super) fn plan(&mut self, work: Maintenance) {
        self.plans.0.retain(|plan| plan.work.id != work.id);
        if self.plans.0.len() >= PLANS_MAX {
            self.plans.0.remove(0);
        }
        let slots = self.index.candidates(&self.interner, &work.matchers);
        let slots = slots.unwrap_or_else(|| self.series.numbers().collect());
        let is_covered = |slot: &u32| {
            let series = self.series.get(*slot);
            series.is_some_and(|series| selects(&work.matchers, &resolve(&self.interner, &series.labels)))
        };
        let covered = slots.into_iter().filter(is_covered).collect();
        self.plans.0.push(Plan { work, covered });
    }

    fn take_feedback(&mut self, id: &str, feedback: Option<Feedback>, archive: &Archive) -> Told {
        let Some((subject, case)) = self.findings.find_mut(id) else { return Told::default() };
        let before = std::mem::replace(&mut case.finding.feedback, feedback);
        let finding = case.finding.clone();
        let end = finding.resolved_at.unwrap_or(finding.updated_at);
        let shape = Shape { above: case.above, reach: case.reach, began: finding.since, now: end };
        let confirmed = feedback == Some(Feedback::Real) && subject.is_none();
        let detector = if confirmed { case.before.take() } else { None };
        let lesson = match (before, feedback) {
            (Some(Feedback::FalseAlarm), Some(Feedback::FalseAlarm)) => None,
            (_, Some(Feedback::FalseAlarm)) => Some(false),
            (Some(Feedback::FalseAlarm), _) => Some(true),
            _ => None,
        };
        let group = subject_group(GroupKey::of(finding.labels.iter()), Identity::of(&finding.labels).series);
        let lesson = lesson.map(|forget| Heed { lesson: Lesson::of(group, &shape), forget });
        if let (FindingScope::Series, Some(detector)) = (finding.scope, detector)
            && let Some(slot) = self.slot_of(Identity::of(&finding.labels).series)
        {
            self.relearn(slot, detector, end, archive);
        }
        Told { finding: Some(finding), lesson }
    }

    /// Goes on with a detector that has not seen an incident, as if the series had been interrupted: it learns again what
    /// the window holds of the time after `end`.
    fn relearn(&mut self, slot: u32, mut detector: Box<Detector>, end: TimestampMs, archive: &Archive) {
        let Some(series) = self.series.get_mut(slot) else { return };
        let state = &mut series.state;
        let cadence = crate::anomaly::Cadence::of(state.step.interval());
        detector.interrupt();
        for observed in state.observed(end, TimestampMs::MAX, archive) {
            detector.observe(&cadence, observed.at, observed.value, |_| 1.0, &mut None);
        }
        state.detector = Some(*detector);
    }
}

/// The group that lessons about a series or workload belong to: its siblings, or else itself.
pub(super) fn subject_group(group: Option<GroupKey>, key: SeriesKey) -> GroupKey {
    group.unwrap_or(GroupKey::new(key.0 as u64))
}
