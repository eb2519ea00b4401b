//! Acceptor: accepts proposals, and answers for them when the view changes.
//!
//! It hands out a promise with each vote; the host writes it to the disk before the vote leaves.
//! To whom votes go is the protocol's matter.
//!
//! It also keeps the account of what is known to be decided (`decided.rs`).

use std::collections::BTreeMap;

use crate::disk::{Durable, Recovered};
use crate::engine::operators::executor::Executed;
use crate::engine::operators::reader::{Ask, Index};
use crate::engine::role::{Pulse, Role, Stream};
use crate::model::batch::{Value, weight};
use crate::model::config::Config;
use crate::model::events::{Event, Holding, Wait};
use crate::model::refused::{Refusal, Refused};
use crate::model::types::{Millis, ReplicaId, Slot, View};

use super::decided::Decided;
use super::lacking::Lacking;
use super::learner::SlotVote;
use super::messages::{Need, Promise, Proposal, Record, Renewal, Supply};
use super::runs::{self, runs};

/// The streams an acceptor reads.
pub struct AcceptanceInputs<'s> {
    /// What leaders propose.
    pub proposals: Stream<'s, Proposal>,
    /// What leaders propose again of earlier views.
    pub renewals: Stream<'s, Renewal>,
    /// Values that were needed.
    pub supplies: Stream<'s, Supply>,
    /// Values that others need.
    pub needs: Stream<'s, (ReplicaId, Need)>,
    /// Readers that want to know how far it has accepted.
    pub asks: Stream<'s, (ReplicaId, Ask)>,
    /// Views to be entered.
    pub views: Stream<'s, View>,
    /// Decided slots, from other replicas.
    pub fetched: Stream<'s, (Slot, Value)>,
    /// What has been executed here.
    pub executed: Stream<'s, Executed>,
}

/// The streams an acceptor writes.
pub struct AcceptanceStreams<'s, V: Clone + 'static> {
    /// Votes, to learners.
    pub votes: Stream<'s, V>,
    /// What the votes are for, to this replica's learner.
    pub accepted: Stream<'s, (V, Value)>,
    /// Slots decided without a vote here: by the word of another replica.
    pub fetched: Stream<'s, (Slot, Value)>,
    /// Accounts of what was accepted, to the leader of a new view.
    pub records: Stream<'s, Record>,
    /// What is needed to accept again, to the leader.
    pub needs: Stream<'s, (ReplicaId, Need)>,
    /// What others need.
    pub supplies: Stream<'s, (ReplicaId, Supply)>,
    /// How far it has accepted, to readers.
    pub indices: Stream<'s, (ReplicaId, Index)>,
    /// The view, to the roles that follow it.
    pub entered: Stream<'s, View>,
    /// What must be on disk before any of the above leaves.
    pub durable: Stream<'s, Durable<Promise>>,
    /// What happened.
    pub events: Stream<'s, Event>,
}

