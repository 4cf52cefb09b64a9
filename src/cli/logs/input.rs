//! Lines of files, one after the other.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use anyhow::Context as _;
use flate2::bufread::MultiGzDecoder;
use indicatif::ProgressBar;

use crate::{cli::progress, signal::LogBatch};

/// Lines between two looks at how far it is.
const EVERY: u64 = 4_096;

/// The lines of all files.
pub(super) struct Lines {
    files: std::vec::IntoIter<PathBuf>,
    current: Option<(PathBuf, Box<dyn BufRead>)>,
    /// Bytes read of the files as they lie on disk.
    read: Arc<AtomicU64>,
    bar: Option<ProgressBar>,
    count: u64,
}

/// Counts what is read through it.
struct Counted<R>(R, Arc<AtomicU64>);

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.0.read(buffer)?;
        self.1.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

impl Lines {
    /// The lines of these files, or of standard input.
    pub(super) fn open(files: &[PathBuf]) -> anyhow::Result<Self> {
        let files = if files.is_empty() { vec![PathBuf::from("-")] } else { files.to_vec() };
        let mut total = 0;
        for file in files.iter().filter(|file| !is_stdin(file)) {
            let about = std::fs::metadata(file).with_context(|| format!("{} cannot be read", file.display()))?;
            anyhow::ensure!(!about.is_dir(), "{} is a folder; name the files in it", file.display());
            total += about.len();
        }
        let bar = if files.iter().any(|file| is_stdin(file)) { None } else { progress::bar(total) };
        Ok(Self { files: files.into_iter(), current: None, read: Arc::default(), bar, count: 0 })
    }

    /// Reads the next line, without its end; false when there is none. Of a line longer than a record may be the rest is
    /// skipped.
    pub(super) fn next(&mut self, line: &mut Vec<u8>) -> anyhow::Result<bool> {
        line.clear();
        loop {
            let Some((path, reader)) = &mut self.current else {
                let Some(path) = self.files.next() else { return Ok(false) };
                let reader = open(&path, &self.read).with_context(|| format!("{} cannot be read", path.display()))?;
                self.current = Some((path, reader));
                continue;
            };
            let found = read_line(reader, line).with_context(|| format!("{} cannot be read", path.display()))?;
            if !found {
                self.current = None;
                continue;
            }
            self.count += 1;
            if self.count.is_multiple_of(EVERY)
                && let Some(bar) = &self.bar
            {
                bar.set_position(self.read.load(Ordering::Relaxed));
            }
            return Ok(true);
        }
    }

    /// Takes the bar away.
    pub(super) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn is_stdin(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// A file as text, whether it is compressed or not.
fn open(path: &Path, read: &Arc<AtomicU64>) -> io::Result<Box<dyn BufRead>> {
    let source: Box<dyn Read> = if is_stdin(path) { Box::new(io::stdin()) } else { Box::new(File::open(path)?) };
    let mut raw = BufReader::with_capacity(1 << 16, Counted(source, read.clone()));
    let is_compressed = raw.fill_buf()?.starts_with(&[0x1f, 0x8b]);
    if is_compressed {
        return Ok(Box::new(BufReader::with_capacity(1 << 16, MultiGzDecoder::new(raw))));
    }
    Ok(Box::new(raw))
}

fn read_line(reader: &mut dyn BufRead, line: &mut Vec<u8>) -> io::Result<bool> {
    let mut found = false;
    loop {
        let buffer = reader.fill_buf()?;
        if buffer.is_empty() {
            break;
        }
        found = true;
        let end = memchr::memchr(b'\n', buffer);
        let text = &buffer[..end.unwrap_or(buffer.len())];
        let room = LogBatch::LINE_BYTES.saturating_sub(line.len());
        line.extend_from_slice(&text[..text.len().min(room)]);
        let used = text.len() + usize::from(end.is_some());
        reader.consume(used);
        if end.is_some() {
            break;
        }
    }
    if line.last() == Some(&b'\r') {
        line.pop();
    }
    Ok(found)
}
