//! Tests of the executor.

use super::*;
use crate::model::batch::{BatchId, Packer, Request};
use crate::model::types::ClientId;

/// Answers with the number of commands so far.
#[derive(Default)]
struct Count(u8);

impl StateMachine for Count {
    fn apply(&mut self, _at: At, _command: &[u8], reply: &mut Vec<u8>) {
        self.0 += 1;
        reply.push(self.0);
    }
    fn snapshot(&self) -> Vec<u8> {
        vec![self.0]
    }
    fn restore(&mut self, snapshot: &[u8]) -> Result<(), Damaged> {
        self.0 = snapshot[0];
        Ok(())
    }
}

fn batch(incarnation: u64, client: ClientId) -> Value {
    let mut packer = Packer::default();
    packer.push(Request { client, number: 1, acknowledged: 0, command: b"" });
    let id = BatchId { source: ReplicaId(0), incarnation, number: 1 };
    Some(Batch { id, time_ms: 0, requests: packer.finish() })
}

#[test]
fn a_start_cuts_the_checkpoints_that_were_due_and_says_what_it_has_executed() {
    let config = Config { checkpoint_every: 3, ..Config::new(ReplicaId(0), 3) };
    for known in 0..11 {
        let mut executor = Executor::new(Box::new(Count::default()), &config);
        let value = batch(1, ClientId::of_line(128));
        let replayed = (0..known).filter_map(|slot| executor.replay(Slot(slot), &value));
        let mut cut: Vec<u64> = replayed.map(|cut| cut.slot.0).collect();
        let between = |from: u64| (from, (from + 3).min(known));
        let replayed = (0..known).step_by(3).map(between);
        let replayed = replayed.map(|(from, to)| (Slot(to), (to - from) as usize * weight(&value)));
        assert_eq!(executor.replayed(), replayed.collect::<Vec<_>>());
        assert_eq!(executor.executed().next, Slot(known));
        for slot in known..11 {
            executor.on_value(Slot(slot), &value);
            cut.extend(executor.take_due().map(|_| executor.cut().slot.0));
        }
        assert_eq!(cut, [3, 6, 9], "{known}");
    }
}

/// A state of as many bytes as have come in commands.
#[derive(Default)]
struct Growing(u64);

impl StateMachine for Growing {
    fn apply(&mut self, _at: At, command: &[u8], _reply: &mut Vec<u8>) {
        self.0 += command.len() as u64;
    }
    fn snapshot(&self) -> Vec<u8> {
        self.0.to_le_bytes().to_vec()
    }
    fn restore(&mut self, snapshot: &[u8]) -> Result<(), Damaged> {
        self.0 = snapshot.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte));
        Ok(())
    }
    fn bytes(&self) -> u64 {
        self.0
    }
}

#[test]
fn checkpoints_of_a_larger_state_are_further_apart_and_a_copy_cuts_at_the_same_slots() {
    let (me, command) = (ReplicaId(0), [0; 700]);
    let config =
        Config { checkpoint_every: 4, checkpoint_bytes: 4_000, ..Config::new(ReplicaId(0), 3) };
    let batch = |slot| {
        let mut packer = Packer::default();
        let client = ClientId::of_line(128);
        packer.push(Request { client, number: slot + 1, acknowledged: 0, command: &command });
        let id = BatchId { source: me, incarnation: 1, number: slot + 1 };
        Some(Batch { id, time_ms: 0, requests: packer.finish() })
    };
    let run = |executor: &mut Executor, slots: std::ops::Range<u64>| {
        let cut = slots.filter_map(|slot| {
            executor.on_value(Slot(slot), &batch(slot));
            executor.take_due().map(|_| executor.cut())
        });
        cut.collect::<Vec<_>>()
    };
    let mut executor = Executor::new(Box::<Growing>::default(), &config);
    let cuts = run(&mut executor, 0..60);

    let slots: Vec<u64> = cuts.iter().map(|cut| cut.slot.0).collect();
    assert_eq!(
        slots,
        [4, 8, 12, 16, 20, 24, 32, 40, 52],
        "half as much as the state, in steps of 4,000"
    );

    let mut copy = Executor::new(Box::<Growing>::default(), &config);
    let third = cuts.into_iter().nth(2).unwrap();
    copy.restore(&third.write(None)).unwrap();
    let later: Vec<u64> = run(&mut copy, 12..60).iter().map(|cut| cut.slot.0).collect();
    assert_eq!(later, [16, 20, 24, 32, 40, 52]);
}

