//! Reading the journal again.

use super::{
    Damage, Disk, Error, Journal, Position, Record,
    segment::{Item, Segment, name},
};

/// What a replay met.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Replayed {
    /// Records shown.
    pub records: u64,
    /// What could not be read, in order: acknowledged requests that are lost, to be reported loudly.
    pub lost: Vec<Damage>,
}

impl<D: Disk> Journal<D> {
    /// Shows every committed record from a position on, each once and in order. Memory is bounded by the longest record.
    ///
    /// Damage does not end it: what can be read on either side is shown, and what lies between is in the answer.
    ///
    /// # Errors
    /// The disk fails, a record is of a kind that this vigie does not know, or `show` fails.
    pub fn replay<E: From<Error>>(
        &self,
        from: Position,
        mut show: impl FnMut(Position, Record<'_>) -> Result<(), E>,
    ) -> Result<Replayed, E> {
        let mut replayed = Replayed::default();
        let mut at = from;
        let ends = self.segments.iter().skip(1).copied().chain([self.end()]);
        for (&first, end) in self.segments.iter().zip(ends) {
            if end <= at {
                continue;
            }
            let path = self.disk.path(&name(first));
            if at < first {
                let what = "no segment holds it";
                replayed.lost.push(Damage { path: path.clone(), from: at, to: first, what });
            }
            Segment::open(&self.disk, first)?.scan(at.max(first), end, |item| {
                match item {
                    Item::Record { at, record, .. } => {
                        replayed.records += 1;
                        return show(at, record);
                    }
                    Item::Unknown { at, kind, .. } => {
                        return Err(Error::Kind { path: path.clone(), at, kind }.into());
                    }
                    Item::Damage(damage) => replayed.lost.push(damage),
                }
                Ok(())
            })?;
            at = end;
        }
        Ok(replayed)
    }
}
