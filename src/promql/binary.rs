//! Binary operators between scalars and vectors.

use std::collections::HashMap;

use super::Error;
use super::column::{ABSENT, Column, Steps, is_present, joined, same_labels, without_metadata};
use super::eval::{Evaluated, Evaluator};
use super::format::braced;
use super::plan::{Binary, BinaryOp, Cardinality, Grouping};
use crate::signal::Labels;

impl BinaryOp {
    /// The value of an arithmetic operation; of a comparison 1 or 0.
    fn compute(self, left: f64, right: f64) -> f64 {
        match self {
            Self::Add => left + right,
            Self::Sub => left - right,
            Self::Mul => left * right,
            Self::Div => left / right,
            Self::Mod => left % right,
            Self::Pow => left.powf(right),
            Self::Atan2 => left.atan2(right),
            _ => f64::from(u8::from(self.holds(left, right))),
        }
    }

    fn holds(self, left: f64, right: f64) -> bool {
        match self {
            Self::Eq => left == right,
            Self::Ne => left != right,
            Self::Gt => left > right,
            Self::Lt => left < right,
            Self::Ge => left >= right,
            Self::Le => left <= right,
            _ => true,
        }
    }

    /// The value of an element, [`ABSENT`] when a comparison filters it out. `kept` is what passes a filter.
    fn element(self, left: f64, right: f64, kept: f64, returns_bool: bool) -> f64 {
        if !self.is_comparison() || returns_bool {
            self.compute(left, right)
        } else if self.holds(left, right) {
            kept
        } else {
            ABSENT
        }
    }
}

impl Evaluator<'_> {
    #[inline(never)]
    pub(super) fn binary(&mut self, binary: &Binary, steps: &Steps) -> Result<Evaluated, Error> {
        let op = binary.op;
        let left = self.eval(&binary.left, steps)?;
        let right = self.eval(&binary.right, steps)?;
        let columns = match (left, right) {
            (Evaluated::Scalar(left), Evaluated::Scalar(right)) => {
                let values = left.into_iter().zip(right).map(|(left, right)| op.compute(left, right)).collect();
                return Ok(Evaluated::Scalar(values));
            }
            (Evaluated::Vector(columns), Evaluated::Scalar(scalar)) => {
                self.with_scalar(binary, columns, |i, v| op.element(v, scalar[i], v, binary.returns_bool))?
            }
            (Evaluated::Scalar(scalar), Evaluated::Vector(columns)) => {
                self.with_scalar(binary, columns, |i, v| op.element(scalar[i], v, v, binary.returns_bool))?
            }
            (Evaluated::Vector(left), Evaluated::Vector(right)) if op.is_set() => {
                self.set(op, left, right, &binary.matching, steps)?
            }
            (Evaluated::Vector(left), Evaluated::Vector(right)) => match binary.cardinality {
                Cardinality::OneToMany(_) => self.matched(binary, &right, &left, steps)?,
                _ => self.matched(binary, &left, &right, steps)?,
            },
            _ => return Err(Error::Execution("strings have no binary operators".into())),
        };
        Ok(Evaluated::Vector(columns))
    }

    fn with_scalar(
        &mut self,
        binary: &Binary,
        columns: Vec<Column>,
        element: impl Fn(usize, f64) -> f64,
    ) -> Result<Vec<Column>, Error> {
        let drops_name = !binary.op.is_comparison() || binary.returns_bool;
        let mut results = Vec::with_capacity(columns.len());
        for Column { labels, mut values } in columns {
            self.tick(values.len())?;
            for (i, value) in values.iter_mut().enumerate().filter(|(_, value)| is_present(**value)) {
                *value = element(i, *value);
            }
            let labels = if drops_name { without_metadata(&labels) } else { labels };
            results.push(Column { labels, values });
        }
        results.retain(Column::has_values);
        joined(results)
    }

    /// `and`, `or`, `unless`.
    fn set(
        &mut self,
        op: BinaryOp,
        mut left: Vec<Column>,
        mut right: Vec<Column>,
        matching: &Grouping,
        steps: &Steps,
    ) -> Result<Vec<Column>, Error> {
        let sides = Sides::of(&left, &right, matching);
        // The last step at which a group had an element on the side that decides, counted from 1.
        let mut seen = vec![0; sides.groups];
        for i in 0..steps.count {
            self.tick(left.len() + right.len())?;
            let (deciding, deciding_groups, decided, decided_groups) = match op {
                BinaryOp::Or => (&left, &sides.left, &mut right, &sides.right),
                _ => (&right, &sides.right, &mut left, &sides.left),
            };
            for (column, group) in deciding.iter().zip(deciding_groups) {
                if is_present(column.values[i]) {
                    seen[*group] = i + 1;
                }
            }
            for (column, group) in decided.iter_mut().zip(decided_groups) {
                if (seen[*group] == i + 1) != (op == BinaryOp::And) {
                    column.values[i] = ABSENT;
                }
            }
        }
        if op == BinaryOp::Or {
            left.extend(right);
        }
        left.retain(Column::has_values);
        joined(left)
    }

    /// Arithmetic and comparison between elements whose matching labels are equal. `one` has at most one element
    /// for each combination of matching labels.
    fn matched(
        &mut self,
        binary: &Binary,
        many: &[Column],
        one: &[Column],
        steps: &Steps,
    ) -> Result<Vec<Column>, Error> {
        let sides = Sides::of(many, one, &binary.matching);
        let mut results = Results { binary, of_pair: HashMap::new(), of_labels: HashMap::new(), columns: Vec::new() };
        // For each group: the step (counted from 1) and the element of `one` seen there.
        let mut partner = vec![(0, 0); sides.groups];
        // For each group the last step it had a result at; for each result likewise.
        let mut matched_at = vec![0; sides.groups];
        let mut result_at: Vec<usize> = Vec::new();
        for i in 0..steps.count {
            self.tick(many.len() + one.len())?;
            // Without elements on both sides nothing is matched, and nothing can be ambiguous.
            if !many.iter().any(|column| is_present(column.values[i])) {
                continue;
            }
            let now = i + 1;
            for (j, (column, group)) in one.iter().zip(&sides.right).enumerate() {
                if is_present(column.values[i]) {
                    if partner[*group].0 == now {
                        return Err(duplicate(binary, &column.labels, &one[partner[*group].1].labels));
                    }
                    partner[*group] = (now, j);
                }
            }
            for (j, (column, group)) in many.iter().zip(&sides.left).enumerate() {
                let (seen_at, other) = partner[*group];
                let value = column.values[i];
                if seen_at != now || !is_present(value) {
                    continue;
                }
                let result = binary.pair(value, one[other].values[i]);
                if !is_present(result) {
                    continue;
                }
                let known = results.columns.len();
                let at = results.of(j, column, other, &one[other], steps.count);
                if results.columns.len() > known {
                    self.charge(steps.count)?;
                    result_at.push(0);
                }
                if binary.cardinality == Cardinality::OneToOne && matched_at[*group] == now {
                    let text =
                        "multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)";
                    return Err(Error::Execution(text.into()));
                }
                if result_at[at] == now {
                    let text = "multiple matches for labels: grouping labels must ensure unique matches";
                    let is_same_group = matched_at[*group] == now;
                    return Err(if is_same_group { Error::Execution(text.into()) } else { same_labels() });
                }
                (matched_at[*group], result_at[at]) = (now, now);
                results.columns[at].values[i] = result;
            }
        }
        Ok(results.columns)
    }
}

