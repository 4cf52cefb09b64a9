//! PromQL over the series vigie keeps: the language of Grafana panels and alert rules, answered as Prometheus 3.5 does.
//!
//! A query goes through four stages. `text` reads the words and takes out what could hurt the parser,
//! `promql-parser` builds the syntax tree, `plan` checks types and turns it into the expressions that are known here,
//! and `eval` computes them. Evaluation is column-wise: an expression becomes one column of values per series,
//! one value per step, so labels are looked at once per query and not once per step, and each selector is fetched once.
//!
//! What is not known is refused by name ([`Error::Unsupported`]), never answered with a guess. Left out on purpose:
//! native histograms, Prometheus' experimental functions, and the positions in warnings. Answers differ from Prometheus
//! 3.5 knowingly in three places: the parts of a date that is none are NaN; the parameter of an aggregation is evaluated
//! at every step even if the aggregated vector is fixed by `@`; and a selector may have `or` between its matchers.
//!
//! Synchronous and pure: no clock, no I/O beyond the [`Source`] that is handed in.

mod aggregate;
mod annotations;
mod binary;
mod call;
mod column;
mod eval;
mod format;
mod functions;
mod numeric;
mod plan;
mod select;
mod text;

use std::fmt;

pub use format::format_value;

use crate::signal::{Labels, Matcher, Sample, TimestampMs};
use column::Steps;
use eval::{Evaluated, Evaluator};
use plan::{Expr, Kind, Node};

/// Instants further from the epoch than this are refused, so that adding ranges and offsets cannot overflow.
const FARTHEST_MS: TimestampMs = 9_000_000_000_000_000;

/// Where series come from.
pub trait Source {
    /// Hands the series that satisfy all matchers to `take`, some at a time and in any order, with their samples after
    /// `from` and up to and including `to`.
    ///
    /// Samples come in time order, each time once, stale markers included. No two series have the same labels.
    ///
    /// # Errors
    /// Those of `take`, at once; or the series cannot be read, or would be too many.
    fn select(
        &self,
        matchers: &[Matcher],
        from: TimestampMs,
        to: TimestampMs,
        take: &mut Take<'_>,
    ) -> Result<(), Error>;
}

/// Takes series from a [`Source`].
pub type Take<'a> = dyn FnMut(Vec<Series>) -> Result<(), Error> + 'a;

/// One series and a stretch of its samples.
#[derive(Clone, Debug)]
pub struct Series {
    /// What identifies it, metric name included.
    pub labels: Labels,
    /// Oldest first.
    pub samples: Vec<Sample>,
}

/// Why the caller wants an evaluation to end early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interrupt {
    /// Its time is up.
    Timeout,
    /// Nobody waits for the answer any more.
    Canceled,
}

/// What a query may use.
#[derive(Clone, Copy)]
pub struct Limits<'a> {
    /// How old the newest sample of a series may be for an instant selector to see it. Prometheus: 5 minutes.
    pub lookback_ms: i64,
    /// Step of a subquery that names none. Prometheus: its evaluation interval, 1 minute by default.
    pub subquery_step_ms: i64,
    /// Most samples held at one time, intermediate results included. A result holds one per series and step,
    /// also where a series has a gap, so this refuses sparse results earlier than Prometheus does.
    pub max_samples: usize,
    /// Most steps of a range query.
    pub max_points: usize,
    /// Asked at least once for each series and every few thousand samples; the evaluation ends when it answers something.
    pub interrupt: &'a (dyn Fn() -> Option<Interrupt> + 'a),
    /// Asked before more samples are held than ever before, with that number, now and then rounded up; the evaluation
    /// ends when there is no room.
    pub reserve: &'a (dyn Fn(usize) -> bool + 'a),
}

impl Default for Limits<'_> {
    /// Prometheus' defaults, and no interruption.
    fn default() -> Self {
        Self {
            lookback_ms: 300_000,
            subquery_step_ms: 60_000,
            max_samples: 50_000_000,
            max_points: 11_000,
            interrupt: &|| None,
            reserve: &|_| true,
        }
    }
}

impl fmt::Debug for Limits<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Limits")
            .field("lookback_ms", &self.lookback_ms)
            .field("subquery_step_ms", &self.subquery_step_ms)
            .field("max_samples", &self.max_samples)
            .field("max_points", &self.max_points)
            .finish_non_exhaustive()
    }
}

/// The value of an expression.
#[derive(Clone, Debug)]
pub enum Value {
    /// A number at the instant asked for.
    Scalar(f64),
    /// A text.
    String(String),
    /// One value per label set at the instant asked for. In no order, except where the query sorts.
    Vector(Vec<(Labels, f64)>),
    /// Samples per label set, in order of labels.
    Matrix(Vec<(Labels, Vec<Sample>)>),
}

/// A value and what should be said about it.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The value.
    pub value: Value,
    /// Reasons to doubt the value, in Prometheus' words.
    pub warnings: Vec<String>,
    /// Hints about the query, in Prometheus' words.
    pub infos: Vec<String>,
}

