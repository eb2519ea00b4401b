//! The answers of all replicas, for people.

use std::fmt::Write;

use comfy_table::{Table, presets};

use super::verdict::{Overview, Seen};
use crate::observe::status::{ReplicaStatus, Role};

const HEADER: [&str; 12] = [
    "replica", "role", "view", "leader", "executed", "stable", "lag", "clients", "links", "up",
    "starts", "state",
];

/// The table, remarks on single replicas, and the verdict.
pub(super) fn text(overview: &Overview) -> String {
    let mut table = Table::new();
    table.load_style(presets::UTF8_BORDERS_ONLY);
    table.set_header(HEADER);
    let mut remarks = String::new();
    for seen in &overview.replicas {
        let name = seen.replica.map_or_else(|| seen.address.to_string(), |own| own.to_string());
        match &seen.status {
            Some(status) => {
                table.add_row(row(&name, status));
                remark(&mut remarks, &name, status);
            }
            None => {
                let mut cells = vec![name.clone()];
                cells.resize(HEADER.len() - 1, "-".to_owned());
                cells.push("unreachable".to_owned());
                table.add_row(cells);
                remark_on_silence(&mut remarks, &name, seen);
            }
        }
    }
    format!("{table}\n{remarks}{overview}\n")
}

fn row(name: &str, status: &ReplicaStatus) -> Vec<String> {
    let role = match status.role {
        Role::Leader => "leader",
        Role::Candidate => "candidate",
        Role::Follower => "follower",
    };
    let up = status.links.iter().filter(|link| link.up).count();
    let state = match (&status.not_ready[..], &status.diverged[..]) {
        (_, [_, ..]) => "diverged",
        ([], []) => "ready",
        _ => "not ready",
    };
    let memory = if status.durable { "" } else { ", in memory" };
    vec![
        name.to_owned(),
        role.to_owned(),
        status.view.to_string(),
        status.leader.to_string(),
        status.executed.to_string(),
        status.stable.to_string(),
        status.lag.to_string(),
        (status.clients.redis + status.clients.native).to_string(),
        format!("{up}/{}", status.links.len()),
        duration(status.up_ms / 1000),
        status.starts.to_string(),
        format!("{state}{memory}"),
    ]
}

fn remark(text: &mut String, name: &str, status: &ReplicaStatus) {
    let mut say = |what: String| {
        // A string takes all that is written.
        let _ = writeln!(text, "replica {name}: {what}");
    };
    for reason in &status.not_ready {
        say(reason.text.clone());
    }
    for difference in &status.diverged {
        let (slot, peer) = (difference.slot, difference.replica);
        say(format!(
            "before slot {slot} replica {peer} had another state than was reported earlier"
        ));
    }
    for link in status.links.iter().filter(|link| !link.up) {
        let why = link.last_fault.as_deref().unwrap_or("not yet made");
        let (peer, dropped) = (link.peer, link.dropped);
        say(format!("the link to replica {peer} is down, {dropped} messages dropped: {why}"));
    }
    if !status.durable {
        say("it keeps nothing: once it has ended it must not return".to_owned());
    }
}

fn remark_on_silence(text: &mut String, name: &str, seen: &Seen) {
    let why = seen.error.as_deref().unwrap_or("no answer");
    let _ = writeln!(text, "replica {name}: {}: {why}", seen.address);
}

/// A time to the second in its two largest units.
fn duration(seconds: u64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min {} s", seconds % 60),
        (0, _, _) => format!("{hours} h {} min", minutes % 60),
        _ => format!("{days} d {} h", hours % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::ReplicaId;

    fn seen(replica: u16, status: Option<ReplicaStatus>, error: Option<&str>) -> Seen {
        let replica = Some(ReplicaId(replica));
        let address = ([127, 0, 0, 1], 7200).into();
        Seen { replica, address, status, error: error.map(str::to_owned) }
    }

    #[test]
    fn a_replica_that_does_not_answer_has_its_line_and_the_reason() {
        let replicas = vec![
            seen(0, Some(ReplicaStatus::example()), None),
            seen(1, None, Some("no answer within 2s")),
            seen(2, None, Some("no answer within 2s")),
        ];

        let text = text(&Overview::new(replicas, Some(3)));

        let has = |words: &[&str]| {
            text.lines().any(|line| words.iter().all(|word| line.split(' ').any(|it| it == *word)))
        };
        assert!(has(&["0", "leader", "ready"]), "{text}");
        assert!(has(&["1", "-", "unreachable"]), "{text}");
        assert!(text.contains("\nreplica 1: 127.0.0.1:7200: no answer within 2s\n"), "{text}");
        assert!(text.ends_with("no quorum: 1 of 3 replicas work, and 2 are needed\n"), "{text}");
    }

    #[test]
    fn a_replica_in_memory_says_that_it_must_not_return() {
        let status = ReplicaStatus { durable: false, ..ReplicaStatus::example() };

        let text = text(&Overview::new(vec![seen(0, Some(status), None)], Some(3)));

        assert!(text.contains("ready, in memory"), "{text}");
        assert!(text.contains("replica 0: it keeps nothing: once it has ended it must not return"));
    }

    #[test]
    fn durations_have_their_two_largest_units() {
        let seconds = [59, 61, 3_700, 90_000];

        assert_eq!(seconds.map(duration), ["59 s", "1 min 1 s", "1 h 1 min", "1 d 1 h"]);
    }
}
