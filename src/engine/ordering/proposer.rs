//! Proposer: gives batches slots while its replica leads (TA-3, TA-9, TA-10).

use std::collections::BTreeMap;

use crate::engine::operators::executor::Executed;
use crate::engine::operators::lineup::Lineup;
use crate::engine::operators::patience::Patience;
use crate::engine::operators::requests::Forward;
use crate::engine::role::{Pulse, Role, Stream};
use crate::model::batch::{Value, weight};
use crate::model::config::Config;
use crate::model::events::{Event, Holding, Wait};
use crate::model::refused::{Refusal, Refused};
use crate::model::types::{Millis, Slot, View};

use super::messages::{Proposal, Renewal};
use super::recovery::{Left, NewView};
use super::runs::runs;
use super::window::Window;

/// The streams a proposer writes.
pub struct ProposerStreams<'s> {
    /// What is new, to every committer.
    pub proposals: Stream<'s, Proposal>,
    /// What earlier views leave behind, to this replica's own committer.
    pub renewed: Stream<'s, Proposal>,
    /// The same in few words, to the others.
    pub renewals: Stream<'s, Renewal>,
    /// What happened.
    pub events: Stream<'s, Event>,
}

/// Gives each batch the next free slot while its replica leads.
pub fn proposer<'s>(
    forwards: Stream<'s, Forward>,
    new_views: Stream<'s, NewView>,
    views: Stream<'s, View>,
    executed: Stream<'s, Executed>,
    stable: Stream<'s, Slot>,
    Pulse { clock, looks }: Pulse<'s>,
    proposer: Proposer,
) -> ProposerStreams<'s> {
    let mut first = proposer.leads;
    let mut role = Role::new("proposer", clock.scope(), proposer);
    let (propose, proposals) = role.output();
    let (own, renewed) = role.output();
    let (renew, renewals) = role.output();
    let (event, events) = role.output();
    let (again, room) = (propose.clone(), propose.clone());
    let send = move |proposed: Proposed| {
        again.send(proposed.proposals);
        own.send(proposed.renewed);
        renew.send(proposed.renewal);
    };
    let (late, first_event) = (send.clone(), event.clone());
    role.on_look(looks, event.clone(), Proposer::holding);
    role.on(views, Proposer::on_view);
    role.on(executed, |proposer, executed| proposer.on_executed(&executed));
    role.on(stable, move |proposer, slot| room.send(proposer.on_stable(slot)));
    role.on(new_views, move |proposer, new| {
        let (view, base) = (new.view, new.base);
        let recovered = new.slots.len();
        if let Some(proposed) = proposer.on_new_view(new) {
            event.send([Event::Leads { view, base, recovered }]);
            send(proposed);
        }
    });
    role.on(forwards, move |proposer, forward| propose.send(proposer.on_forward(forward)));
    role.on(clock, move |proposer, now| {
        late(proposer.on_tick(now));
        let led = first.take().filter(|view| proposer.leads == Some(*view));
        first_event.send(led.map(|view| Event::Leads { view, base: Slot(0), recovered: 0 }));
    });
    role.build();
    ProposerStreams { proposals, renewed, renewals, events }
}

/// Proposals for some slots: the new ones, and those proposed again.
#[derive(Debug, Default, PartialEq, Eq)]
struct Proposed {
    proposals: Vec<Proposal>,
    renewed: Vec<Proposal>,
    renewal: Option<Renewal>,
}

impl Proposed {
    fn new<'a>(view: View, slots: impl Iterator<Item = &'a Open>) -> Self {
        let mut proposed = Self::default();
        let mut earlier = Vec::new();
        for Open { proposal, accepted } in slots {
            match accepted {
                None => proposed.proposals.push(proposal.clone()),
                Some(view) => {
                    earlier.push((proposal.slot, *view));
                    proposed.renewed.push(proposal.clone());
                }
            }
        }
        let slots = runs(earlier);
        proposed.renewal = (!slots.is_empty()).then_some(Renewal { view, slots });
        proposed
    }
}

/// Owns the next free slot.
///
/// In one view it proposes one value for a slot (T1): it never leads a view it led before a
/// restart, and keeps what it proposed until that is executed.
#[derive(Clone, Debug)]
pub struct Proposer {
    chunk_bytes: usize,
    /// The view its replica is in.
    entered: View,
    /// The view this replica leads, if it leads one.
    leads: Option<View>,
    next: Slot,
    window: Window,
    /// What it has proposed in this view and not seen executed.
    open: BTreeMap<Slot, Open>,
    /// The batches that wait for a slot.
    lineup: Lineup,
    patience: Patience,
    now: Millis,
    refused: Refused,
}

/// A proposal that has not been executed.
#[derive(Clone, Debug)]
struct Open {
    proposal: Proposal,
    /// The earlier view in which it was accepted, if it was.
    accepted: Option<View>,
}

impl Proposer {
    /// The proposer of a replica that has executed all slots below `next`. It leads `leads` at once:
    /// only right for the first view of a replica that has never run.
    pub fn new(leads: Option<View>, next: Slot, window: Window, config: &Config) -> Self {
        Self {
            chunk_bytes: config.chunk_bytes,
            entered: View(0),
            leads,
            next,
            window,
            open: BTreeMap::new(),
            lineup: Lineup::new(config),
            patience: Patience::new(config),
            now: 0,
            refused: Refused::default(),
        }
    }

