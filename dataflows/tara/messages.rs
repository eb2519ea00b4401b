//! Tara's messages, and its records in the journal.

use serde::{Deserialize, Serialize};

use crate::disk::RecordKind;
use crate::engine::operators::address::Addressing;
use crate::engine::operators::catch_up::CatchUp;
use crate::engine::operators::checkpointer::Report;
use crate::engine::operators::requests::{Announce, Forward};
use crate::engine::protocol::Step;
use crate::engine::role::{Role, Stream};
use crate::model::batch::{Value, is_plausible_value, weight};
use crate::model::config::Config;
use crate::model::types::{ReplicaId, Slot, To, View};

use super::runs::{self, Run};

/// Everything that crosses a link between two Tara replicas.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Message {
    /// request source → proposer of the view (the paper's REQUEST).
    Forward(Forward),
    /// request source → controllers (PROGRESS).
    Announce(Announce),
    /// proposer of the view → committers (CONSENSUS, as PROPOSE).
    Propose(Proposal),
    /// proposer of a new view → committers: PROPOSE for what earlier views leave behind.
    Renew(Renewal),
    /// committer → learners (CONSENSUS, as COMMIT).
    Commit(Commit),
    /// committer → recovery of the view's leader (RECORD).
    Record(Record),
    /// recovery or committer → committer that has accepted what is missing.
    Need(Need),
    /// committer → whoever needs it.
    Supply(Supply),
    /// controller → observers and controllers (VIEW).
    View(ViewRequest),
    /// checkpointer → checkpointers (GC).
    Report(Report),
    /// catch-up ↔ catch-up.
    CatchUp(CatchUp),
}

/// "In `view`, let `value` have `slot`."
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Proposal {
    /// The view in which this is proposed.
    pub view: View,
    /// The slot proposed.
    pub slot: Slot,
    /// The batch, or nothing where a hole must be filled.
    pub value: Value,
}

/// "In `view` I have accepted for `slot` what its leader proposed": a vote.
///
/// It need not say what: in one view one value is proposed for a slot (T1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Commit {
    /// The view.
    pub view: View,
    /// The slot.
    pub slot: Slot,
}

/// "In `view`, let each of these slots have what was proposed for it in the view of its run."
///
/// Whoever has accepted that has the value; only who has not [needs](Need) it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Renewal {
    /// The view in which this is proposed.
    pub view: View,
    /// The slots, and the earlier views.
    pub slots: Vec<Run>,
}

/// "I have left all views below `view`. All slots below `decided` are decided, and this is what I
/// have accepted for the others": in which view, and not what, for whoever leads `view` may have
/// it, too.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Record {
    /// The view entered.
    pub view: View,
    /// The first slot this replica has not executed.
    pub decided: Slot,
    /// The view in which each slot was accepted last.
    pub accepted: Vec<Run>,
}

/// "Send me what you have accepted for these slots in these views, as much as fits into a message."
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Need {
    /// The slots, lowest first, and the views.
    pub slots: Vec<Run>,
}

impl Need {
    /// Runs in a message, for there may be as many as slots.
    pub const RUNS_MAX: usize = 256;
}

/// "This is what I have accepted for the first of the slots that you need."
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Supply {
    /// The proposals that were accepted.
    pub proposals: Vec<Proposal>,
}

/// "I have entered `entered`; I want to leave for `wanted`."
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ViewRequest {
    /// The view of the sender's committer.
    pub entered: View,
    /// The view its controller asks for; not above `entered` while it asks for none.
    pub wanted: View,
}

/// What a committer writes to the journal before it says it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Promise {
    /// It has left all views below this one.
    Entered(View),
    /// It has accepted this proposal.
    Accepted(Proposal),
    /// It has accepted in `view` what it had accepted for the slot in the view `from`.
    Renewed {
        /// The slot.
        slot: Slot,
        /// The later view.
        view: View,
        /// The earlier one.
        from: View,
    },
    /// A slot is decided, by what another replica says.
    Learned {
        /// The slot.
        slot: Slot,
        /// What it holds.
        value: Value,
    },
}

impl Promise {
    /// What it is called where a journal is listed.
    #[must_use]
    pub fn kind(&self) -> RecordKind {
        match self {
            Self::Entered(view) => RecordKind { name: "entered", view: Some(*view) },
            Self::Accepted(proposal) => RecordKind { name: "accepted", view: Some(proposal.view) },
            Self::Renewed { view, .. } => RecordKind { name: "renewed", view: Some(*view) },
            Self::Learned { .. } => RecordKind { name: "learned", view: None },
        }
    }
}

