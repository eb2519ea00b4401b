//! A client's session: its open requests, their answers, and the replica that they are sent to.
//!
//! No thread, no clock and no connection: whoever has these asks [`Session::to_send`] what to send
//! to [`Session::target`], and tells the session what came of it. A session speaks to one replica
//! at a time. When that one fails it sends all that is open to the next, in the order in which it
//! was asked; so the requests of a session take effect in that order, each once, however often they
//! are sent. A request is [answered](RequestOutcome::Done), or its outcome is
//! [unknown](RequestOutcome::Unknown): what has been sent may take effect as long as the session
//! lives, so it is never reported as failed.

use std::collections::VecDeque;

use crate::links::client_messages::ClientLimits;
use crate::model::batch::{Answer, Packer, Reply, Request, Requests};
use crate::model::error::Error;
use crate::model::types::{ClientId, Millis, ReplicaId};

/// A reason for which a request cannot be taken now. It has not been sent and takes no effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubmitError {
    /// The session is not open yet.
    NotOpen,
    /// The cluster has closed the session, because too many others were used since.
    Closed,
    /// As many requests are open as the window allows: take answers first.
    Full,
    /// The command is longer than the cluster takes.
    TooLong {
        /// Its bytes.
        bytes: usize,
        /// How many it may have.
        most: usize,
    },
}

/// The outcome of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestOutcome<'a> {
    /// It has taken effect once, and this is the application's reply.
    Done(&'a [u8]),
    /// It has taken effect once, and its reply was told before this client took up the session.
    Told,
    /// The session was closed: it may have taken effect once, or not.
    Unknown,
}

impl RequestOutcome<'_> {
    /// The reply to the request of this number, or why there is none.
    ///
    /// # Errors
    /// [`Error::Told`] or [`Error::Unknown`].
    pub fn into_result(self, number: u64) -> Result<Vec<u8>, Error> {
        match self {
            Self::Done(reply) => Ok(reply.to_vec()),
            Self::Told => Err(Error::Told { number }),
            Self::Unknown => Err(Error::Unknown { number }),
        }
    }
}

/// Requests to be sent together.
#[derive(Clone, Debug)]
pub struct Pack {
    /// The requests, all of this session.
    pub requests: Requests,
    /// By this the edge knows whom to answer: the session, or the nonce of one to be opened.
    pub client: ClientId,
    /// Whether it asks for a session.
    pub opens: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Opening { asked: bool },
    Open(ClientId),
    Closed,
}

/// The state of a request that is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Waits,
    /// Nobody waits for the answer any more, but it must come before its number can be forgotten.
    GivenUp,
    Answered,
}

/// Requests that were sent together.
struct Sent {
    /// The number of its last request.
    last: u64,
    requests: Requests,
}

/// One session of a client, which may have many requests open.
pub struct Session {
    limits: ClientLimits,
    nonce: u64,
    stage: Stage,
    target: ReplicaId,
    /// Up to here all answers have been handed to the caller.
    low: u64,
    /// How request `low + 1` and those after it stand.
    taken: VecDeque<Standing>,
    /// How many of them somebody waits for.
    waited_for: usize,
    /// What is not yet packed.
    packer: Packer,
    packs: VecDeque<Sent>,
    /// How many of `packs` the target has been sent.
    sent: usize,
    /// When the target last answered, or was first asked for what is open.
    answered_at: Millis,
    patience_ms: Millis,
    /// Replicas in a row that could not be reached at all.
    broken: u32,
    /// Nothing is sent before, because no replica could be reached.
    resume_at: Millis,
}

impl Session {
    /// A session to be opened at `first`. The nonce must be one no other client uses at this time.
    pub fn new(limits: ClientLimits, first: ReplicaId, nonce: u64) -> Self {
        Self {
            limits,
            nonce,
            stage: Stage::Opening { asked: false },
            target: first,
            low: 0,
            taken: VecDeque::new(),
            waited_for: 0,
            packer: Packer::default(),
            packs: VecDeque::new(),
            sent: 0,
            answered_at: 0,
            patience_ms: limits.retry_after_ms,
            broken: 0,
            resume_at: 0,
        }
    }