    /// A leader holds what it has proposed until that is executed, and what it has no room to
    /// propose.
    fn holding(&self) -> Holding {
        let waiting = self.lineup.len();
        let held = (self.open.len() + waiting) as u64;
        let slot = self.open.keys().next().copied();
        let wait = match self.leads {
            Some(_) if waiting > 0 && !self.has_room() => Wait::for_role("checkpointer"),
            Some(_) if held > 0 => Wait::for_role("executor"),
            _ => Wait::Nothing,
        };
        let open = self.open.values().map(|open| weight(&open.proposal.value)).sum::<usize>();
        let (bytes, refused) = ((open + self.lineup.bytes()) as u64, self.refused);
        Holding { slot, held, bytes, wait, refused, ..Holding::nothing("proposer") }
    }

    /// A leader that learns of a higher view stops at once (TA-10).
    fn on_view(&mut self, view: View) {
        self.entered = view;
        if self.leads.is_some_and(|led| led < view) {
            self.leads = None;
            self.close_below(self.next);
            self.lineup.clear();
        }
    }

    /// Proposes what earlier views may have decided before anything of this leader's own (TA-9).
    fn on_new_view(&mut self, new: NewView) -> Option<Proposed> {
        if self.leads.is_some_and(|led| led >= new.view) || new.view < self.entered {
            return None;
        }
        self.leads = Some(new.view);
        self.close_below(self.next);
        assert!(self.open.is_empty(), "T1: nothing of an earlier view is proposed as it was");
        self.next = new.base;
        self.lineup.clear();
        self.patience.begin(self.now);
        // With nothing left behind, a noop shows the acceptors that the view has a leader.
        let slots = match new.slots {
            slots if slots.is_empty() && self.has_room() => {
                vec![Left { accepted: None, value: None }]
            }
            slots => slots,
        };
        for Left { accepted, value } in slots {
            self.propose_as(value, accepted);
        }
        Some(Proposed::new(new.view, self.open.values()))
    }

    fn on_forward(&mut self, forward: Forward) -> Vec<Proposal> {
        let outcome = match self.leads {
            Some(_) => self.lineup.add(forward),
            None => Err(Refusal::NotLeader),
        };
        if let Err(why) = outcome {
            self.refused.add(why);
        }
        self.propose_waiting()
    }

    fn on_executed(&mut self, executed: &Executed) {
        self.close_below(executed.next);
        self.window.on_executed(executed);
        self.patience.came(self.now);
        if !self.open.is_empty() {
            self.patience.ask(self.now);
        }
    }

    fn on_stable(&mut self, stable: Slot) -> Vec<Proposal> {
        self.window.on_stable(stable);
        self.propose_waiting()
    }

    /// What it has proposed for slots below `next` is executed, or another's to propose.
    fn close_below(&mut self, next: Slot) {
        let later = self.open.split_off(&next);
        let closed = std::mem::replace(&mut self.open, later);
        closed.values().for_each(|open| self.window.close(weight(&open.proposal.value)));
    }

    /// Sends again what has gone unanswered; the committers' answers go to all, so that this
    /// repairs lost votes as well.
    fn on_tick(&mut self, now: Millis) -> Proposed {
        self.now = now;
        let Some(view) = self.leads else { return Proposed::default() };
        if self.open.is_empty() || !self.patience.is_over(now) {
            return Proposed::default();
        }
        self.patience.ask(now);
        let mut bytes = 0;
        let few = self.open.values().take(Self::RETRIED_AT_ONCE).take_while(|open| {
            let fits = bytes < self.chunk_bytes;
            bytes += weight(&open.proposal.value);
            fits
        });
        Proposed::new(view, few)
    }

    /// Enough to get going again, and no flood when a cluster is slow rather than deaf.
    const RETRIED_AT_ONCE: usize = 8;

    fn propose_waiting(&mut self) -> Vec<Proposal> {
        let mut proposals = Vec::new();
        while self.leads.is_some()
            && self.has_room()
            && let Some(batch) = self.lineup.take()
        {
            proposals.extend(self.propose(Some(batch)));
        }
        proposals
    }

    fn has_room(&self) -> bool {
        self.window.admits(self.next)
    }

    fn propose(&mut self, value: Value) -> Option<Proposal> {
        let stable = self.window.stable();
        assert!(self.has_room(), "T5: slot {} is a window above {stable}", self.next);
        self.propose_as(value, None)
    }

    fn propose_as(&mut self, value: Value, accepted: Option<View>) -> Option<Proposal> {
        let proposal = Proposal { view: self.leads?, slot: self.next, value };
        if self.open.is_empty() {
            self.patience.ask(self.now);
        }
        self.window.open(weight(&proposal.value));
        self.next = self.next.next();
        let open = Open { proposal: proposal.clone(), accepted };
        let before = self.open.insert(proposal.slot, open);
        assert!(before.is_none(), "T1: slot {} is proposed once in a view", proposal.slot);
        Some(proposal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::types::ReplicaId;

    fn leader() -> Proposer {
        let config = Config::new(ReplicaId(0), 3);
        Proposer::new(Some(View(0)), Slot(0), Window::new(&[], 1, &config), &config)
    }

    #[test]
    #[should_panic(expected = "T5: slot 131072 is a window above 0")]
    fn nothing_is_proposed_a_window_above_the_stable_checkpoint() {
        let mut proposer = leader();
        proposer.next = Slot(131_072);
        proposer.propose(None);
    }

    #[test]
    #[should_panic(expected = "T1: slot 0 is proposed once in a view")]
    fn a_slot_is_not_proposed_again_for_another_value() {
        let mut proposer = leader();
        proposer.propose(None);
        proposer.next = Slot(0);
        proposer.propose(None);
    }

    #[test]
    #[should_panic(expected = "T1: nothing of an earlier view")]
    fn what_an_earlier_view_left_open_is_not_proposed_as_it_was() {
        let mut proposer = leader();
        proposer.propose(None);
        proposer.next = Slot(0);
        proposer.on_new_view(NewView { view: View(3), base: Slot(0), slots: Vec::new() });
    }
}
