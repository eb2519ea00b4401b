//! Herald: tells the others what their leader has to say: what to accept, what is chosen (MP-3), and
//! that it is still there.
//!
//! What is chosen rides along with what is proposed, where something is; if nothing is, it leaves by
//! itself, once a turn. A role does not know where its turn ends: so the herald sends itself a word
//! against the figure's grain, which comes back after all that is on its way to it by then.

use std::collections::BTreeSet;

use crate::engine::operators::executor::Executed;
use crate::engine::ordering::messages::Proposal;
use crate::engine::ordering::recovery::NewView;
use crate::engine::role::{Pulse, Role, Stream};
use crate::model::config::Config;
use crate::model::events::{Event, Holding, Suspicion, Wait};
use crate::model::types::{Millis, ReplicaId, Slot, View};

use super::messages::{Accept, Accepted, Chosen, HandOver, Heard, Heartbeat};

/// The streams a herald reads.
pub struct HeraldInputs<'s> {
    /// Ballots that this replica leads.
    pub new_ballots: Stream<'s, NewView>,
    /// The ballot its acceptor has promised.
    pub entered: Stream<'s, View>,
    /// What is executed here.
    pub executed: Stream<'s, Executed>,
    /// What a quorum has voted for in a ballot of this replica.
    pub counted: Stream<'s, Accepted>,
    /// What the proposer proposes.
    pub proposals: Stream<'s, Proposal>,
    /// Its own word, once a turn.
    pub turned: Stream<'s, ()>,
    /// Who has heard the leader.
    pub heard: Stream<'s, (ReplicaId, Heard)>,
    /// That the replica is about to end.
    pub resign: Stream<'s, ()>,
}

/// The streams a herald writes.
pub struct HeraldStreams<'s> {
    /// To the other acceptors and learners.
    pub accepts: Stream<'s, Accept>,
    /// To the other learners.
    pub chosen: Stream<'s, Chosen>,
    /// To all electors.
    pub heartbeats: Stream<'s, Heartbeat>,
    /// To the elector of another replica.
    pub hand_overs: Stream<'s, (ReplicaId, HandOver)>,
    /// To itself.
    pub turns: Stream<'s, ()>,
    /// What happened.
    pub events: Stream<'s, Event>,
}

/// Speaks for the leader.
pub fn herald<'s>(
    inputs: HeraldInputs<'s>,
    Pulse { clock, looks }: Pulse<'s>,
    herald: Herald,
) -> HeraldStreams<'s> {
    let mut role = Role::new("herald", clock.scope(), herald);
    let (propose, accepts) = role.output();
    let (tell, chosen) = role.output();
    let (beat, heartbeats) = role.output();
    let (give, hand_overs) = role.output();
    let (turn, turns) = role.output();
    let (event, events) = role.output();
    role.on_look(looks, event.clone(), Herald::holding);
    role.on(inputs.entered, Herald::on_entered);
    role.on(inputs.new_ballots, |herald, new| herald.on_new_ballot(new.view, new.base));
    role.on(inputs.executed, |herald, executed| herald.on_executed(executed.next));
    role.on(inputs.counted, move |herald, vote| turn.send(herald.on_counted(vote)));
    role.on(inputs.proposals, move |herald, proposal| propose.send(herald.on_proposal(proposal)));
    role.on(inputs.turned, move |herald, ()| tell.send(herald.on_turned()));
    role.on(inputs.heard, |herald, (from, heard)| herald.on_heard(from, heard));
    role.on(inputs.resign, move |herald, ()| event.send(herald.on_resign()));
    role.on(clock, move |herald, now| match herald.on_tick(now) {
        Some(Beat::Leads(heartbeat)) => beat.send([heartbeat]),
        Some(Beat::Ends(to, hand_over)) => give.send([(to, hand_over)]),
        None => {}
    });
    role.build();
    HeraldStreams { accepts, chosen, heartbeats, hand_overs, turns, events }
}

/// What a leader says while it has nothing to propose.
#[derive(Debug, PartialEq, Eq)]
enum Beat {
    Leads(Heartbeat),
    Ends(ReplicaId, HandOver),
}

/// Owns what this replica, as the leader, has told of what is chosen, and who hears it.
#[derive(Clone, Debug)]
pub struct Herald {
    me: ReplicaId,
    n: usize,
    quorum: usize,
    beat_every_ms: Millis,
    suspect_after_ms: Millis,
    entered: View,
    /// The first slot that is not executed here, and since when that is so.
    executed: (Slot, Millis),
    leads: Option<Reign>,
    now: Millis,
}

