//! Scores all metrics of one workload together: a server, a pod, a service.
//!
//! Metrics of one workload move together. What gives a fault away is rarely a level nobody has seen; it is that the
//! levels no longer suit each other, or the row before. So each metric is predicted from all others and from the last row,
//! and the size of what remains is the score. In order, for every row:
//!
//! 1. Scale the row and the one before by mean, deviation and range; compress.
//! 2. Take each metric's residual given all other inputs, divide it by its usual size, compress: `u`. Its recent mean
//!    tells a small but lasting shift from scatter.
//! 3. `q = √(mean u²)`; an isolation forest over the sizes of `u` says how usual such a combination of sizes is.
//! 4. Do the same with the model before the present one. The score is the root mean square of what both say, times the
//!    forest's factor.
//! 5. Hold the peaks: a score falls by half in ten rows.
//! 6. Learn the row, whatever its score.
//!
//! Three things make this work on an endless stream without anyone saying when training ends. Learning is never gated
//! by the score, since rare but normal bursts are exactly what must be learned. Rows are scored with a model that is
//! refreshed rarely (each time the number of rows has doubled, later every 2,500 rows, and not while the scores are
//! high), so a fault is not learned while it lasts. And the model before has a say, so one made amid a fault does
//! not hide it.
//!
//! The detector says nothing about a metric that stands alone and stays high; that is the single-series detector's work.

mod features;
mod generation;
mod model;
mod moments;
mod numeric;
mod params;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use self::features::{AGGREGATES, Features};
use self::generation::Generation;
use self::model::Model;
use self::moments::Moments;
pub use self::params::{WorkloadError, WorkloadParams};
use super::forest::{Code, ForestParams, HullForest};
use super::random::Dice;

/// Most metrics of a workload. State and time per row grow with the square.
pub const METRICS_MAX: usize = 128;

/// Largest magnitude of a value that is used; squares of larger ones would leave the range of `f32`.
pub const VALUE_MAX: f64 = 1e18;

/// Part of a metric's range that its deviation is taken to be at least. Without it a metric that stood still while it was
/// learned shouts at its first move.
const RANGE_FLOOR: f64 = 0.03;
/// Rows before outliers are clipped in learning, refreshes can be postponed and rows enter the reservoir.
const SETTLE_ROWS: u64 = 100;
/// The first refresh comes at this row.
const FIRST_REFRESH: u64 = 8;
/// A refresh is postponed while the recent mean of q² is above this: something is going on that should not be learned.
const UNREST: f64 = 9.0;
/// q² counts as at most this in the recent mean, so that one row cannot postpone a refresh for long.
const UNREST_MAX: f64 = 100.0;
/// Half-life in rows of the recent mean.
const UNREST_HALF_LIFE: f64 = 20.0;
/// A model knows a metric that moved for the first time this part of all rows before. With less the metric's new level,
/// if it stays there, is more than three deviations off.
const KNOWN_SHARE: f64 = 0.1;
/// A metric that appears late is judged by a model made when it had been there for this part of all rows.
const HEARD_SHARE: f64 = 0.5;
/// Chance of a cut to take one of the aggregates.
const AGGREGATE_CHANCE: f32 = 0.3;
/// Rows kept to grow the forest on. Sixteen times as many gain nothing measurable, half as many lose nothing.
const RESERVOIR_ROWS: usize = 256;
/// The reservoir is uniform over the first so many rows, then slowly forgets.
const RESERVOIR_MEMORY: u64 = 20_000;
/// No forest is grown on fewer rows.
const RESERVOIR_MIN: usize = 64;
/// Added to the relative depth before dividing by it.
const DEPTH_FLOOR: f64 = 0.05;
/// Stream of random numbers of the reservoir.
const RESERVOIR_STREAM: u64 = 1;

/// Scores of one row. Higher is more anomalous; compare them with the score's own past.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct WorkloadScore {
    /// Root mean square of the residuals of this row alone, 0 and up; about 1 when all is as usual. By the present
    /// model, and without metrics it does not know. Its edges are sharp: the score for events.
    pub q: f64,
    /// Relative depth of this row in the forest, see [`HullForest::relative_depth`]; 1 while there is no forest.
    pub depth: f64,
    /// Root mean square of the residuals and their recent means by the present model and the one before, peak held.
    pub norm: f64,
    /// The same divided by √(depth + 0.05), peak held: high as long as things are wrong.
    pub state: f64,
}

