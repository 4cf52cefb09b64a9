//! Drives an engine through rows of samples, the way a remote write request would.
//!
//! Each row is encoded and decoded like a request over HTTP, so that what is measured here is what the daemon does.

use std::{collections::HashMap, sync::Arc};

use anyhow::Context as _;

use crate::{
    engine::{Engine, Options, Scored},
    ingest::remote_write::{Encoder, Limits, Protocol, WriteRequest},
    series::Verdict,
    signal::{Finding, Labels, Sample, TenantId, TimestampMs},
};

/// Findings kept: all of a long history, not the newest few a daemon shows.
const FINDINGS_KEPT: usize = 100_000;
/// A series that is silent for this many steps has vanished. Files are often coarser than what is scraped.
const VANISH_STEPS: i64 = 20;
/// A series that is silent for this many steps is forgotten.
const FORGET_STEPS: i64 = 120;

/// What the engine said of a sample or of a workload's row.
#[derive(Clone, Copy, Debug)]
pub(super) enum Heard<'a> {
    /// Of a sample.
    Series {
        /// Place of the series among those given to [`Replay::new`].
        column: usize,
        at: TimestampMs,
        /// The value as scored: of a counter its rate.
        value: f64,
        state: f64,
        event: f64,
        verdict: Verdict,
    },
    /// Of a workload's row.
    Workload { labels: &'a Labels, at: TimestampMs, state: f64, event: f64, top: Option<&'a str>, verdict: Verdict },
}

/// An engine of its own for a set of series.
#[derive(Debug)]
pub(super) struct Replay {
    engine: Engine,
    tenant: TenantId,
    limits: Limits,
    labels: Vec<Labels>,
    column_of: HashMap<Labels, usize>,
    /// Column by the engine's number of the series, as far as known.
    slots: Vec<Option<usize>>,
    /// Time of each column's newest sample.
    newest: Vec<Option<TimestampMs>>,
    forget_ms: i64,
    refused: u64,
    reason: Option<String>,
}

impl Replay {
    /// A fresh engine for these series, whose samples are usually `step_ms` apart.
    pub(super) fn new(labels: Vec<Labels>, step_ms: i64) -> Self {
        let usual = Options::default();
        let options = Options {
            vanish_ms: usual.vanish_ms.max(step_ms.saturating_mul(VANISH_STEPS)),
            window_ms: usual.window_ms.max(step_ms.saturating_mul(FORGET_STEPS)),
            findings_kept: FINDINGS_KEPT,
            ..usual
        };
        let limits =
            Limits { series: usize::MAX, samples: usize::MAX, body_bytes: u32::MAX as usize, ..Limits::default() };
        Self {
            forget_ms: options.window_ms,
            engine: Engine::new(options),
            tenant: TenantId::default(),
            limits,
            column_of: labels.iter().cloned().enumerate().map(|(column, labels)| (labels, column)).collect(),
            slots: Vec::new(),
            newest: vec![None; labels.len()],
            labels,
            refused: 0,
            reason: None,
        }
    }

    /// Sends the samples of one moment: pairs of column and value. Moments come in ascending order.
    pub(super) fn row(
        &mut self,
        at: TimestampMs,
        values: impl Iterator<Item = (usize, f64)>,
        mut sink: impl FnMut(Heard<'_>),
    ) -> anyhow::Result<u64> {
        let mut encoder = Encoder::new(Protocol::V1);
        let (mut sent, mut renumbered) = (0, false);
        for (column, value) in values {
            encoder.series(&self.labels[column], &[Sample { at, value }]);
            let before = self.newest[column].replace(at);
            // The engine gives the numbers of forgotten series to new ones.
            renumbered |= before.is_none_or(|before| at.saturating_sub(before) >= self.forget_ms);
            sent += 1;
        }
        if sent == 0 {
            return Ok(0);
        }
        if renumbered {
            self.slots.clear();
        }
        let request = WriteRequest::decode(Protocol::V1, encoder.body(), &self.limits)
            .with_context(|| format!("the row at {} cannot be sent", super::time::stamp(at)))?;
        let (slots, column_of) = (&mut self.slots, &self.column_of);
        let report = self.engine.write(&self.tenant, &Arc::new(request), at, &mut |scored| match *scored {
            Scored::Series { slot, name, sample, value, state, event, verdict } => {
                let slot = slot as usize;
                if slots.len() <= slot {
                    slots.resize(slot + 1, None);
                }
                let column = slots[slot].or_else(|| column_of.get(&name.labels()).copied());
                slots[slot] = column;
                if let Some(column) = column {
                    let (state, event) = (f64::from(state), f64::from(event));
                    sink(Heard::Series { column, at: sample.at, value, state, event, verdict });
                }
            }
            Scored::Workload { labels, at, state, event, top, verdict } => {
                sink(Heard::Workload { labels, at, state, event, top, verdict });
            }
        });
        self.refused += report.rejected();
        if self.reason.is_none() {
            self.reason = report.reasons.into_iter().next();
        }
        Ok(sent)
    }

    /// The border after a training part.
    pub(super) fn end_training(&mut self) {
        self.engine.end_training(&self.tenant);
    }

    /// Findings raised at `from` or later, oldest first.
    pub(super) fn findings(&self, from: TimestampMs) -> Vec<Finding> {
        let mut findings = self.engine.findings(&self.tenant);
        findings.retain(|finding| finding.raised_at >= from);
        findings.sort_by(|a, b| (a.raised_at, &a.id).cmp(&(b.raised_at, &b.id)));
        findings
    }

    /// Samples that the engine refused, with the first reason.
    pub(super) fn refused(&self) -> Option<(u64, &str)> {
        (self.refused > 0).then(|| (self.refused, self.reason.as_deref().unwrap_or("no reason given")))
    }
}

/// The median distance of neighbours in ascending times, at least 1 ms; `None` below two.
pub(super) fn usual_step(times: &[TimestampMs]) -> Option<i64> {
    let mut steps: Vec<i64> = times.windows(2).map(|pair| pair[1].saturating_sub(pair[0])).collect();
    let middle = steps.len() / 2;
    (!steps.is_empty()).then(|| (*steps.select_nth_unstable(middle).1).max(1))
}