/// A ballot that this replica leads.
#[derive(Clone, Debug)]
struct Reign {
    /// Nothing below it is proposed: it is decided, and to be fetched from who has executed it.
    base: Slot,
    /// What is chosen in it, without a gap.
    chosen: Chosen,
    /// What is, after a gap.
    apart: BTreeSet<Slot>,
    /// Up to where it was told.
    told: Slot,
    /// Whether its own word is on its way.
    turns: bool,
    /// When it last said that it is there, if it has.
    said_at: Option<Millis>,
    /// When each replica last answered that.
    heard_at: Vec<Millis>,
    /// Whether it is about to end.
    ends: bool,
}

impl Herald {
    /// The herald of a replica that has executed all slots below `executed`. It leads `leads` at once:
    /// only right for the first ballot of a replica that has never run.
    pub fn new(entered: View, leads: bool, executed: Slot, config: &Config) -> Self {
        let mut herald = Self {
            me: config.me,
            n: config.n,
            quorum: config.quorum(),
            beat_every_ms: (config.gossip_every_ms / 2).min(config.suspect_after_ms / 4),
            suspect_after_ms: config.suspect_after_ms,
            entered,
            executed: (executed, 0),
            leads: None,
            now: 0,
        };
        if leads {
            herald.on_new_ballot(entered, Slot(0));
        }
        herald
    }

    /// After how many times the patience with a leader one gives up that fetches nothing of what it
    /// must not propose.
    const LOST_AFTER: Millis = 4;

    /// It holds what is chosen after a gap, for which the learner waits.
    fn holding(&self) -> Holding {
        let apart = self.leads.as_ref().map(|reign| &reign.apart);
        let slot = apart.and_then(|apart| apart.first().copied());
        let held = apart.map_or(0, |apart| apart.len() as u64);
        let wait = if held > 0 { Wait::for_role("learner") } else { Wait::Nothing };
        Holding { slot, held, wait, ..Holding::nothing("herald") }
    }

    /// MP-10: who learns of a higher ballot leads no longer.
    fn on_entered(&mut self, ballot: View) {
        self.entered = ballot;
        self.leads.take_if(|reign| reign.chosen.ballot < ballot);
    }

    fn on_new_ballot(&mut self, ballot: View, base: Slot) {
        if ballot < self.entered {
            return;
        }
        assert_eq!(ballot.leader(self.n), self.me, "T1: each ballot has its owner");
        self.executed.1 = self.now;
        self.leads = Some(Reign {
            base,
            chosen: Chosen { ballot, from: base, upto: base },
            apart: BTreeSet::new(),
            told: base,
            turns: false,
            said_at: None,
            heard_at: vec![self.now; self.n],
            ends: false,
        });
    }

    /// A slot that has come from elsewhere may have been chosen in a ballot that this replica has not
    /// heard of yet: the index is silent about it, and begins after it.
    fn on_executed(&mut self, next: Slot) {
        self.executed = (next, self.now);
        let Some(reign) = &mut self.leads else { return };
        if next > reign.chosen.upto {
            (reign.chosen.from, reign.chosen.upto) = (next, next);
            reign.apart = reign.apart.split_off(&next);
            reign.close_gap();
        }
    }

    /// A quorum has voted; answers its own word, if that is not on its way. What was decided in another
    /// ballot says nothing about this one: a leader that is deposed may learn of it first.
    fn on_counted(&mut self, Accepted { ballot, slot }: Accepted) -> Option<()> {
        let reign = self.leads.as_mut().filter(|reign| reign.chosen.ballot == ballot)?;
        if slot < reign.chosen.upto {
            return None;
        }
        reign.apart.insert(slot);
        reign.close_gap();
        let is_new = reign.chosen.upto > reign.told && !std::mem::replace(&mut reign.turns, true);
        is_new.then_some(())
    }

    /// What an earlier ballot proposed is not for the others any more.
    fn on_proposal(&mut self, proposal: Proposal) -> Option<Accept> {
        let led = |reign: &&mut Reign| reign.chosen.ballot == proposal.view;
        let chosen = self.leads.as_mut().filter(led)?.tell();
        Some(Accept { proposal, chosen })
    }

