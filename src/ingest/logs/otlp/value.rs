//! Values as text, whichever form they came in.

use std::fmt::Write;

use serde_json::{Number, Value};

use crate::ingest::logs::LogError;

/// Most lists and maps within each other.
pub(super) const DEPTH: usize = 32;

/// Fails for what lies deeper than [`DEPTH`]; `at` is where, in bytes.
pub(super) fn check_depth(depth: usize, at: usize) -> Result<(), LogError> {
    if depth <= DEPTH {
        return Ok(());
    }
    Err(LogError::Malformed { what: format!("value nested more than {DEPTH} deep"), at })
}

/// Adds a JSON string.
pub(super) fn put_string(out: &mut String, text: &str) {
    // A string takes whatever is written.
    let _ = write!(out, "{}", Value::from(text));
}

/// Adds a JSON number, or a string for what is none, as protobuf's JSON has it.
pub(super) fn put_double(out: &mut String, number: f64) {
    let none = if number.is_nan() {
        "\"NaN\""
    } else if number > 0.0 {
        "\"Infinity\""
    } else {
        "\"-Infinity\""
    };
    match Number::from_f64(number) {
        Some(number) => out.push_str(&number.to_string()),
        None => out.push_str(none),
    }
}

/// Adds a comma before all elements but the first.
pub(super) fn put_comma(out: &mut String) {
    if !out.ends_with(['[', '{']) {
        out.push(',');
    }
}
