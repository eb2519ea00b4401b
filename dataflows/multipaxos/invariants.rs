//! Invariants of Multi-Paxos' messages and disks in every run: those of
//! [all views](crate::engine::ordering::invariants), a view being a ballot here, and
//! - **M5** Said to be chosen in a ballot is only what a quorum has accepted in it, by its owner.
//! - **M6** A ballot is prepared by its owner, and only if a quorum misses the leader, or the leader
//!   wants another; it is promised only if it was prepared.

use std::collections::BTreeMap;

use crate::disk::Recovered;
use crate::engine::ordering::invariants::Agreement;
use crate::engine::ordering::messages::Promise;
use crate::engine::protocol::Oracle;
use crate::hosts::simulation::Subject;
use crate::model::config::Config;
use crate::model::events::Event;
use crate::model::quorum::Votes;
use crate::model::types::{ReplicaId, To, View};

use super::{Accept, Accepted, Chosen, HandOver, Message, PreVoted, Prepare};

/// Multi-Paxos, to be simulated with the key-value service.
pub fn subject() -> Subject<Message, Promise> {
    Subject::of(super::PROTOCOL)
}

/// The invariants of a cluster with these settings.
pub(super) fn oracle(config: &Config) -> Box<dyn Oracle<Message, Promise>> {
    Box::new(Invariants {
        n: config.n,
        quorum: config.quorum(),
        agreement: Agreement::new(config),
        ballots: BTreeMap::new(),
        told: 0,
        overruled: 0,
    })
}

/// All that replicas have sent, and what follows from it.
struct Invariants {
    n: usize,
    quorum: usize,
    agreement: Agreement,
    ballots: BTreeMap<View, Election>,
    /// Commit indexes that said something.
    told: u64,
    /// Speakers in a ballot that was over.
    overruled: u64,
}

/// How a ballot came to be.
#[derive(Default)]
struct Election {
    /// Who did not hear the leader.
    pre_voted: Votes,
    /// Whether a leader has asked its owner to take over.
    handed_over: bool,
    prepared: bool,
}

impl Invariants {
    fn on_chosen(&mut self, from: ReplicaId, chosen: Chosen) -> Result<(), String> {
        let ballot = chosen.ballot;
        if ballot.leader(self.n) != from {
            return Err(format!(
                "M5: {from} says what is chosen in {ballot}, which it does not own"
            ));
        }
        self.told += u64::from(chosen.from < chosen.upto);
        // A few of the last: of those before it was said before, as a rule.
        let first = chosen.from.0.max(chosen.upto.0.saturating_sub(Self::LOOKED_AT));
        let mut slots = (first..chosen.upto.0).map(crate::model::types::Slot);
        match slots.find(|slot| !self.agreement.is_accepted(ballot, *slot)) {
            None => Ok(()),
            Some(slot) => Err(format!(
                "M5: {from} says that {slot} is chosen in {ballot}, and no quorum has accepted"
            )),
        }
    }

    fn on_prepare(&mut self, from: ReplicaId, ballot: View) -> Result<(), String> {
        let election = self.ballots.entry(ballot).or_default();
        election.pre_voted.add(from);
        election.prepared = true;
        let may = election.pre_voted.count() >= self.quorum || election.handed_over;
        if ballot.leader(self.n) == from && may {
            return Ok(());
        }
        let by: Vec<usize> = election.pre_voted.iter().collect();
        Err(format!("M6: {from} prepares {ballot} by the pre-votes of {by:?}"))
    }

    const LOOKED_AT: u64 = 64;
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

    fn on_sent(&mut self, from: ReplicaId, to: To, message: &Message) -> Result<(), String> {
        match message {
            Message::Accept(Accept { proposal, chosen }) => {
                self.agreement.on_propose(from, proposal)?;
                self.on_chosen(from, *chosen)
            }
            Message::Renew(renewal) => self.agreement.on_renew(from, renewal),
            Message::Supply(supply) => self.agreement.on_supply(from, supply),
            Message::Accepted(Accepted { ballot, slot }) => {
                self.agreement.on_vote(from, *ballot, *slot)
            }
            Message::Promise(record) => self.agreement.on_record(from, record),
            Message::Chosen(chosen) => self.on_chosen(from, *chosen),
            Message::Heartbeat(heartbeat) => self.on_chosen(from, heartbeat.chosen),
            Message::PreVoted(PreVoted { ballot }) => {
                self.ballots.entry(*ballot).or_default().pre_voted.add(from);
                Ok(())
            }
            Message::HandOver(HandOver { ballot }) => {
                if let To::One(successor) = to {
                    let next = ballot.next_of(successor, self.n);
                    self.ballots.entry(next).or_default().handed_over = true;
                }
                Ok(())
            }
            Message::Prepare(Prepare { ballot }) => self.on_prepare(from, *ballot),
            Message::Report(report) => {
                self.agreement.on_report(from, *report);
                Ok(())
            }
            Message::Reject(_) => {
                self.overruled += 1;
                Ok(())
            }
            Message::Forward(_)
            | Message::Heard(_)
            | Message::PreVote(_)
            | Message::Need(_)
            | Message::Ask(_)
            | Message::Index(_)
            | Message::CatchUp(_) => Ok(()),
        }
    }

    fn on_event(&mut self, me: ReplicaId, event: &Event) -> Result<(), String> {
        self.agreement.on_event(me, event)?;
        match event {
            Event::EnteredView { view, .. }
                if !self.ballots.get(view).is_some_and(|election| election.prepared) =>
            {
                Err(format!("M6: {me} promises {view}, which nobody has prepared"))
            }
            _ => Ok(()),
        }
    }

    fn marks(&self) -> BTreeMap<&'static str, u64> {
        BTreeMap::from([("told", self.told), ("overruled", self.overruled)])
    }
}
