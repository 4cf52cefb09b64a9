//! Says a finding in words.

use crate::{
    anomaly::{CAP, FEATURE_NAMES, FEATURES},
    signal::{Companions, Driver, Kind, Siblings, TimestampMs},
};

/// Drivers of a series' score from the rarities of its features: those with at least a twentieth of the sum, strongest
/// first.
#[must_use]
pub fn series_drivers(rarity: &[f32; FEATURES], above: bool) -> Vec<Driver> {
    let total: f32 = rarity.iter().map(|u| u.min(CAP)).sum();
    if total <= 0.0 {
        return Vec::new();
    }
    let side = if above { "above" } else { "below" };
    let meanings = [
        format!("further {side} than anything seen before"),
        format!("{side} what is usual for this time of day"),
        format!("{side} the usual level for several samples in a row"),
        "a jump larger than usual from one sample to the next".to_owned(),
        "a shape of the last eight samples not seen before".to_owned(),
    ];
    let mut drivers: Vec<Driver> = (0..FEATURES)
        .map(|k| Driver {
            name: FEATURE_NAMES[k].to_owned(),
            share: f64::from(rarity[k].min(CAP) / total),
            meaning: format!("{} ({})", meanings[k], one_in(rarity[k])),
        })
        .filter(|driver| driver.share >= 0.05)
        .collect();
    drivers.sort_by(|a, b| b.share.total_cmp(&a.share));
    drivers
}

/// Drivers of a workload's score: its metrics that stray furthest, with their calibrated residuals.
#[must_use]
pub fn workload_drivers(strays: &[(String, f32)]) -> Vec<Driver> {
    let total: f32 = strays.iter().map(|(_, u)| u * u).sum();
    let mut drivers: Vec<Driver> = strays
        .iter()
        .map(|(metric, u)| Driver {
            name: metric.clone(),
            share: f64::from(u * u / total.max(f32::MIN_POSITIVE)),
            meaning: format!(
                "{} by {} deviations, given the other metrics and its last value",
                if *u > 0.0 { "too high" } else { "too low" },
                number(f64::from(u.abs()))
            ),
        })
        .filter(|driver| driver.share >= 0.05)
        .collect();
    drivers.sort_by(|a, b| b.share.total_cmp(&a.share));
    drivers.truncate(5);
    drivers
}

/// What a sentence about a series needs.
#[derive(Clone, Copy, Debug)]
pub struct SeriesStory<'a> {
    /// The series as text.
    pub series: &'a str,
    /// What happened.
    pub kind: Kind,
    /// Value at the peak, or what stands for it with this kind, see [`super::kinds::SlowEvent`].
    pub seen: f64,
    /// Expected value there.
    pub expected: f64,
    /// Ends of the band there; NaN where there is none.
    pub band: (f64, f64),
    /// Whether these are rates.
    pub is_rate: bool,
    /// Start of the disturbance.
    pub since: TimestampMs,
    /// Change in a day of a slow trend, else 0.
    pub per_day: f64,
    /// Drivers, strongest first.
    pub drivers: &'a [Driver],
    /// How its siblings behave.
    pub siblings: Option<Siblings>,
    /// What else moved.
    pub companions: &'a Companions,
}

/// One plain sentence about a series: what happened, what was expected, since when, why it counts, and who else.
#[must_use]
pub fn series_sentence(story: &SeriesStory<'_>) -> String {
    let unit = if story.is_rate { "/s" } else { "" };
    let value = |x: f64| format!("{}{unit}", number(x));
    let (seen, expected, since) = (value(story.seen), value(story.expected), clock(story.since));
    let usual = match story.band {
        (low, high) if low.is_finite() && high.is_finite() => {
            format!("{expected} expected, {} to {} usual", value(low), value(high))
        }
        _ => format!("{expected} expected"),
    };
    let (up, series) = (story.seen >= story.expected, story.series);
    let what = match story.kind {
        Kind::Spike if up => format!("{series} jumped to {seen} ({usual}) at {since}"),
        Kind::Spike => format!("{series} dropped to {seen} ({usual}) at {since}"),
        Kind::Trend if story.per_day != 0.0 => {
            let way = if story.per_day > 0.0 { "rising" } else { "falling" };
            let step = value(story.per_day.abs());
            format!("{series} has been {way} by {step} a day since {since}: from {expected} to {seen}")
        }
        Kind::Trend => {
            let way = if up { "climbing" } else { "falling" };
            format!("{series} has been {way} since {since} and is at {seen} ({usual})")
        }
        Kind::Variance if story.drivers.is_empty() => {
            let more = if up { "more" } else { "less" };
            format!("{series} scatters {more} than it used to since {since}: steps of {seen}, usually {expected}")
        }
        Kind::Variance => format!("{series} swings far to both sides since {since}, up to {seen} ({usual})"),
        Kind::LostSeason => {
            format!(
                "{series} lost its daily rhythm: it moved by {seen} since {since}, by {expected} or more on any day before"
            )
        }
        Kind::Flatline => format!("{series} has stood still at {seen} since {since}; it never did for so long"),
        Kind::PeerDiffers => {
            format!("{series} left its siblings: it is at {seen} since {since}, they are at about {expected}")
        }
        Kind::LevelShift | Kind::Absence | Kind::Relation | Kind::NewTemplate | Kind::RareValue => {
            format!("{series} has been at another level since {since}: {seen} ({usual})")
        }
    };
    // A finding rests on the first three features; the others add colour.
    let strongest = story.drivers.iter().find(|d| FEATURE_NAMES[..3].contains(&&*d.name));
    let why = strongest.map(|d| format!(", {}", d.meaning)).unwrap_or_default();
    format!("{what}{why}{}.", company(story))
}

