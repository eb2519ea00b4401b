//! Committer: accepts proposals, and answers for them when the view changes (TA-4, TA-8, TA-12).
//!
//! It also keeps the account of what is known to be decided (`decided.rs`). A replica that starts again
//! releases that before it hears from anybody.

use std::collections::BTreeMap;

use crate::batch::{Value, weight};
use crate::config::Config;
use crate::disk::{Durable, Recovered};
use crate::events::{Event, Holding, Wait};
use crate::operators::executor::Executed;
use crate::refused::{Refusal, Refused};
use crate::role::{Pulse, Role, Stream};
use crate::types::{Millis, ReplicaId, Slot, View};

use super::decided::Decided;
use super::lacking::Lacking;
use super::messages::{Commit, Need, Promise, Proposal, Record, Renewal, Supply};
use super::runs::{self, runs};

/// The streams a committer reads.
pub struct Inputs<'s> {
    /// What leaders propose.
    pub proposals: Stream<'s, Proposal>,
    /// What leaders propose again of earlier views.
    pub renewals: Stream<'s, Renewal>,
    /// Values that were needed.
    pub supplies: Stream<'s, Supply>,
    /// Values that others need.
    pub needs: Stream<'s, (ReplicaId, Need)>,
    /// Views to be entered.
    pub views: Stream<'s, View>,
    /// Decided slots, from other replicas.
    pub fetched: Stream<'s, (Slot, Value)>,
    /// What has been executed here.
    pub executed: Stream<'s, Executed>,
}

/// The streams a committer writes.
pub struct Streams<'s> {
    /// Votes, to every learner.
    pub commits: Stream<'s, Commit>,
    /// What the votes are for, to this replica's learner.
    pub accepted: Stream<'s, Proposal>,
    /// Slots that are decided without a vote of now: by what the journal says, or another replica.
    pub known: Stream<'s, (Slot, Value)>,
    /// Accounts of what was accepted, to the leader of a new view.
    pub records: Stream<'s, Record>,
    /// What is needed to accept again, to the leader.
    pub needs: Stream<'s, (ReplicaId, Need)>,
    /// What others need.
    pub supplies: Stream<'s, (ReplicaId, Supply)>,
    /// The view, to the roles that follow it.
    pub entered: Stream<'s, View>,
    /// What must be on disk before any of the above leaves.
    pub durable: Stream<'s, Durable<Promise>>,
    /// What happened.
    pub events: Stream<'s, Event>,
}

/// Accepts what the leader of its view proposes.
pub fn committer<'s>(
    inputs: Inputs<'s>,
    Pulse { clock, looks }: Pulse<'s>,
    committer: Committer,
) -> Streams<'s> {
    let mut role = Role::new("committer", clock.scope(), committer);
    let (vote, commits) = role.output();
    let (accept, accepted) = role.output();
    let (release, known) = role.output();
    let (account, records) = role.output();
    let (ask, needs) = role.output();
    let (give, supplies) = role.output();
    let (enter, entered) = role.output();
    let (keep, durable) = role.output();
    let (tell, events) = role.output();
    role.on_look(looks, tell.clone(), Committer::holding);
    let (account_again, tell_first) = (account.clone(), tell.clone());
    let keep_view = keep.clone();
    let leave = move |committer: &Committer, left: Option<View>| {
        if let Some(view) = left {
            keep_view.send([Durable::Newest(Promise::Entered(view))]);
            enter.send([view]);
            tell.send([Event::EnteredView { view }]);
            account.send([committer.record()]);
        }
    };
    let keep_votes = keep.clone();
    let vote_for = move |committer: &mut Committer, votes: Vec<Vote>| {
        for Vote { proposal, promise } in votes {
            if let Some(promise) = promise {
                keep_votes.send(committer.mark());
                keep_votes.send([Durable::Slot(proposal.slot, promise)]);
            }
            vote.send([Commit { view: proposal.view, slot: proposal.slot }]);
            accept.send([proposal]);
        }
    };
    role.on(inputs.executed, |committer, executed| committer.on_executed(executed.next));
    let learned = release.clone();
    role.on(inputs.fetched, move |committer, (slot, value)| {
        if let Some(promise) = committer.on_fetched(slot, &value) {
            keep.send(committer.mark());
            keep.send([Durable::Slot(slot, promise)]);
            learned.send([(slot, value)]);
        }
    });
    let left = leave.clone();
    role.on(inputs.views, move |committer, view| {
        let view = committer.on_view(view);
        left(committer, view);
    });
    let (left, voted) = (leave.clone(), vote_for.clone());
    role.on(inputs.proposals, move |committer, proposal| {
        let view = committer.on_view(proposal.view);
        left(committer, view);
        let votes = committer.on_proposal(proposal).into_iter().collect();
        voted(committer, votes);
    });
    let (left, voted) = (leave, vote_for.clone());
    role.on(inputs.renewals, move |committer, renewal| {
        let view = committer.on_view(renewal.view);
        left(committer, view);
        let votes = committer.on_renewal(&renewal);
        voted(committer, votes);
    });
    let ask_on = ask.clone();
    role.on(inputs.supplies, move |committer, supply| {
        let (votes, need) = committer.on_supply(supply);
        ask_on.send(need);
        vote_for(committer, votes);
    });
    role.on(inputs.needs, move |committer, (from, need)| {
        give.send(committer.on_need(&need).map(|supply| (from, supply)));
    });
    let mut starts = true;
    role.on(clock, move |committer, now| {
        account_again.send(committer.on_tick(now));
        ask.send(committer.need_late());
        if std::mem::take(&mut starts) {
            release.send(committer.decided.take_at_start());
            tell_first.send([Event::Stands { view: committer.view() }]);
        }
    });
    role.build();
    Streams { commits, accepted, known, records, needs, supplies, entered, durable, events }
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
    lacking: Lacking,
    executed: Slot,
    decided: Decided,
    /// Whether the leader of the view has been heard, so that it need not be told again.
    led: bool,
    said_at: Millis,
    now: Millis,
    refused: Refused,
}

