//! Aggregations over the elements of a vector.

use std::collections::HashMap;

use super::Error;
use super::column::{ABSENT, Column, Steps, is_present};
use super::eval::{Evaluated, Evaluator};
use super::format::{format_value, plain_decimal};
use super::functions;
use super::numeric::{Mean, Sum, quantile};
use super::plan::{Aggregate, AggregateOp, Expr, Grouping, Node};
use crate::signal::{Labels, METRIC_NAME};

impl Grouping {
    /// The labels that say which group an element belongs to.
    pub(super) fn key(&self, labels: &Labels) -> Labels {
        match self {
            Self::Only(names) if names.is_empty() => Labels::default(),
            Self::Only(names) => labels.filtered(|name| names.iter().any(|one| one == name)),
            Self::Except(names) => labels.filtered(|name| name != METRIC_NAME && !names.iter().any(|one| one == name)),
        }
    }
}

/// Which group each column belongs to, and the labels of each group. Groups come in the order they are met.
struct Groups {
    of_column: Vec<usize>,
    labels: Vec<Labels>,
}

impl Groups {
    fn of(columns: &[Column], grouping: &Grouping) -> Self {
        let mut index: HashMap<Labels, usize> = HashMap::new();
        let mut labels = Vec::new();
        let mut group_of = |column: &Column| {
            let key = grouping.key(&column.labels);
            *index.entry(key).or_insert_with_key(|key| {
                labels.push(key.clone());
                labels.len() - 1
            })
        };
        let of_column = columns.iter().map(&mut group_of).collect();
        Self { of_column, labels }
    }
}

/// What a group has seen of its elements at one step.
enum State {
    Sum(Sum),
    Mean(Mean),
    /// The one value that matters so far.
    Extreme(f64),
    Count(f64),
    Group,
    /// Running count, mean and sum of squared differences, after Welford.
    Spread {
        n: f64,
        mean: f64,
        squares: f64,
    },
    All(Vec<f64>),
}

impl State {
    fn begin(op: AggregateOp, value: f64) -> Self {
        match op {
            AggregateOp::Avg => Self::Mean(Mean::from(value)),
            AggregateOp::Min | AggregateOp::Max => Self::Extreme(value),
            AggregateOp::Count => Self::Count(1.0),
            AggregateOp::Group => Self::Group,
            AggregateOp::Stddev | AggregateOp::Stdvar => {
                Self::Spread { n: 1.0, mean: value, squares: if value.is_finite() { 0.0 } else { f64::NAN } }
            }
            AggregateOp::Quantile => Self::All(vec![value]),
            _ => Self::Sum(Sum::from(value)),
        }
    }

    fn add(&mut self, op: AggregateOp, value: f64) {
        match self {
            Self::Sum(sum) => sum.add(value),
            Self::Mean(mean) => mean.add(value),
            Self::Extreme(kept) => {
                let is_further = if op == AggregateOp::Max { *kept < value } else { *kept > value };
                if is_further || kept.is_nan() {
                    *kept = value;
                }
            }
            Self::Count(count) => *count += 1.0,
            Self::Group => {}
            Self::Spread { n, mean, squares } => {
                *n += 1.0;
                let delta = value - *mean;
                *mean += delta / *n;
                *squares += delta * (value - *mean);
            }
            Self::All(values) => values.push(value),
        }
    }

    fn end(self, op: AggregateOp, q: f64) -> f64 {
        match self {
            Self::Sum(sum) => sum.total(),
            Self::Mean(mean) => mean.value(),
            Self::Extreme(value) | Self::Count(value) => value,
            Self::Group => 1.0,
            Self::Spread { n, squares, .. } if op == AggregateOp::Stddev => (squares / n).sqrt(),
            Self::Spread { n, squares, .. } => squares / n,
            Self::All(mut values) => quantile(q, &mut values),
        }
    }
}

