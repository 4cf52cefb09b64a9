//! How well a score ranks labelled rows above the others, whatever the threshold.
//!
//! Rows count as they are labelled: nothing is said to be found because something near it was (no point adjustment).

use std::ops::RangeInclusive;

/// Longest buffer of [`vus_pr`], in rows.
const BUFFER: usize = 100;
/// Cuts through the scores at which [`vus_pr`] looks.
const CUTS: usize = 250;

/// Scores and labels of one file, row by row in order of time.
#[derive(Clone, Debug, Default)]
pub(super) struct Ranked {
    /// Higher is odder; a NaN counts as 0.
    pub(super) score: Vec<f64>,
    /// Whether something was wrong.
    pub(super) labelled: Vec<bool>,
}

impl Ranked {
    fn rows(&self) -> impl Iterator<Item = (f64, bool)> + '_ {
        let score = self.score.iter().map(|score| if score.is_nan() { 0.0 } else { *score });
        score.zip(self.labelled.iter().copied())
    }

    /// Labelled rows.
    pub(super) fn positives(&self) -> usize {
        self.labelled.iter().filter(|labelled| **labelled).count()
    }

    /// First and last row of each run of labelled rows.
    pub(super) fn runs(&self) -> Vec<RangeInclusive<usize>> {
        let mut runs = Vec::new();
        let mut begin = None;
        for (row, labelled) in self.labelled.iter().copied().chain([false]).enumerate() {
            match (begin, labelled) {
                (None, true) => begin = Some(row),
                (Some(first), false) => {
                    runs.push(first..=row - 1);
                    begin = None;
                }
                _ => {}
            }
        }
        runs
    }
}

/// Whether there are rows of both kinds, without which no ranking can be judged.
fn is_mixed(parts: &[&Ranked]) -> bool {
    let positives: usize = parts.iter().map(|part| part.positives()).sum();
    positives > 0 && positives < parts.iter().map(|part| part.labelled.len()).sum()
}

/// Area under the precision/recall curve as average precision, over all rows of all parts; equal scores are one step
/// of the curve. A score that knows nothing gets the share of labelled rows. `None` unless there are labelled rows and
/// others.
pub(super) fn auc_pr(parts: &[&Ranked]) -> Option<f64> {
    if !is_mixed(parts) {
        return None;
    }
    let mut rows: Vec<(f64, bool)> = parts.iter().flat_map(|part| part.rows()).collect();
    rows.sort_by(|a, b| b.0.total_cmp(&a.0));
    let positives = rows.iter().filter(|(_, labelled)| *labelled).count() as f64;
    let (mut seen, mut hits, mut area) = (0.0, 0.0, 0.0);
    for equal in rows.chunk_by(|a, b| a.0 == b.0) {
        let more = equal.iter().filter(|(_, labelled)| *labelled).count() as f64;
        seen += equal.len() as f64;
        hits += more;
        area += more / positives * (hits / seen);
    }
    Some(area)
}

