//! Logs: from lines to templates.
//!
//! Line → masked tokens → leaf (exact masked line; a cache) → template (a set of leaves). What a line costs is the masker
//! and one look into the cache; only lines that were not seen lately are grouped.

mod cache;
mod catalogue;
pub mod family;
mod front;
mod mask;
pub mod minutes;
pub mod parameters;
mod patterns;
mod pieces;
pub mod redact;
pub mod session_id;
pub mod sessions;
mod severity;
pub(crate) mod sorted;
mod template;
pub mod topics;
pub mod traces;
mod words;

use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_64_with_seed;

use cache::Cache;
use mask::Masker;
use parameters::Parameters;

pub use catalogue::{Catalogue, TemplateNumber};
pub use patterns::{Pattern, PatternError};
pub use severity::severity;
pub use template::TemplateId;

/// What lines of any number of sources are read with; what is known of them is in their [`Catalogue`]s.
#[derive(Debug, Default)]
pub struct Reader {
    /// What a line of JSON or logfmt says; else empty.
    message: Vec<u8>,
    masker: Masker,
    cache: Cache,
    patterns: Arc<[Pattern]>,
}

impl Reader {
    /// One that knows these forms of lines; they win over those that are found.
    #[must_use]
    pub fn new(patterns: Arc<[Pattern]>) -> Self {
        Self { patterns, ..Self::default() }
    }

    /// The masked form of a line, and its hash for the catalogue with this seed: of JSON and logfmt the message and the keys.
    fn read(&mut self, line: &[u8], seed: u64) -> (Masked<'_>, u64, &mut Cache) {
        if !front::message(line, &mut self.message) {
            self.message.clear();
        }
        let said = if self.message.is_empty() { line } else { &self.message };
        let masked = self.masker.mask(said);
        // 0 is nothing in the cache.
        let hash = xxh3_64_with_seed(masked, seed).max(1);
        (Masked { text: masked, patterns: &self.patterns }, hash, &mut self.cache)
    }

    /// What the line that was read last says, given that line: its template was found by that.
    fn said<'a>(&'a self, line: &'a str) -> &'a str {
        if self.message.is_empty() { line } else { std::str::from_utf8(&self.message).unwrap_or_default() }
    }
}

/// A masked line that may have to be grouped.
struct Masked<'a> {
    text: &'a [u8],
    patterns: &'a [Pattern],
}

/// Finds the templates of the lines of one source, line by line.
#[derive(Debug, Default)]
pub struct Parser {
    reader: Reader,
    catalogue: Catalogue,
}

impl Parser {
    /// One that knows these forms of lines, see [`Reader::new`].
    #[must_use]
    pub fn new(patterns: Arc<[Pattern]>) -> Self {
        Self { reader: Reader::new(patterns), catalogue: Catalogue::default() }
    }

    /// The template of a line, see [`Catalogue::parse`].
    pub fn parse(&mut self, line: &[u8]) -> TemplateNumber {
        self.catalogue.parse(line, &mut self.reader)
    }

    /// Notes the parameters of the line that was parsed last.
    pub fn look(&self, line: &str, number: TemplateNumber, parameters: &mut Parameters) {
        self.catalogue.look((line, 0), number, &self.reader, parameters);
    }

    /// The templates that were found.
    #[must_use]
    pub fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }
}
