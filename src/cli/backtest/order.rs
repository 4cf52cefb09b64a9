//! In which order, and at what time, the rows of a file are replayed.

use anyhow::bail;

use super::{replay::usual_step, table::Table, time::stamp};
use crate::signal::TimestampMs;

/// Time of the first row of a file without times: 2020-01-01, a date that nobody takes for a real one by mistake.
const EPOCH: TimestampMs = 1_577_836_800_000;
/// Distance of rows without times, unless told.
const STEP: i64 = 60_000;

/// The rows to replay, oldest first, no two at one time.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Order {
    /// Event time of each.
    pub(super) at: Vec<TimestampMs>,
    /// Row of the file.
    pub(super) row: Vec<usize>,
    /// Rows at the time of a row before them: not replayed.
    pub(super) duplicates: usize,
    /// Rows without a time: not replayed.
    pub(super) timeless: usize,
    /// Whether the file is not in order of time.
    pub(super) sorted_here: bool,
}

impl Order {
    /// The order of the table's own times, `None` without a time column.
    fn of_times(table: &Table) -> Option<Self> {
        let times = &table.times.as_ref()?.at;
        let mut rows: Vec<(TimestampMs, usize)> =
            times.iter().enumerate().filter_map(|(row, at)| at.map(|at| (at, row))).collect();
        let timeless = times.len() - rows.len();
        let sorted_here = !rows.is_sorted_by_key(|(at, _)| *at);
        // Stable, so that of rows at one time the first in the file is kept.
        rows.sort_by_key(|(at, _)| *at);
        let dated = rows.len();
        rows.dedup_by_key(|(at, _)| *at);
        let duplicates = dated - rows.len();
        let (at, row) = rows.into_iter().unzip();
        Some(Self { at, row, duplicates, timeless, sorted_here })
    }

    /// Rows `step` apart from `start` on.
    fn even(rows: usize, start: TimestampMs, step: i64) -> Self {
        let at = (0..rows as i64).map(|i| start + i * step).collect();
        Self { at, row: (0..rows).collect(), duplicates: 0, timeless: 0, sorted_here: false }
    }

    /// The usual distance of rows.
    pub(super) fn step(&self) -> i64 {
        usual_step(&self.at).unwrap_or(STEP)
    }
}

/// The orders of a training part, if there is one, and of the file it belongs to.
///
/// Where one of them has no times it borders on the other; `step` is the distance of rows without times.
pub(super) fn orders(
    train: Option<&Table>,
    table: &Table,
    step: Option<i64>,
) -> anyhow::Result<(Option<Order>, Order)> {
    let dated = Order::of_times(table);
    let Some(train) = train else {
        let order = dated.unwrap_or_else(|| Order::even(table.rows, EPOCH, step.unwrap_or(STEP)));
        return Ok((None, order));
    };
    let before = Order::of_times(train);
    let (before, order) = match (before, dated) {
        (Some(before), Some(order)) => (before, order),
        (Some(before), None) => {
            let step = step.unwrap_or_else(|| before.step());
            let start = before.at.last().map_or(EPOCH, |last| last + step);
            (before, Order::even(table.rows, start, step))
        }
        (None, dated) => {
            let step = step.or_else(|| dated.as_ref().map(Order::step)).unwrap_or(STEP);
            let order = dated.unwrap_or_else(|| Order::even(table.rows, EPOCH, step));
            let first = order.at.first().copied().unwrap_or(EPOCH);
            (Order::even(train.rows, first - train.rows as i64 * step, step), order)
        }
    };
    if let (Some(last), Some(first)) = (before.at.last(), order.at.first())
        && last >= first
    {
        bail!("the training part ends at {}, not before the first row at {}", stamp(*last), stamp(*first));
    }
    Ok((Some(before), order))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::backtest::table::Times;

    fn table(times: Option<&[Option<TimestampMs>]>, rows: usize) -> Table {
        let times = times.map(|at| Times { at: at.to_vec(), written: vec![String::new(); at.len()] });
        Table { rows, times, columns: Vec::new(), left_out: Vec::new(), ignored: Vec::new() }
    }

    #[test]
    fn rows_are_taken_in_order_of_time_the_first_of_equals_only() {
        let table = table(Some(&[Some(30), Some(10), None, Some(30), Some(20)]), 5);
        let (_, order) = orders(None, &table, Some(7)).unwrap();
        assert_eq!((order.at, order.row), (vec![10, 20, 30], vec![1, 4, 0]));
        assert_eq!((order.duplicates, order.timeless, order.sorted_here), (1, 1, true));
    }

    #[test]
    fn without_times_the_training_part_ends_one_step_before() {
        let (train, order) = orders(Some(&table(None, 3)), &table(None, 2), Some(300_000)).unwrap();
        assert_eq!(order.at, [EPOCH, EPOCH + 300_000]);
        assert_eq!(train.unwrap().at, [EPOCH - 900_000, EPOCH - 600_000, EPOCH - 300_000]);
        let dated = table(Some(&[Some(5_000), Some(6_000)]), 2);
        let (train, _) = orders(Some(&table(None, 2)), &dated, None).unwrap();
        assert_eq!(train.unwrap().at, [3_000, 4_000]);
        let (_, order) = orders(Some(&dated), &table(None, 2), None).unwrap();
        assert_eq!(order.at, [7_000, 8_000]);
    }

    #[test]
    fn a_training_part_from_the_future_is_refused() {
        let (a, b) = (table(Some(&[Some(0), Some(10_000)]), 2), table(Some(&[Some(10_000)]), 1));
        let error = orders(Some(&a), &b, None).unwrap_err();
        assert!(error.to_string().contains("1970-01-01T00:00:10Z"), "{error}");
    }
}
