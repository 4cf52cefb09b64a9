//! What became of one file, series or workload: a line of the summary and a part of the report.

use std::cmp::Ordering;

use super::tracks::{Track, Tracks};
use crate::{
    signal::{Finding, FindingScope, TimestampMs},
    ui::plot::Plot,
};

/// Plots in a report at most; what follows is a line in its table.
pub(super) const PLOTS_MAX: usize = 60;
const PLOT_WIDTH: u32 = 960;
const PLOT_HEIGHT: u32 = 260;

/// What was found in a file, a series or a workload.
#[derive(Debug)]
pub(super) struct Item {
    /// The file's name, or the labels.
    pub(super) name: String,
    /// Rows read, or samples of a series.
    pub(super) rows: usize,
    /// Series scored together.
    pub(super) series: usize,
    /// First and last moment.
    pub(super) span: Option<(TimestampMs, TimestampMs)>,
    /// Rows with an event score.
    pub(super) events: usize,
    /// Highest score; 1 is the threshold.
    pub(super) peak: f64,
    /// Findings raised, oldest first.
    pub(super) findings: Vec<Finding>,
    /// The drawing, as long as this is among the first [`PLOTS_MAX`].
    pub(super) svg: Option<String>,
    /// Wall time of its replay, where it had one of its own. Not written to any file: two runs give the same files.
    pub(super) seconds: Option<f64>,
}

impl Item {
    /// Most to tell first, then the highest score.
    pub(super) fn by_weight(&self, other: &Self) -> Ordering {
        let weight = |item: &Self| item.events + item.findings.len();
        weight(other)
            .cmp(&weight(self))
            .then_with(|| other.peak.total_cmp(&self.peak))
            .then_with(|| self.name.cmp(&other.name))
    }
}

/// Items as they come in, in any order; keeps no more drawings than the report shows.
#[derive(Debug, Default)]
pub(super) struct Items(Vec<Item>);

impl Items {
    pub(super) fn add(&mut self, item: Item) {
        self.0.push(item);
        let drawn = |item: &&mut Item| item.svg.is_some();
        if self.0.iter_mut().filter(drawn).count() > PLOTS_MAX
            && let Some(last) = self.0.iter_mut().filter(drawn).max_by(|a, b| a.by_weight(b))
        {
            last.svg = None;
        }
    }

    /// All of them, ordered by name.
    pub(super) fn by_name(mut self) -> Vec<Item> {
        self.0.sort_by(|a, b| a.name.cmp(&b.name));
        self.0
    }
}

/// What is marked in a drawing: the episodes of findings, and events outside of them. What overlaps is one mark.
pub(super) fn marks<'a>(
    findings: impl IntoIterator<Item = &'a Finding>,
    events: &[TimestampMs],
) -> Vec<(TimestampMs, TimestampMs)> {
    let episodes = findings.into_iter().map(|f| (f.since, f.resolved_at.unwrap_or(f.updated_at)));
    let mut all: Vec<_> = episodes.chain(events.iter().map(|at| (*at, *at))).collect();
    all.sort_unstable();
    let mut marks: Vec<(TimestampMs, TimestampMs)> = Vec::new();
    for (from, to) in all {
        match marks.last_mut() {
            Some((_, end)) if from <= *end => *end = to.max(*end),
            _ => marks.push((from, to)),
        }
    }
    marks
}

/// The series that tells most about what was found: the one a finding is about or that drove it, else the one with
/// the highest score. Also whether the finding is about that series alone.
pub(super) fn telling(findings: &[Finding], names: &[&str], peaks: &[f64]) -> (usize, bool) {
    let place = |name: &str| names.iter().position(|known| *known == name);
    let worst = findings.iter().max_by(|a, b| a.peak_score.total_cmp(&b.peak_score));
    let named = worst.and_then(|finding| match finding.scope {
        FindingScope::Series => place(finding.labels.metric()).map(|column| (column, true)),
        FindingScope::Workload => finding.drivers.iter().find_map(|driver| place(&driver.name)).map(|c| (c, false)),
        FindingScope::Group => None,
    });
    let highest = || (0..peaks.len()).max_by(|a, b| peaks[*a].total_cmp(&peaks[*b]).then(b.cmp(a))).unwrap_or(0);
    named.unwrap_or_else(|| (highest(), false))
}

/// Draws a track with its band, with `score` or else its own score below.
pub(super) fn draw(
    title: &str,
    tracks: &Tracks,
    track: &Track,
    score: Option<&[f64]>,
    marks: &[(TimestampMs, TimestampMs)],
) -> String {
    let [expected, lower, upper, own_score] = track.lines();
    let plot = Plot {
        title,
        times: &tracks.at,
        value: &track.value,
        expected: &expected,
        lower: &lower,
        upper: &upper,
        score: score.unwrap_or(&own_score),
        marks,
        width: PLOT_WIDTH,
        height: PLOT_HEIGHT,
    };
    plot.svg()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(name: &str, events: usize, peak: f64) -> Item {
        let svg = Some("<svg/>".into());
        Item {
            name: name.into(),
            rows: 1,
            series: 1,
            span: None,
            events,
            peak,
            findings: Vec::new(),
            svg,
            seconds: None,
        }
    }

    #[test]
    fn only_the_weightiest_keep_their_drawing_whatever_the_order() {
        let all = |order: &mut dyn Iterator<Item = usize>| {
            let mut items = Items::default();
            order.for_each(|i| items.add(item(&format!("{i:03}"), i / 2, f64::from(i as u32 % 2))));
            items.by_name().into_iter().filter(|item| item.svg.is_some()).map(|item| item.name).collect::<Vec<_>>()
        };
        let forwards = all(&mut (0..200));
        assert_eq!(forwards, all(&mut (0..200).rev()));
        assert_eq!((forwards.len(), forwards[0].as_str()), (PLOTS_MAX, "140"));
    }

    #[test]
    fn overlapping_marks_are_one() {
        assert_eq!(marks([], &[30, 10, 10, 20]), [(10, 10), (20, 20), (30, 30)]);
    }

    #[test]
    fn without_findings_the_highest_score_is_shown() {
        assert_eq!(telling(&[], &["a", "b", "c"], &[0.1, 0.7, 0.7]), (1, false));
    }
}
