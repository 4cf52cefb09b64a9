//! A label for each row: a column of 0 and 1 in a file of its own, or in the data.

use std::{collections::HashMap, path::Path};

use anyhow::{Context as _, bail};

use crate::{
    cli::backtest::{
        order::Order,
        table::{Column, Table},
        time::stamp,
    },
    signal::TimestampMs,
};

/// Names by which the column is known, in any case.
const NAMES: [&str; 3] = ["label", "anomaly", "is_anomaly"];

/// A label for each row of one data file.
#[derive(Debug)]
pub(super) struct Rows {
    /// Time of each row, where the file tells times.
    times: Option<Vec<Option<TimestampMs>>>,
    labelled: Vec<bool>,
}

impl Rows {
    /// Reads a file that has rows as the data has, CSV or Parquet.
    pub(super) fn read(path: &Path) -> anyhow::Result<Self> {
        let table = Table::read(path, &[]).context(
            "it is no list of incidents (start,end in the first line), no JSON, and cannot be read as rows with a label",
        )?;
        let known = |column: &&Column| NAMES.iter().any(|name| column.name.eq_ignore_ascii_case(name));
        let column = match table.columns.as_slice() {
            [only] => only,
            columns => columns.iter().find(known).with_context(|| {
                let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
                format!(
                    "none of its columns ({}) is called {}: rename one, or write incidents, with start,end in the first line",
                    names.join(", "),
                    NAMES.join(", ")
                )
            })?,
        };
        Ok(Self { labelled: truths(column)?, times: table.times.map(|times| times.at) })
    }

    /// Labels by row of the data, matched by time, or by place where one of the two has no times.
    pub(super) fn of(&self, table: &Table, order: &Order) -> anyhow::Result<Vec<bool>> {
        let (Some(times), true) = (&self.times, table.times.is_some()) else {
            if self.labelled.len() != table.rows {
                bail!(
                    "there are {} labels for {} rows: without times in both files there has to be one for each",
                    self.labelled.len(),
                    table.rows
                );
            }
            return Ok(self.labelled.clone());
        };
        let mut by_time: HashMap<TimestampMs, bool> = HashMap::with_capacity(times.len());
        for (at, labelled) in times.iter().zip(&self.labelled) {
            // Of rows at one time, one that is labelled will do.
            if let Some(at) = at {
                *by_time.entry(*at).or_default() |= labelled;
            }
        }
        let mut labels = vec![false; table.rows];
        for (at, row) in order.at.iter().zip(&order.row) {
            labels[*row] = *by_time.get(at).with_context(|| {
                format!("the row at {} has no label: the label file needs a row at each time of the data", stamp(*at))
            })?;
        }
        Ok(labels)
    }
}

/// The column as labels.
///
/// # Errors
/// A cell that is neither 0 nor 1.
pub(super) fn truths(column: &Column) -> anyhow::Result<Vec<bool>> {
    let truth = |(row, value): (usize, &f64)| match value {
        0.0 => Ok(false),
        1.0 => Ok(true),
        _ if value.is_nan() => bail!("column {:?}, row {}: the label is missing; write 0 or 1", column.name, row + 1),
        _ => bail!("column {:?}, row {}: {value} is no label; write 0 or 1", column.name, row + 1),
    };
    column.values.iter().enumerate().map(truth).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::backtest::order::orders;

    fn file(folder: &Path, text: &str) -> std::path::PathBuf {
        let path = folder.join("x.csv");
        std::fs::write(&path, text).unwrap();
        path
    }

    fn labels(labels: &str, data: &str) -> anyhow::Result<Vec<bool>> {
        let folder = tempfile::tempdir().unwrap();
        let rows = Rows::read(&file(folder.path(), labels))?;
        let table = Table::read(&file(folder.path(), data), &[]).unwrap();
        let (_, order) = orders(None, &table, None).unwrap();
        rows.of(&table, &order)
    }

    #[test]
    fn rows_are_matched_by_time() {
        let data = "time,v\n300000000,1\n100000000,2\n200000000,3\n";
        let found = labels("time,score,Label\n100000000,7,0\n200000000,7,0\n300000000,7,1\n400000000,7,1\n", data);
        assert_eq!(found.unwrap(), [true, false, false]);
        let missing = labels("time,label\n100000000,0\n300000000,1\n", data).unwrap_err();
        assert!(missing.to_string().contains("1976-05-03T19:33:20Z has no label"), "{missing}");
    }

    #[test]
    fn without_times_rows_are_matched_by_place() {
        assert_eq!(labels("broken\ntrue\nfalse\n", "v\n1\n2\n").unwrap(), [true, false]);
        let error = labels("x\n0\n1\n0\n", "v\n1\n2\n").unwrap_err();
        assert!(error.to_string().contains("3 labels for 2 rows"), "{error}");
    }

    #[test]
    fn what_is_no_label_is_told() {
        let error = |text: &str| format!("{:#}", labels(text, "v\n1\n2\n").unwrap_err());
        assert!(error("label\n0\n2\n").contains("column \"label\", row 2: 2 is no label; write 0 or 1"));
        assert!(error("label,x\n0,1\n,1\n").contains("row 2: the label is missing"));
        assert!(error("a,b\n0,1\n1,1\n").contains("none of its columns (a, b) is called label, anomaly, is_anomaly"));
        assert!(error("a,b\nx,y\n").contains("start,end in the first line"));
    }
}
