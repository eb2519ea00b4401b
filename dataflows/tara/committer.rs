//! Committer: accepts proposals, and answers for them when the view changes (TA-4, TA-8, TA-12).

use std::collections::BTreeMap;

use crate::batch::weight;
use crate::config::Config;
use crate::disk::{Durable, Recovered};
use crate::events::{Event, Holding, Wait};
use crate::operators::executor::Executed;
use crate::refused::{Refusal, Refused};
use crate::role::{Pulse, Role, Stream};
use crate::types::{Millis, Slot, View};

use super::messages::{Commit, Promise, Proposal, Record};

/// The streams a committer writes.
pub struct Streams<'s> {
    /// Votes, to every learner.
    pub commits: Stream<'s, Commit>,
    /// What the votes are for, to this replica's learner.
    pub accepted: Stream<'s, Proposal>,
    /// Accounts of what was accepted, to the leader of a new view.
    pub records: Stream<'s, Record>,
    /// The view, to the roles that follow it.
    pub entered: Stream<'s, View>,
    /// What must be on disk before any of the above leaves.
    pub durable: Stream<'s, Durable<Promise>>,
    /// What happened.
    pub events: Stream<'s, Event>,
}

/// Accepts what the leader of its view proposes.
pub fn committer<'s>(
    proposals: Stream<'s, Proposal>,
    views: Stream<'s, View>,
    executed: Stream<'s, Executed>,
    Pulse { clock, looks }: Pulse<'s>,
    committer: Committer,
) -> Streams<'s> {
    let mut role = Role::new("committer", clock.scope(), committer);
    let (vote, commits) = role.output();
    let (accept, accepted) = role.output();
    let (account, records) = role.output();
    let (enter, entered) = role.output();
    let (keep, durable) = role.output();
    let (tell, events) = role.output();
    role.on_look(looks, tell.clone(), Committer::holding);
    let (account_again, tell_first) = (account.clone(), tell.clone());
    let left = move |committer: &Committer, left: Option<View>| {
        if let Some(view) = left {
            keep.send([Durable::Newest(Promise::Entered(view))]);
            enter.send([view]);
            tell.send([Event::EnteredView { view }]);
            account.send(committer.record());
        }
        keep.clone()
    };
    let left_for_proposal = left.clone();
    role.on(executed, |committer, executed| committer.on_executed(executed.next));
    role.on(views, move |committer, view| {
        let view = committer.on_view(view);
        left(committer, view);
    });
    role.on(proposals, move |committer, proposal| {
        let view = committer.on_view(proposal.view);
        let keep = left_for_proposal(committer, view);
        match committer.on_proposal(&proposal) {
            Vote::Refused => return,
            Vote::Again => {}
            Vote::New => {
                keep.send([Durable::Slot(proposal.slot, Promise::Accepted(proposal.clone()))]);
            }
        }
        vote.send([Commit { view: proposal.view, slot: proposal.slot }]);
        accept.send([proposal]);
    });
    let mut starts = true;
    role.on(clock, move |committer, now| {
        account_again.send(committer.on_tick(now));
        let view = committer.view();
        tell_first.send(std::mem::take(&mut starts).then_some(Event::Stands { view }));
    });
    role.build();
    Streams { commits, accepted, records, entered, durable, events }
}

/// Owns the view and all that was accepted.
///
/// The two must not part: a committer that has answered for its slots in a new view must never again
/// accept in an old one, or the new leader would miss a slot that an old one decided (T4).
#[derive(Clone, Debug)]
pub struct Committer {
    n: usize,
    window: u64,
    retry_after_ms: Millis,
    chunk_bytes: usize,
    view: View,
    /// What was accepted last for each slot from `executed` on.
    accepted: BTreeMap<Slot, Proposal>,
    executed: Slot,
    /// Whether the leader of the view has been heard, so that it need not be told again.
    led: bool,
    said_at: Millis,
    refused: Refused,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Vote {
    Refused,
    New,
    Again,
}

impl Committer {
    /// A committer that goes on from what its disk held: its view and what it had accepted. It has
    /// forgotten nothing it ever said, so it may vote at once (TA-12).
    #[must_use]
    pub fn new(recovered: &Recovered<Promise>, config: &Config) -> Self {
        let executed = recovered.checkpoint.as_ref().map_or(Slot(0), |own| own.slot);
        let mut committer = Self {
            n: config.n,
            window: config.window,
            retry_after_ms: config.retry_after_ms,
            chunk_bytes: config.chunk_bytes,
            view: View(0),
            accepted: BTreeMap::new(),
            executed,
            led: recovered.newest.is_none(),
            said_at: 0,
            refused: Refused::default(),
        };
        let slots = recovered.slots.iter().map(|(_, promise)| promise);
        for promise in recovered.newest.iter().chain(slots) {
            match promise {
                Promise::Entered(view) => committer.view = committer.view.max(*view),
                Promise::Accepted(proposal) => {
                    committer.view = committer.view.max(proposal.view);
                    let known = committer.accepted.get(&proposal.slot);
                    if known.is_none_or(|known| known.view < proposal.view) {
                        committer.accepted.insert(proposal.slot, proposal.clone());
                    }
                }
            }
        }
        committer.accepted = committer.accepted.split_off(&executed);
        committer
    }

