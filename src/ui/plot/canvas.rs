//! The geometry of a drawing: panels, the time axis, pixel columns, and a line that knows gaps.

use std::{fmt::Write as _, ops::Range};

use super::ticks::{axis_labels, instant, time_ticks, value_ticks};
use crate::signal::TimestampMs;

/// A step this many times the usual one is drawn as a gap.
const GAP_STEPS: i64 = 8;

/// A rectangle of the drawing with the range it shows.
pub(super) struct Panel {
    pub(super) top: f64,
    pub(super) bottom: f64,
    pub(super) low: f64,
    pub(super) high: f64,
}

impl Panel {
    /// The height of `value` in the drawing; what lies outside is drawn at the edge.
    pub(super) fn y(&self, value: f64) -> f64 {
        let share = (value - self.low) / (self.high - self.low);
        self.bottom - share.clamp(0.0, 1.0) * (self.bottom - self.top)
    }
}

/// Samples that fall on one pixel column, and whether the time before them is a gap.
pub(super) struct Column {
    pub(super) samples: Range<usize>,
    pub(super) after_gap: bool,
}

/// Where times lie.
pub(super) struct Axis {
    pub(super) from: TimestampMs,
    pub(super) to: TimestampMs,
    pub(super) left: f64,
    pub(super) right: f64,
}

impl Axis {
    pub(super) fn x(&self, at: TimestampMs) -> f64 {
        let share = at.saturating_sub(self.from) as f64 / self.to.saturating_sub(self.from) as f64;
        self.left + share.clamp(0.0, 1.0) * (self.right - self.left)
    }

    /// The drawn place of a column whose samples are drawn as one point.
    pub(super) fn middle(&self, times: &[TimestampMs], column: &Column) -> f64 {
        let (first, last) = (times[column.samples.start], times[column.samples.end - 1]);
        (self.x(first) + self.x(last)) / 2.0
    }
}

/// The samples of each pixel column, in order.
pub(super) fn columns(times: &[TimestampMs], axis: &Axis) -> Vec<Column> {
    let gap = usual_step(times).saturating_mul(GAP_STEPS);
    let mut columns: Vec<Column> = Vec::new();
    let mut last: Option<(i64, TimestampMs)> = None;
    for (i, &at) in times.iter().enumerate() {
        let pixel = axis.x(at) as i64;
        match (columns.last_mut(), last) {
            (Some(column), Some((p, _))) if p == pixel => column.samples.end = i + 1,
            _ => {
                let after_gap = last.is_some_and(|(_, before)| at.saturating_sub(before) > gap);
                columns.push(Column { samples: i..i + 1, after_gap });
            }
        }
        last = Some((pixel, at));
    }
    columns
}

/// The numbers of a column, without NaN.
pub(super) fn within<'a>(values: &'a [f64], column: &Column) -> impl Iterator<Item = f64> + 'a {
    let end = column.samples.end.min(values.len());
    values[column.samples.start.min(end)..end].iter().copied().filter(|v| !v.is_nan())
}

/// The median distance of neighbours.
fn usual_step(times: &[TimestampMs]) -> i64 {
    let mut steps: Vec<i64> = times.windows(2).map(|pair| pair[1].saturating_sub(pair[0])).collect();
    if steps.is_empty() {
        return i64::MAX;
    }
    let middle = steps.len() / 2;
    (*steps.select_nth_unstable(middle).1).max(1)
}

/// A line being drawn; a lone point becomes a dot.
#[derive(Default)]
pub(super) struct Line {
    path: String,
    points: usize,
}

impl Line {
    /// Adds the points of the next column; without any the line is interrupted.
    pub(super) fn column(&mut self, after_gap: bool, points: impl IntoIterator<Item = (f64, f64)>) {
        if after_gap {
            self.interrupt();
        }
        let mut any = false;
        for (x, y) in points {
            any = true;
            let _ = write!(self.path, "{}{x:.1} {y:.1}", if self.points == 0 { 'M' } else { 'L' });
            self.points += 1;
        }
        if !any {
            self.interrupt();
        }
    }

    fn interrupt(&mut self) {
        if self.points == 1 {
            // With round caps a line of no length is a dot.
            self.path.push_str("h0");
        }
        self.points = 0;
    }

    pub(super) fn draw(mut self, out: &mut String, class: &str, look: &str) {
        self.interrupt();
        if !self.path.is_empty() {
            let _ = write!(
                out,
                "<path class=\"{class}\" fill=\"none\" stroke=\"currentColor\" {look} stroke-linejoin=\"round\" \
                 stroke-linecap=\"round\" d=\"{}\"/>",
                self.path
            );
        }
    }
}

/// Shades windows, each from and to, that overlap what the axis shows.
pub(super) fn draw_labelled(
    out: &mut String,
    axis: &Axis,
    windows: &[(TimestampMs, TimestampMs)],
    top: f64,
    bottom: f64,
) {
    for &(from, to) in windows.iter().filter(|(from, to)| *to >= axis.from && *from <= axis.to) {
        let (left, right) = (axis.x(from), axis.x(to));
        let _ = write!(
            out,
            "<rect class=\"plot-labelled\" x=\"{left:.1}\" y=\"{top}\" width=\"{:.1}\" height=\"{:.1}\" \
             fill-opacity=\".13\" stroke=\"currentColor\" stroke-opacity=\".7\" stroke-dasharray=\"5 3\">\
             <title>labelled: {} – {} UTC</title></rect>",
            (right - left).max(2.0),
            bottom - top,
            instant(from),
            instant(to),
        );
    }
}

pub(super) fn draw_times(out: &mut String, axis: &Axis, top: f64, bottom: f64) {
    let room = ((axis.right - axis.left) / 90.0).max(2.0) as usize;
    for (at, label) in time_ticks(axis.from, axis.to, room) {
        let x = axis.x(at);
        let _ = write!(
            out,
            "<path class=\"plot-grid\" stroke=\"currentColor\" stroke-opacity=\".1\" d=\"M{x:.1} {top:.1}V{bottom:.1}\"/>\
             <text class=\"plot-tick\" x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\" font-size=\"10\" \
             fill-opacity=\".75\">{label}</text>",
            bottom + 14.0,
        );
    }
}

pub(super) fn draw_value_axis(out: &mut String, axis: &Axis, panel: &Panel) {
    let room = ((panel.bottom - panel.top) / 34.0).clamp(2.0, 6.0) as usize;
    let ticks = value_ticks(panel.low, panel.high, room);
    for (&tick, label) in ticks.iter().zip(axis_labels(&ticks)) {
        let y = panel.y(tick);
        let _ = write!(
            out,
            "<path class=\"plot-grid\" stroke=\"currentColor\" stroke-opacity=\".1\" d=\"M{:.1} {y:.1}H{:.1}\"/>\
             <text class=\"plot-tick\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\" font-size=\"10\" \
             fill-opacity=\".75\">{label}</text>",
            axis.left,
            axis.right,
            axis.left - 6.0,
            y + 3.5,
        );
    }
    let _ = write!(
        out,
        "<path class=\"plot-axis\" fill=\"none\" stroke=\"currentColor\" stroke-opacity=\".4\" d=\"M{:.1} {:.1}H{:.1}\"/>",
        axis.left, panel.bottom, axis.right
    );
}
