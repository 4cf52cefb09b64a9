//! A file of samples as columns: what is time, what is a series, what is neither.

use std::{ops::RangeInclusive, path::Path};

use polars::prelude::{DataFrame, DataType, TimeUnit};

use super::{
    csv,
    time::{DAY, parse_time, stamp, unix_unit},
};
use crate::signal::TimestampMs;

/// Names by which a time column is known, in any case; of two in a file the earlier here is taken.
const TIME_NAMES: [&str; 12] = [
    "timestamp",
    "@timestamp",
    "datetime",
    "date_time",
    "time",
    "_time",
    "date",
    "ts",
    "unix_time",
    "unixtime",
    "epoch",
    "ds",
];

/// Values in a numeric column named like a time that are Unix times in any unit: 1973 and later in seconds.
const UNIX_TIME_LEAST: f64 = 1e8;

/// Times that can be written with a year of four digits; what lies beyond is none.
const TIMES: RangeInclusive<TimestampMs> = -62_167_219_200_000..=253_402_300_799_999;

/// The samples of a file.
#[derive(Debug)]
pub(super) struct Table {
    /// Number of rows.
    pub(super) rows: usize,
    /// Time of each row, `None` where the cell is empty. Without a time column there is nothing here.
    pub(super) times: Option<Times>,
    /// The series, in order of the file.
    pub(super) columns: Vec<Column>,
    /// Columns that were left out because they are not numbers.
    pub(super) left_out: Vec<String>,
    /// Which names of the list to ignore were there.
    pub(super) ignored: Vec<String>,
}

/// A time column.
#[derive(Debug)]
pub(super) struct Times {
    /// As understood.
    pub(super) at: Vec<Option<TimestampMs>>,
    /// As written in the file.
    pub(super) written: Vec<String>,
}

/// A series of a file.
#[derive(Debug)]
pub(super) struct Column {
    /// Heading.
    pub(super) name: String,
    /// A value per row; NaN where there is none.
    pub(super) values: Vec<f64>,
}