    /// A session taken up again: it is open, and of its requests those up to `answered` need not be
    /// sent again. The others must be, in their order: they take effect once.
    pub fn resume(limits: ClientLimits, first: ReplicaId, id: ClientId, answered: u64) -> Self {
        let session = Self::new(limits, first, 0);
        Self { stage: Stage::Open(id), low: answered, ..session }
    }

    /// Its name, once it is open.
    pub fn id(&self) -> Option<ClientId> {
        match self.stage {
            Stage::Open(id) => Some(id),
            _ => None,
        }
    }

    /// Whether the cluster has closed it.
    pub fn is_closed(&self) -> bool {
        self.stage == Stage::Closed
    }

    /// The replica it speaks to.
    pub fn target(&self) -> ReplicaId {
        self.target
    }

    /// How many requests are taken, and neither answered nor given up.
    pub fn open(&self) -> usize {
        self.waited_for
    }

    /// The oldest of these.
    pub fn oldest_open(&self) -> Option<u64> {
        let at = self.taken.iter().position(|standing| *standing == Standing::Waits)?;
        Some(self.low + 1 + at as u64)
    }

    /// The caller waits for this answer no longer, and will not be told it. The request may still
    /// take effect.
    pub fn give_up(&mut self, number: u64) {
        if let Some(standing) = self.standing(number)
            && *standing == Standing::Waits
        {
            *standing = Standing::GivenUp;
            self.on_wait_ended();
        }
    }

    /// Somebody who waited for an answer waits no longer.
    fn on_wait_ended(&mut self) {
        assert!(self.waited_for > 0, "a request that is waited for is counted");
        self.waited_for -= 1;
    }

    fn standing(&mut self, number: u64) -> Option<&mut Standing> {
        let at = number.checked_sub(self.low + 1)?;
        self.taken.get_mut(at as usize)
    }

    /// How many more requests it takes now.
    pub fn room(&self) -> usize {
        (self.limits.window as usize).saturating_sub(self.taken.len())
    }

    /// Takes a request, and says by which number its answer will be known.
    ///
    /// # Errors
    /// Why it is not taken; it then has no effect.
    pub fn submit(&mut self, command: &[u8]) -> Result<u64, SubmitError> {
        let client = match self.stage {
            Stage::Open(id) => id,
            Stage::Opening { .. } => return Err(SubmitError::NotOpen),
            Stage::Closed => return Err(SubmitError::Closed),
        };
        if command.len() > self.limits.command_bytes_max {
            return Err(SubmitError::TooLong {
                bytes: command.len(),
                most: self.limits.command_bytes_max,
            });
        }
        if self.room() == 0 {
            return Err(SubmitError::Full);
        }
        if self.packer.len() >= self.limits.pack_requests_max
            || self.packer.bytes() + command.len() > self.limits.pack_bytes_max
        {
            self.pack();
        }
        self.taken.push_back(Standing::Waits);
        self.waited_for += 1;
        let number = self.low + self.taken.len() as u64;
        self.packer.push(Request { client, number, acknowledged: self.low, command });
        Ok(number)
    }

    /// What the [target](Session::target) is to be sent now. Say [`Session::was_sent`] when it has
    /// been.
    pub fn to_send(&mut self, now: Millis) -> Option<Pack> {
        if now < self.resume_at {
            return None;
        }
        match self.stage {
            Stage::Opening { asked: false } => {
                let client = ClientId(self.nonce);
                let mut packer = Packer::default();
                packer.push(Request { client, number: 0, acknowledged: 0, command: b"" });
                Some(Pack { requests: packer.finish(), client, opens: true })
            }
            Stage::Open(client) => {
                if self.sent == self.packs.len() {
                    self.pack();
                }
                let requests = self.packs.get(self.sent)?.requests.clone();
                Some(Pack { requests, client, opens: false })
            }
            Stage::Opening { asked: true } | Stage::Closed => None,
        }
    }

    /// The pack that was [to be sent](Session::to_send) is on its way.
    ///
    /// # Panics
    /// When there was none.
    pub fn was_sent(&mut self, now: Millis) {
        match &mut self.stage {
            Stage::Opening { asked } => {
                *asked = true;
                self.answered_at = now;
            }
            _ => {
                assert!(self.sent < self.packs.len(), "only a pack that was to be sent can be");
                if self.sent == 0 {
                    self.answered_at = now;
                }
                self.sent += 1;
            }
        }
    }

