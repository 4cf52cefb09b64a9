//! Fetching series, and laying them out: one value per step, or one range of samples per step.

use std::collections::HashSet;

use super::column::{ABSENT, Column, Steps, is_present};
use super::eval::{Evaluated, Evaluator};
use super::functions::Window;
use super::plan::{Anchor, Expr, Node, Selector, Subquery};
use super::{Error, Series};
use crate::signal::{TimestampMs, is_stale};

/// Series of which each step sees a range.
pub(super) struct Windows {
    pub(super) series: Vec<Series>,
    range_ms: i64,
    anchor: Anchor,
}

/// What a selector gives for a series.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    Value,
    /// Time of the sample in seconds.
    Time,
}

impl Evaluator<'_> {
    /// The newest sample at each step, not older than the lookback.
    pub(super) fn select(&mut self, selector: &Selector, steps: &Steps, wanted: Wanted) -> Result<Vec<Column>, Error> {
        let lookback = self.limits.lookback_ms;
        let anchor = selector.anchor;
        let from = anchor.reference(steps.start) - lookback;
        let mut columns = Vec::new();
        // A series becomes a column as it comes, so that the samples in between are held a slice at a time.
        self.fetch(selector, from, anchor.reference(steps.last()), &mut |evaluator, series| {
            let samples = series.samples.len();
            evaluator.charge(samples)?;
            evaluator.charge(steps.count)?;
            let mut next = 0;
            let value_at = |step: TimestampMs| {
                let reference = anchor.reference(step);
                while series.samples.get(next).is_some_and(|sample| sample.at <= reference) {
                    next += 1;
                }
                match next.checked_sub(1).map(|newest| series.samples[newest]) {
                    Some(newest) if newest.at > reference - lookback && !is_stale(newest.value) => match wanted {
                        Wanted::Value => newest.value,
                        Wanted::Time => newest.at as f64 / 1000.0,
                    },
                    _ => ABSENT,
                }
            };
            let column = Column { values: steps.iter().map(value_at).collect(), labels: series.labels };
            evaluator.release(samples);
            if column.has_values() {
                columns.push(column);
            } else {
                evaluator.release(steps.count);
            }
            Ok(())
        })?;
        columns.sort_unstable_by(|a, b| a.labels.cmp(&b.labels));
        Ok(columns)
    }

    /// The samples of a range selector or subquery, for all steps.
    pub(super) fn windows(&mut self, node: &Node, steps: &Steps) -> Result<Windows, Error> {
        match &node.expr {
            Expr::Window(selector, range_ms) => {
                let anchor = selector.anchor;
                let from = anchor.reference(steps.start) - range_ms;
                let mut series: Vec<Series> = Vec::new();
                self.fetch(selector, from, anchor.reference(steps.last()), &mut |evaluator, mut one| {
                    one.samples.retain(|sample| !is_stale(sample.value));
                    evaluator.charge(one.samples.len())?;
                    series.push(one);
                    Ok(())
                })?;
                series.sort_unstable_by(|a, b| a.labels.cmp(&b.labels));
                Ok(Windows { series, range_ms: *range_ms, anchor })
            }
            Expr::Subquery(subquery) => self.subquery(subquery, steps),
            _ => Err(Error::Execution("expected a range vector".into())),
        }
    }

    /// Evaluates the inner expression once, at the multiples of its step that any of the outer steps sees.
    #[inline(never)]
    fn subquery(&mut self, subquery: &Subquery, steps: &Steps) -> Result<Windows, Error> {
        let Subquery { inner, range_ms, step_ms, anchor } = subquery;
        let (range_ms, step, anchor) = (*range_ms, *step_ms, *anchor);
        let after = anchor.reference(steps.start) - range_ms;
        let end = anchor.reference(steps.last());
        let start = (after.div_euclid(step) + 1) * step;
        if start > end {
            return Ok(Windows { series: Vec::new(), range_ms, anchor });
        }
        let count = usize::try_from((end - start) / step).map_or(usize::MAX, |whole| whole.saturating_add(1));
        if count > self.limits.max_samples {
            return Err(Error::TooManySamples);
        }
        let inner_steps = Steps { start, step, count };
        let Evaluated::Vector(columns) = self.eval(inner, &inner_steps)? else {
            return Err(Error::Execution("subquery of something other than an instant vector".into()));
        };
        let mut series = Vec::with_capacity(columns.len());
        for column in columns {
            let samples = inner_steps.samples(&column.values);
            self.charge(samples.len())?;
            series.push(Series { labels: column.labels, samples });
        }
        Ok(Windows { series, range_ms, anchor })
    }

    /// Applies `compute` to the range of each series at each step that has samples. Labels stay as they are.
    pub(super) fn over_windows(
        &mut self,
        windows: Windows,
        steps: &Steps,
        mut compute: impl FnMut(usize, &Window<'_>) -> Option<f64>,
    ) -> Result<Vec<Column>, Error> {
        let mut columns = Vec::with_capacity(windows.series.len());
        for Series { labels, samples } in windows.series {
            self.charge(steps.count)?;
            let mut column = Column::absent(labels, steps.count);
            let (mut first, mut end) = (0, 0);
            for (i, step) in steps.iter().enumerate() {
                let reference = windows.anchor.reference(step);
                let start = reference - windows.range_ms;
                while samples.get(end).is_some_and(|sample| sample.at <= reference) {
                    end += 1;
                }
                while first < end && samples[first].at <= start {
                    first += 1;
                }
                if first < end {
                    self.tick(end - first)?;
                    let window = Window { samples: &samples[first..end], start, end: reference, step };
                    column.values[i] = compute(i, &window).unwrap_or(ABSENT);
                }
            }
            if column.values.iter().any(|value| is_present(*value)) {
                columns.push(column);
            }
        }
        Ok(columns)
    }

    /// Asks the source for what a selector selects: each series once, in any order.
    ///
    /// The caller sorts what it makes of them, so that sums do not depend on the order in which they came.
    fn fetch(
        &mut self,
        selector: &Selector,
        from: TimestampMs,
        to: TimestampMs,
        take: &mut dyn FnMut(&mut Self, Series) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut seen = HashSet::new();
        let may_repeat = selector.alternatives.len() > 1;
        let source = self.source;
        for matchers in &selector.alternatives {
            self.check()?;
            source.select(matchers, from, to, &mut |batch| {
                self.check()?;
                for one in batch {
                    if !may_repeat || seen.insert(one.labels.clone()) {
                        take(self, one)?;
                    }
                }
                Ok(())
            })?;
        }
        Ok(())
    }
}
