//! Tests of the acceptor: votes, lacking values, accounts.

use super::super::runs::Run;
use super::*;

fn acceptor() -> Acceptor {
    Acceptor::new(&Recovered::nothing(), &Config::new(ReplicaId(0), 3))
}

fn run(first: u64, count: u64, view: u64) -> Run {
    Run { first: Slot(first), count, view: View(view) }
}

/// A slot is executed, and `next` follows it.
fn executed(next: u64) -> Executed {
    Executed {
        next: Slot(next),
        sources: [].into(),
        weight: weight(&None),
        stretch: 1,
        time_ms: None,
    }
}

fn is_new(vote: &Option<Vote>) -> Option<bool> {
    vote.as_ref().map(|vote| vote.promise.is_some())
}

fn proposal(view: u64, slot: u64) -> Proposal {
    Proposal { view: View(view), slot: Slot(slot), value: None }
}

#[test]
fn acceptor_refuses_a_view_it_has_answered_for() {
    let mut acceptor = acceptor();
    assert_eq!(is_new(&acceptor.on_proposal(proposal(0, 0))), Some(true));
    acceptor.on_view(View(1));
    assert_eq!(acceptor.record().accepted, [run(0, 1, 0)]);
    assert_eq!(acceptor.on_proposal(proposal(0, 1)), None);
    assert_eq!(is_new(&acceptor.on_proposal(proposal(1, 0))), Some(true));
    let refused: Vec<_> = acceptor.holding("acceptor").refused.counts().collect();
    assert_eq!(refused, [(Refusal::StaleView, 1)]);
}

#[test]
fn acceptor_accepts_again_what_it_alone_had_accepted_in_an_earlier_view() {
    let mut acceptor = acceptor();
    acceptor.on_proposal(proposal(0, 0));
    acceptor.on_view(View(2));
    assert_eq!(is_new(&acceptor.on_proposal(proposal(2, 0))), Some(true));
    assert_eq!(is_new(&acceptor.on_proposal(proposal(2, 0))), Some(false));
}

#[test]
fn acceptor_restarted_from_its_disk_stands_by_its_word() {
    let mut recovered = Recovered::nothing();
    recovered.newest = Some(Promise::Entered(View(3)));
    let accepted = |view, slot| (Slot(slot), Promise::Accepted(proposal(view, slot)));
    let renewed = Promise::Renewed { slot: Slot(1), view: View(3), from: View(2) };
    recovered.slots = vec![accepted(3, 0), accepted(2, 1), (Slot(1), renewed)];
    let mut acceptor = Acceptor::new(&recovered, &Config::new(ReplicaId(0), 3));
    assert_eq!(acceptor.on_proposal(proposal(2, 2)), None);
    assert_eq!(acceptor.record().accepted, [run(0, 2, 3)]);
}

#[test]
fn acceptor_restarted_answers_for_what_is_not_executed_and_goes_on_telling_the_journal() {
    let accepted = |slot| (Slot(slot), Promise::Accepted(proposal(0, slot)));
    let slots = vec![accepted(2), accepted(3)];
    let recovered = Recovered { decided: Slot(2), slots, ..Recovered::nothing() };
    let mut acceptor = Acceptor::new(&recovered, &Config::new(ReplicaId(0), 3));
    let record = acceptor.record();
    assert_eq!((record.decided, record.accepted), (Slot(2), vec![run(2, 2, 0)]));
    assert_eq!(acceptor.mark(), None);
    acceptor.on_executed(&executed(3));
    assert_eq!(acceptor.mark(), Some(Durable::Decided { from: Slot(0), to: Slot(3) }));
}

#[test]
fn a_renewal_is_accepted_where_the_view_it_names_was_and_lacked_elsewhere() {
    let mut acceptor = acceptor();
    acceptor.on_view(View(1));
    acceptor.on_proposal(proposal(1, 0));
    acceptor.on_proposal(proposal(1, 1));
    let renewal = Renewal { view: View(3), slots: vec![run(0, 1, 1), run(1, 2, 2)] };
    acceptor.on_view(View(3));
    let votes = acceptor.on_renewal(&renewal);
    let renewed = Promise::Renewed { slot: Slot(0), view: View(3), from: View(1) };
    assert_eq!(votes, [Vote { proposal: proposal(3, 0), promise: Some(renewed) }]);

    assert_eq!(acceptor.need_late(), None, "it may come unasked");
    acceptor.on_tick(1_000);
    let need = Need { slots: vec![run(1, 2, 3)] };
    assert_eq!(acceptor.need_late(), Some((ReplicaId(0), need)));
    let supply = Supply { proposals: vec![proposal(3, 1), proposal(2, 2), proposal(3, 0)] };
    let (votes, need) = acceptor.on_supply(supply);
    assert_eq!(votes.len(), 1, "the rest is not what it lacks");
    assert_eq!(need.unwrap().1.slots, [run(2, 1, 3)]);
}

