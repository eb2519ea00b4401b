//! The page of a node that tells of a cluster.

use std::thread;
use std::time::Duration;

use browser::{Browser, DARK, LIGHT, NARROW, SMALL, WIDE};
use frames::{frame, line};
use serde_json::json;
use stub::Stub;

use super::{browser, frames, stub};

/// Tells what all replicas show, up to the frame with this number.
fn tell_frames(node: &Stub, numbers: std::ops::RangeInclusive<u64>) {
    for number in numbers {
        for replica in 0..3 {
            node.tell("frame", &line(frame(replica, number)));
        }
    }
}

#[test]
#[ignore = "needs Chromium"]
fn findings_and_faults_of_a_live_cluster_are_shown() {
    let node = Stub::start();
    tell_frames(&node, 1..=30);
    let browser = Browser::start();
    browser.open(&node.url);
    browser.wait_text("#connection", "live");
    browser.wait_text("#findings", "Nothing is wrong");
    browser.wait_text("#graph .node[data-holds]", "holds slot 3000");

    browser.wait_text("#lately", "has started, in view 0");

    let finding = json!({"code": "slow_disk", "severity": "degraded", "replica": 2,
        "text": "syncs of replica 2 take 38 ms", "because": ["its last 40 syncs took 31 ms and more"]});
    node.tell("findings", &json!([finding]).to_string());
    browser.wait_text("#findings", "its last 40 syncs took 31 ms and more");
    browser.press("1");
    browser.look(LIGHT);
    node.tell("silence", &json!({"replica": 1, "text": "it does not answer"}).to_string());
    browser.wait_text("#cluster", "it does not answer");
    browser.press("o");
    browser.wait_text("#graph .node[data-differs]", "≠81");
    browser.screenshot("overlay-light");
    browser.look(DARK);
    browser.screenshot("overlay-dark");
    browser.look(LIGHT);

    browser.value("document.querySelector('[aria-label=\"kill replica 2\"]').click() ?? true");
    browser.wait("true");
    thread::sleep(Duration::from_millis(300));
    assert_eq!(node.deeds(), ["/v1/replicas/2/kill"]);
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

#[test]
#[ignore = "needs Chromium"]
fn a_page_that_is_opened_late_shows_what_was_served_before() {
    let node = Stub::start();
    tell_frames(&node, 1..=3);
    let browser = Browser::start();
    browser.open(&node.url);
    browser.wait_text("#connection", "live");
    browser.press("c");
    browser.wait_text("#charts .values", "now");

    // Where the line of replica 0 was three minutes ago.
    let point = "(() => { const canvas = document.querySelector('#charts canvas'); \
                 canvas.dispatchEvent(new PointerEvent('pointermove', \
                 {clientX: canvas.getBoundingClientRect().left + 54 + (canvas.clientWidth - 124) * 0.4})); \
                 return true; })()";
    browser.value(point);

    browser.wait_text("#charts .values", "777");
    browser.screenshot("charts-late");
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

#[test]
#[ignore = "needs Chromium"]
fn all_operators_fit_windows_of_usual_widths() {
    let node = Stub::start();
    tell_frames(&node, 1..=3);
    let browser = Browser::start();
    browser.open(&node.url);
    browser.wait_text("#connection", "live");
    for (name, look) in [("1400", WIDE), ("1100", NARROW)] {
        browser.look(look);
        browser.wait("document.querySelectorAll('#graph .node').length > 5");
        for (key, what) in [("a", "all"), ("a", "figure")] {
            browser.press(key);
            thread::sleep(Duration::from_millis(400));
            browser.screenshot(&format!("operators-{what}-{name}"));
            let sizes = browser.value(
                "(({clientWidth, scrollWidth}) => `${scrollWidth} of ${clientWidth}`)(document.getElementById('graph'))",
            );
            let fits = browser.value(
                "(({clientWidth, scrollWidth}) => scrollWidth <= clientWidth)(document.getElementById('graph'))",
            );
            assert_eq!(fits, json!(true), "{what} at {name}: {sizes}");
        }
    }
    browser.press("a");
    browser.press("z");
    browser.wait("document.getElementById('graph').scrollWidth > document.getElementById('graph').clientWidth");
    browser.screenshot("operators-close");
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

#[test]
#[ignore = "needs Chromium"]
fn a_replica_s_machine_and_the_settings_of_the_node_are_shown() {
    let node = Stub::start();
    tell_frames(&node, 1..=20);
    let browser = Browser::start();
    browser.open(&node.url);
    browser.wait_text("#connection", "live");

    browser.press("m");
    browser.press("0");

    for words in
        ["200 MiB", "42 % of one", "64 MiB", "3.0 GiB", "12 MiB, 61 s ago", "enters view 1"]
    {
        browser.wait_text("#machine", words);
    }
    browser.wait_text("#machine", "limits.window");
    browser.screenshot("machine");
    browser.press("1");
    browser.wait_text("#machine", "open the page of this replica's node");
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

#[test]
#[ignore = "needs Chromium"]
fn what_holds_memory_and_a_checkpoint_on_its_way_are_shown_on_the_card_and_in_full() {
    let node = Stub::start();
    tell_frames(&node, 1..=20);
    let browser = Browser::start();
    browser.open(&node.url);
    browser.wait_text("#cluster .card.r0 .held", "934 MiB");
    browser.wait_text("#cluster .card.r0 .held", "1.3k of 3.1k, 93 MiB");
    browser.wait_text("#cluster .card.r1 .held", "700 MiB of 1.0 GiB");
    browser.wait_text("#cluster .card.r1 .held", "1.3k parts, 93 MiB");
    browser.wait_text("#cluster .card.r2 .held", "written 61 s ago");
    let cut = "[...document.querySelectorAll('.held .amount')].some(it => it.scrollWidth > it.clientWidth)";
    for (name, look) in [("light", LIGHT), ("dark", DARK), ("wide", WIDE), ("small", SMALL)] {
        browser.look(look);
        browser.screenshot(&format!("memory-{name}"));
        assert_eq!(browser.value(cut), json!(false), "{name}: no figure is cut");
    }
    browser.look(LIGHT);

    browser.press("m");
    browser.press("1");
    for words in ["copies for the checkpoint", "42 MiB", "recent slots", "limit of the state"] {
        browser.wait_text("#machine", words);
    }
    browser.wait_text("#machine", "on its way: 1\u{202f}300 parts fetched, 93 MiB");
    browser.screenshot("memory-machine");

    let mut near = frame(2, 21);
    near.status.memory.state_bytes = Some(1_000 << 20);
    let near = line(near);
    node.tell("frame", &near);
    browser.wait("document.querySelector('.card.r2 .held-row[data-near]') !== null");
    browser.screenshot("memory-near");
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

#[test]
#[ignore = "needs Chromium"]
fn a_lost_connection_is_said_and_made_again() {
    let node = Stub::start();
    tell_frames(&node, 1..=3);
    let browser = Browser::start();
    browser.open(&node.url);
    browser.wait_text("#connection", "live");

    node.cut();
    browser.wait_text("#connection", "disconnected");
    browser.wait_text("#lost-for", "for ");
    browser.wait_text("#connection", "live");
    node.tell("frame", "{\"version\": 9}");
    node.tell("frame", "no frame");
    browser.wait_text("#notices", "2 frames could not be read");
    tell_frames(&node, 20..=20);
    browser.wait_text("#cluster", "view 1");
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

#[test]
#[ignore = "needs Chromium"]
fn a_page_that_is_paused_stays_as_it_is() {
    let node = Stub::start();
    tell_frames(&node, 1..=3);
    let browser = Browser::start();
    browser.open(&node.url);
    browser.wait_text("#cluster", "view 0");
    browser.press(" ");
    browser.wait_text("#connection", "paused");
    tell_frames(&node, 21..=21);
    browser.screenshot("paused");
    assert!(browser.text("#cluster").contains("view 0"));
    browser.press(" ");
    browser.wait_text("#cluster", "view 1");
    assert_eq!(browser.complaints(), Vec::<String>::new());
}
