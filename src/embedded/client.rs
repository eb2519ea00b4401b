//! A client of an embedded cluster: a [session](crate::client::Session) with channels.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, SendTimeoutError, Sender, bounded};

use super::Shared;
use super::edge::Knock;
use crate::batch::Replies;
use crate::client::{Outcome, Refused, Session};
use crate::error::Error;
use crate::types::ReplicaId;

/// Asks a cluster to do things, each exactly once.
///
/// It speaks to one replica and turns to the next when that one is gone or silent. Requests take effect
/// in the order in which they were submitted.
pub struct Client {
    shared: Arc<Shared>,
    session: Session,
    line: Option<Line>,
    /// Answers that came while another was waited for.
    answers: VecDeque<(u64, Result<Vec<u8>, Error>)>,
}

/// A connection to one life of a replica.
struct Line {
    to: ReplicaId,
    connection: u64,
    knocks: Sender<Knock>,
    replies: Receiver<Vec<Replies>>,
}

impl Client {
    /// Answers of so many turns may wait for the client.
    const REPLIES_MAX: usize = 1024;
    /// How often a waiting client looks at the time.
    const TICK: Duration = Duration::from_millis(10);

    pub(super) fn new(shared: Arc<Shared>) -> Self {
        let nonce = shared.names.next();
        let first = ReplicaId((nonce % shared.doors.len() as u64) as u16);
        let session = Session::new(shared.limits, first, nonce);
        Self { shared, session, line: None, answers: VecDeque::new() }
    }

    /// How many more requests it takes before one must be answered.
    #[must_use]
    pub fn room(&self) -> usize {
        self.session.room()
    }

    /// The replica it speaks to.
    #[must_use]
    pub fn target(&self) -> ReplicaId {
        self.session.target()
    }

    /// How many requests wait for an answer.
    #[must_use]
    pub fn open(&self) -> usize {
        self.session.open()
    }

    /// Has `command` applied once, and waits for the reply.
    ///
    /// # Errors
    /// [`Error::Unknown`] when there is no answer in time, or never will be: it may take effect, once.
    /// Otherwise as [`Client::submit`].
    pub fn call(&mut self, command: &[u8]) -> Result<Vec<u8>, Error> {
        let number = self.submit(command)?;
        let until = Instant::now() + self.shared.deadline;
        loop {
            let found = self.answers.iter().position(|(answered, _)| *answered == number);
            if let Some((_, result)) = found.and_then(|found| self.answers.remove(found)) {
                return result;
            }
            if Instant::now() >= until {
                self.session.give_up(number);
                return Err(Error::Unknown { number });
            }
            self.wait(until);
        }
    }

    /// Takes a request and says by which number its answer will be known. It leaves with the next
    /// [`flush`](Client::flush), or when an answer is waited for. Waits while the window is full.
    ///
    /// # Errors
    /// [`Error::Unreachable`] when no session could be opened, [`Error::Busy`] when the window stayed
    /// full, [`Error::Refused`] otherwise. The request then takes no effect.
    pub fn submit(&mut self, command: &[u8]) -> Result<u64, Error> {
        let mut until = None;
        loop {
            match self.session.submit(command) {
                Ok(number) => return Ok(number),
                Err(Refused::NotOpen) => self.connect()?,
                Err(Refused::Full) => {
                    let deadline = self.shared.deadline;
                    let until = *until.get_or_insert_with(|| Instant::now() + deadline);
                    if Instant::now() >= until {
                        return Err(Error::Busy);
                    }
                    self.wait(until);
                }
                Err(refused) => return Err(refused.into()),
            }
        }
    }

    /// Waits until the session is open; requests do this by themselves.
    ///
    /// # Errors
    /// [`Error::Unreachable`] when it takes too long.
    pub fn connect(&mut self) -> Result<(), Error> {
        let until = Instant::now() + self.shared.deadline;
        while self.session.id().is_none() && !self.session.is_closed() {
            if Instant::now() >= until {
                let waited_ms = self.shared.deadline.as_millis() as u64;
                return Err(Error::Unreachable { waited_ms });
            }
            self.wait(until);
        }
        Ok(())
    }

