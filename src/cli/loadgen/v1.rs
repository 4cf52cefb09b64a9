//! Series of a remote write 1.0 request: every series spells its labels out.

use std::ops::Range;

use super::{
    catalogue::Line,
    encode::by_job,
    population::{Job, Population},
    wire::{SampleField, put_bytes, put_head},
};

/// Encodes labels; keeps what does not change from target to target.
#[derive(Debug)]
pub(super) struct Message {
    /// By [`Job`].
    lines: [Vec<Encoded>; 3],
    /// Encoded labels of the target at hand, and where each ends.
    target: Vec<u8>,
    ends: Vec<usize>,
    label: Vec<u8>,
}

/// The labels of a line, encoded, cut where labels of the target come in between.
#[derive(Debug)]
struct Encoded {
    bytes: Vec<u8>,
    pieces: Vec<Piece>,
}

/// A stretch of the line's own bytes, then a stretch of the target's labels.
#[derive(Debug, Default)]
struct Piece {
    own: Range<usize>,
    shared: Range<usize>,
}

impl Message {
    pub(super) fn new(population: &Population) -> Self {
        let lines = by_job(|job| {
            let encode = |line: &Line| Encoded::new(line, job.label_names());
            population.lines(job).iter().map(encode).collect()
        });
        Self { lines, target: Vec::new(), ends: Vec::new(), label: Vec::new() }
    }

    /// Appends series of one target to `out`: its `lines`, each with the value that `values` has for it.
    pub(super) fn part(
        &mut self,
        job: Job,
        lines: Range<usize>,
        shared: &[String],
        values: impl Iterator<Item = f64>,
        sample: &mut SampleField,
        out: &mut Vec<u8>,
    ) {
        self.target.clear();
        self.ends.clear();
        self.ends.push(0);
        for (name, value) in job.label_names().iter().zip(shared) {
            put_label(&mut self.target, &mut self.label, name, value);
            self.ends.push(self.target.len());
        }
        for (line, value) in self.lines[job as usize][lines].iter().zip(values) {
            put_head(out, 1, line.bytes.len() + self.target.len() + sample.len());
            for Piece { own, shared } in &line.pieces {
                out.extend_from_slice(&line.bytes[own.clone()]);
                out.extend_from_slice(&self.target[self.ends[shared.start]..self.ends[shared.end]]);
            }
            out.extend_from_slice(sample.with(value));
        }
    }
}

impl Encoded {
    fn new(line: &Line, shared: &[&str]) -> Self {
        let (mut bytes, mut label) = (Vec::new(), Vec::new());
        let mut pieces = Vec::new();
        let mut piece = Piece::default();
        for (name, value) in &line.labels {
            let before = shared.iter().filter(|shared| *shared < name).count();
            if before > piece.shared.end {
                piece.shared.end = before;
                let next = Piece { own: bytes.len()..bytes.len(), shared: before..before };
                pieces.push(std::mem::replace(&mut piece, next));
            }
            put_label(&mut bytes, &mut label, name, value);
            piece.own.end = bytes.len();
        }
        piece.shared.end = shared.len();
        pieces.push(piece);
        Self { bytes, pieces }
    }
}

fn put_label(out: &mut Vec<u8>, label: &mut Vec<u8>, name: &str, value: &str) {
    label.clear();
    put_bytes(label, 1, name.as_bytes());
    put_bytes(label, 2, value.as_bytes());
    put_bytes(out, 1, label);
}
