//! Models in a file of their own.
//!
//! ```text
//! "VIGIE MODELS\n" · format version u32 LE · length of the body u64 LE · xxh3-64 of the body u64 LE · body
//! ```
//!
//! The body is [`ModelFile`] in postcard.

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use super::{Model, Prior};

const MAGIC: &[u8; 13] = b"VIGIE MODELS\n";
/// Grows with every change of what a file holds, the features of a row included.
const VERSION: u32 = 1;

/// What a file of models holds.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ModelFile {
    /// Version of the vigie that wrote it.
    pub vigie: String,
    /// Forests by metric.
    pub models: Vec<NamedModel>,
    /// A prior, in the file that ships.
    pub prior: Option<Prior>,
}

/// The forest of a metric.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NamedModel {
    /// The metric.
    pub family: String,
    /// Its forest.
    pub model: Model,
}

/// Why bytes are not read as models.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FileError {
    /// Written by another version of vigie.
    #[error("it has format {found}, this vigie reads format {VERSION}: export it anew with the same version")]
    Version {
        /// The file's version.
        found: u32,
    },
    /// Not what was written.
    #[error("it is damaged or no file of models: {0}")]
    Damaged(&'static str),
}

impl ModelFile {
    /// A file of this vigie.
    #[must_use]
    pub fn new(models: Vec<NamedModel>, prior: Option<Prior>) -> Self {
        Self { vigie: env!("CARGO_PKG_VERSION").to_owned(), models, prior }
    }

    /// The bytes of the file.
    ///
    /// # Errors
    /// Memory runs out.
    pub fn encode(&self) -> Result<Vec<u8>, postcard::Error> {
        let body = postcard::to_stdvec(self)?;
        let mut bytes = MAGIC.to_vec();
        bytes.extend(VERSION.to_le_bytes());
        bytes.extend((body.len() as u64).to_le_bytes());
        bytes.extend(xxh3_64(&body).to_le_bytes());
        bytes.extend(body);
        Ok(bytes)
    }

    /// Reads the bytes of a file.
    ///
    /// # Errors
    /// They are of another version, damaged, or something else.
    pub fn decode(bytes: &[u8]) -> Result<Self, FileError> {
        let cut_off = || FileError::Damaged("its header is cut off");
        let rest = bytes.strip_prefix(MAGIC).ok_or(FileError::Damaged("it does not begin as such a file does"))?;
        let (version, rest) = rest.split_first_chunk::<4>().ok_or_else(cut_off)?;
        let found = u32::from_le_bytes(*version);
        if found != VERSION {
            return Err(FileError::Version { found });
        }
        let (length, rest) = rest.split_first_chunk::<8>().ok_or_else(cut_off)?;
        let (checksum, body) = rest.split_first_chunk::<8>().ok_or_else(cut_off)?;
        if body.len() as u64 != u64::from_le_bytes(*length) {
            return Err(FileError::Damaged("its length is not the one noted"));
        }
        if xxh3_64(body) != u64::from_le_bytes(*checksum) {
            return Err(FileError::Damaged("its checksum is not the one noted"));
        }
        postcard::from_bytes(body).map_err(|_| FileError::Damaged("its contents cannot be decoded"))
    }
}

#[cfg(test)]
mod tests {
    use super::{super::tests::model, *};

    fn file() -> ModelFile {
        ModelFile::new(vec![NamedModel { family: "up".to_owned(), model: model(100, 2) }], None)
    }

    #[test]
    fn what_was_written_is_read() {
        let bytes = file().encode().unwrap();
        let read = ModelFile::decode(&bytes).unwrap();
        assert_eq!(read.models[0].family, "up");
        assert_eq!(read.models[0].model.record(), model(100, 2).record());
        assert_eq!(read.encode().unwrap(), bytes);
    }

    #[test]
    fn no_damage_goes_unnoticed() {
        let good = file().encode().unwrap();
        for place in 0..good.len() {
            let mut bad = good.clone();
            bad[place] ^= 1;
            assert!(ModelFile::decode(&bad).is_err(), "byte {place}");
            assert!(ModelFile::decode(&good[..place]).is_err(), "cut at {place}");
        }
        let mut newer = good;
        newer[MAGIC.len()] = 9;
        assert_eq!(ModelFile::decode(&newer).unwrap_err(), FileError::Version { found: 9 });
    }

    #[test]
    fn contents_that_make_no_sense_are_refused_although_the_checksum_is_right() {
        let body = [0xff; 40];
        let mut bytes = MAGIC.to_vec();
        bytes.extend(VERSION.to_le_bytes());
        bytes.extend((body.len() as u64).to_le_bytes());
        bytes.extend(xxh3_64(&body).to_le_bytes());
        bytes.extend(body);
        let error = ModelFile::decode(&bytes).unwrap_err();
        assert!(error.to_string().contains("cannot be decoded"), "{error}");
    }
}
