//! Numbers and labels as Prometheus writes them.

use std::fmt::Write;

use crate::signal::Labels;

/// Writes a value as Prometheus' API does: the shortest decimal that reads back as the same number, with an exponent
/// below 1e-6 and from 1e21, `NaN`, `+Inf` and `-Inf`.
#[must_use]
pub fn format_value(value: f64) -> String {
    let magnitude = value.abs();
    if magnitude.is_finite() && magnitude != 0.0 && !(1e-6..1e21).contains(&magnitude) {
        return with_exponent(value);
    }
    plain_decimal(value)
}

/// Writes a value as Prometheus' warnings do, which is Go's `%g`: with an exponent below 1e-4 and from 1e6.
pub(super) fn general(value: f64) -> String {
    let magnitude = value.abs();
    if magnitude.is_finite() && magnitude != 0.0 && !(1e-4..1e6).contains(&magnitude) {
        return with_exponent(value);
    }
    plain_decimal(value)
}

/// Rust writes 1e21 and 1e-7 where Go writes 1e+21 and 1e-07.
fn with_exponent(value: f64) -> String {
    let text = format!("{value:e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let (sign, digits) = exponent.strip_prefix('-').map_or(("+", exponent), |digits| ("-", digits));
    format!("{mantissa}e{sign}{digits:0>2}")
}

/// Writes a value without exponent, however long that is.
pub(super) fn plain_decimal(value: f64) -> String {
    if value.is_nan() {
        "NaN".into()
    } else if value.is_infinite() {
        if value > 0.0 { "+Inf".into() } else { "-Inf".into() }
    } else {
        value.to_string()
    }
}

/// Writes labels as Prometheus' error messages do: all inside the braces, the name too.
pub(super) fn braced(labels: &Labels) -> String {
    let mut text = String::from("{");
    for (i, (name, value)) in labels.iter().enumerate() {
        let comma = if i == 0 { "" } else { ", " };
        let _ = write!(text, "{comma}{name}={value:?}");
    }
    text.push('}');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_read_as_prometheus_writes_them() {
        let cases = [
            (0.0, "0"),
            (-0.0, "-0"),
            (1.0, "1"),
            (0.1, "0.1"),
            (1e20, "100000000000000000000"),
            (1e21, "1e+21"),
            (-1.5e300, "-1.5e+300"),
            (1e-6, "0.000001"),
            (1e-7, "1e-07"),
            (5e-324, "5e-324"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "+Inf"),
            (f64::NEG_INFINITY, "-Inf"),
        ];
        for (value, expected) in cases {
            assert_eq!(format_value(value), expected);
        }
        assert_eq!([general(1.5), general(-1e6), general(0.00001)], ["1.5", "-1e+06", "1e-05"]);
        assert_eq!(plain_decimal(1e22), "10000000000000000000000");
    }
}
