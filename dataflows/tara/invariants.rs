//! Invariants of Tara's messages and disks in every run: those of [all views](crate::engine::ordering::invariants), and
//! T7, that a view is entered only if `f + 1` controllers asked for it.

use std::collections::{BTreeMap, BTreeSet};

use crate::disk::Recovered;
use crate::engine::ordering::invariants::Agreement;
use crate::engine::ordering::messages::Promise;
use crate::engine::protocol::Oracle;
use crate::hosts::simulation::Subject;
use crate::model::config::Config;
use crate::model::events::Event;
use crate::model::quorum::Votes;
use crate::model::types::{ReplicaId, To, View};

use super::{Commit, Message};

/// Tara, to be simulated with the key-value service.
pub fn subject() -> Subject<Message, Promise> {
    Subject::of(super::PROTOCOL)
}

/// The invariants of a cluster with these settings.
pub(super) fn oracle(config: &Config) -> Box<dyn Oracle<Message, Promise>> {
    let (agreement, asked) = (Agreement::new(config), BTreeMap::new());
    Box::new(Invariants { quorum: config.quorum(), agreement, asked })
}

/// All that replicas have sent, and what follows from it.
struct Invariants {
    quorum: usize,
    agreement: Agreement,
    /// Who has asked for a view.
    asked: BTreeMap<View, Votes>,
}

impl Oracle<Message, Promise> for Invariants {
    fn on_start(
        &mut self,
        me: ReplicaId,
        recovered: &Recovered<Promise>,
        rotten: bool,
    ) -> Result<(), String> {
        self.agreement.on_start(me, recovered, rotten)
    }

    fn on_sent(&mut self, from: ReplicaId, _to: To, message: &Message) -> Result<(), String> {
        match message {
            Message::Propose(proposal) => self.agreement.on_propose(from, proposal),
            Message::Renew(renewal) => self.agreement.on_renew(from, renewal),
            Message::Supply(supply) => self.agreement.on_supply(from, supply),
            Message::Commit(Commit { view, slot }) => self.agreement.on_vote(from, *view, *slot),
            Message::Record(record) => self.agreement.on_record(from, record),
            Message::Report(report) => {
                self.agreement.on_report(from, *report);
                Ok(())
            }
            Message::View(request) => {
                self.asked.entry(request.wanted).or_default().add(from);
                Ok(())
            }
            Message::Forward(_)
            | Message::Announce(_)
            | Message::Need(_)
            | Message::Ask(_)
            | Message::Index(_)
            | Message::CatchUp(_) => Ok(()),
        }
    }

    fn on_event(&mut self, me: ReplicaId, event: &Event) -> Result<(), String> {
        self.agreement.on_event(me, event)?;
        let Event::EnteredView { view, .. } = event else { return Ok(()) };
        let asked: BTreeSet<usize> =
            self.asked.range(view..).flat_map(|(_, votes)| votes.iter()).collect();
        if asked.len() >= self.quorum {
            return Ok(());
        }
        Err(format!("T7: {me} enters {view}, for which only {asked:?} asked"))
    }
}
