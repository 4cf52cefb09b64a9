//! The evaluator: walks the expression, keeps count of what it holds, and notices when it should stop.

use super::annotations::Annotations;
use super::column::{Column, Steps, all_distinct, is_present, without_metadata};
use super::plan::{Expr, Node};
use super::select::Wanted;
use super::{Answer, Error, Interrupt, Limits, Source, Value};

/// Operations between two looks at the interrupt; some microseconds to a millisecond of work.
const OPERATIONS_PER_CHECK: usize = 4_096;
/// Samples reserved at a time.
const RESERVE: usize = 16_384;

/// The value of an expression at all steps.
pub(super) enum Evaluated {
    /// One number per step.
    Scalar(Vec<f64>),
    /// One column per label set. No two have the same labels.
    Vector(Vec<Column>),
    /// The same text at every step.
    Text(String),
}

impl Evaluated {
    fn cells(&self) -> usize {
        match self {
            Self::Scalar(values) => values.len(),
            Self::Vector(columns) => columns.iter().map(|column| column.values.len()).sum(),
            Self::Text(_) => 0,
        }
    }

    /// Repeats a value computed at one step.
    fn repeated(self, count: usize) -> Self {
        match self {
            Self::Scalar(values) => Self::Scalar(vec![values[0]; count]),
            Self::Vector(mut columns) => {
                for column in &mut columns {
                    column.values = vec![column.values[0]; count];
                }
                Self::Vector(columns)
            }
            text @ Self::Text(_) => text,
        }
    }
}

/// One evaluation.
pub(super) struct Evaluator<'a> {
    pub(super) source: &'a dyn Source,
    pub(super) limits: &'a Limits<'a>,
    pub(super) notes: Annotations,
    /// Samples and values held at present.
    held: usize,
    /// Samples that there is room for.
    reserved: usize,
    /// Operations since the last look at the interrupt.
    operations: usize,
}

impl<'a> Evaluator<'a> {
    pub(super) fn new(source: &'a dyn Source, limits: &'a Limits<'a>) -> Self {
        Self { source, limits, notes: Annotations::default(), held: 0, reserved: 0, operations: 0 }
    }

    /// Ends the evaluation with its value.
    pub(super) fn answer(self, value: Value) -> Answer {
        let (warnings, infos) = self.notes.shown();
        Answer { value, warnings, infos }
    }

    /// Evaluates an expression that is not a range vector.
    pub(super) fn eval(&mut self, node: &Node, steps: &Steps) -> Result<Evaluated, Error> {
        self.check()?;
        let held_before = self.held;
        let value = if node.is_invariant && steps.count > 1 {
            let once = self.dispatch(node, &Steps::once(steps.start))?;
            self.charge(once.cells().saturating_mul(steps.count))?;
            once.repeated(steps.count)
        } else {
            self.dispatch(node, steps)?
        };
        // Whatever was fetched or computed on the way is gone by now.
        self.held = held_before + value.cells();
        Ok(value)
    }

    #[inline(never)]
    fn dispatch(&mut self, node: &Node, steps: &Steps) -> Result<Evaluated, Error> {
        match &node.expr {
            Expr::Number(number) => Ok(Evaluated::Scalar(vec![*number; steps.count])),
            Expr::Text(text) => Ok(Evaluated::Text(text.clone())),
            Expr::Select(selector) => Ok(Evaluated::Vector(self.select(selector, steps, Wanted::Value)?)),
            Expr::Negate(inner) => self.negate(inner, steps),
            Expr::Call(function, args) => self.call(*function, args, steps),
            Expr::Aggregate(aggregate) => self.aggregate(aggregate, steps),
            Expr::Binary(binary) => self.binary(binary, steps),
            Expr::Window(..) | Expr::Subquery(_) => {
                Err(Error::Execution("a range vector can only be the argument of a function".into()))
            }
        }
    }

    #[inline(never)]
    fn negate(&mut self, inner: &Node, steps: &Steps) -> Result<Evaluated, Error> {
        match self.eval(inner, steps)? {
            Evaluated::Scalar(values) => Ok(Evaluated::Scalar(values.into_iter().map(|value| -value).collect())),
            Evaluated::Vector(columns) => {
                let columns = columns.into_iter().map(|column| mapped(column, |value| -value)).collect();
                Ok(Evaluated::Vector(all_distinct(columns)?))
            }
            Evaluated::Text(_) => Err(Error::Execution("a string has no negative".into())),
        }
    }

    /// Evaluates a scalar.
    pub(super) fn scalar(&mut self, node: &Node, steps: &Steps) -> Result<Vec<f64>, Error> {
        match self.eval(node, steps)? {
            Evaluated::Scalar(values) => Ok(values),
            _ => Err(Error::Execution("expected a scalar".into())),
        }
    }

    /// Evaluates an instant vector.
    pub(super) fn vector(&mut self, node: &Node, steps: &Steps) -> Result<Vec<Column>, Error> {
        match self.eval(node, steps)? {
            Evaluated::Vector(columns) => Ok(columns),
            _ => Err(Error::Execution("expected an instant vector".into())),
        }
    }

    /// Accounts for samples or values about to be held.
    pub(super) fn charge(&mut self, samples: usize) -> Result<(), Error> {
        self.held = self.held.saturating_add(samples);
        if self.held > self.limits.max_samples {
            return Err(Error::TooManySamples);
        }
        if self.held > self.reserved {
            self.reserved = self.held.next_multiple_of(RESERVE);
            if !(self.limits.reserve)(self.reserved) {
                return Err(Error::NoMemory);
            }
        }
        self.tick(samples)
    }

    /// Tells that so many samples are held no longer.
    pub(super) fn release(&mut self, samples: usize) {
        self.held = self.held.saturating_sub(samples);
    }

    /// Accounts for work done.
    pub(super) fn tick(&mut self, operations: usize) -> Result<(), Error> {
        self.operations = self.operations.saturating_add(operations);
        if self.operations < OPERATIONS_PER_CHECK {
            return Ok(());
        }
        self.check()
    }

    /// Looks whether the caller still wants the answer.
    pub(super) fn check(&mut self) -> Result<(), Error> {
        self.operations = 0;
        match (self.limits.interrupt)() {
            None => Ok(()),
            Some(Interrupt::Timeout) => Err(Error::Timeout),
            Some(Interrupt::Canceled) => Err(Error::Canceled),
        }
    }
}

/// A column with each value changed, and without the metric's name, for it no longer is that metric.
pub(super) fn mapped(column: Column, change: impl Fn(f64) -> f64) -> Column {
    let Column { labels, mut values } = column;
    for value in values.iter_mut().filter(|value| is_present(**value)) {
        *value = change(*value);
    }
    Column { labels: without_metadata(&labels), values }
}
