//! The family of an error, such as a timeout or a full disk, from the words of its line.
//!
//! A linear model (multinomial logistic regression) over words, pairs of words and pieces of words. What it knows is in
//! `models/families.model`; `models/README.md` says from what it was trained, and [`train`] how.

mod model;
mod terms;
#[cfg(feature = "train")]
pub mod train;

use std::{fmt, sync::LazyLock};

use serde::{Deserialize, Serialize};

use self::model::Model;
use crate::signal::Severity;

/// What kind of trouble a line is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Family {
    /// Memory could not be had, or something was killed for lack of it.
    OutOfMemory,
    /// Somebody waited for too long.
    Timeout,
    /// A connection was refused, reset or lost, or there is no way to its other end.
    Connection,
    /// A name does not resolve.
    Dns,
    /// A handshake or a certificate.
    Tls,
    /// A disk or file system is full, read-only, damaged or fails.
    Disk,
    /// Who somebody is, or what he may.
    Auth,
    /// A program ended by itself.
    Crash,
    /// A program was told wrong things, or not enough of them.
    Config,
    /// Locks, constraints, pools and schemas.
    Database,
    /// A service that is needed answers with errors or is not there.
    Dependency,
    /// A quota, a rate, open files, a full queue.
    Limit,
    /// Memory modules, processors, fans, links, sensors.
    Hardware,
}

/// Below this probability nothing is said.
const THRESHOLD: f32 = 0.7;

/// See `models/README.md`. `None` if this build cannot read it, as while its format is being changed; the tests see to it
/// that no release is like that.
static SHIPPED: LazyLock<Option<Model>> =
    LazyLock::new(|| Model::decode(include_bytes!("../../../models/families.model")).ok());

impl Family {
    /// All of them, in order.
    pub const ALL: [Self; 13] = [
        Self::OutOfMemory,
        Self::Timeout,
        Self::Connection,
        Self::Dns,
        Self::Tls,
        Self::Disk,
        Self::Auth,
        Self::Crash,
        Self::Config,
        Self::Database,
        Self::Dependency,
        Self::Limit,
        Self::Hardware,
    ];

    /// Its name, in lower case, with hyphens.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OutOfMemory => "out-of-memory",
            Self::Timeout => "timeout",
            Self::Connection => "connection",
            Self::Dns => "dns",
            Self::Tls => "tls",
            Self::Disk => "disk",
            Self::Auth => "auth",
            Self::Crash => "crash",
            Self::Config => "config",
            Self::Database => "database",
            Self::Dependency => "dependency",
            Self::Limit => "limit",
            Self::Hardware => "hardware",
        }
    }

    /// What a line of it reads like, for a sentence.
    #[must_use]
    pub fn phrase(self) -> &'static str {
        match self {
            Self::OutOfMemory => "running out of memory",
            Self::Timeout => "a timeout",
            Self::Connection => "a connection that was refused or lost",
            Self::Dns => "a name that does not resolve",
            Self::Tls => "trouble with TLS or a certificate",
            Self::Disk => "a disk or file system in trouble",
            Self::Auth => "a refused login or permission",
            Self::Crash => "a crash",
            Self::Config => "a wrong configuration",
            Self::Database => "a lock, constraint or pool of a database",
            Self::Dependency => "another service being unavailable",
            Self::Limit => "a limit that was reached",
            Self::Hardware => "failing hardware",
        }
    }

    /// The family with this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|family| family.as_str() == name)
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The family of a line or template, and how probable it is, 0 to 1. `None` for ordinary lines, and where it is not
/// clear.
#[must_use]
pub fn family(text: &str) -> Option<(Family, f32)> {
    let probabilities = SHIPPED.as_ref()?.probabilities(text);
    let (family, probability) = likeliest(&probabilities);
    (probability >= THRESHOLD).then_some((family, probability))
}

/// The family to tell of a line with this severity: none for lines that say themselves that nothing is wrong.
#[must_use]
pub fn told(severity: Option<Severity>, text: &str) -> Option<Family> {
    let is_trouble = severity.is_none_or(|severity| severity >= Severity::Warn);
    is_trouble.then(|| family(text))?.map(|(family, _)| family)
}

/// The likeliest family, ordinary lines left out.
fn likeliest(probabilities: &model::Probabilities) -> (Family, f32) {
    let of_families = Family::ALL.into_iter().zip(probabilities[1..].iter().copied());
    of_families.reduce(|best, next| if next.1 > best.1 { next } else { best }).unwrap_or((Family::Timeout, 0.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_as_programs_write_them() {
        for (line, expected) in [
            ("java.lang.OutOfMemoryError: Java heap space", Family::OutOfMemory),
            ("read tcp <*>-><*>: i/o timeout", Family::Timeout),
            ("dial tcp <*>: connect: connection refused", Family::Connection),
            ("could not resolve host: <*>", Family::Dns),
            ("x509: certificate has expired or is not yet valid", Family::Tls),
            ("write <*>: no space left on device", Family::Disk),
            ("Failed password for <*> from <*> port <*> ssh2", Family::Auth),
            ("panic: runtime error: index out of range [<*>] with length <*>", Family::Crash),
            ("unknown directive \"<*>\" in <*>", Family::Config),
            ("ERROR: deadlock detected", Family::Database),
            ("upstream returned 503 Service Unavailable", Family::Dependency),
            ("HTTP 429: too many requests, rate limit exceeded", Family::Limit),
            ("EDAC MC0: <*> uncorrectable memory error on DIMM_B2", Family::Hardware),
        ] {
            assert_eq!(family(line).map(|(family, _)| family), Some(expected), "{line}");
        }
    }

    #[test]
    fn ordinary_lines_are_of_no_family() {
        for line in [
            "",
            "<*> <*>",
            "order <*> placed",
            "user <*> logged in",
            "connection from <*> accepted",
            "retry succeeded",
            "request timeout set to <*> s",
            "0 errors in the last hour",
            "started worker <*> in <*> ms",
            "GET /items 200 12 ms",
        ] {
            assert_eq!(family(line), None, "{line}");
        }
    }

    #[test]
    fn lines_that_say_that_nothing_is_wrong_are_not_told() {
        let line = "write <*>: no space left on device";
        assert_eq!(told(Some(Severity::Info), line), None);
        assert_eq!(told(Some(Severity::Error), line), Some(Family::Disk));
        assert_eq!(told(None, line), Some(Family::Disk));
    }

    #[test]
    fn names_are_the_same_everywhere() {
        for family in Family::ALL {
            let json = serde_json::to_string(&family).unwrap();
            assert_eq!(json, format!("\"{family}\""));
            assert_eq!(Family::from_name(family.as_str()), Some(family));
        }
        assert_eq!(Family::from_name("none"), None);
    }
}