/// The kinds of messages.
pub(super) const KINDS: [&str; 11] = [
    "Forward", "Announce", "Propose", "Renew", "Commit", "Record", "Need", "Supply", "View",
    "Report", "CatchUp",
];

pub(super) fn kind(message: &Message) -> &'static str {
    match message {
        Message::Forward(_) => KINDS[0],
        Message::Announce(_) => KINDS[1],
        Message::Propose(_) => KINDS[2],
        Message::Renew(_) => KINDS[3],
        Message::Commit(_) => KINDS[4],
        Message::Record(_) => KINDS[5],
        Message::Need(_) => KINDS[6],
        Message::Supply(_) => KINDS[7],
        Message::View(_) => KINDS[8],
        Message::Report(_) => KINDS[9],
        Message::CatchUp(_) => KINDS[10],
    }
}

/// How many bytes a message takes on a link, near enough for limits.
#[must_use]
pub fn message_weight(message: &Message) -> usize {
    let slots = |runs: &[Run]| 32 + 24 * runs.len();
    match message {
        Message::Forward(forward) => 64 + forward.batch.requests.bytes(),
        Message::Propose(proposal) => weight(&proposal.value),
        Message::Renew(Renewal { slots: runs, .. }) | Message::Need(Need { slots: runs }) => {
            slots(runs)
        }
        Message::Record(record) => slots(&record.accepted),
        Message::Supply(Supply { proposals }) => proposals.iter().map(|p| weight(&p.value)).sum(),
        Message::CatchUp(CatchUp::Decided { values, .. }) => values.iter().map(weight).sum(),
        Message::CatchUp(CatchUp::Piece { bytes, .. }) => 64 + bytes.len(),
        _ => 32,
    }
}

/// Whether a message promises nothing that its sender must remember beyond the view it is in.
///
/// A leader proposes one value for a slot in a view, and does not lead a view again after a
/// restart, which takes the record of the view; what it has accepted itself is its vote's matter.
/// Batches on their way to a leader bear an incarnation, which is on the disk since the replica has
/// started.
pub(super) fn is_early(message: &Message) -> bool {
    matches!(
        message,
        Message::Forward(_) | Message::Announce(_) | Message::Propose(_) | Message::Renew(_)
    )
}

/// How far its sender has executed, if that is what a message says.
pub(super) fn executed(message: &Message) -> Option<Slot> {
    match message {
        Message::CatchUp(CatchUp::Executed(slot)) => Some(*slot),
        _ => None,
    }
}

/// The step in the life of a slot that a message is.
pub(super) fn step(message: &Message) -> Option<Step> {
    match message {
        Message::Propose(proposal) => Some(Step::Propose(proposal.slot, proposal.view)),
        Message::Commit(commit) => Some(Step::Vote(commit.slot, commit.view)),
        _ => None,
    }
}

/// Whether a message from a link is within the ranges a replica can have reached.
pub(super) fn is_plausible(message: &Message, config: &Config) -> bool {
    let proposal = |proposal: &Proposal| {
        proposal.view.is_plausible()
            && proposal.slot.is_plausible()
            && is_plausible_value(&proposal.value, config.n)
    };
    match message {
        Message::Forward(Forward { batch, oldest }) => {
            batch.is_plausible(config.n) && *oldest <= batch.id.number
        }
        Message::Announce(announce) => announce.target.is_plausible(),
        Message::Propose(own) => proposal(own),
        Message::Commit(commit) => commit.view.is_plausible() && commit.slot.is_plausible(),
        Message::Renew(Renewal { view, slots }) => {
            view.is_plausible() && runs::are_plausible(slots, config.window, *view)
        }
        Message::Record(Record { view, decided, accepted }) => {
            view.is_plausible()
                && decided.is_plausible()
                && runs::are_plausible(accepted, config.window, *view)
                // Nobody accepts more than a window ahead of what it has executed.
                && accepted.first().is_none_or(|first| first.first >= *decided)
                && accepted.last().is_none_or(|last| last.end().0 <= decided.0 + config.window)
        }
        Message::Need(Need { slots }) => {
            let latest = slots.iter().map(|run| run.view).max().unwrap_or_default();
            latest.is_plausible() && runs::are_plausible(slots, config.window, latest)
        }
        Message::Supply(Supply { proposals }) => proposals.iter().all(proposal),
        Message::View(request) => request.entered.is_plausible() && request.wanted.is_plausible(),
        Message::Report(report) => report.slot.is_plausible(),
        Message::CatchUp(message) => message.is_plausible(config),
    }
}

