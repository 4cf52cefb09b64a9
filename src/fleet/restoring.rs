//! A snapshot read on several threads.

use std::{
    io::{self, Read},
    thread,
};

use crossbeam_channel::bounded;

use crate::engine::{Block, Decoded, Head, Restored};

/// Blocks that may wait to be decoded, per thread.
const BLOCKS: usize = 4;

/// Reads a snapshot, decoding on so many threads.
///
/// # Errors
/// As the reader says; [`io::ErrorKind::InvalidData`] when it is no snapshot.
pub(super) fn read(reader: &mut dyn Read, threads: usize) -> io::Result<Restored> {
    let mut restored = Restored::new(Head::read(reader)?);
    thread::scope(|scope| {
        let (sender, blocks) = bounded::<Block>(BLOCKS * threads);
        let decode = |_| {
            let blocks = blocks.clone();
            let decode = move || blocks.iter().map(|block| block.decode()).collect::<io::Result<Vec<Decoded>>>();
            thread::Builder::new().name("restore".to_owned()).spawn_scoped(scope, decode)
        };
        let decoders = (0..threads).map(decode).collect::<io::Result<Vec<_>>>()?;
        drop(blocks);
        while let Some(block) = Block::read(reader)? {
            if sender.send(block).is_err() {
                // All have met something that they cannot decode, and say so.
                break;
            }
        }
        drop(sender);
        for decoder in decoders {
            let decoded = decoder.join().map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;
            decoded?.into_iter().for_each(|block| restored.take(block));
        }
        Ok(restored)
    })
}