/// A metric's part in the last score.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Deviation {
    /// Position in the row.
    pub metric: usize,
    /// How far the metric is off, given the others and the last row, in its usual deviations, compressed beyond 5;
    /// positive when it is higher than expected.
    pub size: f32,
}

/// The detector of one workload.
///
/// - **Missing values**: NaN, ±∞ and magnitudes beyond [`VALUE_MAX`] are missing. A missing value is replaced by the
///   metric's last. A row of which more than half is missing is skipped.
/// - **Late metrics**: a metric that has had no value yet counts as usual. It is learned from its first value on, and
///   has a part in the score from the first refresh at which it has been seen for half of all rows, or for the half-life.
/// - **Still metrics**: the first move of a metric that stood still counts in the state, but fades, by half in 20 rows,
///   for as long as the model does not know it: a limit raised once is news, but no lasting fault.
/// - **Warm-up**: scores come from the second row on, but mean little before some hundred normal rows.
/// - **Cost** per row: 6 d² multiplications for d metrics, and the walk down the trees. A refresh inverts a 2d × 2d
///   matrix and grows the forest within the call.
/// - **State**: 8 d² bytes for the covariance, 12 d² for the two models, some 180 d for what goes with them, 14 KiB for
///   the forest, 256 (d + 4) bytes for its reservoir.
///
/// Stored with serde and restored, it goes on as if nothing had happened, bit for bit; damaged state is refused.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct Workload {
    params: WorkloadParams,
    /// Rows taken.
    rows: u64,
    /// Row from which on a refresh is due.
    refresh_at: u64,
    /// Refreshes so far.
    generation: u64,
    /// The last row, then the one before; NaN for a metric without a value so far.
    inputs: Vec<f64>,
    /// Row of each metric's first value.
    since: Vec<u64>,
    /// Row of each metric's first move.
    moved: Vec<u64>,
    learned: Moments,
    present: Generation,
    /// The one before.
    former: Generation,
    forest: Option<HullForest>,
    /// Rows of the forest's features to grow it on.
    reservoir: Vec<Code>,
    /// Rows offered to the reservoir.
    offered: u64,
    /// Recent mean of q².
    unrest: f64,
    /// Held peaks of norm and state.
    peaks: [f64; 2],
}

impl Workload {
    /// A detector for rows of `metrics` values.
    ///
    /// # Errors
    ///
    /// If the number of metrics or a parameter is out of range.
    pub fn new(metrics: usize, params: WorkloadParams) -> Result<Self, WorkloadError> {
        params.check()?;
        if !(1..=METRICS_MAX).contains(&metrics) {
            return Err(WorkloadError::Metrics { got: metrics });
        }
        let inputs = 2 * metrics;
        Ok(Self {
            params,
            rows: 0,
            refresh_at: FIRST_REFRESH,
            generation: 0,
            inputs: vec![f64::NAN; inputs],
            since: vec![0; metrics],
            moved: vec![0; metrics],
            learned: Moments::new(inputs),
            present: Generation::first(metrics, inputs),
            former: Generation::first(metrics, inputs),
            forest: None,
            reservoir: Vec::new(),
            offered: 0,
            unrest: 1.0,
            peaks: [0.0; 2],
        })
    }

    /// Scores a row with what was known before it, then learns it.
    ///
    /// Returns `None` for the first row, and for a row that is skipped since more than half of it is missing.
    ///
    /// # Panics
    ///
    /// If `row` does not have a value for each metric.
    pub fn observe(&mut self, row: &[f64]) -> Option<WorkloadScore> {
        if !self.take(row) {
            return None;
        }
        let is_first = self.rows == 0;
        let score = if is_first {
            None
        } else {
            let is_due = self.rows >= self.refresh_at;
            let longest_wait = (self.rows / 2).min(self.params.wait_rows_max);
            let can_wait = self.rows >= SETTLE_ROWS && self.rows <= self.refresh_at + longest_wait;
            if is_due && !(can_wait && self.unrest >= UNREST) {
                self.refresh_now();
            }
            let score = self.score();
            self.learned.absorb(&self.inputs, self.params.half_life_rows);
            Some(score)
        };
        self.rows += 1;
        score
    }