/// The messages that arrived, one stream a kind, with their senders where they matter.
pub(super) struct Heard<'s> {
    pub forwards: Stream<'s, Forward>,
    pub announces: Stream<'s, (ReplicaId, Announce)>,
    pub proposals: Stream<'s, Proposal>,
    pub renewals: Stream<'s, Renewal>,
    pub commits: Stream<'s, (ReplicaId, Commit)>,
    pub records: Stream<'s, (ReplicaId, Record)>,
    pub needs: Stream<'s, (ReplicaId, Need)>,
    pub supplies: Stream<'s, Supply>,
    pub view_requests: Stream<'s, (ReplicaId, ViewRequest)>,
    pub reports: Stream<'s, (ReplicaId, Report)>,
    pub catch_up: Stream<'s, (ReplicaId, CatchUp)>,
}

/// Sorts the messages that arrived by kind.
pub(super) fn sort<'s>(messages: Stream<'s, (ReplicaId, Message)>) -> Heard<'s> {
    let mut role = Role::new("sort", messages.scope(), ());
    let (forward, forwards) = role.output();
    let (announce, announces) = role.output();
    let (propose, proposals) = role.output();
    let (renew, renewals) = role.output();
    let (commit, commits) = role.output();
    let (record, records) = role.output();
    let (need, needs) = role.output();
    let (supply, supplies) = role.output();
    let (view, view_requests) = role.output();
    let (report, reports) = role.output();
    let (catch, catch_up) = role.output();
    role.on(messages, move |(), (from, message)| match message {
        Message::Forward(batch) => forward.send([batch]),
        Message::Announce(target) => announce.send([(from, target)]),
        Message::Propose(proposal) => propose.send([proposal]),
        Message::Renew(renewal) => renew.send([renewal]),
        Message::Commit(vote) => commit.send([(from, vote)]),
        Message::Record(account) => record.send([(from, account)]),
        Message::Need(slots) => need.send([(from, slots)]),
        Message::Supply(proposals) => supply.send([proposals]),
        Message::View(request) => view.send([(from, request)]),
        Message::Report(digest) => report.send([(from, digest)]),
        Message::CatchUp(message) => catch.send([(from, message)]),
    });
    role.build();
    Heard {
        forwards,
        announces,
        proposals,
        renewals,
        commits,
        records,
        needs,
        supplies,
        view_requests,
        reports,
        catch_up,
    }
}

/// The messages that leave, one stream a kind.
pub(super) struct Said<'s> {
    pub forwards: Stream<'s, (ReplicaId, Forward)>,
    pub announces: Stream<'s, Announce>,
    pub proposals: Stream<'s, Proposal>,
    pub renewals: Stream<'s, Renewal>,
    pub commits: Stream<'s, Commit>,
    pub records: Stream<'s, Record>,
    pub needs: Stream<'s, (ReplicaId, Need)>,
    pub supplies: Stream<'s, (ReplicaId, Supply)>,
    pub view_requests: Stream<'s, ViewRequest>,
    pub reports: Stream<'s, Report>,
    pub catch_up: Stream<'s, (To, CatchUp)>,
    pub n: usize,
}

/// Says for each kind of message whom it is for.
///
/// A proposal reaches the proposer's own committer inside the replica; a vote to oneself goes out
/// and comes back, because it counts only once it is on disk.
pub(super) fn address<'s>(said: Said<'s>) -> Stream<'s, (To, Message)> {
    let n = said.n;
    let mut sent = Addressing::new(said.commits.scope());
    sent.one(said.forwards, Message::Forward);
    sent.all(said.announces, Message::Announce);
    sent.others(said.proposals, Message::Propose);
    sent.others(said.renewals, Message::Renew);
    sent.all(said.commits, Message::Commit);
    sent.send(said.records, move |record| {
        (To::One(record.view.leader(n)), Message::Record(record))
    });
    sent.one(said.needs, Message::Need);
    sent.one(said.supplies, Message::Supply);
    sent.all(said.view_requests, Message::View);
    sent.all(said.reports, Message::Report);
    sent.to(said.catch_up, Message::CatchUp);
    sent.build()
}
