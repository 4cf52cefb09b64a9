//! Templates that were never seen before: which of them are worth a finding.
//!
//! A source is learnt for some hours first. After that a new template is told of if the source has few of them, or if it is
//! an error and there are not very many: a service whose messages never repeat says nothing by one more.

use serde::{Deserialize, Serialize};

use crate::{
    logs::TemplateNumber,
    signal::{Severity, TimestampMs},
};

/// How long a source is learnt before anything counts as new, in ms, and of how many lines.
pub(super) const LEARNING_MS: i64 = 6 * 3_600_000;
const LEARNING_LINES: u64 = 500;
/// Time in which the memory of what was new fades to a third, in ms: three days.
const FADING_MS: f64 = 3.0 * 86_400_000.0;
/// New templates in that time up to which another one is remarkable, and up to which one of an error is.
const FEW: f64 = 3.0;
const FEW_ERRORS: f64 = 30.0;

/// What was new in a source.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Novelty {
    born: TimestampMs,
    /// Templates that came after the learning.
    many: Budget,
    /// Those that came since they were last asked for.
    fresh: Vec<TemplateNumber>,
}

impl Novelty {
    pub(super) fn new(born: TimestampMs) -> Self {
        Self { born, many: Budget::default(), fresh: Vec::new() }
    }

    /// A template was seen for the first time.
    pub(super) fn note(&mut self, template: TemplateNumber) {
        self.fresh.push(template);
    }

    /// Takes those that are new as of a minute that is over.
    pub(super) fn take(&mut self, is_over: impl Fn(&TemplateNumber) -> bool) -> Vec<TemplateNumber> {
        let (over, fresh) = std::mem::take(&mut self.fresh).into_iter().partition(is_over);
        self.fresh = fresh;
        over
    }

    /// Whether a template, new by `at`, is remarkable in a source that has had so many lines. To be asked once for each.
    pub(super) fn is_remarkable(&mut self, at: TimestampMs, lines: u64, severity: Option<Severity>) -> bool {
        if at - self.born < LEARNING_MS || lines < LEARNING_LINES {
            return false;
        }
        let few = if severity.is_some_and(|severity| severity >= Severity::Error) { FEW_ERRORS } else { FEW };
        self.many.count(at) < few
    }
}

/// How many there were lately, fading: the next one is remarkable while there are few.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Budget {
    many: f64,
    at: TimestampMs,
}

impl Budget {
    /// Whether one more at this time is remarkable. To be asked once for each.
    pub(super) fn spend(&mut self, at: TimestampMs) -> bool {
        self.count(at) < FEW
    }

    /// Counts one; how many there were before.
    fn count(&mut self, at: TimestampMs) -> f64 {
        let passed = at.saturating_sub(self.at).max(0) as f64;
        self.at = self.at.max(at);
        let before = self.many * (-passed / FADING_MS).exp();
        self.many = before + 1.0;
        before
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_new_every_hour_is_not_remarkable() {
        let hour = 3_600_000;
        let mut novelty = Novelty::new(0);
        assert!(!novelty.is_remarkable(hour, 100_000, Some(Severity::Fatal)), "it is being learnt");
        assert!(!novelty.is_remarkable(24 * hour, 100, None), "too few lines");
        let told = (24..240).filter(|at| novelty.is_remarkable(at * hour, 100_000, None)).count();
        assert_eq!(told, 4);
        assert!(novelty.is_remarkable(241 * hour, 100_000, Some(Severity::Error)) == (novelty.many.many < FEW_ERRORS));
        assert!(novelty.is_remarkable(24 * 40 * hour, 100_000, None), "after weeks without");
    }
}
