//! INFO: the server, in Redis's sections and names where it has them.

use std::fmt::Write;

use super::answer::Answer;
use super::session::{Ask, Session};
use super::{REDIS_VERSION, World};

/// A section's name, and what writes its lines.
type Section = (&'static str, fn(&World) -> Vec<(&'static str, String)>);

const SECTIONS: [Section; 5] = [
    ("Server", server),
    ("Clients", clients),
    ("Replication", replication),
    ("Cluster", cluster),
    ("Keyspace", keyspace),
];

pub(super) fn info(_: &mut Session, ask: &Ask<'_>, answer: &mut Answer<'_>) {
    let wanted = |name: &str| {
        ask.words.len() == 1
            || ask.words.iter().skip(1).any(|word| {
                let all = [&b"all"[..], b"default", b"everything", name.as_bytes()];
                all.iter().any(|known| word.eq_ignore_ascii_case(known))
            })
    };
    let mut text = String::new();
    for (name, lines) in SECTIONS.iter().filter(|(name, _)| wanted(name)) {
        if !text.is_empty() {
            text.push_str("\r\n");
        }
        let lines: String = lines(ask.world).iter().fold(String::new(), |mut all, (key, value)| {
            write!(all, "{key}:{value}\r\n").expect("a string takes all that is written");
            all
        });
        write!(text, "# {name}\r\n{lines}").expect("a string takes all that is written");
    }
    answer.text(&text);
}

fn server(world: &World) -> Vec<(&'static str, String)> {
    vec![
        ("redis_version", REDIS_VERSION.into()),
        ("redis_mode", "standalone".into()),
        ("taraflow_version", env!("CARGO_PKG_VERSION").into()),
        ("tcp_port", world.port.to_string()),
        ("uptime_in_seconds", world.uptime_s.to_string()),
        ("uptime_in_days", (world.uptime_s / 86_400).to_string()),
    ]
}

fn clients(world: &World) -> Vec<(&'static str, String)> {
    vec![("connected_clients", world.clients.to_string()), ("blocked_clients", "0".into())]
}

/// Every replica takes writes, which is what clients want to know by `role`.
fn replication(world: &World) -> Vec<(&'static str, String)> {
    vec![
        ("role", "master".into()),
        ("connected_slaves", world.replicas.saturating_sub(1).to_string()),
        ("master_repl_offset", world.executed.to_string()),
    ]
}

fn cluster(world: &World) -> Vec<(&'static str, String)> {
    vec![
        ("cluster_enabled", "0".into()),
        ("replica", world.replica.to_string()),
        ("replicas", world.replicas.to_string()),
        ("view", world.view.to_string()),
        ("leader", world.leader.to_string()),
        ("executed_slot", world.executed.to_string()),
    ]
}

fn keyspace(world: &World) -> Vec<(&'static str, String)> {
    match world.keys {
        0 => Vec::new(),
        keys => vec![("db0", format!("keys={keys}"))],
    }
}