/// A vote, and what must be on the disk before it leaves; nothing if it is there.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Vote {
    proposal: Proposal,
    promise: Option<Promise>,
}

impl Committer {
    /// A committer that goes on from what its disk held: its view and what it had accepted. It has
    /// forgotten nothing it ever said, so it may vote at once (TA-12).
    #[must_use]
    pub fn new(recovered: &Recovered<Promise>, config: &Config) -> Self {
        let covered = recovered.covered();
        let mut view = View(0);
        let mut accepted = BTreeMap::new();
        let slots = recovered.slots.iter().map(|(_, promise)| promise);
        for promise in recovered.newest.iter().chain(slots) {
            view = remember(promise, &mut accepted).max(view);
        }
        let accepted = accepted.split_off(&covered);
        Self {
            n: config.n,
            window: config.window,
            retry_after_ms: config.retry_after_ms,
            chunk_bytes: config.chunk_bytes,
            view,
            decided: Decided::new(recovered, &accepted),
            accepted,
            lacking: Lacking::new(config),
            executed: covered,
            led: recovered.newest.is_none(),
            said_at: 0,
            now: 0,
            refused: Refused::default(),
        }
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
            _ if self.lacking.len() > 0 => Wait::Proposal(self.view.leader(self.n)),
            Some(_) => Wait::for_role("learner"),
            None => Wait::Nothing,
        };
        let held = (self.accepted.len() + self.lacking.len()) as u64;
        Holding { slot, held, wait, refused: self.refused, ..Holding::nothing("committer") }
    }

    /// Leaves all views below `view`; answers `view` if it was in one of them.
    fn on_view(&mut self, view: View) -> Option<View> {
        (view > self.view).then(|| {
            self.view = view;
            self.led = false;
            self.lacking.clear();
            view
        })
    }

    fn on_proposal(&mut self, proposal: Proposal) -> Option<Vote> {
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
        self.lacking.remove(slot);
        self.accepted.insert(slot, proposal.clone());
        let promise = Some(Promise::Accepted(proposal.clone()));
        Some(Vote { proposal, promise })
    }

    /// Accepts again what it had accepted in the view that the leader names for each slot; what it had
    /// not, it lacks.
    fn on_renewal(&mut self, renewal: &Renewal) -> Vec<Vote> {
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
        let promise = (known.view == from).then_some(Promise::Renewed { slot, view, from });
        known.view = view;
        Some(Vote { proposal: known.clone(), promise })
    }

    /// Accepts what it was sent of what it lacks, and asks the leader, which has accepted all that it has
    /// proposed, for the rest.
    fn on_supply(&mut self, supply: Supply) -> (Vec<Vote>, Option<(ReplicaId, Need)>) {
        let proposals = supply.proposals.into_iter();
        let wanted =
            proposals.filter(|own| own.view == self.view && self.lacking.contains(own.slot));
        let wanted: Vec<Proposal> = wanted.collect();
        let is_new = !wanted.is_empty();
        let votes = wanted.into_iter().filter_map(|own| self.accept(own.slot, own)).collect();
        let need = if is_new { self.lacking.on_supply(self.view, self.now) } else { None };
        (votes, need.map(|need| (self.view.leader(self.n), need)))
    }

    /// What others need and was accepted here in the view they name, as much as fits into a message.
    fn on_need(&self, need: &Need) -> Option<Supply> {
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

    /// What another replica says to be decided; nothing if that is known.
    fn on_fetched(&mut self, slot: Slot, value: &Value) -> Option<Promise> {
        if slot < self.executed { None } else { self.decided.learn(slot, value) }
    }

    /// What is executed here is decided, and need not be answered for: the leader of a new view
    /// proposes nothing below the highest such mark it hears of.
    fn on_executed(&mut self, next: Slot) {
        self.decided.on_executed(self.executed, next, &self.accepted);
        self.lacking.on_executed(next, self.now);
        self.accepted = self.accepted.split_off(&next);
        self.executed = next;
    }

    /// What the journal may note beside a record that it gets anyway.
    fn mark(&mut self) -> Option<Durable<Promise>> {
        self.decided.mark(self.executed)
    }

    /// What the journal says to be decided at a start.
    #[must_use]
    pub fn known_at_start(&self) -> &[(Slot, Value)] {
        self.decided.at_start()
    }

    fn need_late(&mut self) -> Option<(ReplicaId, Need)> {
        let need = self.lacking.on_tick(self.view, self.now)?;
        Some((self.view.leader(self.n), need))
    }

    fn on_tick(&mut self, now: Millis) -> Option<Record> {
        self.now = now;
        if self.led || now.saturating_sub(self.said_at) < self.retry_after_ms {
            return None;
        }
        self.said_at = now;
        Some(self.record())
    }

    /// What was accepted in the views left behind.
    fn record(&self) -> Record {
        let accepted = self.accepted.values().map(|own| (own.slot, own.view));
        Record { view: self.view, decided: self.executed, accepted: runs(accepted) }
    }
}

