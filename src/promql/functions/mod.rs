//! The functions of PromQL: what they are called, what they take, and how they compute.
//!
//! This file is the list; `call.rs` of the parent feeds them. Experimental functions of Prometheus and those for native
//! histograms are not in the list and are refused by name.

mod dates;
mod histogram;
mod labels;
mod maths;
mod window;

pub(super) use dates::{DateFn, as_seconds};
pub(super) use histogram::{Bucket, bucket_quantile, parse_bound};
pub(super) use labels::{absent_labels, check_name, join, replace};
pub(super) use maths::{clamp, round};
pub(super) use window::{Window, WindowFn, predict, quantile_over};

use super::Error;
use super::plan::Kind;

/// How a call is computed.
#[derive(Clone, Copy, Debug)]
pub(super) enum Function {
    /// Each value by itself.
    Map(fn(f64) -> f64),
    /// Each value as a Unix time, or the evaluation time when there is no argument.
    Date(DateFn),
    /// The samples of a range by themselves.
    Window(WindowFn),
    LastOverTime,
    /// `rate` and `increase`, which hint at misuse.
    CounterWindow(WindowFn),
    QuantileOverTime,
    PredictLinear,
    AbsentOverTime,
    Absent,
    Clamp,
    ClampMin,
    ClampMax,
    Round,
    Time,
    Pi,
    Timestamp,
    Vector,
    Scalar,
    Sort {
        descending: bool,
    },
    LabelReplace,
    LabelJoin,
    HistogramQuantile,
}

impl Function {
    /// Whether the result may change with the evaluation time although the arguments do not.
    pub(super) fn depends_on_time(self, args: usize) -> bool {
        match self {
            Self::Date(_) => args == 0,
            Self::Time | Self::PredictLinear | Self::Timestamp => true,
            _ => false,
        }
    }
}

/// What a function takes and returns.
#[derive(Clone, Copy, Debug)]
pub(super) struct Signature {
    pub(super) function: Function,
    params: &'static [Kind],
    /// How many of the last parameters may be left out.
    optional: usize,
    /// Whether the last parameter may be repeated.
    is_variadic: bool,
    pub(super) returns: Kind,
}

impl Signature {
    const fn new(function: Function, params: &'static [Kind]) -> Self {
        Self { function, params, optional: 0, is_variadic: false, returns: Kind::Vector }
    }

    /// Refuses arguments that do not fit.
    pub(super) fn check(&self, name: &str, args: &[Kind]) -> Result<(), Error> {
        let (least, most) = (self.params.len() - self.optional, self.params.len());
        let got = args.len();
        if got < least {
            return Err(Error::Parse(format!("expected at least {least} argument(s) in call to {name:?}, got {got}")));
        }
        if got > most && !self.is_variadic {
            return Err(Error::Parse(format!("expected at most {most} argument(s) in call to {name:?}, got {got}")));
        }
        for (i, arg) in args.iter().enumerate() {
            super::plan::expect(self.params[i.min(most - 1)], *arg, &format!("call to function {name:?}"))?;
        }
        Ok(())
    }
}

/// The function of a name, `None` when it is not evaluated here.
pub(super) fn find(name: &str) -> Option<Signature> {
    use Kind::{Matrix, Scalar, Text, Vector};

    if let Some(function) = maths::find(name) {
        return Some(Signature::new(Function::Map(function), &[Vector]));
    }
    if let Some(function) = dates::find(name) {
        return Some(Signature { optional: 1, ..Signature::new(Function::Date(function), &[Vector]) });
    }
    if let Some(function) = window::find(name) {
        let is_for_counters = matches!(name, "rate" | "increase");
        let function = if is_for_counters { Function::CounterWindow(function) } else { Function::Window(function) };
        return Some(Signature::new(function, &[Matrix]));
    }
    Some(match name {
        "last_over_time" => Signature::new(Function::LastOverTime, &[Matrix]),
        "quantile_over_time" => Signature::new(Function::QuantileOverTime, &[Scalar, Matrix]),
        "predict_linear" => Signature::new(Function::PredictLinear, &[Matrix, Scalar]),
        "absent_over_time" => Signature::new(Function::AbsentOverTime, &[Matrix]),
        "absent" => Signature::new(Function::Absent, &[Vector]),
        "clamp" => Signature::new(Function::Clamp, &[Vector, Scalar, Scalar]),
        "clamp_min" => Signature::new(Function::ClampMin, &[Vector, Scalar]),
        "clamp_max" => Signature::new(Function::ClampMax, &[Vector, Scalar]),
        "round" => Signature { optional: 1, ..Signature::new(Function::Round, &[Vector, Scalar]) },
        "time" => Signature { returns: Scalar, ..Signature::new(Function::Time, &[]) },
        "pi" => Signature { returns: Scalar, ..Signature::new(Function::Pi, &[]) },
        "timestamp" => Signature::new(Function::Timestamp, &[Vector]),
        "vector" => Signature::new(Function::Vector, &[Scalar]),
        "scalar" => Signature { returns: Scalar, ..Signature::new(Function::Scalar, &[Vector]) },
        "sort" => Signature::new(Function::Sort { descending: false }, &[Vector]),
        "sort_desc" => Signature::new(Function::Sort { descending: true }, &[Vector]),
        "label_replace" => Signature::new(Function::LabelReplace, &[Vector, Text, Text, Text, Text]),
        "label_join" => Signature {
            optional: 1,
            is_variadic: true,
            ..Signature::new(Function::LabelJoin, &[Vector, Text, Text, Text])
        },
        "histogram_quantile" => Signature::new(Function::HistogramQuantile, &[Scalar, Vector]),
        _ => return None,
    })
}
