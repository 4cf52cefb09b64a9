//! The topics that were found, by tenant and source.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use xxhash_rust::xxh3::xxh3_64;

use crate::{
    engine::{SourceRow, TemplateRow},
    logs::{
        TemplateId,
        topics::{Template, Topic, topics},
    },
    signal::{Labels, Severity, TenantId, TimestampMs},
};

/// Time after which topics follow templates that have changed; at once when there are a quarter more.
const REFRESH_MS: i64 = 10 * 60_000;
/// Templates of a source whose topics are found while somebody waits, and of all sources of one question.
const AT_ONCE: usize = 500;
const AT_ONCE_IN_ALL: usize = 2_000;

/// What was found of a source.
#[derive(Debug)]
pub(super) struct Kept {
    topics: Vec<Topic>,
    /// Templates it was found from, and how many had ever been made if that is known.
    templates: usize,
    made: Option<usize>,
    at: TimestampMs,
}

/// What is known of the topics of all sources.
#[derive(Debug, Default)]
pub(crate) struct Topics {
    kept: Mutex<HashMap<TenantId, BTreeMap<Labels, Arc<Kept>>>>,
    /// How long it took last.
    took: Mutex<Duration>,
    /// Held while topics are found, of one source at a time.
    turn: Mutex<()>,
}

/// A topic with what its templates add up to.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    id: u64,
    pub(crate) source: Labels,
    pub(crate) name: String,
    pub(crate) lines: u64,
    /// Event time of the first line, and of the newest.
    pub(crate) first: TimestampMs,
    pub(crate) last: TimestampMs,
    /// The highest of its templates.
    pub(crate) severity: Option<Severity>,
    /// Places of its templates among those that were given, those with most lines first. Never empty.
    pub(crate) rows: Vec<usize>,
}

impl Told {
    /// 16 hexadecimal digits.
    pub(crate) fn id(&self) -> String {
        format!("{:016x}", self.id)
    }

    fn of(topic: &Topic, places: &HashMap<TemplateId, usize>, rows: &[TemplateRow]) -> Option<Self> {
        let mut mine: Vec<usize> = topic.templates.iter().filter_map(|id| places.get(id).copied()).collect();
        mine.sort_by_key(|place| Reverse(rows[*place].lines));
        let of = |place: &usize| &rows[*place];
        Some(Self {
            id: topic.id,
            source: mine.first().map(of)?.source.clone(),
            name: topic.name.clone(),
            lines: mine.iter().map(|place| of(place).lines).sum(),
            first: mine.iter().map(|place| of(place).first).min()?,
            last: mine.iter().map(|place| of(place).last).max()?,
            severity: mine.iter().filter_map(|place| of(place).severity).max(),
            rows: mine,
        })
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Topics {
    /// What templates of a tenant, whole sources in order, are about; most lines first. Finds it where nothing was found yet
    /// and there are few; templates that came since it was found are in none. Blocks.
    pub(crate) fn of(&self, tenant: &TenantId, rows: &[TemplateRow], now: TimestampMs) -> Vec<Told> {
        let (mut told, mut left, mut begin) = (Vec::new(), AT_ONCE_IN_ALL, 0);
        for rows_of_source in rows.chunk_by(|a, b| a.source == b.source) {
            let source = &rows_of_source[0].source;
            let mut found = self.get(tenant, source);
            if found.is_none() && rows_of_source.len() <= AT_ONCE.min(left) {
                left -= rows_of_source.len();
                found = Some(self.renew(tenant, source, rows_of_source, None, now));
            }
            let places = rows_of_source.iter().zip(begin..).filter_map(|(row, place)| Some((id(row)?, place)));
            if let Some(found) = found {
                let places: HashMap<_, _> = places.collect();
                told.extend(found.topics.iter().filter_map(|topic| Told::of(topic, &places, rows)));
            }
            begin += rows_of_source.len();
        }
        // Equal ones stay by source.
        told.sort_by_key(|topic| Reverse(topic.lines));
        told
    }

    /// Finds the topics of a source, which has templates of this `size` if that is known. Blocks.
    pub(super) fn renew(
        &self,
        tenant: &TenantId,
        source: &Labels,
        rows: &[TemplateRow],
        size: Option<(usize, usize)>,
        now: TimestampMs,
    ) -> Arc<Kept> {
        let _turn = locked(&self.turn);
        let before = self.get(tenant, source);
        if let (Some(before), None) = (&before, size) {
            // Another one was quicker.
            return before.clone();
        }
        let began = Instant::now();
        let templates: Vec<_> = rows.iter().filter_map(template).collect();
        let previous = before.as_ref().map_or(&[][..], |kept| &kept.topics);
        let topics = topics(xxh3_64(source.to_string().as_bytes()), &templates, previous);
        let (templates, made) = size.map_or((rows.len(), None), |(known, made)| (known, Some(made)));
        let kept = Kept { topics, templates, made, at: now };
        let kept = Arc::new(kept);
        locked(&self.kept).entry(tenant.clone()).or_default().insert(source.clone(), kept.clone());
        *locked(&self.took) = began.elapsed();
        kept
    }

    /// Whether the topics of a source are to be found anew.
    pub(super) fn is_due(&self, row: &SourceRow, now: TimestampMs) -> bool {
        let Some(kept) = self.get(&row.tenant, &row.source) else { return row.size.0 > 0 };
        let (templates, made) = row.size;
        let is_same = kept.made == Some(made) && kept.templates == templates;
        !is_same && (templates * 4 >= kept.templates * 5 || now - kept.at >= REFRESH_MS)
    }

    /// Forgets sources that are not there any more.
    pub(super) fn forget_all_but(&self, sources: &[SourceRow]) {
        let there: HashSet<_> = sources.iter().map(|row| (&row.tenant, &row.source)).collect();
        let mut kept = locked(&self.kept);
        for (tenant, sources) in &mut *kept {
            sources.retain(|source, _| there.contains(&(tenant, source)));
        }
        kept.retain(|_, sources| !sources.is_empty());
    }

    /// A topic of a tenant by its id, and its source.
    #[cfg(feature = "search")]
    pub(super) fn find(&self, tenant: &TenantId, id: u64) -> Option<(Labels, Topic)> {
        let kept = locked(&self.kept);
        let mut topics =
            kept.get(tenant)?.iter().flat_map(|(source, kept)| kept.topics.iter().map(move |t| (source, t)));
        topics.find(|(_, topic)| topic.id == id).map(|(source, topic)| (source.clone(), topic.clone()))
    }

    /// How many topics there are, and how long those of a source took last.
    pub(in crate::server) fn figures(&self) -> (usize, Duration) {
        let topics = locked(&self.kept).values().flat_map(BTreeMap::values).map(|kept| kept.topics.len()).sum();
        (topics, *locked(&self.took))
    }

    fn get(&self, tenant: &TenantId, source: &Labels) -> Option<Arc<Kept>> {
        locked(&self.kept).get(tenant)?.get(source).cloned()
    }
}

fn template(row: &TemplateRow) -> Option<Template<'_>> {
    Some(Template { id: id(row)?, text: &row.text, lines: row.lines, first: row.first })
}

fn id(row: &TemplateRow) -> Option<TemplateId> {
    u64::from_str_radix(&row.id, 16).ok().map(TemplateId)
}
