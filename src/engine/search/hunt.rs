//! Where a shard looks for the series of one view, and how it knows them.

use hashbrown::{HashMap, HashSet};

use super::Question;
use crate::{
    engine::{answers::View, state::Series, tenant::Tenant},
    series::{Common, Step, Symbol, SymbolSet},
    signal::{Condition, Matcher},
};

/// Work of a slice of finding, in leaps through lists of slots: about a millisecond.
pub(super) const FIND_WORK: usize = 1 << 16;
/// What it costs to look at a series or to match a value, in the same unit.
pub(super) const LOOK: usize = 16;
/// Values of a label of which it is kept in mind whether they match.
const VERDICTS_MAX: usize = 1 << 16;

/// The search for the series of one view.
#[derive(Debug)]
pub(super) struct Hunt {
    pub(super) view: View,
    checks: Vec<Check>,
    quarry: Quarry,
    /// The first slot not looked at yet.
    next: u32,
    /// Keys of those that match, of series or of workloads.
    pub(super) keys: Vec<u128>,
}

/// Where matches can be.
#[derive(Debug)]
enum Quarry {
    /// Not known yet.
    New,
    /// Gathered from the values of a label that satisfy a check; how far that has come.
    Values { check: usize, after: Option<Symbol>, slots: Vec<u32> },
    /// Gathered, but in no order yet.
    Unsorted(Vec<u32>),
    /// Among these, and in the posting lists of all equalities.
    Slots(Vec<u32>),
    /// In the posting lists of all equalities.
    Lists,
    /// Anywhere.
    All,
}

/// A matcher as a shard sees it: by symbols.
#[derive(Debug)]
struct Check {
    matcher: Matcher,
    /// Label of the source, and the one instead where it is absent.
    label: String,
    instead: Option<&'static str>,
    accepts_absent: bool,
    verdicts: HashMap<Symbol, bool>,
}

/// The series that lives in a slot.
pub(super) fn series_in(tenant: &Tenant, slot: u32) -> Option<&Series> {
    tenant.series.get(slot)
}

impl Hunt {
    pub(super) fn new(view: View, question: &Question) -> Self {
        let checks = question.matchers.iter().filter_map(|matcher| {
            let (label, instead) = view.at_source(&matcher.name)?;
            Some(Check {
                label: label.to_owned(),
                instead,
                accepts_absent: matcher.accepts(""),
                verdicts: HashMap::new(),
                matcher: matcher.clone(),
            })
        });
        Self { view, checks: checks.collect(), quarry: Quarry::New, next: 0, keys: Vec::new() }
    }

    /// Does what needs no shard.
    pub(super) fn prepare(&mut self) {
        if let Quarry::Unsorted(slots) = &mut self.quarry {
            slots.sort_unstable();
            slots.dedup();
            self.quarry = Quarry::Slots(std::mem::take(slots));
        }
    }

    /// Looks further until `work` is used up; whether it may find more.
    pub(super) fn go_on(&mut self, tenant: &Tenant, question: &Question, work: &mut usize) -> bool {
        if let View::Workload { .. } = self.view {
            return self.go_on_in_workloads(tenant, work);
        }
        if let Quarry::New = self.quarry {
            self.quarry = begin(&self.checks, tenant);
        }
        if let Quarry::Values { check, after, slots } = &mut self.quarry {
            if gather(&mut self.checks[*check], tenant, after, slots, work) {
                return true;
            }
            self.quarry = Quarry::Unsorted(std::mem::take(slots));
        }
        let equalities = self.checks.iter().filter(|check| check.equals().is_some());
        let mut lists: Vec<&[u32]> = equalities.map(|check| check.slots(tenant)).collect();
        match &self.quarry {
            Quarry::Unsorted(_) => return true,
            Quarry::Slots(slots) => lists.push(slots),
            Quarry::New | Quarry::Values { .. } | Quarry::Lists | Quarry::All => {}
        }
        if let Quarry::All = self.quarry {
            let end = tenant.series.numbers().end;
            while self.next < end {
                if *work < LOOK {
                    return true;
                }
                *work -= LOOK;
                look(&mut self.checks, &mut self.keys, tenant, question, self.next);
                self.next += 1;
            }
            return false;
        }
        for step in Common::of(lists, self.next) {
            let cost = if let Step::Found(_) = step { LOOK } else { 1 };
            if *work < cost {
                return true;
            }
            *work -= cost;
            match step {
                Step::Skipped(next) => self.next = next,
                Step::Found(slot) => {
                    look(&mut self.checks, &mut self.keys, tenant, question, slot);
                    self.next = slot + 1;
                }
            }
        }
        false
    }

