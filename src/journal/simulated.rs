//! A disk in memory that fails in every way a disk can, as its seed has it.
//!
//! Each file has what the operating system shows and what the hardware holds. When the process dies
//! ([`Crash::Kill`]) the first stays; when the power fails ([`Crash::Power`]) what was not synced is there in part, zeroed,
//! flipped or not at all, and any of the names that were not synced may be the old ones. A sync that fails behaves as
//! Linux does: what it was to write is forgotten, and the next one succeeds without it.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use rand_pcg::{Pcg32, rand_core::Rng};

use super::{Disk, DiskFile};

/// How a run ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Crash {
    /// The process dies.
    Kill,
    /// The machine dies.
    Power,
}

/// A handle; clones are the same disk.
#[derive(Clone, Debug)]
pub(crate) struct SimulatedDisk(Arc<Mutex<State>>);

/// An open file.
#[derive(Clone, Debug)]
pub(crate) struct SimulatedFile {
    disk: SimulatedDisk,
    inode: usize,
    /// Which run opened it; one of a run that is over is of no use.
    run: u64,
}

#[derive(Debug)]
struct State {
    dice: Pcg32,
    inodes: Vec<Inode>,
    names: BTreeMap<String, usize>,
    durable_names: BTreeMap<String, usize>,
    /// What was done to names since they were synced.
    unsynced: Vec<NameChange>,
    run: u64,
    /// Calls so far that change something.
    calls: u64,
    crash_at: Option<u64>,
    has_crashed: bool,
    /// Fails once at this call.
    fail_at: Option<u64>,
    /// Fails at every call.
    is_broken: bool,
    /// Bytes that can still be written.
    space: Option<usize>,
}

#[derive(Debug, Default)]
struct Inode {
    shown: Vec<u8>,
    held: Vec<u8>,
    /// What a sync would write begins here.
    dirty_from: usize,
}

#[derive(Clone, Debug)]
enum NameChange {
    Set(String, usize),
    Move(String, String, usize),
    Drop(String),
}

impl NameChange {
    fn apply(&self, names: &mut BTreeMap<String, usize>) {
        match self {
            Self::Set(name, inode) => drop(names.insert(name.clone(), *inode)),
            Self::Move(from, to, inode) => {
                names.remove(from);
                names.insert(to.clone(), *inode);
            }
            Self::Drop(name) => drop(names.remove(name)),
        }
    }
}

/// What becomes of a call.
enum Fate {
    Done,
    /// It is done in part, and the caller sees an error.
    Broken(io::Error),
}

impl SimulatedDisk {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(State {
            dice: Pcg32::new(seed, 1),
            inodes: Vec::new(),
            names: BTreeMap::new(),
            durable_names: BTreeMap::new(),
            unsynced: Vec::new(),
            run: 0,
            calls: 0,
            crash_at: None,
            has_crashed: false,
            fail_at: None,
            is_broken: false,
            space: None,
        })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Dies before, after or in the middle of the call that comes after so many others; only calls that change something count.
    pub(crate) fn crash_after(&self, calls: u64) {
        let mut state = self.state();
        state.crash_at = Some(state.calls + calls);
    }

    /// Fails once at the call that comes after so many others.
    pub(crate) fn fail_after(&self, calls: u64) {
        let mut state = self.state();
        state.fail_at = Some(state.calls + calls);
    }

    /// From now on, every call fails or no call does.
    pub(crate) fn set_broken(&self, is_broken: bool) {
        self.state().is_broken = is_broken;
    }

    /// So many bytes can be written, or any number.
    pub(crate) fn set_space(&self, space: Option<usize>) {
        self.state().space = space;
    }

    pub(crate) fn has_crashed(&self) -> bool {
        self.state().has_crashed
    }

    /// Ends the run, as if it had crashed if it has not; the disk is as the next run finds it, and works.
    pub(crate) fn restart(&self, crash: Crash) {
        let mut state = self.state();
        if crash == Crash::Power {
            state.lose_power();
        }
        state.run += 1;
        (state.crash_at, state.fail_at, state.space) = (None, None, None);
        (state.has_crashed, state.is_broken) = (false, false);
    }

