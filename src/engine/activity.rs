//! The present activity of a replica's thread, for the other threads of its process.
//!
//! A thread that does not come back from an operator publishes no more frames, and cannot report
//! why. So it notes what it is about to do, and whoever looks at its board finds out for how long.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The present activity of a thread, noted by it; a note costs a store.
#[derive(Clone, Debug)]
pub struct Activity(Arc<Noted>);

#[derive(Debug)]
struct Noted {
    /// The names of the operators.
    operators: Vec<String>,
    /// Which of them runs, or one of the two below.
    what: AtomicUsize,
    /// When the turn began, or the wait for the disk, in microseconds after the start.
    since_us: AtomicU64,
    /// Whether the operator that runs cuts a checkpoint.
    checkpoint: AtomicBool,
    start: Instant,
}

/// Idle, or busy with something too short to report.
const NOTHING: usize = usize::MAX;
/// The thread waits for its disk.
const DISK: usize = usize::MAX - 1;

/// The probe with which an operator notes that it runs.
#[derive(Clone, Debug)]
pub struct ActivityProbe(Activity, usize);

/// What a replica's thread has been doing for so long that it does nothing else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Stuck {
    /// The operator that it runs; nothing if it waits for its disk.
    pub operator: Option<String>,
    /// For how long, in microseconds: since the turn began. What ran before in a turn took no time,
    /// as a rule.
    pub for_us: u64,
    /// Whether that is a checkpoint of the application's state.
    #[serde(default)]
    pub checkpoint: bool,
}

impl Activity {
    /// How long a thread may do one thing.
    const PATIENCE: Duration = Duration::from_secs(1);

    /// Nothing yet, in a graph of these operators.
    pub fn of(operators: Vec<String>) -> Self {
        let (what, since_us) = (AtomicUsize::new(NOTHING), AtomicU64::new(0));
        let (checkpoint, start) = (AtomicBool::new(false), Instant::now());
        Self(Arc::new(Noted { operators, what, since_us, checkpoint, start }))
    }

    /// How operator number `operator` is to note that it runs.
    pub fn probe(&self, operator: usize) -> ActivityProbe {
        ActivityProbe(self.clone(), operator)
    }

    /// A turn begins.
    pub fn begin_turn(&self) {
        self.begin(NOTHING);
    }

    /// The thread begins to wait for its disk.
    pub fn begin_disk(&self) {
        self.begin(DISK);
    }

    /// The turn's operators have run, and it goes on to its disk: no clock is read, as between
    /// operators.
    pub fn begin_disk_phase(&self) {
        self.0.what.store(DISK, Ordering::Relaxed);
    }

    /// What was begun has ended.
    pub fn end(&self) {
        self.0.what.store(NOTHING, Ordering::Relaxed);
    }

    fn begin(&self, what: usize) {
        let since_us = self.0.start.elapsed().as_micros() as u64;
        self.0.since_us.store(since_us, Ordering::Relaxed);
        self.0.what.store(what, Ordering::Relaxed);
    }

    /// What the thread has been doing for longer than it should.
    pub fn stuck(&self) -> Option<Stuck> {
        self.stuck_at(self.0.start.elapsed())
    }

    fn stuck_at(&self, elapsed: Duration) -> Option<Stuck> {
        let operator = match self.0.what.load(Ordering::Relaxed) {
            NOTHING => return None,
            DISK => None,
            operator => Some(self.0.operators.get(operator)?.clone()),
        };
        let since = Duration::from_micros(self.0.since_us.load(Ordering::Relaxed));
        let time = elapsed.saturating_sub(since);
        let checkpoint = operator.is_some() && self.0.checkpoint.load(Ordering::Relaxed);
        let for_us = time.as_micros() as u64;
        (time > Self::PATIENCE).then_some(Stuck { operator, for_us, checkpoint })
    }
}

impl ActivityProbe {
    /// The operator runs, until another does or the turn ends.
    #[inline]
    pub fn run(&self) {
        self.0.0.what.store(self.1, Ordering::Relaxed);
    }

    /// The operator begins to cut a checkpoint, or has.
    #[inline]
    pub fn checkpoint(&self, begins: bool) {
        self.0.0.checkpoint.store(begins, Ordering::Relaxed);
    }
}

impl Stuck {
    /// A checkpoint of a large state takes some time; one that takes longer than this in
    /// microseconds is no pause.
    const PAUSE_US_MAX: u64 = 30_000_000;

    /// Whether it will go on by itself.
    pub fn is_pause(&self) -> bool {
        self.checkpoint && self.for_us <= Self::PAUSE_US_MAX
    }
}

impl fmt::Display for Stuck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.for_us as f64 / 1e6;
        // Long times are reported again less often.
        let tenths = usize::from(seconds < 10.0);
        match &self.operator {
            Some(_) if self.checkpoint => f.write_str("it has been cutting a checkpoint for")?,
            Some(name) => write!(f, "its operator `{name}` has been running for")?,
            None => f.write_str("it has been waiting for its disk for")?,
        }
        write!(f, " {seconds:.tenths$} s")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(activity: &Activity, after_ms: u64) -> Option<String> {
        let since = Duration::from_micros(activity.0.since_us.load(Ordering::Relaxed));
        let stuck = activity.stuck_at(since + Duration::from_millis(after_ms));
        stuck.map(|stuck| stuck.to_string())
    }

    #[test]
    fn the_operator_that_began_last_is_named_once_it_has_run_for_more_than_a_second() {
        let activity = Activity::of(vec!["learner".to_owned(), "executor".to_owned()]);
        activity.begin_turn();
        activity.probe(0).run();
        activity.probe(1).run();

        assert_eq!(said(&activity, 1_000), None);
        let text = "its operator `executor` has been running for 3.2 s";
        assert_eq!(said(&activity, 3_200).as_deref(), Some(text));
        let text = "its operator `executor` has been running for 72 s";
        assert_eq!(said(&activity, 72_100).as_deref(), Some(text));
        activity.end();
        assert_eq!(said(&activity, 3_200), None);
    }

    #[test]
    fn a_checkpoint_that_is_cut_is_told_from_an_application_that_hangs() {
        let activity = Activity::of(vec!["executor".to_owned()]);
        activity.begin_turn();
        activity.probe(0).run();
        activity.probe(0).checkpoint(true);
        let text = "it has been cutting a checkpoint for 2.0 s";
        assert_eq!(said(&activity, 2_000).as_deref(), Some(text));

        activity.probe(0).checkpoint(false);
        let text = "its operator `executor` has been running for 2.0 s";
        assert_eq!(said(&activity, 2_000).as_deref(), Some(text));
    }

    #[test]
    fn a_wait_for_the_disk_is_no_operator_s() {
        let activity = Activity::of(Vec::new());
        activity.begin_disk();

        let text = "it has been waiting for its disk for 2.0 s";
        assert_eq!(said(&activity, 2_000).as_deref(), Some(text));
    }
}
