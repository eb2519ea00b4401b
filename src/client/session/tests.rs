//! The rules of a session.

use super::*;
use crate::model::config::Config;

fn opened() -> Session {
    let config = Config { client_window: 4, ..Config::new(ReplicaId(0), 3) };
    let mut session = Session::new(ClientLimits::of(&config), ReplicaId(0), 77);
    assert!(session.to_send(0).is_some_and(|pack| pack.opens));
    session.was_sent(0);
    let (client, answer) = (ClientId(77), Answer::Opened(ClientId(5)));
    session.on_reply(0, Reply { client, number: 0, answer });
    session
}

fn send_all(session: &mut Session, now: Millis) -> Vec<u64> {
    let mut numbers = Vec::new();
    while let Some(pack) = session.to_send(now) {
        numbers.extend(pack.requests.iter().map(|request| request.number));
        session.was_sent(now);
    }
    numbers
}

fn done(session: &mut Session, number: u64) -> Option<u64> {
    let reply = Reply { client: ClientId(5), number, answer: Answer::Done(b"ok") };
    session.on_reply(1, reply).map(|(number, _)| number)
}

#[test]
fn an_answer_that_arrives_twice_is_told_once() {
    let mut session = opened();
    assert_eq!(session.submit(b"a"), Ok(1));
    assert_eq!(send_all(&mut session, 0), [1]);
    assert_eq!(done(&mut session, 1), Some(1));
    assert_eq!(done(&mut session, 1), None);
}

#[test]
fn all_that_is_open_goes_to_the_next_replica_in_order() {
    let mut session = opened();
    for command in [b"a", b"b", b"c"] {
        assert!(session.submit(command).is_ok());
        send_all(&mut session, 0);
    }
    assert_eq!(done(&mut session, 1), Some(1));

    session.on_broken(2, ReplicaId(0));

    assert_eq!(session.submit(b"d"), Ok(4));
    assert_eq!(session.target(), ReplicaId(1));
    assert_eq!(send_all(&mut session, 2), [2, 3, 4]);
}

#[test]
fn a_silent_replica_is_left_and_the_patience_with_the_next_doubles() {
    let mut session = opened();
    assert!(session.submit(b"a").is_ok());
    send_all(&mut session, 0);
    session.on_tick(599);
    assert_eq!(session.target(), ReplicaId(0));
    session.on_tick(600);
    assert_eq!((session.target(), send_all(&mut session, 600)), (ReplicaId(1), vec![1]));
    session.on_tick(1799);
    assert_eq!(session.target(), ReplicaId(1));
    session.on_tick(1800);
    assert_eq!(session.target(), ReplicaId(2));
}

#[test]
fn nothing_is_sent_for_a_while_when_no_replica_can_be_reached() {
    let mut session = opened();
    assert!(session.submit(b"a").is_ok());
    for replica in [0, 1, 2] {
        session.on_broken(9, ReplicaId(replica));
    }
    assert!(send_all(&mut session, 18).is_empty());
    assert_eq!(send_all(&mut session, 19), [1]);
}

#[test]
fn the_window_is_full_until_the_oldest_is_answered() {
    let mut session = opened();
    for _ in 0..4 {
        assert!(session.submit(b"a").is_ok());
    }
    send_all(&mut session, 0);
    assert_eq!(done(&mut session, 2), Some(2));
    assert_eq!(session.submit(b"a"), Err(SubmitError::Full));
    assert_eq!(done(&mut session, 1), Some(1));
    assert_eq!(session.submit(b"a"), Ok(5));
    assert_eq!(session.room(), 1);
}

#[test]
fn of_any_number_of_requests_a_window_is_open_at_a_time_and_each_is_told() {
    for asked in [2, 4, 16] {
        let mut session = opened();
        let (mut submitted, mut told) = (0, Vec::new());
        while told.len() < asked {
            while submitted < asked && session.submit(b"a").is_ok() {
                submitted += 1;
            }
            assert!(session.open() <= 4, "{} open of {asked}", session.open());
            let sent = send_all(&mut session, 0);
            told.extend(sent.into_iter().filter_map(|number| done(&mut session, number)));
        }
        assert!(told.into_iter().eq(1..=asked as u64), "{asked} asked");
    }
}

#[test]
fn the_answer_to_a_request_given_up_is_not_told_and_frees_its_place() {
    let mut session = opened();
    for _ in 0..4 {
        assert!(session.submit(b"a").is_ok());
    }
    session.give_up(1);
    assert_eq!((session.oldest_open(), session.open()), (Some(2), 3));
    assert_eq!(done(&mut session, 1), None);
    assert_eq!((session.room(), session.open()), (1, 3));
}

#[test]
fn the_outcome_of_what_was_open_in_a_closed_session_is_unknown() {
    let mut session = opened();
    for _ in 0..3 {
        assert!(session.submit(b"a").is_ok());
    }
    done(&mut session, 2);
    let reply = Reply { client: ClientId(5), number: 1, answer: Answer::NoSession };
    session.on_reply(1, reply);
    assert_eq!(session.next_unknown(), Some((1, RequestOutcome::Unknown)));
    assert_eq!(session.next_unknown(), Some((3, RequestOutcome::Unknown)));
    assert_eq!(session.next_unknown(), None);
    assert_eq!(session.submit(b"a"), Err(SubmitError::Closed));
}

#[test]
#[should_panic(expected = "a request that is waited for is counted")]
fn a_request_cannot_be_answered_that_nobody_has_counted() {
    let mut session = opened();
    session.submit(b"a").unwrap();
    send_all(&mut session, 0);
    session.waited_for = 0;
    done(&mut session, 1);
}

#[test]
#[should_panic(expected = "only a pack that was to be sent can be")]
fn nothing_can_be_sent_that_was_not_to_be_sent() {
    opened().was_sent(0);
}

#[test]
#[should_panic(expected = "packs hold requests in the order of their numbers")]
fn packs_cannot_be_out_of_order() {
    let mut session = opened();
    session.submit(b"a").unwrap();
    send_all(&mut session, 0);
    session.packs[0].last = 9;
    session.submit(b"b").unwrap();
    session.to_send(0);
}
