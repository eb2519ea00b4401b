//! Connections given up: all are counted, and some are logged.

use std::collections::BTreeMap;

use crate::links::Fault;
use crate::types::Millis;

/// Lines in the log about single connections until the next summary: whoever knocks a thousand times a
/// second must not fill the disk.
const LINES_MAX: u64 = 10;
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
}

impl Faults {
    /// None yet, of the connections to `port`.
    pub fn new(port: &'static str) -> Self {
        Self { port, counts: BTreeMap::new(), since: 0, lines: 0 }
    }

    /// Notes why the connection of `from` is given up. That a peer closes it is nothing to be logged.
    pub fn note(&mut self, fault: &Fault, from: &str) {
        *self.counts.entry(fault.kind()).or_default() += 1;
        if matches!(fault, Fault::Closed) {
            return;
        }
        self.lines += 1;
        if self.lines <= LINES_MAX {
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
    }

    /// How many lines were left out since the last summary, if any.
    fn left_out(&self) -> Option<u64> {
        (self.lines > LINES_MAX).then(|| self.lines - LINES_MAX)
    }

    /// How many connections were given up on this port and another, by the kind of fault.
    pub fn with(&self, other: &Self) -> BTreeMap<&'static str, u64> {
        let mut counts = self.counts.clone();
        for (kind, count) in &other.counts {
            *counts.entry(*kind).or_default() += count;
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
        for _ in 0..LINES_MAX {
            faults.note(&Fault::Checksum, "somebody");
        }
        assert_eq!(faults.left_out(), None);
        for _ in 0..990 {
            faults.note(&Fault::Checksum, "somebody");
        }
        assert_eq!(faults.left_out(), Some(990));
        assert_eq!(faults.counts["checksum"], 1000);

        faults.on_tick(SUMMARY_EVERY_MS);

        assert_eq!(faults.left_out(), None);
    }

    #[test]
    fn a_peer_that_closes_its_connection_is_no_news() {
        let mut faults = Faults::new("links");
        faults.note(&Fault::Closed, "somebody");
        assert_eq!((faults.lines, faults.counts["closed"]), (0, 1));
    }
}
