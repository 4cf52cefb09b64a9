//! Says a finding in words.

use crate::{
    anomaly::{CAP, FEATURE_NAMES, FEATURES},
    signal::{Driver, TimestampMs},
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
    /// Value at the peak.
    pub seen: f64,
    /// Expected value there.
    pub expected: f64,
    /// Ends of the band there.
    pub band: (f64, f64),
    /// Whether these are rates.
    pub is_rate: bool,
    /// Start of the disturbance.
    pub since: TimestampMs,
    /// Drivers, strongest first.
    pub drivers: &'a [Driver],
}

/// One plain sentence about a series.
#[must_use]
pub fn series_sentence(story: &SeriesStory<'_>) -> String {
    let unit = if story.is_rate { "/s" } else { "" };
    let value = |x: f64| format!("{}{unit}", number(x));
    let (low, high) = story.band;
    // A finding rests on the first three features; the others add colour.
    let strongest = story.drivers.iter().find(|d| FEATURE_NAMES[..3].contains(&&*d.name));
    let why = strongest.map(|d| format!(": {}", d.meaning)).unwrap_or_default();
    format!(
        "{} is at {}, expected {} ({} to {}), since {}{}.",
        story.series,
        value(story.seen),
        value(story.expected),
        value(low),
        value(high),
        clock(story.since),
        why
    )
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
    fn the_sentence_says_seen_expected_since_and_why() {
        let drivers = series_drivers(&[5.2, 3.0, 0.1, 0.0, 0.0], true);
        assert_eq!(drivers.len(), 2);
        let story = SeriesStory {
            series: "http_requests_total{code=\"500\"}",
            seen: 42.5,
            expected: 0.5,
            band: (0.0, 1.5),
            is_rate: true,
            since: 1_709_208_000_000,
            drivers: &drivers,
        };
        assert_eq!(
            series_sentence(&story),
            "http_requests_total{code=\"500\"} is at 42.5/s, expected 0.5/s (0/s to 1.5/s), since 2024-02-29 12:00:00 \
             UTC: further above than anything seen before (about 1 sample in 158k)."
        );
    }

    #[test]
    fn a_workload_names_the_metrics_that_stray() {
        let drivers = workload_drivers(&[("cpu".into(), 6.0), ("memory".into(), -3.0), ("disk".into(), 0.2)]);
        assert_eq!(drivers.len(), 2);
        let sentence = workload_sentence("{job=\"a\"}", 12, 0, &drivers);
        assert!(sentence.ends_with("cpu too high by 6 deviations, memory too low by 3 deviations."), "{sentence}");
    }
}
