//! Round numbers and round times for axes, and how they are written.

use std::ops::RangeInclusive;

use crate::signal::TimestampMs;

const SECOND: i64 = 1_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// Distances of time ticks below a month, the ones people count in.
const STEPS: [i64; 27] = [
    1,
    10,
    100,
    500,
    SECOND,
    2 * SECOND,
    5 * SECOND,
    10 * SECOND,
    15 * SECOND,
    30 * SECOND,
    MINUTE,
    2 * MINUTE,
    5 * MINUTE,
    10 * MINUTE,
    15 * MINUTE,
    30 * MINUTE,
    HOUR,
    2 * HOUR,
    3 * HOUR,
    6 * HOUR,
    12 * HOUR,
    DAY,
    2 * DAY,
    3 * DAY,
    5 * DAY,
    7 * DAY,
    14 * DAY,
];

/// Distances of time ticks from a month on.
const MONTHS: [i64; 7] = [1, 2, 3, 6, 12, 24, 60];

const MONTH_NAMES: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// Times that every format here can write: the years 0 to 9999.
const WRITABLE: RangeInclusive<TimestampMs> = -62_167_219_200_000..=253_402_300_799_999;

/// Year, month and day (from 1) of a day counted from 1970-01-01, proleptic Gregorian.
///
/// Counts in eras of 400 years that begin on 1 March, so that the leap day is the last of its year.
pub(crate) fn date_of_day(day: i64) -> (i64, i64, i64) {
    let day = day + 719_468;
    let era = day.div_euclid(146_097);
    let of_era = day.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, of_year - (153 * from_march + 2) / 5 + 1)
}