    fn go_on_in_workloads(&mut self, tenant: &Tenant, work: &mut usize) -> bool {
        while self.next < tenant.workloads.numbers().end {
            if *work < LOOK {
                return true;
            }
            *work -= LOOK;
            let workload = tenant.workloads.get(self.next);
            self.next += 1;
            let Some(workload) = workload else { continue };
            let labels = &workload.state.labels;
            let passes = |check: &Check| check.matcher.accepts(labels.get(&check.label).unwrap_or_default());
            if self.checks.iter().all(passes) {
                self.keys.push(workload.key.0.into());
            }
        }
        false
    }
}

/// Chooses where to look. Equalities are met by going through their lists together; a list of values is worth gathering
/// where it narrows more; any other pattern is tried on all values of its label only when nothing else narrows.
fn begin(checks: &[Check], tenant: &Tenant) -> Quarry {
    let equal = checks.iter().filter(|check| check.equals().is_some()).map(|check| check.slots(tenant).len()).min();
    let lists = checks.iter().filter(|check| check.narrows() && check.equals().is_none());
    let listed = lists.filter_map(|check| check.listed(tenant)).min_by_key(|listed| total(listed));
    match (equal, listed) {
        (Some(equal), Some(listed)) if total(&listed) < equal / 4 => Quarry::Unsorted(listed.concat()),
        (None, Some(listed)) => Quarry::Unsorted(listed.concat()),
        (Some(_), _) => Quarry::Lists,
        (None, None) => {
            let cardinality =
                |check: &Check| tenant.interner.get(&check.label).map_or(0, |name| tenant.index.cardinality(name));
            let patterns = checks.iter().enumerate().filter(|(_, check)| check.narrows());
            let narrowest = patterns.min_by_key(|(_, check)| cardinality(check));
            narrowest.map_or(Quarry::All, |(check, _)| Quarry::Values { check, after: None, slots: Vec::new() })
        }
    }
}

fn total(lists: &[&[u32]]) -> usize {
    lists.iter().map(|list| list.len()).sum()
}

/// Gathers the slots of the values that satisfy a check; whether there are more values.
fn gather(
    check: &mut Check,
    tenant: &Tenant,
    after: &mut Option<Symbol>,
    slots: &mut Vec<u32>,
    work: &mut usize,
) -> bool {
    let Some(name) = tenant.interner.get(&check.label) else { return false };
    for (value, list) in tenant.index.values(name, *after) {
        if *work < LOOK {
            return true;
        }
        *work -= LOOK;
        *after = Some(value);
        if check.accepts(value, tenant) {
            slots.extend_from_slice(list);
            *work = work.saturating_sub(list.len() / LOOK);
        }
    }
    false
}

/// Notes the series in a slot if it matches.
fn look(checks: &mut [Check], keys: &mut Vec<u128>, tenant: &Tenant, question: &Question, slot: u32) {
    let Some(series) = series_in(tenant, slot) else { return };
    let state = &series.state;
    let is_of_the_time = state.born <= question.until && state.last().is_some_and(|last| last.at > question.after);
    if is_of_the_time && checks.iter_mut().all(|check| check.passes(&series.labels, tenant)) {
        keys.push(series.key.0);
    }
}

impl Check {
    /// Whether it can hold only for series that have the label.
    fn narrows(&self) -> bool {
        !self.accepts_absent && self.instead.is_none()
    }

    /// The value of an equality that narrows.
    fn equals(&self) -> Option<&str> {
        match &self.matcher.condition {
            Condition::Equal(value) if self.narrows() => Some(value),
            _ => None,
        }
    }

    /// The series that satisfy an equality.
    fn slots<'t>(&self, tenant: &'t Tenant) -> &'t [u32] {
        let symbol = |text: &str| tenant.interner.get(text);
        let pair = symbol(&self.label).zip(self.equals().and_then(symbol));
        pair.map_or(&[], |(name, value)| tenant.index.slots(name, value))
    }

    /// The series of each value, where the matcher is a list of values.
    fn listed<'t>(&self, tenant: &'t Tenant) -> Option<Vec<&'t [u32]>> {
        let values = self.matcher.literals()?;
        let Some(name) = tenant.interner.get(&self.label) else { return Some(Vec::new()) };
        let known: HashSet<Symbol> = values.iter().filter_map(|value| tenant.interner.get(value)).collect();
        Some(known.into_iter().map(|value| tenant.index.slots(name, value)).collect())
    }

    fn passes(&mut self, labels: &SymbolSet, tenant: &Tenant) -> bool {
        let value_of = |name: &str| labels.get(tenant.interner.get(name)?);
        match value_of(&self.label).or_else(|| self.instead.and_then(value_of)) {
            Some(value) => self.accepts(value, tenant),
            None => self.accepts_absent,
        }
    }

    fn accepts(&mut self, value: Symbol, tenant: &Tenant) -> bool {
        if self.verdicts.len() >= VERDICTS_MAX {
            self.verdicts.clear();
        }
        let matcher = &self.matcher;
        *self.verdicts.entry(value).or_insert_with(|| matcher.accepts(tenant.interner.text(value)))
    }
}
