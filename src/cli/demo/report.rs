//! The table at the end: for people as text, for scripts as JSON.

use std::fmt::Write as _;

use chrono::DateTime;
use serde::Serialize;

use super::verdict::{Judged, Raised, Verdict};
use crate::{server::rfc3339, signal::TimestampMs};

/// False alarms that the text shows; the rest is counted.
const SHOWN: usize = 5;

/// What was simulated and how fast it was taken.
#[derive(Clone, Copy, Debug)]
pub(super) struct Run {
    pub(super) seed: u64,
    pub(super) start: TimestampMs,
    pub(super) end: TimestampMs,
    /// Series ever seen.
    pub(super) series: usize,
    pub(super) samples: u64,
    /// Samples that the daemon refused.
    pub(super) refused: u64,
    /// Time that it took, in seconds.
    pub(super) seconds: f64,
}

/// The table as text.
pub(super) fn text(run: &Run, verdict: &Verdict) -> String {
    let mut out = String::new();
    let days = (run.end - run.start) as f64 / 86_400_000.0;
    // Writing to a string does not fail.
    let _ = writeln!(
        out,
        "{} series over {days:.1} simulated days: {} samples in {:.1} s, {:.0} samples/s (seed {})",
        run.series,
        run.samples,
        run.seconds,
        run.samples as f64 / run.seconds,
        run.seed,
    );
    if run.refused > 0 {
        let _ = writeln!(out, "{} samples were refused", run.refused);
    }
    out.push('\n');
    let header = ["FAULT", "WHERE", "INJECTED (UTC)", "FOUND", "AFTER", "FINDINGS"].map(str::to_owned);
    let rows: Vec<[String; 6]> = std::iter::once(header).chain(verdict.faults.iter().map(row)).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
    let widths = [0, 1, 2, 3, 4, 5].map(width);
    for (i, row) in rows.iter().enumerate() {
        let cells: Vec<String> = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        let _ = writeln!(out, "{}", cells.join("  ").trim_end());
        let first = i.checked_sub(1).and_then(|fault| verdict.faults[fault].first.as_ref());
        if let Some(first) = first {
            let _ = writeln!(out, "    {}", first.sentence);
        }
    }
    let _ = writeln!(
        out,
        "\n{} of {} faults found. Findings that no fault explains: {} on the first day, {} later, which is {:.1} per week.",
        verdict.found(),
        verdict.faults.len(),
        verdict.on_first_day(),
        verdict.false_alarms.len() - verdict.on_first_day(),
        verdict.false_alarms_per_week(),
    );
    // The latest: what was raised in ignorance says little about the days to come.
    for alarm in verdict.false_alarms.iter().rev().take(SHOWN) {
        let _ = writeln!(out, "    {}  {}", clock(alarm.raised_at), alarm.sentence);
    }
    if verdict.false_alarms.len() > SHOWN {
        let _ = writeln!(out, "    and {} before", verdict.false_alarms.len() - SHOWN);
    }
    out
}

fn row(judged: &Judged) -> [String; 6] {
    let fault = &judged.incident.fault;
    [
        fault.kind.name().to_owned(),
        judged.incident.place.clone(),
        clock(fault.start),
        judged.first.as_ref().map_or_else(|| "missed".to_owned(), |first| clock(first.raised_at)),
        judged.time_to_detect().map_or_else(|| "-".to_owned(), duration),
        judged.findings.to_string(),
    ]
}

/// Month, day, hour and minute.
pub(super) fn clock(at: TimestampMs) -> String {
    DateTime::from_timestamp_millis(at).map(|time| time.format("%m-%d %H:%M").to_string()).unwrap_or_default()
}

fn duration(length: TimestampMs) -> String {
    let minutes = (length + 30_000) / 60_000;
    match (minutes / 60, minutes % 60) {
        (0, minutes) => format!("{minutes} min"),
        (hours, 0) => format!("{hours} h"),
        (hours, minutes) => format!("{hours} h {minutes} min"),
    }
}

#[derive(Debug, Serialize)]
struct Document<'a> {
    seed: u64,
    start: String,
    end: String,
    series: usize,
    samples: u64,
    samples_refused: u64,
    seconds: f64,
    faults: Vec<FaultView<'a>>,
    false_alarms: Vec<&'a Raised>,
    false_alarms_on_first_day: usize,
    /// After the first day.
    false_alarms_per_week: f64,
    url: &'a str,
}