    fn on_turned(&mut self) -> Option<Chosen> {
        let reign = self.leads.as_mut()?;
        reign.turns = false;
        (reign.chosen.upto > reign.told).then(|| reign.tell())
    }

    fn on_heard(&mut self, from: ReplicaId, heard: Heard) {
        if let Some(reign) = &mut self.leads
            && reign.chosen.ballot == heard.ballot
            && let Some(last) = reign.heard_at.get_mut(from.0 as usize)
        {
            *last = self.now;
        }
    }

    fn on_resign(&mut self) -> Option<Event> {
        let successor = self.successor();
        let reign = self.leads.as_mut().filter(|reign| !reign.ends)?;
        reign.ends = true;
        reign.said_at = None;
        let of = reign.chosen.ballot;
        let view = of.next_of(successor, self.n);
        Some(Event::Suspected { of, view, why: Suspicion::Resigns })
    }

    /// Whoever has heard this replica last, and of those the next one.
    fn successor(&self) -> ReplicaId {
        let heard_at = |replica: &ReplicaId| {
            self.leads.as_ref().map_or(0, |reign| reign.heard_at[replica.0 as usize])
        };
        let others = (1..self.n).rev().map(|step| (self.me.0 as usize + step) % self.n);
        let others = others.map(|other| ReplicaId(other as u16));
        others.max_by_key(heard_at).unwrap_or(self.me)
    }

    fn on_tick(&mut self, now: Millis) -> Option<Beat> {
        self.now = now;
        let successor = self.successor();
        let (executed, since) = self.executed;
        let still_ms = now.saturating_sub(since);
        let reign = self.leads.as_mut()?;
        // Who had executed what lies below its base may have gone, or have forgotten that it had:
        // nobody else may propose there again but the leader of another ballot.
        let is_lost = executed < reign.base && still_ms > Self::LOST_AFTER * self.suspect_after_ms;
        let is_due = |last: Millis| now.saturating_sub(last) >= self.beat_every_ms;
        if !reign.said_at.is_none_or(is_due) {
            return None;
        }
        reign.said_at = Some(now);
        if reign.ends {
            return Some(Beat::Ends(successor, HandOver { ballot: reign.chosen.ballot }));
        }
        let is_recent = |at: &&Millis| now.saturating_sub(**at) <= self.suspect_after_ms;
        let is_heard = reign.heard_at.iter().filter(is_recent).count() >= self.quorum && !is_lost;
        let chosen = reign.tell();
        Some(Beat::Leads(Heartbeat { chosen, is_heard, sent_ms: now }))
    }
}

impl Reign {
    fn close_gap(&mut self) {
        while self.apart.remove(&self.chosen.upto) {
            self.chosen.upto = self.chosen.upto.next();
        }
    }

