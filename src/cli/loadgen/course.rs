//! How a run went from its beginning to its end.

use std::time::Duration;

use serde::Serialize;

use super::{latency::Histogram, process::Usage, tally::Attempt};

/// Parts in which a run is cut.
const PARTS: u32 = 10;

/// One of ten parts of a run, equally long.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Part {
    /// End of the part, in seconds since the beginning of the run.
    pub(super) until_s: f64,
    pub(super) samples_written: u64,
    /// `None` when nothing was answered.
    pub(super) p50_s: Option<f64>,
    pub(super) p99_s: Option<f64>,
    /// Of the target, at the end of the part.
    pub(super) resident_bytes: Option<u64>,
}

/// Follows a run.
#[derive(Debug)]
pub(super) struct Course {
    duration: Duration,
    latency: Histogram,
    samples_written: u64,
    parts: Vec<Part>,
    /// Memory of the target in the second half.
    line: Line,
}

impl Course {
    /// Of a run that is to last so long.
    pub(super) fn new(duration: Duration) -> Self {
        let (latency, line) = (Histogram::default(), Line::default());
        Self { duration, latency, samples_written: 0, parts: Vec::new(), line }
    }

    /// Hears of an attempt.
    pub(super) fn add(&mut self, attempt: &Attempt) {
        if let Some(done) = &attempt.done {
            self.samples_written += attempt.answer.written;
            self.latency.record(done.latency);
        }
    }

    /// Hears now and then how old the run is, and what the target has used.
    pub(super) fn tick(&mut self, elapsed: Duration, usage: Option<Usage>) {
        if let Some(usage) = usage.filter(|_| elapsed >= self.duration / 2) {
            self.line.add(elapsed.as_secs_f64() / 3_600.0, usage.resident_bytes as f64);
        }
        let ended = self.parts.len() as u32 + 1;
        if ended <= PARTS && elapsed >= self.duration * ended / PARTS {
            let latency = std::mem::take(&mut self.latency);
            let seconds = |q| latency.quantile(q).map(|latency| latency.as_secs_f64());
            self.parts.push(Part {
                until_s: elapsed.as_secs_f64(),
                samples_written: std::mem::take(&mut self.samples_written),
                p50_s: seconds(0.5),
                p99_s: seconds(0.99),
                resident_bytes: usage.map(|usage| usage.resident_bytes),
            });
        }
    }

    /// The parts that have ended.
    pub(super) fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// By how much the target's memory grew in an hour, in bytes, as the second half of the run has it.
    pub(super) fn growth_per_hour(&self) -> Option<f64> {
        self.line.slope()
    }
}

/// The straight line with the least squares through points.
#[derive(Clone, Copy, Debug, Default)]
struct Line {
    count: f64,
    mean: (f64, f64),
    xx: f64,
    xy: f64,
}

impl Line {
    fn add(&mut self, x: f64, y: f64) {
        self.count += 1.0;
        let (dx, dy) = (x - self.mean.0, y - self.mean.1);
        self.mean = (self.mean.0 + dx / self.count, self.mean.1 + dy / self.count);
        self.xx += dx * (x - self.mean.0);
        self.xy += dx * (y - self.mean.1);
    }

    fn slope(&self) -> Option<f64> {
        (self.xx > 0.0).then(|| self.xy / self.xx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::loadgen::{
        tally::Done,
        target::{Answer, Retry},
    };

    #[test]
    fn parts_tell_of_their_time_and_the_second_half_of_growth() {
        let mut course = Course::new(Duration::from_secs(100));
        for second in 1..=101_u64 {
            let latency = Duration::from_millis(if second <= 50 { 10 } else { 20 });
            let status = "204".to_owned();
            course.add(&Attempt {
                answer: Answer { status, written: 5, retry: Retry::Never, reason: None },
                done: Some(Done { samples: 5, new_series: 0, latency }),
                bytes: 1,
            });
            // A steep beginning, then a thousand bytes a second.
            let resident_bytes = if second < 50 { second * 1_000_000 } else { 50_000_000 + second * 1_000 };
            course.tick(Duration::from_secs(second), Some(Usage { cpu_s: 0.0, resident_bytes }));
        }
        let parts = course.parts();
        assert_eq!(parts.len(), 10);
        assert_eq!((parts[0].until_s, parts[0].samples_written), (10.0, 50));
        assert!(parts[4].p99_s.unwrap() < 0.011 && parts[5].p50_s.unwrap() > 0.019);
        assert_eq!(parts[9].resident_bytes, Some(50_100_000));
        let growth = course.growth_per_hour().unwrap();
        assert!((growth - 3_600_000.0).abs() < 1.0, "{growth}");
    }

    #[test]
    fn a_run_that_was_ended_early_tells_what_there_was() {
        let mut course = Course::new(Duration::from_secs(100));
        course.tick(Duration::from_secs(12), None);
        assert_eq!(course.parts().len(), 1);
        assert_eq!((course.parts()[0].p99_s, course.growth_per_hour()), (None, None));
    }
}
