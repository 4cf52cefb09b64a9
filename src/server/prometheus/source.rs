//! The engine's series as a query reads them.

use std::sync::Arc;

use super::allowance::Allowance;
use crate::{
    engine::{Excerpt, Question},
    fleet::{self, Fleet, Unavailable},
    promql::{Error, Series, Source, Take},
    server::app::NotReady,
    signal::{Matcher, TimestampMs},
};

/// The series of one tenant, as far as a query may read them.
pub(super) struct TenantSource {
    pub(super) engine: Fleet,
    pub(super) allowance: Arc<Allowance>,
}

impl TenantSource {
    /// Hands the series that satisfy all matchers to `take`.
    pub(super) fn read(
        &self,
        matchers: &[Matcher],
        (after, until): (TimestampMs, TimestampMs),
        wants_labels_only: bool,
        take: &mut dyn FnMut(Vec<Excerpt>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let (tenant, matchers) = (self.allowance.tenant().clone(), matchers.to_vec());
        let question = Question { tenant, matchers, after, until, wants_labels_only };
        let before = self.allowance.series();
        self.engine.read(&question, &mut Reader { allowance: &self.allowance, before, take })
    }
}

impl Source for TenantSource {
    fn select(
        &self,
        matchers: &[Matcher],
        from: TimestampMs,
        to: TimestampMs,
        take: &mut Take<'_>,
    ) -> Result<(), Error> {
        self.read(matchers, (from, to), false, &mut |excerpts| {
            let decoded = excerpts.iter().map(|one| Series { labels: one.labels(), samples: one.samples().collect() });
            let series: Vec<Series> = decoded.filter(|one| !one.samples.is_empty()).collect();
            let samples = series.iter().map(|one| one.samples.len()).sum();
            self.allowance.has_read(samples);
            take(series)
        })
    }
}

/// A query as it reads from the engine.
struct Reader<'a> {
    allowance: &'a Allowance,
    /// Series of selectors before this one.
    before: usize,
    take: &'a mut dyn FnMut(Vec<Excerpt>) -> Result<(), Error>,
}

impl fleet::Reader for Reader<'_> {
    type Error = Error;

    fn check(&mut self) -> Result<(), Error> {
        self.allowance.check()
    }

    fn found(&mut self, series: usize) -> Result<(), Error> {
        self.allowance.touch(self.before + series)
    }

    fn take(&mut self, excerpts: Vec<Excerpt>) -> Result<(), Error> {
        (self.take)(excerpts)
    }
}

impl From<Unavailable> for Error {
    fn from(cause: Unavailable) -> Self {
        Self::Source(NotReady::from(cause).to_string())
    }
}
