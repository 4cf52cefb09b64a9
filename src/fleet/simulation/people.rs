//! What senders send next, and what people say.

use std::sync::Arc;

use rand_pcg::rand_core::Rng;

use super::{
    Daemon, SENDERS, World,
    oracle::told,
    senders::{Content, START, STEP, Sender},
};
use crate::signal::{Command, Feedback, Maintenance, Matcher, TenantId};

impl World {
    /// What a sender sends next, and whether it was sent before.
    pub(super) fn request(&mut self, number: usize) -> Option<(Arc<Content>, bool)> {
        let (is_late, is_repeated, place) = (self.below(10) == 0, self.below(10) == 0, self.dice.next_u32() as usize);
        if self.senders[number].waiting.len() < 3 {
            let n = self.scrapes;
            self.senders.iter_mut().for_each(|sender| sender.scrape(n));
            self.scrapes += 1;
        }
        let sender = &mut self.senders[number];
        sender.queue();
        let Sender { waiting, acknowledged, .. } = sender;
        if is_repeated && !acknowledged.is_empty() {
            return Some((acknowledged[place % acknowledged.len()].clone(), true));
        }
        let place = if is_late { place % waiting.len().max(1) } else { 0 };
        let content = waiting.get(place).cloned()?;
        let is_repeated = self.requests.values().any(|sent| Arc::ptr_eq(sent, &content));
        Some((content, is_repeated))
    }

    /// What a person says: of a finding, or of planned work.
    pub(super) fn command(&mut self, daemon: &Daemon) -> Option<(TenantId, Command)> {
        let number = self.below(SENDERS) as usize;
        let (tenant, number) = (self.senders[number].tenant.clone(), self.commands.len());
        let findings = daemon.engine.engine.findings(&tenant);
        let command = match self.below(3) {
            0 => {
                let from = START + self.scrapes * STEP;
                Command::Plan(Maintenance {
                    id: format!("work-{number}"),
                    selector: "load".to_owned(),
                    matchers: vec![Matcher::equal("__name__", "load")],
                    from,
                    until: from + i64::from(self.below(20)) * STEP,
                    every: None,
                    comment: String::new(),
                })
            }
            1 => Command::Cancel(format!("work-{}", self.below(number as u32 + 1))),
            _ => {
                let place = self.below(findings.len().max(1) as u32) as usize;
                let id = findings.get(place)?.id.clone();
                let feedback = [None, Some(Feedback::FalseAlarm), Some(Feedback::Real)][self.below(3) as usize];
                Command::Judge { id, feedback }
            }
        };
        let is_new = self.commands.insert(told(&tenant, &command), (tenant.clone(), command.clone())).is_none();
        is_new.then_some((tenant, command))
    }
}
