//! Selection in slices, so that samples are never kept waiting for long by a question about very many series.
//!
//! First a shard finds the keys of all series that match, so that they can be counted before anything is copied; then it
//! hands out excerpts of them, still compressed. Both are done a few milliseconds' work at a time, with samples in
//! between. A series is found again by its key: one that has gone meanwhile is left out, and one that has taken its slot
//! is another. What comes after a slice has passed its place is not seen by it. That does no harm: a question is about
//! times up to one that is given, and its slices are milliseconds apart.

mod hunt;

use std::sync::Arc;

use self::hunt::{FIND_WORK, Hunt, LOOK, series_in};
use super::{
    Shard,
    answers::{Excerpt, View},
};
use crate::{
    series::{Symbol, Window, resolve},
    signal::{Labels, Matcher, Sample, SeriesKey, TenantId, TimestampMs, WorkloadKey},
};

/// Series looked up for a slice of excerpts, and bytes copied into it.
const READ_SERIES: usize = 512;
const READ_BYTES: usize = 1 << 20;

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
        self.views.iter_mut().flatten().for_each(Hunt::prepare);
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
                let stretch = window.stretch(after, until, &self.archive);
                // Whether there is a sample shows in a chunk at most; whether an answer, may take all of them.
                let is_seen =
                    search.question.wants_labels_only && matches!(view, View::Received) && stretch.has_recent();
                Excerpt { source, view, floor, stretch, is_seen }
            };
            let excerpt = if let View::Workload { .. } = view {
                let place = tenant.by_workload.get(&WorkloadKey(key as u64));
                let workload = place.and_then(|place| tenant.workloads.get(*place));
                workload.map(|found| of(found.state.labels.clone(), &found.state.window, f64::NEG_INFINITY))
            } else {
                let series = tenant.slot_of(SeriesKey(key)).and_then(|slot| series_in(tenant, slot));
                series
                    .map(|found| of(resolve(&tenant.interner, &found.labels), &found.state.window, found.state.floor()))
            };
            bytes += excerpt.as_ref().map_or(0, |excerpt| excerpt.stretch.heap_bytes());
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

#[cfg(test)]
mod tests;