impl Binary {
    /// The value of an element of the side with many and its partner.
    fn pair(&self, many: f64, one: f64) -> f64 {
        let (left, right) = match self.cardinality {
            Cardinality::OneToMany(_) => (one, many),
            _ => (many, one),
        };
        self.op.element(left, right, left, self.returns_bool)
    }

    /// The labels of a result.
    fn labels(&self, many: &Labels, one: &Labels) -> Labels {
        let mut labels = if self.op.is_comparison() { many.clone() } else { without_metadata(many) };
        match &self.cardinality {
            Cardinality::OneToOne => {
                labels = match &self.matching {
                    Grouping::Only(names) => labels.filtered(|name| names.iter().any(|one| one == name)),
                    Grouping::Except(names) => labels.filtered(|name| !names.iter().any(|one| one == name)),
                };
            }
            Cardinality::ManyToOne(included) | Cardinality::OneToMany(included) => {
                for name in included {
                    labels = labels.with(name, one.get(name).unwrap_or_default());
                }
            }
        }
        if self.returns_bool { without_metadata(&labels) } else { labels }
    }
}

/// Groups of elements with equal matching labels, numbered across both sides.
struct Sides {
    left: Vec<usize>,
    right: Vec<usize>,
    groups: usize,
}

impl Sides {
    fn of(left: &[Column], right: &[Column], matching: &Grouping) -> Self {
        let mut index: HashMap<Labels, usize> = HashMap::new();
        let mut group_of = |column: &Column| {
            let next = index.len();
            *index.entry(matching.key(&column.labels)).or_insert(next)
        };
        let left = left.iter().map(&mut group_of).collect();
        let right = right.iter().map(&mut group_of).collect();
        Self { left, right, groups: index.len() }
    }
}

/// Columns of results, found by the pair of elements they come from.
struct Results<'a> {
    binary: &'a Binary,
    of_pair: HashMap<(usize, usize), usize>,
    of_labels: HashMap<Labels, usize>,
    columns: Vec<Column>,
}

impl Results<'_> {
    fn of(&mut self, many: usize, many_column: &Column, one: usize, one_column: &Column, count: usize) -> usize {
        if let Some(at) = self.of_pair.get(&(many, one)) {
            return *at;
        }
        let labels = self.binary.labels(&many_column.labels, &one_column.labels);
        let columns = &mut self.columns;
        let at = *self.of_labels.entry(labels).or_insert_with_key(|labels| {
            columns.push(Column::absent(labels.clone(), count));
            columns.len() - 1
        });
        self.of_pair.insert((many, one), at);
        at
    }
}

fn duplicate(binary: &Binary, labels: &Labels, other: &Labels) -> Error {
    let side = if matches!(binary.cardinality, Cardinality::OneToMany(_)) { "left" } else { "right" };
    Error::Execution(format!(
        "found duplicate series for the match group {} on the {side} hand-side of the operation: [{}, {}];\
         many-to-many matching not allowed: matching labels must be unique on one side",
        braced(&binary.matching.key(labels)),
        braced(labels),
        braced(other)
    ))
}