    /// The next answer, whatever request it is for; `None` when no request is open. A request whose
    /// outcome cannot be known comes with [`Error::Unknown`].
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Option<(u64, Result<Vec<u8>, Error>)> {
        let until = Instant::now() + self.shared.deadline;
        loop {
            if let Some(answer) = self.answers.pop_front() {
                return Some(answer);
            }
            let number = self.session.oldest_open()?;
            if Instant::now() >= until {
                self.session.give_up(number);
                return Some((number, Err(Error::Unknown { number })));
            }
            self.wait(until);
        }
    }

    /// Keeps the answers that come for whoever asks for them.
    fn wait(&mut self, until: Instant) {
        let mut answers = std::mem::take(&mut self.answers);
        self.receive(until.saturating_duration_since(Instant::now()), |number, outcome| {
            let result = match outcome {
                Outcome::Done(reply) => Ok(reply.to_vec()),
                Outcome::Unknown => Err(Error::Unknown { number }),
            };
            answers.push_back((number, result));
        });
        self.answers = answers;
    }

    /// Sends what has been submitted, waits for answers at most so long, and hands over all that have
    /// come. Answers how many. This is the way for many requests: no answer is copied.
    pub fn receive(&mut self, patience: Duration, mut take: impl FnMut(u64, Outcome<'_>)) -> usize {
        let until = Instant::now() + patience;
        loop {
            self.flush();
            let left = until.saturating_duration_since(Instant::now()).min(Self::TICK);
            let mut count = 0;
            let received = match &self.line {
                Some(line) => line.replies.recv_timeout(left),
                None => {
                    std::thread::park_timeout(left.min(Duration::from_millis(1)));
                    Err(RecvTimeoutError::Timeout)
                }
            };
            let now = self.shared.clock.now();
            match received {
                Ok(replies) => {
                    count += self.take(now, &replies, &mut take);
                    while let Some(Ok(replies)) = self.line.as_ref().map(|l| l.replies.try_recv()) {
                        count += self.take(now, &replies, &mut take);
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => self.hang_up(),
            }
            self.session.on_tick(now);
            while let Some((number, outcome)) = self.session.next_unknown() {
                take(number, outcome);
                count += 1;
            }
            if count > 0 || Instant::now() >= until {
                return count;
            }
            // That the session is open, or closed, may be all there was to wait for.
            if self.session.open() == 0 && (self.session.id().is_some() || self.session.is_closed())
            {
                return 0;
            }
        }
    }

    fn take(
        &mut self,
        now: u64,
        replies: &[Replies],
        take: &mut impl FnMut(u64, Outcome<'_>),
    ) -> usize {
        let mut count = 0;
        for reply in replies.iter().flat_map(Replies::iter) {
            if let Some((number, outcome)) = self.session.on_reply(now, reply) {
                take(number, outcome);
                count += 1;
            }
        }
        count
    }

    /// Sends what has been submitted, without waiting for answers.
    pub fn flush(&mut self) {
        let mut now = self.shared.clock.now();
        while let Some(pack) = self.session.to_send(now) {
            let target = self.session.target();
            if self.line.as_ref().is_none_or(|line| line.to != target) && !self.dial(target) {
                self.session.on_broken(now, target);
                now = self.shared.clock.now();
                continue;
            }
            let Some(line) = &self.line else { return };
            let knock = Knock::Ask { connection: line.connection, pack };
            match line.knocks.send_timeout(knock, Self::TICK) {
                Ok(()) => self.session.was_sent(now),
                Err(SendTimeoutError::Timeout(_)) => {
                    self.session.on_tick(self.shared.clock.now());
                    return;
                }
                Err(SendTimeoutError::Disconnected(_)) => self.hang_up(),
            }
        }
    }

    fn dial(&mut self, to: ReplicaId) -> bool {
        self.line = None;
        let Some(knocks) = self.shared.doors[to.0 as usize].get() else { return false };
        let connection = self.shared.names.next();
        let (sender, replies) = bounded(Self::REPLIES_MAX);
        let connect = Knock::Connect { connection, replies: sender };
        if knocks.send_timeout(connect, Self::TICK).is_err() {
            return false;
        }
        self.line = Some(Line { to, connection, knocks, replies });
        true
    }

    fn hang_up(&mut self) {
        if let Some(line) = self.line.take() {
            self.session.on_broken(self.shared.clock.now(), line.to);
        }
    }
}
