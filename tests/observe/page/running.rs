//! The page of a real cluster of processes.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::answers::body;
use crate::support::http::get;
use crate::support::{Cluster, machine};
use browser::{Browser, DARK, LIGHT, README};
use serde_json::Value;

use super::browser;

/// How soon the page must show that another replica leads.
const SHOWN_WITHIN: Duration = Duration::from_secs(3);

fn latest_frame(cluster: &Cluster, replica: usize) -> Value {
    body(&get(cluster.admin(replica), "/v1/frame"))
}

/// The names of a frame's operators that are not timely's own.
fn operators(frame: &Value) -> BTreeSet<String> {
    let operators = frame["operators"].as_array().unwrap().iter();
    let own = operators.filter(|operator| !operator["kind"].is_null());
    own.map(|operator| operator["name"].as_str().unwrap().to_owned()).collect()
}

/// The names of the operators that the page draws.
fn drawn(browser: &Browser) -> BTreeSet<String> {
    let names = browser
        .value("[...document.querySelectorAll('#graph .node')].map(node => node.dataset.operator)");
    names.as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned()).collect()
}

/// Sends requests to a replica until `ending`, so that there is something to see.
fn work(cluster: &Cluster, replica: usize, ending: &AtomicBool) {
    while !ending.load(Ordering::Relaxed) {
        // A request that is not answered while the leader changes is one that may be.
        let _ = cluster.ask(replica, "INCR page:visits");
    }
}

#[test]
#[ignore = "needs Chromium"]
fn a_killed_leader_is_seen_and_the_next_view_shown_at_once() {
    let _alone = machine::alone();
    let cluster = Cluster::start(3, &[]);
    let ending = AtomicBool::new(false);
    thread::scope(|scope| {
        for replica in [1, 1, 2, 2] {
            let (cluster, ending) = (&cluster, &ending);
            scope.spawn(move || work(cluster, replica, ending));
        }
        let watched = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| watch(&cluster)));
        ending.store(true, Ordering::Relaxed);
        watched.unwrap();
    });
}

/// The replica that the page shows as the leader.
fn leader(browser: &Browser) -> Option<usize> {
    let shown = "[...document.querySelectorAll('#cluster .card')].findIndex(card => card.dataset.state === 'leader')";
    browser.value(shown).as_u64().map(|leader| leader as usize)
}

/// Opens the page of a replica that will be there when the leader is not.
fn open_at_a_follower(browser: &Browser, cluster: &Cluster) -> usize {
    for witness in [2, 1] {
        browser.open(&format!("http://{}/", cluster.admin(witness)));
        browser.wait_text("#connection", "live");
        browser.wait_text("#cluster", "◆ leader");
        if leader(browser) != Some(witness) {
            return witness;
        }
    }
    panic!("the leader changes all the time");
}

fn watch(cluster: &Cluster) {
    let browser = Browser::start();
    let witness = open_at_a_follower(&browser, cluster);
    browser.press("a");
    browser.wait("document.querySelectorAll('#graph .node').length > 15");
    let frame = latest_frame(cluster, witness);
    assert_eq!(drawn(&browser), operators(&frame));
    browser.press("a");
    // Enough for the charts to show something.
    thread::sleep(Duration::from_secs(6));
    for (key, view) in [("o", "overlay"), ("s", "slots"), ("c", "charts"), ("1", "dataflow")] {
        browser.press(key);
        browser.look(DARK);
        browser.screenshot(&format!("running-{view}-dark"));
        browser.look(LIGHT);
        browser.screenshot(&format!("running-{view}-light"));
    }
    browser.press("m");
    browser.press(&witness.to_string());
    browser.wait_text("#machine", "% of one");
    browser.wait_text("#machine", "observe");
    browser.screenshot("running-machine");
    browser.press("d");
    browser.look(README);
    browser.screenshot("readme");

    let old = leader(&browser).expect("somebody leads");
    let view = &latest_frame(cluster, witness)["status"]["view"];
    let next = format!(
        "[...document.querySelectorAll('#cluster .card[data-state=leader] .view')].some(shown => \
         Number(shown.innerText.replace(/\\D/g, '')) > {view})"
    );
    let killed = Instant::now();
    cluster.kill(old);
    browser.wait(&next);
    assert!(killed.elapsed() < SHOWN_WITHIN, "the new view was shown after {:?}", killed.elapsed());
    browser.screenshot("running-after-the-kill");
    browser.press("w");
    browser.wait_text("#events", "leads view");
    browser.screenshot("running-story");
    assert_eq!(browser.complaints(), Vec::<String>::new());
}
