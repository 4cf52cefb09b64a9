//! Columns: one value per step, and the steps they belong to.

use std::collections::HashMap;

use super::Error;
use crate::signal::{Labels, STALE_NAN_BITS, Sample, TimestampMs, is_stale};

/// Stands in a column where the series has no value.
///
/// The bits of the stale marker: it never is a value of its own, and arithmetic never produces it, because
/// the processor turns every NaN it computes into a quiet one.
pub(super) const ABSENT: f64 = f64::from_bits(STALE_NAN_BITS);

/// Labels that say what a metric is rather than which series it is; operations that change the meaning drop them.
const METADATA: [&str; 3] = ["__name__", "__type__", "__unit__"];

/// Whether a column has a value there.
pub(super) fn is_present(value: f64) -> bool {
    !is_stale(value)
}

/// The instants an expression is evaluated at: `start`, `start + step`, …
#[derive(Clone, Copy, Debug)]
pub(super) struct Steps {
    pub(super) start: TimestampMs,
    pub(super) step: i64,
    /// At least 1.
    pub(super) count: usize,
}

impl Steps {
    /// A single instant.
    pub(super) fn once(at: TimestampMs) -> Self {
        Self { start: at, step: 1, count: 1 }
    }

    /// All instants, in order.
    pub(super) fn iter(self) -> impl Iterator<Item = TimestampMs> {
        (0..self.count as i64).map(move |i| self.start + i * self.step)
    }

    /// The last instant.
    pub(super) fn last(self) -> TimestampMs {
        self.start + (self.count as i64 - 1) * self.step
    }

    /// The values that are there, with their instants.
    pub(super) fn samples(self, values: &[f64]) -> Vec<Sample> {
        let all = self.iter().zip(values);
        all.filter(|(_, value)| is_present(**value)).map(|(at, value)| Sample { at, value: *value }).collect()
    }
}

/// A label set and its value at each step.
#[derive(Clone, Debug)]
pub(super) struct Column {
    pub(super) labels: Labels,
    pub(super) values: Vec<f64>,
}

impl Column {
    /// A column without any value.
    pub(super) fn absent(labels: Labels, count: usize) -> Self {
        Self { labels, values: vec![ABSENT; count] }
    }

    /// Whether it has a value at any step.
    pub(super) fn has_values(&self) -> bool {
        self.values.iter().any(|value| is_present(*value))
    }
}

/// The labels without the metric's name, type and unit.
pub(super) fn without_metadata(labels: &Labels) -> Labels {
    labels.filtered(|name| !METADATA.contains(&name))
}

/// The error of two results that cannot be told apart.
pub(super) fn same_labels() -> Error {
    Error::Execution("vector cannot contain metrics with the same labelset".into())
}

/// Refuses columns of which two have the same labels.
pub(super) fn all_distinct(columns: Vec<Column>) -> Result<Vec<Column>, Error> {
    let mut seen = std::collections::HashSet::with_capacity(columns.len());
    let distinct = columns.len() < 2 || columns.iter().all(|column| seen.insert(&column.labels));
    if distinct { Ok(columns) } else { Err(same_labels()) }
}

/// Joins columns with the same labels, which must not have values at the same step.
pub(super) fn joined(columns: Vec<Column>) -> Result<Vec<Column>, Error> {
    if columns.len() < 2 {
        return Ok(columns);
    }
    let mut index: HashMap<Labels, usize> = HashMap::with_capacity(columns.len());
    let mut kept: Vec<Column> = Vec::with_capacity(columns.len());
    for column in columns {
        let Some(&first) = index.get(&column.labels) else {
            index.insert(column.labels.clone(), kept.len());
            kept.push(column);
            continue;
        };
        for (into, from) in kept[first].values.iter_mut().zip(&column.values) {
            if is_present(*from) {
                if is_present(*into) {
                    return Err(same_labels());
                }
                *into = *from;
            }
        }
    }
    Ok(kept)
}
