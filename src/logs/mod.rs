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
pub mod redact;
pub mod sessions;
mod severity;
mod sorted;
mod template;
pub mod traces;
mod words;

use xxhash_rust::xxh3::xxh3_64_with_seed;

use cache::Cache;
use mask::Masker;

pub use catalogue::{Catalogue, TemplateNumber};
pub use severity::severity;
pub use template::TemplateId;

/// What lines of any number of sources are read with; what is known of them is in their [`Catalogue`]s.
#[derive(Debug, Default)]
pub struct Reader {
    /// What a line of JSON or logfmt says.
    message: Vec<u8>,
    masker: Masker,
    cache: Cache,
}

impl Reader {
    /// The masked form of a line, and its hash for the catalogue with this seed: of JSON and logfmt the message and the keys.
    fn read(&mut self, line: &[u8], seed: u64) -> (&[u8], u64, &mut Cache) {
        let line = if front::message(line, &mut self.message) { &self.message } else { line };
        let masked = self.masker.mask(line);
        // 0 is nothing in the cache.
        (masked, xxh3_64_with_seed(masked, seed).max(1), &mut self.cache)
    }
}

/// Finds the templates of the lines of one source, line by line.
#[derive(Debug, Default)]
pub struct Parser {
    reader: Reader,
    catalogue: Catalogue,
}

impl Parser {
    /// The template of a line, see [`Catalogue::parse`].
    pub fn parse(&mut self, line: &[u8]) -> TemplateNumber {
        self.catalogue.parse(line, &mut self.reader)
    }

    /// The templates that were found.
    #[must_use]
    pub fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }
}
