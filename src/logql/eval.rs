//! Answers from the index.

use std::collections::HashMap;

use super::{Error, Expr, Logs, Metric, Top};
use crate::{
    ingest::logs::names::label_name,
    search::{Histogram, Hit, Order, Searcher, Windows},
    signal::{Labels, Severity, TenantId, TimestampNs},
};

/// Most times in an answer, as in Prometheus and Loki.
const MOST_POINTS: usize = 11_000;

/// What a range query asks beside the query itself.
#[derive(Clone, Copy, Debug)]
pub struct RangeRequest {
    /// First time; lines from then on.
    pub start: TimestampNs,
    /// Last time; lines before it.
    pub end: TimestampNs,
    /// From one number to the next, in ns.
    pub step: i64,
    /// Most lines.
    pub limit: usize,
    /// Which lines, if there are more.
    pub order: Order,
    /// Whether what is known of a line is told apart from the labels of its stream.
    pub is_categorized: bool,
}

impl RangeRequest {
    /// The times of the answer.
    fn windows(&self) -> Result<Windows, Error> {
        if self.step < 1 {
            return Err(Error::Refused("the step must be greater than 0".into()));
        }
        let windows = Windows { start: self.start, end: self.end, step: self.step, range: self.step };
        if windows.len() > MOST_POINTS {
            return Err(Error::Refused(format!("more than {MOST_POINTS} points per series: use a longer step")));
        }
        Ok(windows)
    }
}

/// An answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// What was found.
    pub data: Data,
    /// Whether something may be missing, because looking on would have cost too much.
    pub is_partial: bool,
}

/// What was found, in the shapes that Loki's API knows.
#[derive(Clone, Debug, PartialEq)]
pub enum Data {
    /// Lines by stream.
    Streams(Vec<Stream>),
    /// Numbers over time.
    Matrix(Vec<(Labels, Vec<(TimestampNs, f64)>)>),
    /// Numbers of one time.
    Vector(Vec<(Labels, TimestampNs, f64)>),
    /// A number.
    Scalar(TimestampNs, f64),
}

/// Lines with the same labels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stream {
    /// Those of the stream, and what is known of each line (`detected_level`, `template`, `trace_id`, attributes) unless that
    /// is told apart.
    pub labels: Labels,
    /// In the order that was asked for.
    pub lines: Vec<Line>,
}

/// A line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Event time.
    pub at: TimestampNs,
    /// The text.
    pub line: String,
    /// What is known of it, if that is told apart.
    pub known: Option<Labels>,
}

impl Expr {
    /// Answers a range query.
    ///
    /// # Errors
    /// Too many points, or a failure of the index.
    pub fn range(&self, searcher: &Searcher, tenant: &TenantId, request: &RangeRequest) -> Result<Answer, Error> {
        match self {
            Self::Logs(logs) => {
                let query = logs.query(tenant, request.start, request.end);
                let found = searcher.search(&query, request.limit, request.order)?;
                Ok(Answer {
                    data: Data::Streams(streams(found.lines, logs, request.is_categorized)),
                    is_partial: found.is_partial,
                })
            }
            Self::Metric(metric) => {
                let (series, is_partial) = metric.series(searcher, tenant, request.windows()?)?;
                Ok(Answer { data: Data::Matrix(series), is_partial })
            }
            Self::Vector(value) | Self::Scalar(value) => {
                let points = request.windows()?.ends().map(|at| (at, *value)).collect();
                Ok(Answer { data: Data::Matrix(vec![(Labels::default(), points)]), is_partial: false })
            }
        }
    }

    /// Answers an instant query.
    ///
    /// # Errors
    /// It asks for lines, or the index fails.
    pub fn instant(&self, searcher: &Searcher, tenant: &TenantId, at: TimestampNs) -> Result<Answer, Error> {
        match self {
            Self::Logs(_) => {
                Err(Error::Refused("log queries are not supported as an instant query, only as a range query".into()))
            }
            Self::Metric(metric) => {
                let windows = Windows { start: at, end: at, step: 1, range: 1 };
                let (series, is_partial) = metric.series(searcher, tenant, windows)?;
                let points = series.into_iter().flat_map(|(labels, points)| {
                    points.into_iter().map(move |(at, value)| (labels.clone(), at, value))
                });
                Ok(Answer { data: Data::Vector(points.collect()), is_partial })
            }
            Self::Vector(value) => {
                Ok(Answer { data: Data::Vector(vec![(Labels::default(), at, *value)]), is_partial: false })
            }
            Self::Scalar(value) => Ok(Answer { data: Data::Scalar(at, *value), is_partial: false }),
        }
    }
}

