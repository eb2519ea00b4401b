//! Runs the replicas of a cluster on one machine as processes, and starts again what dies.
//!
//! The supervisor is one loop that waits for a signal, the end of a child being one, or for the time to
//! start a child again. Children have a process group of their own, so a Ctrl-C reaches them through the
//! supervisor only. They hold the reading end of a pipe whose other end the supervisor holds, and end
//! when it closes: however the supervisor ends, no child outlives it.

mod ending;
mod lock;
mod patience;
#[cfg(test)]
mod tests;

use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, bounded};
use rustix::process::{Pid, Signal, kill_process};
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::error::Error;

pub use ending::{Ending, Fate};
pub use lock::{Lock, stop};
pub use patience::Patience;

/// What is run.
pub struct Supervisor<'a> {
    /// The command of each child.
    pub command: Box<dyn FnMut(usize) -> Result<Command, Error> + 'a>,
    /// The last thing a child said, to be repeated where it is not started again.
    pub last_words: Box<dyn Fn(usize) -> Option<String> + 'a>,
    /// Who is told what happens, a line each.
    pub tell: Box<dyn FnMut(&str) + 'a>,
    /// Whether a child remembers what it promised, and so may return.
    pub durable: bool,
}

/// A child that runs, will run, or is given up.
enum Replica {
    Runs { child: Child, since: Instant },
    Waits { until: Instant },
    Ended,
}

/// The signals a supervisor acts on, as they come.
///
/// # Errors
/// What the system says.
pub fn signals() -> io::Result<Receiver<i32>> {
    let mut signals = Signals::new([SIGCHLD, SIGHUP, SIGINT, SIGTERM])?;
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

impl Supervisor<'_> {
    /// Runs `n` children until a signal says that it is enough, and waits for their end.
    ///
    /// # Errors
    /// A child that cannot be started, or [`Error::AllEnded`].
    pub fn run(&mut self, n: usize, signals: &Receiver<i32>) -> Result<(), Error> {
        let mut patience = vec![Patience::default(); n];
        let mut replicas = Vec::new();
        for index in 0..n {
            let started = self.start(index);
            replicas.push(started?);
        }
        loop {
            match wait(&replicas, signals) {
                Some(SIGINT | SIGTERM | SIGHUP) => return self.end(&mut replicas, signals),
                _ => self.step(&mut replicas, &mut patience)?,
            }
            if replicas.iter().all(|replica| matches!(replica, Replica::Ended)) {
                return Err(Error::AllEnded { n });
            }
        }
    }

    fn start(&mut self, index: usize) -> Result<Replica, Error> {
        let mut command = (self.command)(index)?;
        let child = command.stdin(Stdio::piped()).process_group(0).spawn();
        let child = child.map_err(|source| Error::File {
            doing: "run",
            path: command.get_program().display().to_string(),
            source,
        })?;
        Ok(Replica::Runs { child, since: Instant::now() })
    }

    /// Notes who has ended, and starts those whose time has come.
    fn step(&mut self, replicas: &mut [Replica], patience: &mut [Patience]) -> Result<(), Error> {
        for (index, replica) in replicas.iter_mut().enumerate() {
            match replica {
                Replica::Runs { child, since } => {
                    let Some(status) = child.try_wait()? else { continue };
                    let (lived, ending) = (since.elapsed(), Ending::from(status));
                    let pause = patience[index].after(lived);
                    *replica = self.next(index, ending, pause);
                }
                Replica::Waits { until } if *until <= Instant::now() => {
                    *replica = self.start(index)?;
                    (self.tell)(&format!("replica {index} starts again"));
                }
                Replica::Waits { .. } | Replica::Ended => {}
            }
        }
        Ok(())
    }

    /// What becomes of a child that has ended.
    fn next(&mut self, index: usize, ending: Ending, pause: Duration) -> Replica {
        match ending.fate(self.durable) {
            Fate::Restart => {
                let ms = pause.as_millis();
                (self.tell)(&format!("replica {index} ended: {ending}; starts again in {ms} ms"));
                Replica::Waits { until: Instant::now() + pause }
            }
            Fate::Stay(why) => {
                (self.tell)(&format!("replica {index} ended: {ending}; not started again: {why}"));
                if let Some(words) = (self.last_words)(index) {
                    (self.tell)(&format!("replica {index} said: {words}"));
                }
                Replica::Ended
            }
        }
    }

    /// Asks all children to end, and waits for them; at another signal, ends them at once.
    fn end(&mut self, replicas: &mut [Replica], signals: &Receiver<i32>) -> Result<(), Error> {
        (self.tell)("ending all replicas; once more to kill them");
        for replica in replicas.iter_mut() {
            match replica {
                Replica::Runs { child, .. } => ask_to_end(child)?,
                Replica::Waits { .. } | Replica::Ended => *replica = Replica::Ended,
            }
        }
        loop {
            for (index, replica) in replicas.iter_mut().enumerate() {
                let Replica::Runs { child, .. } = replica else { continue };
                if let Some(status) = child.try_wait()? {
                    (self.tell)(&format!("replica {index} ended: {}", Ending::from(status)));
                    *replica = Replica::Ended;
                }
            }
            if replicas.iter().all(|replica| matches!(replica, Replica::Ended)) {
                return Ok(());
            }
            if let Some(SIGINT | SIGTERM | SIGHUP) = wait(replicas, signals) {
                for replica in replicas.iter_mut() {
                    if let Replica::Runs { child, .. } = replica {
                        child.kill()?;
                    }
                }
            }
        }
    }
}

/// Waits for a signal, or until the next child is to be started.
fn wait(replicas: &[Replica], signals: &Receiver<i32>) -> Option<i32> {
    let starts = replicas.iter().filter_map(|replica| match replica {
        Replica::Waits { until } => Some(*until),
        Replica::Runs { .. } | Replica::Ended => None,
    });
    let received = match starts.min() {
        Some(until) => signals.recv_deadline(until),
        None => signals.recv().map_err(|_| RecvTimeoutError::Disconnected),
    };
    match received {
        Ok(signal) => Some(signal),
        Err(RecvTimeoutError::Timeout) => None,
        // Nobody can say anything any more.
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
