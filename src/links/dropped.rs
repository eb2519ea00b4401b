//! Connections given up: all are counted, and some are logged.

use std::collections::{BTreeMap, BTreeSet};

use crate::links::Fault;
use crate::model::types::Millis;

/// Lines in the log about single connections until the next summary: whoever connects a thousand
/// times a second must not fill the disk.
const LINES_MAX: usize = 10;
/// How often what was left out is summed up.
const SUMMARY_EVERY_MS: Millis = 10_000;

/// Owns what is known of the connections that one port has given up.
#[derive(Debug)]
pub struct Faults {
    port: &'static str,
    counts: BTreeMap<&'static str, u64>,
    /// When lines were last counted anew, and how many there would have been since.
    since: Millis,
    lines: u64,
    /// What has been logged since then, and of which machine: who connects again and again for the
    /// same reason is one line.
    logged: BTreeSet<(String, String)>,
}

impl Faults {
    /// None yet, of the connections to `port`.
    pub fn new(port: &'static str) -> Self {
        Self { port, counts: BTreeMap::new(), since: 0, lines: 0, logged: BTreeSet::new() }
    }

    /// Notes why the connection of `from` is given up. That a peer closes it is nothing to be
    /// logged.
    pub fn note(&mut self, fault: &Fault, from: &str) {
        *self.counts.entry(fault.kind()).or_default() += 1;
        if matches!(fault, Fault::Closed) {
            return;
        }
        self.lines += 1;
        // The port is another one each time.
        let machine = from.rsplit_once(':').map_or(from, |(machine, _)| machine);
        let what = (machine.to_owned(), fault.to_string());
        if self.logged.len() < LINES_MAX && self.logged.insert(what) {
            tracing::warn!(port = self.port, from, %fault, "connection closed");
        }
    }

    /// Sums up what was left out.
    pub fn on_tick(&mut self, now: Millis) {
        if now.saturating_sub(self.since) < SUMMARY_EVERY_MS {
            return;
        }
        if let Some(more) = self.left_out() {
            tracing::warn!(
                port = self.port,
                more,
                "more connections closed, not logged one by one"
            );
        }
        (self.since, self.lines) = (now, 0);
        self.logged.clear();
    }

    /// How many lines were left out since the last summary, if any.
    fn left_out(&self) -> Option<u64> {
        let logged = self.logged.len() as u64;
        (self.lines > logged).then(|| self.lines - logged)
    }

    /// How many connections were given up on this port and another, by the kind of fault.
    pub fn with(&self, other: &Self) -> BTreeMap<String, u64> {
        let mut counts = BTreeMap::new();
        for (kind, count) in self.counts.iter().chain(&other.counts) {
            *counts.entry((*kind).to_owned()).or_default() += count;
        }
        counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_faults_are_counted_and_those_not_logged_are_summed_up_once() {
        let mut faults = Faults::new("links");
        for machine in 0..LINES_MAX {
            faults.note(&Fault::Checksum, &format!("machine-{machine}:1"));
        }
        assert_eq!(faults.left_out(), None);
        for machine in 10..1000 {
            faults.note(&Fault::Checksum, &format!("machine-{machine}:1"));
        }
        assert_eq!(faults.left_out(), Some(990));
        assert_eq!(faults.counts["checksum"], 1000);

        faults.on_tick(SUMMARY_EVERY_MS);

        assert_eq!(faults.left_out(), None);
    }

    #[test]
    fn one_machine_that_connects_again_and_again_is_one_line_and_a_sum() {
        let mut faults = Faults::new("links");
        for port in 1..=200 {
            faults.note(&Fault::Unreadable, &format!("10.0.0.1:{port}"));
        }
        assert_eq!((faults.logged.len(), faults.left_out()), (1, Some(199)));
        faults.note(&Fault::Checksum, "10.0.0.1:1");
        assert_eq!((faults.logged.len(), faults.left_out()), (2, Some(199)));
    }

    #[test]
    fn a_peer_that_closes_its_connection_is_no_news() {
        let mut faults = Faults::new("links");
        faults.note(&Fault::Closed, "somebody");
        assert_eq!((faults.lines, faults.counts["closed"]), (0, 1));
    }
}