/// A series of an answer.
type Series = (Labels, Vec<(TimestampNs, f64)>);

impl Metric {
    /// The numbers at the ends of windows, whose range is this query's own, and whether some may be too small.
    fn series(&self, searcher: &Searcher, tenant: &TenantId, windows: Windows) -> Result<(Vec<Series>, bool), Error> {
        let windows = Windows { range: self.range, ..windows };
        let from = windows.start.saturating_sub(self.range).saturating_add(1);
        let query = self.logs.query(tenant, from, windows.end.saturating_add(1));
        let Histogram { groups, is_partial } =
            searcher.histogram(&query, &windows, &self.grouping, self.function.count)?;
        let seconds = if self.function.is_rate { self.range as f64 / 1e9 } else { 1.0 };
        let mut numbers: Vec<(Labels, Vec<u64>)> = groups.into_iter().collect();
        if let Some(top) = self.top {
            keep(&mut numbers, top, windows.len());
        }
        let series = numbers.into_iter().map(|(labels, numbers)| {
            let points = windows.ends().zip(numbers).filter(|(_, number)| *number > 0);
            (labels, points.map(|(at, number)| (at, number as f64 / seconds)).collect())
        });
        Ok((series.filter(|(_, points): &Series| !points.is_empty()).collect(), is_partial))
    }
}

/// Sets all but the largest, or the smallest, numbers of each time to 0, which stands for none. Of equal ones the first
/// are kept.
fn keep(series: &mut [(Labels, Vec<u64>)], top: Top, times: usize) {
    for time in 0..times {
        let mut order: Vec<usize> = (0..series.len()).filter(|i| series[*i].1[time] > 0).collect();
        order.sort_by_key(|i| {
            let number = series[*i].1[time];
            if top.is_bottom { number } else { u64::MAX - number }
        });
        order.iter().skip(top.k).for_each(|i| series[*i].1[time] = 0);
    }
}

/// Puts lines of the same labels together, in the order of their first lines.
fn streams(hits: Vec<Hit>, logs: &Logs, is_categorized: bool) -> Vec<Stream> {
    let mut streams: Vec<Stream> = Vec::new();
    let mut places: HashMap<Labels, usize> = HashMap::new();
    for hit in hits {
        let (labels, known) = match is_categorized {
            true => {
                let known = known(&hit, logs).filtered(|name| hit.labels.get(name).is_none());
                (without(&hit.labels, &logs.drop), Some(known))
            }
            false => (labels(&hit, logs), None),
        };
        let place = *places.entry(labels).or_insert_with_key(|labels| {
            streams.push(Stream { labels: labels.clone(), lines: Vec::new() });
            streams.len() - 1
        });
        streams[place].lines.push(Line { at: hit.at, line: hit.line, known });
    }
    streams
}

/// What Grafana shows of a line. Of the same name, what the stream says goes before what is known of the line.
fn labels(hit: &Hit, logs: &Logs) -> Labels {
    let known = known(hit, logs);
    without(&Labels::from_pairs(known.iter().chain(hit.labels.iter())), &logs.drop)
}

/// What is known of a line. Of the same name, what vigie says goes before its attributes.
fn known(hit: &Hit, logs: &Logs) -> Labels {
    let template = format!("{:016x}", hit.template);
    let attributes = hit.attributes.iter().map(|(name, value)| (label_name(name), value.as_str()));
    let known = [
        ("template", template.as_str()),
        ("trace_id", hit.trace_id.as_str()),
        ("detected_level", hit.severity.map_or("", Severity::as_str)),
    ];
    // Of one name the last counts; an empty value would take away what the attributes say.
    let known = known.into_iter().filter(|(_, value)| !value.is_empty());
    let known = known.map(|(name, value)| (name.to_owned(), value));
    without(&Labels::from_pairs(attributes.chain(known)), &logs.drop)
}

fn without(labels: &Labels, names: &[String]) -> Labels {
    labels.filtered(|name| !names.iter().any(|without| without == name))
}