impl Evaluator<'_> {
    #[inline(never)]
    pub(super) fn aggregate(&mut self, aggregate: &Aggregate, steps: &Steps) -> Result<Evaluated, Error> {
        let Aggregate { op, inner, param, grouping } = aggregate;
        if *op == AggregateOp::CountValues {
            let label = match param {
                Some(Node { expr: Expr::Text(label), .. }) => label,
                _ => return Err(Error::Execution("count_values needs a label name".into())),
            };
            return Ok(Evaluated::Vector(self.count_values(label, inner, grouping, steps)?));
        }
        let param = match param {
            Some(node) => self.scalar(node, steps)?,
            None => Vec::new(),
        };
        let columns = self.vector(inner, steps)?;
        let groups = Groups::of(&columns, grouping);
        let columns = match op {
            AggregateOp::Topk | AggregateOp::Bottomk => {
                self.ranked(*op == AggregateOp::Topk, columns, &groups, &param, steps)?
            }
            _ => self.folded(*op, &columns, groups, &param, steps)?,
        };
        Ok(Evaluated::Vector(columns))
    }

    /// One column per group.
    fn folded(
        &mut self,
        op: AggregateOp,
        columns: &[Column],
        groups: Groups,
        param: &[f64],
        steps: &Steps,
    ) -> Result<Vec<Column>, Error> {
        if op == AggregateOp::Quantile {
            self.notes.quantiles(param);
        }
        self.charge(groups.labels.len().saturating_mul(steps.count))?;
        let mut states: Vec<Option<State>> = groups.labels.iter().map(|_| None).collect();
        let mut results: Vec<Column> =
            groups.labels.into_iter().map(|labels| Column::absent(labels, steps.count)).collect();
        for i in 0..steps.count {
            self.tick(columns.len())?;
            for (column, group) in columns.iter().zip(&groups.of_column) {
                let value = column.values[i];
                if is_present(value) {
                    match &mut states[*group] {
                        Some(state) => state.add(op, value),
                        empty => *empty = Some(State::begin(op, value)),
                    }
                }
            }
            let q = param.get(i).copied().unwrap_or(f64::NAN);
            for (state, result) in states.iter_mut().zip(&mut results) {
                result.values[i] = state.take().map_or(ABSENT, |state| state.end(op, q));
            }
        }
        Ok(results)
    }

    /// The `k` largest or smallest elements of each group, with their labels. An instant query gets them in order;
    /// NaN comes last either way. Of equal elements those met first are taken.
    fn ranked(
        &mut self,
        is_top: bool,
        mut columns: Vec<Column>,
        groups: &Groups,
        k: &[f64],
        steps: &Steps,
    ) -> Result<Vec<Column>, Error> {
        let mut members: Vec<Vec<usize>> = vec![Vec::new(); groups.labels.len()];
        for (column, group) in groups.of_column.iter().enumerate() {
            members[*group].push(column);
        }
        let mut order = Vec::new();
        if k.iter().all(|k| *k < 1.0) {
            return Ok(Vec::new());
        }
        for (i, k) in k.iter().enumerate() {
            self.tick(columns.len())?;
            let is_empty = columns.iter().all(|column| !is_present(column.values[i]));
            if is_empty {
                continue;
            }
            let keep = as_count(*k)?;
            for members in &members {
                let mut ranking: Vec<usize> =
                    members.iter().copied().filter(|column| is_present(columns[*column].values[i])).collect();
                ranking.sort_by(|a, b| {
                    let (a, b) = (columns[*a].values[i], columns[*b].values[i]);
                    let ascending = a.partial_cmp(&b).unwrap_or(std::cmp::Ordering::Equal);
                    a.is_nan().cmp(&b.is_nan()).then(if is_top { ascending.reverse() } else { ascending })
                });
                for column in ranking.iter().skip(keep) {
                    columns[*column].values[i] = ABSENT;
                }
                if steps.count == 1 {
                    order.extend(ranking.into_iter().take(keep));
                }
            }
        }
        if steps.count == 1 {
            return Ok(order.into_iter().map(|column| columns[column].clone()).collect());
        }
        columns.retain(Column::has_values);
        Ok(columns)
    }

    /// One column per group and value that occurs, with the value as a label.
    #[inline(never)]
    fn count_values(
        &mut self,
        label: &str,
        inner: &Node,
        grouping: &Grouping,
        steps: &Steps,
    ) -> Result<Vec<Column>, Error> {
        functions::check_name(label, "label name")?;
        let grouping = match grouping {
            Grouping::Only(names) => Grouping::Only(names.iter().cloned().chain([label.to_owned()]).collect()),
            except @ Grouping::Except(_) => except.clone(),
        };
        let mut index: HashMap<Labels, usize> = HashMap::new();
        let mut counts: Vec<Column> = Vec::new();
        for column in self.vector(inner, steps)? {
            for (i, value) in column.values.iter().enumerate().filter(|(_, value)| is_present(**value)) {
                let key = grouping.key(&column.labels.with(label, &plain_decimal(*value)));
                let known = index.get(&key).copied();
                let at = match known {
                    Some(at) => at,
                    None => {
                        self.charge(steps.count)?;
                        counts.push(Column::absent(key.clone(), steps.count));
                        index.insert(key, counts.len() - 1);
                        counts.len() - 1
                    }
                };
                let count = &mut counts[at].values[i];
                *count = if is_present(*count) { *count + 1.0 } else { 1.0 };
            }
            self.tick(steps.count)?;
        }
        Ok(counts)
    }
}

/// The parameter of `topk` as a number of elements.
fn as_count(k: f64) -> Result<usize, Error> {
    const LIMIT: f64 = 9.2e18;
    if (-LIMIT..=LIMIT).contains(&k) {
        return Ok(k.max(0.0) as usize);
    }
    Err(Error::Execution(format!("Scalar value {} overflows int64", format_value(k))))
}
