//! When the shop is busy, and what happens in it without anything being wrong.

use super::noise::{Drift, Noise};
use crate::signal::TimestampMs;

/// A minute in milliseconds.
pub(in crate::cli::demo) const MINUTE: TimestampMs = 60_000;
/// An hour in milliseconds.
pub(in crate::cli::demo) const HOUR: TimestampMs = 60 * MINUTE;
/// A day in milliseconds.
pub(in crate::cli::demo) const DAY: TimestampMs = 24 * HOUR;

/// Weekday on which every simulation starts, Monday being 0. A fixed one keeps runs comparable, and a Wednesday
/// makes the first three days working days.
const FIRST_WEEKDAY: i64 = 2;

/// Visits per second in the busiest hour of a working day.
const PEAK_VISITS: f64 = 140.0;

/// The shop's customers: visits per second by time of day and weekday, with noise.
#[derive(Clone, Debug)]
pub(super) struct Customers {
    noise: Noise,
    drift: Drift,
}

impl Customers {
    pub(super) fn new(seed: u64) -> Self {
        Self { noise: Noise::new(seed, "customers"), drift: Drift::new(0.03, 20.0) }
    }

    /// Visits per second, `since` milliseconds after the start, which is a midnight.
    pub(super) fn visits(&mut self, since: TimestampMs) -> f64 {
        expected_visits(since) * self.drift.next(&mut self.noise) * self.noise.factor(0.02)
    }
}

/// The daily curve: lowest at four, a working-hours hump and an evening hump; weekends are later and quieter.
fn expected_visits(since: TimestampMs) -> f64 {
    let hour = (since.rem_euclid(DAY)) as f64 / HOUR as f64;
    let day = since.div_euclid(DAY);
    let today = weekend_share(day);
    // One kind of day passes into the other in the four hours after midnight.
    let passed = (hour / 4.0).min(1.0);
    let weekend = weekend_share(day - 1) * (1.0 - passed) + today * passed;
    let hump = |centre: f64, width: f64| {
        let away = (hour - centre).abs();
        (-(away.min(24.0 - away) / width).powi(2)).exp()
    };
    let working_day = 0.22 + 0.6 * hump(13.0, 4.5) + 0.55 * hump(20.0, 2.5);
    let weekend_day = 0.24 + 0.5 * hump(15.0, 5.0) + 0.3 * hump(21.0, 2.5);
    PEAK_VISITS * ((1.0 - weekend) * working_day + weekend * weekend_day)
}

fn weekend_share(day: i64) -> f64 {
    f64::from(u8::from((day + FIRST_WEEKDAY).rem_euclid(7) >= 5))
}

/// Something that happens in normal operation. None of it is announced to the detector, none excuses a finding.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Chore {
    /// A new version of a service is rolled out, pod by pod.
    Deploy {
        /// Which service.
        service: usize,
    },
    /// A container is restarted in place.
    Restart {
        /// Which service.
        service: usize,
        /// Which of its pods, modulo their number.
        replica: usize,
    },
    /// Nothing is scraped for some minutes: the monitoring itself is restarted.
    Gap {
        /// How long, in milliseconds.
        length: TimestampMs,
    },
    /// The nightly batch reads all orders and rebuilds the search index.
    Batch {
        /// How long, in milliseconds.
        length: TimestampMs,
    },
}

/// What happens on day `day`, in order of time since the start. `services` is the number that can be deployed.
pub(super) fn chores(seed: u64, day: i64, services: usize) -> Vec<(TimestampMs, Chore)> {
    let mut noise = Noise::new(seed, &format!("chores of day {day}"));
    let mut between = |from: f64, to: f64| (noise.between(from, to) * MINUTE as f64) as TimestampMs;
    let hours = 60.0;
    let batch = (between(2.0 * hours, 2.0 * hours + 10.0), Chore::Batch { length: between(35.0, 45.0) });
    let gap = (between(0.0, 24.0 * hours - 10.0), Chore::Gap { length: between(3.0, 9.0) });
    let deploy_at = between(10.0 * hours, 16.0 * hours);
    let restart_at = between(0.0, 24.0 * hours);
    let deploy = (deploy_at, Chore::Deploy { service: noise.below(services) });
    let restart = (restart_at, Chore::Restart { service: noise.below(services), replica: noise.below(6) });
    let mut all = vec![batch, deploy, restart];
    // The monitoring is restarted every other day.
    if day % 2 == 1 {
        all.push(gap);
    }
    all.sort_by_key(|(at, _)| *at);
    all.into_iter().map(|(at, chore)| (day * DAY + at, chore)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_have_a_night_and_weekends_are_quieter() {
        let at = |day: i64, hour: i64| expected_visits(day * DAY + hour * HOUR);
        assert!(at(0, 13) > 3.0 * at(0, 4));
        assert_eq!(at(0, 13), at(7, 13));
        // Day 3 is a Saturday.
        assert!(at(3, 13) < 0.85 * at(2, 13));
        let steps = (1..14 * 24 * 60)
            .map(|minute| (expected_visits(minute * MINUTE) / expected_visits((minute - 1) * MINUTE) - 1.0).abs());
        assert!(steps.fold(0.0, f64::max) < 0.02, "the curve has no jumps");
    }

    #[test]
    fn every_day_has_its_chores_and_they_depend_on_the_seed_only() {
        for day in 0..20 {
            let today = chores(7, day, 6);
            assert_eq!(today, chores(7, day, 6));
            assert!(today.iter().all(|(at, _)| (day * DAY..(day + 1) * DAY).contains(at)));
            assert!(today.is_sorted_by_key(|(at, _)| *at));
            assert_eq!(today.len(), if day % 2 == 1 { 4 } else { 3 });
        }
        assert_ne!(chores(7, 0, 6), chores(8, 0, 6));
    }
}
