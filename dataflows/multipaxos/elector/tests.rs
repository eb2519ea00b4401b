//! Tests of the elector.

use super::super::messages::Chosen;
use super::*;
use crate::model::types::Slot;

fn elector(me: u16) -> Elector {
    Elector::new(View(0), false, &Config::new(ReplicaId(me), 3))
}

fn heartbeat(ballot: u64, is_heard: bool) -> Heartbeat {
    let chosen = Chosen { ballot: View(ballot), from: Slot(0), upto: Slot(0) };
    Heartbeat { chosen, is_heard, sent_ms: 0 }
}

/// When an elector that is told nothing asks the others, from a time on.
fn asks_at(elector: &mut Elector, from: Millis) -> Option<Millis> {
    (from..from + 100_000).step_by(10).find(|now| elector.suspect(*now).is_some())
}

fn pre_vote(ballot: u64) -> PreVote {
    PreVote { ballot: View(ballot) }
}

#[test]
fn the_next_after_the_leader_asks_first_and_the_leader_itself_last() {
    let asked = [1, 2, 0].map(|me| asks_at(&mut elector(me), 10));
    assert_eq!(asked, [Some(300), Some(400), Some(500)]);
}

#[test]
fn a_leader_that_a_quorum_does_not_hear_is_not_heard() {
    let mut elector = elector(1);
    for now in (0..1000).step_by(10) {
        assert_eq!(elector.suspect(now), None);
        elector.on_heartbeat(&heartbeat(0, true));
    }
    for now in (1000..1290).step_by(10) {
        assert_eq!(elector.suspect(now), None);
        assert_ne!(elector.on_heartbeat(&heartbeat(0, false)), Answer::Nothing);
    }
    let why = Suspicion::Unanswered { silent_ms: 300 };
    let suspected = Event::Suspected { of: View(0), view: View(1), why };
    assert_eq!(elector.suspect(1290), Some(suspected));
}

#[test]
fn a_candidate_prepares_its_own_ballot_once_a_quorum_misses_the_leader() {
    let mut elector = elector(2);
    let at = asks_at(&mut elector, 10).unwrap();
    assert_eq!(elector.say(), Some(Said::PreVote(pre_vote(2))));
    assert_eq!(elector.say(), None, "it is not said twice");
    assert_eq!(elector.on_pre_voted(ReplicaId(1), PreVoted { ballot: View(5) }), None);
    let voted = PreVoted { ballot: View(2) };
    assert_eq!(elector.on_pre_voted(ReplicaId(2), voted), None, "its own again");
    assert_eq!(elector.on_pre_voted(ReplicaId(1), voted), Some(Prepare { ballot: View(2) }));
    elector.suspect(at + 50);
    assert_eq!(elector.say(), Some(Said::Prepare(Prepare { ballot: View(2) })));
}

#[test]
fn who_hears_the_leader_grants_no_pre_vote() {
    let mut elector = elector(1);
    elector.suspect(10);
    elector.on_heartbeat(&heartbeat(0, true));
    assert_eq!(elector.on_pre_vote(ReplicaId(2), pre_vote(2)), Answer::Nothing);
    let granted = Answer::PreVoted(PreVoted { ballot: View(3) });
    assert_eq!(elector.on_pre_vote(ReplicaId(0), pre_vote(3)), granted, "the leader itself");
    for now in [100, 160] {
        elector.suspect(now);
    }
    let granted = Answer::PreVoted(PreVoted { ballot: View(2) });
    assert_eq!(elector.on_pre_vote(ReplicaId(2), pre_vote(2)), granted);
}

#[test]
fn who_speaks_in_a_lower_ballot_is_told_of_the_higher_one() {
    let mut elector = elector(1);
    elector.on_entered(View(5));
    let reject = Answer::Reject(Reject { promised: View(5) });
    assert_eq!(elector.on_heartbeat(&heartbeat(3, true)), reject);
    assert_eq!(elector.on_pre_vote(ReplicaId(0), pre_vote(3)), reject);
    assert_eq!(elector.reject(View(4)), reject);
    assert_eq!((elector.higher(View(5)), elector.higher(View(6))), (None, Some(View(6))));
}

#[test]
fn who_led_in_an_earlier_life_asks_at_once_and_suspects_nobody() {
    let mut elector = Elector::new(View(3), true, &Config::new(ReplicaId(0), 3));
    assert_eq!(elector.suspect(10), None);
    assert_eq!(elector.say(), Some(Said::PreVote(pre_vote(6))));
}

#[test]
fn who_is_handed_the_lead_asks_nobody() {
    let mut elector = elector(1);
    assert_eq!(elector.on_hand_over(HandOver { ballot: View(3) }), None);
    let prepare = Some(Prepare { ballot: View(1) });
    assert_eq!(elector.on_hand_over(HandOver { ballot: View(0) }), prepare);
    assert_eq!(elector.on_hand_over(HandOver { ballot: View(0) }), None, "it stands already");
}

#[test]
fn a_candidate_that_does_not_get_to_lead_asks_for_the_next_ballot() {
    let mut elector = elector(1);
    elector.on_hand_over(HandOver { ballot: View(0) });
    elector.on_entered(View(1));
    assert_eq!(asks_at(&mut elector, 10), Some(500));
    assert_eq!(elector.say(), Some(Said::PreVote(pre_vote(4))));
}

#[test]
fn patience_doubles_after_a_round_of_ballots() {
    let mut elector = elector(1);
    for ballot in 1..=3 {
        elector.on_entered(View(ballot));
    }
    assert_eq!(asks_at(&mut elector, 10), Some(600));
}

#[test]
fn a_replica_that_stood_still_blames_nobody() {
    let mut elector = elector(1);
    elector.suspect(10);
    assert_eq!(elector.suspect(5_000), None);
    assert_eq!(asks_at(&mut elector, 5_010), Some(5_300));
}

#[test]
#[should_panic(expected = "a ballot is promised after 0, not 0")]
fn no_ballot_is_promised_again() {
    elector(1).on_entered(View(0));
}

#[test]
#[should_panic(expected = "T1: each ballot has its owner")]
fn nobody_stands_for_a_ballot_of_another() {
    elector(1).stand(View(2));
}
