//! Elector: sees to it that somebody leads, and that a leader who is heard goes on leading (MP-6).
//!
//! A replica that does not hear its leader asks the others whether they do, and takes a ballot only
//! when a quorum does not (pre-vote): so one that was away, or whose links are bad, deposes nobody.
//! It takes the next ballot of its own. How long it waits depends on how far it comes after the
//! leader: two replicas do not ask at the same time, and no random number is needed.
//!
//! The leader has an elector as all have, and hears its own heartbeats, which wait for its disk: it
//! misses itself when nobody else hears it either.

use crate::engine::ordering::turnover::Turnover;
use crate::engine::role::{Pulse, Role, Stream};
use crate::model::config::Config;
use crate::model::events::{Event, Holding, Suspicion, Wait};
use crate::model::quorum::Votes;
use crate::model::types::{Millis, ReplicaId, View};

use super::messages::{HandOver, Heard, Heartbeat, PreVote, PreVoted, Prepare, Reject};

/// The streams an elector reads.
pub struct ElectorInputs<'s> {
    /// From leaders.
    pub heartbeats: Stream<'s, (ReplicaId, Heartbeat)>,
    /// From replicas that miss theirs.
    pub pre_votes: Stream<'s, (ReplicaId, PreVote)>,
    /// What they are answered.
    pub pre_voted: Stream<'s, (ReplicaId, PreVoted)>,
    /// From candidates.
    pub prepares: Stream<'s, (ReplicaId, Prepare)>,
    /// Higher ballots, from those who have promised them.
    pub rejects: Stream<'s, Reject>,
    /// From a leader that is about to end.
    pub hand_overs: Stream<'s, HandOver>,
    /// The ballot that this replica's acceptor has promised.
    pub entered: Stream<'s, View>,
}

/// The streams an elector writes.
pub struct ElectorStreams<'s> {
    /// To leaders.
    pub heard: Stream<'s, (ReplicaId, Heard)>,
    /// To all others.
    pub pre_votes: Stream<'s, PreVote>,
    /// To who asks.
    pub pre_voted: Stream<'s, (ReplicaId, PreVoted)>,
    /// To all.
    pub prepares: Stream<'s, Prepare>,
    /// To whoever speaks in a lower ballot.
    pub rejects: Stream<'s, (ReplicaId, Reject)>,
    /// To this replica's acceptor: a ballot to promise.
    pub ballots: Stream<'s, View>,
    /// What happened.
    pub events: Stream<'s, Event>,
}

/// Hears the leader, or finds another.
pub fn elector<'s>(
    inputs: ElectorInputs<'s>,
    Pulse { clock, looks }: Pulse<'s>,
    elector: Elector,
) -> ElectorStreams<'s> {
    let mut role = Role::new("elector", clock.scope(), elector);
    let (hear, heard) = role.output();
    let (ask, pre_votes) = role.output();
    let (vote, pre_voted) = role.output();
    let (stand, prepares) = role.output();
    let (refuse, rejects) = role.output();
    let (enter, ballots) = role.output();
    let (event, events) = role.output();
    let (stand_too, stand_again) = (stand.clone(), stand.clone());
    role.on_look(looks, event.clone(), Elector::holding);
    let answer = move |from: ReplicaId, answer: Answer| match answer {
        Answer::Nothing => {}
        Answer::Reject(reject) => refuse.send([(from, reject)]),
        Answer::Heard(heard) => hear.send([(from, heard)]),
        Answer::PreVoted(voted) => vote.send([(from, voted)]),
    };
    let (on_pre_vote, on_heartbeat) = (answer.clone(), answer.clone());
    let (higher, highest) = (enter.clone(), enter.clone());
    role.on(inputs.entered, Elector::on_entered);
    role.on(inputs.heartbeats, move |elector, (from, heartbeat)| {
        enter.send(elector.higher(heartbeat.chosen.ballot));
        on_heartbeat(from, elector.on_heartbeat(&heartbeat));
    });
    role.on(inputs.prepares, move |elector, (from, Prepare { ballot })| {
        higher.send(elector.higher(ballot));
        answer(from, elector.reject(ballot));
    });
    role.on(inputs.rejects, move |elector, Reject { promised }| {
        highest.send(elector.higher(promised));
    });
    role.on(inputs.pre_votes, move |elector, (from, pre_vote)| {
        on_pre_vote(from, elector.on_pre_vote(from, pre_vote));
    });
    role.on(inputs.pre_voted, move |elector, (from, voted)| {
        stand.send(elector.on_pre_voted(from, voted));
    });
    role.on(inputs.hand_overs, move |elector, hand_over| {
        stand_too.send(elector.on_hand_over(hand_over));
    });
    role.on(clock, move |elector, now| {
        event.send(elector.suspect(now));
        match elector.say() {
            Some(Said::PreVote(pre_vote)) => ask.send([pre_vote]),
            Some(Said::Prepare(prepare)) => stand_again.send([prepare]),
            None => {}
        }
    });
    role.build();
    ElectorStreams { heard, pre_votes, pre_voted, prepares, rejects, ballots, events }
}

