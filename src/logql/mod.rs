//! LogQL, as much of it as Grafana needs to show logs and their volume: the language of Loki's query API, answered from
//! the index over log lines.
//!
//! ```text
//! query    = logs | metric | constant
//! logs     = "{" [ matcher { "," matcher } ] "}" { stage }
//! stage    = ( "|=" | "!=" | "|~" | "!~" ) text
//!          | "|" name ( "=" | "!=" | "=~" | "!~" ) text { ( "," | "and" ) ... }
//!          | "|" "drop" name { "," name }
//! metric   = function "(" logs "[" duration "]" ")"
//!          | "sum" [ grouping ] "(" metric ")" [ grouping ]
//!          | ( "topk" | "bottomk" ) "(" number "," metric ")"
//! function = "count_over_time" | "rate" | "bytes_over_time" | "bytes_rate"
//! grouping = ( "by" | "without" ) "(" [ name { "," name } ] ")"
//! constant = ( number | "vector" "(" number ")" ) { "+" constant }
//! ```
//!
//! After a pipe, `severity` and `detected_level` are the severity of the line, `template` is its template (16 hexadecimal
//! digits) and `trace_id` its trace; other names are attributes of the line and labels of its stream. What is
//! not known is refused by name, never answered with a guess.

mod eval;
mod expr;
mod lex;
mod parse;
pub mod response;
#[cfg(test)]
mod tests;

pub use eval::{Answer, Data, Line, RangeRequest, Stream};
pub use expr::{Expr, Function, Logs, Metric, Top};
pub use parse::parse;

use crate::search::SearchError;

/// Why a query has no answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It is no query, or one of a kind that is not supported.
    #[error("parse error at character {at}: {problem}")]
    Parse {
        /// What is wrong.
        problem: String,
        /// Where, counted from 1.
        at: usize,
    },
    /// It cannot be answered in this way.
    #[error("{0}")]
    Refused(String),
    /// The index.
    #[error(transparent)]
    Search(#[from] SearchError),
}

impl Error {
    /// Whether asking otherwise would help: the fault is in the question.
    #[must_use]
    pub fn is_of_the_query(&self) -> bool {
        match self {
            Self::Parse { .. } | Self::Refused(_) => true,
            Self::Search(error) => matches!(error, SearchError::Regex { .. } | SearchError::TooLarge(_)),
        }
    }
}
