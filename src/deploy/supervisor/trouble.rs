//! The trouble of a child that ends again and again.

use std::time::Duration;

use super::exit::{Fate, ProcessExit, RestartDelay};

/// The file in the directory of a replica that says, in one line of text, what is wrong with it:
/// why it ended and is not started again, or why it ends again and again; and what helps. There is
/// none while nothing is.
pub const FILE: &str = "trouble";

/// Owns what is known of the ends of one child.
#[derive(Clone, Debug, Default)]
pub(super) struct Trouble {
    /// How it ended last and what it reported last, and how often that was the same in a row.
    last: Option<(ProcessExit, Option<String>)>,
    times: u32,
    kept: bool,
}

impl Trouble {
    /// Ends for the same reason after which that is worth a word.
    const TIMES: u32 = 3;

    /// Notes an end after a life of this length; what is to be reported, if anything.
    pub fn on_end(
        &mut self,
        ending: ProcessExit,
        words: Option<String>,
        lived: Duration,
        durable: bool,
    ) -> Option<String> {
        let stays = ending.fate(durable) != Fate::Restart;
        // Without the name of the program.
        let plain = |words: &String| format!(": {}", words.trim_start_matches("taraflow: "));
        let why = words.as_ref().map_or(String::new(), plain);
        let end = (ending, words);
        if lived >= RestartDelay::LONG_LIFE || self.last.as_ref() != Some(&end) {
            self.times = 0;
        }
        self.times += 1;
        self.last = Some(end);
        let said = match (stays, self.times) {
            (true, _) => format!("has ended ({ending}) and is not started again{why}"),
            (false, Self::TIMES) => {
                format!("ends again and again for the same reason, {ending}{why}")
            }
            _ => return None,
        };
        self.kept = true;
        Some(format!("{said}; {}", ending.remedy(durable)))
    }

    /// Notes why it could not even be started; what is to be reported, if it is news.
    pub fn on_failure(&mut self, why: &str) -> Option<String> {
        let end = (ProcessExit::Code(1), Some(why.to_owned()));
        if self.last.as_ref() == Some(&end) {
            return None;
        }
        (self.last, self.times, self.kept) = (Some(end), 0, true);
        Some(format!("cannot be started, and is tried again every few seconds: {why}"))
    }

    /// It has lived long: nothing is wrong. Says whether that is news.
    pub fn pass(&mut self) -> bool {
        let kept = std::mem::take(&mut self.kept);
        if kept {
            *self = Self::default();
        }
        kept
    }

    /// Whether others read that something is wrong.
    pub fn is_kept(&self) -> bool {
        self.kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_third_end_for_the_same_reason_is_told_once() {
        let mut trouble = Trouble::default();
        let short = Duration::from_secs(1);
        let mut end = |words: &str, lived| {
            trouble.on_end(ProcessExit::Code(1), Some(words.to_owned()), lived, true)
        };
        assert_eq!(end("taraflow: cannot open it", short), None);
        assert_eq!(end("something else", short), None);
        assert_eq!(end("taraflow: cannot open it", short), None);
        assert_eq!(end("taraflow: cannot open it", short), None);
        assert_eq!(
            end("taraflow: cannot open it", short).as_deref(),
            Some(
                "ends again and again for the same reason, exit code 1: cannot open it; it is \
                 restarted every few seconds: fix the cause"
            )
        );
        assert_eq!(end("taraflow: cannot open it", short), None, "it has been said");

        assert_eq!(
            end("taraflow: cannot open it", RestartDelay::LONG_LIFE),
            None,
            "that is a new row"
        );
        assert!(trouble.pass());
        assert!(!trouble.pass());
    }

    #[test]
    fn one_that_is_not_started_again_is_told_at_once() {
        let mut trouble = Trouble::default();
        let said = trouble.on_end(ProcessExit::Code(7), None, Duration::ZERO, true).unwrap();
        assert!(said.starts_with("has ended (exit code 7) and is not started again"), "{said}");
        assert!(said.contains("put that very one back"), "{said}");
    }
}