/// The day, counted from 1970-01-01, on which a month begins.
pub(crate) fn day_of_month(year: i64, month: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5;
    let of_era = year.rem_euclid(400);
    year.div_euclid(400) * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// `at` in UTC as `2026-01-31 08:05`, with seconds and milliseconds only where they are not zero.
#[must_use]
pub fn instant(at: TimestampMs) -> String {
    let at = at.clamp(*WRITABLE.start(), *WRITABLE.end());
    let (year, month, day) = date_of_day(at.div_euclid(DAY));
    let time = at.rem_euclid(DAY);
    let minutes = format!("{year:04}-{month:02}-{day:02} {:02}:{:02}", time / HOUR, time % HOUR / MINUTE);
    match (time % MINUTE / SECOND, time % SECOND) {
        (0, 0) => minutes,
        (seconds, 0) => format!("{minutes}:{seconds:02}"),
        (seconds, millis) => format!("{minutes}:{seconds:02}.{millis:03}"),
    }
}

/// Round times within `from..=to`, at most about `room`, each with its label in UTC.
#[must_use]
pub fn time_ticks(from: TimestampMs, to: TimestampMs, room: usize) -> Vec<(TimestampMs, String)> {
    let (from, to) = (from.max(*WRITABLE.start()), to.min(*WRITABLE.end()));
    let wanted = to.saturating_sub(from) / room.max(1) as i64;
    match STEPS.iter().find(|&&step| step >= wanted) {
        Some(&step) => {
            // Weeks are counted from a Monday; 1970-01-01 was a Thursday.
            let origin = if step % (7 * DAY) == 0 { -3 * DAY } else { 0 };
            let first = (from - origin).div_euclid(step) * step + origin;
            (0..)
                .map(|i| first + i * step)
                .skip_while(|&at| at < from)
                .take_while(|&at| at <= to)
                .map(|at| (at, label(at, step)))
                .collect()
        }
        None => {
            let wanted = wanted / (30 * DAY) + 1;
            let step = MONTHS.iter().copied().find(|&months| months >= wanted).unwrap_or((wanted / 1_200 + 1) * 1_200);
            let (year, month, _) = date_of_day(from.div_euclid(DAY));
            let first = (year * 12 + month - 1).div_euclid(step) * step;
            (0..)
                .map(|i| first + i * step)
                .map(|month| (month, day_of_month(month.div_euclid(12), month.rem_euclid(12) + 1) * DAY))
                .skip_while(|&(_, at)| at < from)
                .take_while(|&(_, at)| at <= to)
                .map(|(month, at)| match (month.div_euclid(12), month.rem_euclid(12)) {
                    (year, 0) => (at, year.to_string()),
                    (year, m) => (at, format!("{} {year}", MONTH_NAMES[m as usize])),
                })
                .collect()
        }
    }
}

/// What a tick says: as much as changes from one to the next, the date at midnight.
fn label(at: TimestampMs, step: i64) -> String {
    let time = at.rem_euclid(DAY);
    let (hours, minutes, seconds) = (time / HOUR, time % HOUR / MINUTE, time % MINUTE / SECOND);
    if time == 0 {
        let (_, month, day) = date_of_day(at.div_euclid(DAY));
        format!("{day} {}", MONTH_NAMES[(month - 1) as usize])
    } else if step >= MINUTE {
        format!("{hours:02}:{minutes:02}")
    } else if step >= SECOND {
        format!("{hours:02}:{minutes:02}:{seconds:02}")
    } else {
        format!("{minutes:02}:{seconds:02}.{:03}", time % SECOND)
    }
}

/// Multiples of 1, 2 or 5 × 10ⁿ within `low..=high`, at most about `room`.
#[must_use]
pub fn value_ticks(low: f64, high: f64, room: usize) -> Vec<f64> {
    let wanted = (high - low) / room.max(1) as f64;
    if !(wanted.is_finite() && wanted > 0.0) {
        return Vec::new();
    }
    let decade = 10f64.powf(wanted.log10().floor());
    let step = [1.0, 2.0, 5.0].into_iter().map(|m| m * decade).find(|step| *step >= wanted).unwrap_or(10.0 * decade);
    // Where the values are so large that their distance is below the resolution of a number, one tick will do.
    if low + step == low || high + step == high {
        return vec![low];
    }
    let (first, last) = ((low / step).ceil(), (high / step).floor());
    // Multiplying, not adding up, and then rounding away what a binary fraction leaves.
    (0..=(last - first) as u32).map(|i| (first + f64::from(i)) * step).map(|v| if v == 0.0 { 0.0 } else { v }).collect()
}

/// One label for each tick, all with the same prefix and number of decimals.
#[must_use]
pub fn axis_labels(ticks: &[f64]) -> Vec<String> {
    let largest = ticks.iter().fold(0.0f64, |m, v| m.max(v.abs()));
    let step = ticks.windows(2).map(|pair| pair[1] - pair[0]).fold(f64::INFINITY, f64::min);
    let Some((divisor, suffix)) = prefix(largest) else {
        return ticks.iter().map(|v| if *v == 0.0 { "0".into() } else { number(*v) }).collect();
    };
    let decimals =
        if step.is_finite() { (-(step / divisor).log10() - 1e-9).ceil().clamp(0.0, 9.0) as usize } else { 2 };
    let write = |v: &f64| if *v == 0.0 { "0".into() } else { format!("{:.decimals$}{suffix}", v / divisor) };
    ticks.iter().map(write).collect()
}

/// `value` with three significant digits and a decimal prefix from 1,000 on: `0.0213`, `812`, `1.25k`, `3.4G`.
///
/// Below a thousandth it is written as `1.2e-5`: milli would be read as minutes or millions.
#[must_use]
pub fn number(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return if value.is_nan() { "–".into() } else { value.to_string() };
    }
    // Rounded before the prefix is chosen: 999.7 is 1k, not 1000.
    let magnitude = value.abs().log10().floor();
    let unit = 10f64.powf(2.0 - magnitude);
    let rounded = if unit.is_finite() && unit > 0.0 { (value * unit).round() / unit } else { value };
    let Some((divisor, suffix)) = prefix(rounded.abs()) else {
        return trim(&format!("{value:.1e}"));
    };
    let scaled = rounded / divisor;
    let decimals = (2.0 - scaled.abs().log10().floor()).clamp(0.0, 6.0) as usize;
    format!("{}{suffix}", trim(&format!("{scaled:.decimals$}")))
}

/// The prefix of numbers up to `largest`, and what they are divided by; `None` where a power of ten reads better.
fn prefix(largest: f64) -> Option<(f64, &'static str)> {
    match largest {
        0.0 => Some((1.0, "")),
        v if v < 1e-3 => None,
        v if v < 1e3 => Some((1.0, "")),
        v if v < 1e6 => Some((1e3, "k")),
        v if v < 1e9 => Some((1e6, "M")),
        v if v < 1e12 => Some((1e9, "G")),
        v if v < 1e15 => Some((1e12, "T")),
        v if v < 1e18 => Some((1e15, "P")),
        _ => None,
    }
}