    fn tell(&mut self) -> Chosen {
        self.told = self.chosen.upto;
        self.chosen
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn herald(me: u16) -> Herald {
        Herald::new(View(0), me == 0, Slot(0), &Config::new(ReplicaId(me), 3))
    }

    fn proposal(ballot: u64, slot: u64) -> Proposal {
        Proposal { view: View(ballot), slot: Slot(slot), value: None }
    }

    fn vote(ballot: u64, slot: u64) -> Accepted {
        Accepted { ballot: View(ballot), slot: Slot(slot) }
    }

    fn chosen(ballot: u64, from: u64, upto: u64) -> Chosen {
        Chosen { ballot: View(ballot), from: Slot(from), upto: Slot(upto) }
    }

    #[test]
    fn what_is_chosen_is_told_once_a_turn_if_no_proposal_has_carried_it() {
        let mut herald = herald(0);
        assert_eq!(herald.on_counted(vote(0, 0)), Some(()));
        assert_eq!(herald.on_counted(vote(0, 1)), None, "its word is on its way");
        assert_eq!(herald.on_turned(), Some(chosen(0, 0, 2)));
        assert_eq!(herald.on_counted(vote(0, 2)), Some(()));
        let accept = herald.on_proposal(proposal(0, 9));
        assert_eq!(accept.map(|accept| accept.chosen), Some(chosen(0, 0, 3)));
        assert_eq!(herald.on_turned(), None);
    }

    #[test]
    fn the_index_has_no_gap() {
        let mut herald = herald(0);
        assert_eq!(herald.on_counted(vote(0, 1)), None);
        assert_eq!(herald.holding().slot, Some(Slot(1)));
        assert_eq!(herald.on_counted(vote(0, 0)), Some(()));
        assert_eq!(herald.on_turned(), Some(chosen(0, 0, 2)));
    }

    #[test]
    fn the_index_is_silent_about_what_came_from_elsewhere() {
        let mut herald = herald(1);
        assert_eq!(herald.on_counted(vote(0, 0)), None, "it does not lead");
        herald.on_new_ballot(View(4), Slot(5));
        herald.on_counted(vote(4, 8));
        herald.on_executed(Slot(8));
        assert_eq!(herald.on_counted(vote(4, 7)), None);
        assert_eq!(herald.on_counted(vote(1, 9)), None, "of a ballot it led before");
        assert_eq!(herald.on_turned(), Some(chosen(4, 8, 9)));
    }

    #[test]
    fn who_learns_of_a_higher_ballot_is_silent() {
        let mut herald = herald(0);
        herald.on_entered(View(2));
        assert_eq!(herald.on_proposal(proposal(0, 0)), None);
        assert_eq!(herald.on_counted(vote(0, 0)), None);
        assert_eq!(herald.on_tick(1_000), None);
        herald.on_new_ballot(View(0), Slot(0));
        assert_eq!(herald.on_tick(2_000), None, "that is over");
    }

    #[test]
    fn a_heartbeat_says_whether_a_quorum_has_answered_of_late() {
        let mut herald = herald(0);
        let mut beats = |now, heard: &[u16]| {
            let beat = herald.on_tick(now);
            for from in heard {
                herald.on_heard(ReplicaId(*from), Heard { ballot: View(0), sent_ms: now });
            }
            match beat {
                Some(Beat::Leads(heartbeat)) => Some(heartbeat.is_heard),
                _ => None,
            }
        };
        assert_eq!(beats(0, &[]), Some(true));
        assert_eq!(beats(10, &[]), None, "it is not due");
        assert_eq!(beats(300, &[0, 0, 0]), Some(true));
        assert_eq!(beats(400, &[0, 2]), Some(false));
        assert_eq!(beats(500, &[0]), Some(true));
        assert_eq!(beats(800, &[0]), Some(false));
    }

    #[test]
    fn a_leader_that_cannot_fetch_what_lies_below_its_base_takes_itself_for_lost() {
        let mut herald = herald(1);
        herald.on_new_ballot(View(1), Slot(9));
        let mut is_heard = |now, executed: Option<u64>| {
            herald.now = now;
            executed.into_iter().for_each(|next| herald.on_executed(Slot(next)));
            for from in 0..3 {
                herald.on_heard(ReplicaId(from), Heard { ballot: View(1), sent_ms: now });
            }
            match herald.on_tick(now) {
                Some(Beat::Leads(heartbeat)) => Some(heartbeat.is_heard),
                _ => None,
            }
        };
        assert_eq!(is_heard(1_200, None), Some(true));
        assert_eq!(is_heard(1_300, None), Some(false));
        assert_eq!(is_heard(1_400, Some(8)), Some(true));
        assert_eq!(is_heard(2_700, None), Some(false));
        assert_eq!(is_heard(2_800, Some(9)), Some(true));
        assert_eq!(is_heard(9_000, None), Some(true), "it has all");
    }

    #[test]
    fn a_leader_that_ends_hands_over_to_who_has_heard_it_last() {
        let mut herald = herald(0);
        herald.on_tick(100);
        herald.on_heard(ReplicaId(2), Heard { ballot: View(0), sent_ms: 100 });
        let why = Suspicion::Resigns;
        let event = Event::Suspected { of: View(0), view: View(2), why };
        assert_eq!(herald.on_resign(), Some(event));
        assert_eq!(herald.on_resign(), None);
        let hand_over = HandOver { ballot: View(0) };
        assert_eq!(herald.on_tick(110), Some(Beat::Ends(ReplicaId(2), hand_over)));
    }

    #[test]
    fn who_does_not_lead_has_nothing_to_hand_over() {
        assert_eq!(herald(1).on_resign(), None);
    }

    #[test]
    #[should_panic(expected = "T1: each ballot has its owner")]
    fn nobody_leads_a_ballot_of_another() {
        herald(1).on_new_ballot(View(3), Slot(0));
    }
}
