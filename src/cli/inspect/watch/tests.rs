//! The screen, as a terminal of 80 columns and 24 lines shows it.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::draw::draw;
use super::first;
use super::keys::KeyAction;
use super::view::View;
use crate::cli::ask::Targets;
use crate::cli::inspect::example;
use crate::cli::inspect::sources::SceneSource;
use crate::model::types::ReplicaId;

fn view() -> View {
    let mut view = View::new(ReplicaId(0), false);
    view.see(example::scene(), &[]);
    view
}

fn press(view: &mut View, keys: &str) -> KeyAction {
    let mut wish = KeyAction::Nothing;
    for key in keys.chars() {
        let code = match key {
            '\t' => KeyCode::Tab,
            '\n' => KeyCode::Enter,
            '>' => KeyCode::Right,
            '<' => KeyCode::Left,
            'v' => KeyCode::Down,
            letter => KeyCode::Char(letter),
        };
        wish = view.on_key(KeyEvent::new(code, KeyModifiers::NONE));
    }
    wish
}

fn screen_of(view: &mut View, width: u16, height: u16) -> Vec<String> {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw(frame, view)).unwrap();
    let buffer = terminal.backend().buffer();
    let line = |y| (0..width).map(|x| buffer[(x, y)].symbol()).collect::<String>();
    (0..height).map(|y| line(y).trim_end().to_owned()).collect()
}

fn screen(view: &mut View) -> Vec<String> {
    screen_of(view, 80, 24)
}

#[test]
fn the_first_page_shows_all_replicas_and_what_is_wrong() {
    let screen = screen(&mut view());

    assert_eq!(
        screen[0],
        " taraflow inspect | cluster 1 | none                           22:13:25.000 UTC"
    );
    assert_eq!(screen[1], "  1 replicas  2 operators  3 channels  4 slots  5 events");
    assert_eq!(screen[2], " degraded: replica 2 is away: nobody hears it");
    assert_eq!(
        screen[3],
        " replica role     view executed stable lag req/s    p99 busy %  seen state"
    );
    assert_eq!(
        screen[6],
        "       2 follower    4     2000   1792   0  4.0k 2.0 ms   31.3 3.2 s silent"
    );
    assert_eq!(screen[19], " degraded: replica 2 is away");
    assert_eq!(screen[22], " replica 2: no answer within 400ms; last seen 3.2 s ago");
    assert!(screen[23].starts_with(" ? help  q quit"), "{}", screen[23]);
}

#[test]
fn the_operators_page_shows_who_waits_and_why() {
    let mut view = view();
    press(&mut view, "2>");

    let screen = screen(&mut view);

    assert!(screen[1].ends_with("of replica 1"), "{}", screen[1]);
    assert!(screen[4].starts_with(" executor"), "{}", screen[4]);
    assert!(screen[5].ends_with("the vote of replica 2 (3.0 s)"), "{}", screen[5]);
    assert_eq!(screen[21], " replica 1: executor waits for release");
    assert_eq!(screen[22], "   because learner holds slot 2000: it lacks the vote of replica 2");
}

#[test]
fn channels_slots_and_events_have_pages() {
    let mut view = view();

    press(&mut view, "3");
    assert!(screen(&mut view)[4].starts_with(" committer => learner"));
    press(&mut view, "\t");
    let slots = screen(&mut view);
    assert!(slots[4].starts_with(" 1999"), "{}", slots[4]);
    assert!(slots[4].ends_with("0 1 2"), "{}", slots[4]);
    press(&mut view, "5");
    let events = screen(&mut view);
    assert!(events[4].starts_with(" 22:13:23.000"), "{}", events[4]);
    assert!(events[4].ends_with("enters view 4"), "{}", events[4]);
    press(&mut view, "\t");
    assert!(screen(&mut view)[3].contains("replica role"));
}

#[test]
fn lines_are_sorted_reversed_and_filtered() {
    let mut view = view();
    press(&mut view, "2s");
    assert!(screen(&mut view)[4].starts_with(" clock"));
    press(&mut view, "r");
    let reversed = screen(&mut view);
    assert!(reversed[4].starts_with(" learner"), "{}", reversed[4]);
    assert!(reversed[23].ends_with("| by operator, falling"), "{}", reversed[23]);

    // While a filter is typed, letters are no commands.
    press(&mut view, "/aq");
    assert!(screen(&mut view)[23].starts_with(" only lines with: aq_"));
    assert_eq!(screen(&mut view)[4], "");
    press(&mut view, "\n/exec\n");
    let filtered = screen(&mut view);
    assert!(filtered[4].starts_with(" executor"), "{}", filtered[4]);
    assert_eq!(filtered[5], "");
    assert_eq!(press(&mut view, "q"), KeyAction::Quit);
}

