#![allow(clippy::unwrap_used)]

use super::*;
use crate::model::batch::{BatchId, Packer, Request};

fn batch(client: u64, first: u64, count: u64, bytes: usize) -> Value {
    let mut packer = Packer::default();
    let command = vec![b'x'; bytes];
    for number in first..first + count {
        let client = ClientId(client);
        packer.push(Request { client, number, acknowledged: 0, command: &command });
    }
    Some(Batch { id: BatchId::default(), time_ms: 0, requests: packer.finish() })
}

#[test]
fn a_slot_remembers_when_its_steps_were_seen() {
    let past = Past::default();
    past.write(|memory| {
        memory.propose(ReplicaId(1), Slot(7), View(1), 10);
        memory.receive_vote(ReplicaId(1), Slot(7), View(1), 12);
        memory.receive_vote(ReplicaId(1), Slot(7), View(1), 13);
        memory.vote(Slot(7), View(1), 11);
        memory.execute(Slot(7), &batch(5, 1, 3, 1), Some(9), 14);
    });
    let life = past.slot(Slot(7)).unwrap();
    assert_eq!((life.packed_at, life.proposed_at, life.voted_at), (Some(9), Some(10), Some(11)));
    assert_eq!((life.proposer, life.decided_at), (Some(ReplicaId(1)), Some(14)));
    assert_eq!((life.votes, life.executed_at), (vec![(ReplicaId(1), 12)], Some(14)));
    let run = RequestRun { client: ClientId(5), first: 1, last: 3 };
    assert_eq!(life.batch.unwrap().runs, [run]);
    assert_eq!(past.of_request(ClientId(5), 2).len(), 1);
    assert_eq!(past.of_request(ClientId(5), 4).len(), 0);
}

#[test]
fn a_slot_is_decided_with_the_vote_that_makes_a_quorum() {
    let past = Past::new(ReplicaId(0), 2);
    let hear = |voter, view, now| {
        past.write(|memory| memory.receive_vote(ReplicaId(voter), Slot(3), View(view), now));
        past.slot(Slot(3)).unwrap().decided_at
    };
    assert_eq!(
        [hear(1, 1, 10), hear(1, 1, 11), hear(2, 1, 12), hear(0, 1, 13)],
        [None, None, Some(12), Some(12)]
    );
    // What is proposed anew is decided anew.
    assert_eq!([hear(1, 2, 20), hear(0, 2, 21)], [None, Some(21)]);
}

#[test]
fn steps_of_a_later_view_are_seen_anew() {
    let past = Past::default();
    past.write(|memory| {
        memory.propose(ReplicaId(1), Slot(0), View(1), 9);
        memory.receive_vote(ReplicaId(1), Slot(0), View(1), 10);
        memory.receive_vote(ReplicaId(2), Slot(0), View(2), 20);
        memory.receive_vote(ReplicaId(0), Slot(0), View(1), 30);
        memory.vote(Slot(0), View(1), 31);
    });
    let life = past.slot(Slot(0)).unwrap();
    assert_eq!(life.votes, [(ReplicaId(2), 20)]);
    assert_eq!((life.proposed_at, life.voted_at), (None, None));
    past.write(|memory| memory.propose(ReplicaId(1), Slot(0), View(2), 40));
    assert_eq!(past.slot(Slot(0)).unwrap().proposed_at, Some(40));
}

#[test]
fn slots_that_a_checkpoint_replaces_are_open_no_more() {
    let past = Past::default();
    past.write(|memory| {
        memory.propose(ReplicaId(1), Slot(3), View(1), 9);
        memory.install(Slot(7));
    });
    assert_eq!(past.slot(Slot(3)), None);
    past.write(|memory| {
        memory.propose(ReplicaId(1), Slot(8), View(1), 10);
        memory.install(Slot(7));
    });
    assert!(past.slot(Slot(8)).is_some());
}

#[test]
fn what_is_remembered_is_bounded_in_slots_and_bytes() {
    let past = Past::default();
    past.write(|memory| {
        for slot in (0..2 * SLOTS_MAX as u64).map(Slot) {
            memory.execute(slot, &batch(1, slot.0, 1, 4_096), None, slot.0);
        }
        assert_eq!(memory.slots.len(), SLOTS_MAX);
        let kept = memory.slots.iter().filter_map(|life| life.requests.as_ref());
        let bytes: usize = kept.map(Requests::bytes).sum();
        assert_eq!(bytes, memory.bytes);
        assert!(bytes <= BATCH_BYTES_MAX && bytes > BATCH_BYTES_MAX / 2, "{bytes}");
    });
    assert_eq!(past.oldest(), Some(Slot(SLOTS_MAX as u64)));
    assert_eq!(past.slot(Slot(3)), None);
}

#[test]
fn a_slot_far_ahead_makes_the_past_begin_anew() {
    let past = Past::default();
    past.write(|memory| {
        memory.propose(ReplicaId(1), Slot(0), View(0), 1);
        memory.propose(ReplicaId(1), Slot(1 << 40), View(0), 2);
        memory.propose(ReplicaId(1), Slot(0), View(0), 3);
    });
    assert_eq!(past.oldest(), Some(Slot(1 << 40)));

    past.write(|memory| memory.execute(Slot(1), &None, None, 4));
    assert_eq!(past.oldest(), Some(Slot(1)), "what is executed is true");
}

#[test]
fn replicas_that_look_at_different_moments_choose_the_same_slots() {
    let chosen = |slots: u64| -> Vec<u64> {
        let past = Past::default();
        past.write(|memory| {
            (0..slots).for_each(|slot| memory.execute(Slot(slot), &None, None, slot));
        });
        past.sampled(Slot(0), 32).unwrap().iter().map(|life| life.slot.0).collect()
    };
    assert_eq!(chosen(32).len(), 32);
    let (few, many) = (chosen(900), chosen(1_000));
    assert!((16..=32).contains(&few.len()) && (16..=32).contains(&many.len()));
    assert!(few.iter().all(|slot| many.contains(slot)));
}

#[test]
fn a_writer_does_not_wait_for_a_reader() {
    let past = Past::default();
    let reader = past.read();
    past.write(|_| panic!("the reader is not done"));
    drop(reader);
    assert_eq!(past.lost(), 1);
}
