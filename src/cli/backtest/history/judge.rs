//! A server's history against labels.

use std::collections::BTreeMap;

use super::{Workload, members};
use crate::{
    cli::backtest::{
        evaluation::{Alarm, Group, Judge, Part, Scene, Subject},
        tracks::Tracks,
    },
    signal::{Finding, Labels},
};

/// Judges the history as a whole. `score` is the highest of all series and workloads at each moment.
pub(super) fn whole(
    judge: &Judge,
    labels: &[Labels],
    tracks: &Tracks,
    score: &[f64],
    events: &[Vec<Alarm>],
    workloads: &BTreeMap<Labels, Workload>,
    findings: &[Finding],
) -> Part {
    let group = |(named, workload): (&Labels, &Workload)| {
        let (members, names) = members(named, labels);
        Group { labels: named.clone(), members, names, score: workload.score.clone() }
    };
    let groups: Vec<Group> = workloads.iter().map(group).collect();
    let titles: Vec<String> = labels.iter().map(Labels::to_string).collect();
    let about = |subject: Subject| move |alarm: &Alarm| (*alarm, subject);
    let of_series = events.iter().enumerate().flat_map(|(column, all)| all.iter().map(about(Subject::Series(column))));
    let of_workloads =
        workloads.values().enumerate().flat_map(|(group, all)| all.events.iter().map(about(Subject::Group(group))));
    let events: Vec<(Alarm, Subject)> = of_series.chain(of_workloads).collect();
    let scene = Scene {
        name: "all series",
        tracks,
        labels,
        titles: &titles,
        groups: &groups,
        findings,
        events: &events,
        score,
    };
    judge.judge(&scene, judge.truth_of_history(&tracks.at, labels))
}
