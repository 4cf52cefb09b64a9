//! The texts of lines, and what reading them may cost.

use std::io;

use tantivy::{
    DocId, TantivyDocument, TantivyError,
    schema::{Field, Value},
    store::StoreReader,
};

use super::{SearchError, searcher::Demand, segment::Reader};

/// How many entries of the index cost as much as the text of one line.
const ENTRIES_PER_TEXT: u64 = 16;

/// Entries that cost about a millisecond, after which it is asked whether the answer is still wanted.
const ENTRIES_PER_CHECK: u64 = 8_192;

/// Blocks of text that are kept decompressed while a segment is read.
const BLOCKS: usize = 4;

/// Why a segment is not looked at to its end.
#[derive(Debug)]
pub(super) enum Stop {
    /// The budget is spent.
    Spent,
    Failed(SearchError),
}

impl<E: Into<SearchError>> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

/// What is left to spend on a query.
#[derive(Debug)]
pub(super) struct Budget {
    entries: u64,
    /// Spent since the last check.
    unchecked: u64,
    demand: Demand,
}

impl Budget {
    pub(super) fn new(texts: u64, demand: Demand) -> Self {
        Self { entries: texts.saturating_mul(ENTRIES_PER_TEXT), unchecked: 0, demand }
    }

    pub(super) fn spend_entries(&mut self, entries: u64) -> Result<(), Stop> {
        self.entries = self.entries.checked_sub(entries).ok_or(Stop::Spent)?;
        self.unchecked = self.unchecked.saturating_add(entries);
        if self.unchecked >= ENTRIES_PER_CHECK {
            self.unchecked = 0;
            self.demand.check()?;
        }
        Ok(())
    }

    pub(super) fn spend_text(&mut self) -> Result<(), Stop> {
        self.spend_entries(ENTRIES_PER_TEXT)
    }
}

/// Reads the stored part of lines.
pub(super) struct Texts<'a> {
    reader: &'a Reader,
    store: StoreReader,
}

/// The stored part of a line.
#[derive(Debug)]
pub(super) struct Stored {
    pub(super) line: String,
    pub(super) trace_id: String,
    pub(super) attributes: Vec<(String, String)>,
}

impl<'a> Texts<'a> {
    pub(super) fn of(reader: &'a Reader) -> io::Result<Self> {
        Ok(Self { reader, store: reader.index.get_store_reader(BLOCKS)? })
    }

    pub(super) fn get(&self, doc: DocId) -> Result<Stored, SearchError> {
        let document: TantivyDocument = self.store.get(doc)?;
        let text = |field: Field| document.get_first(field).and_then(|value| value.as_str().map(str::to_owned));
        let fields = &self.reader.fields;
        let attributes = text(fields.attributes).map(|json| serde_json::from_str(&json)).transpose();
        Ok(Stored {
            line: text(fields.line).unwrap_or_default(),
            trace_id: text(fields.trace_id).unwrap_or_default(),
            attributes: attributes.map_err(TantivyError::from)?.unwrap_or_default(),
        })
    }
}
