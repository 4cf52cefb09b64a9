//! Logs in the engine: lines become templates, and counts of each minute become series that are judged like any other.

mod list;
mod novelty;
mod sessions;
mod source;
pub(super) mod tails;
mod tell;

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU64, Ordering},
};

use hashbrown::HashMap;
use serde::{Deserialize, Serialize};

pub use list::{SourceRow, TemplateList, TemplateRow};
pub use sessions::{SESSIONS, SessionsRow};
pub(super) use source::Home;
use source::Seen;
pub(super) use source::{Source, SourceKey};

use super::{
    Shard, WriteReport,
    slots::Slots,
    tenant::{Context, Tenant},
};
use crate::{
    logs::minutes::{MINUTE_MS, Minute},
    signal::{
        Identity, Labels, LogBatch, METRIC_NAME, MetricKind, Place, Sample, SeriesKey, Severity, TenantId, TimestampMs,
    },
};

/// Counters of the lines of a source by severity.
pub const LINES: &str = "vigie_log_lines_total";
/// Counters of the lines of a template.
pub const TEMPLATE_LINES: &str = "vigie_log_template_lines_total";

/// Time between two looks which minutes are over, in ms: event time, or that of receipt where lines are of the past.
const LOOK_MS: i64 = 1_000;
/// Time without a line after which a template has no series any more, in ms.
const ASLEEP_MS: i64 = 86_400_000;
/// Sources of a tenant in a shard; the lines of further ones count for one that stands for all of them.
const SOURCES: usize = 10_000;

/// The sources of one tenant.
#[derive(Debug, Default)]
pub(super) struct Sources {
    pub(super) slots: Slots<Source>,
    by_key: HashMap<SourceKey, u32>,
    pub(super) clock: Clock,
}

/// The time of a tenant's logs.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Clock {
    now: TimestampMs,
    /// Both when it was last looked which minutes are over.
    looked_at: TimestampMs,
    looked_at_receipt: TimestampMs,
}

impl Default for Clock {
    fn default() -> Self {
        let never = TimestampMs::MIN;
        Self { now: never, looked_at: never, looked_at_receipt: never }
    }
}

impl Clock {
    /// The newest event time of a line that was not ahead of the receiver's clock.
    pub(super) fn now(self) -> TimestampMs {
        self.now
    }

    pub(super) fn merge(&mut self, other: Self) {
        self.now = self.now.max(other.now);
        self.looked_at = self.looked_at.max(other.looked_at);
        self.looked_at_receipt = self.looked_at_receipt.max(other.looked_at_receipt);
    }

    /// Whether to look now which minutes are over. The receiver's clock may be set back.
    fn is_due(&mut self, received: TimestampMs) -> bool {
        let is_due = self.now >= self.looked_at.saturating_add(LOOK_MS)
            || received.abs_diff(self.looked_at_receipt) >= LOOK_MS as u64;
        if is_due {
            (self.looked_at, self.looked_at_receipt) = (self.now, received);
        }
        is_due
    }
}

impl Sources {
    /// Puts a source, new or restored, into its place.
    pub(super) fn adopt(&mut self, source: Source) -> u32 {
        let key = source.key();
        let slot = self.slots.insert(source);
        self.by_key.insert(key, slot);
        slot
    }

    fn of(&mut self, home: Home, labels: &Labels, at: TimestampMs) -> Option<&mut Source> {
        let slot = match self.by_key.get(&home.source) {
            Some(slot) => *slot,
            None if self.by_key.len() < SOURCES => self.adopt(Source::new(home, labels, at)),
            None => {
                let others = Labels::from_pairs([("service", "others")]);
                let home = Home::of(&others);
                let known = self.by_key.get(&home.source).copied();
                known.unwrap_or_else(|| self.adopt(Source::new(home, &others, at)))
            }
        };
        self.slots.get_mut(slot)
    }

    /// The source that the series with these labels counts lines of.
    fn named(&self, labels: &Labels) -> Option<&Source> {
        self.slots.get(*self.by_key.get(&Home::of(labels).source)?)
    }
}

/// Where the streams of a batch belong, by their numbers.
#[derive(Debug)]
pub struct Routes {
    pub(super) streams: Vec<Route>,
    /// The newest event time, or that of receipt if it is not told; never after that.
    pub(crate) newest: TimestampMs,
}

/// Where one stream belongs.
#[derive(Debug)]
pub(super) struct Route {
    pub(super) shard: usize,
    pub(super) home: Home,
    pub(super) stream: SeriesKey,
    /// Numbers of its first and last record.
    pub(super) ends: (usize, usize),
}

/// Value of a counter at the end of a minute.
struct Count {
    labels: Labels,
    lines: u64,
    /// Those of the minute.
    news: u64,
}

impl Shard {
    /// Takes up to so many records of a batch from `place` on, as far as they belong to this shard; `templates` gets their
    /// templates, by the number of the record. [`end_lines`](Self::end_lines) is to follow after the last. Returns lines.
    pub fn take_lines(
        &mut self,
        id: &TenantId,
        (batch, routes): (&LogBatch, &Routes),
        (place, count): (&mut Place, usize),
        received: TimestampMs,
        templates: &[AtomicU64],
    ) -> u64 {
        self.tenant_mut(id);
        let Self { tenants, reader, options, number: shard, .. } = self;
        let Some(tenant) = tenants.get_mut(id) else { return 0 };
        let latest = received.saturating_add(options.ahead_ms);
        let mut lines = 0;
        for _ in 0..count {
            let number = place.record;
            let Some(record) = batch.next(place) else { break };
            let Some(route) = routes.streams.get(record.stream).filter(|route| route.shard == *shard) else { continue };
            // A clock that is ahead tells nothing of the time.
            let at = record.at.map(|at| at.div_euclid(1_000_000)).filter(|at| *at <= latest).unwrap_or(received);
            let Some(source) = tenant.sources.of(route.home, record.labels, at) else { continue };
            let template = source.take(&record, at, (route, number), reader);
            if let Some(place) = templates.get(number) {
                place.store(template.0, Ordering::Relaxed);
            }
            lines += 1;
        }
        lines
    }