    /// Makes the model used for scoring from all that has been learned, without waiting until it is due.
    ///
    /// For the border between a stretch known to be normal and one to be judged. Does nothing before the second row.
    pub fn refresh_now(&mut self) {
        if self.rows < 2 {
            return;
        }
        let metrics = self.metrics();
        if let Some(mut model) = Model::of(&self.learned, metrics) {
            let horizon = (self.rows as f64).min(self.params.half_life_rows);
            let rows_since = |row: &u64| (self.rows - row) as f64;
            for (metric, since) in self.since.iter().enumerate() {
                if rows_since(since) < (HEARD_SHARE * self.rows as f64).min(self.params.half_life_rows) {
                    model.silence(metric);
                }
            }
            let is_known = |(metric, moved): (usize, &u64)| {
                self.learned.range(metric) > 0.0 && (*moved == 0 || rows_since(moved) >= KNOWN_SHARE * horizon)
            };
            let known = self.moved.iter().enumerate().map(is_known).collect();
            let next = self.present.successor(model, known);
            self.former = std::mem::replace(&mut self.present, next);
        }
        self.generation += 1;
        self.refresh_at = self.rows + self.rows.clamp(1, self.params.refresh_rows);
        let features = self.features();
        if self.reservoir.len() < RESERVOIR_MIN * features {
            return;
        }
        let mut weights = vec![(1.0 - AGGREGATE_CHANCE) / metrics as f32; features];
        weights[metrics..].fill(AGGREGATE_CHANCE / AGGREGATES as f32);
        let params = ForestParams {
            trees: self.params.trees,
            sample_size: self.params.sample_size,
            seed: self.params.seed.wrapping_add(self.generation),
        };
        self.forest = HullForest::fit(&self.reservoir, &weights, &params).ok();
    }

    /// Metrics in a row.
    #[must_use]
    pub fn metrics(&self) -> usize {
        self.since.len()
    }

    /// Rows taken so far, without those skipped.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Number of the model in use; 0 before the first refresh.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Residuals of the last row taken, one per metric; see [`Deviation::size`].
    #[must_use]
    pub fn residuals(&self) -> &[f32] {
        self.present.residuals()
    }

    /// The `count` metrics that were furthest off in the last row taken, furthest first.
    #[must_use]
    pub fn top(&self, count: usize) -> Vec<Deviation> {
        let mut all: Vec<Deviation> =
            self.residuals().iter().enumerate().map(|(metric, &size)| Deviation { metric, size }).collect();
        all.sort_by(|a, b| b.size.abs().total_cmp(&a.size.abs()));
        all.truncate(count);
        all
    }

    /// Share of each metric in the last row's isolation by the forest, summing to 1; `None` while there is no forest.
    ///
    /// What the aggregates contributed is divided among the metrics by their squared residuals.
    #[must_use]
    pub fn forest_shares(&self) -> Option<Vec<f32>> {
        let forest = self.forest.as_ref()?;
        let mut shares = vec![0.0; self.features()];
        forest.attribute(&Features::of(self.present.known_sizes()).codes[..self.features()], &mut shares);
        let joint: f32 = shares.drain(self.metrics()..).sum();
        let squares: f32 = self.present.known_sizes().map(|u| u * u).sum();
        let equal = 1.0 / self.metrics() as f32;
        for (share, u) in shares.iter_mut().zip(self.present.known_sizes()) {
            *share += joint * if squares > 0.0 { u * u / squares } else { equal };
        }
        Some(shares)
    }

