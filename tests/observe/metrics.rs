//! Figures of a node as Prometheus reads them, and the alerts and the dashboard that ask for them.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use crate::support::http::get;
use crate::support::{Cluster, wait_until};
use openmetrics_parser::openmetrics::parse_openmetrics;
use taraflow::web::admin::{ALERTS, DASHBOARD};

fn scrape(address: SocketAddr) -> String {
    let answer = get(address, "/metrics");
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.contains("content-type: application/openmetrics-text; version=1.0.0"), "{head}");
    body.to_owned()
}

/// The value of a figure whose line begins so.
fn value(scraped: &str, start: &str) -> Option<f64> {
    let line = scraped.lines().find(|line| line.starts_with(start))?;
    line.rsplit(' ').next()?.parse().ok()
}

/// All names of figures in a text.
fn names(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with("taraflow_")).map(str::to_owned).collect()
}

#[test]
fn figures_are_read_by_a_parser_and_agree_with_what_was_done() {
    // With disks, or there are no figures of them.
    let cluster = Cluster::start(3, &[]);
    wait_until("it serves", || cluster.serves(0));
    let before = value(&scrape(cluster.admin(1)), "taraflow_requests_total").unwrap();
    for _ in 0..20 {
        wait_until("it serves", || cluster.serves(0));
    }
    let mut scraped = String::new();
    // The system counts processor time in steps of 10 ms.
    wait_until("twenty more requests and some processor time are counted, and it is ready", || {
        cluster.serves(0);
        scraped = scrape(cluster.admin(1));
        value(&scraped, "taraflow_requests_total").unwrap() >= before + 20.0
            && value(&scraped, "taraflow_ready") == Some(1.0)
            && value(&scraped, "taraflow_process_cpu_seconds_total") > Some(0.0)
    });
    parse_openmetrics(&scraped).unwrap();
    assert_eq!(value(&scraped, "taraflow_ready"), Some(1.0), "{scraped}");
    let verdict = |name: &str| {
        let start = format!("taraflow_cluster{{node=\"1\",protocol=\"tara\",verdict=\"{name}\"}}");
        value(&scraped, &start)
    };
    // A disk that others keep busy may be slow.
    let serves = verdict("healthy").unwrap() + verdict("degraded").unwrap();
    assert_eq!(
        (serves, verdict("down"), verdict("fatal")),
        (1.0, Some(0.0), Some(0.0)),
        "{scraped}"
    );
    assert!(value(&scraped, "taraflow_process_resident_memory_bytes") > Some(1e6), "{scraped}");
    assert!(value(&scraped, "taraflow_process_open_fds") > Some(8.0), "{scraped}");
    let build = format!("version=\"{}\"", env!("CARGO_PKG_VERSION"));
    assert!(
        scraped.lines().any(|line| line.starts_with("taraflow_build{") && line.contains(&build))
    );
    assert!(scraped.contains("node=\"1\",protocol=\"tara\""), "{scraped}");
    // The last votes for a slot come when it is decided.
    let late = |line: &str| {
        line.starts_with("taraflow_refused_total{") && line.contains("reason=\"late\"")
    };
    assert!(scraped.lines().any(late), "{scraped}");
    // A line for each operator, and none for a client, a slot or a view.
    assert!(scraped.lines().count() < 600, "{}", scraped.lines().count());

    let known = names(&scraped);
    for name in names(ALERTS).into_iter().chain(names(DASHBOARD)) {
        assert!(known.contains(&name), "{name} is no figure: {known:?}");
    }
}

#[test]
fn the_dashboard_is_json_with_a_title_and_a_query_for_each_panel() {
    let dashboard: serde_json::Value = serde_json::from_str(DASHBOARD).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    assert!(panels.len() >= 8);
    for panel in panels {
        assert!(!panel["title"].as_str().unwrap().is_empty());
        assert!(!panel["targets"].as_array().unwrap().is_empty());
    }
}