/// Takes up what the journal says was promised; answers the view in which it was.
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
mod tests {
    use super::super::runs::Run;
    use super::*;

    fn committer() -> Committer {
        Committer::new(&Recovered::nothing(), &Config::new(ReplicaId(0), 3))
    }

    fn run(first: u64, count: u64, view: u64) -> Run {
        Run { first: Slot(first), count, view: View(view) }
    }

    fn is_new(vote: &Option<Vote>) -> Option<bool> {
        vote.as_ref().map(|vote| vote.promise.is_some())
    }

    fn proposal(view: u64, slot: u64) -> Proposal {
        Proposal { view: View(view), slot: Slot(slot), value: None }
    }

    #[test]
    fn committer_refuses_a_view_it_has_answered_for() {
        let mut committer = committer();
        assert_eq!(is_new(&committer.on_proposal(proposal(0, 0))), Some(true));
        committer.on_view(View(1));
        assert_eq!(committer.record().accepted, [run(0, 1, 0)]);
        assert_eq!(committer.on_proposal(proposal(0, 1)), None);
        assert_eq!(is_new(&committer.on_proposal(proposal(1, 0))), Some(true));
        let refused: Vec<_> = committer.holding().refused.counts().collect();
        assert_eq!(refused, [(Refusal::StaleView, 1)]);
    }

    #[test]
    fn committer_accepts_again_what_it_alone_had_accepted_in_an_earlier_view() {
        let mut committer = committer();
        committer.on_proposal(proposal(0, 0));
        committer.on_view(View(2));
        assert_eq!(is_new(&committer.on_proposal(proposal(2, 0))), Some(true));
        assert_eq!(is_new(&committer.on_proposal(proposal(2, 0))), Some(false));
    }

    #[test]
    fn committer_restarted_from_its_disk_stands_by_its_word() {
        let mut recovered = Recovered::nothing();
        recovered.newest = Some(Promise::Entered(View(3)));
        let accepted = |view, slot| (Slot(slot), Promise::Accepted(proposal(view, slot)));
        let renewed = Promise::Renewed { slot: Slot(1), view: View(3), from: View(2) };
        recovered.slots = vec![accepted(3, 0), accepted(2, 1), (Slot(1), renewed)];
        let mut committer = Committer::new(&recovered, &Config::new(ReplicaId(0), 3));
        assert_eq!(committer.on_proposal(proposal(2, 2)), None);
        assert_eq!(committer.record().accepted, [run(0, 2, 3)]);
    }

