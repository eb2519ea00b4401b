//! The reason of a replica's end, from its log and its supervisor's note.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use serde::Deserialize;

use crate::deploy::supervisor::TROUBLE;
use crate::observe::scene::LastWords;

/// A panic that is older than this is not reported any more, in milliseconds.
const PANIC_AGE_MS_MAX: u64 = 10 * 60 * 1_000;
/// Bytes at the end of a log that are looked at. A panic's record holds a backtrace.
const TAIL: u64 = 256 << 10;

/// A line of a log, as far as it is read here.
#[derive(Deserialize)]
struct Record {
    #[serde(default)]
    level: String,
    message: String,
    panicked_at_ms: Option<u64>,
}

impl Record {
    fn parse(line: &str) -> Option<Self> {
        serde_json::from_str(line).ok()
    }

    /// Its message on one line.
    fn words(&self) -> String {
        self.message.replace('\n', "; ")
    }
}

fn last_of(log: &str) -> Option<&str> {
    log.lines().rev().find(|line| !line.trim().is_empty())
}

/// The last line of a log that is not empty; of a record only its message.
pub(in crate::cli) fn last_line(log: &Path) -> Option<String> {
    let tail = tail(log);
    let last = last_of(&tail)?;
    Some(Record::parse(last).map_or_else(|| last.to_owned(), |record| record.words()))
}

/// The end of a log as text; empty where there is none.
fn tail(log: &Path) -> String {
    let read = || -> std::io::Result<Vec<u8>> {
        let mut file = File::open(log)?;
        let start = file.metadata()?.len().saturating_sub(TAIL);
        file.seek(SeekFrom::Start(start))?;
        let mut tail = Vec::new();
        file.take(TAIL).read_to_end(&mut tail)?;
        Ok(tail)
    };
    String::from_utf8_lossy(&read().unwrap_or_default()).into_owned()
}

/// What the log of the replica in `home`, and its supervisor if that runs, report of its end, at this time
/// after the Unix epoch.
pub(in crate::cli) fn last_words(home: &Path, supervised: bool, now_ms: u64) -> LastWords {
    // The note of a supervisor that has ended may be out of date.
    let noted = home.join(TROUBLE);
    let counts = supervised && !began_after(home, &noted);
    let trouble = counts.then(|| fs::read_to_string(noted).ok()).flatten();
    let trouble = trouble.and_then(|text| text.lines().next().map(str::to_owned));
    let log = home.join("log");
    let words = of(&tail(&log), now_ms);
    // A process that logged elsewhere, as `taraflow node` does, has ended for reasons of its own.
    let end = words.end.filter(|_| !began_after(home, &log));
    LastWords { trouble, end, ..words }
}

/// Whether the replica in `home` last started after a file about it was written.
fn began_after(home: &Path, file: &Path) -> bool {
    let written = |path: &Path| path.metadata().and_then(|metadata| metadata.modified()).ok();
    let (began, told) = (written(&home.join("data/lock")), written(file));
    began.zip(told).is_some_and(|(began, told)| began > told)
}

fn of(log: &str, now_ms: u64) -> LastWords {
    let end = last_of(log).and_then(Record::parse).filter(|record| record.level == "ERROR");
    let end = end.map(|record| record.words());
    let mut panics = log.lines().rev().filter(|line| line.contains("\"panicked_at_ms\""));
    let panic = panics.find_map(Record::parse).and_then(|record| {
        let ago_ms = now_ms.saturating_sub(record.panicked_at_ms?);
        (ago_ms <= PANIC_AGE_MS_MAX).then_some((record.message, ago_ms / 1_000))
    });
    LastWords { end, panic, trouble: None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deploy::supervisor::{lock, runs};
    use std::time::{Duration, SystemTime};

    const SERVING: &str = r#"{"timestamp":"x","level":"INFO","message":"serving","replica":1}"#;
    const PANIC: &str = r#"{"level":"ERROR","message":"a bug","panicked_at_ms":90000}"#;

    #[test]
    fn an_error_at_the_end_is_why_it_ended_and_anything_else_is_not() {
        assert_eq!(of(&format!("{PANIC}\n{SERVING}\n"), 0).end, None);
        assert_eq!(of(&format!("{SERVING}\n{PANIC}\n"), 0).end.as_deref(), Some("a bug"));
        let said =
            r#"{"level":"ERROR","message":"the settings cannot be used\na.toml: odd\nb: even"}"#;
        let told = "the settings cannot be used; a.toml: odd; b: even";
        assert_eq!(of(&format!("{SERVING}\n{said}\n\n"), 0).end.as_deref(), Some(told));
    }

    #[test]
    fn a_panic_is_remembered_for_ten_minutes_after_the_replica_has_started_again() {
        let log = format!("{PANIC}\n{SERVING}\n");

        assert_eq!(of(&log, 95_000).panic, Some(("a bug".to_owned(), 5)));
        assert_eq!(of(&log, 90_000 + PANIC_AGE_MS_MAX + 1).panic, None);
        assert_eq!(of(SERVING, 0).panic, None);
    }

    #[test]
    fn what_the_supervisor_says_is_known_without_a_log() {
        let cluster = tempfile::tempdir().unwrap();
        let home = cluster.path().join("replica-0");
        fs::create_dir(&home).unwrap();
        fs::write(home.join(TROUBLE), "ends again and again\n").unwrap();
        let trouble = || last_words(&home, runs(cluster.path()), 0).trouble;
        let supervisor = lock(cluster.path()).unwrap();

        assert_eq!(trouble().as_deref(), Some("ends again and again"));
        fs::create_dir(home.join("data")).unwrap();
        let lock = fs::File::create(home.join("data/lock")).unwrap();
        lock.set_modified(SystemTime::now() + Duration::from_secs(9)).unwrap();
        assert_eq!(trouble(), None, "it has begun another life since");
        lock.set_modified(SystemTime::UNIX_EPOCH).unwrap();
        assert!(trouble().is_some());
        drop(supervisor);
        assert_eq!(trouble(), None, "who said it does not run any more");
    }

    #[test]
    fn the_last_line_that_says_anything_is_found() {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join("log"), "first\nlast\n\n").unwrap();

        assert_eq!(last_line(&home.path().join("log")), Some("last".to_owned()));
    }

    #[test]
    fn of_a_record_only_the_words_are_repeated() {
        let home = tempfile::tempdir().unwrap();
        let record = r#"{"message":"a bug","backtrace":"of many lines"}"#;
        fs::write(home.path().join("log"), record).unwrap();

        assert_eq!(last_line(&home.path().join("log")), Some("a bug".to_owned()));
    }

    #[test]
    fn without_a_log_nothing_is_known() {
        assert_eq!(last_words(Path::new("/nowhere"), false, 0), LastWords::default());
    }
}
