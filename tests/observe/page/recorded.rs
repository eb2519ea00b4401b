//! The page that plays a recording.

use std::fs;

use browser::{Browser, DARK, LIGHT, SMALL};
use frames::{BEGAN, frame, frames, line, recording};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{browser, frames};

/// Opens a recording as somebody does who got it as a file.
fn play(text: &str) -> (Browser, TempDir) {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("run.html");
    fs::write(
        &path,
        taraflow::web::page::replay("A recorded run", text, taraflow::dataflows::graph),
    )
    .unwrap();
    let browser = Browser::start();
    browser.open(&format!("file://{}", path.display()));
    (browser, home)
}

/// Moves the slider, in thousandths of the recording.
fn seek(browser: &Browser, thousandth: u32) {
    browser.value(&format!(
        "(() => {{ const slider = document.querySelector('#player input'); slider.value = {thousandth}; \
         slider.dispatchEvent(new Event('input')); return true; }})()"
    ));
}

#[test]
#[ignore = "needs Chromium"]
fn a_recording_is_one_file_that_plays_to_its_end_and_back() {
    let (browser, _home) = play(&recording(frames(40).into_iter().map(line)));
    browser.wait_text("#player", "frame ");
    seek(&browser, 1000);
    browser.wait_text("#player", "frame 120 of 120");
    browser.wait_text("#cluster", "view 1");
    assert!(browser.text("#cluster").contains("◆ leader"), "{}", browser.text("#cluster"));
    browser.press("1");
    browser.wait_text("#graph .node[data-holds]", "holds slot 4000");
    for (key, view) in [("d", "dataflow"), ("s", "slots"), ("c", "charts"), ("w", "story")] {
        browser.press(key);
        browser.wait(&format!("!document.getElementById('{view}').hidden"));
        for (name, look) in [("light", LIGHT), ("dark", DARK), ("small", SMALL)] {
            browser.look(look);
            browser.screenshot(&format!("recorded-{view}-{name}"));
        }
        browser.look(LIGHT);
    }
    assert!(browser.text("#events").contains("replica 1 leads view 1 from slot 1960"));

    seek(&browser, 0);
    browser.wait_text("#player", "frame 1 of 120");
    browser.wait_text("#cluster", "view 0");
    browser.press("ArrowRight");
    browser.wait_text("#player", "frame 2 of 120");
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

#[test]
#[ignore = "needs Chromium"]
fn what_was_done_to_a_run_and_who_did_most_are_shown() {
    let timeless = |frame: taraflow::observe::frame::Frame| {
        let mut raw = serde_json::to_value(frame).unwrap();
        for operator in raw["operators"].as_array_mut().unwrap() {
            (operator["busy"], operator["busy_us"]) = (json!(0.0), json!(0));
            let rate = if operator["name"] == "committer" { 900.0 } else { 3.0 };
            operator["rate_in"] = json!(rate);
        }
        raw.to_string()
    };
    let mut lines: Vec<String> = frames(40).into_iter().map(timeless).collect();
    let fault = |number: u64, replica: Option<u16>, text: &str| {
        json!({"fault": {"at_us": BEGAN + number * 250_000, "replica": replica, "text": text}})
            .to_string()
    };
    let text = recording({
        let mut all = lines.split_off(30);
        lines.extend([
            fault(10, Some(1), "crashes"),
            fault(10, None, "some links are cut for 900 ms"),
        ]);
        lines.append(&mut all);
        lines
    });
    let (browser, _home) = play(&text);
    browser.wait_text("#player", "frame ");
    seek(&browser, 0);
    assert!(!browser.text("#lately").contains("crashes"), "not yet");
    seek(&browser, 1000);
    browser.wait_text("#player", "frame 120 of 120");

    browser.wait_text("#operator-title", "most records");
    browser.wait_text("#operator .busiest li", "committer");
    browser.screenshot("recorded-busy");
    browser.press("w");
    browser.wait_text("#events", "replica 1 crashes");
    browser.wait_text("#events", "some links are cut for 900 ms");
    browser.screenshot("recorded-faults");
    assert_eq!(browser.text("#notices"), "");
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

#[test]
#[ignore = "needs Chromium"]
fn a_replica_that_falls_silent_in_a_recording_is_a_finding() {
    let lines =
        frames(40).into_iter().filter(|frame| frame.status.replica.0 != 1 || frame.number < 15);
    let (browser, _home) = play(&recording(lines.map(line)));
    browser.wait_text("#player", "frame ");
    seek(&browser, 1000);
    browser.wait_text("#findings", "replica 1");
    browser.wait_text("#cluster .card.r1", "✕ silent");
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

#[test]
#[ignore = "needs Chromium"]
fn a_recording_that_was_cut_says_so_and_shows_what_is_left() {
    let whole = recording(frames(10).into_iter().map(line));
    let half: String = whole.chars().take(whole.len() / 2).collect();
    let (browser, _home) = play(&half);
    browser.wait_text("#notices", "This recording was cut");
    browser.wait_text("#notices", "1 lines were skipped");
    browser.wait_text("#cluster", "replica 0");
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

#[test]
#[ignore = "needs Chromium"]
fn frames_of_another_version_are_skipped_and_said() {
    let mut other: Value = serde_json::to_value(frame(0, 2)).unwrap();
    other["version"] = json!(9);
    let lines = [line(frame(0, 1)), other.to_string(), "[]".to_owned(), line(frame(1, 3))];
    let (browser, _home) = play(&recording(lines));
    browser.wait_text("#notices", "2 lines were skipped; the first, line 3: a frame of version 9");
    seek(&browser, 1000);
    browser.wait_text("#player", "frame 2 of 2");
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

#[test]
#[ignore = "needs Chromium"]
fn text_of_a_frame_never_becomes_markup() {
    let hostile = "</script><img src=x onerror=\"window.hacked=1\"><b>bold</b>&amp;";
    let mut raw = serde_json::to_value(frame(0, 1)).unwrap();
    raw["status"]["cluster"] = json!(hostile);
    raw["status"]["not_ready"] = json!([{"code": "other", "text": hostile}]);
    raw["operators"][0]["name"] = json!(hostile);
    raw["blame"][0] = json!({"operator": hostile, "replica": null, "slot": 1, "text": hostile});
    raw["happened"] = json!([{"at_us": 1, "kind": hostile, "view": 1, "slot": 1, "text": hostile}]);
    raw["channels"][0]["label"] = json!(hostile);
    let (browser, _home) = play(&recording([raw.to_string()]));
    browser.wait_text("#blame", hostile);
    browser.wait_text("#lately", hostile);
    browser.wait_text("#cluster", hostile);
    browser.press("o");
    browser.press("w");
    browser.wait_text("#events", hostile);
    assert_eq!(browser.value("window.hacked ?? null"), Value::Null);
    assert_eq!(browser.value("document.querySelectorAll('img, #events b b').length"), json!(0));
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

#[test]
#[ignore = "needs Chromium"]
fn a_frame_with_nothing_in_it_breaks_no_view() {
    let bare = json!({"version": 2, "at_us": 5, "status": {"replica": 1}});
    let odd = json!({"version": 2, "at_us": 6, "status": {"replica": 0, "n": "three", "links": 4},
        "operators": [null, 3, {"name": 5}], "slots": [{"slot": 1, "votes": [[1], "x"]}],
        "blame": "nobody", "latency": []});
    let (browser, _home) = play(&recording([bare.to_string(), odd.to_string()]));
    browser.wait_text("#cluster", "replica 1");
    for key in ["o", "a", "s", "c", "w", "d", "0", "b"] {
        browser.press(key);
        browser.wait("document.querySelector('#panels [role=tabpanel]:not([hidden])') !== null");
    }
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

#[test]
#[ignore = "needs Chromium"]
fn a_page_that_has_seen_much_is_as_small_as_before() {
    let elements = "document.querySelectorAll('*').length";
    let (browser, _home) = play(&recording(frames(700).into_iter().map(line)));
    seek(&browser, 200);
    let mut before = 0;
    for key in ["d", "s", "c", "w"] {
        browser.press(key);
        browser.wait("true");
        browser.screenshot("much");
        before = before.max(browser.value(elements).as_u64().unwrap());
    }
    seek(&browser, 1000);
    browser.wait_text("#player", "frame 2\u{202f}100 of 2\u{202f}100");
    for key in ["d", "s", "c", "w"] {
        browser.press(key);
        browser.screenshot("much");
        let now = browser.value(elements).as_u64().unwrap();
        assert!(now < before + 300 && now < 4_000, "{key}: {before} elements became {now}");
    }
    assert_eq!(browser.complaints(), Vec::<String>::new());
}
