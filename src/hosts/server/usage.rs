//! The process's share of its machine, as the system tells it; nothing where it does not.

use std::fs;

use crate::kv::redis::Usage;

/// Ticks of processor time in a second, which Linux shows to all programs alike.
const TICKS_A_SECOND: u64 = 100;

/// What it has taken so far.
pub fn usage() -> Usage {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let bytes = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
        kib.unwrap_or(0) << 10
    };
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The name of the program, in parentheses, may hold spaces; user and system time are the
    // twelfth and thirteenth fields behind it.
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
    let ms = |at: usize| {
        let ticks = fields.split_whitespace().nth(at).and_then(|field| field.parse::<u64>().ok());
        ticks.unwrap_or(0) * 1000 / TICKS_A_SECOND
    };
    Usage {
        memory_bytes: bytes("VmRSS:"),
        memory_peak_bytes: bytes("VmHWM:"),
        user_ms: ms(11),
        system_ms: ms(12),
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;

    #[test]
    fn a_process_takes_memory_and_no_more_than_it_ever_took() {
        let usage = usage();
        assert!(usage.memory_bytes > 1 << 20 && usage.memory_bytes <= usage.memory_peak_bytes);
    }
}
