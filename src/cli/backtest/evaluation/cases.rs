//! What the report shows one by one: windows that were missed, false alarms, windows that were found.

use std::cmp::Ordering;

use super::{
    alarms::Met,
    scene::{Scene, Shown},
    truth::Labelled,
};
use crate::{
    cli::backtest::summary::span,
    signal::TimestampMs,
    ui::plot::ticks::{instant, number},
};

/// Cases of each kind that are shown at most.
pub(super) const CASES_MAX: usize = 20;

/// In the order of the report: what went wrong tells more than what went well.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// A labelled window without a finding.
    Miss,
    /// A finding outside of all labelled windows.
    FalseAlarm,
    /// A labelled window with a finding.
    Hit,
}

/// All kinds, in order.
pub(super) const KINDS: [Kind; 3] = [Kind::Miss, Kind::FalseAlarm, Kind::Hit];

/// A window or a false alarm.
#[derive(Debug)]
pub(super) struct Case {
    pub(super) kind: Kind,
    /// Where it comes from.
    pub(super) part: String,
    /// Begin of the window; of a false alarm the time at which it was raised.
    pub(super) at: TimestampMs,
    /// Higher is shown first: of misses and false alarms the highest score, of hits the delay.
    weight: f64,
    /// What it is, in a few words.
    pub(super) heading: String,
    /// What else is to be said.
    pub(super) remark: String,
    /// The finding's sentence.
    pub(super) sentence: Option<String>,
    pub(super) svg: Option<String>,
}

impl Case {
    fn by_weight(&self, other: &Self) -> Ordering {
        other.weight.total_cmp(&self.weight).then_with(|| (&self.part, self.at).cmp(&(&other.part, other.at)))
    }
}

/// Cases of all parts, as they come in, in any order; no more than are shown.
#[derive(Debug, Default)]
pub(in crate::cli::backtest) struct Cases(Vec<Case>);

impl Cases {
    pub(super) fn add(&mut self, more: Vec<Case>) {
        self.0.extend(more);
        self.0.sort_by(|a, b| a.kind.cmp(&b.kind).then_with(|| a.by_weight(b)));
        let mut kept = KINDS.map(|_| 0);
        self.0.retain(|case| {
            kept[case.kind as usize] += 1;
            kept[case.kind as usize] <= CASES_MAX
        });
    }

    /// Those of a kind, weightiest first.
    pub(super) fn of(&self, kind: Kind) -> impl Iterator<Item = &Case> {
        self.0.iter().filter(move |case| case.kind == kind)
    }
}

/// A case and what to draw of it.
struct Draft {
    case: Case,
    shown: Option<Shown>,
    span: (TimestampMs, TimestampMs),
}

/// The weightiest cases of a part, drawn.
pub(super) fn cases(scene: &Scene<'_>, windows: &[Labelled], findings: &Met, events: &Met) -> Vec<Case> {
    let of_window = |window: usize| match findings.first[window] {
        Some(first) => hit(scene, windows, window, first, findings),
        None => miss(scene, windows, window, findings, events),
    };
    let outside = |finding: &usize| findings.allowed[*finding] && !findings.is_hit[*finding];
    let mut drafts: Vec<Draft> = (0..windows.len()).map(of_window).collect();
    drafts.extend((0..scene.findings.len()).filter(outside).map(|finding| false_alarm(scene, windows, finding)));
    drafts.sort_by(|a, b| a.case.by_weight(&b.case));
    let mut kept = KINDS.map(|_| 0);
    let few = drafts.into_iter().filter(|draft| {
        kept[draft.case.kind as usize] += 1;
        kept[draft.case.kind as usize] <= CASES_MAX
    });
    let drawn = few.map(|draft| {
        let svg = draft.shown.and_then(|shown| scene.draw(shown, draft.span, windows));
        Case { svg, ..draft.case }
    });
    drawn.collect()
}

fn hit(scene: &Scene<'_>, windows: &[Labelled], window: usize, first: usize, met: &Met) -> Draft {
    let (labelled, finding) = (&windows[window], &scene.findings[first]);
    let delay = finding.raised_at - labelled.window.0;
    let within = |at: TimestampMs| (labelled.window.0..=labelled.window.1).contains(&at);
    let more = (0..scene.findings.len()).filter(|other| {
        let told = &scene.findings[*other];
        *other != first && met.is_hit[*other] && within(told.raised_at) && scene.concerns(labelled, scene.subject(told))
    });
    let more = more.count();
    let mut remark = if delay < 0 {
        format!("Found {} before it began.", span(-delay))
    } else {
        format!("Found {} after it began.", span(delay))
    };
    if more > 0 {
        remark.push_str(&format!(" {more} more finding{} in it.", if more == 1 { "" } else { "s" }));
    }
    Draft {
        case: Case {
            kind: Kind::Hit,
            part: scene.name.to_owned(),
            at: labelled.window.0,
            weight: delay as f64,
            heading: heading(labelled),
            remark,
            sentence: Some(finding.sentence.clone()),
            svg: None,
        },
        shown: scene.of_finding(finding),
        span: labelled.window,
    }
}

