//! `--labels`: how well vigie found what is known to have been wrong.
//!
//! Labels say when; scores are judged by how they rank labelled rows, findings and events by the windows they lie in.
//! Each part, a file or the history of a server, is judged on its own and then all of them together.

mod alarms;
mod cases;
mod incidents;
mod json;
mod labels;
mod page;
mod ranking;
mod results;
mod rows;
mod scene;
mod table;
mod truth;
mod windows;

use anyhow::{Context as _, bail};

pub(super) use self::{
    alarms::Alarm,
    labels::Source,
    results::{Parts, Results},
    scene::{Group, Scene, Subject},
    truth::{Assigned, Truth},
};
use self::{
    alarms::{Met, Tally, Window, allowance},
    cases::{Case, cases},
    labels::{About, Labels},
    ranking::{Ranked, auc_pr, vus_pr},
    truth::Labelled,
};
use super::{files::Input, order::Order, table::Column, table::Table};
use crate::signal::{self, Finding, TimestampMs};

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms {
    /// Findings, and events, a week of each part that are taken: those with the highest scores. `None`: all of them.
    pub(super) budget: Option<f64>,
    /// Added to windows at both ends, in ms.
    pub(super) tolerance_ms: i64,
}

/// Labels and how to judge by them.
#[derive(Debug)]
pub(super) struct Judge {
    labels: Labels,
    terms: Terms,
}

/// A part that was judged.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) name: String,
    /// First and last moment.
    span: Window,
    ranked: Ranked,
    vus_pr: Option<f64>,
    auc_pr: Option<f64>,
    findings: Tally,
    events: Tally,
    windows: Vec<Outcome>,
    /// Findings outside of all windows.
    false_findings: Vec<Told>,
    /// What the report shows of it.
    cases: Vec<Case>,
}

/// What became of a labelled window.
#[derive(Debug)]
struct Outcome {
    labelled: Labelled,
    finding: Option<Told>,
    /// Time of the first event in it.
    event: Option<TimestampMs>,
}

/// A finding as far as the evaluation tells it.
#[derive(Debug)]
struct Told {
    raised_at: TimestampMs,
    peak_score: f64,
    sentence: String,
}

impl Told {
    fn new(finding: &Finding) -> Self {
        let Finding { raised_at, peak_score, sentence, .. } = finding;
        Self { raised_at: *raised_at, peak_score: *peak_score, sentence: sentence.clone() }
    }
}

impl Judge {
    /// Reads the labels.
    ///
    /// # Errors
    /// They cannot be read; the message says what to write instead.
    pub(super) fn new(source: &Source, terms: Terms) -> anyhow::Result<Self> {
        Ok(Self { labels: Labels::read(source)?, terms })
    }

    /// The column of the data that holds labels.
    pub(super) fn column(&self) -> Option<&str> {
        match &self.labels {
            Labels::Column(name) => Some(name),
            _ => None,
        }
    }

    /// Which labels are about each file, and what a user should know.
    ///
    /// # Errors
    /// Labels that are about no file, or may be about several.
    pub(super) fn assign(&self, inputs: &[Input]) -> anyhow::Result<(Vec<Assigned>, Vec<String>)> {
        truth::assign(&self.labels, inputs)
    }

    /// What is true of a file; `None` if the labels are not about it.
    ///
    /// # Errors
    /// Labels that do not fit its rows, or are none.
    pub(super) fn truth_of_file(
        &self,
        assigned: &Assigned,
        column: Option<&Column>,
        file: (&Table, &Order),
        series: &[signal::Labels],
    ) -> anyhow::Result<Option<Truth>> {
        truth::of_file(&self.labels, assigned, column, file, series).context("labels")
    }

    /// Which labels are about the history of a server.
    ///
    /// # Errors
    /// They are about files; the message says what to write instead.
    pub(super) fn assign_history(&self) -> anyhow::Result<Assigned> {
        let known = match &self.labels {
            Labels::Incidents(known) if known.files.is_none() => known,
            _ => bail!("a server's history has neither files nor rows: write incidents as start,end,name,series"),
        };
        match known.all.iter().find(|incident| matches!(incident.about, About::File(_))) {
            Some(incident) => bail!(
                "labels, {}: a server's history has no files: write which series it is about as a selector, \
                 such as {{namespace=\"shop\"}}, in a column called series",
                incident.origin
            ),
            None => Ok(Assigned::Incidents((0..known.all.len()).collect())),
        }
    }

    /// What is true of the history of a server.
    pub(super) fn truth_of_history(&self, at: &[TimestampMs], series: &[signal::Labels]) -> Truth {
        match &self.labels {
            Labels::Incidents(incidents) => truth::of_windows(incidents, 0..incidents.all.len(), at, series),
            _ => Truth::default(),
        }
    }

    /// Judges a part.
    pub(super) fn judge(&self, scene: &Scene<'_>, truth: Truth) -> Part {
        let Truth { labelled, windows } = truth;
        let at = &scene.tracks.at;
        let span = (at.first().copied().unwrap_or_default(), at.last().copied().unwrap_or_default());
        let most = self.terms.budget.map(|budget| allowance(budget, span.1 - span.0));
        let spans: Vec<Window> = windows.iter().map(|labelled| labelled.window).collect();
        let meet = |alarms: &[Alarm], subjects: &[Option<Subject>]| {
            let concerns = |window: usize, alarm: usize| scene.concerns(&windows[window], subjects[alarm]);
            let met = Met::new(&spans, alarms, self.terms.tolerance_ms, most, concerns);
            let tally = met.tally(&spans, alarms, span.1 - span.0);
            (met, tally)
        };
        let raised: Vec<Alarm> =
            scene.findings.iter().map(|f| Alarm { at: f.raised_at, score: f.peak_score }).collect();
        let subjects: Vec<_> = scene.findings.iter().map(|finding| scene.subject(finding)).collect();
        let (met, findings) = meet(&raised, &subjects);
        let (alarms, subjects): (Vec<Alarm>, Vec<_>) =
            scene.events.iter().map(|(alarm, subject)| (*alarm, Some(*subject))).unzip();
        let (met_events, events) = meet(&alarms, &subjects);

        let ranked = Ranked { score: scene.score.to_vec(), labelled };
        let false_findings = scene.findings.iter().enumerate().filter(|(f, _)| met.allowed[*f] && !met.is_hit[*f]);
        let outcomes = windows.iter().enumerate().map(|(window, labelled)| Outcome {
            labelled: labelled.clone(),
            finding: met.first[window].map(|finding| Told::new(&scene.findings[finding])),
            event: met_events.first[window].map(|event| alarms[event].at),
        });
        Part {
            name: scene.name.to_owned(),
            span,
            vus_pr: vus_pr(&[&ranked]),
            auc_pr: auc_pr(&[&ranked]),
            ranked,
            findings,
            events,
            false_findings: false_findings.map(|(_, finding)| Told::new(finding)).collect(),
            windows: outcomes.collect(),
            cases: cases(scene, &windows, &met, &met_events),
        }
    }

    /// All parts together.
    ///
    /// # Errors
    /// There is nothing to judge by: no part was labelled, or all windows lie outside of the data.
    pub(super) fn results(&self, source: &Source, parts: Parts) -> anyhow::Result<Results> {
        Results::new(&self.labels, source, self.terms, parts)
    }
}
