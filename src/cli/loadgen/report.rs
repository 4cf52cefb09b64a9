//! The figures at the end: for people as text, for scripts as JSON.

use std::{fmt::Write as _, time::Duration};

use serde::Serialize;

use super::{
    course::Part,
    run::{Load, Outcome},
    schedule::Mode,
};
use crate::ingest::remote_write::Protocol;

/// All that a run has to tell. The names of the fields end in their unit.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    url: String,
    mode: &'static str,
    /// Version of remote write.
    protocol: u8,
    connections: usize,
    samples_per_request: usize,
    interval_s: f64,
    churn_per_hour: f64,
    seed: u64,
    /// Of the population.
    series: usize,
    /// Of which at least one sample was written.
    series_written: u64,
    /// To the last answer.
    elapsed_s: f64,
    requests: u64,
    retries: u64,
    errors: u64,
    samples_written: u64,
    samples_per_s: f64,
    /// Refused or given up.
    samples_failed: u64,
    /// Due before the end and not sent: the target, or the generator, did not keep up.
    samples_overdue: u64,
    sent_bytes: u64,
    /// In an open loop since the request was due, in a closed one since it was sent.
    latency_s: Option<Latency>,
    answers: Vec<Answers>,
    /// Tenths of the run.
    course: Vec<Part>,
    target: Option<Target>,
    /// The generator's own.
    own_cpu_s: Option<f64>,
}

#[derive(Debug, Serialize)]
struct Latency {
    p50: f64,
    p90: f64,
    p99: f64,
    p999: f64,
    max: f64,
}

#[derive(Debug, Serialize)]
struct Answers {
    status: String,
    count: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

#[derive(Debug, Serialize)]
struct Target {
    pid: u32,
    /// User and system, during the run.
    cpu_s: f64,
    /// `None` when it used too little to be seen.
    samples_per_cpu_s: Option<f64>,
    resident_start_bytes: u64,
    resident_end_bytes: u64,
    /// Resident memory at the end over series written.
    resident_bytes_per_series: Option<f64>,
    /// How fast resident memory grew in the second half of the run.
    resident_growth_bytes_per_h: Option<f64>,
}

impl Report {
    pub(super) fn new(url: String, load: &Load, outcome: Outcome) -> Self {
        let Outcome { tally, course, elapsed, overdue, target, own_cpu_s } = outcome;
        let seconds = |q: f64| tally.latency.quantile(q).map(|latency| latency.as_secs_f64());
        let latency = || {
            let max = tally.latency.max()?.as_secs_f64();
            Some(Latency { p50: seconds(0.5)?, p90: seconds(0.9)?, p99: seconds(0.99)?, p999: seconds(0.999)?, max })
        };
        let latency_s = latency();
        let ratio = |part: f64, of: f64| (of > 0.0).then(|| part / of);
        Self {
            url,
            mode: match load.mode {
                Mode::Open => "open",
                Mode::Closed => "closed",
            },
            protocol: match load.protocol {
                Protocol::V1 => 1,
                Protocol::V2 => 2,
            },
            connections: load.connections,
            samples_per_request: load.samples_per_request,
            interval_s: load.interval_ms / 1e3,
            churn_per_hour: load.churn,
            seed: load.seed,
            series: load.series,
            series_written: tally.series,
            elapsed_s: elapsed.as_secs_f64(),
            requests: tally.requests,
            retries: tally.retries,
            errors: tally.errors(),
            samples_written: tally.samples_written,
            samples_per_s: tally.samples_written as f64 / elapsed.max(Duration::from_millis(1)).as_secs_f64(),
            samples_failed: tally.samples_failed,
            samples_overdue: overdue,
            sent_bytes: tally.bytes,
            latency_s,
            target: load.pid.zip(target).map(|(pid, measured)| {
                let cpu_s = measured.after.cpu_s - measured.before.cpu_s;
                let resident = measured.after.resident_bytes;
                Target {
                    pid,
                    cpu_s,
                    samples_per_cpu_s: ratio(tally.samples_written as f64, cpu_s),
                    resident_start_bytes: measured.before.resident_bytes,
                    resident_end_bytes: resident,
                    resident_bytes_per_series: ratio(resident as f64, tally.series as f64),
                    resident_growth_bytes_per_h: course.growth_per_hour(),
                }
            }),
            answers: tally
                .answers
                .into_iter()
                .map(|(status, answers)| Answers { status, count: answers.count, reason: answers.reason })
                .collect(),
            course: course.parts().to_vec(),
            own_cpu_s,
        }
    }