/// Accepts what the leader of its view proposes. The operator is called `name`.
pub fn acceptor<'s, V: SlotVote<Ballot = View> + From<(View, Slot)>>(
    name: &'static str,
    inputs: AcceptanceInputs<'s>,
    Pulse { clock, looks }: Pulse<'s>,
    acceptor: Acceptor,
) -> AcceptanceStreams<'s, V> {
    let mut role = Role::new(name, clock.scope(), acceptor);
    let (vote, votes) = role.output();
    let (accept, accepted) = role.output();
    let (release, fetched) = role.output();
    let (account, records) = role.output();
    let (ask, needs) = role.output();
    let (give, supplies) = role.output();
    let (tell, indices) = role.output();
    let (enter, entered) = role.output();
    let (keep, durable) = role.output();
    let (event, events) = role.output();
    role.on_look(looks, event.clone(), move |acceptor| acceptor.holding(name));
    let (account_again, first_event) = (account.clone(), event.clone());
    let keep_view = keep.clone();
    let leave = move |acceptor: &Acceptor, left: Option<View>| {
        if let Some(view) = left {
            keep_view.send([Durable::Newest(Promise::Entered(view))]);
            enter.send([view]);
            event.send([Event::EnteredView { view, leader: Some(acceptor.leader()) }]);
            account.send([acceptor.record()]);
        }
    };
    let keep_votes = keep.clone();
    let vote_for = move |acceptor: &mut Acceptor, votes: Vec<Vote>| {
        for Vote { proposal, promise } in votes {
            if let Some(promise) = promise {
                keep_votes.send(acceptor.mark());
                keep_votes.send([Durable::Slot(proposal.slot, promise)]);
            }
            let Proposal { view, slot, value } = proposal;
            let cast = V::from((view, slot));
            vote.send([cast.clone()]);
            accept.send([(cast, value)]);
        }
    };
    role.on(inputs.executed, |acceptor, executed| acceptor.on_executed(&executed));
    role.on(inputs.fetched, move |acceptor, (slot, value)| {
        if let Some(promise) = acceptor.on_fetched(slot, &value) {
            keep.send(acceptor.mark());
            keep.send([Durable::Slot(slot, promise)]);
            release.send([(slot, value)]);
        }
    });
    let left = leave.clone();
    role.on(inputs.views, move |acceptor, view| {
        let view = acceptor.on_view(view);
        left(acceptor, view);
    });
    let (left, voted) = (leave.clone(), vote_for.clone());
    role.on(inputs.proposals, move |acceptor, proposal| {
        let view = acceptor.on_view(proposal.view);
        left(acceptor, view);
        let votes = acceptor.on_proposal(proposal).into_iter().collect();
        voted(acceptor, votes);
    });
    let (left, voted) = (leave, vote_for.clone());
    role.on(inputs.renewals, move |acceptor, renewal| {
        let view = acceptor.on_view(renewal.view);
        left(acceptor, view);
        let votes = acceptor.on_renewal(&renewal);
        voted(acceptor, votes);
    });
    let ask_on = ask.clone();
    role.on(inputs.supplies, move |acceptor, supply| {
        let (votes, need) = acceptor.on_supply(supply);
        ask_on.send(need);
        vote_for(acceptor, votes);
    });
    role.on(inputs.needs, move |acceptor, (from, need)| {
        give.send(acceptor.on_need(&need).map(|supply| (from, supply)));
    });
    role.on(inputs.asks, move |acceptor, (from, ask)| {
        tell.send([(from, ask.answered(acceptor.end()))]);
    });
    let mut starts = true;
    role.on(clock, move |acceptor, now| {
        account_again.send(acceptor.on_tick(now));
        ask.send(acceptor.need_late());
        if std::mem::take(&mut starts) {
            let (view, leader) = (acceptor.view(), Some(acceptor.leader()));
            first_event.send([Event::Started { view, leader }]);
        }
    });
    role.build();
    AcceptanceStreams {
        votes,
        accepted,
        fetched,
        records,
        needs,
        supplies,
        indices,
        entered,
        durable,
        events,
    }
}

/// Owns the view and all that was accepted.
///
/// The two must not part: an acceptor that has answered for its slots in a new view must never
/// again accept in an old one, or the new leader would miss a slot that an old one decided (T4).
#[derive(Clone, Debug)]
pub struct Acceptor {
    n: usize,
    window: u64,
    retry_after_ms: Millis,
    chunk_bytes: usize,
    view: View,
    /// What was accepted last for each slot from `executed` on.
    accepted: BTreeMap<Slot, Proposal>,
    lacking: Lacking,
    executed: Slot,
    decided: Decided,
    /// Whether the leader of the view has proposed, so that it need not have the record again.
    led: bool,
    /// When the record was last sent.
    sent_at: Millis,
    now: Millis,
    refused: Refused,
}

/// A vote for a proposal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vote {
    /// What was accepted.
    pub proposal: Proposal,
    /// What must be on the disk before the vote leaves; nothing if it is there.
    pub promise: Option<Promise>,
}