/// What a message is answered.
#[derive(Debug, PartialEq, Eq)]
enum Answer {
    Nothing,
    Reject(Reject),
    Heard(Heard),
    PreVoted(PreVoted),
}

/// What is said again until something comes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Said {
    PreVote(PreVote),
    Prepare(Prepare),
}

/// Owns how the leader is heard, and this replica's candidacy.
#[derive(Clone, Debug)]
pub struct Elector {
    me: ReplicaId,
    n: usize,
    quorum: usize,
    retry_after_ms: Millis,
    stood_still_ms: Millis,
    /// The ballot that this replica's acceptor has promised.
    ballot: View,
    /// Whether nobody leads that: it is this replica's own, of a life that is over.
    forsaken: bool,
    /// When its leader was last heard, and had been by a quorum, or is taken to have been.
    heard_at: Millis,
    /// Whether it has been heard since, and had not been by a quorum.
    unanswered: bool,
    turnover: Turnover,
    candidacy: Candidacy,
    said_at: Option<Millis>,
    now: Millis,
}

/// How far a replica has come on its way to lead.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Candidacy {
    None,
    /// It asks whether it may prepare a ballot.
    Asks(View, Votes),
    /// It has prepared one.
    Stands(View),
}

impl Elector {
    /// The elector of a replica that has promised `ballot`, and led it in an earlier life if that is
    /// `forsaken`.
    pub fn new(ballot: View, forsaken: bool, config: &Config) -> Self {
        Self {
            me: config.me,
            n: config.n,
            quorum: config.quorum(),
            retry_after_ms: config.retry_after_ms,
            stood_still_ms: config.suspect_after_ms / 2,
            ballot,
            forsaken,
            heard_at: 0,
            unanswered: false,
            turnover: Turnover::new(config),
            candidacy: Candidacy::None,
            said_at: None,
            now: 0,
        }
    }

    /// A candidate waits for others to say that they do not hear the leader either.
    fn holding(&self) -> Holding {
        let Candidacy::Asks(ballot, votes) = &self.candidacy else {
            return Holding::nothing("elector");
        };
        let wait = Wait::for_word("pre-vote", votes.missing(self.n));
        let (held, first) = (votes.count() as u64, ballot.0);
        Holding { held, first, wait, ..Holding::nothing("elector") }
    }

    /// A ballot that somebody speaks in, if it is to be promised here as well.
    fn higher(&self, ballot: View) -> Option<View> {
        (ballot > self.ballot).then_some(ballot)
    }

    /// Who speaks in a lower ballot is told that it is over (MP-10).
    fn reject(&self, ballot: View) -> Answer {
        if ballot < self.ballot {
            return Answer::Reject(Reject { promised: self.ballot });
        }
        Answer::Nothing
    }

    /// Gives the new leader as long as the old one had.
    fn on_entered(&mut self, ballot: View) {
        assert!(ballot > self.ballot, "a ballot is promised after {}, not {ballot}", self.ballot);
        self.ballot = ballot;
        self.forsaken = false;
        (self.heard_at, self.unanswered) = (self.now, false);
        self.turnover.on_entered(self.now);
        if self.candidacy != Candidacy::Stands(ballot) {
            self.candidacy = Candidacy::None;
        }
    }

