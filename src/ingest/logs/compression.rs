//! What the headers of a request say of its body.

use std::{borrow::Cow, io::Read};

use flate2::read::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};

use super::{LogError, LogLimits};
use crate::ingest::remote_write::{self, DecodeError};

/// The media type in a `Content-Type`, without its parameters; empty where there is none.
pub(super) fn media_type(content_type: Option<&str>) -> &str {
    let content_type = content_type.unwrap_or_default();
    content_type.split_once(';').map_or(content_type, |(kind, _)| kind).trim()
}

/// Decompresses the body of a request as its `Content-Encoding` says: `gzip`, `deflate` (with zlib's header as the
/// standard has it, or without as many have it), `snappy` (a block), or none.
///
/// Memory is taken for what comes out, not for what a header declares, and never for more than twice
/// [`LogLimits::body_bytes`].
///
/// # Errors
/// [`LogError::BodyTooLarge`] over the limit, [`LogError::Unsupported`] for another encoding, [`LogError::Malformed`] for
/// a body that is not in its encoding.
pub fn decompress<'a>(
    content_encoding: Option<&str>,
    body: &'a [u8],
    limits: &LogLimits,
) -> Result<Cow<'a, [u8]>, LogError> {
    let limit = limits.body_bytes;
    match content_encoding.unwrap_or_default().trim().to_ascii_lowercase().as_str() {
        "" | "identity" if body.len() > limit => Err(LogError::BodyTooLarge { limit }),
        "" | "identity" => Ok(Cow::Borrowed(body)),
        "gzip" | "x-gzip" => inflate(MultiGzDecoder::new(body), limit),
        "deflate" if has_zlib_header(body) => inflate(ZlibDecoder::new(body), limit),
        "deflate" => inflate(DeflateDecoder::new(body), limit),
        "snappy" => unsnap(body, limit),
        other => {
            let shown: String = other.chars().take(100).collect();
            let what = format!("content encoding {shown:?} is not supported; send gzip, deflate, snappy or none");
            Err(LogError::Unsupported(what))
        }
    }
}

fn inflate(decoder: impl Read, limit: usize) -> Result<Cow<'static, [u8]>, LogError> {
    let mut whole = Vec::new();
    let outcome = decoder.take((limit as u64).saturating_add(1)).read_to_end(&mut whole);
    if whole.len() > limit {
        return Err(LogError::BodyTooLarge { limit });
    }
    outcome.map_err(|error| LogError::Malformed { what: format!("bad compression: {error}"), at: whole.len() })?;
    Ok(Cow::Owned(whole))
}

/// Whether a body begins with zlib's header (RFC 1950, section 2.2). Bare deflate does not: it would be a stored block
/// with bits set where there is padding.
fn has_zlib_header(body: &[u8]) -> bool {
    body.first_chunk().is_some_and(|head| head[0] & 0x0f == 8 && u16::from_be_bytes(*head).is_multiple_of(31))
}

