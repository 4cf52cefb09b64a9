//! Segments: what lines were written down together, and how they are read.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use serde::{Deserialize, Serialize};
use tantivy::{
    DocId, Index, SegmentReader,
    columnar::{ColumnValues, StrColumn},
    directory::MmapDirectory,
};

use super::{
    SearchError,
    schema::{self, Fields, column},
};
use crate::signal::TimestampNs;

/// What is known of a segment without opening it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Facts {
    /// Oldest event time.
    pub(super) from: TimestampNs,
    /// Newest event time.
    pub(super) to: TimestampNs,
    /// Lines.
    pub(super) documents: u64,
    /// On disk.
    pub(super) bytes: u64,
}

/// The name of a segment's folder: which flushes are in it, and the position they are all before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Name {
    pub(super) first: u64,
    pub(super) last: u64,
    pub(super) position: u64,
}

impl Name {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (flushes, position) = text.split_once('@')?;
        let (first, last) = flushes.split_once('-')?;
        Some(Self { first: first.parse().ok()?, last: last.parse().ok()?, position: position.parse().ok()? })
    }

    /// Whether the lines of `other` are among this one's.
    pub(super) fn replaces(&self, other: &Self) -> bool {
        self.first <= other.first && other.last <= self.last && (self.first, self.last) != (other.first, other.last)
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:08}-{:08}@{}", self.first, self.last, self.position)
    }
}

/// A segment. Once doomed, its folder goes with the last one who uses it.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) path: PathBuf,
    pub(super) name: Name,
    pub(super) facts: Facts,
    reader: Mutex<Option<Arc<Reader>>>,
    is_doomed: AtomicBool,
}

impl Segment {
    pub(super) fn new(path: PathBuf, name: Name, facts: Facts) -> Self {
        Self { path, name, facts, reader: Mutex::default(), is_doomed: AtomicBool::new(false) }
    }

    /// Reads what is known of the segment in a folder.
    pub(super) fn load(path: PathBuf, name: Name) -> Result<Self, SearchError> {
        let file = path.join("segment.json");
        let text = fs::read(&file).map_err(SearchError::io(&file))?;
        let facts = serde_json::from_slice(&text).map_err(|e| SearchError::damaged(&file, e))?;
        Ok(Self::new(path, name, facts))
    }

    /// The open segment, and whether this call opened it.
    pub(super) fn reader(&self) -> Result<(Arc<Reader>, bool), SearchError> {
        let mut slot = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(reader) = &*slot {
            return Ok((reader.clone(), false));
        }
        let reader = Arc::new(Reader::open(&self.path)?);
        *slot = Some(reader.clone());
        Ok((reader, true))
    }

    /// Lets go of what [`reader`](Self::reader) opened.
    pub(super) fn close(&self) {
        *self.reader.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    pub(super) fn doom(&self) {
        self.is_doomed.store(true, Ordering::Release);
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        if self.is_doomed.load(Ordering::Acquire)
            && let Err(error) = fs::remove_dir_all(&self.path)
        {
            tracing::warn!(path = %self.path.display(), %error, "segment of the log index could not be removed");
        }
    }
}

/// Writes down what is known of the segment in `folder`, and syncs the folder.
pub(super) fn seal(folder: &Path, mut facts: Facts) -> Result<Facts, SearchError> {
    let io = |error| SearchError::io(folder)(error);
    facts.bytes = 0;
    for entry in fs::read_dir(folder).map_err(io)? {
        facts.bytes += entry.and_then(|entry| entry.metadata()).map_err(io)?.len();
    }
    write_synced(&folder.join("segment.json"), &serde_json::to_vec(&facts).map_err(tantivy::TantivyError::from)?)?;
    sync_folder(folder)?;
    Ok(facts)
}

pub(super) fn write_synced(path: &Path, content: &[u8]) -> Result<(), SearchError> {
    let write = || {
        let mut file = fs::File::create(path)?;
        std::io::Write::write_all(&mut file, content)?;
        file.sync_all()
    };
    write().map_err(SearchError::io(path))
}

pub(super) fn sync_folder(path: &Path) -> Result<(), SearchError> {
    fs::File::open(path).and_then(|folder| folder.sync_all()).map_err(SearchError::io(path))
}

/// A segment's index in `folder`.
pub(super) fn index(folder: &Path) -> Result<Index, SearchError> {
    let directory = MmapDirectory::open(folder).map_err(tantivy::TantivyError::from)?;
    Ok(Index::open(directory)?)
}

/// An open segment.
pub(super) struct Reader {
    pub(super) fields: Fields,
    pub(super) index: SegmentReader,
    pub(super) time: Arc<dyn ColumnValues<i64>>,
    pub(super) bytes: Arc<dyn ColumnValues<u64>>,
    pub(super) template: Arc<dyn ColumnValues<u64>>,
    pub(super) severity: Arc<dyn ColumnValues<u64>>,
    /// Which stream of the dictionary of `streams` a line is of.
    pub(super) stream: Arc<dyn ColumnValues<u64>>,
    pub(super) streams: StrColumn,
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader").field("documents", &self.len()).finish_non_exhaustive()
    }
}

impl Reader {
    fn open(folder: &Path) -> Result<Self, SearchError> {
        let segments = index(folder)?.searchable_segments()?;
        let [segment] = segments.as_slice() else {
            return Err(SearchError::damaged(folder, format_args!("{} segments instead of one", segments.len())));
        };
        let (schema, fields) = schema::schema();
        if segment.schema() != schema {
            return Err(SearchError::damaged(folder, "written by another version"));
        }
        let index = SegmentReader::open(segment)?;
        let columns = index.fast_fields();
        // Every line has exactly one value in each column.
        let numbers = |name| Ok::<_, SearchError>(columns.u64(name)?.values);
        let streams = columns.str(column::STREAM)?.ok_or_else(|| SearchError::damaged(folder, "no streams"))?;
        Ok(Self {
            time: columns.i64(column::TIME)?.values,
            bytes: numbers(column::BYTES)?,
            template: numbers(column::TEMPLATE)?,
            severity: numbers(column::SEVERITY)?,
            stream: streams.ords().values.clone(),
            streams,
            fields,
            index,
        })
    }

    /// Number of lines.
    pub(super) fn len(&self) -> DocId {
        self.index.max_doc()
    }

    /// The encoded label set of a line.
    pub(super) fn stream_of(&self, doc: DocId) -> Result<String, SearchError> {
        let mut encoded = String::new();
        self.streams.ord_to_str(self.stream.get_val(doc), &mut encoded)?;
        Ok(encoded)
    }
}
