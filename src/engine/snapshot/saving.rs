//! How a shard writes down what it knows while it goes on.

use std::borrow::Cow;

use super::{
    super::{Shard, tenant::Tenant},
    block::{Block, Header, Kind, SavedTenant, Texts},
};
use crate::{series::Interner, signal::TenantId};

/// Strings that are encoded in the time of one series, and series in that of one workload or reservoir, about.
const TEXTS_PER_SERIES: usize = 16;
const SERIES_PER_LARGE: u32 = 16;

/// A snapshot under way.
#[derive(Debug, Default)]
pub(in crate::engine) struct Saving {
    /// Blocks that are ready.
    ready: Vec<Block>,
    /// The tenants by their numbers, and how many strings each had when it began.
    tenants: Vec<(TenantId, usize)>,
    /// The tenant and string it has come to.
    tenant: usize,
    text: usize,
}

impl Shard {
    /// Begins a snapshot of the shard as it is now, in the place of one that may be under way. What is small is encoded at
    /// once, the rest by [`save_some`](Self::save_some), or just before it changes.
    ///
    /// # Errors
    /// None in practice: memory is written to.
    pub fn begin_save(&mut self) -> Result<(), postcard::Error> {
        let mut saving = Saving::default();
        // What is saved of series says where their chunks are: in files that are kept from now on.
        self.archive.seal();
        let header = Header { shard: self.number as u32, tenant: 0, kind: Kind::Chunks };
        saving.ready.push(Block::of(header, &self.archive.in_use())?);
        let mut ids: Vec<TenantId> = self.tenants.keys().cloned().collect();
        ids.sort_unstable();
        for (number, id) in ids.into_iter().enumerate() {
            let Some(tenant) = self.tenants.get_mut(&id) else { continue };
            let header = |kind| Header { shard: self.number as u32, tenant: number as u32, kind };
            saving.ready.push(Block::of(header(Kind::Tenant), &saved(tenant))?);
            tenant.series.begin_walk(header(Kind::Series).encode()?);
            tenant.workloads.begin_walk(header(Kind::Workloads).encode()?);
            tenant.reservoirs.slots.begin_walk(header(Kind::Reservoirs).encode()?);
            tenant.sources.slots.begin_walk(header(Kind::Sources).encode()?);
            saving.tenants.push((id, tenant.interner.texts().len()));
        }
        self.saving = Some(saving);
        Ok(())
    }

    /// Whether a snapshot is under way, of which there are blocks to come.
    #[must_use]
    pub fn is_saving(&self) -> bool {
        self.saving.is_some()
    }

    /// Goes on with the snapshot by about so many series, and gives the blocks that are finished.
    ///
    /// # Errors
    /// Something could not be encoded; the snapshot is given up.
    pub fn save_some(&mut self, series: u32) -> Result<Vec<Block>, postcard::Error> {
        let blocks = self.go_on(series);
        if blocks.is_err() {
            self.end_save();
        }
        blocks
    }

    fn go_on(&mut self, series: u32) -> Result<Vec<Block>, postcard::Error> {
        let Some(saving) = &mut self.saving else { return Ok(Vec::new()) };
        let mut blocks = std::mem::take(&mut saving.ready);
        if let Some((id, texts)) = saving.tenants.get(saving.tenant)
            && let Some(tenant) = self.tenants.get_mut(id)
        {
            let header = Header { shard: self.number as u32, tenant: saving.tenant as u32, kind: Kind::Texts };
            let until = texts.min(&(saving.text + TEXTS_PER_SERIES * series as usize)).to_owned();
            blocks.extend(texts_block(header, &tenant.interner, saving.text..until)?);
            saving.text = until;
            let has_more = until < *texts
                || tenant.series.walk(series)
                || tenant.workloads.walk(series.div_ceil(SERIES_PER_LARGE))
                || tenant.reservoirs.slots.walk(series.div_ceil(SERIES_PER_LARGE))
                || tenant.sources.slots.walk(1);
            if !has_more {
                (saving.tenant, saving.text) = (saving.tenant + 1, 0);
            }
        }
        for (id, _) in &saving.tenants {
            let Some(tenant) = self.tenants.get_mut(id) else { continue };
            blocks.extend(tenant.series.take_pieces()?.into_iter().map(Block::from));
            blocks.extend(tenant.workloads.take_pieces()?.into_iter().map(Block::from));
            blocks.extend(tenant.reservoirs.slots.take_pieces()?.into_iter().map(Block::from));
            blocks.extend(tenant.sources.slots.take_pieces()?.into_iter().map(Block::from));
        }
        if saving.tenant == saving.tenants.len() {
            self.saving = None;
        }
        Ok(blocks)
    }

    /// Gives the snapshot up.
    pub fn end_save(&mut self) {
        self.saving = None;
        for tenant in self.tenants.values_mut() {
            tenant.series.end_walk();
            tenant.workloads.end_walk();
            tenant.reservoirs.slots.end_walk();
            tenant.sources.slots.end_walk();
        }
    }
}

fn texts_block(header: Header, interner: &Interner, range: std::ops::Range<usize>) -> postcard::Result<Option<Block>> {
    let texts = interner.texts().get(range.clone()).unwrap_or_default();
    if texts.is_empty() {
        return Ok(None);
    }
    Block::of(header, &Texts { first: range.start as u32, texts: Cow::Borrowed(texts) }).map(Some)
}

fn saved(tenant: &Tenant) -> SavedTenant<'_> {
    let (open, closed) = tenant.findings.parts();
    SavedTenant {
        id: tenant.id.clone(),
        newest: tenant.newest,
        metadata: Cow::Borrowed(&tenant.metadata),
        open: open.into_iter().map(|(subject, case)| (subject, Cow::Borrowed(case))).collect(),
        closed: Cow::Borrowed(closed),
        outlook: Cow::Borrowed(&tenant.outlook),
        lessons: Cow::Borrowed(&tenant.lessons),
        logs: tenant.sources.clock,
        plans: tenant.plans.all().map(Cow::Borrowed).collect(),
    }
}
