//! Tests of the proposer: whose value it proposes (Lampson's tables), and how proposers that meet
//! get past each other.

use super::*;
use crate::model::batch::{BatchId, Packer};

const N: usize = 3;

fn batch(source: u16, number: u64) -> Batch {
    let id = BatchId { source: ReplicaId(source), incarnation: 1, number };
    Batch { id, time_ms: 0, requests: Packer::default().finish() }
}

fn forward(source: u16, number: u64) -> Forward {
    Forward { batch: batch(source, number), oldest: 1 }
}

fn executed(next: u64, done: [u64; N]) -> Executed {
    let sources = done.map(|number| Progress { incarnation: 1, number }).into();
    Executed { next: Slot(next), sources, weight: 64, stretch: 1, time_ms: None }
}

fn proposer(me: u16) -> SlotProposer {
    let config = Config::new(ReplicaId(me), N);
    SlotProposer::new(1, Slot(0), Window::new(&[], 1, &config), &config)
}

fn promise(prepare: Prepare, accepted: Option<(u64, u64)>) -> Promised {
    let Prepare { slot, ballot } = prepare;
    let accepted = accepted.map(|(round, value)| {
        (Ballot { round, life: 1, proposer: ReplicaId(1) }, Some(batch(1, value)))
    });
    Promised { slot, ballot, accepted }
}

fn prepared(asked: Option<Ask>) -> Prepare {
    match asked {
        Some(Ask::Prepare(prepare)) => prepare,
        other => panic!("{other:?}"),
    }
}

fn proposed(asked: Option<Ask>) -> Accept {
    match asked {
        Some(Ask::Accept(accept)) => accept,
        other => panic!("{other:?}"),
    }
}

fn reject(prepare: Prepare, promised: Ballot) -> Reject {
    Reject { slot: prepare.slot, ballot: prepare.ballot, promised }
}

fn ballot(round: u64, proposer: u16) -> Ballot {
    Ballot { round, life: 1, proposer: ReplicaId(proposer) }
}

/// What a proposer that has batch 1 of its own proposes after acceptors have reported, each the last
/// round in which it had accepted, and what.
fn picked(reports: &[(u16, Option<(u64, u64)>)]) -> Option<Batch> {
    let mut proposer = proposer(0);
    proposer.heard.round = 3;
    let prepare = prepared(proposer.on_forward(forward(0, 1)));
    let answer = |(from, report): &(u16, _)| {
        proposer.on_promise(ReplicaId(*from), promise(prepare, *report))
    };
    let accepts: Vec<Ask> = reports.iter().filter_map(answer).collect();
    assert_eq!(accepts.len(), 1, "in one ballot it proposes once");
    let accept = proposed(accepts.into_iter().next());
    assert_eq!(accept.ballot, prepare.ballot);
    accept.value
}

/// Lampson's first table: in three rounds three agents have accepted 7, 8 and 9, one each.
///
/// He lists a and c with 8, which contradicts his rule: the last of their rounds has 9.
#[test]
fn of_lampsons_first_run_the_last_round_that_is_reported_counts() {
    let (a, b, c) = ((0, Some((1, 7))), (1, Some((2, 8))), (2, Some((3, 9))));
    assert_eq!(picked(&[a, b]), Some(batch(1, 8)));
    assert_eq!(picked(&[b, c]), Some(batch(1, 9)));
    assert_eq!(picked(&[a, c]), Some(batch(1, 9)));
    assert_eq!(picked(&[c, a]), Some(batch(1, 9)), "in whatever order they report");
}

/// Lampson's second table: 8 was accepted by a, and then 9 by a and c, and by c again.
#[test]
fn of_lampsons_second_run_every_majority_reports_9() {
    let (a, b, c) = ((0, Some((2, 9))), (1, None), (2, Some((3, 9))));
    for reports in [[a, b], [b, c], [a, c], [c, b]] {
        assert_eq!(picked(&reports), Some(batch(1, 9)));
    }
}

#[test]
fn its_own_batch_is_proposed_where_nothing_was_accepted() {
    assert_eq!(picked(&[(1, None), (2, None)]), Some(batch(0, 1)));
}