#[test]
fn a_paused_screen_stays_as_it_was_and_goes_on_where_the_cluster_is() {
    let mut view = view();
    view.freeze(true);
    let mut later = example::scene();
    let frame = Arc::make_mut(later.replicas[0].frame.as_mut().unwrap());
    frame.status.executed.0 = 2_345;
    frame.number += 1;
    view.see(later, &[]);

    let paused = screen(&mut view);
    assert!(paused[0].contains("PAUSED") && paused[4].contains("2000"), "{paused:?}");
    view.freeze(false);
    assert!(screen(&mut view)[4].contains("2345"));
}

#[test]
fn replicas_are_selected_with_arrows_or_by_number() {
    let mut view = view();

    press(&mut view, "<");
    assert_eq!(view.replica, ReplicaId(0));
    press(&mut view, ">>>");
    assert_eq!(view.replica, ReplicaId(2));
    press(&mut view, "g1");
    assert_eq!(view.replica, ReplicaId(1));
    press(&mut view, "g7");
    assert_eq!(view.replica, ReplicaId(1));
}

#[test]
fn in_a_recorded_run_arrows_step() {
    let mut view = view();
    view.run = Some("tara, seed 42 | 1.00 s of 14.50 s".to_owned());

    assert_eq!(press(&mut view, ">"), KeyAction::Step { forwards: true });
    assert_eq!(press(&mut view, "<"), KeyAction::Step { forwards: false });
    press(&mut view, "]");
    assert_eq!(view.replica, ReplicaId(1));
    assert!(screen(&mut view)[0].contains("seed 42 | 1.00 s of 14.50 s"));
}

#[test]
fn a_page_that_is_too_long_scrolls_no_further_than_its_end() {
    let mut view = view();
    press(&mut view, "2a");

    press(&mut view, "vvvvvvvvvvvvvvvvvvvv");
    let small = screen_of(&mut view, 80, 8);

    assert!(small[4..].iter().any(|line| line.starts_with(" clock")), "{small:?}");
    assert!(view.scroll < 4, "{}", view.scroll);
}

#[test]
fn help_fits_and_ends_with_any_key() {
    let mut view = view();
    press(&mut view, "?");

    let help = screen(&mut view);
    assert!(help.iter().any(|line| line.contains("q, Ctrl-C")), "{help:?}");
    assert!(help[23].starts_with(" any key goes back"));
    assert_eq!(press(&mut view, "q"), KeyAction::Nothing);
    assert!(screen(&mut view)[3].contains("replica role"));
}

#[test]
fn any_size_can_be_drawn() {
    for keys in ["1", "2", "3", "4", "5", "?"] {
        let mut view = view();
        press(&mut view, keys);
        for (width, height) in [(1, 1), (20, 5), (40, 8), (79, 9), (80, 24), (200, 60)] {
            screen_of(&mut view, width, height);
        }
    }
}

#[test]
fn control_c_quits_from_everywhere() {
    let mut view = view();
    let control_c = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);

    for keys in ["", "/", "g", "?"] {
        press(&mut view, keys);
        assert_eq!(view.on_key(control_c), KeyAction::Quit, "{keys}");
    }
}

/// Answers every question with `body`, or none of them without.
fn port(body: Option<String>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut mute = Vec::new();
        for mut socket in listener.incoming().flatten() {
            let Some(body) = &body else {
                mute.push(socket);
                continue;
            };
            let _ = socket.read(&mut [0; 1024]);
            let _ = write!(socket, "HTTP/1.1 200 OK\r\n\r\n{body}");
        }
    });
    address
}

#[test]
fn a_replica_that_does_not_answer_keeps_the_others_off_the_screen_no_longer_than_a_beat() {
    let scene = serde_json::to_string(&example::scene()).unwrap();
    let replicas = vec![(None, port(Some(scene))), (None, port(None))];
    let targets = Targets { replicas, cluster: None, n: None, directory: None };
    let begin = Instant::now();

    let scene = first(&mut SceneSource::of(targets), Duration::from_secs(20)).unwrap();

    assert_eq!(scene.replicas.len(), 3);
    assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
}
