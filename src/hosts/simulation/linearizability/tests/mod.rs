//! Histories written by hand.

mod random;

use super::register::execute;
use super::*;

fn number(value: i64) -> RegisterValue {
    RegisterValue::Number(value)
}

fn value(number: i64) -> RegisterReply {
    RegisterReply::Value(Some(RegisterValue::Number(number)))
}

fn answered(call: u64, end: u64, action: Action, reply: RegisterReply) -> Operation {
    Operation { key: 0, call, action, answer: Some((end, reply)) }
}

fn unanswered(call: u64, action: Action) -> Operation {
    Operation { key: 0, call, action, answer: None }
}

fn set(call: u64, end: u64, to: i64) -> Operation {
    answered(call, end, Action::Set(number(to)), RegisterReply::Done)
}

fn get(call: u64, end: u64, seen: i64) -> Operation {
    answered(call, end, Action::Get, value(seen))
}

fn is_linearizable(history: &[Operation]) -> bool {
    match check(history) {
        Verdict::Linearizable => true,
        Verdict::Violation { .. } => false,
        Verdict::Undecided { .. } => panic!("undecided: {history:?}"),
    }
}

#[test]
fn empty_history_is_linearizable() {
    assert_eq!(check(&[]), Verdict::Linearizable);
}

#[test]
fn reads_beside_a_write_may_see_either_value() {
    assert!(is_linearizable(&[set(0, 1, 1), set(2, 9, 2), get(3, 4, 1), get(5, 6, 2)]));
}

#[test]
fn reads_beside_a_write_do_not_go_back() {
    assert!(!is_linearizable(&[set(0, 1, 1), set(2, 9, 2), get(3, 4, 2), get(5, 6, 1)]));
}

#[test]
fn stale_read_is_a_violation_and_is_named() {
    let Verdict::Violation { key: 0, detail } =
        check(&[set(0, 1, 1), set(2, 3, 2), get(4, 5, 1), get(6, 7, 2)])
    else {
        panic!("a stale read was accepted");
    };

    assert!(detail.contains("1 of 4 operations"), "{detail}");
    assert!(detail.contains("no place:\n  [2, 3] Set(Number(2))"), "{detail}");
    assert!(detail.ends_with("[4, 5] Get -> Value(Some(Number(1)))"), "{detail}");
}

#[test]
fn lost_increment_is_a_violation() {
    let incr = |call, end, sum| answered(call, end, Action::Incr(1), RegisterReply::Number(sum));
    assert!(is_linearizable(&[incr(0, 5, 2), incr(0, 5, 1), get(6, 7, 2)]));
    assert!(!is_linearizable(&[incr(0, 5, 1), incr(0, 5, 1), get(6, 7, 1)]));
    assert!(!is_linearizable(&[incr(0, 5, 1), incr(0, 5, 2), get(6, 7, 1)]));
}

#[test]
fn increment_applied_twice_is_a_violation() {
    let incr = |call, end, sum| answered(call, end, Action::Incr(1), RegisterReply::Number(sum));
    assert!(!is_linearizable(&[incr(0, 1, 1), incr(2, 3, 3)]));
    assert!(!is_linearizable(&[unanswered(0, Action::Incr(1)), incr(2, 3, 3)]));
    assert!(is_linearizable(&[unanswered(0, Action::Incr(1)), incr(2, 3, 2)]));
}

#[test]
fn lost_append_is_a_violation() {
    let append = |call, end, token: &[u8], len| {
        answered(call, end, Action::Append(Text::of(token)), RegisterReply::Length(len))
    };
    let holds = |text: &[u8]| {
        answered(8, 9, Action::Get, RegisterReply::Value(Some(RegisterValue::of(text))))
    };
    let both = [append(0, 5, b"a;", 2), append(1, 5, b"bb;", 5)];

    assert!(is_linearizable(&[both[0], both[1], holds(b"a;bb;")]));
    assert!(!is_linearizable(&[both[0], both[1], holds(b"bb;a;")]));
    assert!(!is_linearizable(&[both[0], both[1], holds(b"a;")]));
    assert!(!is_linearizable(&[append(0, 5, b"a;", 2), append(1, 5, b"bb;", 3)]));
}

#[test]
fn value_nobody_wrote_is_a_violation() {
    let Verdict::Violation { detail, .. } = check(&[set(0, 1, 1), get(0, 5, 7)]) else {
        panic!("a value from nowhere was accepted");
    };
    assert!(detail.starts_with("no operation leads to"), "{detail}");
}

#[test]
fn unanswered_write_may_be_seen_late() {
    let write = unanswered(2, Action::Set(number(2)));
    assert!(is_linearizable(&[set(0, 1, 1), write, get(3, 4, 1), get(90, 91, 2)]));
    assert!(!is_linearizable(&[set(0, 1, 1), get(0, 1, 2), write]));
}

#[test]
fn unanswered_write_may_never_be_seen() {
    let write = unanswered(2, Action::Set(number(2)));
    assert!(is_linearizable(&[set(0, 1, 1), write, get(3, 4, 1), get(90, 91, 1)]));
}

