//! Functions of a single value.

use crate::promql::numeric::{go_max, go_min};

/// The function of a name.
pub(super) fn find(name: &str) -> Option<fn(f64) -> f64> {
    Some(match name {
        "abs" => f64::abs,
        "ceil" => f64::ceil,
        "floor" => f64::floor,
        "exp" => f64::exp,
        "ln" => f64::ln,
        "log2" => f64::log2,
        "log10" => f64::log10,
        "sqrt" => f64::sqrt,
        "sgn" => |v| {
            if v > 0.0 {
                1.0
            } else if v < 0.0 {
                -1.0
            } else {
                v
            }
        },
        "sin" => f64::sin,
        "cos" => f64::cos,
        "tan" => f64::tan,
        "asin" => f64::asin,
        "acos" => f64::acos,
        "atan" => f64::atan,
        "sinh" => f64::sinh,
        "cosh" => f64::cosh,
        "tanh" => f64::tanh,
        "asinh" => f64::asinh,
        "acosh" => f64::acosh,
        "atanh" => f64::atanh,
        "deg" => |v| v * 180.0 / std::f64::consts::PI,
        "rad" => |v| v * std::f64::consts::PI / 180.0,
        _ => return None,
    })
}

/// The value moved into `min..=max`, which must not be empty.
pub(in crate::promql) fn clamp(value: f64, min: f64, max: f64) -> f64 {
    go_max(min, go_min(max, value))
}

/// The nearest multiple of `to`, upward from the middle. Divides by the inverse, as Prometheus does, so that
/// results agree to the last bit.
pub(in crate::promql) fn round(value: f64, to: f64) -> f64 {
    let inverse = 1.0 / to;
    (value * inverse + 0.5).floor() / inverse
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_goes_up_from_the_middle() {
        assert_eq!([round(2.5, 1.0), round(-2.5, 1.0), round(7.0, 5.0), round(0.37, 0.1)], [3.0, -2.0, 5.0, 0.4]);
    }

    #[test]
    fn sign_and_clamp_keep_nan() {
        let sgn = find("sgn").unwrap();
        assert_eq!([sgn(-3.0), sgn(0.0), sgn(9.0)], [-1.0, 0.0, 1.0]);
        assert!(sgn(f64::NAN).is_nan() && clamp(f64::NAN, 0.0, 1.0).is_nan());
        assert_eq!([clamp(5.0, 0.0, 1.0), clamp(-5.0, 0.0, 1.0), clamp(0.5, 0.0, 1.0)], [1.0, 0.0, 0.5]);
    }
}
