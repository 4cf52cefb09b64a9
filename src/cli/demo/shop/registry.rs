//! What a scrape of the whole shop would return: the series that exist and their present values.

use std::ops::Range;

use super::family::{self, Family};
use crate::signal::{Labels, METRIC_NAME, MetricKind};

/// A series of the shop.
#[derive(Clone, Debug)]
pub struct Series {
    /// Its labels, metric name included.
    pub labels: Labels,
    /// The metric family it belongs to.
    pub family: &'static Family,
}

impl Series {
    /// Whether it only grows, but for restarts.
    #[must_use]
    pub fn is_cumulative(&self) -> bool {
        matches!(self.family.kind, MetricKind::Counter | MetricKind::Histogram | MetricKind::Summary)
    }
}

/// Place of a series in the registry; never given to another one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slot(u32);

/// All series ever registered, by index.
#[derive(Clone, Debug, Default)]
pub(super) struct Registry {
    series: Vec<Series>,
    values: Vec<f64>,
    live: Vec<bool>,
}

impl Registry {
    pub(super) fn series(&self) -> &[Series] {
        &self.series
    }

    /// Index that the next series will get.
    pub(super) fn next_index(&self) -> usize {
        self.series.len()
    }

    /// Registers through a scope: all its series carry `labels`.
    pub(super) fn scope<'a>(&'a mut self, labels: &[(&'a str, &'a str)]) -> Scope<'a> {
        Scope { registry: self, labels: labels.to_vec() }
    }

    /// Sets a gauge.
    pub(super) fn set(&mut self, slot: Slot, value: f64) {
        let index = slot.0 as usize;
        debug_assert!(!self.series[index].is_cumulative(), "{} is a counter", self.series[index].labels);
        self.values[index] = value;
    }

    /// Adds to a counter.
    pub(super) fn add(&mut self, slot: Slot, increment: f64) {
        let index = slot.0 as usize;
        debug_assert!(self.series[index].is_cumulative(), "{} is a gauge", self.series[index].labels);
        debug_assert!(increment >= 0.0, "{} goes back by {increment}", self.series[index].labels);
        self.values[index] += increment;
    }

    /// Starts all counters of a process anew.
    pub(super) fn reset(&mut self, range: Range<usize>) {
        for index in range {
            if self.series[index].is_cumulative() {
                self.values[index] = 0.0;
            }
        }
    }

    /// Ends series for good.
    pub(super) fn end(&mut self, range: Range<usize>) {
        self.live[range].fill(false);
    }

    /// The series that exist, with their values.
    pub(super) fn live(&self) -> impl Iterator<Item = (usize, f64)> {
        self.live.iter().zip(&self.values).enumerate().filter(|(_, (live, _))| **live).map(|(i, (_, v))| (i, *v))
    }
}

/// Registers series that share labels.
pub(super) struct Scope<'a> {
    registry: &'a mut Registry,
    labels: Vec<(&'a str, &'a str)>,
}

impl<'a> Scope<'a> {
    /// The scope with one more label.
    pub(super) fn and(mut self, name: &'a str, value: &'a str) -> Self {
        self.labels.push((name, value));
        self
    }

    /// A series of the metric `name`.
    pub(super) fn one(&mut self, name: &'static str) -> Slot {
        self.with(name, &[])
    }

    /// A series of the metric `name` with more labels.
    pub(super) fn with(&mut self, name: &'static str, more: &[(&str, &str)]) -> Slot {
        let metric = [(METRIC_NAME, name)];
        let pairs = self.labels.iter().chain(more).chain(&metric).map(|(n, v)| (*n, *v));
        let registry = &mut *self.registry;
        let slot = Slot(u32::try_from(registry.series.len()).expect("a shop of less than 2^32 series"));
        registry.series.push(Series { labels: Labels::from_pairs(pairs), family: family::of(name) });
        registry.values.push(0.0);
        registry.live.push(true);
        slot
    }

    /// A series that never changes.
    pub(super) fn constant(&mut self, name: &'static str, more: &[(&str, &str)], value: f64) {
        let slot = self.with(name, more);
        self.registry.values[slot.0 as usize] = value;
    }
}
