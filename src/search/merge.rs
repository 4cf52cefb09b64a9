//! Few large segments instead of many small ones.

use std::{fs, ops::Range, path::PathBuf, sync::Arc};

use tantivy::{TantivyError, directory::MmapDirectory, indexer::merge_indices};

use super::{
    Day, SearchError, Writer,
    segment::{self, Facts, Name, Segment},
};
use crate::signal::TenantId;

/// How many neighbours are merged at a time.
const FAN: usize = 8;

/// Most lines of a segment that a merge makes: one takes seconds, not minutes.
const MOST: u64 = 4_000_000;

/// Segments that are to become one. Independent of the writer: it may run on another thread.
#[derive(Debug)]
pub struct Merge {
    tenant: TenantId,
    day: Day,
    /// Where the day is.
    folder: PathBuf,
    inputs: Vec<Arc<Segment>>,
    token: Arc<()>,
}

/// A segment that was merged, not yet in use.
#[derive(Debug)]
pub struct Merged {
    tenant: TenantId,
    day: Day,
    inputs: Vec<Arc<Segment>>,
    output: Segment,
    /// Keeps the day from being merged twice.
    _token: Arc<()>,
}

impl Writer {
    /// A merge that is due, on a day without one under way. An owner asks after every commit or so, until there is none.
    pub fn due_merge(&mut self) -> Option<Merge> {
        self.merging.retain(|(_, _, token)| token.strong_count() > 0);
        let due = self.catalog.days(|tenant, day, segments| {
            let is_busy = self.merging.iter().any(|(t, d, _)| t == tenant && *d == day);
            let documents: Vec<u64> = segments.iter().map(|segment| segment.facts.documents).collect();
            let range = plan(&documents).filter(|_| !is_busy)?;
            Some((tenant.clone(), day, segments[range].to_vec()))
        });
        let (tenant, day, inputs) = due.into_iter().flatten().next()?;
        let token = Arc::new(());
        self.merging.push((tenant.clone(), day, Arc::downgrade(&token)));
        Some(Merge { folder: self.day_folder(&tenant, day), tenant, day, inputs, token })
    }

    /// Takes a merged segment into use; those it was made of are removed when nobody searches them any more.
    pub fn install(&mut self, merged: Merged) {
        self.catalog.replace(&merged.tenant, merged.day, &merged.inputs, merged.output);
    }
}

impl Merge {
    /// Writes the merged segment.
    ///
    /// # Errors
    /// The disk or the index library; everything is as it was then.
    pub fn run(self) -> Result<Merged, SearchError> {
        let Self { tenant, day, folder, inputs, token } = self;
        let of = |pick: fn(&Segment) -> u64| inputs.iter().map(move |segment| pick(segment));
        let name = Name {
            first: of(|segment| segment.name.first).min().unwrap_or(0),
            last: of(|segment| segment.name.last).max().unwrap_or(0),
            position: of(|segment| segment.name.position).max().unwrap_or(0),
        };
        let facts = Facts {
            from: inputs.iter().map(|segment| segment.facts.from).min().unwrap_or(0),
            to: inputs.iter().map(|segment| segment.facts.to).max().unwrap_or(0),
            documents: of(|segment| segment.facts.documents).sum(),
            bytes: 0,
        };
        let (path, new) = (folder.join(name.to_string()), folder.join(format!("{name}.merging")));
        let write = || {
            if new.exists() {
                fs::remove_dir_all(&new).map_err(SearchError::io(&new))?;
            }
            fs::create_dir_all(&new).map_err(SearchError::io(&new))?;
            let indices = inputs.iter().map(|input| segment::index(&input.path)).collect::<Result<Vec<_>, _>>()?;
            merge_indices(&indices, MmapDirectory::open(&new).map_err(TantivyError::from)?)?;
            let facts = segment::seal(&new, facts)?;
            fs::rename(&new, &path).map_err(SearchError::io(&new))?;
            segment::sync_folder(&folder)?;
            Ok::<_, SearchError>(facts)
        };
        match write() {
            Ok(facts) => Ok(Merged { tenant, day, inputs, output: Segment::new(path, name, facts), _token: token }),
            Err(error) => {
                let _ = fs::remove_dir_all(&new);
                Err(error)
            }
        }
    }
}

/// Which of a day's segments, by their numbers of lines, to merge: those neighbours that are the smallest, unless one of
/// them is most of it already.
fn plan(documents: &[u64]) -> Option<Range<usize>> {
    let windows = documents.windows(FAN).enumerate().filter_map(|(first, window)| {
        let (sum, largest) = (window.iter().sum::<u64>(), *window.iter().max()?);
        (sum <= MOST && sum >= 2 * largest).then_some((largest, first))
    });
    windows.min().map(|(_, first)| first..first + FAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_neighbours_are_merged() {
        assert_eq!(plan(&[1; 7]), None);
        assert_eq!(plan(&[5; 9]), Some(0..8));
        assert_eq!(plan(&[900, 1, 1, 1, 1, 1, 1, 1]), None, "one is most of it");
        assert_eq!(plan(&[900, 1, 1, 1, 1, 1, 1, 1, 1]), Some(1..9));
        assert_eq!(plan(&[MOST / 4; 20]), None, "too large");
    }

    #[test]
    fn a_day_has_few_segments_whatever_it_is_fed_with() {
        let mut segments: Vec<u64> = Vec::new();
        let mut written = 0;
        for flush in 0..10_000_u64 {
            segments.push(1 + flush * 7919 % 5_000);
            while let Some(range) = plan(&segments) {
                let sum = segments[range.clone()].iter().sum();
                written += sum;
                segments.splice(range, [sum]);
            }
            assert!(segments.len() < 64, "{}", segments.len());
        }
        let lines: u64 = segments.iter().sum();
        assert!(written < 8 * lines, "each line is written {} times", written / lines);
    }
}