    /// Takes an answer. Says what came of which request, the first time an answer to it arrives.
    pub fn on_reply<'a>(
        &mut self,
        now: Millis,
        reply: Reply<'a>,
    ) -> Option<(u64, RequestOutcome<'a>)> {
        if let (Stage::Opening { .. }, 0, Answer::Opened(id)) =
            (self.stage, reply.number, reply.answer)
        {
            if reply.client.0 == self.nonce {
                self.stage = Stage::Open(id);
                self.on_answer(now);
            }
            return None;
        }
        if self.stage != Stage::Open(reply.client) {
            return None;
        }
        match reply.answer {
            Answer::Done(_) | Answer::Forgotten => {
                let before = std::mem::replace(self.standing(reply.number)?, Standing::Answered);
                if before == Standing::Answered {
                    return None;
                }
                self.on_answer(now);
                self.advance();
                (before == Standing::Waits).then(|| {
                    self.on_wait_ended();
                    let outcome = match reply.answer {
                        Answer::Done(result) => RequestOutcome::Done(result),
                        _ => RequestOutcome::Told,
                    };
                    (reply.number, outcome)
                })
            }
            Answer::NoSession => {
                self.stage = Stage::Closed;
                None
            }
            // Neither is an answer to what was asked; it will be asked again.
            Answer::OutsideWindow | Answer::Opened(_) => None,
        }
    }

    /// After the session was closed: the requests whose outcome nobody will know, one at a time.
    pub fn next_unknown(&mut self) -> Option<(u64, RequestOutcome<'static>)> {
        while self.is_closed() {
            let standing = self.taken.pop_front()?;
            self.low += 1;
            if standing == Standing::Waits {
                self.on_wait_ended();
                return Some((self.low, RequestOutcome::Unknown));
            }
        }
        None
    }

    /// Turns to the next replica when this one has been silent for too long.
    pub fn on_tick(&mut self, now: Millis) {
        let waits = self.sent > 0 || self.stage == Stage::Opening { asked: true };
        if waits && now.saturating_sub(self.answered_at) >= self.patience_ms {
            self.patience_ms = (2 * self.patience_ms).min(self.limits.retry_after_ms_max);
            self.turn_to_next(now);
        }
    }

    /// The connection to `replica` is gone or could not be made: what it was sent may be lost.
    pub fn on_broken(&mut self, now: Millis, replica: ReplicaId) {
        if replica != self.target {
            return;
        }
        self.broken += 1;
        let rounds = self.broken / self.limits.replicas as u32;
        if self.broken.is_multiple_of(self.limits.replicas as u32) {
            let pause = Self::PAUSE_MS << rounds.min(8);
            self.resume_at = now + pause.min(self.limits.retry_after_ms_max);
        }
        self.turn_to_next(now);
    }

    /// How long to wait when no replica can be reached, before this doubles.
    const PAUSE_MS: Millis = 5;

    fn turn_to_next(&mut self, now: Millis) {
        self.target = ReplicaId((self.target.0 + 1) % self.limits.replicas as u16);
        self.sent = 0;
        self.answered_at = now;
        if let Stage::Opening { asked } = &mut self.stage {
            *asked = false;
        }
    }

    fn on_answer(&mut self, now: Millis) {
        self.answered_at = now;
        self.patience_ms = self.limits.retry_after_ms;
        self.broken = 0;
    }

    fn advance(&mut self) {
        while self.taken.front() == Some(&Standing::Answered) {
            self.taken.pop_front();
            self.low += 1;
        }
        while self.packs.front().is_some_and(|pack| pack.last <= self.low) {
            self.packs.pop_front();
            self.sent = self.sent.saturating_sub(1);
        }
    }

    fn pack(&mut self) {
        if !self.packer.is_empty() {
            let last = self.low + self.taken.len() as u64;
            let follows = self.packs.back().is_none_or(|before| before.last < last);
            assert!(follows, "packs hold requests in the order of their numbers");
            self.packs.push_back(Sent { last, requests: self.packer.finish() });
        }
    }
}

#[cfg(test)]
mod tests;
