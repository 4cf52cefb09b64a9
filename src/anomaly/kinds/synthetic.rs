//! Series made for the tests: what metrics of healthy systems look like, and seeded noise to break them with.

use crate::{anomaly::random::Dice, signal::TimestampMs};

pub(super) const MINUTE: i64 = 60_000;
pub(super) const HOUR: i64 = 60 * MINUTE;
pub(super) const DAY: i64 = 24 * HOUR;
/// A Monday, 00:00 UTC.
pub(super) const MONDAY: TimestampMs = 1_767_571_200_000;

/// Seeded noise.
#[derive(Debug)]
pub(super) struct Noise(Dice);

impl Noise {
    pub(super) fn new(seed: u64) -> Self {
        Self(Dice::new(seed, 99))
    }

    /// Uniform in 0..1.
    pub(super) fn unit(&mut self) -> f64 {
        f64::from(self.0.unit())
    }

    /// Standard normal, by Box and Muller.
    pub(super) fn normal(&mut self) -> f64 {
        let (u, v) = (1.0 - self.unit(), self.unit());
        (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()
    }

    pub(super) fn chance(&mut self, p: f64) -> bool {
        self.unit() < p
    }

    /// Poisson, for small means.
    pub(super) fn poisson(&mut self, mean: f64) -> f64 {
        let (mut product, mut count, least) = (self.unit(), 0.0, (-mean).exp());
        while product > least {
            product *= self.unit();
            count += 1.0;
        }
        count
    }
}

/// A kind of normal series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Normal {
    White,
    Ar90,
    Ar99,
    RandomWalk,
    Daily,
    Weekly,
    DaylightSaving,
    Bursty,
    Human,
    Sparse,
    Poisson,
    Sawtooth,
    WeeklySawtooth,
    Deploys,
    Quantised,
    NightlyJob,
    WeeklyJob,
    IdleNights,
    Multiplicative,
    HeavyTailed,
    Growing,
    Uptime,
    Replicas,
    Cached,
    RateOfSteady,
}

impl Normal {
    pub(super) const ALL: [Self; 25] = [
        Self::White,
        Self::Ar90,
        Self::Ar99,
        Self::RandomWalk,
        Self::Daily,
        Self::Weekly,
        Self::DaylightSaving,
        Self::Bursty,
        Self::Human,
        Self::Sparse,
        Self::Poisson,
        Self::Sawtooth,
        Self::WeeklySawtooth,
        Self::Deploys,
        Self::Quantised,
        Self::NightlyJob,
        Self::WeeklyJob,
        Self::IdleNights,
        Self::Multiplicative,
        Self::HeavyTailed,
        Self::Growing,
        Self::Uptime,
        Self::Replicas,
        Self::Cached,
        Self::RateOfSteady,
    ];

    /// Usual interval between samples, in ms.
    pub(super) fn step(self) -> i64 {
        match self {
            Self::Sparse => 10 * MINUTE,
            _ => MINUTE,
        }
    }
}

/// A normal series under way.
#[derive(Debug)]
pub(super) struct Source {
    normal: Normal,
    pub(super) noise: Noise,
    state: f64,
    level: f64,
    until: i64,
    at: TimestampMs,
}

/// Share of the day's swing at `at`, −1 to 1, lowest at 4:00.
pub(super) fn daily(at: TimestampMs) -> f64 {
    -(std::f64::consts::TAU * ((at - 4 * HOUR) as f64 / DAY as f64)).cos()
}

fn is_weekend(at: TimestampMs) -> bool {
    (at - MONDAY).div_euclid(DAY).rem_euclid(7) >= 5
}

impl Source {
    /// Begins at `MONDAY`, or up to a week later with other seeds.
    pub(super) fn new(normal: Normal, seed: u64) -> Self {
        let mut noise = Noise::new(seed);
        let at = MONDAY + (noise.unit() * 7.0 * DAY as f64) as i64;
        Self { normal, noise, state: 0.0, level: 100.0, until: at, at }
    }

    /// Usual interval between samples, in ms.
    pub(super) fn step(&self) -> i64 {
        self.normal.step()
    }

    /// The next sample: event time, jittered as clocks are, and value.
    pub(super) fn next(&mut self) -> (TimestampMs, f64) {
        self.at += self.normal.step();
        while self.normal == Normal::Sparse && self.noise.chance(0.3) {
            self.at += self.normal.step();
        }
        let at = self.at + (self.noise.normal() * 300.0) as i64;
        (at, self.value(at))
    }

    fn ar(&mut self, rho: f64) -> f64 {
        self.state = rho * self.state + (1.0 - rho * rho).sqrt() * self.noise.normal();
        self.state
    }