#[test]
fn a_promise_that_comes_again_is_one_promise() {
    let mut proposer = proposer(0);
    let prepare = prepared(proposer.on_forward(forward(0, 1)));
    for _ in 0..2 {
        assert_eq!(proposer.on_promise(ReplicaId(2), promise(prepare, None)), None);
    }
    proposed(proposer.on_promise(ReplicaId(1), promise(prepare, None)));
    let late = proposer.on_promise(ReplicaId(0), promise(prepare, Some((1, 7))));
    assert_eq!(late, None, "what it proposes in a ballot it does not change");
}

#[test]
fn promises_of_an_earlier_ballot_count_for_nothing() {
    let mut proposer = proposer(0);
    let first = prepared(proposer.on_forward(forward(0, 1)));
    proposer.on_promise(ReplicaId(1), promise(first, None));
    proposer.on_reject(reject(first, ballot(7, 2)));
    let second = prepared(proposer.on_tick(100_000));
    assert_eq!(second.slot, first.slot);
    assert!(second.ballot > ballot(7, 2));
    assert_eq!(proposer.on_promise(ReplicaId(1), promise(first, None)), None);
    assert_eq!(proposer.on_promise(ReplicaId(2), promise(second, None)), None);
    proposed(proposer.on_promise(ReplicaId(1), promise(second, None)));
}

#[test]
fn a_batch_whose_slot_another_has_won_is_proposed_for_the_next_one() {
    let mut proposer = proposer(0);
    assert_eq!(prepared(proposer.on_forward(forward(0, 1))).slot, Slot(0));
    assert_eq!(proposer.on_forward(forward(0, 2)), None, "one batch at a time");
    let prepare = prepared(proposer.on_executed(&executed(1, [0, 1, 0])));
    assert_eq!((prepare.slot, proposer.batch.clone()), (Slot(1), Some(batch(0, 1))));
    let prepare = prepared(proposer.on_executed(&executed(2, [1, 1, 0])));
    assert_eq!((prepare.slot, proposer.batch.clone()), (Slot(2), Some(batch(0, 2))));
    assert_eq!(proposer.on_executed(&executed(3, [2, 1, 0])), None);
}

#[test]
fn who_is_outbid_prepares_the_next_slot_and_proposes_for_it_in_its_turn() {
    let mut proposer = proposer(0);
    let first = prepared(proposer.on_forward(forward(0, 1)));
    let second = prepared(proposer.on_reject(reject(first, ballot(4, 2))));
    assert_eq!((second.slot, second.ballot), (Slot(1), ballot(6, 0)), "and bids the higher");
    for from in [0, 1].map(ReplicaId) {
        assert_eq!(proposer.on_promise(from, promise(second, None)), None, "it is not its turn");
    }
    let accept = proposed(proposer.on_executed(&executed(1, [0, 0, 1])));
    assert_eq!((accept.slot, accept.ballot), (Slot(1), second.ballot));
    assert_eq!(accept.value, Some(batch(0, 1)));
    assert_eq!(proposer.on_executed(&executed(2, [1, 0, 1])), None);
    let next = prepared(proposer.on_forward(forward(0, 2)));
    assert_eq!(next.ballot, ballot(7, 0), "whose batch was decided bids no higher than it must");
}

#[test]
fn it_gives_way_to_whom_its_own_acceptor_has_promised_a_slot() {
    let mut proposer = proposer(0);
    proposer.on_claim(Slot(0), ballot(4, 2));
    proposer.on_claim(Slot(1), ballot(3, 1));
    proposer.on_claim(Slot(2), ballot(9, 0));
    let prepare = prepared(proposer.on_forward(forward(0, 1)));
    assert_eq!((prepare.slot, prepare.ballot), (Slot(2), ballot(5, 0)), "its own are no claims");
    proposer.on_claim(Slot(2), ballot(9, 1));
    assert!(proposer.attempt.is_some(), "it has begun, and may yet be first");
}

