//! The one who writes the index.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Weak},
};

use tantivy::{SingleSegmentIndexWriter, TantivyError, directory::MmapDirectory, schema::Schema};

use super::{
    Day, SearchError, Searcher,
    catalog::Catalog,
    recover,
    schema::{self, Documents, Fields},
    segment::{self, Facts, Name, Segment},
};
use crate::signal::{LogRecord, TenantId, TimestampMs, TimestampNs};

/// Bytes of lines between two looks at how much memory is in use.
const LOOK_EVERY: usize = 1 << 20;

/// What each day's tables begin with, in bytes; they grow as needed.
const FIRST_TABLES: usize = 1 << 20;

/// Lines at most this many days older than their receipt, and this many newer, are kept under the day of their event
/// time; others under that of their receipt, so that nobody can have an index opened for each of many days.
const DAYS: std::ops::RangeInclusive<i64> = -2..=1;

/// What a writer may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Bytes of lines and terms in memory, over all tenants and days, about. When there are more, the largest day is
    /// written down.
    pub memory: usize,
    /// Most days, over all tenants, that are in memory at one time; each has a few files open.
    pub most_open: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { memory: 128 << 20, most_open: 64 }
    }
}

/// Writes the index. There must be no other for the same folder.
///
/// What [`commit`](Self::commit) has not been called for is seen by nobody and does not outlive the writer. After an error
/// the writer refuses everything: a new one takes up where the last commit was.
pub struct Writer {
    folder: PathBuf,
    options: Options,
    schema: Schema,
    fields: Fields,
    documents: Documents,
    open: HashMap<(TenantId, Day), Open>,
    /// Written, not committed.
    pending: Vec<Pending>,
    pub(super) catalog: Arc<Catalog>,
    /// Days that a merge is under way for, until its token is dropped.
    pub(super) merging: Vec<(TenantId, Day, Weak<()>)>,
    unlooked: usize,
    uses: u64,
    is_broken: bool,
}

/// Lines of a day in memory.
struct Open {
    lines: SingleSegmentIndexWriter,
    folder: PathBuf,
    flush: u64,
    facts: Facts,
    /// When it was used last.
    used: u64,
}

/// Lines of a day on disk.
pub(super) struct Pending {
    tenant: TenantId,
    day: Day,
    folder: PathBuf,
    flush: u64,
    facts: Facts,
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Writer").field("folder", &self.folder).field("open", &self.open.len()).finish_non_exhaustive()
    }
}

impl Writer {
    /// Opens the index in a folder, which is made when it is not there. Also returns the position up to which everything
    /// is in it, 0 when nothing was committed ever: what comes after has to be added again.
    ///
    /// # Errors
    /// The folder cannot be read or written, or the position in it is none.
    pub fn open(folder: &Path, options: Options) -> Result<(Self, u64), SearchError> {
        fs::create_dir_all(folder).map_err(SearchError::io(folder))?;
        let catalog = Arc::new(Catalog::default());
        let position = recover::committed(folder, &catalog)?;
        let (schema, fields) = schema::schema();
        let writer = Self {
            folder: folder.into(),
            options,
            schema,
            fields,
            documents: Documents::default(),
            open: HashMap::new(),
            pending: Vec::new(),
            catalog,
            merging: Vec::new(),
            unlooked: 0,
            uses: 0,
            is_broken: false,
        };
        writer.prune()?;
        Ok((writer, position))
    }

