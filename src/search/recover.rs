//! What a start finds on disk, and what of it counts.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{
    Day, SearchError,
    catalog::Catalog,
    segment::{Name, Segment},
};
use crate::signal::TenantId;

/// Fills the catalog with what was committed, in the place of all that is in it. Returns the position of the last commit.
pub(super) fn committed(folder: &Path, catalog: &Catalog) -> Result<u64, SearchError> {
    let position = position(folder)?;
    let mut all = Vec::new();
    for (tenant, day, path) in days(folder)? {
        let segments = segments(&path, position)?;
        all.extend(segments.into_iter().map(|segment| (tenant.clone(), day, segment)));
    }
    catalog.reset(all);
    Ok(position)
}

/// The position that was written last; 0 when there is none.
fn position(folder: &Path) -> Result<u64, SearchError> {
    let path = folder.join("@position");
    match fs::read_to_string(&path) {
        Ok(text) => text.trim().parse().map_err(|e| SearchError::damaged(path, e)),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(0),
        Err(e) => Err(SearchError::io(path)(e)),
    }
}

/// The days that have a folder.
pub(super) fn days(folder: &Path) -> Result<Vec<(TenantId, Day, PathBuf)>, SearchError> {
    let mut days = Vec::new();
    for (name, path) in folders(folder)? {
        let Ok(tenant) = TenantId::parse(&name) else { continue };
        for (name, path) in folders(&path)? {
            days.extend(Day::parse(&name).map(|day| (tenant.clone(), day, path)));
        }
    }
    Ok(days)
}

/// The folders in a folder, with their names.
fn folders(folder: &Path) -> Result<Vec<(String, PathBuf)>, SearchError> {
    let io = |error| SearchError::io(folder)(error);
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(io)? {
        let entry = entry.map_err(io)?;
        if entry.file_type().map_err(io)?.is_dir()
            && let Ok(name) = entry.file_name().into_string()
        {
            found.push((name, entry.path()));
        }
    }
    Ok(found)
}

/// Removes from a day's folder what was not committed or has been merged; returns the rest in order. A segment that cannot
/// be read is left where it is, and out.
fn segments(folder: &Path, position: u64) -> Result<Vec<Segment>, SearchError> {
    let mut names = Vec::new();
    let mut gone = Vec::new();
    for (text, path) in folders(folder)? {
        match Name::parse(&text) {
            Some(name) if name.position <= position => names.push((name, path)),
            Some(_) => gone.push(path),
            None if text.ends_with(".pending") || text.ends_with(".merging") => gone.push(path),
            None => {}
        }
    }
    names.sort_by_key(|(name, _)| (name.first, name.last));
    let all: Vec<Name> = names.iter().map(|(name, _)| *name).collect();
    let (merged, names): (Vec<_>, Vec<_>) =
        names.into_iter().partition(|(name, _)| all.iter().any(|other| other.replaces(name)));
    for path in gone.into_iter().chain(merged.into_iter().map(|(_, path)| path)) {
        fs::remove_dir_all(&path).map_err(SearchError::io(path))?;
    }
    let load = |(name, path)| match Segment::load(path, name) {
        Ok(segment) => Some(segment),
        Err(error) => {
            tracing::warn!(%error, "segment of the log index left out");
            None
        }
    };
    Ok(names.into_iter().filter_map(load).collect())
}
