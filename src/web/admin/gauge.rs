//! Gauge of what a replica takes of its machine, read once a second.
//!
//! It has a thread of its own: a disk that hangs must hold up neither the replica nor those who ask.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::statvfs;

use super::process::ProcessUsage;
use crate::disk::names;
use crate::observe::board::Board;
use crate::observe::machine::{Kept, Machine};

const EVERY: Duration = Duration::from_secs(1);

/// Owns what was read before.
#[derive(Debug, Default)]
struct Gauge {
    /// The directory of the replica's data, if it keeps any.
    data: Option<PathBuf>,
    /// The processor time that had been used, and when that was.
    before: Option<(Instant, f64)>,
}

/// Puts what is read on those of the boards that are of this process, for ever.
pub(super) fn keep(data: Option<PathBuf>, boards: Vec<Board>) -> io::Result<()> {
    let mut gauge = Gauge { data, before: None };
    let reading = move || {
        loop {
            let machine = gauge.read();
            // What others show of theirs comes with their frames.
            for board in boards.iter().filter(|board| board.status().is_some()) {
                board.set_machine(machine.clone());
            }
            std::thread::sleep(EVERY);
        }
    };
    std::thread::Builder::new().name("gauge".to_owned()).spawn(reading).map(drop)
}

impl Gauge {
    fn read(&mut self) -> Machine {
        let usage = ProcessUsage::now();
        let count = |figure: Option<f64>| figure.map(|figure| figure as u64);
        let now = Instant::now();
        let before = self.before.take();
        self.before = usage.cpu_seconds.map(|used| (now, used));
        let share = |(at, used): (Instant, f64)| {
            let passed = now.saturating_duration_since(at).as_secs_f64();
            Some((usage.cpu_seconds? - used).max(0.0) / passed.max(0.001))
        };
        Machine {
            memory_bytes: count(usage.resident_bytes),
            processors: before.and_then(share),
            threads: count(usage.threads),
            open_files: count(usage.open_files),
            ..self.data.as_deref().map(files).unwrap_or_default()
        }
    }
}

/// What is in a directory, and what is left on its disk.
fn files(data: &Path) -> Machine {
    let entries = fs::read_dir(data).into_iter().flatten().flatten();
    let names: Vec<String> =
        entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    // One that has gone meanwhile has no metadata.
    let look = |name: String| fs::metadata(data.join(name)).ok();
    let segments = names::segments(&names).into_iter();
    let journal_bytes =
        segments.filter_map(|number| Some(look(names::segment(number))?.len())).sum();
    let pack_bytes = |slot| look(names::pack(slot)).map_or(0, |file| file.len());
    let kept = |slot| {
        let file = look(names::checkpoint(slot))?;
        let age = file.modified().ok().and_then(|at| at.elapsed().ok());
        let age_ms = age.unwrap_or_default().as_millis() as u64;
        Some(Kept { slot, bytes: file.len() + pack_bytes(slot), age_ms })
    };
    let checkpoints = names::checkpoints(&names).into_iter().filter_map(kept).collect();
    let packs_bytes = names::packs(&names).into_iter().map(pack_bytes).sum();
    let free_bytes = statvfs(data).ok().map(|disk| disk.f_bavail.saturating_mul(disk.f_frsize));
    Machine {
        journal_bytes: Some(journal_bytes),
        checkpoints,
        packs_bytes: Some(packs_bytes),
        free_bytes,
        ..Machine::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_told_by_its_journal_its_checkpoints_and_what_is_left() {
        let home = tempfile::tempdir().unwrap();
        let write = |name: &str, bytes: usize| {
            fs::write(home.path().join(name), vec![0; bytes]).unwrap();
        };
        write("journal-0000000000000001", 100);
        write("journal-0000000000000002", 20);
        write("checkpoint-0000000000000100", 7);
        write("checkpoint-0000000000000080", 6);
        write("checkpoint-0000000000000200.new", 9);
        write("parts-0000000000000040", 1_000);
        write("parts-0000000000000100", 500);
        write("extent", 5);

        let machine = Gauge { data: Some(home.path().to_owned()), before: None }.read();

        assert_eq!(machine.journal_bytes, Some(120));
        let kept: Vec<_> =
            machine.checkpoints.iter().map(|kept| (kept.slot.0, kept.bytes)).collect();
        assert_eq!(kept, [(0x80, 6), (0x100, 507)]);
        assert_eq!(machine.packs_bytes, Some(1_500));
        assert!(machine.free_bytes.is_some());
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn the_share_of_processors_is_told_from_the_second_reading_on() {
        let mut gauge = Gauge::default();

        assert_eq!(gauge.read().processors, None);
        assert!(gauge.read().processors.is_some_and(|share| share < 1_000.0));
        assert!(gauge.read().memory_bytes > Some(1_000_000));
    }
}
