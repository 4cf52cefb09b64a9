//! The snappy block format, bounded before anything is allocated.

use super::{DecodeError, Limits};

/// The stream identifier chunk that opens the framed format. No block starts like this: it would copy from far before
/// its own beginning.
const FRAMED_MAGIC: &[u8] = b"\xff\x06\x00\x00sNaPpY";

/// A block's densest element is a copy: three bytes become 64.
const EXPANSION_MAX: usize = 22;

/// Decompresses the body of a request.
///
/// The length that the block declares is checked against [`Limits::body_bytes`], and against what a block of this size
/// can hold at all, before memory is taken for it.
///
/// # Errors
/// [`DecodeError::BodyTooLarge`] over the limit; otherwise the body is no snappy block.
pub fn decompress(compressed: &[u8], limits: &Limits) -> Result<Vec<u8>, DecodeError> {
    if compressed.starts_with(FRAMED_MAGIC) {
        return Err(DecodeError::FramedSnappy);
    }
    let declared = match snap::raw::decompress_len(compressed) {
        Ok(declared) => declared,
        Err(snap::Error::TooBig { given, .. }) => {
            return Err(DecodeError::BodyTooLarge { bytes: given, limit: limits.body_bytes });
        }
        Err(error) => return Err(DecodeError::Snappy(error)),
    };
    if declared > limits.body_bytes {
        return Err(DecodeError::BodyTooLarge { bytes: declared as u64, limit: limits.body_bytes });
    }
    if declared > compressed.len().saturating_mul(EXPANSION_MAX) {
        return Err(DecodeError::ImpossibleLength { compressed: compressed.len(), declared });
    }
    snap::raw::Decoder::new().decompress_vec(compressed).map_err(DecodeError::Snappy)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compress(bytes: &[u8]) -> Vec<u8> {
        snap::raw::Encoder::new().compress_vec(bytes).unwrap()
    }

    #[test]
    fn blocks_come_back_whole_even_at_their_densest() {
        let limits = Limits::default();
        for body in [Vec::new(), b"a".to_vec(), vec![7; 1 << 20]] {
            assert_eq!(decompress(&compress(&body), &limits).unwrap(), body);
        }
        // One literal, then copies of 64 bytes from one byte back: the densest block there is.
        let copies = 10_000;
        let mut densest = vec![0x81, 0x88, 0x27, 0x00, b'x'];
        for _ in 0..copies {
            densest.extend_from_slice(&[0b1111_1110, 1, 0]);
        }
        assert_eq!(decompress(&densest, &limits).unwrap(), vec![b'x'; 1 + 64 * copies]);
    }

    #[test]
    fn a_bomb_is_refused_by_what_it_declares() {
        let limits = Limits::default();
        let four_gib = [0xff, 0xff, 0xff, 0xff, 0x0f, 0x00, b'x'];
        let refused = decompress(&four_gib, &limits).unwrap_err();
        assert_eq!(refused, DecodeError::BodyTooLarge { bytes: u64::from(u32::MAX), limit: 32 << 20 });
        assert!(refused.is_too_large());
        // Beyond what a block can declare at all.
        let more = [0xff, 0xff, 0xff, 0xff, 0xff, 0x0f];
        assert!(decompress(&more, &limits).is_err());
        // Within the limit, but seven bytes cannot become 31 MiB.
        let lie = [0x80, 0x80, 0xc0, 0x0f, 0x00, b'x'];
        assert_eq!(
            decompress(&lie, &limits).unwrap_err(),
            DecodeError::ImpossibleLength { compressed: 6, declared: 31 << 20 }
        );
    }

    #[test]
    fn other_formats_are_refused() {
        let limits = Limits::default();
        let mut framed = FRAMED_MAGIC.to_vec();
        framed.extend_from_slice(b"\x01\x05\x00\x00\x00\x00\x00\x00a");
        assert_eq!(decompress(&framed, &limits).unwrap_err(), DecodeError::FramedSnappy);
        for wrong in [&b""[..], b"\x80", b"plain text is no block", b"\x1f\x8b\x08\x00", b"\x28\xb5\x2f\xfd\x04\x00"] {
            assert!(decompress(wrong, &limits).is_err(), "{wrong:?}");
        }
        let whole = compress(&[b'a'; 100]);
        for cut in 0..whole.len() {
            assert!(decompress(&whole[..cut], &limits).is_err(), "{cut}");
        }
    }
}
