//! Function calls: evaluates the arguments and feeds them to the functions.

use std::collections::HashMap;

use super::Error;
use super::column::{ABSENT, Column, Steps, all_distinct, is_present, joined, without_metadata};
use super::eval::{Evaluated, Evaluator, mapped};
use super::functions::{self, Bucket, Function, Window};
use super::plan::{Expr, Node};
use super::select::Wanted;
use crate::signal::{Labels, Matcher};

/// Label of a histogram bucket's upper bound.
const BOUND: &str = "le";

impl Evaluator<'_> {
    /// Evaluates a call. The number and types of the arguments were checked when it was planned.
    #[inline(never)]
    pub(super) fn call(&mut self, function: Function, args: &[Node], steps: &Steps) -> Result<Evaluated, Error> {
        let columns = match function {
            Function::Time => return Ok(Evaluated::Scalar(steps.iter().map(|at| at as f64 / 1000.0).collect())),
            Function::Pi => return Ok(Evaluated::Scalar(vec![std::f64::consts::PI; steps.count])),
            Function::Scalar => return Ok(Evaluated::Scalar(self.as_scalar(&args[0], steps)?)),
            Function::Vector => {
                vec![Column { labels: Labels::default(), values: self.scalar(&args[0], steps)? }]
            }
            Function::Map(change) => self.map(&args[0], steps, |_, value| change(value))?,
            Function::Date(part) => match args.first() {
                None => {
                    let values = steps.iter().map(|at| part(at.div_euclid(1000))).collect();
                    vec![Column { labels: Labels::default(), values }]
                }
                Some(arg) => self.map(arg, steps, |_, value| functions::as_seconds(value).map_or(f64::NAN, part))?,
            },
            Function::Round => {
                let to = args.get(1).map(|to| self.scalar(to, steps)).transpose()?;
                self.map(&args[0], steps, |i, v| functions::round(v, to.as_ref().map_or(1.0, |to| to[i])))?
            }
            Function::Clamp => self.clamp(&args[0], Some(&args[1]), Some(&args[2]), steps)?,
            Function::ClampMin => self.clamp(&args[0], Some(&args[1]), None, steps)?,
            Function::ClampMax => self.clamp(&args[0], None, Some(&args[1]), steps)?,
            Function::Timestamp => self.timestamp(&args[0], steps)?,
            Function::Absent => self.absent(&args[0], steps)?,
            Function::AbsentOverTime => self.absent_over_time(&args[0], steps)?,
            Function::LastOverTime => {
                let windows = self.windows(&args[0], steps)?;
                self.over_windows(windows, steps, |_, window| window.samples.last().map(|sample| sample.value))?
            }
            Function::Window(compute) => self.window(&args[0], steps, |_, window| compute(window))?,
            Function::CounterWindow(compute) => {
                let windows = self.windows(&args[0], steps)?;
                let columns = self.over_windows(windows, steps, |_, window| compute(window))?;
                columns.iter().for_each(|column| self.notes.not_a_counter(column.labels.metric()));
                all_distinct(nameless(columns))?
            }
            Function::QuantileOverTime => {
                let q = self.scalar(&args[0], steps)?;
                let columns = self.window(&args[1], steps, |i, w| Some(functions::quantile_over(w, q[i])))?;
                self.note_quantiles(&q, &columns);
                columns
            }
            Function::PredictLinear => {
                let ahead = self.scalar(&args[1], steps)?;
                self.window(&args[0], steps, |i, window| functions::predict(window, ahead[i]))?
            }
            Function::Sort { descending } => self.sort(&args[0], steps, descending)?,
            Function::LabelReplace => self.label_replace(args, steps)?,
            Function::LabelJoin => self.label_join(args, steps)?,
            Function::HistogramQuantile => self.histogram_quantile(&args[0], &args[1], steps)?,
        };
        Ok(Evaluated::Vector(columns))
    }

    fn map(&mut self, arg: &Node, steps: &Steps, change: impl Fn(usize, f64) -> f64) -> Result<Vec<Column>, Error> {
        let mut columns = nameless(self.vector(arg, steps)?);
        for column in &mut columns {
            self.tick(column.values.len())?;
            for (i, value) in column.values.iter_mut().enumerate().filter(|(_, value)| is_present(**value)) {
                *value = change(i, *value);
            }
        }
        joined(columns)
    }

    fn window(
        &mut self,
        arg: &Node,
        steps: &Steps,
        compute: impl FnMut(usize, &Window<'_>) -> Option<f64>,
    ) -> Result<Vec<Column>, Error> {
        let windows = self.windows(arg, steps)?;
        let columns = self.over_windows(windows, steps, compute)?;
        all_distinct(nameless(columns))
    }

    fn clamp(
        &mut self,
        arg: &Node,
        min: Option<&Node>,
        max: Option<&Node>,
        steps: &Steps,
    ) -> Result<Vec<Column>, Error> {
        let mut bound = |node: Option<&Node>, otherwise: f64| match node {
            Some(node) => self.scalar(node, steps),
            None => Ok(vec![otherwise; steps.count]),
        };
        let (min, max) = (bound(min, f64::NEG_INFINITY)?, bound(max, f64::INFINITY)?);
        // An empty interval has no values at all.
        let clamp = |i: usize, v: f64| if max[i] < min[i] { ABSENT } else { functions::clamp(v, min[i], max[i]) };
        let columns = self.map(arg, steps, clamp)?;
        Ok(columns.into_iter().filter(Column::has_values).collect())
    }

    /// The only element's value, NaN at steps with none or several.
    fn as_scalar(&mut self, arg: &Node, steps: &Steps) -> Result<Vec<f64>, Error> {
        let mut values = vec![ABSENT; steps.count];
        let mut is_ambiguous = vec![false; steps.count];
        for column in self.vector(arg, steps)? {
            self.tick(steps.count)?;
            for (i, value) in column.values.iter().enumerate().filter(|(_, value)| is_present(**value)) {
                is_ambiguous[i] |= is_present(values[i]);
                values[i] = *value;
            }
        }
        let only =
            |(value, is_ambiguous): (f64, bool)| if is_present(value) && !is_ambiguous { value } else { f64::NAN };
        Ok(values.into_iter().zip(is_ambiguous).map(only).collect())
    }

    /// Times of the samples behind a selector; of anything else the evaluation time.
    fn timestamp(&mut self, arg: &Node, steps: &Steps) -> Result<Vec<Column>, Error> {
        if let Expr::Select(selector) = &arg.expr {
            let columns = self.select(selector, steps, Wanted::Time)?;
            return joined(nameless(columns));
        }
        self.map(arg, steps, |i, _| (steps.start + i as i64 * steps.step) as f64 / 1000.0)
    }

    fn absent(&mut self, arg: &Node, steps: &Steps) -> Result<Vec<Column>, Error> {
        let columns = self.vector(arg, steps)?;
        Ok(where_absent(functions::absent_labels(&arg.expr), &columns, steps))
    }

    fn absent_over_time(&mut self, arg: &Node, steps: &Steps) -> Result<Vec<Column>, Error> {
        let windows = self.windows(arg, steps)?;
        let columns = self.over_windows(windows, steps, |_, _| Some(1.0))?;
        Ok(where_absent(functions::absent_labels(&arg.expr), &columns, steps))
    }

    /// Orders the elements of an instant query by value, NaN last; a range query is ordered by labels anyway.
    fn sort(&mut self, arg: &Node, steps: &Steps, descending: bool) -> Result<Vec<Column>, Error> {
        let mut columns = self.vector(arg, steps)?;
        if steps.count == 1 {
            columns.sort_by(|a, b| {
                let (a, b) = (a.values[0], b.values[0]);
                let order = a.partial_cmp(&b).unwrap_or(std::cmp::Ordering::Equal);
                let order = if descending { order.reverse() } else { order };
                a.is_nan().cmp(&b.is_nan()).then(order)
            });
        }
        Ok(columns)
    }

    #[inline(never)]
    fn label_replace(&mut self, args: &[Node], steps: &Steps) -> Result<Vec<Column>, Error> {
        let [into, replacement, from, pattern] = [text(&args[1]), text(&args[2]), text(&args[3]), text(&args[4])];
        let regex = Matcher::regex(pattern)
            .map_err(|_| Error::Execution(format!("invalid regular expression in label_replace(): {pattern}")))?;
        functions::check_name(into, "destination label name in label_replace()")?;
        let mut columns = self.vector(&args[0], steps)?;
        for column in &mut columns {
            column.labels = functions::replace(&column.labels, into, replacement, from, &regex);
        }
        all_distinct(columns)
    }

    #[inline(never)]
    fn label_join(&mut self, args: &[Node], steps: &Steps) -> Result<Vec<Column>, Error> {
        let (into, separator) = (text(&args[1]), text(&args[2]));
        let from: Vec<&str> = args[3..].iter().map(text).collect();
        for name in &from {
            functions::check_name(name, "source label name in label_join()")?;
        }
        functions::check_name(into, "destination label name in label_join()")?;
        let mut columns = self.vector(&args[0], steps)?;
        for column in &mut columns {
            column.labels = functions::join(&column.labels, into, separator, &from);
        }
        all_distinct(columns)
    }

    #[inline(never)]
    fn histogram_quantile(&mut self, q: &Node, arg: &Node, steps: &Steps) -> Result<Vec<Column>, Error> {
        let q = self.scalar(q, steps)?;
        q.iter().for_each(|q| self.notes.quantile(*q));
        let columns = self.vector(arg, steps)?;
        // Histograms by their labels without the bound, in the order they are met.
        let mut index: HashMap<Labels, usize> = HashMap::new();
        let mut histograms: Vec<(Labels, Vec<(f64, &Column)>)> = Vec::new();
        for column in &columns {
            let bound = column.labels.get(BOUND).unwrap_or_default();
            let Some(parsed) = functions::parse_bound(bound) else {
                self.notes.bad_bucket(bound, column.labels.metric());
                continue;
            };
            let labels = column.labels.filtered(|name| name != BOUND);
            let at = *index.entry(labels.clone()).or_insert_with(|| {
                histograms.push((labels, Vec::new()));
                histograms.len() - 1
            });
            histograms[at].1.push((parsed, column));
        }
        let mut quantiles = Vec::with_capacity(histograms.len());
        for (labels, buckets) in histograms {
            self.charge(steps.count)?;
            let mut column = Column::absent(without_metadata(&labels), steps.count);
            for (i, value) in column.values.iter_mut().enumerate() {
                self.tick(buckets.len())?;
                let at_step = buckets.iter().map(|(bound, counts)| Bucket { bound: *bound, count: counts.values[i] });
                let present: Vec<Bucket> = at_step.filter(|bucket| is_present(bucket.count)).collect();
                if !present.is_empty() {
                    let (quantile, was_raised) = functions::bucket_quantile(q[i], present);
                    *value = quantile;
                    if was_raised {
                        self.notes.forced_monotonic(labels.metric());
                    }
                }
            }
            quantiles.push(column);
        }
        joined(quantiles)
    }

    /// Warns of quantiles out of range at steps that have a value.
    fn note_quantiles(&mut self, q: &[f64], columns: &[Column]) {
        for (i, q) in q.iter().enumerate() {
            if columns.iter().any(|column| is_present(column.values[i])) {
                self.notes.quantile(*q);
            }
        }
    }
}

/// The columns without the metrics' names.
fn nameless(columns: Vec<Column>) -> Vec<Column> {
    columns.into_iter().map(|column| mapped(column, |value| value)).collect()
}

/// One column of ones at the steps at which no column has a value; none when there is no such step.
fn where_absent(labels: Labels, columns: &[Column], steps: &Steps) -> Vec<Column> {
    let mut values = vec![1.0; steps.count];
    for column in columns {
        for (value, present) in values.iter_mut().zip(&column.values) {
            if is_present(*present) {
                *value = ABSENT;
            }
        }
    }
    let column = Column { labels, values };
    if column.has_values() { vec![column] } else { Vec::new() }
}

/// The text of an argument; types were checked when the call was planned.
fn text(node: &Node) -> &str {
    match &node.expr {
        Expr::Text(text) => text,
        _ => "",
    }
}
