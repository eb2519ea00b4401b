//! The end of a node that has panicked: one record in its log, in words, and an exit code of its own.

use std::backtrace::Backtrace;
use std::panic::PanicHookInfo;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::model::exit::BUG;

/// The thread whose panic ends one answer, and not the replica.
const ADMIN: &str = "admin";

/// Logs each panic from now on, and ends the process at one that leaves the replica without a thread.
///
/// The record is one event, backtrace included, so that a log of a JSON object a line stays one.
pub(super) fn install() {
    std::panic::set_hook(Box::new(|panic| {
        log(panic);
        // A replica without its journal's thread would wait for it for ever. What is on the disk is as
        // good as after any crash.
        if std::thread::current().name() != Some(ADMIN) {
            std::process::exit(BUG.into());
        }
    }));
}

fn log(panic: &PanicHookInfo<'_>) {
    let place = panic.location().map_or_else(|| "an unknown place".to_owned(), ToString::to_string);
    let words = panic.payload_as_str().unwrap_or("no words");
    let at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let thread = std::thread::current();
    tracing::error!(
        panicked_at_ms = at.as_millis() as u64,
        thread = thread.name().unwrap_or_default(),
        program = env!("CARGO_PKG_VERSION"),
        backtrace = Backtrace::force_capture().to_string(),
        "a bug in this program: panicked at {place}: {words}; report this record"
    );
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use tracing_subscriber::fmt;

    use super::*;

    /// What the child of the tests below does: it logs as a node does, and panics.
    #[test]
    #[ignore = "it ends its process"]
    fn child() {
        fmt().with_writer(std::io::stderr).json().flatten_event(true).init();
        install();
        let nothing: [u8; 0] = [];
        let beyond = std::hint::black_box(7);
        let work = move || nothing[beyond];
        let name = std::env::var("THREAD").unwrap();
        let ended = std::thread::Builder::new().name(name).spawn(work).unwrap().join();
        assert!(ended.is_err());
        std::process::exit(33);
    }

    fn panic_in(thread: &str) -> (Option<i32>, String) {
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["cli::panics::tests::child", "--exact", "--ignored", "--nocapture"]);
        let output = child.env("THREAD", thread).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    }

    #[test]
    fn a_panic_is_one_record_that_says_where_and_ends_the_process_with_a_code_of_its_own() {
        let (code, log) = panic_in("replica");

        assert_eq!(code, Some(101));
        assert_eq!(log.lines().count(), 1, "{log}");
        let record: serde_json::Value = serde_json::from_str(&log).unwrap();
        let message = record["message"].as_str().unwrap();
        assert!(message.starts_with("a bug in this program: panicked at src/cli/panics.rs:"));
        assert!(message.contains("index out of bounds"), "{message}");
        assert!(record["backtrace"].as_str().unwrap().lines().count() > 3);
    }

    #[test]
    fn a_panic_while_a_question_is_answered_does_not_end_the_replica() {
        let (code, log) = panic_in(ADMIN);

        assert_eq!(code, Some(33));
        assert!(log.contains("panicked at"), "{log}");
    }
}