    #[test]
    fn a_renewal_is_accepted_where_the_view_it_names_was_and_lacked_elsewhere() {
        let mut committer = committer();
        committer.on_proposal(proposal(1, 0));
        committer.on_proposal(proposal(1, 1));
        let renewal = Renewal { view: View(3), slots: vec![run(0, 1, 1), run(1, 2, 2)] };
        committer.on_view(View(3));
        let votes = committer.on_renewal(&renewal);
        let renewed = Promise::Renewed { slot: Slot(0), view: View(3), from: View(1) };
        assert_eq!(votes, [Vote { proposal: proposal(3, 0), promise: Some(renewed) }]);

        assert_eq!(committer.need_late(), None, "it may come unasked");
        committer.on_tick(1_000);
        let need = Need { slots: vec![run(1, 2, 3)] };
        assert_eq!(committer.need_late(), Some((ReplicaId(0), need)));
        let supply = Supply { proposals: vec![proposal(3, 1), proposal(2, 2), proposal(3, 0)] };
        let (votes, need) = committer.on_supply(supply);
        assert_eq!(votes.len(), 1, "the rest is not what it lacks");
        assert_eq!(need.unwrap().1.slots, [run(2, 1, 3)]);
    }

    #[test]
    fn what_is_needed_is_given_a_message_at_a_time_and_only_of_the_view_that_was_named() {
        let mut committer = committer();
        committer.chunk_bytes = 2 * weight(&None);
        for slot in 0..5 {
            committer.on_proposal(proposal(1, slot));
        }
        let given = |slots: Vec<Run>| {
            let supply = committer.on_need(&Need { slots });
            supply.map(|supply| supply.proposals.iter().map(|own| own.slot.0).collect::<Vec<_>>())
        };
        assert_eq!(given(vec![run(1, 4, 1)]), Some(vec![1, 2]));
        assert_eq!(given(vec![run(0, 1, 0)]), None);
    }

    #[test]
    fn the_journal_is_told_of_what_it_can_account_for_and_a_restart_knows_it() {
        let mut committer = committer();
        let mut slots = Vec::new();
        for slot in 0..4 {
            committer.on_proposal(proposal(0, slot));
            slots.push((Slot(slot), Promise::Accepted(proposal(0, slot))));
        }
        for slot in 1..3 {
            committer.on_executed(Slot(slot));
        }
        assert_eq!(committer.mark(), Some(Durable::Decided { from: Slot(0), to: Slot(2) }));
        assert_eq!(committer.mark(), None, "and it need not be told again");
        let learned = committer.on_fetched(Slot(4), &None).unwrap();
        slots.push((Slot(4), learned));
        let mut recovered = Recovered { decided: Slot(2), slots, ..Recovered::nothing() };
        let config = Config::new(ReplicaId(0), 3);
        let known = |recovered: &Recovered<Promise>| {
            let known = Committer::new(recovered, &config).decided.take_at_start();
            known.into_iter().map(|(slot, _)| slot.0).collect::<Vec<_>>()
        };
        assert_eq!(known(&recovered), [0, 1]);
        recovered.decided = Slot(4);
        assert_eq!(known(&recovered), [0, 1, 2, 3, 4]);

        committer.on_executed(Slot(9));
        committer.on_proposal(proposal(0, 9));
        committer.on_executed(Slot(10));
        assert_eq!(committer.mark(), Some(Durable::Decided { from: Slot(9), to: Slot(10) }));
    }

    #[test]
    fn what_was_fetched_behind_a_gap_is_released_when_it_comes_again_with_the_gap() {
        let learned = Promise::Learned { slot: Slot(3), value: None };
        let recovered = Recovered { slots: vec![(Slot(3), learned)], ..Recovered::nothing() };
        let mut committer = Committer::new(&recovered, &Config::new(ReplicaId(0), 3));
        assert_eq!(committer.known_at_start(), []);
        for slot in 0..4 {
            assert!(committer.on_fetched(Slot(slot), &None).is_some(), "{slot}");
            assert!(committer.on_fetched(Slot(slot), &None).is_none(), "{slot}");
        }
    }
}
