//! Committer: the acceptor of Tara's views, which votes to every learner (TA-4, TA-8, TA-12).

use crate::disk::Durable;
use crate::engine::operators::executor::Executed;
use crate::engine::operators::reader::{Ask, Index};
use crate::engine::ordering::acceptor::{Acceptor, Vote};
use crate::engine::ordering::messages::{Need, Promise, Proposal, Record, Renewal, Supply};
use crate::engine::role::{Pulse, Role, Stream};
use crate::model::batch::Value;
use crate::model::events::Event;
use crate::model::types::{ReplicaId, Slot, View};

use super::messages::Commit;

/// The streams a committer reads.
pub struct CommitterInputs<'s> {
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

/// The streams a committer writes.
pub struct CommitterStreams<'s> {
    /// Votes, to every learner.
    pub commits: Stream<'s, Commit>,
    /// What the votes are for, to this replica's learner.
    pub accepted: Stream<'s, (Commit, Value)>,
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

/// Accepts what the leader of its view proposes.
pub fn committer<'s>(
    inputs: CommitterInputs<'s>,
    Pulse { clock, looks }: Pulse<'s>,
    acceptor: Acceptor,
) -> CommitterStreams<'s> {
    let mut role = Role::new("committer", clock.scope(), acceptor);
    let (vote, commits) = role.output();
    let (accept, accepted) = role.output();
    let (release, fetched) = role.output();
    let (account, records) = role.output();
    let (ask, needs) = role.output();
    let (give, supplies) = role.output();
    let (tell, indices) = role.output();
    let (enter, entered) = role.output();
    let (keep, durable) = role.output();
    let (event, events) = role.output();
    role.on_look(looks, event.clone(), |acceptor| acceptor.holding("committer"));
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
            vote.send([Commit { view, slot }]);
            accept.send([(Commit { view, slot }, value)]);
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
    CommitterStreams {
        commits,
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