    /// The view it is in.
    #[must_use]
    pub fn view(&self) -> View {
        self.view
    }

    /// A committer holds what it has accepted until that is executed.
    fn holding(&self) -> Holding {
        let slot = self.accepted.keys().next().copied();
        let wait = match slot {
            _ if !self.led => Wait::Proposal(self.view.leader(self.n)),
            Some(_) => Wait::for_role("learner"),
            None => Wait::Nothing,
        };
        let held = self.accepted.len() as u64;
        Holding { slot, held, wait, refused: self.refused, ..Holding::nothing("committer") }
    }

    /// Leaves all views below `view`; answers `view` if it was in one of them.
    fn on_view(&mut self, view: View) -> Option<View> {
        (view > self.view).then(|| {
            self.view = view;
            self.led = false;
            view
        })
    }

    fn on_proposal(&mut self, proposal: &Proposal) -> Vote {
        let Proposal { view, slot, .. } = *proposal;
        if view < self.view {
            self.refused.add(Refusal::StaleView);
            return Vote::Refused;
        }
        self.led = true;
        if !self.refused.admits(slot, self.executed, self.window) {
            return Vote::Refused;
        }
        if self.accepted.get(&slot).is_some_and(|accepted| accepted.view == view) {
            return Vote::Again;
        }
        self.accepted.insert(slot, proposal.clone());
        Vote::New
    }

    /// What is executed here is decided, and need not be answered for: the leader of a new view
    /// proposes nothing below the highest such mark it hears of.
    fn on_executed(&mut self, next: Slot) {
        self.executed = next;
        self.accepted = self.accepted.split_off(&next);
    }

    fn on_tick(&mut self, now: Millis) -> Vec<Record> {
        if self.led || now.saturating_sub(self.said_at) < self.retry_after_ms {
            return Vec::new();
        }
        self.said_at = now;
        self.record()
    }

    /// What was accepted in the views left behind, in parts that fit a link.
    fn record(&self) -> Vec<Record> {
        let mut parts = vec![Vec::new()];
        let mut bytes = 0;
        for proposal in self.accepted.values() {
            if bytes >= self.chunk_bytes {
                parts.push(Vec::new());
                bytes = 0;
            }
            bytes += weight(&proposal.value);
            parts.last_mut().expect("one part at least").push(proposal.clone());
        }
        let count = parts.len() as u32;
        let record = |(part, accepted)| Record {
            view: self.view,
            decided: self.executed,
            part,
            parts: count,
            accepted,
        };
        (0..).zip(parts).map(record).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::ReplicaId;

    fn committer() -> Committer {
        Committer::new(&Recovered::nothing(), &Config::new(ReplicaId(0), 3))
    }

    fn proposal(view: u64, slot: u64) -> Proposal {
        Proposal { view: View(view), slot: Slot(slot), value: None }
    }

    #[test]
    fn committer_refuses_a_view_it_has_answered_for() {
        let mut committer = committer();
        assert_eq!(committer.on_proposal(&proposal(0, 0)), Vote::New);

        committer.on_view(View(1));

        assert_eq!(committer.record()[0].accepted, [proposal(0, 0)]);
        assert_eq!(committer.on_proposal(&proposal(0, 1)), Vote::Refused);
        assert_eq!(committer.on_proposal(&proposal(1, 0)), Vote::New);
        let refused: Vec<_> = committer.holding().refused.counts().collect();
        assert_eq!(refused, [(Refusal::StaleView, 1)]);
    }

    #[test]
    fn committer_accepts_again_what_it_alone_had_accepted_in_an_earlier_view() {
        let mut committer = committer();
        committer.on_proposal(&proposal(0, 0));
        committer.on_view(View(2));
        assert_eq!(committer.on_proposal(&proposal(2, 0)), Vote::New);
        assert_eq!(committer.on_proposal(&proposal(2, 0)), Vote::Again);
    }

    #[test]
    fn committer_restarted_from_its_disk_stands_by_its_word() {
        let mut recovered = Recovered::nothing();
        recovered.newest = Some(Promise::Entered(View(3)));
        recovered.slots = vec![(Slot(0), Promise::Accepted(proposal(3, 0)))];
        let mut committer = Committer::new(&recovered, &Config::new(ReplicaId(0), 3));
        assert_eq!(committer.on_proposal(&proposal(2, 1)), Vote::Refused);
        assert_eq!(committer.record()[0].accepted, [proposal(3, 0)]);
    }
}
