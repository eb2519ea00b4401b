//! Processes, as the system shows them.

use std::fs;
use std::path::PathBuf;

use rustix::process::Pid;

fn directory(pid: Pid) -> PathBuf {
    PathBuf::from(format!("/proc/{}", pid.as_raw_nonzero()))
}

/// Whether there is such a process.
pub fn exists(pid: Pid) -> bool {
    directory(pid).exists()
}

/// The words of the command that a process runs.
pub fn command_line(pid: Pid) -> Vec<Vec<u8>> {
    let line = fs::read(directory(pid).join("cmdline")).unwrap_or_default();
    line.split(|byte| *byte == 0).map(<[u8]>::to_vec).collect()
}

/// The children that a process has started from its main thread.
pub fn children(parent: u32) -> Vec<Pid> {
    let path = format!("/proc/{parent}/task/{parent}/children");
    let children = fs::read_to_string(path).unwrap_or_default();
    children.split_whitespace().filter_map(|pid| Pid::from_raw(pid.parse().ok()?)).collect()
}

/// The memory of a process, in bytes.
pub fn memory(pid: Pid) -> usize {
    let status = fs::read_to_string(directory(pid).join("status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() << 10
}

/// The processor time that a process has taken, in seconds.
pub fn processor_time(pid: Pid) -> f64 {
    let stat = fs::read_to_string(directory(pid).join("stat")).unwrap();
    let (_, fields) = stat.rsplit_once(')').unwrap();
    let fields: Vec<&str> = fields.split_whitespace().collect();
    let ticks: u64 = fields[11..13].iter().map(|field| field.parse::<u64>().unwrap()).sum();
    ticks as f64 / 100.0
}
