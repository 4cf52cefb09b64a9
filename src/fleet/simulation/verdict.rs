//! What must hold after the last start.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{
    super::{chunks::Chunks, taking::Takes},
    Daemon, SENDERS, Seen, World,
    oracle::{Id, Recorder},
    seasoned,
    senders::{START, STEP},
};
use crate::{journal::Disk, signal::TenantId};

impl World {
    /// Compares with an engine that was fed what is there, now and as both go on.
    pub(super) fn compare(&mut self, mut daemon: Daemon, seen: &mut Seen) {
        let (snapshot, disk) = seasoned();
        let chunks = Arc::new(Chunks::open(disk).unwrap());
        let mut undisturbed = Recorder::new(1, chunks, Some(snapshot.decode().unwrap()), Vec::new());
        let there = daemon.engine.taken.clone();
        for id in &there {
            match id {
                Id::Write(received) => self.requests[received].give(*received, &mut undisturbed),
                Id::Tell(told) => {
                    let (tenant, command) = &self.commands[told];
                    drop(undisturbed.tell(tenant, command));
                }
            }
        }
        undisturbed.scores();
        self.assert_same(&daemon.engine, &undisturbed);
        self.assert_acknowledged(&daemon.engine, &there);
        for _ in 0..15 {
            let number = self.below(SENDERS) as usize;
            let Some((content, _)) = self.request(number) else { continue };
            let received = START + self.scrapes * STEP;
            self.senders[number].waiting.retain(|waiting| !Arc::ptr_eq(waiting, &content));
            content.give(received, &mut daemon.engine);
            content.give(received, &mut undisturbed);
            assert_eq!(daemon.engine.scores(), undisturbed.scores());
        }
        self.assert_same(&daemon.engine, &undisturbed);
        let (files, known) = (self.disk.list().unwrap().into_iter(), seasoned().1.list().unwrap());
        seen.chunk_files += files.filter(|name| name.starts_with("chunks-") && !known.contains(name)).count() as u64;
        let findings = self.tenants().into_iter().map(|tenant| daemon.engine.engine.findings(tenant).len());
        seen.findings += findings.sum::<usize>() as u64;
    }

    fn assert_same(&self, found: &Recorder, expected: &Recorder) {
        for tenant in self.tenants() {
            let (series, wanted) = (found.series(tenant), expected.series(tenant));
            let differing = wanted.iter().find(|(labels, samples)| series.get(labels) != Some(samples));
            let found_there = differing.map(|(labels, _)| series.get(labels));
            assert_eq!((series.len(), differing), (wanted.len(), None), "but {found_there:?} of {tenant:?}");
            assert_eq!(found.words(tenant), expected.words(tenant), "{tenant:?}");
        }
    }

    /// Everything of which a sender heard that it was taken is answered, but for what a power failure may take.
    fn assert_acknowledged(&self, engine: &Recorder, there: &[Id]) {
        let series: BTreeMap<_, _> = self.tenants().into_iter().map(|tenant| (tenant, engine.series(tenant))).collect();
        // One that was sent again is refused where what it repeats is gone and something newer is there.
        let is_gone = |content| {
            let repeats = |id: &Id| matches!(id, Id::Write(at) if Arc::ptr_eq(&self.requests[at], content));
            self.gone.iter().any(repeats)
        };
        for id in there {
            let Id::Write(received) = id else { continue };
            let content = &self.requests[received];
            if !self.acknowledged.contains(received) || is_gone(content) {
                continue;
            }
            for (labels, sample) in &content.samples {
                let is_there = series[&content.tenant][labels].contains(&(sample.at, sample.value.to_bits()));
                assert!(is_there, "{labels} at {} was acknowledged", sample.at);
            }
        }
    }

    fn tenants(&self) -> BTreeSet<&TenantId> {
        self.senders.iter().map(|sender| &sender.tenant).collect()
    }
}