    /// Whether a new phase begins, of exponential length with this mean.
    fn phase(&mut self, mean: i64) -> bool {
        let begins = self.at >= self.until;
        if begins {
            self.until = self.at - (mean as f64 * (1.0 - self.noise.unit()).ln()) as i64;
        }
        begins
    }

    fn value(&mut self, at: TimestampMs) -> f64 {
        let weekend = if is_weekend(at) { 0.35 } else { 1.0 };
        let hour = at.rem_euclid(DAY) / HOUR;
        match self.normal {
            Normal::White | Normal::Sparse => 100.0 + 5.0 * self.noise.normal(),
            Normal::Ar90 => 100.0 + 5.0 * self.ar(0.9),
            Normal::Ar99 => 100.0 + 5.0 * self.ar(0.99),
            Normal::RandomWalk => {
                self.state += self.noise.normal();
                1_000.0 + self.state
            }
            Normal::Daily => 100.0 + 40.0 * daily(at) + 5.0 * self.noise.normal(),
            Normal::Weekly => weekend * (100.0 + 60.0 * daily(at) + 5.0 * self.ar(0.9)),
            Normal::DaylightSaving => {
                let shifted = if at > MONDAY + 34 * DAY { at + HOUR } else { at };
                weekend * (100.0 + 80.0 * daily(shifted)) + 5.0 * self.noise.normal()
            }
            Normal::Bursty => {
                if self.phase(if self.state > 0.0 { 20 * MINUTE } else { 3 * HOUR }) {
                    self.state = 1.0 - self.state;
                }
                if self.state > 0.0 { 50.0 + 20.0 * self.noise.normal() } else { 1.0 + 0.3 * self.noise.unit() }
            }
            Normal::Human => {
                // Used now and then, with pauses from minutes to days.
                if self.at >= self.until {
                    self.state = 1.0 - self.state;
                    let minutes = if self.state > 0.0 { 15.0 } else { 30.0 * (1.2 * self.noise.normal()).exp() };
                    self.until = self.at + (minutes * MINUTE as f64) as i64;
                }
                if self.state > 0.0 { self.noise.poisson(5.0) } else { 0.0 }
            }
            Normal::Poisson => self.noise.poisson(0.3) / 60.0,
            Normal::Sawtooth => {
                if self.phase(5 * HOUR) {
                    self.level = 100.0 + 5.0 * self.noise.normal();
                }
                self.level += 0.2;
                self.level + self.noise.normal()
            }
            Normal::WeeklySawtooth => {
                // Deployed every few working days; what leaks until then is known.
                if self.at >= self.until {
                    self.until = self.at + ((5.0 + 3.0 * self.noise.unit()) * DAY as f64) as i64;
                    self.level = 100.0;
                }
                self.level += 0.01;
                self.level + self.noise.normal()
            }
            Normal::Deploys => {
                if self.phase(3 * DAY) {
                    self.level = 100.0 * (0.3 * self.noise.normal()).exp();
                }
                self.level + 3.0 * self.noise.normal()
            }
            Normal::Quantised => (3.0 + 1.2 * self.ar(0.97)).round().max(0.0),
            Normal::NightlyJob => {
                let job = if hour == 2 { 300.0 + 30.0 * self.noise.normal() } else { 0.0 };
                20.0 + 2.0 * self.noise.normal() + job
            }
            Normal::WeeklyJob => {
                let job = if is_weekend(at) && (2..5).contains(&hour) { 300.0 * self.noise.unit() } else { 0.0 };
                20.0 + 2.0 * self.noise.normal() + job
            }
            Normal::IdleNights => {
                if is_weekend(at) || !(7..19).contains(&hour) {
                    0.0
                } else {
                    self.noise.poisson(4.0)
                }
            }
            Normal::Multiplicative => {
                self.ar(0.999);
                let level = (3.0 + 0.5 * self.state + 0.8 * daily(at) * weekend).exp();
                level * (1.0 + 0.2 * self.noise.normal())
            }
            Normal::HeavyTailed => 20.0 + (1.5 * self.noise.normal()).exp(),
            Normal::Growing => {
                // A database that grows by a per cent a day, with its weekends.
                self.level += 100.0 * 0.01 * weekend / 1_440.0;
                self.level + 0.05 * self.noise.normal()
            }
            Normal::Uptime => (at - MONDAY) as f64 / 1e3,
            Normal::Replicas => {
                if self.phase(DAY) {
                    self.level = (5.0 + 2.0 * self.noise.normal()).round();
                }
                self.level
            }
            Normal::Cached => {
                if self.phase(5 * MINUTE) {
                    self.level = 100.0 + 10.0 * self.noise.normal();
                }
                self.level
            }
            Normal::RateOfSteady => 10.0 * (1.0 + 1e-4 * self.noise.normal()),
        }
    }
}
