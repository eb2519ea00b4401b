//! Memory, processor time, files and threads of this process, from the system.

use std::fs;

/// Ticks a second in which Linux tells processor time, on every machine it is built for.
const TICKS: f64 = 100.0;

/// Use of the machine by a process; a figure that the system does not tell is not there.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct ProcessUsage {
    /// Bytes in memory.
    pub resident_bytes: Option<f64>,
    /// Processor time of all its threads, in seconds.
    pub cpu_seconds: Option<f64>,
    /// Open files, sockets among them.
    pub open_files: Option<f64>,
    /// How many there may be.
    pub open_files_max: Option<f64>,
    /// Threads.
    pub threads: Option<f64>,
}

impl ProcessUsage {
    /// That of this process, now.
    pub fn now() -> Self {
        let read = |name: &str| fs::read_to_string(format!("/proc/self/{name}")).ok();
        let (status, stat, limits) = (read("status"), read("stat"), read("limits"));
        let of_status = |name| field(status.as_deref()?, name);
        let files = fs::read_dir("/proc/self/fd").ok();
        Self {
            resident_bytes: of_status("VmRSS:").map(|kib| kib * 1024.0),
            cpu_seconds: stat.as_deref().and_then(cpu_seconds),
            // One of them is the directory that is being read.
            open_files: files.map(|all| all.count().saturating_sub(1) as f64),
            open_files_max: limits.as_deref().and_then(|limits| field(limits, "Max open files")),
            threads: of_status("Threads:"),
        }
    }
}

/// The first number in the line that begins with a name.
fn field(text: &str, name: &str) -> Option<f64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
    rest.split_whitespace().next()?.parse().ok()
}

/// User and system time: the 14th and 15th field, of which the second is a name that may hold anything.
fn cpu_seconds(stat: &str) -> Option<f64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(11).map(str::parse::<f64>);
    let (user, system) = (fields.next()?.ok()?, fields.next()?.ok()?);
    Some((user + system) / TICKS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time_is_found_behind_any_name() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194560 9 0 0 0 250 50 0 0 20 0 3 0 1 2 3";

        assert_eq!(cpu_seconds(stat), Some(3.0));
        assert_eq!(cpu_seconds("7 (a"), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_process_uses_memory_files_and_threads() {
        let usage = ProcessUsage::now();

        assert!(usage.resident_bytes > Some(1e6), "{usage:?}");
        assert!(usage.open_files >= Some(3.0) && usage.open_files <= usage.open_files_max);
        assert!(usage.threads >= Some(1.0) && usage.cpu_seconds.is_some());
    }
}
