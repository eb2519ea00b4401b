//! Tests of the acceptor: promises, votes, and what is left of them after a restart.

use super::*;
use crate::model::batch::{Batch, BatchId, Packer};

fn acceptor() -> SlotAcceptor {
    SlotAcceptor::new(&Recovered::nothing(), &Config::new(ReplicaId(0), 3))
}

fn ballot(round: u64, proposer: u16) -> Ballot {
    Ballot { round, life: 1, proposer: ReplicaId(proposer) }
}

fn batch(number: u64) -> Value {
    let id = BatchId { source: ReplicaId(0), incarnation: 1, number };
    Some(Batch { id, time_ms: 0, requests: Packer::default().finish() })
}

fn prepare(slot: u64, ballot: Ballot) -> Prepare {
    Prepare { slot: Slot(slot), ballot }
}

fn accept(slot: u64, ballot: Ballot, number: u64) -> Accept {
    Accept { slot: Slot(slot), ballot, value: batch(number) }
}

fn promise(ballot: Ballot, accepted: Option<(Ballot, Value)>) -> Promised {
    Promised { slot: Slot(0), ballot, accepted }
}

fn reject(ballot: Ballot, promised: Ballot) -> Reject {
    Reject { slot: Slot(0), ballot, promised }
}

fn executed(next: u64) -> Executed {
    Executed {
        next: Slot(next),
        sources: [].into(),
        weight: weight(&None),
        stretch: 1,
        time_ms: None,
    }
}

#[test]
fn a_ballot_is_promised_once_and_none_below_it() {
    let mut acceptor = acceptor();
    let (high, low) = (ballot(2, 1), ballot(1, 2));
    let record = AcceptorRecord::Promised(high);
    assert_eq!(
        acceptor.on_prepare(prepare(0, high)),
        Some(Ok((promise(high, None), Some(record))))
    );
    assert_eq!(acceptor.on_prepare(prepare(0, high)), Some(Ok((promise(high, None), None))));
    assert_eq!(acceptor.on_prepare(prepare(0, low)), Some(Err(reject(low, high))));
    assert_eq!(acceptor.on_accept(&accept(0, low, 1)), Some(Err(reject(low, high))));
}

#[test]
fn what_is_accepted_is_promised_as_well_and_told_of() {
    let mut acceptor = acceptor();
    let (first, between, last) = (ballot(1, 0), ballot(2, 1), ballot(3, 2));
    assert!(matches!(acceptor.on_accept(&accept(0, first, 7)), Some(Ok((_, Some(_))))));
    assert!(matches!(acceptor.on_accept(&accept(0, first, 7)), Some(Ok((_, None)))));
    assert!(matches!(acceptor.on_accept(&accept(0, last, 8)), Some(Ok((_, Some(_))))));
    assert_eq!(acceptor.on_prepare(prepare(0, between)), Some(Err(reject(between, last))));
    let (told, _) = acceptor.on_prepare(prepare(0, ballot(4, 0))).unwrap().unwrap();
    assert_eq!(told.accepted, Some((last, batch(8))));
}

#[test]
fn slots_know_nothing_of_each_other() {
    let mut acceptor = acceptor();
    acceptor.on_accept(&accept(0, ballot(5, 0), 7));
    let (told, _) = acceptor.on_prepare(prepare(1, ballot(1, 1))).unwrap().unwrap();
    assert_eq!(told.accepted, None);
}

#[test]
fn nothing_is_said_of_what_is_executed_or_beyond_the_window() {
    let mut acceptor = acceptor();
    acceptor.on_executed(&executed(1));
    assert_eq!(acceptor.on_prepare(prepare(0, ballot(9, 0))), None);
    assert_eq!(acceptor.on_accept(&accept(1 + acceptor.window, ballot(9, 0), 1)), None);
    let refused: Vec<_> = acceptor.holding().refused.counts().collect();
    assert_eq!(refused, [(Refusal::BeyondWindow, 1), (Refusal::Late, 1)]);
}

#[test]
fn an_acceptor_that_restarts_stands_by_its_word() {
    let mut recovered = Recovered::nothing();
    let accepted = |ballot| AcceptorRecord::Accepted { ballot, value: batch(7) };
    recovered.slots = vec![
        (Slot(0), AcceptorRecord::Promised(ballot(1, 0))),
        (Slot(0), accepted(ballot(1, 0))),
        (Slot(0), AcceptorRecord::Promised(ballot(3, 1))),
        (Slot(1), AcceptorRecord::Learned(batch(9))),
    ];
    let mut acceptor = SlotAcceptor::new(&recovered, &Config::new(ReplicaId(0), 3));
    let (low, high) = (ballot(2, 2), ballot(3, 1));
    assert_eq!(acceptor.on_accept(&accept(0, low, 8)), Some(Err(reject(low, high))));
    let told = promise(high, Some((ballot(1, 0), batch(7))));
    assert_eq!(acceptor.on_prepare(prepare(0, high)), Some(Ok((told, None))));
}

#[test]
fn a_journal_holds_what_was_reported_or_else_accepted_last() {
    use crate::engine::protocol::JournalRecord;

    let accepted =
        |round, number| AcceptorRecord::Accepted { ballot: ballot(round, 0), value: batch(number) };
    let promised = AcceptorRecord::Promised(ballot(9, 0));
    let mut records = vec![accepted(1, 1), promised.clone(), accepted(2, 2), promised];
    assert_eq!(AcceptorRecord::held(&records), Some(&batch(2)));
    records.insert(0, AcceptorRecord::Learned(batch(3)));
    assert_eq!(AcceptorRecord::held(&records), Some(&batch(3)));
    assert_eq!(AcceptorRecord::held(&records[2..3]), None);
}

#[test]
#[should_panic(expected = "PX-3: it accepts nothing below what it has promised")]
fn nothing_is_accepted_below_what_was_promised() {
    let mut word = Word { promised: ballot(2, 0), accepted: None };
    word.accept(ballot(1, 1), None);
}

#[test]
#[should_panic(expected = "execution went back from 5 to 4")]
fn execution_does_not_go_back() {
    let mut acceptor = acceptor();
    acceptor.on_executed(&executed(5));
    acceptor.on_executed(&executed(4));
}
