//! A supervisor: runs the replicas of a cluster on one machine as processes, and restarts those
//! that die.
//!
//! The supervisor is one loop that waits for a signal, the end of a child being one, or for the
//! time to start a child again. Children have a process group of their own, so a Ctrl-C reaches
//! them through the supervisor only. They hold the reading end of a pipe whose other end the
//! supervisor holds, and end when it closes: however the supervisor ends, no child outlives it.

mod exit;
mod lock;
#[cfg(test)]
mod tests;
mod trouble;

use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, bounded};
use rustix::process::{Pid, Signal, kill_process};
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::model::error::Error;

pub use exit::{Fate, ProcessExit, RestartDelay};
pub use lock::{lock, runs, stop};
pub use trouble::FILE as TROUBLE;
use trouble::Trouble;

/// The file in the directory of a replica that holds the number of its process, while it has one.
pub const PID: &str = "pid";

/// A taker of what is wrong with a child, or of nothing once nothing is.
pub type Keep<'a> = dyn Fn(usize, Option<&str>) + 'a;

/// The children to be run, and where to report on them.
pub struct Supervisor<'a> {
    /// The command of each child.
    pub command: Box<dyn FnMut(usize) -> Result<Command, Error> + 'a>,
    /// The last error that a child reported, to be repeated where it is not started again.
    pub last_words: Box<dyn Fn(usize) -> Option<String> + 'a>,
    /// Takes a line about each thing that happens.
    pub tell: Box<dyn FnMut(&str) + 'a>,
    /// Keeps what is wrong with a child where others read it, or that nothing is any more.
    pub keep: Box<Keep<'a>>,
    /// Takes the number of the process of a child, or that it has none.
    pub note_pid: Box<dyn Fn(usize, Option<u32>) + 'a>,
    /// Whether a child remembers what it promised, and so may return.
    pub durable: bool,
}

/// A child: what it does, and what is known of how it ended before.
struct Replica {
    state: State,
    delay: RestartDelay,
    trouble: Trouble,
}

/// Whether a child runs, will run, or is given up.
enum State {
    Runs {
        child: Child,
        since: Instant,
    },
    Waits {
        until: Instant,
    },
    /// Given up for this, or told to end.
    Ended(Option<ProcessExit>),
}

impl Replica {
    fn has_ended(&self) -> bool {
        matches!(self.state, State::Ended(_))
    }
}

/// The exit code with which all have ended, if that is one.
fn common_code(replicas: &[Replica]) -> Option<u8> {
    let code = |replica: &Replica| match replica.state {
        State::Ended(Some(ProcessExit::Code(code))) => u8::try_from(code).ok(),
        _ => None,
    };
    let first = code(replicas.first()?)?;
    replicas.iter().all(|replica| code(replica) == Some(first)).then_some(first)
}

/// The signals a supervisor acts on, as they come.
///
/// # Errors
/// What the system says.
pub fn signals() -> io::Result<Receiver<i32>> {
    let mut acted_on = vec![SIGCHLD, SIGINT, SIGTERM];
    // Who is started by `nohup` is to outlive its terminal.
    if !is_ignored(SIGHUP) {
        acted_on.push(SIGHUP);
    }
    let mut signals = Signals::new(acted_on)?;
    let (sender, receiver) = bounded(64);
    let listen = move || {
        for signal in signals.forever() {
            if sender.send(signal).is_err() {
                return;
            }
        }
    };
    std::thread::Builder::new().name("signals".to_owned()).spawn(listen)?;
    Ok(receiver)
}

/// Whether this process was started to ignore a signal, as far as the system tells.
fn is_ignored(signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
}