/// Answers everything with a mebibyte.
struct Large;

impl StateMachine for Large {
    fn apply(&mut self, _at: At, _command: &[u8], reply: &mut Vec<u8>) {
        reply.resize(reply.len() + (1 << 20), b'x');
    }
    fn snapshot(&self) -> Vec<u8> {
        Vec::new()
    }
    fn restore(&mut self, _snapshot: &[u8]) -> Result<(), Damaged> {
        Ok(())
    }
}

#[test]
fn of_a_batch_that_asks_for_too_much_every_line_is_told_something() {
    let mut executor = Executor::new(Box::new(Large), &Config::new(ReplicaId(0), 3));
    let mut packer = Packer::default();
    for number in 1..=200 {
        let client = ClientId::of_line(128);
        packer.push(Request { client, number, acknowledged: 0, command: b"" });
    }
    let id = BatchId { source: ReplicaId(0), incarnation: 1, number: 1 };
    let batch = Batch { id, time_ms: 0, requests: packer.finish() };

    let (replies, _) = executor.on_value(Slot(0), &Some(batch)).unwrap();

    let kept = replies.iter().filter(|reply| reply.answer != Answer::Forgotten).count();
    assert_eq!((replies.len(), kept), (200, 128));
}

#[test]
fn a_line_of_an_earlier_life_is_not_answered_though_another_has_its_name() {
    let config = Config::new(ReplicaId(0), 3);
    let mut executor = Executor::new(Box::new(Count::default()), &config);
    executor.begin(2);
    let line = ClientId::of_line(128);

    let (late, _) = executor.on_value(Slot(0), &batch(1, line)).unwrap();
    let (own, _) = executor.on_value(Slot(1), &batch(2, line)).unwrap();

    assert!(late.is_empty());
    let answers: Vec<_> = own.iter().map(|reply| reply.answer).collect();
    assert_eq!(answers, [Answer::Done(&[2])]);
}

#[test]
#[should_panic(expected = "slots are released in order and once")]
fn a_slot_is_not_executed_again() {
    let mut executor = Executor::new(Box::<Count>::default(), &Config::new(ReplicaId(0), 3));
    executor.on_value(Slot(0), &None);
    executor.on_value(Slot(0), &None);
}

#[test]
#[should_panic(expected = "a checkpoint takes nothing back")]
fn an_older_checkpoint_does_not_take_the_place_of_the_state() {
    let mut executor = Executor::new(Box::<Count>::default(), &Config::new(ReplicaId(0), 3));
    executor.on_value(Slot(0), &None);
    let old = executor.cut().write(None);
    executor.on_value(Slot(1), &None);
    executor.restore(&old).unwrap();
}

/// Two numbers, each a part, of which the second is refused when it is odd.
#[derive(Default)]
struct Two([u8; 2]);

impl StateMachine for Two {
    fn apply(&mut self, _at: At, _command: &[u8], _reply: &mut Vec<u8>) {
        self.0 = self.0.map(|number| number + 1);
    }
    fn snapshot(&self) -> Vec<u8> {
        self.0.to_vec()
    }
    fn restore(&mut self, snapshot: &[u8]) -> Result<(), Damaged> {
        self.0[0] = snapshot[0];
        if snapshot[1] % 2 == 1 {
            return Err(Damaged { offset: 1, expected: "an even number" });
        }
        self.0[1] = snapshot[1];
        Ok(())
    }
}

#[test]
fn of_a_checkpoint_that_is_refused_by_half_nothing_is_left() {
    let config = Config::new(ReplicaId(0), 3);
    let mut executor = Executor::new(Box::<Two>::default(), &config);
    let beginning = executor.whole();
    executor.replay(Slot(0), &batch(1, ClientId::of_line(128)));
    let odd = executor.cut().write(None);

    let mut copy = Executor::new(Box::<Two>::default(), &config);
    assert!(copy.restore(&odd).is_err());
    copy.start_over(&beginning).unwrap();
    assert_eq!(copy.whole().write(None), beginning.write(None));
    copy.replay(Slot(0), &batch(1, ClientId::of_line(128)));
    assert_eq!(copy.cut().write(None), odd);
}