impl Acceptor {
    /// An acceptor that goes on from what its disk held: its view and what it had accepted. It has
    /// forgotten nothing it ever sent, so it may vote at once (TA-12).
    pub fn new(recovered: &Recovered<Promise>, config: &Config) -> Self {
        let executed = recovered.decided;
        let mut view = View(0);
        let mut accepted = BTreeMap::new();
        let slots = recovered.slots.iter().map(|(_, promise)| promise);
        for promise in recovered.newest.iter().chain(slots) {
            view = remember(promise, &mut accepted).max(view);
        }
        Self {
            n: config.n,
            window: config.window,
            retry_after_ms: config.retry_after_ms,
            chunk_bytes: config.chunk_bytes,
            view,
            decided: Decided::new(recovered),
            accepted,
            lacking: Lacking::new(config),
            executed,
            led: recovered.newest.is_none(),
            sent_at: 0,
            now: 0,
            refused: Refused::default(),
        }
    }

    /// The view it is in.
    pub fn view(&self) -> View {
        self.view
    }

    /// Who leads that view.
    pub fn leader(&self) -> ReplicaId {
        self.view.leader(self.n)
    }

    /// The first slot beyond all that it has accepted or seen executed, in this life or before.
    pub fn end(&self) -> Slot {
        let last = self.accepted.keys().next_back();
        last.map_or(self.executed, |slot| slot.next()).max(self.executed)
    }

    /// The holding of `role`: an acceptor holds what it has accepted until that is executed.
    pub fn holding(&self, role: &'static str) -> Holding {
        let slot = self.accepted.keys().next().copied();
        let wait = match slot {
            _ if !self.led || self.lacking.len() > 0 => Wait::Proposal(self.leader()),
            Some(_) => Wait::for_role("learner"),
            None => Wait::Nothing,
        };
        let held = (self.accepted.len() + self.lacking.len()) as u64;
        let values = self.accepted.values().map(|proposal| weight(&proposal.value));
        let (bytes, refused) = (values.sum::<usize>() as u64, self.refused);
        Holding { slot, held, bytes, wait, refused, ..Holding::nothing(role) }
    }

    /// Leaves all views below `view`; returns `view` if it was in one of them.
    pub fn on_view(&mut self, view: View) -> Option<View> {
        (view > self.view).then(|| {
            self.view = view;
            self.led = false;
            self.lacking.clear();
            view
        })
    }

    /// Accepts a proposal of the view it is in.
    pub fn on_proposal(&mut self, proposal: Proposal) -> Option<Vote> {
        let Proposal { view, slot, .. } = proposal;
        if view < self.view {
            self.refused.add(Refusal::StaleView);
            return None;
        }
        self.led = true;
        self.accept(slot, proposal)
    }

    fn accept(&mut self, slot: Slot, proposal: Proposal) -> Option<Vote> {
        if !self.refused.admits(slot, self.executed, self.window) {
            return None;
        }
        if self.accepted.get(&slot).is_some_and(|accepted| accepted.view == proposal.view) {
            return Some(Vote { proposal, promise: None });
        }
        assert_eq!(proposal.view, self.view, "T4: it accepts in the view it is in");
        self.lacking.remove(slot);
        self.accepted.insert(slot, proposal.clone());
        let promise = Some(Promise::Accepted(proposal.clone()));
        Some(Vote { proposal, promise })
    }

    /// Accepts again what it had accepted in the view that the leader names for each slot; what it
    /// had not, it lacks.
    pub fn on_renewal(&mut self, renewal: &Renewal) -> Vec<Vote> {
        let view = renewal.view;
        if view < self.view {
            self.refused.add(Refusal::StaleView);
            return Vec::new();
        }
        self.led = true;
        runs::each(&renewal.slots).filter_map(|(slot, from)| self.renew(slot, view, from)).collect()
    }

    fn renew(&mut self, slot: Slot, view: View, from: View) -> Option<Vote> {
        if !self.refused.admits(slot, self.executed, self.window) {
            return None;
        }
        let known = self.accepted.get_mut(&slot);
        let Some(known) = known.filter(|known| known.view == from || known.view == view) else {
            self.lacking.add(slot, self.now);
            return None;
        };
        assert_eq!(view, self.view, "T4: it accepts in the view it is in");
        let promise = (known.view == from).then_some(Promise::Renewed { slot, view, from });
        known.view = view;
        Some(Vote { proposal: known.clone(), promise })
    }

