//! A client: a [session](Session) driven over a transport to the replicas.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::{Pack, RequestOutcome, Session, SubmitError};
use crate::model::batch::Replies;
use crate::model::error::Error;
use crate::model::types::{ClientId, Millis, ReplicaId};

/// A transport to the replicas. A client is connected to one replica at a time.
pub trait Transport: Send {
    /// Milliseconds on a clock that never goes back.
    fn now(&self) -> Millis;

    /// Connects to a replica in place of any other. Returns whether that worked.
    fn dial(&mut self, to: ReplicaId) -> bool;

    /// The replica it is connected to.
    fn connected(&self) -> Option<ReplicaId>;

    /// Sends a pack to that replica, without waiting long.
    fn send(&mut self, pack: Pack) -> Sending;

    /// Waits for answers at most so long, and adds them to `to`. Returns whether the connection is
    /// still up.
    fn receive(&mut self, patience: Duration, to: &mut Vec<Replies>) -> bool;

    /// Gives the connection up.
    fn hang_up(&mut self);
}

/// The outcome of sending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sending {
    /// It is on its way.
    Sent,
    /// The replica takes no more now.
    Busy,
    /// The connection is gone.
    Broken,
}

/// Submits requests to a cluster, of which each takes effect exactly once.
///
/// It is connected to one replica and turns to the next when that one is gone or silent. Requests
/// take effect in the order in which they were submitted.
pub struct Client {
    transport: Box<dyn Transport>,
    session: Session,
    /// How long it waits before it reports an outcome as unknown.
    deadline: Duration,
    /// What has just arrived.
    replies: Vec<Replies>,
    /// Answers that came while another was waited for.
    answers: VecDeque<(u64, Result<Vec<u8>, Error>)>,
}

impl Client {
    /// How often a waiting client looks at the time.
    const TICK: Duration = Duration::from_millis(10);

    /// A client that sends the requests of `session` through `transport`, and reports an outcome as
    /// unknown when none is known after `deadline`.
    pub fn new(transport: Box<dyn Transport>, session: Session, deadline: Duration) -> Self {
        Self { transport, session, deadline, replies: Vec::new(), answers: VecDeque::new() }
    }

    /// The name of its session, once that is open.
    pub fn session(&self) -> Option<ClientId> {
        self.session.id()
    }

    /// How many more requests it takes before one must be answered.
    pub fn room(&self) -> usize {
        self.session.room()
    }

    /// The replica it sends to.
    pub fn target(&self) -> ReplicaId {
        self.session.target()
    }

    /// How many requests wait for an answer.
    pub fn open(&self) -> usize {
        self.session.open()
    }

    /// Has `command` applied once, and waits for the reply.
    ///
    /// # Errors
    /// [`Error::Unknown`] when there is no answer in time, or never will be: it may take effect,
    /// once. Otherwise as [`Client::submit`].
    pub fn call(&mut self, command: &[u8]) -> Result<Vec<u8>, Error> {
        let number = self.submit(command)?;
        let until = Instant::now() + self.deadline;
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

    /// Takes a request and returns the number by which its answer will be known. It leaves with the next
    /// [`flush`](Client::flush), or when an answer is waited for. Waits while the window is full.
    ///
    /// # Errors
    /// [`Error::NoSession`] when no session could be opened, [`Error::Busy`] when the window stayed
    /// full, [`Error::SessionClosed`] or [`Error::TooLong`]. The request then takes no effect.
    pub fn submit(&mut self, command: &[u8]) -> Result<u64, Error> {
        let mut until = None;
        loop {
            match self.session.submit(command) {
                Ok(number) => return Ok(number),
                Err(SubmitError::NotOpen) => self.connect()?,
                Err(SubmitError::Full) => {
                    let until = *until.get_or_insert_with(|| Instant::now() + self.deadline);
                    if Instant::now() >= until {
                        return Err(Error::Busy);
                    }
                    self.wait(until);
                }
                Err(SubmitError::Closed) => return Err(Error::SessionClosed),
                Err(SubmitError::TooLong { bytes, most }) => {
                    return Err(Error::TooLong { bytes, most });
                }
            }
        }
    }

    /// Waits until the session is open; requests do this by themselves.
    ///
    /// # Errors
    /// [`Error::NoSession`] when it takes too long.
    pub fn connect(&mut self) -> Result<(), Error> {
        let until = Instant::now() + self.deadline;
        while self.session.id().is_none() && !self.session.is_closed() {
            if Instant::now() >= until {
                let waited_ms = self.deadline.as_millis() as u64;
                return Err(Error::NoSession { waited_ms });
            }
            self.wait(until);
        }
        Ok(())
    }

    /// The next answer, whatever request it is for; `None` when no request is open. A request whose
    /// outcome cannot be known comes with [`Error::Unknown`].
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Option<(u64, Result<Vec<u8>, Error>)> {
        let until = Instant::now() + self.deadline;
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

    /// Waits for answers, and keeps them for the calls that they belong to.
    fn wait(&mut self, until: Instant) {
        let mut answers = std::mem::take(&mut self.answers);
        self.receive(until.saturating_duration_since(Instant::now()), |number, outcome| {
            answers.push_back((number, outcome.into_result(number)));
        });
        self.answers = answers;
    }

    /// Sends what has been submitted, waits for answers at most so long, and hands over all that
    /// have come. Returns how many. This is the way for many requests: no answer is copied.
    pub fn receive(
        &mut self,
        patience: Duration,
        mut take: impl FnMut(u64, RequestOutcome<'_>),
    ) -> usize {
        let until = Instant::now() + patience;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let count = self.step(left.min(Self::TICK), &mut take);
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

    /// The same, but it does not wait again when something other than an answer ends the wait.
    pub(super) fn step(
        &mut self,
        patience: Duration,
        take: &mut impl FnMut(u64, RequestOutcome<'_>),
    ) -> usize {
        self.flush();
        let mut replies = std::mem::take(&mut self.replies);
        if self.transport.connected().is_none() {
            std::thread::park_timeout(patience.min(Duration::from_millis(1)));
        } else if !self.transport.receive(patience, &mut replies) {
            self.hang_up();
        }
        let now = self.transport.now();
        let mut count = 0;
        for reply in replies.iter().flat_map(Replies::iter) {
            if let Some((number, outcome)) = self.session.on_reply(now, reply) {
                take(number, outcome);
                count += 1;
            }
        }
        replies.clear();
        self.replies = replies;
        self.session.on_tick(now);
        while let Some((number, outcome)) = self.session.next_unknown() {
            take(number, outcome);
            count += 1;
        }
        count
    }

    /// The caller waits for this answer no longer.
    pub(super) fn give_up(&mut self, number: u64) {
        self.session.give_up(number);
    }

    /// Sends what has been submitted, without waiting for answers.
    pub fn flush(&mut self) {
        let mut now = self.transport.now();
        while let Some(pack) = self.session.to_send(now) {
            let target = self.session.target();
            if self.transport.connected() != Some(target) && !self.transport.dial(target) {
                now = self.transport.now();
                self.session.on_broken(now, target);
                continue;
            }
            match self.transport.send(pack) {
                Sending::Sent => self.session.was_sent(now),
                Sending::Busy => return self.session.on_tick(self.transport.now()),
                Sending::Broken => self.hang_up(),
            }
        }
    }

    fn hang_up(&mut self) {
        let to = self.transport.connected();
        self.transport.hang_up();
        self.session.on_broken(self.transport.now(), to.unwrap_or(self.session.target()));
    }
}
