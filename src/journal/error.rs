//! What goes wrong with the journal, and what it lost.

use std::{fmt, io, path::PathBuf};

use super::{Position, record::MAX_BODY, segment};

/// Why the journal did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file system refused.
    #[error("cannot {doing} {}: {source}; {advice}", path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What it said.
        source: io::Error,
        /// What that means, and what to do next.
        advice: &'static str,
    },
    /// What was acknowledged since the last sync may not be on the disk. It is never tried again on the same files,
    /// since a second sync can succeed without them; the journal goes on in a new segment.
    #[error(
        "cannot sync {}: {source}; {} bytes of requests from position {from} on may be lost if the power fails: check the disk",
        path.display(), to.0 - from.0
    )]
    Doubtful {
        /// The folder.
        path: PathBuf,
        /// Up to here everything is durable.
        from: Position,
        /// Where the new segment begins.
        to: Position,
        /// What the file system said.
        source: io::Error,
    },
    /// A segment was written by another version of vigie.
    #[error(
        "{} has format {found}, this vigie reads format {}: start the version that wrote it, or move the file away to go on without it",
        path.display(), segment::VERSION
    )]
    Version {
        /// The segment.
        path: PathBuf,
        /// Its version.
        found: u32,
    },
    /// A record is of a kind that this vigie does not know.
    #[error(
        "{} has a record of kind {kind} at position {at}, which this vigie does not know: start the version that wrote it",
        path.display()
    )]
    Kind {
        /// The segment.
        path: PathBuf,
        /// Where.
        at: Position,
        /// Its number.
        kind: u8,
    },
    /// A body is longer than the journal takes; nothing of it was taken.
    #[error("a body of {bytes} bytes is longer than the journal takes ({MAX_BODY}): send smaller requests")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
}

/// A part of the journal that cannot be read, or could not and was cut off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The segment.
    pub path: PathBuf,
    /// The first place that cannot be read.
    pub from: Position,
    /// Where reading goes on; equal to `from` when nothing is lost.
    pub to: Position,
    /// How it shows.
    pub what: &'static str,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, from, to, what } = self;
        write!(f, "{} bytes of requests at position {from} of {} are lost: {what}", to.0 - from.0, path.display())
    }
}