#[test]
fn a_slot_that_was_prepared_in_vain_is_filled_with_a_noop() {
    let mut proposer = proposer(0);
    let first = prepared(proposer.on_forward(forward(0, 1)));
    let second = prepared(proposer.on_reject(reject(first, ballot(4, 2))));
    for from in [0, 1].map(ReplicaId) {
        proposer.on_promise(from, promise(second, None));
    }
    let accept = proposed(proposer.on_executed(&executed(1, [1, 0, 0])));
    assert_eq!((accept.slot, accept.value), (Slot(1), None), "its batch was decided all the same");
    assert_eq!(proposer.on_executed(&executed(2, [1, 0, 0])), None);
}

#[test]
fn no_slot_is_prepared_that_is_further_ahead_than_there_are_others() {
    let mut proposer = proposer(0);
    let mut asked = proposer.on_forward(forward(0, 1));
    for ahead in 0..=N as u64 {
        let prepare = prepared(asked);
        assert_eq!(prepare.slot, Slot(ahead));
        asked = proposer.on_reject(reject(prepare, ballot(100 * (ahead + 1), 2)));
    }
    assert_eq!(asked, None);
}

#[test]
fn who_gave_way_in_vain_tries_for_the_slot_again_and_later_each_time() {
    let mut proposer = proposer(0);
    let mut prepare = prepared(proposer.on_forward(forward(0, 1)));
    let (mut now, mut waited) = (0, Vec::new());
    for round in 1..5 {
        proposer.on_reject(reject(prepare, ballot(100 * round, 2)));
        let since = now;
        prepare = loop {
            now += 10;
            match proposer.on_tick(now) {
                Some(Ask::Prepare(prepare)) if prepare.slot == Slot(0) => break prepare,
                _ => {}
            }
        };
        waited.push(now - since);
    }
    let retry_after_ms = Config::new(ReplicaId(0), N).retry_after_ms;
    assert!(waited.iter().all(|ms| *ms >= retry_after_ms), "{waited:?}");
    assert!(waited.iter().any(|ms| *ms >= 2 * retry_after_ms), "{waited:?}");
}

#[test]
fn what_has_no_answer_is_asked_again() {
    let mut proposer = proposer(0);
    let prepare = prepared(proposer.on_forward(forward(0, 1)));
    assert_eq!(proposer.on_tick(10), None);
    assert_eq!(proposer.on_tick(60), Some(Ask::Prepare(prepare)));
    proposer.on_promise(ReplicaId(1), promise(prepare, None));
    let accept = proposed(proposer.on_promise(ReplicaId(2), promise(prepare, None)));
    assert_eq!(proposer.on_tick(1_000), Some(Ask::Accept(accept)));
}

#[test]
fn nothing_is_proposed_a_window_above_the_stable_checkpoint() {
    let mut proposer = proposer(0);
    let window = Config::new(ReplicaId(0), N).window;
    proposer.on_executed(&executed(window, [0; N]));
    assert_eq!(proposer.on_forward(forward(0, 1)), None);
    assert_eq!(proposer.holding().wait, Wait::for_role("checkpointer"));
    assert_eq!(prepared(proposer.on_stable(Slot(1))).slot, Slot(window));
}

#[test]
fn proposers_that_give_way_do_not_come_back_at_the_same_time() {
    let pauses: std::collections::BTreeSet<Millis> = (0..N as u16)
        .map(|me| {
            let mut proposer = proposer(me);
            proposer.waited = 5;
            proposer.pause()
        })
        .collect();
    assert_eq!(pauses.len(), N);
}

#[test]
fn an_outage_makes_it_give_way_no_longer_than_a_leader_would_be_waited_for() {
    let (mut proposer, patience) = (proposer(0), Config::new(ReplicaId(0), N).suspect_after_ms);
    let prepare = prepared(proposer.on_forward(forward(0, 1)));
    proposer.on_tick(600_000);
    for from in [0, 1].map(ReplicaId) {
        proposer.on_promise(from, promise(prepare, None));
    }

    assert!(proposer.pause() < 8 * patience, "{} ms", proposer.pause());
}