    /// Whether anything was written at all.
    pub(super) fn is_success(&self) -> bool {
        self.samples_written > 0
    }

    /// The figures as JSON.
    pub(super) fn json(&self) -> serde_json::Result<String> {
        serde_json::to_string_pretty(self)
    }

    /// The figures as a table.
    pub(super) fn text(&self) -> String {
        let mut rows = vec![
            ("target", self.url.clone()),
            (
                "load",
                format!(
                    "{} loop, remote write {}.0, {} connections, {} series every {} s, seed {}",
                    self.mode, self.protocol, self.connections, self.series, self.interval_s, self.seed
                ),
            ),
            (
                "written",
                format!(
                    "{} samples of {} series in {:.1} s: {:.0} samples/s",
                    self.samples_written, self.series_written, self.elapsed_s, self.samples_per_s
                ),
            ),
            ("not written", format!("{} samples refused or given up", self.samples_failed)),
        ];
        if self.samples_overdue > 0 {
            let told = "samples were due and not sent: the target, or this process, did not keep up";
            rows.push(("", format!("{} {told}", self.samples_overdue)));
        }
        let per_request = self.sent_bytes as f64 / 1e3 / (self.requests + self.retries).max(1) as f64;
        rows.push(("requests", format!("{}, {per_request:.1} kB each, {} sent again", self.requests, self.retries)));
        for Answers { status, count, reason } in &self.answers {
            let reason = reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
            rows.push(("answers", format!("{status} × {count}{reason}")));
        }
        if let Some(Latency { p50, p90, p99, p999, max }) = &self.latency_s {
            let [p50, p90, p99, p999, max] = [p50, p90, p99, p999, max].map(|seconds| seconds * 1e3);
            let since = if self.mode == "open" { "due" } else { "sent" };
            let figures = format!("p50 {p50:.1}  p90 {p90:.1}  p99 {p99:.1}  p99.9 {p999:.1}  max {max:.1}");
            rows.push(("latency", format!("{figures} ms, since the request was {since}")));
        }
        let tenths = |figure: fn(&Part) -> Option<f64>| {
            let figures =
                self.course.iter().map(|part| figure(part).map_or_else(|| "-".to_owned(), |f| format!("{f:.1}")));
            figures.collect::<Vec<_>>().join("  ")
        };
        rows.push(("p99", format!("{} ms, by tenths of the run", tenths(|part| Some(part.p99_s? * 1e3)))));
        if let Some(target) = &self.target {
            rows.extend(target.rows());
            let growth = target.resident_growth_bytes_per_h.map(|growth| format!("{:+.1} MB an hour", growth / 1e6));
            let growth = growth.unwrap_or_else(|| "unknown".to_owned());
            let resident = tenths(|part| Some(part.resident_bytes? as f64 / 1e6));
            rows.push(("", format!("{resident} MB, by tenths; growth in the second half: {growth}")));
        }
        if let Some(cpu_s) = self.own_cpu_s {
            rows.push(("generator", format!("{cpu_s:.2} CPU-seconds")));
        }
        let mut out = String::new();
        for (name, value) in rows {
            // Writing to a string does not fail.
            let _ = writeln!(out, "{name:12}  {value}");
        }
        out
    }
}

impl Target {
    fn rows(&self) -> [(&'static str, String); 2] {
        let figure = |figure: Option<f64>| figure.map_or_else(|| "-".to_owned(), |figure| format!("{figure:.0}"));
        let mb = |bytes: u64| bytes as f64 / 1e6;
        let per_cpu_s = figure(self.samples_per_cpu_s);
        let per_series = figure(self.resident_bytes_per_series);
        let (start, end) = (mb(self.resident_start_bytes), mb(self.resident_end_bytes));
        [
            ("CPU", format!("{:.2} s of process {}: {per_cpu_s} samples per CPU-second", self.cpu_s, self.pid)),
            ("memory", format!("{end:.1} MB resident, {start:.1} MB at the start: {per_series} bytes a series")),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::loadgen::{
        course::Course,
        process::Usage,
        run::Measured,
        tally::{Attempt, Done, Tally},
        target::{Answer, Retry},
    };

    fn report() -> Report {
        let mut tally = Tally::default();
        for (status, written, reason) in [("204", 2_000, None), ("204", 2_000, None), ("400", 500, Some("too old"))] {
            tally.add(Attempt {
                answer: Answer {
                    status: status.to_owned(),
                    written,
                    retry: Retry::Never,
                    reason: reason.map(str::to_owned),
                },
                done: Some(Done { samples: 2_000, new_series: 500, latency: Duration::from_millis(20) }),
                bytes: 40_000,
            });
        }
        let load = Load {
            mode: Mode::Open,
            protocol: Protocol::V2,
            series: 6_000,
            interval_ms: 15_000.0,
            duration: Duration::from_secs(5),
            connections: 4,
            samples_per_request: 2_000,
            seed: 1,
            churn: 0.0,
            retries: true,
            pid: Some(42),
        };
        let mut course = Course::new(Duration::from_secs(5));
        for (second, resident_bytes) in [(1, 1_000_000), (3, 1_000_000), (4, 2_000_000), (5, 3_000_000)] {
            course.tick(Duration::from_secs(second), Some(Usage { cpu_s: 1.0, resident_bytes }));
        }
        let outcome = Outcome {
            tally,
            course,
            elapsed: Duration::from_secs(5),
            overdue: 7,
            target: Some(Measured {
                before: Usage { cpu_s: 1.0, resident_bytes: 1_000_000 },
                after: Usage { cpu_s: 1.5, resident_bytes: 3_000_000 },
            }),
            own_cpu_s: Some(0.25),
        };
        Report::new("http://host/api/v1/write".to_owned(), &load, outcome)
    }

    #[test]
    fn the_figures_follow_from_what_was_counted() {
        let json: serde_json::Value = serde_json::from_str(&report().json().unwrap()).unwrap();
        for (field, value) in [
            ("/samples_written", 4_500.0),
            ("/samples_per_s", 900.0),
            ("/samples_failed", 1_500.0),
            ("/samples_overdue", 7.0),
            ("/series_written", 1_500.0),
            ("/errors", 1.0),
            ("/sent_bytes", 120_000.0),
            ("/latency_s/p99", 0.02),
            ("/target/cpu_s", 0.5),
            ("/target/samples_per_cpu_s", 9_000.0),
            ("/target/resident_bytes_per_series", 2_000.0),
            ("/course/1/resident_bytes", 1_000_000.0),
            ("/answers/1/count", 1.0),
        ] {
            assert_eq!(json.pointer(field).and_then(serde_json::Value::as_f64), Some(value), "{field} of {json}");
        }
    }

    #[test]
    fn the_table_says_what_went_wrong_and_what_it_cost() {
        let text = report().text();
        for part in [
            "open loop, remote write 2.0, 4 connections, 6000 series every 15 s",
            "4500 samples of 1500 series in 5.0 s: 900 samples/s",
            "7 samples were due and not sent",
            "3, 40.0 kB each, 0 sent again",
            "400 × 1: too old",
            "max 20.0 ms, since the request was due",
            "0.50 s of process 42: 9000 samples per CPU-second",
            "3.0 MB resident, 1.0 MB at the start: 2000 bytes a series",
            "1.0  1.0  2.0  3.0 MB, by tenths; growth in the second half: +3600.0 MB an hour",
        ] {
            assert!(text.contains(part), "{part:?} is not in\n{text}");
        }
    }
}
