//! How something is spread over lines whose number is not known before.

/// Most parts.
const PARTS: usize = 40;

/// Counts by part of the input, as a row of blocks.
#[derive(Clone, Debug, Default)]
pub(super) struct Course {
    counts: Vec<u32>,
    /// Lines of a part, as a power of two.
    bits: u32,
}

impl Course {
    /// Counts an event at a line, counted from 0; lines come in order.
    pub(super) fn count(&mut self, line: u64) {
        while line >> self.bits >= PARTS as u64 {
            self.widen();
        }
        let part = (line >> self.bits) as usize;
        if part >= self.counts.len() {
            self.counts.resize(part + 1, 0);
        }
        self.counts[part] += 1;
    }

    fn widen(&mut self) {
        self.bits += 1;
        self.counts = self.counts.chunks(2).map(|pair| pair.iter().sum()).collect();
    }

    /// Adds another one's counts.
    pub(super) fn merge(&mut self, other: &Self) {
        let mut other = other.clone();
        while self.bits < other.bits {
            self.widen();
        }
        while other.bits < self.bits {
            other.widen();
        }
        self.counts.resize(self.counts.len().max(other.counts.len()), 0);
        self.counts.iter_mut().zip(&other.counts).for_each(|(own, more)| *own += more);
    }

    /// A block for each part of the whole input of so many lines, as high as it was frequent.
    pub(super) fn show(&self, lines: u64) -> String {
        const BLOCKS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
        let mut all = self.clone();
        while lines.saturating_sub(1) >> all.bits >= PARTS as u64 {
            all.widen();
        }
        let parts = (lines.saturating_sub(1) >> all.bits) as usize + 1;
        all.counts.resize(parts, 0);
        let most = all.counts.iter().copied().max().unwrap_or(0).max(1);
        all.counts.iter().map(|count| BLOCKS[(u64::from(*count) * 8).div_ceil(most.into()) as usize]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_course_has_room_for_any_number_of_lines() {
        let (mut all, mut late) = (Course::default(), Course::default());
        for line in 0..10_000 {
            all.count(line);
            if line >= 9_000 {
                late.count(line);
            }
        }
        assert_eq!(all.counts.iter().sum::<u32>(), 10_000);
        let shown = late.show(10_000);
        assert!(shown.chars().count() == all.show(10_000).chars().count() && shown.starts_with("     "), "{shown}");
        assert!(shown.ends_with('▇') || shown.ends_with('█') || shown.contains('█'));
        late.merge(&all);
        assert_eq!(late.counts.iter().sum::<u32>(), 11_000);
    }
}
