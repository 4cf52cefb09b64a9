//! Answers: lines, streams, and the names and values of labels.

use std::{
    collections::{BTreeSet, BinaryHeap},
    fmt,
    sync::Arc,
};

use tantivy::DocId;

use super::{
    Order, Query, SearchError,
    candidates::Candidates,
    catalog::Catalog,
    collect::{Budget, Stop, Texts},
    schema::severity_of,
    segment::{Reader, Segment},
    stream,
};
use crate::signal::{Labels, Severity, TimestampNs};

/// Most bytes of lines in an answer.
const ANSWER_BYTES: u64 = 64 << 20;

/// Most streams in an answer.
const MOST_STREAMS: usize = 50_000;

/// Searches what the writer it is from has committed, also after the searcher was made. Clones are cheap, and search at
/// the same time.
#[derive(Clone, Debug)]
pub struct Searcher {
    pub(super) catalog: Arc<Catalog>,
    pub(super) demand: Demand,
}

/// Says whether an answer is still wanted.
#[derive(Clone, Default)]
pub(super) struct Demand(Option<Arc<dyn Fn() -> bool + Send + Sync>>);

impl Demand {
    pub(super) fn check(&self) -> Result<(), SearchError> {
        if self.0.as_ref().is_none_or(|is_wanted| is_wanted()) { Ok(()) } else { Err(SearchError::Interrupted) }
    }
}

impl fmt::Debug for Demand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Demand")
    }
}

/// A line that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hit {
    /// Event time.
    pub at: TimestampNs,
    /// Labels of its stream.
    pub labels: Labels,
    /// Severity, if it has one.
    pub severity: Option<Severity>,
    /// Its template.
    pub template: u64,
    /// Its trace in lower-case hexadecimal, or empty.
    pub trace_id: String,
    /// The text.
    pub line: String,
    /// What else its sender said of it, in that order.
    pub attributes: Vec<(String, String)>,
}

/// Lines that were found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hits {
    /// In the order that was asked for.
    pub lines: Vec<Hit>,
    /// Whether there may be more than these, or others before them, because the budget was spent or the answer was too
    /// large. That the limit was reached does not count.
    pub is_partial: bool,
}

/// Where a line stands in the answer, smallest first: time, flush, number. All are inverted when the newest comes first.
type Rank = (i64, u64, u32);

impl Searcher {
    pub(super) fn new(catalog: Arc<Catalog>) -> Self {
        Self { catalog, demand: Demand::default() }
    }

    /// The same, whose searches end with [`SearchError::Interrupted`] soon after `is_wanted` says no. It is asked about every
    /// millisecond, and before each segment.
    #[must_use]
    pub fn while_wanted(self, is_wanted: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Self { demand: Demand(Some(Arc::new(is_wanted))), ..self }
    }

    /// The first `limit` lines, in an order.
    ///
    /// # Errors
    /// A segment cannot be read, or the answer is no longer wanted.
    pub fn search(&self, query: &Query, limit: usize, order: Order) -> Result<Hits, SearchError> {
        let mut hits = Hits::default();
        if limit == 0 {
            return Ok(hits);
        }
        let mut segments = self.catalog.between(&query.tenant, query.from, query.to);
        match order {
            Order::Newest => segments.sort_by_key(|segment| !segment.facts.to),
            Order::Oldest => segments.sort_by_key(|segment| segment.facts.from),
        }
        let mut budget = Budget::new(query.budget, self.demand.clone());
        let mut best: BinaryHeap<(Rank, usize)> = BinaryHeap::new();
        let mut readers = Vec::new();
        for segment in &segments {
            let first = match order {
                Order::Newest => !segment.facts.to,
                Order::Oldest => segment.facts.from,
            };
            if best.len() == limit && best.peek().is_some_and(|((worst, ..), _)| *worst < first) {
                break;
            }
            self.demand.check()?;
            let reader = self.catalog.open(segment)?;
            let place = Place { segment, reader: &reader, number: readers.len() };
            match place.collect(query, limit, order, &mut best, &mut budget) {
                Ok(()) => {}
                Err(Stop::Spent) => hits.is_partial = true,
                Err(Stop::Failed(error)) => return Err(error),
            }
            readers.push(reader);
            if hits.is_partial {
                break;
            }
        }
        let texts = readers.iter().map(|reader| Texts::of(reader)).collect::<Result<Vec<_>, _>>()?;
        let mut bytes = 0;
        for ((_, _, doc), number) in best.into_sorted_vec() {
            let doc = if order == Order::Newest { !doc } else { doc };
            let reader: &Reader = &readers[number];
            bytes += reader.bytes.get_val(doc);
            if bytes > ANSWER_BYTES {
                hits.is_partial = true;
                break;
            }
            hits.lines.push(hit(reader, &texts[number], doc)?);
        }
        Ok(hits)
    }

