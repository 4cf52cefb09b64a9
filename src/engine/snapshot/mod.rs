//! The whole state as a stream of blocks that can be written down while the engine goes on, and put back on any number of
//! shards.
//!
//! ```text
//! snapshot := head block*             head := the trainer and the router
//! each of them := length u32 LE · bytes in postcard
//! block := shard, tenant, kind, and by kind:
//!          forest      tenant, metric, and what its forest grows from; of the trainer
//!          tenant      what is known of the tenant as a whole, open findings with their subjects' slots
//!          texts       place of the first, and strings of labels in the order of their symbols
//!          series      (slot, slot of its workload, symbols of its labels, state)*
//!          workloads   (slot, key, slots of its members, state)*
//!          reservoirs  (slot, symbol of the metric, rows)*
//!          sources     (slot, source of log lines)*
//!          chunks      the chunk files that the shard needs; of no tenant
//! ```
//!
//! A block can be decoded without the others. Slots and symbols mean what they meant in that shard and tenant when the
//! snapshot was begun; they are resolved when all blocks are there. Blocks come in any order, and the order makes no
//! difference to what is restored.

mod block;
mod restored;
mod saving;

use std::io::{self, Read, Write};

use serde::{Deserialize, Serialize};

use self::block::{Header, Kind};
pub(super) use self::saving::Saving;
pub use self::{
    block::{Block, Decoded},
    restored::{Restored, Share},
};
use super::{
    Router, Trainer,
    families::{Reservoir, TrainerState},
};

/// What belongs to no shard.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Head {
    pub(super) trainer: TrainerState,
    router: Option<Router>,
}

impl Head {
    /// Of these, as they are now; cheap, since what is large is shared.
    #[must_use]
    pub fn of(trainer: &Trainer, router: &Router) -> Self {
        Self { trainer: trainer.save(), router: Some(router.clone()) }
    }

    /// Writes the beginning of a snapshot.
    ///
    /// # Errors
    /// As the writer says.
    pub fn write(&self, writer: &mut dyn Write) -> io::Result<()> {
        Block::from(postcard::to_stdvec(self).map_err(io::Error::other)?).write(writer)?;
        let header = Header { shard: 0, tenant: 0, kind: Kind::Forest };
        let mut forests = self.trainer.forests.iter();
        forests.try_for_each(|forest| Block::of(header, forest).map_err(io::Error::other)?.write(writer))
    }

    /// Reads the beginning of a snapshot; [`Block::read`] reads the rest, the forests too.
    ///
    /// # Errors
    /// As the reader says; [`io::ErrorKind::InvalidData`] when it is no snapshot.
    pub fn read(reader: &mut dyn Read) -> io::Result<Self> {
        let block = Block::read(reader)?.ok_or(io::ErrorKind::UnexpectedEof)?;
        postcard::from_bytes(block.bytes()).map_err(|_| io::ErrorKind::InvalidData.into())
    }
}

/// Everything the engine knows, as it is written down.
#[derive(Debug, Default)]
pub struct Snapshot {
    pub(super) head: Head,
    pub(super) blocks: Vec<Block>,
}

impl Snapshot {
    /// Writes it down.
    ///
    /// # Errors
    /// As the writer says.
    pub fn write(&self, writer: &mut dyn Write) -> io::Result<()> {
        self.head.write(writer)?;
        self.blocks.iter().try_for_each(|block| block.write(writer))
    }

    /// Reads what was written.
    ///
    /// # Errors
    /// As the reader says; [`io::ErrorKind::InvalidData`] when it is no snapshot.
    pub fn read(reader: &mut dyn Read) -> io::Result<Self> {
        let (mut head, mut blocks) = (Head::read(reader)?, Vec::new());
        while let Some(block) = Block::read(reader)? {
            match block.forest()? {
                Some(forest) => head.trainer.forests.push(forest),
                None => blocks.push(block),
            }
        }
        Ok(Self { head, blocks })
    }

    /// What it holds.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidData`] when a block is not what was written.
    pub fn decode(self) -> io::Result<Restored> {
        let mut restored = Restored::new(self.head);
        for block in self.blocks {
            restored.take(block.decode()?);
        }
        Ok(restored)
    }

    /// The rows of every tenant and metric, in the order of the metrics' names.
    pub(super) fn reservoirs(self) -> io::Result<Vec<Reservoir>> {
        Ok(self.decode()?.reservoirs())
    }
}
