//! Selection in slices, so that samples are never kept waiting for long by a question about very many series.
//!
//! First a shard finds the keys of all series that match, so that they can be counted before anything is copied; then it
//! hands out excerpts of them, still compressed. Both are done a few milliseconds' work at a time, with samples in
//! between. A series is found again by its key: one that has gone meanwhile is left out, and one that has taken its slot
//! is another. What comes after a slice has passed its place is not seen by it. That does no harm: a question is about
//! times up to one that is given, and its slices are milliseconds apart.

use std::sync::Arc;

use hashbrown::{HashMap, HashSet};

use super::{
    Shard,
    answers::{Excerpt, View},
    state::Series,
    tenant::Tenant,
};
use crate::{
    series::{Common, Step, Symbol, SymbolSet, Window, resolve},
    signal::{Condition, Labels, Matcher, Sample, SeriesKey, TenantId, TimestampMs, WorkloadKey},
};

/// Work of a slice of finding, in leaps through lists of slots: about a millisecond.
const FIND_WORK: usize = 1 << 16;
/// What it costs to look at a series or to match a value, in the same unit.
const LOOK: usize = 16;
/// Series looked up for a slice of excerpts, and bytes copied into it.
const READ_SERIES: usize = 512;
const READ_BYTES: usize = 1 << 20;
/// Values of a label of which it is kept in mind whether they match.
const VERDICTS_MAX: usize = 1 << 16;

/// What is asked of the shards.
#[derive(Clone, Debug)]
pub struct Question {
    /// Whose series.
    pub tenant: TenantId,
    /// All of them must be satisfied.
    pub matchers: Vec<Matcher>,
    /// Samples are later than this…
    pub after: TimestampMs,
    /// …and not later than this.
    pub until: TimestampMs,
    /// Whether it is enough to know which series have samples.
    pub wants_labels_only: bool,
}

/// A question on its way through one shard.
#[derive(Debug)]
pub struct Search {
    question: Arc<Question>,
    /// What may be selected; known once the shard has been asked.
    views: Option<Vec<Hunt>>,
    /// Views all of whose series are found.
    found: usize,
    /// Place of the next series to be read: view and member.
    read: (usize, usize),
}

/// The search for the series of one view.
#[derive(Debug)]
struct Hunt {
    view: View,
    checks: Vec<Check>,
    quarry: Quarry,
    /// The first slot not looked at yet.
    next: u32,
    /// Keys of those that match, of series or of workloads.
    keys: Vec<u128>,
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

impl Search {
    /// A search that has not begun.
    #[must_use]
    pub fn new(question: Arc<Question>) -> Self {
        Self { question, views: None, found: 0, read: (0, 0) }
    }

    /// Series found so far.
    #[must_use]
    pub fn found(&self) -> usize {
        self.views.iter().flatten().map(|hunt| hunt.keys.len()).sum()
    }

    /// To be called between slices, on the thread of whoever asked: does what needs no shard.
    pub fn prepare(&mut self) {
        for hunt in self.views.iter_mut().flatten() {
            if let Quarry::Unsorted(slots) = &mut hunt.quarry {
                slots.sort_unstable();
                slots.dedup();
                hunt.quarry = Quarry::Slots(std::mem::take(slots));
            }
        }
    }

    /// The next series to read.
    fn next_member(&mut self) -> Option<(View, u128)> {
        let hunts = self.views.as_ref()?;
        loop {
            let hunt = hunts.get(self.read.0)?;
            if let Some(key) = hunt.keys.get(self.read.1) {
                self.read.1 += 1;
                return Some((hunt.view, *key));
            }
            self.read = (self.read.0 + 1, 0);
        }
    }
}

impl Shard {
    /// Finds some more of the series that match and have, as far as that can be told without reading them, samples of
    /// the time asked for; whether there may be more still.
    pub fn find(&self, search: &mut Search) -> bool {
        let question = search.question.clone();
        let Some(tenant) = self.tenants.get(&question.tenant) else { return false };
        let hunts = search.views.get_or_insert_with(|| {
            let views = View::all(&self.options.names).into_iter();
            views.filter(|view| view.is_asked(&question.matchers)).map(|view| Hunt::new(view, &question)).collect()
        });
        let mut work = FIND_WORK;
        while let Some(hunt) = hunts.get_mut(search.found) {
            if hunt.go_on(tenant, &question, &mut work) {
                return true;
            }
            search.found += 1;
        }
        false
    }

