//! A part of a replay as it is judged and drawn: its series, its workloads, what was said of them.

use std::ops::Range;

use super::{alarms::Alarm, truth::Labelled};
use crate::{
    cli::backtest::{
        item::{marks, telling},
        tracks::Tracks,
    },
    signal::{Finding, FindingScope, Labels, TimestampMs},
    ui::plot::Plot,
};

const PLOT_WIDTH: u32 = 960;
const PLOT_HEIGHT: u32 = 260;
/// Moments shown before and after what a plot is about, at least.
const AROUND: usize = 60;

/// What an alarm is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli::backtest) enum Subject {
    Series(usize),
    Group(usize),
}

/// A workload.
#[derive(Debug)]
pub(in crate::cli::backtest) struct Group {
    pub(in crate::cli::backtest) labels: Labels,
    /// Its series.
    pub(in crate::cli::backtest) members: Vec<usize>,
    /// Their names as findings call them.
    pub(in crate::cli::backtest) names: Vec<String>,
    /// Its score by place, 1 is the threshold.
    pub(in crate::cli::backtest) score: Vec<f64>,
}

/// A file, or the history of a server.
#[derive(Debug)]
pub(in crate::cli::backtest) struct Scene<'a> {
    pub(in crate::cli::backtest) name: &'a str,
    pub(in crate::cli::backtest) tracks: &'a Tracks,
    /// Labels of each series.
    pub(in crate::cli::backtest) labels: &'a [Labels],
    /// Heading of a plot of each series.
    pub(in crate::cli::backtest) titles: &'a [String],
    pub(in crate::cli::backtest) groups: &'a [Group],
    pub(in crate::cli::backtest) findings: &'a [Finding],
    pub(in crate::cli::backtest) events: &'a [(Alarm, Subject)],
    /// The score that is ranked, by place.
    pub(in crate::cli::backtest) score: &'a [f64],
}

/// What a plot shows: a series, and the score of its workload or else its own.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Shown {
    column: usize,
    group: Option<usize>,
}

