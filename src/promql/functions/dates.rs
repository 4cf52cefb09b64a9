//! Parts of a date, in UTC.

/// Computes a part of the date from seconds since the epoch.
pub(in crate::promql) type DateFn = fn(i64) -> f64;

/// Beyond this, 10 million years, dates are not computed.
const FARTHEST_SECS: f64 = 3.2e14;
const DAY_SECS: i64 = 86_400;

/// The function of a name.
pub(super) fn find(name: &str) -> Option<DateFn> {
    Some(match name {
        "minute" => |secs| secs.rem_euclid(3_600).div_euclid(60) as f64,
        "hour" => |secs| secs.rem_euclid(DAY_SECS).div_euclid(3_600) as f64,
        // 1 January 1970 was a Thursday.
        "day_of_week" => |secs| (secs.div_euclid(DAY_SECS) + 4).rem_euclid(7) as f64,
        "day_of_month" => |secs| Date::of(secs).day as f64,
        "day_of_year" => |secs| {
            let date = Date::of(secs);
            (secs.div_euclid(DAY_SECS) - days_before(date.year, 1) + 1) as f64
        },
        "days_in_month" => |secs| {
            let date = Date::of(secs);
            let (year, month) = if date.month == 12 { (date.year + 1, 1) } else { (date.year, date.month + 1) };
            (days_before(year, month) - days_before(date.year, date.month)) as f64
        },
        "month" => |secs| Date::of(secs).month as f64,
        "year" => |secs| Date::of(secs).year as f64,
        _ => return None,
    })
}

/// The value as whole seconds since the epoch, `None` where it is no date: NaN, infinite or too far away. Prometheus'
/// answers for those depend on its processor.
pub(in crate::promql) fn as_seconds(value: f64) -> Option<i64> {
    (value.abs() <= FARTHEST_SECS).then_some(value as i64)
}

struct Date {
    year: i64,
    /// From 1.
    month: i64,
    /// From 1.
    day: i64,
}

impl Date {
    /// The Gregorian date of an instant, found in years that begin with March, so that the leap day comes last.
    fn of(secs: i64) -> Self {
        const DAYS_IN_400_YEARS: i64 = 146_097;
        // Days since 1 March of the year 0.
        let days = secs.div_euclid(DAY_SECS) + 719_468;
        let cycle = days.div_euclid(DAYS_IN_400_YEARS);
        let day_of_cycle = days.rem_euclid(DAYS_IN_400_YEARS);
        let leap_days = day_of_cycle / 1_460 - day_of_cycle / 36_524 + day_of_cycle / (DAYS_IN_400_YEARS - 1);
        let year_of_cycle = (day_of_cycle - leap_days) / 365;
        let day_of_year = day_of_cycle - (365 * year_of_cycle + year_of_cycle / 4 - year_of_cycle / 100);
        // Months from March have 31, 30, 31, 30, 31 days, again and again: 153 days for five.
        let month_from_march = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
        let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
        let year = year_of_cycle + cycle * 400 + i64::from(month <= 2);
        Self { year, month, day }
    }
}

/// Days from the epoch to the first of a month.
fn days_before(year: i64, month: i64) -> i64 {
    let (year_from_march, month_from_march) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leap_days = year_from_march.div_euclid(4) - year_from_march.div_euclid(100) + year_from_march.div_euclid(400);
    365 * year_from_march + leap_days + (153 * month_from_march + 2) / 5 - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(secs: i64) -> Vec<f64> {
        let names = ["year", "month", "day_of_month", "day_of_week", "day_of_year", "days_in_month", "hour", "minute"];
        names.iter().map(|name| find(name).unwrap()(secs)).collect()
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        assert_eq!(parts(0), [1970.0, 1.0, 1.0, 4.0, 1.0, 31.0, 0.0, 0.0]);
        assert_eq!(parts(-1), [1969.0, 12.0, 31.0, 3.0, 365.0, 31.0, 23.0, 59.0]);
        // 2024-02-29 12:34:56, a Thursday
        assert_eq!(parts(1_709_210_096), [2024.0, 2.0, 29.0, 4.0, 60.0, 29.0, 12.0, 34.0]);
        // 2000-12-31 23:59:59, a Sunday
        assert_eq!(parts(978_307_199), [2000.0, 12.0, 31.0, 0.0, 366.0, 31.0, 23.0, 59.0]);
        // 1900-03-01, after a February of 28 days
        assert_eq!(parts(-2_203_891_200), [1900.0, 3.0, 1.0, 4.0, 60.0, 31.0, 0.0, 0.0]);
    }

    #[test]
    fn every_day_follows_the_one_before() {
        let mut previous = Date::of(-100_000 * DAY_SECS);
        for day in -99_999..100_000 {
            let date = Date::of(day * DAY_SECS);
            assert_eq!(days_before(date.year, date.month) + date.day - 1, day);
            assert!((date.year, date.month, date.day) > (previous.year, previous.month, previous.day));
            previous = date;
        }
    }

    #[test]
    fn what_is_no_date_has_no_seconds() {
        assert_eq!([f64::NAN, f64::INFINITY, 1e300].map(as_seconds), [None; 3]);
        assert_eq!(as_seconds(-1.5), Some(-1));
    }
}
