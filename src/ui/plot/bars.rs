//! Numbers over time as stacked bars.

use std::fmt::Write as _;

use super::{
    BOTTOM, LEFT, RIGHT, TOP,
    canvas::{Axis, Panel, draw_times, draw_value_axis},
    escape,
    ticks::instant,
};
use crate::signal::TimestampMs;

/// What is drawn.
#[derive(Clone, Copy, Debug)]
pub struct Bars<'a> {
    /// Heading.
    pub title: &'a str,
    /// The beginning of the first bar.
    pub start: TimestampMs,
    /// Length of a bar; more than 0.
    pub step_ms: i64,
    /// What each bar is made of, from below: a class whose colour it has, and a number for each bar.
    pub parts: &'a [(&'a str, &'a [u64])],
    /// Width in pixels, at least 200.
    pub width: u32,
    /// Height in pixels, at least 80.
    pub height: u32,
}

impl Bars<'_> {
    /// The drawing: one `<svg>` element.
    #[must_use]
    pub fn svg(&self) -> String {
        let (width, height) = (f64::from(self.width.max(200)), f64::from(self.height.max(80)));
        let sums = self.sums();
        let end = self.start.saturating_add(self.step_ms.saturating_mul(sums.len().max(1) as i64));
        let highest = sums.iter().copied().max().unwrap_or_default();
        let axis = Axis { from: self.start, to: end, left: LEFT, right: width - RIGHT };
        let panel = Panel { top: TOP, bottom: height - BOTTOM, low: 0.0, high: highest.max(1) as f64 * 1.05 };
        let mut out = String::with_capacity(16 << 10);
        let _ = write!(
            out,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"plot\" role=\"img\" width=\"{width}\" height=\"{height}\" \
             viewBox=\"0 0 {width} {height}\" font-family=\"system-ui,sans-serif\" font-size=\"11\" fill=\"currentColor\">\
             <title>{title}</title><desc>{} – {} UTC, at most {highest} in a bar</desc>\
             <text x=\"{LEFT}\" y=\"{:.1}\">{title}</text>",
            instant(self.start),
            instant(end),
            TOP - 9.0,
            title = escape(self.title),
        );
        draw_times(&mut out, &axis, panel.top, panel.bottom);
        draw_value_axis(&mut out, &axis, &panel);
        let mut below = vec![0_u64; sums.len()];
        for (class, numbers) in self.parts {
            let mut path = String::new();
            for (i, (number, below)) in numbers.iter().zip(&mut below).enumerate().filter(|(_, (n, _))| **n > 0) {
                let (left, right) = self.sides(&axis, i);
                let bottom = panel.y(*below as f64);
                *below += number;
                let _ = write!(path, "M{left:.1} {bottom:.1}V{:.1}H{right:.1}V{bottom:.1}Z", panel.y(*below as f64));
            }
            let _ = write!(out, "<path class=\"{}\" fill=\"currentColor\" d=\"{path}\"/>", escape(class));
        }
        for (i, sum) in sums.iter().enumerate().filter(|(_, sum)| **sum > 0) {
            let (left, right) = self.sides(&axis, i);
            let at = self.start.saturating_add(self.step_ms.saturating_mul(i as i64));
            let _ = write!(
                out,
                "<rect x=\"{left:.1}\" y=\"{TOP}\" width=\"{:.1}\" height=\"{:.1}\" fill-opacity=\"0\"><title>{} UTC: {sum}",
                right - left,
                panel.bottom - panel.top,
                instant(at),
            );
            for (class, numbers) in self.parts {
                if let Some(number) = numbers.get(i).filter(|number| **number > 0) {
                    let _ = write!(out, ", {} {number}", escape(class));
                }
            }
            out.push_str("</title></rect>");
        }
        out.push_str("</svg>");
        out
    }

    /// The height of each bar.
    fn sums(&self) -> Vec<u64> {
        let bars = self.parts.iter().map(|(_, numbers)| numbers.len()).max().unwrap_or_default();
        (0..bars).map(|i| self.parts.iter().filter_map(|(_, numbers)| numbers.get(i)).sum()).collect()
    }

    /// Where a bar begins and ends, with a gap to the next where there is room for one.
    fn sides(&self, axis: &Axis, i: usize) -> (f64, f64) {
        let x = |i: usize| axis.x(self.start.saturating_add(self.step_ms.saturating_mul(i as i64)));
        let (left, right) = (x(i), x(i + 1));
        (left, (right - 1.0).max(left + 1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_stacked_and_named() {
        let bars = Bars {
            title: "3 <lines>",
            start: 1_700_000_000_000,
            step_ms: 60_000,
            parts: &[("error", &[1, 0, 0]), ("info", &[1, 0, 1])],
            width: 272,
            height: 144,
        };
        let svg = bars.svg();
        // 200 pixels for three bars, 100 for 2.1 lines.
        let error = r#"<path class="error" fill="currentColor" d="M58.0 124.0V76.4H123.7V124.0Z"/>"#;
        let info =
            r#"<path class="info" fill="currentColor" d="M58.0 76.4V28.8H123.7V76.4ZM191.3 124.0V76.4H257.0V124.0Z"/>"#;
        assert!(svg.contains(error) && svg.contains(info), "{svg}");
        assert!(svg.contains("<title>2023-11-14 22:13:20 UTC: 2, error 1, info 1</title>"), "{svg}");
        assert!(svg.contains("3 &lt;lines&gt;") && !svg.contains("<lines>"), "{svg}");
        assert_eq!(svg.matches("<rect").count(), 2, "an empty bar says nothing");
        let nothing = Bars { parts: &[], ..bars }.svg();
        assert!(nothing.ends_with("</svg>") && !nothing.contains("<rect"), "{nothing}");
    }
}
