//! Reads CSV as it is found in the wild, writes it so that everyone can read it.

use std::path::Path;

use polars::prelude::{CsvReadOptions, DataFrame, NullValues, SerReader as _};

use super::{table::TableError, time::parse_time};
pub(super) use crate::cli::csv::field;

/// How a missing value is written here and there.
const MISSING: [&str; 10] = ["", "NA", "N/A", "n/a", "NaN", "nan", "null", "NULL", "None", "-"];

/// Reads a CSV file, compressed or not; commas, semicolons or tabs; with or without a first line of names.
pub(super) fn read(path: &Path) -> Result<DataFrame, TableError> {
    let mut separator = b',';
    let mut frame = parse(path, separator, true)?;
    if let [only] = frame.get_column_names()[..]
        && let Some(other) = only.bytes().find(|b| matches!(b, b';' | b'\t'))
    {
        separator = other;
        frame = parse(path, separator, true)?;
    }
    let names = frame.get_column_names();
    if !names.is_empty() && names.iter().all(|name| is_value(name)) {
        frame = parse(path, separator, false)?;
    }
    Ok(frame)
}

/// Whether a heading is no heading; a name that was there before was given a suffix.
fn is_value(name: &str) -> bool {
    let name = name.split("_duplicated_").next().unwrap_or_default();
    name.parse::<f64>().is_ok() || parse_time(name).is_some()
}

fn parse(path: &Path, separator: u8, has_header: bool) -> Result<DataFrame, TableError> {
    let missing = NullValues::AllColumns(MISSING.iter().map(|text| (*text).into()).collect());
    let read = CsvReadOptions::default()
        .with_has_header(has_header)
        // All rows: a column may begin with whole numbers and go on with fractions.
        .with_infer_schema_length(None)
        .with_raise_if_empty(false)
        .map_parse_options(|options| options.with_separator(separator).with_null_values(Some(missing.clone())))
        .try_into_reader_with_file_path(Some(path.to_owned()))
        .and_then(|reader| reader.finish());
    read.map_err(|error| explain(path, separator).unwrap_or(TableError::Unreadable(error)))
}

/// Finds the line that breaks a file, which the reader does not tell.
fn explain(path: &Path, separator: u8) -> Option<TableError> {
    let lines = CsvReadOptions::default()
        .with_has_header(false)
        .with_infer_schema_length(Some(0))
        // A separator that does not occur: a line is a cell.
        .map_parse_options(|options| options.with_separator(0x1f).with_quote_char(None))
        .try_into_reader_with_file_path(Some(path.to_owned()))
        .and_then(|reader| reader.finish())
        .ok()?;
    let lines = lines.columns().first()?.str().ok()?.clone();
    let (mut expected, mut open_since) = (None, None);
    let mut fields = 1;
    for (line, text) in lines.iter().enumerate().map(|(i, text)| (i + 1, text.unwrap_or_default())) {
        for byte in text.bytes() {
            match byte {
                b'"' if open_since.is_some() => open_since = None,
                b'"' => open_since = Some(line),
                byte if byte == separator && open_since.is_none() => fields += 1,
                _ => {}
            }
        }
        if open_since.is_some() {
            continue;
        }
        let got = std::mem::replace(&mut fields, 1);
        let expected = *expected.get_or_insert(got);
        if got > expected {
            return Some(TableError::Ragged { line, got, expected });
        }
    }
    open_since.map(|line| TableError::OpenQuote { line })
}

/// A number as one field: as short as it can be read back in single precision, empty when there is none.
pub(super) fn score(value: f64) -> String {
    if value.is_finite() { (value as f32).to_string() } else { String::new() }
}

/// The same in full precision.
pub(super) fn value(value: f64) -> String {
    if value.is_finite() { value.to_string() } else { String::new() }
}