#[test]
fn what_is_needed_is_given_a_message_at_a_time_and_only_of_the_view_that_was_named() {
    let mut acceptor = acceptor();
    acceptor.chunk_bytes = 2 * weight(&None);
    acceptor.on_view(View(1));
    for slot in 0..5 {
        acceptor.on_proposal(proposal(1, slot));
    }
    let given = |slots: Vec<Run>| {
        let supply = acceptor.on_need(&Need { slots });
        supply.map(|supply| supply.proposals.iter().map(|own| own.slot.0).collect::<Vec<_>>())
    };
    assert_eq!(given(vec![run(1, 4, 1)]), Some(vec![1, 2]));
    assert_eq!(given(vec![run(0, 1, 0)]), None);
}

#[test]
fn the_journal_is_told_of_what_it_can_account_for() {
    let mut acceptor = acceptor();
    for slot in 0..4 {
        acceptor.on_proposal(proposal(0, slot));
    }
    for slot in 1..3 {
        acceptor.on_executed(&executed(slot));
    }
    assert_eq!(acceptor.mark(), Some(Durable::Decided { from: Slot(0), to: Slot(2) }));
    assert_eq!(acceptor.mark(), None, "and it need not be told again");

    acceptor.on_executed(&executed(9));
    acceptor.on_proposal(proposal(0, 9));
    acceptor.on_executed(&executed(10));
    assert_eq!(acceptor.mark(), Some(Durable::Decided { from: Slot(9), to: Slot(10) }));
}

#[test]
fn what_was_fetched_behind_a_gap_is_released_when_it_comes_again_with_the_gap() {
    let learned = Promise::Learned { slot: Slot(3), value: None };
    let recovered = Recovered { slots: vec![(Slot(3), learned)], ..Recovered::nothing() };
    let mut acceptor = Acceptor::new(&recovered, &Config::new(ReplicaId(0), 3));
    for slot in 0..4 {
        assert!(acceptor.on_fetched(Slot(slot), &None).is_some(), "{slot}");
        assert!(acceptor.on_fetched(Slot(slot), &None).is_none(), "{slot}");
    }
}

#[test]
#[should_panic(expected = "T4: it accepts in the view it is in")]
fn nothing_is_accepted_in_a_view_that_was_left() {
    let mut acceptor = Acceptor::new(&Recovered::nothing(), &Config::new(ReplicaId(1), 3));
    acceptor.on_view(View(2));
    acceptor.accept(Slot(0), Proposal { view: View(1), slot: Slot(0), value: None });
}

#[test]
#[should_panic(expected = "T4: it accepts in the view it is in")]
fn nothing_is_accepted_again_in_a_view_that_was_left() {
    let mut acceptor = Acceptor::new(&Recovered::nothing(), &Config::new(ReplicaId(1), 3));
    acceptor.accept(Slot(0), Proposal { view: View(0), slot: Slot(0), value: None });
    acceptor.on_view(View(2));
    acceptor.renew(Slot(0), View(1), View(0));
}

#[test]
#[should_panic(expected = "execution went back from 5 to 4")]
fn execution_does_not_go_back() {
    let mut acceptor = Acceptor::new(&Recovered::nothing(), &Config::new(ReplicaId(1), 3));
    acceptor.on_executed(&executed(5));
    acceptor.on_executed(&executed(4));
}

#[test]
#[should_panic(expected = "T4: it answers for all it keeps")]
fn a_record_begins_where_execution_stands() {
    let mut acceptor = Acceptor::new(&Recovered::nothing(), &Config::new(ReplicaId(1), 3));
    acceptor.accept(Slot(0), Proposal { view: View(0), slot: Slot(0), value: None });
    acceptor.executed = Slot(1);
    let _ = acceptor.record();
}