/// Why a file cannot be replayed.
#[derive(Debug, thiserror::Error)]
pub(super) enum TableError {
    #[error("it holds no rows")]
    Empty,
    #[error("it has no column of numbers beside time and ignored ones (columns: {0})")]
    NoSeries(String),
    #[error(
        "column {column:?}, row {row}: {text:?} is not a time; known are 2026-01-31T08:00:00Z, 2026-01-31 08:00:00 and Unix times"
    )]
    Time { column: String, row: usize, text: String },
    #[error("line {line} has {got} fields, the first line has {expected}")]
    Ragged { line: usize, got: usize, expected: usize },
    #[error("line {line} opens a quote that is never closed")]
    OpenQuote { line: usize },
    #[error(transparent)]
    Unreadable(#[from] polars::error::PolarsError),
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

impl Table {
    /// Reads a CSV file, compressed or not, or a Parquet file.
    pub(super) fn read(path: &Path, ignore: &[String]) -> Result<Self, TableError> {
        let frame = if is_parquet(path)? { read_parquet(path)? } else { csv::read(path)? };
        Self::from_frame(frame, ignore)
    }

    fn from_frame(mut frame: DataFrame, ignore: &[String]) -> Result<Self, TableError> {
        let rows = frame.height();
        if rows == 0 {
            return Err(TableError::Empty);
        }
        let mut ignored = Vec::new();
        for name in ignore {
            if frame.drop_in_place(name).is_ok() {
                ignored.push(name.clone());
            }
        }
        let times = match find_times(&frame)? {
            Some((column, times)) => {
                let _ = frame.drop_in_place(&column)?;
                Some(times)
            }
            None => None,
        };
        let (mut columns, mut left_out) = (Vec::new(), Vec::new());
        for column in frame.columns() {
            let kind = column.dtype();
            // A flag is a series of 0 and 1; a column without any value is not known to be of numbers.
            if kind.is_primitive_numeric() || kind.is_bool() {
                let values = numbers(column)?;
                // A heading may be empty, a metric's name may not.
                let name = if column.name().is_empty() { "value" } else { column.name().as_str() };
                columns.push(Column { name: name.to_owned(), values });
            } else {
                left_out.push(column.name().to_string());
            }
        }
        if columns.is_empty() {
            let names: Vec<&str> = frame.columns().iter().map(|column| column.name().as_str()).collect();
            return Err(TableError::NoSeries(if names.is_empty() { "none".into() } else { names.join(", ") }));
        }
        Ok(Self { rows, times, columns, left_out, ignored })
    }

    /// Takes a column out, such as one of labels. `None` if there is no such column of numbers.
    ///
    /// # Errors
    /// It is the only one.
    pub(super) fn take(&mut self, name: &str) -> Result<Option<Column>, TableError> {
        let Some(place) = self.columns.iter().position(|column| column.name == name) else { return Ok(None) };
        let column = self.columns.remove(place);
        if self.columns.is_empty() { Err(TableError::NoSeries(column.name)) } else { Ok(Some(column)) }
    }
}

/// A Parquet file is known by its first bytes, whatever its name.
fn is_parquet(path: &Path) -> std::io::Result<bool> {
    use std::io::Read as _;
    let mut magic = Vec::with_capacity(4);
    std::fs::File::open(path)?.take(4).read_to_end(&mut magic)?;
    Ok(magic == b"PAR1")
}

fn read_parquet(path: &Path) -> Result<DataFrame, TableError> {
    use polars::prelude::{ParquetReader, SerReader as _};
    Ok(ParquetReader::new(std::fs::File::open(path)?).finish()?)
}

fn numbers(column: &polars::prelude::Column) -> Result<Vec<f64>, TableError> {
    let column = column.cast(&DataType::Float64)?;
    Ok(column.f64()?.iter().map(|value| value.unwrap_or(f64::NAN)).collect())
}

/// The time column: by name, then by type, then by what its first cell looks like.
fn find_times(frame: &DataFrame) -> Result<Option<(String, Times)>, TableError> {
    let columns = frame.columns();
    let named = TIME_NAMES.iter().flat_map(|name| columns.iter().filter(|c| c.name().eq_ignore_ascii_case(name)));
    let typed = columns.iter().filter(|c| matches!(c.dtype(), DataType::Date | DataType::Datetime(..)));
    let text = columns.iter().filter(|c| first_text(c).is_some_and(|text| parse_time(text).is_some()));
    for column in named.chain(typed).chain(text) {
        let times = match column.dtype() {
            DataType::Date | DataType::Datetime(..) => Some(calendar(column)?),
            DataType::String => Some(texts(column)?),
            kind if kind.is_primitive_numeric() => unix(column)?,
            _ => None,
        };
        if let Some(times) = times {
            return Ok(Some((column.name().to_string(), times)));
        }
    }
    Ok(None)
}

fn first_text(column: &polars::prelude::Column) -> Option<&str> {
    column.str().ok()?.iter().flatten().next()
}

fn calendar(column: &polars::prelude::Column) -> Result<Times, TableError> {
    let (multiplier, divisor) = match column.dtype() {
        DataType::Datetime(TimeUnit::Nanoseconds, _) => (1, 1_000_000),
        DataType::Datetime(TimeUnit::Microseconds, _) => (1, 1_000),
        DataType::Datetime(TimeUnit::Milliseconds, _) => (1, 1),
        _ => (DAY, 1),
    };
    let units = column.to_physical_repr().cast(&DataType::Int64)?;
    let millis = |units: i64| units.saturating_mul(multiplier).div_euclid(divisor);
    let at: Vec<_> = units.i64()?.iter().map(|v| v.map(millis).filter(|at| TIMES.contains(at))).collect();
    let written = at.iter().map(|at| at.map(stamp).unwrap_or_default()).collect();
    Ok(Times { at, written })
}

fn texts(column: &polars::prelude::Column) -> Result<Times, TableError> {
    let mut times = Times { at: Vec::with_capacity(column.len()), written: Vec::with_capacity(column.len()) };
    for (row, text) in column.str()?.iter().enumerate() {
        let text = text.unwrap_or_default();
        // Whole numbers among text: a column of Unix times with a stray cell.
        let unix =
            || text.trim().parse::<f64>().ok().filter(|v| *v >= UNIX_TIME_LEAST).map(|v| (v * unix_unit(v)) as i64);
        let at = if text.trim().is_empty() { None } else { parse_time(text).or_else(unix) };
        if at.is_none() && !text.trim().is_empty() {
            let text = text.chars().take(60).collect();
            return Err(TableError::Time { column: column.name().to_string(), row: row + 1, text });
        }
        times.at.push(at);
        times.written.push(text.to_owned());
    }
    Ok(times)
}

/// Unix times. `None` if the numbers are none: a metric may well be called `time`.
fn unix(column: &polars::prelude::Column) -> Result<Option<Times>, TableError> {
    let numbers = numbers(column)?;
    let known = || numbers.iter().copied().filter(|v| v.is_finite());
    let grows = known().zip(known().skip(1)).all(|(a, b)| a <= b) && known().next() < known().next_back();
    if known().next().is_none() || !(grows || known().all(|v| v >= UNIX_TIME_LEAST)) {
        return Ok(None);
    }
    let unit = unix_unit(known().fold(0.0, |m, v| v.abs().max(m)));
    if !known().all(|v| TIMES.contains(&((v * unit) as TimestampMs))) {
        return Ok(None);
    }
    let at = numbers.iter().map(|v| v.is_finite().then(|| (v * unit).round() as i64)).collect();
    let written = if column.dtype().is_integer() {
        // Nanoseconds do not fit the 53 bits of a floating point number.
        let column = column.cast(&DataType::Int64)?;
        column.i64()?.iter().map(|v| v.map(|v| v.to_string()).unwrap_or_default()).collect()
    } else {
        numbers.iter().map(|v| if v.is_finite() { v.to_string() } else { String::new() }).collect()
    };
    Ok(Some(Times { at, written }))
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;