    /// Takes up again at the last commit, after an error; returns its position. Whoever searches goes on.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn reopen(&mut self) -> Result<u64, SearchError> {
        self.is_broken = true;
        self.open.clear();
        self.pending.clear();
        let position = recover::committed(&self.folder, &self.catalog)?;
        self.unlooked = 0;
        self.is_broken = false;
        Ok(position)
    }

    /// One who searches what this writer commits.
    #[must_use]
    pub fn searcher(&self) -> Searcher {
        Searcher::new(self.catalog.clone())
    }

    /// Adds a line that was received at `received_at` and has the template `template`. A line without a time has that of
    /// its receipt.
    ///
    /// # Errors
    /// The disk or the index library, or an earlier error.
    pub fn add(
        &mut self,
        tenant: &TenantId,
        received_at: TimestampMs,
        record: &LogRecord<'_>,
        template: u64,
    ) -> Result<(), SearchError> {
        self.whole(|writer| writer.add_line(tenant, received_at, record, template))
    }

    /// Makes everything that was added visible and durable, and with it that it reaches to `position`, which must be beyond
    /// that of the commit before unless nothing was added since.
    ///
    /// # Errors
    /// The disk or the index library, or an earlier error.
    pub fn commit(&mut self, position: u64) -> Result<(), SearchError> {
        self.whole(|writer| {
            writer.flush_all()?;
            let sealed = writer.seal(position)?;
            writer.write_position(position)?;
            writer.catalog.add(sealed);
            Ok(())
        })
    }

    /// Does all of something, or nothing ever again: half of it would be lost unnoticed by the next commit.
    fn whole(&mut self, act: impl FnOnce(&mut Self) -> Result<(), SearchError>) -> Result<(), SearchError> {
        if self.is_broken {
            return Err(SearchError::Broken);
        }
        let done = act(self);
        self.is_broken = done.is_err();
        done
    }

    fn add_line(
        &mut self,
        tenant: &TenantId,
        received_at: TimestampMs,
        record: &LogRecord<'_>,
        template: u64,
    ) -> Result<(), SearchError> {
        let at = record.at.unwrap_or(received_at.saturating_mul(1_000_000));
        let (own, receipt) = (Day::of_ms(at.div_euclid(1_000_000)), Day::of_ms(received_at));
        let key = (tenant.clone(), if DAYS.contains(&receipt.until(own)) { own } else { receipt });
        let document = self.documents.of(&self.fields, at, record, template);
        self.uses += 1;
        let uses = self.uses;
        let open = match self.open.get_mut(&key) {
            Some(open) => open,
            None => {
                self.make_room()?;
                let open = self.start(&key, at)?;
                self.open.entry(key).or_insert(open)
            }
        };
        open.used = uses;
        open.facts.from = open.facts.from.min(at);
        open.facts.to = open.facts.to.max(at);
        open.facts.documents += 1;
        open.lines.add_document(document)?;
        self.unlooked += record.line.len() + 256;
        if self.unlooked >= LOOK_EVERY { self.keep_within_memory() } else { Ok(()) }
    }

    /// Begins a flush of a day whose first line is at `at`.
    fn start(&self, key: &(TenantId, Day), at: TimestampNs) -> Result<Open, SearchError> {
        let (tenant, day) = key;
        let flushed = self.pending.iter().filter(|p| p.tenant == *tenant && p.day == *day).map(|p| p.flush);
        let committed = self.catalog.day(tenant, *day);
        let flush = 1 + committed.iter().map(|segment| segment.name.last).chain(flushed).max().unwrap_or(0);
        let folder = self.day_folder(tenant, *day).join(format!("{flush:08}.pending"));
        fs::create_dir_all(&folder).map_err(SearchError::io(&folder))?;
        let directory = MmapDirectory::open(&folder).map_err(TantivyError::from)?;
        let lines = schema::builder(self.schema.clone()).single_segment_index_writer(directory, FIRST_TABLES)?;
        Ok(Open { lines, folder, flush, facts: Facts { from: at, to: at, documents: 0, bytes: 0 }, used: 0 })
    }

    /// Writes down the day that was used longest ago, when there are as many as may be.
    fn make_room(&mut self) -> Result<(), SearchError> {
        if self.open.len() < self.options.most_open.max(1) {
            return Ok(());
        }
        let oldest = self.open.iter().min_by_key(|(_, open)| open.used).map(|(key, _)| key.clone());
        oldest.map_or(Ok(()), |key| self.flush(&key))
    }

    fn keep_within_memory(&mut self) -> Result<(), SearchError> {
        self.unlooked = 0;
        loop {
            let used = |open: &Open| open.lines.mem_usage();
            if self.open.values().map(used).sum::<usize>() <= self.options.memory {
                return Ok(());
            }
            let largest = self.open.iter().max_by_key(|(_, open)| used(open)).map(|(key, _)| key.clone());
            let Some(key) = largest else { return Ok(()) };
            self.flush(&key)?;
        }
    }

    /// Writes a day's lines to a folder that counts for nothing before it is committed.
    fn flush(&mut self, key: &(TenantId, Day)) -> Result<(), SearchError> {
        let Some(Open { lines, folder, flush, facts, .. }) = self.open.remove(key) else { return Ok(()) };
        lines.finalize()?;
        let facts = segment::seal(&folder, facts)?;
        let (tenant, day) = key.clone();
        self.pending.push(Pending { tenant, day, folder, flush, facts });
        Ok(())
    }

    pub(super) fn flush_all(&mut self) -> Result<(), SearchError> {
        let keys: Vec<_> = self.open.keys().cloned().collect();
        keys.iter().try_for_each(|key| self.flush(key))
    }

    /// Gives what is pending its names. It counts as soon as the position is written.
    pub(super) fn seal(&mut self, position: u64) -> Result<Vec<(TenantId, Day, Segment)>, SearchError> {
        let seal = |Pending { tenant, day, folder, flush, facts }| {
            let name = Name { first: flush, last: flush, position };
            let path = folder.with_file_name(name.to_string());
            fs::rename(&folder, &path).map_err(SearchError::io(&folder))?;
            Ok::<_, SearchError>((tenant, day, Segment::new(path, name, facts)))
        };
        let sealed: Vec<_> = self.pending.drain(..).map(seal).collect::<Result<_, SearchError>>()?;
        for (tenant, day, _) in &sealed {
            let folder = self.day_folder(tenant, *day);
            sync_up(&folder, &self.folder)?;
        }
        Ok(sealed)
    }

    /// Gives `count` of what is pending its names, as a commit that ends there does.
    #[cfg(test)]
    pub(super) fn seal_some(&mut self, position: u64, count: usize) {
        self.pending.truncate(count);
        self.seal(position).unwrap();
    }

    fn write_position(&self, position: u64) -> Result<(), SearchError> {
        let (new, path) = (self.folder.join("@position.new"), self.folder.join("@position"));
        segment::write_synced(&new, position.to_string().as_bytes())?;
        fs::rename(&new, &path).map_err(SearchError::io(&path))?;
        segment::sync_folder(&self.folder)
    }

    pub(super) fn day_folder(&self, tenant: &TenantId, day: Day) -> PathBuf {
        self.folder.join(tenant.as_str()).join(day.to_string())
    }

    /// Forgets the lines of a day that are not committed.
    pub(super) fn forget(&mut self, tenant: &TenantId, day: Day) -> Result<(), SearchError> {
        let open = self.open.remove(&(tenant.clone(), day)).map(|open| open.folder);
        let (gone, kept) =
            self.pending.drain(..).partition::<Vec<_>, _>(|pending| pending.tenant == *tenant && pending.day == day);
        self.pending = kept;
        let mut folders = open.into_iter().chain(gone.into_iter().map(|pending| pending.folder));
        folders.try_for_each(|folder| fs::remove_dir_all(&folder).map_err(SearchError::io(folder)))
    }

    /// Removes folders with nothing in them.
    pub(super) fn prune(&self) -> Result<(), SearchError> {
        for (_, _, path) in recover::days(&self.folder)? {
            // Those with something in them stay.
            let _ = fs::remove_dir(&path);
            let _ = path.parent().map(fs::remove_dir);
        }
        Ok(())
    }
}

/// Syncs a folder and those above it, up to `top`.
fn sync_up(folder: &Path, top: &Path) -> Result<(), SearchError> {
    folder.ancestors().take_while(|above| above.starts_with(top)).try_for_each(segment::sync_folder)
}