impl Supervisor<'_> {
    /// Runs `n` children until a signal says that it is enough, and waits for their end.
    ///
    /// # Errors
    /// A child that cannot be started, or [`Error::AllEnded`].
    pub fn run(&mut self, n: usize, signals: &Receiver<i32>) -> Result<(), Error> {
        (0..n).for_each(|index| (self.keep)(index, None));
        let mut replicas = Vec::new();
        for index in 0..n {
            let (delay, trouble) = Default::default();
            replicas.push(Replica { state: self.start(index)?, delay, trouble });
        }
        loop {
            match wait(&replicas, signals) {
                Some(signal @ (SIGINT | SIGTERM | SIGHUP)) => {
                    let again = if signal == SIGINT { "; Ctrl-C again to kill them" } else { "" };
                    (self.tell)(&format!("stopping all replicas{again}"));
                    return self.end(&mut replicas, signals);
                }
                _ => self.step(&mut replicas)?,
            }
            if replicas.iter().all(Replica::has_ended) {
                return Err(Error::AllEnded { n, code: common_code(&replicas) });
            }
        }
    }

    fn start(&mut self, index: usize) -> Result<State, Error> {
        let mut command = (self.command)(index)?;
        let child = command.stdin(Stdio::piped()).process_group(0).spawn();
        let child = child.map_err(Error::file("run", Path::new(command.get_program())))?;
        (self.note_pid)(index, Some(child.id()));
        Ok(State::Runs { child, since: Instant::now() })
    }

    /// Notes who has ended, and starts those whose time has come.
    fn step(&mut self, replicas: &mut [Replica]) -> Result<(), Error> {
        for (index, Replica { state, delay, trouble }) in replicas.iter_mut().enumerate() {
            match state {
                State::Runs { child, since } => {
                    let status = child.try_wait()?;
                    let lived = since.elapsed();
                    let Some(status) = status else {
                        if lived >= RestartDelay::LONG_LIFE && trouble.pass() {
                            (self.keep)(index, None);
                        }
                        continue;
                    };
                    (self.note_pid)(index, None);
                    let ending = ProcessExit::from(status);
                    *state = self.next(index, ending, delay.after(lived));
                    self.note(index, ending, lived, trouble);
                }
                State::Waits { until } if *until <= Instant::now() => {
                    *state = match self.start(index) {
                        Ok(started) => {
                            (self.tell)(&format!("replica {index} starts again"));
                            started
                        }
                        Err(error) => {
                            if let Some(what) = trouble.on_failure(&error.to_string()) {
                                (self.keep)(index, Some(&what));
                                (self.tell)(&format!("replica {index} {what}"));
                            }
                            State::Waits { until: Instant::now() + delay.after(Duration::ZERO) }
                        }
                    };
                }
                State::Waits { .. } | State::Ended(_) => {}
            }
        }
        Ok(())
    }

    /// What becomes of a child that has ended.
    fn next(&mut self, index: usize, ending: ProcessExit, pause: Duration) -> State {
        match ending.fate(self.durable) {
            Fate::Restart => {
                let ms = pause.as_millis();
                (self.tell)(&format!("replica {index} ended: {ending}; starts again in {ms} ms"));
                self.say_why(index, ending);
                State::Waits { until: Instant::now() + pause }
            }
            Fate::Stay { why, .. } => {
                (self.tell)(&format!("replica {index} ended: {ending}; not started again: {why}"));
                // One that was killed has reported nothing.
                if matches!(ending, ProcessExit::Code(_)) {
                    self.repeat_last_words(index);
                }
                State::Ended(Some(ending))
            }
        }
    }

    /// Repeats why a child has ended by itself, unless that was in order.
    fn say_why(&mut self, index: usize, ending: ProcessExit) {
        if matches!(ending, ProcessExit::Code(code) if code != 0) {
            self.repeat_last_words(index);
        }
    }

    fn repeat_last_words(&mut self, index: usize) {
        if let Some(words) = (self.last_words)(index) {
            (self.tell)(&format!("replica {index} said: {words}"));
        }
    }

    /// Reports once why a child ends again and again, and keeps that where others read it.
    fn note(&mut self, index: usize, ending: ProcessExit, lived: Duration, trouble: &mut Trouble) {
        let by_itself = matches!(ending, ProcessExit::Code(_));
        let words = by_itself.then(|| (self.last_words)(index)).flatten();
        if let Some(what) = trouble.on_end(ending, words, lived, self.durable) {
            (self.keep)(index, Some(&what));
            if ending.fate(self.durable) == Fate::Restart {
                (self.tell)(&format!("replica {index} {what}"));
            }
        }
    }

    /// Asks all children to end, and waits for them; at another signal, ends them at once.
    fn end(&mut self, replicas: &mut [Replica], signals: &Receiver<i32>) -> Result<(), Error> {
        for replica in replicas.iter_mut() {
            // Nobody needs to know any more that it has recovered.
            replica.trouble = Trouble::default();
            match &replica.state {
                State::Runs { child, .. } => ask_to_end(child)?,
                State::Waits { .. } | State::Ended(_) => replica.state = State::Ended(None),
            }
        }
        loop {
            for (index, replica) in replicas.iter_mut().enumerate() {
                let State::Runs { child, .. } = &mut replica.state else { continue };
                if let Some(status) = child.try_wait()? {
                    (self.note_pid)(index, None);
                    let ending = ProcessExit::from(status);
                    (self.tell)(&format!("replica {index} ended: {ending}"));
                    self.say_why(index, ending);
                    replica.state = State::Ended(None);
                }
            }
            if replicas.iter().all(Replica::has_ended) {
                return Ok(());
            }
            if let Some(SIGINT | SIGTERM | SIGHUP) = wait(replicas, signals) {
                for replica in replicas.iter_mut() {
                    if let State::Runs { child, .. } = &mut replica.state {
                        child.kill()?;
                    }
                }
            }
        }
    }
}

/// Waits for a signal, or until the next child is to be started.
fn wait(replicas: &[Replica], signals: &Receiver<i32>) -> Option<i32> {
    let starts = replicas.iter().filter_map(|replica| match replica.state {
        State::Waits { until } => Some(until),
        // Then it has recovered.
        State::Runs { since, .. } if replica.trouble.is_kept() => {
            Some(since + RestartDelay::LONG_LIFE)
        }
        State::Runs { .. } | State::Ended(_) => None,
    });
    let received = match starts.min() {
        Some(until) => signals.recv_deadline(until),
        None => signals.recv().map_err(|_| RecvTimeoutError::Disconnected),
    };
    match received {
        Ok(signal) => Some(signal),
        Err(RecvTimeoutError::Timeout) => None,
        // No other signal can come.
        Err(RecvTimeoutError::Disconnected) => Some(SIGTERM),
    }
}

/// The child has not been waited for, so its number is still its own.
fn ask_to_end(child: &Child) -> io::Result<()> {
    match i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        Some(pid) => Ok(kill_process(pid, Signal::TERM)?),
        None => Ok(()),
    }
}
