//! A snapshot on its way from the shards to the file, a few blocks at a time.
//!
//! A shard goes on with its messages meanwhile. Between two of them, and while there are none, it encodes a slice more as
//! long as the file keeps up; when it does not, only what is about to change is encoded and waits. So what waits is at most
//! what changes while the file is written, each series once.

use std::{
    collections::VecDeque,
    io::{self, Write},
    thread,
    time::Duration,
};

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};

use crate::engine::{Block, Head, Shard};

/// Series encoded at a time: less than a millisecond.
const SLICE: u32 = 128;
/// Blocks of all shards that may wait for the file.
const BLOCKS: usize = 16;
/// Time between two looks whether the file has kept up.
const RETRY: Duration = Duration::from_millis(5);

/// What a shard hands on.
pub(super) enum Piece {
    Block(Block),
    /// There are no more of this shard.
    End,
}

/// A snapshot whose blocks are still to come.
pub(super) struct Pieces {
    head: Head,
    /// Shards that have not come to their end.
    left: usize,
    pieces: Receiver<Piece>,
}

impl Pieces {
    /// A snapshot of so many shards, and where they hand on their pieces.
    pub(super) fn new(head: Head, shards: usize) -> (Self, Sender<Piece>) {
        let (sender, pieces) = bounded(BLOCKS);
        (Self { head, left: shards, pieces }, sender)
    }

    /// Writes the blocks as they come. Blocks.
    pub(super) fn write(self, writer: &mut dyn Write) -> io::Result<()> {
        let Self { head, mut left, pieces } = self;
        head.write(writer)?;
        // What it shares with the trainer need not be copied from now on.
        drop(head);
        while left > 0 {
            match pieces.recv() {
                Ok(Piece::Block(block)) => block.write(writer)?,
                Ok(Piece::End) => left -= 1,
                Err(_) => return Err(io::Error::other("a part of the state is missing")),
            }
        }
        Ok(())
    }
}

/// What a shard does for a snapshot.
pub(super) struct Outlet {
    sender: Sender<Piece>,
    waiting: VecDeque<Piece>,
}

impl Outlet {
    /// Begins a snapshot of a shard as it is now.
    pub(super) fn begin(sender: Sender<Piece>, shard: &mut Shard) -> Option<Self> {
        let begun = shard.begin_save();
        begun.inspect_err(|error| tracing::error!(%error, "the state of a shard cannot be encoded")).ok()?;
        Some(Self { sender, waiting: VecDeque::new() })
    }

    /// Encodes a slice more if the file has kept up, and hands on what is finished. Returns whether there is more to do.
    pub(super) fn go_on(&mut self, shard: &mut Shard) -> bool {
        if self.waiting.is_empty() {
            match shard.save_some(SLICE) {
                Ok(blocks) => self.waiting.extend(blocks.into_iter().map(Piece::Block)),
                Err(error) => {
                    tracing::error!(%error, "the state of a shard cannot be encoded");
                    return false;
                }
            }
            self.waiting.extend((!shard.is_saving()).then_some(Piece::End));
        }
        while let Some(piece) = self.waiting.pop_front() {
            match self.sender.try_send(piece) {
                Ok(()) => {}
                Err(TrySendError::Full(piece)) => {
                    self.waiting.push_front(piece);
                    return true;
                }
                Err(TrySendError::Disconnected(_)) => {
                    shard.end_save();
                    return false;
                }
            }
        }
        shard.is_saving()
    }

    /// How long to wait for something else to do.
    pub(super) fn patience(&self) -> Duration {
        if self.waiting.is_empty() { Duration::ZERO } else { RETRY }
    }

    /// Goes on to the end. Blocks.
    pub(super) fn finish(mut self, shard: &mut Shard) {
        while self.go_on(shard) {
            thread::sleep(self.patience());
        }
    }
}

/// The engine at rest.
#[derive(Debug)]
pub struct Stopped {
    pub(super) head: Head,
    pub(super) shards: Vec<Shard>,
}

impl Stopped {
    /// Writes a snapshot. Blocks.
    ///
    /// # Errors
    /// As the writer says; or the operating system gives no thread.
    pub fn write(self, writer: &mut dyn Write) -> io::Result<()> {
        let Self { head, mut shards } = self;
        thread::scope(|scope| {
            let (pieces, sender) = Pieces::new(head, shards.len());
            for shard in &mut shards {
                let outlet = Outlet::begin(sender.clone(), shard).ok_or(io::ErrorKind::Other)?;
                thread::Builder::new().name("save".to_owned()).spawn_scoped(scope, || outlet.finish(shard))?;
            }
            drop(sender);
            pieces.write(writer)
        })
    }
}