/// VUS-PR (Paparrizos et al., VLDB 2022), the main measure of TSB-AD: the mean, over buffers of 0 to 100 rows, of the
/// range-aware area under the precision/recall curve. A buffer gives labelled windows soft shoulders: rows beside them
/// count in part, and recall is weighed by the share of windows of which anything was found. Rows of different parts
/// are no neighbours; the cuts go through the scores of all of them. `None` unless there are labelled rows and others.
pub(super) fn vus_pr(parts: &[&Ranked]) -> Option<f64> {
    if !is_mixed(parts) {
        return None;
    }
    let mut scores: Vec<f64> = parts.iter().flat_map(|part| part.rows().map(|(score, _)| score)).collect();
    scores.sort_by(|a, b| b.total_cmp(a));
    let last = scores.len() - 1;
    let distance = last as f64 / (CUTS - 1) as f64;
    let place = |cut: usize| if cut == CUTS - 1 { last } else { (cut as f64 * distance) as usize };
    let cuts: Vec<f64> = (0..CUTS).map(|cut| scores[place(cut)]).collect();

    let mut flagged = [0.0; CUTS];
    let mut inside = [0.0; CUTS];
    let volumes: Vec<Volume> = parts.iter().map(|part| Volume::new(part, &cuts)).collect();
    for (volume, part) in volumes.iter().zip(parts) {
        for (cut, labelled) in volume.cut.iter().zip(&part.labelled) {
            flagged[*cut] += 1.0;
            inside[*cut] += f64::from(u8::from(*labelled));
        }
    }
    accumulate(&mut flagged);
    accumulate(&mut inside);
    let areas = (0..=BUFFER).map(|buffer| {
        let (mut beside, mut found) = ([0.0; CUTS], [0.0; CUTS]);
        volumes.iter().for_each(|volume| volume.shoulders(buffer, &mut beside));
        volumes.iter().for_each(|volume| volume.windows(buffer, &mut found));
        accumulate(&mut beside);
        accumulate(&mut found);
        let (positives, windows) = (inside[CUTS - 1], found[CUTS - 1]);
        let (mut area, mut before) = (0.0, 0.0);
        for cut in 0..CUTS {
            let hit = inside[cut] + beside[cut];
            let recall = (hit / (positives + beside[cut] / 2.0)).min(1.0) * found[cut] / windows;
            area += (recall - before) * hit / flagged[cut];
            before = recall;
        }
        area
    });
    Some(areas.sum::<f64>() / (BUFFER + 1) as f64)
}

/// From counts by cut to counts up to each cut.
fn accumulate(counts: &mut [f64; CUTS]) {
    let mut sum = 0.0;
    for count in counts {
        sum += *count;
        *count = sum;
    }
}

/// A part as the cuts see it.
struct Volume {
    /// The first (highest) cut that flags each row.
    cut: Vec<usize>,
    runs: Vec<RangeInclusive<usize>>,
}

impl Volume {
    fn new(part: &Ranked, cuts: &[f64]) -> Self {
        let cut = part.rows().map(|(score, _)| cuts.partition_point(|cut| *cut > score)).collect();
        Self { cut, runs: part.runs() }
    }

    /// Adds the weights of rows beside windows, up to half a buffer away, by the cut that flags them: the root of what
    /// is left of the buffer at their distance, together at most 1.
    fn shoulders(&self, buffer: usize, beside: &mut [f64; CUTS]) {
        let weight = |distance: usize| (1.0 - distance as f64 / buffer as f64).sqrt();
        let half = buffer / 2;
        // What reaches into the gap after a window: its own end, and the beginnings of later ones.
        let border = |place: usize| {
            let end = place.checked_sub(1).map_or(0, |before| self.runs[before].end() + 1);
            end..self.runs.get(place).map_or(self.cut.len(), |next| *next.start())
        };
        for place in 0..=self.runs.len() {
            let gap = border(place);
            let reach = |row: usize| {
                let before = self.runs[..place].iter().rev().map(|run| row - run.end());
                let after = self.runs[place..].iter().map(|run| run.start() - row);
                let near = before.take_while(|d| *d <= half).chain(after.take_while(|d| *d <= half));
                near.map(weight).sum::<f64>().min(1.0)
            };
            let left = if place == 0 { gap.start } else { (gap.start + half).min(gap.end) };
            let right = if place == self.runs.len() { gap.end } else { gap.end.saturating_sub(half).max(left) };
            for row in (gap.start..left).chain(right..gap.end) {
                beside[self.cut[row]] += reach(row);
            }
        }
    }

    /// Adds the windows, grown by half a buffer on both sides and joined where they meet, by the cut that first flags a
    /// row of them.
    fn windows(&self, buffer: usize, found: &mut [f64; CUTS]) {
        let half = buffer / 2;
        for near in self.runs.chunk_by(|a, b| a.end() + half >= b.start().saturating_sub(half)) {
            let (Some(first), Some(last)) = (near.first(), near.last()) else { continue };
            let end = (last.end() + half).min(self.cut.len() - 1);
            let rows = &self.cut[first.start().saturating_sub(half)..=end];
            if let Some(cut) = rows.iter().min() {
                found[*cut] += 1.0;
            }
        }
    }
}

#[cfg(test)]
#[path = "ranking_tests.rs"]
mod tests;
