//! Blocks, and the records in them.

use std::{
    borrow::Cow,
    collections::{BTreeMap, VecDeque},
    io::{self, Read, Write},
    sync::Arc,
};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::super::{
    FamilyMetadata,
    climate::Outlook,
    families::{MetricRows, Reservoir, SavedForest},
    findings::{Case, Subject},
    lessons::Lessons,
    logs::{Clock, Source},
    slots::Record,
    state::{Series, SeriesState, Workload, WorkloadState},
};
use crate::{
    series::{FileUse, Symbol},
    signal::{Maintenance, TenantId, TimestampMs, WorkloadKey},
};

/// A piece of a snapshot, encoded.
#[derive(Debug)]
pub struct Block(Vec<u8>);

/// Where a block belongs, and what it holds.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Header {
    pub(super) shard: u32,
    /// Number of the tenant in that shard.
    pub(super) tenant: u32,
    pub(super) kind: Kind,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) enum Kind {
    Forest,
    Tenant,
    Texts,
    Series,
    Workloads,
    Reservoirs,
    Chunks,
    Sources,
}

/// A block that was read.
#[derive(Debug)]
pub struct Decoded {
    pub(super) shard: u32,
    pub(super) tenant: u32,
    pub(super) content: Content,
}

#[derive(Debug)]
pub(super) enum Content {
    Forest(SavedForest),
    Tenant(Box<SavedTenant<'static>>),
    Texts(Texts<'static>),
    Series(Vec<(u32, Box<SavedSeries<'static>>)>),
    Workloads(Vec<(u32, Box<SavedWorkload<'static>>)>),
    Reservoirs(Vec<(u32, SavedReservoir<'static>)>),
    Chunks(Vec<(u64, FileUse)>),
    Sources(Vec<(u32, Box<Source>)>),
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct SavedTenant<'a> {
    pub(super) id: TenantId,
    pub(super) newest: TimestampMs,
    pub(super) metadata: Cow<'a, BTreeMap<String, FamilyMetadata>>,
    pub(super) open: Vec<(Subject, Cow<'a, Case>)>,
    pub(super) closed: Cow<'a, VecDeque<Case>>,
    pub(super) outlook: Cow<'a, Outlook>,
    pub(super) lessons: Cow<'a, Lessons>,
    pub(super) logs: Clock,
    pub(super) plans: Vec<Cow<'a, Maintenance>>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Texts<'a> {
    pub(super) first: u32,
    pub(super) texts: Cow<'a, [Arc<str>]>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct SavedSeries<'a> {
    pub(super) workload: u32,
    pub(super) labels: Vec<(Symbol, Symbol)>,
    pub(super) state: Cow<'a, SeriesState>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct SavedWorkload<'a> {
    pub(super) key: WorkloadKey,
    /// Slots in the order of the row; one that is empty where the series is gone.
    pub(super) members: Cow<'a, [u32]>,
    pub(super) state: Cow<'a, WorkloadState>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct SavedReservoir<'a> {
    pub(super) metric: Symbol,
    pub(super) rows: Cow<'a, Reservoir>,
}

impl Record for Series {
    fn append(&self, slot: u32, bytes: Vec<u8>) -> postcard::Result<Vec<u8>> {
        let Self { workload, labels, state, .. } = self;
        let (labels, state) = (labels.iter().collect(), Cow::Borrowed(state));
        let saved = SavedSeries { workload: *workload, labels, state };
        postcard::to_extend(&(slot, saved), bytes)
    }
}

impl Record for Workload {
    fn append(&self, slot: u32, bytes: Vec<u8>) -> postcard::Result<Vec<u8>> {
        let Self { key, members, state, .. } = self;
        let saved = SavedWorkload { key: *key, members: Cow::Borrowed(members), state: Cow::Borrowed(state) };
        postcard::to_extend(&(slot, saved), bytes)
    }
}

impl Record for MetricRows {
    fn append(&self, slot: u32, bytes: Vec<u8>) -> postcard::Result<Vec<u8>> {
        let saved = SavedReservoir { metric: self.metric, rows: Cow::Borrowed(&self.rows) };
        postcard::to_extend(&(slot, saved), bytes)
    }
}

impl Header {
    pub(super) fn encode(self) -> postcard::Result<Vec<u8>> {
        postcard::to_stdvec(&self)
    }
}

impl From<Vec<u8>> for Block {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl Block {
    pub(super) fn of(header: Header, content: &impl Serialize) -> postcard::Result<Self> {
        postcard::to_extend(content, header.encode()?).map(Self)
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Writes it with its length.
    ///
    /// # Errors
    /// As the writer says, or it is 4 GiB or longer.
    pub fn write(&self, writer: &mut dyn Write) -> io::Result<()> {
        let length = u32::try_from(self.0.len()).map_err(io::Error::other)?;
        writer.write_all(&length.to_le_bytes())?;
        writer.write_all(&self.0)
    }

    /// Reads one; `None` at the end.
    ///
    /// # Errors
    /// As the reader says; [`io::ErrorKind::UnexpectedEof`] when it is cut off.
    pub fn read(reader: &mut dyn Read) -> io::Result<Option<Self>> {
        let mut length = Vec::with_capacity(4);
        reader.take(4).read_to_end(&mut length)?;
        if length.is_empty() {
            return Ok(None);
        }
        let length = length.try_into().map(u32::from_le_bytes).map_err(|_| io::ErrorKind::UnexpectedEof)?;
        let mut bytes = Vec::with_capacity((length as usize).min(1 << 20));
        reader.take(u64::from(length)).read_to_end(&mut bytes)?;
        if bytes.len() < length as usize {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(Some(Self(bytes)))
    }

    /// The forest, if it holds one.
    pub(super) fn forest(&self) -> io::Result<Option<SavedForest>> {
        let header: postcard::Result<(Header, &[u8])> = postcard::take_from_bytes(&self.0);
        match header {
            Ok((Header { kind: Kind::Forest, .. }, _)) => match self.decode()?.content {
                Content::Forest(forest) => Ok(Some(forest)),
                _ => Ok(None),
            },
            Ok(_) => Ok(None),
            Err(_) => Err(io::ErrorKind::InvalidData.into()),
        }
    }

    /// What it holds.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidData`] when it is not what was written.
    pub fn decode(&self) -> io::Result<Decoded> {
        let decoded = || {
            let (Header { shard, tenant, kind }, rest) = postcard::take_from_bytes(&self.0)?;
            let content = match kind {
                Kind::Forest => Content::Forest(postcard::from_bytes(rest)?),
                Kind::Tenant => Content::Tenant(Box::new(postcard::from_bytes(rest)?)),
                Kind::Texts => Content::Texts(postcard::from_bytes(rest)?),
                Kind::Series => Content::Series(records(rest)?),
                Kind::Workloads => Content::Workloads(records(rest)?),
                Kind::Reservoirs => Content::Reservoirs(records(rest)?),
                Kind::Sources => Content::Sources(records(rest)?),
                Kind::Chunks => Content::Chunks(postcard::from_bytes(rest)?),
            };
            Ok::<_, postcard::Error>(Decoded { shard, tenant, content })
        };
        decoded().map_err(|_| io::ErrorKind::InvalidData.into())
    }
}

fn records<T: DeserializeOwned>(mut bytes: &[u8]) -> postcard::Result<Vec<T>> {
    let mut records = Vec::new();
    while !bytes.is_empty() {
        let (record, rest) = postcard::take_from_bytes(bytes)?;
        records.push(record);
        bytes = rest;
    }
    Ok(records)
}