    /// What is to be done when the lines of a batch are taken: the counts of minutes that are over become samples.
    pub fn end_lines(&mut self, id: &TenantId, routes: &Routes, received: TimestampMs) -> WriteReport {
        let clock = &mut self.tenant_mut(id).sources.clock;
        clock.now = clock.now.max(routes.newest);
        let now = clock.now;
        let mut report = WriteReport::default();
        if !clock.is_due(received) {
            return report;
        }
        self.with_context(id, received, &mut |_| {}, |tenant, context| {
            for slot in tenant.sources.slots.numbers() {
                let is_due = |source: &Source| source.minutes.is_over(now);
                if tenant.sources.slots.get(slot).is_some_and(is_due) {
                    tenant.count_lines(slot, now, context, &mut report);
                }
            }
        });
        self.settle(id, received);
        report
    }
}

impl Tenant {
    /// Writes what is over of a source into its series, minute by minute.
    fn count_lines(&mut self, slot: u32, now: TimestampMs, context: &mut Context<'_>, report: &mut WriteReport) {
        while let Some(source) = self.sources.slots.get_mut(slot)
            && let Some(minute) = source.minutes.next_over(now)
        {
            let counts = source.counts(&minute);
            let news = source.news(&minute);
            for count in &counts {
                self.write_count(count, minute.end(), context, report);
            }
            self.tell_news(slot, minute.end(), news, context);
        }
    }

    fn write_count(
        &mut self,
        Count { labels, lines, news }: &Count,
        at: TimestampMs,
        context: &mut Context<'_>,
        report: &mut WriteReport,
    ) {
        let identity = Identity::of(labels);
        let slot = match (self.slot_of(identity.series), context.bounds.refusal(self.series_count())) {
            (Some(slot), _) => slot,
            (None, Some(refusal)) => return report.refuse(refusal, 1, || labels.to_string()),
            (None, None) => {
                report.created += 1;
                let pairs: Vec<_> = labels.iter().collect();
                let slot = self.register(identity, &pairs, MetricKind::Counter, context.options);
                // What is counted from now on began with nothing.
                let before = Sample { at: at - MINUTE_MS, value: (*lines - *news) as f64 };
                self.count(slot, before, labels, context, report);
                slot
            }
        };
        self.count(slot, Sample { at, value: *lines as f64 }, labels, context, report);
    }

    fn count(
        &mut self,
        slot: u32,
        sample: Sample,
        labels: &Labels,
        context: &mut Context<'_>,
        report: &mut WriteReport,
    ) {
        match self.observe(slot, sample, None, context) {
            Ok(()) => report.samples += 1,
            Err(refusal) => report.refuse(refusal, 1, || format!("{labels} at {}", sample.at)),
        }
    }
}

/// All severities, and behind them none.
fn severities() -> impl Iterator<Item = Option<Severity>> {
    Severity::ALL.into_iter().map(Some).chain([None])
}

impl Source {
    /// The labels of the series of a template.
    fn template_labels(&self, number: crate::logs::TemplateNumber) -> Labels {
        let id = self.catalogue.id(number).to_string();
        self.labels.with(METRIC_NAME, TEMPLATE_LINES).with("template", &id)
    }

    /// What the series of this source say of a minute: also of severities and templates without a line, if they are awake.
    fn counts(&mut self, minute: &Minute) -> Vec<Count> {
        let mut by_template = BTreeMap::<_, u64>::new();
        for (number, lines) in minute.templates() {
            let root = self.catalogue.root(number);
            *by_template.entry(root).or_default() += u64::from(lines);
            // Of those that were forgotten nothing was seen but their number.
            if let Some(seen) = self.seen.get_mut(root as usize) {
                seen.counted += u64::from(lines);
            }
        }
        for (severity, counted) in severities().zip(&mut self.counted) {
            *counted += u64::from(minute.of_severity(severity));
        }
        let of_severity = severities().zip(self.counted).filter(|(_, counted)| *counted > 0);
        let of_severity = of_severity.map(|(severity, lines)| Count {
            labels: (self.labels.with(METRIC_NAME, LINES))
                .with("severity", severity.map_or("none", |severity| severity.as_str())),
            lines,
            news: u64::from(minute.of_severity(severity)),
        });
        let asleep = minute.end() - ASLEEP_MS;
        let is_awake = |seen: &Seen| seen.first < minute.end() && seen.last > asleep;
        let awake = self.catalogue.counts().filter(|(number, _)| self.seen(*number).is_some_and(is_awake));
        let of_template = awake.map(|(number, _)| Count {
            labels: self.template_labels(number),
            lines: self.seen[number as usize].counted,
            news: by_template.get(&number).copied().unwrap_or(0),
        });
        let mut counts: Vec<_> = of_severity.chain(of_template).collect();
        counts.extend(self.end_sessions(minute.end()));
        counts
    }
}