#[derive(Debug, Serialize)]
struct FaultView<'a> {
    fault: &'static str,
    place: &'a str,
    start: String,
    end: String,
    time_to_detect_seconds: Option<f64>,
    findings: usize,
    first: Option<&'a Raised>,
}

/// The same as a JSON document.
pub(super) fn json(run: &Run, verdict: &Verdict, url: &str) -> Result<String, serde_json::Error> {
    let faults = verdict.faults.iter().map(|judged| FaultView {
        fault: judged.incident.fault.kind.name(),
        place: &judged.incident.place,
        start: rfc3339(judged.incident.fault.start),
        end: rfc3339(judged.incident.fault.end),
        time_to_detect_seconds: judged.time_to_detect().map(|length| length as f64 / 1000.0),
        findings: judged.findings,
        first: judged.first.as_ref(),
    });
    let document = Document {
        seed: run.seed,
        start: rfc3339(run.start),
        end: rfc3339(run.end),
        series: run.series,
        samples: run.samples,
        samples_refused: run.refused,
        seconds: run.seconds,
        faults: faults.collect(),
        false_alarms: verdict.false_alarms.iter().collect(),
        false_alarms_on_first_day: verdict.on_first_day(),
        false_alarms_per_week: verdict.false_alarms_per_week(),
        url,
    };
    serde_json::to_string_pretty(&document)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        cli::demo::{
            fault::{Fault, FaultKind, Incident},
            shop::calendar::{DAY, HOUR, MINUTE},
        },
        signal::{FindingScope, Labels},
    };

    const START: TimestampMs = 1_770_000_000_000;

    fn run_and_verdict() -> (Run, Verdict) {
        let fault = |kind, hour| Fault { kind, start: START + hour * HOUR, end: START + (hour + 1) * HOUR, pick: 0 };
        let incidents =
            [fault(FaultKind::Errors, 50), fault(FaultKind::Disk, 60)].map(|fault| Incident::of(fault, "cart-5d-x", 0));
        let raised = |at: TimestampMs, pod: &str, sentence: &str| Raised {
            id: at.to_string(),
            scope: FindingScope::Series,
            labels: Labels::from_pairs([("__name__", "http_requests_total"), ("pod", pod)]),
            raised_at: START + at,
            peak_score: 2.0,
            sentence: sentence.to_owned(),
        };
        let findings = vec![
            raised(50 * HOUR + 65 * MINUTE, "payment-a-b", "payments fail"),
            raised(44 * HOUR, "cart-a-b", "more carts than usual"),
        ];
        let run = Run {
            seed: 7,
            start: START,
            end: START + 3 * DAY,
            series: 2050,
            samples: 8_000_000,
            refused: 0,
            seconds: 16.0,
        };
        (run, Verdict::of(&incidents, findings, (START, START + 3 * DAY)))
    }

    #[test]
    fn the_text_is_a_table() {
        let (run, verdict) = run_and_verdict();
        let expected = "\
2050 series over 3.0 simulated days: 8000000 samples in 16.0 s, 500000 samples/s (seed 7)

FAULT         WHERE                       INJECTED (UTC)  FOUND        AFTER      FINDINGS
error burst   payment                     02-04 04:40     02-04 05:45  1 h 5 min  1
    payments fail
disk filling  node-3 /var/lib/postgresql  02-04 14:40     missed       -          0

1 of 2 faults found. Findings that no fault explains: 0 on the first day, 1 later, which is 3.5 per week.
    02-03 22:40  more carts than usual
";
        assert_eq!(text(&run, &verdict), expected);
    }

    #[test]
    fn false_alarms_beyond_a_screen_are_counted() {
        let (run, mut verdict) = run_and_verdict();
        verdict.false_alarms = vec![verdict.false_alarms[0].clone(); 13];
        assert!(text(&run, &verdict).ends_with("more carts than usual\n    and 8 before\n"));
    }

    #[test]
    fn the_json_says_the_same() {
        let (run, verdict) = run_and_verdict();
        let json: serde_json::Value = serde_json::from_str(&json(&run, &verdict, "http://x").unwrap()).unwrap();
        assert_eq!(json["faults"][0]["time_to_detect_seconds"], 3900.0);
        assert_eq!(json["faults"][0]["first"]["sentence"], "payments fail");
        assert_eq!(json["faults"][1]["first"], serde_json::Value::Null);
        assert_eq!(json["false_alarms"].as_array().unwrap().len(), 1);
        assert_eq!(json["false_alarms_per_week"], 3.5);
        assert_eq!(json["start"], "2026-02-02T02:40:00Z");
    }
}