    /// Bytes the detector takes.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        size_of::<Self>()
            + self.inputs.capacity() * size_of::<f64>()
            + (self.since.capacity() + self.moved.capacity()) * size_of::<u64>()
            + self.learned.heap_bytes()
            + self.present.heap_bytes()
            + self.former.heap_bytes()
            + self.forest.as_ref().map_or(0, |forest| forest.size_bytes() - size_of::<HullForest>())
            + self.reservoir.capacity()
    }

    /// Moves the inputs on by one row; false if the row is to be skipped.
    fn take(&mut self, row: &[f64]) -> bool {
        let metrics = self.metrics();
        assert_eq!(row.len(), metrics, "values in a row");
        let is_usable = |value: f64| value.abs() <= VALUE_MAX;
        let missing = row.iter().filter(|value| !is_usable(**value)).count();
        if 2 * missing > metrics {
            return false;
        }
        let (now, before) = self.inputs.split_at_mut(metrics);
        before.copy_from_slice(now);
        for (i, &value) in row.iter().enumerate().filter(|(_, value)| is_usable(**value)) {
            now[i] = value;
            if self.learned.range(i) == 0.0 && value != self.learned.lo[i] {
                self.moved[i] = self.rows;
            }
            if before[i].is_nan() {
                before[i] = value;
                self.since[i] = self.rows;
                for input in [i, metrics + i] {
                    self.learned.introduce(input, value);
                }
                self.present.introduce(i, value, self.rows > 0);
                self.former.introduce(i, value, self.rows > 0);
            }
        }
        true
    }

    /// Scores the inputs and offers the row to the forest's reservoir.
    fn score(&mut self) -> WorkloadScore {
        let since_move = self.moved.iter().map(|moved| self.rows - moved);
        let [present, former] =
            [&mut self.present, &mut self.former].map(|it| it.observe(&self.inputs, &self.learned, since_move.clone()));
        let norm = (0.5 * (present + former)).sqrt();
        let Features { q, codes } = Features::of(self.present.known_sizes());
        let codes = &codes[..self.features()];
        let depth = self.forest.as_ref().map_or(1.0, |forest| f64::from(forest.relative_depth(codes)));
        let keep = 0.5_f64.powf(1.0 / self.params.hold_rows);
        for (peak, score) in self.peaks.iter_mut().zip([norm, norm / (depth + DEPTH_FLOOR).sqrt()]) {
            *peak = score.max(keep * *peak + (1.0 - keep) * score);
        }
        self.unrest += (1.0 - 0.5_f64.powf(1.0 / UNREST_HALF_LIFE)) * ((q * q).min(UNREST_MAX) - self.unrest);
        if self.params.trees > 0 && self.rows >= SETTLE_ROWS {
            self.offered += 1;
            let features = codes.len();
            let room = RESERVOIR_ROWS * features - self.reservoir.len();
            if room > 0 {
                if self.reservoir.len() == self.reservoir.capacity() {
                    // To twice as much, but never beyond what can be filled, however long it was when it was restored.
                    self.reservoir.reserve_exact(self.reservoir.len().clamp(features, room));
                }
                self.reservoir.extend_from_slice(codes);
            } else {
                let among = self.offered.min(RESERVOIR_MEMORY) as u32;
                let place = Dice::at(self.params.seed, RESERVOIR_STREAM, self.offered).below(among) as usize;
                if place < RESERVOIR_ROWS {
                    self.reservoir[place * features..(place + 1) * features].copy_from_slice(codes);
                }
            }
        }
        let [norm, state] = self.peaks;
        WorkloadScore { q, depth, norm, state }
    }

    /// Features of a row of the forest.
    fn features(&self) -> usize {
        self.metrics() + AGGREGATES
    }

    /// Whether all parts fit together, so that nothing can panic later.
    fn check(&self) -> Result<(), WorkloadError> {
        let (metrics, inputs, features) = (self.metrics(), self.inputs.len(), self.features());
        self.params.check()?;
        if !(1..=METRICS_MAX).contains(&metrics) {
            return Err(WorkloadError::Metrics { got: metrics });
        }
        let numbers_are_sound = self.unrest.is_finite()
            && self.peaks.iter().all(|peak| peak.is_finite())
            && self.inputs.iter().all(|value| value.is_nan() || value.abs() <= VALUE_MAX);
        let reservoir_is_sound = self.reservoir.len() <= RESERVOIR_ROWS * features
            && self.reservoir.len().is_multiple_of(features)
            && self.offered <= self.rows;
        for (is_sound, part) in [
            (inputs == 2 * metrics, "inputs"),
            (self.moved.len() == metrics && self.since.len() == metrics, "inputs"),
            (self.moved.iter().chain(&self.since).all(|row| *row <= self.rows), "inputs"),
            (numbers_are_sound, "scores"),
            (self.learned.are_sound(2 * metrics), "moments"),
            (self.present.is_sound(metrics, inputs) && self.former.is_sound(metrics, inputs), "model"),
            (self.forest.as_ref().is_none_or(|forest| forest.features() == features), "forest"),
            (reservoir_is_sound, "reservoir"),
            ([self.rows, self.refresh_at, self.generation].iter().all(|count| *count < 1 << 62), "rows"),
        ] {
            if !is_sound {
                return Err(WorkloadError::Damaged(part));
            }
        }
        Ok(())
    }
}

impl Serialize for Workload {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Self::serialize(self, serializer)
    }
}

impl<'de> Deserialize<'de> for Workload {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let workload = Self::deserialize(deserializer)?;
        workload.check().map_err(de::Error::custom)?;
        Ok(workload)
    }
}
