//! Memory and checkpoint files of processes, looked at every few milliseconds.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use peers::servers::Running;

use crate::clock::{Spans, now_us};
use crate::replicas::Checkpoint;

const EVERY: Duration = Duration::from_millis(50);
/// The beginning of the names of files that are not part of a checkpoint.
const OTHER_FILES: [&str; 3] = ["journal", "extent", "lock"];
/// The end of the names of files that are not complete.
const UNFINISHED: &str = ".new";

/// Somebody who looks.
pub struct Watch {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Seen>,
}

/// What was seen.
pub struct Seen(Vec<Look>);

/// One look at all processes.
struct Look {
    at_us: u64,
    memory: Vec<u64>,
    /// Bytes of checkpoints that have appeared in each directory.
    written: Vec<u64>,
    /// Whether some checkpoint is not complete.
    is_unfinished: bool,
}

impl Watch {
    pub fn start(running: &Running) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (pids, directories) = (running.pids(), running.data());
        let mut files: Vec<Files> = directories.into_iter().map(Files::new).collect();
        files.iter_mut().for_each(|files| files.look(false));
        let theirs = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            let mut looks = Vec::new();
            while !theirs.load(Ordering::Relaxed) {
                files.iter_mut().for_each(|files| files.look(true));
                looks.push(Look {
                    at_us: now_us(),
                    memory: pids.iter().map(|pid| memory(*pid, "VmRSS:")).collect(),
                    written: files.iter().map(|files| files.written).collect(),
                    is_unfinished: files.iter().any(|files| files.is_unfinished),
                });
                thread::sleep(EVERY);
            }
            Seen(looks)
        });
        Self { stop, thread }
    }

    pub fn stop(self) -> Seen {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("looking never fails")
    }
}

impl Seen {
    /// When a checkpoint was under way somewhere.
    pub fn under_way(&self, checkpoints: &[Checkpoint]) -> Spans {
        let cut = checkpoints.iter().map(|it| (it.begin_us, it.end_us));
        let half = EVERY.as_micros() as u64 / 2;
        let seen = self.0.iter().filter(|look| look.is_unfinished);
        Spans::new(cut.chain(seen.map(|look| (look.at_us - half, look.at_us + half))).collect())
    }

    /// The most memory that each process was seen to have meanwhile.
    pub fn memory_meanwhile(&self, spans: &Spans) -> Vec<u64> {
        let mut most = Vec::new();
        for look in self.0.iter().filter(|look| spans.meets(look.at_us, look.at_us)) {
            most.resize(look.memory.len(), 0);
            for (most, memory) in most.iter_mut().zip(&look.memory) {
                *most = (*most).max(*memory);
            }
        }
        most
    }

    /// Bytes of checkpoints written since that time, in the directory where it was most.
    pub fn written(&self, from_us: u64, to_us: u64) -> u64 {
        let at = |us: u64| {
            let before = self.0.partition_point(|look| look.at_us <= us);
            self.0.get(before.max(1) - 1)
        };
        let (Some(from), Some(to)) = (at(from_us), at(to_us)) else { return 0 };
        let each = to.written.iter().zip(&from.written).map(|(to, from)| to - from);
        each.max().unwrap_or(0)
    }
}

/// The files of checkpoints in a directory.
struct Files {
    directory: PathBuf,
    /// The most bytes that each has had, by its number and what it is to be called.
    known: BTreeMap<(u64, PathBuf), u64>,
    written: u64,
    is_unfinished: bool,
}

impl Files {
    fn new(directory: PathBuf) -> Self {
        Self { directory, known: BTreeMap::new(), written: 0, is_unfinished: false }
    }

    /// Looks at what is there, and counts what was not there before.
    fn look(&mut self, counts: bool) {
        self.is_unfinished = false;
        let mut directories = vec![self.directory.clone()];
        while let Some(directory) = directories.pop() {
            for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
                let (name, path) = (entry.file_name(), entry.path());
                let name = name.to_string_lossy();
                if OTHER_FILES.iter().any(|other| name.starts_with(other)) {
                    continue;
                }
                match entry.metadata() {
                    Ok(about) if about.is_dir() => directories.push(path),
                    Ok(about) => self.note(&path, &name, about.ino(), about.len(), counts),
                    // It has just gone.
                    Err(_) => {}
                }
            }
        }
    }

    fn note(&mut self, path: &Path, name: &str, number: u64, bytes: u64, counts: bool) {
        let whole = name.strip_suffix(UNFINISHED);
        self.is_unfinished |= whole.is_some();
        let path = path.with_file_name(whole.unwrap_or(name));
        let known = self.known.entry((number, path)).or_default();
        if counts {
            self.written += bytes.saturating_sub(*known);
        }
        *known = bytes.max(*known);
    }
}

/// Bytes of a process that are in memory, `VmRSS:`, or have been at most, `VmHWM:`.
pub fn memory(pid: u32, which: &str) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(which));
    let number = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    number.unwrap_or(0) * 1024
}

/// Lets `VmHWM:` begin anew.
pub fn forget_peak(pid: u32) {
    let forgotten = fs::write(format!("/proc/{pid}/clear_refs"), "5");
    if let Err(error) = forgotten {
        eprintln!("the peak of process {pid} is that since its start: {error}");
    }
}
