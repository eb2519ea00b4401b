use std::cell::RefCell;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crossbeam_channel::{Sender, unbounded};

use super::*;

/// One test at a time: all children of this process share one signal that says that one has ended.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs shell scripts under a supervisor, and sends it a signal at each line that has `until` in
/// it.
fn supervise(scripts: &[&str], until: &str, durable: bool) -> (Vec<String>, Result<(), Error>) {
    let (lines, _, outcome) = watch(scripts, until, durable);
    (lines, outcome)
}

/// The same, and what is kept of each child's trouble in the end.
type Watched = (Vec<String>, Vec<(usize, String)>, Result<(), Error>);

fn watch(scripts: &[&str], until: &str, durable: bool) -> Watched {
    let _alone = alone();
    let (sender, events): (Sender<i32>, Receiver<i32>) = unbounded();
    let system = signals().unwrap();
    let ended = sender.clone();
    std::thread::spawn(move || system.iter().try_for_each(|signal| ended.send(signal)));
    let lines = RefCell::new(Vec::new());
    let kept = RefCell::new(Vec::<(usize, String)>::new());
    let outcome = Supervisor {
        command: Box::new(|index| {
            let mut command = Command::new("sh");
            command.args(["-c", scripts[index]]);
            Ok(command)
        }),
        last_words: Box::new(|index| (index == 0).then(|| "these".to_owned())),
        tell: Box::new(|line| {
            lines.borrow_mut().push(line.to_owned());
            if line.contains(until) {
                sender.send(SIGTERM).unwrap();
            }
        }),
        keep: Box::new(|index, what| {
            let mut kept = kept.borrow_mut();
            kept.retain(|(other, _)| *other != index);
            kept.extend(what.map(|what| (index, what.to_owned())));
        }),
        note_pid: Box::new(|_, _| {}),
        durable,
    }
    .run(scripts.len(), &events);
    (lines.into_inner(), kept.into_inner(), outcome)
}

#[test]
fn what_dies_is_started_again_with_growing_patience() {
    let (lines, outcome) = supervise(&["kill -9 $$", "sleep 60"], "in 200 ms", true);

    outcome.unwrap();
    assert_eq!(lines[0], "replica 0 ended: killed by signal 9; starts again in 100 ms");
    assert_eq!(lines[1], "replica 0 starts again");
    assert_eq!(lines[2], "replica 0 ended: killed by signal 9; starts again in 200 ms");
    assert_eq!(lines[3], "stopping all replicas");
    assert_eq!(lines[4], "replica 1 ended: killed by signal 15");
    assert_eq!(lines.len(), 5);
}

#[test]
fn what_is_damaged_is_not_started_again_and_its_last_words_are_repeated() {
    let (lines, outcome) = supervise(&["exit 7", "sleep 60"], "said", true);

    outcome.unwrap();
    assert!(lines[0].starts_with("replica 0 ended: exit code 7; not started again: "), "{lines:?}");
    assert_eq!(lines[1], "replica 0 said: these");
    assert_eq!(lines.last().unwrap(), "replica 1 ended: killed by signal 15");
}

#[test]
fn the_last_words_of_one_that_panicked_are_repeated_and_it_is_started_again() {
    let (lines, outcome) = supervise(&["exit 101", "sleep 60"], "said", true);

    outcome.unwrap();
    assert_eq!(lines[0], "replica 0 ended: a bug, exit code 101; starts again in 100 ms");
    assert_eq!(lines[1], "replica 0 said: these");
}

#[test]
fn what_kept_nothing_is_not_started_again() {
    let (lines, outcome) = supervise(&["kill -9 $$"], "never", false);

    assert!(matches!(outcome, Err(Error::AllEnded { n: 1, code: None })), "{outcome:?}");
    assert!(lines[0].contains("has forgotten what it voted for"), "{lines:?}");
    assert_eq!(lines.len(), 1, "it has said nothing of its end: {lines:?}");
}

#[test]
fn when_all_have_ended_with_one_exit_code_that_is_the_supervisor_s() {
    for (second, expected) in [("exit 7", Some(7)), ("exit 2", None)] {
        let (_, outcome) = supervise(&["exit 7", second], "never", true);
        let Err(Error::AllEnded { code, .. }) = outcome else { panic!("{outcome:?}") };
        assert_eq!(code, expected);
    }
}

#[test]
fn a_second_signal_kills_what_does_not_end() {
    let stubborn = "trap '' TERM; while :; do sleep 0.05; done";

    let (lines, outcome) = supervise(&["sleep 1; exit 7", stubborn], "in", true);

    outcome.unwrap();
    assert_eq!(lines.last().unwrap(), "replica 1 ended: killed by signal 9");
}

#[test]
fn what_ends_for_the_same_reason_again_and_again_is_told_once_in_words() {
    let (lines, kept, outcome) = watch(&["exit 1", "sleep 60"], "in 1600 ms", true);

    outcome.unwrap();
    let words = "ends again and again for the same reason, exit code 1: these; it is restarted \
                 every few seconds: fix the cause";
    let told = lines.iter().filter(|line| line.ends_with(words)).count();
    assert_eq!(told, 1, "{lines:#?}");
    assert_eq!(kept, [(0, words.to_owned())]);
}

#[test]
fn what_is_not_started_again_says_why_where_others_read_it() {
    let (_, kept, outcome) = watch(&["exit 7", "sleep 60"], "said", true);

    outcome.unwrap();
    let words =
        "has ended (exit code 7) and is not started again: these; if a file or directory was only";
    assert!(kept[0].1.starts_with(words), "{kept:?}");
}
