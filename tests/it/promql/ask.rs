//! Questions and answers, whoever gives them.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value as Json;
use vigie::promql::{self, Answer, Error, Limits, Series, Source, Take, Value, format_value};
use vigie::signal::{Labels, Matcher, Sample, TimestampMs};

/// Largest relative difference of values that count as equal.
const TOLERANCE: f64 = 1e-9;

/// A query for one instant or a range.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    expression: String,
    start: i64,
    end: i64,
    /// `None` for an instant.
    step: Option<i64>,
}

impl Question {
    pub(crate) fn instant(expression: &str, at: i64) -> Self {
        Self { expression: expression.into(), start: at, end: at, step: None }
    }

    pub(crate) fn range(expression: &str, start: i64, end: i64, step: i64) -> Self {
        Self { expression: expression.into(), start, end, step: Some(step) }
    }

    /// Path and form of the request to a Prometheus API.
    pub(crate) fn request(&self) -> (&'static str, Vec<(&'static str, String)>) {
        let seconds = |ms: i64| format!("{}.{:03}", ms / 1000, ms % 1000);
        let mut form = vec![("query", self.expression.clone())];
        match self.step {
            None => form.push(("time", seconds(self.start))),
            Some(step) => {
                form.extend([("start", seconds(self.start)), ("end", seconds(self.end)), ("step", seconds(step))]);
            }
        }
        (if self.step.is_none() { "/api/v1/query" } else { "/api/v1/query_range" }, form)
    }
}

/// Someone who answers.
pub(crate) trait Ask {
    fn ask(&self, question: &Question) -> Outcome;
}

type Points = Vec<(i64, f64)>;

/// An answer, brought into one form.
#[derive(Clone, Debug)]
pub(crate) enum Outcome {
    Value {
        kind: String,
        /// In the order given.
        series: Vec<(BTreeMap<String, String>, Points)>,
        /// Warnings and infos without their positions, and without those that name no metric: of a range query
        /// Prometheus says some of them a second time, with the name forgotten.
        notes: Vec<String>,
    },
    Text(String),
    Error {
        kind: String,
        text: String,
    },
}

/// A question that was not answered as expected.
#[derive(Debug)]
pub(crate) struct Difference {
    pub(crate) question: Question,
    pub(crate) why: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Question { expression, start, end, step } = &self.question;
        write!(f, "{expression}   [{start} to {end} by {step:?}]\n    {}", self.why)
    }
}

impl Outcome {
    /// Reads an answer of a Prometheus API.
    pub(crate) fn of_answer(answer: &Json) -> Self {
        let text = |json: &Json| json.as_str().unwrap().to_owned();
        if answer["status"] != "success" {
            return Self::Error { kind: text(&answer["errorType"]), text: text(&answer["error"]) };
        }
        let data = &answer["data"];
        let (kind, result) = (text(&data["resultType"]), &data["result"]);
        let point = |pair: &Json| {
            let at = (pair[0].as_f64().unwrap() * 1000.0).round() as i64;
            (at, pair[1].as_str().unwrap().parse().unwrap())
        };
        let series = match kind.as_str() {
            "string" => return Self::Text(text(&result[1])),
            "scalar" => vec![(BTreeMap::new(), vec![point(result)])],
            _ => {
                let one = |series: &Json| {
                    let labels = serde_json::from_value(series["metric"].clone()).unwrap();
                    let points = match series.get("values") {
                        Some(values) => values.as_array().unwrap().iter().map(point).collect(),
                        None => vec![point(&series["value"])],
                    };
                    (labels, points)
                };
                result.as_array().unwrap().iter().map(one).collect()
            }
        };
        let notes = ["warnings", "infos"].iter().filter_map(|name| answer[name].as_array()).flatten();
        let notes = notes.map(|note| without_position(note.as_str().unwrap()));
        Self::Value { kind, series, notes: arranged(notes) }
    }

    /// Why two outcomes are not the same.
    pub(crate) fn differs_from(&self, theirs: &Self) -> Option<String> {
        match (self, theirs) {
            (Self::Text(ours), Self::Text(theirs)) => (ours != theirs).then(|| format!("{ours:?} is not {theirs:?}")),
            (Self::Error { kind: ours, .. }, Self::Error { kind: theirs, .. }) if ours == theirs => None,
            (
                Self::Value { kind, series, notes },
                Self::Value { kind: their_kind, series: their_series, notes: their_notes },
            ) => {
                if kind != their_kind || notes != their_notes {
                    return Some(format!("{kind} with {notes:?} is not {their_kind} with {their_notes:?}"));
                }
                differing_series(series, their_series)
            }
            _ => Some(format!("{} is not {}", self.brief(), theirs.brief())),
        }
    }

    /// Why this is not an error of a kind.
    pub(crate) fn is_not(&self, wanted: &str) -> Option<String> {
        let is_wanted = matches!(self, Self::Error { kind, .. } if kind == wanted);
        (!is_wanted).then(|| format!("expected an error of kind {wanted}, not {}", self.brief()))
    }

    /// Why this is not an error whose text says something.
    pub(crate) fn lacks(&self, wanted: &str) -> Option<String> {
        let has_it = matches!(self, Self::Error { text, .. } if text.contains(wanted));
        (!has_it).then(|| format!("expected an error with {wanted:?}, not {}", self.brief()))
    }

    fn brief(&self) -> String {
        let mut text = format!("{self:?}");
        if let Some((end, _)) = text.char_indices().nth(300) {
            text.truncate(end);
        }
        text
    }