    fn on_heartbeat(&mut self, heartbeat: &Heartbeat) -> Answer {
        let Heartbeat { chosen, is_heard, sent_ms } = *heartbeat;
        if chosen.ballot < self.ballot {
            return self.reject(chosen.ballot);
        }
        self.unanswered = !is_heard;
        if is_heard {
            self.heard_at = self.now;
            self.candidacy = Candidacy::None;
        }
        Answer::Heard(Heard { ballot: chosen.ballot, sent_ms })
    }

    /// A leader that is heard is not to be deposed; one that asks for another ballot does not lead.
    fn on_pre_vote(&mut self, from: ReplicaId, PreVote { ballot }: PreVote) -> Answer {
        if ballot <= self.ballot {
            return self.reject(ballot);
        }
        if self.misses_leader() || from == self.ballot.leader(self.n) {
            return Answer::PreVoted(PreVoted { ballot });
        }
        Answer::Nothing
    }

    /// Others need not have waited as long as whoever asks: heartbeats are not lost at the same
    /// time everywhere.
    fn misses_leader(&self) -> bool {
        self.forsaken || self.silent_ms() >= self.turnover.patience_ms() / 2
    }

    fn on_pre_voted(&mut self, from: ReplicaId, PreVoted { ballot }: PreVoted) -> Option<Prepare> {
        let Candidacy::Asks(asked, votes) = &mut self.candidacy else { return None };
        if *asked != ballot {
            return None;
        }
        votes.add(from);
        if votes.count() < self.quorum { None } else { self.stand(ballot) }
    }

    /// Nobody need be asked: the leader itself wants another.
    fn on_hand_over(&mut self, HandOver { ballot }: HandOver) -> Option<Prepare> {
        let stands = matches!(self.candidacy, Candidacy::Stands(_));
        if ballot != self.ballot || stands {
            return None;
        }
        self.stand(self.next())
    }

    fn stand(&mut self, ballot: View) -> Option<Prepare> {
        assert_eq!(ballot.leader(self.n), self.me, "T1: each ballot has its owner");
        self.candidacy = Candidacy::Stands(ballot);
        self.heard_at = self.now;
        self.said_at = Some(self.now);
        Some(Prepare { ballot })
    }

    /// The next ballot of its own.
    fn next(&self) -> View {
        self.ballot.next_of(self.me, self.n)
    }

    fn silent_ms(&self) -> Millis {
        self.now.saturating_sub(self.heard_at)
    }

    /// The longer, the later it comes after the leader; the leader itself comes last.
    fn patience_ms(&self) -> Millis {
        let leader = usize::from(self.ballot.leader(self.n).0);
        let after = (usize::from(self.me.0) + self.n - 1 - leader) % self.n;
        let patience = self.turnover.patience_ms();
        patience + patience * after as Millis / self.n as Millis
    }

    /// Asks the others, if it has not heard the leader for too long.
    fn suspect(&mut self, now: Millis) -> Option<Event> {
        // A replica that stood still has received nothing meanwhile, and that is nobody's fault.
        if now.saturating_sub(self.now) > self.stood_still_ms {
            self.heard_at = now;
        }
        self.now = now;
        let (silent_ms, patience) = (self.silent_ms(), self.patience_ms());
        self.turnover.on_tick(now);
        let asks = matches!(self.candidacy, Candidacy::Asks(..));
        if asks || (silent_ms < patience && !self.forsaken) {
            return None;
        }
        let (of, view) = (self.ballot, self.next());
        let mut votes = Votes::default();
        votes.add(self.me);
        self.candidacy = Candidacy::Asks(view, votes);
        self.said_at = None;
        // That an earlier life is over is nothing to suspect anybody of.
        let why = if self.unanswered {
            Suspicion::Unanswered { silent_ms }
        } else {
            Suspicion::Silent { silent_ms }
        };
        (!self.forsaken).then_some(Event::Suspected { of, view, why })
    }

    fn say(&mut self) -> Option<Said> {
        let said = match self.candidacy {
            Candidacy::None => return None,
            Candidacy::Asks(ballot, _) => Said::PreVote(PreVote { ballot }),
            Candidacy::Stands(ballot) => Said::Prepare(Prepare { ballot }),
        };
        let is_due = |last: Millis| self.now.saturating_sub(last) >= self.retry_after_ms;
        if !self.said_at.is_none_or(is_due) {
            return None;
        }
        self.said_at = Some(self.now);
        Some(said)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