/// What the siblings did and what else moved, as the end of a sentence.
fn company(story: &SeriesStory<'_>) -> String {
    let siblings = match story.siblings {
        _ if story.kind == Kind::PeerDiffers => String::new(),
        None => String::new(),
        Some(Siblings { count: 1, alike: 0 }) => "; its sibling did not".to_owned(),
        Some(Siblings { count: 1, .. }) => "; its sibling did the same".to_owned(),
        Some(Siblings { count: 2, alike: 0 }) => "; neither of its siblings did".to_owned(),
        Some(Siblings { count: 2, alike: 2 }) => "; both its siblings did the same".to_owned(),
        Some(Siblings { count, alike: 0 }) => format!("; none of its {count} siblings did"),
        Some(Siblings { count, alike }) if alike == count => format!("; all of its {count} siblings did the same"),
        Some(Siblings { count, alike }) => format!("; {alike} of its {count} siblings did the same"),
    };
    let other = |n: u32, one: &str, many: &str| if n == 1 { format!("1 {one}") } else { format!("{n} {many}") };
    let moved = match story.companions {
        Companions { series: 0, .. } => String::new(),
        Companions { series, workloads: 0, .. } => {
            format!("; {} of the same workload moved at the same time", other(*series, "other series", "other series"))
        }
        Companions { series, workloads, .. } => format!(
            "; {} moved at the same time, in {}",
            other(*series, "other series", "other series"),
            other(*workloads, "other workload", "other workloads")
        ),
    };
    siblings + &moved
}

/// One plain sentence about what is gone: `metrics` groups of series with these labels.
#[must_use]
pub fn absence_sentence(labels: &str, metrics: usize, since: TimestampMs) -> String {
    let since = clock(since);
    match metrics {
        1 => format!("{labels} is gone since {since}: no instance sends it any more."),
        _ => format!("{metrics} metrics of {labels} are gone since {since}: no instance sends them any more."),
    }
}

/// One plain sentence about a workload.
#[must_use]
pub fn workload_sentence(workload: &str, metrics: usize, since: TimestampMs, drivers: &[Driver]) -> String {
    let list = drivers
        .iter()
        .take(3)
        .map(|d| format!("{} {}", d.name, d.meaning.split(',').next().unwrap_or_default()))
        .collect::<Vec<_>>()
        .join(", ");
    format!(
        "The {metrics} metrics of {workload} stopped moving together as they used to, since {}: {list}.",
        clock(since)
    )
}

/// A number with three or four significant digits and an SI prefix where it is large.
#[must_use]
pub fn number(x: f64) -> String {
    if !x.is_finite() {
        return "unknown".to_owned();
    }
    let magnitude = x.abs();
    let (scaled, prefix) = match magnitude {
        m if m >= 1e12 => (x / 1e12, "T"),
        m if m >= 1e9 => (x / 1e9, "G"),
        m if m >= 1e6 => (x / 1e6, "M"),
        m if m >= 1e4 => (x / 1e3, "k"),
        _ => (x, ""),
    };
    let digits = match scaled.abs() {
        m if m >= 100.0 => 0,
        m if m >= 10.0 => 1,
        m if m >= 1.0 => 2,
        m if m >= 0.001 => 4,
        m if m < 1e-6 => return "0".to_owned(),
        _ => return format!("{scaled:.2e}"),
    };
    let text = format!("{scaled:.digits$}");
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    format!("{text}{prefix}")
}

/// `-log10 p` as "1 in n".
fn one_in(u: f32) -> String {
    let n = 10_f64.powf(f64::from(u.min(9.0)));
    if u >= 6.0 { "less than once in a million samples".to_owned() } else { format!("about 1 sample in {}", number(n)) }
}

/// Event time as `2026-01-31 12:34:56 UTC`; in milliseconds where no calendar reaches.
#[must_use]
pub fn clock(at: TimestampMs) -> String {
    let civil = chrono::DateTime::from_timestamp_millis(at);
    civil.map_or_else(|| format!("{at} ms"), |civil| civil.format("%Y-%m-%d %H:%M:%S UTC").to_string())
}

#[cfg(test)]
mod sentences;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        for (x, text) in [
            (0.0, "0"),
            (0.01234, "0.0123"),
            (3.0, "3"),
            (1_234.5, "1234"),
            (12_345.0, "12.3k"),
            (5.5e9, "5.5G"),
            (-42.25, "-42.2"),
            (1e-7, "0"),
            (1.5e-5, "1.50e-5"),
            (f64::NAN, "unknown"),
        ] {
            assert_eq!(number(x), text);
        }
    }

    #[test]
    fn times_are_civil() {
        assert_eq!(clock(0), "1970-01-01 00:00:00 UTC");
        assert_eq!(clock(1_709_208_000_000), "2024-02-29 12:00:00 UTC");
        assert_eq!(clock(-1_000), "1969-12-31 23:59:59 UTC");
    }

    #[test]
    fn a_workload_names_the_metrics_that_stray() {
        let drivers = workload_drivers(&[("cpu".into(), 6.0), ("memory".into(), -3.0), ("disk".into(), 0.2)]);
        assert_eq!(drivers.len(), 2);
        let sentence = workload_sentence("{job=\"a\"}", 12, 0, &drivers);
        assert!(sentence.ends_with("cpu too high by 6 deviations, memory too low by 3 deviations."), "{sentence}");
    }
}