impl Scene<'_> {
    /// What a finding is about.
    pub(super) fn subject(&self, finding: &Finding) -> Option<Subject> {
        match finding.scope {
            FindingScope::Series => self.labels.iter().position(|l| *l == finding.labels).map(Subject::Series),
            FindingScope::Workload => self.groups.iter().position(|g| g.labels == finding.labels).map(Subject::Group),
            FindingScope::Group => None,
        }
    }

    /// Whether an alarm about this can be about a window: it, or a series of it, is among those that were wrong.
    pub(super) fn concerns(&self, window: &Labelled, subject: Option<Subject>) -> bool {
        match (&window.columns, subject) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(columns), Some(Subject::Series(column))) => columns.contains(&column),
            (Some(columns), Some(Subject::Group(group))) => {
                self.groups[group].members.iter().any(|member| columns.contains(member))
            }
        }
    }

    /// What to show of a finding: the series it is about, or the one that drove it.
    pub(super) fn of_finding(&self, finding: &Finding) -> Option<Shown> {
        match self.subject(finding)? {
            Subject::Series(column) => Some(Shown { column, group: None }),
            Subject::Group(group) => {
                let Group { members, names, .. } = &self.groups[group];
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                let peaks: Vec<f64> = members.iter().map(|member| self.tracks.peak[*member]).collect();
                let (member, _) = telling(std::slice::from_ref(finding), &names, &peaks);
                Some(Shown { column: *members.get(member)?, group: Some(group) })
            }
        }
    }

    /// What to show of a window in which nothing was found: of the series that were wrong the one with the highest
    /// score in it, of equals the one furthest from what was expected; with that score, or that of its workload if it
    /// is higher.
    pub(super) fn of_window(&self, window: &Labelled) -> Option<(Shown, f64)> {
        let rows = self.rows(window.window);
        let oddest = |column: usize| {
            let track = self.tracks.series.get(column)?;
            let verdicts = &track.verdict[rows.clone()];
            let score = verdicts.iter().map(|verdict| f64::from(verdict.score)).fold(0.0, f64::max);
            let strayed = track.value[rows.clone()].iter().zip(verdicts).map(|(value, verdict)| {
                (value - f64::from(verdict.expected)).abs() / f64::from(verdict.half_width).max(f64::MIN_POSITIVE)
            });
            Some((column, score, strayed.fold(0.0, f64::max)))
        };
        let every = || (0..self.labels.len()).collect();
        let (column, score, _) = window
            .columns
            .clone()
            .unwrap_or_else(every)
            .into_iter()
            .filter_map(oddest)
            .max_by(|a, b| a.1.total_cmp(&b.1).then(a.2.total_cmp(&b.2)).then(b.0.cmp(&a.0)))?;
        let joint = self.groups.iter().enumerate().filter(|(_, group)| group.members.contains(&column));
        let joint = joint.map(|(place, group)| {
            (place, group.score[rows.clone()].iter().copied().filter(|score| score.is_finite()).fold(0.0, f64::max))
        });
        match joint.max_by(|a, b| a.1.total_cmp(&b.1)) {
            Some((group, joint)) if joint > score => Some((Shown { column, group: Some(group) }, joint)),
            _ => Some((Shown { column, group: None }, score)),
        }
    }

    fn rows(&self, (from, to): (TimestampMs, TimestampMs)) -> Range<usize> {
        let at = &self.tracks.at;
        let from = at.partition_point(|at| *at < from);
        from..at.partition_point(|at| *at <= to).max(from)
    }

    /// Draws `span` with as much before and after it again, labelled windows shaded, what was found marked.
    pub(super) fn draw(&self, shown: Shown, span: (TimestampMs, TimestampMs), labelled: &[Labelled]) -> Option<String> {
        let Shown { column, group } = shown;
        let track = self.tracks.series.get(column)?;
        let rows = self.rows(span);
        let around = rows.len().max(AROUND);
        let rows = rows.start.saturating_sub(around)..(rows.end + around).min(self.tracks.at.len());
        let verdicts = &track.verdict[rows.clone()];
        let line =
            |of: fn(&crate::series::Verdict) -> f32| verdicts.iter().map(|v| f64::from(of(v))).collect::<Vec<_>>();
        let own;
        let score = match group {
            Some(group) => &self.groups[group].score[rows.clone()],
            None => {
                own = line(|v| v.score);
                &own
            }
        };
        let is_shown = |subject: Subject| match subject {
            Subject::Series(series) => series == column,
            Subject::Group(workload) => self.groups[workload].members.contains(&column),
        };
        let findings = self.findings.iter().filter(|finding| self.subject(finding).is_some_and(is_shown));
        let events: Vec<TimestampMs> =
            self.events.iter().filter(|(_, subject)| is_shown(*subject)).map(|(alarm, _)| alarm.at).collect();
        let windows: Vec<_> = labelled
            .iter()
            .filter(|window| window.columns.as_ref().is_none_or(|columns| columns.contains(&column)))
            .map(|window| window.window)
            .collect();
        let title = match group {
            Some(_) => format!("{} (below: score of the workload)", self.titles[column]),
            None => self.titles[column].clone(),
        };
        let plot = Plot {
            title: &title,
            times: &self.tracks.at[rows.clone()],
            value: &track.value[rows],
            expected: &line(|v| v.expected),
            lower: &line(|v| v.expected - v.half_width),
            upper: &line(|v| v.expected + v.half_width),
            score,
            marks: &marks(findings, &events),
            width: PLOT_WIDTH,
            height: PLOT_HEIGHT,
        };
        Some(plot.svg_over(&windows))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{series::Verdict, signal::METRIC_NAME};

    /// Three series over 200 moments, the last two of a workload.
    struct Stage {
        tracks: Tracks,
        labels: Vec<Labels>,
        titles: Vec<String>,
        groups: Vec<Group>,
    }

    impl Stage {
        fn new() -> Self {
            let names = ["a", "b", "c"];
            let mut tracks = Tracks::new((0..200).map(|i| i * 1_000).collect(), names.len());
            for track in &mut tracks.series {
                track.value.fill(1.0);
                track.verdict.fill(Verdict { score: 0.1, expected: 1.0, half_width: 1.0, ..Verdict::NONE });
            }
            Self {
                tracks,
                labels: names.iter().map(|name| Labels::from_pairs([(METRIC_NAME, *name)])).collect(),
                titles: names.map(str::to_owned).to_vec(),
                groups: vec![Group {
                    labels: Labels::from_pairs([("job", "x")]),
                    members: vec![1, 2],
                    names: vec!["b".into(), "c".into()],
                    score: vec![0.2; 200],
                }],
            }
        }

        fn scene(&self) -> Scene<'_> {
            let Self { tracks, labels, titles, groups } = self;
            Scene { name: "x", tracks, labels, titles, groups, findings: &[], events: &[], score: &[] }
        }
    }

    fn window(columns: Option<&[usize]>) -> Labelled {
        Labelled { window: (100_000, 110_000), name: None, columns: columns.map(<[usize]>::to_vec), incident: None }
    }

    fn shown(column: usize, group: Option<usize>) -> Shown {
        Shown { column, group }
    }

    #[test]
    fn of_a_missed_window_the_oddest_of_the_series_that_were_wrong_is_shown() {
        let mut stage = Stage::new();
        let score = f64::from(0.1_f32);
        assert_eq!(stage.scene().of_window(&window(None)), Some((shown(0, None), score)), "all alike: the first");
        stage.tracks.series[1].value[105] = 5.0;
        assert_eq!(stage.scene().of_window(&window(None)), Some((shown(1, Some(0)), 0.2)), "it strays furthest");
        stage.tracks.series[0].verdict[110].score = 0.5;
        stage.tracks.series[2].verdict[111].score = 9.0;
        assert_eq!(
            stage.scene().of_window(&window(None)),
            Some((shown(0, None), 0.5)),
            "the score counts, in the window"
        );
        assert_eq!(stage.scene().of_window(&window(Some(&[2]))), Some((shown(2, Some(0)), 0.2)));
        stage.tracks.series.clear();
        assert_eq!(stage.scene().of_window(&window(None)), None, "nothing was kept to draw");
    }

    #[test]
    fn an_alarm_concerns_a_window_about_its_series_or_one_of_its_workload() {
        let stage = Stage::new();
        let concerns = |columns: Option<&[usize]>, subject| stage.scene().concerns(&window(columns), subject);
        assert!(concerns(None, None) && !concerns(Some(&[0]), None));
        assert!(concerns(Some(&[0]), Some(Subject::Series(0))) && !concerns(Some(&[0]), Some(Subject::Series(1))));
        assert!(concerns(Some(&[0, 2]), Some(Subject::Group(0))) && !concerns(Some(&[0]), Some(Subject::Group(0))));
    }

    #[test]
    fn a_plot_shows_as_much_around_as_within_and_only_windows_about_its_series() {
        let stage = Stage::new();
        let svg =
            stage.scene().draw(shown(1, Some(0)), (100_000, 110_000), &[window(Some(&[0])), window(None)]).unwrap();
        assert_eq!(svg.matches("class=\"plot-labelled\"").count(), 1);
        assert!(svg.contains("1970-01-01 00:00:40 – 1970-01-01 00:02:50 UTC"), "{svg}");
        assert!(svg.contains("b (below: score of the workload)"));
    }
}
