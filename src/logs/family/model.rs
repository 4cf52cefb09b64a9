//! The weights of the classifier, and the file they are in.
//!
//! ```text
//! "VIGIE FAMILIES\n" · format version u32 LE · xxh3-64 of the body u64 LE · body
//! ```
//!
//! The body is [`Table`] in postcard.

use hashbrown::HashMap;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use super::{Family, terms::terms};

/// Ordinary lines, and each family.
pub(super) const CLASSES: usize = Family::ALL.len() + 1;
const MAGIC: &[u8; 15] = b"VIGIE FAMILIES\n";
/// Grows with every change of what the file holds, or of what a term is.
const VERSION: u32 = 1;

/// Share of the square of an unknown term's weight in the length of a text.
const UNKNOWN: f32 = 0.3;

/// Of ordinary lines, then of each of [`Family::ALL`]; they add up to 1.
pub(super) type Probabilities = [f32; CLASSES];

/// What is in the file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Table {
    /// xxh3-64 of the corpus.
    pub(super) corpus: u64,
    /// Lines of the corpus.
    pub(super) lines: u32,
    /// Terms that are known, in order.
    pub(super) terms: Vec<String>,
    /// Lines of the corpus that have the term.
    pub(super) lines_with: Vec<u16>,
    /// A weight for each term and class, in units of the class.
    pub(super) weights: Vec<[i8; CLASSES]>,
    pub(super) units: Probabilities,
    pub(super) intercepts: Probabilities,
}

/// Ready to be asked.
#[derive(Debug)]
pub(super) struct Model {
    table: Table,
    rows: HashMap<String, u32>,
}

/// Why bytes are not read as weights.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ModelError {
    #[error("it has format {0}, this vigie reads format {VERSION}")]
    Version(u32),
    #[error("it is damaged or no file of families")]
    Damaged,
}

/// Weight of a term in a text: how often it comes there, times how rare it is in the corpus.
pub(super) fn weight(count: u32, lines_with: u32, lines: u32) -> f32 {
    let rarity = ((1 + lines) as f32 / (1 + lines_with) as f32).ln() + 1.0;
    (1.0 + (count as f32).ln()) * rarity
}

/// The terms of a text that are known, by their rows, with weights. The length of the vector is 1, to which terms that are
/// not known add something: what is mostly unknown is judged less by the rest.
pub(super) fn vector(text: &str, lines: u32, row: impl Fn(&str) -> Option<(u32, u32)>) -> Vec<(u32, f32)> {
    let mut known = Vec::new();
    let mut square = 0.0;
    for (term, count) in terms(text) {
        let found = row(&term);
        let weight = weight(count, found.map_or(0, |(_, lines_with)| lines_with), lines);
        square += weight * weight * if found.is_some() { 1.0 } else { UNKNOWN };
        known.extend(found.map(|(row, _)| (row, weight)));
    }
    known.iter_mut().for_each(|(_, weight)| *weight /= square.sqrt());
    known
}

impl Table {
    /// The bytes of the file.
    #[cfg(feature = "train")]
    pub(super) fn encode(&self) -> Result<Vec<u8>, postcard::Error> {
        let body = postcard::to_stdvec(self)?;
        Ok([MAGIC, &VERSION.to_le_bytes()[..], &xxh3_64(&body).to_le_bytes(), &body].concat())
    }
}

impl Model {
    pub(super) fn new(table: Table) -> Self {
        let rows = table.terms.iter().zip(0..).map(|(term, row)| (term.clone(), row)).collect();
        Self { table, rows }
    }

    /// Reads the bytes of a file.
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, ModelError> {
        let rest = bytes.strip_prefix(MAGIC).ok_or(ModelError::Damaged)?;
        let (version, rest) = rest.split_first_chunk::<4>().ok_or(ModelError::Damaged)?;
        let version = u32::from_le_bytes(*version);
        if version != VERSION {
            return Err(ModelError::Version(version));
        }
        let (checksum, body) = rest.split_first_chunk::<8>().ok_or(ModelError::Damaged)?;
        if xxh3_64(body) != u64::from_le_bytes(*checksum) {
            return Err(ModelError::Damaged);
        }
        let table: Table = postcard::from_bytes(body).map_err(|_| ModelError::Damaged)?;
        let is_whole = table.lines_with.len() == table.terms.len() && table.weights.len() == table.terms.len();
        if is_whole { Ok(Self::new(table)) } else { Err(ModelError::Damaged) }
    }

    pub(super) fn probabilities(&self, text: &str) -> Probabilities {
        let Table { lines, lines_with, weights, units, intercepts, .. } = &self.table;
        let row = |term: &str| self.rows.get(term).map(|row| (*row, u32::from(lines_with[*row as usize])));
        let mut sums = [0.0; CLASSES];
        for (row, weight) in vector(text, *lines, row) {
            let weights = &weights[row as usize];
            sums.iter_mut().zip(weights).for_each(|(sum, own)| *sum += weight * f32::from(*own));
        }
        let scores: Probabilities = std::array::from_fn(|class| intercepts[class] + sums[class] * units[class]);
        let highest = scores.iter().copied().fold(f32::MIN, f32::max);
        let shares = scores.map(|score| (score - highest).exp());
        let all: f32 = shares.iter().sum();
        shares.map(|share| share / all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHIPPED: &[u8] = include_bytes!("../../../models/families.model");

    #[test]
    fn the_shipped_model_is_read_and_small() {
        assert!(SHIPPED.len() <= 300 << 10, "{} bytes", SHIPPED.len());
        let model = Model::decode(SHIPPED).expect("train models/families.model anew");
        let sum: f32 = model.probabilities("connection refused").iter().sum();
        assert!((sum - 1.0).abs() < 1e-5);
        let nothing = model.probabilities("");
        assert!(nothing[0] > 0.3 && nothing[1..].iter().all(|other| *other < nothing[0]), "{nothing:?}");
    }

    #[test]
    fn it_was_trained_from_the_corpus_beside_it() {
        let model = Model::decode(SHIPPED).unwrap();
        let corpus = include_bytes!("../../../models/families.tsv");
        assert_eq!(model.table.corpus, xxh3_64(corpus), "train models/families.model anew");
    }

    #[test]
    fn no_damage_goes_unnoticed() {
        for place in (0..64).chain((64..SHIPPED.len()).step_by(997)) {
            let mut bad = SHIPPED.to_vec();
            bad[place] ^= 1;
            assert!(Model::decode(&bad).is_err(), "byte {place}");
            assert!(Model::decode(&SHIPPED[..place]).is_err(), "cut at {place}");
        }
        let mut newer = SHIPPED.to_vec();
        newer[MAGIC.len()] = 9;
        assert_eq!(Model::decode(&newer).unwrap_err(), ModelError::Version(9));
    }
}
