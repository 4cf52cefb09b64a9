//! A series, its band and its score over time as an SVG, drawn on the server.
//!
//! The page shows it without a line of script, a report keeps it in one file, a screen reader finds a
//! title and a description. Colours are classes with `currentColor` as the fallback, so that the drawing
//! follows the page's light or dark ground; a page that wants the intended colours includes [`STYLE`].
//!
//! Samples that share a pixel column are drawn by what the eye would see of them (first, lowest, highest,
//! last), so that the size depends on the width and not on the number of samples.

use std::fmt::Write as _;

use crate::signal::TimestampMs;

mod bars;
mod canvas;
mod spark;
pub mod ticks;

pub use bars::Bars;
use canvas::{Axis, Column, Line, Panel, columns, draw_labelled, draw_times, draw_value_axis, within};
pub use spark::Spark;
use ticks::{instant, number};

/// Style sheet for the classes of [`Plot::svg`], light and dark.
///
/// A page that has a switch of its own sets the `--plot-…` variables instead.
pub const STYLE: &str = "\
.plot{--plot-line:#1f5fa8;--plot-band:#1f5fa8;--plot-score:#b3541e;--plot-mark:#d0342c;max-width:100%;height:auto}
@media(prefers-color-scheme:dark){.plot{--plot-line:#7db7f0;--plot-band:#5b9bd8;--plot-score:#f0a35e;--plot-mark:#ff6b61}}
.plot-value{stroke:var(--plot-line)}.plot-band{fill:var(--plot-band)}.plot-expected{stroke:var(--plot-line)}
.plot-score-line{stroke:var(--plot-score)}.plot-score-area{fill:var(--plot-score)}
.plot-mark{fill:var(--plot-mark)}.plot-threshold{stroke:var(--plot-mark)}
";

/// The same for what [`Plot::svg_over`] draws besides.
pub const LABELLED_STYLE: &str = "\
.plot{--plot-labelled:#3d7a2a}@media(prefers-color-scheme:dark){.plot{--plot-labelled:#8fce78}}
.plot-labelled{fill:var(--plot-labelled);stroke:var(--plot-labelled)}
";

/// Room for the labels of the value axis.
const LEFT: f64 = 58.0;
/// Keeps the last time label inside.
const RIGHT: f64 = 14.0;
/// Room for the title.
const TOP: f64 = 24.0;
/// Room for the labels of the time axis.
const BOTTOM: f64 = 20.0;
/// Between the two panels.
const BETWEEN: f64 = 10.0;
/// Average width of a character at font size 11; only decides where a long title is cut.
const CHARACTER: f64 = 7.2;
/// Above this many thresholds a score is drawn at the top of its panel: what matters there is the crossing.
const SCORE_TOP: f64 = 5.0;

/// What is drawn. All slices run along `times`; a shorter (or empty) one is simply not drawn further.
#[derive(Clone, Copy, Debug)]
pub struct Plot<'a> {
    /// Heading; cut to the width, whole in the accessible title.
    pub title: &'a str,
    /// Event times, ascending.
    pub times: &'a [TimestampMs],
    /// Observed values; NaN is a gap.
    pub value: &'a [f64],
    /// Expected values; NaN is a gap.
    pub expected: &'a [f64],
    /// Lower end of the band; NaN is a gap, infinity runs to the edge.
    pub lower: &'a [f64],
    /// Upper end of the band; NaN is a gap, infinity runs to the edge.
    pub upper: &'a [f64],
    /// Score, 1 is the threshold; NaN is a gap. Empty: no score panel.
    pub score: &'a [f64],
    /// Episodes to shade, from and to.
    pub marks: &'a [(TimestampMs, TimestampMs)],
    /// Width in pixels, at least 200.
    pub width: u32,
    /// Height in pixels, at least 80.
    pub height: u32,
}

impl Plot<'_> {
    /// The drawing: one `<svg>` element, to be put into a page or a file of its own.
    #[must_use]
    pub fn svg(&self) -> String {
        self.svg_over(&[])
    }

    /// The same over windows that somebody labelled as wrong, from and to: shaded within dashed lines, so that they are
    /// told from marks without their colour.
    #[must_use]
    pub fn svg_over(&self, labelled: &[(TimestampMs, TimestampMs)]) -> String {
        let (width, height) = (f64::from(self.width.max(200)), f64::from(self.height.max(80)));
        let mut out = String::with_capacity(16 << 10);
        let _ = write!(
            out,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"plot\" role=\"img\" width=\"{width}\" height=\"{height}\" \
             viewBox=\"0 0 {width} {height}\" font-family=\"system-ui,sans-serif\" font-size=\"11\" fill=\"currentColor\">\
             <title>{}</title><desc>{}</desc>",
            escape(self.title),
            escape(&self.description(labelled.len())),
        );
        let Some(axis) = self.axis(width) else {
            self.heading(&mut out, width, "no samples");
            out.push_str("</svg>");
            return out;
        };
        self.heading(&mut out, width, &format!("{} – {} UTC", instant(axis.from), instant(axis.to)));

        let area = height - TOP - BOTTOM;
        let score_height = if self.score.is_empty() { 0.0 } else { (area * 0.22).clamp(18.0, 60.0) };
        let between = if self.score.is_empty() { 0.0 } else { BETWEEN };
        let (low, high) = self.value_range();
        let main = Panel { top: TOP, bottom: height - BOTTOM - score_height - between, low, high };
        let columns = columns(self.times, &axis);

        draw_labelled(&mut out, &axis, labelled, TOP, height - BOTTOM);
        self.draw_marks(&mut out, &axis, height - BOTTOM);
        draw_times(&mut out, &axis, TOP, height - BOTTOM);
        draw_value_axis(&mut out, &axis, &main);
        self.draw_band(&mut out, &axis, &main, &columns);
        self.draw_expected(&mut out, &axis, &main, &columns);
        self.draw_value(&mut out, &axis, &main, &columns);
        if !self.score.is_empty() {
            let top = self.score.iter().copied().filter(|s| s.is_finite()).fold(1.25, f64::max).min(SCORE_TOP);
            let panel = Panel { top: main.bottom + between, bottom: height - BOTTOM, low: 0.0, high: top };
            self.draw_score(&mut out, &axis, &panel, &columns);
        }
        out.push_str("</svg>");
        out
    }

    fn description(&self, labelled: usize) -> String {
        let (Some(&first), Some(&last)) = (self.times.first(), self.times.last()) else {
            return "No samples.".into();
        };
        let mut text = format!("{} to {} UTC", instant(first), instant(last));
        let observed = finite(self.value).fold(None, extend);
        if let Some((low, high)) = observed {
            let _ = write!(text, "; values from {} to {}", number(low), number(high));
        }
        if labelled > 0 {
            let _ = write!(text, "; {labelled} labelled window{}", if labelled == 1 { "" } else { "s" });
        }
        match self.marks.len() {
            0 => text.push_str("; nothing marked."),
            1 => text.push_str("; one episode marked."),
            n => {
                let _ = write!(text, "; {n} episodes marked.");
            }
        }
        text
    }

    fn heading(&self, out: &mut String, width: f64, span: &str) {
        let room = ((width - RIGHT - 24.0) / CHARACTER) as usize;
        let room = room.saturating_sub(span.chars().count()).max(8);
        let title: String = if self.title.chars().count() > room {
            self.title.chars().take(room - 1).chain(['…']).collect()
        } else {
            self.title.into()
        };
        let _ = write!(
            out,
            "<text class=\"plot-title\" x=\"8\" y=\"15\" font-weight=\"600\">{}</text>\
             <text class=\"plot-span\" x=\"{:.1}\" y=\"15\" text-anchor=\"end\" fill-opacity=\".65\">{}</text>",
            escape(&title),
            width - RIGHT,
            escape(span),
        );
    }

    fn axis(&self, width: f64) -> Option<Axis> {
        let (&from, &to) = (self.times.iter().min()?, self.times.iter().max()?);
        // A single instant stands in the middle of a minute.
        let (from, to) = if from == to { (from.saturating_sub(30_000), to.saturating_add(30_000)) } else { (from, to) };
        Some(Axis { from, to, left: LEFT, right: width - RIGHT })
    }

    /// The values whole, the band as far as it does not squeeze them: a series that is still being learnt
    /// has a band many times as wide as its values.
    fn value_range(&self) -> (f64, f64) {
        let band = || finite(self.expected).chain(finite(self.lower)).chain(finite(self.upper));
        let (low, high) = match finite(self.value).fold(None, extend) {
            Some((low, high)) => {
                let reach = if high > low { (high - low) * 0.6 } else { f64::INFINITY };
                // What was never negative is not expected to be, whatever the arithmetic of a band says.
                let floor = if low >= 0.0 { (low - reach).max(0.0) } else { low - reach };
                band().fold((low, high), |(l, h), v| (l.min(v.max(floor)), h.max(v.min(high + reach))))
            }
            None => band().fold(None, extend).unwrap_or((0.0, 1.0)),
        };
        let span = high - low;
        let pad = match (span > 0.0, low == 0.0) {
            (true, _) => span * 0.05,
            (false, true) => 1.0,
            (false, false) => low.abs() * 0.1,
        };
        // Nothing that is never negative should look as if it could be.
        (if low >= 0.0 { (low - pad).max(0.0) } else { low - pad }, high + pad)
    }

    fn draw_marks(&self, out: &mut String, axis: &Axis, bottom: f64) {
        for &(from, to) in self.marks {
            if to < axis.from || from > axis.to {
                continue;
            }
            let (left, right) = (axis.x(from), axis.x(to));
            // An episode of one sample must still be seen.
            let width = (right - left).max(2.0);
            let _ = write!(
                out,
                "<rect class=\"plot-mark\" x=\"{left:.1}\" y=\"{TOP}\" width=\"{width:.1}\" height=\"{:.1}\" \
                 fill-opacity=\".16\"><title>{} – {} UTC</title></rect>",
                bottom - TOP,
                instant(from),
                instant(to),
            );
        }
    }

    fn draw_band(&self, out: &mut String, axis: &Axis, panel: &Panel, columns: &[Column]) {
        let mut path = String::new();
        let mut run: Vec<(f64, f64, f64)> = Vec::new();
        let close = |run: &mut Vec<(f64, f64, f64)>, path: &mut String| {
            if let [(x, top, bottom)] = run[..] {
                let _ = write!(path, "M{:.1} {top:.1}H{:.1}V{bottom:.1}H{:.1}Z", x - 0.5, x + 0.5, x - 0.5);
            } else {
                let upper = run.iter().map(|&(x, top, _)| (x, top));
                let lower = run.iter().rev().map(|&(x, _, bottom)| (x, bottom));
                for (i, (x, y)) in upper.chain(lower).enumerate() {
                    let _ = write!(path, "{}{x:.1} {y:.1}", if i == 0 { 'M' } else { 'L' });
                }
                path.push_str(if run.is_empty() { "" } else { "Z" });
            }
            run.clear();
        };
        for column in columns {
            let low = within(self.lower, column).fold(f64::NAN, f64::min);
            let high = within(self.upper, column).fold(f64::NAN, f64::max);
            let is_gap = low.is_nan() || high.is_nan();
            if is_gap || column.after_gap {
                close(&mut run, &mut path);
            }
            if !is_gap {
                run.push((axis.middle(self.times, column), panel.y(high), panel.y(low)));
            }
        }
        close(&mut run, &mut path);
        if !path.is_empty() {
            let _ = write!(out, "<path class=\"plot-band\" fill-opacity=\".17\" d=\"{path}\"/>");
        }
    }

    fn draw_expected(&self, out: &mut String, axis: &Axis, panel: &Panel, columns: &[Column]) {
        let mut line = Line::default();
        for column in columns {
            // The mean, not the extremes: a dashed zigzag within a column would hide the value line.
            let (sum, n) = within(self.expected, column).fold((0.0, 0.0), |(sum, n), v| (sum + v, n + 1.0));
            let middle = axis.middle(self.times, column);
            line.column(column.after_gap, (n > 0.0).then(|| (middle, panel.y(sum / n))));
        }
        line.draw(out, "plot-expected", "stroke-width=\"1\" stroke-dasharray=\"4 3\" stroke-opacity=\".75\"");
    }

    fn draw_value(&self, out: &mut String, axis: &Axis, panel: &Panel, columns: &[Column]) {
        let mut line = Line::default();
        for column in columns {
            let point = |i: usize| (axis.x(self.times[i]), panel.y(self.value[i]));
            let seen = || column.samples.clone().filter(|&i| self.value.get(i).is_some_and(|v| v.is_finite()));
            let by_value = |a: &usize, b: &usize| self.value[*a].total_cmp(&self.value[*b]);
            let mut kept: Vec<usize> =
                [seen().next(), seen().min_by(by_value), seen().max_by(by_value), seen().next_back()]
                    .into_iter()
                    .flatten()
                    .collect();
            kept.sort_unstable();
            kept.dedup();
            line.column(column.after_gap, kept.into_iter().map(point));
        }
        line.draw(out, "plot-value", "stroke-width=\"1.3\"");
    }

    fn draw_score(&self, out: &mut String, axis: &Axis, panel: &Panel, columns: &[Column]) {
        let mut line = Line::default();
        let mut area = String::new();
        for column in columns {
            let score = within(self.score, column).fold(f64::NAN, f64::max);
            let x = axis.middle(self.times, column);
            line.column(column.after_gap, (!score.is_nan()).then(|| (x, panel.y(score))));
            if score > 1.0 {
                let (y, threshold) = (panel.y(score), panel.y(1.0));
                let _ = write!(area, "M{:.1} {threshold:.1}V{y:.1}H{:.1}V{threshold:.1}Z", x - 0.6, x + 0.6);
            }
        }
        if !area.is_empty() {
            let _ = write!(out, "<path class=\"plot-score-area\" fill-opacity=\".45\" d=\"{area}\"/>");
        }
        line.draw(out, "plot-score-line", "stroke-width=\"1\"");
        let (left, right, threshold, bottom) = (axis.left, axis.right, panel.y(1.0), panel.bottom);
        let _ = write!(
            out,
            "<path class=\"plot-threshold\" fill=\"none\" stroke=\"currentColor\" stroke-dasharray=\"2 2\" \
             stroke-opacity=\".8\" d=\"M{left:.1} {threshold:.1}H{right:.1}\"/>\
             <path class=\"plot-axis\" fill=\"none\" stroke=\"currentColor\" stroke-opacity=\".4\" \
             d=\"M{left:.1} {bottom:.1}H{right:.1}\"/>\
             <text class=\"plot-tick\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"end\" font-size=\"10\" \
             fill-opacity=\".75\">score 1</text>",
            x = left - 6.0,
            y = threshold + 3.5,
        );
    }
}

/// What can stand on an axis: numbers whose distance is still a number.
fn finite(values: &[f64]) -> impl Iterator<Item = f64> {
    values.iter().copied().filter(|v| v.abs() < 1e300)
}

fn extend(range: Option<(f64, f64)>, value: f64) -> Option<(f64, f64)> {
    Some(range.map_or((value, value), |(low, high)| (low.min(value), high.max(value))))
}

/// `text` as it may stand inside an element or an attribute; control characters, which XML forbids, are dropped.
#[must_use]
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c if c.is_control() && !matches!(c, '\t' | '\n' | '\r') => {}
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests;
