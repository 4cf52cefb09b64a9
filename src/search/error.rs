//! What can go wrong.

use std::{io, path::PathBuf};

/// Why the index could not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum SearchError {
    /// The disk.
    #[error("{path}: {source}", path = path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// What.
        source: io::Error,
    },
    /// The index library.
    #[error("index: {0}")]
    Index(#[from] tantivy::TantivyError),
    /// A file of the index says what it cannot say.
    #[error("{path}: {problem}", path = path.display())]
    Damaged {
        /// Where.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The writer failed before and holds lines that are lost; a new one takes up at the last committed position.
    #[error("the index writer failed earlier and has to be opened again")]
    Broken,
    /// A regular expression that does not parse or is too large.
    #[error("regular expression {pattern:?}: {problem}")]
    Regex {
        /// The expression, at most its beginning.
        pattern: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The answer is no longer wanted.
    #[error("the search was ended before it had an answer")]
    Interrupted,
    /// An answer would be larger than answers may be.
    #[error("{0}")]
    TooLarge(String),
}

impl SearchError {
    /// Says where an error of the disk happened.
    pub(super) fn io(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { path, source }
    }

    pub(super) fn damaged(path: impl Into<PathBuf>, problem: impl ToString) -> Self {
        Self::Damaged { path: path.into(), problem: problem.to_string() }
    }
}

impl From<io::Error> for SearchError {
    /// An error while reading a segment that is open.
    fn from(error: io::Error) -> Self {
        Self::Index(error.into())
    }
}