    /// Contents of a file as the operating system shows it.
    pub(crate) fn contents(&self, name: &str) -> Option<Vec<u8>> {
        let state = self.state();
        state.names.get(name).map(|inode| state.inodes[*inode].shown.clone())
    }

    /// Puts a file there, durable.
    pub(crate) fn put(&self, name: &str, bytes: Vec<u8>) {
        let mut state = self.state();
        let inode = state.inodes.len();
        state.inodes.push(Inode { held: bytes.clone(), dirty_from: bytes.len(), shown: bytes });
        state.names.insert(name.to_owned(), inode);
        state.durable_names.insert(name.to_owned(), inode);
    }

    /// Flips a bit of the newest of so many generations of snapshots that is not among the `damaged`, if another one is
    /// left, and adds its name to them.
    pub(crate) fn damage_a_snapshot(&self, generations: usize, damaged: &mut BTreeSet<String>, dice: &mut Pcg32) {
        let mut names = self.list().unwrap();
        names.retain(|name| name.starts_with("snapshot-") && !name.ends_with(".new"));
        names.sort_by(|a, b| b.cmp(a));
        names.truncate(generations);
        names.retain(|name| !damaged.contains(name));
        if names.len() >= 2 {
            let name = names.swap_remove(0);
            let mut bytes = self.contents(&name).unwrap();
            let at = dice.next_u32() as usize % bytes.len();
            bytes[at] ^= 1 << (dice.next_u32() % 8);
            self.put(&name, bytes);
            damaged.insert(name);
        }
    }
}

impl State {
    fn below(&mut self, bound: usize) -> usize {
        ((u64::from(self.dice.next_u32()) * bound as u64) >> 32) as usize
    }

    /// Whether the call comes to its end; reads count as no call but fail with the rest.
    fn call(&mut self) -> io::Result<Fate> {
        if self.has_crashed {
            return Err(io::Error::other("the process is dead"));
        }
        let call = self.calls;
        self.calls += 1;
        if self.crash_at.is_some_and(|at| at <= call) {
            self.has_crashed = true;
            return Ok(Fate::Broken(io::Error::other("the process died here")));
        }
        if self.is_broken || self.fail_at == Some(call) {
            return Ok(Fate::Broken(io::Error::other("the disk failed")));
        }
        Ok(Fate::Done)
    }

    fn read(&self, run: u64) -> io::Result<()> {
        if self.has_crashed || self.run != run {
            return Err(io::Error::other("the process is dead"));
        }
        if self.is_broken { Err(io::Error::other("the disk failed")) } else { Ok(()) }
    }

    fn change(&mut self, change: NameChange) -> io::Result<()> {
        let fate = self.call()?;
        if matches!(fate, Fate::Done) || self.below(2) == 0 {
            change.apply(&mut self.names);
            self.unsynced.push(change);
        }
        fate.into()
    }

    fn lose_power(&mut self) {
        for change in std::mem::take(&mut self.unsynced) {
            if self.below(2) == 0 {
                change.apply(&mut self.durable_names);
            }
        }
        self.names = self.durable_names.clone();
        for inode in 0..self.inodes.len() {
            let left = self.left(inode);
            let inode = &mut self.inodes[inode];
            inode.dirty_from = left.len();
            inode.shown = left.clone();
            inode.held = left;
        }
    }

    /// What of a file is left when the power fails.
    fn left(&mut self, inode: usize) -> Vec<u8> {
        let Inode { shown, held, dirty_from } = &self.inodes[inode];
        let (shown, mut held, dirty_from) = (shown.clone(), held.clone(), *dirty_from);
        if held == shown || self.below(4) == 0 {
            return held;
        }
        held.resize(dirty_from, 0);
        let written = self.below(shown.len() - dirty_from + 1);
        held.extend_from_slice(&shown[dirty_from..dirty_from + written]);
        if written > 0 {
            match self.below(4) {
                // A page never came to the disk, although later ones did.
                0 => {
                    let from = dirty_from + self.below(written);
                    let to = from + self.below(held.len() - from + 1);
                    held[from..to].fill(0);
                }
                1 => {
                    let at = dirty_from + self.below(written);
                    held[at] ^= 1 << self.below(8);
                }
                // The length came to the disk and the contents did not.
                2 => held.resize(held.len() + self.below(100), 0),
                _ => {}
            }
        }
        held
    }
}

