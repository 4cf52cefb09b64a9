//! The slow detector of one series: what shows over an hour, a day or several, and in no single sample.

use serde::{Deserialize, Serialize};

use super::{
    Change, Kind,
    days::{Days, QUARTER_MS, Quarter},
    flatline::{Flatline, Stand},
    season::Season,
    spread::{SPREAD_SAMPLES, Spread},
    trend::Trend,
};
use crate::signal::TimestampMs;

const DAY_MS: i64 = 4 * QUARTER_MS;
/// A difference below this share of the usual one is none.
const TINY: f32 = 1e-3;

/// State of one series, 72 bytes and nothing on the heap. Worth having only for series that vary.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Slow {
    days: Days,
    /// Value before, relative to the base of `days`; NaN after an interruption.
    previous: f32,
    trend: Trend,
    spread: Spread,
    flatline: Flatline,
    season: Season,
}

/// Something that the slow detector tells. Of each kind a series has at most one open; `Resolved` follows `Raised`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SlowEvent {
    /// [`Kind::Variance`], [`Kind::Flatline`], [`Kind::LostSeason`] or [`Kind::Trend`].
    pub kind: Kind,
    /// Whether it begins or ends.
    pub change: Change,
    /// Event time at which it began, as far as known; the time of the sample if it ends.
    pub since: TimestampMs,
    /// How clear it is: 1 is just enough, 0 if it ends.
    pub evidence: f32,
    /// What is seen, in units of the series: mean size of the differences of successive samples (variance), the value
    /// (flatline), highest less lowest quarter of the last day (lost season), mean of the last day (trend).
    pub seen: f64,
    /// What is usual, the same way: the usual mean difference, the same value again, the least swing of any day before,
    /// the daily mean at the start of the trend.
    pub expected: f64,
    /// Change in a day of a trend; 0 for the other kinds.
    pub per_day: f64,
}

impl Slow {
    /// A detector that begins with `value` at `at`, which must still be observed.
    #[must_use]
    pub fn new(at: TimestampMs, value: f64) -> Self {
        Self {
            days: Days::new(at, value),
            previous: f32::NAN,
            trend: Trend::default(),
            spread: Spread::default(),
            flatline: Flatline::default(),
            season: Season::default(),
        }
    }

    /// Takes the next finite value in order of time; of a counter its rate. `step_ms` is the usual interval between
    /// samples. Calls `tell` for what begins or ends: seldom, and hardly ever twice for one sample.
    pub fn observe(&mut self, at: TimestampMs, value: f64, step_ms: u32, tell: &mut impl FnMut(SlowEvent)) {
        let relative = self.days.relative(value);
        if !relative.is_finite() {
            return;
        }
        if let Some(quarter) = self.days.observe(at, relative, step_ms) {
            self.end_quarter(at, &quarter, tell);
        }
        let difference = relative - self.previous;
        self.previous = relative;
        if difference.is_nan() {
            return;
        }
        self.trend.observe_difference(difference);
        let usual = self.spread.usual();
        if usual == 0.0 && difference != 0.0 && self.days.is_known() {
            // All it was known for is standing still.
            self.days.forget_age();
            self.spread = Spread::default();
        }
        let known = self.days.is_known();
        let steps = |samples: i64| samples * i64::from(step_ms);
        match self.flatline.observe(difference.abs() > TINY * usual, step_ms, known) {
            Stand::Nothing => {}
            Stand::Still { samples } => {
                tell(SlowEvent::raised(Kind::Flatline, at - steps(i64::from(samples)), 1.0, value, value));
            }
            Stand::Moves => tell(SlowEvent::resolved(Kind::Flatline, at, value, value)),
        }
        if let Some(wobble) = self.spread.observe(difference.abs(), known, |unit| self.days.has_moved(unit)) {
            let (seen, usual) = (f64::from(wobble.seen), f64::from(wobble.usual));
            tell(match wobble.change {
                Change::Raised => {
                    SlowEvent::raised(Kind::Variance, at - steps(SPREAD_SAMPLES), wobble.evidence, seen, usual)
                }
                Change::Resolved => SlowEvent::resolved(Kind::Variance, at, seen, usual),
            });
        }
    }

    /// Tells that samples are missing before the next one.
    pub fn interrupt(&mut self) {
        self.previous = f32::NAN;
        self.flatline.interrupt();
    }

    fn end_quarter(&mut self, at: TimestampMs, quarter: &Quarter, tell: &mut impl FnMut(SlowEvent)) {
        if quarter.generation_ended {
            self.flatline.turn();
        }
        if quarter.day_ended {
            self.spread.relax();
        }
        let level = self.days.absolute(quarter.level);
        if let Some(drift) = self.trend.observe(quarter, level.abs()) {
            let per_day = f64::from(drift.per_day);
            let quarters = f64::from(drift.quarters);
            let start = level - per_day * quarters / 4.0;
            let since = at - i64::from(drift.quarters) * QUARTER_MS;
            let event = match drift.change {
                Change::Raised => SlowEvent::raised(Kind::Trend, since, drift.evidence, level, start),
                Change::Resolved => SlowEvent::resolved(Kind::Trend, at, level, level),
            };
            tell(SlowEvent { per_day, ..event });
        }
        if let Some(swing) = self.season.observe(quarter, self.trend.usual()) {
            let (seen, least) = (f64::from(swing.seen), f64::from(swing.least));
            tell(match swing.change {
                Change::Raised => SlowEvent::raised(Kind::LostSeason, at - DAY_MS, swing.evidence, seen, least),
                Change::Resolved => SlowEvent::resolved(Kind::LostSeason, at, seen, least),
            });
        }
    }
}

impl SlowEvent {
    fn raised(kind: Kind, since: TimestampMs, evidence: f32, seen: f64, expected: f64) -> Self {
        Self { kind, change: Change::Raised, since, evidence, seen, expected, per_day: 0.0 }
    }

    fn resolved(kind: Kind, at: TimestampMs, seen: f64, expected: f64) -> Self {
        Self { kind, change: Change::Resolved, since: at, evidence: 0.0, seen, expected, per_day: 0.0 }
    }
}