/// Why a query has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Not a PromQL expression, or its types do not fit.
    #[error("parse error: {0}")]
    Parse(String),
    /// PromQL, but a part of it that vigie does not evaluate.
    #[error("not supported: {0}")]
    Unsupported(String),
    /// Times or step of the request make no sense.
    #[error("{0}")]
    BadParameter(String),
    /// The data does not allow the operation.
    #[error("{0}")]
    Execution(String),
    /// [`Interrupt::Timeout`].
    #[error("query timed out in expression evaluation")]
    Timeout,
    /// [`Interrupt::Canceled`].
    #[error("query was canceled in expression evaluation")]
    Canceled,
    /// More than [`Limits::max_samples`] at one time.
    #[error("query processing would load too many samples into memory in query execution")]
    TooManySamples,
    /// More series than the source hands out.
    #[error("query would touch too many series")]
    TooManySeries,
    /// [`Limits::reserve`] refused.
    #[error("the queries that run hold all the memory set aside for them")]
    NoMemory,
    /// The source failed.
    #[error("expanding series: {0}")]
    Source(String),
}

/// Evaluates `query` at one instant.
///
/// # Errors
/// [`Error`]; all but `Source`, `NoMemory`, `Timeout` and `Canceled` are the query's own fault.
pub fn instant(query: &str, at: TimestampMs, source: &dyn Source, limits: &Limits<'_>) -> Result<Answer, Error> {
    check_instant(at)?;
    let node = plan::plan(query, at, at, limits)?;
    let steps = Steps::once(at);
    let mut evaluator = Evaluator::new(source, limits);
    let value = match &node.expr {
        Expr::Window(..) | Expr::Subquery(..) => {
            let windows = evaluator.windows(&node, &steps)?;
            let mut series = Vec::with_capacity(windows.series.len());
            for one in windows.series.into_iter().filter(|one| !one.samples.is_empty()) {
                series.push((one.labels, one.samples));
            }
            series.sort_by(|a, b| a.0.cmp(&b.0));
            Value::Matrix(series)
        }
        _ => match evaluator.eval(&node, &steps)? {
            Evaluated::Scalar(values) => Value::Scalar(values[0]),
            Evaluated::Text(text) => Value::String(text),
            Evaluated::Vector(columns) => {
                Value::Vector(columns.into_iter().map(|column| (column.labels, column.values[0])).collect())
            }
        },
    };
    Ok(evaluator.answer(value))
}

/// Evaluates `query` at `start`, `start + step`, … up to and including `end`. The value is a matrix.
///
/// # Errors
/// As [`instant`]; also when `end` is before `start`, `step_ms` is not positive, there are more steps than
/// [`Limits::max_points`], or the expression is neither a scalar nor an instant vector.
pub fn range(
    query: &str,
    start: TimestampMs,
    end: TimestampMs,
    step_ms: i64,
    source: &dyn Source,
    limits: &Limits<'_>,
) -> Result<Answer, Error> {
    check_instant(start)?;
    check_instant(end)?;
    if end < start {
        return Err(Error::BadParameter("end timestamp must not be before start time".into()));
    }
    if step_ms <= 0 {
        let text = "zero or negative query resolution step widths are not accepted. Try a positive integer";
        return Err(Error::BadParameter(text.into()));
    }
    let whole_steps = usize::try_from((end - start) / step_ms).unwrap_or(usize::MAX);
    if whole_steps > limits.max_points {
        return Err(Error::BadParameter(format!(
            "exceeded maximum resolution of {} points per timeseries. Try decreasing the query resolution (?step=XX)",
            limits.max_points
        )));
    }
    let node: Node = plan::plan(query, start, end, limits)?;
    if !matches!(node.kind, Kind::Scalar | Kind::Vector) {
        let kind = node.kind;
        return Err(Error::BadParameter(format!(
            "invalid expression type {:?} for range query, must be Scalar or instant Vector",
            kind.to_string()
        )));
    }
    let steps = Steps { start, step: step_ms, count: whole_steps + 1 };
    let mut evaluator = Evaluator::new(source, limits);
    let mut series = match evaluator.eval(&node, &steps)? {
        Evaluated::Scalar(values) => vec![(Labels::default(), steps.samples(&values))],
        Evaluated::Text(_) => Vec::new(),
        Evaluated::Vector(columns) => {
            columns.into_iter().map(|column| (column.labels, steps.samples(&column.values))).collect()
        }
    };
    series.retain(|(_, samples)| !samples.is_empty());
    series.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(evaluator.answer(Value::Matrix(series)))
}

/// Reads a selector, as in the `match[]` parameter of the metadata endpoints.
///
/// A series is selected when it satisfies all matchers of at least one of the lists; there is one list unless
/// the selector has `or` between its matchers.
///
/// # Errors
/// [`Error::Parse`] when it is not an instant selector, or when every matcher of a list accepts the empty string,
/// so that it would select everything.
pub fn parse_selector(text: &str) -> Result<Vec<Vec<Matcher>>, Error> {
    match plan::plan(text, 0, 0, &Limits::default())?.expr {
        Expr::Select(selector) if selector.is_plain() => Ok(selector.alternatives),
        _ => Err(Error::Parse("expected a series selector".into())),
    }
}

fn check_instant(at: TimestampMs) -> Result<(), Error> {
    if (-FARTHEST_MS..=FARTHEST_MS).contains(&at) {
        Ok(())
    } else {
        Err(Error::BadParameter(format!("time {at} ms is out of range")))
    }
}

#[cfg(test)]
mod tests;
