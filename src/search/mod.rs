//! The index over log lines: which lines of a tenant say what, in which stretch of time.
//!
//! Layout, below the folder that [`Writer::open`] is given:
//!
//! ```text
//! @position                           what the index holds: the journal up to here (no tenant has an `@`)
//! <tenant>/<YYYY-MM-DD>/              lines of one day, UTC
//!     00000001-00000008@4711/         a segment: never changes; made of flushes 1 to 8, all before position 4711
//!     00000009-00000009@4802/
//!     00000010.pending/               written, not yet committed
//!     00000001-00000008@4711.merging/ a merge on its way
//! ```
//!
//! A segment is a tantivy index with exactly one segment of tantivy's own. The name of its folder says all that a start
//! needs, so renames are the only steps that count, and there is one that decides: that of `@position`. Segments
//! beyond it were not committed, pending ones neither; those whose flushes another one has as well were merged into it.
//! A start removes all of these, so that a replay from the position gives each line exactly once, whichever of
//! several days a crash came between.
//!
//! What is indexed: each line's words with their case, its label set as one term (a term dictionary is then
//! the list of streams), template, severity, trace and attributes. Words have no positions: what the terms leave open (a
//! phrase, a text across words, a regular expression) is looked up in the stored text of the lines that are left.
//!
//! Synchronous; no clock and no threads of its own.

mod bits;
mod candidates;
mod catalog;
mod collect;
mod error;
mod filter;
mod histogram;
mod lookup;
mod merge;
mod need;
mod query;
mod recover;
mod retain;
mod schema;
mod searcher;
mod segment;
mod stream;
#[cfg(test)]
mod tests;
mod tokens;
mod writer;

pub use catalog::Day;
pub use error::SearchError;
pub use filter::{LineFilter, Phrase};
pub use histogram::{Count, Grouping, Histogram, Windows};
pub use merge::{Merge, Merged};
pub use query::{Order, Query};
pub use retain::{DaySize, Retention};
pub use searcher::{Hit, Hits, Searcher};
pub use writer::{Options, Writer};
