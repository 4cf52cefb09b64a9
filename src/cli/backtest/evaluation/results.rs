//! All parts together: as the mean over parts, and pooled as if they were one.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use anyhow::bail;
use serde::Serialize;

use super::{
    Part, Terms,
    alarms::Tally,
    cases::Cases,
    json,
    labels::{Labels, Source},
    page,
    ranking::{Ranked, auc_pr, vus_pr},
    table,
    truth::Assigned,
};
use crate::cli::backtest::time::stamp;

/// Windows outside of the data that are named at most.
const NAMED_MAX: usize = 5;

/// Parts as they come in, in any order.
#[derive(Debug, Default)]
pub(in crate::cli::backtest) struct Parts {
    all: Vec<Part>,
    cases: Cases,
    /// Incidents that are about what is replayed.
    expected: BTreeSet<usize>,
}

impl Parts {
    pub(in crate::cli::backtest) fn new(assigned: &[Assigned]) -> Self {
        let expected = assigned.iter().flat_map(|assigned| match assigned {
            Assigned::Incidents(incidents) => incidents.as_slice(),
            _ => &[],
        });
        Self { expected: expected.copied().collect(), ..Self::default() }
    }

    pub(in crate::cli::backtest) fn add(&mut self, mut part: Part) {
        self.cases.add(std::mem::take(&mut part.cases));
        self.all.push(part);
    }
}

/// Measures of alarms; each `None` where it is not defined.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(super) struct Measures {
    pub(super) precision: Option<f64>,
    pub(super) recall: Option<f64>,
    pub(super) f1: Option<f64>,
    pub(super) false_per_week: Option<f64>,
}

impl Measures {
    fn mean(parts: &[Part], of: impl Fn(&Part) -> &Tally) -> Self {
        let mean = |measure: fn(&Tally) -> Option<f64>| mean(parts.iter().map(|part| measure(of(part))));
        Self {
            precision: mean(Tally::precision),
            recall: mean(Tally::recall),
            f1: mean(Tally::f1),
            false_per_week: mean(Tally::false_per_week),
        }
    }
}

/// What a run came to.
#[derive(Debug)]
pub(in crate::cli::backtest) struct Results {
    /// Where the labels come from.
    pub(super) source: String,
    pub(super) terms: Terms,
    /// Ordered by name.
    pub(super) parts: Vec<Part>,
    pub(super) cases: Cases,
    /// Windows that no part shows, by where they are written.
    pub(super) outside: Vec<String>,
    /// Means over the parts that have the measure.
    pub(super) mean_vus_pr: Option<f64>,
    pub(super) mean_auc_pr: Option<f64>,
    pub(super) mean_findings: Measures,
    pub(super) mean_events: Measures,
    /// Over all rows of all parts, with the same cuts through the scores of all.
    pub(super) vus_pr: Option<f64>,
    pub(super) auc_pr: Option<f64>,
    /// Sums over the parts.
    pub(super) findings: Tally,
    pub(super) events: Tally,
}

impl Results {
    pub(super) fn new(labels: &Labels, source: &Source, terms: Terms, parts: Parts) -> anyhow::Result<Self> {
        let Parts { all: mut parts, cases, expected } = parts;
        parts.sort_by(|a, b| a.name.cmp(&b.name));
        if parts.is_empty() {
            match labels {
                Labels::Column(name) => {
                    bail!("no file has the column {name:?} of --labels: write column:NAME as in the data")
                }
                _ => bail!("nothing that is labelled could be replayed"),
            }
        }
        let outside = outside(labels, &expected, &parts)?;
        let ranked: Vec<&Ranked> = parts.iter().map(|part| &part.ranked).collect();
        let (vus_pr, auc_pr) = (vus_pr(&ranked), auc_pr(&ranked));
        let (mut findings, mut events) = (Tally::default(), Tally::default());
        for part in &parts {
            findings.add(&part.findings);
            events.add(&part.events);
        }
        Ok(Self {
            source: match source {
                Source::Column(name) => format!("column {name}"),
                Source::File(path) => path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned(),
            },
            terms,
            cases,
            outside,
            mean_vus_pr: mean(parts.iter().map(|part| part.vus_pr)),
            mean_auc_pr: mean(parts.iter().map(|part| part.auc_pr)),
            mean_findings: Measures::mean(&parts, |part| &part.findings),
            mean_events: Measures::mean(&parts, |part| &part.events),
            vus_pr,
            auc_pr,
            findings,
            events,
            parts,
        })
    }

    /// Writes `evaluation.json` and `evaluation.html`; returns where the page is.
    pub(in crate::cli::backtest) fn write(&self, out: &Path, what: &str) -> std::io::Result<PathBuf> {
        std::fs::write(out.join("evaluation.json"), json::text(self)?)?;
        let path = out.join("evaluation.html");
        std::fs::write(&path, page::page(what, self))?;
        Ok(path)
    }

    /// The table for people.
    pub(in crate::cli::backtest) fn table(&self) -> String {
        table::text(self)
    }

    /// What a user should know of the labels.
    pub(in crate::cli::backtest) fn note(&self) -> Option<String> {
        let named: Vec<&str> = self.outside.iter().take(NAMED_MAX).map(String::as_str).collect();
        let more = if self.outside.len() > NAMED_MAX { ", …" } else { "" };
        (!named.is_empty()).then(|| {
            format!(
                "{} labelled windows lie outside of the data, or are about series that it does not have, and do not count \
                 ({}{more}): are years, time zones and selectors right?",
                self.outside.len(),
                named.join(", ")
            )
        })
    }
}

/// Where incidents are written that should be in the data and are not.
///
/// # Errors
/// That is all of them.
fn outside(labels: &Labels, expected: &BTreeSet<usize>, parts: &[Part]) -> anyhow::Result<Vec<String>> {
    let Labels::Incidents(incidents) = labels else { return Ok(Vec::new()) };
    let seen: BTreeSet<usize> =
        parts.iter().flat_map(|part| &part.windows).filter_map(|outcome| outcome.labelled.incident).collect();
    let outside: Vec<String> =
        expected.difference(&seen).map(|incident| incidents.all[*incident].origin.clone()).collect();
    if seen.is_empty() && !outside.is_empty() {
        let first = parts.iter().map(|part| part.span.0).min().unwrap_or_default();
        let last = parts.iter().map(|part| part.span.1).max().unwrap_or_default();
        bail!(
            "all {} labelled windows lie outside of the data, which goes from {} to {}, or are about series that it does \
             not have: check years, time zones (without an offset it is UTC) and selectors",
            outside.len(),
            stamp(first),
            stamp(last),
        );
    }
    Ok(outside)
}

/// The mean of what is there.
fn mean(of: impl Iterator<Item = Option<f64>>) -> Option<f64> {
    let (sum, count) = of.flatten().fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0));
    (count > 0.0).then(|| sum / count)
}