    /// Accepts what it was sent of what it lacks, and asks the leader, which has accepted all that
    /// it has proposed, for the rest.
    pub fn on_supply(&mut self, supply: Supply) -> (Vec<Vote>, Option<(ReplicaId, Need)>) {
        let proposals = supply.proposals.into_iter();
        let wanted =
            proposals.filter(|own| own.view == self.view && self.lacking.contains(own.slot));
        let wanted: Vec<Proposal> = wanted.collect();
        let is_new = !wanted.is_empty();
        let votes = wanted.into_iter().filter_map(|own| self.accept(own.slot, own)).collect();
        let need = if is_new { self.lacking.on_supply(self.view, self.now) } else { None };
        (votes, need.map(|need| (self.leader(), need)))
    }

    /// What others need and was accepted here in the view they name, as much as fits into a
    /// message.
    pub fn on_need(&self, need: &Need) -> Option<Supply> {
        let mut bytes = 0;
        let accepted = runs::each(&need.slots)
            .filter_map(|(slot, view)| self.accepted.get(&slot).filter(|own| own.view == view));
        let proposals = accepted.take_while(|own| {
            let fits = bytes < self.chunk_bytes;
            bytes += weight(&own.value);
            fits
        });
        let proposals: Vec<Proposal> = proposals.cloned().collect();
        (!proposals.is_empty()).then_some(Supply { proposals })
    }

    /// Learns of a decided slot from another replica; nothing if it is known.
    pub fn on_fetched(&mut self, slot: Slot, value: &Value) -> Option<Promise> {
        let is_new = slot >= self.executed && self.decided.learn(slot);
        is_new.then(|| Promise::Learned { slot, value: value.clone() })
    }

    /// What is executed here is decided, and need not be answered for: the leader of a new view
    /// proposes nothing below the highest such mark of the records.
    pub fn on_executed(&mut self, executed: &Executed) {
        let next = executed.next;
        assert!(next >= self.executed, "execution went back from {} to {next}", self.executed);
        let is_accepted = |slot| self.accepted.contains_key(&slot);
        self.decided.on_executed(self.executed, executed, is_accepted);
        self.lacking.on_executed(next, self.now);
        self.accepted = self.accepted.split_off(&next);
        self.executed = next;
    }

    /// What the journal may note beside a record that it gets anyway.
    pub fn mark(&mut self) -> Option<Durable<Promise>> {
        self.decided.mark(self.executed)
    }

    /// What it asks the leader for, if it has lacked something for a while.
    pub fn need_late(&mut self) -> Option<(ReplicaId, Need)> {
        let need = self.lacking.on_tick(self.view, self.now)?;
        Some((self.leader(), need))
    }

    /// Its record, as long as nothing was received of the leader of its view.
    pub fn on_tick(&mut self, now: Millis) -> Option<Record> {
        self.now = now;
        if self.led || now.saturating_sub(self.sent_at) < self.retry_after_ms {
            return None;
        }
        self.sent_at = now;
        Some(self.record())
    }

    /// What was accepted in the views left behind.
    pub fn record(&self) -> Record {
        let first = self.accepted.keys().next();
        assert!(first.is_none_or(|slot| *slot >= self.executed), "T4: it answers for all it keeps");
        let accepted = self.accepted.values().map(|own| (own.slot, own.view));
        Record { view: self.view, decided: self.executed, accepted: runs(accepted) }
    }
}

/// Takes up a promise from the journal; returns the view in which it was made.
fn remember(promise: &Promise, accepted: &mut BTreeMap<Slot, Proposal>) -> View {
    match promise {
        Promise::Entered(view) => *view,
        Promise::Accepted(proposal) => {
            let known = accepted.get(&proposal.slot);
            if known.is_none_or(|known| known.view < proposal.view) {
                accepted.insert(proposal.slot, proposal.clone());
            }
            proposal.view
        }
        Promise::Renewed { slot, view, from } => {
            if let Some(known) = accepted.get_mut(slot).filter(|known| known.view == *from) {
                known.view = *view;
            }
            *view
        }
        Promise::Learned { .. } => View(0),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