#[test]
fn unanswered_write_takes_effect_once() {
    let write = unanswered(0, Action::Set(number(2)));
    assert!(!is_linearizable(&[write, get(1, 2, 2), set(3, 4, 1), get(5, 6, 1), get(7, 8, 2)]));
    assert!(is_linearizable(&[write, get(1, 2, 2), set(3, 9, 1), get(5, 6, 2), get(7, 8, 1)]));
}

#[test]
fn unanswered_write_no_read_shows_may_still_have_been_met() {
    let write = unanswered(0, Action::Set(number(5)));
    let flag = |action, flag| answered(1, 2, action, RegisterReply::Flag(flag));

    assert!(is_linearizable(&[write, flag(Action::Del, true)]));
    assert!(is_linearizable(&[write, flag(Action::SetIfAbsent(number(1)), false)]));
    assert!(is_linearizable(&[write, answered(1, 2, Action::Incr(1), RegisterReply::Number(6))]));
    let append = Action::Append(Text::of(b"x"));
    assert!(is_linearizable(&[write, answered(1, 2, append, RegisterReply::Length(2))]));
    assert!(is_linearizable(&[write, unanswered(1, Action::Incr(1)), get(2, 3, 6)]));
}

#[test]
fn keys_do_not_answer_for_each_other() {
    let other = Operation { key: 7, ..get(2, 3, 1) };
    let Verdict::Violation { key, .. } = check(&[set(0, 1, 1), get(2, 3, 1), other]) else {
        panic!("a value crossed keys");
    };
    assert_eq!(key, 7);
}

#[test]
fn search_that_runs_out_of_steps_says_so() {
    // Which of these even increments add up to an odd number is a long question.
    let mut history: Vec<Operation> =
        (1..40).map(|i| unanswered(0, Action::Incr(i * i * 2))).collect();
    history.push(get(1, 2, 4001));

    assert_eq!(check_within(&history, 1000), Verdict::Undecided { key: 0 });
}

#[test]
fn texts_join_like_their_bytes() {
    for (a, b) in [("", "x;"), ("abc", ""), ("12", "a"), ("a longer text", "and one more")] {
        assert_eq!(
            Text::of(a.as_bytes()).join(Text::of(b.as_bytes())),
            Text::of([a, b].concat().as_bytes())
        );
    }
    assert_eq!(RegisterValue::of(b"-12"), number(-12));
    assert_eq!(RegisterValue::of(b"012"), RegisterValue::Text(Text::of(b"012")));
}

/// A second kind of object: a queue of numbers.
struct Queue;

#[derive(PartialEq)]
enum Queued {
    Push(u8),
    Pop(Option<u8>),
}

impl Model for Queue {
    type State = Vec<u8>;
    type Op = Queued;

    fn step(state: &Vec<u8>, op: &Queued) -> Option<Vec<u8>> {
        let mut after = state.clone();
        match op {
            Queued::Push(item) => after.push(*item),
            Queued::Pop(seen) if *seen != state.first().copied() => return None,
            Queued::Pop(_) => drop(after.drain(..state.len().min(1))),
        }
        Some(after)
    }
}

#[test]
fn search_knows_no_model_but_the_one_it_is_given() {
    let op = [Queued::Push(1), Queued::Push(2), Queued::Pop(Some(2)), Queued::Pop(Some(1))];
    let event = |i: usize, call, end| HistoryEvent { op: &op[i], call, end: Some(end) };
    let beside = [event(0, 0, 5), event(1, 1, 5), event(2, 6, 7), event(3, 8, 9)];
    let after = [event(0, 0, 1), event(1, 2, 5), event(2, 6, 7), event(3, 8, 9)];

    assert_eq!(search::<Queue>(&beside, 1000), SearchOutcome::Ordered);
    let SearchOutcome::Stuck { order, state, left_over, .. } = search::<Queue>(&after, 1000) else {
        panic!("a queue gave its items out of order");
    };
    assert_eq!((order, state, left_over), (vec![0, 1], vec![1, 2], 2));
}

#[test]
fn facts_hold_in_every_state() {
    let states =
        [None, Some(number(0)), Some(number(1)), Some(number(2)), Some(RegisterValue::of(b"t"))];
    let actions = [
        Action::Set(number(1)),
        Action::Get,
        Action::Incr(0),
        Action::Incr(1),
        Action::Append(Text::of(b"t")),
        Action::Del,
        Action::SetIfAbsent(number(1)),
    ];
    for action in actions {
        let replies = states.iter().map(|state| Some(execute(*state, action).1));
        for reply in replies.chain([None]) {
            let asked = Asked { action, reply };
            let facts = Register::facts(&asked);
            for state in states {
                let after = Register::step(&state, &asked);
                let why = format!("{asked:?} in {state:?}: {facts:?}");
                assert!(!facts.blind || after.map(Makes::One) == Some(facts.makes), "{why}");
                let Some(after) = after else { continue };
                assert!(!facts.reads || after == state, "{why}");
                assert!(facts.needs.is_none_or(|needs| needs == state), "{why}");
                let may_lead_there = match facts.makes {
                    Makes::Any => true,
                    Makes::Marked(mark) => Register::marks(&after).contains(&mark),
                    Makes::One(makes) => makes == after,
                };
                assert!(after == state || may_lead_there, "{why}");
            }
        }
    }
}