impl From<Fate> for io::Result<()> {
    fn from(fate: Fate) -> Self {
        match fate {
            Fate::Done => Ok(()),
            Fate::Broken(error) => Err(error),
        }
    }
}

impl Disk for SimulatedDisk {
    type File = SimulatedFile;

    fn create(&self, name: &str) -> io::Result<SimulatedFile> {
        let mut state = self.state();
        let run = state.run;
        let known = state.names.get(name).copied();
        let inode = match known {
            Some(inode) => {
                let fate = state.call()?;
                state.inodes[inode].shown.clear();
                state.inodes[inode].dirty_from = 0;
                io::Result::from(fate)?;
                inode
            }
            None => {
                let inode = state.inodes.len();
                state.inodes.push(Inode::default());
                state.change(NameChange::Set(name.to_owned(), inode))?;
                inode
            }
        };
        Ok(SimulatedFile { disk: self.clone(), inode, run })
    }

    fn open(&self, name: &str) -> io::Result<SimulatedFile> {
        let state = self.state();
        state.read(state.run)?;
        let inode = *state.names.get(name).ok_or(io::ErrorKind::NotFound)?;
        Ok(SimulatedFile { disk: self.clone(), inode, run: state.run })
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let state = self.state();
        state.read(state.run)?;
        Ok(state.names.keys().cloned().collect())
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.state();
        let inode = *state.names.get(from).ok_or(io::ErrorKind::NotFound)?;
        state.change(NameChange::Move(from.to_owned(), to.to_owned(), inode))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut state = self.state();
        if !state.names.contains_key(name) {
            return Err(io::ErrorKind::NotFound.into());
        }
        state.change(NameChange::Drop(name.to_owned()))
    }

    fn sync_dir(&self) -> io::Result<()> {
        let mut state = self.state();
        io::Result::from(state.call()?)?;
        state.unsynced.clear();
        state.durable_names = state.names.clone();
        Ok(())
    }

    fn path(&self, name: &str) -> PathBuf {
        PathBuf::from("/simulated").join(name)
    }
}

impl DiskFile for SimulatedFile {
    fn append(&self, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.disk.state();
        let mut fate = state.call()?;
        let mut taken = if matches!(fate, Fate::Done) { bytes.len() } else { state.below(bytes.len() + 1) };
        if let Some(space) = state.space {
            if space < taken {
                (fate, taken) = (Fate::Broken(io::ErrorKind::StorageFull.into()), space);
            }
            state.space = Some(space - taken);
        }
        state.inodes[self.inode].shown.extend_from_slice(&bytes[..taken]);
        fate.into()
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.disk.state();
        let fate = state.call()?;
        let inode = &state.inodes[self.inode];
        let (dirty_from, dirty) = (inode.dirty_from, inode.shown.len() - inode.dirty_from);
        let written = if matches!(fate, Fate::Done) { dirty } else { state.below(dirty + 1) };
        let has_crashed = state.has_crashed;
        let inode = &mut state.inodes[self.inode];
        inode.held.resize(dirty_from, 0);
        inode.held.extend_from_slice(&inode.shown[dirty_from..dirty_from + written]);
        // The kernel does not forget when it is only the process that dies.
        inode.dirty_from = if has_crashed { dirty_from + written } else { inode.shown.len() };
        fate.into()
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        let mut state = self.disk.state();
        let fate = state.call()?;
        if matches!(fate, Fate::Done) || state.below(2) == 0 {
            let inode = &mut state.inodes[self.inode];
            inode.shown.truncate(length as usize);
            inode.dirty_from = inode.dirty_from.min(inode.shown.len());
        }
        fate.into()
    }

    fn length(&self) -> io::Result<u64> {
        let state = self.disk.state();
        state.read(self.run)?;
        Ok(state.inodes[self.inode].shown.len() as u64)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let state = self.disk.state();
        state.read(self.run)?;
        let shown = &state.inodes[self.inode].shown;
        let from = shown.len().min(offset as usize);
        let read = buffer.len().min(shown.len() - from);
        buffer[..read].copy_from_slice(&shown[from..from + read]);
        Ok(read)
    }
}