    /// The series in order of labels, for answers whose order says nothing.
    pub(crate) fn sorted(mut self) -> Self {
        if let Self::Value { series, .. } = &mut self {
            series.sort_by(|a, b| a.0.cmp(&b.0));
        }
        self
    }
}

type OneSeries = (BTreeMap<String, String>, Points);

fn differing_series(ours: &[OneSeries], theirs: &[OneSeries]) -> Option<String> {
    let names = |series: &[OneSeries]| series.iter().map(|one| one.0.clone()).collect::<Vec<_>>();
    if names(ours) != names(theirs) {
        return Some(format!("series {:?} are not {:?}", names(ours), names(theirs)));
    }
    for ((labels, ours), (_, theirs)) in ours.iter().zip(theirs) {
        if ours.len() != theirs.len() {
            return Some(format!("{labels:?} has {} points, not {}: {ours:?} {theirs:?}", ours.len(), theirs.len()));
        }
        for (our, their) in ours.iter().zip(theirs) {
            if our.0 != their.0 || !is_close(our.1, their.1) {
                return Some(format!("{labels:?} has {our:?}, not {their:?}"));
            }
        }
    }
    None
}

fn is_close(a: f64, b: f64) -> bool {
    a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= TOLERANCE * a.abs().max(b.abs())
}

/// The note without the place in the query that Prometheus adds: `(1:5)`.
fn without_position(note: &str) -> String {
    let is_position = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit() || byte == b':');
    match note.strip_suffix(')').and_then(|rest| rest.rsplit_once(" (")) {
        Some((text, place)) if is_position(place) => text.to_owned(),
        _ => note.to_owned(),
    }
}

fn arranged(notes: impl Iterator<Item = String>) -> Vec<String> {
    let mut notes: Vec<String> = notes.filter(|note| !note.ends_with("metric name \"\"")).collect();
    notes.sort();
    if notes.iter().any(|note| note.ends_with("omitted")) {
        // Which of many are shown is left to chance.
        notes.retain(|note| note.ends_with("omitted"));
    }
    notes
}

/// Answers through a Prometheus API at this address.
#[derive(Debug)]
pub(crate) struct Api(pub(crate) String);

impl Ask for Api {
    fn ask(&self, question: &Question) -> Outcome {
        let (path, form) = question.request();
        let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
        let answer = agent.post(format!("{}{path}", self.0)).send_form(form).unwrap();
        let body = answer.into_body().read_to_string().unwrap();
        Outcome::of_answer(&serde_json::from_str(&body).unwrap())
    }
}

/// Answers with the evaluator itself, over series in memory.
#[derive(Debug)]
pub(crate) struct Evaluator {
    series: Vec<Series>,
}

impl Evaluator {
    pub(crate) fn new(mut series: Vec<Series>) -> Self {
        series.sort_by(|a, b| a.labels.cmp(&b.labels));
        Self { series }
    }
}

impl Source for Evaluator {
    fn select(
        &self,
        matchers: &[Matcher],
        from: TimestampMs,
        to: TimestampMs,
        take: &mut Take<'_>,
    ) -> Result<(), Error> {
        let is_selected = |series: &&Series| {
            matchers.iter().all(|matcher| matcher.accepts(series.labels.get(&matcher.name).unwrap_or_default()))
        };
        let cut = |series: &Series| {
            let samples: Vec<Sample> =
                series.samples.iter().copied().filter(|sample| sample.at > from && sample.at <= to).collect();
            Series { labels: series.labels.clone(), samples }
        };
        take(self.series.iter().filter(is_selected).map(cut).filter(|series| !series.samples.is_empty()).collect())
    }
}

impl Ask for Evaluator {
    fn ask(&self, question: &Question) -> Outcome {
        let Question { expression, start, end, step } = question;
        let limits = Limits::default();
        let answer = match step {
            None => promql::instant(expression, *start, self, &limits),
            Some(step) => promql::range(expression, *start, *end, *step, self, &limits),
        };
        match answer {
            Ok(answer) => outcome(answer, *start),
            Err(error) => Outcome::Error { kind: kind(&error).into(), text: error.to_string() },
        }
    }
}

fn kind(error: &Error) -> &'static str {
    match error {
        Error::Parse(_) | Error::BadParameter(_) | Error::Unsupported(_) => "bad_data",
        Error::Execution(_) | Error::TooManySamples | Error::TooManySeries => "execution",
        Error::Timeout => "timeout",
        Error::Canceled => "canceled",
        Error::Source(_) | Error::NoMemory => "internal",
    }
}

fn outcome(answer: Answer, at: i64) -> Outcome {
    // Through the text form, which so is compared too.
    let number = |value: f64| format_value(value).parse::<f64>().unwrap();
    let names = |labels: &Labels| labels.iter().map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
    let (kind, series) = match answer.value {
        Value::String(text) => return Outcome::Text(text),
        Value::Scalar(value) => ("scalar", vec![(BTreeMap::new(), vec![(at, number(value))])]),
        Value::Vector(elements) => {
            let one = |(labels, value): &(Labels, f64)| (names(labels), vec![(at, number(*value))]);
            ("vector", elements.iter().map(one).collect())
        }
        Value::Matrix(series) => {
            let points = |samples: &[Sample]| samples.iter().map(|s| (s.at, number(s.value))).collect();
            ("matrix", series.iter().map(|(labels, samples)| (names(labels), points(samples))).collect())
        }
    };
    let notes = answer.warnings.into_iter().chain(answer.infos);
    Outcome::Value { kind: kind.into(), series, notes: arranged(notes) }
}