    /// The names of all labels. Of the query only tenant, time and matchers count, here and in the two that follow; and
    /// time only as far as to say which segments are asked.
    ///
    /// # Errors
    /// A segment cannot be read, or there are too many streams.
    pub fn labels(&self, query: &Query) -> Result<BTreeSet<String>, SearchError> {
        let mut names = BTreeSet::new();
        self.streams(query, |encoded| {
            for (name, _) in stream::pairs(encoded) {
                if !names.contains(name) {
                    names.insert(name.to_owned());
                }
            }
            names.len()
        })?;
        Ok(names)
    }

    /// The values of a label.
    ///
    /// # Errors
    /// A segment cannot be read, or there are too many values.
    pub fn label_values(&self, query: &Query, name: &str) -> Result<BTreeSet<String>, SearchError> {
        let mut values = BTreeSet::new();
        self.streams(query, |encoded| {
            for (_, value) in stream::pairs(encoded).filter(|(own, _)| *own == name) {
                if !values.contains(value) {
                    values.insert(value.to_owned());
                }
            }
            values.len()
        })?;
        Ok(values)
    }

    /// The label sets of streams.
    ///
    /// # Errors
    /// A segment cannot be read, or there are too many streams.
    pub fn series(&self, query: &Query) -> Result<BTreeSet<Labels>, SearchError> {
        let mut encoded = BTreeSet::new();
        self.streams(query, |stream| {
            if !encoded.contains(stream) {
                encoded.insert(stream.to_owned());
            }
            encoded.len()
        })?;
        Ok(encoded.iter().map(|encoded| stream::decode(encoded)).collect())
    }

    /// How many segments have lines of the time of a query.
    #[must_use]
    pub fn segments(&self, query: &Query) -> usize {
        self.catalog.between(&query.tenant, query.from, query.to).len()
    }

    /// Hands the streams that pass to `take`, which says how much there is by now.
    fn streams(&self, query: &Query, mut take: impl FnMut(&str) -> usize) -> Result<(), SearchError> {
        for segment in self.catalog.between(&query.tenant, query.from, query.to) {
            self.demand.check()?;
            let reader = self.catalog.open(&segment)?;
            let mut terms = reader.streams.dictionary().stream()?;
            while terms.advance() {
                let Ok(encoded) = std::str::from_utf8(terms.key()) else { continue };
                if stream::passes(encoded, &query.matchers) && take(encoded) > MOST_STREAMS {
                    let problem =
                        format!("more than {MOST_STREAMS} streams, label names or values: narrow the selector");
                    return Err(SearchError::TooLarge(problem));
                }
            }
        }
        Ok(())
    }
}

/// A segment that is searched.
struct Place<'a> {
    segment: &'a Segment,
    reader: &'a Reader,
    number: usize,
}

impl Place<'_> {
    /// Puts the best of the segment among the best so far.
    fn collect(
        &self,
        query: &Query,
        limit: usize,
        order: Order,
        best: &mut BinaryHeap<(Rank, usize)>,
        budget: &mut Budget,
    ) -> Result<(), Stop> {
        let candidates = Candidates::of(query, self.reader, budget)?;
        let mut visit = |doc: DocId| -> Result<(), Stop> {
            let at = self.reader.time.get_val(doc);
            if !(query.from..query.to).contains(&at) {
                return Ok(());
            }
            let flush = self.segment.name.first;
            let rank = match order {
                Order::Newest => (!at, !flush, !doc),
                Order::Oldest => (at, flush, doc),
            };
            let is_full = best.len() == limit;
            if is_full && best.peek().is_some_and(|(worst, _)| rank > *worst) {
                return Ok(());
            }
            if candidates.accepts(doc, budget)? {
                best.push((rank, self.number));
                if is_full {
                    best.pop();
                }
            }
            Ok(())
        };
        match order {
            Order::Newest => candidates.lines.descending().try_for_each(&mut visit),
            Order::Oldest => candidates.lines.ascending().try_for_each(&mut visit),
        }
    }
}

fn hit(reader: &Reader, texts: &Texts<'_>, doc: DocId) -> Result<Hit, SearchError> {
    let stored = texts.get(doc)?;
    Ok(Hit {
        at: reader.time.get_val(doc),
        labels: stream::decode(&reader.stream_of(doc)?),
        severity: severity_of(reader.severity.get_val(doc)),
        template: reader.template.get_val(doc),
        trace_id: stored.trace_id,
        line: stored.line,
        attributes: stored.attributes,
    })
}
