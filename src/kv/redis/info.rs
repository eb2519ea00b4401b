//! INFO: the server, in Redis's sections and names where it has them. What is not known is left
//! out.

use super::session::{Ask, Session};
use super::writer::ReplyWriter;
use super::{REDIS_VERSION, ServerInfo};

/// A section's name, and what writes its lines.
type Section = (&'static str, fn(&ServerInfo) -> Vec<(&'static str, String)>);

const SECTIONS: [Section; 9] = [
    ("Server", server),
    ("Clients", clients),
    ("Memory", memory),
    ("Persistence", persistence),
    ("Stats", stats),
    ("Replication", replication),
    ("CPU", processor),
    ("Cluster", cluster),
    ("Keyspace", keyspace),
];

pub(super) fn info(_: &mut Session, ask: &Ask<'_>, answer: &mut ReplyWriter<'_>) {
    let wanted = |name: &str| {
        ask.words.len() == 1
            || ask.words.iter().skip(1).any(|word| {
                let all = [&b"all"[..], b"default", b"everything", name.as_bytes()];
                all.iter().any(|known| word.eq_ignore_ascii_case(known))
            })
    };
    let sections = SECTIONS.iter().filter(|(name, _)| wanted(name)).map(|(name, lines)| {
        let lines = lines(ask.server).into_iter().map(|(key, value)| format!("{key}:{value}\r\n"));
        format!("# {name}\r\n{}", lines.collect::<String>())
    });
    answer.text(&sections.collect::<Vec<_>>().join("\r\n"));
}

fn server(server: &ServerInfo) -> Vec<(&'static str, String)> {
    let uptime_s = server.uptime_ms / 1000;
    vec![
        ("redis_version", REDIS_VERSION.into()),
        ("redis_mode", "standalone".into()),
        ("taraflow_version", env!("CARGO_PKG_VERSION").into()),
        ("os", std::env::consts::OS.into()),
        ("arch_bits", usize::BITS.to_string()),
        ("process_id", std::process::id().to_string()),
        ("tcp_port", server.port.to_string()),
        ("uptime_in_seconds", uptime_s.to_string()),
        ("uptime_in_days", (uptime_s / 86_400).to_string()),
    ]
}

fn clients(server: &ServerInfo) -> Vec<(&'static str, String)> {
    vec![
        ("connected_clients", server.clients.to_string()),
        ("maxclients", server.clients_max.to_string()),
        ("blocked_clients", "0".into()),
        ("tracking_clients", "0".into()),
    ]
}

/// The memory of the whole process: keys, log, links and what observes it.
fn memory(server: &ServerInfo) -> Vec<(&'static str, String)> {
    let (now, peak) = (server.usage.memory_bytes, server.usage.memory_peak_bytes);
    vec![
        ("used_memory", now.to_string()),
        ("used_memory_human", human(now)),
        ("used_memory_rss", now.to_string()),
        ("used_memory_rss_human", human(now)),
        ("used_memory_peak", peak.to_string()),
        ("used_memory_peak_human", human(peak)),
        // What counts for the limit.
        ("used_memory_dataset", server.state_bytes.to_string()),
        ("maxmemory", server.memory_max.to_string()),
        ("maxmemory_human", human(server.memory_max)),
        ("maxmemory_policy", "noeviction".into()),
        ("mem_fragmentation_ratio", "1.00".into()),
    ]
}

/// Bytes as Redis shows them to people.
fn human(bytes: u64) -> String {
    let scaled =
        |shift: u32, unit: char| format!("{:.2}{unit}", bytes as f64 / (1u64 << shift) as f64);
    match bytes {
        0..1024 => format!("{bytes}B"),
        1024..0x10_0000 => scaled(10, 'K'),
        0x10_0000..0x4000_0000 => scaled(20, 'M'),
        _ => scaled(30, 'G'),
    }
}

/// Persistence: what a reply confirms is in the journals of a majority.
fn persistence(_: &ServerInfo) -> Vec<(&'static str, String)> {
    vec![
        ("loading", "0".into()),
        ("rdb_bgsave_in_progress", "0".into()),
        ("aof_enabled", "1".into()),
        ("aof_rewrite_in_progress", "0".into()),
        ("aof_last_write_status", "ok".into()),
    ]
}

fn stats(server: &ServerInfo) -> Vec<(&'static str, String)> {
    let traffic = &server.traffic;
    vec![
        ("total_connections_received", traffic.connections.to_string()),
        ("total_commands_processed", traffic.commands.to_string()),
        ("instantaneous_ops_per_sec", traffic.commands_a_second.to_string()),
        ("total_net_input_bytes", traffic.bytes_in.to_string()),
        ("total_net_output_bytes", traffic.bytes_out.to_string()),
        ("rejected_connections", traffic.rejected.to_string()),
        ("evicted_keys", "0".into()),
    ]
}

/// Every replica takes writes, which is what clients want to know by `role`.
fn replication(server: &ServerInfo) -> Vec<(&'static str, String)> {
    vec![
        ("role", "master".into()),
        ("connected_slaves", server.peers_present.to_string()),
        ("master_repl_offset", server.executed.to_string()),
    ]
}

fn processor(server: &ServerInfo) -> Vec<(&'static str, String)> {
    let seconds = |ms: u64| format!("{}.{:03}000", ms / 1000, ms % 1000);
    vec![
        ("used_cpu_sys", seconds(server.usage.system_ms)),
        ("used_cpu_user", seconds(server.usage.user_ms)),
    ]
}

fn cluster(server: &ServerInfo) -> Vec<(&'static str, String)> {
    vec![
        ("cluster_enabled", "0".into()),
        ("replica", server.replica.to_string()),
        ("replicas", server.replicas.to_string()),
        ("view", server.view.to_string()),
        ("leader", server.leader.map_or_else(|| "none".to_owned(), |leader| leader.to_string())),
        ("executed_slot", server.executed.to_string()),
    ]
}

fn keyspace(server: &ServerInfo) -> Vec<(&'static str, String)> {
    match server.keys {
        0 => Vec::new(),
        keys => vec![("db0", format!("keys={keys},expires={},avg_ttl=0", server.expiring))],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_shown_to_people_as_in_redis() {
        for (bytes, text) in
            [(0, "0B"), (1023, "1023B"), (1536, "1.50K"), (5 << 20, "5.00M"), (3 << 30, "3.00G")]
        {
            assert_eq!(human(bytes), text);
        }
    }
}