fn unsnap(body: &[u8], limit: usize) -> Result<Cow<'static, [u8]>, LogError> {
    let limits = remote_write::Limits { body_bytes: limit, ..remote_write::Limits::default() };
    remote_write::decompress(body, &limits).map(Cow::Owned).map_err(|error| match error {
        DecodeError::BodyTooLarge { .. } => LogError::BodyTooLarge { limit },
        DecodeError::FramedSnappy => {
            LogError::Malformed { what: "body is in snappy's framed format and not a snappy block".to_owned(), at: 0 }
        }
        other => LogError::Malformed { what: other.to_string(), at: 0 },
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{
        Compression,
        write::{DeflateEncoder, GzEncoder, ZlibEncoder},
    };

    use super::*;

    const ENCODINGS: [&str; 4] = ["gzip", "deflate", "Deflate", " snappy"];

    /// `body` in the `nth` of [`ENCODINGS`], the first `deflate` with and the second without zlib's header.
    fn compressed(nth: usize, body: &[u8]) -> Vec<u8> {
        let level = Compression::default();
        match nth {
            0 => {
                let mut encoder = GzEncoder::new(Vec::new(), level);
                encoder.write_all(body).unwrap();
                encoder.finish().unwrap()
            }
            1 => {
                let mut encoder = ZlibEncoder::new(Vec::new(), level);
                encoder.write_all(body).unwrap();
                encoder.finish().unwrap()
            }
            2 => {
                let mut encoder = DeflateEncoder::new(Vec::new(), level);
                encoder.write_all(body).unwrap();
                encoder.finish().unwrap()
            }
            _ => snap::raw::Encoder::new().compress_vec(body).unwrap(),
        }
    }

    fn limit(body_bytes: usize) -> LogLimits {
        LogLimits { body_bytes, ..LogLimits::default() }
    }

    #[test]
    fn bodies_come_back_whole_up_to_the_limit() {
        let bodies =
            [Vec::new(), b"a".to_vec(), vec![b'x'; 100_000], (0..60_000_u32).map(|i| (i * i / 7) as u8).collect()];
        for body in bodies {
            let fits = limit(body.len());
            for (nth, encoding) in ENCODINGS.into_iter().enumerate() {
                let compressed = compressed(nth, &body);
                assert_eq!(decompress(Some(encoding), &compressed, &fits).unwrap(), body, "{encoding}");
            }
            for encoding in [None, Some(""), Some("Identity")] {
                assert_eq!(decompress(encoding, &body, &fits).unwrap(), body);
            }
        }
    }

    #[test]
    fn a_bomb_stops_at_the_limit() {
        let body = vec![0; 10 << 20];
        for (nth, encoding) in ENCODINGS.into_iter().enumerate() {
            let compressed = compressed(nth, &body);
            let refused = decompress(Some(encoding), &compressed, &limit(body.len() - 1)).unwrap_err();
            assert_eq!(refused, LogError::BodyTooLarge { limit: body.len() - 1 }, "{encoding}");
            assert!(refused.is_too_large());
        }
        assert!(decompress(None, &body, &limit(body.len() - 1)).unwrap_err().is_too_large());
    }

    #[test]
    fn members_of_gzip_are_one_body() {
        let both = [compressed(0, b"one, "), compressed(0, b"two")].concat();
        assert_eq!(*decompress(Some("gzip"), &both, &limit(100)).unwrap(), *b"one, two");
        assert!(decompress(Some("gzip"), &both, &limit(7)).unwrap_err().is_too_large());
    }

    #[test]
    fn a_body_cut_anywhere_is_refused() {
        let body: Vec<u8> = (0..1000_u32).map(|i| (i * i / 7) as u8).collect();
        for (nth, encoding) in ENCODINGS.into_iter().enumerate() {
            let whole = compressed(nth, &body);
            for cut in 0..whole.len() {
                let refused = decompress(Some(encoding), &whole[..cut], &limit(1 << 20));
                assert!(matches!(refused, Err(LogError::Malformed { .. })), "{encoding} cut at {cut}: {refused:?}");
            }
        }
    }

    #[test]
    fn what_is_not_in_its_encoding_is_refused() {
        for encoding in ENCODINGS {
            let refused = decompress(Some(encoding), b"\xffplain text", &limit(1 << 20)).unwrap_err();
            assert!(matches!(refused, LogError::Malformed { .. }), "{encoding}: {refused}");
        }
        let framed = decompress(Some("snappy"), b"\xff\x06\x00\x00sNaPpY", &limit(100)).unwrap_err();
        assert_eq!(framed.to_string(), "body is in snappy's framed format and not a snappy block at byte 0");
        let unknown = decompress(Some("zstd"), b"", &limit(100)).unwrap_err();
        let told = "content encoding \"zstd\" is not supported; send gzip, deflate, snappy or none";
        assert_eq!(unknown, LogError::Unsupported(told.to_owned()));
    }

    #[test]
    fn parameters_are_no_part_of_the_media_type() {
        assert_eq!(media_type(None), "");
        assert_eq!(media_type(Some(" application/json ; charset=utf-8")), "application/json");
    }
}