    /// Copies some more of what was found; whether there is more still.
    #[must_use]
    pub fn read(&self, search: &mut Search) -> (Vec<Excerpt>, bool) {
        let (after, until) = (search.question.after, search.question.until);
        let mut excerpts = Vec::new();
        let Some(tenant) = self.tenants.get(&search.question.tenant) else { return (excerpts, false) };
        let mut bytes = 0;
        for _ in 0..READ_SERIES {
            let Some((view, key)) = search.next_member() else { return (excerpts, false) };
            let of = |source, window: &Window, floor| {
                // Whether there is a sample shows in a chunk at most; whether an answer, may take all of them.
                let is_seen = search.question.wants_labels_only && matches!(view, View::Received);
                let window = match is_seen {
                    true => window.points(after, until).next().map(|_| Window::default())?,
                    false => window.overlapping(after, until),
                };
                Some(Excerpt { source, view, floor, window, is_seen, after, until })
            };
            let excerpt = if let View::Workload { .. } = view {
                let place = tenant.by_workload.get(&WorkloadKey(key as u64));
                let workload = place.and_then(|place| tenant.workloads[*place as usize].as_deref());
                workload.and_then(|found| of(found.state.labels.clone(), &found.state.window, f64::NEG_INFINITY))
            } else {
                let series = tenant.by_key.get(&SeriesKey(key)).and_then(|slot| series_in(tenant, *slot));
                series.and_then(|found| {
                    of(resolve(&tenant.interner, &found.labels), &found.state.window, found.state.floor())
                })
            };
            bytes += excerpt.as_ref().map_or(0, |excerpt| excerpt.window.heap_bytes());
            excerpts.extend(excerpt);
            if bytes >= READ_BYTES {
                break;
            }
        }
        (excerpts, true)
    }

    /// Series that satisfy the question, with their samples; those without samples are left out. All in one go.
    #[must_use]
    pub fn select(&self, question: &Question) -> Vec<(Labels, Vec<Sample>)> {
        let mut search = Search::new(Arc::new(question.clone()));
        while self.find(&mut search) {
            search.prepare();
        }
        let mut selected = Vec::new();
        let mut has_more = true;
        while has_more {
            let (excerpts, more) = self.read(&mut search);
            has_more = more;
            for excerpt in excerpts {
                let samples: Vec<Sample> = excerpt.samples().collect();
                if !samples.is_empty() {
                    selected.push((excerpt.labels(), samples));
                }
            }
        }
        selected
    }

    /// Some of the names of labels, or of the values of one, after a given one of these: all of the tenant's, whatever
    /// their time. Costs as much as there are names or values, not series.
    #[must_use]
    pub fn terms(&self, id: &TenantId, name: Option<&str>, after: Option<Symbol>) -> (Vec<Arc<str>>, Option<Symbol>) {
        let Some(tenant) = self.tenants.get(id) else { return (Vec::new(), None) };
        let text = |symbol: Symbol| tenant.interner.text(symbol).clone();
        let Some(name) = name else { return (tenant.index.names().map(text).collect(), None) };
        let Some(name) = tenant.interner.get(name) else { return (Vec::new(), None) };
        let values: Vec<Symbol> =
            tenant.index.values(name, after).map(|(value, _)| value).take(FIND_WORK / LOOK).collect();
        let last = values.last().copied().filter(|_| values.len() == FIND_WORK / LOOK);
        (values.into_iter().map(text).collect(), last)
    }
}

/// The series that lives in a slot.
fn series_in(tenant: &Tenant, slot: u32) -> Option<&Series> {
    tenant.series.get(slot as usize)?.as_deref()
}

impl Hunt {
    fn new(view: View, question: &Question) -> Self {
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

    /// Looks further until `work` is used up; whether it may find more.
    fn go_on(&mut self, tenant: &Tenant, question: &Question, work: &mut usize) -> bool {
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
            let end = tenant.series.len() as u32;
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
        while let Some(workload) = tenant.workloads.get(self.next as usize) {
            if *work < LOOK {
                return true;
            }
            *work -= LOOK;
            self.next += 1;
            let Some(workload) = workload.as_deref() else { continue };
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
    let is_of_the_time = state.born <= question.until && state.last.is_some_and(|last| last.at > question.after);
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
        let value_of = |name: &str| {
            let symbol = tenant.interner.get(name)?;
            labels.iter().find(|(name, _)| *name == symbol).map(|(_, value)| *value)
        };
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

#[cfg(test)]
mod tests;
