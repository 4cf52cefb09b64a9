//! Reading series from the shards: in slices, each a message of its own, so that samples go in between.
//!
//! Every shard has one slice of a reading under way at a time, and prepares the next while the last is being decoded on the
//! reader's thread. A reading that is no longer wanted ends with the slice it is at.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use crossbeam_channel::{Receiver, RecvTimeoutError, SendTimeoutError, bounded};

use super::{Fleet, Message, Unavailable};
use crate::{
    engine::{Excerpt, Question, Search, Shard},
    series::Symbol,
    signal::{Labels, Sample, TenantId},
};

/// Time after which a reader that waits for a shard is asked whether it still wants to.
const PATIENCE: Duration = Duration::from_millis(50);

/// Who reads series.
pub trait Reader {
    /// Why it ends early.
    type Error: From<Unavailable>;

    /// Asked between slices, and while one is waited for.
    ///
    /// # Errors
    /// Ends the reading.
    fn check(&mut self) -> Result<(), Self::Error>;

    /// Hears how many series have been found so far, before any of them is copied.
    ///
    /// # Errors
    /// Ends the reading.
    fn found(&mut self, series: usize) -> Result<(), Self::Error>;

    /// Takes some of them, in no order; possibly some without samples.
    ///
    /// # Errors
    /// Ends the reading.
    fn take(&mut self, excerpts: Vec<Excerpt>) -> Result<(), Self::Error>;
}

/// What a shard does for one slice; whether there is more to do.
type Work<T> = fn(&Shard, &mut Search) -> (T, bool);

impl Fleet {
    /// Reads the series that answer a question. Blocks.
    ///
    /// # Errors
    /// The reader's own, also when the daemon is stopping.
    pub fn read<R: Reader>(&self, question: &Question, reader: &mut R) -> Result<(), R::Error> {
        let question = Arc::new(question.clone());
        let searches = self.shards.iter().map(|_| Search::new(question.clone())).collect();
        let mut found = vec![0; self.shards.len()];
        let searches = self.in_slices(
            searches,
            |shard, search| {
                let has_more = shard.find(search);
                (search.found(), has_more)
            },
            reader,
            |reader, number, count| {
                found[number] = count;
                reader.found(found.iter().sum())
            },
        )?;
        self.in_slices(searches, |shard, search| shard.read(search), reader, |reader, _, part| reader.take(part))?;
        Ok(())
    }

    /// Has each shard work on its search until there is no more to do; gives the searches back in order.
    fn in_slices<T: Send + 'static, R: Reader>(
        &self,
        searches: Vec<Search>,
        work: Work<T>,
        reader: &mut R,
        mut take: impl FnMut(&mut R, usize, T) -> Result<(), R::Error>,
    ) -> Result<Vec<Search>, R::Error> {
        let mut ended: Vec<Option<Search>> = searches.iter().map(|_| None).collect();
        let mut under_way = VecDeque::new();
        for (number, search) in searches.into_iter().enumerate() {
            under_way.push_back((number, self.hand_out(number, search, work, reader)?));
        }
        while let Some((number, answer)) = under_way.pop_front() {
            let (mut search, part, has_more) = wait(&answer, reader)?;
            search.prepare();
            if has_more {
                under_way.push_back((number, self.hand_out(number, search, work, reader)?));
            } else {
                ended[number] = Some(search);
            }
            take(reader, number, part)?;
        }
        Ok(ended.into_iter().flatten().collect())
    }

    /// Sends a slice of work to a shard, once its queue has room.
    fn hand_out<T: Send + 'static, R: Reader>(
        &self,
        number: usize,
        mut search: Search,
        work: Work<T>,
        reader: &mut R,
    ) -> Result<Receiver<(Search, T, bool)>, R::Error> {
        let (reply, answer) = bounded(1);
        let mut message = Message::Ask(Box::new(move |shard| {
            let (part, has_more) = work(shard, &mut search);
            // A caller that has gone away needs no answer.
            let _ = reply.send((search, part, has_more));
        }));
        loop {
            reader.check()?;
            match self.shards[number].send_timeout(message, PATIENCE) {
                Ok(()) => return Ok(answer),
                Err(SendTimeoutError::Timeout(back)) => message = back,
                Err(SendTimeoutError::Disconnected(_)) => return Err(Unavailable::Stopping.into()),
            }
        }
    }

    /// Series that answer a question, sorted by labels, with their samples; however many. Blocks.
    ///
    /// # Errors
    /// The daemon is stopping.
    pub fn select(&self, question: &Question) -> Result<Vec<(Labels, Vec<Sample>)>, Unavailable> {
        let mut all = Everything(Vec::new());
        self.read(question, &mut all)?;
        all.0.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        Ok(all.0)
    }

    /// The names of all labels of a tenant's series, or all values of one of them, whatever their time. `check` is asked
    /// between slices. Blocks.
    ///
    /// # Errors
    /// Those of `check`, or the daemon is stopping.
    pub fn terms<E: From<Unavailable>>(
        &self,
        tenant: &TenantId,
        name: Option<&str>,
        check: impl Fn() -> Result<(), E>,
    ) -> Result<BTreeSet<Arc<str>>, E> {
        let mut terms = BTreeSet::new();
        for shard in self.shards.iter() {
            let mut after: Option<Symbol> = None;
            loop {
                check()?;
                let (tenant, name, (reply, answer)) = (tenant.clone(), name.map(str::to_owned), bounded(1));
                let ask = move |shard: &Shard| drop(reply.send(shard.terms(&tenant, name.as_deref(), after)));
                shard.send(Message::Ask(Box::new(ask))).map_err(|_| Unavailable::Stopping)?;
                let (part, last) = answer.recv().map_err(|_| Unavailable::Stopping)?;
                terms.extend(part);
                after = last;
                if after.is_none() {
                    break;
                }
            }
        }
        Ok(terms)
    }
}

/// Waits for a slice.
fn wait<T, R: Reader>(answer: &Receiver<T>, reader: &mut R) -> Result<T, R::Error> {
    loop {
        match answer.recv_timeout(PATIENCE) {
            Ok(slice) => return Ok(slice),
            Err(RecvTimeoutError::Timeout) => reader.check()?,
            Err(RecvTimeoutError::Disconnected) => return Err(Unavailable::Stopping.into()),
        }
    }
}

/// Keeps all that is read.
struct Everything(Vec<(Labels, Vec<Sample>)>);

impl Reader for Everything {
    type Error = Unavailable;

    fn check(&mut self) -> Result<(), Unavailable> {
        Ok(())
    }

    fn found(&mut self, _: usize) -> Result<(), Unavailable> {
        Ok(())
    }

    fn take(&mut self, excerpts: Vec<Excerpt>) -> Result<(), Unavailable> {
        for excerpt in excerpts {
            let samples: Vec<Sample> = excerpt.samples().collect();
            if !samples.is_empty() {
                self.0.push((excerpt.labels(), samples));
            }
        }
        Ok(())
    }
}
