//! Tests of the reader.

use super::*;

fn executed(next: u64, time_ms: Option<Millis>) -> Executed {
    Executed { next: Slot(next), sources: [].into(), weight: 64, stretch: 1, time_ms }
}

fn reader(next: u64, time_ms: Option<Millis>) -> OpenReads {
    OpenReads::new(7, &executed(next, time_ms), &Config::new(ReplicaId(0), 3))
}

fn reads(freshness: Freshness) -> Reads {
    Reads { freshness, requests: Packer::default().finish() }
}

fn index(ask: Ask, end: u64) -> Index {
    ask.answered(Slot(end))
}

#[test]
fn the_latest_reads_wait_for_a_quorum_and_for_what_it_has_accepted() {
    let mut reader = reader(5, None);
    let ask = reader.on_reads(reads(Freshness::Latest), 0).unwrap();
    assert_eq!(ask, Ask { life: 7, round: 1 });

    reader.on_index(ReplicaId(1), index(ask, 6));
    reader.on_index(ReplicaId(1), index(ask, 9));
    assert!(reader.next_permit().is_none(), "one acceptor is no quorum, however often it answers");
    reader.on_index(ReplicaId(2), index(ask, 8));
    assert!(reader.next_permit().is_none());
    reader.on_executed(&executed(8, None));
    assert!(reader.next_permit().is_none());
    reader.on_executed(&executed(9, None));
    assert_eq!(reader.next_permit().unwrap().index, Slot(9));
}

#[test]
fn an_answer_counts_for_no_later_question_and_for_the_life_that_asked() {
    let mut reader = reader(5, None);
    let first = reader.on_reads(reads(Freshness::Latest), 0).unwrap();
    let second = reader.on_reads(reads(Freshness::Latest), 0).unwrap();
    for from in 0..3 {
        reader.on_index(ReplicaId(from), index(Ask { life: 6, ..second }, 0));
        reader.on_index(ReplicaId(from), index(first, 5));
    }
    assert!(reader.next_permit().is_some());
    assert!(reader.next_permit().is_none());
    let late: Vec<_> = reader.refused.counts().collect();
    assert_eq!(late, [(Refusal::Late, 4)], "those of another life, and one more than a quorum");
}

#[test]
fn reads_are_permitted_in_the_order_in_which_they_came() {
    let mut reader = reader(5, None);
    let first = reader.on_reads(reads(Freshness::Latest), 0).unwrap();
    let second = reader.on_reads(reads(Freshness::Latest), 0).unwrap();
    (0..2).for_each(|from| reader.on_index(ReplicaId(from), index(first, 6)));
    (0..2).for_each(|from| reader.on_index(ReplicaId(from), index(second, 5)));
    assert!(reader.next_permit().is_none(), "the second could go, and the first not");
    reader.on_executed(&executed(6, None));
    assert_eq!(reader.next_permit().unwrap().index, Slot(6));
    assert_eq!(reader.next_permit().unwrap().index, Slot(5));
    assert_eq!(reader.room(), OpenReads::ROUNDS_MAX);
}

#[test]
fn a_question_that_is_lost_is_answered_by_the_answers_to_the_next() {
    let mut reader = reader(5, None);
    reader.on_reads(reads(Freshness::Latest), 0).unwrap();
    let second = reader.on_reads(reads(Freshness::Latest), 0).unwrap();
    (0..2).for_each(|from| reader.on_index(ReplicaId(from), index(second, 5)));
    assert!(reader.next_permit().is_some() && reader.next_permit().is_some());
}

#[test]
fn other_reads_wait_for_their_slot_alone_and_not_for_ever() {
    let mut reader = reader(5, None);
    reader.on_reads(reads(Freshness::Latest), 0).unwrap();
    assert!(reader.on_reads(reads(Freshness::Executed(Slot(1 << 40))), 0).is_none());
    assert!(reader.on_reads(reads(Freshness::Executed(Slot(5))), 0).is_none());
    assert_eq!(reader.next_permit().unwrap().index, Slot(5));
    assert!(reader.next_permit().is_none());
    reader.on_tick(OpenReads::FORGOTTEN_MS);
    assert!(reader.bounded.is_empty());
}

#[test]
fn a_state_whose_time_is_behind_has_the_log_move_once_and_the_read_waits_for_it() {
    let mut reader = reader(5, Some(1_000));
    let ask = reader.on_reads(reads(Freshness::Latest), 1_101).unwrap();
    assert_eq!(reader.time_wanted().map(|(_, time_ms)| time_ms), Some(1_101));
    assert!(reader.time_wanted().is_none());
    (0..2).for_each(|from| reader.on_index(ReplicaId(from), index(ask, 5)));
    assert!(reader.next_permit().is_none());
    reader.on_executed(&executed(6, Some(1_101)));
    assert!(reader.next_permit().is_some());
}

#[test]
fn a_slot_that_is_accepted_and_never_decided_has_the_log_move_when_nothing_else_does() {
    let config = Config::new(ReplicaId(0), 3);
    let mut reader = reader(5, None);
    let ask = reader.on_reads(reads(Freshness::Latest), 0).unwrap();
    (0..2).for_each(|from| reader.on_index(ReplicaId(from), index(ask, 7)));
    let still_ms = 4 * config.suspect_after_ms;
    for (now, nudges) in
        [(still_ms - 1, 0), (still_ms, 2), (3 * still_ms - 1, 0), (3 * still_ms, 2)]
    {
        reader.on_tick(now);
        assert_eq!(reader.log_wanted().len(), nudges, "{now} ms");
    }
}

#[test]
fn who_is_not_answered_asks_again() {
    let config = Config::new(ReplicaId(0), 3);
    let mut reader = reader(5, None);
    let ask = reader.on_reads(reads(Freshness::Latest), 0).unwrap();
    assert!(reader.on_tick(config.retry_after_ms - 1).is_empty());
    assert_eq!(reader.on_tick(config.retry_after_ms), [ask]);
}
