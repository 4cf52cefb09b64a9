//! Numbers over time as small as a word: no axes, a pixel for each number.

use std::fmt::Write as _;

use super::escape;

/// What is drawn.
#[derive(Clone, Copy, Debug)]
pub struct Spark<'a> {
    /// What it is, for those who point at it or do not see it.
    pub title: &'a str,
    /// Along time.
    pub numbers: &'a [u64],
    /// Height in pixels, at least 8.
    pub height: u32,
}

impl Spark<'_> {
    /// The drawing: one `<svg>` element, as wide as there are numbers.
    #[must_use]
    pub fn svg(&self) -> String {
        let (width, height) = (self.numbers.len(), self.height.max(8));
        let highest = self.numbers.iter().copied().max().unwrap_or_default().max(1) as f64;
        let mut path = format!("M0 {height}");
        let mut x = 0;
        for run in self.numbers.chunk_by(|a, b| a == b) {
            // What is there is seen, however little.
            let share = run[0] as f64 / highest * f64::from(height - 1);
            let tall = if run[0] == 0 { 0 } else { (share.round() as u32).max(1) };
            x += run.len();
            let _ = write!(path, "V{}H{x}", height - tall);
        }
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" width=\"{width}\" height=\"{height}\" \
             viewBox=\"0 0 {width} {height}\" fill=\"currentColor\"><title>{}</title><path d=\"{path}V{height}Z\"/></svg>",
            escape(self.title),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_number_is_seen_and_none_is_not() {
        let svg = Spark { title: "<lines>", numbers: &[0, 0, 1, 1000], height: 20 }.svg();
        assert!(
            svg.contains(r#"d="M0 20V20H2V19H3V1H4V20Z""#) && svg.contains("<title>&lt;lines&gt;</title>"),
            "{svg}"
        );
    }
}