fn miss(scene: &Scene<'_>, windows: &[Labelled], window: usize, findings: &Met, events: &Met) -> Draft {
    let labelled = &windows[window];
    let within = |at: TimestampMs| (labelled.window.0..=labelled.window.1).contains(&at);
    let shown = scene.of_window(labelled);
    let peak = shown.map_or(0.0, |(_, peak)| peak);
    let left_out = (0..scene.findings.len()).find(|finding| {
        let told = &scene.findings[*finding];
        !findings.allowed[*finding] && within(told.raised_at) && scene.concerns(labelled, scene.subject(told))
    });
    let going_on = scene.findings.iter().find(|told| {
        let end = told.resolved_at.unwrap_or(told.updated_at);
        told.raised_at < labelled.window.0 && end >= labelled.window.0 && scene.concerns(labelled, scene.subject(told))
    });
    let why = match (left_out, going_on, events.first[window]) {
        (Some(finding), ..) => {
            format!("The budget left out what was found at {}.", instant(scene.findings[finding].raised_at))
        }
        (None, Some(told), _) => format!(
            "What was raised at {}, before it began, was still going on: nothing new was told.",
            instant(told.raised_at)
        ),
        (None, None, Some(event)) => format!(
            "An event was raised at {}, but it did not last or stray enough for a finding.",
            instant(scene.events[event].0.at)
        ),
        (None, None, None) => "No event was raised.".into(),
    };
    let remark = match shown {
        Some(_) => format!("Highest score in it {}, 1 is the threshold. {why}", number(peak)),
        None => why,
    };
    Draft {
        case: Case {
            kind: Kind::Miss,
            part: scene.name.to_owned(),
            at: labelled.window.0,
            weight: peak,
            heading: heading(labelled),
            remark,
            sentence: None,
            svg: None,
        },
        shown: shown.map(|(shown, _)| shown),
        span: labelled.window,
    }
}

fn false_alarm(scene: &Scene<'_>, windows: &[Labelled], finding: usize) -> Draft {
    let finding = &scene.findings[finding];
    let end = finding.resolved_at.unwrap_or(finding.updated_at);
    let before =
        windows.iter().filter(|w| w.window.1 < finding.raised_at).map(|w| finding.raised_at - w.window.1).min();
    let until = windows.iter().filter(|w| w.window.0 > finding.raised_at).map(|w| w.window.0 - finding.raised_at).min();
    let remark = match (before, until) {
        (_, Some(until)) if before.is_none_or(|before| until <= before) => {
            format!("{} before the next labelled window.", span(until))
        }
        (Some(before), _) => format!("{} after the end of a labelled window.", span(before)),
        _ => "Nothing is labelled near it.".into(),
    };
    Draft {
        case: Case {
            kind: Kind::FalseAlarm,
            part: scene.name.to_owned(),
            at: finding.raised_at,
            weight: finding.peak_score,
            heading: format!("Raised at {}, for {}", instant(finding.raised_at), span(end - finding.since)),
            remark,
            sentence: Some(finding.sentence.clone()),
            svg: None,
        },
        shown: scene.of_finding(finding),
        span: (finding.since, end),
    }
}

fn heading(labelled: &Labelled) -> String {
    let (start, end) = labelled.window;
    let when = format!("{} for {}", instant(start), span(end - start));
    match &labelled.name {
        Some(name) => format!("{name}, {when}"),
        None => when,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn case(kind: Kind, weight: f64, at: TimestampMs) -> Case {
        let (part, heading, remark) = (String::new(), String::new(), String::new());
        Case { kind, part, at, weight, heading, remark, sentence: None, svg: None }
    }

    #[test]
    fn the_weightiest_of_each_kind_are_kept_whatever_the_order() {
        let all = |order: &mut dyn Iterator<Item = i64>| {
            let mut cases = Cases::default();
            order.for_each(|i| cases.add(vec![case(KINDS[i as usize % 3], (i / 2) as f64, i)]));
            KINDS.map(|kind| cases.of(kind).map(|case| case.at).collect::<Vec<_>>())
        };
        let forwards = all(&mut (0..200));
        assert_eq!(forwards, all(&mut (0..200).rev()));
        assert!(forwards.iter().all(|kept| kept.len() == CASES_MAX && kept.is_sorted_by(|a, b| a > b)));
    }
}