/// Without zeros at the end of the fraction.
fn trim(digits: &str) -> String {
    let (mantissa, exponent) = digits.split_once('e').map_or((digits, None), |(m, e)| (m, Some(e)));
    let mantissa = if mantissa.contains('.') { mantissa.trim_end_matches('0').trim_end_matches('.') } else { mantissa };
    exponent.map_or_else(|| mantissa.to_owned(), |e| format!("{mantissa}e{e}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(from: &str, span: i64, room: usize) -> Vec<String> {
        let from = match from {
            "2026-03-01 00:00" => 1_772_323_200_000,
            "2024-02-28 22:00" => 1_709_157_600_000,
            other => panic!("{other}"),
        };
        time_ticks(from, from + span, room).into_iter().map(|(_, label)| label).collect()
    }

    #[test]
    fn instants_are_written_in_utc() {
        let cases = [
            (0, "1970-01-01 00:00"),
            (-1, "1969-12-31 23:59:59.999"),
            (951_782_400_000, "2000-02-29 00:00"),
            (1_709_164_801_000, "2024-02-29 00:00:01"),
            (4_107_542_399_000, "2100-02-28 23:59:59"),
            (4_107_542_400_000, "2100-03-01 00:00"),
            (i64::MAX, "9999-12-31 23:59:59.999"),
            (i64::MIN, "0000-01-01 00:00"),
        ];
        for (at, expected) in cases {
            assert_eq!(instant(at), expected, "{at}");
        }
    }

    #[test]
    fn months_begin_where_their_first_day_is() {
        for day in (-800_000..800_000).step_by(17) {
            let (year, month, of_month) = date_of_day(day);
            assert_eq!(day_of_month(year, month) + of_month - 1, day);
            assert!((1..=12).contains(&month) && (1..=31).contains(&of_month));
        }
    }

    #[test]
    fn time_ticks_are_round_and_name_the_day_where_it_begins() {
        assert_eq!(labels("2026-03-01 00:00", 2 * HOUR, 5), ["1 Mar", "00:30", "01:00", "01:30", "02:00"]);
        assert_eq!(labels("2024-02-28 22:00", 5 * HOUR, 6), ["22:00", "23:00", "29 Feb", "01:00", "02:00", "03:00"]);
        assert_eq!(
            labels("2026-03-01 00:00", 90 * DAY, 4),
            ["1 Mar 2026", "1 Apr", "1 May"]
                .map(|s| s.replace("1 ", ""))
                .map(|s| { if s.contains("2026") { s } else { format!("{s} 2026") } })
        );
        assert_eq!(labels("2026-03-01 00:00", 1_500 * DAY, 5), ["2027", "2028", "2029", "2030"]);
        assert_eq!(
            labels("2026-03-01 00:00", 40 * SECOND, 4),
            ["1 Mar", "00:00:10", "00:00:20", "00:00:30", "00:00:40"]
        );
    }

    #[test]
    fn the_number_of_ticks_is_bounded_for_any_span() {
        for from in [i64::MIN, -5, 1_772_323_200_000] {
            for exponent in 0..62 {
                let ticks = time_ticks(from, from.saturating_add(1 << exponent), 8);
                assert!(ticks.len() <= 10, "{from} 2^{exponent}: {}", ticks.len());
            }
        }
        for exponent in -300..300 {
            let span = 10f64.powi(exponent) * 1.3;
            assert!(value_ticks(-0.3 * span, 0.7 * span, 5).len() <= 7, "{span}");
        }
        assert!(value_ticks(f64::NAN, 1.0, 5).is_empty());
        assert!(value_ticks(1.0, 1.0, 5).is_empty());
        assert_eq!(value_ticks(1e18, 1e18 + 128.0, 5).len(), 1);
    }

    #[test]
    fn axis_labels_share_their_form() {
        let of = |low, high| axis_labels(&value_ticks(low, high, 5));
        assert_eq!(of(0.0, 1.0), ["0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        assert_eq!(of(0.0, 2_300.0), ["0", "0.5k", "1.0k", "1.5k", "2.0k"]);
        assert_eq!(of(-40.0, 60.0), ["-40", "-20", "0", "20", "40", "60"]);
        assert_eq!(of(0.0, 5e-6), ["0", "2e-6", "4e-6"]);
        assert_eq!(of(9.97e9, 9.99e9), ["9.970G", "9.975G", "9.980G", "9.985G", "9.990G"]);
    }

    #[test]
    fn numbers_keep_three_digits() {
        let cases = [
            (0.0, "0"),
            (999.7, "1k"),
            (1_253.0, "1.25k"),
            (0.021_34, "0.0213"),
            (-81.26, "-81.3"),
            (812.0, "812"),
            (3.4e9, "3.4G"),
            (0.000_012, "1.2e-5"),
            (2e30, "2e30"),
            (f64::NAN, "–"),
            (f64::INFINITY, "inf"),
            (f64::MIN_POSITIVE, "2.2e-308"),
        ];
        for (value, expected) in cases {
            assert_eq!(number(value), expected, "{value}");
        }
    }
}
